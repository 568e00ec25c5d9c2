"""A process full of appenders that misbehave as applications do: they wait, write elsewhere first, and give up."""

from __future__ import annotations

import asyncio
from random import Random

import asyncpg

from eventfold.adapters.postgres import open_postgres
from eventfold.adapters.postgres.names import Names
from eventfold.adapters.postgres.units import PostgresUnits
from eventfold.adapters.system import system_clock
from eventfold.domain.message import NewEvent, Stream
from eventfold.errors import ConcurrencyConflict, RetryTransaction
from eventfold.ports.event_store import ANY, Append, EventSink
from tests.protocol.live import Connection, Way, connected

STREAMS = 10
JOINED = 3
"""Applications with transactions of their own, beside the tasks of a process."""
ISOLATION = ("READ COMMITTED", "READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE")
PAUSE = 0.004
"""Seconds, at most, that a transaction waits where it does."""
LOST_RACES = (asyncpg.UniqueViolationError, asyncpg.DeadlockDetectedError)


def append_a_lot(url: str, schema: str, seed: str, writers: int, transactions: int) -> dict[str, int]:
    """What was acknowledged, rolled back and lost to others. Run it in a process of its own."""
    return asyncio.run(_all(url, schema, seed, writers, transactions))


async def _all(url: str, schema: str, seed: str, writers: int, transactions: int) -> dict[str, int]:
    counts = {"acknowledged": 0, "rolled_back": 0, "lost_races": 0}
    way = Way(Names(schema))
    async with connected(url, writers + 1) as (stranger, *connections):
        strange = asyncio.create_task(_write_elsewhere(stranger, way))
        tasks = [
            _append(way, connection, Random(f"{seed}.{n}"), transactions, counts)
            for n, connection in enumerate(connections)
        ]
        await asyncio.gather(*tasks)
        strange.cancel()
        await asyncio.gather(strange, return_exceptions=True)
    return counts


def append_to_the_store(url: str, schema: str, seed: str, tasks: int, appends: int) -> dict[str, int]:
    """A crowd without malice, by the store's own `append` and by units that join. Run it in a process of its own."""
    return asyncio.run(_to_the_store(url, schema, seed, tasks, appends))


async def _to_the_store(url: str, schema: str, seed: str, tasks: int, appends: int) -> dict[str, int]:
    counts = {"acknowledged": 0, "lost_races": 0, "rolled_back": 0, "joined": 0}
    store, rows, units = await open_postgres(url, clock=system_clock, schema=schema)
    try:
        async with connected(url, JOINED) as connections:
            callers = [
                _join(units, connection, Random(f"{seed}.joined.{n}"), appends // 2, counts)
                for n, connection in enumerate(connections)
            ]
            plain = (_call(store, Random(f"{seed}.{n}"), appends, counts) for n in range(tasks))
            await asyncio.gather(*callers, *plain)
    finally:
        await rows.close()
        await store.close()
    return counts


async def _call(store: EventSink, chance: Random, appends: int, counts: dict[str, int]) -> None:
    for _ in range(appends):
        names = chance.sample(range(STREAMS), chance.choice((1, 1, 1, 2)))
        expect = ANY if chance.random() < 0.8 else chance.randrange(20)
        some = [
            Append(Stream("tape", f"s{n}"), [_noted(chance) for _ in range(chance.randint(1, 3))], expect)
            for n in names
        ]
        try:
            await store.append(*some)
        except ConcurrencyConflict:
            counts["lost_races"] += 1
        else:
            counts["acknowledged"] += sum(len(each.events) for each in some)


async def _join(
    units: PostgresUnits, connection: Connection, chance: Random, transactions: int, counts: dict[str, int]
) -> None:
    """Transactions of an application: savepoints, two units in one of them, and some are rolled back."""
    for _ in range(transactions):
        await connection.execute(f"BEGIN ISOLATION LEVEL {chance.choice(ISOLATION)}")
        try:
            events = await _joined(units, connection, chance)
            if chance.random() < 0.3:
                await asyncio.sleep(chance.random() * PAUSE)
            gives_up = chance.random() < 0.2
            await connection.execute("ROLLBACK" if gives_up else "COMMIT")
        except (ConcurrencyConflict, RetryTransaction, asyncpg.SerializationError):
            if connection.is_in_transaction():  # a commit that fails has ended it
                await connection.execute("ROLLBACK")
            counts["lost_races"] += 1
            continue
        if gives_up:
            counts["rolled_back"] += 1
        else:
            counts["acknowledged"] += events
            counts["joined"] += events


async def _joined(units: PostgresUnits, connection: Connection, chance: Random) -> int:
    count = 0
    unit = await units.join(connection)
    for _ in range(chance.randint(1, 3)):
        if chance.random() < 0.2:
            unit = await units.join(connection)
        gives_up = chance.random() < 0.3
        await connection.execute("SAVEPOINT here")
        some = [_noted(chance) for _ in range(chance.randint(1, 3))]
        await unit.append(Append(Stream("tape", f"s{chance.randrange(STREAMS)}"), some))
        if chance.random() < 0.2:
            await asyncio.sleep(chance.random() * PAUSE)
        await connection.execute("ROLLBACK TO SAVEPOINT here" if gives_up else "RELEASE SAVEPOINT here")
        count += 0 if gives_up else len(some)
    return count


def _noted(chance: Random) -> NewEvent:
    return NewEvent(event_id=chance.randbytes(16), type="Noted", data=b"1")


async def _write_elsewhere(connection: Connection, way: Way) -> None:
    """Transactions that are none of the store's business, each open for a while."""
    while True:
        async with connection.transaction():
            await connection.execute(way.sql("INSERT INTO {schema}.elsewhere VALUES (0)"))
            await asyncio.sleep(5 * PAUSE)


async def _append(way: Way, connection: Connection, chance: Random, transactions: int, counts: dict[str, int]) -> None:
    for _ in range(transactions):
        await connection.execute("BEGIN")
        try:
            events = await _events(way, connection, chance)
        except LOST_RACES:
            await connection.execute("ROLLBACK")
            counts["lost_races"] += 1
            continue
        if chance.random() < 0.3:
            await asyncio.sleep(chance.random() * PAUSE)
        if chance.random() < 0.2:
            await connection.execute("ROLLBACK")
            counts["rolled_back"] += 1
        else:
            await connection.execute("COMMIT")
            counts["acknowledged"] += events


async def _events(way: Way, connection: Connection, chance: Random) -> int:
    if chance.random() < 0.4:
        await connection.execute(way.sql("INSERT INTO {schema}.elsewhere VALUES (1)"))
        await asyncio.sleep(chance.random() * PAUSE)
    if chance.random() < 0.1:
        await connection.execute("SAVEPOINT here")
        await way.enter(connection)
        await way.insert(connection, f"s{chance.randrange(STREAMS)}")
        await connection.execute("ROLLBACK TO SAVEPOINT here")
    count = 0
    for stream in sorted(chance.sample(range(STREAMS), chance.choice((1, 1, 1, 1, 2)))):
        await way.enter(connection)
        for _ in range(chance.randint(1, 3)):
            await way.insert(connection, f"s{stream}")
            count += 1
    return count
