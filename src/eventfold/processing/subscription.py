"""Following the store with events in the user's types."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from eventfold.domain.message import Recorded
from eventfold.domain.query import Query
from eventfold.ports.event_store import EventSource
from eventfold.schema.serializer import Serializer

__all__ = ["RecordedBatch", "subscribe"]


class RecordedBatch(msgspec.Struct, frozen=True):
    """
    Recorded events in position order; none when nothing of the query lies before `head`.

    `caught_up`: everything that was committed when this batch was read has now been delivered.
    """

    events: tuple[Recorded[Any], ...]
    caught_up: bool
    head: int


@asynccontextmanager
async def subscribe(
    source: EventSource, serializer: Serializer, query: Query, *, after: int
) -> AsyncGenerator[AsyncIterator[RecordedBatch]]:
    """The store's own subscription, decoded. Raises UnknownEvent and DecodeError from the iteration."""

    async def decoded() -> AsyncGenerator[RecordedBatch]:
        async for batch in raw:
            yield RecordedBatch(tuple(serializer.decode_all(batch.events)), batch.caught_up, batch.head)

    async with source.subscribe(query, after=after) as raw:
        batches = decoded()
        try:
            yield batches
        finally:
            await batches.aclose()
