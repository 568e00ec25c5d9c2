"""What the store knows of its processors, for people and programs that have none of the application's code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from eventfold.errors import InvalidInput

__all__ = ["ProcessorRecord", "ProcessorRegister", "refuse_side_effects"]


class ProcessorRecord(msgspec.Struct, frozen=True):
    """
    One processor as the store has it.

    Args:
        version: of the code that has filled its tables; 0 once it was told to start over.
        position: the last event it has finished, of all partitions the one that is furthest behind; 0 before the first.
        paused: it was told to pause.
        error: why it has stopped or what it tries again after, until its next start or success.
        updated_at: microseconds since 1970: its last start, step, error, pause or the like.
        partitions: into how many it is divided, for life.
        start: the position after which it started to follow the log; 0 is the beginning.
        query: what it follows, as `Query.as_text` has it; None where an older release has registered it.
        positions: of each partition, in order.
    """

    name: str
    kind: str
    version: int
    position: int
    paused: bool
    error: str | None
    updated_at: int
    partitions: int = 1
    start: int = 0
    query: str | None = None
    positions: tuple[int, ...] = ()


class ProcessorRegister(Protocol):
    """
    Processors join when they are prepared. What is said here reaches them in every process that runs them.

    A second preparation changes neither a checkpoint nor a pause.
    """

    async def processors(self) -> Sequence[ProcessorRecord]:
        """All of them, in the order of their names."""
        ...

    async def is_paused(self, processor: str) -> bool:
        """False for one that is unknown. Cheap: whoever runs a processor asks a few times a second."""
        ...

    async def pause(self, processor: str, *, paused: bool) -> None:
        """
        Pause it, or let it go on. It finishes its batch and keeps its place.

        Raises:
            InvalidInput: there is no such processor.
        """
        ...

    async def start_over(self, processor: str, *, side_effects: bool = False) -> None:
        """
        Back to its beginning, which is its `start`; its next preparation empties its tables. What it has parked is
        forgotten.

        A copy that runs cannot go on from its old place: its next step is Fenced.

        Args:
            side_effects: also one that acts on the world outside of the store, and would do so again.

        Raises:
            InvalidInput: there is no such processor, or it has side effects.
        """
        ...


def refuse_side_effects(processor: str, kind: str, *, allowed: bool) -> None:
    """Raises InvalidInput for one that would act on the world outside of the store once more, unless it may."""
    if kind in {"reactor", "manager"} and not allowed:
        raise InvalidInput(
            f"processor {processor!r} is a {kind}: from the beginning it would do again what it has done before; "
            "if that is what you want, say so with --allow-side-effects"
        )
