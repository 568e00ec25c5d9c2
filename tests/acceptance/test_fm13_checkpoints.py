"""
FM-13: a checkpoint never passes an event that has not been handled, and every event has its effect once.

Events of several kinds and streams, a projector with any filter, pages of any size; in between handlers and commits
fail, at any point, and the projector is started anew.
"""

import asyncio
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, TypeAlias
from unittest.mock import patch

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eventfold import (
    Eventfold,
    Events,
    Park,
    Projector,
    Query,
    Recorded,
    Retry,
    Running,
    Skip,
    Stop,
    View,
    system_clock,
)
from eventfold.bootstrap.stores import open_stores
from eventfold.domain.message import Stream
from eventfold.domain.partition import partition_of
from eventfold.errors import ProcessorStopped
from eventfold.ports.checkpoint_store import Move
from eventfold.ports.parking import Parked, ParkingLot, Settled, Wish
from eventfold.processing.policy import ErrorPolicy
from eventfold.processing.view import BatchView
from tests.acceptance.world import (
    Added,
    Event,
    File,
    Measured,
    Memory,
    Noted,
    Place,
    positions,
    record,
    saw,
    seen_t,
    stored,
    tapes,
)

KINDS: dict[str, Event] = {"Added": Added(1), "Noted": Noted("x"), "Measured": Measured(0.5)}
POINTS = ("before the rows", "after the rows", "after a read", "before the commit", "after the commit")


class Broken(Exception):
    pass


@dataclass(frozen=True)
class Write:
    tape: str
    kinds: list[str]


@dataclass(frozen=True)
class Run:
    """Start, fail the n-th time that the point is passed (0: not at all), write meanwhile, and end."""

    point: str
    at: int
    meanwhile: list[str]


Step: TypeAlias = Write | Run


@dataclass(frozen=True)
class Filter:
    handled: frozenset[str]
    batched: bool
    categories: bool
    tagged: bool

    def takes(self, kind: str) -> bool:
        return kind in self.handled and (kind == "Added" or not self.tagged)


kinds = st.lists(st.sampled_from(sorted(KINDS)), min_size=1, max_size=6)
steps = st.one_of(
    st.builds(Write, st.sampled_from("abc"), kinds),
    st.builds(Run, st.sampled_from(POINTS), st.integers(0, 4), st.lists(st.sampled_from(sorted(KINDS)), max_size=4)),
)
filters = st.builds(
    Filter,
    st.frozensets(st.sampled_from(sorted(KINDS)), min_size=1),
    st.booleans(),
    st.booleans(),
    st.booleans(),
).filter(lambda each: not each.tagged or "Added" in each.handled)


class Failing:
    """Breaks when the point is passed for the n-th time, once."""

    def __init__(self) -> None:
        self.point = ""
        self.left = 0

    def plan(self, run: Run) -> None:
        self.point, self.left = run.point, run.at

    def passing(self, point: str) -> None:
        if point == self.point and self.left > 0:
            self.left -= 1
            if self.left == 0:
                raise Broken(point)


def application(chosen: Filter, failing: Failing) -> Eventfold:
    events = Events()
    events.add(Added, tags=lambda _: ["added"])
    query = Query.of(
        *(KINDS[kind].__class__ for kind in sorted(chosen.handled)),
        categories=["tape"] if chosen.categories else [],
        tags=["added"] if chosen.tagged else [],
    )
    projector = Projector("seen", tables=[seen_t], query=query)

    async def one(recorded: Recorded[Any], view: View) -> None:
        failing.passing("before the rows")
        saw(recorded, view)
        if recorded.position % 3 == 0:
            await view.fetch(positions)
            failing.passing("after a read")
        failing.passing("after the rows")

    async def run(batch: Any, view: View) -> None:
        for recorded in batch:
            await one(recorded, view)

    for kind in sorted(chosen.handled):
        cls: Any = KINDS[kind].__class__
        if chosen.batched and kind != "Noted":
            projector.on_batch(cls)(run)
        else:
            projector.on(cls)(one)
    return Eventfold(deciders=[tapes], processors=[projector], events=events)


async def check(running: Running, chosen: Filter) -> None:
    """The rows are those events of the query that lie at or below the checkpoint: all of them, each once."""
    checkpoint = (await running._stores.rows.checkpoint("seen")).position
    expected = [
        each.position for each in await stored(running) if chosen.takes(each.type) and each.position <= checkpoint
    ]
    assert [position for (position,) in await running.query(positions)] == expected
    assert checkpoint == (expected[-1] if expected else 0)  # of a handled event, never of one that was only passed by


