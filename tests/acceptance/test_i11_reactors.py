"""I11: reactors. What they emit and execute happens once; what they do outside is done once, or visibly unknown."""

import asyncio
import logging
import random
import signal
import subprocess
import sys
import textwrap
from collections import Counter
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from sqlalchemy import Column, Integer, MetaData, String, Table, insert, select

from eventfold import (
    Act,
    Aggregate,
    Boundary,
    Eventfold,
    EventHandler,
    Events,
    Park,
    Pending,
    Query,
    Reactor,
    Recorded,
    Retry,
    Running,
    TransactionalHandler,
    View,
)
from eventfold.domain.message import StoredEvent, Stream
from eventfold.errors import HandlerFailed, InvalidInput, ProcessorStopped, UnknownEvent
from eventfold.ports.actions import Action, Intent
from eventfold.ports.checkpoint_store import Move
from eventfold.ports.event_store import Append
from eventfold.ports.parking import Parked
from eventfold.processing.place import Place as PlaceInLog
from tests.acceptance.world import (
    Added,
    AddUnless,
    Event,
    File,
    Noted,
    Place,
    Server,
    TapeFull,
    new_event,
    record,
    stored,
    stream,
    summing,
    sums,
    tapes,
)
from tests.postgres import PostgresServer

ROOT = Path(__file__).resolve().parents[2]
AT_ONCE = Retry.constant(0.0)


@dataclass(frozen=True)
class Echoed:
    """Nobody but a reactor records it."""

    n: int


def application(*processors: Any, **more: Any) -> Eventfold:
    return Eventfold(deciders=[tapes], processors=processors, **more)


def reactor(name: str = "mails", **more: Any) -> Reactor:
    return Reactor(name, **{"start": "beginning", "on_error": AT_ONCE, **more})


async def fill(place: Place, *events: Event, id: str = "t") -> None:
    async with place.open(application()) as running:
        await running.execute(tapes, id, record(*events))


async def ledger(running: Running, name: str = "mails") -> dict[tuple[int, str], Action]:
    """By position of the event and key."""
    positions = {each.event_id: each.position for each in await stored(running)}
    return {
        (positions[each.event_id], each.key): each for each in await running._stores.actions.actions(name, limit=10_000)
    }


async def states(running: Running, name: str = "mails") -> dict[tuple[int, str], str]:
    return {key: each.status for key, each in (await ledger(running, name)).items()}


async def parked(running: Running, name: str = "mails") -> Sequence[Parked]:
    return await running._stores.parking.parked(name)


async def echoes(running: Running) -> list[StoredEvent]:
    return await stored(running, Query.of("Echoed"))


class Post:
    """The outside world: it keeps what it was sent, and fails when it is told to."""

    def __init__(self) -> None:
        self.sent: list[int] = []
        self.calls: list[int] = []
        self.failing: dict[int, list[BaseException]] = {}

    async def send(self, n: int) -> str:
        self.calls.append(n)
        await asyncio.sleep(0)
        if self.failing.get(n):
            raise self.failing[n].pop(0)
        self.sent.append(n)
        return f"number {len(self.sent)}"


# ------------------------------------------------------------------- I11: what it emits


async def test_i11_what_it_emits_names_its_cause_and_the_conversation(place: Place) -> None:
    echo = reactor(emits=[Echoed])

    @echo.on(Added)
    async def added(recorded: Recorded[Added], act: Act) -> None:
        await act.emit(Echoed(recorded.event.n), stream=("echo", recorded.id), metadata={"by": "echo"})

    async with place.open(application(echo)) as running:
        await running.execute(tapes, "a", record(Added(1)))
        async with running.context(correlation_id="conversation"):
            await running.execute(tapes, "a", record(Added(2)))
        await running.settled()
        causes = await stream(running, "a")
        emitted = await echoes(running)
    assert [each.stream for each in emitted] == 2 * [Stream("echo", "a")]
    assert [each.version for each in emitted] == [1, 2]
    ids = [str(Recorded(None, each).event_id) for each in causes]
    assert [each.causation_id for each in emitted] == ids
    assert [each.correlation_id for each in emitted] == [ids[0], "conversation"]
    assert [Recorded(None, each).metadata for each in emitted] == 2 * [{"by": "echo"}]
    assert [each.data for each in emitted] == [b'{"n":1}', b'{"n":2}']


async def test_i11_a_class_that_is_not_declared_is_refused(place: Place) -> None:
    echo = reactor(on_error=Park(), emits=[Echoed])

    @echo.on(Added)
    async def added(recorded: Recorded[Added], act: Act) -> None:
        await act.emit(Noted("x"), stream=("echo", "1"))

    await fill(place, Added(1))
    async with place.open(application(echo)) as running:
        await running.settled()
        (entry,) = await parked(running)
        assert "reactor 'mails' emits ['Echoed'], and not Noted: declare it" in entry.error
        assert len(await stored(running)) == 1


def test_i11_what_nobody_records_is_refused_from_the_start() -> None:
    """But for what it emits: that is in the catalogue because the reactor says so."""

    @dataclass(frozen=True)
    class Stranger:
        pass

    strange = reactor(emits=[Echoed])
    strange.on(Stranger)(lambda recorded, act: None)
    with pytest.raises(UnknownEvent, match="Stranger"):
        application(strange)
    follows = reactor(emits=[Echoed])
    follows.on(Echoed)(lambda recorded, act: None)
    application(follows)


async def test_i11_one_that_emits_nothing_declares_nothing(place: Place) -> None:
    quiet, seen = reactor(), list[int]()

    @quiet.on(Added)
    def added(recorded: Recorded[Added], act: Act) -> None:
        seen.append(recorded.event.n)

    await fill(place, Added(1), Added(2))
    async with place.open(application(quiet)) as running:
        await running.settled()
        assert len(await stored(running)) == 2
    assert seen == [1, 2]


