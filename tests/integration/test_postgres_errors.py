"""What goes wrong with a server, as our users meet it: one of our errors, with a remedy, and nothing stored."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator

import asyncpg
import pytest

from eventfold.adapters.postgres import PostgresEventStore, open_postgres
from eventfold.adapters.postgres.failures import translated
from eventfold.adapters.system import system_clock
from eventfold.errors import InvalidInput, StoreError, StoreFull, StoreUnavailable, UnsupportedByStore
from eventfold.ports.event_store import Append
from eventfold.testing.conformance.material import ANN, BOB, collected, event
from tests.postgres import PostgresServer, start_postgres
from tests.processes import free_port


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with start_postgres({}, password="secret-of-the-server") as server:
        yield server


@pytest.fixture
async def store(postgres: PostgresServer, postgres_schema: str) -> AsyncIterator[PostgresEventStore]:
    store, rows, _ = await open_postgres(postgres.url, clock=system_clock, schema=postgres_schema, pool=2)
    yield store
    await rows.close()
    await store.close()


async def refused(url: str, error: type[StoreError], match: str) -> None:
    with pytest.raises(error, match=match) as refusal:
        await open_postgres(url, clock=system_clock)
    assert "secret" not in str(refusal.value)


async def test_a_wrong_password_says_so_and_shows_none(server: PostgresServer) -> None:
    await refused(server.url.replace("secret-of-the-server", "a-secret"), StoreUnavailable, "check user and password")


async def test_a_missing_database_says_so(server: PostgresServer) -> None:
    await refused(server.url_of("nowhere"), StoreUnavailable, "create the database first")


async def test_an_unreachable_server_says_so() -> None:
    await refused(f"postgresql://u:secret@127.0.0.1:{free_port()}/x", StoreUnavailable, "cannot be reached")
    await refused("postgresql://u:secret@no.such.host.invalid/x", StoreUnavailable, "cannot be reached")


async def test_fm05_a_standby_is_refused(server: PostgresServer) -> None:
    with server.standby() as copy:
        await refused(copy.url, StoreUnavailable, "name the primary")


async def test_repeatable_read_as_the_default_does_no_harm(server: PostgresServer) -> None:
    server.execute("ALTER ROLE ALL SET default_transaction_isolation = 'repeatable read'")
    try:
        store, rows, _ = await open_postgres(server.url, clock=system_clock, schema="isolated")
        async with store._connections.use() as connection:
            assert await connection.fetchval("SHOW transaction_isolation") == "read committed"
        for number in range(3):
            await store.append(Append(ANN, [event()], number))
        assert await store.head() > 0
        await rows.close()
        await store.close()
    finally:
        server.execute("ALTER ROLE ALL RESET default_transaction_isolation")


async def test_a_server_that_may_lose_acknowledged_events_is_refused_until_that_is_allowed(
    server: PostgresServer,
) -> None:
    server.execute("ALTER ROLE ALL SET synchronous_commit = off")
    try:
        await refused(server.url, UnsupportedByStore, "synchronous_commit")
        store, rows, _ = await open_postgres(server.url, clock=system_clock, may_lose=True)
        await rows.close()
        await store.close()
    finally:
        server.execute("ALTER ROLE ALL RESET synchronous_commit")


async def test_fsync_off_is_a_warning_with_its_consequence(caplog: pytest.LogCaptureFixture) -> None:
    with start_postgres({"fsync": "off"}) as careless, caplog.at_level(logging.WARNING):
        store, rows, _ = await open_postgres(careless.url, clock=system_clock)
        await rows.close()
        await store.close()
    assert "fsync is off" in caplog.text
    assert "destroy" in caplog.text


async def test_a_statement_timeout_is_ours_and_nothing_is_stored(
    store: PostgresEventStore, postgres: PostgresServer, postgres_schema: str
) -> None:
    async with store._connections.use() as connection:
        await connection.execute("SET statement_timeout = '50ms'")
    other = await asyncpg.connect(postgres.url)
    transaction = other.transaction()
    await transaction.start()
    await other.execute(f"LOCK TABLE {postgres_schema}.events IN EXCLUSIVE MODE")
    with pytest.raises(StoreUnavailable, match="statement timeout"):
        await store.append(Append(ANN, [event()]))
    await transaction.rollback()
    await other.close()
    assert await collected(store.read(ANN)) == []
    await store.append(Append(ANN, [event()]))


async def test_fm36_a_full_disk_stores_nothing_and_the_next_append_works(
    store: PostgresEventStore, postgres: PostgresServer, postgres_schema: str
) -> None:
    postgres.execute(
        f"""CREATE FUNCTION {postgres_schema}.no_room() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            RAISE 'could not extend file: No space left on device' USING ERRCODE = '53100'; END $$"""
    )
    postgres.execute(
        f"CREATE TRIGGER no_room BEFORE INSERT ON {postgres_schema}.events EXECUTE FUNCTION {postgres_schema}.no_room()"
    )
    for appends in ([Append(ANN, [event()])], [Append(ANN, [event()]), Append(BOB, [event()])]):
        with pytest.raises(StoreFull, match="nothing was stored"):
            await store.append(*appends)
    postgres.execute(f"DROP TRIGGER no_room ON {postgres_schema}.events")
    assert await store.head() == 0
    await store.append(Append(ANN, [event()]))


async def test_a_role_that_may_not_write_says_so(
    store: PostgresEventStore, postgres: PostgresServer, postgres_schema: str
) -> None:
    async with store._connections.use() as connection:
        await connection.execute("SET default_transaction_read_only = on")
    with pytest.raises(StoreUnavailable, match="read only"):
        await store.append(Append(ANN, [event()]))


def test_an_error_of_a_users_statement_is_bad_input_and_of_ours_is_not() -> None:
    wrong = asyncpg.UndefinedTableError("relation x does not exist")
    assert isinstance(translated(wrong, "here", for_user=True), InvalidInput)
    assert not isinstance(translated(wrong, "here"), InvalidInput)
