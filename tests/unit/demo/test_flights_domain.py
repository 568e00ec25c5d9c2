"""What a flight may do, and what it refuses."""

from datetime import UTC, date, datetime
from functools import reduce

import pytest

from eventfold.cli.demo.flights.domain import (
    AlreadyArrived,
    AlreadyDeparted,
    AlreadyScheduled,
    Arrive,
    Arrived,
    Cancel,
    Cancelled,
    Command,
    Depart,
    Departed,
    Divert,
    Diverted,
    Event,
    Flight,
    Leg,
    NotDeparted,
    NotScheduled,
    Rejected,
    Schedule,
    Scheduled,
    WasCancelled,
    WasDiverted,
    decide,
    evolve,
)

LEG = Leg(date(2013, 1, 1), "UA", 1545, "EWR", "IAH", "N14228")
DEPARTS = datetime(2013, 1, 1, 10, 15, tzinfo=UTC)
AT = datetime(2013, 1, 1, 10, 17, tzinfo=UTC)
PLANNED: list[Event] = [Scheduled(LEG, DEPARTS, AT)]
FLYING: list[Event] = [*PLANNED, Departed(LEG, 2, AT)]
ARRIVED: list[Event] = [*FLYING, Arrived(LEG, 11, AT)]
DIVERTED: list[Event] = [*FLYING, Diverted(LEG, AT)]
CANCELLED: list[Event] = [*PLANNED, Cancelled(LEG, AT)]
SCHEDULE = Schedule(LEG, DEPARTS, AT)


def after(events: list[Event]) -> Flight:
    return reduce(evolve, events, Flight())


def test_a_flight_is_known_by_day_carrier_number_and_origin() -> None:
    assert LEG.id == "2013-01-01-UA-1545-EWR"


@pytest.mark.parametrize(
    ("history", "command", "event"),
    [
        ([], SCHEDULE, Scheduled(LEG, DEPARTS, AT)),
        (PLANNED, Depart(2, AT), Departed(LEG, 2, AT)),
        (PLANNED, Cancel(AT), Cancelled(LEG, AT)),
        (FLYING, Arrive(-11, AT), Arrived(LEG, -11, AT)),
        (FLYING, Divert(AT), Diverted(LEG, AT)),
    ],
)
def test_an_order_the_flight_can_follow_becomes_one_fact(history: list[Event], command: Command, event: Event) -> None:
    assert decide(command, after(history)) == [event]


@pytest.mark.parametrize(
    ("history", "rejection", "orders"),
    [
        ([], NotScheduled, [Depart(0, AT), Arrive(0, AT), Divert(AT), Cancel(AT)]),
        (PLANNED, AlreadyScheduled, [SCHEDULE]),
        (PLANNED, NotDeparted, [Arrive(0, AT), Divert(AT)]),
        (FLYING, AlreadyScheduled, [SCHEDULE]),
        (FLYING, AlreadyDeparted, [Depart(0, AT), Cancel(AT)]),
        (ARRIVED, AlreadyScheduled, [SCHEDULE]),
        (ARRIVED, AlreadyArrived, [Depart(0, AT), Arrive(0, AT), Divert(AT), Cancel(AT)]),
        (DIVERTED, AlreadyScheduled, [SCHEDULE]),
        (DIVERTED, WasDiverted, [Depart(0, AT), Arrive(0, AT), Divert(AT), Cancel(AT)]),
        (CANCELLED, AlreadyScheduled, [SCHEDULE]),
        (CANCELLED, WasCancelled, [Depart(0, AT), Arrive(0, AT), Divert(AT), Cancel(AT)]),
    ],
)
def test_an_impossible_order_is_refused_by_the_name_of_the_state(
    history: list[Event], rejection: type[Rejected], orders: list[Command]
) -> None:
    for order in orders:
        with pytest.raises(Rejected) as refused:
            decide(order, after(history))
        assert type(refused.value) is rejection
        assert refused.value.command == order


def test_a_rejection_says_what_was_ordered_of_which_flight_and_why_not() -> None:
    with pytest.raises(WasDiverted, match=r"^cannot arrive: 2013-01-01-UA-1545-EWR was diverted$"):
        decide(Arrive(0, AT), after(DIVERTED))
