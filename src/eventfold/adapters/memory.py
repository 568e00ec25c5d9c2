"""
The store in memory: the whole contract in the plainest words. Read this one first.

It conflicts, orders and refuses exactly as the others do; what it stores ends with the process.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final
from uuid import UUID

from eventfold.domain.message import NO_STREAM, StoredEvent, Stream, to_micros
from eventfold.domain.query import Query
from eventfold.errors import BoundaryConflict, ConcurrencyConflict, EventIdConflict, Fenced, InvalidInput, StoreClosed
from eventfold.ports.checkpoint_store import BEGINNING, Checkpoint, Move
from eventfold.ports.clock import Clock
from eventfold.ports.event_store import (
    Append,
    Appended,
    AppendedStream,
    BoundaryRead,
    Condition,
    Expect,
    Fact,
    StreamInfo,
    checked,
    checked_boundary,
    checked_condition,
    checked_query,
    refuse_repeated_ids,
)
from eventfold.ports.failpoint import failpoint
from eventfold.ports.subscription import PAGE, Batch, Bell, catch_up_then_live

__all__ = ["MemoryCheckpointStore", "MemoryEventStore"]

_EVERYTHING: Final = Query.all()


class MemoryEventStore:
    """An event store in lists and dictionaries."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._log: list[StoredEvent] = []  # the event at position n is at index n - 1
        self._streams: defaultdict[Stream, list[StoredEvent]] = defaultdict(list)
        self._by_event_id: dict[bytes, StoredEvent] = {}
        self._bell = Bell()

    async def append(self, *appends: Append, condition: Condition | None = None) -> Appended:
        self._refuse_if_closed()
        checked(appends)
        checked_condition(condition)
        await asyncio.sleep(0)  # as with a real store, others may run before the append takes effect
        self._refuse_if_closed()
        failpoint("append.before_begin")
        if repeated := self._already_stored(appends):
            return repeated
        for append in appends:
            self._refuse_unless_expected(append)
        if condition is not None:
            self._refuse_unless_unchanged(condition)
        recorded_at = to_micros(self._clock.now())
        failpoint("append.before_commit")
        appended = Appended(tuple(self._store(append, recorded_at) for append in appends))
        self._bell.ring()
        failpoint("append.after_commit_before_ack")
        return appended

    def _already_stored(self, appends: tuple[Append, ...]) -> Appended | None:
        """The original places when all of the events are known; an error when only some are, or they differ."""
        new = [(append.stream, event) for append in appends for event in append.events]
        refuse_repeated_ids([event for _, event in new])
        ids = {event.event_id for _, event in new}
        if self._by_event_id.keys().isdisjoint(ids):  # this way round: the log is long, the append short
            return None
        for stream, event in new:
            stored = self._by_event_id.get(event.event_id)
            if stored is None:
                why = "it is unknown, but other ids of this append are stored"
                raise EventIdConflict(UUID(bytes=event.event_id), why)
            if (stored.stream, stored.type, stored.schema_version, stored.data) != (
                stream,
                event.type,
                event.schema_version,
                event.data,
            ):
                why = f"it is stored at position {stored.position} as something else"
                raise EventIdConflict(UUID(bytes=event.event_id), why)
        return Appended(tuple(self._original_places(append) for append in appends))

    def _original_places(self, append: Append) -> AppendedStream:
        stored = [self._by_event_id[event.event_id] for event in append.events]
        positions = tuple(event.position for event in stored)
        return AppendedStream(append.stream, stored[-1].version, positions, stored[-1].recorded_at, deduplicated=True)

    def _refuse_unless_expected(self, append: Append) -> None:
        actual = len(self._streams.get(append.stream, ()))
        match append.expect:
            case Expect.ANY:
                expected = True
            case Expect.NEW:
                expected = actual == NO_STREAM
            case Expect.EXISTS:
                expected = actual != NO_STREAM
            case version:
                expected = actual == version
        if not expected:
            wanted = append.expect.value if isinstance(append.expect, Expect) else append.expect
            raise ConcurrencyConflict(append.stream, wanted, actual)

    def _refuse_unless_unchanged(self, condition: Condition) -> None:
        for event in self._log[max(0, condition.bound) :]:
            if _holds(condition.query, event):
                raise BoundaryConflict(condition.query, event.position)

    def _store(self, append: Append, recorded_at: int) -> AppendedStream:
        stream = self._streams[append.stream]
        first = len(self._log) + 1
        for event in append.events:
            stored = StoredEvent(
                position=len(self._log) + 1,
                category=append.stream.category,
                id=append.stream.id,
                version=len(stream) + 1,
                event_id=event.event_id,
                type=event.type,
                schema_version=event.schema_version,
                format=event.format,
                correlation_id=event.correlation_id,
                causation_id=event.causation_id,
                tags=tuple(event.tags) or None,
                occurred_at=event.occurred_at,
                recorded_at=recorded_at,
                metadata=event.metadata,
                data=event.data,
            )
            self._log.append(stored)
            stream.append(stored)
            self._by_event_id[event.event_id] = stored
        return AppendedStream(append.stream, len(stream), tuple(range(first, len(self._log) + 1)), recorded_at)

    async def read(
        self, stream: Stream, *, after: int = 0, limit: int | None = None, backwards: bool = False
    ) -> AsyncIterator[StoredEvent]:
        self._refuse_if_closed()
        events = self._streams.get(Stream.of(*stream), [])[max(0, after) :]
        for event in (events[::-1] if backwards else events)[: _at_least_0(limit)]:
            yield event

    async def load(self, stream: Stream, *, after: int = 0, upto: int | None = None) -> AsyncIterator[Sequence[Fact]]:
        self._refuse_if_closed()
        events = self._streams.get(Stream.of(*stream), [])[max(0, after) : _at_least_0(upto)]
        facts = [(e.version, e.position, e.type, e.schema_version, e.format, e.data) for e in events]
        for start in range(0, len(facts), PAGE):
            yield facts[start : start + PAGE]

    async def read_all(
        self, query: Query, *, after: int = 0, upto: int | None = None, limit: int | None = None
    ) -> AsyncIterator[StoredEvent]:
        self._refuse_if_closed()
        checked_query(query)
        last = len(self._log) if upto is None else min(upto, len(self._log))
        left = last if limit is None else limit
        for index in range(max(0, after), last):
            if left <= 0:
                return
            if _holds(query, self._log[index]):
                left -= 1
                yield self._log[index]

    async def head(self, query: Query = _EVERYTHING) -> int:
        self._refuse_if_closed()
        checked_query(query)
        return next((event.position for event in reversed(self._log) if _holds(query, event)), 0)

    async def read_boundary(self, query: Query) -> BoundaryRead:
        self._refuse_if_closed()
        checked_boundary(query)
        bound = len(self._log)  # what is at or below it never changes
        return BoundaryRead(self.read_all(query, upto=bound), Condition(query, bound))

    async def streams(self, category: str | None = None, *, limit: int | None = None) -> AsyncIterator[StreamInfo]:
        self._refuse_if_closed()
        for stream in sorted(each for each in self._streams if category in (None, each.category))[: _at_least_0(limit)]:
            last = self._streams[stream][-1]
            yield StreamInfo(stream, last.version, last.position, last.recorded_at)

    @asynccontextmanager
    async def subscribe(self, query: Query, *, after: int) -> AsyncGenerator[AsyncIterator[Batch]]:
        self._refuse_if_closed()
        checked_query(query)
        batches = catch_up_then_live(lambda position: self._page(query, position), self._bell, after)
        try:
            yield batches
        finally:
            await batches.aclose()

    async def _page(self, query: Query, after: int) -> tuple[Sequence[StoredEvent], int]:
        events = [event async for event in self.read_all(query, after=after, limit=PAGE)]
        return events, len(self._log)

    async def close(self) -> None:
        self._bell.close()

    def _refuse_if_closed(self) -> None:
        if self._bell.closed:
            raise StoreClosed


class MemoryCheckpointStore:
    """Checkpoints in a dictionary."""

    def __init__(self) -> None:
        self._checkpoints: dict[str, Checkpoint] = {}

    async def checkpoint(self, processor: str) -> Checkpoint:
        return self._checkpoints.get(processor, BEGINNING)

    async def advance(self, move: Move) -> None:
        if move.position <= move.previous:
            raise InvalidInput(f"{move.processor!r}: {move.position} does not lead forward from {move.previous}")
        actual = self._checkpoints.get(move.processor, BEGINNING)
        if (actual.position, actual.epoch) != (move.previous, move.epoch):
            raise Fenced(move.processor, move.previous, actual.position, move.epoch)
        self._checkpoints[move.processor] = Checkpoint(move.position, move.event_id, move.epoch)

    async def reset(self, processor: str) -> None:
        self._checkpoints.pop(processor, None)

    async def checkpoints(self) -> Mapping[str, Checkpoint]:
        return dict(self._checkpoints)


def _holds(query: Query, event: StoredEvent) -> bool:
    return query.matches(event.category, event.type, event.tags or ())


def _at_least_0(limit: int | None) -> int | None:
    return None if limit is None else max(0, limit)
