"""The wiring: an aggregate, a table, the projector that fills it. `cd examples; python -m bookstore.app` runs it."""

import asyncio
import sys

from sqlalchemy import Column, Integer, MetaData, String, Table, bindparam, select

from bookstore.domain import Book, Bought, Buy, NotEnoughCopies, Return, Returned, decide, evolve
from eventfold import Aggregate, Eventfold, Projector, Recorded, View, upsert

books = Aggregate("book", initial=Book(), decide=decide, evolve=evolve)

stock_t = Table("stock", MetaData(), Column("isbn", String, primary_key=True), Column("left", Integer, nullable=False))
take = upsert(
    stock_t,
    key=["isbn"],
    insert={"isbn": bindparam("isbn_"), "left": Book().left - bindparam("n")},
    set={"left": stock_t.c.left - bindparam("n")},
)

stock = Projector("stock", tables=[stock_t])


@stock.on(Bought)
def bought(recorded: Recorded[Bought], view: View) -> None:
    view.write(take, {"isbn_": recorded.id, "n": recorded.event.copies})


@stock.on(Returned)
def returned(recorded: Recorded[Returned], view: View) -> None:
    view.write(take, {"isbn_": recorded.id, "n": -recorded.event.copies})


app = Eventfold(deciders=[books], processors=[stock])


async def main(url: str = "memory:") -> None:
    async with app.open(url) as running:
        await running.execute(books, "isbn-1", Buy(3))
        outcome = await running.execute(books, "isbn-1", Return(1))
        print(f"{outcome.state.left} left")
        try:
            await running.execute(books, "isbn-1", Buy(11))
        except NotEnoughCopies as rejection:
            print(f"rejected: {rejection}")
        await running.wait_for(stock, outcome.position)
        print(await running.query(select(stock_t)))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
