"""Following the store with events in the user's types."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final, Literal, TypeAlias

import msgspec

from eventfold.domain.message import Recorded, StoredEvent, Stream
from eventfold.domain.query import Query
from eventfold.errors import InvalidInput, SchemaError
from eventfold.ports.event_store import EventSource
from eventfold.schema.serializer import Serializer

__all__ = ["OnUndecodable", "RecordedBatch", "follow", "replayed", "subscribe"]

OnUndecodable: TypeAlias = Literal["stop", "skip"] | Callable[[SchemaError], None]

_log: Final = logging.getLogger("eventfold.processing")


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
    source: EventSource, serializer: Serializer, query: Query, wanted: Query, *, after: int
) -> AsyncGenerator[AsyncIterator[RecordedBatch]]:
    """The store's own subscription, decoded. Raises SchemaError from the iteration."""

    async def decoded() -> AsyncGenerator[RecordedBatch]:
        async for batch in raw:
            yield RecordedBatch(tuple(serializer.decode_all(batch.events, wanted)), batch.caught_up, batch.head)

    async with source.subscribe(query, after=after) as raw:
        batches = decoded()
        try:
            yield batches
        finally:
            await batches.aclose()


@asynccontextmanager
async def follow(
    source: EventSource, serializer: Serializer, stream: Stream, *, after: int
) -> AsyncGenerator[AsyncIterator[Recorded[Any]]]:
    """One stream: what is there after the version, then what comes. Raises SchemaError from the iteration."""
    head = await source.head()  # first: what comes while the stream is read is above it, and known by its version
    async with source.subscribe(Query.of(categories=[stream.category]), after=head) as raw:

        async def events() -> AsyncGenerator[Recorded[Any]]:
            last = after
            async for stored in source.read(stream, after=after):
                last = stored.version
                for each in serializer.decode_all([stored]):
                    yield each
            async for batch in raw:
                for stored in batch.events:
                    if stored.stream == stream and stored.version > last:
                        last = stored.version
                        for each in serializer.decode_all([stored]):
                            yield each

        found = events()
        try:
            yield found
        finally:
            await found.aclose()


async def replayed(
    events: AsyncIterator[StoredEvent], serializer: Serializer, wanted: Query, on_undecodable: OnUndecodable
) -> AsyncGenerator[Recorded[Any]]:
    """What is stored, decoded one by one; what cannot be is reported, and stops it or is left out, as asked."""
    if on_undecodable not in ("stop", "skip") and not callable(on_undecodable):
        raise InvalidInput(f"on_undecodable={on_undecodable!r}: 'stop', 'skip', or a function of the error")
    async for stored in events:
        try:
            parts = serializer.decode_all([stored], wanted)
        except SchemaError as error:
            if on_undecodable == "stop":
                raise
            if callable(on_undecodable):
                on_undecodable(error)
            else:
                _log.error("skipped in a replay: %s", error)
            continue
        for each in parts:
            yield each
