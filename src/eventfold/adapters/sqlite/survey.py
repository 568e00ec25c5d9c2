"""Looking at a store's file without opening it as one: numbers for people. It makes nothing and changes nothing."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from eventfold.adapters.sqlite.connection import Connection, open_reader, open_writer, speaking_our_errors
from eventfold.adapters.sqlite.migrate import found_version, latest_version, oldest_version
from eventfold.adapters.sqlite.names import Names
from eventfold.adapters.sqlite.wal import wal_size
from eventfold.errors import StoreNotMigrated
from eventfold.ports.inspection import SchemaVersion, Statistics

__all__ = ["looking", "position_of", "schema_version", "statistics"]

EVENTS: Final = """
SELECT count(*), coalesce(min(position), 0), coalesce(max(position), 0), min(recorded_at), max(recorded_at)
FROM {events}
"""
CATEGORIES: Final = """
SELECT category, count(DISTINCT id), count(*) FROM {events} GROUP BY category ORDER BY count(*) DESC, category
"""
TYPES: Final = "SELECT type, count(*) FROM {events} GROUP BY type ORDER BY count(*) DESC, type"
TAGS: Final = "SELECT count(DISTINCT tag) FROM {event_tags}"
POSITION_OF: Final = "SELECT position FROM {events} WHERE event_id = ?"


@contextmanager
def looking(path: str, *, busy: float) -> Generator[Connection]:
    """
    A connection that writes nothing, to whatever lies there, within a read transaction.

    Raises:
        StoreNotMigrated: nothing lies there.
        StoreError: it cannot be opened.
    """
    if not Path(path).exists():
        raise StoreNotMigrated(path, 0, latest_version())
    # Of two that may write the one that closes last clears the log away; a reader would leave it behind.
    writable = os.access(path, os.W_OK) and os.access(Path(path).parent, os.W_OK)
    connection = open_writer(path, busy=busy, create=False) if writable else open_reader(path, busy=busy)
    try:
        with speaking_our_errors(path, busy):
            connection.execute("PRAGMA query_only = ON")
            connection.execute("BEGIN")
            yield connection
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        connection.close()


def schema_version(path: str, *, prefix: str, busy: float) -> SchemaVersion:
    """Raises as `looking` does, also when nothing of ours lies there; NotAStore, StoreTooNew."""
    with looking(path, busy=busy) as connection:
        found = found_version(connection, Names(prefix), path, migrate=True)
        if found == 0:
            raise StoreNotMigrated(path, 0, latest_version())
        return SchemaVersion(found, latest_version(), oldest_version(connection, Names(prefix), path))


def statistics(path: str, *, prefix: str, busy: float) -> Statistics:
    """Reads every event's place once. Raises as `looking` does; NotAStore, StoreTooNew, StoreNotMigrated."""
    names = Names(prefix)
    with looking(path, busy=busy) as connection:
        found_version(connection, names, path, migrate=False)

        def rows(statement: str) -> list[tuple[Any, ...]]:
            return connection.execute(names.fill(statement)).fetchall()

        ((events, first, last, began, ended),) = rows(EVENTS)
        categories = {name: (streams, many) for name, streams, many in rows(CATEGORIES)}
        return Statistics(
            events=events,
            streams=sum(streams for streams, _ in categories.values()),
            categories=categories,
            types=dict(rows(TYPES)),
            tags=rows(TAGS)[0][0],
            first_position=first,
            last_position=last,
            first_recorded_at=began,
            last_recorded_at=ended,
            size=Path(path).stat().st_size,
            wal_size=wal_size(path),
        )


def position_of(path: str, event_id: bytes, *, prefix: str, busy: float) -> int | None:
    """Where the event with this id is; None when it is not in the store. Raises as `statistics` does."""
    names = Names(prefix)
    with looking(path, busy=busy) as connection:
        found_version(connection, names, path, migrate=False)
        position = connection.execute(names.fill(POSITION_OF), (event_id,)).get
        return None if position is None else int(position)
