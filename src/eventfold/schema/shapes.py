"""What is stored may differ from what the domain sees: a shape of its own, or an event that nobody knows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

import msgspec

__all__ = ["GenericEvent", "Schema"]

E = TypeVar("E")
T = TypeVar("T")


class Schema(msgspec.Struct, Generic[E, T], frozen=True):
    """
    The form in which events of a class are stored. Both ways are pure, and the second undoes the first.

    Args:
        stored: the class that is stored in place of the event.
        to_stored: makes that of an event.
        to_event: makes the event of that.
    """

    stored: type[T]
    to_stored: Callable[[E], T]
    to_event: Callable[[T], E]


class GenericEvent(msgspec.Struct, frozen=True):
    """
    An event of which the application knows no class, for who asked for all events: `Events(unknown="generic")`.

    `data` is plain where the codec of the application can read it, bytes otherwise, None once it has been erased.
    """

    name: str
    version: int
    data: Any
