"""A few statements that must meet the same session, also through a pooler."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from eventfold.adapters.postgres.connection import Connection, Connections

__all__ = ["READ_COMMITTED", "session", "unit"]

READ_COMMITTED = "read_committed"
"""As the driver spells it. Said each time: through a pooler the database's own default is what a session has."""


@asynccontextmanager
async def session(connections: Connections, *, for_user: bool = False) -> AsyncGenerator[Connection]:
    """
    A connection for a single statement, that is: for its preparation and its execution.

    Through a pooler in transaction mode these are two places where the session may change, so there it is a
    transaction.
    """
    async with connections.use(for_user=for_user) as connection:
        if not connections.pooled:
            yield connection
            return
        async with connection.transaction(isolation=READ_COMMITTED):
            yield connection


@asynccontextmanager
async def unit(connections: Connections, *, for_user: bool = False) -> AsyncGenerator[Connection]:
    """A connection within a transaction: all of the block, or nothing."""
    async with (
        connections.use(for_user=for_user) as connection,
        connection.transaction(isolation=READ_COMMITTED),
    ):
        yield connection
