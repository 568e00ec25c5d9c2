"""The log up to a point: what comes after it is as if it had not happened."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

from eventfold.domain.query import Query
from eventfold.ports.event_store import EventSource
from eventfold.ports.subscription import Batch

__all__ = ["UpTo"]


class UpTo:
    """
    A source whose subscriptions are caught up at that point, and wait there for ever. All else is the log's own.

    Args:
        position: the last one that is in it.
        recorded_at: microseconds since 1970: events that were recorded later are not in it, wherever they stand.
    """

    def __init__(self, source: EventSource, position: int, recorded_at: int | None = None) -> None:
        self._source = source
        self._position = position
        self._recorded_at = recorded_at

    def __getattr__(self, name: str) -> Any:
        return getattr(self._source, name)

    @asynccontextmanager
    async def subscribe(self, query: Query, *, after: int) -> AsyncGenerator[AsyncIterator[Batch]]:
        async with (
            self._source.subscribe(query, after=after) as batches,
            aclosing(self._until(batches)) as until,
        ):
            yield until

    async def _until(self, batches: AsyncIterator[Batch]) -> AsyncGenerator[Batch]:
        async for batch in batches:
            events = [each for each in batch.events if each.position <= self._position]
            over = batch.caught_up or len(events) < len(batch.events) or batch.head >= self._position
            if self._recorded_at is not None:
                events = [each for each in events if each.recorded_at <= self._recorded_at]
            yield Batch(events, caught_up=over, head=min(batch.head, self._position))
            if over:
                await asyncio.get_running_loop().create_future()  # whoever has caught up leaves
