"""
T-21: whoever runs a projector stands still for longer than its lease, again and again, while others write. Somebody
else takes over in time, and the one that wakes up does no harm: G-12, G-14, FM-11, FM-12, FM-24.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random

import pytest

from eventfold import Query, Running
from eventfold.adapters.sqlite.lock import lock_holder
from eventfold.adapters.system import system_clock
from eventfold.errors import AppendOutcomeUnknown, StoreError
from tests.acceptance.world import Added, application, positions, record, seeing, summing, sums, tapes
from tests.postgres import PostgresServer
from tests.torture import mutants
from tests.torture.workload import FULL, SEED, Place, _processes, fold_seen, fold_sums, report, url, url_of_schema
from tests.waiting import until

LEASE = 1.0
TAKEOVERS = {"sqlite": 50 if FULL else 3, "postgres": 50 if FULL else 3}
IN_TIME = LEASE + 2.0
MUTANT = os.environ.get("EVENTFOLD_MUTANT", "")


class OffBy:
    """A clock that is wrong by so much."""

    def __init__(self, by: timedelta) -> None:
        self._by = by

    def now(self) -> datetime:
        return system_clock.now() + self._by

    def micros(self) -> int:
        return system_clock.micros() + int(self._by.total_seconds() * 1e6)


def run(place: Place, wrong_by: float, mutant: str, pipe: Connection) -> None:
    """The main function of a child: it tells which projectors it runs, whenever that changes."""
    mutants.plant(mutant)
    asyncio.run(_run(place, wrong_by, pipe))


async def _run(place: Place, wrong_by: float, pipe: Connection) -> None:
    app = application(summing(), seeing(), clock=OffBy(timedelta(seconds=wrong_by)))
    told: object = None
    async with app.open(url(place), lease=timedelta(seconds=LEASE)) as running:
        while True:
            status = running.status()
            runs = sorted(name for name, each in status.items() if each.running)
            errors = sorted(str(each.error) for each in status.values() if each.stopped)
            if (runs, errors) != told:
                told = (runs, errors)
                pipe.send(told)
            await asyncio.sleep(0.01)


@dataclass
class Runner:
    """A child that runs both projectors, or stands by."""

    place: Place
    wrong_by: float = 0.0
    runs: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._pipe, theirs = _processes.Pipe(duplex=False)
        arguments = (self.place, self.wrong_by, MUTANT, theirs)
        self.process = _processes.Process(target=run, args=arguments, daemon=True)
        self.process.start()
        theirs.close()

    def look(self) -> None:
        with suppress(EOFError, OSError):
            while self._pipe.poll():
                self.runs, self.errors = self._pipe.recv()

    def signal(self, number: int) -> None:
        assert self.process.pid is not None
        os.kill(self.process.pid, number)

    def end(self) -> None:
        self.process.kill()
        self.process.join()
        self._pipe.close()


async def stand_still(runner: Runner, where: Place) -> None:
    """Stop it where it does not hold the file's lock: who does keeps all others out, and is named to them (FM-30)."""
    pid = runner.process.pid
    while True:
        runner.signal(signal.SIGSTOP)
        await until(lambda: is_stopped(pid))
        holder = lock_holder(str(where)) if isinstance(where, Path) else None
        if holder is None or holder[0] != pid:
            return
        runner.signal(signal.SIGCONT)
        await asyncio.sleep(0.001)


def is_stopped(pid: int | None) -> bool:
    return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] == "T"


async def until_all_run(runners: list[Runner], of: list[Runner]) -> float:
    """Seconds until these have both projectors between them."""
    begun = time.monotonic()
    async with asyncio.timeout(60):
        while True:
            for runner in runners:
                runner.look()
                assert not runner.errors, runner.errors
            if {name for runner in of for name in runner.runs} == {"seen", "sums"}:
                return time.monotonic() - begun
            await asyncio.sleep(0.01)


@asynccontextmanager
async def writing(place: Place, chance: Random) -> AsyncIterator[Running]:
    """The application open for writing, and somebody who writes."""
    async with application().open(url(place), run=False) as running:

        async def write() -> None:
            while True:
                await running.execute(tapes, f"t{chance.randrange(9)}", record(Added(chance.randrange(9))))
                await asyncio.sleep(0.002)

        writer = asyncio.create_task(write())
        try:
            yield running
        finally:
            writer.cancel()
            await asyncio.wait([writer])
            if not writer.cancelled():
                writer.result()


