"""
The store in memory: the whole contract in the plainest words. Read this one first.

It conflicts, orders and refuses exactly as the others do; what it stores ends with the process.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final
from uuid import UUID

import msgspec

from eventfold.domain.deletion import STREAM_DELETED
from eventfold.domain.message import NO_STREAM, StoredEvent, Stream, to_micros
from eventfold.domain.query import Query
from eventfold.errors import BoundaryConflict, ConcurrencyConflict, EventIdConflict, Fenced, InvalidInput, StoreClosed
from eventfold.ports.administration import Mark, refuse_half_a_story
from eventfold.ports.checkpoint_store import BEGINNING, Checkpoint, Move
from eventfold.ports.clock import Clock
from eventfold.ports.command_log import Accepted
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
from eventfold.ports.unit import CommandTaken

__all__ = ["MemoryCheckpointStore", "MemoryCommandLog", "MemoryEventStore"]

_EVERYTHING: Final = Query.all()


class MemoryEventStore:
    """An event store in lists and dictionaries."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._log: list[StoredEvent | None] = []  # the event at position n is at index n - 1; None: it was removed
        self._streams: defaultdict[Stream, list[StoredEvent]] = defaultdict(list)  # a tombstone may be the first
        self._by_event_id: dict[bytes, StoredEvent] = {}
        self._removed: dict[int, bytes] = {}
        self.marks: dict[Stream, Mark] = {}
        """Of streams that an administrator has deleted or truncated."""
        self.commands: dict[bytes, Accepted] = {}
        """Those that were accepted, by their ids."""
        self._bell = Bell()
        self.turn: asyncio.Lock = asyncio.Lock()
        """Held by whoever stores something that takes longer than a turn of the loop."""

    async def append(self, *appends: Append, condition: Condition | None = None) -> Appended:
        self._refuse_if_closed()
        checked(appends)
        checked_condition(condition)
        await asyncio.sleep(0)  # as with a real store, others may run before the append takes effect
        async with self.turn:
            appended = self.store(appends, condition)
            self._bell.ring()
        failpoint("append.after_commit_before_ack")
        return appended

    def store(self, appends: tuple[Append, ...], condition: Condition | None) -> Appended:
        """For whoever has the turn."""
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
        return Appended(tuple(self._store(append, recorded_at) for append in appends))

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
        actual = self.version_of(append.stream)
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
        position = self.first_against(condition)
        if position is not None:
            raise BoundaryConflict(condition.query, position)

    def first_against(self, condition: Condition) -> int | None:
        """The position of the first event that the condition did not know of."""
        later = self._log[max(0, condition.bound) :]
        return next((event.position for event in later if event is not None and _holds(condition.query, event)), None)

    def _store(self, append: Append, recorded_at: int) -> AppendedStream:
        stream = self._streams[append.stream]
        first = self.last_position() + 1
        version = self.last_version(append.stream)
        for event in append.events:
            version += 1
            stored = StoredEvent(
                position=self.last_position() + 1,
                category=append.stream.category,
                id=append.stream.id,
                version=version,
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
        return AppendedStream(append.stream, version, tuple(range(first, self.last_position() + 1)), recorded_at)

    def version_of(self, stream: Stream) -> int:
        """As an append expects it: one that was deleted is none."""
        events = self._streams.get(stream)
        return NO_STREAM if not events or events[-1].type == STREAM_DELETED else events[-1].version

    def events_of(self, stream: Stream, after: int) -> list[StoredEvent]:
        """Of a deleted stream, what came after the tombstone."""
        events = self._streams.get(stream, [])
        if events and events[0].type == STREAM_DELETED:
            after = max(after, events[0].version)
        return events[bisect_right(events, after, key=_version) :]

    async def read(
        self, stream: Stream, *, after: int = 0, limit: int | None = None, backwards: bool = False
    ) -> AsyncIterator[StoredEvent]:
        self._refuse_if_closed()
        events = self.events_of(Stream.of(*stream), after)
        for event in (events[::-1] if backwards else events)[: _at_least_0(limit)]:
            yield event

    async def load(self, stream: Stream, *, after: int = 0, upto: int | None = None) -> AsyncIterator[Sequence[Fact]]:
        self._refuse_if_closed()
        stream = Stream.of(*stream)
        events = self.events_of(stream, after)
        if events:
            refuse_half_a_story(stream, after, events[0].version, self.marks.get(stream))
        if upto is not None:
            events = [event for event in events if event.version <= upto]
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
            event = self._log[index]
            if event is not None and _holds(query, event):
                left -= 1
                yield event

    async def head(self, query: Query = _EVERYTHING) -> int:
        self._refuse_if_closed()
        checked_query(query)
        return next((event.position for event in reversed(self._log) if event and _holds(query, event)), 0)

    async def read_boundary(self, query: Query) -> BoundaryRead:
        self._refuse_if_closed()
        checked_boundary(query)
        bound = len(self._log)  # what is at or below it never changes
        return BoundaryRead(self.read_all(query, upto=bound), Condition(query, bound))

    async def streams(self, category: str | None = None, *, limit: int | None = None) -> AsyncIterator[StreamInfo]:
        self._refuse_if_closed()
        there = (each for each in self._streams if category in (None, each.category) and self.version_of(each))
        for stream in sorted(there)[: _at_least_0(limit)]:
            last = self._streams[stream][-1]
            yield StreamInfo(stream, last.version, last.position, last.recorded_at)

    async def event_id_at(self, position: int) -> bytes | None:
        self._refuse_if_closed()
        event = self._log[position - 1] if 1 <= position <= len(self._log) else None
        return self._removed.get(position) if event is None else event.event_id

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

    # ------------------------------------------------------ for the administration alone

    def known(self, event_id: bytes) -> StoredEvent | None:
        self._refuse_if_closed()
        return self._by_event_id.get(event_id)

    def last_version(self, stream: Stream) -> int:
        """The highest that was used, also by a tombstone."""
        events = self._streams.get(stream)
        return events[-1].version if events else NO_STREAM

    def last_position(self) -> int:
        """The highest that was used."""
        return len(self._log)

    def all_of(self, stream: Stream) -> list[StoredEvent]:
        """All that is stored of a stream, with its tombstone."""
        return list(self._streams.get(stream, ()))

    def add(self, event: StoredEvent) -> StoredEvent:
        """At the end of its stream and of the log, as it is but for its position."""
        event = msgspec.structs.replace(event, position=len(self._log) + 1)
        self._log.append(event)
        self._streams[event.stream].append(event)
        self._by_event_id[event.event_id] = event
        return event

    def put(self, event: StoredEvent) -> StoredEvent:
        """In the place of the one that was there."""
        stream = self._streams[event.stream]
        at = next(index for index, each in enumerate(stream) if each.position == event.position)
        stream[at] = self._log[event.position - 1] = self._by_event_id[event.event_id] = event
        return event

    def remove(self, stream: Stream, before_version: int, *, tombstones: bool) -> int:
        """The events of a stream below a version; how many there were."""
        events = self._streams[stream]
        gone = [
            each for each in events if each.version < before_version and (tombstones or each.type != STREAM_DELETED)
        ]
        for event in gone:
            del self._by_event_id[event.event_id]
            self._log[event.position - 1] = None
            self._removed[event.position] = event.event_id
        self._streams[stream] = [each for each in events if each.event_id in self._by_event_id]
        return len(gone)

    def announce(self) -> None:
        self._bell.ring()

    # ------------------------------------------------------------------------------ end

    async def close(self) -> None:
        self._bell.close()

    def _refuse_if_closed(self) -> None:
        if self._bell.closed:
            raise StoreClosed


class MemoryCheckpointStore:
    """Checkpoints in a dictionary. There is no parking lot beside them, so nothing can be set aside on the way."""

    def __init__(self) -> None:
        self._checkpoints: dict[tuple[str, int], Checkpoint] = {}

    async def checkpoint(self, processor: str, partition: int = 0) -> Checkpoint:
        return self._checkpoints.get((processor, partition), BEGINNING)

    async def advance(self, move: Move) -> None:
        if move.position <= move.previous:
            raise InvalidInput(f"{move.processor!r}: {move.position} does not lead forward from {move.previous}")
        if move.aside:
            raise InvalidInput(
                f"{move.processor!r}: nothing can be set aside here; use the checkpoints beside the rows"
            )
        actual = await self.checkpoint(move.processor, move.partition)
        if (actual.position, actual.epoch) != (move.previous, move.epoch):
            raise Fenced(move.processor, move.previous, actual.position, move.epoch)
        self._checkpoints[move.processor, move.partition] = Checkpoint(move.position, move.event_id, move.epoch)

    async def reset(self, processor: str) -> None:
        self._checkpoints = {whose: each for whose, each in self._checkpoints.items() if whose[0] != processor}

    async def checkpoints(self) -> Mapping[tuple[str, int], Checkpoint]:
        return dict(sorted(self._checkpoints.items()))


class MemoryCommandLog:
    """What came of commands, beside the events of a store in memory."""

    def __init__(self, store: MemoryEventStore) -> None:
        self._store = store

    async def accepted(self, command_id: bytes) -> Accepted | None:
        self._store.known(b"")  # raises where the store is closed
        return self._store.commands.get(command_id)

    async def append(
        self, append: Append, command_id: bytes, request_hash: bytes, *, condition: Condition | None = None
    ) -> Appended:
        checked((append,))
        checked_condition(condition)
        await asyncio.sleep(0)  # as with a real store
        async with self._store.turn:
            if command_id in self._store.commands:
                raise CommandTaken
            appended = self._store.store((append,), condition)
            (place,) = appended.streams
            self._store.commands[command_id] = Accepted.with_events(command_id, request_hash, place)
            self._store.announce()
        failpoint("append.after_commit_before_ack")
        return appended


def _version(event: StoredEvent) -> int:
    return event.version


def _holds(query: Query, event: StoredEvent) -> bool:
    return query.matches(event.category, event.type, event.tags or ())


def _at_least_0(limit: int | None) -> int | None:
    return None if limit is None else max(0, limit)
