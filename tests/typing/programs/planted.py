"""Each line that is marked must be refused by both checkers, and no other."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select

from bookstore.app import books, stock, stock_t
from bookstore.domain import Book, Bought, Buy, Return, Returned, decide, evolve
from eventfold import (
    Aggregate,
    Boundary,
    Eventfold,
    EventHandler,
    Events,
    Handling,
    Pending,
    Projector,
    Query,
    Recorded,
    Running,
    Stream,
    TransactionalHandler,
    View,
)
from eventfold.testing import given


@dataclass(frozen=True)
class Unrelated:
    text: str


@dataclass
class StockRow:
    isbn: str
    left: int


# ------------------------------------------------------------------------ commands


async def commands(running: Running) -> None:
    await running.execute(books, "isbn-1", Unrelated("x"))  # expect-error: a wrong command
    await running.execute(books, "isbn-1", Bought(1))  # expect-error: an event is no command
    await running.execute(books, 7, Buy(1))  # expect-error: an id that is no text
    await running.execute(decide, "isbn-1", Buy(1))  # expect-error: no aggregate


async def outcomes(running: Running) -> None:
    outcome = await running.execute(books, "isbn-1", Buy(3))
    reply: int = outcome.reply  # expect-error: an aggregate has no reply
    state: str = outcome.state  # expect-error: a wrong state
    event: Bought = outcome.events[0].event  # expect-error: it may be another event
    left: str = (await running.load(books, "isbn-1")).state.left  # expect-error: a wrong field of the state
    print(reply, state, event, left)


# ---------------------------------------------------------------------- boundaries


def decide_once(command: Buy, sold: int) -> list[Bought]:
    return [Bought(command.copies)]


def evolve_sold(sold: int, event: Bought | Returned) -> int:
    return sold + event.copies


def all_copies(command: Buy) -> Query:
    return Query.of(Bought, Returned)


def no_query(command: Buy) -> list[str]:
    return ["Bought"]


sales = Boundary("sale", initial=0, decide=decide_once, evolve=evolve_sold, query=all_copies)
Boundary("sale", initial="", decide=decide_once, evolve=evolve_sold, query=all_copies)  # expect-error: a wrong state
Boundary("sale", initial=0, decide=decide_once, evolve=evolve_sold, query=no_query)  # expect-error: no query


async def across(running: Running) -> None:
    await running.execute(sales, "1", Buy(1))  # expect-error: a boundary takes no id
    await running.execute(sales, Return(1))  # expect-error: no command of the boundary
    await running.execute(books, Buy(1))  # expect-error: an aggregate takes an id
    text: str = (await running.execute(sales, Buy(1))).state  # expect-error: a wrong state
    print(text)


# ---------------------------------------------------------------------- aggregates


def evolve_unrelated(book: Book, event: Unrelated) -> Book:
    return book


def evolve_text(book: str, event: Bought | Returned) -> str:
    return book


def decide_unrelated(command: Buy | Return, book: Book) -> list[Unrelated]:
    return [Unrelated("x")]


Aggregate("book", initial=Book(), decide=decide, evolve=evolve_unrelated)  # expect-error: a wrong event in evolve
Aggregate("book", initial=Book(), decide=decide, evolve=evolve_text)  # expect-error: a wrong state in evolve
Aggregate("book", initial=Book(), decide=decide_unrelated, evolve=evolve)  # expect-error: a wrong event in decide
Aggregate("book", initial="ten", decide=decide, evolve=evolve)  # expect-error: a wrong initial state
Aggregate("book", initial=Book(), decide=decide, evolve=evolve, events=[Bought(1)])  # expect-error: no class
Aggregate("book", Book(), decide, evolve)  # expect-error: keywords are keywords


# ------------------------------------------------------------------------ handlers


projector = Projector("p", tables=[stock_t])


@projector.on(Bought)  # expect-error: the handler takes another event
def other_event(recorded: Recorded[Returned], view: View) -> None: ...


@projector.on(Bought, Returned)  # expect-error: the handler takes only one of the two
def one_of_two(recorded: Recorded[Bought], view: View) -> None: ...


@projector.on(Bought)  # expect-error: the handler takes a bare event
def bare(event: Bought, view: View) -> None: ...


@projector.on(Bought)  # expect-error: the handler has no view
def no_view(recorded: Recorded[Bought]) -> None: ...


@projector.on(Bought)  # expect-error: the handler returns something
def returns(recorded: Recorded[Bought], view: View) -> int:
    return 1


@projector.on_batch(Bought)  # expect-error: a batch is a sequence
def no_batch(recorded: Recorded[Bought], view: View) -> None: ...


@projector.on_batch(Bought)  # expect-error: a sequence cannot be changed
def changes(batch: list[Recorded[Bought]], view: View) -> None: ...


@projector.on(Bought(1))  # expect-error: an event is no class
def no_class(recorded: Recorded[Bought], view: View) -> None: ...


@projector.on_any()  # expect-error: every event is more than one event's sequence
def any_batch(batch: Sequence[Recorded[Bought]], view: View) -> None: ...


async def writes(view: View) -> None:
    view.write("UPDATE stock SET left = 1")  # expect-error: text is no statement
    view.write(select(stock_t))  # expect-error: a select writes nothing
    rows: list[Book] = await view.fetch(select(stock_t))  # expect-error: rows are tuples
    print(rows)


after_commit = EventHandler("after-commit", tables=[stock_t])
inside = TransactionalHandler("inside", tables=[stock_t])


@after_commit.on(Bought)  # expect-error: it is recorded already
def not_pending(pending: Pending[Bought], handling: Handling) -> None: ...


@after_commit.on(Bought)  # expect-error: the handler takes another event
def told_of_another(recorded: Recorded[Returned], handling: Handling) -> None: ...


@after_commit.on_deleted("book")  # expect-error: a deletion is about a stream
def deleted_event(recorded: Recorded[Bought], handling: Handling) -> None: ...


@inside.on(Bought)  # expect-error: it is not recorded yet
def not_recorded(recorded: Recorded[Bought], view: View) -> None: ...


@inside.on(Bought)  # expect-error: within an append there are no commands
def no_commands(pending: Pending[Bought], handling: Handling) -> None: ...


@inside.on(Bought, Returned)  # expect-error: the handler takes only one of the two
def one_of_two_pending(pending: Pending[Bought], view: View) -> None: ...


@inside.on_deleted(Bought)  # expect-error: a category is a text
def of_a_class(deleted: Stream, view: View) -> None: ...


after_commit.on_batch(Bought)  # expect-error: only a projector takes batches


async def handles(handling: Handling, pending: Pending[Bought]) -> None:
    await handling.execute(books, "isbn-1", Bought(1))  # expect-error: an event is no command
    await handling.execute(books, Buy(1))  # expect-error: an aggregate takes an id
    print(pending.position)  # expect-error: it has no position yet
    pending.version = 2  # expect-error: an event is as it is


class NoBus:
    def publish(self, recorded: Recorded[object]) -> None: ...


def no_failure(failure: str) -> None: ...


async def adds(running: Running) -> None:
    await running.add(NoBus())  # expect-error: publish is awaited
    await running.add(stock)  # expect-error: a projector is no handler


Eventfold(handlers=[stock])  # expect-error: a projector is no handler
Eventfold(processors=[after_commit])  # expect-error: a handler has no place in the log
Eventfold(buses=[NoBus()])  # expect-error: publish is awaited
Eventfold(on_handler_error=no_failure)  # expect-error: it is told of a failure


# ------------------------------------------------------------------------- recorded


def narrower(recorded: Recorded[Bought | Returned]) -> Recorded[Bought]:
    return recorded  # expect-error: covariant, not contravariant


def changed(recorded: Recorded[Bought]) -> None:
    recorded.version = 2  # expect-error: recorded is recorded


# ------------------------------------------------------------------------- reading


async def reading(running: Running) -> None:
    books_: list[Book] = await running.query(select(stock_t), into=StockRow)  # expect-error: another class
    await running.query("SELECT 1")  # expect-error: text is no select
    await running.query(select(stock_t), into=StockRow("1", 2))  # expect-error: no class
    await running.wait_for(stock, "1")  # expect-error: a position is a number
    async for _ in running.subscribe():  # expect-error: a subscription is entered first
        break
    print(books_)


# ----------------------------------------------------------------------- the wiring


Eventfold(deciders=[stock])  # expect-error: a projector decides nothing
Eventfold(processors=[books])  # expect-error: an aggregate processes nothing
Eventfold(deciders=[books], clock=lambda: 1)  # expect-error: no clock
Events().add(Bought, tags=lambda event: [event.left])  # expect-error: no such field
Events().add(Bought(1))  # expect-error: an event is no class
Query.of(Bought, tags=[1])  # expect-error: a tag is a text


# ------------------------------------------------------------------------ scenarios


async def scenarios() -> None:
    given(books, Unrelated("x"))  # expect-error: no event of the aggregate
    given(books, Bought(3)).when(Unrelated("x"))  # expect-error: no command of the aggregate
    given(books, Bought(3)).when(Buy(1)).then(Unrelated("x"))  # expect-error: no event of the aggregate
    given(books, Bought(3)).when(Buy(1)).then_state("seven")  # expect-error: no state of the aggregate
    given(books).when(Buy(11)).then_rejects(Book)  # expect-error: no exception
    given(stock, Bought(3)).when(Buy(1))  # expect-error: a projector has no commands
    await given(stock, Bought(3)).then_rows("stock", [])  # expect-error: a name is no table
