"""Who runs a partition of a processor: a lease makes it likely to be one, the epoch in the checkpoint makes sure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from eventfold.ports.checkpoint_store import Checkpoint

__all__ = ["Beat", "Lease", "LeaseRecord", "Leases"]


class Lease(msgspec.Struct, frozen=True):
    """A partition that is ours until we stop beating, and the checkpoint it starts from, which has our epoch."""

    processor: str
    partition: int
    owner: str
    checkpoint: Checkpoint

    @property
    def epoch(self) -> int:
        return self.checkpoint.epoch


class LeaseRecord(msgspec.Struct, frozen=True):
    """
    A lease as others see it.

    Args:
        owner: who has or had it.
        left: seconds for which it holds, by the clock of the store; 0 or less: it is free.
    """

    processor: str
    partition: int
    owner: str
    epoch: int
    left: float


class Beat(msgspec.Struct, frozen=True):
    """
    What one beat of the heart has brought.

    Args:
        members: owners that want to run the processor now, the one that asks included, in the order of their names.
        kept: partitions that are still the asker's; any other has been taken over, and must be let go at once.
    """

    members: tuple[str, ...]
    kept: frozenset[int]


class Leases(Protocol):
    """
    Leases of partitions, by the clock of the store.

    A lease is a courtesy: it saves two copies from doing the same work. What keeps the second from doing harm is that
    taking over raises the epoch of the checkpoint, in the same transaction, and every step names its epoch.
    """

    async def beat(self, processor: str, owner: str, held: Sequence[Lease], *, seconds: float) -> Beat:
        """Say that one is there and wants to run the processor, and prolong what one has, both by this time."""
        ...

    async def take(
        self, processor: str, partition: int, owner: str, *, seconds: float, dead: str | None = None
    ) -> Lease | LeaseRecord:
        """
        Take the partition if nobody has it. The epoch rises above every one there has been.

        Args:
            dead: an owner that is known to be gone, whose lease need not run out first.

        Returns:
            the lease; or the record of the one that somebody else has.
        """
        ...

    async def release(self, lease: Lease) -> None:
        """Let it go, for whoever wants it. One that has been taken over meanwhile stays as it is."""
        ...

    async def leave(self, processor: str, owner: str) -> None:
        """No longer want to run the processor."""
        ...

    async def leases(self, processor: str | None = None) -> Sequence[LeaseRecord]:
        """All that were ever taken, by processor and partition."""
        ...
