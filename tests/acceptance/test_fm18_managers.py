"""FM-18, G-18: process managers. Each input has its effect once; no time-out comes early, twice, or not at all."""

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import msgspec
import pytest

from eventfold import (
    Aggregate,
    Boundary,
    Cancel,
    Complete,
    Emit,
    Eventfold,
    Events,
    ManualClock,
    Park,
    ProcessManager,
    Query,
    Recorded,
    Retry,
    Running,
    Schedule,
    Send,
    Skip,
)
from eventfold.adapters.sqlite.timers import SqliteTimers
from eventfold.domain.message import NewEvent, StoredEvent, Stream, to_micros
from eventfold.domain.process import Action
from eventfold.domain.story import Seen, stored_name
from eventfold.errors import (
    CannotInferEvents,
    DuplicateName,
    InvalidInput,
    InvalidStreamName,
    ProcessorStopped,
    StoreUnavailable,
)
from eventfold.ports.event_store import Append
from eventfold.ports.timers import Timer
from eventfold.testing.faults import Fault, Faults
from eventfold.testing.scenario import given
from tests.acceptance.world import (
    Added,
    File,
    Noted,
    Place,
    Server,
    TapeFull,
    record,
    seeing,
    stored,
    stream,
    summing,
    sums,
    tapes,
)

ROOT = Path(__file__).resolve().parents[2]
SOON = timedelta(seconds=0.15)
HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Late:
    """The time-out of a watch."""

    n: int


@dataclass(frozen=True)
class Full:
    """A tape would not take more."""

    n: int


@dataclass(frozen=True)
class Rung:
    """What a watch emits."""

    n: int


@dataclass(frozen=True)
class Watch:
    tape: str
    sum: int = 0
    late: int = 0
    full: int = 0


@dataclass(frozen=True)
class Put:
    n: int
    limit: int


@dataclass(frozen=True)
class Write:
    text: str


def decide_out(command: Put | Write, sum: int) -> list[Added | Noted]:
    match command:
        case Put(n, limit) if sum + n > limit:
            raise TapeFull(f"{sum} of {limit}")
        case Put(n):
            return [Added(n)]
        case Write(text):
            return [Noted(text)]


def evolve_out(sum: int, event: Added | Noted) -> int:
    return sum + event.n if isinstance(event, Added) else sum


outs = Aggregate("out", initial=0, decide=decide_out, evolve=evolve_out)


def of_tape(recorded: Recorded[Added | Noted]) -> str | None:
    return recorded.id if recorded.category == "tape" else None


def evolve(watch: Watch, seen: Added | Noted | Late | Full) -> Watch:
    match seen:
        case Added(n):
            return replace(watch, sum=watch.sum + n)
        case Late():
            return replace(watch, late=watch.late + 1)
        case Full():
            return replace(watch, full=watch.full + 1)
        case Noted():
            return watch


def reacting(after: timedelta = SOON, limit: int = 1_000_000) -> Any:
    """Each addition plans that it is late; notes cancel, complete, plan at a moment."""

    def react(watch: Watch, seen: Added | Noted | Late | Full) -> list[Action]:
        match seen:
            case Added(n):
                return [Schedule("late", Late(n), after=after)]
            case Noted("cancel"):
                return [Cancel("late")]
            case Noted("end"):
                return [Complete()]
            case Noted("past"):
                return [Schedule("past", Late(0), at=datetime(2020, 1, 1, tzinfo=UTC))]
            case Noted("ring"):
                return [Emit(Rung(watch.sum), ("bell", watch.tape))]
            case Late(n):
                return [Send(outs, watch.tape, Put(n, limit), on_refused=Full(n)), Emit(Rung(n), ("bell", watch.tape))]
            case Full(n):
                return [Send(outs, watch.tape, Write(f"full {n}"))]
            case _:
                return []

    return react


def watching(name: str = "watch", *, after: timedelta = SOON, limit: int = 1_000_000, **more: Any) -> Any:
    rules: dict[str, Any] = {"react": reacting(after, limit), "evolve": evolve, "initial": Watch, "key": of_tape}
    return ProcessManager(name, **{**rules, "emits": [Rung], **more})


def application(*processors: Any, **more: Any) -> Eventfold:
    return Eventfold(deciders=[tapes, outs], processors=processors, **more)


