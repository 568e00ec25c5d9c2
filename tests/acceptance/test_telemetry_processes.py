"""The trace of one request through four processes, as a receiver of OTLP sees it; and one that hangs."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from eventfold import Eventfold
from eventfold.adapters.opentelemetry import OpenTelemetry
from tests.acceptance.world import Added, record, tapes
from tests.otlp import Receiver, receiving
from tests.runners import ROOT, running, until

SHOP = "tests.acceptance.shop"


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Receiver]:
    with receiving(tmp_path / "receiver") as one:
        yield one


@pytest.mark.parametrize("url", ["sqlite", "postgres"], indirect=True)
def test_one_request_is_followed_through_four_processes(url: str, tmp_path: Path, receiver: Receiver) -> None:
    with running(url, tmp_path, app=f"{SHOP}:app()", **receiver.environment) as runner:
        for processor in ("stock", "payments", "mails"):
            runner.until(what="ready", processor=processor)
        placing = [sys.executable, "-m", SHOP, url, "o1"]
        subprocess.run(placing, cwd=ROOT, check=True, env={**os.environ, **receiver.environment})
        command = receiver.span("command Place")
        payment, batch, mail = (receiver.span(each) for each in ("reaction payments", "batch stock", "reaction mails"))
        emitted = receiver.span("append payment")

        trace = command["trace"]
        assert command["parent"] == ""
        assert (payment["trace"], payment["parent"]) == (trace, command["id"])
        assert (emitted["trace"], emitted["parent"]) == (trace, payment["id"])
        assert (mail["trace"], mail["parent"]) == (trace, payment["id"])
        assert batch["trace"] != trace
        assert batch["links"] == [[trace, command["id"]]]
        pids = {each["process"]["process.pid"] for each in (command, payment, batch, mail)}
        assert len(pids) == 4
        assert pids > set(runner.pids)
        assert mail["attributes"]["eventfold.stream"] == "payment-o1"

        def handled() -> bool:
            return {
                each["attributes"]["eventfold.processor"] for each in receiver.points("eventfold.events.handled")
            } == {
                "stock",
                "payments",
                "mails",
            }

        until(handled, "what the processors have handled")
        until(lambda: receiver.points("eventfold.processor.lag", processor="stock"), "lag of the projector")
        (duration, *_) = until(lambda: receiver.points("eventfold.append.duration", category="payment"), "a duration")
        assert (duration["kind"], duration["unit"], duration["count"]) == ("histogram", "s", 1)
        assert 0 < duration["sum"] < 60
        assert 0.001 in duration["bounds"]
        for secret in (b"lamp", b"4111", b"customer", b"ann"):
            assert secret not in receiver.received
        assert b"eventfold.processor" in receiver.received  # what is looked for there would be found


async def test_an_exporter_that_hangs_keeps_no_command_waiting(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL, "opentelemetry")
    with receiving(tmp_path / "receiver", hang=True) as receiver:
        provider = TracerProvider(shutdown_on_exit=False)
        spans = OTLPSpanExporter(f"{receiver.endpoint}/v1/traces", timeout=4)
        provider.add_span_processor(BatchSpanProcessor(spans, 64, 50, 32))
        reader = PeriodicExportingMetricReader(OTLPMetricExporter(f"{receiver.endpoint}/v1/metrics", timeout=4), 50)
        meters = MeterProvider([reader], shutdown_on_exit=False)
        telemetry = OpenTelemetry(tracer_provider=provider, meter_provider=meters, most_traces=None)
        slowest = 0.0
        app = Eventfold(deciders=[tapes], telemetry=telemetry)
        async with app.open(f"sqlite:///{tmp_path}/store.db") as application:
            began = time.monotonic()
            for _ in range(200):  # 600 spans, of which the queue takes 64
                since = time.monotonic()
                await application.execute(tapes, "t", record(Added(1)))
                slowest = max(slowest, time.monotonic() - since)
            took = time.monotonic() - began
        assert took < 10
        assert slowest < 3
    # the receiver is gone, and with it the connection that the exporters wait on
    meters.shutdown()
    provider.shutdown()
