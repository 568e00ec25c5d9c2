"""Rows of somebody else's tables in an SQLite file, as they are at one moment."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from itertools import islice
from pathlib import Path
from typing import Any, Final

from eventfold.adapters.sqlite.connection import Connection, open_reader, speaking_our_errors
from eventfold.errors import StoreUnavailable

__all__ = ["reading_file"]

_PIECE: Final = 500
_BUSY: Final = 5.0


@asynccontextmanager
async def reading_file(path: str, sql: str) -> AsyncGenerator[AsyncIterator[Sequence[tuple[Any, ...]]]]:
    """
    The rows of one statement, piece by piece, all of one moment, whoever writes meanwhile.

    Raises:
        StoreUnavailable, NotAStore: there is no such file, or none of SQLite.
        InvalidInput: the file has not the tables that the statement names.
    """
    if not await asyncio.to_thread(Path(path).is_file):
        raise StoreUnavailable(f"{path}: there is no such file; give its path after sqlite:///")
    connection = open_reader(path, busy=_BUSY)
    try:
        async with aclosing(_pieces(connection, path, sql)) as pieces:
            yield pieces
    finally:
        connection.close()


async def _pieces(connection: Connection, path: str, sql: str) -> AsyncGenerator[Sequence[tuple[Any, ...]]]:
    with speaking_our_errors(path, _BUSY, for_user=True):
        rows: Any = connection.execute(sql)  # a statement that is not at its end holds its moment
    while True:
        with speaking_our_errors(path, _BUSY, for_user=True):
            piece: list[tuple[Any, ...]] = list(islice(rows, _PIECE))
        if not piece:
            return
        yield piece
        await asyncio.sleep(0)
