"""A few statements that must meet the same session, also through a pooler."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

from eventfold.adapters.postgres.connection import Connection, Connections

__all__ = ["AS_OF_NOW", "in_transaction", "session", "unit"]

# The level is said each time: through a pooler the database's own default is what a session has.
BEGIN: Final = "BEGIN ISOLATION LEVEL READ COMMITTED"
AS_OF_NOW: Final = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
"""For several statements that must see the same."""


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
        async with in_transaction(connection):
            yield connection


@asynccontextmanager
async def unit(connections: Connections, *, for_user: bool = False) -> AsyncGenerator[Connection]:
    """A connection within a transaction: all of the block, or nothing."""
    async with connections.use(for_user=for_user) as connection, in_transaction(connection):
        yield connection


@asynccontextmanager
async def in_transaction(connection: Connection, begin: str = BEGIN) -> AsyncGenerator[None]:
    """
    A transaction: all of the block, or nothing.

    Not the driver's own: cancelled while it begins or ends, that one believes for ever that it is open. Whoever lends
    the connection looks after it when the block is cancelled or takes too long.
    """
    await connection.execute(begin)
    try:
        yield
    except TimeoutError:
        raise
    except Exception:
        if not connection.is_closed() and connection.is_in_transaction():
            await connection.execute("ROLLBACK")
        raise
    await connection.execute("COMMIT")