async def test_i11_what_was_emitted_stands_however_often_it_is_emitted(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    """The first time an event and its handlers and buses; afterwards nothing, also when it would be something else."""
    echo, heard, attempts = reactor(emits=[Echoed]), list[int](), list[int]()
    hears = EventHandler("hears")

    @hears.on(Echoed)
    def hear(recorded: Recorded[Echoed], handling: object) -> None:
        heard.append(recorded.event.n)

    class Bus:
        def __init__(self) -> None:
            self.published: list[int] = []

        async def publish(self, recorded: Recorded[Any]) -> None:
            if isinstance(recorded.event, Echoed):
                self.published.append(recorded.event.n)

    @echo.on(Added)
    async def added(recorded: Recorded[Added], act: Act) -> None:
        attempts.append(act.attempt)
        await act.emit(Echoed(10), stream=("echo", "1"))
        await act.emit(Echoed(20 + len(attempts)), stream=("echo", "1"))
        if len(attempts) < 3:
            raise RuntimeError("once more")
        await act.emit(Echoed(30), stream=("echo", "1"))

    await fill(place, Added(1))
    bus = Bus()
    caplog.set_level(logging.WARNING)
    async with place.open(application(echo, handlers=[hears], buses=[bus])) as running:
        await running.settled()
        assert [each.data for each in await echoes(running)] == [b'{"n":10}', b'{"n":21}', b'{"n":30}']
    assert attempts == [1, 2, 3]
    assert heard == [10, 21, 30] == bus.published
    assert sum("has emitted something else before, which stands" in each.getMessage() for each in caplog.records) == 2


async def test_i11_rows_of_transactional_handlers_are_written_with_what_is_emitted_once(place: Place) -> None:
    rows_t = Table("echoes", MetaData(), Column("n", Integer, primary_key=True), Column("id", String))
    inside, echo = TransactionalHandler("inside", tables=[rows_t]), reactor(emits=[Echoed])
    put = insert(rows_t)

    @inside.on(Echoed)
    def write(pending: Pending[Echoed], view: View) -> None:
        view.write(put, {"n": pending.event.n, "id": str(pending.event_id)})  # a second time its key is taken

    @echo.on(Added)
    async def added(recorded: Recorded[Added], act: Act) -> None:
        await act.emit(Echoed(recorded.event.n), stream=("echo", "1"))
        if act.attempt < 3:
            raise RuntimeError("once more")

    await fill(place, Added(1), Added(2))
    async with place.open(application(echo, handlers=[inside])) as running:
        await running.settled()
        emitted = await echoes(running)
        rows = [tuple(row) for row in await running.query(select(rows_t).order_by(rows_t.c.n))]
    assert rows == [(n, str(Recorded(None, each).event_id)) for n, each in zip((1, 2), emitted, strict=True)]


async def test_i11_a_reactor_may_follow_what_it_emits(place: Place) -> None:
    count = reactor(emits=[Echoed])

    @count.on(Added)
    async def first(recorded: Recorded[Added], act: Act) -> None:
        await act.emit(Echoed(3), stream=("echo", "1"))

    @count.on(Echoed)
    async def down(recorded: Recorded[Echoed], act: Act) -> None:
        if recorded.event.n:
            await act.emit(Echoed(recorded.event.n - 1), stream=("echo", "1"))

    await fill(place, Added(1))
    async with place.open(application(count)) as running:
        async with asyncio.timeout(10):
            while len(await echoes(running)) < 4:
                await running.settled()
        emitted = await echoes(running)
    assert [each.data for each in emitted] == [b'{"n":3}', b'{"n":2}', b'{"n":1}', b'{"n":0}']
    assert len({each.correlation_id for each in emitted}) == 1


# ---------------------------------------------------------------- I11: what it executes


async def test_i11_a_command_is_executed_once_and_gives_the_same_outcome_again(place: Place) -> None:
    sums_up, outcomes = reactor(), list[tuple[int, int, tuple[Any, ...]]]()

    @sums_up.on(Noted)
    async def noted(recorded: Recorded[Noted], act: Act) -> None:
        for n in (1, 2):
            outcome = await act.execute(tapes, "sum", record(Added(n)))
            outcomes.append((outcome.version, outcome.state.sum, tuple(each.event for each in outcome.events)))
        if act.attempt == 1:
            await act.execute(tapes, "sum", record(Added(10)))
            raise RuntimeError("once more")

    await fill(place, Noted("x"))
    async with place.open(application(sums_up)) as running:
        await running.settled()
        assert (await running.load(tapes, "sum")).state.sum == 13
        (cause,) = await stream(running, "t")
        recorded = await stream(running, "sum")
    assert outcomes == 2 * [(1, 1, (Added(1),)), (2, 3, (Added(2),))]
    assert {each.causation_id for each in recorded} == {str(Recorded(None, cause).event_id)}
    assert {each.correlation_id for each in recorded} == {str(Recorded(None, cause).event_id)}


async def test_i11_a_command_of_a_boundary_too(place: Place) -> None:
    def decide_taken(command: Noted, taken: bool) -> list[Noted]:
        return [] if taken else [command]

    def evolve_taken(taken: bool, event: Noted) -> bool:
        return True

    def all_notes(command: Noted) -> Query:
        return Query.of(Noted)

    notes = Boundary("note", initial=False, decide=decide_taken, evolve=evolve_taken, query=all_notes)
    made, outcomes = reactor(), list[tuple[bool, int]]()

    @made.on(Added)
    async def added(recorded: Recorded[Added], act: Act) -> None:
        for text in ("first", "second"):
            outcome = await act.execute(notes, Noted(text))
            outcomes.append((outcome.state, len(outcome.events)))
        if act.attempt == 1:
            raise RuntimeError("once more")

    await fill(place, Added(1))
    async with place.open(Eventfold(deciders=[tapes, notes], processors=[made])) as running:
        await running.settled()
        assert len(await stored(running, Query.of("Noted"))) == 1
    assert outcomes == 2 * [(True, 1), (True, 0)]


async def test_i11_a_rejection_reaches_the_function_and_is_decided_again(place: Place) -> None:
    fills, rejected = reactor(), list[int]()

    @fills.on(Noted)
    async def noted(recorded: Recorded[Noted], act: Act) -> None:
        try:
            await act.execute(tapes, "full", AddUnless(1, 0))
        except TapeFull:
            rejected.append(act.attempt)
        if act.attempt == 1:
            raise RuntimeError("once more")

    await fill(place, Noted("x"))
    async with place.open(application(fills)) as running:
        await running.settled()
        assert await stream(running, "full") == []
    assert rejected == [1, 2]


# -------------------------------------------------------------------- I11: what it does


def sending(post: Post, **more: Any) -> Reactor:
    made = reactor(**more)

    @made.on(Added)
    async def added(recorded: Recorded[Added], act: Act) -> None:
        await act.once("mail", post.send, recorded.event.n)

    return made


async def test_i11_an_action_is_done_once_and_gives_the_same_again(place: Place) -> None:
    post, mails, answers = Post(), reactor(), list[str]()

    @mails.on(Added)
    async def added(recorded: Recorded[Added], act: Act) -> None:
        answers.append(await act.once("mail", post.send, recorded.event.n))
        if act.attempt < 3:
            raise RuntimeError("once more")
        answers.append(await act.once("receipt", post.send, n=-recorded.event.n))

    await fill(place, Added(1), Added(2))
    async with place.open(application(mails)) as running:
        await running.settled()
        entries = await ledger(running)
    assert post.sent == [1, -1, 2, -2]
    assert answers == [*3 * ["number 1"], "number 2", *3 * ["number 3"], "number 4"]
    assert {key: (each.status, each.result) for key, each in entries.items()} == {
        (1, "mail"): ("done", b'"number 1"'),
        (1, "receipt"): ("done", b'"number 2"'),
        (2, "mail"): ("done", b'"number 3"'),
        (2, "receipt"): ("done", b'"number 4"'),
    }
    assert all(each.epoch > 0 for each in entries.values())


async def test_i11_the_result_of_an_action_goes_into_what_is_emitted(place: Place) -> None:
    """Act first, then write down what came of it: both once, through a failure between them."""
    charges, charged = reactor(emits=[Echoed]), list[int]()

    async def charge(n: int) -> int:
        charged.append(n)
        return 100 * n + len(charged)

    @charges.on(Added)
    async def added(recorded: Recorded[Added], act: Act) -> None:
        number = await act.once("charge", charge, recorded.event.n)
        if act.attempt == 1:
            raise RuntimeError("once more")
        await act.emit(Echoed(number), stream=("charge", recorded.id))

    await fill(place, Added(1), Added(2))
    async with place.open(application(charges)) as running:
        await running.settled()
        assert [each.data for each in await echoes(running)] == [b'{"n":101}', b'{"n":202}']
    assert charged == [1, 2]


async def test_i11_what_has_failed_is_done_again(place: Place) -> None:
    post = Post()
    post.failing[1] = [ValueError("no"), ConnectionRefusedError("nobody there")]
    await fill(place, Added(1), Added(2))
    async with place.open(application(sending(post))) as running:
        await running.settled()
        assert await states(running) == {(1, "mail"): "done", (2, "mail"): "done"}
    assert (post.calls, post.sent) == ([1, 1, 1, 2], [1, 2])


def _wrapped(error: Exception, by: Exception) -> Exception:
    try:
        try:
            raise error
        except Exception as inner:
            raise by from inner
    except Exception as outer:
        return outer


@pytest.mark.parametrize(
    "error",
    [
        TimeoutError("too slow"),
        ConnectionResetError("gone"),
        BrokenPipeError("gone"),
        asyncio.CancelledError(),
        _wrapped(TimeoutError("too slow"), ValueError("what a library makes of it")),
        ExceptionGroup("several", [ValueError("one"), TimeoutError("another")]),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_i11_what_may_have_been_done_is_unknown_and_parks_the_event(place: Place, error: BaseException) -> None:
    """Whatever the policy: nothing is doubled, nothing is lost from sight, and other streams go on."""
    post = Post()
    post.failing[1] = [error]
    await fill(place, Added(1), Added(2))
    await fill(place, Added(3), id="other")
    async with place.open(application(sending(post))) as running:
        await running.settled()
        assert await states(running) == {(1, "mail"): "unknown", (3, "mail"): "done"}
        first, behind = await parked(running)
    assert post.calls == [1, 3]
    assert (first.position, first.behind, behind.position, behind.behind) == (1, False, 2, True)
    assert "ActionUnknown: reactor 'mails': whether 'mail' was done is unknown" in first.error


async def test_i11_an_action_that_hangs_is_unknown_and_others_go_on(place: Place) -> None:
    slow = Reactor("mails", start="beginning", on_error=Retry.constant(0.01), timeout=0.05)
    sent: list[int] = []

    async def send(n: int) -> None:
        if n == 1:
            await asyncio.Event().wait()
        sent.append(n)

    @slow.on(Added)
    async def mail(recorded: Recorded[Added], act: Act) -> None:
        await act.once("mail", send, recorded.event.n)

    await fill(place, Added(1))
    await fill(place, Added(2), id="other")
    async with place.open(application(slow)) as running:
        await running.settled()
        assert await states(running) == {(1, "mail"): "unknown", (2, "mail"): "done"}
        assert [each.position for each in await parked(running)] == [1]
    assert sent == [2]


async def test_i11_who_knows_that_it_was_not_done_says_so(place: Place) -> None:
    calls: list[int] = []

    async def careful(n: int) -> None:
        calls.append(n)
        if len(calls) == 1:
            try:
                raise TimeoutError("while connecting")
            except TimeoutError as error:
                raise RuntimeError(f"not sent: {error}") from None

    mails = reactor()

    @mails.on(Added)
    async def added(recorded: Recorded[Added], act: Act) -> None:
        await act.once("mail", careful, recorded.event.n)

    await fill(place, Added(1))
    async with place.open(application(mails)) as running:
        await running.settled()
        assert await states(running) == {(1, "mail"): "done"}
    assert calls == [1, 1]


async def found(recorded: Recorded[Any], key: str) -> bool:
    assert (recorded.event, key) == (Added(1), "mail")
    return True


async def not_found(recorded: Recorded[Any], key: str) -> bool:
    return False


@pytest.mark.parametrize(
    ("unknown", "calls"), [("repeat", [1, 1, 2]), (found, [1, 2]), (not_found, [1, 1, 2])], ids=["repeat", "yes", "no"]
)
@pytest.mark.parametrize("by", ["reactor", "call"])
async def test_i11_what_is_unknown_is_repeated_or_checked_as_declared(
    place: Place, unknown: Any, calls: list[int], by: str
) -> None:
    post = Post()
    post.failing[1] = [TimeoutError("too slow")]
    mails, gave = reactor(unknown=unknown if by == "reactor" else "park"), list[object]()

    async def send(n: int) -> str | None:
        return await post.send(n)

    @mails.on(Added)
    async def added(recorded: Recorded[Added], act: Act) -> None:
        if by == "reactor":
            gave.append(await act.once("mail", send, recorded.event.n))
        else:
            gave.append(await act.once("mail", send, recorded.event.n, unknown=unknown))

    await fill(place, Added(1), Added(2))
    async with place.open(application(mails)) as running:
        await running.settled()
        assert await states(running) == {(1, "mail"): "done", (2, "mail"): "done"}
        assert await parked(running) == []
    assert post.calls == calls
    assert gave == ([None, "number 1"] if unknown is found else ["number 1", "number 2"])


@pytest.mark.parametrize("found_out", ["done", "repeat"])
async def test_i11_who_has_looked_says_what_became_of_it_and_the_rest_follows(place: Place, found_out: str) -> None:
    post, mails, followed = Post(), reactor(emits=[Echoed]), asyncio.Event()
    post.failing[1] = [TimeoutError("too slow")]

    @mails.on(Added)
    async def added(recorded: Recorded[Added], act: Act) -> None:
        answer = await act.once("mail", post.send, recorded.event.n)
        await act.emit(Echoed(int(answer.removeprefix("number "))), stream=("echo", "1"))
        if recorded.event.n == 2:
            followed.set()

    await fill(place, Added(1), Added(2))
    async with place.open(application(mails)) as running:
        await running.settled()
        first, behind = await parked(running)
        (unknown,) = await running._stores.actions.actions("mails", status="unknown")
        intent = Intent("mails", first.event_id, "mail", unknown.epoch)
        if found_out == "done":
            await running._stores.actions.settle([(intent, b'"number 7"')])
        else:
            await running._stores.actions.withdraw([intent])
        await running._stores.parking.ask("mails", first.position, "retry", actor="ann")
        async with asyncio.timeout(10):
            await followed.wait()
        assert await states(running) == {(1, "mail"): "done", (2, "mail"): "done"}
        emitted = [each.data for each in await echoes(running)]
    assert behind.position == 2
    if found_out == "done":
        assert (post.calls, emitted) == ([1, 2], [b'{"n":7}', b'{"n":1}'])
    else:
        assert (post.calls, emitted) == ([1, 1, 2], [b'{"n":1}', b'{"n":2}'])


async def test_i11_a_check_that_does_not_say_lets_nothing_be_done(place: Place) -> None:
    async def forgetful(recorded: Recorded[Any], key: str) -> None: ...

    post, unsaid = Post(), cast("Any", forgetful)
    post.failing[1] = [TimeoutError("too slow")]
    await fill(place, Added(1))
    made = sending(post, unknown=unsaid, on_error=Retry.constant(0.0, attempts=3, then=Park()))
    async with place.open(application(made)) as running:
        await running.settled()
        (entry,) = await parked(running)
        assert "was asked whether 'mail' was done, and says None; return True or False" in entry.error
    assert post.calls == [1]


async def test_i11_what_was_done_and_is_known_no_more_is_parked_only_where_it_is_needed(place: Place) -> None:
    """A check tells that it was done, not what it gave; the function says that it always gives something."""
    post = Post()
    post.failing[1] = [TimeoutError("too slow")]
    await fill(place, Added(1))
    async with place.open(application(sending(post, unknown=found))) as running:
        await running.settled()
        assert await states(running) == {(1, "mail"): "done"}
        (entry,) = await parked(running)
    assert entry.error.startswith("ActionUnknown")
    assert post.calls == [1]


async def test_i11_what_the_ledger_cannot_keep_is_done_all_the_same(place: Place) -> None:
    calls: list[int] = []

    async def gives_too_much(n: int) -> dict[str, object]:
        calls.append(n)
        return {"response": object()}

    mails = reactor(on_error=Park())

    @mails.on(Added)
    async def added(recorded: Recorded[Added], act: Act) -> None:
        await act.once("mail", gives_too_much, recorded.event.n)

    await fill(place, Added(1))
    async with place.open(application(mails)) as running:
        await running.settled()
        (entry,) = await parked(running)
        assert "the action is done and is not repeated" in entry.error
        await running._stores.parking.ask("mails", 1, "retry", actor="ann")
        again = entry
        async with asyncio.timeout(10):
            while again.attempts == entry.attempts:
                await asyncio.sleep(0.02)  # nobody rings when it was tried in vain
                (again,) = await parked(running)
        assert again.error.startswith("ActionUnknown")
    assert calls == [1]


async def test_i11_bad_keys_and_functions_are_refused_before_anything_is_done(place: Place) -> None:
    post, refused, kept = Post(), list[str](), list[Act]()
    mails = reactor(on_error=Park())

    async def refuses(call: Awaitable[object]) -> None:
        with pytest.raises(InvalidInput) as error:
            await call
        refused.append(str(error.value))

    @mails.on(Added)
    async def added(recorded: Recorded[Added], act: Act) -> None:
        kept.append(act)
        bad: list[Any] = ["", "x" * 256, "a\0b", "\ud800", 7]
        for key in bad:
            await refuses(act.once(key, post.send, 1))
        await refuses(act.once("mail", post.send(1)))  # type: ignore[call-overload] # as above
        await refuses(act.once("mail", post.send, 1, unknown="stop"))  # type: ignore[call-arg] # as above
        await act.once("mail", post.send, 2)
        await refuses(act.once("mail", post.send, 3))

    await fill(place, Added(1))
    async with place.open(application(mails)) as running:
        await running.settled()
        assert await parked(running) == []
        (act,) = kept
        for late in (
            act.once("late", post.send, 4),
            act.emit(Echoed(1), stream=("a", "b")),
            act.execute(tapes, "t", record()),
        ):
            await refuses(late)
        assert await states(running) == {(1, "mail"): "done"}
    assert post.calls == [2]
    assert ["1 to 255 characters" in each for each in refused[:3]] == 3 * [True]
    assert "no function; it is not to be called beforehand" in refused[5]
    assert "'mail' is done for this event already" in refused[7]
    assert ["belonged to an event that is over" in each for each in refused[8:]] == 3 * [True]


async def test_i11_what_failed_within_the_function_may_be_tried_again_at_once(place: Place) -> None:
    post, mails = Post(), reactor()
    post.failing[1] = [ValueError("no")]

    @mails.on(Added)
    async def added(recorded: Recorded[Added], act: Act) -> None:
        try:
            await act.once("mail", post.send, recorded.event.n)
        except ValueError:
            await act.once("mail", post.send, recorded.event.n)

    await fill(place, Added(1))
    async with place.open(application(mails)) as running:
        await running.settled()
    assert (post.calls, post.sent) == ([1, 1], [1])


async def test_i11_each_reactor_and_each_event_has_actions_of_its_own(place: Place) -> None:
    one, two = Post(), Post()
    ids: set[str] = set()
    mails, letters = reactor("mails"), reactor("letters")

    def register(made: Reactor, post: Post) -> None:
        @made.on(Added)
        async def added(recorded: Recorded[Added], act: Act) -> None:
            ids.add(str(act.delivery_id))
            await act.once("x", post.send, recorded.event.n)
            if act.attempt == 1:
                raise RuntimeError("once more")

    register(mails, one)
    register(letters, two)
    await fill(place, Added(1), Added(2))
    async with place.open(application(mails, letters)) as running:
        await running.settled()
    assert one.sent == [1, 2] == two.sent
    assert len(ids) == 4


async def test_i11_an_undecodable_event_is_that_events_failure(place: Place) -> None:
    post = Post()
    async with place.open(application()) as running:
        bad = new_event(bytes(15) + b"\x01")
        await running.sink.append(Append(Stream("tape", "bad"), [bad]))
        await running.execute(tapes, "t", record(Added(2)))
    catalogue = Events()
    catalogue.add(Added, version=1)
    async with place.open(application(sending(post, on_error=Park()))) as running:
        await running.settled()
    assert post.sent == [1, 2]


# ------------------------------------------------------------ several events at once


class Gate:
    """Lets functions in, counts them, and lets them out when it is told to."""

    def __init__(self) -> None:
        self.inside: list[int] = []
        self.most = 0
        self.passed: list[int] = []
        self.opened = asyncio.Event()
        self.changed = asyncio.Event()

    async def through(self, n: int) -> None:
        self.inside.append(n)
        self.most = max(self.most, len(self.inside))
        self.changed.set()
        try:
            await self.opened.wait()
            await asyncio.sleep(0)
            self.passed.append(n)
        finally:
            self.inside.remove(n)

    async def until(self, *inside: int) -> None:
        async with asyncio.timeout(10):
            while sorted(self.inside) != sorted(inside):
                self.changed.clear()
                await self.changed.wait()


async def side_by_side(place: Place, streams: int, each: int) -> None:
    """Positions 1 … streams are the first events of the streams, and so on."""
    async with place.open(application()) as running:
        for round in range(each):
            for number in range(streams):
                await running.execute(tapes, f"s{number}", record(Added(round * streams + number + 1)))


async def test_i11_events_of_different_streams_are_handled_at_once_and_those_of_one_in_order(place: Place) -> None:
    gate, made = Gate(), reactor(concurrency=4)

    @made.on(Added)
    async def added(recorded: Recorded[Added], act: Act) -> None:
        await gate.through(recorded.event.n)

    await side_by_side(place, 6, 3)
    async with place.open(application(made)) as running:
        await gate.until(1, 2, 3, 4)
        assert running.status()["mails"].position == 0
        gate.opened.set()
        await running.settled()
    assert gate.most == 4
    for number in range(1, 7):
        assert [n for n in gate.passed if n % 6 == number % 6] == [number, number + 6, number + 12]


async def test_i11_one_stream_is_never_handled_at_once(place: Place) -> None:
    gate, made = Gate(), reactor(concurrency=8)
    gate.opened.set()

    @made.on(Added)
    async def added(recorded: Recorded[Added], act: Act) -> None:
        await gate.through(recorded.event.n)

    await fill(place, *(Added(n) for n in range(20)))
    async with place.open(application(made)) as running:
        await running.settled()
    assert (gate.most, gate.passed) == (1, list(range(20)))


async def test_fm13_the_checkpoint_stays_behind_what_is_not_done(place: Place) -> None:
    slow, most, made, done = asyncio.Event(), asyncio.Event(), reactor(concurrency=3), list[int]()

    @made.on(Added)
    async def added(recorded: Recorded[Added], act: Act) -> None:
        if recorded.position == 3:
            await slow.wait()
        done.append(recorded.position)
        if len(done) == 10:  # all but 3, and 9 behind it
            most.set()

    await side_by_side(place, 6, 2)
    async with place.open(application(made)) as running:
        async with asyncio.timeout(10):
            await most.wait()
        assert (await running._stores.rows.checkpoint("mails")).position <= 2
        slow.set()
        await running.settled()
        assert (await running._stores.rows.checkpoint("mails")).position == 12
    assert sorted(done) == list(range(1, 13))


async def test_i11_what_was_handled_beside_a_failure_is_not_handled_again(place: Place) -> None:
    """Those before it are done, those beside it finished, nothing behind it begun; then it is tried, alone."""
    made, calls, begun = reactor(concurrency=3), list[int](), list[set[int]]()
    trouble = asyncio.Event()

    @made.on(Added)
    async def added(recorded: Recorded[Added], act: Act) -> None:
        calls.append(recorded.position)
        if recorded.position == 2 and act.attempt < 3:
            if act.attempt == 1:
                await asyncio.sleep(0)
                trouble.set()
            begun.append(set(calls))
            raise RuntimeError("once more")
        if recorded.position in {1, 3}:
            await trouble.wait()

    await side_by_side(place, 6, 2)
    async with place.open(application(made)) as running:
        await running.settled()
    assert Counter(calls) == {**dict.fromkeys(range(1, 13), 1), 2: 3}
    assert begun == 2 * [{1, 2, 3}]


async def test_i11_several_failures_at_once_are_each_parked_with_those_behind_them(place: Place) -> None:
    made, calls = reactor(concurrency=4, on_error=Park()), list[int]()

    @made.on(Added)
    async def added(recorded: Recorded[Added], act: Act) -> None:
        calls.append(recorded.position)
        await asyncio.sleep(0)
        if recorded.position in {1, 3}:
            raise RuntimeError("never")

    await side_by_side(place, 4, 3)
    async with place.open(application(made)) as running:
        await running.settled()
        assert [(each.position, each.behind) for each in await parked(running)] == [
            (1, False),
            (3, False),
            (5, True),
            (7, True),
            (9, True),
            (11, True),
        ]
        assert (await running._stores.rows.checkpoint("mails")).position == 12
    assert sorted(calls) == [1, 2, 3, 4, 6, 8, 10, 12]


async def test_g16_it_stops_at_what_fails_and_goes_on_there(place: Place) -> None:
    post, made = Post(), Reactor("mails", start="beginning", concurrency=4)

    @made.on(Added)
    async def added(recorded: Recorded[Added], act: Act) -> None:
        if recorded.position == 3 and not post.failing:
            raise RuntimeError("not yet")
        await act.once("mail", post.send, recorded.position)

    await side_by_side(place, 6, 1)
    async with place.open(application(made)) as running:
        with pytest.raises(ProcessorStopped) as stopped:
            await running.settled()
        failed = stopped.value.cause
        assert isinstance(failed, HandlerFailed)
        assert isinstance(failed.event, Recorded)
        assert failed.event.position == 3
        assert (await running._stores.rows.checkpoint("mails")).position == 2
    post.failing[0] = []
    async with place.open(application(made)) as running:
        await running.settled()
    assert Counter(post.calls) == dict.fromkeys(range(1, 7), 1)


async def test_g20_a_function_that_is_cancelled_leaves_its_action_unknown(place: Place) -> None:
    """One that was only about to begin leaves nothing; one that is done is done."""
    gate, made, calls = Gate(), reactor(concurrency=8), list[int]()

    async def pass_through(n: int) -> None:
        calls.append(n)
        await gate.through(n)

    @made.on(Added)
    async def added(recorded: Recorded[Added], act: Act) -> None:
        if recorded.position == 1:
            await act.once("quick", calls.append, 0)
        await act.once("slow", pass_through, recorded.position)

    await side_by_side(place, 3, 1)
    async with place.open(application(made)) as running:
        await gate.until(1, 2, 3)
    async with place.open(application(), run=False) as running:
        assert await states(running) == {
            (1, "quick"): "done",
            **{(position, "slow"): "intended" for position in (1, 2, 3)},
        }
    async with place.open(application(made)) as running:
        await running.settled()
        assert {each.position for each in await parked(running)} == {1, 2, 3}
    assert sorted(calls) == [0, 1, 2, 3]


# --------------------------------------------------- FM-15, G-15: nothing on a rebuild


async def test_fm15_g15_a_rebuild_of_everything_calls_no_reactor(place: Place) -> None:
    post = Post()
    await fill(place, Added(1), Added(2), Added(3))
    async with place.open(application(summing(version=1), sending(post))) as running:
        await running.settled()
    assert post.calls == [1, 2, 3]
    for version in (2, 3):
        async with place.open(application(summing(version=version), sending(post))) as running:
            await running.settled()
            assert [tuple(row) for row in await running.query(sums)] == [("t", 6)]
    assert post.calls == [1, 2, 3]


@pytest.mark.parametrize(("start", "handled"), [("now", [3]), ("beginning", [1, 2, 3])])
async def test_fm15_it_begins_where_it_was_told_and_goes_on_where_it_was(
    place: Place, start: Any, handled: list[int]
) -> None:
    post = Post()
    await fill(place, Added(1), Added(2))
    async with place.open(application(sending(post, start=start))) as running:
        await running.settled()
    await fill(place, Added(3))
    for _ in range(2):
        async with place.open(application(sending(post, start=start))) as running:
            await running.settled()
    assert post.calls == handled


async def test_fm15_now_is_the_first_start_not_the_first_event(place: Place) -> None:
    """What happens while it is away counts, also when it has never had an event in hand."""
    post = Post()
    async with place.open(application(sending(post, start="now"))) as running:
        await running.settled()
    await fill(place, Added(1))
    async with place.open(application(sending(post, start="now"))) as running:
        await running.settled()
    assert post.calls == [1]


async def test_fm15_to_go_back_needs_a_word_and_even_then_nothing_is_doubled(place: Place) -> None:
    post, plain, made = Post(), list[int](), reactor(emits=[Echoed])

    @made.on(Added)
    async def added(recorded: Recorded[Added], act: Act) -> None:
        plain.append(recorded.event.n)
        await act.once("mail", post.send, recorded.event.n)
        await act.emit(Echoed(recorded.event.n), stream=("echo", "1"))
        await act.execute(tapes, "sum", record(Noted("once")))

    await fill(place, Added(1), Added(2))
    async with place.open(application(made)) as running:
        await running.settled()
    async with place.open(application(made), run=False) as running:
        with pytest.raises(InvalidInput, match="--allow-side-effects"):
            await running._stores.rows.start_over("mails")
        await running._stores.rows.start_over("mails", side_effects=True)
    async with place.open(application(made)) as running:
        await running.settled()
        assert len(await echoes(running)) == 2
        assert len(await stream(running, "sum")) == 2
    assert post.sent == [1, 2]
    assert plain == [1, 2, 1, 2]  # what does not go through `act` is repeated: that is why it takes a word


# ------------------------------------------------------------ E9, G-13: through kill -9


APPEND_AND_DIE = """
    import asyncio, os, signal, sys
    from tests.acceptance.world import Added, record, tapes
    from eventfold import Eventfold

    def die(recorded):
        os.kill(os.getpid(), signal.SIGKILL)

    async def main():
        async with Eventfold(deciders=[tapes], on_recorded=die).open(sys.argv[1]) as running:
            await running.execute(tapes, "t", record(Added(1), Added(2)))

    asyncio.run(main())
"""

REACT = """
    import asyncio, os, random, signal, sys
    from tests.acceptance.world import Added, record, tapes
    from eventfold import Eventfold, Reactor
    from eventfold.ports.failpoint import arm

    url, letters, point, at, concurrency = sys.argv[1], sys.argv[2], sys.argv[3], float(sys.argv[4]), int(sys.argv[5])
    passed = 0

    def strike(here):
        global passed
        if here == point:
            passed += 1
            if passed == int(at):
                os.kill(os.getpid(), signal.SIGKILL)

    def write(line):
        with open(letters, "a") as file:
            file.write(line + "\\n")

    async def send(n: int) -> int:
        await asyncio.sleep(random.random() * 0.002)
        write(f"sent {n}")
        await asyncio.sleep(random.random() * 0.002)
        return n

    mails = Reactor("mails", start="beginning", concurrency=concurrency)

    @mails.on(Added)
    async def added(recorded, act):
        write(f"delivered {recorded.position} {act.delivery_id}")
        await act.once("mail", send, recorded.event.n)

    async def main():
        arm(strike)
        async with Eventfold(deciders=[tapes], processors=[mails]).open(url) as running:
            if point == "some time":
                asyncio.get_running_loop().call_later(at, os.kill, os.getpid(), signal.SIGKILL)
            await running.settled(timeout=60)
            if point == "some time":
                await asyncio.sleep(60)

    asyncio.run(main())
"""


@pytest.fixture(params=["sqlite", "postgres"])
def durable(request: pytest.FixtureRequest, tmp_path: Path) -> Server:
    """What outlives a process."""
    if request.param == "sqlite":
        return File(f"sqlite:///{tmp_path}/store.db")
    server: PostgresServer = request.getfixturevalue("postgres")
    return Server(f"{server.url}?schema={request.getfixturevalue('postgres_schema')}")


def child(program: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", textwrap.dedent(program), *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)


async def test_e9_what_was_stored_when_the_process_was_killed_is_delivered_after_a_restart(durable: Server) -> None:
    """Between the commit and whoever is told of it: the commit was the last thing that this process has done."""
    post = Post()
    killed = await asyncio.to_thread(child, APPEND_AND_DIE, durable.url)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    async with durable.open(application(sending(post))) as running:
        await running.settled()
    assert post.sent == [1, 2]


@pytest.mark.parametrize(
    ("point", "sent", "state"),
    [
        ("actions.after_intend", 0, "intended"),
        ("actions.before_call", 0, "intended"),
        ("actions.after_call", 1, "intended"),
        ("actions.after_settle", 1, "done"),
        ("reaction.before_checkpoint", 1, "done"),
    ],
)
async def test_i11_killed_at_any_point_it_is_done_once_or_unknown(
    durable: Server, tmp_path: Path, point: str, sent: int, state: str
) -> None:
    await fill(durable, Added(1), Added(2))
    await fill(durable, Added(3), id="other")
    letters = tmp_path / "letters"
    killed = await asyncio.to_thread(child, REACT, durable.url, letters, point, 1, 1)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert letters.read_text().count("sent 1\n") == sent
    async with durable.open(application(), run=False) as running:
        assert await states(running) == {(1, "mail"): state}
    done = await asyncio.to_thread(child, REACT, durable.url, letters, "nowhere", 0, 1)
    assert done.returncode == 0, done.stderr
    written = letters.read_text().splitlines()
    assert written.count("sent 1") == sent
    assert written.count("sent 3") == 1
    async with durable.open(application(), run=False) as running:
        entries, open_ = await states(running), {each.position for each in await parked(running)}
    if state == "done":
        assert (entries, open_) == ({(1, "mail"): "done", (2, "mail"): "done", (3, "mail"): "done"}, set())
    else:
        assert (entries, open_) == ({(1, "mail"): "unknown", (3, "mail"): "done"}, {1, 2})


async def test_g13_it_comes_again_after_a_crash_and_has_the_same_id_then(durable: Server, tmp_path: Path) -> None:
    await fill(durable, Added(1), Added(2))
    letters = tmp_path / "letters"
    killed = await asyncio.to_thread(child, REACT, durable.url, letters, "reaction.before_checkpoint", 1, 1)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    await asyncio.to_thread(child, REACT, durable.url, letters, "nowhere", 0, 1)
    delivered = [line.split()[1:] for line in letters.read_text().splitlines() if line.startswith("delivered")]
    assert [position for position, _ in delivered] == ["1", "1", "2"]
    (first, again, other) = (id for _, id in delivered)
    assert first == again != other


STOPPED = """
    import asyncio, sys
    from datetime import timedelta
    from tests.acceptance.world import Added, tapes
    from eventfold import Eventfold, Reactor

    mails = Reactor("mails", start="beginning", concurrency=2)

    async def send(n: int) -> int:
        print("sent", n, flush=True)
        await asyncio.sleep(0.5)
        return n

    @mails.on(Added)
    async def added(recorded, act):
        await act.once("mail", send, recorded.event.n)

    async def main():
        app = Eventfold(deciders=[tapes], processors=[mails])
        async with app.open(sys.argv[1], lease=timedelta(seconds=0.5)) as running:
            print("open", flush=True)
            await asyncio.to_thread(sys.stdin.readline)

    asyncio.run(main())
"""


async def test_g14_who_was_stopped_for_longer_than_his_lease_and_goes_on_doubles_nothing(durable: Server) -> None:
    """The one who takes over finds it begun, and lets it be."""
    post = Post()
    await fill(durable, Added(1), Added(2))
    await fill(durable, Added(3), id="other")
    command = [sys.executable, "-c", textwrap.dedent(STOPPED), durable.url]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    zombie = subprocess.Popen(command, cwd=ROOT, **pipes)
    assert zombie.stdout is not None
    assert zombie.stdin is not None
    try:
        said = {await asyncio.to_thread(zombie.stdout.readline) for _ in range(3)}
        assert said == {"open\n", "sent 1\n", "sent 3\n"}
        zombie.send_signal(signal.SIGSTOP)
        async with durable.open(application(sending(post)), lease=timedelta(seconds=0.5)) as running:
            await running.settled(timeout=20)
            assert {each.position for each in await parked(running)} == {1, 2, 3}
            assert await states(running) == {(1, "mail"): "unknown", (3, "mail"): "unknown"}
            zombie.send_signal(signal.SIGCONT)
            await running.execute(tapes, "t", record(Added(4)))
            await running.execute(tapes, "new", record(Added(5)))
            await running.settled()
            rest, _ = await asyncio.to_thread(zombie.communicate, "end\n", 30)
            entries = await states(running)
        assert (rest, zombie.returncode) == ("", 0)
        assert post.sent == [5]
        assert entries.pop((5, "mail")) == "done"
        assert entries.keys() == {(1, "mail"), (3, "mail")}
        assert set(entries.values()) <= {"unknown", "done"}  # whether its function came to its end before it was ended
    finally:
        zombie.kill()
        zombie.communicate()


@pytest.mark.slow
async def test_i11_killed_again_and_again_everything_is_done_once_or_visibly_unknown(
    durable: Server, tmp_path: Path
) -> None:
    streams, each = 40, 25
    async with durable.open(application()) as running:
        for number in range(streams):
            for start in range(each):
                await running.execute(tapes, f"s{number}", record(Added(number * each + start)))
    letters = tmp_path / "letters"
    chance = random.Random(4)
    for _ in range(12):
        ended = await asyncio.to_thread(
            child, REACT, durable.url, letters, "some time", 0.05 + chance.random() * 0.3, 16
        )
        assert ended.returncode == -signal.SIGKILL, ended.stderr
    done = await asyncio.to_thread(child, REACT, durable.url, letters, "nowhere", 0, 16)
    assert done.returncode == 0, done.stderr
    sent = Counter(int(line.split()[1]) for line in letters.read_text().splitlines() if line.startswith("sent"))
    async with durable.open(application(), run=False) as running:
        events = {each.position: each for each in await stored(running)}
        entries = await states(running)
        open_ = await running._stores.parking.parked("mails", limit=10_000)
        numbers = {position: int((event.data or b"")[5:-1]) for position, event in events.items()}
    aside = {each.position for each in open_}
    unknown = {position for (position, _), status in entries.items() if status == "unknown"}
    assert not any(status == "intended" for status in entries.values())
    assert unknown <= aside
    assert unknown, "nobody was killed in the midst of it: this test proves nothing"
    for position, n in numbers.items():
        status = entries.get((position, "mail"))
        if status == "done":
            assert sent[n] == 1, position
        elif status == "unknown":
            assert sent[n] <= 1, position
        else:
            assert sent[n] == 0, position
            assert position in aside, position
    assert len(sent) > streams


# ----------------------------------------------------- J10, J13: consumers of messages


@dataclass(frozen=True)
class RegisterUser:
    email: str


@dataclass(frozen=True)
class UserRegistered:
    email: str


class Taken(Exception):
    """A rejection of the domain."""


def decide_user(command: RegisterUser, emails: tuple[str, ...]) -> list[UserRegistered]:
    if emails:
        raise Taken(command.email)
    return [UserRegistered(command.email)]


def evolve_user(emails: tuple[str, ...], event: UserRegistered) -> tuple[str, ...]:
    return (*emails, event.email)


def receive(command: RegisterUser, received: int) -> list[RegisterUser]:
    return [command]


def count(received: int, event: RegisterUser) -> int:
    return received + 1


nobody: tuple[str, ...] = ()
users = Aggregate("user", initial=nobody, decide=decide_user, evolve=evolve_user)
inbox = Aggregate("user:command", initial=0, decide=receive, evolve=count)


def registering() -> Reactor:
    consumer = Reactor("registering", start="beginning", query=Query.of(categories=["user:command"]))

    @consumer.on(RegisterUser)
    async def register(recorded: Recorded[RegisterUser], act: Act) -> None:
        await act.execute(users, recorded.id, recorded.event)

    return consumer


async def test_j13_a_command_that_is_written_as_a_message_is_handled_later_and_delivered_twice_has_one_effect(
    place: Place,
) -> None:
    app = Eventfold(deciders=[users, inbox], processors=[registering()])
    async with place.open(app, run=False) as running:  # the web worker, say
        written = await running.execute(inbox, "1", RegisterUser("a@b.c"))
        assert (await running.load(users, "1")).version == 0
    async with place.open(app) as running:
        await running.settled()
        assert (await running.load(users, "1")).state == ("a@b.c",)
    async with place.open(app, run=False) as running:
        await running._stores.rows.start_over("registering", side_effects=True)
    async with place.open(app) as running:
        await running.wait_for("registering", written.position)
        await running.settled()
        (registered,) = await stored(
            running, Query.of("UserRegistered")
        )  # a second time `decide` would have refused it
    assert registered.causation_id == str(written.events[0].event_id)


async def test_j13_somebody_elses_bytes_are_a_command_too(place: Place) -> None:
    """Any process may write it to the category, with the name and form of the command."""
    message = new_event(bytes(15) + b"\x07")
    data = b'{"email":"a@b.c"}'
    message = type(message)(event_id=message.event_id, type="RegisterUser", data=data)
    async with place.open(Eventfold(deciders=[users, inbox], processors=[registering()])) as running:
        await running.sink.append(Append(Stream("user:command", "9"), [message]))
        await running.settled()
        assert (await running.load(users, "9")).state == ("a@b.c",)


async def test_j10_the_position_is_kept_every_so_many_messages_and_at_the_end(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[int] = []
    original = PlaceInLog.moved

    async def moved(self: PlaceInLog, move: Move) -> None:
        kept.append(move.position)
        await original(self, move)

    monkeypatch.setattr(PlaceInLog, "moved", moved)
    await fill(place, *(Added(n) for n in range(250)))
    post = Post()
    async with place.open(application(sending(post, position_every=100))) as running:
        await running.settled()
        assert kept == [100, 200, 250]
        await running.execute(tapes, "t", record(Added(250)))
        await running.settled()
        assert kept == [100, 200, 250, 251]
    assert post.calls == list(range(251))


async def test_j10_it_resumes_behind_the_position_that_was_kept(file: File, tmp_path: Path) -> None:
    program = REACT.replace("concurrency=concurrency", "position_every=100")
    await fill(file, *(Added(n) for n in range(1, 251)))
    letters = tmp_path / "letters"
    killed = await asyncio.to_thread(child, program, file.url, letters, "actions.after_settle", 150, 1)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert file.execute("SELECT position FROM checkpoints") == [(100,)]
    done = await asyncio.to_thread(child, program, file.url, letters, "nowhere", 0, 1)
    assert done.returncode == 0, done.stderr
    written = [line.split()[:2] for line in letters.read_text().splitlines()]
    delivered = [int(n) for what, n in written if what == "delivered"]
    assert delivered == [*range(1, 151), *range(101, 251)]
    assert [int(n) for what, n in written if what == "sent"] == list(range(1, 251))


async def test_j10_two_consumers_of_one_category_keep_positions_of_their_own(place: Place) -> None:
    one, two = Post(), Post()
    await fill(place, Added(1), Added(2))
    async with place.open(application(sending(one, name="one"), sending(two, name="two")), run=["one"]) as running:
        await running.settled()
    await fill(place, Added(3))
    async with place.open(application(sending(one, name="one"), sending(two, name="two")), run=["two"]) as running:
        await running.settled()
        positions = {name: each.position for (name, _), each in (await running._stores.rows.checkpoints()).items()}
    assert positions == {"one": 2, "two": 3}
    assert (one.calls, two.calls) == ([1, 2], [1, 2, 3])


async def test_j10_by_type_and_for_every_message(place: Place) -> None:
    told: list[tuple[str, int]] = []
    consumer = reactor(query=Query.of(categories=["tape"]))

    @consumer.on(Added)
    async def added(recorded: Recorded[Added], act: Act) -> None:
        told.append(("added", recorded.position))

    @consumer.on_any()
    async def every(recorded: Recorded[Any], act: Act) -> None:
        told.append(("any", recorded.position))

    await fill(place, Added(1), Noted("x"))
    async with place.open(application(consumer)) as running:
        await running.settled()
    assert told == [("added", 1), ("any", 1), ("any", 2)]
