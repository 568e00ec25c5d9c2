"""A view of each category's events, for people and tools that expect one table for each kind of aggregate."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Final

from eventfold.adapters.postgres.connection import Connection, Connections
from eventfold.adapters.postgres.migrate import found_version
from eventfold.adapters.postgres.names import Names
from eventfold.adapters.postgres.session import unit
from eventfold.domain.message import Stream
from eventfold.errors import InvalidInput
from eventfold.ports.inspection import CategoryView

__all__ = ["VIEW_OF_A_CATEGORY", "make_views"]

VIEW_OF_A_CATEGORY: Final = "Eventfold: the events of the category "
"""How the comment of such a view begins: what else lies in the schema is not ours."""

ONE_AT_A_TIME: Final = "SELECT pg_advisory_xact_lock('{store}'::regclass::oid::int, 0)"
NEXT_CATEGORY: Final = "SELECT category FROM {events} WHERE category > $1 ORDER BY category LIMIT 1"
FOUND: Final = """
SELECT coalesce(obj_description(c.oid, 'pg_class'), '')
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2
"""
_LONGEST: Final = 63
"""Bytes of a name; Postgres would cut off the rest, and two categories might share a view."""


async def make_views(dsn: str, categories: Sequence[str], *, schema: str, direct: str | None) -> Sequence[CategoryView]:
    """
    Make a view `{category}_events` beside the log for each of these categories, of all that the store holds if none is
    named.

    They are views of `events_json`, so they hold what the log holds and nothing has to fill them. All are made or none;
    one that is there stays. Others may have the store open.

    Raises:
        InvalidInput: something else has that name, or the name is longer than the server allows.
        InvalidStreamName: that is no category.
        StoreNotMigrated, NotAStore, StoreTooNew: this is no store of this release, and nothing was touched.
        StoreUnavailable: it cannot be reached, or the role may not make views.
    """
    names = Names(schema)
    for each in categories:
        _view_of(each)
    connections = Connections(dsn, direct=direct, most=1)
    try:
        async with unit(connections) as connection:
            await found_version(connection, names, connections.where, migrate=False)
            await connection.execute(names.fill(ONE_AT_A_TIME))
            wanted = list(categories) or [each async for each in _stored(connection, names)]
            return [await _view(connection, each, names) for each in dict.fromkeys(wanted)]
    finally:
        await connections.close()


async def _stored(connection: Connection, names: Names) -> AsyncIterator[str]:
    """From one to the next by the index: what it costs is their number, not the length of the log."""
    category = ""
    while (found := await connection.fetchval(names.fill(NEXT_CATEGORY), category)) is not None:
        category = str(found)
        yield category


async def _view(connection: Connection, category: str, names: Names) -> CategoryView:
    name = _view_of(category)
    mark = f"{VIEW_OF_A_CATEGORY}{category}"
    there = await connection.fetchval(FOUND, names.schema, name)
    if there is None:
        where = f'{names.fill("{schema}")}."{name}"'
        view = names.fill("{events_json}")
        await connection.execute(f"CREATE VIEW {where} AS SELECT * FROM {view} WHERE category = '{category}'")  # noqa: S608 - see below
        await connection.execute(f"COMMENT ON VIEW {where} IS '{mark}'")
    elif there != mark:
        raise InvalidInput(
            f"the view of category {category!r} would be {names.plain(name)!r}, but something else has that name and "
            "stays as it is; drop or rename that, or name the categories that you want views of"
        )
    return CategoryView(category, name, there is None)


def _view_of(category: str) -> str:
    category, _ = Stream.of(category, "any")  # no quotation mark of either kind gets past this
    name = f"{category}_events"
    if len(name.encode()) > _LONGEST:
        raise InvalidInput(f"the view of category {category!r} would have a name of more than {_LONGEST} bytes")
    return name
