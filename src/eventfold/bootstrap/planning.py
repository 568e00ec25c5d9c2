"""What opening an application on a store would do there, before it does: migrate, replay, send."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final, Literal, TypeAlias

import msgspec

from eventfold.adapters.system import system_clock
from eventfold.bootstrap.application import AnyProcessor, Eventfold
from eventfold.bootstrap.inspection import schema_version
from eventfold.bootstrap.stores import Stores, open_stores
from eventfold.domain.message import StoredEvent
from eventfold.errors import StoreNotMigrated
from eventfold.ports.processors import ProcessorRecord

__all__ = ["MOST", "Planned", "Will", "plan"]

MOST: Final = 100_000
"""Events that are counted for each processor, at most."""

Will: TypeAlias = Literal["migrate", "replay", "send", "start", "refuse", "go on"]


class Planned(msgspec.Struct, frozen=True):
    """
    One thing that would happen.

    Args:
        name: of the processor; empty for the store.
        will: replay: rows are filled from the log; send: functions that act on the world are called for events that are
            there already; start: with what comes; go on: from its place; refuse: it does not start.
        events: that it would handle now, `MOST` at most.
        why: in words.
    """

    name: str
    will: Will
    events: int
    why: str


async def plan(app: Eventfold, url: str) -> AsyncIterator[Planned]:
    """
    Changes nothing. Of a store whose tables are too old to be read, only that they would be migrated.

    Raises:
        InvalidStoreUrl, StoreError: there is no store, or it cannot be reached.
    """
    tables = await schema_version(url)
    if tables.found < tables.needed:
        why = f"its tables are at version {tables.found}, this release needs {tables.needed}"
        yield Planned("", "migrate", 0, why)
    try:
        async with open_stores(url, clock=system_clock, migrate=False) as stores:
            known = {each.name: each for each in await stores.rows.processors()}
            for processor in app.processors:
                yield await _of(app, processor, known.get(processor.name), stores)
    except StoreNotMigrated:
        return  # what its processors would do can be said once it is migrated


async def _of(app: Eventfold, processor: AnyProcessor, record: ProcessorRecord | None, stores: Stores) -> Planned:
    name, acts = processor.name, processor.kind != "projector"
    query = app.catalogue.resolve(processor.query)

    async def left(after: int) -> int:
        return await _count(stores.events.read_all(query, after=after, limit=MOST))

    if record is None:
        if processor.start == "now":
            return Planned(name, "start", 0, "it is new, and follows what comes")
        return Planned(name, "send" if acts else "replay", await left(0), "it is new, and starts at the beginning")
    if record.partitions != processor.partitions:
        why = f"it has {record.partitions} partitions for life, and the code says {processor.partitions}"
        return Planned(name, "refuse", 0, why)
    if record.version > processor.version:
        return Planned(
            name, "refuse", 0, f"version {record.version} has filled its rows, and here is {processor.version}"
        )
    if record.version < processor.version and not acts:
        why = f"version {processor.version} empties the rows of {record.version} and fills them anew"
        return Planned(name, "replay", await left(record.start), why)
    why = f"from position {max(record.position, record.start)}"
    if record.query is not None and record.query != query.as_text():
        why += "; its query has changed, and it does not go back for older events"
    number = await left(max(record.position, record.start))
    return Planned(name, "send" if acts and number else "go on", number, why)


async def _count(events: AsyncIterator[StoredEvent]) -> int:
    number = 0
    async for _ in events:
        number += 1
    return number
