"""What can be watched from outside. Silent unless an adapter is plugged in."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

__all__ = ["SILENT", "Telemetry"]


class Telemetry(Protocol):
    """
    Spans around the steps of the framework: one per command and one per batch of a projector; one per event only where
    something is called for each: event handlers, transactional handlers, buses.
    """

    def span(self, name: str, /, **attributes: str | int) -> AbstractContextManager[None]:
        """Lasts as long as the step. An exception that passes through marks the span as failed."""
        ...


class _Silent:
    def span(self, name: str, /, **attributes: str | int) -> AbstractContextManager[None]:
        return _NOTHING


_NOTHING = nullcontext()
SILENT: Telemetry = _Silent()
