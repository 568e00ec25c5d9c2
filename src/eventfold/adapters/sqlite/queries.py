"""Queries as SQL over the columns of events: fixed words and question marks, and the values for these."""

from __future__ import annotations

from functools import lru_cache

from eventfold.domain.query import Alternative, Query

__all__ = ["boundary", "restricted"]


@lru_cache(maxsize=256)
def restricted(query: Query) -> tuple[str, tuple[str, ...]]:
    """The query as SQL over the columns of events: fixed words and question marks, and the values for these."""
    if query.unrestricted:
        return "1", ()
    parts = [_alternative(each) for each in query.alternatives]
    if not parts:
        return "0", ()
    return f"({' OR '.join(sql for sql, _ in parts)})", tuple(value for _, values in parts for value in values)


def _alternative(alternative: Alternative) -> tuple[str, tuple[str, ...]]:
    parts: list[str] = []
    values: list[str] = []
    for column, allowed in (("category", alternative.categories), ("type", alternative.types)):
        if allowed:
            names = sorted(map(str, allowed))
            parts.append(f"{column} IN ({', '.join('?' * len(names))})")
            values += names
    for tag in sorted(alternative.tags):
        parts.append("EXISTS (SELECT 1 FROM {event_tags} AS t WHERE t.tag = ? AND t.position = {events}.position)")
        values.append(tag)
    return f"({' AND '.join(parts)})", tuple(values)


def boundary(query: Query, after: int, upto: int) -> tuple[str, tuple[str | int, ...]]:
    """
    The same for positions above `after` and up to `upto`, by way of tags or types where every alternative has some.

    A boundary is a handful of events in a long log: an index finds them, walking along the log does not.
    """
    condition, values = restricted(query)
    alternatives = query.alternatives
    alone = len(alternatives) == 1 and not alternatives[0].tags  # SQLite finds its index by itself, in order
    if alone or not all(each.tags or each.types for each in alternatives):
        return f"position > ? AND position <= ? AND {condition}", (after, upto, *values)
    ways = [_way(each, after, upto) for each in alternatives]
    found = " UNION ".join(sql for sql, _ in ways)
    return f"position IN ({found}) AND {condition}", (*(value for _, given in ways for value in given), *values)


def _way(alternative: Alternative, after: int, upto: int) -> tuple[str, tuple[str | int, ...]]:
    """To positions of which some may not fit, by one index: a tag is rarer than a type."""
    if alternative.tags:
        sql, keys = "SELECT position FROM {event_tags} WHERE tag = ?", [min(alternative.tags)]
    else:
        keys = sorted(map(str, alternative.types))
        sql = f"SELECT position FROM {{events}} WHERE type IN ({', '.join('?' * len(keys))})"  # noqa: S608 - fixed words
    return f"{sql} AND position > ? AND position <= ?", (*keys, after, upto)
