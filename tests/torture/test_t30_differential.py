"""
T-30: any program of appends, reads, subscriptions, checkpoints and restarts gives equal results in memory, on SQLite
(both placements of the writer) and in a model of a few lists.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from eventfold.adapters.memory import MemoryCheckpointStore, MemoryEventStore
from eventfold.adapters.sqlite import open_sqlite
from eventfold.adapters.system import ManualClock
from eventfold.domain.message import NewEvent, StoredEvent, Stream
from eventfold.domain.query import Query
from eventfold.errors import ConcurrencyConflict, EventfoldError, EventIdConflict, Fenced
from eventfold.ports.checkpoint_store import CheckpointStore, Move
from eventfold.ports.event_store import ANY, EXISTS, NEW, Append, Appended, EventStore, Expect
from eventfold.ports.subscription import PAGE
from tests.torture.workload import FULL, SEED, report

EXAMPLES, STEPS = (2_000 if FULL else 60), 50
SHRINK = not os.environ.get("EVENTFOLD_MUTANT")
STREAMS = [Stream(category, id) for category in ("tape", "box") for id in ("a", "b", "é")]
TYPES = ("Added", "Noted")
TAGS = ("red", "green")
IDS = 40

streams = st.sampled_from(STREAMS)
events = st.lists(
    st.builds(
        NewEvent,
        event_id=st.integers(1, IDS).map(lambda n: n.to_bytes(16, "big")),
        type=st.sampled_from(TYPES),
        data=st.sampled_from([b"{}", b'{"n":1}', b'"\xc3\xa9"']),
        schema_version=st.integers(1, 2),
        tags=st.lists(st.sampled_from(TAGS), unique=True).map(tuple),
        correlation_id=st.sampled_from([None, "c"]),
        metadata=st.sampled_from([None, b"{}"]),
        occurred_at=st.sampled_from([None, -1, 5]),
    ),
    min_size=1,
    max_size=4,
)
kinds = st.lists(st.sampled_from(TYPES), min_size=1, max_size=4)
expects = st.one_of(st.sampled_from([ANY, NEW, EXISTS]), st.integers(0, 6))
queries = st.sampled_from(
    [
        Query.all(),
        Query.of("Added"),
        Query.of(categories=["box"]),
        Query.of(tags=["red"]),
        Query.of("Noted", tags=["red", "green"]),
        Query.of("Added") | Query.of(tags=["green"]),
    ]
)
places = st.integers(-1, 30)
limits = st.one_of(st.none(), st.integers(-1, 5))


class Model:
    """The contract once more, in the plainest words: a list, and what follows from it."""

    def __init__(self) -> None:
        self.log: list[tuple[Stream, NewEvent]] = []

    def version(self, stream: Stream) -> int:
        return sum(each == stream for each, _ in self.log)

    def append(self, appends: Sequence[Append]) -> object:
        new = [(append.stream, event) for append in appends for event in append.events]
        stored = {event.event_id: (stream, event) for stream, event in self.log}
        ids = [event.event_id for _, event in new]
        if len(set(ids)) < len(ids):
            return EventIdConflict
        if not stored.keys().isdisjoint(ids):
            return (
                "again"
                if all(_same(stored.get(event.event_id), (stream, event)) for stream, event in new)
                else EventIdConflict
            )
        for append in appends:
            version = self.version(append.stream)
            fits = {ANY: True, NEW: version == 0, EXISTS: version > 0}
            if not (fits[append.expect] if isinstance(append.expect, Expect) else append.expect == version):
                return ConcurrencyConflict
        self.log += new
        return [self.version(append.stream) for append in appends]


def _same(stored: tuple[Stream, NewEvent] | None, new: tuple[Stream, NewEvent]) -> bool:
    if stored is None or stored[0] != new[0]:
        return False
    one, other = stored[1], new[1]
    return (one.type, one.schema_version, one.data) == (other.type, other.schema_version, other.data)


@dataclass
class Subject:
    """A store under test, and how it is closed and opened again."""

    name: str
    events: EventStore
    checkpoints: CheckpointStore
    restart: Callable[[], Coroutine[Any, Any, tuple[EventStore, CheckpointStore]]]


async def memory(_: Path) -> Subject:
    """It cannot be restarted: what it stores ends with it. It stays as it is."""
    store, checkpoints = MemoryEventStore(ManualClock()), MemoryCheckpointStore()

    async def restart() -> tuple[EventStore, CheckpointStore]:
        return store, checkpoints

    return Subject("memory", store, checkpoints, restart)


def sqlite(placement: Any) -> Callable[[Path], Coroutine[Any, Any, Subject]]:
    async def made(folder: Path) -> Subject:
        async def opened() -> tuple[EventStore, CheckpointStore]:
            path = str(folder / f"{placement}.db")  # no power fails here, so nobody waits for the disk
            opened = await open_sqlite(path, clock=ManualClock(), writer=placement, synchronous="normal")
            return opened[:2]

        subject = Subject(f"sqlite-{placement}", *await opened(), opened)

        async def restart() -> tuple[EventStore, CheckpointStore]:
            await subject.events.close()
            await subject.checkpoints.close()  # type: ignore[attr-defined] # the read model, which has one
            return await opened()

        subject.restart = restart
        return subject

    return made


class Programs(RuleBasedStateMachine):
    """One program at a time, run by every subject; each answer is compared with all the others and the model."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = Path(tempfile.mkdtemp(prefix="eventfold-t30-"))
        self.model = Model()
        makes = (memory, sqlite("auto"), sqlite("thread"))
        self.subjects: list[Subject] = [self.runner.run(make(self.folder)) for make in makes]
        self.moves: dict[tuple[str, int], int] = {}
        self.next_id = 1_000

    def teardown(self) -> None:
        for subject in self.subjects:
            self.runner.run(subject.events.close())
            if hasattr(subject.checkpoints, "close"):
                self.runner.run(subject.checkpoints.close())
        self.runner.close()
        shutil.rmtree(self.folder)

    def same(self, call: Callable[[Subject], Awaitable[object]]) -> Any:
        """The answer of all, or the one error of all."""

        async def answered(subject: Subject) -> object:
            try:
                return await call(subject)
            except EventfoldError as error:
                return type(error), str(error)

        first, *others = [self.runner.run(answered(subject)) for subject in self.subjects]
        for subject, other in zip(self.subjects[1:], others, strict=True):
            assert other == first, f"{subject.name} says {other}, {self.subjects[0].name} {first}"
        return first

    def append(self, *appends: Append) -> None:
        told = self.same(lambda subject: subject.events.append(*appends))
        expected = self.model.append(appends)
        match expected:
            case "again":
                assert isinstance(told, Appended)
                assert all(each.deduplicated for each in told.streams)
            case list():
                assert isinstance(told, Appended)
                assert [each.version for each in told.streams] == expected
                assert told.position == len(self.model.log)
            case error:
                assert isinstance(told, tuple)
                assert told[0] is error

    # ---------------------------------------------------------------- the rules

    @initialize(types=kinds)
    def begin(self, types: list[str]) -> None:
        self.append(Append(STREAMS[0], self.fresh(types)))

    def fresh(self, types: Sequence[str]) -> list[NewEvent]:
        made = []
        for type in types:
            self.next_id += 1
            made.append(NewEvent(event_id=self.next_id.to_bytes(16, "big"), type=type, data=b"{}", tags=("red",)))
        return made

    @rule(stream=streams, types=kinds, expect=expects)
    def append_new(self, stream: Stream, types: list[str], expect: int | Expect) -> None:
        self.append(Append(stream, self.fresh(types), expect))

    @rule(stream=streams, types=kinds)
    def append_at_the_version(self, stream: Stream, types: list[str]) -> None:
        self.append(Append(stream, self.fresh(types), self.model.version(stream)))

    @rule(stream=streams, events=events, expect=expects)
    def append_with_ids_that_may_be_known(self, stream: Stream, events: list[NewEvent], expect: int | Expect) -> None:
        self.append(Append(stream, events, expect))

    @rule(names=st.lists(streams, min_size=2, max_size=3, unique=True), types=kinds, expect=expects)
    def append_to_several(self, names: list[Stream], types: list[str], expect: int | Expect) -> None:
        self.append(*(Append(each, self.fresh(types), expect if each is names[-1] else ANY) for each in names))

    @rule(index=st.integers(0, 50))
    def append_an_old_event_again(self, index: int) -> None:
        stream, event = self.model.log[index % len(self.model.log)]
        self.append(Append(stream, [event], 0))

    @rule(types=st.lists(streams, min_size=2, max_size=5))
    def append_together(self, types: list[Stream]) -> None:
        """At the same moment, to one version: which comes first is the order of asking, in every store."""
        appends = [Append(each, self.fresh(["Added"]), self.model.version(each)) for each in types]

        async def together(subject: Subject) -> object:
            told = await asyncio.gather(*(subject.events.append(each) for each in appends), return_exceptions=True)
            return [each if isinstance(each, Appended) else type(each) for each in told]

        told = self.same(together)
        for append, answer in zip(appends, told, strict=True):
            expected = self.model.append([append])
            assert answer is expected if isinstance(expected, type) else isinstance(answer, Appended)

    @rule(stream=streams, after=places, limit=limits, backwards=st.booleans())
    def read(self, stream: Stream, after: int, limit: int | None, backwards: bool) -> None:
        async def read(subject: Subject) -> object:
            return [e async for e in subject.events.read(stream, after=after, limit=limit, backwards=backwards)]

        found = self.same(read)
        own = [event.event_id for each, event in self.model.log if each == stream][max(0, after) :]
        assert [e.event_id for e in found] == (own[::-1] if backwards else own)[
            : None if limit is None else max(0, limit)
        ]

    @rule(stream=streams, after=places, upto=st.one_of(st.none(), places))
    def load(self, stream: Stream, after: int, upto: int | None) -> None:
        async def load(subject: Subject) -> object:
            pages = [page async for page in subject.events.load(stream, after=after, upto=upto)]
            return [(*f[:5], f[5].encode() if isinstance(f[5], str) else f[5]) for page in pages for f in page]

        self.same(load)

    @rule(query=queries, after=places, upto=st.one_of(st.none(), places), limit=limits)
    def read_all(self, query: Query, after: int, upto: int | None, limit: int | None) -> None:
        async def read(subject: Subject) -> object:
            return [e async for e in subject.events.read_all(query, after=after, upto=upto, limit=limit)]

        found = self.same(read)
        assert [e.position for e in found] == [
            position
            for position, (stream, event) in enumerate(self.model.log, 1)
            if after < position <= (len(self.model.log) if upto is None else upto)
            and query.matches(stream.category, event.type, event.tags)
        ][: None if limit is None else max(0, limit)]

    @rule(query=queries, after=places)
    def subscribe(self, query: Query, after: int) -> None:
        async def caught_up(subject: Subject) -> object:
            seen: list[StoredEvent] = []
            async with subject.events.subscribe(query, after=after) as batches:
                async for batch in batches:
                    assert len(batch.events) <= PAGE
                    seen += batch.events
                    if batch.caught_up:
                        return seen, batch.head
            return None

        self.same(caught_up)

    @rule(query=queries)
    def head(self, query: Query) -> None:
        self.same(lambda subject: subject.events.head(query))

    @rule(category=st.sampled_from([None, "tape", "nothing"]), limit=limits)
    def names(self, category: str | None, limit: int | None) -> None:
        async def names(subject: Subject) -> object:
            return [each async for each in subject.events.streams(category, limit=limit)]

        self.same(names)

    @rule(
        name=st.sampled_from(["p", "q"]),
        partition=st.sampled_from([0, 0, 1]),
        step=st.integers(-1, 5),
        off=st.sampled_from([0, 0, 0, 1]),
    )
    def checkpoint(self, name: str, partition: int, step: int, off: int) -> None:
        at = self.moves.get((name, partition), 0)
        move = Move(name, at + off, at + off + step, bytes(16), partition=partition)
        told = self.same(lambda subject: subject.checkpoints.advance(move))
        if told is None:
            assert off == 0
            assert step > 0
            self.moves[name, partition] = move.position
        else:
            assert isinstance(told, tuple)
            assert told[0] is Fenced or step < 1

    @rule(name=st.sampled_from(["p", "q"]))
    def reset(self, name: str) -> None:
        self.same(lambda subject: subject.checkpoints.reset(name))
        self.moves = {whose: at for whose, at in self.moves.items() if whose[0] != name}

    @rule()
    def restart(self) -> None:
        for subject in self.subjects:
            subject.events, subject.checkpoints = self.runner.run(subject.restart())

    @invariant()
    def checkpoints_are_where_they_were_moved(self) -> None:
        async def found(subject: Subject) -> object:
            return {whose: each.position for whose, each in (await subject.checkpoints.checkpoints()).items()}

        assert self.same(found) == self.moves


