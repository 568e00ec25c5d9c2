"""How long to wait before a child is started again: longer each time, until one has lived well for a while."""

from __future__ import annotations

from datetime import timedelta

import msgspec

__all__ = ["Backoff", "Restarts"]


class Restarts(msgspec.Struct, frozen=True, kw_only=True):
    """
    Pauses before a child takes the place of one that has ended: `first`, then twice as long each time, up to `cap`.

    Args:
        healthy: a child that has had its store open for so long was well, and the pauses begin anew.
    """

    first: timedelta = timedelta(seconds=0.5)
    cap: timedelta = timedelta(seconds=30)
    healthy: timedelta = timedelta(seconds=60)


class Backoff:
    """The pauses of one place."""

    def __init__(self, restarts: Restarts) -> None:
        self._restarts = restarts
        self._next = restarts.first.total_seconds()

    def pause(self, lived: float) -> float:
        """
        Seconds to wait now.

        Args:
            lived: seconds for which the last child had its store open.
        """
        first, cap = self._restarts.first.total_seconds(), self._restarts.cap.total_seconds()
        if lived >= self._restarts.healthy.total_seconds():
            self._next = first
        pause, self._next = min(self._next, cap), min(self._next * 2, cap)
        return pause
