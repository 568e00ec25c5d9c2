"""Which function of a processor handles which events, typed for one to eight classes at a time."""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final, Generic, Protocol, TypeAlias, TypeVar, overload

from eventfold.domain.message import Recorded
from eventfold.domain.query import Alternative, Query
from eventfold.errors import InvalidInput
from eventfold.processing.view import View

__all__ = ["Handler", "Handlers", "Registering", "RegisteringBatches", "Registers", "check_classes", "checked_name"]

A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")
E = TypeVar("E")
F = TypeVar("F")
G = TypeVar("G")
H = TypeVar("H")
Seen = TypeVar("Seen")
Means = TypeVar("Means")
Result = TypeVar("Result", bound=Coroutine[Any, Any, None] | None)

_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,99}")

Handler: TypeAlias = Callable[[Any, Any], Coroutine[Any, Any, None] | None]


class Registers(Protocol[Seen, Means]):
    """A decorator that keeps the function as it is: what happened, and what it has at hand to answer it."""

    def __call__(self, handler: Callable[[Seen, Means], Result], /) -> Callable[[Seen, Means], Result]: ...


class Handlers:
    """Functions by class of event. One class has one handler; beside them there may be one for every event."""

    def __init__(self, processor: str) -> None:
        self._processor = processor
        self.single: dict[type[Any], Handler] = {}
        self.batched: dict[type[Any], Handler] = {}
        self.catch_all: Handler | None = None

    @property
    def classes(self) -> tuple[type[Any], ...]:
        return (*self.single, *self.batched)

    def query(self, narrowed_to: Query | None) -> Query:
        """
        The events that somebody handles, within the given query.

        Raises:
            InvalidInput: nothing is handled, or nothing of the query.
        """
        if self.catch_all is not None:
            return Query.all() if narrowed_to is None else narrowed_to
        if not self.classes:
            raise InvalidInput(f"{self._processor!r} has no handler; add one with @{self._processor}.on(SomeEvent)")
        handled = frozenset(self.classes)
        if narrowed_to is None:
            return Query((Alternative(types=handled),))
        within = [(each, _handled_of(each, handled)) for each in narrowed_to.alternatives]
        alternatives = tuple(Alternative(each.categories, types, each.tags) for each, types in within if types)
        if not alternatives:
            raise InvalidInput(f"{self._processor!r} handles nothing of its query {narrowed_to!r}")
        return Query(alternatives)

    def register(self, classes: Sequence[type[Any]], handler: Handler, *, batched: bool) -> None:
        if not callable(handler):
            raise InvalidInput(f"{self._processor!r}: {handler!r} is no function")
        for cls in classes:
            if cls in self.single or cls in self.batched:
                raise InvalidInput(
                    f"{self._processor!r} has a handler for {cls.__name__} already; one class, one handler"
                )
            (self.batched if batched else self.single)[cls] = handler

    def register_catch_all(self, handler: Handler) -> None:
        if self.catch_all is not None:
            raise InvalidInput(f"{self._processor!r} has a handler for every event already; there can be one")
        self.catch_all = handler

    def register_deleted(self, deleted: dict[str, Handler], category: object, handler: Handler) -> None:
        if not isinstance(category, str) or not category:
            raise InvalidInput(f"{self._processor!r}: on_deleted() takes the name of a category, not {category!r}")
        if category in deleted:
            raise InvalidInput(
                f"{self._processor!r} has a function for deleted streams of {category!r} already; there can be one"
            )
        deleted[category] = handler


def _handled_of(alternative: Alternative, handled: frozenset[type[Any]]) -> frozenset[str | type]:
    """Stored names stay as they are: which class they stand for, if any, only the catalogue knows."""
    if not alternative.types:
        return frozenset(handled)
    return frozenset(each for each in alternative.types if isinstance(each, str) or each in handled)


