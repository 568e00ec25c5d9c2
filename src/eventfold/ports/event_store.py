"""The log: append facts to streams, read them back in order, follow them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from enum import Enum
from typing import Final, Protocol, TypeAlias
from uuid import UUID

import msgspec

from eventfold.domain.message import NewEvent, StoredEvent, Stream
from eventfold.domain.query import Query
from eventfold.errors import EmptyAppend, EventIdConflict, InvalidInput, TooLarge
from eventfold.ports.subscription import Batch

__all__ = [
    "ANY",
    "EXISTS",
    "MOST_BYTES",
    "MOST_EVENTS",
    "MOST_TAGS",
    "NEW",
    "Append",
    "Appended",
    "AppendedStream",
    "BoundaryRead",
    "Condition",
    "EventSink",
    "EventSource",
    "EventStore",
    "Expect",
    "Fact",
    "SinkOnly",
    "SourceOnly",
    "StreamInfo",
    "checked",
    "checked_boundary",
    "checked_condition",
    "checked_query",
    "refuse_repeated_ids",
]

MOST_EVENTS: Final = 1_000
"""Events in one call of `append`."""
MOST_BYTES: Final = 1_048_576
"""Encoded bytes of one event, data and metadata together."""
MOST_TAGS: Final = 100
"""Tags of one event."""
_LONGEST_NAME: Final = 255
_EVERYTHING: Final = Query.all()
_ID_BYTES: Final = 16
_LARGEST_VERSION: Final = 2**31 - 1
_LARGEST_FORMAT: Final = 2**15 - 1
_LATEST: Final = 2**63

Fact: TypeAlias = tuple[int, int, str, int, int, "bytes | str | None"]
"""version, position, type, schema_version, format, data: all that folding needs."""


class Expect(Enum):
    """What the stream must look like for an append, when it is not a version."""

    ANY = "anything"
    NEW = "no stream"
    EXISTS = "an existing stream"

    def __repr__(self) -> str:
        return self.name


ANY: Final = Expect.ANY
NEW: Final = Expect.NEW
EXISTS: Final = Expect.EXISTS


class Append(msgspec.Struct, frozen=True):
    """Events for one stream, and where it is expected to be: a version (0: no stream yet), NEW, EXISTS or ANY."""

    stream: Stream
    events: Sequence[NewEvent]
    expect: int | Expect = Expect.ANY


class AppendedStream(msgspec.Struct, frozen=True):
    """
    Where the events of one `Append` are now.

    `deduplicated` says that they had been there before: these are the original places.
    """

    stream: Stream
    version: int
    positions: tuple[int, ...]
    recorded_at: int
    deduplicated: bool = False


class Appended(msgspec.Struct, frozen=True):
    """The outcome of one call of `append`, one entry per `Append`, in their order."""

    streams: tuple[AppendedStream, ...]

    @property
    def position(self) -> int:
        """The last position of the call."""
        return max(each.positions[-1] for each in self.streams)


class StreamInfo(msgspec.Struct, frozen=True):
    """A stream at a glance. Times are microseconds since 1970 in UTC."""

    stream: Stream
    version: int
    position: int
    recorded_at: int


class Condition(msgspec.Struct, frozen=True):
    """
    That nothing which matches a query has been stored since it was read.

    Opaque: it comes from `read_boundary` and goes to `append`, of the same store. What is in it is the store's matter.
    """

    query: Query
    bound: int
    seen: tuple[int, ...] = ()


class BoundaryRead(msgspec.Struct, frozen=True):
    """
    What a query found at one moment, and the condition that nothing has been added since.

    The events come in position order and are fetched while they are iterated, once; the moment is that of the read.
    """

    events: AsyncIterator[StoredEvent]
    condition: Condition


class EventSource(Protocol):
    """Reads the log. It cannot write."""

    def read(
        self, stream: Stream, *, after: int = 0, limit: int | None = None, backwards: bool = False
    ) -> AsyncIterator[StoredEvent]:
        """
        The events of a stream with a version above `after`, in version order, or newest first. Unknown: none.

        Here and below, `after` under 0 means from the start, and a `limit` under 1 gives nothing.
        """
        ...

    def load(self, stream: Stream, *, after: int = 0, upto: int | None = None) -> AsyncIterator[Sequence[Fact]]:
        """
        The same for folding: bare facts with `after` < version ≤ `upto`, a page at a time, no envelope.

        Raises:
            StreamTruncated: the first of them are gone.
        """
        ...

    def read_all(
        self, query: Query, *, after: int = 0, upto: int | None = None, limit: int | None = None
    ) -> AsyncIterator[StoredEvent]:
        """The events of the query with `after` < position ≤ `upto`, in position order. Memory stays bounded."""
        ...

    async def head(self, query: Query = _EVERYTHING) -> int:
        """The last position of the query; 0 if it has none."""
        ...

    async def read_boundary(self, query: Query) -> BoundaryRead:
        """
        The events of the query as they are at this moment, and the condition for an append that depends on them.

        Memory stays bounded, as with `read_all`.

        Raises:
            InvalidInput: an alternative without types and tags, or the query holds classes.
        """
        ...

    def streams(self, category: str | None = None, *, limit: int | None = None) -> AsyncIterator[StreamInfo]:
        """Streams in the order of category and id."""
        ...

    async def event_id_at(self, position: int) -> bytes | None:
        """
        The id of the event at this position, also of one that an administrator has removed; None where none was.

        It proves to whoever has come so far that this is the log he has read.
        """
        ...

    def subscribe(self, query: Query, *, after: int) -> AbstractAsyncContextManager[AsyncIterator[Batch]]:
        """
        Batches in position order: catch up from `after`, then live.

        Every committed event of the query is delivered, none twice, none before an earlier one. The first batch
        comes at once, empty if there is nothing. Memory is bounded, however slow the subscriber.
        """
        ...


class EventSink(Protocol):
    """Writes the log. It cannot read."""

    async def append(self, *appends: Append, condition: Condition | None = None) -> Appended:
        """
        Store the events of all these streams, or nothing.

        Versions go on without a gap; the order of a batch is kept; positions grow. Appending the same events
        with the same ids again, whatever it expects and on whatever condition, returns the original places: a retry is
        safe, for ever.
        A condition belongs to the whole call, and is checked in the same transaction.
        A call that is cancelled while it waits may still have been stored.

        Raises:
            EmptyAppend, TooLarge, InvalidInput, InvalidStreamName: nothing was asked of the store.
            EventIdConflict: an id is taken by another event, or only some of the ids are known.
            ConcurrencyConflict: a stream is not where it was expected.
            BoundaryConflict: an event that matches the condition's query came after it was read.
            StoreFull, StoreUnavailable, StoreClosed: nothing was stored.
            AppendOutcomeUnknown: nobody can say.
        """
        ...


class EventStore(EventSource, EventSink, Protocol):
    """
    Append facts to streams, read them back in order, follow them.

    A batch lands whole or not at all. Versions of a stream are 1, 2, 3 … A reader who has seen a position
    never sees an earlier one appear behind it.
    """

    async def close(self) -> None:
        """End subscriptions, refuse what comes later with StoreClosed. Closing twice is fine."""
        ...


class SourceOnly:
    """The reading side of a store as an object of its own, for a component that must not write."""

    def __init__(self, store: EventSource) -> None:
        self._store = store

    def read(
        self, stream: Stream, *, after: int = 0, limit: int | None = None, backwards: bool = False
    ) -> AsyncIterator[StoredEvent]:
        return self._store.read(stream, after=after, limit=limit, backwards=backwards)

    def load(self, stream: Stream, *, after: int = 0, upto: int | None = None) -> AsyncIterator[Sequence[Fact]]:
        return self._store.load(stream, after=after, upto=upto)

    def read_all(
        self, query: Query, *, after: int = 0, upto: int | None = None, limit: int | None = None
    ) -> AsyncIterator[StoredEvent]:
        return self._store.read_all(query, after=after, upto=upto, limit=limit)

    async def head(self, query: Query = _EVERYTHING) -> int:
        return await self._store.head(query)

    async def read_boundary(self, query: Query) -> BoundaryRead:
        return await self._store.read_boundary(query)

    def streams(self, category: str | None = None, *, limit: int | None = None) -> AsyncIterator[StreamInfo]:
        return self._store.streams(category, limit=limit)

    async def event_id_at(self, position: int) -> bytes | None:
        return await self._store.event_id_at(position)

    def subscribe(self, query: Query, *, after: int) -> AbstractAsyncContextManager[AsyncIterator[Batch]]:
        return self._store.subscribe(query, after=after)


class SinkOnly:
    """The writing side of a store as an object of its own, for a component that must not read."""

    def __init__(self, store: EventSink) -> None:
        self._store = store

    async def append(self, *appends: Append, condition: Condition | None = None) -> Appended:
        return await self._store.append(*appends, condition=condition)


def checked(appends: tuple[Append, ...]) -> int:
    """
    What every store refuses before it does anything; the number of events when all is well.

    Raises:
        EmptyAppend: no append, or one without events.
        TooLarge: over MOST_EVENTS in the call, MOST_BYTES or MOST_TAGS in an event.
        InvalidStreamName: a name that no store can hold.
        InvalidInput: a stream named twice, an expectation below 0, a tag or type that is no name.
    """
    if not appends:
        raise EmptyAppend("append() was called without an Append")
    total = 0
    for append in appends:
        Stream.of(*append.stream)
        if not append.events:
            raise EmptyAppend(
                f"the append to {append.stream} holds no events; a decision without events needs no append"
            )
        if not isinstance(append.expect, Expect) and (type(append.expect) is not int or append.expect < 0):
            raise InvalidInput(
                f"stream {append.stream}: expected version {append.expect!r}; versions start at 1, 0 is no stream"
            )
        total += len(append.events)
        for event in append.events:
            _check(event)
    if total > MOST_EVENTS:
        raise TooLarge("events in one append", total, MOST_EVENTS)
    if len(appends) > 1 and len({append.stream for append in appends}) < len(appends):
        raise InvalidInput("one stream is named by two appends of one call; put its events into one Append")
    return total


def _check(event: NewEvent) -> None:
    data, metadata = event.data, event.metadata
    size = len(data) if metadata is None else len(data) + len(metadata)
    if size > MOST_BYTES:
        raise TooLarge(f"encoded bytes of a {event.type!r}", size, MOST_BYTES)
    if not 0 < len(event.type) <= _LONGEST_NAME or len(event.event_id) != _ID_BYTES:
        raise InvalidInput(
            f"event type {event.type!r}, id of {len(event.event_id)} bytes: a name and {_ID_BYTES} bytes are needed"
        )
    if not (0 <= event.schema_version <= _LARGEST_VERSION and 0 <= event.format <= _LARGEST_FORMAT):
        raise InvalidInput(
            f"a {event.type!r} of schema version {event.schema_version}, format {event.format}: too large"
        )
    if event.occurred_at is not None and not -_LATEST <= event.occurred_at < _LATEST:
        raise InvalidInput(f"a {event.type!r} occurred at {event.occurred_at} µs: that is no moment")
    for text in (event.type, event.correlation_id, event.causation_id):
        if text is not None and not _is_text(text):
            raise InvalidInput(f"{text!r} of a {event.type!r}: it must be valid Unicode without NUL")
    if not ((data.isascii() or event.format != 0 or _is_utf8(data)) and (metadata is None or _is_utf8(metadata))):
        raise InvalidInput(f"data or metadata of a {event.type!r} is no UTF-8; what is not JSON needs another format")
    if event.tags:
        if len(event.tags) > MOST_TAGS:
            raise TooLarge(f"tags of a {event.type!r}", len(event.tags), MOST_TAGS)
        for tag in event.tags:
            if not (_is_text(tag) and 0 < len(tag.encode()) <= _LONGEST_NAME):
                raise InvalidInput(f"tag {tag!r} of a {event.type!r}: 1 to {_LONGEST_NAME} bytes of UTF-8 without NUL")


def refuse_repeated_ids(events: Sequence[NewEvent]) -> None:
    """Raises EventIdConflict when an id is used twice in one append."""
    ids = [event.event_id for event in events]
    if len(set(ids)) < len(ids):
        repeated = next(each for index, each in enumerate(ids) if each in ids[:index])
        raise EventIdConflict(UUID(bytes=repeated), "it is used twice in this append")


def _is_text(text: str) -> bool:
    """What every store can hold: Postgres refuses NUL, and nobody can encode half a surrogate pair."""
    if "\0" in text:
        return False
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_utf8(data: bytes) -> bool:
    if data.isascii():
        return True
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def checked_query(query: Query) -> Query:
    """
    The query, if a store can answer it.

    Raises:
        InvalidInput: it holds event classes (an application resolves them first), or what is no text.
    """
    for alternative in query.alternatives:
        for name in (*alternative.categories, *alternative.types, *alternative.tags):
            if not isinstance(name, str):
                raise InvalidInput(f"{query!r} holds a class; a store knows stored names only, resolve the query first")
            if not _is_text(name):
                raise InvalidInput(f"{name!r} in a query: it must be valid Unicode without NUL")
    return query


def checked_boundary(query: Query) -> Query:
    """
    The query, if a decision may depend on it.

    Raises:
        InvalidInput: it has no alternatives, one of them names neither types nor tags, or `checked_query` refuses it.
    """
    if not query.alternatives:
        raise InvalidInput("a boundary depends on something: its query has no alternatives; write Query.of(…)")
    for alternative in query.alternatives:
        if not (alternative.types or alternative.tags):
            raise InvalidInput(
                f"{alternative!r} in a boundary names neither types nor tags, so nearly every append would be a "
                "conflict; name what the decision depends on: Query.of(SomeEvent, tags=[…])"
            )
    return checked_query(query)


def checked_condition(condition: object) -> None:
    """Raises InvalidInput for what does not come from `read_boundary`."""
    if condition is None:
        return
    if not isinstance(condition, Condition):
        raise InvalidInput(f"condition={condition!r}: pass the condition that read_boundary() gave")
    checked_boundary(condition.query)
