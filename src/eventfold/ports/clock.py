"""Time and identity come in as arguments, so that a test can hold them still."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol, runtime_checkable
from uuid import UUID

from eventfold.domain.message import to_micros

__all__ = ["Clock", "IdSource", "bytes_of", "micros_of"]


class Clock(Protocol):
    """Tells the time."""

    def now(self) -> datetime:
        """The moment, with a time zone. It may stand still or step back; order never depends on it."""
        ...


class IdSource(Protocol):
    """Gives out ids that were never given before, in any process."""

    def __call__(self) -> UUID: ...


@runtime_checkable
class _QuickClock(Protocol):
    """A clock that knows whole microseconds since 1970 in UTC without making a `datetime` of them."""

    def micros(self) -> int: ...


@runtime_checkable
class _QuickIds(Protocol):
    """A source of ids that gives many at once, as bytes."""

    def many(self, count: int) -> Sequence[bytes]: ...


def micros_of(clock: Clock) -> Callable[[], int]:
    """How to ask this clock for whole microseconds since 1970 in UTC, in the quickest way it has."""
    return clock.micros if isinstance(clock, _QuickClock) else lambda: to_micros(clock.now())


def bytes_of(new_id: IdSource) -> Callable[[int], Sequence[bytes]]:
    """How to ask this source for a number of ids, 16 bytes each, in the quickest way it has."""
    if isinstance(new_id, _QuickIds):
        return new_id.many
    return lambda count: [new_id().bytes for _ in range(count)]
