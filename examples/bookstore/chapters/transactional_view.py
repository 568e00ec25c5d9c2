"""A view that never differs from the events: a row that cannot be written keeps the event from being stored."""

import asyncio

from sqlalchemy import CheckConstraint, Column, Integer, MetaData, String, Table, bindparam, select

from bookstore.domain import Book, Bought, Buy, Return, decide, evolve
from eventfold import Aggregate, Eventfold, Pending, TransactionalHandler, View, upsert
from eventfold.errors import HandlerFailed

books = Aggregate("book", initial=Book(), decide=decide, evolve=evolve)

sold_t = Table(
    "sold",
    MetaData(),
    Column("isbn", String, primary_key=True),
    Column("copies", Integer, CheckConstraint("copies <= 8"), nullable=False),
)
sell = upsert(
    sold_t,
    key=["isbn"],
    insert={"isbn": bindparam("isbn_"), "copies": bindparam("n")},
    set={"copies": sold_t.c.copies + bindparam("n")},
)

sold = TransactionalHandler("sold", tables=[sold_t])


class ShelfClosed(Exception):
    """The handler's own reason to say no."""


@sold.on(Bought)
def bought(pending: Pending[Bought], view: View) -> None:
    """The event is pending: it has no position yet, and is stored only if this works."""
    if pending.id == "isbn-closed":
        raise ShelfClosed("nothing is sold from this shelf")
    view.write(sell, {"isbn_": pending.id, "n": pending.event.copies})


app = Eventfold(deciders=[books], handlers=[sold])


async def main(url: str) -> None:
    async with app.open(url) as running:
        # When the command returns, the row is there.
        await running.execute(books, "isbn-1", Buy(3))
        assert await running.query(select(sold_t)) == [("isbn-1", 3)]

        # The handler raises: the command fails with its error inside, and no event is stored.
        try:
            await running.execute(books, "isbn-closed", Buy(1))
        except HandlerFailed as failed:
            assert isinstance(failed.cause, ShelfClosed)
        else:
            raise AssertionError("the handler said no")
        assert (await running.load(books, "isbn-closed")).version == 0

        # The database says no to the row: the same.
        try:
            await running.execute(books, "isbn-1", Buy(6))
        except HandlerFailed as failed:
            assert failed.processor == "sold"
        else:
            raise AssertionError("nine copies break the rule of the table")
        assert (await running.load(books, "isbn-1")).state == Book(left=7)

        # The next command works as ever. The handler does not care for a return, so nothing is written.
        await running.execute(books, "isbn-1", Buy(5))
        await running.execute(books, "isbn-1", Return(1))
        assert await running.query(select(sold_t)) == [("isbn-1", 8)]

        # Many at once: who has to decide again writes the row again, and what was written before is undone.
        buyers = [running.execute(books, "isbn-2", Buy(1)) for _ in range(6)]
        await asyncio.gather(*buyers)
        assert await running.query(select(sold_t).where(sold_t.c.isbn == "isbn-2")) == [("isbn-2", 6)]
        assert (await running.load(books, "isbn-2")).state == Book(left=4)
