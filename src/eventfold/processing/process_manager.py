"""A process manager: decides over time and across streams, from events of the log and time-outs of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, cast

from eventfold.domain.aggregate import event_classes
from eventfold.domain.message import Recorded, Stream
from eventfold.domain.process import Action
from eventfold.domain.query import Alternative, Query
from eventfold.domain.story import OWN_INPUTS
from eventfold.errors import InvalidInput
from eventfold.processing.handlers import Handlers, checked_name
from eventfold.processing.policy import ErrorPolicy, Stop, checked_policy
from eventfold.processing.projector import MOST_PARTITIONS
from eventfold.processing.reactor import MOST_AT_ONCE

if TYPE_CHECKING:
    from sqlalchemy import Table

__all__ = ["ProcessManager"]

S = TypeVar("S")
I = TypeVar("I")  # noqa: E741 - the inputs: events, and time-outs of its own


class ProcessManager(Generic[S, I]):
    """
    One process for each key: what it has seen is folded into a state, and on each input it decides what to do next.

    Inputs are events of the log, and what the manager has planned itself: time-outs, and refusals of its commands. Each
    has its effect once, through crashes too: input and decision are one append to the stream of the process (category:
    the manager's name, id: the key), and then the decision is carried out, with ids that follow from the input. A
    time-out comes when the store's clock has reached its time, never before it, and after any restart.

    `evolve` and `react` are pure: no clock, no chance, no I/O.

    Args:
        name: of the manager, and the category of its streams. Stored: under another name it is another manager.
        initial: `initial(key)` gives the state before the first input. Not to be changed in place.
        key: `key(recorded)` says which process an event is for; None: for none. The manager's own inputs know theirs.
        evolve: `evolve(state, seen)` gives the state after an input.
        react: `react(state, seen)` gives what to do, seen from the state after the input: `Schedule`, `Cancel`, `Send`,
            `Emit`, `Complete`.
        inputs: the classes of inputs, when they cannot be read from the annotation of `evolve`.
        emits: the classes of events that it emits; any other is refused.
        commands: classes of commands that it sends, when they cannot be read from the annotation of a `decide`.
        start: where it begins to follow the log the first time: at the "beginning", or after what is there, "now".
        query: narrows the events to less than the classes of its inputs would take.
        version: of the code, from 1. The store remembers the highest that has run, and refuses older code.
        earlier: the manager as it was in lower versions. A process is decided by the version it has begun with, if that
            is among them, else by this one.
        stuck_after: a process that has had no input for so long, and has not come to its end, is listed as stuck.
        on_error: what becomes of an input that cannot be handled. By default the manager stops at it.
        partitions: into how many shares the streams are divided, which processes and machines run side by side. Fixed
            for life.
        concurrency: events of different streams that are handled at once, in each partition. With more than one, inputs
            of one process that come from different streams may change places.

    Raises:
        InvalidInput: a name, start, policy or number that is none, or earlier versions that are none.
        InvalidStreamName: the name is no category.
        CannotInferEvents: no annotation on `evolve`, or one that cannot be resolved.
    """

    kind: str = "manager"
    tables: Sequence[Table] = ()

    def __init__(
        self,
        name: str,
        *,
        initial: Callable[[str], S],
        key: Callable[[Recorded[Any]], str | None],
        evolve: Callable[[S, I], S],
        react: Callable[[S, I], Sequence[Action]],
        inputs: Sequence[type[Any]] | None = None,
        emits: Sequence[type[Any]] = (),
        commands: Sequence[type[Any]] = (),
        start: Literal["beginning", "now"] = "beginning",
        query: Query | None = None,
        version: int = 1,
        earlier: Sequence[ProcessManager[Any, Any]] = (),
        stuck_after: timedelta | None = None,
        on_error: ErrorPolicy = Stop(),  # noqa: B008 - it is frozen
        partitions: int = 1,
        concurrency: int = 1,
    ) -> None:
        Stream.of(checked_name("a process manager", name), "any")
        self.name: str = name
        self.initial: Callable[[str], S] = initial
        self.key: Callable[[Recorded[Any]], str | None] = key
        self.evolve: Callable[[S, I], S] = evolve
        self.react: Callable[[S, I], Sequence[Action]] = react
        self.version: int = _within(name, "version", version, 2**31 - 1)
        self.versions: Mapping[int, ProcessManager[Any, Any]] = _by_version(self, earlier)
        self.inputs: tuple[type[Any], ...] = event_classes(name, evolve, inputs)
        self.emits: frozenset[type[Any]] = frozenset(_classes(name, "emits", emits))
        self.commands: tuple[type[Any], ...] = _classes(name, "commands", commands)
        self.start: Literal["beginning", "now"] = _checked_start(name, start)
        self.stuck_after: timedelta | None = _checked_patience(name, stuck_after)
        self.on_error: ErrorPolicy = checked_policy(name, on_error)
        self.partitions: int = _within(name, "partitions", partitions, MOST_PARTITIONS)
        self.concurrency: int = _within(name, "concurrency", concurrency, MOST_AT_ONCE)
        self.position_every: int = 100  # what is done twice has one effect, so a crash may cost that many
        self._narrowed_to = query

    @property
    def every_input(self) -> tuple[type[Any], ...]:
        """Also those of the earlier versions."""
        return tuple(dict.fromkeys(cls for each in self.versions.values() for cls in each.inputs))

    @property
    def everything_emitted(self) -> frozenset[type[Any]]:
        """Also by the earlier versions."""
        return frozenset[type[Any]]().union(*(each.emits for each in self.versions.values()))

    @property
    def query(self) -> Query:
        """The events it follows: its inputs in the log, and what comes to it in its own streams."""
        own = Query((Alternative(categories=frozenset({self.name}), types=OWN_INPUTS),))
        taken = Handlers(self.name)
        taken.register(self.every_input, _takes, batched=False)
        return taken.query(self._narrowed_to) | own

    def of_version(self, begun: int) -> ProcessManager[Any, Any]:
        """The rules for a process that began with this version."""
        return self.versions.get(begun, self)

    def __repr__(self) -> str:
        return f"ProcessManager({self.name!r}, version={self.version})"


def _takes(state: object, seen: object) -> None:
    """For the query alone: which classes are taken."""


def _by_version(
    latest: ProcessManager[Any, Any], earlier: Sequence[ProcessManager[Any, Any]]
) -> Mapping[int, ProcessManager[Any, Any]]:
    versions = {each.version: each for each in earlier}
    if (
        len(versions) < len(earlier)
        or any(number >= latest.version for number in versions)
        or any(each.name != latest.name for each in earlier)
    ):
        raise InvalidInput(
            f"manager {latest.name!r}: earlier={list(earlier)!r}; these are managers of the same name, each with a "
            f"version of its own below {latest.version}"
        )
    return {**versions, latest.version: latest}


def _classes(name: str, what: str, given: object) -> tuple[type[Any], ...]:
    listed: Sequence[object] = cast("Sequence[object]", given) if isinstance(given, Sequence) else [None]
    classes = tuple(each for each in listed if isinstance(each, type))
    if len(classes) < len(listed):
        raise InvalidInput(f"manager {name!r}: {what}={given!r}; pass a list of classes, {what}=[SomeClass]")
    return classes


def _checked_start(name: str, start: object) -> Literal["beginning", "now"]:
    if start == "now":
        return "now"
    if start == "beginning":
        return "beginning"
    raise InvalidInput(f"manager {name!r}: start={start!r}; write 'beginning' or 'now'")


def _checked_patience(name: str, stuck_after: object) -> timedelta | None:
    if stuck_after is None or (isinstance(stuck_after, timedelta) and stuck_after > timedelta(0)):
        return stuck_after
    raise InvalidInput(f"manager {name!r}: stuck_after={stuck_after!r}; a timedelta above 0, or None")


def _within(name: str, what: str, number: object, most: int) -> int:
    if type(number) is not int or not 1 <= number <= most:
        raise InvalidInput(f"manager {name!r}: {what}={number!r}; 1 to {most:,}")
    return number
