"""
T-12: what holds readers back, and what does not; who it is; and that nothing is skipped when it ends. With a server of
our own, because it is killed and because transactions are prepared.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator

import pytest

from eventfold.adapters.postgres.names import Names
from tests.postgres import PostgresServer, fresh_schema, start_postgres
from tests.protocol.live import COMMITTED, HOLDERS, Connection, Reading, Way, connected, faults, prepared_schema
from tests.torture.workload import FULL, report

HELD = 30.0 if FULL else 0.2
"""Seconds."""
SOON = 1.0
ATTEMPTS = 5
"""Of killing the server before it has written to disk which positions were drawn: it does that when it likes."""


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with start_postgres({"max_prepared_transactions": "5", "wal_writer_delay": "10s"}) as server:
        yield server


@pytest.fixture
def schemas(server: PostgresServer) -> Iterator[list[str]]:
    with fresh_schema(server) as ours, fresh_schema(server) as theirs:
        yield [ours, theirs]


@pytest.fixture
async def way(server: PostgresServer, schemas: list[str]) -> AsyncIterator[Way]:
    async with connected(server.url, 1) as (connection,):
        await prepared_schema(connection, schemas[1])
        yield Way(await prepared_schema(connection, schemas[0]))


async def append(way: Way, connection: Connection, stream: str) -> None:
    async with connection.transaction():
        await way.enter(connection)
        await way.insert(connection, stream)


async def poll(way: Way, reading: Reading) -> None:
    await way.look(reading)
    await way.page(reading)


@pytest.mark.parametrize("kind", ["an open append", "one that is idle before it inserts"])
async def test_t12_fm02_g08_an_open_append_holds_readers_back_and_is_named(
    server: PostgresServer, way: Way, kind: str
) -> None:
    async with connected(server.url, 3) as (holder, writer, reader):
        reading = Reading(reader)
        await append(way, writer, "before")
        await holder.execute("BEGIN")
        await way.enter(holder)
        if kind == "an open append":
            await way.insert(holder, "late")
        for _ in range(5):
            await append(way, writer, "meanwhile")
        until = time.monotonic() + HELD
        while time.monotonic() < until:
            await poll(way, reading)
            await asyncio.sleep(HELD / 20)
        assert [stream for _, stream, _ in reading.got] == ["before"]
        named = await reader.fetchrow(way.sql(HOLDERS))
        assert (named["pid"], named["since"]) == (holder.get_server_pid(), reading.cursor)
        if kind != "an open append":
            await way.insert(holder, "late")
        await holder.execute("COMMIT")
        released = time.monotonic()
        await poll(way, reading)
        assert time.monotonic() - released < SOON
        committed = [tuple(row) for row in await reader.fetch(way.sql(COMMITTED))]
        assert len(committed) == 7
        assert faults(reading.got, committed) == []
        report("T-12", store="postgres", holder=kind, faults=1, acknowledged=7, lost=0, skipped=0)


async def test_t12_a_reader_is_not_held_back_by_whoever_does_not_append(
    server: PostgresServer, way: Way, schemas: list[str]
) -> None:
    """A long transaction that has written elsewhere, a snapshot, an append to another store of this database."""
    async with connected(server.url, 5) as (elsewhere, snapshot, neighbour, writer, reader):
        await elsewhere.execute("BEGIN")
        await elsewhere.execute(way.sql("INSERT INTO {schema}.elsewhere VALUES (1)"))
        await snapshot.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        await snapshot.execute("SELECT pg_current_snapshot()")
        other = Way(Names(schemas[1]))
        await neighbour.execute("BEGIN")
        await other.enter(neighbour)
        await other.insert(neighbour, "theirs")
        await append(way, writer, "ours")
        reading = Reading(reader)
        await poll(way, reading)
        assert reading.got == [(1, "ours", 1)]
        for connection in (elsewhere, snapshot, neighbour):
            await connection.execute("COMMIT")


async def test_t12_fm02_a_prepared_transaction_holds_readers_back_even_after_a_crash(
    server: PostgresServer, way: Way
) -> None:
    async with connected(server.url, 2) as (holder, writer):
        await append(way, writer, "before")
        await holder.execute("BEGIN")
        await way.enter(holder)
        await way.insert(holder, "prepared")
        await holder.execute("PREPARE TRANSACTION 'forgotten'")
        await append(way, writer, "meanwhile")
        await writer.execute("CHECKPOINT")
    await asyncio.to_thread(server.kill)
    await asyncio.to_thread(server.start)
    async with connected(server.url, 1) as (reader,):
        reading = Reading(reader)
        await poll(way, reading)
        assert reading.got == [(1, "before", 1)]
        named = await reader.fetchrow(way.sql(HOLDERS))
        assert (named["pid"], named["since"]) == (None, 1)
        await reader.execute("COMMIT PREPARED 'forgotten'")
        await poll(way, reading)
        assert [stream for _, stream, _ in reading.got] == ["before", "prepared", "meanwhile"]


async def test_t12_g08_g10_positions_that_come_again_after_a_crash_are_above_every_cursor(
    server: PostgresServer, way: Way
) -> None:
    """The bound is not: a reader whose cursor was put there would skip the next event."""
    for _ in range(ATTEMPTS):
        async with connected(server.url, 3, durable=True) as (writer, vain, reader):
            await append(way, writer, "before")
            reading = Reading(reader)
            await poll(way, reading)
            await vain.execute("BEGIN")
            await way.enter(vain)
            await vain.execute(way.sql("SELECT count(nextval('{events_position_seq}')) FROM generate_series(1, 60)"))
            await vain.execute("ROLLBACK")
            await poll(way, reading)
            bound, cursor = reading.bound, reading.cursor
            await asyncio.to_thread(server.kill)
        await asyncio.to_thread(server.start)
        async with connected(server.url, 2, durable=True) as (writer, reader):
            await append(way, writer, "after")
            again = Reading(reader, cursor=cursor)
            await poll(way, again)
        assert [stream for _, stream, _ in again.got] == ["after"]
        if again.cursor <= bound:
            break
    else:
        pytest.fail("no position came again, so nothing was tried")
    report("T-12", store="postgres", faults=1, bound=bound, cursor=cursor, came_again=again.cursor, lost=0, skipped=0)
