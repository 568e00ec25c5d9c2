"""Postgres keeps every promise of rows, checkpoints, the register of processors and what is kept beside them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from urllib.parse import urlsplit

import pytest

from eventfold.adapters.postgres.actions import PostgresActions
from eventfold.adapters.postgres.connection import Connections
from eventfold.adapters.postgres.leases import PostgresLeases
from eventfold.adapters.postgres.migrate import bring_up_to_date
from eventfold.adapters.postgres.names import Names
from eventfold.adapters.postgres.read_model import PostgresReadModel
from eventfold.adapters.postgres.timers import PostgresTimers
from eventfold.adapters.system import ManualClock
from eventfold.testing.conformance import (
    ActionsConformance,
    CheckpointStoreConformance,
    LeasesConformance,
    ParkingLotConformance,
    ProcessorRegisterConformance,
    ReadModelConformance,
    TimersConformance,
)
from tests.pgbouncer import PgBouncer
from tests.postgres import PostgresServer


class Twice:
    """The same store by other connections, as another process has it."""

    @pytest.fixture
    async def others(self, rows: PostgresReadModel, clock: ManualClock) -> AsyncIterator[PostgresReadModel]:
        mine = rows._connections
        connections = Connections(mine.url, direct=mine.direct_url if mine.pooled else None, most=8)
        yield PostgresReadModel(connections, rows._names, clock)
        await connections.close()


class OnPostgres(Twice):
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


class ThroughPgBouncer(Twice):
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


class TestPostgresParkingLot(OnPostgres, ParkingLotConformance):
    pass


class TestPostgresActions(OnPostgres, ActionsConformance):
    @pytest.fixture
    def actions(self, rows: PostgresReadModel) -> PostgresActions:
        return rows.actions

    @pytest.fixture
    def other(self, others: PostgresReadModel) -> PostgresActions:
        return others.actions


class TestPostgresLeases(OnPostgres, LeasesConformance):
    @pytest.fixture
    def leases(self, rows: PostgresReadModel) -> PostgresLeases:
        return rows.leases

    @pytest.fixture
    def other(self, others: PostgresReadModel) -> PostgresLeases:
        return others.leases

    @pytest.fixture
    def wipe(self, rows: PostgresReadModel) -> Callable[[], Awaitable[None]]:
        async def wipe() -> None:
            async with rows._connections.use() as connection:
                await connection.execute(rows._names.fill("DELETE FROM {leases}"))

        return wipe

    @pytest.fixture
    def lease(self) -> float:
        return 0.5

    @pytest.fixture
    def pass_time(self) -> Callable[[float], Awaitable[None]]:
        return asyncio.sleep  # it is the server's clock, and nobody moves that


class TestFM18PostgresTimers(OnPostgres, TimersConformance):
    @pytest.fixture
    def timers(self, rows: PostgresReadModel) -> PostgresTimers:
        return rows.timers

    @pytest.fixture
    def other(self, others: PostgresReadModel) -> PostgresTimers:
        return others.timers

    @pytest.fixture
    def now(self, rows: PostgresReadModel) -> Callable[[], Awaitable[int]]:
        async def now() -> int:
            async with rows._connections.use() as connection:
                asked = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
                micros: int = await connection.fetchval(asked)
                return micros

        return now

    @pytest.fixture
    def pass_time(self) -> Callable[[float], Awaitable[None]]:
        return asyncio.sleep  # it is the server's clock, and nobody moves that


class TestPgBouncerCheckpoints(ThroughPgBouncer, TestPostgresCheckpoints):
    pass


class TestPgBouncerRows(ThroughPgBouncer, ReadModelConformance):
    pass


class TestPgBouncerProcessors(ThroughPgBouncer, ProcessorRegisterConformance):
    pass


class TestPgBouncerParkingLot(ThroughPgBouncer, ParkingLotConformance):
    pass


class TestPgBouncerActions(ThroughPgBouncer, TestPostgresActions):
    pass


class TestPgBouncerLeases(ThroughPgBouncer, TestPostgresLeases):
    pass


class TestFM18PgBouncerTimers(ThroughPgBouncer, TestFM18PostgresTimers):
    pass
