"""
Given these events, when this command, then that: tests that read as the domain speaks.

    given(books, Bought(3)).when(Buy(8)).then_rejects(NotEnoughCopies)
    await given(stock, Bought(3), stream=("book", "isbn-1")).then_rows(stock_t, [{"isbn": "isbn-1", "left": 7}])
    given(loans, Bought(1)).when(Overdue("isbn-1")).then(Send(books, "isbn-1", Return(1)))

Decisions need no store and no event loop; projectors run against tables in memory. The idea is Greg Young's; the
shape is the one of cqrs-es.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from eventfold.adapters.codecs.json import JsonCodec
from eventfold.adapters.system import ManualClock, system_clock, uuid7
from eventfold.bootstrap.stores import open_stores
from eventfold.domain.boundary import Boundary
from eventfold.domain.decider import Decider, fold
from eventfold.domain.message import Stream
from eventfold.domain.process import Action
from eventfold.errors import InvalidInput
from eventfold.ports.event_store import Append
from eventfold.ports.telemetry import SILENT
from eventfold.processing.process_manager import ProcessManager
from eventfold.processing.projection import Projection
from eventfold.processing.projector import Projector
from eventfold.processing.surroundings import Surroundings
from eventfold.processing.worker import Worker
from eventfold.schema.registry import Events
from eventfold.schema.serializer import Envelope, Serializer

if TYPE_CHECKING:
    from sqlalchemy import Table

__all__ = ["Answered", "Decided", "Given", "Managed", "Projected", "given"]

C = TypeVar("C")
S = TypeVar("S")
E = TypeVar("E")
I = TypeVar("I")  # noqa: E741 - as in ProcessManager
_NO_EVENTS: Events = Events()


@overload
def given(
    subject: Projector, /, *history: object, stream: tuple[str, str] = ..., events: Events = ...
) -> Projected: ...
@overload
def given(subject: ProcessManager[S, I], /, *history: I, key: str = ...) -> Managed[S, I]: ...
@overload
def given(subject: Boundary[C, S, E], /, *history: object) -> Given[C, S, E]: ...
@overload
def given(subject: Decider[C, S, E], /, *history: E) -> Given[C, S, E]: ...


def given(
    subject: Projector | ProcessManager[Any, Any] | Boundary[Any, Any, Any] | Decider[Any, Any, Any],
    /,
    *history: Any,
    stream: tuple[str, str] = ("given", "1"),
    key: str = "1",
    events: Events = _NO_EVENTS,
) -> Projected | Managed[Any, Any] | Given[Any, Any, Any]:
    """
    Start a scenario: a decider with what has happened to it, a projector with what has happened at all, or a process
    manager with what one of its processes has seen.

    Args:
        stream: where the history took place, for projectors.
        key: of the process, for managers.
        events: the catalogue, for projectors whose events differ from the default.
    """
    if isinstance(subject, Projector):
        return Projected(subject, events).given(*history, stream=stream)
    if isinstance(subject, ProcessManager):
        return Managed(subject, history, key)
    return Given(subject, history)


class _Unchanged:
    """A copy of a state, to hold against the state later."""

    def __init__(self, state: object) -> None:
        self._before = copy.deepcopy(state)
        self._by_value = copy.deepcopy(self._before) == self._before  # else nothing can be said

    def check(self, state: object, what: str) -> None:
        if self._by_value and self._before != state:
            raise AssertionError(f"{what} changed the state it was given: {self._before!r} became {state!r}")


class Given(Generic[C, S, E]):
    """A decider and its history."""

    def __init__(self, decider: Decider[C, S, E], history: Sequence[E]) -> None:
        self._decider = decider
        unchanged = _Unchanged(decider.initial)
        self._state = fold(decider, history, decider.initial)
        unchanged.check(decider.initial, "evolving on the history")

    def when(self, command: C) -> Decided[S, E]:
        """Let it decide. What it raises is kept for `then_rejects`."""
        unchanged = _Unchanged(self._state)
        rejection: Exception | None = None
        events: tuple[E, ...] = ()
        try:
            events = tuple(self._decider.decide(command, self._state))
        except Exception as error:
            rejection = error
        unchanged.check(self._state, f"deciding on {command!r}")
        state = fold(self._decider, _known(self._decider, events), self._state)
        unchanged.check(self._state, f"evolving on {_listed(events)}")
        return Decided(state, events, rejection)

    def then_state(self, expected: S) -> None:
        """The state after the history is this."""
        _same("state", expected, self._state)


class Decided(Generic[S, E]):
    """What a command led to."""

    def __init__(self, state: S, events: tuple[E, ...], rejection: Exception | None) -> None:
        self.state = state
        self.events = events
        self.rejection = rejection

    def then(self, *expected: E) -> Decided[S, E]:
        """Exactly these events, in this order; none when nothing is expected."""
        self._refuse_rejection(f"events {_listed(expected)}")
        if self.events != expected:
            raise AssertionError(f"expected events\n  {_listed(expected)}\nbut it recorded\n  {_listed(self.events)}")
        return self

    def then_state(self, expected: S) -> Decided[S, E]:
        """The state after the events is this."""
        self._refuse_rejection(f"state {expected!r}")
        _same("state", expected, self.state)
        return self

    def then_rejects(self, error: type[Exception], *, match: str | None = None) -> None:
        """It raised this error; `match` is a regular expression to be found in its text."""
        if self.rejection is None:
            raise AssertionError(f"expected {error.__name__}, but it recorded {_listed(self.events)}")
        if not isinstance(self.rejection, error):
            raise AssertionError(f"expected {error.__name__}, but it raised {self.rejection!r}") from self.rejection
        if match is not None and re.search(match, str(self.rejection)) is None:
            raise AssertionError(
                f"expected a text like {match!r}, but it said {str(self.rejection)!r}"
            ) from self.rejection

    def _refuse_rejection(self, expected: str) -> None:
        if self.rejection is not None:
            raise AssertionError(f"expected {expected}, but it raised {self.rejection!r}") from self.rejection


class Managed(Generic[S, I]):
    """A process manager, and what one of its processes has seen."""

    def __init__(self, manager: ProcessManager[S, I], history: Sequence[I], key: str) -> None:
        self._manager = manager
        self._state = manager.initial(key)
        for seen in history:
            self._state = _evolved(manager, self._state, seen)

    def when(self, seen: I) -> Answered[S]:
        """Let it see one more: an event, or a time-out that has come."""
        state = _evolved(self._manager, self._state, seen)
        unchanged = _Unchanged(state)
        actions = tuple(self._manager.react(state, seen))
        unchanged.check(state, f"reacting to {seen!r}")
        return Answered(state, actions)

    def then_state(self, expected: S) -> None:
        """The state after the history is this."""
        _same("state", expected, self._state)


class Answered(Generic[S]):
    """What a process does about what it has seen."""

    def __init__(self, state: S, actions: tuple[Action, ...]) -> None:
        self.state: S = state
        self.actions: tuple[Action, ...] = actions

    def then(self, *expected: Action) -> Answered[S]:
        """Exactly these actions, in this order; none when nothing is expected."""
        if self.actions != expected:
            raise AssertionError(f"expected actions\n  {_listed(expected)}\nbut it gives\n  {_listed(self.actions)}")
        return self

    def then_state(self, expected: S) -> Answered[S]:
        """The state after it is this."""
        _same("state", expected, self.state)
        return self


class Projected:
    """A projector and what it has seen. It runs when rows are asked for."""

    def __init__(self, projector: Projector, catalogue: Events) -> None:
        self._projector = projector
        self._catalogue = catalogue
        self._history: list[tuple[Stream, object]] = []

    def given(self, *history: object, stream: tuple[str, str] = ("given", "1")) -> Projected:
        """More of what has happened, in another stream perhaps."""
        place = Stream.of(*stream)
        self._history += [(place, event) for event in history]
        return self

    async def then_rows(self, table: Table, expected: Sequence[Mapping[str, Any]]) -> None:
        """
        The table holds exactly these rows, in any order. Columns that no expected row names are not compared.

        Raises:
            HandlerFailed: a handler failed.
        """
        rows = await self._rows(table)
        columns = {name for row in expected for name in row} or {column.name for column in table.columns}
        unknown = columns - {column.name for column in table.columns}
        if unknown:
            raise InvalidInput(f"table {table.name!r} has no columns {sorted(unknown)}")
        found = [{name: value for name, value in row.items() if name in columns} for row in rows]
        if not _same_rows(found, [dict(row) for row in expected]):
            raise AssertionError(
                f"expected rows in {table.name!r}\n  {_listed(expected)}\nbut there are\n  {_listed(found)}"
            )

    async def _rows(self, table: Table) -> list[dict[str, Any]]:
        from sqlalchemy import select

        catalogue = self._catalogue.with_defaults_for(
            [*self._projector.handlers.classes, *(type(event) for _, event in self._history)]
        )
        serializer = Serializer(catalogue, JsonCodec(), uuid7)
        async with open_stores("memory:", clock=ManualClock(), migrate=True) as stores:
            for stream, event in self._history:
                await stores.events.append(Append(stream, serializer.encode([event], Envelope())))
            around = Surroundings(
                source=stores.events,
                rows=stores.rows,
                parking=stores.parking,
                leases=stores.leases,
                catalogue=catalogue,
                serializer=serializer,
                telemetry=SILENT,
                clock=system_clock,
            )
            worker = Worker(self._projector, Projection(self._projector, around), around)
            await worker.begin()
            await worker.catch_up()
            rows: list[Any] = await stores.rows.query(select(table))
        return [row._asdict() for row in rows]


def _evolved(manager: ProcessManager[S, I], state: S, seen: I) -> S:
    unchanged = _Unchanged(state)
    after = manager.evolve(state, seen)
    unchanged.check(state, f"evolving on {seen!r}")
    return after


def _known(decider: object, events: Sequence[E]) -> Sequence[E]:
    return decider.known(events) if isinstance(decider, Boundary) else events


def _same(what: str, expected: object, actual: object) -> None:
    if expected != actual:
        raise AssertionError(f"expected {what} {expected!r}, but it is {actual!r}")


def _listed(things: Sequence[object]) -> str:
    return "\n  ".join(map(repr, things)) or "none"


def _same_rows(some: list[dict[str, Any]], others: list[dict[str, Any]]) -> bool:
    """In any order. Not by sorting: values may be equal and look different, as 1 and 1.0 do."""
    left = list(others)
    for row in some:
        if row not in left:
            return False
        left.remove(row)
    return not left
