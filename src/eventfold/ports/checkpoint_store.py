"""How far each processor has come."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Protocol

import msgspec

from eventfold.ports.parking import Aside

__all__ = ["BEGINNING", "Checkpoint", "CheckpointStore", "Move"]


class Checkpoint(msgspec.Struct, frozen=True):
    """
    The last event a processor finished: its position, and its id as proof that the log is the same.

    `epoch` names the owner; a takeover raises it.
    """

    position: int
    event_id: bytes | None = None
    epoch: int = 0


BEGINNING: Final = Checkpoint(0)


class Move(msgspec.Struct, frozen=True):
    """
    One step of a checkpoint: from exactly this position, under this epoch, to that event.

    Args:
        partition: of the processor, each of which has a checkpoint of its own.
        aside: events on the way that were not handled, but parked or skipped; kept with the step or not at all.
    """

    processor: str
    previous: int
    position: int
    event_id: bytes
    epoch: int = 0
    partition: int = 0
    aside: tuple[Aside, ...] = ()


class CheckpointStore(Protocol):
    """
    Checkpoints move by compare-and-set, so that of two copies of a processor only one can go on.

    A checkpoint names a committed event that has been handled, with all before it; never less, never a guess.
    """

    async def checkpoint(self, processor: str, partition: int = 0) -> Checkpoint:
        """Where the processor is; `BEGINNING` if it has never moved. Looking changes nothing."""
        ...

    async def advance(self, move: Move) -> None:
        """
        Take the step.

        Raises:
            Fenced: the checkpoint is not where the move starts, or belongs to another epoch. It stays as it is.
            InvalidInput: the move does not lead forward.
        """
        ...

    async def reset(self, processor: str) -> None:
        """Back to the beginning, all partitions. A processor that has never moved stays there."""
        ...

    async def checkpoints(self) -> Mapping[tuple[str, int], Checkpoint]:
        """All of them, by processor and partition."""
        ...
