"""An aggregate in function style: a category and the three parts of its decider."""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Generic, Literal, TypeVar, get_args, get_origin

from eventfold.domain.message import Stream
from eventfold.domain.snapshots import Snapshots
from eventfold.errors import CannotInferEvents, InvalidInput

__all__ = ["Aggregate", "command_classes", "event_classes"]

C = TypeVar("C")
S = TypeVar("S")
E = TypeVar("E")

_STATE_AND_EVENT = 2


class Aggregate(Generic[C, S, E]):
    """
    A decider whose boundary is one stream per id.

    Args:
        name: the category of its streams. Stored; do not change it.
        initial: the state before the first event. Shared, so it must not be changed in place.
        decide: `decide(command, state)` returns the events to record, or raises a rejection.
        evolve: `evolve(state, event)` returns the state after the event.
        events: the event classes, when they cannot be read from the annotation of `evolve`.
        snapshots: when its state is kept, so that long streams load quickly.
        identify: gives the id out of a command, so that `running.dispatch(command)` finds its way; the classes of the
            commands are those of the annotation of `decide`.

    Raises:
        InvalidStreamName: the name is no category.
        CannotInferEvents: no annotation on `evolve`, or one that cannot be resolved.
    """

    def __init__(
        self,
        name: str,
        *,
        initial: S,
        decide: Callable[[C, S], Sequence[E]],
        evolve: Callable[[S, E], S],
        events: Sequence[type[E]] | None = None,
        snapshots: Snapshots | None = None,
        identify: Callable[[C], str] | None = None,
    ) -> None:
        Stream.of(name, "any")
        self.name = name
        self.initial = initial
        self.decide = decide
        self.evolve = evolve
        self.events: tuple[type[Any], ...] = event_classes(name, evolve, events)
        self.snapshots = snapshots
        self.identify = identify

    def stream(self, id: str) -> Stream:
        """Raises InvalidStreamName for an id that no store can hold."""
        return Stream.of(self.name, id)

    def __repr__(self) -> str:
        return f"Aggregate({self.name!r})"


def event_classes(name: str, evolve: Callable[..., Any], events: Sequence[type[Any]] | None) -> tuple[type[Any], ...]:
    """
    The event classes of a decider: those it names, or those of the annotation of its `evolve`.

    Raises:
        InvalidInput: `events` names none, or what is no class.
        CannotInferEvents: no annotation, or one that cannot be resolved.
    """
    return _inferred(name, evolve, "evolve", "event", -1) if events is None else _declared(name, events)


def command_classes(name: str, decide: Callable[..., Any]) -> tuple[type[Any], ...]:
    """
    The command classes of a decider: those of the annotation of its `decide`.

    Raises:
        CannotInferEvents: no annotation, or one that cannot be resolved.
    """
    return _inferred(name, decide, "decide", "command", 0)


def _declared(name: str, events: Sequence[object]) -> tuple[type[Any], ...]:
    classes = tuple(each for each in events if isinstance(each, type))
    if len(classes) < len(events) or not classes:
        raise InvalidInput(f"{name!r}: events= takes event classes, at least one, not {list(events)}")
    return classes


def _inferred(
    name: str, of: Callable[..., Any], function_name: str, what: str, which: Literal[0, -1]
) -> tuple[type[Any], ...]:
    function = getattr(of, "__func__", of)
    try:
        hints = typing.get_type_hints(function)
    except Exception as error:  # annotations are the user's code: any error may come out of them
        raise CannotInferEvents(name, f"the annotations of {function_name} cannot be resolved ({error})") from error
    names = function.__code__.co_varnames[: function.__code__.co_argcount] if hasattr(function, "__code__") else ()
    wanted = [each for each in names if each not in ("self", "cls")]
    if len(wanted) != _STATE_AND_EVENT or wanted[which] not in hints:
        raise CannotInferEvents(name, f"{function_name} has no annotation for its {what}")
    return tuple(dict.fromkeys(_members(name, hints[wanted[which]], f"{function_name} is no {what} class")))


def _members(name: str, annotation: object, otherwise: str) -> list[type[Any]]:
    origin = get_origin(annotation)
    if origin is typing.Union or isinstance(annotation, types.UnionType):
        return [each for part in get_args(annotation) for each in _members(name, part, otherwise)]
    if origin is Annotated:
        return _members(name, get_args(annotation)[0], otherwise)
    alias = getattr(annotation, "__value__", None)  # `type Event = A | B` of Python 3.12
    if alias is not None:
        return _members(name, alias, otherwise)
    if isinstance(annotation, type) and annotation not in (object, type(None), Any):
        return [annotation]
    raise CannotInferEvents(name, f"{annotation!r} in the annotation of {otherwise}")
