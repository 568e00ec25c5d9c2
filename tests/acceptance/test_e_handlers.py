"""Event handlers and transactional handlers: who is called with what, when, and what a failure does."""

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import Column, Integer, MetaData, String, Table, bindparam, delete, select

from eventfold import (
    Aggregate,
    Boundary,
    Eventfold,
    EventHandler,
    HandlerFailure,
    Handling,
    Pending,
    Query,
    Recorded,
    Running,
    Stream,
    TransactionalHandler,
    View,
    upsert,
)
from eventfold.commands import dispatch
from eventfold.domain.message import StoredEvent
from eventfold.errors import (
    AppendInsideProjection,
    DuplicateName,
    HandlerFailed,
    InvalidInput,
    ProcessingError,
    StoreClosed,
    UnknownEvent,
)
from eventfold.ports.telemetry import Telemetry
from tests.acceptance.world import (
    Added,
    AddUnless,
    Measured,
    Noted,
    Place,
    TapeFull,
    add,
    added,
    application,
    positions,
    record,
    see,
    seeing,
    seen_t,
    stored,
    sums,
    sums_t,
    tapes,
)

a_note = Noted("a note")


def rows(found: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in found]


def summing_handler() -> EventHandler:
    handler = EventHandler("sums", tables=[sums_t])
    handler.on(Added)(added)  # the function of a projector serves as well
    return handler


class Failures(list[HandlerFailure]):
    """What `on_handler_error` was told."""

    def __call__(self, failure: HandlerFailure) -> None:
        self.append(failure)


class Versions:
    """As `on_recorded`: says when a stream has come to a version here."""

    def __init__(self) -> None:
        self._reached: defaultdict[tuple[str, int], asyncio.Event] = defaultdict(asyncio.Event)

    def __call__(self, recorded: Sequence[Recorded[Any]]) -> None:
        for each in recorded:
            self._reached[each.id, each.version].set()

    async def reached(self, id: str, version: int) -> None:
        await self._reached[id, version].wait()


# ------------------------------------------------------------------------------- after the commit


async def test_e1_the_row_is_there_when_the_command_returns(place: Place) -> None:
    async with place.open(application(handlers=[summing_handler()])) as running:
        await running.execute(tapes, "t", record(Added(3), Added(4)))
        assert rows(await running.query(sums)) == [("t", 7)]
        await running.execute(tapes, "t", record(Added(1)))
        assert rows(await running.query(sums)) == [("t", 8)]


async def test_e1_each_event_comes_once_in_order_and_after_the_commit(place: Place) -> None:
    heard: list[Recorded[Any]] = []
    at_the_time: list[list[int]] = []
    handler = EventHandler("every")

    @handler.on_any()
    async def every(recorded: Recorded[Any], handling: Handling) -> None:
        heard.append(recorded)
        at_the_time.append([each.position for each in await stored(opened[0])])

    async with place.open(application(handlers=[handler])) as running:
        opened = [running]
        first = await running.execute(tapes, "t", record(Added(1), a_note))
        second = await running.execute(tapes, "t", record(Measured(1.5)))
        assert heard == [*first.events, *second.events]
        both = [each.position for each in first.events]
        assert at_the_time == [both, both, [*both, second.position]]


async def test_e1_a_handler_reads_what_it_has_written(place: Place) -> None:
    handler = EventHandler("sums", tables=[sums_t])
    seen = []

    @handler.on(Added)
    async def reads(recorded: Recorded[Added], handling: Handling) -> None:
        for _ in range(2):
            handling.write(add, {"tape_": recorded.id, "n": recorded.event.n})
            seen.append(rows(await handling.fetch(sums)))

    async with place.open(application(handlers=[handler])) as running:
        await running.execute(tapes, "t", record(Added(2)))
        assert seen == [[("t", 2)], [("t", 4)]]
        assert rows(await running.query(sums)) == [("t", 4)]


async def test_e1_the_function_for_the_class_comes_before_the_one_for_every_event(place: Place) -> None:
    handler = EventHandler("both")
    called = []
    handler.on_any()(lambda recorded, handling: called.append("any"))
    handler.on(Added)(lambda recorded, handling: called.append("added"))
    async with place.open(application(handlers=[handler])) as running:
        await running.execute(tapes, "t", record(Added(1), a_note))
        assert called == ["added", "any", "any"]


async def test_e1_a_command_that_records_nothing_calls_nobody(place: Place) -> None:
    heard: list[object] = []
    handler = EventHandler("every")
    handler.on_any()(lambda recorded, handling: heard.append(recorded))
    async with place.open(application(handlers=[handler])) as running:
        await running.execute(tapes, "t", record())
        with pytest.raises(TapeFull):
            await running.execute(tapes, "t", AddUnless(1, limit=0))
        assert heard == []


async def test_e1_a_command_that_was_decided_again_is_told_once(place: Place) -> None:
    heard: list[int] = []
    handler = EventHandler("every")
    handler.on(Added)(lambda recorded, handling: heard.append(recorded.event.n))
    async with place.open(application(handlers=[handler])) as mine, place.open(application()) as theirs:
        await mine.execute(tapes, "t", record(Added(1)))
        await theirs.execute(tapes, "t", record(Added(2)))  # mine does not know
        await mine.execute(tapes, "t", record(Added(3)))
        assert heard == [1, 3]


