"""
T-01 with the runner, the storm: eight writers, a runner with its children, and somebody who kills any of them at any
moment, the server too. At the end every projection is the fold of the log, and every action was done once, or is
visibly unknown. G-12 … G-16.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random

import pytest

from eventfold import Running
from eventfold.errors import AppendOutcomeUnknown, StoreError, WaitTimedOut
from tests.acceptance.world import Added, record, tapes
from tests.postgres import PostgresServer, start_postgres
from tests.processes import is_alive, send
from tests.runners import RunnerProcess
from tests.storm import Written, app, held, letters
from tests.torture.workload import FULL, SEED, Place, _processes, report, url, url_of_schema

SECONDS = 150.0 if FULL else 8.0
WRITERS = 8 if FULL else 2
MUTANT = os.environ.get("EVENTFOLD_MUTANT", "")
PAUSE = (0.2, 1.2) if FULL else (0.2, 0.8)
"""Seconds between two faults."""
PROCESSORS = ("sums", "seen", "post")
KILLED_AT_WORK = 6
"""Children of the reactor that are killed at least, where it takes long to start them; it ends at LATEST seconds."""
LATEST = 300.0 if FULL else 30.0
START_UP = 5.0
"""Seconds for which a child is waited for that shall be killed."""
PATIENCE = 240.0 if FULL else 30.0 if MUTANT else 60.0
"""Seconds to catch up; with a planted bug a projector has often stopped for good."""


def write(place: Place, seed: int, acknowledged: Connection) -> None:
    """The main function of a writer; it tells of each letter that is stored."""
    asyncio.run(_write(place, Random(seed), acknowledged))


async def _write(place: Place, chance: Random, acknowledged: Connection) -> None:
    async with app.open(url(place), run=False) as running:
        while True:
            with suppress(StoreError, AppendOutcomeUnknown):  # the server may have been killed
                tape = f"t{chance.randrange(20)}"
                await running.execute(tapes, tape, record(*(Added(chance.randrange(9)) for _ in range(5))))
                to = chance.randbytes(8).hex()
                await running.execute(letters, to, Written(to))
                acknowledged.send(to)
            await asyncio.sleep(0.01)


class Writer:
    def __init__(self, place: Place, seed: int) -> None:
        self.letters: list[str] = []
        self._pipe, theirs = _processes.Pipe(duplex=False)
        self._process = _processes.Process(target=write, args=(place, seed, theirs), daemon=True)
        self._process.start()
        theirs.close()

    def look(self) -> None:
        with suppress(EOFError, OSError):
            while self._pipe.poll():
                self.letters.append(self._pipe.recv())

    def kill(self) -> None:
        self._process.kill()
        self._process.join()
        self.look()
        self._pipe.close()


class Storm:
    """What is killed, and what takes its place."""

    def __init__(self, place: Place, folder: Path, chance: Random, server: PostgresServer | None) -> None:
        self.faults: Counter[str] = Counter()
        self.letters: list[str] = []
        self.box = folder / "letters.txt"
        self._place = place
        self._folder = folder
        self._chance = chance
        self._server = server
        self.writers = [Writer(place, chance.randrange(2**32)) for _ in range(WRITERS)]
        self.runner = self._another_runner()

    def _another_runner(self) -> RunnerProcess:
        arguments = ["--app", "tests.storm:planted()", "--store", url(self._place), "--lease", "1s", "--drain", "5s"]
        environment = {"STORM_LETTERS": str(self.box)}
        return RunnerProcess([*arguments, "--processes", "sums=2"], environment, self._folder)

    async def strike(self) -> None:
        kinds = ["runner", *["child"] * 6, "writer", *(["server"] if self._server is not None else [])]
        kind = self._chance.choice(kinds)
        if kind == "runner":
            self.runner.process.kill()
            await asyncio.to_thread(self.runner.clean)
            self.runner = self._another_runner()
        elif kind == "child":
            name = kind = self._chance.choice([*PROCESSORS, "post"])
            at_work = await self._at_work(name)
            if not at_work:
                return
            await asyncio.sleep(self._chance.uniform(0.1, 0.6))  # in which it begins its work
            send(self._chance.choice(at_work), signal.SIGKILL)
        elif kind == "writer":
            number = self._chance.randrange(len(self.writers))
            self.writers[number].kill()
            self.letters += self.writers[number].letters
            self.writers[number] = Writer(self._place, self._chance.randrange(2**32))
        else:
            assert self._server is not None
            await asyncio.to_thread(self._server.kill)
            await asyncio.to_thread(self._server.start)
        self.faults[kind] += 1

    async def _at_work(self, name: str) -> list[int]:
        """Children of a processor that have the store open: who dies while he starts has done nothing yet."""
        deadline = time.monotonic() + START_UP
        while True:
            ready = self.runner.all(what="ready", processor=name)
            alive = [each["pid"] for each in ready if is_alive(each["pid"])]
            if alive or time.monotonic() > deadline:
                return alive
            await asyncio.sleep(0.05)

    def look_after_runner(self) -> None:
        """As systemd does: one that was started while the server was away has ended."""
        if self.runner.process.poll() is not None:
            self.runner.clean()
            self.runner = self._another_runner()

    def stop_writing(self) -> None:
        for writer in self.writers:
            writer.kill()
            self.letters += writer.letters

    def end(self) -> None:
        for writer in self.writers:
            writer.kill()
        self.runner.clean()


@asynccontextmanager
async def storm_over(place: Place, folder: Path, server: PostgresServer | None) -> AsyncIterator[tuple[Storm, Running]]:
    chance = Random(SEED)
    async with app.open(url(place), run=False):
        pass  # the tables are there
    storm = Storm(place, folder, chance, server)
    try:
        begun = time.monotonic()
        while (lasted := time.monotonic() - begun) < LATEST:
            if lasted >= SECONDS and storm.faults["post"] >= KILLED_AT_WORK:
                break
            await asyncio.sleep(chance.uniform(*PAUSE))  # the fault, not the oracle
            await storm.strike()
            storm.look_after_runner()
        storm.stop_writing()
        async with app.open(url(place), run=False) as running:
            yield storm, running
    finally:
        storm.end()


async def hold_against_the_log(storm: Storm, running: Running) -> dict[str, object]:
    while True:  # the reactor emits, so the log grows until it has come to its end
        head = await running.head()
        for name in PROCESSORS:
            deadline = time.monotonic() + PATIENCE
            while True:
                storm.look_after_runner()
                try:
                    await running.wait_for(name, head, timeout=5.0)
                    break
                except WaitTimedOut as late:
                    told = f"{late}\n{storm.runner.heard[-20:]}\n{storm.runner.errors}"
                    assert time.monotonic() < deadline, told
        if await running.head() == head:
            break
    storm.runner.send(signal.SIGTERM)
    assert await asyncio.to_thread(storm.runner.ended) == 0, storm.runner.errors
    left = await held(running, storm.box, storm.letters)
    return {
        "events": left.events,
        "acknowledged": len(storm.letters),
        "letters": left.letters,
        "unknown": left.unknown,
        "faults": storm.faults.total(),
        "kills": dict(storm.faults),
        "lost": 0,
        "skipped": 0,
        "duplicated": 0,
    }


@pytest.mark.slow
async def test_storm_g12_g13_every_projection_is_the_fold_and_every_action_was_done_once_or_is_unknown(
    tmp_path: Path,
) -> None:
    async with storm_over(tmp_path / "store.db", tmp_path, None) as (storm, running):
        figures = await hold_against_the_log(storm, running)
    report("T-01 runner", store="sqlite", **figures)


@pytest.mark.slow
async def test_storm_g12_g13_with_a_server_that_is_killed_too(tmp_path: Path) -> None:
    with start_postgres() as server:
        server.execute("CREATE SCHEMA storm")
        async with storm_over(url_of_schema(server.url, "storm"), tmp_path, server) as (storm, running):
            figures = await hold_against_the_log(storm, running)
    report("T-01 runner", store="postgres", **figures)
