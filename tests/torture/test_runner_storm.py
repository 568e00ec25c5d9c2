"""
The storm: eight writers, a runner with its children, and somebody who kills any of them at any moment, the server too.
At the end every projection is the fold of the log, and every action was done once, or is visibly unknown. G-12 … G-16.
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

from eventfold import Query, Running
from eventfold.errors import AppendOutcomeUnknown, StoreError, WaitTimedOut
from tests.acceptance.world import Added, positions, record, sums, tapes
from tests.postgres import PostgresServer, start_postgres
from tests.runners import RunnerProcess
from tests.storm import Written, app, letters
from tests.torture.workload import FULL, SEED, Place, _processes, report, url, url_of_schema

SECONDS = 150.0 if FULL else 8.0
WRITERS = 8 if FULL else 2
PATIENCE = 240.0 if FULL else 60.0


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
        arguments = ["--app", "tests.storm:app", "--store", url(self._place), "--lease", "1s", "--drain", "5s"]
        environment = {"STORM_LETTERS": str(self.box)}
        return RunnerProcess([*arguments, "--processes", "sums=2"], environment, self._folder)

    async def strike(self) -> None:
        kinds = ["runner", "child", "child", "child", "writer", *(["server"] if self._server is not None else [])]
        kind = self._chance.choice(kinds)
        self.faults[kind] += 1
        if kind == "runner":
            self.runner.process.kill()
            await asyncio.to_thread(self.runner.clean)
            self.runner = self._another_runner()
        elif kind == "child":
            started = [each["pid"] for each in self.runner.heard if each["what"] == "starting"]
            if started:
                with suppress(ProcessLookupError):
                    os.kill(self._chance.choice(started), signal.SIGKILL)
        elif kind == "writer":
            number = self._chance.randrange(len(self.writers))
            self.writers[number].kill()
            self.letters += self.writers[number].letters
            self.writers[number] = Writer(self._place, self._chance.randrange(2**32))
        else:
            assert self._server is not None
            await asyncio.to_thread(self._server.kill)
            await asyncio.to_thread(self._server.start)

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
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            await asyncio.sleep(chance.uniform(0.2, 1.2))  # the fault, not the oracle
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
        for name in ("sums", "seen", "post"):
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
    log = [event async for event in running.source.read_all(Query.all())]
    expected: Counter[str] = Counter()
    for event in log:
        if event.type == "Added":
            expected[event.id] += int((event.data or b"").removeprefix(b'{"n":').removesuffix(b"}"))
    assert [tuple(row) for row in await running.query(sums)] == sorted(expected.items())
    assert [row[0] for row in await running.query(positions)] == [event.position for event in log]
    written = {event.id for event in log if event.type == "Written"}
    assert set(storm.letters) <= written, "an acknowledged letter is not in the log"
    sent = Counter(storm.box.read_text().split())
    assert not [to for to, times in sent.items() if times > 1], "a letter was sent twice"
    assert set(sent) <= written
    emitted = Counter(event.id for event in log if event.type == "Sent")
    assert not [to for to, times in emitted.items() if times > 1], "an event was emitted twice"
    parked = {each.stream.id for each in await running._stores.parking.parked("post", limit=100_000)}
    assert written - set(emitted) == parked, "what was not done once must be visibly unknown"
    unknown = {each.event_id for each in await running._stores.actions.actions("post", status="unknown", limit=100_000)}
    assert unknown == {event.event_id for event in log if event.type == "Written" and event.id in parked}
    return {"events": len(log), "letters": len(sent), "unknown": len(unknown), "faults": dict(storm.faults)}


@pytest.mark.slow
async def test_storm_g12_g13_every_projection_is_the_fold_and_every_action_was_done_once_or_is_unknown(
    tmp_path: Path,
) -> None:
    async with storm_over(tmp_path / "store.db", tmp_path, None) as (storm, running):
        figures = await hold_against_the_log(storm, running)
    report("storm", store="sqlite", **figures)


@pytest.mark.slow
async def test_storm_g12_g13_with_a_server_that_is_killed_too(tmp_path: Path) -> None:
    with start_postgres() as server:
        server.execute("CREATE SCHEMA storm")
        async with storm_over(url_of_schema(server.url, "storm"), tmp_path, server) as (storm, running):
            figures = await hold_against_the_log(storm, running)
    report("storm", store="postgres", **figures)
