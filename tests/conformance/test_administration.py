"""What only an administrator does, on every store: each is as strict as the others."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import pytest

from eventfold.adapters.system import ManualClock
from eventfold.bootstrap.stores import Stores, open_stores
from eventfold.ports.administration import Administration
from eventfold.ports.event_store import EventStore
from eventfold.testing.conformance import AdministrationConformance
from tests.pgbouncer import PgBouncer
from tests.postgres import PostgresServer


class OnAnyStore(AdministrationConformance):
    @pytest.fixture
    def url(self) -> str:
        raise NotImplementedError

    @pytest.fixture
    async def stores(self, url: str, clock: ManualClock) -> AsyncIterator[Stores]:
        async with open_stores(url, clock=clock, migrate=True) as stores:
            yield stores

    @pytest.fixture
    def store(self, stores: Stores) -> EventStore:
        return stores.events

    @pytest.fixture
    def administration(self, stores: Stores) -> Administration:
        return stores.administration


class TestC11C12Memory(OnAnyStore):
    @pytest.fixture
    def url(self) -> str:
        return "memory:"


class TestC11C12Sqlite(OnAnyStore):
    @pytest.fixture
    def url(self, tmp_path: Path) -> str:
        return f"sqlite:///{tmp_path}/e.db"


class TestC11C12SqliteInItsThread(OnAnyStore):
    @pytest.fixture
    def url(self, tmp_path: Path) -> str:
        return f"sqlite:///{tmp_path}/e.db?writer=thread"


class TestC11C12Postgres(OnAnyStore):
    @pytest.fixture
    def url(self, postgres: PostgresServer, postgres_schema: str) -> str:
        return f"{postgres.url}?schema={postgres_schema}"


class TestC11C12PostgresOnOneConnection(OnAnyStore):
    @pytest.fixture
    def url(self, postgres: PostgresServer, postgres_schema: str) -> str:
        return f"{postgres.url}?schema={postgres_schema}&pool=1"


class TestC11C12PostgresBehindPgBouncer(OnAnyStore):
    @pytest.fixture
    def url(self, pgbouncer: PgBouncer, postgres_schema: str) -> str:
        return f"{pgbouncer.url}?schema={postgres_schema}&direct={quote(pgbouncer.direct_url, safe='')}"


class TestC11C12PostgresOfAnOlderRelease(OnAnyStore):
    @pytest.fixture
    def url(self, postgres_old: PostgresServer, postgres_schema: str) -> str:
        return f"{postgres_old.url}?schema={postgres_schema}"
