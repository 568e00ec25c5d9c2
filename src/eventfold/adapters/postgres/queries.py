"""
Queries as SQL: fixed words with `$n`, and the values for these.

Every statement walks along an index in the order of positions and stops at its limit, whatever the statistics say:
a page costs the same at the beginning and at the end of a long log.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Final, TypeAlias

from eventfold.domain.query import Alternative, Query

__all__ = ["Values", "newest", "selecting"]

Values: TypeAlias = tuple["str | list[str]", ...]

_MOST_WAYS: Final = 8
"""More indexes than this are not walked side by side: then one walk along the log looks at every event."""


@lru_cache(maxsize=256)
def selecting(columns: str, query: Query) -> tuple[str, Values]:
    """
    The query's events with `$1` < position ≤ `$2`, `$3` of them at most, in the order of positions.

    Args:
        columns: of `{events} AS e`.
    """
    return _selecting(columns, query, "")


@lru_cache(maxsize=256)
def newest(query: Query) -> tuple[str, Values]:
    """The query's last positions with `$1` < position ≤ `$2`, `$3` of them at most, the last one first."""
    return _selecting("e.position", query, " DESC")


def _selecting(columns: str, query: Query, direction: str) -> tuple[str, Values]:
    values: list[str | list[str]] = []
    ways = list(_ways(query))
    if len(ways) == 1:
        return f"SELECT {columns} {_way(ways[0], direction, values)}", tuple(values)
    if not 1 < len(ways) <= _MOST_WAYS or not all(each.tags or each.categories for each in ways):
        return f"SELECT {columns} {_walk(query, direction, values)}", tuple(values)
    positions = " UNION ".join(f"(SELECT e.position {_way(each, direction, values)})" for each in ways)
    sql = (
        f"SELECT {columns} FROM ({positions} ORDER BY position{direction} LIMIT $3) AS found "  # noqa: S608 - fixed words
        f"{_event_at('found')} ORDER BY found.position{direction}"
    )
    return sql, tuple(values)


def _ways(query: Query) -> Iterator[Alternative]:
    """The query as alternatives that are each found in the order of positions by one index, if there is one."""
    for each in query.alternatives:
        if each.tags or not each.categories:
            yield each
        else:
            for category in sorted(each.categories):
                yield Alternative(frozenset({category}), each.types)


def _way(alternative: Alternative, direction: str, values: list[str | list[str]]) -> str:
    """From where one alternative's events come, in order."""
    if not alternative.tags:
        return _walk(Query((alternative,)), direction, values)
    first, *others = sorted(alternative.tags)
    tagged = [f"t.tag = {_next(first, values)}"]
    if alternative.types:
        tagged.append(f"t.type = ANY({_next(_names(alternative.types), values)})")
    conditions = _conditions(Alternative(alternative.categories, tags=frozenset(others)), values)
    return (
        f"FROM {{event_tags}} AS t {_event_at('t', conditions)} "
        f"WHERE {' AND '.join(tagged)} AND t.position > $1 AND t.position <= $2 ORDER BY t.position{direction} LIMIT $3"
    )


def _event_at(place: str, conditions: Sequence[str] = ()) -> str:
    """One look into the index of positions for each. The LIMIT keeps the planner from finding another way."""
    found = " AND ".join((f"e.position = {place}.position", *conditions))
    return f"CROSS JOIN LATERAL (SELECT * FROM {{events}} AS e WHERE {found} LIMIT 1) AS e"  # noqa: S608 - fixed words


def _walk(query: Query, direction: str, values: list[str | list[str]]) -> str:
    """Along the log, or along one category of it."""
    parts = ["e.position > $1", "e.position <= $2"]
    if not query.unrestricted:
        alternatives = [" AND ".join(_conditions(each, values)) for each in query.alternatives]
        parts.append(f"({' OR '.join(alternatives) or 'false'})")
    return f"FROM {{events}} AS e WHERE {' AND '.join(parts)} ORDER BY e.position{direction} LIMIT $3"


def _conditions(alternative: Alternative, values: list[str | list[str]]) -> list[str]:
    parts: list[str] = []
    for column, allowed in (("category", alternative.categories), ("type", alternative.types)):
        if len(allowed) == 1:
            parts.append(f"e.{column} = {_next(_names(allowed)[0], values)}")
        elif allowed:
            parts.append(f"e.{column} = ANY({_next(_names(allowed), values)})")
    if alternative.tags:
        parts.append(f"e.tags @> {_next(_names(alternative.tags), values)}")
    return parts


def _names(names: frozenset[str] | frozenset[str | type]) -> list[str]:
    return sorted(map(str, names))


def _next(value: str | list[str], values: list[str | list[str]]) -> str:
    values.append(value)
    return f"${len(values) + 3}"
