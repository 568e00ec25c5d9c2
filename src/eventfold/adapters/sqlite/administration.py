"""Administration of a store in a file: each act is one transaction of the writing connection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar
from uuid import uuid4

import msgspec

from eventfold.adapters.sqlite.command_log import SqliteCommandLog
from eventfold.adapters.sqlite.connection import Connection, speaking_our_errors
from eventfold.adapters.sqlite.event_store import EVENTS, MARK, SqliteEventStore, marked, stored
from eventfold.adapters.sqlite.group import HEAD, INSERT_EVENT, INSERT_TAG
from eventfold.adapters.sqlite.migrate import refuse_unfinished
from eventfold.adapters.sqlite.names import Names
from eventfold.adapters.sqlite.snapshots import DROP_SNAPSHOT
from eventfold.adapters.sqlite.writer import Writer
from eventfold.domain.deletion import STREAM_DELETED
from eventfold.domain.message import NO_STREAM, StoredEvent, Stream
from eventfold.errors import InvalidInput
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
    tombstone,
)
from eventfold.ports.clock import Clock, micros_of
from eventfold.ports.command_log import Accepted
from eventfold.ports.event_store import Append, Appended, Condition
from eventfold.ports.failpoint import failpoint
from eventfold.ports.read_model import Params, Writes
from eventfold.ports.subscription import PAGE
from eventfold.ports.unit import LONGEST_HOLD

if TYPE_CHECKING:
    from sqlalchemy.sql.selectable import SelectBase

    from eventfold.adapters.sqlite.read_model import SqliteReadModel

__all__ = ["SqliteAdministration"]

T = TypeVar("T")

BEGIN: Final = "BEGIN IMMEDIATE; INSERT INTO {store_acting} VALUES (1)"
COMMIT: Final = "DELETE FROM {store_acting}; COMMIT"
FIND: Final = EVENTS + "event_id = ?"
# Another process may believe that the stream is at a version whose row is gone: the unique index cannot tell it. Only a
# store from which something has been removed pays for this.
NO_RETURN: Final = """
CREATE TRIGGER IF NOT EXISTS {events_no_return} BEFORE INSERT ON {events}
WHEN EXISTS (SELECT 1 FROM {stream_marks} AS m
             WHERE m.category = NEW.category AND m.id = NEW.id AND m.before_version > NEW.version)
BEGIN
    SELECT RAISE(ABORT, 'a version that has been used is not used again');
END
"""
_GONE: Final = "FROM {events} WHERE category = ? AND id = ? AND version < ? AND type <> ?"
FIRST: Final = f"SELECT 1 {_GONE} LIMIT 1"
KEEP_IDS: Final = f"INSERT INTO {{removed_events}} SELECT position, event_id {_GONE}"
REMOVE_TAGS: Final = f"""
DELETE FROM {{event_tags}} WHERE (tag, position) IN (
    SELECT tag.value, e.position FROM (SELECT position, tags {_GONE}) AS e, json_each(e.tags) AS tag)
