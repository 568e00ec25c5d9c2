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
from eventfold.errors import LogDiverged, StoreClosed, StoreUnavailable
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

    When the server is another one than before, a standby that was promoted for one, the end of what was read may be
    gone and its positions be given to other events. So the last event that was passed must be there still.

    Args:
        select: rows of the query with positions after the first and up to the second number, at most as many as the
            third.
        stored: makes events of them.
        id_at: the id of the event at a position; None where there is none.
    """

    def __init__(
        self,
        horizon: Horizon,
        bell: Bell,
        select: Callable[[int, int, int], Awaitable[list[Any]]],
        stored: Callable[[Sequence[Any]], list[StoredEvent]],
        id_at: Callable[[int], Awaitable[bytes | None]],
    ) -> None:
        self._horizon = horizon
        self._bell = bell
        self._select = select
        self._stored = stored
        self._id_at = id_at
        self._piece = Piece()
        self._ahead: list[Any] = []
        self._head = 0
        self._head_id: bytes | None = None
        self._begun = False
        self._history: str | None = None
        self._proof: tuple[int, bytes] | None = None

    async def page(self, after: int) -> tuple[Sequence[StoredEvent], int]:
        """
        The next events and the head of the log.

        The first page fails if the server is away. Later ones wait for it, for as long as the store is open.

        Raises:
            StoreUnavailable: for the first page; later, when the server refuses us.
            StoreClosed: while it waited.
            LogDiverged: the server has lost what was read before.
        """
        pause = _SHORTEST_PAUSE
        while True:
            news = self._bell.next
            try:
                if len(self._ahead) < PAGE:
                    await self._read_on(self._ahead[-1][0] if self._ahead else after)
                if self._history in (None, self._horizon.history):  # None: nothing has been passed yet
                    self._history = self._horizon.history
                    break
                await self._recognise()
                continue
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
        events = self._stored(rows)
        if events and (len(events) == PAGE or events[-1].position > self._head):
            self._proof = (events[-1].position, events[-1].event_id)
        elif self._head_id is not None:
            self._proof = (self._head, self._head_id)
        return events, self._head

    async def _recognise(self) -> None:
        """Raises LogDiverged where the last event that was passed is not in the log of this server."""
        history = self._horizon.history
        if self._proof is not None:
            position, event_id = self._proof
            if await self._id_at(position) != event_id:
                raise LogDiverged(position)
        self._ahead = []  # read from whom we do not know any more
        self._history = history

    async def _read_on(self, after: int) -> None:
        most = max(PAGE, self._piece.size)
        head, head_id = self._horizon.head, self._horizon.head_id
        rows: list[Any] = []
        if head - after > most:  # far behind: what has come since is not needed for a full piece
            rows = await self._select(after, head, most)
            after = rows[-1][0] if len(rows) == most else head
        if len(rows) < most:
            head = await self._horizon.fresh()
            head_id = self._horizon.head_id
            if head > after:
                rows += await self._select(after, head, most - len(rows))
        self._piece.learn(rows)
        self._ahead += rows
        self._head, self._head_id = head, head_id