async def names(running: Running, id: str, manager: str = "watch") -> list[str]:
    """What the stream of a process holds, in short."""
    return [each.type.removeprefix("eventfold:") async for each in running.source.read(Stream(manager, id))]


async def out(running: Running, id: str = "a") -> list[StoredEvent]:
    return [each async for each in running.source.read(Stream("out", id))]


async def planned(running: Running, manager: str | None = None) -> Sequence[Timer]:
    return await running._stores.timers.timers(manager)


async def soon(true: Callable[[], Awaitable[bool]], seconds: float = 20.0) -> None:
    async with asyncio.timeout(seconds):
        while not await true():  # noqa: ASYNC110 - the store tells, nobody rings
            await asyncio.sleep(0.01)


async def until(running: Running, count: int, id: str = "a") -> None:
    async def there() -> bool:
        return len(await out(running, id)) >= count

    await soon(there)
    await running.settled()


async def until_rung(running: Running, count: int) -> None:
    async def there() -> bool:
        return len(await stored(running, Query.of("Rung"))) >= count

    await soon(there)


async def until_status(running: Running, what: str) -> None:
    async def there() -> bool:
        return bool(getattr(running.status()["watch"], what))

    await soon(there)


# --------------------------------------------------------------------------- what happens


async def test_fm18_g18_a_time_out_comes_once_its_time_has_come_and_is_decided_on(place: Place) -> None:
    async with place.open(application(watching())) as running:
        await running.execute(tapes, "a", record(Added(3)))
        await running.settled()
        (timer,) = await planned(running)
        (added,) = await stream(running, "a")
        assert (timer.manager, timer.instance, timer.key, timer.type) == ("watch", "a", "late", "Late")
        assert timer.due_at == added.recorded_at + 150_000
        assert await out(running) == []
        await until(running, 1)
        (sent,) = await out(running)
        assert sent.recorded_at >= timer.due_at
        assert list(await planned(running)) == []
        assert await names(running, "a") == ["Seen", "Scheduled", "TimedOut", "Seen", "Sent", "Emitted"]
        assert [each.id for each in await stored(running, Query.of("Rung"))] == ["a"]


async def test_g18_input_and_actions_are_one_append_that_names_its_cause(place: Place) -> None:
    async with place.open(application(watching(after=HOUR))) as running:
        async with running.context(correlation_id="conversation"):
            await running.execute(tapes, "a", record(Added(3)))
        await running.settled()
        (cause,) = await stream(running, "a")
        told = [each async for each in running.source.read(Stream("watch", "a"))]
    assert {each.recorded_at for each in told} == {told[0].recorded_at}
    assert {each.correlation_id for each in told} == {"conversation"}
    assert {each.causation_id for each in told} == {str(UUID(bytes=cause.event_id))}
    assert {UUID(bytes=each.event_id).version for each in told} == {5}, "they follow from the input"


async def test_g18_the_conversation_goes_through_a_time_out_to_what_it_leads_to(place: Place) -> None:
    async with place.open(application(watching())) as running:
        async with running.context(correlation_id="conversation"):
            await running.execute(tapes, "a", record(Added(3)))
        await until(running, 1)
        everything = await stored(running)
    assert {each.correlation_id for each in everything} == {"conversation"}


async def test_g18_one_that_is_cancelled_or_planned_anew_does_not_come(place: Place) -> None:
    async with place.open(application(watching())) as running:
        await running.execute(tapes, "a", record(Added(1), Noted("cancel")))
        await running.execute(tapes, "b", record(Added(1), Added(2)))
        await running.execute(tapes, "c", record(Added(1), Noted("end")))
        await until(running, 1, "b")
        await asyncio.sleep(0.3)
        await running.settled()
        assert await out(running, "a") == await out(running, "c") == []
        assert [each.data for each in await out(running, "b")] == [b'{"n":2}']
        assert list(await planned(running)) == []


async def test_g18_after_its_end_a_process_ignores_what_comes_and_counts_it(place: Place) -> None:
    async with place.open(application(watching(after=HOUR))) as running:
        await running.execute(tapes, "a", record(Added(1), Noted("end"), Added(2), Noted("ring")))
        await running.settled()
        assert await names(running, "a") == ["Seen", "Scheduled", "Seen", "Completed"]
        assert running.status()["watch"].ignored == 2
        assert list(await planned(running)) == []
        assert await stored(running, Query.of("Rung")) == []


