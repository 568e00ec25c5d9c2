"""E5 and beyond: spans, the trace that events carry, numbers. What the SDK exports is looked at, not what we say."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from opentelemetry import baggage, context, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

from eventfold import (
    Act,
    Boundary,
    Eventfold,
    EventHandler,
    Park,
    ProcessManager,
    Query,
    Reactor,
    Recorded,
    Retry,
    Schedule,
    Skip,
    Stream,
    TransactionalHandler,
    system_clock,
)
from eventfold.adapters.opentelemetry import MOST_LINKS, OpenTelemetry
from eventfold.bootstrap.stores import open_stores
from eventfold.errors import InvalidInput, ProcessorStopped
from eventfold.ports.telemetry import APPENDED
from eventfold.testing.faults import Fault, Faults
from tests.acceptance.world import Added, AddUnless, Memory, Noted, Place, TapeFull, add, record, summing, sums_t, tapes
from tests.waiting import until


class Watched:
    """An OpenTelemetry whose spans and numbers stay here."""

    def __init__(self, **options: Any) -> None:
        self.exporter = InMemorySpanExporter()
        limits = SpanLimits(max_links=1_000)
        self.provider = TracerProvider(shutdown_on_exit=False, sampler=options.pop("sampler", None), span_limits=limits)
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.reader = InMemoryMetricReader()
        self.meters = MeterProvider([self.reader], shutdown_on_exit=False)
        self.telemetry = OpenTelemetry(tracer_provider=self.provider, meter_provider=self.meters, **options)

    @property
    def spans(self) -> list[ReadableSpan]:
        """In the order in which they have begun."""
        return sorted(self.exporter.get_finished_spans(), key=lambda each: each.start_time or 0)

    def named(self, name: str) -> list[ReadableSpan]:
        return [each for each in self.spans if each.name == name]

    def the(self, name: str) -> ReadableSpan:
        (found,) = self.named(name)
        return found

    @property
    def numbers(self) -> dict[tuple[str, str], Any]:
        """By metric, and by the value of its only attribute; of a histogram how many there were."""
        data = self.reader.get_metrics_data()
        found: dict[tuple[str, str], Any] = {}
        for resource in data.resource_metrics if data is not None else ():
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    for point in metric.data.data_points:
                        (value,) = (point.attributes or {}).values()
                        number = point.value if hasattr(point, "value") else point.count
                        found[metric.name.removeprefix("eventfold."), str(value)] = number
        return found


@pytest.fixture
def watched() -> Iterator[Watched]:
    one = Watched()
    yield one
    one.provider.shutdown()
    one.meters.shutdown()


@asynccontextmanager
async def in_memory() -> AsyncIterator[Memory]:
    async with open_stores("memory:", clock=system_clock, migrate=True) as stores:
        yield Memory(stores)


def within(inner: ReadableSpan, outer: ReadableSpan) -> bool:
    return (
        inner.parent is not None
        and inner.parent.span_id == outer.context.span_id
        and inner.context.trace_id == outer.context.trace_id
    )


def traceparent(span: ReadableSpan) -> str:
    return f"00-{span.context.trace_id:032x}-{span.context.span_id:016x}-{span.context.trace_flags:02x}"


def told(span: ReadableSpan) -> dict[str, Any]:
    return {key.removeprefix("eventfold."): value for key, value in (span.attributes or {}).items()}


# ----------------------------------------------------------------------------------- commands


async def test_a_command_has_a_span_with_its_decision_and_its_append(place: Place, watched: Watched) -> None:
    async with place.open(Eventfold(deciders=[tapes], telemetry=watched.telemetry)) as running:
        outcome = await running.execute(tapes, "t", record(Added(1), Added(2)), metadata={"by": "ann"})
    command = watched.the("command Record")
    decide, append = watched.the("decide tape"), watched.the("append tape")
    assert len(watched.spans) == 3
    assert command.parent is None
    assert within(decide, command)
    assert within(append, command)
    assert told(command) == {"aggregate": "tape", "command": "Record"}
    assert told(append) == {"category": "tape", "events": 2}
    assert [dict(each.metadata) for each in outcome.events] == [{"by": "ann", "traceparent": traceparent(command)}] * 2


async def test_a_command_belongs_to_the_span_around_it(place: Place, watched: Watched) -> None:
    tracer = watched.provider.get_tracer("web")
    async with place.open(Eventfold(deciders=[tapes], telemetry=watched.telemetry)) as running:
        with tracer.start_as_current_span("POST /tapes"):
            await running.execute(tapes, "t", record(Added(1)))
    assert within(watched.the("command Record"), watched.the("POST /tapes"))


async def test_what_the_caller_says_of_the_trace_wins_and_baggage_is_nobodys_business(watched: Watched) -> None:
    app = Eventfold(deciders=[tapes], telemetry=watched.telemetry)
    token = context.attach(baggage.set_baggage("card", "4111"))
    try:
        async with app.test() as running:
            own = await running.execute(tapes, "t", record(Added(1)), metadata={"traceparent": "mine"})
            other = await running.execute(tapes, "t", record(Added(1)))
    finally:
        context.detach(token)
    assert own.events[0].metadata == {"traceparent": "mine"}
    assert other.events[0].metadata.keys() == {"traceparent"}


async def test_a_rejection_is_no_failure_and_is_counted(place: Place, watched: Watched) -> None:
    async with place.open(Eventfold(deciders=[tapes], telemetry=watched.telemetry)) as running:
        with pytest.raises(TapeFull):
            await running.execute(tapes, "t", AddUnless(5, limit=3))
    assert {each.name: each.status.status_code for each in watched.spans} == {
        "command AddUnless": trace.StatusCode.UNSET,
        "decide tape": trace.StatusCode.UNSET,
    }
    assert watched.numbers["commands.rejected", "tape"] == 1


async def test_a_conflict_is_a_failed_append_and_is_counted(place: Place, watched: Watched) -> None:
    app = Eventfold(deciders=[tapes], telemetry=watched.telemetry)
    async with place.open(app) as running, place.open(Eventfold(deciders=[tapes])) as other:
        await running.execute(tapes, "t", record(Added(1)))
        await other.execute(tapes, "t", record(Added(1)))
        await running.execute(tapes, "t", record(Added(1)))
    first, outrun, second = watched.named("append tape")
    assert outrun.status.status_code is trace.StatusCode.ERROR
    assert (outrun.attributes or {})["error.type"] == "eventfold.errors.ConcurrencyConflict"
    assert {first.status.status_code, second.status.status_code} == {trace.StatusCode.UNSET}
    numbers = watched.numbers
    assert numbers["conflicts", "tape"] == 1
    assert numbers["events.appended", "tape"] == 2
    assert numbers["append.duration", "tape"] == 3


async def test_a_command_of_a_boundary_a_lock_and_a_transaction_too(place: Place, watched: Watched) -> None:
    app = Eventfold(deciders=[tapes, counting], telemetry=watched.telemetry)
    async with place.open(app) as running:
        (of_boundary,) = (await running.execute(counting, AddUnless(1, limit=9))).events
        async with running.lock(tapes, "t") as locked:
            (of_lock,) = (await locked.execute(record(Added(1)))).events
        async with running.transaction() as unit:
            await unit.execute(tapes, "u", record(Added(1)))
        with pytest.raises(TapeFull):
            async with running.transaction() as unit:
                await unit.execute(tapes, "u", AddUnless(5, limit=3))
        (of_transaction,) = [each async for each in running.source.read(Stream("tape", "u"))]
    boundary, rejected = watched.named("command AddUnless")
    lock, transaction = watched.named("command Record")
    assert of_boundary.metadata == {"traceparent": traceparent(boundary)}
    assert of_lock.metadata == {"traceparent": traceparent(lock)}
    assert json.loads(of_transaction.metadata or b"") == {"traceparent": traceparent(transaction)}
    assert rejected.status.status_code is trace.StatusCode.UNSET
    assert [told(each)["events"] for each in watched.spans if each.name.startswith("append")] == [1, 1, 1]
    assert watched.numbers["events.appended", "tape"] == 2 + (of_boundary.category == "tape")


def decide_count(command: AddUnless, sum: int) -> list[Added]:
    return [Added(command.n)]


def evolve_count(sum: int, event: Added) -> int:
    return sum + event.n


counting = Boundary(
    "counting", initial=0, decide=decide_count, evolve=evolve_count, query=lambda command: Query.of(Added)
)

# ----------------------------------------------------------------------------------- handlers


class Bus:
    async def publish(self, recorded: Recorded[Any]) -> None:
        """Nobody listens."""


async def test_e5_each_call_of_a_handler_is_a_span_in_the_trace_of_its_command(place: Place, watched: Watched) -> None:
    inside, good, bad = TransactionalHandler("inside", tables=[sums_t]), EventHandler("good"), EventHandler("bad")
    inside.on(Added)(lambda pending, view: view.write(add, {"tape_": pending.id, "n": pending.event.n}))
    good.on(Added)(lambda recorded, handling: None)

    @bad.on(Added)
    async def fail(recorded: Recorded[Added], handling: object) -> None:
        raise ValueError(f"no {recorded.event}")

    app = Eventfold(deciders=[tapes], handlers=[inside, good, bad], buses=[Bus()], telemetry=watched.telemetry)
    async with place.open(app) as running:
        outcome = await running.execute(tapes, "t", record(Added(1), Added(2)))
    command, append = watched.the("command Record"), watched.the("append tape")
    for name, outer in (
        ("transactional_handler inside", append),
        ("handler good", command),
        ("handler bad", command),
        ("publish Bus", command),
    ):
        spans = watched.named(name)
        key = "bus" if name.startswith("publish") else "handler"
        assert [told(each) | {"error.type": None} for each in spans] == [
            {key: name.split()[1], "event_id": str(each.event_id), "stream": "tape-t", "error.type": None}
            for each in outcome.events
        ]
        assert all(within(each, outer) for each in spans)
    assert [each.status.description for each in watched.named("handler bad")] == ["ValueError", "ValueError"]
    assert {told(each)["error.type"] for each in watched.named("handler bad")} == {"builtins.ValueError"}
    assert not any(each.events for each in watched.spans)  # an exception that is recorded has its text


# --------------------------------------------------------------------------------- processors


async def test_a_batch_is_one_span_linked_to_the_commands_of_its_events(place: Place, watched: Watched) -> None:
    writing = Watched()
    async with place.open(Eventfold(deciders=[tapes], telemetry=writing.telemetry)) as running:
        for number in range(3):
            await running.execute(tapes, f"s{number}", record(Added(1), Added(2)))
    async with place.open(Eventfold(deciders=[tapes])) as running:
        await running.execute(tapes, "s9", record(Added(1)), metadata={"traceparent": 7, "tracestate": "x"})
        await running.execute(tapes, "s9", record(Added(1)), metadata={"traceparent": "00-00-00-00"})
    app = Eventfold(deciders=[tapes], processors=[summing()], telemetry=watched.telemetry)
    with watched.provider.get_tracer("web").start_as_current_span("start-up"):  # in which no batch is
        async with place.open(app) as running:
            await running.settled()
    batch = watched.the("batch sums")
    assert batch.parent is None
    assert [each.context.span_id for each in batch.links] == [
        each.context.span_id for each in writing.named("command Record")
    ]
    assert batch.kind is trace.SpanKind.CONSUMER
    assert told(batch) == {"processor": "sums", "events": 8}
    assert [each.name for each in watched.spans] == ["start-up", "batch sums"]  # none per event
    numbers = watched.numbers
    assert numbers["events.handled", "sums"] == 8
    assert numbers["batch.duration", "sums"] == 1


async def test_a_batch_has_as_many_links_as_there_may_be(watched: Watched) -> None:
    app = Eventfold(deciders=[tapes], processors=[summing()], telemetry=watched.telemetry)
    everything = Watched(most_traces=None)
    async with in_memory() as place:
        async with place.open(Eventfold(deciders=[tapes], telemetry=everything.telemetry)) as running:
            for _ in range(MOST_LINKS + 5):
                await running.execute(tapes, "t", record(Added(1)))
        async with place.open(app) as running:
            await running.settled()
    assert len(watched.the("batch sums").links) == MOST_LINKS


async def test_a_reaction_continues_the_trace_and_so_does_what_it_does(place: Place, watched: Watched) -> None:
    made = Reactor("mails", start="beginning", emits=[Added], on_error=Retry.constant(0.0))

    @made.on(Added)
    async def answer(recorded: Recorded[Added], act: Act) -> None:
        if recorded.event.n == 1 and act.attempt == 1:
            raise RuntimeError("once more")
        if recorded.event.n == 1:
            await act.emit(Added(2), stream=("answer", recorded.id))
            await act.execute(tapes, "other", record(Added(3)))

    app = Eventfold(deciders=[tapes], processors=[made], telemetry=watched.telemetry)
    tracer = watched.provider.get_tracer("web")
    with tracer.start_as_current_span("start-up"):  # in which the reactor is started, and not the reactions
        async with place.open(app) as running:
            with tracer.start_as_current_span("POST"):
                await running.execute(tapes, "t", record(Added(1)))
            await running.settled()
            await running.settled()  # what it has recorded itself
    failed, first, *answers = watched.named("reaction mails")
    commands = watched.named("command Record")
    assert within(failed, commands[0])
    assert within(first, commands[0])
    assert [told(each)["attempt"] for each in (failed, first)] == [1, 2]
    assert told(failed)["error.type"] == "builtins.RuntimeError"
    assert within(commands[1], first)
    assert within(watched.the("append answer"), first)
    assert within(answers[0], first)  # of what was emitted
    assert within(answers[1], commands[1])  # of what was executed
    numbers = watched.numbers
    assert numbers["processor.retries", "mails"] == 1
    assert numbers["events.appended", "answer"] == 1


async def test_fm18_a_time_out_is_counted_once_though_its_row_is_found_again(place: Place, watched: Watched) -> None:
    def count(inputs: int, seen: object) -> int:
        return inputs + 1

    def react(inputs: int, seen: object) -> list[Schedule]:
        past = datetime(2020, 1, 1, tzinfo=UTC)
        return [Schedule("late", Noted("late"), at=past)] if isinstance(seen, Added) else []

    watch = ProcessManager(
        "watch", initial=lambda _: 0, key=lambda added: added.id, evolve=count, react=react, inputs=[Added, Noted]
    )
    app = Eventfold(deciders=[tapes], processors=[watch], telemetry=watched.telemetry)
    async with place.open(app, run=False) as running:
        await running.execute(tapes, "a", record(Added(1)))
        await running.execute(tapes, "b", record(Added(1)))
    with Faults({"timers.after_record": Fault("raise")}):
        async with place.open(app) as running:
            with pytest.raises(ProcessorStopped):
                await running.settled()  # they are planned
                await running.settled()  # they have come
            counted = watched.numbers["timers.rung", "watch"]
            assert counted in (1, 2)  # both, unless it looked between the two
    async with place.open(app) as running:
        await running.settled()
    assert watched.numbers["timers.rung", "watch"] == 2


async def test_what_is_set_aside_and_who_stops_is_counted(watched: Watched) -> None:
    async def fail(recorded: Recorded[Added], act: Act) -> None:
        if recorded.event.n == 1:
            raise RuntimeError("no")

    processors = [
        Reactor("parks", start="beginning", on_error=Park()),
        Reactor("skips", start="beginning", on_error=Skip()),
        Reactor("stops", start="beginning"),
    ]
    for each in processors:
        each.on(Added)(fail)
    app = Eventfold(deciders=[tapes], processors=processors, telemetry=watched.telemetry)
    async with app.test() as running:
        await running.execute(tapes, "t", record(Added(1), Added(2)))
        await running.wait_for("parks", 2)
        await running.wait_for("skips", 2)
        with pytest.raises(ProcessorStopped):
            await running.wait_for("stops", 2)
        numbers = watched.numbers
    assert numbers["events.parked", "parks"] == 2  # and the one behind it
    assert numbers["events.skipped", "skips"] == 1
    assert numbers["processor.stops", "stops"] == 1
    assert [numbers["processor.running", each] for each in ("parks", "skips", "stops")] == [1, 1, 0]
    assert ("processor.lag", "stops") not in numbers


async def test_the_lag_is_known_while_a_batch_takes_its_time(place: Place, watched: Watched) -> None:
    going, handled = asyncio.Event(), Reactor("slow", start="beginning")

    @handled.on(Added)
    async def wait(recorded: Recorded[Added], act: Act) -> None:
        await going.wait()

    app = Eventfold(deciders=[tapes], processors=[handled], telemetry=watched.telemetry)
    async with place.open(app), place.open(Eventfold(deciders=[tapes])) as elsewhere:
        first = await elsewhere.execute(tapes, "t", record(Added(0)))

        await until(lambda: watched.numbers.get(("processor.lag.time", "slow"), 0) > 0)
        later = await elsewhere.execute(tapes, "t", record(*[Added(1)] * 50))
        behind = later.position - first.position + 1
        await until(lambda: watched.numbers["processor.lag", "slow"] == behind)
        going.set()
        await until(lambda: watched.numbers["processor.lag", "slow"] == 0)
        assert watched.numbers["processor.lag.time", "slow"] == 0
    assert ("processor.lag", "slow") not in watched.numbers  # nobody runs it any more


# ------------------------------------------------------------------------------------ left out


async def test_beyond_so_many_traces_a_second_the_rest_is_counted_and_no_more(watched: Watched) -> None:
    limited = Watched(most_traces=2)
    handler = EventHandler("good")
    handler.on(Added)(lambda recorded, handling: None)
    app = Eventfold(deciders=[tapes], handlers=[handler], telemetry=limited.telemetry)
    async with app.test() as running:
        outcomes = [await running.execute(tapes, "t", record(Added(1))) for _ in range(40)]
        with limited.provider.get_tracer("web").start_as_current_span("POST"):
            continued = await running.execute(tapes, "t", record(Added(1)))
    commands = len(limited.named("command Record"))
    assert 3 <= commands < 20  # as many as its time allows, and the last one
    for name in ("decide tape", "append tape", "handler good"):
        assert len(limited.named(name)) == commands
    assert all(each.parent is not None for each in limited.spans if not each.name.startswith(("command", "POST")))
    assert sum("traceparent" in each.events[0].metadata for each in outcomes) == commands - 1
    assert "traceparent" in continued.events[0].metadata
    numbers = limited.numbers
    assert numbers["events.appended", "tape"] == 41
    assert numbers["append.duration", "tape"] == commands


async def test_a_task_that_outlives_a_command_that_was_left_out_is_not_left_out_for_ever() -> None:
    limited = Watched(most_traces=1)
    handler, going, tasks = EventHandler("background"), asyncio.Event(), []

    @handler.on(Added)
    def begin(recorded: Recorded[Added], handling: object) -> None:
        if recorded.event.n == 2:
            tasks.append(asyncio.create_task(later()))

    async def later() -> None:
        await going.wait()
        with limited.provider.get_tracer("web").start_as_current_span("later"):
            await running.execute(tapes, "t", record(Added(3)))

    app = Eventfold(deciders=[tapes], handlers=[handler], telemetry=limited.telemetry)
    async with app.test() as running:
        await running.execute(tapes, "t", record(Added(1)))
        await running.execute(tapes, "t", record(Added(2)))
        going.set()
        await tasks[0]
    assert [each.name for each in limited.spans if each.name.startswith(("command", "later"))] == [
        "command Record",
        "later",
        "command Record",
    ]


async def test_whoever_is_not_sampled_says_so_and_is_not_recorded_elsewhere(watched: Watched) -> None:
    unsampled = Watched(sampler=ALWAYS_OFF)
    made = Reactor("mails", start="beginning")

    @made.on(Added)
    async def handle(recorded: Recorded[Added], act: Act) -> None:
        """Nothing to do."""

    async with in_memory() as place:
        async with place.open(Eventfold(deciders=[tapes], telemetry=unsampled.telemetry)) as running:
            outcome = await running.execute(tapes, "t", record(Added(1)))
        async with place.open(Eventfold(deciders=[tapes], processors=[made], telemetry=watched.telemetry)) as running:
            await running.settled()
    assert int(outcome.events[0].metadata["traceparent"][-2:], 16) & trace.TraceFlags.SAMPLED == 0
    assert (unsampled.spans, watched.spans) == ([], [])


async def test_without_an_sdk_nothing_is_carried() -> None:
    async with Eventfold(deciders=[tapes], telemetry=OpenTelemetry()).test() as running:
        outcome = await running.execute(tapes, "t", record(Added(1)))
    assert outcome.events[0].stored.metadata is None


def test_what_is_counted_in_many_threads_is_counted_once(watched: Watched) -> None:
    def count() -> None:
        for _ in range(2_000):
            watched.telemetry.count(APPENDED, 1, category="tape")

    threads = [threading.Thread(target=count) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert watched.numbers["events.appended", "tape"] == 8_000


def test_without_the_library_it_says_what_to_install() -> None:
    code = "import sys; sys.modules['opentelemetry'] = None; import eventfold.adapters.opentelemetry"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "InvalidInput: OpenTelemetry needs opentelemetry, which is not installed" in done.stderr
    assert "pip install 'eventfold[otel]'" in done.stderr


def test_without_it_nothing_of_it_is_imported() -> None:
    code = "import sys, eventfold.bootstrap, eventfold.cli; sys.exit('opentelemetry' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_limit_below_nothing_is_refused() -> None:
    with pytest.raises(InvalidInput, match="most_traces=-1"):
        OpenTelemetry(most_traces=-1)
