"""
Somebody else's transaction as a unit: his commit stores our events with his rows, his rollback neither.

Subscribers are safe whatever he does: the first append of his transaction takes the appender's lock, which a savepoint
that is rolled back takes along, together with what was appended below it. Until he commits, readers stop before his
events, so he should do that soon.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final
from weakref import WeakSet

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from eventfold.adapters.postgres.connection import Connections
from eventfold.adapters.postgres.failures import speaking_our_errors
from eventfold.adapters.postgres.open_unit import Line, OpenUnit, PooledLine, Server
from eventfold.adapters.postgres.theirs import FAILED_ALREADY, NO_TRANSACTION, Theirs
from eventfold.errors import InvalidInput, StoreError

__all__ = ["Joining"]

WHERE: Final = """
SELECT (SELECT system_identifier FROM pg_control_system())::text,
       (SELECT oid FROM pg_database WHERE datname = current_database())::bigint, to_regclass('{events}')::oid::bigint
"""
_BETWEEN_HINTS: Final = 0.05


class Joining:
    """
    Args:
        look_out: called after each append: somebody has to look for the commit, which nobody tells us of.
    """

    def __init__(self, connections: Connections, server: Server, look_out: Callable[[], None]) -> None:
        self._connections = connections
        self._server = server
        self._look_out = look_out
        self._told_at = 0.0
        self._where = server.names.fill(WHERE)
        self._here: tuple[Any, ...] | None = None
        self._known: WeakSet[Any] = WeakSet()

    async def join(self, connection: Any) -> OpenUnit:
        other = theirs(connection)
        try:
            with speaking_our_errors("the connection to join", for_user=True):
                line = await other.entered()
                if other.driver not in self._known:
                    await self._refuse_elsewhere(line)
        except StoreError as error:
            if isinstance(error.__cause__, asyncpg.InFailedSQLTransactionError):
                raise InvalidInput(FAILED_ALREADY) from error
            raise
        self._known.add(other.driver)

        async def still_open() -> Line:
            other.refuse_if_over()
            return line

        return OpenUnit(self._server, still_open, read_committed=None, appended=self._tell)

    def _tell(self) -> None:
        """Not each time: whoever looks does so ever more seldom, so what came x after a hint is found x later."""
        now = self._connections.loop.time()
        if now - self._told_at > _BETWEEN_HINTS:
            self._told_at = now
            self._look_out()

    async def _refuse_elsewhere(self, line: Line) -> None:
        if self._here is None:
            async with self._connections.use() as own:
                self._here = tuple(await own.fetchrow(self._where))
        (there,) = await line.fetch(self._where, ())
        if tuple(there) != self._here:
            raise InvalidInput(
                f"the connection leads to another database than the store, which is {self._server.where}, schema "
                f"{self._server.names.schema!r}: events and rows commit together only within one"
            )


class OverAsyncpg:
    """A connection of the driver that we use too, or what a pool of its lends."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    @property
    def driver(self) -> Any:
        """A pool lends it in another wrapping each time."""
        return getattr(self._connection, "_con", self._connection)

    async def entered(self) -> Line:
        if self._connection.is_closed():
            raise InvalidInput("the connection is closed; join before you close it, or give it back to its pool")
        self.refuse_if_over()
        return PooledLine(self._connection)

    def refuse_if_over(self) -> None:
        if not self._connection.is_in_transaction():
            raise InvalidInput(NO_TRANSACTION.format("async with connection.transaction():"))


def theirs(connection: Any) -> Theirs:
    """By what it is called, so that no driver is imported that is not there already."""
    if isinstance(connection, (asyncpg.Connection, PoolConnectionProxy)):
        return OverAsyncpg(connection)
    for each in type(connection).__mro__:
        match each.__module__.partition(".")[0], each.__name__:
            case "psycopg", ("AsyncConnection" | "Connection"):
                from eventfold.adapters.postgres.over_psycopg import OverPsycopg

                return OverPsycopg(connection)
            case "sqlalchemy", ("AsyncSession" | "AsyncConnection" | "Session" | "Connection"):
                from eventfold.adapters.postgres.over_sqlalchemy import OverSqlalchemy

                return OverSqlalchemy(connection, theirs)
            case _:
                pass
    raise InvalidInput(
        f"{type(connection).__module__}.{type(connection).__qualname__} cannot be joined; pass a connection of asyncpg "
        "or psycopg, or a Connection, Session, AsyncConnection or AsyncSession of SQLAlchemy over one of these drivers"
    )
