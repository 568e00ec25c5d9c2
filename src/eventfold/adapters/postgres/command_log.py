"""Accepted commands in the database, entered in the transactions of their events."""

from __future__ import annotations

from uuid import UUID

from eventfold.adapters.postgres.accepted import ACCEPTED, entered
from eventfold.adapters.postgres.connection import Connections
from eventfold.adapters.postgres.event_store import PostgresEventStore
from eventfold.adapters.postgres.group import Writer
from eventfold.adapters.postgres.names import Names
from eventfold.adapters.postgres.session import session
from eventfold.ports.command_log import Accepted
from eventfold.ports.event_store import Append, Appended, Condition, checked, checked_condition

__all__ = ["PostgresCommandLog"]


class PostgresCommandLog:
    """What came of commands."""

    def __init__(self, writer: Writer, connections: Connections, names: Names) -> None:
        self._writer = writer
        self._connections = connections
        self._accepted = names.fill(ACCEPTED)

    @classmethod
    def of(cls, store: PostgresEventStore) -> PostgresCommandLog:
        """That of a store which is open."""
        return cls(*store.parts)

    async def accepted(self, command_id: bytes) -> Accepted | None:
        async with session(self._connections) as connection:
            row = await connection.fetchrow(self._accepted, UUID(bytes=command_id), timeout=self._connections.patience)
        return None if row is None else entered(command_id, row)

    async def append(
        self, append: Append, command_id: bytes, request_hash: bytes, *, condition: Condition | None = None
    ) -> Appended:
        self._writer.refuse_if_unusable()
        events = checked((append,))
        checked_condition(condition)
        return await self._writer.append((append,), condition, events, (UUID(bytes=command_id), request_hash))