"""  # noqa: S608 - as above
REMOVE: Final = f"DELETE {_GONE}"
SET_MARK: Final = """
INSERT INTO {stream_marks} (category, id, state, before_version, position, reason, actor, at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (category, id) DO UPDATE
SET state = excluded.state, before_version = excluded.before_version, position = excluded.position,
    reason = excluded.reason, actor = excluded.actor, at = excluded.at
"""
NOTE: Final = """
INSERT INTO {store_audit} (at, action, actor, reason, category, id, version, event_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
"""
REPLACE: Final = "UPDATE {events} SET data = ?, format = ? WHERE position = ?"
ERASE: Final = "UPDATE {events} SET data = NULL, metadata = NULL, tags = NULL WHERE position = ?"
ERASE_TAG: Final = "DELETE FROM {event_tags} WHERE tag = ? AND position = ?"
LAST: Final = "SELECT position FROM {events} WHERE category = ? AND id = ? AND version = ?"
AUDIT: Final = """
SELECT number, at, action, actor, reason, category, id, version, event_id FROM {store_audit}
WHERE number > ? ORDER BY number LIMIT ?
"""
_SINCE: Final = 3
"""The migration that code must know to understand what is missing."""
_MANY: Final = 2**31
_ANY_TYPE: Final = ""


class SqliteAdministration:
    """Whoever removes something waits for no one: there is one writer at a time, and none is under way."""

    def __init__(
        self,
        store: SqliteEventStore,
        rows: SqliteReadModel,
        writer: Writer,
        reader: Connection,
        names: Names,
        path: str,
        clock: Clock,
        *,
        busy: float,
    ) -> None:
        self._store = store
        self._rows = rows
        self._writer = writer
        self._reader = reader
        self._names = names
        self._fill = names.fill
        self._path = path
        self._micros = micros_of(clock)
        self._busy = busy

    @classmethod
    def of(
        cls, store: SqliteEventStore, rows: SqliteReadModel, clock: Clock, *, busy: float = 0.0
    ) -> SqliteAdministration:
        """That of a store which is open."""
        return cls(store, rows, *store.parts, clock, busy=busy)

    # ---------------------------------------------------------------------- streams

    async def delete(self, stream: Stream, *, actor: str, reason: str, within: Within | None = None) -> Mark | None:
        stream = self._checked(stream, actor, reason)

        def act(connection: Connection) -> Mark | None:
            refuse_unfinished(connection, self._names, self._path, _SINCE)
            version = self._version(connection, stream)
            if version == NO_STREAM:
                return None
            self._remove(connection, stream, version + 1, _ANY_TYPE)
            new = tombstone(stream, version, uuid4().bytes)
            now = self._micros()
            self._insert(connection, [_row(_buried(stream, version + 1, new.event_id, new.data, now))])
            mark = self._mark(
                connection, stream, "deleted", version + 2, connection.last_insert_rowid(), reason, actor, now
            )
            connection.execute(self._fill(DROP_SNAPSHOT), stream)
            self._note(connection, "delete", actor, reason, stream, version=version)
            return mark

        return await self._act(act, stream, _MANY, within=within)

    async def truncate(self, stream: Stream, *, before_version: int, actor: str, reason: str) -> Mark | None:
        stream = self._checked(stream, actor, reason)

        def act(connection: Connection) -> Mark | None:
            refuse_unfinished(connection, self._names, self._path, _SINCE)
            last = self._version(connection, stream)
            refuse_to_empty(stream, before_version, last)
            gone = (*stream, before_version, STREAM_DELETED)  # a tombstone before it stays
            if connection.execute(self._fill(FIRST), gone).fetchone() is None:
                return None
            self._remove(connection, stream, before_version, STREAM_DELETED)
            position = connection.execute(self._fill(LAST), (*stream, last)).get
            now = self._micros()
            mark = self._mark(connection, stream, "truncated", before_version, position, reason, actor, now)
            connection.execute(self._fill(DROP_SNAPSHOT), stream)
            self._note(connection, "truncate", actor, reason, stream, version=before_version)
            return mark

        return await self._act(act, stream, _MANY)

    async def mark(self, stream: Stream) -> Mark | None:
        return marked(self._select(self._fill(MARK), Stream.of(*stream)))

    async def sweep(self) -> Sequence[Mark]:
        self._writer.refuse_if_unusable()
        return []

    # ----------------------------------------------------------------------- events

    async def find(self, event_id: bytes) -> StoredEvent | None:
        rows = self._select(self._fill(FIND), (event_id,))
        return stored(rows[0]) if rows else None

    async def replace(self, event_id: bytes, data: bytes, *, format: int = 0, actor: str, reason: str) -> StoredEvent:
        checked_act(actor, reason)

        def act(connection: Connection) -> StoredEvent:
            event = self._found(connection, event_id)
            checked_payload(event, data, format)
            value = data.decode() if format == 0 else data
            connection.execute(self._fill(REPLACE), (value, format, event.position))
            connection.execute(self._fill(DROP_SNAPSHOT), event.stream)
            self._note(connection, "replace", actor, reason, event.stream, version=event.version, event_id=event_id)
            return msgspec.structs.replace(event, data=data, format=format)

        return await self._act(act, None, 1)

    async def erase(self, event_id: bytes, *, actor: str, reason: str) -> StoredEvent:
        checked_act(actor, reason)

        def act(connection: Connection) -> StoredEvent:
            event = self._found(connection, event_id)
            refuse_tombstone(event)
            if event.data is None:
                return event
            for tag in set(event.tags or ()):
                connection.execute(self._fill(ERASE_TAG), (tag, event.position))
            connection.execute(self._fill(ERASE), (event.position,))
            connection.execute(self._fill(DROP_SNAPSHOT), event.stream)
            self._note(connection, "erase", actor, reason, event.stream, version=event.version, event_id=event_id)
            return msgspec.structs.replace(event, data=None, metadata=None, tags=None)

        return await self._act(act, None, 1)

    async def import_(self, events: Sequence[StoredEvent], *, actor: str, reason: str) -> int:
        checked_act(actor, reason)
        checked_import(events)

        def act(connection: Connection) -> int:
            known = {
                event.event_id: stored(row)
                for event in events
                if (row := connection.execute(self._fill(FIND), (event.event_id,)).fetchone()) is not None
            }
            heads = {stream: abs(self._head(connection, stream)) for stream in {event.stream for event in events}}
            new = still_to_import(events, known, heads)
            self._insert(connection, [_row(event) for event in new])
            first = connection.last_insert_rowid() - len(new) + 1
            tags = [(tag, at, event.type) for at, event in enumerate(new, first) for tag in set(event.tags or ())]
            connection.executemany(self._fill(INSERT_TAG), tags)
            self._note(connection, "import", actor, reason, events[0].stream)
            return len(new)

        return await self._act(act, None, len(events))

    async def audit(self, *, after: int = 0) -> AsyncIterator[Audited]:
        while True:
            rows = self._select(self._fill(AUDIT), (after, PAGE))
            for row in rows:
                yield Audited(*row)
            if len(rows) < PAGE:
                return
            after = rows[-1][0]
            await asyncio.sleep(0)

    # ------------------------------------------------------------------------ parts

    def _checked(self, stream: Stream, actor: str, reason: str) -> Stream:
        checked_act(actor, reason)
        return Stream.of(*stream)

    async def _act(
        self, act: Callable[[Connection], T], stream: Stream | None, rows: int, *, within: Within | None = None
    ) -> T:
        async with self._writer.turn() as connection:
            try:
                if within is not None and stream is not None:
                    await self._let(within, connection, stream)

                def run() -> T:
                    if not connection.in_transaction:
                        self._begin(connection)
                    result = act(connection)
                    failpoint("administration.before_commit")
                    connection.execute(self._fill(COMMIT))
                    failpoint("administration.removed")
                    return result

                with speaking_our_errors(self._path, self._busy):
                    result = await self._writer.work(run, rows)
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                connection.execute("PRAGMA secure_delete = OFF")
        self._writer.changed(stream)
        return result

    def _begin(self, connection: Connection) -> None:
        connection.execute("PRAGMA secure_delete = ON")  # what is removed is overwritten in the file
        connection.execute(self._fill(BEGIN))

    async def _let(self, within: Within, connection: Connection, stream: Stream) -> None:
        """Begin the transaction, and let what belongs to the deletion be written first, if there is a stream."""

        def is_there() -> bool:
            self._begin(connection)
            return self._version(connection, stream) != NO_STREAM

        with speaking_our_errors(self._path, self._busy):
            there = await self._writer.work(is_there, 1)
        if there:
            async with asyncio.timeout(LONGEST_HOLD):
                await within(_Beside(self._store, self._rows, connection))

    def _head(self, connection: Connection, stream: Stream) -> int:
        """Below 0 for a tombstone."""
        row = connection.execute(self._fill(HEAD), stream).fetchone()
        if row is None:
            return NO_STREAM
        version: int = row[0]
        return -version if row[1] == STREAM_DELETED else version

    def _version(self, connection: Connection, stream: Stream) -> int:
        return max(NO_STREAM, self._head(connection, stream))

    def _found(self, connection: Connection, event_id: bytes) -> StoredEvent:
        row = connection.execute(self._fill(FIND), (event_id,)).fetchone()
        if row is None:
            raise no_such_event(event_id)
        return stored(row)

    def _remove(self, connection: Connection, stream: Stream, before_version: int, but: str) -> None:
        """All events of the stream below the version that are not of this type."""
        gone = (*stream, before_version, but)
        for statement in (KEEP_IDS, REMOVE_TAGS, REMOVE):
            connection.execute(self._fill(statement), gone)
        connection.execute(self._fill(NO_RETURN))

    def _mark(
        self,
        connection: Connection,
        stream: Stream,
        state: MarkState,
        before_version: int,
        position: int,
        reason: str,
        actor: str,
        now: int,
    ) -> Mark:
        values = (*stream, state, before_version, position, reason, actor, now)
        connection.execute(self._fill(SET_MARK), values)
        return Mark(stream, state, before_version, position, reason, actor, now)

    def _note(
        self,
        connection: Connection,
        action: Action,
        actor: str,
        reason: str,
        stream: Stream,
        *,
        version: int | None = None,
        event_id: bytes | None = None,
    ) -> None:
        connection.execute(self._fill(NOTE), (self._micros(), action, actor, reason, *stream, version, event_id))

    def _insert(self, connection: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
        connection.executemany(self._fill(INSERT_EVENT), rows)

    def _select(self, sql: str, values: Sequence[Any]) -> list[Any]:
        self._writer.refuse_if_unusable()
        with speaking_our_errors(self._path):
            return self._reader.execute(sql, values).fetchall()


class _Beside:
    """The transaction of a deletion, for what belongs to it."""

    def __init__(self, store: SqliteEventStore, rows: SqliteReadModel, connection: Connection) -> None:
        self._commands = SqliteCommandLog.of(store)
        self._rows = rows
        self._connection = connection
        self.load = store.load  # nothing of the stream has gone yet

    async def append(self, *appends: Append, condition: Condition | None = None) -> Appended:
        raise InvalidInput("nothing is appended within a deletion but its tombstone; append afterwards")

    async def accept(self, accepted: Accepted) -> None:
        raise InvalidInput("no command is accepted within a deletion; execute it afterwards")

    async def accepted(self, command_id: bytes) -> Accepted | None:
        return await self._commands.accepted(command_id)

    async def fetch(self, writes: Writes, select: SelectBase, params: Params | None) -> list[tuple[Any, ...]]:
        await self.run(writes)
        sql, values, make = self._rows.prepared(select, params)
        found = await self._rows.work(lambda: self._connection.execute(sql, values).fetchall(), 1)
        return [make(row) for row in found]

    async def run(self, writes: Writes) -> None:
        def write() -> None:
            for shape, rows in writes:
                self._connection.executemany(shape.sql, rows)

        await self._rows.work(write, sum(len(rows) for _, rows in writes))


def _buried(stream: Stream, version: int, event_id: bytes, data: bytes, now: int) -> StoredEvent:
    return StoredEvent(0, *stream, version, event_id, STREAM_DELETED, 1, 0, None, None, None, None, now, None, data)


def _row(event: StoredEvent) -> tuple[Any, ...]:
    """For INSERT_EVENT."""
    new = as_new(event)
    data = None if event.data is None else event.data.decode() if event.format == 0 else event.data
    return (
        event.category,
        event.id,
        event.version,
        event.event_id,
        event.type,
        event.schema_version,
        event.format,
        event.correlation_id,
        event.causation_id,
        msgspec.json.encode(new.tags).decode() if new.tags else None,
        event.occurred_at,
        event.recorded_at,
        None if event.metadata is None else event.metadata.decode(),
        data,
    )
