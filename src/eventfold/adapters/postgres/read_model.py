"""Rows in the store's database, written together with the checkpoint of the processor they belong to."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

from asyncpg.exceptions import ReadOnlySQLTransactionError

from eventfold.adapters.postgres.actions import PostgresActions
from eventfold.adapters.postgres.asides import printable
from eventfold.adapters.postgres.connection import Connection, Connections
from eventfold.adapters.postgres.generations import PostgresGenerations, adopt_within
from eventfold.adapters.postgres.leases import PostgresLeases
from eventfold.adapters.postgres.names import Names
from eventfold.adapters.postgres.parking import PostgresParkingLot
from eventfold.adapters.postgres.processors import BEGINNING_IN_WORDS, PostgresProcessors
from eventfold.adapters.postgres.row_transaction import OpenTransaction
from eventfold.adapters.postgres.session import AS_OF_NOW, in_transaction, session
from eventfold.adapters.postgres.snapshots import PostgresSnapshots
from eventfold.adapters.postgres.tables import empty_tables, make_tables, replace_tables
from eventfold.adapters.postgres.timers import PostgresTimers
from eventfold.adapters.postgres.transient import again_if_transient
from eventfold.adapters.sql import BindsStatements, postgres_dialect
from eventfold.errors import InvalidInput
from eventfold.ports.checkpoint_store import Checkpoint
from eventfold.ports.clock import Clock
from eventfold.ports.read_model import (
    Params,
    RowTransaction,
    keeps_its_place,
    refuse_older_code,
    refuse_other_kind,
    refuse_other_partitions,
)

if TYPE_CHECKING:
    from sqlalchemy import Table
    from sqlalchemy.sql.selectable import SelectBase


__all__ = ["PostgresReadModel"]

ONE_AT_A_TIME: Final = "SELECT pg_advisory_xact_lock('{processors}'::regclass::oid::int, 0)"
RECORDED: Final = "SELECT code_version, kind, partitions FROM {processors} WHERE name = $1 FOR UPDATE"
RECORD: Final = """
INSERT INTO {processors} AS p (name, kind, code_version, partitions, start, query, updated_at)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (name) DO UPDATE
SET code_version = excluded.code_version, partitions = excluded.partitions, last_error = NULL,
    query = coalesce(excluded.query, p.query), updated_at = excluded.updated_at
