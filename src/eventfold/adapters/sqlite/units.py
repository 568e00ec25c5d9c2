"""Transactions over the log and the rows of one file, each in a turn of the one writer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import apsw

from eventfold.adapters.sqlite.accepted import ACCEPT, ACCEPTED, entered, row_of
from eventfold.adapters.sqlite.connection import Connection, speaking_our_errors, translated
from eventfold.adapters.sqlite.event_store import LOAD, MARK, SqliteEventStore, marked, without_tombstone
from eventfold.adapters.sqlite.group import ConditionalJob, GroupCommit, Outcome
from eventfold.adapters.sqlite.names import Names
from eventfold.adapters.sqlite.read_model import SqliteReadModel
from eventfold.adapters.sqlite.stream_locks import StreamLocks
from eventfold.adapters.sqlite.writer import Writer
from eventfold.domain.deletion import STREAM_DELETED
from eventfold.domain.message import NO_STREAM, Stream
from eventfold.errors import AppendOutcomeUnknown
from eventfold.ports.command_log import Accepted
from eventfold.ports.event_store import Append, Appended, Condition, Fact, checked, checked_condition
from eventfold.ports.failpoint import failpoint
from eventfold.ports.holding import Steps, done_in_time, hold
from eventfold.ports.read_model import Params, Writes
from eventfold.ports.subscription import PAGE
from eventfold.ports.unit import LONGEST_HOLD, CommandTaken, Held, T, Unit, Work

if TYPE_CHECKING:
    from sqlalchemy.sql.selectable import SelectBase

__all__ = ["SqliteUnits"]

_UNENDING: Final = 2**62


class SqliteUnits:
    """One transaction after the other: from its first statement to its end, other writers wait."""

    def __init__(
        self,
        writer: Writer,
        group_commit: GroupCommit,
        store: SqliteEventStore,
        rows: SqliteReadModel,
        names: Names,
        path: str,
        *,
        busy: float,
    ) -> None:
        self._writer = writer
        self._store = store
        self._file = _File(group_commit, writer, rows, names, path, busy)
        self._locks = StreamLocks(path, writer.refuse_if_unusable)
        writer.close_first.append(self._locks.close)

    async def transact(self, work: Work[T]) -> T:
        self._writer.refuse_if_unusable()
        limit = asyncio.timeout(None)
        async with AsyncExitStack() as turn:

            async def begun() -> Connection:
                return await turn.enter_async_context(self._writer.turn())

            def holds() -> None:
                limit.reschedule(self._writer.loop.time() + LONGEST_HOLD)

            unit = _OpenUnit(self._file, begun, holds)
            try:
                result = await done_in_time(work, unit, limit)
                await unit.commit()
            finally:
                await unit.end()
                if unit.committed and unit.ids:  # also when the caller has been cancelled meanwhile
                    self._writer.changed(None)
        return result

    def lock(self, stream: Stream, *, timeout: float) -> AbstractAsyncContextManager[Held]:
        self._writer.refuse_if_unusable()
        return hold(Stream.of(*stream), timeout, self._locks.waiting, self._store, self)

    def over(self, connection: Connection) -> Unit:
        """A unit for who has the turn, and commits or rolls back what is done through it."""

        async def theirs() -> Connection:
            return connection

        return _OpenUnit(self._file, theirs)


class _File:
    """What all transactions of one file have in common."""

    def __init__(
        self, group_commit: GroupCommit, writer: Writer, rows: SqliteReadModel, names: Names, path: str, busy: float
    ) -> None:
        self.group_commit = group_commit
        self.writer = writer
        self.rows = rows
        self.load, self.mark, self.accept, self.accepted = map(names.fill, (LOAD, MARK, ACCEPT, ACCEPTED))
        self.path = path
        self.busy = busy


class _OpenUnit:
    """
    Begins with the first statement. An append that is refused is undone; any other error ends the transaction.

    Half of what was asked must not be committed because somebody caught the error.

    Args:
        begun: gives the connection, when it is our turn.
        holds: called once others wait for us. Until then it is we who wait, and the file's patience counts.
    """

    def __init__(
        self, file: _File, begun: Callable[[], Awaitable[Connection]], holds: Callable[[], None] = lambda: None
    ) -> None:
        self._file = file
        self._begun = begun
        self._holds = holds
        self._connection: Connection | None = None
        self._steps = Steps()
        self.ids: list[UUID] = []
        """Of the events that were appended."""
        self.committed = False

    async def load(self, stream: Stream, *, after: int = 0, upto: int | None = None) -> AsyncIterator[Sequence[Fact]]:
        stream = Stream.of(*stream)
        after, last = max(-1, min(after, _UNENDING)), _UNENDING if upto is None else min(upto, _UNENDING)
        while True:
            values = (*stream, after, last, PAGE)
            found: list[Fact] = await self._select(self._file.load, values)
            facts = found
            if found and (found[0][0] > max(after, NO_STREAM) + 1 or found[0][2] == STREAM_DELETED):
                mark = marked(await self._select(self._file.mark, stream))
                facts = without_tombstone(stream, after, found, mark)
            if facts:
                yield facts
            if len(found) < PAGE:
                return
            after = found[-1][0]

    async def append(self, *appends: Append, condition: Condition | None = None) -> Appended:
        events = checked(appends)
        checked_condition(condition)
        job = appends if condition is None else ConditionalJob(appends, condition)

        def run(_: Connection) -> Outcome:
            return self._file.group_commit.within(job)

        outcome = await self._do(run, events)
        if isinstance(outcome, Exception):
            raise outcome
        self.ids += [UUID(bytes=event.event_id) for append in appends for event in append.events]
        return outcome

    async def accept(self, accepted: Accepted) -> None:
        entry = row_of(accepted, accepted.recorded_at or self._file.group_commit.micros())

        def run(connection: Connection) -> bool:
            connection.execute(self._file.accept, entry)
            return connection.changes() == 1

        if not await self._do(run, 1):
            raise CommandTaken

    async def accepted(self, command_id: bytes) -> Accepted | None:
        rows = await self._select(self._file.accepted, (command_id,))
        return entered(rows[0]) if rows else None

    async def fetch(self, writes: Writes, select: SelectBase, params: Params | None) -> list[tuple[Any, ...]]:
        sql, values, make = self._file.rows.prepared(select, params)

        def run(connection: Connection) -> list[tuple[Any, ...]]:
            _write(connection, writes)
            return connection.execute(sql, values).fetchall()

        return [make(row) for row in await self._do(run, _count(writes), for_user=True)]

    async def run(self, writes: Writes) -> None:
        await self._do(lambda connection: _write(connection, writes), _count(writes), for_user=True)

    # ----------------------------------------------------------------------- the end

    async def commit(self) -> None:
        """Raises the error that has ended the transaction before, whoever caught it."""
        async with self._steps.one():
            if self._connection is not None:
                await self._committed(self._connection)

    async def _committed(self, connection: Connection) -> None:
        def run() -> None:
            failpoint("unit.before_commit")
            connection.execute("COMMIT")
            self.committed = True
            failpoint("unit.after_commit")

        try:
            await self._file.writer.work(run, 1)
        except apsw.IOError as error:
            # as with an append: only a repetition with the same ids can tell
            why = f"{self._file.path}: the disk failed during the commit ({error})"
            raise AppendOutcomeUnknown(self.ids, why) from error
        except apsw.Error as error:
            raise translated(error, self._file.path, self._file.busy, for_user=True) from error

    async def end(self) -> None:
        """What has not been committed is not kept."""
        try:
            await self._steps.end()
        finally:
            self._roll_back()

    # ------------------------------------------------------------------------- parts

    async def _select(self, sql: str, values: Sequence[Any]) -> list[Any]:
        return await self._do(lambda connection: connection.execute(sql, values).fetchall(), 1)

    async def _do(self, function: Callable[[Connection], T], rows: int, *, for_user: bool = False) -> T:
        """Within the transaction, one call after the other."""
        async with self._steps.one():
            begins = self._connection is None
            connection = self._connection = self._connection or await self._begun()

            def run() -> T:
                if not connection.in_transaction:
                    connection.execute("BEGIN IMMEDIATE")
                return function(connection)

            try:
                with speaking_our_errors(self._file.path, self._file.busy, for_user=for_user):
                    result = await self._file.writer.work(run, rows)
            except BaseException as error:
                self._steps.failed(error)
                self._roll_back()
                raise
            if begins:
                self._holds()
            return result

    def _roll_back(self) -> None:
        """What a transaction knew of its streams is not known."""
        if self._connection is not None and not self.committed:
            self._file.group_commit.roll_back()


def _write(connection: Connection, writes: Writes) -> None:
    for shape, rows in writes:
        connection.executemany(shape.sql, rows)


def _count(writes: Writes) -> int:
    return sum(len(rows) for _, rows in writes)
