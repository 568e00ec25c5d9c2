"""How many events one statement reads: many small ones, few large ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from eventfold.ports.subscription import PAGE

__all__ = ["Piece"]

_MOST: Final = 8 * PAGE
_MUCH: Final = 1_048_576
_DATA: Final = -1


class Piece:
    """
    The size of one reader's next piece of the log, from what the pieces before it held.

    A round trip for every page would cost a third of a catch-up, and a thousand events of a megabyte are a gigabyte.
    So it begins with a page, and doubles while a piece holds less than a megabyte of data.
    """

    def __init__(self, first: int = PAGE) -> None:
        self.size: int = first

    def learn(self, rows: Sequence[Any]) -> None:
        """From a piece that was read; the last column is the event's data."""
        held = sum(len(row[_DATA] or b"") for row in rows)
        if held > 4 * _MUCH:
            self.size = max(1, self.size // 4)
        elif held < _MUCH and len(rows) == self.size:
            self.size = min(_MOST, self.size * 2)
