"""One request through four processes: an order, the stock it is taken from, its payment, the mail about that."""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import dataclass

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from sqlalchemy import Column, Integer, MetaData, String, Table, insert

from eventfold import Act, Aggregate, Eventfold, Projector, Reactor, Recorded, View
from eventfold.adapters.opentelemetry import OpenTelemetry


@dataclass(frozen=True)
class Place:
    item: str
    card: str


@dataclass(frozen=True)
class Placed:
    item: str
    card: str


@dataclass(frozen=True)
class Paid:
    receipt: str


def decide(command: Place, placed: int) -> list[Placed]:
    return [Placed(command.item, command.card)]


def evolve(placed: int, event: Placed) -> int:
    return placed + 1


orders = Aggregate("order", initial=0, decide=decide, evolve=evolve)
taken = Table(
    "taken", MetaData(), Column("position", Integer, primary_key=True), Column("item", String, nullable=False)
)

stock = Projector("stock", tables=[taken])


@stock.on(Placed)
def take(recorded: Recorded[Placed], view: View) -> None:
    view.write(insert(taken).values(position=recorded.position, item=recorded.event.item))


payments = Reactor("payments", start="beginning", emits=[Paid])


@payments.on(Placed)
async def pay(recorded: Recorded[Placed], act: Act) -> None:
    await act.emit(Paid(f"paid with {recorded.event.card}"), stream=("payment", recorded.id))


mails = Reactor("mails", start="beginning")


@mails.on(Paid)
async def tell(recorded: Recorded[Paid], act: Act) -> None:
    """Nobody is told."""


def resource() -> Resource:
    return Resource.create({"service.name": "shop", "process.pid": os.getpid()})


def traces() -> TracerProvider:
    provider = TracerProvider(resource=resource())
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider


def meters() -> MeterProvider:
    return MeterProvider([PeriodicExportingMetricReader(OTLPMetricExporter(), 200)], resource=resource())


def app() -> Eventfold:
    telemetry = OpenTelemetry(tracer_provider=traces(), meter_provider=meters())
    return Eventfold(deciders=[orders], processors=[stock, payments, mails], telemetry=telemetry)


async def place(url: str, order: str) -> None:
    async with app().open(url, run=False) as running:
        await running.execute(orders, order, Place("a lamp", "4111 1111"), metadata={"customer": "ann"})


if __name__ == "__main__":
    asyncio.run(place(*sys.argv[1:]))