async def test_g18_events_that_concern_no_process_leave_no_trace(place: Place) -> None:
    async with place.open(application(watching())) as running:
        await running.execute(outs, "a", Put(1, 9))
        await running.settled()
        assert len(await stored(running)) == 1
        assert running.status()["watch"].ignored == 0


async def test_g18_a_moment_that_is_past_comes_at_once(place: Place) -> None:
    async with place.open(application(watching())) as running:
        await running.execute(tapes, "a", record(Noted("past")))
        await until(running, 1)
        assert await names(running, "a") == ["Seen", "Scheduled", "TimedOut", "Seen", "Sent", "Emitted"]


async def test_g18_a_rejection_comes_back_as_an_input_and_is_compensated(place: Place) -> None:
    async with place.open(application(watching(limit=5))) as running:
        await running.execute(tapes, "a", record(Added(9)))
        await until(running, 1)
        (note,) = await out(running)
        assert note.data == b'{"text":"full 9"}'
        assert await names(running, "a") == [
            *("Seen", "Scheduled", "TimedOut", "Seen", "Sent", "Emitted"),
            *("Refused", "Seen", "Sent"),
        ]
        told = [each async for each in running.source.read(Stream("watch", "a"))]
        assert b"TapeFull: 0 of 5" in (told[6].data or b"")


async def test_g18_a_rejection_that_nobody_expects_is_an_error_and_nothing_is_lost(place: Place) -> None:
    def react(watch: Watch, seen: Added) -> list[Action]:
        return [Send(outs, "a", Put(seen.n, 5))]

    manager = watching(react=react, inputs=[Added])
    async with place.open(application(manager)) as running:
        await running.execute(tapes, "a", record(Added(9)))
        with pytest.raises(ProcessorStopped, match="TapeFull"):
            await running.settled()
    manager = watching(react=react, inputs=[Added], on_error=Retry.constant(0.05))
    async with place.open(application(manager)) as running:
        await asyncio.sleep(0.15)
        assert await out(running) == []
        assert (await names(running, "a")) == ["Seen", "Sent"]
    parking = watching(react=react, inputs=[Added], on_error=Park())
    async with place.open(application(parking)) as running:
        await running.settled()
        (parked,) = await running._stores.parking.parked("watch")
        assert parked.error.startswith("TapeFull")


async def test_g18_commands_of_a_boundary_and_of_an_aggregate_are_sent(place: Place) -> None:
    def decide(command: Write, sum: int) -> Sequence[Added]:
        return [Added(sum + 1)]

    def counted(sum: int, event: Added) -> int:
        return sum + 1

    tallies = Boundary("tally", initial=0, decide=decide, evolve=counted, query=lambda _: Query.of(Added))

    def react(watch: Watch, seen: Noted) -> list[Action]:
        return [Send(tallies, Write("x")), Send(outs, "a", Put(7, 9))]

    manager = watching(react=react, inputs=[Noted], key=lambda recorded: "a")
    app = Eventfold(deciders=[tapes, outs, tallies], processors=[manager])
    async with place.open(app) as running:
        await running.execute(tapes, "a", record(Noted("go")))
        await running.settled()
        assert [each.category for each in await stored(running, Query.of("Added"))] == ["tally", "out"]


