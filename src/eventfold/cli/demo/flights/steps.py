"""Turn flights into orders in the sequence of life: streams interleave, each one stays in order."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

from eventfold.cli.demo.flights.data import Flight
from eventfold.cli.demo.flights.domain import Arrive, Cancel, Command, Depart, Divert, Leg, Schedule

PUBLISHED = timedelta(hours=24)  # before departure
DAY = 24 * 60


class Step(NamedTuple):
    at: datetime
    flight: str
    command: Command


def steps(flights: Iterable[Flight]) -> Iterator[Step]:
    """
    Yield every order the rows speak of, by time, then by flight.

    Flights come day by day, as `data.flights` yields them; two days of orders are in memory.
    Nothing is judged or dropped here: an order the flight cannot follow is the domain's to reject.

    Raises:
        ValueError: a flight of an earlier day follows one of a later day.
    """
    order = attrgetter("at", "flight")
    waiting: list[Step] = []
    last = None
    for day, group in groupby(flights, key=attrgetter("day")):
        if last is not None and day < last:
            raise ValueError(f"flights must come day by day, but {day} came after {last}")
        last = day
        fresh = sorted(_day(group), key=order)
        due = bisect_left(waiting, order(fresh[0]), key=order)
        yield from waiting[:due]
        # Sorting is stable: what one flight is told in the same minute stays in its order.
        waiting = sorted(waiting[due:] + fresh, key=order)
    yield from waiting


def _day(flights: Iterable[Flight]) -> Iterator[Step]:
    # Two rows with one identity queue up, the second behind the first. Otherwise the second could fly the first's plan.
    told: dict[str, datetime] = {}
    for flight in flights:
        leg = Leg(flight.day, flight.carrier, flight.number, flight.origin, flight.dest, flight.tailnum)
        for command in _orders(flight, leg):
            told[leg.id] = max(command.at, told.get(leg.id, command.at))
            yield Step(told[leg.id], leg.id, command)


def _orders(flight: Flight, leg: Leg) -> Iterator[Command]:
    """Each fact of the row speaks for itself: also an arrival time in the row of a diverted flight."""
    departs = flight.midnight + timedelta(minutes=flight.scheduled or 0)
    if flight.scheduled is not None:
        yield Schedule(leg, departs, departs - PUBLISHED)
    if flight.departure_delay is None:
        departed = departs
        yield Cancel(departs)
    else:
        late = flight.departure_delay if flight.scheduled is not None else flight.departed or 0
        departed = departs + timedelta(minutes=late)
        yield Depart(flight.departure_delay, departed)
        if flight.arrival_delay is None:
            yield Divert(departed + timedelta(minutes=(flight.due - (flight.scheduled or 0)) % DAY))
    if flight.arrival_delay is not None:
        yield Arrive(flight.arrival_delay, departed + _flown(flight))
    elif flight.arrived is not None:
        yield Arrive((flight.arrived - flight.due) % DAY, departed + _flown(flight))


def _flown(flight: Flight) -> timedelta:
    """How long after departure it came in; without an air time, by clocks that may stand in two time zones."""
    if flight.air_time is not None:
        return timedelta(minutes=flight.air_time)
    arrived = flight.due if flight.arrived is None else flight.arrived
    return timedelta(minutes=(arrived - (flight.departed or 0)) % DAY)
