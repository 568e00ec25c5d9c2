"""The store on a Postgres server, for any number of processes on any number of machines."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from eventfold.adapters.postgres.connection import Connection, Connections
from eventfold.adapters.postgres.event_store import PostgresEventStore
from eventfold.adapters.postgres.failures import speaking_our_errors
from eventfold.adapters.postgres.group import Writer
from eventfold.adapters.postgres.migrate import bring_up_to_date, found_version, recognise
from eventfold.adapters.postgres.names import Names
from eventfold.adapters.postgres.server import refuse_unfit

if TYPE_CHECKING:
    from eventfold.adapters.postgres.read_model import PostgresReadModel
    from eventfold.adapters.postgres.units import PostgresUnits
    from eventfold.ports.clock import Clock

__all__ = ["PostgresEventStore", "open_postgres"]


async def open_postgres(
    url: str,
    *,
    clock: Clock,
    migrate: bool = True,
    schema: str = "eventfold",
    pool: int = 8,
    lanes: int = 2,
    direct: str | None = None,
    poll: float = 1.0,
    notify: bool = True,
    may_lose: bool = False,
) -> tuple[PostgresEventStore, PostgresReadModel, PostgresUnits]:
    """
    The log and the rows in one database, and transactions over both. Closing the event store closes all connections.

    Args:
        url: `postgresql://user:password@host/database`, with options of libpq.
        migrate: make or update the tables; without it, missing ones are an error.
        schema: of all our tables. The projectors' tables lie where the connection's `search_path` leads.
        pool: connections at once, at most; one more listens.
        lanes: groups of appends that are on their way at once.
        direct: URL of the server itself, where `url` leads through a pooler in transaction mode.
        poll: seconds between two looks for events of other processes while nothing happens.
        notify: tell other processes of commits, and listen for theirs.
        may_lose: open the store also where a crash of the server loses acknowledged events.

    Raises:
        NotAStore, StoreTooNew, StoreNotMigrated, StoreUnavailable, UnsupportedByStore, InvalidInput, InvalidStoreUrl.
    """
    names = Names(schema)
    connections = Connections(url, direct=direct, most=pool)
    try:
        async with _to_the_server(connections) as connection:
            if migrate:
                await bring_up_to_date(connection, names, connections.where)
            else:
                await found_version(connection, names, connections.where, migrate=False)
            await refuse_unfit(connection, names, connections.where, may_lose=may_lose)
            await recognise(connection, names)
        writer = Writer(connections, names, clock, lanes=lanes)
    except BaseException:
        await connections.close()
        raise
    from eventfold.adapters.postgres.read_model import PostgresReadModel  # SQLAlchemy costs 0.2 s
    from eventfold.adapters.postgres.units import PostgresUnits

    store = PostgresEventStore(writer, connections, names, poll=poll, notify=notify)
    rows = PostgresReadModel(connections, names, clock)
    return store, rows, PostgresUnits(connections, names, writer, rows.prepared, look_out=store.look_out)


@asynccontextmanager
async def _to_the_server(connections: Connections) -> AsyncGenerator[Connection]:
    """Past a pooler: what is asked here is asked of one session."""
    if not connections.pooled:
        async with connections.use() as connection:
            yield connection
        return
    connection = await connections.direct()
    try:
        with speaking_our_errors(connections.where, role=connections.role):
            yield connection
    finally:
        await connection.close(timeout=2.0)
