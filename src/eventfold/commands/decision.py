"""One decision, and what its outcome is: shared by aggregates and boundaries."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Generic, TypeVar, cast

import msgspec

from eventfold.commands.context import current_context
from eventfold.domain.aggregate import Aggregate
from eventfold.domain.boundary import Boundary
from eventfold.domain.message import Recorded
from eventfold.errors import InvalidInput
from eventfold.ports.telemetry import REJECTED, SILENT, Telemetry
from eventfold.schema.serializer import Envelope

__all__ = ["OnRecorded", "Outcome", "Rejected", "decided", "envelope", "tell"]

C = TypeVar("C")
S = TypeVar("S")
E = TypeVar("E")
S_co = TypeVar("S_co", covariant=True)
E_co = TypeVar("E_co", covariant=True)
R_co = TypeVar("R_co", covariant=True)

OnRecorded = Callable[[Sequence[Recorded[Any]]], None]

_log = logging.getLogger("eventfold.commands")


class Outcome(msgspec.Struct, Generic[S_co, E_co, R_co], frozen=True):
    """
    What a command led to: the state after it, and the events it recorded (none when there was nothing to do).

    `version` is that of the stream the events are in (0 when a boundary recorded none). `position` is where a reader
    must have come to see this outcome: that of the last event, or of the last event before when there are none. So
    waiting for it is always legal.
    """

    state: S_co
    events: tuple[Recorded[E_co], ...]
    version: int
    position: int
    reply: R_co


class Rejected(Exception):
    """Carries what `decide` raised past everything that handles failures."""

    def __init__(self, rejection: Exception) -> None:
        self.rejection = rejection
        super().__init__()


def decided(
    decider: Aggregate[C, S, E] | Boundary[C, S, E], command: C, state: S, telemetry: Telemetry
) -> tuple[E, ...]:
    """The events. Raises Rejected for what `decide` raises, InvalidInput for what is no list of events."""
    if telemetry is SILENT:
        return _decided(decider, command, state)
    with telemetry.span("decide", decider=decider.name, command=type(command).__name__):
        try:
            return _decided(decider, command, state)
        except Rejected as said:
            rejected = said
    telemetry.count(REJECTED, 1, decider=decider.name)
    raise rejected  # outside the span: the domain said no, and nothing has failed


def _decided(decider: Aggregate[C, S, E] | Boundary[C, S, E], command: C, state: S) -> tuple[E, ...]:
    try:
        events: object = decider.decide(command, state)
        if hasattr(events, "__iter__") and not isinstance(events, str | bytes | Mapping):
            return tuple(cast("Iterable[E]", events))
    except Exception as rejection:
        raise Rejected(rejection) from rejection
    raise InvalidInput(f"decide of {decider.name!r} returned {events!r}; return a list of events, [] for none")


def envelope(metadata: Mapping[str, Any] | None, telemetry: Telemetry) -> Envelope:
    """
    What the events of a command carry: the context around it, and remarks of its own, which win; the trace, below both.
    """
    context = current_context()
    remarks = {**context.metadata, **metadata} if metadata else context.metadata
    if telemetry is not SILENT and (trace := telemetry.carried()):
        remarks = {**trace, **remarks}
    return Envelope.of(context.correlation_id, context.causation_id, remarks)


def tell(on_recorded: OnRecorded | None, recorded: Sequence[Recorded[Any]]) -> None:
    """The events are stored whatever the listener does, so its failure must not look like theirs."""
    if on_recorded is None:
        return
    try:
        on_recorded(recorded)
    except Exception:
        _log.exception("on_recorded failed after %d event(s) of %s were stored", len(recorded), recorded[0].stream)