async def test_e1_what_a_boundary_records_is_heard_too(place: Place) -> None:
    heard: list[int] = []
    handler = EventHandler("every")
    handler.on(Added)(lambda recorded, handling: heard.append(recorded.event.n))
    ledger = Boundary(
        "ledger", initial=0, decide=_decide_added, evolve=_evolve_added, query=lambda command: Query.of(Added)
    )
    async with place.open(Eventfold(deciders=[ledger], handlers=[handler])) as running:
        await running.execute(ledger, Added(3))
        assert heard == [3]


def _decide_added(command: Added, n: int) -> list[Added]:
    return [command]


def _evolve_added(n: int, event: Added) -> int:
    return n + event.n


async def test_e1_concurrent_commands_on_a_stream_are_told_in_the_order_of_its_versions(place: Place) -> None:
    begun: list[int] = []
    handler = EventHandler("slow")

    @handler.on(Added)
    async def slow(recorded: Recorded[Added], handling: Handling) -> None:
        begun.append(recorded.version)
        for _ in range(recorded.version % 5):
            await asyncio.sleep(0)
        begun.append(recorded.version)

    async with place.open(application(handlers=[handler])) as running:
        await asyncio.gather(*(running.execute(tapes, "t", record(Added(1))) for _ in range(24)))
        assert begun == [version for each in range(1, 25) for version in (each, each)]
        assert not running._recorder.dispatch._lines


async def test_e1_another_stream_does_not_wait_for_a_slow_handler(place: Place) -> None:
    released, versions = asyncio.Event(), Versions()
    handler = EventHandler("slow")

    @handler.on(Noted)
    async def slow(recorded: Recorded[Noted], handling: Handling) -> None:
        await released.wait()

    async with place.open(application(handlers=[handler], on_recorded=versions)) as running:
        waits = asyncio.create_task(running.execute(tapes, "slow", record(a_note)))
        await versions.reached("slow", 1)
        await running.execute(tapes, "quick", record(Added(1)))
        assert not waits.done()
        released.set()
        await waits


async def test_e1_a_cancelled_command_gives_up_its_handlers_and_the_next_ones_are_called(place: Place) -> None:
    at_work = asyncio.Event()
    heard: list[int] = []
    failures, versions = Failures(), Versions()
    handler = EventHandler("hangs")

    @handler.on(Noted)
    async def hangs(recorded: Recorded[Noted], handling: Handling) -> None:
        at_work.set()
        await asyncio.Event().wait()

    later = EventHandler("later")
    later.on_any()(lambda recorded, handling: heard.append(recorded.version))
    app = application(handlers=[handler, later], on_handler_error=failures, on_recorded=versions)
    async with asyncio.timeout(30), place.open(app) as running:
        cancelled = asyncio.create_task(running.execute(tapes, "t", record(a_note)))
        await at_work.wait()
        waits = asyncio.create_task(running.execute(tapes, "t", record(Added(1))))
        await versions.reached("t", 2)
        assert heard == []  # the second waits for its turn
        cancelled.cancel()
        with pytest.raises(asyncio.CancelledError):
            await cancelled
        await waits
        assert heard == [2]
        assert failures == []
        assert [each.version for each in await stored(running)] == [1, 2]


async def test_e1_a_cancelled_command_that_waits_for_its_turn_leaves_the_line_in_order(place: Place) -> None:
    released, at_work, versions = asyncio.Event(), asyncio.Event(), Versions()
    heard: list[int] = []
    handler = EventHandler("slow")

    @handler.on_any()
    async def slow(recorded: Recorded[Any], handling: Handling) -> None:
        heard.append(recorded.version)
        at_work.set()
        await released.wait()

    async with asyncio.timeout(30), place.open(application(handlers=[handler], on_recorded=versions)) as running:
        tasks = [asyncio.create_task(running.execute(tapes, "t", record(Added(1))))]
        await at_work.wait()
        for version in (2, 3):
            tasks.append(asyncio.create_task(running.execute(tapes, "t", record(Added(1)))))
            await versions.reached("t", version)
        assert len(running._recorder.dispatch._lines[Stream("tape", "t")]) == 3
        tasks[1].cancel()
        await asyncio.sleep(0)
        released.set()
        done = await asyncio.gather(*tasks, return_exceptions=True)
        assert isinstance(done[1], asyncio.CancelledError)
        assert heard == [1, 3]
        assert not running._recorder.dispatch._lines


# ---------------------------------------------------------------------------------------- failures


def raises(error: BaseException) -> Callable[[Any, Any], None]:
    def function(recorded: Any, handling: Any) -> None:
        raise error

    return function


async def hangs(recorded: Any, handling: Any) -> None:
    await asyncio.Event().wait()


async def reads_and_hangs(recorded: Any, handling: Any) -> None:
    await handling.fetch(sums)
    await asyncio.Event().wait()


async def hangs_after_a_while(recorded: Any, handling: Any) -> None:
    for _ in range(3):
        await asyncio.sleep(0)
    await asyncio.Event().wait()


async def comes_late_to_its_first_wait(recorded: Any, handling: Any) -> None:
    time.sleep(0.15)  # noqa: ASYNC251 - its time has passed, and it has not waited yet
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await asyncio.sleep(0.05)


async def waits_for_a_task_of_its_own(recorded: Any, handling: Any) -> None:
    await asyncio.create_task(asyncio.Event().wait())


async def breaks_a_key(recorded: Any, handling: Any) -> None:
    for _ in range(2):
        handling.write(see, {"position": 1, "type": "x", "tape": "x"})


