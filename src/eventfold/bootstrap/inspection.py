"""A store seen by its URL, without an application: numbers, health, schema. Memory has none."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from uuid import UUID

from eventfold.bootstrap.stores import driver_is_there, open_stores
from eventfold.bootstrap.urls import PostgresAddress, is_postgres, postgres_address, redacted, sqlite_file
from eventfold.domain.message import to_micros
from eventfold.errors import UnsupportedByStore
from eventfold.ports.clock import Clock
from eventfold.ports.inspection import CategoryView, Examination, SchemaVersion, Statistics

__all__ = ["category_views", "examination", "migrate", "position_of", "roles", "schema_version", "statistics"]


async def statistics(url: str) -> Statistics:
    """
    What the store holds. Its price grows with the store: every event's place is read once.

    Raises:
        InvalidStoreUrl, UnsupportedByStore, StoreError.
    """
    if is_postgres(url):
        address = _server(url)
        from eventfold.adapters.postgres import survey

        return await survey.statistics(address.dsn, schema=address.options.schema, direct=address.options.direct)
    from eventfold.adapters.sqlite.survey import statistics as of_file

    path, options = sqlite_file(url)
    return await asyncio.to_thread(of_file, path, prefix=options.prefix, busy=options.busy.total_seconds())


async def position_of(url: str, event_id: UUID) -> int | None:
    """Where the event with this id is; None when it is not in the store. Raises as `statistics` does."""
    if is_postgres(url):
        address = _server(url)
        from eventfold.adapters.postgres import survey

        options = address.options
        return await survey.position_of(address.dsn, event_id, schema=options.schema, direct=options.direct)
    from eventfold.adapters.sqlite.survey import position_of as in_file

    path, opened = sqlite_file(url)
    busy = opened.busy.total_seconds()
    return await asyncio.to_thread(in_file, path, event_id.bytes, prefix=opened.prefix, busy=busy)


async def schema_version(url: str) -> SchemaVersion:
    """How far the tables are. Raises as `statistics` does."""
    if is_postgres(url):
        address = _server(url)
        from eventfold.adapters.postgres import survey

        return await survey.schema_version(address.dsn, schema=address.options.schema, direct=address.options.direct)
    from eventfold.adapters.sqlite.survey import schema_version as of_file

    path, options = sqlite_file(url)
    return await asyncio.to_thread(of_file, path, prefix=options.prefix, busy=options.busy.total_seconds())


async def migrate(url: str, *, clock: Clock, finish: bool = False) -> tuple[int, SchemaVersion]:
    """
    Make or update the tables; the version before, and how far they are now. Safe while others have the store open.

    Args:
        finish: no older release is left, so apply what had to wait for that, and refuse older releases from now on.

    Raises:
        InvalidStoreUrl, UnsupportedByStore, StoreError.
    """
    from eventfold.errors import StoreNotMigrated

    try:
        before = (await schema_version(url)).found
    except StoreNotMigrated:
        before = 0
    async with open_stores(url, clock=clock, migrate=True):
        pass
    if finish:
        await _finish(url, clock)
    return before, await schema_version(url)


async def _finish(url: str, clock: Clock) -> None:
    if is_postgres(url):
        address = _server(url)
        from eventfold.adapters.postgres.finish import finish as of_schema

        await of_schema(address.dsn, schema=address.options.schema, direct=address.options.direct)
        return
    from eventfold.adapters.sqlite.finish import finish as of_file

    path, options = sqlite_file(url)
    now, busy = to_micros(clock.now()), options.busy.total_seconds()
    await asyncio.to_thread(of_file, path, prefix=options.prefix, busy=busy, now=now)


async def roles(
    url: str,
    *,
    owner: str | None = None,
    writer: str | None = None,
    reader: str | None = None,
    projector: str | None = None,
    tables: str = "public",
    apply: bool = False,
) -> Sequence[str]:
    """
    The SQL that gives four roles the rights they need on this store, and takes what they have beyond.

    Args:
        owner, writer, reader, projector: their names; `shop_owner` and so on for the schema `shop` unless named.
        tables: the schema of the projectors' tables.
        apply: execute it too, as the role of the URL.

    Raises:
        UnsupportedByStore: the store has no roles.
        InvalidInput: a name is none.
        InvalidStoreUrl, StoreError: it cannot be applied.
    """
    if not is_postgres(url):
        path, _ = sqlite_file(url)
        raise UnsupportedByStore(
            f"{path}: a file knows no roles, only its owner and mode: chmod and chown say who may read and write it"
        )
    address = _server(url)
    from eventfold.adapters.postgres.names import Names
    from eventfold.adapters.postgres.roles import Roles, apply_roles, role_statements

    schema, direct = address.options.schema, address.options.direct
    named = Roles.of(schema, owner=owner, writer=writer, reader=reader, projector=projector)
    if apply:
        await apply_roles(address.dsn, schema=schema, direct=direct, roles=named, tables=tables)
    return role_statements(Names(schema), named, tables=tables)


async def category_views(url: str, categories: Sequence[str]) -> Sequence[CategoryView]:
    """
    Make SQL views `{category}_events` over the log, of all categories it holds if none is named. All or none.

    Raises:
        InvalidStoreUrl, UnsupportedByStore, StoreError.
        InvalidInput: a name is no category, or something else has the name of the view.
    """
    if is_postgres(url):
        address = _server(url)
        from eventfold.adapters.postgres import views

        options = address.options
        return await views.make_views(address.dsn, categories, schema=options.schema, direct=options.direct)
    from eventfold.adapters.sqlite.views import make_views

    path, opened = sqlite_file(url)
    busy = opened.busy.total_seconds()
    return await asyncio.to_thread(make_views, path, categories, prefix=opened.prefix, busy=busy)


async def examination(url: str, *, deep: bool = False) -> Examination:
    """Facts and findings about the store's file, or its server. Raises as `statistics` does."""
    if is_postgres(url):
        address = _server(url)
        from eventfold.adapters.postgres.examine import examine as look_at

        options = address.options
        return await look_at(address.dsn, url=redacted(url), schema=options.schema, direct=options.direct, deep=deep)
    from eventfold.adapters.sqlite.examine import examine

    path, opened = sqlite_file(url)
    return await asyncio.to_thread(
        examine,
        path,
        url=url,
        prefix=opened.prefix,
        busy=opened.busy.total_seconds(),
        synchronous=opened.synchronous,
        deep=deep,
    )


def _server(url: str) -> PostgresAddress:
    """Raises InvalidStoreUrl; UnsupportedByStore without its driver."""
    address = postgres_address(url)
    driver_is_there()
    return address
