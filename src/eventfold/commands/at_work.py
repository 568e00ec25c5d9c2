"""That a handler or a bus is at work, carried along the call: its own commands must not wait for it."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Final

__all__ = ["AtWork", "at_work", "is_at_work"]


class AtWork:
    """
    A call of a handler or a bus. Tasks that outlive it have it in their context still, so it says when it is over.

    Args:
        depth: of calls within commands within calls.
        of_bus: there is a bus among them, which nobody relieves of events meanwhile.
    """

    __slots__ = ("depth", "of_bus", "over")

    def __init__(self, depth: int, *, of_bus: bool) -> None:
        self.depth: int = depth
        self.of_bus: bool = of_bus
        self.over: bool = False


at_work: Final[ContextVar[AtWork | None]] = ContextVar("eventfold_at_work", default=None)


def is_at_work() -> AtWork | None:
    """The innermost call that is not over."""
    call = at_work.get()
    return None if call is None or call.over else call
