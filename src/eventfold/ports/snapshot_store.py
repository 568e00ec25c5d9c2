"""States of streams at a version. Each may be thrown away at any time: the events tell the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from eventfold.domain.message import Stream

__all__ = ["Snapshot", "SnapshotStore"]


class Snapshot(msgspec.Struct, frozen=True):
    """
    The state of a stream after the event of this version.

    Args:
        fingerprint: of the code that made it; another code's is of no use.
        format: that of the codec, as with events.
        saved_at: microseconds since 1970, by the store's clock; 0 when it is saved.
    """

    stream: Stream
    version: int
    fingerprint: bytes
    format: int
    data: bytes
    saved_at: int = 0


class SnapshotStore(Protocol):
    """One snapshot for each stream, beside its events: an act of the administration on them drops it."""

    async def snapshot(self, stream: Stream) -> Snapshot | None:
        """The one of the stream, if there is one."""
        ...

    async def save(self, snapshot: Snapshot) -> bool:
        """
        Keep it, in place of an older one, of one made by other code, and of one beyond the end of the stream.

        False, and nothing kept: there is a newer one, or the stream has no event of that version.
        """
        ...

    async def snapshots(self, category: str | None = None, *, limit: int = 1_000) -> Sequence[Snapshot]:
        """Those of a category, or all, in the order of their streams."""
        ...

    async def drop(self, category: str | None = None, id: str | None = None) -> int:
        """Remove those of a category, that of a stream, or all; how many there were."""
        ...
