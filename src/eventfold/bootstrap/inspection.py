"""A store seen by its URL, without an application: numbers, health, schema. Of files only; memory has none."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from uuid import UUID

from eventfold.bootstrap.stores import open_stores, sqlite_file
from eventfold.ports.clock import Clock

if TYPE_CHECKING:
    from eventfold.adapters.sqlite.examine import Examination
    from eventfold.adapters.sqlite.survey import Statistics

__all__ = ["examination", "migrate", "position_of", "schema_version", "statistics"]


async def statistics(url: str) -> Statistics:
    """
    What the store holds. Its price grows with the store: every event's place is read once.

    Raises:
        InvalidStoreUrl, UnsupportedByStore, StoreError.
    """
    from eventfold.adapters.sqlite.survey import statistics as survey

    path, options = sqlite_file(url)
    return await asyncio.to_thread(survey, path, prefix=options.prefix, busy=options.busy.total_seconds())


async def position_of(url: str, event_id: UUID) -> int | None:
    """Where the event with this id is; None when it is not in the store. Raises as `statistics` does."""
    from eventfold.adapters.sqlite.survey import position_of as find

    path, options = sqlite_file(url)
    busy = options.busy.total_seconds()
    return await asyncio.to_thread(find, path, event_id.bytes, prefix=options.prefix, busy=busy)


async def schema_version(url: str) -> tuple[int, int]:
    """Found, and needed by this release. Raises as `statistics` does."""
    from eventfold.adapters.sqlite.survey import schema_version as look

    path, options = sqlite_file(url)
    return await asyncio.to_thread(look, path, prefix=options.prefix, busy=options.busy.total_seconds())


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


async def examination(url: str, *, deep: bool = False) -> Examination:
    """Facts and findings about the store's file. Raises as `statistics` does."""
    from eventfold.adapters.sqlite.examine import examine

    path, options = sqlite_file(url)
    return await asyncio.to_thread(
        examine,
        path,
        url=url,
        prefix=options.prefix,
        busy=options.busy.total_seconds(),
        synchronous=options.synchronous,
        deep=deep,
    )