@pytest.mark.slow
def test_g02_g03_g05_g09_g11_any_program_gives_equal_results_on_every_store(planted: None) -> None:
    print(f"EVENTFOLD_SEED={SEED}")
    machine: Any = Programs
    machine._hypothesis_internal_use_seed = SEED
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            database=None,
            phases=[Phase.generate, Phase.shrink] if SHRINK else [Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
    report("T-30", store="memory = sqlite", examples=EXAMPLES, steps=STEPS, violations=0)


@pytest.mark.parametrize("make", [memory, sqlite("auto")], ids=["memory", "sqlite"])
async def test_g05_an_id_used_twice_in_an_append_that_also_conflicts_is_an_id_conflict(
    make: Any, tmp_path: Path
) -> None:
    """SQLite called it a conflict of versions; found by the machine above."""
    subject = await make(tmp_path)
    event = NewEvent(event_id=bytes(16), type="Added", data=b"{}")
    await subject.events.append(Append(STREAMS[0], [NewEvent(event_id=b"\x01" * 16, type="Added", data=b"{}")]))
    with pytest.raises(EventIdConflict):
        await subject.events.append(Append(STREAMS[0], [event, event], NEW))
    await subject.events.close()
    if hasattr(subject.checkpoints, "close"):
        await subject.checkpoints.close()
