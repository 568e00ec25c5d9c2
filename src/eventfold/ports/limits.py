"""How many rows somebody asks for, as a number that every database has room for."""

from __future__ import annotations

from typing import Final

__all__ = ["rows_of"]

_MOST: Final = 2**62


def rows_of(limit: int) -> int:
    """Below 0 is none, and more than any store can hold is all."""
    return max(0, min(limit, _MOST))
