"""One subscription's pages: read in larger pieces, handed out by the batch, patient while the server is away."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, Final

import asyncpg

from eventfold.adapters.postgres.horizon import Horizon
from eventfold.adapters.postgres.pieces import Piece
from eventfold.domain.message import StoredEvent
from eventfold.errors import StoreClosed, StoreUnavailable
from eventfold.ports.subscription import PAGE, Bell

__all__ = ["Following"]

_SHORTEST_PAUSE: Final = 0.05
_LONGEST_PAUSE: Final = 5.0
_DOES_NOT_PASS: Final = (asyncpg.InsufficientPrivilegeError, asyncpg.InvalidAuthorizationSpecificationError)


class Following:
    """
    The pages that `catch_up_then_live` asks for.

    What it has read ahead lies below the horizon, so it is final. A page that is not full, which says that nothing more
    is there, comes from a look that was made when it was asked for.

    Args:
        select: rows of the query with positions after the first and up to the second number, at most as many as the
            third.
        stored: makes events of them.
    """

    def __init__(
        self,
        horizon: Horizon,
        bell: Bell,
        select: Callable[[int, int, int], Awaitable[list[Any]]],
        stored: Callable[[Sequence[Any]], list[StoredEvent]],
    ) -> None:
        self._horizon = horizon
        self._bell = bell
        self._select = select
        self._stored = stored
        self._piece = Piece()
        self._ahead: list[Any] = []
        self._head = 0
        self._begun = False

    async def page(self, after: int) -> tuple[Sequence[StoredEvent], int]:
        """
        The next events and the head of the log.

        The first page fails if the server is away. Later ones wait for it, for as long as the store is open.

        Raises:
            StoreUnavailable: for the first page; later, when the server refuses us.
            StoreClosed: while it waited.
        """
        pause = _SHORTEST_PAUSE
        while True:
            news = self._bell.next
            try:
                if len(self._ahead) < PAGE:
                    await self._read_on(self._ahead[-1][0] if self._ahead else after)
                break
            except StoreUnavailable as error:
                if not self._begun or isinstance(error.__cause__, _DOES_NOT_PASS):
                    raise
                self._horizon.lost(error)
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await news.wait()
            if self._bell.closed:
                raise StoreClosed
            pause = min(pause * 2, _LONGEST_PAUSE)
        self._begun = True
        rows, self._ahead = self._ahead[:PAGE], self._ahead[PAGE:]
        return self._stored(rows), self._head

    async def _read_on(self, after: int) -> None:
        most = max(PAGE, self._piece.size)
        head = self._horizon.head
        rows: list[Any] = []
        if head - after > most:  # far behind: what has come since is not needed for a full piece
            rows = await self._select(after, head, most)
            after = rows[-1][0] if len(rows) == most else head
        if len(rows) < most:
            head = await self._horizon.fresh()
            if head > after:
                rows += await self._select(after, head, most - len(rows))
        self._piece.learn(rows)
        self._ahead += rows
        self._head = head
