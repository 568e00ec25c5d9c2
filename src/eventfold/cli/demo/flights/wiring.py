"""The wiring: two aggregates, four tables that follow their events, and the application that holds them together."""

from collections.abc import Callable, Sequence
from datetime import datetime

from sqlalchemy import Column, Date, Integer, MetaData, String, Table, bindparam

from eventfold import Aggregate, Eventfold, Events, Projector, Recorded, View, upsert
from eventfold.cli.demo.flights import domain, progress
from eventfold.cli.demo.flights.domain import Arrived, Cancelled, Departed, Diverted, Event, Leg, Scheduled

flights: Aggregate[domain.Command, domain.Flight, Event] = Aggregate(
    domain.CATEGORY, initial=domain.Flight(), decide=domain.decide, evolve=domain.evolve
)
imports: Aggregate[progress.Command, progress.Import, progress.Event] = Aggregate(
    progress.CATEGORY, initial=progress.Import(), decide=progress.decide, evolve=progress.evolve
)

metadata: MetaData = MetaData()
FIGURES: tuple[str, ...] = (
    "flights",
    "cancelled",
    "diverted",
    "departures",
    "departure_delay",
    "arrivals",
    "arrival_delay",
)


def figures() -> list[Column[int]]:
    """Sums and counts; a mean is a quotient for whoever reads the table, so that nothing is ever rounded twice."""
    return [Column(name, Integer, nullable=False) for name in FIGURES]


carriers_t: Table = Table("carriers", metadata, Column("carrier", String, primary_key=True), *figures())
days_t: Table = Table("days", metadata, Column("day", Date, primary_key=True), *figures())
aircraft_t: Table = Table("aircraft", metadata, Column("tailnum", String, primary_key=True), *figures())
routes_t: Table = Table(
    "routes",
    metadata,
    Column("origin", String, primary_key=True),
    Column("dest", String, primary_key=True),
    *figures(),
)


def change(event: Event) -> tuple[int, ...]:
    """What one event adds to the figures, in their order."""
    match event:
        case Scheduled():
            return (1, 0, 0, 0, 0, 0, 0)
        case Cancelled():
            return (0, 1, 0, 0, 0, 0, 0)
        case Diverted():
            return (0, 0, 1, 0, 0, 0, 0)
        case Departed(_, delay):
            return (0, 0, 0, 1, delay, 0, 0)
        case Arrived(_, delay):
            return (0, 0, 0, 0, 0, 1, delay)


def tally(table: Table, key: Callable[[Leg], tuple[object, ...] | None]) -> Projector:
    """
    A projector that adds the figures up, a row for each key; flights whose key is None are left out.

    The statement is built once; a batch of events becomes one row of values for each key that occurs in it.
    """
    names = [column.name for column in table.primary_key.columns]
    new: dict[str, object] = {}
    for name in (*names, *FIGURES):
        new[name] = bindparam(f"{name}_")
    added = {name: table.c[name] + bindparam(f"{name}_") for name in FIGURES}
    add = upsert(table, key=names, insert=new, set=added)
    parameters = [f"{name}_" for name in (*names, *FIGURES)]
    projector = Projector(table.name, tables=[table])

    @projector.on_batch(Scheduled, Departed, Arrived, Diverted, Cancelled)
    def count(batch: Sequence[Recorded[Event]], view: View) -> None:
        sums: dict[tuple[object, ...], tuple[int, ...]] = {}
        for recorded in batch:
            event = recorded.event
            row = key(event.leg)
            if row is not None:
                more = change(event)
                so_far = sums.get(row)
                sums[row] = more if so_far is None else tuple(map(int.__add__, so_far, more))
        for row, total in sums.items():
            view.write(add, dict(zip(parameters, (*row, *total), strict=True)))

    return projector


carriers: Projector = tally(carriers_t, lambda leg: (leg.carrier,))
routes: Projector = tally(routes_t, lambda leg: (leg.origin, leg.dest))
days: Projector = tally(days_t, lambda leg: (leg.day,))
aircraft: Projector = tally(aircraft_t, lambda leg: None if leg.tailnum is None else (leg.tailnum,))


def tagged(event: Event) -> list[str]:
    """`eventfold tail --tag aircraft:N14228` follows one aircraft from flight to flight."""
    return [] if event.leg.tailnum is None else [f"aircraft:{event.leg.tailnum}"]


def happened(event: Event) -> datetime:
    return event.at


def catalogue() -> Events:
    """All that differs from the default: tags, and the time at which it happened."""
    kinds: tuple[type[Event], ...] = (Scheduled, Departed, Arrived, Diverted, Cancelled)
    events = Events()
    for kind in kinds:
        events.add(kind, tags=tagged, occurred_at=happened)
    return events


app: Eventfold = Eventfold(
    deciders=[flights, imports], processors=[carriers, routes, days, aircraft], events=catalogue()
)
