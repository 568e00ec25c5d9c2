"""Transactions over the log and the rows of one store, each on a connection of the pool."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from itertools import count
from typing import Any, Final

from eventfold.adapters.postgres.connection import Connection, Connections
from eventfold.adapters.postgres.group import Writer
from eventfold.adapters.postgres.joined import Joining
from eventfold.adapters.postgres.locks import Locks
from eventfold.adapters.postgres.names import Names
from eventfold.adapters.postgres.open_unit import OpenUnit, PooledLine, Server
from eventfold.adapters.postgres.row_transaction import Preparing
from eventfold.adapters.postgres.transaction import Again, Committing, in_time, transaction
from eventfold.adapters.postgres.transient import ATTEMPTS, pause_before
from eventfold.domain.message import Stream
from eventfold.ports.unit import LONGEST_HOLD, Held, T, Unit, Work

__all__ = ["PostgresUnits"]

_ROOM: Final = 2
"""Locks that can be held at once, in any case."""


class PostgresUnits:
    """
    Within a transaction everything goes one statement after another; several transactions go side by side. At most half
    of the pool holds locks, so that plain reads and appends go on; a pool that is too small for that has three more
    connections for units and locks, opened when they are needed.

    Args:
        writer: rings its bell after every commit.
        look_out: has this process, and the others, look for events of a transaction that somebody else will commit.
    """

    def __init__(
        self,
        connections: Connections,
        names: Names,
        writer: Writer,
        preparing: Preparing,
        *,
        look_out: Callable[[], None] = lambda: None,
    ) -> None:
        self._writer = writer
        self._server = Server(names, preparing, connections.where, connections.role)
        room = max(_ROOM, connections.most // 2)
        if connections.most < 2 * _ROOM:
            direct = connections.direct_url if connections.pooled else None
            connections = Connections(connections.url, direct=direct, most=_ROOM + 1, patience=connections.patience)
            writer.before_close.append(connections.close)
        self._aside = connections
        self._committing = Committing(connections, self._server, self._announce)
        self._locks = Locks(connections, self._server, self._committing, most=room)
        self._joining = Joining(connections, self._server, look_out)

    async def transact(self, work: Work[T]) -> T:
        self._writer.refuse_if_unusable()
        for attempt in count(1):
            try:
                return await self._once(work)
            except Again as again:
                if attempt == ATTEMPTS:
                    raise again.why from again
            await pause_before(attempt)
        raise AssertionError("unreachable: the last attempt raises")

    async def _once(self, work: Work[T]) -> T:
        limit = asyncio.timeout(None)
        loop = self._aside.loop
        async with transaction(self._aside, lambda: limit.reschedule(loop.time() + LONGEST_HOLD)) as opened:
            unit = OpenUnit(self._server, opened.line)
            result = await in_time(work, unit, limit)
            await self._committing.commit(opened, unit)
            return result

    def lock(self, stream: Stream, *, timeout: float) -> AbstractAsyncContextManager[Held]:
        self._writer.refuse_if_unusable()
        return self._locks.held(Stream.of(*stream), timeout)

    async def join(self, connection: Any) -> Unit:
        """
        A unit over the transaction that is open on somebody else's connection; it is his to commit or roll back.

        Args:
            connection: of asyncpg or psycopg, or a connection or session of SQLAlchemy over one of them.

        Raises:
            InvalidInput: it is none of these, it is closed, it has no transaction, or not one of this database.
        """
        self._writer.refuse_if_unusable()
        return await self._joining.join(connection)

    def over(self, connection: Connection) -> Unit:
        """A unit over the transaction that is open on a connection of the pool; whoever has it commits."""

        async def line() -> PooledLine:
            return PooledLine(connection)

        return OpenUnit(self._server, line)

    def _announce(self) -> None:
        self._writer.bell.ring()
        for each in self._writer.after_commit:
            each()
