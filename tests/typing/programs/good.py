"""What must pass both checkers as it stands."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, assert_type
from uuid import uuid4

import msgspec
from sqlalchemy import select

from bookstore.app import books, stock, stock_t
from bookstore.domain import Book, Bought, Buy, Return, Returned
from eventfold import (
    Boundary,
    Channel,
    Eventfold,
    EventHandler,
    Events,
    HandlerFailure,
    Handling,
    Joined,
    Loaded,
    Locked,
    Outcome,
    Pending,
    Projector,
    Query,
    Recorded,
    Running,
    Staged,
    Stream,
    TransactionalHandler,
    View,
)
from eventfold.testing import given


@dataclass
class StockRow:
    isbn: str
    left: int


class StockStruct(msgspec.Struct):
    isbn: str
    left: int


class StockTuple(NamedTuple):
    isbn: str
    left: int


events = Events()
events.add(Bought, name="copies-bought", version=2, tags=lambda event: [f"copies:{event.copies}"])
app = Eventfold(deciders=[books], processors=[stock], events=events)


def decide_once(command: Buy, sold: int) -> list[Bought]:
    return [Bought(command.copies)]


def evolve_sold(sold: int, event: Bought | Returned) -> int:
    return sold + event.copies


def all_copies(command: Buy) -> Query:
    return Query.of(Bought, Returned)


def one_shop(command: Buy) -> tuple[str, str]:
    return "shop", "1"


sales = Boundary("sale", initial=0, decide=decide_once, evolve=evolve_sold, query=all_copies)
in_one_shop = Boundary(
    "sales_in_shop", initial=0, decide=decide_once, evolve=evolve_sold, query=all_copies, stream=one_shop
)
Eventfold(deciders=[books, sales])


async def across(running: Running) -> None:
    outcome = await running.execute(sales, Buy(3), metadata={"actor": "ann"})
    assert_type(outcome, Outcome[int, Bought, None])
    given(sales, Bought(3), Returned(1)).when(Buy(1)).then(Bought(1)).then_state(5)


async def write(running: Running) -> None:
    outcome = await running.execute(books, "isbn-1", Buy(3), metadata={"actor": "ann"})
    assert_type(
        await running.execute(books, "isbn-1", Buy(3), command_id=uuid4()), Outcome[Book, Bought | Returned, None]
    )
    assert_type(outcome, Outcome[Book, Bought | Returned, None])
    assert_type(outcome.events, tuple[Recorded[Bought | Returned], ...])
    assert_type(outcome.state, Book)
    assert_type(await running.load(books, "isbn-1", version=1), Loaded[Book])
    async with running.context(correlation_id="req-1", metadata={"a": 1}):
        await running.execute(books, "isbn-1", Return(1))


async def read(running: Running) -> None:
    assert_type(await running.query(select(stock_t), into=StockRow), list[StockRow])
    assert_type(await running.query(select(stock_t), into=StockStruct), list[StockStruct])
    assert_type(await running.query(select(stock_t), into=StockTuple), list[StockTuple])
    await running.wait_for(stock, await running.head(Query.of(Bought) | Query.of(Returned, tags=["x"])))
    async with running.subscribe(Query.of(Bought), after=1) as batches:
        async for batch in batches:
            assert_type(batch.events[0].position, int)
    async with app.test() as tested:
        await tested.settled()


every = Projector("every")


@every.on(Bought, Returned)
def both(recorded: Recorded[Bought | Returned], view: View) -> None:
    assert_type(recorded.event, Bought | Returned)


@every.on_any()
async def reading(recorded: Recorded[object], view: View) -> None:
    rows = await view.fetch(select(stock_t))
    view.write(stock_t.insert(), {"isbn": rows[0][0], "left": 1})


batched = Projector("batched")


@batched.on_batch(Bought, Returned)
async def many(batch: Sequence[Recorded[Bought | Returned]], view: View) -> None:
    for recorded in batch:
        assert_type(recorded.event.copies, int)


@batched.on_any()
def wider_is_fine(recorded: Recorded[object], view: View) -> None: ...


after_commit = EventHandler("after-commit", tables=[stock_t], timeout=5)


@after_commit.on(Bought, Returned)
async def told(recorded: Recorded[Bought | Returned], handling: Handling) -> None:
    assert_type(recorded.event, Bought | Returned)
    handling.write(stock_t.insert(), {"isbn": recorded.id, "left": 1})
    assert_type(await handling.execute(books, recorded.id, Return(1)), Outcome[Book, Bought | Returned, None])
    assert_type(await handling.execute(sales, Buy(1)), Outcome[int, Bought, None])


@after_commit.on_any()
def a_function_of_a_projector(recorded: Recorded[object], view: View) -> None: ...


@after_commit.on_deleted("book")
def gone(deleted: Stream, handling: Handling) -> None:
    assert_type(deleted.id, str)


inside = TransactionalHandler("inside")


@inside.on(Bought, Returned)
async def within(pending: Pending[Bought | Returned], view: View) -> None:
    assert_type(pending.event, Bought | Returned)
    assert_type(pending.version, int | None)
    await view.fetch(select(stock_t))


@inside.on_any()
def any_pending(pending: Pending[object], view: View) -> None: ...


@inside.on_deleted("book")
async def about_to_go(deleted: Stream, view: View) -> None: ...


class Printer:
    async def publish(self, recorded: Recorded[object]) -> None:
        print(recorded.event)


def failed(failure: HandlerFailure) -> None:
    assert_type(failure.processor, str)


channel = Channel(capacity=10)
Eventfold(deciders=[books], handlers=[inside, after_commit], buses=[Printer(), channel], on_handler_error=failed)


async def adding(running: Running) -> None:
    await running.add(after_commit)
    await running.add(inside)
    await running.add(Printer())
    async for recorded in channel:
        assert_type(recorded.position, int)


async def together(running: Running) -> None:
    async with running.lock(books, "isbn-1") as book:
        assert_type(book, Locked[Buy | Return, Book, Bought | Returned])
        assert_type(book.state, Book)
        assert_type(await book.execute(Buy(1)), Outcome[Book, Bought | Returned, None])
    async with running.transaction() as unit:
        assert_type(unit, Joined)
        assert_type(await unit.execute(books, "isbn-1", Buy(1)), Staged[Book, Bought | Returned])
        assert_type(await unit.load(books, "isbn-1"), Loaded[Book])


def covariant(recorded: Recorded[Bought]) -> Recorded[Bought | Returned]:
    return recorded


def wider(recorded: Recorded[Bought | Returned]) -> Recorded[object]:
    return recorded


async def scenarios() -> None:
    given(books, Bought(3)).when(Buy(1)).then(Bought(1)).then_state(Book(6))
    given(books).when(Return(1)).then_rejects(Exception, match="x")
    given(books, Bought(3)).then_state(Book(7))
    await given(stock, Bought(3), stream=("book", "isbn-1")).then_rows(stock_t, [{"isbn": "isbn-1", "left": 7}])
