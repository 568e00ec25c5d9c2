"""What the suites are made of: events, streams, and a little help with waiting."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Awaitable
from typing import Any, TypeVar

import pytest

from eventfold.adapters.system import ManualClock, uuid7
from eventfold.domain.message import NewEvent, StoredEvent, Stream
from eventfold.ports.event_store import ANY, Append, AppendedStream, EventStore, Expect
from eventfold.ports.subscription import Batch

__all__ = ["ANN", "BOB", "Suite", "collected", "delivered", "event", "events", "followed", "store_one"]

T = TypeVar("T")

ANN = Stream("account", "ann")
BOB = Stream("account", "bob")


@pytest.mark.anyio
class Suite:
    """
    What all suites share.

    `patience` is a deadline: seconds after which something that has not happened counts as never happening.
    """

    patience: float = 10.0

    @pytest.fixture(scope="session")
    @classmethod
    def anyio_backend(cls) -> str:
        return "asyncio"

    @pytest.fixture
    def clock(self) -> ManualClock:
        return ManualClock()

    async def soon(self, awaitable: Awaitable[T]) -> T:
        """The result, or a failure when it does not come."""
        async with asyncio.timeout(self.patience):
            return await awaitable


def event(data: bytes | int = b"{}", /, **fields: Any) -> NewEvent:
    """A new event with an id of its own; a number makes its data tell it from others."""
    fields.setdefault("event_id", uuid7().bytes)
    fields.setdefault("type", "Happened")
    return NewEvent(data=b'{"n":%d}' % data if isinstance(data, int) else data, **fields)


def events(count: int, /, **fields: Any) -> list[NewEvent]:
    return [event(number, **fields) for number in range(1, count + 1)]


async def store_one(store: EventStore, stream: Stream, *new: NewEvent, expect: int | Expect = ANY) -> AppendedStream:
    """Append to one stream; where the events are now."""
    return (await store.append(Append(stream, new or (event(),), expect))).streams[0]


async def collected(items: AsyncIterable[T]) -> list[T]:
    return [item async for item in items]


async def followed(batches: AsyncIterable[Batch], upto: int) -> list[StoredEvent]:
    """What a subscription delivers until it has reached this position."""
    seen: list[StoredEvent] = []
    async for batch in batches:
        seen += batch.events
        if batch.head >= upto:
            break
    return seen


async def delivered(batches: AsyncIterable[Batch], count: int) -> list[StoredEvent]:
    """What a subscription delivers until that many events have come."""
    seen: list[StoredEvent] = []
    async for batch in batches:
        seen += batch.events
        if len(seen) >= count:
            break
    return seen
