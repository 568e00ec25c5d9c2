"""
Spans and metrics for OpenTelemetry. Nothing else in Eventfold imports it.

Names, numbers and ids go out, nothing else: of an error its class, of an event its place, never what is in it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from threading import Lock
from time import monotonic, time_ns
from types import MappingProxyType, TracebackType
from typing import Final

import msgspec

from eventfold.domain.message import StoredEvent
from eventfold.errors import InvalidInput
from eventfold.ports.telemetry import GAUGES, Look, Metric, Telemetry

try:
    from opentelemetry import context as contexts
    from opentelemetry import metrics, trace
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
except ModuleNotFoundError as error:
    if not (error.name or "").startswith("opentelemetry"):
        raise
    raise InvalidInput(
        f"OpenTelemetry needs {error.name}, which is not installed: pip install 'eventfold[otel]'"
    ) from error

__all__ = ["MOST_LINKS", "MOST_TRACES", "OpenTelemetry"]

MOST_TRACES: Final = 50.0
"""Traces that begin in a second with the same step: one that is sent costs several times what a small command does."""
MOST_LINKS: Final = 128
"""Commands that the span of a batch is linked to, at most: what the SDK keeps."""

_SUBJECTS: Final = {
    "command": "command",
    "decide": "decider",
    "append": "category",
    "batch": "processor",
    "reaction": "processor",
    "handler": "handler",
    "transactional_handler": "handler",
    "publish": "bus",
}
"""What follows the name of a span; of each there are few."""
_KINDS: Final = {
    "batch": trace.SpanKind.CONSUMER,
    "reaction": trace.SpanKind.CONSUMER,
    "publish": trace.SpanKind.PRODUCER,
}
_TIMED: Final = {"append": "category", "batch": "processor", "reaction": "processor"}
"""Of what there is a histogram, and by what."""
_BOUNDARIES: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_SECOND: Final = 1_000_000_000
_PROPAGATOR: Final = TraceContextTextMapPropagator()  # not the global one: baggage may be anything
_OUTSIDE: Final = contexts.Context()
_NOWHERE: Final[Mapping[str, str]] = MappingProxyType({})
_NOTHING: Final = nullcontext()

_Attributes = tuple[tuple[str, str], ...]


class _Carried(msgspec.Struct):
    """What the metadata of an event may hold, among other things."""

    traceparent: str = ""
    tracestate: str = ""


_CARRIED: Final = msgspec.json.Decoder(_Carried)


class OpenTelemetry(Telemetry):
    """
    `Eventfold(telemetry=OpenTelemetry())`: spans and metrics to whatever the process has set up.

    Events carry the W3C trace context of their command in their metadata. A reaction and a published event continue
    that trace; a batch of a projector is linked to those of its events. Nothing waits for an exporter as long as its
    span processor does not: set up a `BatchSpanProcessor`.

    What belongs to a trace that is recorded always has its span. Of what would begin a trace, as many have one as there
    may be in a second; the others, with all that is in them, are counted and nothing more. Histograms are of those that
    may have one.

    Args:
        tracer_provider: the global one by default.
        meter_provider: the global one by default.
        most_traces: a second, of commands, of batches and so on; None: whatever the sampler of the provider says.

    Raises:
        InvalidInput: `most_traces` is below 0.
    """

    def __init__(
        self,
        *,
        tracer_provider: trace.TracerProvider | None = None,
        meter_provider: metrics.MeterProvider | None = None,
        most_traces: float | None = MOST_TRACES,
    ) -> None:
        if most_traces is not None and not most_traces >= 0:
            raise InvalidInput(f"most_traces={most_traces!r}: a second, 0 or more, or None for no limit of ours")
        self._tracer = trace.get_tracer("eventfold", tracer_provider=tracer_provider)
        self._meter = metrics.get_meter("eventfold", meter_provider=meter_provider)
        self._most = most_traces
        self._allowances: dict[str, _Allowance] = {}
        self._lock = Lock()
        self._counts: dict[str, dict[_Attributes, int]] = {}
        self._looks: tuple[Look, ...] = ()
        self._durations = {
            name: self._meter.create_histogram(
                f"eventfold.{name}.duration",
                unit="s",
                description=f"how long a span `{name}` takes",
                explicit_bucket_boundaries_advisory=_BOUNDARIES,
            )
            for name in _TIMED
        }
        for gauge in GAUGES:
            self._meter.create_observable_gauge(
                gauge.name, [self._shown_by(gauge)], unit=gauge.unit, description=gauge.says
            )

    # ----------------------------------------------------------------------------- spans

    def span(
        self,
        name: str,
        /,
        *,
        continues: StoredEvent | None = None,
        links: Sequence[StoredEvent] = (),
        **attributes: str | int,
    ) -> AbstractContextManager[None]:
        within: contexts.Context | None = None
        if continues is not None:
            within = _context_of(_carried_by(continues))
        elif links:
            within = _OUTSIDE
        elif (left_out := _left_out.get()) is not None and not left_out.over:
            return _NOTHING
        if (
            self._most is not None
            and trace.get_current_span(within) is trace.INVALID_SPAN
            and not self._may_begin(name, self._most)
        ):
            return _LeftOut()
        timed = self._durations.get(name)
        by = {} if timed is None else {"eventfold." + _TIMED[name]: str(attributes.get(_TIMED[name]))}
        return _Span(self._tracer, name, attributes, within, links, timed, by)

    def _may_begin(self, name: str, most: float) -> bool:
        allowance = self._allowances.get(name)
        if allowance is None:
            allowance = self._allowances[name] = _Allowance(most)
        return allowance.take()

    def carried(self) -> Mapping[str, str]:
        if (left_out := _left_out.get()) is not None and not left_out.over:
            return _NOWHERE
        carrier: dict[str, str] = {}
        _PROPAGATOR.inject(carrier)
        return carrier

    # --------------------------------------------------------------------------- numbers

    def count(self, counter: Metric, number: int, /, **attributes: str) -> None:
        key = tuple(attributes.items())
        with self._lock:
            counts = self._counts.get(counter.name)
            known = counts is not None
            if counts is None:
                counts = self._counts[counter.name] = {}
            counts[key] = counts.get(key, 0) + number
        if not known:  # summed up here, for that is cheaper by far than an instrument that is told each time
            self._meter.create_observable_counter(
                counter.name, [self._counted(counts)], unit=counter.unit, description=counter.says
            )

    def _counted(self, counts: Mapping[_Attributes, int]) -> Callable[[metrics.CallbackOptions], _Observations]:
        def observe(options: metrics.CallbackOptions) -> _Observations:
            with self._lock:
                known = list(counts.items())
            return [metrics.Observation(number, _prefixed(dict(key))) for key, number in known]

        return observe

    @contextmanager
    def watch(self, look: Look) -> Generator[None]:
        with self._lock:
            self._looks = (*self._looks, look)
        try:
            yield
        finally:
            with self._lock:
                self._looks = tuple(each for each in self._looks if each is not look)

    def _shown_by(self, gauge: Metric) -> Callable[[metrics.CallbackOptions], _Observations]:
        def observe(options: metrics.CallbackOptions) -> _Observations:
            return [
                metrics.Observation(reading.value, _prefixed(reading.attributes))
                for look in self._looks
                for reading in look()
                if reading.gauge is gauge
            ]

        return observe


_Observations = Iterable[metrics.Observation]


class _Span:
    """Around a step that others may be in: it is the current one meanwhile."""

    __slots__ = (
        "_attributes",
        "_by",
        "_lifted",
        "_links",
        "_name",
        "_since",
        "_span",
        "_timed",
        "_token",
        "_tracer",
        "_within",
    )

    def __init__(
        self,
        tracer: trace.Tracer,
        name: str,
        attributes: Mapping[str, str | int],
        within: contexts.Context | None,
        links: Sequence[StoredEvent],
        timed: metrics.Histogram | None,
        by: Mapping[str, str],
    ) -> None:
        self._tracer = tracer
        self._name = name
        self._attributes = attributes
        self._within = within
        self._links = links
        self._timed = timed
        self._by = by

    def __enter__(self) -> None:
        self._since = time_ns()
        self._span = span = self._tracer.start_span(
            _named(self._name, self._attributes),
            self._within,
            _KINDS.get(self._name, trace.SpanKind.INTERNAL),
            _prefixed(self._attributes),
            start_time=self._since,
        )
        if self._links and span.is_recording():
            for context in _contexts_of(self._links):
                span.add_link(context)
        self._lifted = _left_out.set(None)
        self._token = contexts.attach(trace.set_span_in_context(span, self._within))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        contexts.detach(self._token)
        _left_out.reset(self._lifted)
        until = time_ns()
        _end(self._span, error, until)
        if self._timed is not None:
            self._timed.record((until - self._since) / _SECOND, self._by)


def _end(span: trace.Span, error: BaseException | None, at: int) -> None:
    if error is not None and span.is_recording():
        kind = type(error)
        span.set_attribute("error.type", f"{kind.__module__}.{kind.__qualname__}")
        span.set_status(trace.StatusCode.ERROR, kind.__qualname__)  # its text may quote what is nobody's business
    span.end(at)


def _named(name: str, attributes: Mapping[str, str | int]) -> str:
    subject = attributes.get(_SUBJECTS.get(name, ""))
    return name if subject is None else f"{name} {subject}"


def _prefixed(attributes: Mapping[str, str | int]) -> dict[str, str | int]:
    return {f"eventfold.{name}": value for name, value in attributes.items()}


# ---------------------------------------------------------------------------- left out


class _Allowance:
    """So many a second, and as many at once after a second of rest. Two threads that meet may take one too many."""

    __slots__ = ("_left", "_most", "_rate", "_since")

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._left = self._most = max(1.0, rate) if rate else 0.0
        self._since = monotonic()

    def take(self) -> bool:
        now = monotonic()
        self._left = min(self._most, self._left + (now - self._since) * self._rate)
        self._since = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class _LeftOut:
    """
    Around a step that has no span: what is in it has none of ours either, though by itself it would begin a trace.

    A task that is started within, and stays, knows by `over` that this has ended.
    """

    __slots__ = ("_token", "over")

    def __enter__(self) -> None:
        self.over = False
        self._token = _left_out.set(self)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.over = True
        _left_out.reset(self._token)


_left_out: ContextVar[_LeftOut | None] = ContextVar("eventfold_left_out", default=None)


# ------------------------------------------------------------------- the trace of an event


def _carried_by(event: StoredEvent) -> _Carried | None:
    """Metadata are anybody's: what is no trace context there is none."""
    if event.metadata is None or b"traceparent" not in event.metadata:
        return None
    try:
        return _CARRIED.decode(event.metadata)
    except msgspec.MsgspecError:
        return None


def _context_of(carried: _Carried | None) -> contexts.Context:
    """That of the event, to which nothing of the surroundings is added: a processor runs in those of its start."""
    if carried is None:
        return _OUTSIDE
    return _PROPAGATOR.extract({"traceparent": carried.traceparent, "tracestate": carried.tracestate}, _OUTSIDE)


def _contexts_of(events: Sequence[StoredEvent]) -> Iterator[trace.SpanContext]:
    """Each once, as many as there may be."""
    seen: set[str] = set()
    for event in events:
        carried = _carried_by(event)
        if carried is None or carried.traceparent in seen:
            continue
        seen.add(carried.traceparent)
        context = trace.get_current_span(_context_of(carried)).get_span_context()
        if context.is_valid:
            yield context
        if len(seen) == MOST_LINKS:
            return
