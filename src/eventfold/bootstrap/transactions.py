"""Commands in one transaction with other things: the caller's own, one of the store's, or that of a lock."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from functools import partial
from typing import Any, Final, Protocol, runtime_checkable

from eventfold.commands.boundary import BoundaryManager
from eventfold.commands.context import no_appends_beside
from eventfold.commands.joining import Joined, Mine
from eventfold.commands.recording import Recorder
from eventfold.errors import HandlerFailed, InvalidInput, RetryTransaction, UnsupportedByStore
from eventfold.ports.read_model import ReadModel
from eventfold.ports.unit import Unit, Units
from eventfold.schema.serializer import Serializer

__all__ = ["Transactions"]

_AGAIN: Final = (
    "the database asks for the whole transaction once more (a deadlock, or a connection that broke); nothing of it was "
    "stored: run its block again"
)


class _TheirUnit(Unit, Protocol):
    """A unit in a transaction that goes on when something of the unit fails."""

    def whole(self) -> AbstractAsyncContextManager[None]:
        """When the block raises, nothing of it remains in the transaction."""
        ...


@runtime_checkable
class _Joins(Protocol):
    """Units that also go over a connection of somebody else's."""

    async def join(self, connection: Any) -> _TheirUnit: ...


class Transactions:
    """Opens transactions of the application, and joins others."""

    def __init__(
        self,
        units: Units,
        rows: ReadModel,
        recorder: Recorder,
        boundaries: BoundaryManager,
        serializer: Serializer,
        mine: Mine,
    ) -> None:
        self._units = units
        self._rows = rows
        self._recorder = recorder
        self._boundaries = boundaries
        self._serializer = serializer
        self._mine = mine

    def _joined(self, unit: Unit) -> Joined:
        return Joined(unit, self._recorder, self._boundaries, self._serializer, self._rows.bind, self._mine)

    @asynccontextmanager
    async def join(self, connection: Any) -> AsyncGenerator[Joined]:
        if not isinstance(self._units, _Joins):
            raise UnsupportedByStore(
                "this store has no server that a connection of yours could lead to; "
                "use `async with running.transaction()`, which lends you one of the store's"
            )
        unit = await self._units.join(connection)
        joined = self._joined(unit)
        try:
            yield joined
            try:  # an append by itself is whole anyway
                async with unit.whole() if joined.takes_several_steps else nullcontext():
                    await joined.finish()
            except HandlerFailed as failed:
                async with unit.whole():
                    await joined.judge(failed, unit)
        finally:
            joined.end()

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[Joined]:
        """The store repeats its work by itself; a block cannot be repeated, so its owner is told to."""
        loop = asyncio.get_running_loop()
        opened: asyncio.Future[Unit] = loop.create_future()
        finished: asyncio.Future[Joined] = loop.create_future()

        why = RetryTransaction(_AGAIN)

        async def work(unit: Unit) -> None:
            nonlocal why
            if opened.done():
                raise why
            opened.set_result(unit)
            joined = await finished
            try:
                await joined.finish()
            except RetryTransaction as error:
                why = error
                raise

        transaction = asyncio.ensure_future(self._units.transact(work))
        try:
            either: list[asyncio.Future[Any]] = [transaction, opened]
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if not opened.done():
                await transaction
            joined = self._joined(opened.result())
            try:
                with nullcontext() if isinstance(self._units, _Joins) else no_appends_beside(self._recorder):
                    yield joined
            except InvalidInput:  # perhaps for this reason alone: the store had given the transaction up
                if transaction.done():
                    await transaction
                raise
            finally:
                joined.end()
            if not finished.done():  # else the store has given it up: it took too long
                finished.set_result(joined)
            try:
                await asyncio.shield(transaction)
            except HandlerFailed as failed:
                await self._units.transact(partial(joined.judge, failed))
        finally:
            if not transaction.done():
                transaction.cancel()
            await asyncio.wait([transaction])
            if not transaction.cancelled():
                transaction.exception()  # whoever has raised something else need not hear of it
        await joined.committed()
