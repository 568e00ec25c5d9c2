"""The log in one SQLite file: groups of appends through the one writer, reads in short pages beside it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from typing import Any, Final

import msgspec

from eventfold.adapters.sqlite.connection import Connection, speaking_our_errors
from eventfold.adapters.sqlite.group import ConditionalJob
from eventfold.adapters.sqlite.names import Names
from eventfold.adapters.sqlite.queries import boundary, restricted
from eventfold.adapters.sqlite.type_index import asks_by_type, has_type_index, make_type_index
from eventfold.adapters.sqlite.writer import Writer
from eventfold.domain.deletion import STREAM_DELETED
from eventfold.domain.message import NO_STREAM, StoredEvent, Stream
from eventfold.domain.query import Query
from eventfold.errors import DecodeError
from eventfold.ports.administration import Mark, refuse_half_a_story
from eventfold.ports.event_store import (
    Append,
    Appended,
    BoundaryRead,
    Condition,
    Fact,
    StreamInfo,
    checked,
    checked_boundary,
    checked_condition,
    checked_query,
)
from eventfold.ports.subscription import PAGE, Batch, catch_up_then_live

__all__ = ["EVENTS", "LOAD", "MARK", "SqliteEventStore", "marked", "stored", "without_tombstone"]

EVENTS: Final = """
SELECT position, category, id, version, event_id, type, coalesce(schema_version, 0), format, correlation_id,
       causation_id, tags, occurred_at, recorded_at, CAST(metadata AS BLOB), CAST(data AS BLOB)
