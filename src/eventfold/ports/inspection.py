"""What a store tells about itself, to people: how much it holds, what it is worth, what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

__all__ = ["CategoryView", "Examination", "Finding", "SchemaVersion", "Statistics"]


class Statistics(msgspec.Struct, frozen=True):
    """
    What a store holds, of one moment.

    Args:
        categories: streams and events of each.
        types: events of each.
        tags: how many different ones.
        first_position, last_position: 0 in an empty store.
        first_recorded_at, last_recorded_at: microseconds since 1970.
        size: bytes of the file, or of the store's tables with their indexes.
        wal_size: bytes of the log that is still beside the file; None where there is no such thing.
    """

    events: int
    streams: int
    categories: Mapping[str, tuple[int, int]]
    types: Mapping[str, int]
    tags: int
    first_position: int
    last_position: int
    first_recorded_at: int | None
    last_recorded_at: int | None
    size: int
    wal_size: int | None = None


class Finding(msgspec.Struct, frozen=True):
    """What is wrong, and the command that mends it."""

    what: str
    command: str


class Examination(msgspec.Struct, frozen=True):
    """Facts by name, in the order in which they are read; findings, none in a healthy store."""

    facts: Mapping[str, object]
    findings: Sequence[Finding]


class CategoryView(msgspec.Struct, frozen=True):
    """
    The events of one category under a name of their own.

    Args:
        made: now; False when it was there.
    """

    category: str
    name: str
    made: bool


class SchemaVersion(msgspec.Struct, frozen=True):
    """
    How far a store's tables have come.

    Args:
        found: up to which migration nothing is missing.
        needed: by this release.
        oldest: the newest migration that code must know to use this store. Below `needed`, the release before this one
            may still use it too.
    """

    found: int
    needed: int
    oldest: int
