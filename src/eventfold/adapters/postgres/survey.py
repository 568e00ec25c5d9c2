"""Looking at a store without opening it as one: numbers for people. It makes nothing and changes nothing."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final
from uuid import UUID

from eventfold.adapters.postgres.connection import Connection, Connections
from eventfold.adapters.postgres.migrate import found_version, latest_version, oldest_version
from eventfold.adapters.postgres.names import Names
from eventfold.errors import StoreNotMigrated
from eventfold.ports.inspection import SchemaVersion, Statistics

__all__ = ["looking", "position_of", "schema_version", "statistics"]

EVENTS: Final = """
SELECT count(*), coalesce(min(position), 0), coalesce(max(position), 0), min(recorded_at), max(recorded_at)
FROM {events}
"""
CATEGORIES: Final = """
SELECT category, count(DISTINCT id), count(*) FROM {events} GROUP BY category ORDER BY count(*) DESC, category
"""
TYPES: Final = "SELECT type, count(*) FROM {events} GROUP BY type ORDER BY count(*) DESC, type"
TAGS: Final = "SELECT count(DISTINCT tag) FROM {event_tags}"
SIZE: Final = """
SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = $1 AND c.relkind = 'r'
"""
POSITION_OF: Final = "SELECT position FROM {events} WHERE event_id = $1"


@asynccontextmanager
async def looking(dsn: str, *, direct: str | None) -> AsyncGenerator[tuple[Connection, str]]:
    """
    A connection within a transaction that only reads and sees one moment, and where it leads.

    Raises:
        InvalidStoreUrl, StoreError: it cannot be had.
    """
    connections = Connections(dsn, direct=direct, most=1)
    try:
        async with (
            connections.use() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            yield connection, connections.where
    finally:
        await connections.close()


async def schema_version(dsn: str, *, schema: str, direct: str | None) -> SchemaVersion:
    """Raises as `looking` does, also when nothing of ours is there; NotAStore, StoreTooNew."""
    async with looking(dsn, direct=direct) as (connection, where):
        found = await found_version(connection, Names(schema), where, migrate=True)
        if found == 0:
            raise StoreNotMigrated(f"{where}, schema {schema}", 0, latest_version())
        return SchemaVersion(found, latest_version(), await oldest_version(connection, Names(schema), where))


async def statistics(dsn: str, *, schema: str, direct: str | None) -> Statistics:
    """Reads every event's place once. Raises as `looking` does; NotAStore, StoreTooNew, StoreNotMigrated."""
    names = Names(schema)
    async with looking(dsn, direct=direct) as (connection, where):
        await found_version(connection, names, where, migrate=False)
        events, first, last, began, ended = await connection.fetchrow(names.fill(EVENTS))
        found = await connection.fetch(names.fill(CATEGORIES))
        categories = {name: (streams, many) for name, streams, many in found}
        return Statistics(
            events=events,
            streams=sum(streams for streams, _ in categories.values()),
            categories=categories,
            types={name: many for name, many in await connection.fetch(names.fill(TYPES))},  # noqa: C416 - rows are no pairs
            tags=await connection.fetchval(names.fill(TAGS)),
            first_position=first,
            last_position=last,
            first_recorded_at=began,
            last_recorded_at=ended,
            size=await connection.fetchval(SIZE, schema),
        )


async def position_of(dsn: str, event_id: UUID, *, schema: str, direct: str | None) -> int | None:
    """Where the event with this id is; None when it is not in the store. Raises as `statistics` does."""
    names = Names(schema)
    async with looking(dsn, direct=direct) as (connection, where):
        await found_version(connection, names, where, migrate=False)
        position = await connection.fetchval(names.fill(POSITION_OF), event_id)
        return None if position is None else int(position)
