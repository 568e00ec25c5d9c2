"""A flight: it was scheduled, it left or was cancelled, it arrived or was diverted."""

from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum
from typing import ClassVar, TypeAlias

CATEGORY = "flight"


@dataclass(frozen=True, slots=True)
class Leg:
    """What a flight is: who flies, from where to where, on which day, and with which aircraft if that is known."""

    day: date
    carrier: str
    number: int
    origin: str
    dest: str
    tailnum: str | None

    @property
    def id(self) -> str:
        """The id of the flight's stream; a number is flown once a day from one airport."""
        return f"{self.day.isoformat()}-{self.carrier}-{self.number}-{self.origin}"


# The names of these events and of their fields are stored: changing one needs an upcaster.
# Each carries its leg, so that a read model needs one event and no look-up, and the moment it happened.
# Delays are minutes; early is negative.


@dataclass(frozen=True, slots=True)
class Scheduled:
    leg: Leg
    departs: datetime
    at: datetime


@dataclass(frozen=True, slots=True)
class Departed:
    leg: Leg
    delay: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Arrived:
    leg: Leg
    delay: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Diverted:
    leg: Leg
    at: datetime


@dataclass(frozen=True, slots=True)
class Cancelled:
    leg: Leg
    at: datetime


Event: TypeAlias = Scheduled | Departed | Arrived | Diverted | Cancelled


@dataclass(frozen=True, slots=True)
class Schedule:
    leg: Leg
    departs: datetime
    at: datetime


@dataclass(frozen=True, slots=True)
class Depart:
    delay: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Arrive:
    delay: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Divert:
    at: datetime


@dataclass(frozen=True, slots=True)
class Cancel:
    at: datetime


Command: TypeAlias = Schedule | Depart | Arrive | Divert | Cancel


class Stage(Enum):
    SCHEDULED = "scheduled"
    DEPARTED = "departed"
    ARRIVED = "arrived"
    DIVERTED = "diverted"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Plan:
    """A flight that exists, and how far it has come."""

    leg: Leg
    stage: Stage = Stage.SCHEDULED


@dataclass(frozen=True, slots=True)
class Flight:
    plan: Plan | None = None


class Rejected(Exception):
    """The flight is in no state to do what was ordered; the subclass names that state."""

    because: ClassVar[str] = "is in no state for that"

    def __init__(self, command: Command, flight: str = "this flight") -> None:
        super().__init__(f"cannot {type(command).__name__.lower()}: {flight} {self.because}")
        self.command = command
        self.flight = flight


class NotScheduled(Rejected):
    because = "was never scheduled"


class AlreadyScheduled(Rejected):
    because = "is already scheduled"


class NotDeparted(Rejected):
    because = "has not departed"


class AlreadyDeparted(Rejected):
    because = "has already departed"


class AlreadyArrived(Rejected):
    because = "has already arrived"


class WasDiverted(Rejected):
    because = "was diverted"


class WasCancelled(Rejected):
    because = "was cancelled"


def decide(command: Command, flight: Flight) -> list[Event]:
    """
    Judge an order to a flight.

    Raises:
        Rejected: the subclass named after the state that forbids it.
    """
    plan = flight.plan
    if plan is None:
        if isinstance(command, Schedule):
            return [Scheduled(command.leg, command.departs, command.at)]
        raise NotScheduled(command)
    leg = plan.leg
    match command, plan.stage:
        case Schedule(), _:
            raise AlreadyScheduled(command, leg.id)
        case Depart(delay, at), Stage.SCHEDULED:
            return [Departed(leg, delay, at)]
        case Cancel(at), Stage.SCHEDULED:
            return [Cancelled(leg, at)]
        case Arrive(delay, at), Stage.DEPARTED:
            return [Arrived(leg, delay, at)]
        case Divert(at), Stage.DEPARTED:
            return [Diverted(leg, at)]
        case _, Stage.SCHEDULED:
            raise NotDeparted(command, leg.id)
        case _, Stage.DEPARTED:
            raise AlreadyDeparted(command, leg.id)
        case _, Stage.ARRIVED:
            raise AlreadyArrived(command, leg.id)
        case _, Stage.DIVERTED:
            raise WasDiverted(command, leg.id)
        case _, Stage.CANCELLED:
            raise WasCancelled(command, leg.id)


def evolve(flight: Flight, event: Scheduled | Departed | Arrived | Diverted | Cancelled) -> Flight:
    match event:
        case Scheduled(leg):
            return Flight(Plan(leg))
        case Departed(leg):
            return Flight(Plan(leg, Stage.DEPARTED))
        case Arrived(leg):
            return Flight(Plan(leg, Stage.ARRIVED))
        case Diverted(leg):
            return Flight(Plan(leg, Stage.DIVERTED))
        case Cancelled(leg):
            return Flight(Plan(leg, Stage.CANCELLED))
