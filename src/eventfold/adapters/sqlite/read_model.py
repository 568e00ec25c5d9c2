"""Rows in the store's file, written together with the checkpoint of the processor they belong to."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

import apsw.ext

from eventfold.adapters.sql import BindsStatements, ddl_create, ddl_drop, sqlite_dialect
from eventfold.adapters.sqlite.connection import IN_MEMORY, Connection, in_transaction, speaking_our_errors
from eventfold.adapters.sqlite.names import Names
from eventfold.adapters.sqlite.processors import SqliteProcessors
from eventfold.adapters.sqlite.writer import Writer
from eventfold.domain.message import to_micros
from eventfold.errors import InvalidInput, StoreClosed, UnsupportedStatement
from eventfold.ports.checkpoint_store import Checkpoint, Move
from eventfold.ports.clock import Clock
from eventfold.ports.failpoint import failpoint
from eventfold.ports.read_model import Params, RowTransaction, Writes, refuse_older_code

if TYPE_CHECKING:
    from sqlalchemy import Table
    from sqlalchemy.sql.selectable import SelectBase


__all__ = ["SqliteReadModel"]

T = TypeVar("T")

RECORDED_VERSION: Final = "SELECT code_version FROM {processors} WHERE name = ?"
RECORD_VERSION: Final = """
INSERT INTO {processors} (name, kind, code_version, updated_at) VALUES (?, 'projector', ?, ?)
ON CONFLICT (name) DO UPDATE
SET code_version = excluded.code_version, last_error = NULL, updated_at = excluded.updated_at
"""
NOTE_ERROR: Final = "UPDATE {processors} SET last_error = ?, updated_at = ? WHERE name = ?"
query_info: Final[Callable[[Any, str], apsw.ext.QueryDetails]] = cast("Any", apsw.ext).query_info


class SqliteReadModel(SqliteProcessors, BindsStatements):
    """
    Tables beside the log. Writes go through the process's one writer, queries through a reader of their own.

    A database in memory has a single connection, so there a query waits for its turn as a write does.
    """

    def __init__(
        self,
        writer: Writer,
        reader: Connection | None,
        names: Names,
        path: str,
        clock: Clock,
        *,
        queries: Connection | None,
        busy: float = 0.0,
    ) -> None:
        super().__init__(writer, reader, names, path, clock, busy=busy)
        self._names = names
        self._queries = queries
        self._queries_lock = threading.Lock()
        BindsStatements.__init__(self, sqlite_dialect())
        writer.close_first.append(self._close_queries)

    # ---------------------------------------------------------------------- set-up

    async def prepare(self, processor: str, *, version: int, tables: Sequence[Table]) -> Checkpoint:
        for table in tables:
            self._refuse_our_own(table.name)
        creates = [statement for table in tables for statement in ddl_create(table, self._dialect)]
        drops = [statement for table in reversed(tables) for statement in ddl_drop(table, self._dialect)]
        work = partial(self._prepare, processor, version, creates, drops)
        return await self._write(lambda connection: in_transaction(connection, work), for_user=True)

    async def make(self, tables: Sequence[Table]) -> None:
        for table in tables:
            self._refuse_our_own(table.name)
        creates = [statement for table in tables for statement in ddl_create(table, self._dialect)]

        def work(connection: Connection) -> None:
            for statement in creates:
                connection.execute(statement)

        if creates:
            await self._write(lambda connection: in_transaction(connection, work), for_user=True)

    def _refuse_our_own(self, table: str) -> None:
        if self._names.is_ours(table):
            raise InvalidInput(f"{table!r} is a table of Eventfold, which no projector writes; choose another name")

    def _prepare(
        self, processor: str, version: int, creates: Sequence[str], drops: Sequence[str], connection: Connection
    ) -> Checkpoint:
        recorded = connection.execute(self._names.fill(RECORDED_VERSION), (processor,)).get
        refuse_older_code(processor, version, recorded)
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
        values = (error, to_micros(self._clock.now()), processor)
        statement = self._names.fill(NOTE_ERROR)
        await self._write(lambda connection: connection.execute(statement, values))

    # --------------------------------------------------------------------- writing

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[RowTransaction]:
        async with self._writer.turn() as connection:
            transaction = _OpenTransaction(self, connection)
            try:
                yield transaction
            finally:
                transaction.end()

    async def work(self, function: Callable[[], T], rows: int) -> T:
        """For the holder of the turn: this many rows, and errors in our words."""
        with speaking_our_errors(self._path, self._busy, for_user=True):
            return await self._writer.work(function, rows)

    # --------------------------------------------------------------------- reading

    async def query(self, select: SelectBase, params: Params | None = None) -> list[tuple[Any, ...]]:
        sql, values, make = self.prepared(select, params)
        if self._path == IN_MEMORY:
            rows = await self._write(lambda connection: connection.execute(sql, values).fetchall(), for_user=True)
        else:
            self._writer.refuse_if_unusable()
            rows = await asyncio.to_thread(self._run_query, sql, values)
        return [make(row) for row in rows]

    def _run_query(self, sql: str, values: tuple[Any, ...]) -> list[Any]:
        with self._reading() as queries:
            return queries.execute(sql, values).fetchall()

    async def query_text(self, sql: str) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
        if self._path == IN_MEMORY:
            raise UnsupportedStatement("a store in memory has no SQL for people; open a file")
        self._writer.refuse_if_unusable()
        return await asyncio.to_thread(self._run_text, sql)

    def _run_text(self, sql: str) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
        with self._reading() as queries:
            details = query_info(queries, sql)
            if not details.is_readonly or details.query_remaining or not details.first_query.strip():
                raise InvalidInput("one statement that only reads, please: SELECT … (events are never changed by SQL)")
            columns = tuple(column[0] for column in details.description or ())
            return columns, queries.execute(sql).fetchall()

    @contextmanager
    def _reading(self) -> Generator[Connection]:
        """In a thread of its own, one query at a time."""
        with self._queries_lock:
            if self._queries is None:
                raise StoreClosed
            with speaking_our_errors(self._path, self._busy, for_user=True):
                yield self._queries

    async def close(self) -> None:
        await self._writer.close()

    def _close_queries(self) -> None:
        with self._queries_lock:
            if self._queries is not None:
                self._queries.close()
                self._queries = None


class _OpenTransaction:
    """
    Begins with the first statement, so that a transaction that does nothing costs nothing.

    An error ends it at once: half of a batch must not be committed by somebody who caught the error.
    """

    def __init__(self, rows: SqliteReadModel, connection: Connection) -> None:
        self._rows = rows
        self._connection = connection
        self._over: BaseException | None = None

    async def fetch(self, writes: Writes, select: SelectBase, params: Params | None) -> list[tuple[Any, ...]]:
        sql, values, make = self._rows.prepared(select, params)

        def run() -> list[tuple[Any, ...]]:
            self._write(writes)
            return self._connection.execute(sql, values).fetchall()

        return [make(row) for row in await self._work(run, writes)]

    async def commit(self, writes: Writes, move: Move | None) -> None:
        def run() -> None:
            self._write(writes)
            if move is not None:
                failpoint("projection.before_checkpoint")
                self._rows.advance_within(self._connection, move)
                failpoint("projection.after_checkpoint_before_commit")
            if self._connection.in_transaction:
                self._connection.execute("COMMIT")
            if move is not None:
                failpoint("projection.after_commit")

        await self._work(run, writes)
        self._over = InvalidInput("this transaction is over; open another one")

    async def _work(self, run: Callable[[], T], writes: Writes) -> T:
        if self._over is not None:
            raise self._over
        try:
            return await self._rows.work(run, sum(len(rows) for _, rows in writes))
        except BaseException as error:
            self._over = error
            self._roll_back()
            raise

    def _write(self, writes: Writes) -> None:
        if not self._connection.in_transaction:
            self._connection.execute("BEGIN IMMEDIATE")
        for shape, rows in writes:
            self._connection.executemany(shape.sql, rows)

    def _roll_back(self) -> None:
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    def end(self) -> None:
        self._over = self._over or InvalidInput("this transaction is over; open another one")
        self._roll_back()
