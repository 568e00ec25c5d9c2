"""Where committed events go, from the process that has stored them, once each: a broker, a channel, a socket."""

from __future__ import annotations

from typing import Any, Final, Protocol, runtime_checkable

from eventfold.domain.message import Recorded

__all__ = ["BACKLOG", "Bus", "name_of"]

BACKLOG: Final = 1_000
"""Events that may wait for a bus, 16 MiB of them, before commands wait for it."""


@runtime_checkable
class Bus(Protocol):
    """
    Publishes what this process has committed.

    It hears of each event once, after the handlers, in the order of its stream, and of nothing that was rolled back.
    An event that is committed just before the process dies is not published: a relay, which follows the log, is for
    those who cannot lose one.
    It may have a `name`, by which it is called when it fails (else it is called by its class), and a `backlog`, the
    number of events that may wait for it (else `BACKLOG`).
    """

    async def publish(self, recorded: Recorded[Any]) -> None:
        """Publish one event. What it raises is told, and neither the command nor another bus hears of it."""
        ...


def name_of(bus: Bus) -> str:
    return str(getattr(bus, "name", type(bus).__name__))