"""
# Whoever prepares it may own a partition already. A copy of older code may too, and one that stands at the beginning is
# not kept out by its place, so there the epoch rises; without a lease it is 0 and stays so.
SEND_BACK: Final = """
UPDATE {checkpoints} SET position = 0, event_id = NULL, epoch = epoch + (position = 0 AND epoch > 0)::int
WHERE processor = $1 AND generation = 0
"""
NO_MORE: Final = "DELETE FROM {checkpoints} WHERE processor = $1 AND generation = 0 AND partition >= $2"
EMPTIED: Final = "UPDATE {processors} SET last_error = NULL, updated_at = $1 WHERE name = $2 RETURNING true"
DROPPED: Final = "DELETE FROM {processors} WHERE name = $1 RETURNING true"
# All but its leases, so that no copy that still runs is ever taken for a later one.
FORGET: Final = ("DELETE FROM {lease_members} WHERE processor = $1", "DELETE FROM {actions} WHERE reactor = $1")
NOTE_ERROR: Final = "UPDATE {processors} SET last_error = $1, updated_at = $2 WHERE name = $3"
OURS_LAST: Final = "SELECT set_config('search_path', current_setting('search_path') || ', {schema}', true)"
_ONLY_READS: Final = "one statement that only reads, please: SELECT … (events are never changed by SQL)"
_THE_SERVERS_OWN: Final = "pg_"


class PostgresReadModel(PostgresProcessors, BindsStatements):
    """
    Tables beside the log, each where the connection's `search_path` leads, or in the schema that the table names.

    Several processors write at the same time, each in a transaction of its own connection.
    """

    def __init__(self, connections: Connections, names: Names, clock: Clock) -> None:
        super().__init__(connections, names, clock)
        self._names = names
        self.parking: PostgresParkingLot = PostgresParkingLot(connections, names)
        self.leases: PostgresLeases = PostgresLeases(connections, names, clock)
        self.generations: PostgresGenerations = PostgresGenerations(connections, names, clock)
        self.actions: PostgresActions = PostgresActions(connections, names, clock)
        self.timers: PostgresTimers = PostgresTimers(connections, names)
        self.snapshots: PostgresSnapshots = PostgresSnapshots(connections, names)
        BindsStatements.__init__(self, postgres_dialect())

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
        self._refuse_taken(tables)
        making = make_tables(tables, self._dialect)
        replacing = replace_tables(tables, self._dialect)
        after = str(start) if start else BEGINNING_IN_WORDS

        async def work(connection: Connection) -> Checkpoint:
            await connection.execute(self._names.fill(ONE_AT_A_TIME))
            recorded = await connection.fetchrow(self._names.fill(RECORDED), processor)
            mine = (processor, version, partitions, tables)
            newer = recorded is not None and _is_newer(processor, (version, kind, partitions), tuple(recorded))
            if newer and not await adopt_within(connection, self._names, *mine, now=self._micros()):
                await replacing(connection)  # before the checkpoint: a copy that writes holds both in this order
                await connection.execute(self._names.fill(NO_MORE), processor, partitions)
                await connection.execute(self._names.fill(SEND_BACK), processor)
                await self._asides.forget(connection, processor)
            await making(connection)
            values = (processor, kind, version, partitions, after, query, self._micros())
            await connection.execute(self._names.fill(RECORD), *values)
            return await self.checkpoint_within(connection, processor)

        return await again_if_transient(self._connections, work, for_user=True)

    async def truncate(self, processor: str, tables: Sequence[Table]) -> None:
        self._refuse_taken(tables)
        emptying = empty_tables(tables, self._dialect)

        async def work(connection: Connection) -> None:
            await connection.execute(self._names.fill(ONE_AT_A_TIME))
            if not await connection.fetchval(self._names.fill(EMPTIED), self._micros(), processor):
                await self._refuse_unknown(connection, processor)
            await emptying(connection)
            await self.reset_within(connection, processor)

        await again_if_transient(self._connections, work, for_user=True)

    async def drop(self, processor: str, tables: Sequence[Table]) -> None:
        self._refuse_taken(tables)
        dropping = replace_tables(tables, self._dialect)

        async def work(connection: Connection) -> None:
            await connection.execute(self._names.fill(ONE_AT_A_TIME))
            if not await connection.fetchval(self._names.fill(DROPPED), processor):
                await self._refuse_unknown(connection, processor)
            await dropping(connection)
            await self.reset_within(connection, processor)
            for statement in FORGET:
                await connection.execute(self._names.fill(statement), processor)

        await again_if_transient(self._connections, work, for_user=True)

    async def make(self, tables: Sequence[Table]) -> None:
        self._refuse_taken(tables)
        making = make_tables(tables, self._dialect)

        async def work(connection: Connection) -> None:
            await connection.execute(self._names.fill(ONE_AT_A_TIME))
            await making(connection)

        if tables:
            await again_if_transient(self._connections, work, for_user=True)

    def _refuse_our_own(self, table: str) -> None:
        if self._names.is_ours(table.lower()):  # also what differs in case alone: the same code runs on SQLite
            raise InvalidInput(f"{table!r} is a table of Eventfold, which no projector writes; choose another name")
        if table.lower().startswith(_THE_SERVERS_OWN):
            raise InvalidInput(f"{table!r}: Postgres keeps {_THE_SERVERS_OWN} for itself; choose another name")

    def _refuse_taken(self, tables: Sequence[Table]) -> None:
        for table in tables:
            self._refuse_our_own(table.name)
            if table.schema == self._names.schema:
                raise InvalidInput(f"{table.fullname!r}: the schema is Eventfold's own; name another, or none")

    async def note_error(self, processor: str, error: str | None) -> None:
        told = None if error is None else printable(error)
        async with session(self._connections) as connection:
            await connection.execute(self._names.fill(NOTE_ERROR), told, self._micros(), processor)

    # --------------------------------------------------------------------- writing

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[RowTransaction]:
        self._connections.refuse_if_unusable()
        transaction = OpenTransaction(self._connections, self, self.prepared)
        try:
            yield transaction
        finally:
            await transaction.end()

    # --------------------------------------------------------------------- reading

    async def query(self, select: SelectBase, params: Params | None = None) -> list[tuple[Any, ...]]:
        sql, values, make = self.prepared(select, params)
        async with session(self._connections, for_user=True) as connection:
            rows = await connection.fetch(sql, *values)
        return [make(row) for row in rows]

    async def query_text(self, sql: str) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
        """
        As promised. `events` and the other tables of the store need no schema before their names, unless the
        application has tables of that name.
        """
        async with (
            self._connections.use(for_user=True) as connection,
            in_transaction(connection, AS_OF_NOW),
        ):
            await connection.fetchval(self._names.fill(OURS_LAST))  # and from here no statement can make it writable
            try:
                statement = await connection.prepare(sql)
                columns = tuple(str(each.name) for each in statement.get_attributes())
                if not columns:
                    raise InvalidInput(_ONLY_READS)
                return columns, [tuple(row) for row in await statement.fetch()]
            except ReadOnlySQLTransactionError as error:
                raise InvalidInput(f"{_ONLY_READS}: {error}") from error

    async def close(self) -> None:
        await self._connections.close()


def _is_newer(processor: str, code: tuple[int, str, int], recorded: tuple[int, str, int]) -> bool:
    """
    Whether the code is newer than what has filled the tables, so that it begins anew.

    Raises:
        InvalidInput: it is another kind, older, or divided in another way.
    """
    version, kind, partitions = code
    refuse_other_kind(processor, kind, recorded[1])
    refuse_older_code(processor, version, recorded[0], kind)
    begins_anew = version > recorded[0] and not keeps_its_place(kind)
    if not begins_anew:
        refuse_other_partitions(processor, partitions, recorded[2])
    return begins_anew
