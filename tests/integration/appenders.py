"""A store on Postgres, and appenders by hand: their transactions stay open for as long as a test wants."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import asyncpg

from eventfold.adapters.postgres import open_postgres
from eventfold.adapters.postgres.event_store import PostgresEventStore
from eventfold.adapters.postgres.names import Names
from eventfold.adapters.system import system_clock
from eventfold.domain.message import Stream

INSERT = """
INSERT INTO {events} (category, id, version, event_id, type, schema_version, format, tags, recorded_at, data)
VALUES ($1, $2, 1 + coalesce((SELECT max(version) FROM {events} WHERE category = $1 AND id = $2), 0), $3, $4, 1, 0, $5,
        0, $6)
RETURNING position
"""
TAG = "INSERT INTO {event_tags} SELECT tag, $2, $3 FROM unnest($1::text[]) AS tag"


@asynccontextmanager
async def store_on(url: str, schema: str, **options: Any) -> AsyncIterator[PostgresEventStore]:
    store, rows, _ = await open_postgres(url, schema=schema, clock=system_clock, **options)
    try:
        yield store
    finally:
        await store.close()
        await rows.close()


class Appender:
    """One transaction that appends as the store's functions do: it enters, then draws and inserts."""

    def __init__(self, connection: Any, names: Names) -> None:
        self.connection = connection
        self.names = names
        self.transaction = connection.transaction()

    async def append(self, id: str, *, type: str = "Happened", tags: tuple[str, ...] = ()) -> int:
        await self.connection.execute(self.names.fill("SELECT {enter}()"))
        values = (*Stream("account", id), uuid4(), type, list(tags) or None, b"{}")
        position: int = await self.connection.fetchval(self.names.fill(INSERT), *values)
        if tags:
            await self.connection.execute(self.names.fill(TAG), list(tags), position, type)
        return position

    async def commit(self) -> None:
        await self.transaction.commit()

    async def rollback(self) -> None:
        await self.transaction.rollback()


@asynccontextmanager
async def appender(url: str, schema: str, *, name: str = "appender") -> AsyncIterator[Appender]:
    """Of another process, as far as the store can tell: nobody rings a bell for it, and nobody sends a hint."""
    connection = await asyncpg.connect(url, server_settings={"application_name": name})
    try:
        open = Appender(connection, Names(schema))
        await open.transaction.start()
        yield open
    finally:
        await connection.close()


async def append_elsewhere(url: str, schema: str, *ids: str, **fields: Any) -> list[int]:
    """Committed by another process, one transaction for all."""
    async with appender(url, schema) as other:
        positions = [await other.append(id, **fields) for id in ids]
        await other.commit()
    return positions


async def notify_elsewhere(url: str, schema: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("SELECT pg_notify($1, 'somebody else')", f"{schema}.events")
    finally:
        await connection.close()


async def soon(awaitable: Any, seconds: float = 30.0) -> Any:
    async with asyncio.timeout(seconds):
        return await awaitable
