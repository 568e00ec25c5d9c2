"""What a process decides to do next: plan and cancel time-outs, send commands, emit events, come to its end."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final, TypeAlias, TypeVar, overload

import msgspec

from eventfold.domain.aggregate import Aggregate
from eventfold.domain.boundary import Boundary
from eventfold.domain.message import Stream
from eventfold.errors import InvalidInput

__all__ = ["Action", "Cancel", "Complete", "Emit", "Schedule", "Send"]

C = TypeVar("C")
_LONGEST_KEY: Final = 255


class Schedule(msgspec.Struct, frozen=True):
    """
    A time-out: unless it is cancelled, the process is given this event once its time has come, never before.

    Another one of the same key takes its place.

    Args:
        key: its name within the process, 1 to 255 characters.
        event: what the process is given, of a class that its `evolve` takes. Stored.
        after: counted from when the input in hand was recorded.
        at: a moment with a time zone; one that is past comes at once.

    Raises:
        InvalidInput: not exactly one of the two, a moment without a time zone, or a key that is none.
    """

    key: str
    event: object
    after: timedelta | None = None
    at: datetime | None = None

    def __post_init__(self) -> None:
        _check_key(self.key)
        if (self.after is None) == (self.at is None):
            raise InvalidInput(f"Schedule({self.key!r}): say when, after=timedelta(…) or at=datetime(…), and only once")
        if self.at is not None and self.at.tzinfo is None:
            raise InvalidInput(f"Schedule({self.key!r}, at={self.at!r}): the moment needs a time zone")


class Cancel(msgspec.Struct, frozen=True):
    """The time-out of this key does not come. One that is not planned, or has come already, is cancelled in vain."""

    key: str

    def __post_init__(self) -> None:
        _check_key(self.key)


class Complete(msgspec.Struct, frozen=True):
    """The process has come to its end: its time-outs are cancelled, and what comes later is ignored and counted."""


class Emit(msgspec.Struct, frozen=True):
    """
    Record an event at the end of a stream, once for the input in hand.

    Args:
        event: of a class that the manager has declared with `emits=`.
        stream: category and id.
    """

    event: object
    stream: tuple[str, str]

    def __post_init__(self) -> None:
        Stream.of(*self.stream)


class Send:
    """
    Execute a command once for the input in hand: `Send(books, "isbn-1", Return(1))` or `Send(registration, command)`.

    Args:
        on_refused: what the process is given when the domain rejects the command, of a class that its `evolve` takes.
            Without it a rejection is an error, and the manager's `on_error` says what becomes of the input in hand.
    """

    @overload
    def __init__(
        self, aggregate: Aggregate[C, Any, Any], id: str, command: C, /, *, on_refused: object | None = None
    ) -> None: ...
    @overload
    def __init__(self, boundary: Boundary[C, Any, Any], command: C, /, *, on_refused: object | None = None) -> None: ...

    def __init__(self, decider: Any, /, *id_and_command: Any, on_refused: object | None = None) -> None:
        match id_and_command:
            case (command,) if isinstance(decider, Boundary):
                self.id: str | None = None
                self.command: object = command
            case (str() as id, command) if isinstance(decider, Aggregate):
                Stream.of(decider.name, id)
                self.id, self.command = id, command
            case _:
                raise InvalidInput(f"{decider!r}: write Send(aggregate, id, command) or Send(boundary, command)")
        self.decider: Aggregate[Any, Any, Any] | Boundary[Any, Any, Any] = decider
        self.on_refused: object | None = on_refused

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Send):
            return NotImplemented
        return self.decider is other.decider and _told(self) == _told(other)

    def __hash__(self) -> int:
        return hash((id(self.decider), self.id, type(self.command)))

    def __repr__(self) -> str:
        of = "" if self.id is None else f", {self.id!r}"
        refused = "" if self.on_refused is None else f", on_refused={self.on_refused!r}"
        return f"Send({self.decider.name}{of}, {self.command!r}{refused})"


Action: TypeAlias = Schedule | Cancel | Send | Emit | Complete


def _told(send: Send) -> tuple[object, ...]:
    return send.id, type(send.command), send.command, type(send.on_refused), send.on_refused


def _check_key(key: object) -> None:
    if not isinstance(key, str) or not 1 <= len(key) <= _LONGEST_KEY or "\0" in key or _is_torn(key):
        raise InvalidInput(f"key={key!r} of a time-out: a text of 1 to {_LONGEST_KEY} characters without NUL")


def _is_torn(text: str) -> bool:
    """It holds a lone surrogate, which no store can keep."""
    return text != text.encode(errors="replace").decode()
