"""The machine's clock and ids, and a clock that is moved by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from os import urandom
from struct import Struct, unpack
from time import time_ns
from typing import Final
from uuid import UUID

__all__ = ["ManualClock", "system_clock", "uuid7"]


class _SystemClock:
    def now(self) -> datetime:
        return datetime.now(UTC)

    def micros(self) -> int:
        return time_ns() // 1_000

    def __repr__(self) -> str:
        return "system_clock"


system_clock: Final = _SystemClock()
"""The machine's clock, in UTC."""


class ManualClock:
    """Stands still until it is told otherwise. For tests."""

    def __init__(self, now: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._now = now

    def now(self) -> datetime:
        return self._now

    def advance(self, by: timedelta) -> datetime:
        self._now += by
        return self._now


_VERSION_7: Final = 0x7 << 12
_COUNTER: Final = (1 << 12) - 1
_VARIANT: Final = 0b10 << 62
_RANDOM: Final = (1 << 62) - 1
_TWO_HALVES: Final = Struct(">QQ").pack


class _Uuid7:
    """RFC 9562; the 12 bits after the milliseconds count, so that ids of one process sort as they were made."""

    def __init__(self) -> None:
        self._stamp = 0

    def __call__(self) -> UUID:
        return UUID(bytes=self.many(1)[0])

    def many(self, count: int) -> list[bytes]:
        """That many ids in order, as 16 bytes each: for the events of a batch, at a sixth of the cost of each."""
        first = max(time_ns() // 1_000_000 << 12, self._stamp + 1)
        self._stamp = first + count - 1
        return [
            _TWO_HALVES(stamp >> 12 << 16 | _VERSION_7 | stamp & _COUNTER, random & _RANDOM | _VARIANT)
            for stamp, random in zip(range(first, first + count), unpack(f">{count}Q", urandom(8 * count)), strict=True)
        ]


uuid7: Final = _Uuid7()
"""A time-ordered id: later ids of this process are larger, ids of other processes are within their milliseconds."""