async def test_g18_inputs_of_several_streams_come_to_one_process_in_order(place: Place) -> None:
    order: list[int] = []

    def react(watch: Watch, seen: Added) -> list[Action]:
        order.append(watch.sum)
        return [Emit(Rung(watch.sum), ("bell", "all"))]

    manager = watching(react=react, inputs=[Added], key=lambda recorded: "all")
    async with place.open(application(manager)) as running:
        for number in range(1, 21):
            await running.execute(tapes, f"t{number}", record(Added(number)))
        await running.settled()
        rung = [each.data for each in await stored(running, Query.of("Rung"))]
    assert rung == [f'{{"n":{n * (n + 1) // 2}}}'.encode() for n in range(1, 21)]
    assert order == [n * (n + 1) // 2 for n in range(1, 21)]


async def test_g18_many_processes_at_once_are_handled_each_once(place: Place) -> None:
    async with place.open(application(watching(concurrency=16))) as running:
        for number in range(60):
            await running.execute(tapes, f"t{number}", record(Added(number)))
        await until_rung(running, 60)
        await running.settled()
        counts = Counter(each.id for each in await stored(running, Query.of("Rung")))
        assert set(counts.values()) == {1}
        assert len(counts) == 60


async def test_g18_a_projector_of_everything_sees_the_story_and_those_of_classes_do_not(place: Place) -> None:
    all_of_it, added = seeing(), summing()
    async with place.open(application(all_of_it, added, watching(after=HOUR))) as running:
        await running.execute(tapes, "a", record(Added(2)))
        await running.settled()
        assert await running.query(sums) == [("a", 2)], "the copy of an input is no second event of its class"
        assert running.status()["seen"].error is None


# ------------------------------------------------------------------------------- time


async def test_fm18_g18_by_the_clock_of_the_store_never_early_whichever_way_it_jumps() -> None:
    async with application(watching(after=HOUR)).test() as running:
        await running.execute(tapes, "a", record(Added(1)))
        await running.settled()
        running.clock.advance(HOUR - timedelta(microseconds=1))
        await asyncio.sleep(0.25)
        assert await out(running) == []
        running.clock.advance(-10 * HOUR)
        await asyncio.sleep(0.25)
        running.clock.advance(10 * HOUR)
        await asyncio.sleep(0.25)
        await running.settled()
        assert await out(running) == []
        running.clock.advance(timedelta(microseconds=1))
        await running.settled()
        await running.settled()
        assert len(await out(running)) == 1
        running.clock.advance(-timedelta(days=400))
        running.clock.advance(timedelta(days=800))
        await asyncio.sleep(0.25)
        await running.settled()
        assert len(await out(running)) == 1


async def test_fm18_g18_after_a_day_of_downtime_all_come_in_order_of_due_time(tmp_path: Path) -> None:
    clock = ManualClock()
    delays = {f"t{n}": timedelta(hours=n * 7 % 24, minutes=n) for n in range(1, 24)}

    def react(watch: Watch, seen: Added | Late) -> list[Action]:
        if isinstance(seen, Late):
            return [Emit(Rung(seen.n), ("bell", watch.tape))]
        return [Schedule("late", Late(seen.n), after=delays[watch.tape])]

    def app() -> Eventfold:
        return application(watching(react=react, inputs=[Added, Late]), clock=clock)

    async with app().open(f"sqlite:///{tmp_path}/e.db") as running:
        for n in range(1, 24):
            await running.execute(tapes, f"t{n}", record(Added(n)))
        await running.settled()
    clock.advance(timedelta(days=2))
    async with app().open(f"sqlite:///{tmp_path}/e.db") as running:
        await running.settled()
        rung = [each.id for each in await stored(running, Query.of("Rung"))]
    assert rung == sorted(delays, key=delays.__getitem__)


async def test_g18_a_time_out_counts_from_its_input_and_not_from_when_that_was_handled(file: File) -> None:
    clock = ManualClock()
    async with file.open(application(clock=clock)) as running:
        await running.execute(tapes, "a", record(Added(1)))
    clock.advance(HOUR / 2)
    async with file.open(application(watching(after=HOUR), clock=clock)) as running:
        await running.settled()
        (timer,) = await planned(running)
    assert timer.due_at == to_micros(clock.now() + HOUR / 2)


async def test_g18_while_it_is_paused_or_not_run_nothing_comes_and_then_everything_does(place: Place) -> None:
    async with place.open(application(watching(after=timedelta(seconds=0.8)))) as running:
        await running.execute(tapes, "a", record(Added(1)))
        await running.settled()
        await running._stores.rows.pause("watch", paused=True)
        await until_status(running, "paused")
        await asyncio.sleep(1.0)
        assert await out(running) == []
        await running._stores.rows.pause("watch", paused=False)
        await until(running, 1)
    async with place.open(application(watching()), run=False) as running:
        assert len(await out(running)) == 1


# ----------------------------------------------------------------- crashes, and who is second

POINTS = ["timers.after_record", "manager.after_append", "manager.after_actions", "manager.after_timers"]


PASSINGS = [(point, k) for point in POINTS for k in ([1, 2] if point.startswith("timers") else [1, 3, 6])]


@pytest.mark.parametrize(("point", "passing"), PASSINGS)
async def test_fm18_g18_an_error_at_any_point_leaves_nothing_undone_and_does_nothing_twice(
    place: Place, point: str, passing: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("eventfold.processing.alarm_clock.MOST", 1)

    async def add(running: Running) -> None:
        for id in ("a", "b"):
            await running.execute(tapes, id, record(Added(9)))

    async with place.open(application(watching(limit=5)), run=False) as running:
        await add(running)
    with Faults({point: Fault("raise", at=passing)}) as faults:
        async with place.open(application(watching(limit=5))) as running:
            await until_status(running, "stopped")
            assert isinstance(running.status()["watch"].error, Exception)
    assert faults.struck == [point]
    async with place.open(application(watching(limit=5))) as running:
        for id in ("a", "b"):
            await until(running, 1, id)
        await asyncio.sleep(0.3)
        await running.settled()
        for id in ("a", "b"):
            assert [each.data for each in await out(running, id)] == [b'{"text":"full 9"}']
            assert Counter(await names(running, id)) == {
                "Seen": 3, "Scheduled": 1, "TimedOut": 1, "Sent": 2, "Emitted": 1, "Refused": 1
            }  # fmt: skip
        assert len(await stored(running, Query.of("Rung"))) == 2
        assert list(await planned(running)) == []


RUN = """
    import asyncio, sys
    from datetime import timedelta
    from eventfold.testing.faults import arm_from_environment
    from tests.acceptance.test_fm18_managers import application, watching
    from tests.acceptance.world import Server

    async def main():
        async with Server(sys.argv[1]).open(application(watching(limit=5)), lease=timedelta(seconds=0.5)) as running:
            await asyncio.sleep(20)

    arm_from_environment()
    asyncio.run(main())
"""


@pytest.fixture(params=["sqlite", "postgres"])
def durable(request: pytest.FixtureRequest, tmp_path: Path) -> Server:
    if request.param == "sqlite":
        return File(f"sqlite:///{tmp_path}/store.db")
    server = request.getfixturevalue("postgres")
    schema = request.getfixturevalue("postgres_schema")
    return Server(f"{server.url}?schema={schema}&options=-csearch_path%3D{schema}")


def child(url: str, failpoints: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(RUN), url],
        cwd=ROOT,
        env={**os.environ, "EVENTFOLD_FAILPOINTS": failpoints, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize("point", POINTS)
async def test_fm18_g18_killed_at_any_point_it_goes_on_where_it_was(durable: Server, point: str) -> None:
    async with durable.open(application(watching(limit=5)), run=False) as running:
        for id in ("a", "b"):
            await running.execute(tapes, id, record(Added(9)))
    killed = await asyncio.to_thread(child, durable.url, f"{point}=kill:{1 if point.startswith('timers') else 2}")
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    async with durable.open(application(watching(limit=5))) as running:
        for id in ("a", "b"):
            await until(running, 1, id)
        await asyncio.sleep(0.3)
        await running.settled()
        for id in ("a", "b"):
            assert [each.data for each in await out(running, id)] == [b'{"text":"full 9"}']
            assert Counter(await names(running, id))["Seen"] == 3
        assert len(await stored(running, Query.of("Rung"))) == 2
        assert list(await planned(running)) == []


async def test_g18_two_copies_that_do_not_know_of_each_other_have_one_effect(place: Place) -> None:
    async with (
        place.open(application(watching(on_error=Retry.constant(0.01))), lease=None) as one,
        place.open(application(watching(on_error=Retry.constant(0.01))), lease=None) as other,
    ):
        for number in range(10):
            await one.execute(tapes, f"t{number}", record(Added(number)))
        await until_rung(one, 10)
        await asyncio.sleep(0.3)
        counts = Counter(each.id for each in await stored(other, Query.of("Rung")))
        assert set(counts.values()) == {1}
        for number in range(10):
            assert len(await out(one, f"t{number}")) == 1
            assert Counter(await names(one, f"t{number}"))["TimedOut"] == 1


async def test_g18_a_refusal_stands_although_the_command_would_be_accepted_by_now(place: Place) -> None:
    with Faults({"manager.after_actions": Fault("raise", at=2)}):
        async with place.open(application(watching(limit=5))) as running:
            await running.execute(tapes, "a", record(Added(9)))
            await until_status(running, "stopped")
            await running.execute(outs, "a", Put(-10, 0))
    async with place.open(application(watching(limit=5))) as running:
        await until(running, 2)
        assert [each.data for each in await out(running)] == [b'{"n":-10}', b'{"text":"full 9"}']
        assert (await names(running, "a")).count("Refused") == 1


async def test_g18_several_workers_that_decide_on_one_process_decide_one_after_the_other(place: Place) -> None:
    def app() -> Eventfold:
        def react(watch: Watch, seen: Added) -> list[Action]:
            return [Emit(Rung(watch.sum), ("bell", "all"))]

        return application(watching(react=react, inputs=[Added], key=lambda recorded: "all", partitions=4))

    short = timedelta(seconds=1)
    async with place.open(app(), lease=short) as one, place.open(app(), lease=short) as other:

        async def shared() -> bool:
            return all(len(each.status()["watch"].partitions) == 2 for each in (one, other))

        await soon(shared)
        async with asyncio.TaskGroup() as writers:
            for number in range(1, 41):
                writers.create_task(one.execute(tapes, f"t{number}", record(Added(number))))
        await until_rung(one, 40)
        story = [msgspec.json.decode(each.data or b"") async for each in one.source.read(Stream("watch", "all"))]
    sum = 0
    for seen, emitted in zip(story[::2], story[1::2], strict=True):
        sum += seen["input"]["json"]["n"]
        assert emitted["event"]["json"]["n"] == sum
    assert sum == 820


async def test_fm18_a_store_that_is_away_for_a_while_keeps_time_outs_waiting_and_no_more(
    file: File, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = 0
    due = SqliteTimers.due

    async def away_at_first(timers: SqliteTimers, manager: str, *, limit: int) -> Sequence[Timer]:
        nonlocal asked
        asked += 1
        if asked in {2, 3, 6}:
            raise StoreUnavailable("it is away")
        return await due(timers, manager, limit=limit)

    monkeypatch.setattr(SqliteTimers, "due", away_at_first)
    async with file.open(application(watching(after=timedelta(seconds=1)))) as running:
        await running.execute(tapes, "a", record(Added(1)))
        await until(running, 1)
        assert running.status()["watch"].error is None
    assert asked > 6


async def test_g18_partitions_share_the_processes_and_all_time_outs_come(place: Place) -> None:
    async with place.open(application(watching(partitions=4))) as running:
        for number in range(12):
            await running.execute(tapes, f"t{number}", record(Added(number)))
        await until_rung(running, 12)
        assert list(await planned(running)) == []


async def test_fm18_g18_rows_that_are_lost_or_left_over_do_no_harm(file: File) -> None:
    clock = ManualClock()
    async with file.open(application(watching(after=HOUR), clock=clock)) as running:
        await running.execute(tapes, "a", record(Added(1), Noted("cancel")))
        await running.execute(tapes, "b", record(Added(2)))
        await running.settled()
        (of_b,) = await planned(running)
        told = [each async for each in running.source.read(Stream("watch", "a"))]
        stale = msgspec.structs.replace(of_b, instance="a", schedule_position=told[1].position)
        await running._stores.timers.keep([stale])
        clock.advance(2 * HOUR)
        await running.settled()
        await running.settled()
        assert await out(running, "a") == [], "it was cancelled, whatever the rows say"
        assert len(await out(running, "b")) == 1
        assert running.status()["watch"].ignored == 1
        await running._stores.timers.keep([of_b])
        await running.settled()
        await running.settled()
        assert len(await out(running, "b")) == 1, "it has come before"


# ---------------------------------------------------------------------------- bad input


async def test_g18_what_fails_in_evolve_or_react_is_retried_parked_or_skipped(place: Place) -> None:
    def react(watch: Watch, seen: Added) -> list[Action]:
        if seen.n == 13:
            raise ValueError("unlucky")
        return [Emit(Rung(seen.n), ("bell", watch.tape))]

    for name, policy, rest in (("skips", Skip(), ["1", "2"]), ("parks", Park(), ["1"])):
        manager = watching(name, react=react, inputs=[Added], on_error=policy)
        async with place.open(application(manager)) as running:
            await running.execute(tapes, name, record(Added(1), Added(13), Added(2)))
            await running.settled()
            story = [each async for each in running.source.read(Stream(name, name))]
            seen = [each for each in story if each.type == stored_name(Seen)]
            assert len(seen) == len(rest)


@pytest.mark.parametrize(
    ("actions", "why"),
    [
        (None, "return a list"),
        ([Added(1)], "give Schedule, Cancel, Send, Emit or Complete"),
        ([Emit(Late(1), ("bell", "a"))], "declare it, emits="),
        ([Schedule("x", Rung(1), after=HOUR)], "its evolve takes"),
        ([Send(outs, "a", Put(1, 2), on_refused=Rung(1))], "its evolve takes"),
        ([Send(Aggregate("other", initial=0, decide=lambda c, s: [], evolve=lambda s, e: s, events=[Added]), "o", 1)],
         "none of this application's"),
        ([Send(outs, "a", cast("Any", Late(1)))], "is not in the annotation of decide"),
    ],
)  # fmt: skip
async def test_g18_what_cannot_be_done_is_refused_before_anything_is_stored(actions: Any, why: str) -> None:
    manager = watching(react=lambda watch, seen: actions)
    async with application(manager).test() as running:
        await running.execute(tapes, "a", record(Added(1)))
        with pytest.raises(ProcessorStopped, match=why):
            await running.settled()
        assert await names(running, "a") == []


def test_g18_actions_and_managers_that_make_no_sense_are_refused() -> None:
    with pytest.raises(InvalidInput, match="only once"):
        Schedule("due", Late(1))
    with pytest.raises(InvalidInput, match="only once"):
        Schedule("due", Late(1), after=HOUR, at=datetime.now(UTC))
    with pytest.raises(InvalidInput, match="time zone"):
        Schedule("due", Late(1), at=datetime(2026, 1, 1))  # noqa: DTZ001 - this is what is refused
    for key in ("", "x" * 256, "a\0b", "\ud800"):
        with pytest.raises(InvalidInput, match="time-out"):
            Schedule(key, Late(1), after=HOUR)
        with pytest.raises(InvalidInput, match="time-out"):
            Cancel(key)
    with pytest.raises(InvalidStreamName):
        Send(tapes, "", record())
    with pytest.raises(InvalidStreamName):
        Emit(Rung(1), ("no category", "a"))
    with pytest.raises(InvalidInput, match="write Send"):
        Send(tapes, record())  # type: ignore[call-overload] # this is what is refused
    with pytest.raises(InvalidStreamName):
        watching("no-category")
    for wrong in (
        {"version": 0}, {"start": "then"}, {"partitions": 0}, {"concurrency": 0}, {"stuck_after": timedelta(0)},
        {"emits": Rung}, {"commands": [1]}, {"on_error": "retry"}, {"version": 2, "earlier": [watching(version=2)]},
        {"version": 2, "earlier": [watching("other")]},
    ):  # fmt: skip
        with pytest.raises(InvalidInput):
            watching(**wrong)
    with pytest.raises(CannotInferEvents):
        watching(evolve=lambda state, seen: state)
    with pytest.raises(DuplicateName):
        application(watching("tape"))
    assert Send(tapes, "a", record(Added(1))) == Send(tapes, "a", record(Added(1)))
    assert Send(tapes, "a", record(Added(1))) != Send(tapes, "a", record(Added(2)))
    assert Send(outs, "a", Put(1, 2)) != Send(outs, "a", Write("a"))
    assert "on_refused=Full(n=1)" in repr(Send(tapes, "a", record(), on_refused=Full(1)))


# ------------------------------------------------------------------------ versions in flight


async def test_g18_a_process_keeps_the_rules_it_began_with_and_new_ones_begin_with_the_new(place: Place) -> None:
    first = watching(react=lambda watch, seen: [Emit(Rung(1), ("bell", watch.tape))], inputs=[Added])
    async with place.open(application(first)) as running:
        await running.execute(tapes, "old", record(Added(5)))
        await running.settled()
    second = watching(
        react=lambda watch, seen: [Emit(Rung(2), ("bell", watch.tape))], inputs=[Added], version=2, earlier=[first]
    )
    async with place.open(application(second)) as running:
        await running.execute(tapes, "old", record(Added(5)))
        await running.execute(tapes, "new", record(Added(5)))
        await running.settled()
        rung = [(each.id, each.data) for each in await stored(running, Query.of("Rung"))]
        assert rung == [("old", b'{"n":1}'), ("old", b'{"n":1}'), ("new", b'{"n":2}')]
        told = [each async for each in running.source.read(Stream("watch", "old"))]
        assert [b'"code":1' in (each.data or b"") for each in told] == [True, False, False, False]
    with pytest.raises(InvalidInput, match="version 1 here, but version 2 has decided"):
        async with place.open(application(first)):
            pytest.fail("older code must not decide")


async def test_g18_newer_code_without_earlier_rules_goes_on_with_its_own_and_does_nothing_again(place: Place) -> None:
    async with place.open(application(watching(after=HOUR))) as running:
        await running.execute(tapes, "a", record(Added(5)))
        await running.settled()
        before = await stored(running)
    async with place.open(application(watching(after=HOUR, version=2))) as running:
        await running.settled()
        assert await stored(running) == before
        await running.execute(tapes, "a", record(Noted("ring")))
        await running.settled()
        assert [each.data for each in await stored(running, Query.of("Rung"))] == [b'{"n":5}']


async def test_g18_an_event_of_a_future_shape_and_a_process_of_newer_code_are_parked(place: Place) -> None:
    future = Events()
    future.add(Added, version=2)
    async with place.open(application(events=future), run=False) as running:
        await running.execute(tapes, "a", record(Added(5)))
    async with place.open(application(watching("newer", version=3, after=HOUR)), run=["newer"]) as running:
        await running.execute(tapes, "b", record(Added(1)))
        await running.wait_for("newer", 0)
    manager = watching(on_error=Park(), after=HOUR)
    async with place.open(application(manager)) as running:
        await running.settled()
        parked = {each.stream.id: each.error for each in await running._stores.parking.parked("watch")}
        assert "version 2 of its shape" in parked["a"]
        await running.execute(tapes, "c", record(Added(2)))
        await running.settled()
        assert await names(running, "c") == ["Seen", "Scheduled"]
        told = [each async for each in running.source.read(Stream("watch", "c"))]
        newer = NewEvent(
            event_id=b"n" * 16, type=told[0].type, data=(told[0].data or b"").replace(b'"code":1', b'"code":7')
        )
        await running._stores.events.append(Append(Stream("watch", "c"), [newer]))
        await running.execute(tapes, "c", record(Added(3)))
        await running.settled()
        parked = {each.stream.id: each.error for each in await running._stores.parking.parked("watch")}
        assert "version 7 of the manager has gone on with this process, and here is 1" in parked["c"]


# ----------------------------------------------------------------------------- scenarios


def test_g18_given_when_then_needs_neither_store_nor_loop() -> None:
    watches = watching(after=HOUR)
    given(watches, Added(1), key="a").when(Added(2)).then(Schedule("late", Late(2), after=HOUR)).then_state(
        Watch("a", 3)
    )
    given(watches, Added(1), key="a").when(Noted("cancel")).then(Cancel("late"))
    given(watches).when(Noted("end")).then(Complete())
    given(watches).when(Noted("nothing")).then()
    given(watches, Added(1), Added(2), key="a").then_state(Watch("a", 3))
    with pytest.raises(AssertionError, match="but it gives"):
        given(watches).when(Added(2)).then(Schedule("late", Late(3), after=HOUR))
    with pytest.raises(AssertionError, match="expected state"):
        given(watches).when(Added(2)).then_state(Watch("1", 3))


def test_g18_a_scenario_notices_when_the_state_is_changed_in_place() -> None:
    def evolve_badly(state: list[int], seen: Added) -> list[int]:
        state.append(seen.n)
        return state

    manager = ProcessManager("bad", initial=lambda key: [], key=of_tape, evolve=evolve_badly, react=lambda s, seen: [])
    with pytest.raises(AssertionError, match="changed the state"):
        given(manager, Added(1))
