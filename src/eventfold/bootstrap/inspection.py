"""A store seen by its URL, without an application: numbers, health, schema. Memory has none."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from uuid import UUID

from eventfold.bootstrap.stores import driver_is_there, open_stores
from eventfold.bootstrap.urls import PostgresAddress, is_postgres, postgres_address, redacted, sqlite_file
from eventfold.ports.clock import Clock
from eventfold.ports.inspection import CategoryView, Examination, Statistics

__all__ = ["category_views", "examination", "migrate", "position_of", "schema_version", "statistics"]


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


async def schema_version(url: str) -> tuple[int, int]:
    """Found, and needed by this release. Raises as `statistics` does."""
    if is_postgres(url):
        address = _server(url)
        from eventfold.adapters.postgres import survey

        return await survey.schema_version(address.dsn, schema=address.options.schema, direct=address.options.direct)
    from eventfold.adapters.sqlite.survey import schema_version as of_file

    path, options = sqlite_file(url)
    return await asyncio.to_thread(of_file, path, prefix=options.prefix, busy=options.busy.total_seconds())


async def migrate(url: str, *, clock: Clock) -> tuple[int, int]:
    """
    Make or update the tables; the versions before and after. Safe while others have the store open.

    Raises:
        InvalidStoreUrl, UnsupportedByStore, StoreError.
    """
    from eventfold.errors import StoreNotMigrated

    try:
        before, _ = await schema_version(url)
    except StoreNotMigrated:
        before = 0
    async with open_stores(url, clock=clock, migrate=True):
        pass
    _, after = await schema_version(url)
    return before, after


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
