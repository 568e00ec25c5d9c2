"""
What is tortured: an application with two projectors, writers with every kind of append, watchers; and what is left.

`lives` are functions for child processes; `Child` runs one and keeps its journal, which survives the child. `audit`
opens what is left as a user would and hands it to the checker.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import threading
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random
from typing import Any, TypeAlias

from eventfold import Running
from eventfold.adapters.system import system_clock
from eventfold.bootstrap.stores import open_stores
from eventfold.domain.message import NewEvent, StoredEvent, Stream
from eventfold.domain.query import Query
from eventfold.errors import AppendOutcomeUnknown, ConcurrencyConflict, EventfoldError, Fenced, ProcessingError
from eventfold.ports.event_store import ANY, Append, EventSink, EventSource, Expect
from eventfold.ports.read_model import ReadModel
from eventfold.testing.checker import Projected, Tally, Violation, check, tally
from eventfold.testing.faults import VARIABLE, FaultInjected, arm_from_environment
from eventfold.testing.journal import Delivered, Journalled, Line, Subscribed, decode, encode
from tests.acceptance.world import (
    Memory,
    application,
    new_event,
    positions,
    seeing,
    seen_t,
    summing,
    sums,
    sums_t,
    tapes,
)
from tests.torture import mutants

FULL = os.environ.get("EVENTFOLD_TORTURE") == "full"
SEED = int(os.environ.get("EVENTFOLD_SEED") or (Random().randrange(10**9) if FULL else 1871))
"""
Of every torture test, and printed with its result; EVENTFOLD_SEED repeats it. Without that variable `make test` takes
always the same one, so that a red run is red again, and long runs draw theirs.
"""
PROJECTORS = ("sums", "seen")
TAPES = [Stream("tape", f"t{n}") for n in range(12)]
DOOMED = [Stream("tape", f"doomed-{n}") for n in range(2)]
PATIENCE = 30.0
"""Seconds after which a child that should have ended is a failure."""

Note: TypeAlias = Callable[[Line], None]
Place: TypeAlias = Path | str
"""Of a store: its file, or its URL."""
app = application(summing(), seeing())


def url(place: Place, *, writer: str = "auto") -> str:
    return place if isinstance(place, str) else f"sqlite:///{place}?writer={writer}"


def url_of_schema(server: str, schema: str) -> str:
    """A store on this server with everything in a schema of its own, the projectors' tables as well."""
    return f"{server}?schema={schema}&options=-csearch_path%3D{schema}"


@asynccontextmanager
async def in_memory() -> AsyncIterator[Memory]:
    """A place in memory that no other application runs in."""
    async with open_stores("memory:", clock=system_clock, migrate=True) as stores:
        yield Memory(stores)


# ------------------------------------------------------------------------ writing


class Writes:
    """Appends of every kind, from a seed; versions are asked from the store, so that conflicts are real."""

    def __init__(
        self,
        sink: EventSink,
        source: EventSource,
        note: Note,
        name: str,
        chance: Random,
        tapes: Sequence[Stream] = TAPES,
    ) -> None:
        self._tapes = tapes
        self._sink = Journalled(sink, note, name)
        self._source = source
        self._chance = chance
        self._last: tuple[Append, ...] = ()
        self.failed: list[Exception] = []
        self.undecided: list[tuple[Append, ...]] = []

    async def one(self) -> None:
        appends = await self._some()
        try:
            await self._sink.append(*appends)
        except (EventfoldError, FaultInjected) as error:
            self.failed.append(error)
            if not isinstance(error, EventfoldError) or isinstance(error, AppendOutcomeUnknown):
                if appends is not self._last:  # or it had been answered before
                    self.undecided.append(appends)
                appends = ()  # not repeated before somebody has looked
        self._last = appends

    async def settle(self, sink: EventSink) -> list[bool]:
        """Repeat what is undecided, with the same ids; for each, whether it had been stored. A conflict says no."""
        self._sink.sink = sink
        return [await self._had_been_stored(*appends) for appends in self.undecided]

    async def _had_been_stored(self, *appends: Append) -> bool:
        try:
            appended = await self._sink.append(*appends)
        except ConcurrencyConflict:
            return False
        return appended.streams[0].deduplicated

    async def _some(self) -> tuple[Append, ...]:
        kind = self._chance.random()
        if kind < 0.1 and self._last:
            return self._last  # a repetition: same ids, same answer
        if kind < 0.25:
            return tuple(Append(each, self._events(2)) for each in self._chance.sample(self._tapes, 2))
        stream = self._chance.choice(self._tapes)
        if kind < 0.6:
            return (Append(stream, self._events(self._chance.choice((1, 1, 3))), await self._version(stream)),)
        return (Append(stream, self._events(self._chance.choice((1, 1, 2))), ANY),)

    async def _version(self, stream: Stream) -> int | Expect:
        async for last in self._source.read(stream, backwards=True, limit=1):
            return last.version
        return Expect.NEW

    def _events(self, count: int) -> list[NewEvent]:
        return [
            NewEvent(event_id=self._chance.randbytes(16), type="Added", data=b'{"n":%d}' % self._chance.randrange(9))
            for _ in range(count)
        ]


