"""Appenders and readers on a real server, a statement at a time: the store's own functions, and ways that are wrong."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from uuid import uuid4

import asyncpg

from eventfold.adapters.postgres.migrate import bring_up_to_date
from eventfold.adapters.postgres.names import Names

Connection: TypeAlias = Any
"""Of asyncpg: its annotations differ between releases."""
Row: TypeAlias = tuple[int, str, int]
"""Position, stream, version."""

INSERT = """
INSERT INTO {events} (category, id, version, event_id, type, format, recorded_at)
SELECT 'tape', $1, coalesce(max(version), 0) + 1, $2, 'Noted', 0, 0 FROM {events} WHERE category = 'tape' AND id = $1
"""
APPEND_1 = "SELECT {append_1}('tape', $1, -1, $2, 'Noted', 0, 0::smallint, null, null, null, null, null, '1')"
APPEND_ALL = """
SELECT * FROM {append_all}(
    ARRAY['tape'], ARRAY[$1], ARRAY[-1::bigint], ARRAY[1], ARRAY[1], ARRAY[$2::uuid], ARRAY['Noted'], ARRAY[0],
    ARRAY[0::smallint], ARRAY[null::text], ARRAY[null::text], null, ARRAY[null::bigint], ARRAY[null::bytea],
    ARRAY['1'::bytea], null, null, null, null, null)
"""
COMMITTED = "SELECT position, id, version FROM {events} ORDER BY position"
PAGE = "SELECT position, id, version FROM {events} WHERE position > $1 AND position <= $2 ORDER BY position"
UNBOUNDED = 2**62


@asynccontextmanager
async def connected(url: str, count: int, *, durable: bool = False) -> AsyncIterator[list[Connection]]:
    """Commits wait for the disk only if `durable`: order does not depend on it, what survives a crash does."""
    settings = {"synchronous_commit": "on" if durable else "off"}
    async with AsyncExitStack() as stack:
        opened = []
        for _ in range(count):
            connection = await asyncpg.connect(url, server_settings=settings)
            stack.push_async_callback(connection.close)
            opened.append(connection)
        yield opened


async def prepared_schema(connection: Connection, schema: str) -> Names:
    """The store's tables, and one that is none of its business."""
    names = Names(schema)
    await bring_up_to_date(connection, names, "test")
    await connection.execute(names.fill("CREATE TABLE {schema}.elsewhere (n int)"))
    return names


@dataclass
class Reading:
    """A reader's connection and how far it is. `got`: every row, in the order it came."""

    connection: Connection
    cursor: Any = 0
    bound: int = 0
    got: list[Row] = field(default_factory=list)


class Way:
    """The appender epoch. What is below it does one thing wrong."""

    def __init__(self, names: Names) -> None:
        self.names = names

    def sql(self, statement: str) -> str:
        return self.names.fill(statement)

    async def enter(self, connection: Connection) -> None:
        await connection.execute(self.sql("SELECT {enter}()"))

    async def insert(self, connection: Connection, stream: str) -> None:
        await connection.execute(self.sql(INSERT), stream, uuid4())

    def ended(self, connection: Connection) -> None:
        """The transaction of this connection is over."""

    async def look(self, reading: Reading) -> None:
        reading.bound = await reading.connection.fetchval(self.sql("SELECT {bound}()"))

    async def page(self, reading: Reading) -> None:
        await self._take(reading, await reading.connection.fetch(self.sql(PAGE), reading.cursor, reading.bound))

    async def _take(self, reading: Reading, rows: Sequence[Any]) -> None:
        reading.got += [tuple(row) for row in rows]
        if rows:
            reading.cursor = rows[-1][0]


class ByHorizon(Way):
    """As the store's subscriptions read: up to the last event that is final."""

    async def look(self, reading: Reading) -> None:
        reading.bound = await reading.connection.fetchval(self.sql("SELECT head FROM {horizon}()"))


class LostRace(Exception):
    """A rival had this version first, and nothing was stored."""


class ByAppend1(Way):
    """As the store appends one event."""

    async def enter(self, connection: Connection) -> None:
        """The function does it."""

    async def insert(self, connection: Connection, stream: str) -> None:
        if await connection.fetchval(self.sql(APPEND_1), stream, uuid4()) is None:
            raise LostRace(stream)


