"""Rows of somebody else's tables in a Postgres database, as they are at one moment."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any, Final

from eventfold.adapters.postgres.connection import Connection, Connections

__all__ = ["reading_database"]

_PIECE: Final = 500


@asynccontextmanager
async def reading_database(url: str, sql: str) -> AsyncGenerator[AsyncIterator[Sequence[tuple[Any, ...]]]]:
    """
    The rows of one statement, piece by piece, all of one moment, whoever writes meanwhile.

    Raises:
        StoreUnavailable: the server cannot be reached.
        InvalidInput: the database has not the tables that the statement names, or they are not for us to read.
    """
    connections = Connections(url, most=1)
    try:
        async with (
            connections.use(for_user=True) as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
            aclosing(_pieces(connection, sql)) as pieces,
        ):
            yield pieces
    finally:
        await connections.close()


async def _pieces(connection: Connection, sql: str) -> AsyncGenerator[Sequence[tuple[Any, ...]]]:
    piece: list[tuple[Any, ...]] = []
    async for row in connection.cursor(sql, prefetch=_PIECE):
        piece.append(tuple(row))
        if len(piece) == _PIECE:
            yield piece
            piece = []
    if piece:
        yield piece
