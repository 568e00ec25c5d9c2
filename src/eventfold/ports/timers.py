"""Time-outs that are planned, as rows: a projection of the streams of processes, in order of due time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

__all__ = ["Gone", "Timer", "Timers"]


class Timer(msgspec.Struct, frozen=True):
    """
    A time-out that is planned.

    Args:
        manager: of the process; `instance` is the key of that.
        due_at: microseconds since 1970, by the store's clock.
        type: stored name of the event that the process is given.
        data: that event, as whoever has planned it understands it.
        schedule_position: of the event that has planned it.
    """

    manager: str
    instance: str
    key: str
    due_at: int
    type: str
    data: bytes
    schedule_position: int


class Gone(msgspec.Struct, frozen=True):
    """A time-out that does not come any more, if it was planned at `upto` or before; one planned later stays."""

    manager: str
    instance: str
    key: str
    upto: int


class Timers(Protocol):
    """
    Rows of all managers of a store. The streams are the truth, and whatever is done here may be done twice and late:
    of two plans for the same key the later one stays, whichever is written first.
    """

    async def keep(self, planned: Sequence[Timer], gone: Sequence[Gone] = ()) -> None:
        """Enter and strike out, in one transaction; a key that is in both is first struck out."""
        ...

    async def due(self, manager: str, *, limit: int) -> Sequence[Timer]:
        """Those whose time has come by the store's clock, none before it, in order of due time, instance and key."""
        ...

    async def timers(
        self, manager: str | None = None, *, instance: str | None = None, limit: int = 1_000
    ) -> Sequence[Timer]:
        """All that are planned, or those of one manager or process, in order of due time, manager, instance, key."""
        ...
