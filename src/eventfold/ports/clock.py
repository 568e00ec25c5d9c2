"""Time and identity come in as arguments, so that a test can hold them still."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol
from uuid import UUID

__all__ = ["Clock", "IdSource"]


class Clock(Protocol):
    """Tells the time."""

    def now(self) -> datetime:
        """The moment, with a time zone. It may stand still or step back; order never depends on it."""
        ...


class IdSource(Protocol):
    """Gives out ids that were never given before, in any process."""

    def __call__(self) -> UUID: ...
