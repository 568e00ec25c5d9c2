"""A bus of your own: any object with `publish`. And one that is there already, for a task of the same process."""

from collections.abc import Sequence
from contextlib import suppress

from bookstore.domain import Book, Bought, Buy, NotEnoughCopies, Return, Returned, decide, evolve
from eventfold import Aggregate, Channel, Eventfold, Recorded

books = Aggregate("book", initial=Book(), decide=decide, evolve=evolve)


class Ticker:
    """Says what happens, line by line. A real one would send the line somewhere."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    async def publish(self, recorded: Recorded[Bought | Returned]) -> None:
        self.lines.append(f"{recorded.id} {recorded.version}: {recorded.event}")


async def main(url: str) -> None:
    ticker, channel = Ticker(), Channel(capacity=10)
    app = Eventfold(deciders=[books], buses=[ticker, channel])

    async with app.open(url) as running:
        await running.execute(books, "isbn-1", Buy(3))
        await running.execute(books, "isbn-1", Return(1))

        # A bus works beside the commands: an event is in it soon after the command, in the order of its stream.
        taken = await take(channel, 2)
        assert [each.event for each in taken] == [Bought(3), Returned(1)]

        # What was not stored is not published.
        with suppress(NotEnoughCopies):
            await running.execute(books, "isbn-1", Buy(100))

        # A bus can join a running application; it gets the next events.
        late = Ticker()
        await running.add(late)
        await running.execute(books, "isbn-1", Buy(1))

    # When the block ends, every bus has had its events.
    assert ticker.lines == [
        "isbn-1 1: Bought(copies=3)",
        "isbn-1 2: Returned(copies=1)",
        "isbn-1 3: Bought(copies=1)",
    ]
    assert late.lines == ["isbn-1 3: Bought(copies=1)"]


async def take(channel: Channel, count: int) -> Sequence[Recorded[Bought | Returned]]:
    return [await anext(channel) for _ in range(count)]
