"""What the stream of a process holds: its inputs, and what it decided on each. Events of the framework, as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeAlias
from uuid import UUID

import msgspec

__all__ = [
    "OWN_INPUTS",
    "STORIES",
    "Cancelled",
    "Completed",
    "Emitted",
    "Kept",
    "Nudged",
    "OwnInput",
    "Record",
    "Refused",
    "Scheduled",
    "Seen",
    "Sent",
    "Stopped",
    "TimedOut",
    "stored_name",
]

_JSON: Final = 0
_NO_JSON: Final = msgspec.Raw()


class Kept(msgspec.Struct, frozen=True, omit_defaults=True):
    """An event or command of the application as it is stored: JSON as it is, anything else as its bytes."""

    type: str
    version: int = 1
    format: int = _JSON
    json: msgspec.Raw = _NO_JSON
    octets: bytes = b""

    @classmethod
    def of(cls, type: str, version: int, format: int, data: bytes | str) -> Kept:
        octets = data.encode() if isinstance(data, str) else data
        if format == _JSON:
            return cls(type, version, format, json=msgspec.Raw(octets))
        return cls(type, version, format, octets=octets)

    @property
    def data(self) -> bytes:
        return bytes(self.json) or self.octets


class Seen(msgspec.Struct, frozen=True, omit_defaults=True):
    """
    The process has taken an input; what it decided on it follows, up to the next one.

    Args:
        source: id of the event, by which it is known again.
        position: of that event.
        stream: in which it stands, in its text form.
        code: version of the manager that has decided.
        conversation: that the input belongs to.
        input: the event itself. A copy, so that the story can be told when its stream is gone.
        timer: key of the time-out that it was.
        patience: microseconds without an input, after which the process counts as stuck.
    """

    source: UUID
    position: int
    stream: str
    code: int
    conversation: str
    input: Kept
    timer: str | None = None
    patience: int | None = None


class Scheduled(msgspec.Struct, frozen=True):
    """A time-out was planned; `due_at` in microseconds since 1970."""

    key: str
    due_at: int
    event: Kept


class Cancelled(msgspec.Struct, frozen=True):
    """The time-out of this key does not come."""

    key: str


class Sent(msgspec.Struct, frozen=True, omit_defaults=True):
    """A command goes out; `refused` is what comes back when the domain rejects it."""

    decider: str
    command: Kept
    id: str | None = None
    refused: Kept | None = None


class Emitted(msgspec.Struct, frozen=True):
    """An event goes into another stream."""

    category: str
    id: str
    event: Kept


class Completed(msgspec.Struct, frozen=True):
    """The end of the process."""


class TimedOut(msgspec.Struct, frozen=True, omit_defaults=True):
    """
    The time of a time-out has come: an input.

    Args:
        planned_at: position of the event that has planned it.
        actor: who has not waited for its time, if somebody has not.
    """

    key: str
    planned_at: int
    due_at: int
    event: Kept
    actor: str | None = None


class Refused(msgspec.Struct, frozen=True):
    """The domain has rejected a command: an input. The command is the `number`-th action on that source, from 0."""

    source: UUID
    number: int
    reason: str
    event: Kept


class Nudged(msgspec.Struct, frozen=True, omit_defaults=True):
    """Somebody wants what was decided last to be carried out once more, and the time-outs looked after."""

    actor: str
    reason: str | None = None


class Stopped(msgspec.Struct, frozen=True, omit_defaults=True):
    """Somebody has ended the process from outside."""

    actor: str
    reason: str | None = None


OwnInput: TypeAlias = TimedOut | Refused | Nudged | Stopped
Record: TypeAlias = Seen | Scheduled | Cancelled | Sent | Emitted | Completed | OwnInput

_CLASSES: Final[tuple[type[Record], ...]] = (
    Seen, Scheduled, Cancelled, Sent, Emitted, Completed, TimedOut, Refused, Nudged, Stopped,
)  # fmt: skip


def stored_name(cls: type[msgspec.Struct]) -> str:
    """Under which events of this class are stored, in every store."""
    return f"eventfold:{cls.__name__}"


STORIES: Final[Mapping[str, type[Record]]] = {stored_name(each): each for each in _CLASSES}
OWN_INPUTS: Final = frozenset(stored_name(each) for each in (TimedOut, Refused, Nudged, Stopped))
"""Stored names of what a manager follows in its own category."""