async def project(running: Running) -> list[Exception]:
    """Every projector, from its checkpoint in the store to the end of the log; what stopped one of them."""
    stopped: list[Exception] = []
    for name in PROJECTORS:
        projection = running._workers[name]
        try:
            await projection.begin()
            await projection.catch_up()
        except (ProcessingError, FaultInjected) as error:
            stopped.append(error)
    return stopped


async def watch(source: EventSource, note: Note, name: str, after: int) -> int:
    """One life of a subscription, up to the end of the log."""
    note(Subscribed(name, after))
    async with source.subscribe(Query.all(), after=after) as batches:
        async for batch in batches:
            note(Delivered.of(name, batch))
            after = max([after, *(event.position for event in batch.events)])
            if batch.caught_up:
                break
    return after


# -------------------------------------------------------------------------- lives


async def writing(place: Place, note: Note, seed: int, tasks: int = 6) -> None:
    """Write without end."""
    async with app.open(url(place), run=False) as running:
        chance = Random(seed)

        async def write(number: int) -> None:
            writes = Writes(running.sink, running.source, note, f"{seed}.{number}", Random(chance.randrange(2**32)))
            while True:
                await writes.one()
                if writes.failed and not isinstance(writes.failed[-1], EventfoldError):
                    raise writes.failed[-1]
                writes.failed.clear()

        async with asyncio.TaskGroup() as group:
            for number in range(tasks):
                group.create_task(write(number))


async def projecting(place: Place, note: Note, seed: int) -> None:
    """Project and watch without end, in short lives."""
    async with app.open(url(place), run=False) as running:
        after = max(0, await running.head() - 20)
        while True:
            if stopped := [error for error in await project(running) if not isinstance(error, Fenced)]:
                raise stopped[0]
            after = await watch(running.source, note, f"watcher {seed}", after)
            await asyncio.sleep(0.001)


async def living(place: Place, note: Note, seed: int) -> None:
    """The application as it is run: its processors follow the log, and so does a watcher, woken by other processes."""
    async with app.open(url(place)) as running:
        after = max(0, await running.head() - 20)
        name = f"live watcher {seed}"
        note(Subscribed(name, after))
        async with running.source.subscribe(Query.all(), after=after) as batches:
            async for batch in batches:
                note(Delivered.of(name, batch))
                for status in running.status().values():
                    if status.error is not None and not isinstance(status.error, Fenced):
                        raise status.error


async def stepping(place: Place, note: Note, seed: int) -> None:
    """A handful of rounds, each the same for the same seed, for failpoints to strike in."""
    async with app.open(url(place), run=False) as running:
        await steps(running, note, seed)


async def steps(running: Running, note: Note, seed: int, rounds: int = 4) -> list[Writes]:
    writers = [  # with tapes of their own: in a group without losers, what is stored is stored for all
        Writes(running.sink, running.source, note, f"{seed}.{number}", Random(f"{seed}.{number}"), TAPES[number::3])
        for number in range(3)
    ]
    after = 0
    for number in range(rounds):
        await asyncio.gather(*(each.one() for each in writers[: 1 + 2 * (number % 2)]))
        await project(running)
        after = await watch(running.source, note, f"watcher {seed}", after)
    return writers


async def deleting(place: Place, note: Note, seed: int) -> None:
    """Append to the doomed tapes and delete one now and then, without end."""
    async with app.open(url(place), run=False) as running:
        chance = Random(seed)
        sink = Journalled(running.sink, note, f"deleting {seed}")
        while True:
            tape = chance.choice(DOOMED)
            await sink.append(Append(tape, [new_event(chance.randbytes(16)) for _ in range(3)], ANY))
            if chance.random() < 0.5:
                await running.administration.delete(tapes, tape.id, actor="ops", reason="a test")


LIVES: Mapping[str, Callable[[Place, Note, int], Awaitable[None]]] = {
    "writing": writing,
    "projecting": projecting,
    "living": living,
    "stepping": stepping,
    "deleting": deleting,
}


