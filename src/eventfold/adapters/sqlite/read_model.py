"""Rows in the store's file, written together with the checkpoint of the processor they belong to."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

import apsw.ext

from eventfold.adapters.sql import BindsStatements, ddl_create, ddl_drop, sqlite_dialect
from eventfold.adapters.sqlite.actions import SqliteActions
from eventfold.adapters.sqlite.bookkeeping import printable
from eventfold.adapters.sqlite.connection import IN_MEMORY, Connection, speaking_our_errors
from eventfold.adapters.sqlite.generations import SqliteGenerations, adopt_within
from eventfold.adapters.sqlite.leases import SqliteLeases
from eventfold.adapters.sqlite.names import Names
from eventfold.adapters.sqlite.processors import FROM_THE_BEGINNING, SqliteProcessors
from eventfold.adapters.sqlite.snapshots import SqliteSnapshots
from eventfold.adapters.sqlite.timers import SqliteTimers
from eventfold.adapters.sqlite.writer import Writer
from eventfold.errors import InvalidInput, StoreClosed, UnsupportedStatement
from eventfold.ports.checkpoint_store import Checkpoint, Move
from eventfold.ports.clock import Clock
from eventfold.ports.failpoint import failpoint
from eventfold.ports.parking import Settled
from eventfold.ports.read_model import (
    Params,
    RowTransaction,
    Writes,
    keeps_its_place,
    refuse_older_code,
    refuse_other_kind,
    refuse_other_partitions,
)

if TYPE_CHECKING:
    from sqlalchemy import Table
    from sqlalchemy.sql.selectable import SelectBase


__all__ = ["SqliteReadModel"]

T = TypeVar("T")

RECORDED: Final = "SELECT code_version, kind, partitions FROM {processors} WHERE name = ?"
RECORD: Final = """
INSERT INTO {processors} (name, kind, code_version, partitions, start, query, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (name) DO UPDATE
SET code_version = excluded.code_version, partitions = excluded.partitions,
    query = coalesce(excluded.query, query), last_error = NULL, updated_at = excluded.updated_at
"""
# Whoever prepares it may own a partition already. A copy of older code may too, and one that stands at the beginning is
# not kept out by its place, so there the epoch rises; without a lease it is 0 and stays so.
SEND_BACK: Final = """
UPDATE {checkpoints} SET position = 0, event_id = NULL, epoch = epoch + (position = 0 AND epoch > 0)
WHERE processor = ? AND generation = 0
"""
EMPTIED: Final = "UPDATE {processors} SET last_error = NULL, updated_at = ? WHERE name = ?"
# All but its leases, so that no copy that still runs is ever taken for a later one.
FORGET: Final = (
    "DELETE FROM {processors} WHERE name = ?",
    "DELETE FROM {lease_members} WHERE processor = ?",
    "DELETE FROM {actions} WHERE reactor = ?",
)
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
        self.leases: SqliteLeases = SqliteLeases(writer, reader, names, path, clock, busy=busy)
        self.actions: SqliteActions = SqliteActions(writer, reader, names, path, clock, busy=busy)
        self.generations: SqliteGenerations = SqliteGenerations(writer, reader, names, path, clock, busy=busy)
        self.timers: SqliteTimers = SqliteTimers(writer, reader, names, path, clock, busy=busy)
        self.snapshots: SqliteSnapshots = SqliteSnapshots(writer, reader, names, path, clock, busy=busy)
        self._queries = queries
        self._queries_lock = threading.Lock()
        BindsStatements.__init__(self, sqlite_dialect())
        writer.close_first.append(self._close_queries)

    # ---------------------------------------------------------------------- set-up

    async def prepare(
        self,
        processor: str,
        *,
        version: int,
        tables: Sequence[Table],
        kind: str = "projector",
        partitions: int = 1,
        start: int = 0,
        query: str | None = None,
    ) -> Checkpoint:
        creates, drops = self._creates(tables), self._drops(tables)
        starts = str(start) if start else FROM_THE_BEGINNING

        def work(connection: Connection) -> Checkpoint:
            found = connection.execute(self._fill(RECORDED), (processor,)).fetchone()
            if found is not None:
                recorded, *rest = found
                refuse_other_kind(processor, kind, rest[0])
                refuse_older_code(processor, version, recorded, kind)
                newer = recorded < version and not keeps_its_place(kind)
                if newer and not self._adopted(connection, processor, version, partitions, tables):
                    self._begin_anew(connection, processor, drops)
                elif not newer:
                    refuse_other_partitions(processor, partitions, rest[1])
            for statement in creates:
                connection.execute(statement)
            connection.execute(
                self._fill(RECORD), (processor, kind, version, partitions, starts, query, self._micros())
            )
            return self.checkpoint_within(connection, processor)

        return await self._transact(work, for_user=True)

    def _adopted(
        self, connection: Connection, processor: str, version: int, partitions: int, tables: Sequence[Table]
    ) -> bool:
        """Whether a rebuild has filled rows for this version beside the live ones: then they are live now."""
        mine = (processor, version, partitions, tables)
        return adopt_within(connection, self._names, *mine, now=self._micros())

    def _begin_anew(self, connection: Connection, processor: str, drops: Sequence[str]) -> None:
        for statement in drops:
            connection.execute(statement)
        self.parking.forget_within(connection, processor)
        connection.execute(self._fill(SEND_BACK), (processor,))

    async def truncate(self, processor: str, tables: Sequence[Table]) -> None:
        empties = [self.bind(table.delete(), None)[0].sql for table in reversed(tables)]

        def work(connection: Connection) -> None:
            self.kind_within(connection, processor)
            for statement in empties:
                connection.execute(statement)
            connection.execute(self._fill(EMPTIED), (self._micros(), processor))
            self.reset_within(connection, processor)

        await self._transact(work, for_user=True)

    async def drop(self, processor: str, tables: Sequence[Table]) -> None:
        drops = self._drops(tables)

        def work(connection: Connection) -> None:
            self.kind_within(connection, processor)
            for statement in drops:
                connection.execute(statement)
            self.reset_within(connection, processor)
            for statement in FORGET:
                connection.execute(self._fill(statement), (processor,))

        await self._transact(work, for_user=True)

    async def make(self, tables: Sequence[Table]) -> None:
        creates = self._creates(tables)

        def work(connection: Connection) -> None:
            for statement in creates:
                connection.execute(statement)

        if creates:
            await self._transact(work, for_user=True)

    def _creates(self, tables: Sequence[Table]) -> list[str]:
        for table in tables:
            self._refuse_our_own(table.name)
        return [statement for table in tables for statement in ddl_create(table, self._dialect)]

    def _drops(self, tables: Sequence[Table]) -> list[str]:
        for table in tables:
            self._refuse_our_own(table.name)
        return [statement for table in reversed(tables) for statement in ddl_drop(table, self._dialect)]

    def _refuse_our_own(self, table: str) -> None:
        if self._names.is_ours(table):
            raise InvalidInput(f"{table!r} is a table of Eventfold, which no projector writes; choose another name")

    async def note_error(self, processor: str, error: str | None) -> None:
        values = (None if error is None else printable(error), self._micros(), processor)
        statement = self._fill(NOTE_ERROR)
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

    async def run(self, writes: Writes) -> None:
        await self._work(lambda: self._write(writes), writes)

    async def commit(self, writes: Writes, step: Move | Settled | None) -> None:
        def run() -> None:
            self._write(writes)
            if step is not None:
                failpoint("projection.before_checkpoint")
                self._take(step)
                failpoint("projection.after_checkpoint_before_commit")
            if self._connection.in_transaction:
                self._connection.execute("COMMIT")
            if step is not None:
                failpoint("projection.after_commit")

        await self._work(run, writes, len(step.aside) if isinstance(step, Move) else 0)
        self._over = InvalidInput("this transaction is over; open another one")

    def _take(self, step: Move | Settled) -> None:
        if isinstance(step, Move):
            self._rows.advance_within(self._connection, step)
        else:
            self._rows.settle_within(self._connection, step)

    async def _work(self, run: Callable[[], T], writes: Writes, more: int = 0) -> T:
        if self._over is not None:
            raise self._over
        try:
            return await self._rows.work(run, more + sum(len(rows) for _, rows in writes))
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