def of(names: list[str]) -> tuple[Event, ...]:
    return tuple(KINDS[name] for name in names)


async def play(place: Place, script: list[Step], chosen: Filter, size: int) -> None:
    failing = Failing()
    original = BatchView.commit

    async def commit(view: BatchView, move: Move) -> None:
        failing.passing("before the commit")
        await original(view, move)
        failing.passing("after the commit")

    app = application(chosen, failing)
    with ExitStack() as patches:
        for module in ("ports.subscription", "adapters.memory", "adapters.sqlite.event_store"):
            patches.enter_context(patch(f"eventfold.{module}.PAGE", size))
        patches.enter_context(patch.object(BatchView, "commit", commit))
        async with place.open(app, run=False) as running:
            await running.execute(tapes, "a", record(*of(["Noted", "Added", "Measured"])))
        for step in (*script, Run("nowhere", 0, [])):
            failing.plan(step if isinstance(step, Run) else Run("nowhere", 0, []))
            async with place.open(app, run=isinstance(step, Run)) as running:
                if isinstance(step, Write):
                    await running.execute(tapes, step.tape, record(*of(step.kinds)))
                    continue
                for kind in step.meanwhile:
                    await running.execute(tapes, "b", record(KINDS[kind]))
                try:
                    await running.settled()
                except ProcessorStopped:
                    assert step.at > 0
                await check(running, chosen)
        async with place.open(app, run=False) as running:
            await check(running, chosen)
            handled = [each.position for each in await stored(running) if chosen.takes(each.type)]
            assert await running.query(positions) == [(position,) for position in handled]


async def in_memory(script: list[Step], chosen: Filter, size: int) -> None:
    async with open_stores("memory:", clock=system_clock, migrate=True) as stores:
        await play(Memory(stores), script, chosen, size)


