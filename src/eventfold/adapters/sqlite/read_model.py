"""Rows in the store's file, written together with the checkpoint of the processor they belong to."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

import apsw
import apsw.ext

from eventfold.adapters.sql import Statements, ddl_create, ddl_drop, sqlite_dialect
from eventfold.adapters.sqlite.checkpoint_store import SqliteCheckpointStore
from eventfold.adapters.sqlite.connection import speaking_our_errors
from eventfold.adapters.sqlite.names import Names
from eventfold.adapters.sqlite.writer import Writer
from eventfold.domain.message import to_micros
from eventfold.errors import InvalidInput, StoreFull, UnsupportedStatement
from eventfold.ports.checkpoint_store import Checkpoint, Move
from eventfold.ports.clock import Clock
from eventfold.ports.read_model import Bound, Params, RowTransaction, Writes

if TYPE_CHECKING:
    from sqlalchemy import Table
    from sqlalchemy.sql.selectable import SelectBase

    from eventfold.ports.read_model import Writing

__all__ = ["SqliteReadModel"]

T = TypeVar("T")

RECORDED_VERSION: Final = "SELECT code_version FROM {processors} WHERE name = ?"
RECORD_VERSION: Final = """
INSERT INTO {processors} (name, kind, code_version, updated_at) VALUES (?, 'projector', ?, ?)
ON CONFLICT (name) DO UPDATE SET code_version = excluded.code_version, last_error = NULL, updated_at = excluded.updated_at
"""
NOTE_ERROR: Final = "UPDATE {processors} SET last_error = ?, updated_at = ? WHERE name = ?"
_NO_PARAMS: Final[Params] = {}


class SqliteReadModel(SqliteCheckpointStore):
    """
    Tables beside the log. Writes go through the process's one writer, queries through a reader of their own.

    A database in memory has a single connection, so there a query waits for its turn as a write does.
    """

    def __init__(
        self, writer: Writer, reader: apsw.Connection | None, names: Names, path: str, clock: Clock, *, queries: apsw.Connection | None
    ) -> None:
        super().__init__(writer, reader, names, path, clock)
        self._names = names
        self._queries = queries
        self._queries_lock = threading.Lock()
        self._statements = Statements(sqlite_dialect())
        self._dialect = sqlite_dialect()

    # ---------------------------------------------------------------------- set-up

    async def prepare(self, processor: str, *, version: int, tables: Sequence[Table]) -> Checkpoint:
        for table in tables:
            if self._names.is_ours(table.name):
                raise InvalidInput(f"projector {processor!r}: {table.name!r} is a table of Eventfold; choose another name")
        creates = [statement for table in tables for statement in ddl_create(table, self._dialect)]
        drops = [statement for table in reversed(tables) for statement in ddl_drop(table, self._dialect)]
        async with self._writing() as connection:
            return _in_transaction(connection, partial(self._prepare, processor, version, creates, drops))

    def _prepare(
        self, processor: str, version: int, creates: Sequence[str], drops: Sequence[str], connection: apsw.Connection
    ) -> Checkpoint:
        recorded = connection.execute(self._names.fill(RECORDED_VERSION), (processor,)).get
        if recorded is not None and recorded > version:
            raise InvalidInput(
                f"projector {processor!r} is version {version} here, but version {recorded} has filled its tables; "
                "deploy the newer code, or raise version= above it to fill them anew"
            )
        if recorded is not None and recorded < version:
            for statement in drops:
                connection.execute(statement)
            self.reset_within(connection, processor)
        for statement in creates:
            connection.execute(statement)
        now = to_micros(self._clock.now())
        connection.execute(self._names.fill(RECORD_VERSION), (processor, version, now))
        return self.checkpoint_within(connection, processor)

    async def note_error(self, processor: str, error: str | None) -> None:
        async with self._writing() as connection:
            now = to_micros(self._clock.now())
            connection.execute(self._names.fill(NOTE_ERROR), (error, now, processor))

    # --------------------------------------------------------------------- writing

    def bind(self, statement: Writing, row: Params | None) -> Bound:
        values = row or _NO_PARAMS
        compiled = self._statements.find(statement, values)
        if not compiled.table:
            raise UnsupportedStatement("write() takes insert, update and delete; read with await view.fetch(select)")
        return compiled, compiled.bind(values)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[RowTransaction]:
        async with self._writer.turn() as connection:
            try:
                yield _OpenTransaction(self, connection)
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

    async def _work(self, function: Callable[[], T], rows: int) -> T:
        with speaking_our_errors(self._path):
            return await self._writer.work(function, rows)

    # --------------------------------------------------------------------- reading

    async def query(self, select: SelectBase, params: Params | None = None) -> list[tuple[Any, ...]]:
        if self._queries is None:
            async with self._writing() as connection:
                return self._fetch(connection, select, params)
        self._writer.refuse_if_unusable()
        sql, values, make = self._prepared(select, params)
        rows = await asyncio.to_thread(self._run_query, sql, values)
        return [make(row) for row in rows]

    def _run_query(self, sql: str, values: tuple[Any, ...]) -> list[Any]:
        assert self._queries is not None
        with self._queries_lock, speaking_our_errors(self._path):
            return self._queries.execute(sql, values).fetchall()

    def _prepared(
        self, select: SelectBase, params: Params | None
    ) -> tuple[str, tuple[Any, ...], Callable[[Sequence[Any]], tuple[Any, ...]]]:
        values = params or _NO_PARAMS
        compiled = self._statements.find(select, values)  # type: ignore[arg-type] # anything else is refused there
        if compiled.table or compiled.row is None:
            raise UnsupportedStatement("a query takes a select; rows are written by projectors, with view.write()")
        return compiled.sql, compiled.bind(values), compiled.row

    def _fetch(self, connection: apsw.Connection, select: SelectBase, params: Params | None) -> list[tuple[Any, ...]]:
        sql, values, make = self._prepared(select, params)
        return [make(row) for row in connection.execute(sql, values).fetchall()]

    async def query_text(self, sql: str) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
        if self._queries is None:
            raise UnsupportedStatement("a store in memory has no SQL for people; open a file")
        self._writer.refuse_if_unusable()
        return await asyncio.to_thread(self._run_text, sql)

    def _run_text(self, sql: str) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
        assert self._queries is not None
        with self._queries_lock, speaking_our_errors(self._path):
            details = apsw.ext.query_info(self._queries, sql)
            if not details.is_readonly or details.query_remaining:
                raise InvalidInput("one statement that only reads, please: SELECT … (events are never changed by SQL)")
            cursor = self._queries.execute(sql)
            columns = tuple(column[0] for column in cursor.get_description()) if details.description else ()
            return columns, cursor.fetchall()

    async def close(self) -> None:
        await self._writer.close()
        if self._queries is not None:
            self._queries.close()


class _OpenTransaction:
    """Begins with the first statement, so that a transaction that does nothing costs nothing."""

    def __init__(self, rows: SqliteReadModel, connection: apsw.Connection) -> None:
        self._rows = rows
        self._connection = connection

    async def fetch(self, writes: Writes, select: SelectBase, params: Params | None) -> list[tuple[Any, ...]]:
        def run() -> list[tuple[Any, ...]]:
            self._write(writes)
            return self._rows._fetch(self._connection, select, params)  # noqa: SLF001 - one module, one idea

        return await self._rows._work(run, _size(writes))  # noqa: SLF001

    async def commit(self, writes: Writes, move: Move | None) -> None:
        def run() -> None:
            try:
                self._write(writes)
                if move is not None:
                    self._rows.advance_within(self._connection, move)
                self._connection.execute("COMMIT")
            except apsw.FullError as error:
                raise StoreFull(f"{error}: no room left for the rows of a projection; free space") from error

        await self._rows._work(run, _size(writes))  # noqa: SLF001

    def _write(self, writes: Writes) -> None:
        if not self._connection.in_transaction:
            self._connection.execute("BEGIN IMMEDIATE")
        for shape, rows in writes:
            self._connection.executemany(shape.sql, rows)


def _size(writes: Writes) -> int:
    return sum(len(rows) for _, rows in writes)


def _in_transaction(connection: apsw.Connection, function: Callable[[apsw.Connection], T]) -> T:
    connection.execute("BEGIN IMMEDIATE")
    try:
        result = function(connection)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return result
