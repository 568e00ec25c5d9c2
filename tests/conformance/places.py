"""Where a whole store can be: mixed into a suite that takes it from the fixture `stores`."""

from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import pytest

from eventfold.adapters.system import ManualClock
from eventfold.bootstrap.stores import Stores, open_stores
from tests.pgbouncer import PgBouncer
from tests.postgres import PostgresServer


class AtUrl:
    """With a fixture `url`."""

    @pytest.fixture
    async def stores(self, url: str, clock: ManualClock) -> AsyncIterator[Stores]:
        async with open_stores(url, clock=clock, migrate=True) as stores:
            yield stores


class InMemory(AtUrl):
    @pytest.fixture
    def url(self) -> str:
        return "memory:"


class InAFile(AtUrl):
    @pytest.fixture
    def url(self, tmp_path: Path) -> str:
        return f"sqlite:///{tmp_path}/e.db"


class OnAServer(AtUrl):
    @pytest.fixture
    def url(self, postgres: PostgresServer, postgres_schema: str) -> str:
        return f"{postgres.url}?schema={postgres_schema}"


class BehindPgBouncer(AtUrl):
    @pytest.fixture
    def url(self, pgbouncer: PgBouncer, postgres_schema: str) -> str:
        return f"{pgbouncer.url}?schema={postgres_schema}&direct={quote(pgbouncer.direct_url, safe='')}"
