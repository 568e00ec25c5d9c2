"""Events that a processor was told to set aside: parked ones wait for somebody, skipped ones are only counted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol, TypeAlias

import msgspec

from eventfold.domain.message import Stream
from eventfold.errors import InvalidInput

__all__ = ["Aside", "Parked", "ParkingLot", "Settled", "Wish", "refuse_unless_open", "stands_behind"]

Wish: TypeAlias = Literal["retry", "drop"]
"""What somebody asks for: to handle the event once more, or to leave it for good."""


class Aside(msgspec.Struct, frozen=True):
    """
    An event that a processor sets aside in a step of its checkpoint.

    Args:
        behind: nothing is wrong with it, but an earlier event of its stream is parked, and order is kept.
        attempts: how often it was handled, each time in vain; 0 for one behind.
        error: what went wrong, in words; of one behind: what it stands behind.
        skipped: it is not parked, only listed.
    """

    position: int
    stream: Stream
    event_id: bytes
    type: str
    behind: bool
    attempts: int
    error: str
    skipped: bool = False


class Parked(msgspec.Struct, frozen=True):
    """
    An event that was set aside, as it is listed. Times are microseconds since 1970 in UTC.

    Args:
        wish: what somebody has asked for, until the processor has come to it.
        edited: data that the processor gets in place of what the log has; the log is as it was.
        resolution: "retried", "dropped", "skipped" or "gone" (an administrator has removed the event); None while open.
        actor: who asked for it.
        reason: why, in his words.
    """

    processor: str
    partition: int
    position: int
    stream: Stream
    event_id: bytes
    type: str
    behind: bool
    attempts: int
    error: str
    parked_at: int
    wish: Wish | None = None
    edited: bytes | None = None
    resolved_at: int | None = None
    resolution: str | None = None
    actor: str | None = None
    reason: str | None = None


class Settled(msgspec.Struct, frozen=True):
    """
    A parked event is open no more; kept in one transaction with the rows that follow from it.

    Whoever settles it must own the partition: its checkpoint has this epoch, as with a `Move`.
    """

    processor: str
    partition: int
    position: int
    resolution: Literal["retried", "dropped", "gone"]
    epoch: int = 0


class ParkingLot(Protocol):
    """
    What was set aside, for those who look after it and for the processor that comes back to it.

    People ask; it is always the processor that does it, in the order of the stream, wherever it runs.
    """

    async def parked(
        self, processor: str | None = None, *, resolved: bool = False, after: int = 0, limit: int = 1_000
    ) -> Sequence[Parked]:
        """
        Those that are open, or with `resolved` all of them, by processor and position; of one or of every processor.

        Args:
            after: positions above this one only.
        """
        ...

    async def open_streams(self, processor: str, partition: int) -> frozenset[Stream]:
        """Streams with an open one: what comes later in them is set aside too."""
        ...

    async def wished(self, processor: str, partition: int, *, limit: int = 500) -> Sequence[Parked]:
        """All open events of the streams for which somebody has asked, in the order of their positions."""
        ...

    async def ask(self, processor: str, position: int, wish: Wish, *, actor: str, reason: str | None = None) -> None:
        """
        Ask for it. A later wish replaces an earlier one.

        When it is done the processor goes on with the events behind it, in order, until one of them fails.

        Raises:
            InvalidInput: nothing is parked there, it is resolved, or it is to be retried and stands behind another.
        """
        ...

    async def edit(self, processor: str, position: int, data: bytes, *, actor: str, reason: str) -> None:
        """
        Give the processor other data for this event, in the format of the stored one. The audit tells of it.

        Raises:
            InvalidInput: nothing is parked there, or it is resolved.
        """
        ...

    async def failed_again(self, processor: str, position: int, error: str) -> None:
        """One more attempt was in vain: the wish is forgotten, the attempt counted, the error kept."""
        ...

    async def counts(self) -> dict[str, tuple[int, int]]:
        """By processor: how many events are open, and how many have ever been skipped."""
        ...


def refuse_unless_open(processor: str, position: int, resolution: str | None, *, found: bool) -> None:
    """Raises InvalidInput where nothing is parked, or no more."""
    if not found:
        raise InvalidInput(
            f"processor {processor!r} has parked nothing at position {position}; "
            "`eventfold parked ls` lists what it has"
        )
    if resolution is not None:
        raise InvalidInput(f"what processor {processor!r} had parked at position {position} is {resolution} already")


def stands_behind(processor: str, position: int, first: int) -> InvalidInput:
    return InvalidInput(
        f"the event at position {position} stands behind the one at {first} of the same stream, which processor "
        f"{processor!r} has parked too; retry that one: those behind it follow"
    )
