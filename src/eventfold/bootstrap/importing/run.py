"""Import events, in pieces, and hold what is here afterwards against what was read there."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Final, TypeAlias

import msgspec

from eventfold.domain.message import StoredEvent, Stream
from eventfold.domain.query import Query
from eventfold.errors import EventfoldError, InvalidInput
from eventfold.ports.administration import Administration
from eventfold.ports.event_store import EventSource

__all__ = ["CategoryImported", "Imported", "Translate", "import_events"]

Translate: TypeAlias = Callable[[StoredEvent], StoredEvent | None]
"""What an event of the source becomes here; None leaves it out. `msgspec.structs.replace(event, type=…)` is the way."""

_ALL_BITS: Final = 2**256


class CategoryImported(msgspec.Struct, frozen=True):
    """
    A category after the import.

    Args:
        events: of the source.
        found: events of the category that are here now.
        same: what is here is what was read there, event by event, whatever the order of the log.
    """

    category: str
    events: int
    found: int
    same: bool


class Imported(msgspec.Struct, frozen=True):
    """What an import has done: `new` events were not here before, `left_out` ones were translated to nothing."""

    categories: tuple[CategoryImported, ...]
    new: int
    left_out: int

    @property
    def same(self) -> bool:
        return all(each.same for each in self.categories)


class _Sum:
    """Of the contents of events; the order does not matter, how often one occurs does."""

    def __init__(self) -> None:
        self.events = 0
        self._sum = 0

    def add(self, event: StoredEvent) -> None:
        self.events += 1
        what = (event.id, event.version, event.event_id, event.type, event.schema_version, event.recorded_at)
        digest = hashlib.sha256(msgspec.json.encode(what))
        for part in (event.data, event.metadata):
            digest.update(b"-" if part is None else b"%d:" % len(part) + part)
        self._sum = (self._sum + int.from_bytes(digest.digest())) % _ALL_BITS

    def same_as(self, other: _Sum) -> bool:
        return (self.events, self._sum) == (other.events, other._sum)


async def import_events(
    pieces: AsyncIterator[Sequence[StoredEvent]],
    administration: Administration,
    source: EventSource,
    *,
    actor: str,
    reason: str,
    translate: Translate | None = None,
    progress: Callable[[int], None] | None = None,
) -> Imported:
    """
    Store the events of another store, and verify them.

    Ids, versions and times are kept; positions are new, in the order of the source. Called again after an
    interruption, it goes on where it was: nothing is stored twice.

    Args:
        pieces: events in the order in which they are to be stored; `eventsourcing_events`, `message_db_events`.
        administration, source: of the store they go to.
        actor, reason: for the audit.
        progress: called with the number of events that were read so far.

    Raises:
        InvalidInput: versions with a gap, or what an append would refuse, with the event's place in the source.
        EventIdConflict: an id is taken by another event.
        StoreError.
    """
    there: dict[str, _Sum] = {}
    read = new = left_out = 0
    async for piece in pieces:
        kept = [event for event in map(_translated(translate), piece) if event is not None]
        for event in kept:
            there.setdefault(event.category, _Sum()).add(event)
        if kept:
            try:
                new += await administration.import_(kept, actor=actor, reason=reason)
            except EventfoldError as error:
                error.add_note(f"events {kept[0].position} to {kept[-1].position} of the source")
                raise
        read += len(piece)
        left_out += len(piece) - len(kept)
        if progress is not None:
            progress(read)
    here = await _found(source, there)
    categories = tuple(
        CategoryImported(name, sums.events, here[name].events, sums.same_as(here[name]))
        for name, sums in sorted(there.items())
    )
    return Imported(categories, new, left_out)


async def _found(source: EventSource, there: dict[str, _Sum]) -> dict[str, _Sum]:
    here = {category: _Sum() for category in there}
    if there:
        async for event in source.read_all(Query.of(categories=sorted(there))):
            here[event.category].add(event)
    return here


def _translated(translate: Translate | None) -> Callable[[StoredEvent], StoredEvent | None]:
    def translated(event: StoredEvent) -> StoredEvent | None:
        told = event if translate is None else translate(event)
        return None if told is None else _checked(told, event)

    return translated


def _checked(told: object, event: StoredEvent) -> StoredEvent:
    if not isinstance(told, StoredEvent):
        raise InvalidInput(
            f"translate gave {told!r} for event {event.position} of the source; return a StoredEvent, or None"
        )
    try:
        Stream.of(told.category, told.id)
    except InvalidInput as error:
        error.add_note(
            f"event {event.position} of the source, a {event.type!r} of version {event.version}: give it a "
            "category and an id with translate="
        )
        raise
    return told
