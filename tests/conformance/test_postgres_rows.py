"""Postgres keeps every promise of rows, checkpoints and the register of processors."""

from __future__ import annotations

from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest

from eventfold.adapters.postgres.connection import Connections
from eventfold.adapters.postgres.migrate import bring_up_to_date
from eventfold.adapters.postgres.names import Names
from eventfold.adapters.postgres.read_model import PostgresReadModel
from eventfold.adapters.system import ManualClock
from eventfold.testing.conformance import (
    CheckpointStoreConformance,
    ProcessorRegisterConformance,
    ReadModelConformance,
)
from tests.pgbouncer import PgBouncer
from tests.postgres import PostgresServer


class OnPostgres:
    @pytest.fixture
    async def rows(
        self, postgres: PostgresServer, postgres_schema: str, clock: ManualClock
    ) -> AsyncIterator[PostgresReadModel]:
        """Our tables in one fresh schema, the projectors' in another, which the connections find first."""
        url = f"{postgres.url}?options=-csearch_path%3D{postgres_schema}_rows"
        names = Names(postgres_schema)
        connections = Connections(url, most=8)
        async with connections.use() as connection:
            await bring_up_to_date(connection, names, connections.where)
            await connection.execute(f'CREATE SCHEMA "{postgres_schema}_rows"')
        yield PostgresReadModel(connections, names, clock)
        await connections.close()
        postgres.execute(f'DROP SCHEMA "{postgres_schema}_rows" CASCADE')


class ThroughPgBouncer:
    """In transaction mode; a database of its own, for a pooler lets no search_path through."""

    @pytest.fixture
    async def rows(
        self, postgres: PostgresServer, pgbouncer: PgBouncer, postgres_schema: str, clock: ManualClock
    ) -> AsyncIterator[PostgresReadModel]:
        database = f"{postgres_schema}_db"
        postgres.execute(f"CREATE DATABASE {database}")
        pooled, direct = (urlsplit(url)._replace(path=f"/{database}").geturl() for url in (pgbouncer.url, postgres.url))
        names = Names()
        connections = Connections(pooled, direct=direct, most=8)
        server = await connections.direct()
        await bring_up_to_date(server, names, connections.where)
        await server.close()
        yield PostgresReadModel(connections, names, clock)
        await connections.close()
        postgres.execute(f"DROP DATABASE {database} WITH (FORCE)")


class TestPostgresCheckpoints(OnPostgres, CheckpointStoreConformance):
    @pytest.fixture
    def checkpoints(self, rows: PostgresReadModel) -> PostgresReadModel:
        return rows


class TestPostgresRows(OnPostgres, ReadModelConformance):
    pass


class TestPostgresProcessors(OnPostgres, ProcessorRegisterConformance):
    pass


class TestPgBouncerCheckpoints(ThroughPgBouncer, TestPostgresCheckpoints):
    pass


class TestPgBouncerRows(ThroughPgBouncer, ReadModelConformance):
    pass


class TestPgBouncerProcessors(ThroughPgBouncer, ProcessorRegisterConformance):
    pass
