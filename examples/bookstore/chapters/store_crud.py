"""The store itself: put an event in under an id of your own, find it, list a book's events, correct, erase, delete."""

from uuid import UUID

from bookstore.domain import Book, Bought, Buy, decide, evolve
from eventfold import Aggregate, Eventfold
from eventfold.domain.message import NewEvent
from eventfold.errors import ConcurrencyConflict, DecodeError
from eventfold.ports.event_store import Append, Expect

books = Aggregate("book", initial=Book(), decide=decide, evolve=evolve)
app = Eventfold(deciders=[books])

NIGHT_OF_THE_FLOOD = UUID("0197f000-0000-7000-8000-000000000001")


async def main(url: str) -> None:
    async with app.open(url) as running:
        # The usual way in is a command. Version, position and id are given by Eventfold.
        bought = await running.execute(books, "isbn-1", Buy(2))
        (first,) = bought.events
        assert (first.event, first.version) == (Bought(2), 1)

        # The other way in is the sink: an event in bytes, under an id that is known already, say from an import.
        # No `decide` is asked. Doing it again is harmless: the id tells that it is there.
        flood = NewEvent(event_id=NIGHT_OF_THE_FLOOD.bytes, type="Bought", data=b'{"copies": 5}')
        append = Append(books.stream("isbn-1"), [flood], expect=1)
        appended = await running.sink.append(append)
        again = await running.sink.append(append)
        assert again.position == appended.position

        # Find one event by its id.
        administration = running.administration
        found = await administration.find(NIGHT_OF_THE_FLOOD)
        assert found is not None
        assert (found.event, found.id, found.version) == (Bought(5), "isbn-1", 2)

        # List the events of one book, as they are stored.
        stored = [event async for event in running.source.read(books.stream("isbn-1"))]
        assert [(event.version, event.type) for event in stored] == [(1, "Bought"), (2, "Bought")]
        assert (await running.load(books, "isbn-1")).state == Book(left=3)

        # Correct what one event says. It stays where it is.
        await administration.replace(NIGHT_OF_THE_FLOOD, Bought(4), actor="ops", reason="counted again")
        assert (await running.load(books, "isbn-1")).state == Book(left=4)
        corrected = await administration.find(NIGHT_OF_THE_FLOOD)
        assert corrected is not None
        assert (corrected.event, corrected.version, corrected.position) == (Bought(4), 2, found.position)

        # Remove what one event says. Its place stays, so a book with such a hole cannot be loaded: a wrong number
        # would be worse than none.
        await administration.erase(NIGHT_OF_THE_FLOOD, actor="ops", reason="request 4711")
        try:
            await running.load(books, "isbn-1")
        except DecodeError as error:
            assert "Bought" in str(error)
        else:
            raise AssertionError("a hole in the story must be noticed")

        # Delete the book: it is as if it had never been, and doing it twice does nothing.
        assert await administration.delete(books, "isbn-1", actor="ops", reason="a hole in its story")
        assert await administration.delete(books, "isbn-1", actor="ops", reason="once more") is None
        loaded = await running.load(books, "isbn-1")
        assert (loaded.state, loaded.version) == (Book(), 0)

        # Each of these acts is in the audit, with who did it and why.
        acts = [(entry.action, entry.actor, entry.reason) async for entry in administration.audit()]
        assert acts == [
            ("replace", "ops", "counted again"),
            ("erase", "ops", "request 4711"),
            ("delete", "ops", "a hole in its story"),
        ]

        # "There is no such book" is what an append can expect now, once. Versions that were used are not used again.
        other = NewEvent(event_id=running.new_id().bytes, type="Bought", data=b'{"copies": 1}')
        appended = await running.sink.append(Append(books.stream("isbn-1"), [other], expect=Expect.NEW))
        assert appended.streams[0].version == 4  # two events and the tombstone were before it
        another = NewEvent(event_id=running.new_id().bytes, type="Bought", data=b'{"copies": 1}')
        try:
            await running.sink.append(Append(books.stream("isbn-1"), [another], expect=Expect.NEW))
        except ConcurrencyConflict as conflict:
            assert conflict.actual == 4
        else:
            raise AssertionError("there is such a book")
        assert (await running.load(books, "isbn-1")).state == Book(left=9)
