"""An import: it was started on some data, chunk after chunk of it was told to the flights, it was completed."""

from dataclasses import dataclass, replace
from typing import TypeAlias

CATEGORY = "import"
ID = "flights"


# The names of these events and of their fields are stored: changing one needs an upcaster.


@dataclass(frozen=True, slots=True)
class ImportStarted:
    """`months` of the year from January on; `data` is the SHA-256 of the file."""

    months: int
    data: str


@dataclass(frozen=True, slots=True)
class ChunkImported:
    """So many more orders were told: these led to events, those were rejected."""

    orders: int
    events: int
    rejected: int


@dataclass(frozen=True, slots=True)
class ImportCompleted:
    pass


@dataclass(frozen=True, slots=True)
class StartImport:
    months: int
    data: str


@dataclass(frozen=True, slots=True)
class RecordChunk:
    """`after` is how many orders had been told before."""

    after: int
    orders: int
    events: int
    rejected: int


@dataclass(frozen=True, slots=True)
class CompleteImport:
    pass


Command: TypeAlias = StartImport | RecordChunk | CompleteImport
Event: TypeAlias = ImportStarted | ChunkImported | ImportCompleted


@dataclass(frozen=True, slots=True)
class Import:
    """How far it has come; all sums are over the orders told so far."""

    months: int = 0
    data: str = ""
    orders: int = 0
    events: int = 0
    rejected: int = 0
    completed: bool = False


class OtherImport(Exception):
    """The store holds the flights of another file, or of other months."""


class OutOfStep(Exception):
    """Another process is telling the same orders."""


def decide(command: Command, state: Import) -> list[Event]:
    match command:
        case StartImport(months, data) if not state.data:
            return [ImportStarted(months, data)]
        case StartImport(months, data) if (months, data) == (state.months, state.data):
            return []
        case StartImport():
            raise OtherImport(
                f"it holds the first {state.months} month(s) of another import; one store holds one import"
            )
        case RecordChunk(after, orders, events, rejected):
            if after != state.orders:
                raise OutOfStep(f"{state.orders} orders have been told, not {after}: another process imports as well")
            return [ChunkImported(orders, events, rejected)]
        case CompleteImport():
            return [] if state.completed else [ImportCompleted()]


def evolve(state: Import, event: ImportStarted | ChunkImported | ImportCompleted) -> Import:
    match event:
        case ImportStarted(months, data):
            return Import(months, data)
        case ChunkImported(orders, events, rejected):
            return replace(
                state,
                orders=state.orders + orders,
                events=state.events + events,
                rejected=state.rejected + rejected,
            )
        case ImportCompleted():
            return replace(state, completed=True)
