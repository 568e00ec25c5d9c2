"""Postgres keeps every promise of the log: old and new, on many connections and on one, and behind PgBouncer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, TypeAlias
from urllib.parse import urlsplit

import pytest

from eventfold.adapters.postgres import PostgresEventStore, open_postgres
from eventfold.adapters.postgres.command_log import PostgresCommandLog
from eventfold.adapters.system import ManualClock
from eventfold.ports.command_log import CommandLog
from eventfold.ports.event_store import EventStore
from eventfold.ports.read_model import ReadModel
from eventfold.ports.unit import Units
from eventfold.testing.conformance import CommandLogConformance, DurableEventStoreConformance, UnitsConformance
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
            opened.extend(both[:2])
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


Opened: TypeAlias = tuple[EventStore, ReadModel, Units]


class OnPostgres:
    pool = 8

    @pytest.fixture
    def options(self, postgres: PostgresServer, postgres_schema: str) -> Iterator[dict[str, Any]]:
        """Our tables in one fresh schema, the application's in another, which the connections find first."""
        postgres.execute(f"CREATE SCHEMA {postgres_schema}_rows")
        url = f"{postgres.url}?options=-csearch_path%3D{postgres_schema}_rows"
        yield {"url": url, "schema": postgres_schema}
        postgres.execute(f"DROP SCHEMA {postgres_schema}_rows CASCADE")

    @pytest.fixture
    async def opened(self, options: dict[str, Any], clock: ManualClock) -> AsyncIterator[Opened]:
        events, rows, units = await open_postgres(**options, pool=self.pool, clock=clock)
        yield events, rows, units
        await events.close()
        await rows.close()

    @pytest.fixture
    def events(self, opened: Opened) -> EventStore:
        return opened[0]

    @pytest.fixture
    def rows(self, opened: Opened) -> ReadModel:
        return opened[1]

    @pytest.fixture
    def units(self, opened: Opened) -> Units:
        return opened[2]


class OnOneConnection(OnPostgres):
    pool = 1


class BehindPgBouncer(OnPostgres):
    @pytest.fixture
    def options(self, postgres: PostgresServer, pgbouncer: PgBouncer, postgres_schema: str) -> Iterator[dict[str, Any]]:
        """A database of its own, for a pooler lets no search_path through."""
        name = f"{postgres_schema}_db"
        postgres.execute(f"CREATE DATABASE {name}")
        pooled, direct = (urlsplit(url)._replace(path=f"/{name}").geturl() for url in (pgbouncer.url, postgres.url))
        yield {"url": pooled, "direct": direct}
        postgres.execute(f"DROP DATABASE {name} WITH (FORCE)")


class OfAnOlderRelease(OnPostgres):
    @pytest.fixture
    def options(self, postgres_old: PostgresServer, postgres_schema: str) -> Iterator[dict[str, Any]]:
        name = f"{postgres_schema}_db"
        postgres_old.execute(f"CREATE DATABASE {name}")
        yield {"url": urlsplit(postgres_old.url)._replace(path=f"/{name}").geturl()}
        postgres_old.execute(f"DROP DATABASE {name} WITH (FORCE)")


class TestUnits(OnPostgres, UnitsConformance): ...


class TestUnitsOnOneConnection(OnOneConnection, UnitsConformance): ...


class TestUnitsBehindPgBouncer(BehindPgBouncer, UnitsConformance): ...


class TestUnitsOfAnOlderRelease(OfAnOlderRelease, UnitsConformance): ...


class TestCommands(OnPostgres, CommandLogConformance):
    clock_is_injected = False

    @pytest.fixture
    def commands(self, opened: tuple[PostgresEventStore, Any, Any]) -> CommandLog:
        return PostgresCommandLog.of(opened[0])


class TestCommandsOnOneConnection(OnOneConnection, TestCommands): ...


class TestCommandsBehindPgBouncer(BehindPgBouncer, TestCommands): ...


class TestCommandsOfAnOlderRelease(OfAnOlderRelease, TestCommands): ...
