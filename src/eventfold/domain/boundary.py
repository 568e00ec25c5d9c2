"""A decision whose boundary is not one stream, but the events that a query finds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Generic, TypeVar

from eventfold.domain.aggregate import event_classes
from eventfold.domain.message import Stream
from eventfold.domain.query import Query

__all__ = ["Boundary"]

C = TypeVar("C")
S = TypeVar("S")
E = TypeVar("E")
I = TypeVar("I")  # noqa: E741 - the events that it reads, beside those it records


class Boundary(Generic[C, S, E]):
    """
    A decider that reads what a query over types and tags finds, and records if nothing that matches came meanwhile.

    For rules that cross streams: a unique e-mail, a course with a capacity, numbers without gaps. The idea is the
    dynamic consistency boundary of Sara Pellegrini and Milan Savić (dcb.events).

    Args:
        name: the category of its streams, when `stream` does not say otherwise. Stored.
        initial: the state before the first event. Shared, so it must not be changed in place.
        decide: `decide(command, state)` returns the events to record, or raises a rejection.
        evolve: `evolve(state, event)`; it sees the events of the query whose classes it knows, in the order of their
            positions.
        query: gives the events that a command depends on. Every alternative names types or tags.
        stream: gives the stream to record in; without it each commit opens a stream of its own, so that commands that
            do not depend on each other never meet.
        events: the event classes, when they cannot be read from the annotation of `evolve`.

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
        evolve: Callable[[S, I], S],
        query: Callable[[C], Query],
        stream: Callable[[C], tuple[str, str]] | None = None,
        events: Sequence[type[Any]] | None = None,
    ) -> None:
        Stream.of(name, "any")
        self.name = name
        self.initial = initial
        self.decide = decide
        self.evolve: Callable[[S, Any], S] = evolve
        self.query = query
        self.events: tuple[type[Any], ...] = event_classes(name, evolve, events)
        self._stream = stream

    def stream(self, command: C, new_id: Callable[[], object]) -> Stream:
        """Where this command's events go. Raises InvalidStreamName for a name that no store can hold."""
        return Stream.of(self.name, str(new_id())) if self._stream is None else Stream.of(*self._stream(command))

    def known(self, events: Iterable[object]) -> list[Any]:
        """Those that `evolve` can be given: a boundary may record what its own decisions do not depend on."""
        return [each for each in events if isinstance(each, self.events)]

    def __repr__(self) -> str:
        return f"Boundary({self.name!r})"
