"""Two ways for writers to meet: without a lock they are verified, with a lock they take turns."""

import asyncio
from contextlib import suppress

from bookstore.domain import Book, Buy, NotEnoughCopies, Return, decide, evolve
from eventfold import Aggregate, Eventfold, Outcome, Running
from eventfold.errors import LockTimedOut

books = Aggregate("book", initial=Book(), decide=decide, evolve=evolve)
app = Eventfold(deciders=[books])


async def main(url: str) -> None:
    async with app.open(url) as running:
        # Optimistic, the default: everybody decides at once, and who was slower decides again on what is there then.
        # Nobody buys a copy that is gone.
        buyers = [running.execute(books, "isbn-1", Buy(1)) for _ in range(12)]
        answers = await asyncio.gather(*buyers, return_exceptions=True)
        assert sum(isinstance(answer, NotEnoughCopies) for answer in answers) == 2
        assert sorted(answer.version for answer in answers if isinstance(answer, Outcome)) == list(range(1, 11))
        assert (await running.load(books, "isbn-1")).state == Book(left=0)

        # Pessimistic: lock, look, do what must not be done twice, then record.
        async with running.lock(books, "isbn-2") as book:
            assert (book.state, book.version) == (Book(left=10), 0)  # a book that nobody has bought can be locked too

            # Reading takes no lock and waits for none.
            loads = await asyncio.gather(*(running.load(books, "isbn-2") for _ in range(20)))
            assert {loaded.version for loaded in loads} == {0}

            # Nobody else can lock it meanwhile.
            try:
                async with running.lock(books, "isbn-2", timeout=0.05):
                    raise AssertionError("two hold one lock")
            except LockTimedOut as error:
                assert "isbn-2" in str(error)

            # Another book can be locked, or bought, at the same time.
            async with running.lock(books, "isbn-3", timeout=1) as other:
                await other.execute(Buy(1))

            # A command that is turned down leaves the lock held; whoever waits goes on waiting.
            seen: list[Book] = []
            waiting = asyncio.create_task(next_in_line(running, seen))
            with suppress(NotEnoughCopies):
                await book.execute(Buy(100))
            assert await still_waits(waiting)

            # Who does not lock is not kept out. What comes in between is seen by the command under the lock: it is
            # decided again, so it takes six of seven, and never six of ten.
            await running.execute(books, "isbn-2", Buy(3))
            outcome = await book.execute(Buy(6))
            assert (outcome.state, outcome.version) == (Book(left=1), 2)

            # What is recorded frees the lock, though the block goes on, and who comes next sees what was done under it.
            await waiting
            assert seen == [Book(left=1)]
            assert (await running.load(books, "isbn-2")).state == Book(left=2)

        # A block that ends without a command, with an error, or because its task is cancelled, frees it as well.
        async with running.lock(books, "isbn-2"):
            pass
        try:
            async with running.lock(books, "isbn-2") as book:
                await book.execute(Buy(100))
        except NotEnoughCopies:
            pass
        holding = asyncio.create_task(hold(running))
        assert await still_waits(holding)
        holding.cancel()
        async with running.lock(books, "isbn-2", timeout=1) as book:
            assert book.version == 3


async def next_in_line(running: Running, seen: list[Book]) -> None:
    async with running.lock(books, "isbn-2") as book:
        seen.append(book.state)
        await book.execute(Return(1))


async def hold(running: Running) -> None:
    async with running.lock(books, "isbn-2"):
        await asyncio.Event().wait()


async def still_waits(task: asyncio.Task[None]) -> bool:
    done, _ = await asyncio.wait([task], timeout=0.1)
    return not done