async def in_a_file(script: list[Step], chosen: Filter, size: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        await play(File(f"sqlite:///{folder}/store.db"), script, chosen, size)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(script=st.lists(steps, max_size=8), chosen=filters, size=st.integers(1, 7))
def test_fm13_g12_no_checkpoint_passes_an_unhandled_event_in_memory(
    script: list[Step], chosen: Filter, size: int
) -> None:
    asyncio.run(in_memory(script, chosen, size))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(script=st.lists(steps, max_size=8), chosen=filters, size=st.integers(1, 7))
def test_fm13_g12_no_checkpoint_passes_an_unhandled_event_in_a_file(
    script: list[Step], chosen: Filter, size: int
) -> None:
    asyncio.run(in_a_file(script, chosen, size))


# ------------------------------------------------------- with partitions, policies and wishes

POLICIES: dict[str, ErrorPolicy] = {
    "stop": Stop(),
    "park": Park(),
    "skip": Skip(),
    "retry, then park": Retry.constant(0.0, attempts=2, then=Park()),
    "retry, then stop": Retry.constant(0.0, attempts=3),
}


@dataclass(frozen=True)
class Put:
    tape: str
    events: int


@dataclass(frozen=True)
class Work:
    """Run; numbers with one of these remainders cannot be handled, and once it breaks at a point."""

    policy: str
    poison: frozenset[int]
    point: str
    at: int
    size: int | None
    wishes: list[tuple[int, Wish]]
    reset: bool


works = st.builds(
    Work,
    st.sampled_from(sorted(POLICIES)),
    st.frozensets(st.integers(0, 4), max_size=2),
    st.sampled_from(POINTS),
    st.integers(0, 6),
    st.sampled_from([None, None, 1, 3, 300]),
    st.lists(st.tuples(st.integers(0, 5), st.sampled_from(["retry", "drop"])), max_size=3),
    st.integers(0, 9).map(lambda each: each == 0),
)
puts = st.builds(Put, st.sampled_from("abcdef"), st.integers(1, 5))


class Handled:
    """A projector of what it has seen, with faults."""

    def __init__(self, work: Work, partitions: int, failing: Failing) -> None:
        self.projector = Projector(
            "seen", tables=[seen_t], partitions=partitions, on_error=POLICIES[work.policy], transaction_size=work.size
        )

        @self.projector.on(Added)
        async def handle(recorded: Recorded[Added], view: View) -> None:
            failing.passing("before the rows")
            saw(recorded, view)
            if recorded.position % 3 == 0:
                await view.fetch(positions)
                failing.passing("after a read")
            if recorded.event.n % 5 in work.poison:
                raise ValueError(f"{recorded.event.n} is poison")
            failing.passing("after the rows")


async def check_places(running: Running, partitions: int) -> None:
    """Each event at or below the checkpoint of its partition has one row or is set aside, and order is kept."""
    rows, lot = running._stores.rows, running._stores.parking
    reached = [(await rows.checkpoint("seen", partition)).position for partition in range(partitions)]
    seen = [position for (position,) in await running.query(positions)]
    aside = {each.position: each for each in await lot.parked("seen", resolved=True)}
    blocked = {each.stream for each in aside.values() if each.resolution is None}
    first = {
        stream: min(each.position for each in aside.values() if each.stream == stream and each.resolution is None)
        for stream in blocked
    }
    for event in await stored(running):
        position, partition = event.position, partition_of(event.category, event.id, partitions)
        if position > reached[partition]:
            assert position not in {*seen, *aside}, f"{position} is beyond {reached}"
            continue
        entry = aside.get(position)
        if entry is None or entry.resolution == "retried":
            assert position in seen, f"{position} was passed by: {reached}"
        else:
            assert position not in seen, f"{position} is {entry.resolution or 'parked'}"
        if event.stream in blocked and position > first[event.stream]:
            assert entry is not None, f"{position} has overtaken {first[event.stream]}"


async def first_ones(lot: ParkingLot) -> Sequence[Parked]:
    """Of each stream the one that all others stand behind."""
    first: dict[Stream, Parked] = {}
    for entry in await lot.parked("seen"):
        first.setdefault(entry.stream, entry)
    return tuple(first.values())


async def rest(running: Running, partitions: int) -> bool:
    """Until it has come to the end, as the store has it, and nobody's wish is open; False if it has stopped."""
    rows, lot = running._stores.rows, running._stores.parking
    ends = dict.fromkeys(range(partitions), 0)
    for event in await stored(running):
        ends[partition_of(event.category, event.id, partitions)] = event.position
    async with asyncio.timeout(30):
        while not running.status()["seen"].stopped:
            at_the_end = [(await rows.checkpoint("seen", each)).position == end for each, end in ends.items()]
            if all(at_the_end) and not any(each.wish for each in await lot.parked("seen")):
                await running.settled()
                return True
            await asyncio.sleep(0.002)
    return False


async def work_on(place: Place, script: list[Put | Work], partitions: int) -> None:
    failing, number = Failing(), 0
    original = BatchView.commit

    async def commit(view: BatchView, step: Move | Settled) -> None:
        failing.passing("before the commit")
        await original(view, step)
        failing.passing("after the commit")

    last = Work("stop", frozenset(), "nowhere", 0, None, [], reset=False)
    with ExitStack() as patches:
        patches.enter_context(patch.object(BatchView, "commit", commit))
        for pause in ("LOOK", "_CHECKPOINT_LOOK"):
            patches.enter_context(patch(f"eventfold.processing.worker.{pause}", 0.005))
        for step in (*script, last):
            if isinstance(step, Put):
                async with place.open(Eventfold(deciders=[tapes]), run=False) as running:
                    events = [Added(number + n) for n in range(step.events)]
                    number += step.events
                    await running.execute(tapes, step.tape, record(*events))
                continue
            failing.point, failing.left = step.point, step.at
            app = Eventfold(deciders=[tapes], processors=[Handled(step, partitions, failing).projector])
            async with place.open(app) as running:
                lot = running._stores.parking
                for which, wish in step.wishes:
                    if not await rest(running, partitions):
                        break
                    if entries := await (first_ones(lot) if wish == "retry" else lot.parked("seen")):
                        await lot.ask("seen", entries[which % len(entries)].position, wish, actor="ann")
                if step.reset:
                    await running._stores.rows.start_over("seen")
                await rest(running, partitions)
                (listed,) = await running._stores.rows.processors()
                if listed.version:  # else it had stopped, and empties its table at its next start
                    await check_places(running, partitions)
        app = Eventfold(deciders=[tapes], processors=[Handled(last, partitions, failing).projector])
        async with place.open(app) as running:
            lot = running._stores.parking
            while entries := await first_ones(lot):
                for each in entries:
                    await lot.ask("seen", each.position, "retry", actor="ann")
                assert await rest(running, partitions)
            await check_places(running, partitions)
            assert not await lot.parked("seen")


async def work_in_memory(script: list[Put | Work], partitions: int) -> None:
    async with open_stores("memory:", clock=system_clock, migrate=True) as stores:
        await work_on(Memory(stores), script, partitions)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(script=st.lists(st.one_of(puts, puts, works), max_size=10), partitions=st.sampled_from([1, 2, 3]))
def test_fm13_fm17_no_partition_passes_an_event_that_is_neither_handled_nor_set_aside(
    script: list[Put | Work], partitions: int
) -> None:
    asyncio.run(work_in_memory(script, partitions))
