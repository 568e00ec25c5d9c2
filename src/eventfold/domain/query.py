"""Which events: alternatives over categories, types and tags."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Final

import msgspec

from eventfold.errors import InvalidInput

__all__ = ["Alternative", "Query"]


class Alternative(msgspec.Struct, frozen=True):
    """
    All that is stated must hold: one of the categories, one of the types, every tag. What is empty restricts nothing.

    Types are stored names or event classes; an application turns classes into names before a store is asked.
    """

    categories: frozenset[str] = frozenset()
    types: frozenset[str | type] = frozenset()
    tags: frozenset[str] = frozenset()

    def matches(self, category: str, type: str, tags: Collection[str]) -> bool:
        return (
            (not self.categories or category in self.categories)
            and (not self.types or type in self.types)
            and (not self.tags or self.tags.issubset(tags))
        )


class Query(msgspec.Struct, frozen=True):
    """
    The events for which at least one alternative holds. `q1 | q2` joins two queries.

    The idea and the shape come from dynamic consistency boundaries (dcb.events).
    """

    alternatives: tuple[Alternative, ...]

    @classmethod
    def all(cls) -> Query:
        """Every event of the store."""
        return _ALL

    @classmethod
    def of(cls, *types: type | str, categories: Iterable[str] = (), tags: Iterable[str] = ()) -> Query:
        """
        Events of any of these types, in any of these categories, that carry all of these tags.

        Raises:
            InvalidInput: nothing is stated (say `Query.all()`), a single text where several are expected, or a type
                that is neither a class nor a name.
        """
        for name, value in (("categories", categories), ("tags", tags)):
            if isinstance(value, str):
                raise InvalidInput(f"{name}={value!r}: pass a list, {name}=[{value!r}]")
        for kind in types:
            _check_type(kind)
        stated = Alternative(frozenset(categories), frozenset(types), frozenset(tags))
        if stated == _ANYTHING:
            raise InvalidInput("Query.of() states nothing; for every event write Query.all()")
        return cls((stated,))

    def __or__(self, other: Query) -> Query:
        return Query(tuple(dict.fromkeys(self.alternatives + other.alternatives)))

    def matches(self, category: str, type: str, tags: Collection[str] = ()) -> bool:
        return any(alternative.matches(category, type, tags) for alternative in self.alternatives)

    def resolved(self, names_of: Callable[[str | type], Iterable[str]]) -> Query:
        """The same query with what these types are called in stores in place of them."""
        return Query(
            tuple(
                Alternative(
                    each.categories, frozenset(name for kind in each.types for name in names_of(kind)), each.tags
                )
                for each in self.alternatives
            )
        )

    @property
    def unrestricted(self) -> bool:
        return _ANYTHING in self.alternatives

    def as_text(self) -> str:
        """
        The query with stored names as text, always the same for the same query, for a store to keep. Back: `from_text`.
        """
        told = sorted(
            [sorted(each.categories), sorted(map(str, each.types)), sorted(each.tags)] for each in self.alternatives
        )
        return msgspec.json.encode(told).decode()

    @classmethod
    def from_text(cls, text: str) -> Query:
        """Raises InvalidInput for what `as_text` has not made."""
        try:
            told = msgspec.json.decode(text, type=list[tuple[list[str], list[str], list[str]]])
        except msgspec.MsgspecError as error:
            raise InvalidInput(f"{text!r} is no query that a store has kept: {error}") from error
        return cls(tuple(Alternative(*map(frozenset, each)) for each in told))


def _check_type(kind: object) -> None:
    if not isinstance(kind, type | str):
        raise InvalidInput(f"Query.of({kind!r}): pass event classes or stored names")


_ANYTHING: Final = Alternative()
_ALL: Final = Query((_ANYTHING,))
