"""What parent and child say to each other, a line of JSON each; and what the parent tells its own caller."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Literal

import msgspec

__all__ = ["Happening", "Order", "Report", "Task", "line", "title"]


class Task(msgspec.Struct, frozen=True):
    """
    The first line to a child. It holds the URL of the store, perhaps with a password: no argument, no variable does.

    Args:
        path: where the parent finds modules.
        lease: seconds; None: as the application has it.
        drain: seconds to finish what is in hand.
        kill: seconds after which it is killed, and kills itself if there is no parent any more.
    """

    app: str
    url: str
    processor: str
    number: int
    of: int
    path: tuple[str, ...]
    lease: float
    standby: bool
    drain: float
    kill: float


class Order(StrEnum):
    """Every other line to a child."""

    DRAIN = "drain"
    """Finish what is in hand, and end."""
    NOW = "now"
    """End, and let go of what is in hand."""


class Report(msgspec.Struct, frozen=True, omit_defaults=True):
    """A line of a child. `status` is what `running.status()` says of the processor, its error in words."""

    state: Literal["ready", "draining", "cancelled"]
    status: Mapping[str, Any] | None = None


class Happening(msgspec.Struct, frozen=True, omit_defaults=True):
    """
    What the runner has done or seen, in the order in which it happened.

    Args:
        what: `starting`: a child begins. `ready`: it has the store open. `cancelled`: it has drained, and not in time.
            `ended`: it is gone, with `exit_status` or `signal`. `restarting`: another follows in `delay` seconds.
            `not started`: the system refused, because of `why`. `left`: none follows. `hook failed`: after_end, because
            of `why`. `health`: it is answered for at the address `why`.
            `stopping`: all shall end because of `why`. `now`: at once. `killed`: by the runner, for it took too long.
            `done`: all are gone, and the runner ends with `exit_status`.
    """

    what: Literal[
        "starting",
        "not started",
        "ready",
        "cancelled",
        "ended",
        "restarting",
        "left",
        "hook failed",
        "health",
        "stopping",
        "now",
        "killed",
        "done",
    ]
    processor: str | None = None
    number: int | None = None
    pid: int | None = None
    exit_status: int | None = None
    signal: int | None = None
    delay: float | None = None
    why: str | None = None


def title(processor: str, number: int, of: int) -> str:
    """How a child is called in `ps` and in logs."""
    return f"eventfold: {processor}" if of == 1 else f"eventfold: {processor} {number}/{of}"


def line(message: msgspec.Struct) -> bytes:
    return msgspec.json.encode(message) + b"\n"
