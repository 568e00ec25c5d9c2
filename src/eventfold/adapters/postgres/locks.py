"""
A stream for one at a time: an advisory lock of the transaction that then does the work.

It belongs to a transaction rather than a session, so it works through a pooler, and the server ends it with its holder.
The work runs below a savepoint: what fails is undone, and the lock is kept. Who waits for a stream that is locked in
this process waits without a connection, and at most half of the pool holds locks, so that plain reads and appends go
on.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import count
from typing import Final

import asyncpg

from eventfold.adapters.postgres.connection import Connection, Connections
from eventfold.adapters.postgres.failures import FAILED, LOST, speaking_our_errors
from eventfold.adapters.postgres.open_unit import OpenUnit, Server
from eventfold.adapters.postgres.transaction import Again, Committing, Transaction, in_time, transaction
from eventfold.adapters.postgres.transient import ATTEMPTS, pause_before
from eventfold.domain.message import Stream
from eventfold.errors import InvalidInput, LockTimedOut, StoreUnavailable
from eventfold.ports.event_store import Fact
from eventfold.ports.unit import LONGEST_HOLD, Held, T, Work

__all__ = ["Locks"]

BEGIN: Final = "BEGIN ISOLATION LEVEL READ COMMITTED"  # whoever has a lock may think for a while
# A category holds no space. Streams whose hashes are equal share a lock, which costs them some waiting.
LOCK: Final = """
SELECT set_config('lock_timeout', $3, true),
       pg_advisory_xact_lock('{snapshots}'::regclass::oid::int, hashtext($1 || ' ' || $2))
"""
LOCKED: Final = "SET LOCAL lock_timeout TO DEFAULT"
BELOW: Final = "SAVEPOINT work"
UNDO: Final = "ROLLBACK TO SAVEPOINT work; RELEASE SAVEPOINT work"
_LAST_WORD: Final = 2.0


class Locks:
    """
    Args:
        most: locks that are held at once.
    """

    def __init__(self, connections: Connections, server: Server, committing: Committing, *, most: int) -> None:
        self._connections = connections
        self._server = server
        self._committing = committing
        self._lock = server.names.fill(LOCK)
        self._room = asyncio.Semaphore(most)
        self._lines: dict[Stream, _Line] = {}

    @asynccontextmanager
    async def held(self, stream: Stream, timeout: float) -> AsyncGenerator[Held]:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        async with AsyncExitStack() as until_released:
            try:
                async with asyncio.timeout_at(deadline):  # whoever need not wait gets it, even in no time
                    await until_released.enter_async_context(self._in_line(stream))
                    await until_released.enter_async_context(self._room)
            except TimeoutError as error:
                raise LockTimedOut(stream, timeout) from error
            with speaking_our_errors(self._server.where, role=self._server.role):
                opened = await until_released.enter_async_context(transaction(self._connections, begin=BEGIN))
                connection = await opened.begun()
            try:
                await self._take(connection, stream, deadline - loop.time())
            except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError) as error:
                raise LockTimedOut(stream, timeout) from error
            except FAILED as error:
                raise self._server.translated(error) from error
            yield _Held(stream, opened, until_released, self._server, self._committing)

    async def _take(self, connection: Connection, stream: Stream, left: float) -> None:
        milliseconds = max(1, int(left * 1_000))  # 0 would be without end
        longest = max(0.0, left) + self._connections.patience
        await connection.fetchrow(self._lock, *stream, str(milliseconds), timeout=longest)
        await connection.execute(LOCKED)

    @asynccontextmanager
    async def _in_line(self, stream: Stream) -> AsyncGenerator[None]:
        line = self._lines.setdefault(stream, _Line())
        line.length += 1
        try:
            async with line.first:
                yield
        finally:
            line.length -= 1
            if line.length == 0:
                del self._lines[stream]


class _Line:
    """Those in this process who want one stream."""

    def __init__(self) -> None:
        self.first = asyncio.Lock()
        self.length = 0


class _Held:
    def __init__(
        self,
        stream: Stream,
        opened: Transaction,
        until_released: AsyncExitStack,
        server: Server,
        committing: Committing,
    ) -> None:
        self._stream = stream
        self._transaction = opened
        self._until_released = until_released
        self._server = server
        self._committing = committing

    async def load(self, stream: Stream, *, after: int = 0, upto: int | None = None) -> AsyncIterator[Sequence[Fact]]:
        self._connection()
        async for facts in OpenUnit(self._server, self._transaction.line).load(stream, after=after, upto=upto):
            yield facts

    async def transact(self, work: Work[T]) -> T:
        for attempt in count(1):
            try:
                return await self._once(work)
            except Again as again:
                if self._transaction.connection is None or self._transaction.connection.is_closed():
                    raise StoreUnavailable(
                        f"{again.why}; the lock of {self._stream} is lost with its connection, and nothing was stored: "
                        "lock it again"
                    ) from again
                if attempt == ATTEMPTS:
                    raise again.why from again
            await pause_before(attempt)
        raise AssertionError("unreachable: the last attempt raises")

    async def _once(self, work: Work[T]) -> T:
        connection = self._connection()
        loop = asyncio.get_running_loop()
        unit = OpenUnit(self._server, self._transaction.line)
        with speaking_our_errors(self._server.where, role=self._server.role):
            await connection.execute(BELOW)
        try:
            result = await in_time(work, unit, asyncio.timeout_at(loop.time() + LONGEST_HOLD))
        except BaseException:
            await self._undo(connection)
            raise
        await self._committing.commit(self._transaction, unit)
        await self._until_released.aclose()
        return result

    async def _undo(self, connection: Connection) -> None:
        """A connection that does not even do that is not used any more, and the lock goes with it."""
        try:
            await connection.execute(UNDO, timeout=_LAST_WORD)
        except LOST:
            self._transaction.lost()
        except asyncio.CancelledError:
            self._transaction.lost()
            raise

    def _connection(self) -> Connection:
        if self._transaction.connection is None:
            raise InvalidInput(f"the lock of {self._stream} has been released; lock it again")
        return self._transaction.connection
