"""
Administration of a store on a server.

What is removed disappears in two steps. First the mark, with the tombstone of a deleted stream: from then on whoever
reads or appends to the stream goes by it. Then, once every append that was under way has ended, the rows: such an
append may have read a version before the mark was there, and only as long as its row is there does the unique index
refuse it.
Who dies between the steps leaves the second one to the next act, or to `sweep`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final, TypeVar
from uuid import UUID, uuid4

import asyncpg
import msgspec

from eventfold.adapters.postgres.connection import Connection, Connections
from eventfold.adapters.postgres.event_store import COLUMNS, MARK, PostgresEventStore, marked, stored
from eventfold.adapters.postgres.failures import TRANSIENT
from eventfold.adapters.postgres.group import Writer
from eventfold.adapters.postgres.migrate import refuse_unfinished
from eventfold.adapters.postgres.names import Names
from eventfold.adapters.postgres.rows import fields
from eventfold.adapters.postgres.session import unit
from eventfold.adapters.postgres.snapshots import DROP_SNAPSHOT
from eventfold.adapters.postgres.transient import ATTEMPTS, pause_before
from eventfold.domain.deletion import STREAM_DELETED
from eventfold.domain.message import NO_STREAM, StoredEvent, Stream
from eventfold.errors import InvalidInput, StoreUnavailable
from eventfold.ports.administration import (
    Action,
    Audited,
    Mark,
    MarkState,
    Within,
    as_new,
    checked_act,
    checked_import,
    checked_payload,
    no_such_event,
    refuse_to_empty,
    refuse_tombstone,
    still_to_import,
)
from eventfold.ports.failpoint import failpoint
from eventfold.ports.subscription import PAGE
from eventfold.ports.unit import LONGEST_HOLD, Unit

__all__ = ["PostgresAdministration"]

T = TypeVar("T")

_log = logging.getLogger("eventfold.postgres")

ACTING: Final = """
SELECT set_config('{administrator}', '1', true), set_config('lock_timeout', '10s', true),
       pg_advisory_xact_lock('{stream_marks}'::regclass::oid::int, 0)
"""
BURY: Final = "SELECT version, place FROM {bury}($1, $2, $3)"
HEAD: Final = """
SELECT version, type, position FROM {events} WHERE category = $1 AND id = $2 ORDER BY version DESC LIMIT 1
"""
ENTER: Final = "SELECT {enter}()"
SET_MARK: Final = """
INSERT INTO {stream_marks} (category, id, state, before_version, position, reason, actor, at, pending)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT (category, id) DO UPDATE
SET state = excluded.state, before_version = excluded.before_version, position = excluded.position,
    reason = excluded.reason, actor = excluded.actor, at = excluded.at, pending = excluded.pending
"""
NOW: Final = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
NOTE: Final = """
INSERT INTO {store_audit} (at, action, actor, reason, category, id, version, event_id)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING number
"""
ANY_BELOW: Final = """
SELECT EXISTS (SELECT FROM {events} WHERE category = $1 AND id = $2 AND version < $3 AND type <> $4)
"""
PENDING: Final = """
SELECT category, id, state, before_version, position, reason, actor, at, true, pending
FROM {stream_marks} WHERE pending IS NOT NULL ORDER BY pending
"""
STILL_PENDING: Final = (
    "SELECT state, before_version FROM {stream_marks} WHERE category = $1 AND id = $2 AND pending = $3"
)
BEGUN: Final = "SELECT setval('{removals}', greatest(coalesce(pg_sequence_last_value('{removals}'), 1), $1::bigint))"
UNDER_WAY: Final = """
SELECT DISTINCT virtualtransaction::text FROM pg_locks
WHERE locktype = 'advisory' AND classid = '{events}'::regclass AND objsubid = 2 AND granted
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
REMOVE: Final = """
WITH gone AS (
    DELETE FROM {events} WHERE category = $1 AND id = $2 AND version < $3 AND type <> $4
    RETURNING position, event_id, tags
), kept AS (
    INSERT INTO {removed_events} (position, event_id) SELECT position, event_id FROM gone
)
DELETE FROM {event_tags} AS t USING gone, unnest(gone.tags) AS g(tag) WHERE t.tag = g.tag AND t.position = gone.position
"""
REMOVED: Final = "UPDATE {stream_marks} SET pending = NULL WHERE category = $1 AND id = $2 AND pending = $3"
FIND: Final = f"SELECT {COLUMNS} FROM {{events}} AS e WHERE e.event_id = $1"  # noqa: S608 - fixed words
FIND_ALL: Final = f"SELECT {COLUMNS} FROM {{events}} AS e WHERE e.event_id = ANY($1::uuid[])"  # noqa: S608 - fixed words
REPLACE: Final = "UPDATE {events} SET data = $2, format = $3 WHERE position = $1"
ERASE: Final = "UPDATE {events} SET data = NULL, metadata = NULL, tags = NULL WHERE position = $1"
ERASE_TAGS: Final = "DELETE FROM {event_tags} WHERE tag = ANY($2::text[]) AND position = $1"
LOCK_TAGS: Final = "SELECT {lock_tags}($1, NULL, false)"
IMPORT: Final = """
INSERT INTO {events} (category, id, version, recorded_at, event_id, type, schema_version, format, correlation_id,
                      causation_id, tags, occurred_at, metadata, data)
SELECT e.category, e.id, e.version, e.recorded_at, e.event_id, e.type, e.schema_version, e.format, e.correlation_id,
       e.causation_id, e.tags::text[], e.occurred_at, e.metadata, e.data
  FROM unnest($1::text[], $2::text[], $3::int[], $4::bigint[], $5::uuid[], $6::text[], $7::int[], $8::smallint[],
              $9::text[], $10::text[], $11::text[], $12::bigint[], $13::bytea[], $14::bytea[])
       WITH ORDINALITY AS e(category, id, version, recorded_at, event_id, type, schema_version, format, correlation_id,
                            causation_id, tags, occurred_at, metadata, data, no)
 ORDER BY e.no
RETURNING position
"""
IMPORT_TAGS: Final = (
    "INSERT INTO {event_tags} (tag, position, type) SELECT * FROM unnest($1::text[], $2::bigint[], $3::text[])"
)
AUDIT: Final = """
SELECT number, at, action, actor, reason, category, id, version, uuid_send(event_id) FROM {store_audit}
WHERE number > $1 ORDER BY number LIMIT $2
"""
_SINCE: Final = 3
"""The migration that code must know to understand what is missing."""
_GRACE: Final = 10.0
"""Seconds to wait for appends that were under way. Most take a millisecond; somebody's transaction may last."""
_FIRST_LOOK: Final = 0.001
_SLOWEST_LOOK: Final = 0.1
_LARGEST: Final = 2**62
_ID_BYTES: Final = 16


