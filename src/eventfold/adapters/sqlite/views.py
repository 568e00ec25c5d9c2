"""A view of each category's events, for people and tools that expect one table for each kind of aggregate."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from eventfold.adapters.sqlite.connection import Connection, in_transaction, open_writer, speaking_our_errors
from eventfold.adapters.sqlite.lock import FileLock
from eventfold.adapters.sqlite.migrate import found_version
from eventfold.adapters.sqlite.names import Names
from eventfold.adapters.sqlite.survey import looking
from eventfold.errors import InvalidInput
from eventfold.ports.inspection import CategoryView

__all__ = ["make_views"]

NEXT_CATEGORY: Final = "SELECT category FROM {events} WHERE category > ? ORDER BY category LIMIT 1"
FOUND: Final = "SELECT name, sql FROM sqlite_schema WHERE name = ? COLLATE NOCASE"


def make_views(path: str, categories: Sequence[str], *, prefix: str, busy: float) -> Sequence[CategoryView]:
    """
    Make a view `{category}_events` for each of these categories, of all that the store holds if none is named.

    They are views of `events_json`, so they hold what the log holds and nothing has to fill them. All are made or none;
    one that is there stays. Others may have the store open.

    Args:
        busy: seconds to wait for another process.

    Raises:
        InvalidInput: something else has that name, also one that differs in upper and lower case alone.
        InvalidStreamName: that is no category.
        StoreNotMigrated, NotAStore, StoreTooNew: this is no store of this release, and nothing was touched.
        StoreBusy, StoreUnavailable, StoreFull: it cannot be written now.
    """
    names = Names(prefix)
    for each in categories:
        names.view_of(each)
    with looking(path, busy=busy) as connection:
        found_version(connection, names, path, migrate=False)
    lock = FileLock(path, busy=busy)
    try:
        lock.take()
        try:
            with speaking_our_errors(path, busy):
                return _make(path, categories, names, busy)
        finally:
            lock.release()
    finally:
        lock.close()


def _make(path: str, categories: Sequence[str], names: Names, busy: float) -> Sequence[CategoryView]:
    connection = open_writer(path, busy=busy, create=False)
    try:
        return in_transaction(
            connection,
            lambda held: [_view(held, each, names) for each in dict.fromkeys(categories or _stored(held, names))],
        )
    finally:
        connection.close()


def _stored(connection: Connection, names: Names) -> Iterator[str]:
    """From one to the next by the index: what it costs is their number, not the length of the log."""
    category = ""
    while (found := connection.execute(names.fill(NEXT_CATEGORY), (category,)).get) is not None:
        yield (category := found)


def _view(connection: Connection, category: str, names: Names) -> CategoryView:
    name, statement = names.view_of(category)
    there = connection.execute(FOUND, (name,)).fetchone()
    if there is None:
        connection.execute(statement)
    elif there != (name, statement):
        raise InvalidInput(
            f"the view of category {category!r} would be {name!r}, but there is a {there[0]!r} of another kind, "
            "which stays as it is; drop or rename that, or name the categories that you want views of"
        )
    return CategoryView(category, name, there is None)