class ByAppendAll(ByAppend1):
    """As the store appends within a transaction that goes on."""

    async def insert(self, connection: Connection, stream: str) -> None:
        row = await connection.fetchrow(self.sql(APPEND_ALL), stream, uuid4())
        if row["status"] != "committed":
            raise LostRace(stream)


class NoLock(Way):
    async def enter(self, connection: Connection) -> None:
        return None


class Naive(Way):
    async def look(self, reading: Reading) -> None:
        reading.bound = UNBOUNDED


class ClientRemembers(Way):
    """It is remembered in the client that the lock is held, and a savepoint takes the lock away."""

    def __init__(self, names: Names) -> None:
        super().__init__(names)
        self._entered: set[Connection] = set()

    async def enter(self, connection: Connection) -> None:
        if connection not in self._entered:
            await super().enter(connection)
            self._entered.add(connection)

    def ended(self, connection: Connection) -> None:
        self._entered.discard(connection)


class Unsigned(Way):
    """The 32 bits of a lock are put below the high bits of today's sequence."""

    async def look(self, reading: Reading) -> None:
        reading.bound = await reading.connection.fetchval(
            self.sql(
                "SELECT least(reached, min(reached >> 32 << 32 | objid::bigint)) "
                "FROM coalesce(pg_sequence_last_value('{events_position_seq}'), 0) AS reached LEFT JOIN pg_locks "
                "ON locktype = 'advisory' AND classid = '{events}'::regclass AND objsubid = 2 GROUP BY reached"
            )
        )


class OneSnapshot(Way):
    """As when the bound is found within the statement that reads the page: its snapshot is older than the bound."""

    async def look(self, reading: Reading) -> None:
        await reading.connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        await reading.connection.execute("SELECT pg_current_snapshot()")

    async def page(self, reading: Reading) -> None:
        reached = self.sql("SELECT coalesce(pg_sequence_last_value('{events_position_seq}'), 0)")
        reading.bound = await reading.connection.fetchval(reached)
        held = self.sql(HOLDERS)
        for holder in await reading.connection.fetch(held):
            reading.bound = min(reading.bound, holder["since"])
        await super().page(reading)
        await reading.connection.execute("COMMIT")


class ByTransaction(Way):
    """The widely copied cursor: (transaction id, position) below the oldest transaction that is open."""

    async def enter(self, connection: Connection) -> None:
        return None

    async def look(self, reading: Reading) -> None:
        return None

    async def page(self, reading: Reading) -> None:
        xid, position = reading.cursor or (0, 0)
        rows = await reading.connection.fetch(
            self.sql(
                "SELECT position, id, version, xmin::text::bigint AS xid FROM {events} "
                "WHERE xmin::text::bigint < pg_snapshot_xmin(pg_current_snapshot())::text::bigint "
                "AND (xmin::text::bigint, position) > ($1, $2) ORDER BY xid, position"
            ),
            xid,
            position,
        )
        reading.got += [tuple(row)[:3] for row in rows]
        if rows:
            reading.cursor = (rows[-1]["xid"], rows[-1][0])


HOLDERS = """
SELECT pid, reached + (((objid::bigint - reached) << 32) >> 32) AS since
  FROM pg_locks, coalesce(pg_sequence_last_value('{events_position_seq}'), 0) AS reached
 WHERE locktype = 'advisory' AND classid = '{events}'::regclass AND objsubid = 2 AND granted
   AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
 ORDER BY since
"""
"""Who holds the readers back: the server process, NULL for a prepared transaction, and the position it began at."""


def faults(got: Sequence[Row], committed: Sequence[Row]) -> list[str]:
    """What a reader has lost, doubled, invented or turned round, in words."""
    found = []
    if lost := set(committed) - set(got):
        found.append(f"lost {len(lost)}: {sorted(lost)[:3]}")
    if len(set(got)) != len(got):
        found.append(f"doubled {len(got) - len(set(got))}")
    if invented := set(got) - set(committed):
        found.append(f"invented {sorted(invented)[:3]}")
    reached: dict[str, int] = defaultdict(int)
    turned = 0
    for _, stream, version in got:
        turned += version < reached[stream]
        reached[stream] = max(version, reached[stream])
    if turned:
        found.append(f"out of order {turned}")
    return found
