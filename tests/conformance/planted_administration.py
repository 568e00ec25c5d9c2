"""
Administrations of a third party, each with one defect, passed to our suite as its owner would pass it.

Not collected by itself: test_the_administration_suite.py runs it and looks at what failed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

import msgspec
import pytest

from eventfold.adapters.memory import MemoryEventStore
from eventfold.adapters.memory_administration import MemoryAdministration
from eventfold.adapters.sqlite import open_sqlite_rows_in_memory
from eventfold.adapters.system import ManualClock
from eventfold.domain.message import NO_STREAM, StoredEvent, Stream
from eventfold.ports.administration import Mark, Within, as_new
from eventfold.ports.event_store import Append, EventStore
from eventfold.testing.conformance import AdministrationConformance


class Store(MemoryEventStore):
    pass


class Patient(AdministrationConformance):
    patience = 0.3
    make: type[MemoryAdministration] = MemoryAdministration
    keep: type[MemoryEventStore] = Store

    @pytest.fixture
    def store(self, clock: ManualClock) -> EventStore:
        store: EventStore = self.keep(clock)
        return store

    @pytest.fixture
    async def administration(self, store: MemoryEventStore, clock: ManualClock) -> AsyncIterator[MemoryAdministration]:
        rows = await open_sqlite_rows_in_memory(clock=clock)
        yield self.make(store, rows, clock)
        await rows.close()


class UsesVersionsAgain(Store):
    """Of a deleted stream everything goes, and it begins at 1."""

    def add(self, event: StoredEvent) -> StoredEvent:
        added = super().add(event)
        if event.type.endswith("StreamDeleted"):
            self._streams.pop(event.stream)
        return added


class ShowsTheTombstone(Store):
    def events_of(self, stream: Stream, after: int) -> list[StoredEvent]:
        return [each for each in self._streams.get(stream, []) if each.version > after]


class TakesATombstoneForAnEvent(Store):
    def version_of(self, stream: Stream) -> int:
        return self.last_version(stream)


class ForgetsRemovedIds(Store):
    async def event_id_at(self, position: int) -> bytes | None:
        event = self._log[position - 1] if 1 <= position <= len(self._log) else None
        return None if event is None else event.event_id


class LeavesTheEventsInTheLog(Store):
    def remove(self, stream: Stream, before_version: int, *, tombstones: bool) -> int:
        log = [*self._log]
        count = super().remove(stream, before_version, tombstones=tombstones)
        self._log[:] = log
        return count


class TellsNobody(Store):
    def announce(self) -> None:
        pass


class RemovesTombstonesByTruncating(Store):
    def remove(self, stream: Stream, before_version: int, *, tombstones: bool) -> int:
        return super().remove(stream, before_version, tombstones=True)


class FoldsHalfAStory(Store):
    def __init__(self, clock: ManualClock) -> None:
        super().__init__(clock)
        self.marks = _Blind()


class _Blind(dict[Stream, Mark]):
    def get(self, key: Any, default: Any = None) -> Any:
        mark = super().get(key, default)
        return mark if mark is None or mark.state != "truncated" else msgspec.structs.replace(mark, before_version=0)


class DeletesBeforeItAsks(MemoryAdministration):
    async def delete(self, stream: Stream, *, actor: str, reason: str, within: Within | None = None) -> Mark | None:
        mark = await super().delete(stream, actor=actor, reason=reason)
        if mark is not None and within is not None:
            loads: Any = _Loads(self._store)
            await within(loads)
        return mark


class _Loads:
    def __init__(self, store: MemoryEventStore) -> None:
        self.load = store.load
        self.append = self.fetch = self.run = None


class KeepsNoAudit(MemoryAdministration):
    def _note(self, *what: Any, **more: Any) -> None:
        pass


class NeedsNoReason(MemoryAdministration):
    async def _begin(self, stream: Stream, actor: str, reason: str) -> Stream:
        await self._store.head()
        return Stream.of(*stream)


class EmptiesAStreamByTruncating(MemoryAdministration):
    async def truncate(self, stream: Stream, *, before_version: int, actor: str, reason: str) -> Mark | None:
        if before_version > self._store.version_of(stream) > NO_STREAM:
            return await self.delete(stream, actor=actor, reason=reason)
        return await super().truncate(stream, before_version=before_version, actor=actor, reason=reason)


class ErasesThePayloadOnly(MemoryAdministration):
    async def erase(self, event_id: bytes, *, actor: str, reason: str) -> StoredEvent:
        before = self._store.known(event_id)
        erased = await super().erase(event_id, actor=actor, reason=reason)
        return self._store.put(
            msgspec.structs.replace(erased, tags=before.tags if before else None, metadata=before and before.metadata)
        )


class ReplacesWithAnything(MemoryAdministration):
    async def replace(self, event_id: bytes, data: bytes, *, format: int = 0, actor: str, reason: str) -> StoredEvent:
        event = self._found(event_id, actor, reason)
        self._note("replace", actor, reason, event.stream, version=event.version, event_id=event_id)
        return self._store.put(msgspec.structs.replace(event, data=data, format=format, tags=None))


class ImportsUnderItsOwnTime(MemoryAdministration):
    async def import_(self, events: Sequence[StoredEvent], *, actor: str, reason: str) -> int:
        for event in events:
            await self._store.append(Append(event.stream, [as_new(event)]))
        return len(events)


DEFECTS: list[Any] = [
    each for base in (Store, MemoryAdministration) for each in base.__subclasses__() if each.__module__ == __name__
]


def suite_for(kind: Any) -> type:
    part = {"make": kind} if issubclass(kind, MemoryAdministration) else {"keep": kind}
    return type(f"Test{kind.__name__}", (Patient,), {**part, "__module__": __name__})


globals().update({f"Test{each.__name__}": suite_for(each) for each in (MemoryAdministration, *DEFECTS)})
