"""The log in one SQLite file: groups of appends through the one writer, reads in short pages beside it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import Any, Final

import apsw
import msgspec

from eventfold.adapters.sqlite.connection import speaking_our_errors
from eventfold.adapters.sqlite.names import Names
from eventfold.adapters.sqlite.writer import Writer
from eventfold.domain.message import StoredEvent, Stream
from eventfold.domain.query import Alternative, Query
from eventfold.errors import InvalidInput
from eventfold.ports.event_store import Append, Appended, Fact, StreamInfo, checked
from eventfold.ports.subscription import PAGE, Batch, Bell, catch_up_then_live

__all__ = ["SqliteEventStore"]

COLUMNS: Final = """position, category, id, version, event_id, type, coalesce(schema_version, 0), format, correlation_id,
       causation_id, tags, occurred_at, recorded_at, metadata, data"""
READ = f"SELECT {COLUMNS} FROM {{events}} WHERE category = ? AND id = ? AND version > ? ORDER BY version LIMIT ?"
READ_BACKWARDS = f"""
SELECT {COLUMNS} FROM {{events}} WHERE category = ? AND id = ? AND version > ? AND version < ?
ORDER BY version DESC LIMIT ?
"""
LOAD = """
SELECT version, position, type, coalesce(schema_version, 0), format, data FROM {events}
WHERE category = ? AND id = ? AND version > ? AND version <= ? ORDER BY version LIMIT ?
"""
HEAD_OF_LOG = "SELECT max(position) FROM {events}"
STREAMS = """
SELECT category, id, max(version), max(position), recorded_at FROM {events}
WHERE (category, id) > (?, ?) AND category <= ? GROUP BY category, id ORDER BY category, id LIMIT ?
"""
_TAGS: Final = 10  # the place of the tags in COLUMNS
_UNENDING: Final = 2**62
_BEYOND_ANY_CATEGORY: Final = "\U0010ffff"


class SqliteEventStore:
    """An event store in a file. One process writes; any may read."""

    def __init__(self, writer: Writer, reader: apsw.Connection, names: Names, path: str) -> None:
        self._writer = writer
        self._reader = reader
        self._names = names
        self._path = path
        self._bell = Bell()
        self._read, self._read_backwards, self._load, self._head_of_log, self._streams = map(
            names.fill, (READ, READ_BACKWARDS, LOAD, HEAD_OF_LOG, STREAMS)
        )

    async def append(self, *appends: Append) -> Appended:
        appended = await self._writer.append(appends, checked(appends))
        self._bell.ring()
        return appended

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
                yield _stored(row)
            if len(rows) < size:
                return
            left -= len(rows)
            after, before = (after, rows[-1][3]) if backwards else (rows[-1][3], before)
            await asyncio.sleep(0)

    async def load(self, stream: Stream, *, after: int = 0, upto: int | None = None) -> AsyncIterator[Sequence[Fact]]:
        last = _UNENDING if upto is None else upto
        while True:
            facts: list[Fact] = self._select(self._load, (*stream, after, last, PAGE))
            if facts:
                yield facts
            if len(facts) < PAGE:
                return
            after = facts[-1][0]
            await asyncio.sleep(0)

    async def streams(self, category: str | None = None, *, limit: int | None = None) -> AsyncIterator[StreamInfo]:
        left = _UNENDING if limit is None else limit
        seen, last = ("", ""), _BEYOND_ANY_CATEGORY
        if category is not None:
            seen, last = (category, ""), category
        while left > 0:
            size = min(PAGE, left)
            rows = self._select(self._streams, (*seen, last, size))
            for row in rows:
                yield StreamInfo(Stream(row[0], row[1]), *row[2:])
            if len(rows) < size:
                return
            left -= len(rows)
            seen = rows[-1][:2]
            await asyncio.sleep(0)

    # -------------------------------------------------------------------- the log

    async def read_all(
        self, query: Query, *, after: int = 0, upto: int | None = None, limit: int | None = None
    ) -> AsyncIterator[StoredEvent]:
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

    async def head(self, query: Query = Query.all()) -> int:
        if query.unrestricted:
            return self._head()
        condition, values = _condition(query)
        sql = f"SELECT position FROM {{events}} WHERE {condition} ORDER BY position DESC LIMIT 1"  # noqa: S608 - fixed fragments
        rows = self._select(self._names.fill(sql), values)
        return rows[0][0] if rows else 0

    @asynccontextmanager
    async def subscribe(self, query: Query, *, after: int) -> AsyncIterator[AsyncIterator[Batch]]:
        self._writer.refuse_if_unusable()

        async def page(position: int) -> tuple[Sequence[StoredEvent], int]:
            head = self._head()  # first: what is committed later belongs to the next page
            return self._page(query, position, head, PAGE), head

        batches = catch_up_then_live(page, self._bell, after)
        try:
            yield batches
        finally:
            await batches.aclose()

    def _head(self) -> int:
        return self._select(self._head_of_log, ())[0][0] or 0

    def _page(self, query: Query, after: int, upto: int, size: int) -> list[StoredEvent]:
        condition, values = _condition(query)
        sql = (
            f"SELECT {COLUMNS} FROM {{events}} WHERE position > ? AND position <= ? AND {condition} "  # noqa: S608 - fixed fragments
            "ORDER BY position LIMIT ?"
        )
        return [_stored(row) for row in self._select(self._names.fill(sql), (after, upto, *values, size))]

    def _select(self, sql: str, values: Sequence[Any]) -> list[Any]:
        """On the loop, in one go: no cursor outlives it, so no reader ever holds the write-ahead log back."""
        self._writer.refuse_if_unusable()
        with speaking_our_errors(self._path):
            return self._reader.execute(sql, tuple(values)).fetchall()

    async def close(self) -> None:
        self._bell.close()
        await self._writer.close()
        self._reader.close()


def _stored(row: tuple[Any, ...]) -> StoredEvent:
    if row[_TAGS] is None and row[13] is None and type(row[14]) is not str:
        return StoredEvent(*row)
    fields = list(row)
    if row[_TAGS] is not None:
        fields[_TAGS] = tuple(msgspec.json.decode(row[_TAGS]))
    for text in (13, 14):
        if isinstance(row[text], str):
            fields[text] = row[text].encode()
    return StoredEvent(*fields)


@lru_cache(maxsize=256)
def _condition(query: Query) -> tuple[str, tuple[str, ...]]:
    """The query as SQL over the columns of events: fixed words and question marks, and the values for these."""
    if query.unrestricted:
        return "1", ()
    parts = [_alternative(each) for each in query.alternatives]
    return f"({' OR '.join(sql for sql, _ in parts)})", tuple(value for _, values in parts for value in values)


def _alternative(alternative: Alternative) -> tuple[str, tuple[str, ...]]:
    parts: list[str] = []
    values: list[str] = []
    for column, allowed in (("category", alternative.categories), ("type", alternative.types)):
        if allowed:
            names = sorted(each for each in allowed if isinstance(each, str))
            if len(names) < len(allowed):
                raise InvalidInput(f"{alternative!r} holds classes; a store knows stored names only, resolve the query first")
            parts.append(f"{column} IN ({', '.join('?' * len(names))})")
            values += names
    for tag in sorted(alternative.tags):
        parts.append("EXISTS (SELECT 1 FROM {event_tags} AS t WHERE t.tag = ? AND t.position = {events}.position)")
        values.append(tag)
    return f"({' AND '.join(parts)})", tuple(values)
