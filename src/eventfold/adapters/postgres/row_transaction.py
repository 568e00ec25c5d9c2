"""One transaction over rows and checkpoint, on a connection of its own."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import count
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

from asyncpg import exceptions

from eventfold.adapters.postgres.connection import Connection, Connections
from eventfold.adapters.postgres.failures import FAILED, LOST, TRANSIENT, translated
from eventfold.adapters.postgres.transient import ATTEMPTS, pause_before
from eventfold.errors import InvalidInput, RetryTransaction, StoreUnavailable
from eventfold.ports.checkpoint_store import Move
from eventfold.ports.failpoint import failpoint
from eventfold.ports.parking import Settled
from eventfold.ports.read_model import Params, Writes

if TYPE_CHECKING:
    from sqlalchemy.sql.selectable import SelectBase

__all__ = ["AGAIN", "BEGIN", "OpenTransaction", "Preparing"]

_log = logging.getLogger("eventfold.postgres")

Prepared: TypeAlias = tuple[str, tuple[Any, ...], Callable[[Sequence[Any]], tuple[Any, ...]]]
Preparing: TypeAlias = "Callable[[SelectBase, Params | None], Prepared]"

# A process that stands still within a transaction keeps others waiting for its rows: the server ends it then.
BEGIN: Final = "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL idle_in_transaction_session_timeout = '10s'"
AGAIN: Final[tuple[type[Exception], ...]] = (
    *TRANSIENT,
    exceptions.InvalidCachedStatementError,
    exceptions.OutdatedSchemaCacheError,
)
"""Nothing was kept, and the same again may succeed."""
_LAST_WORD: Final = 2.0
_LONGEST_PAUSE: Final = 8
"""As an attempt: between one and three seconds."""


class Checkpoints(Protocol):
    async def advance_within(self, connection: Connection, move: Move) -> None: ...
    async def settle_within(self, connection: Connection, settled: Settled) -> None: ...
    async def took_within(self, connection: Connection, step: Move | Settled) -> bool: ...


class OpenTransaction:
    """
    Begins with the first statement, so that a transaction that does nothing costs nothing.

    An error ends it at once: half of a batch must not be committed by somebody who caught the error. As long as it has
    not read, nobody has decided on what it read: a deadlock then is answered here, by doing it once more.
    """

    def __init__(self, connections: Connections, checkpoints: Checkpoints, prepared: Preparing) -> None:
        self._connections = connections
        self._checkpoints = checkpoints
        self._prepared = prepared
        self._connection: Connection | None = None
        self._committing = False
        self._over: BaseException | None = None

    async def fetch(self, writes: Writes, select: SelectBase, params: Params | None) -> list[tuple[Any, ...]]:
        sql, values, make = self._prepared(select, params)
        async with self._ended_by_an_error():
            connection = await self._begun()
            await _write(connection, writes)
            return [make(row) for row in await connection.fetch(sql, *values)]

    async def run(self, writes: Writes) -> None:
        async with self._ended_by_an_error():
            await _write(await self._begun(), writes)

    async def commit(self, writes: Writes, step: Move | Settled | None) -> None:
        async with self._ended_by_an_error():
            if writes or step is not None or self._connection is not None:
                await self._committed(writes, step)
            if step is not None:
                failpoint("projection.after_commit")
        await self.end()

    async def end(self) -> None:
        """What has not been committed is not kept."""
        self._over = self._over or InvalidInput("this transaction is over; open another one")
        await self._roll_back()

    # ---------------------------------------------------------------- one after another

    async def _begun(self) -> Connection:
        if self._connection is None:
            self._connection = self._connections.take_now() or await self._connections.take()
            self._committing = False
            try:
                await self._connection.execute(BEGIN)
            except BaseException:  # it may have begun, or not: whoever had it next would not know
                self._throw_away()
                raise
        return self._connection

    async def _committed(self, writes: Writes, step: Move | Settled | None) -> None:
        has_read = self._connection is not None
        for attempt in count(1):
            try:
                await self._commit(await self._begun(), writes, step)
                break
            except AGAIN:
                if has_read or attempt == ATTEMPTS:
                    raise
                await self._roll_back()
                await pause_before(attempt)
            except LOST:
                if not (self._committing and step is not None and await self._took(step)):
                    raise
                break

    async def _commit(self, connection: Connection, writes: Writes, step: Move | Settled | None) -> None:
        await _write(connection, writes)
        if step is not None:
            failpoint("projection.before_checkpoint")
            if isinstance(step, Settled):
                await self._checkpoints.settle_within(connection, step)
            else:
                await self._checkpoints.advance_within(connection, step)
            failpoint("projection.after_checkpoint_before_commit")
        self._committing = True
        await connection.execute("COMMIT")

    async def _took(self, step: Move | Settled) -> bool:
        """Whether the commit that was not answered took place: asked on other connections, until one answers."""
        self._throw_away()
        for attempt in count(1):
            try:
                async with self._connections.use() as connection:
                    await connection.execute(BEGIN)
                    took = await self._checkpoints.took_within(connection, step)
                    await connection.execute("ROLLBACK")
                    return took
            except StoreUnavailable as away:
                if not isinstance(away.__cause__, LOST):
                    raise
                _log.warning("processor %r: was its last commit done? Asking again: %s", step.processor, away)
                await pause_before(min(attempt, _LONGEST_PAUSE))
        raise AssertionError("unreachable: it asks until there is an answer")

    # -------------------------------------------------------------------------- the end

    @asynccontextmanager
    async def _ended_by_an_error(self) -> AsyncGenerator[None]:
        if self._over is not None:
            raise self._over
        try:
            yield
        except FAILED as error:
            self._over = self._in_our_words(error)
            await self._roll_back()
            raise self._over from error
        except BaseException as error:
            self._over = error
            await self._roll_back()
            raise

    def _in_our_words(self, error: Exception) -> Exception:
        if isinstance(error, (*LOST, *AGAIN)):
            said = str(error).partition("\n")[0] or type(error).__name__
            return RetryTransaction(f"{self._connections.where}: {said}; nothing was kept, do it all once more")
        return translated(error, self._connections.where, role=self._connections.role(), for_user=True)

    async def _roll_back(self) -> None:
        """
        A statement that was cancelled is ended on the server too, or it would keep its locks until it is done.

        If that takes long, or is cancelled itself, the connection is thrown away.
        """
        connection = self._connection
        if connection is None:
            return
        try:
            if not connection.is_closed() and connection.is_in_transaction():
                await connection.execute("ROLLBACK", timeout=_LAST_WORD)
        except LOST:
            self._throw_away()
        except asyncio.CancelledError:
            self._throw_away()
            raise
        finally:
            self._connection = None
            self._connections.give_back(connection)

    def _throw_away(self) -> None:
        if self._connection is not None:
            self._connections.throw_away(self._connection)
            self._connection = None


async def _write(connection: Connection, writes: Writes) -> None:
    for shape, rows in writes:
        await connection.executemany(shape.sql, rows)
