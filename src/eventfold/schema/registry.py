"""The catalogue of an application's events: classes, stored names, versions, tags."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any, Generic, Literal, TypeVar

import msgspec

from eventfold.domain.deletion import STREAM_DELETED, StreamDeleted
from eventfold.domain.query import Query
from eventfold.errors import DuplicateName, InvalidInput, UnknownEvent
from eventfold.schema.shapes import Schema
from eventfold.schema.upcasting import Origin, Step, Steps, number_of

__all__ = ["EventType", "Events", "KnownEvents"]

E = TypeVar("E")
_LONGEST_NAME = 255


class EventType(msgspec.Struct, Generic[E], frozen=True, kw_only=True):
    """What is known of one class of events."""

    cls: type[E]
    name: str
    version: int = 1
    tags: Callable[[E], Iterable[str]] | None = None
    occurred_at: Callable[[E], datetime] | None = None
    formerly: tuple[str, ...] = ()
    also: tuple[type[Any], ...] = ()
    upcast: Steps | None = None
    schema: Schema[E, Any] | None = None

    @property
    def stored(self) -> type[Any]:
        """The class whose shape is stored: its own, if no schema stands between."""
        return self.cls if self.schema is None else self.schema.stored


class KnownEvents:
    """In a query: every event that the application knows. `Query.of(KnownEvents)` leaves the others out."""


class Events:
    """
    The catalogue of ONE application; two applications of a process have one each.

    Without an entry a class is stored under its own name, in version 1, without tags. An application's catalogue
    knows `StreamDeleted`, which stores record.

    Args:
        unknown: what a processor or subscription that asks for all events gets for a stored name of which nothing here
            is known: `UnknownEvent` is raised, or it gets a `GenericEvent`. State is never folded over it.
    """

    def __init__(self, *, unknown: Literal["error", "generic"] = "error") -> None:
        if unknown not in ("error", "generic"):
            raise InvalidInput(f"Events(unknown={unknown!r}): 'error' or 'generic'")
        self.unknown: Literal["error", "generic"] = unknown
        self._by_class: dict[type[Any], EventType[Any]] = {}
        self._by_name: dict[str, EventType[Any]] = {}
        self._origins: dict[str, Origin] = {}
        """What every stored name is read as."""

    def add(
        self,
        cls: type[E],
        *,
        name: str | None = None,
        version: int | str = 1,
        tags: Callable[[E], Iterable[str]] | None = None,
        occurred_at: Callable[[E], datetime] | None = None,
        formerly: Sequence[str] = (),
        upcast: Steps | None = None,
        also: Sequence[type[Any]] = (),
        schema: Schema[E, Any] | None = None,
    ) -> None:
        """
        Say what differs from the default for this class of events.

        Args:
            name: the stored name. It outlives the class: changing it needs an upcaster.
            version: of the stored shape, from 1; or a semantic one, such as "2.1".
            tags: gives the tags of an event, for queries and boundaries.
            occurred_at: gives the moment (with a time zone) when the event happened, if the event knows.
            formerly: names under which it was stored before; they are read, and never written again.
            upcast: how older shapes become today's: `{1: step}` from version 1 to 2, `[Upcaster("2.0", step)]` to 2.0
                from whatever is older, or one function of the fields and their version for every stored body.
            also: classes of which a step may give events beside or instead of this one, as `Became(…)`.
            schema: how it is stored, if not as itself.

        Raises:
            DuplicateName: a name stands for another class, or the class has been added otherwise.
            InvalidInput: no name, a version below 1, or upcasters that do not lead to it.
        """
        stored = cls.__name__ if name is None else name
        if isinstance(formerly, str):
            raise InvalidInput(f"formerly={formerly!r}: pass a list, formerly=[{formerly!r}]")
        for each in (stored, *formerly):
            _check_name(each, cls)
        number = number_of(version)
        if number < 1:
            raise InvalidInput(f"{cls!r}: version {version}; versions of a shape start at 1")
        self._enter(
            EventType(
                cls=cls,
                name=stored,
                version=number,
                tags=tags,
                occurred_at=occurred_at,
                formerly=tuple(formerly),
                also=tuple(also),
                upcast=upcast,
                schema=schema,
            )
        )

    def replace(self, name: str, *, by: Sequence[type[Any]], upcast: Mapping[int, Step]) -> None:
        """
        Say what the events of a name are read as that no class is stored under any more.

        Their versions in a stream still count. What a step gives shares the version and position of the stored event.

        Args:
            by: the classes of what it is read as.
            upcast: by stored version; the last step returns a list of `Became(…)`.

        Raises:
            DuplicateName: the name stands for something already.
            InvalidInput: no name, no class, no step.
        """
        _check_name(name, "an event that is replaced")
        if not by or not upcast:
            raise InvalidInput(f"replace({name!r}): by which classes, and how? To read it as nothing, retire it")
        self._enter_origin(Origin.of(name, upcast, others=by), by)

    def retire(self, name: str) -> None:
        """
        Say that the events of a name are read as nothing, whatever they hold. Their versions in a stream still count.

        Raises:
            DuplicateName: the name stands for something already.
        """
        _check_name(name, "an event that is retired")
        self._enter_origin(Origin(name), "a retired event")

    def _enter_origin(self, origin: Origin, what: object) -> None:
        known = self._origins.get(origin.name)
        if known is not None and known != origin:
            raise DuplicateName(origin.name, known.own or "the past", what, "a name stands for one thing")
        self._origins[origin.name] = origin

    def _enter(self, kind: EventType[Any]) -> None:
        known = self._by_class.get(kind.cls)
        if known is not None and known != kind:
            raise DuplicateName(kind.name, known, kind, "one class has one entry in the catalogue")
        other = self._by_name.get(kind.name)
        if other is not None and other.cls is not kind.cls:
            raise DuplicateName(kind.name, other.cls, kind.cls, "give one of them events.add(cls, name=…)")
        origins = [
            Origin.of(each, kind.upcast, current=kind.version, own=kind.cls, others=kind.also)
            for each in (kind.name, *kind.formerly)
        ]
        for each in origins:
            was = self._origins.get(each.name)
            if was is not None and was.own is not kind.cls:
                raise DuplicateName(each.name, was.own or "the past", kind.cls, "a name stands for one thing")
        self._by_class[kind.cls] = self._by_name[kind.name] = kind
        self._origins |= {each.name: each for each in origins}

    def with_defaults_for(self, classes: Iterable[type[Any]]) -> Events:
        """A catalogue that also holds these classes, those without an entry under their own names."""
        catalogue = Events(unknown=self.unknown)
        catalogue._by_class.update(self._by_class)
        catalogue._by_name.update(self._by_name)
        catalogue._origins.update(self._origins)
        split = [cls for origin in self._origins.values() for cls in origin.others]
        for cls in (*classes, *split):
            if cls not in catalogue._by_class:
                catalogue.add(cls)
        catalogue.add(StreamDeleted, name=STREAM_DELETED)
        return catalogue

    def of_class(self, cls: type[E]) -> EventType[E]:
        """Raises UnknownEvent for a class that is not in the catalogue."""
        try:
            return self._by_class[cls]
        except KeyError:
            why = (
                "no aggregate of this application records that class; name it in events=[…] or add it to the catalogue"
            )
            raise UnknownEvent(cls.__name__, why=why) from None

    def name_of(self, cls: type[Any]) -> str:
        return self.of_class(cls).name

    def names_of(self, cls: type[Any]) -> frozenset[str]:
        """All stored names that may be read as an event of the class. Raises UnknownEvent."""
        if cls is KnownEvents:
            return frozenset(origin.name for origin in self._origins.values() if origin.own or origin.others)
        name = self.name_of(cls)
        return frozenset(
            origin.name for origin in self._origins.values() if origin.own is cls or cls in origin.others
        ) | {name}

    def resolve(self, query: Query) -> Query:
        """
        The query with stored names in place of classes: those of today, and those of the past.

        A name that has been replaced also stands for those that it is read as.
        """
        return query.resolved(self._names)

    def wanted(self, query: Query) -> Query:
        """
        The query with today's names only: which it asks for of the several events that a stored one may be read as.
        """
        return query.resolved(self._todays_names)

    def _todays_names(self, kind: str | type[Any]) -> Iterator[str]:
        if kind is KnownEvents:
            yield from (each.name for each in self)
        elif isinstance(kind, str):
            yield from self._names(kind)
        else:
            yield self.name_of(kind)

    def _names(self, kind: str | type[Any]) -> Iterator[str]:
        if isinstance(kind, str):
            yield kind
            origin = self._origins.get(kind)
            yield from () if origin is None else map(self.name_of, origin.others)
        else:
            yield from self.names_of(kind)

    @property
    def origins(self) -> Mapping[str, Origin]:
        """By stored name, what it is read as."""
        return MappingProxyType(self._origins)

    def __contains__(self, cls: type[Any]) -> bool:
        return cls in self._by_class

    def __iter__(self) -> Iterator[EventType[Any]]:
        return iter(self._by_class.values())


def _check_name(name: object, what: object) -> None:
    if not isinstance(name, str) or not name or len(name) > _LONGEST_NAME or "\0" in name:
        raise InvalidInput(f"{name!r} is no name for {what!r}: 1 to {_LONGEST_NAME} characters without NUL")
