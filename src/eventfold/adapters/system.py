"""The machine's clock and ids, and a clock that is moved by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from os import urandom
from time import time_ns
from typing import Final
from uuid import UUID

__all__ = ["ManualClock", "system_clock", "uuid7"]


class _SystemClock:
    def now(self) -> datetime:
        return datetime.now(UTC)

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


_VERSION_7: Final = 0x7 << 76
_VARIANT: Final = 0x2 << 62
_RANDOM_A: Final = (1 << 12) - 1
_RANDOM_B: Final = (1 << 62) - 1


class _Uuid7:
    """RFC 9562; the 12 bits after the milliseconds count, so that ids of one process sort as they were made."""

    def __init__(self) -> None:
        self._stamp = 0

    def __call__(self) -> UUID:
        now = time_ns() // 1_000_000 << 12
        self._stamp = stamp = now if now > self._stamp else self._stamp + 1
        random = int.from_bytes(urandom(8), "big") & _RANDOM_B
        return UUID(int=stamp >> 12 << 80 | _VERSION_7 | (stamp & _RANDOM_A) << 64 | _VARIANT | random)


uuid7: Final = _Uuid7()
"""A time-ordered id: later ids of this process are larger, ids of other processes are within their milliseconds."""