FAILING: dict[str, tuple[Any, type[BaseException]]] = {
    "raises": (raises(ValueError("no")), ValueError),
    "raises_cancelled": (raises(asyncio.CancelledError()), asyncio.CancelledError),
    "hangs": (hangs, TimeoutError),
    "reads_and_hangs": (reads_and_hangs, TimeoutError),
    "hangs_after_a_while": (hangs_after_a_while, TimeoutError),
    "comes_late_to_its_first_wait": (comes_late_to_its_first_wait, TimeoutError),
    "waits_for_a_task_of_its_own": (waits_for_a_task_of_its_own, TimeoutError),
    "breaks_a_key": (breaks_a_key, Exception),
    "gives_a_number": (lambda recorded, handling: 7, TypeError),
}


@pytest.mark.parametrize("how", FAILING)
async def test_e2_a_handler_that_fails_harms_neither_the_command_nor_the_others(
    place: Place, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    function, expected = FAILING[how]
    failures = Failures()
    failing = EventHandler("failing", tables=[seen_t, sums_t], timeout=0.1)
    failing.on(Added)(function)
    app = application(handlers=[failing, summing_handler()], on_handler_error=failures)
    async with asyncio.timeout(30), place.open(app) as running:
        outcome = await running.execute(tapes, "t", record(Added(3), a_note, Added(4)))
        assert rows(await running.query(sums)) == [("t", 7)]
        assert rows(await running.query(positions)) == []  # nothing of the failing one was kept
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0
    assert [(each.event, each.processor) for each in failures] == [
        (outcome.events[0], "failing"),
        (outcome.events[2], "failing"),
    ]
    assert all(isinstance(each.error, expected) for each in failures)
    told = [each for each in caplog.records if each.name == "eventfold.commands"]
    assert len(told) == 2
    for each, event in zip(told, (outcome.events[0], outcome.events[2]), strict=True):
        assert each.levelno == logging.ERROR
        assert "'failing'" in each.getMessage()
        assert str(event.event_id) in each.getMessage()
        assert "tape-t" in each.getMessage()
        assert each.exc_info


async def test_e2_a_callback_that_fails_harms_nobody_either(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    failing = EventHandler("failing")
    failing.on(Added)(raises(ValueError("no")))
    app = application(handlers=[failing, summing_handler()], on_handler_error=raises_one)
    async with place.open(app) as running:
        await running.execute(tapes, "t", record(Added(3)))
        assert rows(await running.query(sums)) == [("t", 3)]
    assert "on_handler_error failed on the failure of 'failing'" in caplog.text


def raises_one(failure: HandlerFailure) -> None:
    raise RuntimeError("not here either")


async def test_e1_a_timer_is_for_who_waits(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Most never do, and it would cost them a third of the call."""
    armed: list[float | None] = []
    timeout_at = asyncio.timeout_at

    def counted(deadline: float | None) -> asyncio.Timeout:
        armed.append(deadline)
        return timeout_at(deadline)

    handler = EventHandler("some")

    @handler.on(Added, Noted)
    async def some(recorded: Recorded[Added | Noted], handling: Handling) -> None:
        if isinstance(recorded.event, Noted):
            await asyncio.sleep(0)

    async with place.open(application(handlers=[handler])) as running:
        monkeypatch.setattr("eventfold.processing.event_handler.asyncio.timeout_at", counted)
        await running.execute(tapes, "t", record(Added(1), Added(2)))
        before = len(armed)
        await running.execute(tapes, "t", record(Noted("x"), Added(2)))
        monkeypatch.undo()
    assert (before, len(armed)) == (0, 1)


async def test_e2_rows_of_a_failing_function_are_not_kept(place: Place) -> None:
    handler = EventHandler("half", tables=[sums_t])

    @handler.on(Added)
    async def half(recorded: Recorded[Added], handling: Handling) -> None:
        handling.write(add, {"tape_": recorded.id, "n": 1})
        if recorded.event.n == 2:
            await handling.fetch(sums)
        raise ValueError("no")

    async with asyncio.timeout(30), place.open(application(handlers=[handler])) as running:
        await running.execute(tapes, "t", record(Added(1), Added(2)))
        assert rows(await running.query(sums)) == []
        await running.execute(tapes, "t", record(Added(1)))  # and nothing is held


async def test_e2_who_executes_beside_his_own_open_transaction_is_let_go_in_time(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a file the command would wait for the turn that its own handler has: `handling.execute` commits first."""
    monkeypatch.setattr("eventfold.processing.event_handler.LONGEST_HOLD", 0.2)
    failures = Failures()
    opened: list[Running] = []
    handler = EventHandler("clumsy", tables=[sums_t])

    @handler.on(Noted)
    async def clumsy(recorded: Recorded[Noted], handling: Handling) -> None:
        await handling.fetch(sums)
        await opened[0].execute(tapes, "other", record(Added(1)))

    app = application(handlers=[handler], on_handler_error=failures)
    async with asyncio.timeout(30), place.open(app) as running:
        opened.append(running)
        outcome = await running.execute(tapes, "t", record(a_note))
        assert outcome.version == 1
        assert all(isinstance(each.error, TimeoutError) for each in failures)
        assert len(await stored(running)) + len(failures) == 2  # it came through, or it was told
        await running.execute(tapes, "t", record(Added(1)))  # and nothing is held


async def test_e2_who_keeps_the_handling_is_refused(place: Place) -> None:
    kept: list[Handling] = []
    handler = EventHandler("keeps", tables=[sums_t])
    handler.on(Added)(lambda recorded, handling: kept.append(handling))
    async with place.open(application(handlers=[handler])) as running:
        await running.execute(tapes, "t", record(Added(1)))
        with pytest.raises(InvalidInput, match="an event that is over"):
            kept[0].write(add, {"tape_": "t", "n": 1})
        with pytest.raises(InvalidInput, match="an event that is over"):
            await kept[0].fetch(sums)
        with pytest.raises(InvalidInput, match="an event that is over"):
            await kept[0].execute(tapes, "t", record(Added(1)))


async def test_e2_a_command_cancelled_by_its_own_timeout_is_cancelled(place: Place) -> None:
    failures = Failures()
    handler = EventHandler("hangs")
    handler.on(Added)(hangs)
    async with place.open(application(handlers=[handler], on_handler_error=failures)) as running:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await running.execute(tapes, "t", record(Added(1)))
        assert failures == []


# ------------------------------------------------------------------------------- within the append


def transactional(name: str = "inside", **more: Any) -> TransactionalHandler:
    return TransactionalHandler(name, tables=[sums_t], **more)


def pending_added(pending: Pending[Added], view: View) -> None:
    view.write(add, {"tape_": pending.id, "n": pending.event.n})


async def test_e3_events_and_rows_are_stored_together(place: Place) -> None:
    handler = transactional()
    handler.on(Added)(pending_added)
    async with place.open(application(handlers=[handler])) as running:
        outcome = await running.execute(tapes, "t", record(Added(3), a_note, Added(4)))
        assert rows(await running.query(sums)) == [("t", 7)]
        assert [each.version for each in await stored(running)] == [1, 2, 3]
        assert outcome.version == 3
        await running.execute(tapes, "t", record(a_note))  # concerns no transactional handler
        await running.execute(tapes, "t", record(Added(1)))
        assert rows(await running.query(sums)) == [("t", 8)]
        assert (await running.load(tapes, "t")).version == 5


def numbering(*, also: Exception | None = None) -> TransactionalHandler:
    """A row for each version, which nobody can write twice."""
    handler = TransactionalHandler("numbers", tables=[seen_t])

    @handler.on(Added)
    async def number(pending: Pending[Added], view: View) -> None:
        view.write(see, {"position": pending.version, "type": pending.type, "tape": pending.id})
        if also is not None and pending.event.n == 9:
            raise also

    return handler


async def test_e3_who_was_overtaken_decides_again_though_his_row_was_there(place: Place) -> None:
    """The handler is called before the append, with a version that is somebody else's by now."""
    failures = numbering(also=ValueError("nine"))
    async with place.open(application(handlers=[failures])) as one, place.open(application(handlers=[failures])) as two:
        await one.execute(tapes, "t", record(Added(1)))
        await two.execute(tapes, "t", record(Added(2), Added(3)))
        outcome = await one.execute(tapes, "t", record(Added(4), Added(5)))
        assert (outcome.version, outcome.state.sum) == (5, 15)
        async with two.lock(tapes, "t") as tape:
            await one.execute(tapes, "t", record(Added(6)))
            assert (await tape.execute(record(Added(7)))).version == 7
        assert [each[0] for each in await one.query(positions)] == [1, 2, 3, 4, 5, 6, 7]
        with pytest.raises(HandlerFailed, match="nine"):
            await one.execute(tapes, "t", record(Added(8), Added(9)))
        assert (await two.execute(tapes, "t", record(Added(8)))).version == 8


async def test_e3_it_sees_an_event_that_is_not_stored_yet(place: Place) -> None:
    seen: list[Pending[Any]] = []
    inside: list[int] = []
    handler = transactional()

    @handler.on_any()
    async def sees(pending: Pending[Any], view: View) -> None:
        seen.append(pending)
        view.write(add, {"tape_": pending.id, "n": 1})
        inside.append((await view.fetch(sums))[0][1])

    async with place.open(application(handlers=[handler])) as running:
        await running.execute(tapes, "t", record(a_note))
        async with running.context(correlation_id="c", causation_id="d", metadata={"who": "ann"}):
            outcome = await running.execute(tapes, "t", record(Added(1), a_note))
    assert [each.version for each in seen] == [1, 2, 3]
    one = seen[1]
    assert (one.event, one.stream, one.category, one.id) == (Added(1), ("tape", "t"), "tape", "t")
    assert (one.type, one.schema_version, one.tags, one.occurred_at) == ("Added", 1, (), None)
    assert (one.correlation_id, one.causation_id, dict(one.metadata)) == ("c", "d", {"who": "ann"})
    assert one.event_id == outcome.events[0].event_id
    assert repr(one) == "Pending(Added(n=1), stream='tape-t', version=2)"
    assert inside == [1, 2, 3]


@pytest.mark.parametrize("how", FAILING)
async def test_e3_a_failure_leaves_nothing_and_tells_nobody_else(place: Place, how: str) -> None:
    function, expected = FAILING[how]
    heard: list[object] = []
    failing = TransactionalHandler("failing", tables=[seen_t, sums_t], timeout=0.1)
    failing.on(Noted)(function)
    first = transactional("first")
    first.on(Added)(pending_added)
    after = EventHandler("after")
    after.on_any()(lambda recorded, handling: heard.append(recorded))
    bus = Heard()
    app = application(handlers=[first, failing, after], buses=[bus])
    async with asyncio.timeout(30), place.open(app) as running:
        before = await running.execute(tapes, "t", record(Measured(1.0)))
        for _ in range(2):
            with pytest.raises(HandlerFailed) as failed:
                await running.execute(tapes, "t", record(Added(1), a_note))
            assert failed.value.processor == "failing"
            assert isinstance(failed.value.cause, expected)
            assert isinstance(failed.value.event, Pending)
            assert failed.value.event.event == a_note
        assert rows(await running.query(sums)) == []
        assert rows(await running.query(positions)) == []
        assert [each.version for each in await stored(running)] == [1]
        await running.execute(tapes, "t", record(Added(5)))  # and nothing is held
        assert rows(await running.query(sums)) == [("t", 5)]
    assert [each.event for each in heard] == [Measured(1.0), Added(5)]  # type: ignore[attr-defined]  # they are recorded
    assert [each.event for each in bus.heard] == [Measured(1.0), Added(5)]
    assert before.version == 1


class Heard:
    def __init__(self) -> None:
        self.heard: list[Recorded[Any]] = []

    async def publish(self, recorded: Recorded[Any]) -> None:
        self.heard.append(recorded)


async def test_e3_the_culprit_among_several_rows_is_named(place: Place) -> None:
    handler = TransactionalHandler("keys", tables=[seen_t])

    @handler.on(Added)
    def keyed(pending: Pending[Added], view: View) -> None:
        view.write(see, {"position": pending.event.n, "type": "x", "tape": "x"})

    async with place.open(application(handlers=[handler])) as running:
        with pytest.raises(HandlerFailed) as failed:
            await running.execute(tapes, "t", record(Added(1), Added(2), Added(1), Added(3)))
        assert isinstance(failed.value.event, Pending)
        assert failed.value.event.version == 3
        assert await running.head() == 0


@pytest.mark.parametrize("how", ["execute", "sink"])
async def test_e3_it_may_not_append(place: Place, how: str) -> None:
    opened: list[Running] = []
    handler = transactional()

    @handler.on(Added)
    async def executes(pending: Pending[Added], view: View) -> None:
        if how == "execute":
            await opened[0].execute(tapes, "other", record(a_note))
        else:
            await opened[0].sink.append()

    async with place.open(application(handlers=[handler])) as running:
        opened.append(running)
        with pytest.raises(HandlerFailed, match="transactional handler 'inside' tried to append") as failed:
            await running.execute(tapes, "t", record(Added(1)))
        assert isinstance(failed.value.cause, AppendInsideProjection)
        assert await running.head() == 0


async def test_e3_a_conflict_decides_and_calls_again(place: Place) -> None:
    handler = transactional()
    handler.on(Added)(pending_added)
    async with place.open(application(handlers=[handler])) as mine, place.open(application()) as theirs:
        await mine.execute(tapes, "t", record(Added(1)))
        await theirs.execute(tapes, "t", record(a_note))
        outcome = await mine.execute(tapes, "t", record(Added(2)))
        assert outcome.version == 3
        assert rows(await mine.query(sums)) == [("t", 3)]


async def test_e3_a_command_that_is_cancelled_within_its_append_leaves_nothing(place: Place) -> None:
    at_work, heard = asyncio.Event(), []
    inside, after = transactional(), EventHandler("after")

    @inside.on(Noted)
    async def waits(pending: Pending[Noted], view: View) -> None:
        view.write(add, {"tape_": pending.id, "n": 1})
        await view.fetch(sums)
        at_work.set()
        await asyncio.Event().wait()

    after.on_any()(lambda recorded, handling: heard.append(recorded.event))
    async with asyncio.timeout(30), place.open(application(handlers=[inside, after])) as running:
        await running.execute(tapes, "t", record(Added(1)))
        command = asyncio.create_task(running.execute(tapes, "t", record(a_note)))
        await at_work.wait()
        command.cancel()
        with pytest.raises(asyncio.CancelledError):
            await command
        assert rows(await running.query(sums)) == []
        outcome = await running.execute(tapes, "t", record(Added(2)))
        assert (outcome.version, outcome.state.sum, heard) == (2, 3, [Added(1), Added(2)])


async def test_e3_many_at_once_lose_no_row(place: Place) -> None:
    handler = transactional()
    handler.on(Added)(pending_added)
    async with place.open(application(handlers=[handler])) as running:
        await asyncio.gather(*(running.execute(tapes, f"t{n % 4}", record(Added(1))) for n in range(32)))
        assert rows(await running.query(sums)) == [(f"t{n}", 8) for n in range(4)]
        assert len(await stored(running)) == 32


# ------------------------------------------------------------------------------------------ order


async def test_e4_who_is_called_in_which_order(place: Place) -> None:
    trace: list[str] = []

    def tells(what: str) -> Callable[[Any, Any], None]:
        return lambda event, _: trace.append(f"{what} {event.event.n}")

    handlers: list[Any] = [EventHandler("a"), transactional("b"), EventHandler("c"), transactional("d")]
    for each in handlers:
        each.on(Added)(tells(each.name))

    class Traced(Heard):
        async def publish(self, recorded: Recorded[Any]) -> None:
            trace.append(f"bus {recorded.event.n}")

    app = application(handlers=handlers, buses=[Traced()], on_recorded=lambda recorded: trace.append("commit"))
    async with place.open(app) as running:
        await running.execute(tapes, "t", record(Added(1), Added(2)))
    assert trace == ["b 1", "d 1", "b 2", "d 2", "commit", "a 1", "c 1", "a 2", "c 2", "bus 1", "bus 2"]


# ----------------------------------------------------------------------------------------- traces


class Spans(Telemetry):
    def __init__(self) -> None:
        self.ended: list[tuple[str, dict[str, str | int], bool]] = []

    def span(
        self,
        name: str,
        /,
        *,
        continues: StoredEvent | None = None,
        links: Sequence[StoredEvent] = (),
        **attributes: str | int,
    ) -> AbstractContextManager[None]:
        return self._lasting(name, attributes)

    @contextmanager
    def _lasting(self, name: str, attributes: dict[str, str | int]) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self.ended.append((name, attributes, False))
            raise
        self.ended.append((name, attributes, True))


async def test_e5_each_call_of_a_handler_is_a_span(place: Place) -> None:
    spans = Spans()
    good, bad, inside = EventHandler("good"), EventHandler("bad"), transactional()
    good.on(Added)(lambda recorded, handling: None)
    bad.on(Added)(raises(ValueError("no")))
    inside.on(Added)(pending_added)
    app = application(handlers=[good, bad, inside], buses=[Heard()], telemetry=spans)
    async with place.open(app) as running:
        outcome = await running.execute(tapes, "t", record(Added(1), Added(2)))
    ids = [str(each.event_id) for each in outcome.events]
    told = [
        (name, each.get("handler") or each.get("bus"), each.get("event_id"), well) for name, each, well in spans.ended
    ]
    assert told == [
        ("decide", None, None, True),
        ("transactional_handler", "inside", ids[0], True),
        ("transactional_handler", "inside", ids[1], True),
        ("append", None, None, True),
        ("handler", "good", ids[0], True),
        ("handler", "bad", ids[0], False),
        ("handler", "good", ids[1], True),
        ("handler", "bad", ids[1], False),
        ("command", None, None, True),
        ("publish", "Heard", ids[0], True),
        ("publish", "Heard", ids[1], True),
    ]
    assert {each["stream"] for _, each, _ in spans.ended if "stream" in each} == {"tape-t"}


# ------------------------------------------------------------------------------------------ adding


async def test_e6_a_handler_that_is_added_later_gets_the_next_events(place: Place) -> None:
    async with place.open(application()) as running:
        await running.execute(tapes, "t", record(Added(1)))
        await running.add(summing_handler())
        await running.execute(tapes, "t", record(Added(2)))
        assert rows(await running.query(sums)) == [("t", 2)]


async def test_e6_a_transactional_one_too(place: Place) -> None:
    handler = transactional()
    handler.on(Added)(pending_added)
    async with place.open(application()) as running:
        await running.execute(tapes, "t", record(Added(1)))
        await running.add(handler)
        await running.execute(tapes, "t", record(Added(2)))
        assert rows(await running.query(sums)) == [("t", 2)]


async def test_e6_a_handler_adds_another(place: Place) -> None:
    opened: list[Running] = []
    heard: list[int] = []
    handler, another = EventHandler("adds"), EventHandler("another", tables=[sums_t])

    @another.on(Added)
    def hears(recorded: Recorded[Added], handling: Handling) -> None:
        heard.append(recorded.event.n)
        handling.write(add, {"tape_": recorded.id, "n": recorded.event.n})

    @handler.on(Noted)
    async def adds(recorded: Recorded[Noted], handling: Handling) -> None:
        await opened[0].add(another)

    async with place.open(application(handlers=[handler])) as running:
        opened.append(running)
        await running.execute(tapes, "t", record(Added(1), a_note, Added(2)))
        await running.execute(tapes, "t", record(Added(3)))
        assert heard == [2, 3]
        assert rows(await running.query(sums)) == [("t", 5)]


async def test_e6_what_cannot_be_added_is_refused_before_and_after(place: Place) -> None:
    @dataclass(frozen=True)
    class Foreign:
        pass

    def named(name: str, *, tables: Sequence[Table] = (), cls: type[Any] = Added) -> EventHandler:
        handler = EventHandler(name, tables=tables)
        handler.on(cls)(lambda recorded, handling: None)
        return handler

    twin = Table("SUMS", MetaData(), Column("tape", String, primary_key=True))
    there, bus = named("there", tables=[sums_t]), Heard()
    bad: list[tuple[Any, type[Exception], str]] = [
        (there, DuplicateName, "'there' stands for both"),
        (named("there"), DuplicateName, "different names"),
        (named("foreign", cls=Foreign), UnknownEvent, "Foreign"),
        (EventHandler("nothing"), InvalidInput, r"add one with @nothing.on\(SomeEvent\)"),
        (TransactionalHandler("nothing"), InvalidInput, "has no function"),
        (named("projected", tables=[seen_t]), DuplicateName, "the rows of a projector are its own"),
        (named("twin", tables=[twin]), DuplicateName, "share one Table object"),
        (bus, DuplicateName, "add each bus once"),
        (7, InvalidInput, "7 is neither a handler nor a bus"),
        (Heard, InvalidInput, "neither a handler nor a bus"),
        (_Backlog(0), InvalidInput, "backlog=0"),
    ]
    for addition, error, match in bad:
        parts: dict[str, Any] = {"handlers": [there], "buses": [bus]}
        parts["handlers" if isinstance(addition, EventHandler | TransactionalHandler) else "buses"].append(addition)
        with pytest.raises(error, match=match):
            application(seeing(), **parts)
    async with place.open(application(seeing(), handlers=[there], buses=[bus])) as running:
        for addition, error, match in bad:
            with pytest.raises(error, match=match):
                await running.add(addition)
        await running.add(named("shares", tables=[sums_t]))
        await running.add(Heard())
    with pytest.raises(StoreClosed):
        await running.add(named("late"))


class _Backlog(Heard):
    def __init__(self, backlog: int) -> None:
        super().__init__()
        self.backlog = backlog


@pytest.mark.parametrize("kind", [EventHandler, TransactionalHandler])
async def test_e6_a_handler_has_a_name_a_timeout_and_one_function_for_each_thing(kind: type[Any]) -> None:
    for name in ("", "1a", "a b", 7):
        with pytest.raises(InvalidInput, match="is no name for a"):
            kind(name)
    for timeout in (0, -1, float("nan")):
        with pytest.raises(InvalidInput, match="leaves no time"):
            kind("x", timeout=timeout)
    handler = kind("x")
    assert repr(handler) == f"{kind.__name__}('x')"
    handler.on(Added)(hangs)
    handler.on_any()(hangs)
    handler.on_deleted("tape")(hangs)
    for again in (handler.on(Noted, Added), handler.on_any(), handler.on_deleted("tape")):
        with pytest.raises(InvalidInput, match="already"):
            again(hangs)
    with pytest.raises(InvalidInput, match="takes event classes"):
        handler.on()
    with pytest.raises(InvalidInput, match="takes the name of a category"):
        handler.on_deleted(Added)(hangs)


# ------------------------------------------------------------------------------------------- sagas


async def test_e7_a_handler_executes_on_the_same_aggregate(place: Place) -> None:
    side_effects: list[str] = []
    saga = EventHandler("saga")

    @saga.on(Noted)
    async def requested(recorded: Recorded[Noted], handling: Handling) -> None:
        side_effects.append(recorded.event.text)
        outcome = await handling.execute(tapes, recorded.id, record(Added(1)))
        assert outcome.state.sum == 1

    heard: list[str] = []
    every, bus = EventHandler("every"), Heard()
    every.on_any()(lambda recorded, handling: heard.append(recorded.type))
    async with place.open(application(handlers=[saga, every], buses=[bus])) as running:
        async with asyncio.timeout(10):
            await running.execute(tapes, "t", record(Noted("mutate")))
        assert [each.type for each in await stored(running)] == ["Noted", "Added"]
        assert side_effects == ["mutate"]
        assert heard == ["Added", "Noted"]  # the inner command is told before the outer one goes on
        assert not running._recorder.dispatch._lines
    assert [each.type for each in bus.heard] == ["Noted", "Added"]  # to the outside in the order of the stream


@pytest.mark.parametrize("inner", ["plainly", "under a lock too"])
async def test_e7_a_handler_executes_on_the_same_aggregate_that_was_locked(place: Place, inner: str) -> None:
    saga = EventHandler("saga")

    @saga.on(Noted)
    async def requested(recorded: Recorded[Noted], handling: Handling) -> None:
        if inner == "plainly":
            await handling.execute(tapes, recorded.id, record(Added(1)))
        else:
            async with opened[0].lock(tapes, recorded.id, timeout=5) as tape:
                await tape.execute(record(Added(1)))

    failures = Failures()
    async with place.open(application(handlers=[saga], on_handler_error=failures)) as running:
        opened = [running]
        async with asyncio.timeout(20), running.lock(tapes, "t") as tape:
            await tape.execute(record(Noted("mutate")))
        assert [each.type for each in await stored(running)] == ["Noted", "Added"]
        assert failures == []


async def test_e7_the_inner_command_belongs_to_the_conversation(place: Place) -> None:
    saga = EventHandler("saga", tables=[sums_t])

    @saga.on(Noted)
    async def requested(recorded: Recorded[Noted], handling: Handling) -> None:
        handling.write(add, {"tape_": "t", "n": 1})
        await handling.fetch(sums)
        await handling.execute(tapes, "other", record(Added(1)), metadata={"b": 2})
        assert rows(await opened[0].query(sums)) == [("t", 1)]  # committed before
        handling.write(add, {"tape_": "t", "n": 1})

    async with place.open(application(handlers=[saga])) as running:
        opened = [running]
        async with running.context(correlation_id="c", metadata={"a": 1}):
            outcome = await running.execute(tapes, "t", record(Noted("mutate")))
        (inner,) = [each async for each in running.source.read(Stream("tape", "other"))]
        assert (inner.correlation_id, inner.causation_id) == ("c", str(outcome.events[0].event_id))
        assert inner.metadata == b'{"a":1,"b":2}'
        assert rows(await running.query(sums)) == [("t", 2)]


async def test_e7_many_at_once_do_not_wait_for_each_other_for_ever(place: Place) -> None:
    """Handlers of two streams execute on each other's."""
    saga = EventHandler("saga")

    @saga.on(Noted)
    async def requested(recorded: Recorded[Noted], handling: Handling) -> None:
        await asyncio.gather(*(handling.execute(tapes, id, record(Added(1))) for id in ("a", "b")))

    bus = Heard()
    async with place.open(application(handlers=[saga], buses=[bus])) as running:
        async with asyncio.timeout(30):
            await asyncio.gather(*(running.execute(tapes, id, record(a_note)) for id in "abababab"))
        assert not running._recorder.dispatch._lines
        assert len(await stored(running)) == 24
    for id in "ab":
        assert [each.version for each in bus.heard if each.id == id] == list(range(1, 13))


async def test_e7_a_handler_that_answers_itself_comes_to_an_end(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "MOST_NESTED", 5)
    failures = Failures()
    echo = EventHandler("echo")

    @echo.on(Added)
    async def answers(recorded: Recorded[Added], handling: Handling) -> None:
        await handling.execute(tapes, recorded.id, record(Added(1)))

    async with place.open(application(handlers=[echo], on_handler_error=failures)) as running:
        await running.execute(tapes, "t", record(Added(1)))
        assert [each.version for each in await stored(running)] == [1, 2, 3, 4, 5, 6]
    assert [(each.processor, type(each.error)) for each in failures] == [("echo", ProcessingError)]
    assert "never ends" in str(failures[0].error)


async def test_e7_a_task_that_outlives_its_handler_waits_like_any_other(place: Place) -> None:
    """It has the context of the handler still."""
    tasks: list[asyncio.Task[Any]] = []
    heard: list[int] = []
    go, released, versions = asyncio.Event(), asyncio.Event(), Versions()
    handler, slow = EventHandler("starts"), EventHandler("slow")

    async def later() -> None:
        await go.wait()
        await opened[0].execute(tapes, "t", record(Added(2)))

    @handler.on(Noted)
    async def starts(recorded: Recorded[Noted], handling: Handling) -> None:
        tasks.append(asyncio.create_task(later()))

    @slow.on(Added)
    async def takes_its_time(recorded: Recorded[Added], handling: Handling) -> None:
        if recorded.event.n == 1:
            go.set()
            await released.wait()
        heard.append(recorded.event.n)

    async with place.open(application(handlers=[handler, slow], on_recorded=versions)) as running:
        opened = [running]
        await running.execute(tapes, "t", record(a_note))
        first = asyncio.create_task(running.execute(tapes, "t", record(Added(1))))
        await versions.reached("t", 3)
        for _ in range(20):  # it has its chance to go first
            await asyncio.sleep(0)
        released.set()
        await asyncio.gather(first, *tasks)
        assert heard == [1, 2]


# ------------------------------------------------------------------------------------ shared views


@dataclass(frozen=True)
class Counted:
    n: int
    tape: str


def _count(command: Counted, n: int) -> list[Counted]:
    return [command]


def _counted(n: int, event: Counted) -> int:
    return n + event.n


counters = Aggregate("counter", initial=0, decide=_count, evolve=_counted)
shared_t = Table(
    "shared",
    MetaData(),
    Column("shared", String, primary_key=True),
    Column("a", String),
    Column("b", String),
    Column("sum", Integer),
)
of_a = upsert(
    shared_t,
    key=["shared"],
    insert={"shared": bindparam("shared_"), "a": bindparam("id"), "sum": bindparam("n")},
    set={"a": bindparam("id"), "sum": shared_t.c.sum + bindparam("n")},
)
of_b = upsert(
    shared_t,
    key=["shared"],
    insert={"shared": bindparam("shared_"), "b": bindparam("id"), "sum": bindparam("n")},
    set={"b": bindparam("id"), "sum": shared_t.c.sum + bindparam("n")},
)


@pytest.mark.parametrize("kind", ["one", "two", "transactional"])
async def test_e8_two_aggregates_share_a_row(place: Place, kind: str) -> None:
    handlers: list[Any] = (
        [TransactionalHandler("shared", tables=[shared_t])]
        if kind == "transactional"
        else [EventHandler(name, tables=[shared_t]) for name in ("shared", "other")[: 1 if kind == "one" else 2]]
    )

    def a(event: Any, view: View) -> None:
        view.write(of_a, {"shared_": event.event.text, "id": event.id, "n": 5})

    async def b(event: Any, view: View) -> None:
        view.write(of_b, {"shared_": event.event.tape, "id": event.id, "n": event.event.n})

    handlers[0].on(Noted)(a)
    handlers[-1].on(Counted)(b)
    async with place.open(Eventfold(deciders=[tapes, counters], handlers=handlers)) as running:
        await running.execute(tapes, "a-1", record(Noted("shared")))
        await running.execute(counters, "b-1", Counted(7, "shared"))
        assert rows(await running.query(select(shared_t))) == [("shared", "a-1", "b-1", 12)]


# -------------------------------------------------------------------------------------- deletions


async def test_e1_handlers_are_told_of_a_deleted_stream(place: Place) -> None:
    failures, heard = Failures(), []
    handler, failing, other = (EventHandler(name, tables=[sums_t]) for name in ("removes", "failing", "other"))
    handler.on(Added)(added)

    @handler.on_deleted("tape")
    def removes(deleted: Stream, handling: Handling) -> None:
        heard.append(deleted)
        handling.write(delete(sums_t).where(sums_t.c.tape == bindparam("tape_")), {"tape_": deleted.id})

    failing.on_deleted("tape")(raises(ValueError("no")))
    other.on_deleted("counter")(raises(ValueError("not for it")))
    app = application(handlers=[failing, handler, other], on_handler_error=failures)
    async with place.open(app) as running:
        await running.execute(tapes, "t", record(Added(1)))
        await running._recorder.dispatch.tell_deleted(Stream("tape", "t"))
        assert heard == [("tape", "t")]
        assert rows(await running.query(sums)) == []
    assert [(each.event, each.processor) for each in failures] == [(("tape", "t"), "failing")]


async def test_e3_transactional_handlers_take_part_in_a_deletion(place: Place) -> None:
    handler = transactional()
    handler.on(Added)(pending_added)

    @handler.on_deleted("tape")
    def removes(deleted: Stream, view: View) -> None:
        view.write(delete(sums_t).where(sums_t.c.tape == bindparam("tape_")), {"tape_": deleted.id})
        if deleted.id == "bad":
            raise ValueError("no")

    async with place.open(application(handlers=[handler])) as running:
        for id in ("t", "bad"):
            await running.execute(tapes, id, record(Added(1)))
        units, inside = running._stores.units, running._inside
        await units.transact(lambda unit: inside.handle_deleted(Stream("tape", "t"), unit))
        with pytest.raises(HandlerFailed, match="failed on the deletion of tape-bad: ValueError: no"):
            await units.transact(lambda unit: inside.handle_deleted(Stream("tape", "bad"), unit))
        assert rows(await running.query(sums)) == [("bad", 1)]
