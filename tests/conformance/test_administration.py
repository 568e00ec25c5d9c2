"""What only an administrator does, on every store: each is as strict as the others."""

from __future__ import annotations

from pathlib import Path

import pytest

from eventfold.bootstrap.stores import Stores
from eventfold.ports.administration import Administration
from eventfold.ports.event_store import EventStore
from eventfold.testing.conformance import AdministrationConformance
from tests.conformance.places import AtUrl, BehindPgBouncer, InAFile, InMemory, OnAServer
from tests.postgres import PostgresServer


class OnAnyStore(AdministrationConformance):
    @pytest.fixture
    def store(self, stores: Stores) -> EventStore:
        return stores.events

    @pytest.fixture
    def administration(self, stores: Stores) -> Administration:
        return stores.administration


class TestC11C12Memory(InMemory, OnAnyStore):
    pass


class TestC11C12Sqlite(InAFile, OnAnyStore):
    pass


class TestC11C12SqliteInItsThread(AtUrl, OnAnyStore):
    @pytest.fixture
    def url(self, tmp_path: Path) -> str:
        return f"sqlite:///{tmp_path}/e.db?writer=thread"


class TestC11C12Postgres(OnAServer, OnAnyStore):
    pass


class TestC11C12PostgresOnOneConnection(AtUrl, OnAnyStore):
    @pytest.fixture
    def url(self, postgres: PostgresServer, postgres_schema: str) -> str:
        return f"{postgres.url}?schema={postgres_schema}&pool=1"


class TestC11C12PostgresBehindPgBouncer(BehindPgBouncer, OnAnyStore):
    pass


class TestC11C12PostgresOfAnOlderRelease(AtUrl, OnAnyStore):
    @pytest.fixture
    def url(self, postgres_old: PostgresServer, postgres_schema: str) -> str:
        return f"{postgres_old.url}?schema={postgres_schema}"
