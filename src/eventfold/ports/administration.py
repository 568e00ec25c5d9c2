"""
What only an administrator does: the log is append-only for everybody else.

Everything here is audited: who, when, what and why, in the transaction that does it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Literal, Protocol, TypeAlias

import msgspec

from eventfold.domain.message import StoredEvent, Stream
from eventfold.ports.unit import Unit

__all__ = ["Action", "Administration", "Audited", "Mark", "MarkState"]

Action: TypeAlias = Literal["delete", "truncate", "replace", "erase", "import"]
MarkState: TypeAlias = Literal["deleted", "truncated"]


class Mark(msgspec.Struct, frozen=True):
    """
    An exceptional stream: what became of its events below a version, and of those before a position.

    `at` is microseconds since 1970 in UTC.
    """

    stream: Stream
    state: MarkState
    before_version: int
    position: int
    reason: str
    actor: str
    at: int


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
        within: Callable[[Unit], Awaitable[None]] | None = None,
    ) -> Mark | None:
        """
        Remove a stream: afterwards it reads as if it had never been, to everybody. None when there was nothing.

        Its versions are not used again: who appends to it as to a new stream goes on above them. Who decided on its
        last version gets ConcurrencyConflict. A tombstone in the log (`StreamDeleted`) tells processors.

        Args:
            within: called in the transaction that marks the stream; when it raises, everything is as before.
        """
        ...

    async def truncate(self, stream: Stream, *, before_version: int, actor: str, reason: str) -> Mark | None:
        """
        Remove the events of a stream with a version below this one. None when there are none.

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

    def audit(self, *, after: int = 0) -> AsyncIterator[Audited]:
        """What was done, oldest first, from the entry after this number on."""
        ...
