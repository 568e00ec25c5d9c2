"""Reactors: what their functions take, what an action gives, and what both checkers must refuse."""

from collections.abc import Awaitable
from typing import assert_type

from bookstore.app import app as bookstore
from bookstore.app import books, stock
from bookstore.domain import Book, Bought, Buy, Returned
from eventfold import Act, Eventfold, Outcome, Park, Reactor, Recorded, Retry, Skip, Stop, View

mails = Reactor(
    "mails",
    start="now",
    emits=[Returned],
    on_error=Retry.exponential(cap=60.0, attempts=8, then=Park()),
    partitions=4,
    concurrency=16,
    position_every=100,
)
Eventfold(deciders=[books], processors=[stock, mails])
assert_type(bookstore, Eventfold)


async def was_sent(recorded: Recorded[object], key: str) -> bool:
    return bool(key)


async def says_nothing(recorded: Recorded[object], key: str) -> None: ...


Reactor("checked", start="beginning", unknown=was_sent, on_error=Stop())
Reactor("repeated", start="beginning", unknown="repeat", on_error=Skip())
Reactor("nowhere")  # expect-error: it must say where it starts
Reactor("nowhere", start="tomorrow")  # expect-error: there is no such start
Reactor("unsure", start="now", unknown="perhaps")  # expect-error: there is no such way
Reactor("unsure", start="now", unknown=says_nothing)  # expect-error: a check says yes or no
Reactor("stubborn", start="now", on_error="retry")  # expect-error: a policy is no text
Reactor("emits", start="now", emits=Returned)  # expect-error: a list of classes
Reactor("emits", start="now", emits=[Returned(1)])  # expect-error: classes


async def send(to: str, *, copies: int = 1) -> float:
    return 1.0


def plain(to: str) -> int:
    return 1


def promised() -> Awaitable[bytes]:
    raise NotImplementedError


@mails.on(Bought, Returned)
async def act_on(recorded: Recorded[Bought | Returned], act: Act) -> None:
    assert_type(recorded.event, Bought | Returned)
    assert_type(await act.once("mail", send, "ann", copies=2), float)
    assert_type(await act.once("mail", send, to="ann"), float)
    assert_type(await act.once("plain", plain, "ann"), int)
    assert_type(await act.once("promised", promised), bytes)
    assert_type(await act.once("checked", send, "ann", unknown=was_sent), float)
    assert_type(await act.once("repeated", plain, "ann", unknown="repeat"), int)
    assert_type(await act.execute(books, "isbn-1", Buy(1)), Outcome[Book, Bought | Returned, None])
    await act.emit(Returned(1), stream=("book", "isbn-1"), metadata={"by": "mails"})
    assert_type(act.attempt, int)


@mails.on_any()
def counting(recorded: Recorded[object], act: Act) -> None: ...


@mails.on(Bought)  # expect-error: the function takes another event
async def another_event(recorded: Recorded[Returned], act: Act) -> None: ...


@mails.on(Bought)  # expect-error: the function is one of a projector
async def of_a_projector(recorded: Recorded[Bought], view: View) -> None: ...


async def refused(act: Act) -> None:
    await act.once("mail", send)  # expect-error: an argument is missing
    await act.once("mail", send, 7)  # expect-error: a wrong argument
    await act.once("mail", send, to="ann", copy=2)  # expect-error: an unknown argument
    await act.once("mail", send("ann"))  # expect-error: it is not to be called beforehand
    await act.once(7, send, "ann")  # expect-error: a key is text
    await act.once("mail", send, "ann", unknown="perhaps")  # expect-error: there is no such way
    text: str = await act.once("mail", send, "ann")  # expect-error: it gives something else
    await act.emit(Returned(1))  # expect-error: no stream
    await act.emit(Returned(1), stream="book-1")  # expect-error: category and id are two
    await act.execute(books, "isbn-1", Bought(1))  # expect-error: an event is no command
    print(text)