def live(life: str, place: Place, seed: int, fault: str, mutant: str, pipe: Connection) -> None:
    """The main function of a child."""
    os.environ[VARIABLE] = fault
    if fault:
        arm_from_environment()
    mutants.plant(mutant)
    asyncio.run(LIVES[life](place, lambda line: pipe.send_bytes(encode(line)), seed))  # type: ignore[arg-type] # a coroutine


# ----------------------------------------------------------------------- children

_processes = get_context("forkserver")  # forked from a server that has opened nothing, so it is as good as spawned
_processes.set_forkserver_preload(["tests.torture.workload"])


class Child:
    """A process that lives one of the lives. What it has told is here, whatever becomes of it."""

    def __init__(self, life: str, place: Place, *, seed: int, fault: str = "", mutant: str = "") -> None:
        self.journal: list[Line] = []
        self._pipe, theirs = _processes.Pipe(duplex=False)
        self.process = _processes.Process(target=live, args=(life, place, seed, fault, mutant, theirs), daemon=True)
        self.process.start()
        theirs.close()
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def _listen(self) -> None:
        while True:
            try:
                self.journal.append(decode(self._pipe.recv_bytes()))
            except (EOFError, OSError):
                return

    def kill(self) -> None:
        self.process.kill()
        self.ended()

    def ended(self) -> int:
        """Its exit code, and nothing more will be told."""
        self.process.join(PATIENCE)
        code = self.process.exitcode
        if code is None:
            self.process.kill()
            self.process.join()
            raise AssertionError(f"a child did not end within {PATIENCE:g} s")
        self._listener.join(PATIENCE)
        self._pipe.close()
        return code

    @property
    def acknowledged(self) -> int:
        return sum(type(line).__name__ == "Acknowledged" for line in self.journal)


KILLED = -signal.SIGKILL

# --------------------------------------------------------------------- what is left


def fold_sums(log: Sequence[StoredEvent]) -> object:
    found: Counter[str] = Counter()
    for event in log:
        found[event.id] += json.loads(event.data or b"{}")["n"]
    return sorted(found.items())


def fold_seen(log: Sequence[StoredEvent]) -> object:
    return [event.position for event in log]


@dataclass
class Left:
    """What an audit has found."""

    log: list[StoredEvent]
    violations: list[Violation]
    tally: Tally
    behind: dict[str, int] = field(default_factory=dict)


async def audit(place: Place, journal: Sequence[Line], *, quiet: bool = False) -> Left:
    """Open what is left, as a user would, and hold it against the journal."""
    async with open_stores(url(place), clock=system_clock, migrate=True) as stores:
        verdict: object = "ok"
        if isinstance(place, Path):
            _, ((verdict, *_), *_) = await stores.rows.query_text("PRAGMA integrity_check")
        return await audited(stores.events, stores.rows, journal, quiet=quiet, integrity=str(verdict))


async def audited(
    store: EventSource, rows: ReadModel, journal: Sequence[Line], *, quiet: bool = False, integrity: str = "ok"
) -> Left:
    log = [event async for event in store.read_all(Query.all())]
    sums_at = await rows.prepare("sums", version=1, tables=[sums_t])
    seen_at = await rows.prepare("seen", version=1, tables=[seen_t])
    found_sums: Any = [tuple(row) for row in await rows.query(sums)]
    found_seen: Any = [row[0] for row in await rows.query(positions)]
    projections = [
        Projected("sums", sums_at.position, sums_at.event_id, found_sums, fold_sums),
        Projected("seen", seen_at.position, seen_at.event_id, found_seen, fold_seen),
    ]
    violations = check(log, journal, projections=projections, quiet=quiet, integrity=integrity)
    return Left(log, violations, tally(log, journal))


async def finish(place: Place) -> None:
    """A last life without faults: the projectors come to the end of the log."""
    async with app.open(url(place), run=False) as running:
        stopped = await project(running)
        assert not stopped, stopped


def told(violations: Sequence[Violation], where: str) -> str:
    lines = [str(each) for each in violations[:10]]
    return "\n".join([f"{len(violations)} violation(s) in {where}; EVENTFOLD_SEED={SEED}", *lines])


def report(test: str, **figures: object) -> None:
    """One line of JSON, printed and, if EVENTFOLD_TORTURE_REPORT names a file, added to it."""
    line = json.dumps({"test": test, "seed": SEED, **figures})
    print(line)
    if path := os.environ.get("EVENTFOLD_TORTURE_REPORT"):
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(line + "\n")