def checked_name(what: str, name: object) -> str:
    """The name. Raises InvalidInput for one that is none."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InvalidInput(f"{name!r} is no name for {what}: a letter, then letters, digits, '_', '.' or '-'")
    return name


def check_classes(processor: str, classes: Sequence[object]) -> None:
    """Raises InvalidInput unless these are classes, at least one."""
    if not classes or not all(isinstance(each, type) for each in classes):
        raise InvalidInput(f"{processor!r}: on() takes event classes, not {classes!r}; for every event use on_any()")


class Registering(Generic[Means]):
    """`on` and `on_any`, for whatever has handlers."""

    def __init__(self, processor: str) -> None:
        self.handlers: Handlers = Handlers(processor)
        self._processor = processor

    @overload
    def on(self, a: type[A], /) -> Registers[Recorded[A], Means]: ...

    @overload
    def on(self, a: type[A], b: type[B], /) -> Registers[Recorded[A | B], Means]: ...

    @overload
    def on(self, a: type[A], b: type[B], c: type[C], /) -> Registers[Recorded[A | B | C], Means]: ...

    @overload
    def on(self, a: type[A], b: type[B], c: type[C], d: type[D], /) -> Registers[Recorded[A | B | C | D], Means]: ...

    @overload
    def on(
        self, a: type[A], b: type[B], c: type[C], d: type[D], e: type[E], /
    ) -> Registers[Recorded[A | B | C | D | E], Means]: ...

    @overload
    def on(
        self, a: type[A], b: type[B], c: type[C], d: type[D], e: type[E], f: type[F], /
    ) -> Registers[Recorded[A | B | C | D | E | F], Means]: ...

    @overload
    def on(
        self, a: type[A], b: type[B], c: type[C], d: type[D], e: type[E], f: type[F], g: type[G], /
    ) -> Registers[Recorded[A | B | C | D | E | F | G], Means]: ...

    @overload
    def on(
        self, a: type[A], b: type[B], c: type[C], d: type[D], e: type[E], f: type[F], g: type[G], h: type[H], /
    ) -> Registers[Recorded[A | B | C | D | E | F | G | H], Means]: ...

    def on(self, *classes: type[Any]) -> Any:
        """
        The decorated function handles events of these classes, one at a time: `handler(recorded, view)`.

        A plain function, or `async def` when it must read.

        Raises:
            InvalidInput: no class, or one that has a handler already.
        """
        return self._registering(classes, batched=False)

    def on_any(self) -> Registers[Recorded[Any], Means]:
        """The decorated function handles every event of the query, after the one for its class, if there is one."""

        def register(handler: Callable[[Recorded[Any], Means], Result], /) -> Callable[[Recorded[Any], Means], Result]:
            self.handlers.register_catch_all(handler)
            return handler

        return register

    def _registering(self, classes: Sequence[type[Any]], *, batched: bool) -> Callable[[Handler], Handler]:
        check_classes(self._processor, classes)

        def register(handler: Handler) -> Handler:
            self.handlers.register(classes, handler, batched=batched)
            return handler

        return register


class RegisteringBatches(Registering[View]):
    """`on_batch` too, for what may take many events at once."""

    @overload
    def on_batch(self, a: type[A], /) -> Registers[Sequence[Recorded[A]], View]: ...

    @overload
    def on_batch(self, a: type[A], b: type[B], /) -> Registers[Sequence[Recorded[A | B]], View]: ...

    @overload
    def on_batch(self, a: type[A], b: type[B], c: type[C], /) -> Registers[Sequence[Recorded[A | B | C]], View]: ...

    @overload
    def on_batch(
        self, a: type[A], b: type[B], c: type[C], d: type[D], /
    ) -> Registers[Sequence[Recorded[A | B | C | D]], View]: ...

    @overload
    def on_batch(
        self, a: type[A], b: type[B], c: type[C], d: type[D], e: type[E], /
    ) -> Registers[Sequence[Recorded[A | B | C | D | E]], View]: ...

    @overload
    def on_batch(
        self, a: type[A], b: type[B], c: type[C], d: type[D], e: type[E], f: type[F], /
    ) -> Registers[Sequence[Recorded[A | B | C | D | E | F]], View]: ...

    @overload
    def on_batch(
        self, a: type[A], b: type[B], c: type[C], d: type[D], e: type[E], f: type[F], g: type[G], /
    ) -> Registers[Sequence[Recorded[A | B | C | D | E | F | G]], View]: ...

    @overload
    def on_batch(
        self, a: type[A], b: type[B], c: type[C], d: type[D], e: type[E], f: type[F], g: type[G], h: type[H], /
    ) -> Registers[Sequence[Recorded[A | B | C | D | E | F | G | H]], View]: ...

    def on_batch(self, *classes: type[Any]) -> Any:
        """
        The decorated function handles runs of consecutive events of these classes: `handler(batch, view)`.

        A run never crosses an event that another function of the processor handles, so order is kept.
        """
        return self._registering(classes, batched=True)
