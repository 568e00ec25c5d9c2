"""Where to commit: on the loop while the disk is quick, in the writer's thread otherwise."""

from __future__ import annotations

from time import perf_counter
from typing import Final, Literal

__all__ = ["LARGEST_GROUP", "Pace", "Placement"]

Placement = Literal["auto", "thread"]

LARGEST_GROUP: Final = 2_000
"""Events of a group; what came after waits for the next one."""
_SLOW: Final = 500e-6
"""Seconds of a commit from which on the loop is spared it."""
_HOLD: Final = 1e-3
"""Seconds for which a lone appender may keep the loop before it must let it turn."""
_INLINE: Final = 8
"""Appends of a group, at most, that commits on the loop."""
_INLINE_EVENTS: Final = 128
"""Events, or rows of a projection, at most, that are written on the loop: about half a millisecond."""
_SMOOTHING: Final = 0.1
_PER_APPEND: Final = 5e-6


class Pace:
    """What a commit costs of late, and how long the loop has not turned."""

    def __init__(self, placement: Placement) -> None:
        self._placement = placement
        self._cost = 0.0  # seconds of a usual commit
        self._turned = 0.0  # when the loop has last turned

    def may_stay_on_loop(self, appends: int, events: int) -> bool:
        return self._placement == "auto" and appends <= _INLINE and events <= _INLINE_EVENTS and self._cost < _SLOW

    def loop_is_fresh(self) -> bool:
        return perf_counter() - self._turned < _HOLD

    def loop_turned(self) -> None:
        self._turned = perf_counter()

    def learn(self, seconds: float, appends: int) -> None:
        self._cost += (max(0.0, seconds - _PER_APPEND * appends) - self._cost) * _SMOOTHING