async def hold_against_the_log(place: Place) -> int:
    """Every event once in the rows: `seen` has a key that a second time would hurt, `sums` would be wrong."""
    async with application(summing(), seeing()).open(url(place), run=False) as running:
        head = await running.head()
        for name in ("sums", "seen"):
            await running.wait_for(name, head, timeout=60)
        log = [event async for event in running.source.read_all(Query.all())]
        assert [tuple(row) for row in await running.query(sums)] == fold_sums(log)
        assert [row[0] for row in await running.query(positions)] == fold_seen(log)
        return len(log)


@pytest.fixture(params=sorted(TAKEOVERS))
def place(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Place]:
    if request.param == "sqlite":
        return request.param, tmp_path / "store.db"
    server: PostgresServer = request.getfixturevalue("postgres")
    return request.param, url_of_schema(server.url, request.getfixturevalue("postgres_schema"))


@pytest.mark.slow
async def test_t21_g14_a_runner_that_stands_still_is_followed_by_another_and_does_no_harm(
    place: tuple[str, Place],
) -> None:
    store, where = place
    chance = Random(SEED)
    takeovers: list[float] = []
    async with application(summing(), seeing()).open(url(where), run=False):
        pass  # the tables are there
    runners = [Runner(where), Runner(where)]
    try:
        async with writing(where, chance):
            await until_all_run(runners, runners)
            for number in range(TAKEOVERS[store]):
                for runner in runners:
                    runner.look()
                leading = [runner for runner in runners if runner.runs]
                stopped = chance.choice(leading)
                others = [runner for runner in runners if runner is not stopped]
                kills = number % 3 == 2
                if kills:
                    stopped.signal(signal.SIGKILL)
                else:
                    await stand_still(stopped, where)
                takeovers.append(await until_all_run(others, others))
                if kills:
                    stopped.end()
                    runners[runners.index(stopped)] = Runner(where)
                else:
                    stopped.signal(signal.SIGCONT)
                    await asyncio.sleep(chance.uniform(0.0, 0.3))  # what it does on waking is the point
        events = await hold_against_the_log(where)
        for runner in runners:
            runner.look()
            assert not runner.errors, runner.errors
    finally:
        for runner in runners:
            runner.end()
    report("T-21", store=store, takeovers=len(takeovers), slowest=round(max(takeovers), 2), events=events)
    assert max(takeovers) <= (IN_TIME if FULL else 10 * IN_TIME)


@pytest.mark.slow
async def test_fm24_runners_whose_clocks_are_an_hour_apart_do_no_harm(tmp_path: Path) -> None:
    """On SQLite a lease goes by the clock of the application: a wrong one takes over too early or too late."""
    where = tmp_path / "store.db"
    chance = Random(SEED)
    async with application(summing(), seeing()).open(url(where), run=False):
        pass
    runners = [Runner(where, wrong_by) for wrong_by in (0.0, 3_600.0, -3_600.0)]
    try:
        async with writing(where, chance):
            await until_all_run(runners, runners)
            await asyncio.sleep(3 * LEASE if FULL else LEASE)
        events = await hold_against_the_log(where)
        for runner in runners:
            runner.look()
            assert not runner.errors, runner.errors
    finally:
        for runner in runners:
            runner.end()
    report("FM-24", events=events)


@pytest.mark.slow
async def test_fm12_runners_whose_connections_are_cut_do_no_harm(
    postgres: PostgresServer, postgres_schema: str
) -> None:
    """Every connection of the server is ended, again and again, those of the runners with all they had begun."""
    import asyncpg

    where = url_of_schema(postgres.url, postgres_schema)
    chance = Random(SEED)
    async with application(summing(), seeing()).open(where, run=False):
        pass
    runners = [Runner(where), Runner(where)]
    try:
        async with application().open(where, run=False) as writes:
            await until_all_run(runners, runners)
            for _ in range(30 if FULL else 4):
                for _ in range(20):
                    with suppress(StoreError, AppendOutcomeUnknown):  # its connection may be the one that is cut
                        await writes.execute(tapes, f"t{chance.randrange(9)}", record(Added(chance.randrange(9))))
                connection = await asyncpg.connect(postgres.url)
                try:
                    await connection.execute(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                        "WHERE pid <> pg_backend_pid() AND backend_type = 'client backend' "
                        "AND datname = current_database()"
                    )
                finally:
                    await connection.close()
                await asyncio.sleep(chance.uniform(0.0, 0.3))  # the fault, not the oracle
        events = await hold_against_the_log(where)
        for runner in runners:
            runner.look()
            assert not runner.errors, runner.errors
    finally:
        for runner in runners:
            runner.end()
    report("FM-12", events=events)
