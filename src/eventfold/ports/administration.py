"""
What only an administrator does: the log is append-only for everybody else.

Everything here is audited: who, when, what and why, in the transaction that does it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Final, Literal, Protocol, TypeAlias
from uuid import UUID

import msgspec

from eventfold.domain.deletion import STREAM_DELETED, StreamDeleted
from eventfold.domain.message import NO_STREAM, NewEvent, StoredEvent, Stream
from eventfold.errors import EventIdConflict, InvalidInput, StreamTruncated
from eventfold.ports.event_store import Append, checked
from eventfold.ports.unit import Unit

__all__ = [
    "Action",
    "Administration",
    "Audited",
    "Mark",
    "MarkState",
    "Within",
    "as_new",
    "checked_act",
    "checked_import",
    "checked_payload",
    "no_such_event",
    "refuse_half_a_story",
    "refuse_to_empty",
    "refuse_tombstone",
    "still_to_import",
    "tombstone",
]

Action: TypeAlias = Literal["delete", "truncate", "replace", "erase", "import", "edit-parked"]
MarkState: TypeAlias = Literal["deleted", "truncated"]
Within: TypeAlias = Callable[[Unit], Awaitable[None]]
_LONGEST: Final = 255
_ID_BYTES: Final = 16
_LATEST: Final = 2**63


class Mark(msgspec.Struct, frozen=True):
    """
    An exceptional stream: its events below a version are gone.

    Args:
        before_version: the first version that may be there. In a deleted stream the next event gets this one or a
            higher one, and is read as the first of a new story.
        position: of the tombstone of a deleted stream, of the last event of a truncated one.
        at: microseconds since 1970 in UTC.
        pending: who reads the stream sees nothing of them any more, but they are still in the log, until every append
            that was under way then has ended. `sweep` removes them.
    """

    stream: Stream
    state: MarkState
    before_version: int
    position: int
    reason: str
    actor: str
    at: int
    pending: bool = False


class Audited(msgspec.Struct, frozen=True):
    """One act of an administrator. `version` and `event_id` where it concerned a version or an event."""

    number: int
    at: int
    action: Action
    actor: str
    reason: str
    category: str
    id: str
    version: int | None
    event_id: bytes | None


class Administration(Protocol):
    """
    Acts on what is stored. Every act names its actor and its reason, 1 to 255 bytes of text each.

    Raises, every act: InvalidInput for an actor or reason that is none; StoreError, with the role that is needed, where
    the database does not let this user.
    """

    async def delete(
        self,
        stream: Stream,
        *,
        actor: str,
        reason: str,
        within: Within | None = None,
    ) -> Mark | None:
        """
        Remove a stream: afterwards it reads as if it had never been, to everybody. None when there was nothing.

        Its versions are not used again: who appends to it as to a new stream goes on above them. Who decided on its
        last version gets ConcurrencyConflict. A tombstone (`StreamDeleted`), which takes the version after the last
        one, tells those who follow the log; who reads the stream does not see it.

        Args:
            within: called in the transaction that marks the stream, for rows that go with it, if there is a stream; it
                appends nothing. When it raises, everything is as before.
        """
        ...

    async def truncate(self, stream: Stream, *, before_version: int, actor: str, reason: str) -> Mark | None:
        """
        Remove the events of a stream with a version below this one. None when there are none.

        Who would have to fold what is gone gets StreamTruncated: keep a snapshot before.

        Raises:
            InvalidInput: the stream does not have this version; its last event always stays.
        """
        ...

    async def mark(self, stream: Stream) -> Mark | None:
        """What was done to this stream; None for nearly every stream."""
        ...

    async def find(self, event_id: bytes) -> StoredEvent | None:
        """The event with this id (16 bytes)."""
        ...

    async def replace(self, event_id: bytes, data: bytes, *, format: int = 0, actor: str, reason: str) -> StoredEvent:
        """
        Put another payload in the place of an event's; all else of it stays. Returns the event as it is now.

        Raises:
            InvalidInput: no such event, an erased one, or data that an append would refuse.
        """
        ...

    async def erase(self, event_id: bytes, *, actor: str, reason: str) -> StoredEvent:
        """
        Remove payload, metadata and tags of an event; its place stays, so versions have no gap. Twice is as once.

        Raises:
            InvalidInput: no such event.
        """
        ...

    async def import_(self, events: Sequence[StoredEvent], *, actor: str, reason: str) -> int:
        """
        Store events of another store: ids, versions and times are kept, positions are new, in the order given.

        A repeated call stores nothing twice. Returns how many events were new; one entry of the audit per call.

        Raises:
            InvalidInput: versions that do not continue their stream, or what an append would refuse.
            EventIdConflict: an id is taken by another event.
        """
        ...

    async def sweep(self) -> Sequence[Mark]:
        """
        Remove what is still pending: a process has died, or somebody's transaction was open for long. Marks that still
        are pending come back; nothing needs an actor, for the acts had theirs.
        """
        ...

    def audit(self, *, after: int = 0) -> AsyncIterator[Audited]:
        """What was done, oldest first, from the entry after this number on."""
        ...


# ------------------------------------------------------------------------- what every store refuses and makes alike


def checked_act(actor: object, reason: object) -> None:
    """Raises InvalidInput for an actor or a reason that is no text of 1 to 255 bytes."""
    for name, value in (("actor", actor), ("reason", reason)):
        if not isinstance(value, str) or not value.strip() or "\0" in value:
            raise InvalidInput(f"{name}={value!r}: say who does this and why, in words")
        size = len(value.encode(errors="replace"))
        if size > _LONGEST or value != value.encode(errors="replace").decode():
            raise InvalidInput(f"{name} of {size} bytes: 1 to {_LONGEST} bytes of text")


def tombstone(stream: Stream, version: int, event_id: bytes) -> NewEvent:
    """For a stream that ended at this version."""
    data = msgspec.json.encode(StreamDeleted(*stream, version))
    return NewEvent(event_id=event_id, type=STREAM_DELETED, data=data)


def refuse_to_empty(stream: Stream, before_version: int, last: int) -> None:
    """Raises InvalidInput where a truncation would leave nothing, or asks for a version that is none."""
    if before_version < 1:
        raise InvalidInput(f"before_version={before_version}: versions start at 1")
    if before_version > last:
        raise InvalidInput(
            f"stream {stream} ends at version {last}, and its last event stays: before_version={last} at most; to "
            "remove all of it, delete the stream"
        )


def refuse_half_a_story(stream: Stream, after: int, first: int, mark: Mark | None) -> None:
    """
    Raises StreamTruncated where a stream is to be folded from `after` on, but begins with the version `first` only.

    A deleted one begins anew there.
    """
    if mark is not None and mark.state == "truncated" and max(after, NO_STREAM) + 1 < min(first, mark.before_version):
        raise StreamTruncated(stream, mark.before_version)


def refuse_tombstone(event: StoredEvent) -> None:
    """Raises InvalidInput for the tombstone of a deleted stream, which stays as it is."""
    if event.type == STREAM_DELETED:
        raise InvalidInput(f"position {event.position} is the tombstone of {event.stream}; it stays as it is")


def no_such_event(event_id: bytes) -> InvalidInput:
    return InvalidInput(f"no event has the id {UUID(bytes=event_id) if len(event_id) == _ID_BYTES else event_id!r}")


def checked_payload(stored: StoredEvent, data: bytes, format: int) -> None:
    """Raises what an append of this payload would raise, and InvalidInput for an event that has been erased."""
    if stored.data is None:
        raise InvalidInput(f"the event at position {stored.position} has been erased: nothing takes its place")
    refuse_tombstone(stored)
    checked((Append(stored.stream, [msgspec.structs.replace(as_new(stored), data=data, format=format)]),))


def as_new(event: StoredEvent) -> NewEvent:
    """What an append of this event would have been given."""
    return NewEvent(
        event_id=event.event_id,
        type=event.type,
        data=b"" if event.data is None else event.data,
        schema_version=event.schema_version,
        format=event.format,
        tags=event.tags or (),
        correlation_id=event.correlation_id,
        causation_id=event.causation_id,
        occurred_at=event.occurred_at,
        metadata=event.metadata,
    )


def checked_import(events: Sequence[StoredEvent]) -> None:
    """
    Raises:
        InvalidInput, TooLarge, EmptyAppend, InvalidStreamName: what an append of them would be refused for, or a time
            that is none.
        EventIdConflict: an id twice.
    """
    by_stream: dict[Stream, list[NewEvent]] = {}
    for event in events:
        by_stream.setdefault(event.stream, []).append(as_new(event))
        if not 0 <= event.recorded_at < _LATEST:
            raise InvalidInput(f"a {event.type!r} was recorded at {event.recorded_at} µs: that is no moment")
    checked(tuple(Append(stream, new) for stream, new in by_stream.items()))
    seen: set[bytes] = set()
    for event in events:
        if event.event_id in seen:
            raise EventIdConflict(UUID(bytes=event.event_id), "it is used twice in this import")
        seen.add(event.event_id)


def still_to_import(
    events: Sequence[StoredEvent], known: Mapping[bytes, StoredEvent], heads: Mapping[Stream, int]
) -> list[StoredEvent]:
    """
    Those that are not stored yet.

    Args:
        known: the events that are stored under ids of theirs.
        heads: the last version that each of their streams has used.

    Raises:
        InvalidInput: a version does not continue its stream.
        EventIdConflict: an id is taken by another event.
    """
    ends = dict(heads)
    new: list[StoredEvent] = []
    for event in events:
        stored = known.get(event.event_id)
        if stored is not None:
            if _what(stored) != _what(event):
                why = f"it is stored at position {stored.position} as something else"
                raise EventIdConflict(UUID(bytes=event.event_id), why)
            continue
        end = ends.get(event.stream, NO_STREAM)
        if event.version != end + 1:
            raise InvalidInput(
                f"stream {event.stream} ends at version {end} here, so version {event.version} does not continue it; "
                "import a stream from its first event on, in order, into a store where nobody else writes it"
            )
        ends[event.stream] = event.version
        new.append(event)
    return new


def _what(event: StoredEvent) -> tuple[object, ...]:
    return event.category, event.id, event.version, event.type, event.schema_version, event.data
