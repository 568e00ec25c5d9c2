"""
The log in a Postgres database: appends by the writer, reads in pages by position, never beyond the horizon.

Reading a stream sees every commit at once. Reading the log (`read_all`, `head`, `subscribe`) ends at the horizon: an
event that was committed while an earlier appender is still open comes when that one has ended. With `upto`, `read_all`
waits for it: whoever waits for what he has appended himself is not told that there is nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from eventfold.adapters.postgres.connection import Connections
from eventfold.adapters.postgres.following import Following
from eventfold.adapters.postgres.group import Writer
from eventfold.adapters.postgres.horizon import Horizon
from eventfold.adapters.postgres.names import Names
from eventfold.adapters.postgres.notify import Hints
from eventfold.adapters.postgres.pieces import Piece
from eventfold.adapters.postgres.queries import newest, selecting
from eventfold.domain.deletion import STREAM_DELETED
from eventfold.domain.message import NO_STREAM, StoredEvent, Stream
from eventfold.domain.query import Query
from eventfold.errors import StoreClosed
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

__all__ = ["COLUMNS", "MARK", "PostgresEventStore", "marked", "stored"]

COLUMNS: Final = (
    "e.position, e.category, e.id, e.version, uuid_send(e.event_id), e.type, coalesce(e.schema_version, 0), e.format, "
    "e.correlation_id, e.causation_id, e.tags, e.occurred_at, e.recorded_at, e.metadata, e.data"
)
# What lies below a mark is gone for those who read the stream, though it may still be in the log for a moment.
_SEEN: Final = (
    "version >= coalesce((SELECT m.before_version FROM {stream_marks} AS m WHERE m.category = $1 AND m.id = $2), 0)"
)
_OF_A_STREAM: Final = (
    f"SELECT {COLUMNS} FROM {{events}} AS e "  # noqa: S608 - fixed words
    f"WHERE e.category = $1 AND e.id = $2 AND e.version > $3::bigint AND e.{_SEEN}"
)
READ: Final = f"{_OF_A_STREAM} AND e.version < $4::bigint ORDER BY e.version LIMIT $5"  # the upper end saves planning
READ_BACKWARDS: Final = f"{_OF_A_STREAM} AND e.version < $4::bigint ORDER BY e.version DESC LIMIT $5"
LOAD: Final = f"""
SELECT version, position, type, coalesce(schema_version, 0), format, data FROM {{events}}
WHERE category = $1 AND id = $2 AND version > $3::bigint AND version <= $4::bigint AND {_SEEN}
ORDER BY version LIMIT $5
"""  # noqa: S608 - as above
ID_AT: Final = """
SELECT uuid_send(event_id) FROM {events} WHERE position = $1
UNION ALL SELECT uuid_send(event_id) FROM {removed_events} WHERE position = $1
"""
MARK: Final = """
SELECT category, id, state, before_version, position, reason, actor, at, pending IS NOT NULL
FROM {stream_marks} WHERE category = $1 AND id = $2
"""
AT: Final = f"SELECT {COLUMNS} FROM {{events}} AS e WHERE e.position = ANY($1::bigint[]) ORDER BY e.position"  # noqa: S608 - fixed words
STREAMS: Final = """
WITH RECURSIVE found AS (
    (SELECT category, id FROM {events}
      WHERE (category, id) > ($1, $2) AND category <= $3 ORDER BY category, id LIMIT 1)
    UNION ALL
    SELECT following.category, following.id
      FROM found CROSS JOIN LATERAL (
           SELECT e.category, e.id FROM {events} AS e
            WHERE (e.category, e.id) > (found.category, found.id) AND e.category <= $3
            ORDER BY e.category, e.id LIMIT 1) AS following
)
SELECT s.category, s.id, last.version, last.position, last.recorded_at, last.type
  FROM (SELECT category, id FROM found LIMIT $4) AS s CROSS JOIN LATERAL (
       SELECT e.version, e.position, e.recorded_at, e.type FROM {events} AS e
        WHERE e.category = s.category AND e.id = s.id ORDER BY e.version DESC LIMIT 1) AS last
 ORDER BY s.category, s.id
