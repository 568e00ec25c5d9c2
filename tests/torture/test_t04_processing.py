"""
T-04 for what follows the log: at every failpoint of leases, projections, effects and reactors, and of the appends that
they share the store with, the process is killed, or stands still until somebody has taken over, or meets an error.

A partitioned projector that parks, one of everything and a reactor with an action run together. After the fault, and
again when all is quiet: A1 to A7, A9 and A11 hold, where rows are the fold of the log without what is parked; nothing
has overtaken a parked event; each action was done once, or is visibly unknown: G-12 … G-16.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random
from threading import Thread
from typing import Final

import msgspec
import pytest

from eventfold import Act, Eventfold, Park, Reactor, Recorded, Retry, Running
from eventfold.adapters.system import system_clock
from eventfold.bootstrap.stores import Stores, open_stores
from eventfold.domain.message import NewEvent, StoredEvent, Stream
from eventfold.domain.partition import partition_of
from eventfold.domain.query import Query
from eventfold.errors import EventfoldError, ProcessingError, WaitTimedOut
from eventfold.ports.event_store import Append
from eventfold.processing.seats import Seats
from eventfold.testing.checker import check
from eventfold.testing.faults import FAILPOINTS, VARIABLE, Fault, FaultInjected, Faults, arm_from_environment
from eventfold.testing.journal import Journalled, Line, decode, encode
from tests.acceptance import world
from tests.acceptance.world import File, new_event, positions, seeing, seen_t, sums, sums_t, tapes
from tests.keeper import PROC
from tests.poison import poisoned
from tests.postgres import PostgresServer
from tests.runners import until
from tests.storm import Sent, Written, letters, put_into
from tests.torture import mutants
from tests.torture.workload import (
    FULL,
    KILLED,
    SEED,
    Note,
    Place,
    _processes,
    in_memory,
    report,
    told,
    url,
    url_of_schema,
)

PASSED: Final = [
    each for each in FAILPOINTS if each.startswith(("append.", "projection.", "lease.", "actions.", "reac"))
]
WITHIN_A_GROUP: Final = {"append.after_insert", "append.before_commit"}
"""Places in the group commit of SQLite."""
IN_DOUBT: Final = {"actions.after_intend", "actions.before_call", "actions.after_call"}
NEW: Final = [each for each in PASSED if not each.startswith(("append.", "projection."))]
UNFENCED: Final = "projection.after_apply"
"""Rows are ready, and nothing is written: whoever stands still there comes back with them."""
ACQUIRED: Final = "lease.after_acquire"
PARKING: Final = "projection.after_commit"
"""In small, too, at every early passing: at one of them the first event is parked."""


def swept(name: str) -> tuple[int, ...]:
    """Passings; by the later ones events are parked, retried and parked again. There are four partitions to acquire."""
    if name == ACQUIRED:
        return (1, 2, 3, 4)
    return (1, 2, 3, 4, 5, 12, 25, 40) if FULL else (1, 3, 25)


KILLS: Final = [
    *(("sqlite", name, k) for name in PASSED for k in swept(name)),
    *(("sqlite", PARKING, k) for k in (2, 4, 5, 6, 7, 8) if k not in swept(PARKING)),
    *(("postgres", name, k) for name in (PASSED if FULL else NEW) for k in (swept(name) if FULL else swept(name)[-1:])),
]
STOPPED: Final = [each for each in PASSED if not each.startswith("append.")]
STOPS_AT: Final = {each: ((1, 2) if each == ACQUIRED else (1, 2, 3, 5) if FULL else (2,)) for each in STOPPED}
STOPS: Final = [(name, k) for name in (STOPPED if FULL else [UNFENCED, *NEW]) for k in STOPS_AT[name]]
RAISES: Final = [(name, k) for name in PASSED for k in swept(name)]

BAD: Final = 13
PARTITIONS: Final = 2
AT_ONCE: Final = 2
LEASE: Final = timedelta(seconds=0.6)
PATIENCE: Final = 30.0
MUTANT: Final = os.environ.get("EVENTFOLD_MUTANT", "")


class Staff:
    """The application, and the numbers that its projector cannot bear at the moment."""

    def __init__(self, box: Path) -> None:
        self.bad = {BAD}
        post = Reactor(
            "post",
            start="beginning",
            emits=[Sent],
            concurrency=AT_ONCE,
            on_error=Retry.constant(0.02, attempts=5, then=Park()),
        )

        async def put(to: str) -> None:
            put_into(box, to)

        @post.on(Written)
        async def send(recorded: Recorded[Written], act: Act) -> None:
            await act.once("letter", put, recorded.event.to)
            await act.emit(Sent(recorded.event.to), stream=("sent", recorded.event.to))

        summing = poisoned(self.bad, partitions=PARTITIONS, on_error=Park())
        self.app = Eventfold(deciders=[tapes, letters], processors=[summing, seeing(), post])

    async def work(self, running: Running, note: Note, name: str, rounds: Iterator[int]) -> None:
        """Write, let them follow, park, heal; each round the same for the same name."""
        chance = Random(name)
        sink = Journalled(running.sink, note, name)
        for number in rounds:
            appends = [
                Append(Stream("tape", f"t{n}"), [new_event(chance.randbytes(16), 1 + number % 9)]) for n in range(4)
            ]
            if number % 3 == 0:
                appends.insert(2, Append(Stream("tape", "t2"), [new_event(chance.randbytes(16), BAD)]))
            for n in range(3):
                to = f"{name}-{number}-{n}"
                data = msgspec.json.encode({"to": to})
                event = NewEvent(event_id=chance.randbytes(16), type="Written", data=data)
                appends.append(Append(Stream("letter", to), [event]))
            for append in appends:
                with suppress(EventfoldError, FaultInjected):
                    await sink.append(append)
            with suppress(ProcessingError, WaitTimedOut):
                await running.settled(timeout=3)
            if number % 3 == 1:
                await self.heal(running, patience=1)
                self.bad.add(BAD)

    async def heal(self, running: Running, *, patience: float) -> None:
        """Bear everything, and have what is parked handled again."""
        self.bad.clear()
        lot = running._stores.parking
        deadline = time.monotonic() + patience
        while parked := await lot.parked("sums", limit=10_000):
            for each in parked:
                if not each.behind and each.wish is None:
                    await lot.ask("sums", each.position, "retry", actor="a test")
            if time.monotonic() > deadline:
                return
            await asyncio.sleep(0.01)


# ----------------------------------------------------------------------------------------- a child


def follow(place: Place, box: Path, name: str, fault: str, only: str, mutant: str, pipe: Connection) -> None:
    """The main function of a child: work without end, and tell of each append; or only run one processor."""
    os.environ[VARIABLE] = fault
    arm_from_environment()
    mutants.plant(mutant)
    asyncio.run(_follow(place, box, name, only, lambda line: pipe.send_bytes(encode(line))))


async def _follow(place: Place, box: Path, name: str, only: str, note: Note) -> None:
    staff = Staff(box)
    async with staff.app.open(url(place), run=[only] if only else True, lease=LEASE) as running:
        if not only:
            await staff.work(running, note, name, count())
        await asyncio.Event().wait()


class Child:
    def __init__(self, place: Place, box: Path, name: str, fault: str, *, only: str = "") -> None:
        self.journal: list[Line] = []
        self._pipe, theirs = _processes.Pipe(duplex=False)
        arguments = (place, box, name, fault, only, MUTANT, theirs)
        self.process = _processes.Process(target=follow, args=arguments, daemon=True)
        self.process.start()
        theirs.close()
        self._listener = Thread(target=self._listen, daemon=True)
        self._listener.start()

    def _listen(self) -> None:
        with suppress(EOFError, OSError):
            while True:
                self.journal.append(decode(self._pipe.recv_bytes()))

    def ended(self) -> int | None:
        """Its exit code, None if it had to be killed."""
        self.process.join(PATIENCE)
        code = self.process.exitcode
        self.end()
        return code

    def end(self) -> None:
        self.process.kill()
        self.process.join()
        self._listener.join(PATIENCE)
        self._pipe.close()

    @property
    def stands_still(self) -> bool:
        assert self.process.exitcode is None, self.process.exitcode
        stat = (PROC / str(self.process.pid) / "stat").read_text(encoding="utf-8")
        return stat.rpartition(")")[2].split()[0] == "T"

    def go_on(self) -> None:
        assert self.process.pid is not None
        os.kill(self.process.pid, signal.SIGCONT)


# ------------------------------------------------------------------------------------- what is left


@dataclass
class Left:
    parked: dict[str, set[int]]
    unknown: int


async def held(
    stores: Stores, box: Path, journal: Sequence[Line], where: str, *, file: bool, quiet: bool = False
) -> Left:
    """Hold what is left against the journal, the log and the box. Raises AssertionError."""
    log = [event async for event in stores.events.read_all(Query.all())]
    integrity = "ok"
    if file:
        _, ((integrity, *_), *_) = await stores.rows.query_text("PRAGMA integrity_check")
    violations = check([each for each in log if each.type != "Sent"], journal, integrity=str(integrity))
    assert not violations, told(violations, where)
    parked: dict[str, set[int]] = {"sums": set(), "seen": set(), "post": set()}
    for each in await stores.parking.parked(limit=100_000):
        parked[each.processor].add(each.position)
    await _rows_are_the_fold(stores, log, parked, where, quiet=quiet)
    await _actions_are_done_once_or_unknown(stores, log, parked["post"], box, where)
    unknown = await stores.actions.actions("post", status="unknown", limit=100_000)
    return Left(parked, len(unknown))


async def _rows_are_the_fold(
    stores: Stores, log: Sequence[StoredEvent], parked: dict[str, set[int]], where: str, *, quiet: bool
) -> None:
    await stores.rows.prepare("sums", version=1, tables=[sums_t], partitions=PARTITIONS)
    await stores.rows.prepare("seen", version=1, tables=[seen_t])
    upto = [(await stores.rows.checkpoint("sums", each)).position for each in range(PARTITIONS)]
    expected: Counter[str] = Counter()
    blocked: set[str] = set()
    for event in log:
        if event.type != "Added" or event.position > upto[partition_of(event.category, event.id, PARTITIONS)]:
            continue
        if event.position in parked["sums"]:
            blocked.add(event.id)
            continue
        assert event.id not in blocked, f"{where}: {event.position} has overtaken a parked event of {event.stream}"
        expected[event.id] += msgspec.json.decode(event.data or b"{}")["n"]
    assert [tuple(row) for row in await stores.rows.query(sums)] == sorted(expected.items()), where
    seen_upto = (await stores.rows.checkpoint("seen")).position
    rows = [row[0] for row in await stores.rows.query(positions)]
    assert rows == [each.position for each in log if each.position <= seen_upto], where
    if quiet:
        assert not parked["sums"], where
        assert len(rows) == len(log), where


async def _actions_are_done_once_or_unknown(
    stores: Stores, log: Sequence[StoredEvent], parked: set[int], box: Path, where: str
) -> None:
    done_upto = (await stores.rows.checkpoint("post")).position
    put = Counter(box.read_text(encoding="utf-8").split()) if box.exists() else Counter[str]()
    emitted = Counter(each.id for each in log if each.type == "Sent")
    assert max(put.values(), default=0) <= 1, f"{where}: done twice: {put.most_common(3)}"
    assert max(emitted.values(), default=0) <= 1, f"{where}: emitted twice: {emitted.most_common(3)}"
    status = {each.event_id: each.status for each in await stores.actions.actions("post", limit=100_000)}
    for event in log:
        if event.type != "Written":
            continue
        known = status.get(event.event_id)
        if event.id in put:
            assert known is not None, f"{where}: {event.id} was done, and the ledger has no entry of it"
        if event.position in parked:  # one that stood still in the midst of it may have entered later that it is done
            visible = ("unknown", "done") if event.id in put else ("unknown", None)
            assert known in visible, f"{where}: {event.id} is parked, and its action is {known}"
        elif event.position <= done_upto:
            assert (put[event.id], emitted[event.id], known) == (1, 1, "done"), f"{where}: {event.id} is passed over"


async def afterwards(place: Place, box: Path, journal: list[Line], where: str) -> Left:
    """A last life without faults: what was parked is healed, everything comes to the end."""
    staff = Staff(box)
    async with staff.app.open(url(place), lease=LEASE) as running:
        await quiet_down(staff, running)
        return await held(
            running._stores, box, journal, f"{where}, afterwards", file=isinstance(place, Path), quiet=True
        )


async def quiet_down(staff: Staff, running: Running) -> None:
    await staff.heal(running, patience=PATIENCE)
    while True:  # the reactor emits
        head = await running.head()
        await running.settled(timeout=PATIENCE)
        if await running.head() == head:
            return


# ------------------------------------------------------------------------------------------ the tests


@pytest.fixture
def box(tmp_path: Path) -> Path:
    return tmp_path / "letters.txt"


def place_of(store: str, tmp_path: Path, request: pytest.FixtureRequest) -> Place:
    if store == "sqlite":
        return tmp_path / "store.db"
    server: PostgresServer = request.getfixturevalue("postgres")
    return url_of_schema(server.url, request.getfixturevalue("postgres_schema"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("store", "name", "k"), [each for each in KILLS if each[0] == "sqlite" or each[1] not in WITHIN_A_GROUP]
)
async def test_g12_g13_g15_a_process_killed_where_it_follows_leaves_only_what_was_promised(
    store: str, name: str, k: int, tmp_path: Path, box: Path, request: pytest.FixtureRequest
) -> None:
    place, where = place_of(store, tmp_path, request), f"{name}=kill:{k}"
    child = Child(place, box, f"{SEED}", where)
    assert await asyncio.to_thread(child.ended) == KILLED, "it never came by"
    async with open_stores(url(place), clock=system_clock, migrate=True) as stores:
        await held(stores, box, child.journal, where, file=store == "sqlite")
    left = await afterwards(place, box, child.journal, where)
    in_doubt = left.unknown
    assert in_doubt == len(left.parked["post"]), "what is parked is unknown"
    assert in_doubt <= AT_ONCE, "it had not begun more"
    assert in_doubt >= (name in IN_DOUBT), "nobody can know whether it was done"
    report("T-04", store=store, fault=where, faults=1, unknown=in_doubt, violations=0)


@pytest.mark.slow
@pytest.mark.skipif(not PROC.exists(), reason="whether a process stands still is read in /proc")
@pytest.mark.parametrize(("name", "k"), STOPS)
async def test_g14_fm12_a_process_that_stands_still_where_it_follows_does_no_harm_when_it_goes_on(
    name: str, k: int, tmp_path: Path, box: Path
) -> None:
    """
    It runs the one processor that the failpoint belongs to, and nothing else, so that it rarely has the right to write
    in that moment. Where it has, nobody can take over, and everybody waits for it.
    """
    place, where, journal = tmp_path / "store.db", f"{name}=stop:{k}", list[Line]()
    only = "sums" if name.startswith(("projection.", "lease.")) else "post"
    staff = Staff(box)
    async with staff.app.open(url(place), run=False) as running:
        await staff.work(running, journal.append, "before", iter(range(12)))
    zombie = Child(place, box, "first", where, only=only)
    try:
        await asyncio.to_thread(until, lambda: zombie.stands_still, f"process that stands still at {where}")
        rival = Child(place, box, "second", "")
        try:
            await asyncio.sleep(LEASE.total_seconds() + 1.5)  # the fault: it stands still for longer than its lease
            taken_over = len(rival.journal)
            zombie.go_on()
            await asyncio.to_thread(until, lambda: len(rival.journal) > taken_over + 60, "life after it went on")
            assert zombie.process.exitcode is None, "it does not live through it"
        finally:
            rival.end()
    finally:
        zombie.end()
    await afterwards(place, box, [*journal, *rival.journal], where)
    report("T-04", store="sqlite", fault=where, faults=1, taken_over=taken_over > 0, violations=0)


async def test_g14_one_that_is_taken_over_while_it_starts_stands_by(
    tmp_path: Path, box: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the lease and the look at the checkpoint it stood still for longer than the lease."""
    place, staff, round_ = url(tmp_path / "store.db"), Staff(box), Seats.round
    async with open_stores(place, clock=system_clock, migrate=True) as stores:

        async def overtaken(seats: Seats, *, now: bool = False) -> None:
            await round_(seats, now=now)
            monkeypatch.setattr(Seats, "round", round_)
            await stores.leases.take("seen", 0, "elsewhere:1:00000000", seconds=0.5, dead=seats._owner)

        monkeypatch.setattr(Seats, "round", overtaken)
        async with staff.app.open(place, run=["seen"], lease=LEASE) as running:
            assert (await stores.leases.leases("seen"))[0].owner == "elsewhere:1:00000000"
            await running.execute(tapes, "t1", world.record(world.Added(1)))
            await running.settled(timeout=PATIENCE)
            assert not running.status()["seen"].stopped


