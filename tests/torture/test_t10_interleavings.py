"""
T-10: the interleavings of the model on a real server: transactions and a reader are stepped through scripts, and no
order of their steps loses an event or turns two round. Each wrong way is run through the same scripts until it does.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator, Sequence
from random import Random
from typing import Any

import asyncpg
import pytest

from tests.postgres import ExistingServer, PostgresServer
from tests.protocol.live import (
    COMMITTED,
    ByAppend1,
    ByAppendAll,
    ByHorizon,
    ByTransaction,
    ClientRemembers,
    Connection,
    LostRace,
    Naive,
    NoLock,
    OneSnapshot,
    Reading,
    Row,
    Unsigned,
    Way,
    connected,
    faults,
    prepared_schema,
)
from tests.torture.workload import FULL, SEED, report

PLAIN = ("enter", "insert", "commit")
EARLY = ("elsewhere", "enter", "insert", "commit")
FALSE_START = ("false start", "enter", "insert", "commit")
LONG = ("enter", "insert", "insert", "commit")
GIVES_UP = ("enter", "insert", "rollback")
POLLS = ("look", "page", "look", "page")

CASTS: dict[str, list[tuple[str, tuple[str, ...]]]] = {
    "two streams": [("a", PLAIN), ("b", PLAIN)],
    "one stream": [("a", PLAIN), ("a", PLAIN)],
    "written elsewhere before": [("a", EARLY), ("a", PLAIN)],
    "a savepoint rolled back": [("a", FALSE_START), ("b", PLAIN)],
    "one gives up": [("a", GIVES_UP), ("a", PLAIN), ("b", PLAIN)],
    "three writers": [("a", EARLY), ("a", LONG), ("b", FALSE_START)],
}
"""For each writer its stream and its steps. The first two have 4,200 interleavings, the last 126 million."""
SCRIPTS, AT_A_WRAP = (4_200, 500) if FULL else (40, 40)
"""Of each cast, drawn by chance; in full size all 4,200 where there are no more."""


AGAIN = "SELECT setval('{events_position_seq}', greatest($1::bigint, 1), $1 > 0)"
WRONG_ORDER = [("a", ("insert", "enter", "commit")), ("b", PLAIN)]


def scripts(cast: Sequence[Sequence[str]], chance: Random, count: int) -> Iterator[tuple[int, ...]]:
    """Who takes the next step, again and again, until all have taken theirs."""
    turns = [i for i, steps in enumerate(cast) for _ in steps]
    if count == 4_200 and len(turns) <= 10:
        yield from interleavings([len(steps) for steps in cast])
        return
    for _ in range(count):
        chance.shuffle(turns)
        yield tuple(turns)


def interleavings(left: list[int]) -> Iterator[tuple[int, ...]]:
    if not any(left):
        yield ()
    for i, steps in enumerate(left):
        if steps:
            rest = [*left[:i], steps - 1, *left[i + 1 :]]
            for others in interleavings(rest):
                yield (i, *others)


class Writer:
    """A transaction. A step that waits for a rival stays behind; those after it wait for their turn."""

    def __init__(self, way: Way, connection: Connection, stream: str) -> None:
        self._way = way
        self._connection = connection
        self._stream = stream
        self._backlog: list[str] = []
        self._failed = False
        self._task: asyncio.Task[None] | None = None

    async def take(self, step: str, watcher: Connection) -> None:
        self._backlog.append(step)
        await self.go_on(watcher)

    async def go_on(self, watcher: Connection) -> None:
        while self._task is not None or self._backlog:
            if self._task is None:
                self._task = asyncio.create_task(self._do(self._backlog.pop(0)))
            if not await ended_or_blocked(self._task, self._connection.get_server_pid(), watcher):
                return
            await self._task
            self._task = None

    @property
    def is_waiting(self) -> bool:
        return self._task is not None

    async def _do(self, step: str) -> None:
        if self._failed and step not in {"commit", "rollback"}:
            return
        run, way = self._connection.execute, self._way
        try:
            if step == "elsewhere":
                await run(way.sql("INSERT INTO {schema}.elsewhere VALUES (1)"))
            elif step == "enter":
                await way.enter(self._connection)
            elif step == "insert":
                await way.insert(self._connection, self._stream)
            elif step == "false start":
                await run("SAVEPOINT here")
                await way.enter(self._connection)
                await way.insert(self._connection, f"{self._stream} in vain")
                await run("ROLLBACK TO SAVEPOINT here")
            else:
                await run("ROLLBACK" if self._failed else step)
                way.ended(self._connection)
        except (asyncpg.UniqueViolationError, LostRace):
            self._failed = True


async def ended_or_blocked(task: asyncio.Task[None], process: int, watcher: Connection) -> bool:
    """True once it has ended, False once the server says that it waits for somebody."""
    while True:
        await asyncio.wait({task}, timeout=0.002)
        if task.done():
            return True
        if await watcher.fetchval("SELECT cardinality(pg_blocking_pids($1)) > 0", process):
            return task.done()


class Stage:
    """A store, three connections for writers, one for the reader, and one that watches."""

    def __init__(self, way: Way, connections: list[Connection], start: int) -> None:
        self._way = way
        *self._connections, self._reader, self._watcher = connections
        self._start = start

    async def play(self, cast: Sequence[tuple[str, tuple[str, ...]]], script: Sequence[int]) -> list[str]:
        """What a reader that followed live, and one that comes later, have to complain of."""
        await self._watcher.execute(self._way.sql("SET {administrator} = '1'; DELETE FROM {events}"))
        await self._watcher.fetchval(self._way.sql(AGAIN), self._start)
        reading = Reading(self._reader)
        writers = [Writer(self._way, c, stream) for (stream, _), c in zip(cast, self._connections, strict=False)]
        for _, connection in zip(writers, self._connections, strict=False):
            await connection.execute("BEGIN")
        steps = [iter(steps) for _, steps in cast]
        polls = iter(POLLS)
        for turn in script:
            if turn == len(writers):
                await self._poll(next(polls), reading)
                continue
            await writers[turn].take(next(steps[turn]), self._watcher)
            for writer in writers:
                await writer.go_on(self._watcher)
        assert not any(writer.is_waiting for writer in writers), "nobody is left to wait for"
        late = Reading(self._reader)
        for each, step in itertools.product((reading, late), POLLS):
            await self._poll(step, each)
        committed: list[Row] = [tuple(row) for row in await self._watcher.fetch(self._way.sql(COMMITTED))]
        found = faults(reading.got, committed) + faults(late.got, committed)
        if reading.got != late.got:
            found.append(f"two readers, two orders: {reading.got}, {late.got}")
        return found

    async def _poll(self, step: str, reading: Reading) -> None:
        await (self._way.look(reading) if step == "look" else self._way.page(reading))


@pytest.fixture
async def stage(postgres: PostgresServer | ExistingServer, postgres_schema: str, planted: None) -> AsyncIterator[Any]:
    async with connected(postgres.url, 5) as connections:
        names = await prepared_schema(connections[0], postgres_schema)
        yield lambda way, start=0: Stage(way(names), connections, start)


@pytest.mark.parametrize(
    ("way", "start"),
    [(Way, 0), (ByHorizon, 0), (ByAppend1, 0), (ByAppendAll, 0), (Way, 2**31 - 1), (Way, 2**32 - 1)],
    ids=["bound", "horizon", "append_1", "append_all", "bound at 2^31", "bound at 2^32"],
)
@pytest.mark.parametrize("name", CASTS)
async def test_t10_fm01_fm04_g08_g09_no_script_loses_an_event_or_turns_two_round(
    stage: Any, name: str, way: type[Way], start: int
) -> None:
    cast = CASTS[name]
    chance = Random(f"{SEED}.{name}.{start}")
    played = 0
    for script in scripts([*(steps for _, steps in cast), POLLS], chance, AT_A_WRAP if start else SCRIPTS):
        found = await stage(way, start).play(cast, script)
        assert not found, (found, script, f"EVENTFOLD_SEED={SEED}")
        played += 1
    report(
        "T-10",
        store="postgres",
        cast=name,
        way=way.__name__,
        start=start,
        faults=played,
        lost=0,
        skipped=0,
        out_of_order=0,
    )


@pytest.mark.parametrize(
    ("way", "cast", "start", "fault"),
    [
        (NoLock, CASTS["two streams"], 0, "lost"),
        (Naive, CASTS["two streams"], 0, "lost"),
        (Way, WRONG_ORDER, 0, "lost"),
        (OneSnapshot, CASTS["two streams"], 0, "lost"),
        (ClientRemembers, CASTS["a savepoint rolled back"], 0, "lost"),
        (ByTransaction, CASTS["written elsewhere before"], 0, "out of order"),
        (Unsigned, CASTS["two streams"], 2**32 - 1, "lost"),
    ],
    ids=["no lock", "naive", "drawn before locked", "one snapshot", "client remembers", "by transaction", "unsigned"],
)
async def test_t10_the_scripts_find(
    stage: Any, way: type[Way], cast: list[tuple[str, tuple[str, ...]]], start: int, fault: str
) -> None:
    turns = [i for i, steps in enumerate([*(steps for _, steps in cast), POLLS]) for _ in steps]
    chance = Random(f"{SEED}.{way.__name__}")
    for _ in range(2_000):
        chance.shuffle(turns)
        if any(found.startswith(fault) for found in await stage(way, start).play(cast, turns)):
            return
    pytest.fail(f"no script of 2,000 has found {way.__name__}, EVENTFOLD_SEED={SEED}")
