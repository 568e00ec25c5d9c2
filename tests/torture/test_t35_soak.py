"""
T-35, the soak: a steady 500 events a second for ten minutes, two projectors and a reactor in two processes, and every
twenty seconds one of the processes stands still for two seconds or is killed.

Nothing grows that should not: memory, file descriptors and tasks of the processes that live all the time, and SQLite's
write-ahead log. No error has stopped anything, and in the end rows, box and ledger are what the log says.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random
from statistics import median
from threading import Thread
from typing import Any, Final

import msgspec
import pytest

from eventfold import Running
from eventfold.errors import AppendOutcomeUnknown, StoreBusy
from tests.acceptance.world import Added, record, tapes
from tests.keeper import PROC
from tests.postgres import PostgresServer
from tests.storm import Written, app, held, letters
from tests.torture import mutants
from tests.torture.workload import FULL, SEED, Place, _processes, report, url, url_of_schema

SECONDS: Final = 600.0 if FULL else 30.0
WARM_UP: Final = 120.0 if FULL else 12.0
"""Seconds in which caches fill."""
EVERY: Final = 20.0 if FULL else 6.0
"""Seconds between two faults."""
STANDS_STILL: Final = 2.0
PER_SECOND: Final = 500
ADDED: Final = 9
"""Events of one command; a letter goes with each."""
LEASE: Final = timedelta(seconds=2)
LOOK: Final = 0.5
GROWS: Final = 1.03 if FULL else 1.06
"""How much more memory than after the warm-up there may be in the end."""
WAL_MIB: Final = 80
PATIENCE: Final = 120.0
MUTANT: Final = os.environ.get("EVENTFOLD_MUTANT", "")


class Vitals(msgspec.Struct, frozen=True):
    """A process, as it sees itself."""

    at: float
    memory: float
    """MiB that are its own: pages of files are not counted."""
    descriptors: int
    tasks: int
    written: int
    stopped: tuple[str, ...]


def vitals(running: Running, written: int) -> Vitals:
    status = (PROC / "self" / "status").read_text(encoding="utf-8")
    kib = next(line.split()[1] for line in status.splitlines() if line.startswith("RssAnon:"))
    return Vitals(
        time.monotonic(),
        int(kib) / 1024,
        len(list((PROC / "self" / "fd").iterdir())),
        len(asyncio.all_tasks()),
        written,
        tuple(str(each.error) for each in running.status().values() if each.stopped),
    )


def soaked(role: str, place: Place, box: str, mutant: str, seed: int, pipe: Connection) -> None:
    """The main function of a child: write, or run the processors, and tell how it is."""
    os.environ["STORM_LETTERS"] = box
    mutants.plant(mutant)
    asyncio.run({"writer": _write, "runner": _run}[role](place, seed, pipe.send_bytes))


async def _run(place: Place, seed: int, tell: Callable[[bytes], None]) -> None:
    async with app.open(url(place), lease=LEASE) as running:
        while True:
            tell(msgspec.json.encode(vitals(running, 0)))
            await asyncio.sleep(LOOK)


async def _write(place: Place, seed: int, tell: Callable[[bytes], None]) -> None:
    """As evenly as it goes: what could not be written in time is not made up for."""
    chance, written, told = Random(seed), 0, 0.0
    async with app.open(url(place), run=False) as running:
        while True:
            begun = time.monotonic()
            with suppress(StoreBusy, AppendOutcomeUnknown):  # somebody stands still who has the right to write
                tape, to = f"t{chance.randrange(300)}", chance.randbytes(8).hex()
                added = [Added(chance.randrange(9)) for _ in range(ADDED)]
                await running.execute(tapes, tape, record(*added))
                await running.execute(letters, to, Written(to))
                written += ADDED + 1
            if begun - told > LOOK:
                tell(msgspec.json.encode(vitals(running, written)))
                told = begun
            await asyncio.sleep(max(0.0, begun + (ADDED + 1) / PER_SECOND - time.monotonic()))


class Child:
    def __init__(self, role: str, place: Place, box: Path, seed: int) -> None:
        self.role = role
        self.seen: list[Vitals] = []
        self._pipe, theirs = _processes.Pipe(duplex=False)
        arguments = (role, place, str(box), MUTANT, seed, theirs)
        self.process = _processes.Process(target=soaked, args=arguments, daemon=True)
        self.process.start()
        theirs.close()
        self._listener = Thread(target=self._listen, daemon=True)
        self._listener.start()

    def _listen(self) -> None:
        with suppress(EOFError, OSError):
            while True:
                self.seen.append(msgspec.json.decode(self._pipe.recv_bytes(), type=Vitals))

    def signal(self, number: signal.Signals) -> None:
        assert self.process.pid is not None
        os.kill(self.process.pid, number)

    def kill(self) -> None:
        self.process.kill()
        self.process.join()
        self._listener.join(PATIENCE)
        self._pipe.close()


class Soak:
    """Who lives all the time, and the one that is killed and replaced."""

    def __init__(self, place: Place, folder: Path) -> None:
        self.box = folder / "letters.txt"
        self.faults = 0
        self.wal_mib = 0.0
        self._place = place
        self._chance = Random(SEED)
        self.runner = self._child("runner")
        self.writer = self._child("writer")
        self.mortal = self._child("runner")

    def _child(self, role: str) -> Child:
        return Child(role, self._place, self.box, self._chance.randrange(2**32))

    @property
    def children(self) -> Sequence[Child]:
        return (self.runner, self.writer, self.mortal)

    async def last(self) -> None:
        end, next_fault = time.monotonic() + SECONDS, time.monotonic() + EVERY
        while (now := time.monotonic()) < end:
            if now >= next_fault:
                next_fault = now + EVERY
                await self._strike()
            self._look()
            await asyncio.sleep(LOOK)  # the time it lasts, not the oracle

    async def _strike(self) -> None:
        self.faults += 1
        if self._chance.random() < 0.5:
            self.mortal.kill()
            self.mortal = self._child("runner")
            return
        victim = self._chance.choice(self.children)
        victim.signal(signal.SIGSTOP)
        await asyncio.sleep(STANDS_STILL)
        victim.signal(signal.SIGCONT)

    def _look(self) -> None:
        for each in self.children:
            assert each.process.exitcode is None, f"a {each.role} has ended by itself: {each.process.exitcode}"
            assert not (each.seen and each.seen[-1].stopped), each.seen[-1].stopped
        if isinstance(self._place, Path):
            with suppress(FileNotFoundError):
                size = self._place.with_name(f"{self._place.name}-wal").stat().st_size
                self.wal_mib = max(self.wal_mib, size / 2**20)

    def end(self) -> None:
        for each in self.children:
            each.kill()


@contextmanager
def soak_of(place: Place, folder: Path) -> Iterator[Soak]:
    soak = Soak(place, folder)
    try:
        yield soak
    finally:
        soak.end()


def grown(child: Child) -> dict[str, Any]:
    """Its vital signs after the warm-up and in the end. Raises AssertionError for one that has grown."""
    began = child.seen[0].at
    after = [each for each in child.seen if each.at - began >= WARM_UP]
    part = max(3, len(after) // 4)
    early, late = after[:part], after[-part:]
    assert len(after) >= 2 * part, f"a {child.role} has told of itself only {len(child.seen)} times"
    memory = [median(each.memory for each in some) for some in (early, late)]
    descriptors = [median(each.descriptors for each in some) for some in (early, late)]
    tasks = [median(each.tasks for each in some) for some in (early, late)]
    figures = {"memory_mib": [round(each, 1) for each in memory], "descriptors": descriptors, "tasks": tasks}
    assert memory[1] <= memory[0] * GROWS, f"memory of a {child.role} grows: {figures}"
    assert descriptors[1] <= descriptors[0] + 2, f"descriptors of a {child.role} grow: {figures}"
    assert tasks[1] <= tasks[0] + 4, f"tasks of a {child.role} grow: {figures}"
    return figures


async def soaks(place: Place, folder: Path) -> dict[str, Any]:
    async with app.open(url(place), run=False):
        pass  # the tables are there
    with soak_of(place, folder) as soak:
        await soak.last()
        soak.writer.kill()
        figures = {each.role: grown(each) for each in (soak.runner, soak.writer)}
        async with app.open(url(place), run=False) as running:
            while True:  # the reactor emits
                head = await running.head()
                for name in ("sums", "seen", "post"):
                    await running.wait_for(name, head, timeout=PATIENCE)
                if await running.head() == head:
                    break
            left = await held(running, soak.box, ())
        assert soak.wal_mib <= WAL_MIB, f"the write-ahead log has grown to {soak.wal_mib:.0f} MiB"
        written = soak.writer.seen[-1].written
        seconds = soak.writer.seen[-1].at - soak.writer.seen[0].at
        return figures | {
            "faults": soak.faults,
            "events": left.events,
            "per_second": round(written / seconds),
            "unknown": left.unknown,
            "wal_mib": round(soak.wal_mib, 1),
            "lost": 0,
            "skipped": 0,
            "duplicated": 0,
        }


@pytest.mark.slow
@pytest.mark.skipif(not PROC.exists(), reason="memory and descriptors are read in /proc")
async def test_t35_g19_nothing_grows_and_nothing_stops_on_sqlite(tmp_path: Path) -> None:
    report("T-35", store="sqlite", **await soaks(tmp_path / "store.db", tmp_path))


@pytest.mark.slow
@pytest.mark.skipif(not FULL, reason="ten minutes more: make torture")
@pytest.mark.skipif(not PROC.exists(), reason="memory and descriptors are read in /proc")
async def test_t35_g19_nothing_grows_and_nothing_stops_on_postgres(
    tmp_path: Path, postgres: PostgresServer, postgres_schema: str
) -> None:
    report("T-35", store="postgres", **await soaks(url_of_schema(postgres.url, postgres_schema), tmp_path))
