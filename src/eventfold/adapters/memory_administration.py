"""Administration of the store in memory: the whole of it in the plainest words."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import msgspec

from eventfold.adapters.memory import MemoryEventStore
from eventfold.domain.message import NO_STREAM, StoredEvent, Stream, to_micros
from eventfold.errors import InvalidInput
from eventfold.ports.administration import (
    Action,
    Audited,
    Mark,
    Within,
    checked_act,
    checked_import,
    checked_payload,
    no_such_event,
    refuse_to_empty,
    refuse_tombstone,
    still_to_import,
    tombstone,
)
from eventfold.ports.clock import Clock
from eventfold.ports.command_log import Accepted
from eventfold.ports.event_store import Append, Appended, Condition
from eventfold.ports.read_model import Params, ReadModel, RowTransaction, Shape, Writes
from eventfold.ports.unit import LONGEST_HOLD

if TYPE_CHECKING:
    from sqlalchemy.sql.selectable import SelectBase

__all__ = ["MemoryAdministration"]


class MemoryAdministration:
    """Each act is done without a turn of the loop in between, so nobody sees half of it."""

    def __init__(self, store: MemoryEventStore, rows: ReadModel, clock: Clock) -> None:
        self._store = store
        self._rows = rows
        self._clock = clock
        self._audit: list[Audited] = []
        self.drop_snapshots: Callable[[str, str], Awaitable[object]] | None = None
        """Set where there are some: what is removed is not to be found in a state either."""

    # ---------------------------------------------------------------------- streams

    async def delete(self, stream: Stream, *, actor: str, reason: str, within: Within | None = None) -> Mark | None:
        stream = await self._begin(stream, actor, reason)
        if self._store.version_of(stream) == NO_STREAM:
            return None
        mark = await self._deleted(stream, actor, reason, within)
        await self._drop_snapshot(stream)
        return mark

    async def _deleted(self, stream: Stream, actor: str, reason: str, within: Within | None) -> Mark | None:
        async with AsyncExitStack() as turn:
            await turn.enter_async_context(self._store.turn)  # the places of a unit that is open are promised
            if within is None:
                return self._delete(stream, actor, reason)
            transaction = await turn.enter_async_context(self._rows.transaction())
            beside = _Beside(self._store, transaction)
            async with asyncio.timeout(LONGEST_HOLD):
                await within(beside)
            if self._store.version_of(stream) == NO_STREAM:
                return None  # somebody else was quicker; nothing that was written is kept
            await transaction.commit(beside.writes, None)
            return self._delete(stream, actor, reason)

    def _delete(self, stream: Stream, actor: str, reason: str) -> Mark | None:
        version = self._store.version_of(stream)  # what has come meanwhile is deleted too
        if version == NO_STREAM:
            return None
        self._store.remove(stream, version + 1, tombstones=True)
        now = to_micros(self._clock.now())
        buried = self._store.add(_buried(stream, version, now))
        mark = Mark(stream, "deleted", version + 2, buried.position, reason, actor, now)
        self._store.marks[stream] = mark
        self._note("delete", actor, reason, stream, version=version)
        self._store.announce()
        return mark

    async def truncate(self, stream: Stream, *, before_version: int, actor: str, reason: str) -> Mark | None:
        stream = await self._begin(stream, actor, reason)
        refuse_to_empty(stream, before_version, self._store.version_of(stream))
        if not self._store.remove(stream, before_version, tombstones=False):
            return None
        now = to_micros(self._clock.now())
        position = self._store.events_of(stream, NO_STREAM)[-1].position
        mark = Mark(stream, "truncated", before_version, position, reason, actor, now)
        self._store.marks[stream] = mark
        self._note("truncate", actor, reason, stream, version=before_version)
        await self._drop_snapshot(stream)
        return mark

    async def mark(self, stream: Stream) -> Mark | None:
        await self._store.head()  # raises where the store is closed
        return self._store.marks.get(Stream.of(*stream))

    async def sweep(self) -> Sequence[Mark]:
        await self._store.head()  # as above; nothing is ever left
        return []

    # ----------------------------------------------------------------------- events

    async def find(self, event_id: bytes) -> StoredEvent | None:
        return self._store.known(event_id)

    async def replace(self, event_id: bytes, data: bytes, *, format: int = 0, actor: str, reason: str) -> StoredEvent:
        event = self._found(event_id, actor, reason)
        checked_payload(event, data, format)
        self._note("replace", actor, reason, event.stream, version=event.version, event_id=event_id)
        replaced = self._store.put(msgspec.structs.replace(event, data=data, format=format))
        await self._drop_snapshot(event.stream)
        return replaced

    async def erase(self, event_id: bytes, *, actor: str, reason: str) -> StoredEvent:
        event = self._found(event_id, actor, reason)
        refuse_tombstone(event)
        if event.data is None:
            return event
        self._note("erase", actor, reason, event.stream, version=event.version, event_id=event_id)
        erased = self._store.put(msgspec.structs.replace(event, data=None, metadata=None, tags=None))
        await self._drop_snapshot(event.stream)
        return erased

    async def import_(self, events: Sequence[StoredEvent], *, actor: str, reason: str) -> int:
        checked_act(actor, reason)
        checked_import(events)
        async with self._store.turn:
            known = {event.event_id: there for event in events if (there := self._store.known(event.event_id))}
            heads = {stream: self._store.last_version(stream) for stream in {event.stream for event in events}}
            new = still_to_import(events, known, heads)
            for event in new:
                self._store.add(event)
        self._note("import", actor, reason, events[0].stream)
        self._store.announce()
        return len(new)

    async def audit(self, *, after: int = 0) -> AsyncIterator[Audited]:
        await self._store.head()  # raises where the store is closed
        for entry in self._audit[max(0, after) :]:
            yield entry

    def note_edit(self, actor: str, reason: str, stream: Stream, event_id: bytes) -> None:
        """Somebody has edited a parked event, in the tables beside this log."""
        self._note("edit-parked", actor, reason, stream, event_id=event_id)

    # ------------------------------------------------------------------------ parts

    async def _begin(self, stream: Stream, actor: str, reason: str) -> Stream:
        await self._store.head()  # raises where the store is closed
        checked_act(actor, reason)
        return Stream.of(*stream)

    async def _drop_snapshot(self, stream: Stream) -> None:
        if self.drop_snapshots is not None:
            await self.drop_snapshots(stream.category, stream.id)

    def _found(self, event_id: bytes, actor: str, reason: str) -> StoredEvent:
        checked_act(actor, reason)
        event = self._store.known(event_id)
        if event is None:
            raise no_such_event(event_id)
        return event

    def _note(
        self,
        action: Action,
        actor: str,
        reason: str,
        stream: Stream,
        *,
        version: int | None = None,
        event_id: bytes | None = None,
    ) -> None:
        now = to_micros(self._clock.now())
        self._audit.append(
            Audited(len(self._audit) + 1, now, action, actor, reason, stream.category, stream.id, version, event_id)
        )


class _Beside:
    """The transaction of a deletion, for what belongs to it."""

    def __init__(self, store: MemoryEventStore, transaction: RowTransaction) -> None:
        self._store = store
        self._transaction = transaction
        self.writes: list[tuple[Shape, Sequence[tuple[Any, ...]]]] = []
        self.load = store.load  # nothing of the stream has gone yet

    async def append(self, *appends: Append, condition: Condition | None = None) -> Appended:
        raise InvalidInput("nothing is appended within a deletion but its tombstone; append afterwards")

    async def accept(self, accepted: Accepted) -> None:
        raise InvalidInput("no command is accepted within a deletion; execute it afterwards")

    async def accepted(self, command_id: bytes) -> Accepted | None:
        return self._store.commands.get(command_id)

    async def fetch(self, writes: Writes, select: SelectBase, params: Params | None) -> list[tuple[Any, ...]]:
        before, self.writes = [*self.writes, *writes], []
        return await self._transaction.fetch(before, select, params)

    async def run(self, writes: Writes) -> None:
        self.writes += writes


def _buried(stream: Stream, version: int, now: int) -> StoredEvent:
    new = tombstone(stream, version, uuid4().bytes)
    return StoredEvent(
        0, *stream, version + 1, new.event_id, new.type, 1, new.format, None, None, None, None, now, None, new.data
    )