class PostgresAdministration:
    """
    One act at a time, in all processes. The role must own the tables.

    Args:
        unit_of: for what is to be stored together with a deletion: the open transaction of a connection as a unit.
        grace: seconds to wait for appends that were under way, before what is gone is left to `sweep`.
    """

    def __init__(
        self,
        writer: Writer,
        connections: Connections,
        names: Names,
        *,
        unit_of: Callable[[Connection], Unit] | None = None,
        grace: float = _GRACE,
    ) -> None:
        self._writer = writer
        self._connections = connections
        self._names = names
        self._fill = names.fill
        self._unit_of = unit_of
        self._grace = grace

    @classmethod
    def of(
        cls, store: PostgresEventStore, unit_of: Callable[[Connection], Unit] | None = None
    ) -> PostgresAdministration:
        """That of a store which is open."""
        return cls(*store.parts, unit_of=unit_of)

    # ---------------------------------------------------------------------- streams

    async def delete(self, stream: Stream, *, actor: str, reason: str, within: Within | None = None) -> Mark | None:
        checked_act(actor, reason)
        stream = Stream.of(*stream)

        async def act(connection: Connection) -> tuple[Mark, int] | None:
            await self._refuse_unfinished(connection)
            head = await connection.fetchrow(self._fill(HEAD), *stream)
            if head is None or head[1] == STREAM_DELETED:
                return None
            if within is not None:
                if self._unit_of is None:
                    raise InvalidInput("nothing can be stored together with a deletion here")
                async with asyncio.timeout(LONGEST_HOLD):
                    await within(self._unit_of(connection))
            version, place = await connection.fetchrow(self._fill(BURY), *stream, uuid4())
            if version is None:
                return None
            await connection.execute(self._fill(DROP_SNAPSHOT), *stream)
            number = await self._note(connection, "delete", actor, reason, stream, version=version)
            mark = await self._mark(connection, stream, "deleted", version + 2, place, reason, actor, number)
            return mark, number

        return await self._removed(await self._act(act))

    async def truncate(self, stream: Stream, *, before_version: int, actor: str, reason: str) -> Mark | None:
        checked_act(actor, reason)
        stream = Stream.of(*stream)

        async def act(connection: Connection) -> tuple[Mark, int] | None:
            await self._refuse_unfinished(connection)
            head = await connection.fetchrow(self._fill(HEAD), *stream)
            last, kind, position = (NO_STREAM, None, 0) if head is None else head
            refuse_to_empty(stream, before_version, NO_STREAM if kind == STREAM_DELETED else last)
            there = marked(await connection.fetch(self._fill(MARK), *stream))
            gone = there is not None and there.before_version >= before_version
            if gone or not await connection.fetchval(self._fill(ANY_BELOW), *stream, before_version, STREAM_DELETED):
                return None
            await connection.execute(self._fill(DROP_SNAPSHOT), *stream)
            number = await self._note(connection, "truncate", actor, reason, stream, version=before_version)
            mark = await self._mark(connection, stream, "truncated", before_version, position, reason, actor, number)
            return mark, number

        return await self._removed(await self._act(act))

    async def mark(self, stream: Stream) -> Mark | None:
        async with self._connections.use() as connection:
            return marked(await connection.fetch(self._fill(MARK), *Stream.of(*stream)))

    # ------------------------------------------------------------------ second step

    async def _removed(self, done: tuple[Mark, int] | None) -> Mark | None:
        """What is pending of others may be finished by now, too; nobody waits for that."""
        if done is not None:
            self._announce()
            failpoint("administration.marked")
            mark, number = done
            done = (msgspec.structs.replace(mark, pending=not await self._remove(mark, number, self._grace)), number)
        for mark, number in await self._pending():
            if done is None or number != done[1]:
                await self._remove(mark, number, 0.0)
        return None if done is None else done[0]

    async def sweep(self) -> Sequence[Mark]:
        return [mark for mark, number in await self._pending() if not await self._remove(mark, number, self._grace)]

    async def _pending(self) -> list[tuple[Mark, int]]:
        async with self._connections.use() as connection:
            rows = await connection.fetch(self._fill(PENDING))
        return [(Mark(Stream(row[0], row[1]), *row[2:9]), row[9]) for row in map(tuple, rows)]

    async def _remove(self, mark: Mark, number: int, patience: float) -> bool:
        """False: somebody is under way who may not know of the mark."""
        async with self._acting() as connection:  # who has an older snapshot than the act is refused from here on
            await connection.execute(self._fill(BEGUN), number)
        waited = await self._until_ended(patience)
        if waited is not None:
            _log.warning(
                "the events of %s below version %d are gone for its readers, but stay in the log until %d "
                "transaction(s) that have appended end; `eventfold admin sweep` removes them then",
                mark.stream,
                mark.before_version,
                waited,
            )
            return False
        async with self._acting() as connection:
            pending = await connection.fetchrow(self._fill(STILL_PENDING), *mark.stream, number)
            if pending is not None:
                state, before_version = pending
                failpoint("administration.before_removal")
                if state == "deleted":
                    # the tombstone is the last one below the mark, and stays
                    await connection.execute(self._fill(REMOVE), *mark.stream, before_version - 1, "")
                else:
                    await connection.execute(self._fill(REMOVE), *mark.stream, before_version, STREAM_DELETED)
                await connection.execute(self._fill(REMOVED), *mark.stream, number)
        failpoint("administration.removed")
        return True

    async def _until_ended(self, patience: float) -> int | None:
        """Wait for all who hold the epoch's lock now. None when they have ended, else how many have not in time."""
        async with self._connections.use() as connection:
            first = {row[0] for row in await connection.fetch(self._fill(UNDER_WAY))}
        deadline = asyncio.get_running_loop().time() + patience
        pause = _FIRST_LOOK
        while first:
            if asyncio.get_running_loop().time() >= deadline:
                return len(first)
            await asyncio.sleep(pause)
            pause = min(pause * 2, _SLOWEST_LOOK)
            async with self._connections.use() as connection:
                first &= {row[0] for row in await connection.fetch(self._fill(UNDER_WAY))}
        return None

    # ----------------------------------------------------------------------- events

    async def find(self, event_id: bytes) -> StoredEvent | None:
        async with self._connections.use() as connection:
            return await self._find(connection, event_id)

    async def replace(self, event_id: bytes, data: bytes, *, format: int = 0, actor: str, reason: str) -> StoredEvent:
        checked_act(actor, reason)

        async def act(connection: Connection) -> StoredEvent:
            event = await self._found(connection, event_id)
            checked_payload(event, data, format)
            await connection.execute(self._fill(REPLACE), event.position, data, format)
            await connection.execute(self._fill(DROP_SNAPSHOT), *event.stream)
            await self._note(
                connection, "replace", actor, reason, event.stream, version=event.version, event_id=event_id
            )
            return msgspec.structs.replace(event, data=data, format=format)

        return await self._act(act)

    async def erase(self, event_id: bytes, *, actor: str, reason: str) -> StoredEvent:
        checked_act(actor, reason)

        async def act(connection: Connection) -> StoredEvent:
            event = await self._found(connection, event_id)
            refuse_tombstone(event)
            if event.data is None:
                return event
            await connection.execute(self._fill(ERASE_TAGS), event.position, list(event.tags or ()))
            await connection.execute(self._fill(ERASE), event.position)
            await connection.execute(self._fill(DROP_SNAPSHOT), *event.stream)
            await self._note(connection, "erase", actor, reason, event.stream, version=event.version, event_id=event_id)
            return msgspec.structs.replace(event, data=None, metadata=None, tags=None)

        return await self._act(act)

    async def _found(self, connection: Connection, event_id: bytes) -> StoredEvent:
        event = await self._find(connection, event_id)
        if event is None:
            raise no_such_event(event_id)
        return event

    async def _find(self, connection: Connection, event_id: bytes) -> StoredEvent | None:
        if len(event_id) != _ID_BYTES:
            return None
        row = await connection.fetchrow(self._fill(FIND), UUID(bytes=event_id))
        return None if row is None else stored(row)

    # ----------------------------------------------------------------------- import

    async def import_(self, events: Sequence[StoredEvent], *, actor: str, reason: str) -> int:
        checked_act(actor, reason)
        checked_import(events)
        tags = sorted({tag for event in events for tag in event.tags or ()})

        async def act(connection: Connection) -> int:
            if tags:
                await connection.execute(self._fill(LOCK_TAGS), tags)
            await connection.execute(self._fill(ENTER))
            ids = [UUID(bytes=event.event_id) for event in events]
            known = {each.event_id: each for each in map(stored, await connection.fetch(self._fill(FIND_ALL), ids))}
            heads: dict[Stream, int] = {}
            for stream in {event.stream for event in events}:
                head = await connection.fetchrow(self._fill(HEAD), *stream)
                heads[stream] = NO_STREAM if head is None else head[0]
            new = still_to_import(events, known, heads)
            if new:
                await self._import(connection, new)
            await self._note(connection, "import", actor, reason, events[0].stream)
            return len(new)

        count = await self._act(act)
        self._announce()
        return count

    async def _import(self, connection: Connection, new: Sequence[StoredEvent]) -> None:
        columns = [
            [event.category for event in new],
            [event.id for event in new],
            [event.version for event in new],
            [event.recorded_at for event in new],
            *(column or [None] * len(new) for column in fields([as_new(event) for event in new])),
        ]
        columns[-1] = [event.data for event in new]
        rows = await connection.fetch(self._fill(IMPORT), *columns)
        places = sorted(row[0] for row in rows)
        tagged = [(tag, at, e.type) for at, e in zip(places, new, strict=True) for tag in set(e.tags or ())]
        if tagged:
            await connection.execute(self._fill(IMPORT_TAGS), *map(list, zip(*tagged, strict=True)))

    # ------------------------------------------------------------------------ parts

    async def audit(self, *, after: int = 0) -> AsyncIterator[Audited]:
        while True:
            async with self._connections.use() as connection:
                rows = await connection.fetch(self._fill(AUDIT), max(-1, min(after, _LARGEST)), PAGE)
            for row in rows:
                yield Audited(*row)
            if len(rows) < PAGE:
                return
            after = rows[-1][0]

    @asynccontextmanager
    async def _acting(self) -> AsyncGenerator[Connection]:
        """A transaction that may change events, and the only one that acts."""
        self._writer.refuse_if_unusable()
        async with unit(self._connections) as connection:
            await connection.execute(self._fill(ACTING))
            yield connection

    async def _act(self, act: Callable[[Connection], Awaitable[T]]) -> T:
        """Repeated after a deadlock, or when a rival was quicker: nothing of it was kept then."""
        attempt = 1
        while True:
            try:
                async with self._acting() as connection:
                    return await act(connection)
            except StoreUnavailable as error:
                if not isinstance(error.__cause__, TRANSIENT) or attempt == ATTEMPTS:
                    raise
            except Exception as error:
                if not isinstance(error.__cause__, asyncpg.UniqueViolationError) or attempt == ATTEMPTS:
                    raise
            await pause_before(attempt)
            attempt += 1

    async def _refuse_unfinished(self, connection: Connection) -> None:
        await refuse_unfinished(connection, self._names, self._connections.where, _SINCE)

    async def _mark(
        self,
        connection: Connection,
        stream: Stream,
        state: MarkState,
        before_version: int,
        position: int,
        reason: str,
        actor: str,
        number: int,
    ) -> Mark:
        now: int = await connection.fetchval(NOW)
        values = (*stream, state, before_version, position, reason, actor, now, number)
        await connection.execute(self._fill(SET_MARK), *values)
        return Mark(stream, state, before_version, position, reason, actor, now, pending=True)

    async def _note(
        self,
        connection: Connection,
        action: Action,
        actor: str,
        reason: str,
        stream: Stream,
        *,
        version: int | None = None,
        event_id: bytes | None = None,
    ) -> int:
        now = await connection.fetchval(NOW)
        id = None if event_id is None else UUID(bytes=event_id)
        values = (now, action, actor, reason, *stream, version, id)
        return int(await connection.fetchval(self._fill(NOTE), *values))

    def _announce(self) -> None:
        self._writer.bell.ring()
        for each in self._writer.after_commit:
            each()
