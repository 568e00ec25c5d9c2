"""
A journal of what was asked and answered, kept outside the blast radius.

A child writes a line *before* a call and a line *after* its answer to a pipe; a supervisor, which survives, collects
them. `at` is the machine's monotonic clock, so lines of several processes can be compared.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeAlias

import msgspec

from eventfold.domain.message import Stream
from eventfold.errors import AppendOutcomeUnknown, EventfoldError
from eventfold.ports.event_store import Append, Appended, Condition, EventSink
from eventfold.ports.subscription import Batch

__all__ = [
    "Acknowledged",
    "Asked",
    "Delivered",
    "Journalled",
    "Line",
    "Place",
    "Rejected",
    "Subscribed",
    "Unknown",
    "decode",
    "encode",
]


class Asked(msgspec.Struct, frozen=True, tag="asked"):
    """`append` is about to be called with these events: ids by stream, in order."""

    op: str
    at: int
    events: tuple[tuple[Stream, tuple[bytes, ...]], ...]

    @property
    def ids(self) -> tuple[bytes, ...]:
        return tuple(id for _, ids in self.events for id in ids)


class Place(msgspec.Struct, frozen=True):
    """Where the events for one stream were said to be: the last version, and every position."""

    stream: Stream
    version: int
    positions: tuple[int, ...]


class Acknowledged(msgspec.Struct, frozen=True, tag="acknowledged"):
    """`append` has returned this."""

    op: str
    at: int
    places: tuple[Place, ...]


class Rejected(msgspec.Struct, frozen=True, tag="rejected"):
    """`append` has said that nothing is stored."""

    op: str
    at: int
    error: str


class Unknown(msgspec.Struct, frozen=True, tag="unknown"):
    """`append` has said that it does not know, or has raised what promises nothing."""

    op: str
    at: int
    error: str


class Subscribed(msgspec.Struct, frozen=True, tag="subscribed"):
    """A new life of a subscription, from after this position."""

    subscription: str
    after: int


class Delivered(msgspec.Struct, frozen=True, tag="delivered"):
    """It was given these events: position and id."""

    subscription: str
    events: tuple[tuple[int, bytes], ...]

    @classmethod
    def of(cls, subscription: str, batch: Batch) -> Delivered:
        return cls(subscription, tuple((event.position, event.event_id) for event in batch.events))


Line: TypeAlias = Asked | Acknowledged | Rejected | Unknown | Subscribed | Delivered

_DECODER: msgspec.msgpack.Decoder[Line] = msgspec.msgpack.Decoder(Line)
encode: Callable[[Line], bytes] = msgspec.msgpack.Encoder().encode
decode: Callable[[bytes], Line] = _DECODER.decode


class Journalled:
    """A sink that tells its journal what it is asked and what it answers. Cancelled calls stay without an answer."""

    def __init__(self, sink: EventSink, note: Callable[[Line], None], name: str) -> None:
        self.sink = sink
        self._note = note
        self._name = name
        self._calls = 0

    async def append(self, *appends: Append, condition: Condition | None = None) -> Appended:
        self._calls += 1
        op = f"{self._name}/{self._calls}"
        events = tuple((append.stream, tuple(event.event_id for event in append.events)) for append in appends)
        self._note(Asked(op, time.monotonic_ns(), events))
        try:
            appended = await self.sink.append(*appends, condition=condition)
        except Exception as error:
            known = isinstance(error, EventfoldError) and not isinstance(error, AppendOutcomeUnknown)
            self._note((Rejected if known else Unknown)(op, time.monotonic_ns(), repr(error)))
            raise
        places = tuple(Place(each.stream, each.version, each.positions) for each in appended.streams)
        self._note(Acknowledged(op, time.monotonic_ns(), places))
        return appended
