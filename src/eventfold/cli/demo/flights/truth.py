"""The tables computed straight from the rows, without commands, events or a store: what the demo must agree with."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from typing import TypedDict

from eventfold.cli.demo.flights.data import Flight
from eventfold.cli.demo.flights.mean import mean


class Figures(TypedDict):
    flights: int
    cancelled: int
    diverted: int
    departure_delay_mean: float | None
    arrival_delay_mean: float | None


class CarrierRow(Figures):
    carrier: str


class RouteRow(Figures):
    origin: str
    dest: str


class DayRow(Figures):
    day: str


class AircraftRow(Figures):
    tailnum: str


@dataclass(slots=True)
class Truth:
    """
    What the rows say; each table sorted by its key.

    A row without a scheduled departure is no flight, and of two rows with one identity
    (day, carrier, number, origin) the first is the flight: the others are in no table.
    A flight without a departure delay was cancelled; one that left without an arrival delay was diverted.
    The mean departure delay is over all that left, diverted ones included; the mean arrival delay over all
    that left and have one. A flight whose aircraft is unknown is in no row of `aircraft`.
    `events` and `rejected` are the orders that can and that cannot be followed.
    """

    carriers: list[CarrierRow] = field(default_factory=list[CarrierRow])
    routes: list[RouteRow] = field(default_factory=list[RouteRow])
    days: list[DayRow] = field(default_factory=list[DayRow])
    aircraft: list[AircraftRow] = field(default_factory=list[AircraftRow])
    flights: int = 0
    events: int = 0
    rejected: int = 0


@dataclass(slots=True)
class _Sum:
    flights: int = 0
    cancelled: int = 0
    diverted: int = 0
    departures: int = 0
    departure_delay: int = 0
    arrivals: int = 0
    arrival_delay: int = 0

    def add(self, flight: Flight) -> None:
        self.flights += 1
        if flight.departure_delay is None:
            self.cancelled += 1
            return
        self.departures += 1
        self.departure_delay += flight.departure_delay
        if flight.arrival_delay is None:
            self.diverted += 1
        else:
            self.arrivals += 1
            self.arrival_delay += flight.arrival_delay

    def figures(self) -> Figures:
        return {
            "flights": self.flights,
            "cancelled": self.cancelled,
            "diverted": self.diverted,
            "departure_delay_mean": mean(self.departure_delay, self.departures),
            "arrival_delay_mean": mean(self.arrival_delay, self.arrivals),
        }


def truth(flights: Iterable[Flight]) -> Truth:
    """Add up the rows."""
    carriers: dict[str, _Sum] = {}
    routes: dict[tuple[str, str], _Sum] = {}
    days: dict[date, _Sum] = {}
    aircraft: dict[str, _Sum] = {}
    seen: set[tuple[date, str, int, str]] = set()
    found = Truth()
    for flight in flights:
        identity = (flight.day, flight.carrier, flight.number, flight.origin)
        if flight.scheduled is None or identity in seen:
            found.rejected += _orders(flight)
            continue
        seen.add(identity)
        kept = 3 if flight.departure_delay is not None else 2  # scheduled, departed, and one ending; or cancelled
        found.flights += 1
        found.events += kept
        found.rejected += _orders(flight) - kept
        carriers.setdefault(flight.carrier, _Sum()).add(flight)
        routes.setdefault((flight.origin, flight.dest), _Sum()).add(flight)
        days.setdefault(flight.day, _Sum()).add(flight)
        if flight.tailnum is not None:
            aircraft.setdefault(flight.tailnum, _Sum()).add(flight)
    found.carriers = [{"carrier": key, **total.figures()} for key, total in sorted(carriers.items())]
    found.routes = [{"origin": a, "dest": b, **total.figures()} for (a, b), total in sorted(routes.items())]
    found.days = [{"day": day.isoformat(), **total.figures()} for day, total in sorted(days.items())]
    found.aircraft = [{"tailnum": key, **total.figures()} for key, total in sorted(aircraft.items())]
    return found


def _orders(flight: Flight) -> int:
    """How many orders the row speaks of."""
    left = flight.departure_delay is not None
    scheduled = flight.scheduled is not None
    diverted = left and flight.arrival_delay is None
    arrived = flight.arrival_delay is not None or flight.arrived is not None
    return scheduled + 1 + diverted + arrived
