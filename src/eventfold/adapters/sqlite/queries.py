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
    The same for positions above `after` and up to `upto`, by way of the tags where every alternative has one.

    A boundary is a handful of events in a long log: the index of tags finds them, walking along the log does not.
    """
    condition, values = restricted(query)
    tags = [min(each.tags, default="") for each in query.alternatives]
    if not all(each.tags for each in query.alternatives):
        return f"position > ? AND position <= ? AND {condition}", (after, upto, *values)
    one = "SELECT position FROM {event_tags} WHERE tag = ? AND position > ? AND position <= ?"
    found = " UNION ".join([one] * len(tags))
    return f"position IN ({found}) AND {condition}", (*(each for tag in tags for each in (tag, after, upto)), *values)
