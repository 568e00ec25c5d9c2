"""Making the tables: by many at once, by nobody, by a newer release, beside somebody else's."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from eventfold.adapters.postgres import open_postgres
from eventfold.adapters.postgres.migrate import latest_version
from eventfold.adapters.postgres.names import Names
from eventfold.adapters.system import system_clock
from eventfold.errors import InvalidInput, NotAStore, StoreNotMigrated, StoreTooNew
from eventfold.ports.event_store import Append
from eventfold.testing.conformance.material import ANN, event
from tests.postgres import PostgresServer


async def ask(server: PostgresServer, statement: str) -> object:
    connection = await asyncpg.connect(server.url)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


async def test_c9_ten_that_open_a_new_store_at_once_make_it_once(
    postgres: PostgresServer, postgres_schema: str
) -> None:
    async def open_and_append() -> None:
        store, rows, _ = await open_postgres(postgres.url, clock=system_clock, schema=postgres_schema, pool=2)
        await store.append(Append(ANN, [event()]))
        await rows.close()
        await store.close()

    await asyncio.gather(*(open_and_append() for _ in range(10)))
    assert await ask(postgres, f"SELECT count(*) FROM {postgres_schema}.store") == 1
    assert await ask(postgres, f"SELECT count(*) FROM {postgres_schema}.incarnations") == 1
    assert await ask(postgres, f"SELECT max(version) FROM {postgres_schema}.events") == 10


async def test_c9_without_migrate_a_missing_schema_is_an_error_and_stays_missing(
    postgres: PostgresServer, postgres_schema: str
) -> None:
    with pytest.raises(StoreNotMigrated) as missing:
        await open_postgres(postgres.url, clock=system_clock, schema=postgres_schema, migrate=False)
    assert (missing.value.found, missing.value.wanted) == (0, latest_version())
    assert await ask(postgres, f"SELECT count(*) FROM pg_namespace WHERE nspname = '{postgres_schema}'") == 0


async def test_c9_a_store_of_a_newer_release_is_left_alone(postgres: PostgresServer, postgres_schema: str) -> None:
    store, rows, _ = await open_postgres(postgres.url, clock=system_clock, schema=postgres_schema)
    await rows.close()
    await store.close()
    await ask(postgres, f"UPDATE {postgres_schema}.store SET schema_version = 99")
    for migrate in (True, False):
        with pytest.raises(StoreTooNew) as new:
            await open_postgres(postgres.url, clock=system_clock, schema=postgres_schema, migrate=migrate)
        assert new.value.found == 99


async def test_c9_a_schema_with_tables_of_somebody_else_is_left_alone(
    postgres: PostgresServer, postgres_schema: str
) -> None:
    await ask(postgres, f"CREATE SCHEMA {postgres_schema}")
    await ask(postgres, f"CREATE TABLE {postgres_schema}.events (mine text)")
    with pytest.raises(NotAStore, match=r"\.events is not Eventfold's"):
        await open_postgres(postgres.url, clock=system_clock, schema=postgres_schema)
    assert await ask(postgres, f"SELECT count(*) FROM {postgres_schema}.events") == 0


async def test_fm03_another_database_than_before_is_another_incarnation(
    postgres: PostgresServer, postgres_schema: str
) -> None:
    store, rows, _ = await open_postgres(postgres.url, clock=system_clock, schema=postgres_schema)
    appended = await store.append(Append(ANN, [event()]))
    await rows.close()
    await store.close()
    await ask(postgres, f"UPDATE {postgres_schema}.store SET fingerprint = 'of the machine it was dumped on'")
    for _ in range(2):  # and once only
        store, rows, _ = await open_postgres(postgres.url, clock=system_clock, schema=postgres_schema)
        await rows.close()
        await store.close()
    heads = f"SELECT array_agg(head_position ORDER BY since) FROM {postgres_schema}.incarnations"
    assert await ask(postgres, heads) == [0, appended.position]


@pytest.mark.parametrize(
    "schema", ['a"; DROP TABLE x; --', "A", "", "1a", "a-b", "pg_x", "information_schema", "a" * 33]
)
def test_a_hostile_schema_name_is_refused(schema: str) -> None:
    with pytest.raises(InvalidInput):
        Names(schema)
