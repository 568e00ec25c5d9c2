"""What processors of one application share: the store's sides they may use, and whom they tell."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final, Literal, TypeAlias
from uuid import UUID

import msgspec

from eventfold.domain.message import Recorded, StoredEvent
from eventfold.errors import ProcessingError, SchemaError
from eventfold.ports.clock import Clock
from eventfold.ports.event_store import EventSource
from eventfold.ports.leases import Leases
from eventfold.ports.parking import ParkingLot
from eventfold.ports.read_model import ReadModel
from eventfold.ports.telemetry import RETRIES, STOPPED, Telemetry
from eventfold.schema.registry import Events
from eventfold.schema.serializer import Serializer

__all__ = ["OnProcessorError", "ProcessorFailure", "Surroundings", "Verdict"]

Verdict: TypeAlias = Literal["stopped", "tries again", "parked", "skipped"]


class ProcessorFailure(msgspec.Struct, frozen=True):
    """
    A processor has met an error.

    Args:
        error: with the event, if it was about one, and the cause.
        verdict: what became of it, as its error policy has it.
        delay: seconds after which it tries again, if it does.
    """

    processor: str
    partition: int
    error: ProcessingError
    verdict: Verdict
    delay: float | None = None


OnProcessorError: TypeAlias = Callable[[ProcessorFailure], None]

_log: Final = logging.getLogger("eventfold.processing")


class Surroundings(msgspec.Struct, frozen=True, kw_only=True):
    """One for all processors of an application that is open."""

    source: EventSource
    rows: ReadModel
    parking: ParkingLot
    leases: Leases
    catalogue: Events
    serializer: Serializer
    telemetry: Telemetry
    clock: Clock
    on_error: OnProcessorError | None = None

    def tell(self, failure: ProcessorFailure) -> None:
        """To the log, and to whoever wants to know."""
        if failure.verdict in ("tries again", "stopped"):
            self.telemetry.count(
                RETRIES if failure.verdict == "tries again" else STOPPED, 1, processor=failure.processor
            )
        level = logging.WARNING if failure.verdict == "tries again" else logging.ERROR
        _log.log(
            level, "%s%s", failure.error, _in_words(failure),
            exc_info=failure.error.cause or failure.error, extra={"eventfold": _told(failure)},
        )  # fmt: skip
        if self.on_error is None:
            return
        try:
            self.on_error(failure)
        except Exception:
            _log.exception("on_processor_error failed on %r", failure)

    def decoded(self, event: StoredEvent) -> object:
        """The event for an error, decoded if it can be; else it is its undecodability that is reported."""
        try:
            return self.serializer.decode(event)
        except SchemaError:
            return event


def _told(failure: ProcessorFailure) -> dict[str, str | int]:
    told: dict[str, str | int] = {
        "processor": failure.processor,
        "partition": failure.partition,
        "verdict": failure.verdict,
    }
    event = failure.error.event
    stored = event.stored if isinstance(event, Recorded) else event
    if isinstance(stored, StoredEvent):
        told |= {
            "event_id": str(UUID(bytes=stored.event_id)),
            "stream": str(stored.stream),
            "position": stored.position,
            "type": stored.type,
        }
    return told


def _in_words(failure: ProcessorFailure) -> str:
    match failure.verdict:
        case "stopped":
            return ""  # the error says so
        case "tries again":
            return f"; it tries again in {failure.delay:g} s"
        case "parked":
            return f"; the event is parked, see `eventfold parked ls {failure.processor}`"
        case "skipped":
            return "; the event is skipped"
