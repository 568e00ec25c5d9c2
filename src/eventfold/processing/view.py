"""What the handlers of a projector write to: statements with rows, queued, and read on demand."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, Final, Self

from eventfold.errors import InvalidInput
from eventfold.ports.read_model import Params, ReadModel, RowTransaction, Shape

if TYPE_CHECKING:
    from sqlalchemy.sql.selectable import SelectBase

    from eventfold.ports.checkpoint_store import Move
    from eventfold.ports.read_model import Writing

__all__ = ["LONGEST_HOLD", "View"]

LONGEST_HOLD: Final = 5.0
"""Seconds for which a batch may keep others from writing once it has read."""


class View:
    """
    The rows of one batch, in the making.

    Writes are queued and sent together: rows for one statement become one round trip, in the order they came. Only
    statements that depend on their own table alone change places with those of other tables.
    So an error of the database shows when the batch is flushed; the event that caused it is found and named.
    """

    def __init__(self, rows: ReadModel, *, timeout: asyncio.Timeout) -> None:
        self._bind = rows.bind
        self._rows = rows
        self._in_order = False
        self._timeout = timeout
        self._stack = AsyncExitStack()
        self._transaction: RowTransaction | None = None
        self._queues: dict[str, list[tuple[Shape, list[tuple[Any, ...]]]]] = {}
        self._over = False
        self._broken: BaseException | None = None

    def write(self, statement: Writing, row: Params | None = None) -> None:
        """
        Queue an insert, update or delete with one row of values for its parameters.

        Build the statement once, at module level: building costs fifty times what running it costs.

        Raises:
            UnsupportedStatement, InvalidInput: at once, for what cannot be run.
        """
        if self._over:
            raise InvalidInput("this view belonged to a batch that is over; write within the handler")
        shape, values = self._bind(statement, row)
        if not (shape.alone or self._in_order):
            self._queues = {"": self._drained()}
            self._in_order = True
        queue = self._queues.setdefault("" if self._in_order else shape.table, [])
        if queue and (queue[-1][0] is shape or queue[-1][0].sql == shape.sql):
            queue[-1][1].append(values)
        else:
            queue.append((shape, [values]))

    async def fetch(self, select: SelectBase, params: Params | None = None) -> list[tuple[Any, ...]]:
        """
        Rows as named tuples, with everything in them that has been written before.

        From here to the end of the batch nobody else writes, so a handler that reads must not wait for anything else.
        """
        if self._over:
            raise InvalidInput("this view belonged to a batch that is over; fetch within the handler")
        transaction = await self._begin()
        try:
            return await transaction.fetch(self._drained(), select, params)
        except BaseException as error:
            self._broken = error  # rows that were queued before may be lost, even if the handler goes on
            raise

    async def commit(self, move: Move) -> None:
        """Everything that was queued, and the checkpoint, in one transaction."""
        if self._broken is not None:
            raise self._broken
        transaction = await self._begin()
        self._timeout.reschedule(None)  # from here it is the store that takes its time, and its answer is the truth
        self._over = True
        await transaction.commit(self._drained(), move)

    async def _begin(self) -> RowTransaction:
        if self._transaction is None:
            self._transaction = await self._stack.enter_async_context(self._rows.transaction())
            self._timeout.reschedule(asyncio.get_running_loop().time() + LONGEST_HOLD)
        return self._transaction

    def _drained(self) -> list[tuple[Shape, list[tuple[Any, ...]]]]:
        writes = [run for queue in self._queues.values() for run in queue]
        self._queues = {}
        return writes

    async def __aenter__(self) -> Self:
        await self._stack.__aenter__()
        return self

    async def __aexit__(self, *exception: Any) -> None:  # noqa: PYI036 - passed on to the stack as it came
        self._over = True
        await self._stack.__aexit__(*exception)
