"""Two ways for writers to meet: without a lock they are verified, with a lock they take turns."""

import asyncio

from bookstore.domain import Book, Buy, NotEnoughCopies, Return, decide, evolve
from eventfold import Aggregate, Eventfold, Running
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

            # Whoever waits comes when the lock is free, and sees what was done under it.
            seen: list[Book] = []
            waiting = asyncio.create_task(next_in_line(running, seen))
            outcome = await book.execute(Buy(4))
            assert outcome.version == 1

        await waiting
        assert seen == [Book(left=6)]
        assert (await running.load(books, "isbn-2")).state == Book(left=7)

        # A block that ends without a command, or with an error, frees it as well.
        try:
            async with running.lock(books, "isbn-2") as book:
                await book.execute(Buy(100))
        except NotEnoughCopies:
            pass
        async with running.lock(books, "isbn-2", timeout=1) as book:
            assert book.version == 2


async def next_in_line(running: Running, seen: list[Book]) -> None:
    async with running.lock(books, "isbn-2") as book:
        seen.append(book.state)
        await book.execute(Return(1))