FROM {events} WHERE """
READ: Final = EVENTS + "category = ? AND id = ? AND version > ? ORDER BY version LIMIT ?"
READ_BACKWARDS: Final = EVENTS + "category = ? AND id = ? AND version > ? AND version < ? ORDER BY version DESC LIMIT ?"
LOAD: Final = """
SELECT version, position, type, coalesce(schema_version, 0), format, data FROM {events}
WHERE category = ? AND id = ? AND version > ? AND version <= ? ORDER BY version LIMIT ?
"""
HEAD_OF_LOG: Final = "SELECT max(position) FROM {events}"
STREAMS: Final = """
SELECT category, id, max(version), max(position), recorded_at, type FROM {events}
WHERE (category, id) > (?, ?) AND category <= ? GROUP BY category, id ORDER BY category, id LIMIT ?
"""
ID_AT: Final = """
SELECT event_id FROM {events} WHERE position = ? UNION ALL SELECT event_id FROM {removed_events} WHERE position = ?
"""
MARK: Final = """
SELECT category, id, state, before_version, position, reason, actor, at FROM {stream_marks}
WHERE category = ? AND id = ?
"""
_EVERYTHING: Final = Query.all()
_TYPE: Final = 5
_TAGS: Final = 10  # the place of what is not ready to be handed over
_TAG_TEXTS: Final = msgspec.json.Decoder(tuple[str, ...])
_UNENDING: Final = 2**62
_BEYOND_ANY_CATEGORY: Final = "\U0010ffff"


class SqliteEventStore:
    """An event store in a file, which any number of processes of one machine may have open."""

    def __init__(
        self,
        writer: Writer,
        reader: Connection,
        names: Names,
        path: str,
        *,
        listening: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self.parts: tuple[Writer, Connection, Names, str] = (writer, reader, names, path)
        """What the other sides of the same store are made of."""
        self._writer = writer
        self._reader = reader
        self._names = names
        self._path = path
        self._bell = writer.bell
        self._listening = listening
        self._has_type_index = False
        self._read, self._read_backwards, self._load, self._head_of_log, self._streams = map(
            names.fill, (READ, READ_BACKWARDS, LOAD, HEAD_OF_LOG, STREAMS)
        )
        self._mark, self._id_at = map(names.fill, (MARK, ID_AT))

    async def append(self, *appends: Append, condition: Condition | None = None) -> Appended:
        self._writer.refuse_if_unusable()
        events = checked(appends)
        checked_condition(condition)
        job = appends if condition is None else ConditionalJob(appends, condition)
        return await self._writer.append(job, events)

    # ------------------------------------------------------------------ one stream

    async def read(
        self, stream: Stream, *, after: int = 0, limit: int | None = None, backwards: bool = False
    ) -> AsyncIterator[StoredEvent]:
        stream = Stream.of(*stream)
        left = _UNENDING if limit is None else limit
        before = _UNENDING
        while left > 0:
            size = min(PAGE, left)
            if backwards:
                rows = self._select(self._read_backwards, (*stream, after, before, size))
            else:
                rows = self._select(self._read, (*stream, after, size))
            for row in rows:
                if row[_TYPE] != STREAM_DELETED:
                    left -= 1
                    yield stored(row)
            if len(rows) < size:
                return
            after, before = (after, rows[-1][3]) if backwards else (rows[-1][3], before)
            await asyncio.sleep(0)

    async def load(self, stream: Stream, *, after: int = 0, upto: int | None = None) -> AsyncIterator[Sequence[Fact]]:
        stream = Stream.of(*stream)
        last = _UNENDING if upto is None else upto
        while True:
            facts: list[Fact] = self._select(self._load, (*stream, after, last, PAGE))
            count = len(facts)
            if facts:
                if facts[0][0] > max(after, NO_STREAM) + 1 or facts[0][2] == STREAM_DELETED:
                    facts = self._exceptional(stream, after, facts)
                if facts:
                    if count < PAGE:
                        self._writer.saw(stream, facts[-1][0])
                    yield facts
            if count < PAGE:
                return
            after = facts[-1][0]
            await asyncio.sleep(0)

    def _exceptional(self, stream: Stream, after: int, facts: list[Fact]) -> list[Fact]:
        """Of a stream that an administrator has deleted or truncated."""
        return without_tombstone(stream, after, facts, marked(self._select(self._mark, stream)))

    async def streams(self, category: str | None = None, *, limit: int | None = None) -> AsyncIterator[StreamInfo]:
        left = _UNENDING if limit is None else limit
        seen, last = ("", ""), _BEYOND_ANY_CATEGORY
        if category is not None:
            seen, last = (category, ""), category
        while left > 0:
            size = min(PAGE, left)
            rows = self._select(self._streams, (*seen, last, size))
            for row in rows:
                if row[5] != STREAM_DELETED:
                    left -= 1
                    yield StreamInfo(Stream(row[0], row[1]), *row[2:5])
            if len(rows) < size:
                return
            seen = rows[-1][:2]
            await asyncio.sleep(0)

    # -------------------------------------------------------------------- the log

    async def read_all(
        self, query: Query, *, after: int = 0, upto: int | None = None, limit: int | None = None
    ) -> AsyncIterator[StoredEvent]:
        checked_query(query)
        left = _UNENDING if limit is None else limit
        while left > 0:
            size = min(PAGE, left)
            events = self._page(query, after, _UNENDING if upto is None else upto, size)
            for event in events:
                yield event
            if len(events) < size:
                return
            left -= len(events)
            after = events[-1].position
            await asyncio.sleep(0)

    async def read_boundary(self, query: Query) -> BoundaryRead:
        checked_boundary(query)
        if not self._has_type_index and asks_by_type(query):
            await self._make_type_index()
        bound = self._head()  # first: what is at or below it never changes, and what comes later is a conflict
        return BoundaryRead(self._read_boundary(query, bound), Condition(query, bound))

    async def _make_type_index(self) -> None:
        with speaking_our_errors(self._path):
            there = has_type_index(self._reader, self._names)
        if not there:
            async with self._writer.turn() as connection:
                with speaking_our_errors(self._path):
                    await self._writer.work(lambda: make_type_index(connection, self._names), _UNENDING)
        self._has_type_index = True

    async def _read_boundary(self, query: Query, bound: int) -> AsyncIterator[StoredEvent]:
        after = 0
        while True:
            sql, values = boundary(query, after, bound)
            rows = self._select(self._names.fill(f"{EVENTS}{sql} ORDER BY position LIMIT ?"), (*values, PAGE))
            for row in rows:
                yield stored(row)
            if len(rows) < PAGE:
                return
            after = rows[-1][0]
            await asyncio.sleep(0)

    async def head(self, query: Query = _EVERYTHING) -> int:
        condition, values = restricted(checked_query(query))
        if query.unrestricted:
            return self._head()
        sql = f"SELECT position FROM {{events}} WHERE {condition} ORDER BY position DESC LIMIT 1"  # noqa: S608 - fixed words
        rows = self._select(self._names.fill(sql), values)
        return rows[0][0] if rows else 0

    async def event_id_at(self, position: int) -> bytes | None:
        rows = self._select(self._id_at, (position, position))
        return rows[0][0] if rows else None

    @asynccontextmanager
    async def subscribe(self, query: Query, *, after: int) -> AsyncGenerator[AsyncIterator[Batch]]:
        self._writer.refuse_if_unusable()
        checked_query(query)

        head = 0

        async def page(position: int) -> tuple[Sequence[StoredEvent], int]:
            nonlocal head
            if head - position > PAGE:  # far behind: what has come since is not needed for a full page
                events = self._page(query, position, head, PAGE)
                if len(events) == PAGE:
                    return events, head
            head = self._head()  # first: what is committed later belongs to the next page
            return self._page(query, position, head, PAGE), head

        batches = catch_up_then_live(page, self._bell, after)
        with self._listening():  # to other processes
            try:
                yield batches
            finally:
                await batches.aclose()

    def _head(self) -> int:
        return self._select(self._head_of_log, ())[0][0] or 0

    def _page(self, query: Query, after: int, upto: int, size: int) -> list[StoredEvent]:
        condition, values = restricted(query)
        sql = f"{EVENTS}position > ? AND position <= ? AND {condition} ORDER BY position LIMIT ?"
        rows = self._select(self._names.fill(sql), (after, upto, *values, size))
        return [StoredEvent(*row) if row[_TAGS] is None else stored(row) for row in rows]

    def _select(self, sql: str, values: Sequence[Any]) -> list[Any]:
        """On the loop, in one go: no cursor outlives it, so no reader ever holds the write-ahead log back."""
        self._writer.refuse_if_unusable()
        values = [max(-1, min(each, _UNENDING)) if isinstance(each, int) else each for each in values]
        with speaking_our_errors(self._path):
            return self._reader.execute(sql, values).fetchall()

    async def close(self) -> None:
        self._bell.close()
        await self._writer.close()


def without_tombstone(stream: Stream, after: int, facts: Sequence[Fact], mark: Mark | None) -> list[Fact]:
    """Raises StreamTruncated where what is left is not the whole story."""
    facts = [fact for fact in facts if fact[2] != STREAM_DELETED]
    if facts:
        refuse_half_a_story(stream, after, facts[0][0], mark)
    return facts


def marked(rows: Sequence[tuple[Any, ...]]) -> Mark | None:
    """The mark that the statement MARK found."""
    return Mark(Stream(*rows[0][:2]), *rows[0][2:]) if rows else None


def stored(row: tuple[Any, ...]) -> StoredEvent:
    if row[_TAGS] is None:
        return StoredEvent(*row)
    fields: list[Any] = [*row]
    fields[_TAGS] = _tags(row)
    return StoredEvent(*fields)


def _tags(row: tuple[Any, ...]) -> tuple[str, ...]:
    try:
        return _TAG_TEXTS.decode(row[_TAGS])
    except (msgspec.MsgspecError, RecursionError) as error:
        raise DecodeError(row[5], f"its tags: {error}", Stream(row[1], row[2]), row[3], row[0]) from error
