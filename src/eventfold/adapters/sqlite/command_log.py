"""Accepted commands in the store's file, entered in the transactions of their events."""

from __future__ import annotations

from eventfold.adapters.sqlite.accepted import ACCEPTED, entered
from eventfold.adapters.sqlite.connection import Connection, speaking_our_errors
from eventfold.adapters.sqlite.event_store import SqliteEventStore
from eventfold.adapters.sqlite.group import ConditionalJob
from eventfold.adapters.sqlite.names import Names
from eventfold.adapters.sqlite.writer import Writer
from eventfold.ports.command_log import Accepted
from eventfold.ports.event_store import Append, Appended, Condition, checked, checked_condition

__all__ = ["SqliteCommandLog"]


class SqliteCommandLog:
    """What came of commands: read on the loop, beside whoever writes, and written with the appends of the moment."""

    def __init__(self, writer: Writer, reader: Connection, names: Names, path: str) -> None:
        self._writer = writer
        self._reader = reader
        self._path = path
        self._accepted = names.fill(ACCEPTED)

    @classmethod
    def of(cls, store: SqliteEventStore) -> SqliteCommandLog:
        """That of a store which is open."""
        return cls(*store.parts)

    async def accepted(self, command_id: bytes) -> Accepted | None:
        self._writer.refuse_if_unusable()
        with speaking_our_errors(self._path):
            row = self._reader.execute(self._accepted, (command_id,)).fetchone()
        return None if row is None else entered(row)

    async def append(
        self, append: Append, command_id: bytes, request_hash: bytes, *, condition: Condition | None = None
    ) -> Appended:
        self._writer.refuse_if_unusable()
        events = checked((append,))
        checked_condition(condition)
        job = ConditionalJob((append,), condition, (command_id, request_hash))
        return await self._writer.append(job, events)
