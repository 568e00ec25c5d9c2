"""What handlers write to: statements with rows, queued, and read on demand."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, Final, Protocol, Self, TypeAlias

from eventfold.errors import InvalidInput
from eventfold.ports.read_model import Bound, Params, ReadModel, RowTransaction, Shape, Writes

if TYPE_CHECKING:
    from sqlalchemy.sql.selectable import SelectBase

    from eventfold.ports.checkpoint_store import Move
    from eventfold.ports.parking import Settled
    from eventfold.ports.read_model import Writing

__all__ = ["LONGEST_HOLD", "BatchView", "View"]

LONGEST_HOLD: Final = 5.0
"""Seconds for which a batch may keep others from writing once it has read."""

Binds: TypeAlias = "Callable[[Writing, Params | None], Bound]"


class Fetches(Protocol):
    """A transaction, as far as a view is concerned."""

    async def fetch(self, writes: Writes, select: SelectBase, params: Params | None) -> list[tuple[Any, ...]]: ...


class View:
    """
    Rows in the making.

    Writes are queued and sent together: rows for one statement become one round trip, in the order they came. Only
    statements that depend on their own table alone change places with those of other tables.
    So an error of the database shows when they are sent; the event that caused it is found and named.
    """

    _in_order = False
    _over = False
    _broken: BaseException | None = None

    def __init__(self, bind: Binds, begin: Callable[[], Awaitable[Fetches]], *, of: str) -> None:
        self._bind = bind
        self._begin = begin
        self._of = of
        self._queues: dict[str, list[tuple[Shape, list[tuple[Any, ...]]]]] = {}

    def write(self, statement: Writing, row: Params | None = None) -> None:
        """
        Queue an insert, update or delete with one row of values for its parameters.

        Build the statement once, at module level: building costs fifty times what running it costs.

        Raises:
            UnsupportedStatement, InvalidInput: at once, for what cannot be run.
        """
        if self._over:
            raise InvalidInput(f"this view belonged to {self._of} that is over; write within the handler")
        shape, values = self._bind(statement, row)
        if not (shape.alone or self._in_order):
            self._queues = {"": self._drained()}
            self._in_order = True
        queue = self._queues.get("" if self._in_order else shape.table)
        if queue is None or self._in_order:
            self._refuse_foreign(shape.table)
            queue = self._queues.setdefault("" if self._in_order else shape.table, [])
        if queue and (queue[-1][0] is shape or queue[-1][0].sql == shape.sql):
            queue[-1][1].append(values)
        else:
            queue.append((shape, [values]))

    async def fetch(self, select: SelectBase, params: Params | None = None) -> list[tuple[Any, ...]]:
        """
        Rows as named tuples, with everything in them that has been written before.

        From here to the end nobody else writes, so a handler that reads must not wait for anything else.
        """
        if self._over:
            raise InvalidInput(f"this view belonged to {self._of} that is over; fetch within the handler")
        transaction = await self._begin()
        try:
            return await transaction.fetch(self._drained(), select, params)
        except BaseException as error:
            self._broken = error  # rows that were queued before may be lost, even if the handler goes on
            raise

    def _refuse_foreign(self, table: str) -> None:
        """Handlers beside a projector share their tables."""

    def _refuse_if_broken(self) -> None:
        if self._broken is not None:
            raise self._broken

    def _drained(self) -> list[tuple[Shape, list[tuple[Any, ...]]]]:
        writes = [run for queue in self._queues.values() for run in queue]
        self._queues = {}
        return writes


class BatchView(View):
    """The rows of one batch of a projector, which commit together with its checkpoint."""

    def __init__(self, rows: ReadModel, *, processor: str, tables: frozenset[str], timeout: asyncio.Timeout) -> None:
        super().__init__(rows.bind, self._begun, of="a batch")
        self._processor = processor
        self._tables = tables
        self._rows = rows
        self._timeout = timeout
        self._stack = AsyncExitStack()
        self._transaction: RowTransaction | None = None

    async def commit(self, step: Move | Settled) -> None:
        """Everything that was queued, and the checkpoint or what settles a parked event, in one transaction."""
        self._refuse_if_broken()
        transaction = await self._begun()
        self._timeout.reschedule(None)  # from here it is the store that takes its time, and its answer is the truth
        self._over = True
        await transaction.commit(self._drained(), step)

    def _refuse_foreign(self, table: str) -> None:
        if table not in self._tables:
            raise InvalidInput(
                f"projector {self._processor!r} writes to {table!r}, which is not among its tables "
                f"{sorted(self._tables)}: what it does not own is not emptied when it starts over; name it in "
                "Projector(tables=[…])"
            )

    async def flush(self) -> None:
        """Send what was queued, so that its errors show, and go on."""
        self._refuse_if_broken()
        writes = self._drained()
        if writes:
            transaction = await self._begun()
            await transaction.run(writes)

    async def _begun(self) -> RowTransaction:
        if self._transaction is None:
            self._transaction = await self._stack.enter_async_context(self._rows.transaction())
            self._timeout.reschedule(asyncio.get_running_loop().time() + LONGEST_HOLD)
        return self._transaction

    async def __aenter__(self) -> Self:
        await self._stack.__aenter__()
        return self

    async def __aexit__(self, *exception: Any) -> None:  # noqa: PYI036 - passed on to the stack as it came
        self._over = True
        await self._stack.__aexit__(*exception)
