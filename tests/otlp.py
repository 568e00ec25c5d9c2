"""
A receiver of OTLP over HTTP, in a process of its own, that reads what arrives with the official protobuf classes.

`python -m tests.otlp FOLDER [--hang]` prints its port, then a line of JSON for each span and each point of a metric.
All bytes that arrive are kept in FOLDER/received, unpacked. One that hangs takes a request and never answers.
"""

import gzip
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from tests.runners import ROOT, until

_WITHOUT_END = 3600.0


class Receiver:
    """What a test asks: the endpoint to send to, and what has arrived so far."""

    def __init__(self, folder: Path, *, hang: bool = False) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._received = folder / "received"
        self._received.touch()
        self.heard: list[dict[str, Any]] = []
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.otlp", str(folder), *(["--hang"] if hang else [])],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        assert self.process.stdout is not None
        self.endpoint = f"http://127.0.0.1:{self.process.stdout.readline().strip()}"
        self._reader = threading.Thread(target=self._hear, daemon=True)
        self._reader.start()

    def _hear(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.heard.append(json.loads(line))

    @property
    def received(self) -> bytes:
        return self._received.read_bytes()

    @property
    def environment(self) -> dict[str, str]:
        """For processes whose exporters read their settings there."""
        return {"OTEL_EXPORTER_OTLP_ENDPOINT": self.endpoint, "OTEL_BSP_SCHEDULE_DELAY": "100"}

    def spans(self, name: str | None = None, **attributes: object) -> list[dict[str, Any]]:
        """Those of this name and these attributes, without their prefix."""
        wanted = {f"eventfold.{key}": value for key, value in attributes.items()}.items()
        return [
            each["span"]
            for each in tuple(self.heard)
            if "span" in each
            and (name is None or each["span"]["name"] == name)
            and wanted <= each["span"]["attributes"].items()
        ]

    def span(self, name: str, **attributes: object) -> dict[str, Any]:
        """The one, once it has come."""
        (found,) = until(lambda: self.spans(name, **attributes) or None, f"span {name!r}")
        return found

    def points(self, metric: str, **attributes: object) -> list[dict[str, Any]]:
        wanted = {f"eventfold.{key}": value for key, value in attributes.items()}.items()
        return [
            each["point"]
            for each in tuple(self.heard)
            if "point" in each and each["point"]["metric"] == metric and wanted <= each["point"]["attributes"].items()
        ]

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self._reader.join()
        assert self.process.stdout is not None
        self.process.stdout.close()


@contextmanager
def receiving(folder: Path, *, hang: bool = False) -> Iterator[Receiver]:
    receiver = Receiver(folder, hang=hang)
    try:
        yield receiver
    finally:
        receiver.close()


# ------------------------------------------------------------------------------- the process


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    folder: Path
    hang: bool
    lock = threading.Lock()


class _Request(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        if self.headers["Content-Type"] != "application/x-protobuf":
            return self._answer(415, b"")
        if self.server.hang:
            time.sleep(_WITHOUT_END)
        asked, answer = _messages(self.path)
        asked.ParseFromString(body)
        with self.server.lock:
            with (self.server.folder / "received").open("ab") as kept:
                kept.write(body + b"\n")
            for line in _told(asked):
                print(json.dumps(line), flush=True)
        return self._answer(200, answer.SerializeToString())

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nobody reads it."""


def _messages(path: str) -> tuple[Any, Any]:
    match path:
        case "/v1/traces":
            return ExportTraceServiceRequest(), ExportTraceServiceResponse()
        case "/v1/metrics":
            return ExportMetricsServiceRequest(), ExportMetricsServiceResponse()
        case _:
            raise AssertionError(f"{path} is no path of OTLP")


def _told(asked: Any) -> Iterator[dict[str, Any]]:
    for each in getattr(asked, "resource_spans", ()):
        process = _values(each.resource.attributes)
        for scope in each.scope_spans:
            for span in scope.spans:
                yield {"span": _span(span) | {"process": process}}
    for each in getattr(asked, "resource_metrics", ()):
        for scope in each.scope_metrics:
            for metric in scope.metrics:
                yield from _points(metric)


def _span(span: Any) -> dict[str, Any]:
    return {
        "name": span.name,
        "trace": span.trace_id.hex(),
        "id": span.span_id.hex(),
        "parent": span.parent_span_id.hex(),
        "kind": span.kind,
        "seconds": (span.end_time_unix_nano - span.start_time_unix_nano) / 1e9,
        "attributes": _values(span.attributes),
        "links": [[link.trace_id.hex(), link.span_id.hex()] for link in span.links],
        "status": [span.status.code, span.status.message],
        "events": len(span.events),
    }


def _points(metric: Any) -> Iterator[dict[str, Any]]:
    kind = metric.WhichOneof("data")
    for point in getattr(metric, kind).data_points:
        told = {"metric": metric.name, "unit": metric.unit, "kind": kind, "attributes": _values(point.attributes)}
        if kind == "histogram":
            told |= {"count": point.count, "sum": point.sum, "bounds": list(point.explicit_bounds)}
        else:
            told |= {"value": point.as_int if point.HasField("as_int") else point.as_double}
        yield {"point": told}


def _values(attributes: Any) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in attributes}


def main(folder: str, *options: str) -> None:
    server = _Server(("127.0.0.1", 0), _Request)
    server.folder, server.hang = Path(folder), "--hang" in options
    print(server.server_port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
