"""Views that follow: an event handler's is there when the command returns, a projector's a moment later, for sure."""

import asyncio

from sqlalchemy import Column, Integer, MetaData, String, Table, bindparam, select

from bookstore.domain import Book, Bought, Buy, Return, Returned, decide, evolve
from eventfold import Aggregate, Eventfold, EventHandler, Projector, Recorded, View, upsert

books = Aggregate("book", initial=Book(), decide=decide, evolve=evolve)

metadata = MetaData()
shop_t = Table("shop", metadata, Column("isbn", String, primary_key=True), Column("left", Integer, nullable=False))
web_t = Table("web", metadata, Column("isbn", String, primary_key=True), Column("left", Integer, nullable=False))
shop_change, web_change = (
    upsert(
        table,
        key=["isbn"],
        insert={"isbn": bindparam("isbn_"), "left": Book().left - bindparam("n")},
        set={"left": table.c.left - bindparam("n")},
    )
    for table in (shop_t, web_t)
)

# After the commit, in the process that stored the event. It missed nothing unless that process died in between.
shop = EventHandler("shop", tables=[shop_t])

# Follows the log, in whichever process runs it, with a checkpoint: it misses nothing, and can be rebuilt.
web = Projector("web", tables=[web_t])


def copies_out(event: Bought | Returned) -> int:
    return event.copies if isinstance(event, Bought) else -event.copies


# What handles an event only writes rows, so the same signature serves a handler and a projector.
@shop.on(Bought, Returned)
def in_shop(recorded: Recorded[Bought | Returned], view: View) -> None:
    view.write(shop_change, {"isbn_": recorded.id, "n": copies_out(recorded.event)})


@web.on(Bought, Returned)
def on_web(recorded: Recorded[Bought | Returned], view: View) -> None:
    view.write(web_change, {"isbn_": recorded.id, "n": copies_out(recorded.event)})


app = Eventfold(deciders=[books], processors=[web], handlers=[shop])


async def main(url: str) -> None:
    async with app.open(url) as running:
        await running.execute(books, "isbn-1", Buy(3))
        assert await running.query(select(shop_t)) == [("isbn-1", 7)]

        # To read your own write from a projector's view, wait until it has come to your event.
        outcome = await running.execute(books, "isbn-1", Return(1))
        assert await running.query(select(shop_t)) == [("isbn-1", 8)]
        await running.wait_for(web, outcome.position)
        assert await running.query(select(web_t)) == [("isbn-1", 8)]

        # However many write at once, each event reaches each view once.
        outcomes = await asyncio.gather(*(running.execute(books, "isbn-2", Buy(1)) for _ in range(6)))
        assert await running.query(select(shop_t.c.left).where(shop_t.c.isbn == "isbn-2")) == [(4,)]
        await running.wait_for(web, max(outcome.position for outcome in outcomes))
        assert await running.query(select(web_t.c.left).where(web_t.c.isbn == "isbn-2")) == [(4,)]
