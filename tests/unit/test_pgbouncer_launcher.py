"""The pooler that our tests start."""

import asyncpg

from tests.pgbouncer import PgBouncer, start_pgbouncer
from tests.postgres import ExistingServer, start_postgres


async def test_two_clients_share_a_connection_of_the_server_from_transaction_to_transaction(
    pgbouncer: PgBouncer,
) -> None:
    first = await asyncpg.connect(pgbouncer.url, statement_cache_size=0)
    second = await asyncpg.connect(pgbouncer.url, statement_cache_size=0)
    try:
        backend = await first.fetchval("SELECT pg_backend_pid()")
        assert await second.fetchval("SELECT pg_backend_pid()") == backend
        async with first.transaction():
            await first.execute("SELECT 1")
            assert await second.fetchval("SELECT pg_backend_pid()") != await first.fetchval("SELECT pg_backend_pid()")
    finally:
        await first.close()
        await second.close()


async def test_transactions_go_through_without_a_statement_cache(pgbouncer: PgBouncer) -> None:
    connection = await asyncpg.connect(pgbouncer.url, statement_cache_size=0)
    try:
        async with connection.transaction():
            assert await connection.fetchval("SELECT $1::int + 1", 1) == 2
    finally:
        await connection.close()


async def test_it_gives_the_password_of_the_server_behind_it() -> None:
    with (
        start_postgres({"fsync": "off"}, password="it's") as server,
        start_pgbouncer(ExistingServer(server.url, server.version)) as pooler,
    ):
        connection = await asyncpg.connect(pooler.url, statement_cache_size=0)
        try:
            assert await connection.fetchval("SELECT current_user") == "postgres"
        finally:
            await connection.close()
