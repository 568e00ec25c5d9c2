"""The orders of a month: in the sequence of life, none lost, and judged by the domain."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest

from eventfold.cli.demo.flights.data import Flight, flights
from eventfold.cli.demo.flights.domain import Arrive, Cancel, Command, Depart, Divert, Schedule
from eventfold.cli.demo.flights.steps import Step, steps

ROW = Flight(
    date(2013, 1, 1), datetime(2013, 1, 1, 5, tzinfo=UTC), "UA", 1545, "N14228", "EWR", "IAH",
    scheduled=315, departed=317, departure_delay=2, due=499, arrived=510, arrival_delay=11, air_time=227,
)  # fmt: skip
NEVER = datetime(1, 1, 1, tzinfo=UTC)
TOMORROW = ROW._replace(day=date(2013, 1, 2), midnight=datetime(2013, 1, 2, 5, tzinfo=UTC))


def told(*rows: Flight) -> list[Command]:
    return [step.command for step in steps(rows)]


def gist(*rows: Flight) -> list[object]:
    """The orders without their moments."""
    return [replace(command, at=NEVER) for command in told(*rows)]


@pytest.fixture(scope="module")
def january() -> list[Step]:
    return list(steps(flights()))


def test_january_is_80_561_orders(january: list[Step]) -> None:
    kinds = Counter(type(step.command) for step in january)
    assert kinds == {Schedule: 27_004, Depart: 26_483, Arrive: 26_398 + 70, Divert: 85, Cancel: 521}


def test_orders_come_by_time_then_by_flight(january: list[Step]) -> None:
    keys = [(step.at, step.flight) for step in january]
    assert keys == sorted(keys)


def test_each_flight_hears_its_orders_in_the_order_of_life(january: list[Step]) -> None:
    stories: defaultdict[str, list[type[Command]]] = defaultdict(list)
    for step in january:
        stories[step.flight].append(type(step.command))
    assert {tuple(story) for story in stories.values()} == {
        (Schedule, Depart, Arrive),
        (Schedule, Cancel),
        (Schedule, Depart, Divert),
        (Schedule, Depart, Divert, Arrive),
    }


def test_streams_interleave(january: list[Step]) -> None:
    followed = sum(one.flight == other.flight for one, other in pairwise(january))
    assert followed < len(january) / 100


def test_the_sequence_does_not_depend_on_the_order_of_the_rows(january: list[Step]) -> None:
    turned = sorted(flights(), key=lambda flight: (flight.day, flight.dest, -flight.number))
    assert list(steps(turned)) == january


def test_a_flight_is_published_a_day_ahead_and_leaves_late_over_midnight() -> None:
    late = ROW._replace(scheduled=23 * 60, departure_delay=90, departed=30)
    published, left, _ = steps([late])
    assert published.at == datetime(2013, 1, 1, 4, tzinfo=UTC)
    assert left.at == published.at + timedelta(hours=24, minutes=90)


def test_an_order_carries_the_moment_at_which_it_is_told(january: list[Step]) -> None:
    assert all(step.command.at == step.at for step in january)


def test_one_that_left_without_an_arrival_delay_is_diverted_and_its_arrival_time_is_not_dropped() -> None:
    diverted = ROW._replace(arrival_delay=None, air_time=None)
    assert gist(diverted)[1:] == [Depart(2, NEVER), Divert(NEVER), Arrive(11, NEVER)]
    assert gist(diverted._replace(arrived=None))[1:] == [Depart(2, NEVER), Divert(NEVER)]


def test_a_row_without_schedule_still_departs_and_arrives() -> None:
    assert gist(ROW._replace(scheduled=None)) == [Depart(2, NEVER), Arrive(11, NEVER)]


def test_a_row_without_departure_is_cancelled_and_still_arrives() -> None:
    assert gist(ROW._replace(departed=None, departure_delay=None))[1:] == [Cancel(NEVER), Arrive(11, NEVER)]


def test_two_rows_with_one_identity_queue_up() -> None:
    rival = ROW._replace(scheduled=310, departed=311, departure_delay=1)
    assert [type(command) for command in told(ROW, rival)] == [Schedule, Depart, Arrive] * 2


def test_tomorrow_is_published_while_today_still_flies() -> None:
    assert [type(command) for command in told(ROW, TOMORROW)] == [
        Schedule, Schedule, Depart, Arrive, Depart, Arrive
    ]  # fmt: skip


def test_no_more_than_two_days_are_held() -> None:
    asked: list[date] = []

    def rows() -> Iterator[Flight]:
        for day in range(1, 6):
            asked.append(date(2013, 1, day))
            yield ROW._replace(day=asked[-1], midnight=datetime(2013, 1, day, 5, tzinfo=UTC))

    next(steps(rows()))
    assert asked[-1] <= date(2013, 1, 3)


def test_days_out_of_order_are_refused() -> None:
    with pytest.raises(ValueError, match=r"day by day, but 2013-01-01 came after 2013-01-02$"):
        list(steps([TOMORROW, ROW]))
