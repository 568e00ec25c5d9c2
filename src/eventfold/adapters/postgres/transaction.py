"""A transaction of a connection of ours, from its first statement to a commit of which the outcome is known."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

from eventfold.adapters.postgres.connection import Connection, Connections
from eventfold.adapters.postgres.failures import FAILED, LOST
from eventfold.adapters.postgres.open_unit import OpenUnit, PooledLine, Server
from eventfold.adapters.postgres.row_transaction import AGAIN, BEGIN
from eventfold.adapters.postgres.transient import pause_before
from eventfold.errors import AppendOutcomeUnknown, EventfoldError, RetryTransaction, StoreClosed, StoreUnavailable
from eventfold.ports.failpoint import failpoint
from eventfold.ports.unit import T, Work

__all__ = ["Again", "Committing", "Transaction", "in_time", "transaction"]


class Again(Exception):
    """Nothing was kept, and the same again may succeed. `why`: what the user is told when it does not."""

    def __init__(self, why: EventfoldError) -> None:
        self.why = why
        super().__init__(str(why))


class Transaction:
    """Begins with the first statement, so that work that does nothing costs nothing."""

    def __init__(self, connections: Connections, began: Callable[[], None], begin: str) -> None:
        self._connections = connections
        self._began = began
        self._begin = begin
        self.connection: Connection | None = None

    async def line(self) -> PooledLine:
        return PooledLine(await self.begun())

    async def begun(self) -> Connection:
        if self.connection is None:
            self.connection = self._connections.take_now() or await self._connections.take()
            self._began()
            await self.connection.execute(self._begin)
        return self.connection

    def over(self) -> None:
        """It has been committed."""
        if self.connection is not None:
            self._connections.give_back(self.connection)
            self.connection = None

    def lost(self) -> None:
        if self.connection is not None:
            self._connections.throw_away(self.connection)
            self.connection = None

    async def end(self) -> None:
        """What has not been committed is not kept."""
        if self.connection is not None:
            try:
                await self._connections.settle(self.connection)
            finally:
                self.over()


@asynccontextmanager
async def transaction(
    connections: Connections, began: Callable[[], None] = lambda: None, *, begin: str = BEGIN
) -> AsyncGenerator[Transaction]:
    opened = Transaction(connections, began, begin)
    try:
        yield opened
    finally:
        await opened.end()


async def in_time(work: Work[T], unit: OpenUnit, limit: asyncio.Timeout) -> T:
    """
    The work within the limit, which somebody sets when it has begun.

    Raises:
        Again: the server has ended the transaction, and another one may go better. Even if the work did not mind.
        TimeoutError: with the reason.
    """
    try:
        async with limit:
            result = await work(unit)
    except TimeoutError as error:
        if limit.expired():
            raise TimeoutError(
                "the transaction was open for too long, and nothing of it was kept; do before it what takes time"
            ) from error
        raise
    except RetryTransaction as error:
        raise Again(unit.told(error)) from error
    except Exception as error:
        if isinstance(unit.failure, (*AGAIN, *LOST)):
            raise Again(unit.told(error)) from error
        raise
    finally:
        unit.over = True
    if unit.failure is not None:  # somebody caught it
        told = unit.told(unit.failure)
        raise Again(told) if isinstance(unit.failure, (*AGAIN, *LOST)) else told
    return result


class Committing:
    """
    Args:
        announce: tells everybody that there is something new.
    """

    def __init__(self, connections: Connections, server: Server, announce: Callable[[], None]) -> None:
        self._connections = connections
        self._server = server
        self._announce = announce

    async def commit(self, transaction: Transaction, unit: OpenUnit) -> None:
        """
        Raises:
            Again: nothing was kept.
            AppendOutcomeUnknown: it was asked for, and nobody can say what became of it.
        """
        if transaction.connection is None:
            return
        try:
            await transaction.connection.execute("COMMIT", timeout=self._connections.patience)
            failpoint("unit.after_commit")
        except LOST as error:
            transaction.lost()
            if not await self._took(unit, error):
                raise Again(self._server.translated(error)) from error
        except AGAIN as error:
            transaction.over()
            raise Again(self._server.translated(error)) from error
        except FAILED as error:  # a constraint that is looked at last
            transaction.over()
            raise self._server.translated(error, for_user=True) from error
        finally:
            if unit.appends:  # perhaps
                self._announce()
        transaction.over()

    async def _took(self, unit: OpenUnit, why: Exception) -> bool:
        """
        Whether the commit took place that was not answered: asked on other connections, until one answers.

        What was committed together is there together, so the appends answer for the rows.
        """
        if not unit.appends:
            if not unit.wrote:
                return True
            raise AppendOutcomeUnknown((), str(self._server.translated(why))) from why
        deadline = asyncio.get_running_loop().time() + self._connections.patience
        attempt = 1
        while True:
            try:
                async with transaction(self._connections) as another:
                    return await OpenUnit(self._server, another.line).stored(unit.appends)
            except (RetryTransaction, StoreUnavailable, StoreClosed) as error:
                if isinstance(error, StoreClosed) or asyncio.get_running_loop().time() > deadline:
                    raise AppendOutcomeUnknown(unit.ids, str(self._server.translated(why))) from error
            await pause_before(attempt)
            attempt = min(attempt + 1, 6)
