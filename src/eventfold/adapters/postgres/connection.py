"""The connections of one store: opened when they are needed, lent for a moment, and thrown away when they break."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final, Protocol, cast
from urllib.parse import urlsplit

import asyncpg

from eventfold.adapters.postgres.failures import (
    FAILED,
    ClientConfigurationError,
    InterfaceError,
    PostgresError,
    speaking_our_errors,
)
from eventfold.errors import InvalidStoreUrl, StoreClosed
from eventfold.ports.guard import Guard

__all__ = ["Connection", "Connections", "Row"]

APPLICATION: Final = "eventfold"
_PATIENCE: Final = 10.0
_A_LAST_WORD: Final = 2.0
_connect: Final[Callable[..., Coroutine[Any, Any, Any]]] = cast("Any", asyncpg).connect  # it has no types


class Row(Protocol):
    """A row, by place or by name."""

    def __getitem__(self, key: Any, /) -> Any: ...
    def __iter__(self) -> Any: ...
    def __len__(self) -> int: ...


class Connection(Protocol):
    """The part of `asyncpg.Connection` that is used here; its own types differ between releases."""

    async def execute(self, query: str, *args: Any, timeout: float | None = None) -> str: ...
    async def executemany(
        self, command: str, args: Iterable[Sequence[Any]], *, timeout: float | None = None
    ) -> None: ...
    async def fetch(self, query: str, *args: Any, timeout: float | None = None) -> list[Any]: ...
    async def fetchrow(self, query: str, *args: Any, timeout: float | None = None) -> Any: ...
    async def fetchval(self, query: str, *args: Any, column: int = 0, timeout: float | None = None) -> Any: ...
    async def prepare(self, query: str, *, timeout: float | None = None) -> Any: ...
    def cursor(self, query: str, *args: Any, prefetch: int | None = None) -> AsyncIterator[Any]: ...
    def transaction(
        self, *, isolation: str | None = None, readonly: bool = False, deferrable: bool = False
    ) -> AbstractAsyncContextManager[None]: ...
    def is_in_transaction(self) -> bool: ...
    def is_closed(self) -> bool: ...
    def get_server_pid(self) -> int: ...
    def get_server_version(self) -> Any: ...
    async def add_listener(self, channel: str, callback: Callable[..., Any]) -> None: ...
    async def remove_listener(self, channel: str, callback: Callable[..., Any]) -> None: ...
    def add_termination_listener(self, callback: Callable[..., Any]) -> None: ...
    def terminate(self) -> None: ...
    async def close(self, *, timeout: float | None = None) -> None: ...


class Connections(Guard):
    """
    A pool without ceremony: the connection that was used last is lent first, and nothing is sent when it comes back.

    So whoever borrows one leaves no setting, lock or transaction behind; a connection that comes back within a
    transaction is closed. Sessions run at READ COMMITTED whatever the database's default is.

    Args:
        url: `postgresql://…`; through a pooler in transaction mode also give `direct`.
        direct: the server itself, for LISTEN. With it the connections of `url` prepare no statements.
        most: connections at once, `direct()` not among them.
        patience: seconds to wait for a connection to open.
    """

    def __init__(self, url: str, *, direct: str | None = None, most: int = 10, patience: float = _PATIENCE) -> None:
        super().__init__()
        self.url = url
        self.direct_url: str = direct or url
        self.pooled: bool = direct is not None
        """They go through a pooler: consecutive statements outside a transaction may meet different sessions."""
        self.where: str = described(url)
        """Server and database, for messages."""
        self._role: str | None = None
        self.most = most
        self.patience = patience
        self._free: list[Connection] = []
        self._lent: set[Connection] = set()
        self._opening = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    # ---------------------------------------------------------------------- lending

    @asynccontextmanager
    async def use(self, *, for_user: bool = False) -> AsyncGenerator[Connection]:
        """
        One connection, for this block. Errors of the driver leave the block as ours.

        Raises:
            StoreUnavailable: no connection can be had, or it broke. StoreClosed, StoreUsedAfterFork.
        """
        with speaking_our_errors(self.where, role=self.role, for_user=for_user):
            connection = self.take_now() or await self.take()
            try:
                yield connection
            except TimeoutError:  # it may never answer again
                self.throw_away(connection)
                raise
            except asyncio.CancelledError:
                await self.settle(connection)
                raise
            finally:
                self.give_back(connection)

    async def settle(self, connection: Connection) -> None:
        """
        After a cancellation, perhaps within a statement: end that on the server, and the transaction it may have begun.

        A connection that does not answer soon, or whose settling is cancelled in turn, is thrown away.
        """
        try:
            if not connection.is_closed():
                await connection.execute("ROLLBACK", timeout=_A_LAST_WORD)
        except FAILED:
            self.throw_away(connection)
        except asyncio.CancelledError:
            self.throw_away(connection)
            raise

    def take_now(self) -> Connection | None:
        """A connection that is open and free; None if there is none, or others wait."""
        self.refuse_if_unusable()
        return None if self._waiting else self._free_one()

    def _free_one(self) -> Connection | None:
        while self._free:
            connection = self._free.pop()
            if not connection.is_closed():
                self._lent.add(connection)
                return connection
        return None

    async def take(self) -> Connection:
        """A connection, when one is free or may be opened. Errors are the driver's. Give it back."""
        my_turn = not self._waiting
        while True:
            self.refuse_if_unusable()
            if my_turn:  # whoever was called does not stand in line behind those who were not
                connection = self._free_one()
                if connection is not None:
                    return connection
                if len(self._lent) + self._opening < self.most:
                    return await self._open_one()
            await self._room()
            my_turn = True

    async def _room(self) -> None:
        free: asyncio.Future[None] = self.loop.create_future()
        self._waiting.append(free)
        try:
            await free
        except asyncio.CancelledError:
            if free in self._waiting:
                self._waiting.remove(free)
            elif not free.cancelled():
                self._call_next()
            raise

    def _call_next(self) -> None:
        while self._waiting:
            waiting = self._waiting.popleft()
            if not waiting.done():
                waiting.set_result(None)
                return

    async def _open_one(self) -> Connection:
        self._opening += 1
        try:
            connection = await self._connect(self.url, pooled=self.pooled)
        except BaseException:
            self._call_next()
            raise
        finally:
            self._opening -= 1
        if self.closed:
            connection.terminate()
            raise StoreClosed
        self._lent.add(connection)
        return connection

    def give_back(self, connection: Connection) -> None:
        """What is broken, or still within a transaction, is thrown away. Giving back twice is fine."""
        if connection not in self._lent:
            return
        self._lent.discard(connection)
        if not connection.is_closed():  # one that is cannot be asked anything more
            if self.closed or connection.is_in_transaction():
                connection.terminate()
            else:
                self._free.append(connection)
        self._call_next()

    def throw_away(self, connection: Connection) -> None:
        """It is not to be trusted any more."""
        connection.terminate()
        self.give_back(connection)

    # ---------------------------------------------------------------------- opening

    async def direct(self) -> Connection:
        """
        A connection of its own to the server itself, past any pooler; the caller closes it.

        Raises:
            StoreUnavailable: it cannot be had. StoreClosed, StoreUsedAfterFork.
        """
        self.refuse_if_unusable()
        with speaking_our_errors(described(self.direct_url)):
            return await self._connect(self.direct_url, pooled=False)

    async def _connect(self, url: str, *, pooled: bool) -> Connection:
        settings = {} if "application_name=" in url else {"application_name": APPLICATION}
        if not pooled:  # a pooler refuses what it does not know
            settings["default_transaction_isolation"] = "read committed"
        # Cancelled on its way, the driver leaves an error behind that nobody hears. So it goes on, and hangs up then.
        opening: asyncio.Future[Any] = asyncio.ensure_future(
            _connect(
                url,
                timeout=self.patience,
                statement_cache_size=0 if pooled else 256,
                max_cached_statement_lifetime=0,
                server_settings=settings,
                target_session_attrs="primary",
            )
        )
        try:
            connection = await asyncio.shield(opening)
        except asyncio.CancelledError:
            opening.add_done_callback(_hang_up)
            raise
        except (ValueError, ClientConfigurationError) as error:
            raise InvalidStoreUrl(f"{described(url)}: {error}") from error
        self._role = getattr(connection.get_settings(), "session_authorization", None) or self._role
        return cast("Connection", connection)

    def role(self) -> str | None:
        """As which we are there, once a connection has been made."""
        return self._role

    async def close(self) -> None:
        """Close them all. What is lent is closed when it comes back. Closing twice is fine."""
        if self.closed:
            return
        self.closed = True
        while self._waiting:
            self._call_next()
        if self.forked:
            return
        free, self._free = self._free, []
        await asyncio.gather(*map(_close, free))


def _hang_up(opening: asyncio.Future[Any]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result().terminate()


async def _close(connection: Connection) -> None:
    """Say goodbye; a connection that does not hear it is simply dropped."""
    try:
        await connection.close(timeout=_A_LAST_WORD)
    except (PostgresError, InterfaceError, OSError):
        connection.terminate()


def described(url: str) -> str:
    """The address without user, password and options."""
    parts = urlsplit(url)
    place = parts.netloc.rpartition("@")[2] or "the local server"
    return f"{place}{parts.path}"
