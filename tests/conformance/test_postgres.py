"""Postgres keeps every promise of the log: old and new, on many connections and on one, and behind PgBouncer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from eventfold.adapters.postgres import open_postgres
from eventfold.adapters.system import ManualClock
from eventfold.ports.event_store import EventStore
from eventfold.testing.conformance import DurableEventStoreConformance
from tests.pgbouncer import PgBouncer
from tests.postgres import PostgresServer

Open = Callable[[], Awaitable[EventStore]]


class TestPostgres(DurableEventStoreConformance):
    clock_is_injected = False

    @pytest.fixture
    def options(self, postgres: PostgresServer) -> dict[str, Any]:
        return {"url": postgres.url}

    @pytest.fixture
    async def open(self, options: dict[str, Any], postgres_schema: str, clock: ManualClock) -> AsyncIterator[Open]:
        opened: list[Any] = []

        async def open() -> EventStore:
            both = await open_postgres(**options, schema=postgres_schema, clock=clock)
            opened.extend(both)
            return both[0]

        yield open
        for each in opened:
            await each.close()

    @pytest.fixture
    async def store(self, open: Open) -> EventStore:
        return await open()

    @pytest.fixture
    def reopen(self, open: Open) -> Callable[[EventStore], Awaitable[EventStore]]:
        async def reopen(store: EventStore) -> EventStore:
            await store.close()
            return await open()

        return reopen


class TestPostgresOnOneConnection(TestPostgres):
    @pytest.fixture
    def options(self, postgres: PostgresServer) -> dict[str, Any]:
        return {"url": postgres.url, "pool": 1}


class TestPostgresWithoutHints(TestPostgres):
    @pytest.fixture
    def options(self, postgres: PostgresServer) -> dict[str, Any]:
        return {"url": postgres.url, "notify": False, "poll": 0.05}


class TestPostgresBehindPgBouncer(TestPostgres):
    @pytest.fixture
    def options(self, pgbouncer: PgBouncer) -> dict[str, Any]:
        return {"url": pgbouncer.url, "direct": pgbouncer.direct_url}


class TestPostgresOfAnOlderRelease(TestPostgres):
    @pytest.fixture
    def options(self, postgres_old: PostgresServer) -> dict[str, Any]:
        return {"url": postgres_old.url}
