"""
Connections of psycopg, of both kinds. A synchronous one works in a thread while its owner waits.

Its errors become those of asyncpg with the same SQLSTATE, so that they mean the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final, TypeVar

import asyncpg
import psycopg
from psycopg.pq import TransactionStatus
from psycopg.rows import tuple_row
from psycopg.types.string import TextLoader

from eventfold.adapters.postgres.failures import PostgresError
from eventfold.adapters.postgres.open_unit import Line
from eventfold.adapters.postgres.theirs import FAILED_ALREADY, NO_TRANSACTION
from eventfold.errors import InvalidInput

__all__ = ["OverPsycopg"]

T = TypeVar("T")

_AS_TEXT: Final = ("json", "jsonb")
"""As asyncpg gives them: who reads them decodes them."""


class OverPsycopg:
    def __init__(self, connection: psycopg.Connection[Any] | psycopg.AsyncConnection[Any]) -> None:
        self._connection = connection

    @property
    def driver(self) -> Any:
        return self._connection

    async def entered(self) -> Line:
        if self._connection.closed:
            raise InvalidInput("the connection is closed; join before you close it, or give it back to its pool")
        status = self._connection.info.transaction_status
        if status == TransactionStatus.INERROR:
            raise InvalidInput(FAILED_ALREADY)
        if status == TransactionStatus.IDLE and self._connection.autocommit:
            self.refuse_if_over()
        line: Line = (
            _Line(self._connection)
            if isinstance(self._connection, psycopg.AsyncConnection)
            else _LineInThread(self._connection)
        )
        if status == TransactionStatus.IDLE:  # without autocommit the first statement begins it
            await line.fetch("SELECT 1", ())
        return line

    def refuse_if_over(self) -> None:
        if self._connection.closed or self._connection.info.transaction_status == TransactionStatus.IDLE:
            raise InvalidInput(NO_TRANSACTION.format("with connection.transaction():"))


class _Line:
    """
    One row goes by itself: `executemany` would prepare its statement in a pipeline, and forget to forget it when that
    is a rollback to a savepoint, which discards what was prepared.
    """

    def __init__(self, connection: psycopg.AsyncConnection[Any]) -> None:
        self._connection = connection

    async def fetch(self, sql: str, values: Sequence[Any]) -> Sequence[Any]:
        with _errors_of_asyncpg():
            async with psycopg.AsyncRawCursor(self._connection, row_factory=tuple_row) as cursor:
                _prepare(cursor)
                await cursor.execute(sql.encode(), _adapted(values))
                return await cursor.fetchall()

    async def write(self, sql: str, rows: Sequence[tuple[Any, ...]]) -> None:
        with _errors_of_asyncpg():
            async with psycopg.AsyncRawCursor(self._connection, row_factory=tuple_row) as cursor:
                if len(rows) == 1:
                    await cursor.execute(sql.encode(), rows[0])
                else:
                    await cursor.executemany(sql.encode(), rows)


class _LineInThread:
    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    async def fetch(self, sql: str, values: Sequence[Any]) -> Sequence[Any]:
        def fetch() -> Sequence[Any]:
            with psycopg.RawCursor(self._connection, row_factory=tuple_row) as cursor:
                _prepare(cursor)
                return cursor.execute(sql.encode(), _adapted(values)).fetchall()

        return await self._in_thread(fetch)

    async def write(self, sql: str, rows: Sequence[tuple[Any, ...]]) -> None:
        def write() -> None:
            with psycopg.RawCursor(self._connection, row_factory=tuple_row) as cursor:
                if len(rows) == 1:
                    cursor.execute(sql.encode(), rows[0])
                else:
                    cursor.executemany(sql.encode(), rows)

        await self._in_thread(write)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        """To its end: the connection is in the thread's hands, and its owner gets it back when nobody uses it."""
        done = asyncio.get_running_loop().run_in_executor(None, work)
        try:
            with _errors_of_asyncpg():
                return await asyncio.shield(done)
        except asyncio.CancelledError:
            with suppress(psycopg.Error):
                self._connection.cancel_safe(timeout=2.0)
            while not done.done():
                with suppress(asyncio.CancelledError):
                    await asyncio.wait([done])
            done.exception()  # nobody is left to hear of it
            raise


def _prepare(cursor: psycopg.RawCursor[Any] | psycopg.AsyncRawCursor[Any]) -> None:
    for name in _AS_TEXT:
        cursor.adapters.register_loader(name, TextLoader)


def _adapted(values: Sequence[Any]) -> list[Any]:
    return [[*each] if isinstance(each, tuple) else each for each in values]  # a tuple would be a record


@contextmanager
def _errors_of_asyncpg() -> Generator[None]:
    try:
        yield
    except psycopg.Error as error:
        said = error.diag.message_primary or str(error)
        if error.sqlstate is None:
            raise asyncpg.ConnectionDoesNotExistError(said) from error
        kind: Any = PostgresError
        raise (kind.get_message_class_for_sqlstate(error.sqlstate) or PostgresError)(said) from error