@pytest.mark.parametrize(("name", "k"), RAISES)
@pytest.mark.parametrize("store", ["sqlite", "memory"])
async def test_g12_g13_g15_an_error_where_they_follow_leaves_only_what_was_promised(
    store: str, name: str, k: int, tmp_path: Path, box: Path, planted: None
) -> None:
    if store == "sqlite":
        await struck(File(url(tmp_path / "store.db")), name, k, box)
    elif name not in WITHIN_A_GROUP:
        async with in_memory() as place:
            await struck(place, name, k, box)


async def struck(place: world.Place, name: str, k: int, box: Path) -> None:
    staff, journal, where, file = Staff(box), list[Line](), f"{name}=raise:{k}", isinstance(place, File)
    with Faults({name: Fault("raise", at=k)}) as faults:
        with suppress(FaultInjected):  # at the very start
            async with place.open(staff.app, lease=LEASE) as running:
                rounds = (each for each in range(60) if name not in faults.struck)
                await staff.work(running, journal.append, "first", rounds)
                await staff.work(running, journal.append, "second", iter(range(3)))
        assert name in faults.struck, "it never came by"
    async with place.open(staff.app, run=False) as running:
        await held(running._stores, box, journal, where, file=file)
    async with place.open(staff.app, lease=LEASE) as running:
        await quiet_down(staff, running)
        left = await held(running._stores, box, journal, f"{where}, afterwards", file=file, quiet=True)
        assert len(left.parked["post"]) <= AT_ONCE
