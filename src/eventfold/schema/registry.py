"""The catalogue of an application's events: classes, stored names, versions, tags."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Any, Generic, TypeVar

import msgspec

from eventfold.domain.deletion import STREAM_DELETED, StreamDeleted
from eventfold.domain.query import Query
from eventfold.errors import DuplicateName, InvalidInput, UnknownEvent

__all__ = ["EventType", "Events"]

E = TypeVar("E")
_LONGEST_NAME = 255


class EventType(msgspec.Struct, Generic[E], frozen=True, kw_only=True):
    """What is known of one class of events."""

    cls: type[E]
    name: str
    version: int = 1
    tags: Callable[[E], Iterable[str]] | None = None
    occurred_at: Callable[[E], datetime] | None = None


class Events:
    """
    The catalogue of ONE application; two applications of a process have one each.

    Without an entry a class is stored under its own name, in version 1, without tags. An application's catalogue
    knows `StreamDeleted`, which stores record.
    """

    def __init__(self) -> None:
        self._by_class: dict[type[Any], EventType[Any]] = {}
        self._by_name: dict[str, EventType[Any]] = {}

    def add(
        self,
        cls: type[E],
        *,
        name: str | None = None,
        version: int = 1,
        tags: Callable[[E], Iterable[str]] | None = None,
        occurred_at: Callable[[E], datetime] | None = None,
    ) -> None:
        """
        Say what differs from the default for this class of events.

        Args:
            name: the stored name. It outlives the class: changing it needs an upcaster.
            version: of the stored shape, from 1.
            tags: gives the tags of an event, for queries and boundaries.
            occurred_at: gives the moment (with a time zone) when the event happened, if the event knows.

        Raises:
            DuplicateName: the name stands for another class, or the class has been added otherwise.
            InvalidInput: no name, or a version below 1.
        """
        stored = cls.__name__ if name is None else name
        if not stored or len(stored) > _LONGEST_NAME or "\0" in stored:
            raise InvalidInput(f"{stored!r} is no name for {cls!r}: 1 to {_LONGEST_NAME} characters without NUL")
        if version < 1:
            raise InvalidInput(f"{cls!r}: version {version}; versions of a shape start at 1")
        self._enter(EventType(cls=cls, name=stored, version=version, tags=tags, occurred_at=occurred_at))

    def _enter(self, kind: EventType[Any]) -> None:
        known = self._by_class.get(kind.cls)
        if known is not None and known != kind:
            raise DuplicateName(kind.name, known, kind, "one class has one entry in the catalogue")
        other = self._by_name.get(kind.name)
        if other is not None and other.cls is not kind.cls:
            raise DuplicateName(kind.name, other.cls, kind.cls, "give one of them events.add(cls, name=…)")
        self._by_class[kind.cls] = self._by_name[kind.name] = kind

    def with_defaults_for(self, classes: Iterable[type[Any]]) -> Events:
        """A catalogue that also holds these classes, those without an entry under their own names."""
        catalogue = Events()
        catalogue._by_class.update(self._by_class)
        catalogue._by_name.update(self._by_name)
        for cls in classes:
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

    def resolve(self, query: Query) -> Query:
        """The query with stored names in place of classes."""
        return query.resolved(self.name_of)

    def __contains__(self, cls: type[Any]) -> bool:
        return cls in self._by_class

    def __iter__(self) -> Iterator[EventType[Any]]:
        return iter(self._by_class.values())
