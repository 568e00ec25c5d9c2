"""Where committed events go, from the process that has stored them, once each: a broker, a channel, a socket."""

from __future__ import annotations

from typing import Any, Protocol

from eventfold.domain.message import Recorded

__all__ = ["Bus"]


class Bus(Protocol):
    """
    Publishes what this process has committed.

    It hears of each event once, after the handlers, in the order of its stream, and of nothing that was rolled back.
    An event that is committed just before the process dies is not published: a relay, which follows the log, is for
    those who cannot lose one.
    """

    async def publish(self, recorded: Recorded[Any]) -> None:
        """Publish one event. What it raises is told, and neither the command nor another bus hears of it."""
        ...
