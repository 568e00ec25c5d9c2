"""Delete a book: its events are gone, and so is what the views say of it."""

from sqlalchemy import Column, Integer, MetaData, String, Table, bindparam, delete, select

from bookstore.domain import Book, Bought, Buy, decide, evolve
from eventfold import (
    Aggregate,
    Eventfold,
    EventHandler,
    Handling,
    Pending,
    Projector,
    Recorded,
    Stream,
    StreamDeleted,
    TransactionalHandler,
    View,
    upsert,
)
from eventfold.errors import HandlerFailed

books = Aggregate("book", initial=Book(), decide=decide, evolve=evolve)

metadata = MetaData()
inside_t, after_t, later_t = (
    Table(name, metadata, Column("isbn", String, primary_key=True), Column("copies", Integer, nullable=False))
    for name in ("sold_inside", "sold_after", "sold_later")
)
sell = {
    table: upsert(
        table,
        key=["isbn"],
        insert={"isbn": bindparam("isbn_"), "copies": bindparam("n")},
        set={"copies": table.c.copies + bindparam("n")},
    )
    for table in (inside_t, after_t, later_t)
}
forget = {table: delete(table).where(table.c.isbn == bindparam("isbn_")) for table in sell}


class OnDisplay(Exception):
    """A reason of ours to keep a book."""


# One view of each kind. Each is told of the deletion in its own time.
inside = TransactionalHandler("inside", tables=[inside_t])
after = EventHandler("after", tables=[after_t])
later = Projector("later", tables=[later_t])


@inside.on(Bought)
def bought_inside(pending: Pending[Bought], view: View) -> None:
    view.write(sell[inside_t], {"isbn_": pending.id, "n": pending.event.copies})


@inside.on_deleted("book")
def deleted_inside(book: Stream, view: View) -> None:
    """Within the deletion: when this raises, nothing is deleted."""
    if book.id == "isbn-kept":
        raise OnDisplay(book.id)
    view.write(forget[inside_t], {"isbn_": book.id})


@after.on(Bought)
def bought_after(recorded: Recorded[Bought], handling: Handling) -> None:
    handling.write(sell[after_t], {"isbn_": recorded.id, "n": recorded.event.copies})


@after.on_deleted("book")
def deleted_after(book: Stream, handling: Handling) -> None:
    """When it is done, before `delete` returns."""
    handling.write(forget[after_t], {"isbn_": book.id})


@later.on(Bought)
def bought_later(recorded: Recorded[Bought], view: View) -> None:
    view.write(sell[later_t], {"isbn_": recorded.id, "n": recorded.event.copies})


@later.on_deleted("book")
def deleted_later(deleted: Recorded[StreamDeleted], view: View) -> None:
    """When the projector comes to it in the log. The event's id is that of the book."""
    view.write(forget[later_t], {"isbn_": deleted.id})


app = Eventfold(deciders=[books], processors=[later], handlers=[inside, after])


async def main(url: str) -> None:
    async with app.open(url) as running:
        await running.execute(books, "isbn-1", Buy(3))
        bought = await running.execute(books, "isbn-2", Buy(1))
        await running.wait_for(later, bought.position)

        mark = await running.administration.delete(books, "isbn-1", actor="ops", reason="entered by mistake")
        assert mark is not None
        assert [event async for event in running.source.read(books.stream("isbn-1"))] == []
        assert (await running.load(books, "isbn-1")).version == 0

        assert await running.query(select(inside_t)) == [("isbn-2", 1)]
        assert await running.query(select(after_t)) == [("isbn-2", 1)]
        await running.wait_for(later, mark.position)
        assert await running.query(select(later_t)) == [("isbn-2", 1)]

        # One who takes part in the deletion says no: nothing is deleted, and nobody is told that it was.
        kept = await running.execute(books, "isbn-kept", Buy(4))
        try:
            await running.administration.delete(books, "isbn-kept", actor="ops", reason="unsold")
        except HandlerFailed as failed:
            assert isinstance(failed.cause, OnDisplay)
        else:
            raise AssertionError("it is on display")
        assert (await running.load(books, "isbn-kept")).state == Book(left=6)
        await running.wait_for(later, kept.position)
        for table in sell:
            assert await running.query(select(table).order_by(table.c.isbn)) == [("isbn-2", 1), ("isbn-kept", 4)]

        # Who did it, and why, stays.
        (entry,) = [entry async for entry in running.administration.audit()]
        assert (entry.action, entry.actor, entry.reason) == ("delete", "ops", "entered by mistake")

        # The same book may begin again.
        again = await running.execute(books, "isbn-1", Buy(2))
        assert again.state == (await running.load(books, "isbn-1")).state == Book(left=8)
        await running.wait_for(later, again.position)
        for table in sell:
            assert await running.query(select(table.c.copies).where(table.c.isbn == "isbn-1")) == [(2,)]