"""
_EVERYTHING: Final = Query.all()
_TAGS: Final = 10  # the place of what is not ready to be handed over
_UNENDING: Final = 2**62
_BEYOND_ANY_CATEGORY: Final = "\U0010ffff"


class PostgresEventStore:
    """
    An event store in a database, which any number of processes on any number of machines may have open.

    Args:
        writer: appends, and rings its bell after every commit.
        poll: seconds between two looks for events of other processes while nothing happens.
        notify: tell other processes of commits, and listen for theirs.
    """

    def __init__(
        self, writer: Writer, connections: Connections, names: Names, *, poll: float = 0.25, notify: bool = True
    ) -> None:
        self.parts: tuple[Writer, Connections, Names] = (writer, connections, names)
        """What the other sides of the same store are made of."""
        self._writer = writer
        self._connections = connections
        self._names = names
        self._bell = writer.bell
        self._hints = Hints(connections, names) if notify else None
        self._horizon = Horizon(connections, names, self._bell, slowest=poll, ears=self._hints)
        self._closing: asyncio.Task[None] | None = None
        if self._hints is not None:
            writer.after_commit.append(self._hints.tell)
        self._read, self._read_backwards, self._load, self._at, self._streams = map(
            names.fill, (READ, READ_BACKWARDS, LOAD, AT, STREAMS)
        )
        self._id_at, self._mark = map(names.fill, (ID_AT, MARK))

    async def append(self, *appends: Append, condition: Condition | None = None) -> Appended:
        self._refuse_if_closed()
        events = checked(appends)
        checked_condition(condition)
        return await self._writer.append(appends, condition, events)

    # ------------------------------------------------------------------ one stream

    async def read(
        self, stream: Stream, *, after: int = 0, limit: int | None = None, backwards: bool = False
    ) -> AsyncIterator[StoredEvent]:
        stream = Stream.of(*stream)
        left = _UNENDING if limit is None else limit
        before, piece = _UNENDING, Piece()
        while left > 0:
            size = min(piece.size, left)
            sql = self._read_backwards if backwards else self._read
            rows = await self._rows(sql, (*stream, after, before, size))
            for row in rows:
                yield stored(row)
            if len(rows) < size:
                return
            left -= len(rows)
            piece.learn(rows)
            after, before = (after, rows[-1][3]) if backwards else (rows[-1][3], before)

    async def load(self, stream: Stream, *, after: int = 0, upto: int | None = None) -> AsyncIterator[Sequence[Fact]]:
        stream = Stream.of(*stream)
        last = _UNENDING if upto is None else upto
        piece = Piece(4 * PAGE)
        while True:
            size = piece.size
            rows = await self._rows(self._load, (*stream, after, last, size))
            if rows and rows[0][0] > max(after, NO_STREAM) + 1:
                mark = marked(await self._rows(self._mark, stream))
                refuse_half_a_story(stream, after, rows[0][0], mark)
            for start in range(0, len(rows), PAGE):
                yield list(map(tuple, rows[start : start + PAGE]))
            if len(rows) < size:
                return
            piece.learn(rows)
            after = rows[-1][0]

    async def streams(self, category: str | None = None, *, limit: int | None = None) -> AsyncIterator[StreamInfo]:
        left = _UNENDING if limit is None else limit
        seen, last = ("", ""), _BEYOND_ANY_CATEGORY
        if category is not None:
            seen, last = (category, ""), category
        while left > 0:
            size = min(PAGE, left)
            rows = await self._rows(self._streams, (*seen, last, size))
            for row in rows:
                if row[5] != STREAM_DELETED:
                    left -= 1
                    yield StreamInfo(Stream(row[0], row[1]), row[2], row[3], row[4])
            if len(rows) < size:
                return
            seen = rows[-1][0], rows[-1][1]

    # -------------------------------------------------------------------- the log

    async def read_all(
        self, query: Query, *, after: int = 0, upto: int | None = None, limit: int | None = None
    ) -> AsyncIterator[StoredEvent]:
        checked_query(query)
        self._refuse_if_closed()
        left = _UNENDING if limit is None else limit
        if left <= 0:
            return
        end = self._horizon.head
        if upto is None:
            end = await self._horizon.fresh()
        elif upto > end:
            end = min(upto, await self._horizon.fresh())
        else:
            end = upto
        async for event in self._range(query, after, end, left):
            left -= 1
            yield event
        if upto is not None and left > 0 and max(after, end) < upto:
            committed = await self._last(query, max(after, end), upto)
            if committed > 0:
                await self._horizon.passes(committed)
                async for event in self._range(query, max(after, end), committed, left):
                    yield event

    async def _range(self, query: Query, after: int, upto: int, left: int) -> AsyncIterator[StoredEvent]:
        piece = Piece()
        while left > 0 and after < upto:
            size = min(piece.size, left)
            rows = await self._select(query, after, upto, size)
            for row in rows:
                yield stored(row)
            if len(rows) < size:
                return
            left -= len(rows)
            piece.learn(rows)
            after = rows[-1][0]

    async def head(self, query: Query = _EVERYTHING) -> int:
        checked_query(query)
        self._refuse_if_closed()
        head = await self._horizon.fresh()
        return head if query.unrestricted else await self._last(query, 0, head)

    async def _last(self, query: Query, after: int, upto: int) -> int:
        sql, values = newest(query)
        rows = await self._rows(self._names.fill(sql), (after, upto, 1, *values))
        return rows[0][0] if rows else 0

    async def read_boundary(self, query: Query) -> BoundaryRead:
        """
        The condition holds what lies below the horizon and the matches above it that were seen.

        Nothing comes to light below the horizon any more. Above it, an event of an appender that is open now may get a
        place before one that was seen: it is a conflict, and what was seen is none.
        """
        checked_boundary(query)
        self._refuse_if_closed()
        bound = await self._horizon.recent()  # first
        rows = await self._select(query, 0, _UNENDING, PAGE)
        if len(rows) < PAGE:
            above = tuple(row[0] for row in rows if row[0] > bound)
            return BoundaryRead(_each(rows), Condition(query, bound, above))
        sql, values = selecting("e.position", query)
        above = tuple(row[0] for row in await self._rows(self._names.fill(sql), (bound, _UNENDING, _UNENDING, *values)))
        return BoundaryRead(self._read_boundary(query, bound, above), Condition(query, bound, above))

    async def _read_boundary(self, query: Query, bound: int, above: Sequence[int]) -> AsyncIterator[StoredEvent]:
        async for event in self._range(query, 0, bound, _UNENDING):
            yield event
        for start in range(0, len(above), PAGE):
            for row in await self._rows(self._at, (list(above[start : start + PAGE]),)):
                yield stored(row)

    async def event_id_at(self, position: int) -> bytes | None:
        rows = await self._rows(self._id_at, (position,))
        return bytes(rows[0][0]) if rows else None

    @asynccontextmanager
    async def subscribe(self, query: Query, *, after: int) -> AsyncGenerator[AsyncIterator[Batch]]:
        """
        It survives a restart of the server: once it has begun, it waits until the server is back, and goes on.

        The outage is in the log, once. A subscription that cannot begin raises StoreUnavailable.
        """
        self._refuse_if_closed()
        checked_query(query)

        async def select(after: int, upto: int, most: int) -> list[Any]:
            return await self._select(query, after, upto, most)

        following = Following(self._horizon, self._bell, select, _stored_all, self.event_id_at)
        batches = catch_up_then_live(following.page, self._bell, max(-1, min(after, _UNENDING)))
        async with self._horizon.watching():
            try:
                yield batches
            finally:
                await batches.aclose()

    # ------------------------------------------------------------------------ rows

    async def _select(self, query: Query, after: int, upto: int, most: int) -> list[Any]:
        sql, values = selecting(COLUMNS, query)
        return await self._rows(self._names.fill(sql), (after, upto, most, *values))

    async def _rows(self, sql: str, values: Sequence[Any]) -> list[Any]:
        self._refuse_if_closed()
        values = [max(-1, min(each, _UNENDING)) if isinstance(each, int) else each for each in values]
        async with self._connections.use() as connection:
            return await connection.fetch(sql, *values)

    def _refuse_if_closed(self) -> None:
        if self._bell.closed:
            raise StoreClosed
        self._connections.refuse_if_unusable()

    def look_out(self) -> None:
        """Somebody is about to commit, and will tell nobody: whoever follows the log looks until it has happened."""
        self._horizon.hint()
        if self._hints is not None:
            self._hints.tell()

    async def close(self) -> None:
        self._bell.close()
        if self._connections.forked:
            return
        if self._closing is None:
            self._closing = asyncio.get_running_loop().create_task(self._close())
        await asyncio.shield(self._closing)

    async def _close(self) -> None:
        await self._horizon.stop()
        await self._writer.close()
        if self._hints is not None:
            await self._hints.close()
        await self._connections.close()


def marked(rows: Sequence[Any]) -> Mark | None:
    """The mark that the statement MARK found."""
    if not rows:
        return None
    category, id, *rest = rows[0]
    return Mark(Stream(category, id), *rest)


def stored(row: Any) -> StoredEvent:
    if row[_TAGS] is None:
        return StoredEvent(*row)
    fields: list[Any] = [*row]
    fields[_TAGS] = tuple(fields[_TAGS])
    return StoredEvent(*fields)


def _stored_all(rows: Sequence[Any]) -> list[StoredEvent]:
    return [StoredEvent(*row) if row[_TAGS] is None else stored(row) for row in rows]


async def _each(rows: Sequence[Any]) -> AsyncIterator[StoredEvent]:
    for row in rows:
        yield stored(row)
