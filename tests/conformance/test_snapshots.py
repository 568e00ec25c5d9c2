"""Snapshots on every store."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from eventfold.adapters.system import ManualClock
from eventfold.bootstrap.stores import Stores, open_stores
from eventfold.testing.conformance import SnapshotStoreConformance
from tests.pgbouncer import PgBouncer
from tests.postgres import PostgresServer


class TestH6InMemory(SnapshotStoreConformance):
    @pytest.fixture
    def url(self) -> str:
        return "memory:"

    @pytest.fixture
    async def stores(self, url: str, clock: ManualClock) -> AsyncIterator[Stores]:
        async with open_stores(url, clock=clock, migrate=True) as stores:
            yield stores


class TestH6Sqlite(TestH6InMemory):
    @pytest.fixture
    def url(self, tmp_path: Path) -> str:
        return f"sqlite:///{tmp_path}/store.db"


class TestH6Postgres(TestH6InMemory):
    @pytest.fixture
    def url(self, postgres: PostgresServer, postgres_schema: str) -> str:
        return f"{postgres.url}?schema={postgres_schema}"


class TestH6PgBouncer(TestH6InMemory):
    @pytest.fixture
    def url(self, pgbouncer: PgBouncer, postgres_schema: str) -> str:
        return f"{pgbouncer.url}?schema={postgres_schema}&direct={pgbouncer.direct_url}"
