"""Applications with transactions of their own, by every driver that a store can join."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final, TypeAlias

import asyncpg
import psycopg
import sqlalchemy
from sqlalchemy import NullPool, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession, create_async_engine
from sqlalchemy.orm import Session


class Caller:
    """What is joined, and how its owner works with it. Its transaction has begun."""

    def __init__(
        self,
        connection: Any,
        execute: Callable[[str], Awaitable[Any]],
        commit: Callable[[], Awaitable[Any]],
        rollback: Callable[[], Awaitable[Any]],
    ) -> None:
        self.connection = connection
        self.execute = execute
        self.commit = commit
        self.rollback = rollback


Opening: TypeAlias = Callable[[str, str], AbstractAsyncContextManager[Caller]]
"""From a URL and an isolation level."""


def begin(isolation: str) -> str:
    return f"BEGIN ISOLATION LEVEL {isolation}"


def over_asyncpg(connection: Any) -> Caller:
    return Caller(
        connection,
        connection.execute,
        lambda: connection.execute("COMMIT"),
        lambda: connection.execute("ROLLBACK"),
    )


@asynccontextmanager
async def by_asyncpg(url: str, isolation: str) -> AsyncIterator[Caller]:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(begin(isolation))
        yield over_asyncpg(connection)
    finally:
        await connection.close()


@asynccontextmanager
async def by_asyncpg_pool(url: str, isolation: str) -> AsyncIterator[Caller]:
    async with asyncpg.create_pool(url, min_size=1, max_size=1) as pool, pool.acquire() as connection:
        await connection.execute(begin(isolation))
        yield over_asyncpg(connection)


@asynccontextmanager
async def by_psycopg(url: str, isolation: str) -> AsyncIterator[Caller]:
    connection = await psycopg.AsyncConnection.connect(url)
    try:
        await connection.set_isolation_level(_LEVELS[isolation])
        yield Caller(connection, lambda sql: connection.execute(sql.encode()), connection.commit, connection.rollback)
    finally:
        await connection.close()


@asynccontextmanager
async def by_psycopg_sync(url: str, isolation: str) -> AsyncIterator[Caller]:
    connection = psycopg.connect(url)
    try:
        connection.set_isolation_level(_LEVELS[isolation])

        async def execute(sql: str) -> Any:
            return await asyncio.to_thread(connection.execute, sql.encode())

        yield Caller(connection, execute, _later(connection.commit), _later(connection.rollback))
    finally:
        connection.close()


def by_sqlalchemy(driver: str, *, session: bool) -> Opening:
    @asynccontextmanager
    async def opening(url: str, isolation: str) -> AsyncIterator[Caller]:
        engine = create_async_engine(_with(url, driver), poolclass=NullPool, isolation_level=isolation.upper())
        using: AsyncSession | AsyncConnection
        async with AsyncSession(engine) if session else engine.connect() as using:
            each = using
            yield Caller(using, lambda sql: each.execute(text(sql)), using.commit, using.rollback)
        await engine.dispose()

    return opening


def by_sqlalchemy_sync(*, session: bool) -> Opening:
    @asynccontextmanager
    async def opening(url: str, isolation: str) -> AsyncIterator[Caller]:
        engine = sqlalchemy.create_engine(_with(url, "psycopg"), poolclass=NullPool, isolation_level=isolation.upper())
        with Session(engine) if session else engine.connect() as using:
            each = using

            async def execute(sql: str) -> Any:
                return await asyncio.to_thread(each.execute, text(sql))

            yield Caller(using, execute, _later(using.commit), _later(using.rollback))
        engine.dispose()

    return opening


def _later(function: Callable[[], Any]) -> Callable[[], Awaitable[Any]]:
    return lambda: asyncio.to_thread(function)


def _with(url: str, driver: str) -> str:
    return url.replace("postgresql:", f"postgresql+{driver}:", 1)


_LEVELS: Final = {
    "read committed": psycopg.IsolationLevel.READ_COMMITTED,
    "repeatable read": psycopg.IsolationLevel.REPEATABLE_READ,
    "serializable": psycopg.IsolationLevel.SERIALIZABLE,
}

EVERY_KIND: Final[dict[str, Opening]] = {
    "asyncpg": by_asyncpg,
    "asyncpg of a pool": by_asyncpg_pool,
    "psycopg async": by_psycopg,
    "psycopg sync": by_psycopg_sync,
    "AsyncConnection over asyncpg": by_sqlalchemy("asyncpg", session=False),
    "AsyncSession over asyncpg": by_sqlalchemy("asyncpg", session=True),
    "AsyncConnection over psycopg": by_sqlalchemy("psycopg", session=False),
    "AsyncSession over psycopg": by_sqlalchemy("psycopg", session=True),
    "Connection over psycopg": by_sqlalchemy_sync(session=False),
    "Session over psycopg": by_sqlalchemy_sync(session=True),
}
