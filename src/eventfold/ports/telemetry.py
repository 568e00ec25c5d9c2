"""What can be watched from outside. Silent unless an adapter is plugged in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from types import MappingProxyType
from typing import Final, Protocol, TypeAlias

import msgspec

from eventfold.domain.message import StoredEvent

__all__ = [
    "APPENDED",
    "CONFLICTS",
    "COUNTERS",
    "GAUGES",
    "HANDLED",
    "LAG",
    "LAG_SECONDS",
    "PARKED",
    "REJECTED",
    "RETRIES",
    "RUNG",
    "RUNNING",
    "SILENT",
    "SKIPPED",
    "STOPPED",
    "Look",
    "Metric",
    "Reading",
    "Telemetry",
]


class Metric(msgspec.Struct, frozen=True):
    """A number that is kept for a long time; what it is of, such as a category or a processor, is in its attributes."""

    name: str
    unit: str
    says: str


APPENDED: Final = Metric("eventfold.events.appended", "{event}", "events stored by commands, of a category")
CONFLICTS: Final = Metric(
    "eventfold.conflicts", "{conflict}", "appends that others outran, so that the command is decided again"
)
REJECTED: Final = Metric("eventfold.commands.rejected", "{command}", "decisions that said no, of a decider")
HANDLED: Final = Metric(
    "eventfold.events.handled", "{event}", "events that a processor has finished, also by setting them aside"
)
RETRIES: Final = Metric("eventfold.processor.retries", "{retry}", "times that a processor tries again")
PARKED: Final = Metric(
    "eventfold.events.parked", "{event}", "events that a processor has set aside, with those behind them"
)
SKIPPED: Final = Metric("eventfold.events.skipped", "{event}", "events that a processor has left out")
STOPPED: Final = Metric("eventfold.processor.stops", "{stop}", "times that a processor has stopped on an error")
RUNG: Final = Metric("eventfold.timers.rung", "{timer}", "time-outs of a process manager that have come")
COUNTERS: Final = (APPENDED, CONFLICTS, REJECTED, HANDLED, RETRIES, PARKED, SKIPPED, STOPPED, RUNG)

LAG: Final = Metric(
    "eventfold.processor.lag", "{position}", "from the last event that a processor has finished to the last for it"
)
LAG_SECONDS: Final = Metric("eventfold.processor.lag.time", "s", "since the oldest event in hand was recorded")
RUNNING: Final = Metric("eventfold.processor.running", "1", "1 while this process runs the processor, or a share of it")
GAUGES: Final = (LAG, LAG_SECONDS, RUNNING)


class Reading(msgspec.Struct, frozen=True):
    """What a gauge shows at this moment."""

    gauge: Metric
    value: float
    attributes: Mapping[str, str]


Look: TypeAlias = Callable[[], Iterable[Reading]]
"""Called from any thread, at any time; must not wait."""

_NOWHERE: Final[Mapping[str, str]] = MappingProxyType({})


class Telemetry(Protocol):
    """
    Spans around the steps of the framework, and numbers.

    One span per command, with `decide` and `append` in it, and one per batch of a projector; one per event only where
    something is called for each: reactions, event handlers, transactional handlers, buses. Attributes name things,
    never what is in them: no payload, no metadata, no text of an error.

    Whoever derives from this class has only `span` to write; the rest does nothing then.
    """

    def span(
        self,
        name: str,
        /,
        *,
        continues: StoredEvent | None = None,
        links: Sequence[StoredEvent] = (),
        **attributes: str | int,
    ) -> AbstractContextManager[None]:
        """
        Lasts as long as the step. An exception that passes through marks the span as failed.

        Args:
            continues: the step is a consequence of this event, and belongs to the trace that the event carries.
            links: the step is about these events, each of some trace, and belongs to none of them.
        """
        ...

    def carried(self) -> Mapping[str, str]:
        """What the metadata of events get now, so that others can continue: `traceparent`, `tracestate`, or nothing."""
        return _NOWHERE

    def count(self, counter: Metric, number: int, /, **attributes: str) -> None:
        """Add so many."""
        return

    def watch(self, look: Look) -> AbstractContextManager[None]:
        """While this lasts, ask `look` for its readings whenever they are wanted."""
        return _NOTHING


class _Silent(Telemetry):
    def span(
        self,
        name: str,
        /,
        *,
        continues: StoredEvent | None = None,
        links: Sequence[StoredEvent] = (),
        **attributes: str | int,
    ) -> AbstractContextManager[None]:
        return _NOTHING


_NOTHING: Final = nullcontext()
SILENT: Final[Telemetry] = _Silent()
"""Who finds it by `is` need not even find the words."""
