"""From a store's URL to the adapters behind it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Final

import msgspec

from eventfold.bootstrap.urls import (
    PostgresAddress,
    SqliteOptions,
    memory_options,
    postgres_address,
    scheme_of,
    sqlite_file,
    unknown_scheme,
)
from eventfold.errors import UnsupportedByStore
from eventfold.ports.actions import Actions
from eventfold.ports.administration import Administration
from eventfold.ports.clock import Clock
from eventfold.ports.command_log import CommandLog
from eventfold.ports.event_store import EventStore
from eventfold.ports.generations import Generations
from eventfold.ports.leases import Leases
from eventfold.ports.parking import ParkingLot
from eventfold.ports.read_model import ReadModel
from eventfold.ports.snapshot_store import SnapshotStore
from eventfold.ports.timers import Timers
from eventfold.ports.unit import Units

if TYPE_CHECKING:
    from eventfold.adapters.sqlite.backup import Backup

__all__ = ["DEFAULT_URL", "Stores", "backup", "driver_is_there", "open_stores"]

DEFAULT_URL: Final = "sqlite:///eventfold.db"


class Stores(msgspec.Struct, frozen=True):
    """
    The log and the rows of one address, transactions over both, and what only an administrator does to them.

    Beside them what processors need: leases of their partitions, events set aside, effects, accepted commands,
    generations of their rows, timers. And states of long streams.
    """

    events: EventStore
    rows: ReadModel
    administration: Administration
    units: Units
    command_log: CommandLog
    parking: ParkingLot
    leases: Leases
    actions: Actions
    generations: Generations
    timers: Timers
    snapshots: SnapshotStore


@asynccontextmanager
async def open_stores(url: str, *, clock: Clock, migrate: bool) -> AsyncGenerator[Stores]:
    """
    The stores behind the URL, open for this block.

    Raises:
        InvalidStoreUrl: an unknown kind of store, an unknown option, or a value that is none.
        UnsupportedByStore: its driver is not installed.
        StoreError: it cannot be opened, with the reason.
    """
    match scheme_of(url):
        case "memory":
            memory_options(url)
            stores = await _open_memory(clock)
        case "sqlite":
            stores = await _open_sqlite(*sqlite_file(url), clock, migrate=migrate)
        case "postgresql" | "postgres":
            stores = await _open_postgres(postgres_address(url), clock, migrate=migrate)
        case scheme:
            raise unknown_scheme(scheme)
    try:
        yield stores
    finally:
        await stores.events.close()
        await stores.rows.close()


async def backup(url: str, to: str) -> Backup:
    """
    Copy the store into a new file while it is in use: one moment of it, checked before it gets its name.

    Raises:
        InvalidStoreUrl: as `open_stores` does.
        InvalidInput: there is such a file already; it stays as it was.
        UnsupportedByStore: the store is no file.
        StoreError: the store cannot be read, or the copy not be written.
    """
    from eventfold.adapters.sqlite.backup import backup_sqlite

    path, options = sqlite_file(url)
    return await backup_sqlite(path, to, prefix=options.prefix, busy=options.busy.total_seconds())


async def _open_memory(clock: Clock) -> Stores:
    from eventfold.adapters.memory import MemoryCommandLog, MemoryEventStore
    from eventfold.adapters.memory_administration import MemoryAdministration
    from eventfold.adapters.memory_units import MemoryUnits
    from eventfold.adapters.sqlite import open_sqlite_rows_in_memory

    events = MemoryEventStore(clock)
    rows = await open_sqlite_rows_in_memory(clock=clock)
    administration = MemoryAdministration(events, rows, clock)
    rows.parking.edited = administration.note_edit
    rows.snapshots.has_event = lambda stream, version: bool(events.events_of(stream, version - 1))
    administration.drop_snapshots = rows.snapshots.drop
    units, command_log = MemoryUnits(events, rows, clock), MemoryCommandLog(events)
    beside = (rows.parking, rows.leases, rows.actions, rows.generations, rows.timers, rows.snapshots)
    return Stores(events, rows, administration, units, command_log, *beside)


async def _open_sqlite(path: str, options: SqliteOptions, clock: Clock, *, migrate: bool) -> Stores:
    from eventfold.adapters.sqlite import open_sqlite
    from eventfold.adapters.sqlite.administration import SqliteAdministration
    from eventfold.adapters.sqlite.command_log import SqliteCommandLog

    events, rows, units = await open_sqlite(
        path,
        clock=clock,
        migrate=migrate,
        synchronous=options.synchronous,
        busy=options.busy.total_seconds(),
        writer=options.writer,
        prefix=options.prefix,
        network=options.network,
    )
    busy = options.busy.total_seconds()
    administration = SqliteAdministration.of(events, rows, clock, busy=busy)
    command_log = SqliteCommandLog.of(events)
    beside = (rows.parking, rows.leases, rows.actions, rows.generations, rows.timers, rows.snapshots)
    return Stores(events, rows, administration, units, command_log, *beside)


def driver_is_there() -> None:
    """Raises UnsupportedByStore when asyncpg is not installed, with the command that installs it."""
    try:
        import_module("asyncpg")
    except ModuleNotFoundError as error:
        if error.name != "asyncpg":
            raise
        raise UnsupportedByStore(
            "postgresql: needs the driver asyncpg, which is not installed: pip install 'eventfold[postgres]'"
        ) from error


async def _open_postgres(address: PostgresAddress, clock: Clock, *, migrate: bool) -> Stores:
    driver_is_there()
    from eventfold.adapters.postgres import open_postgres
    from eventfold.adapters.postgres.administration import PostgresAdministration
    from eventfold.adapters.postgres.command_log import PostgresCommandLog

    options = address.options
    events, rows, units = await open_postgres(
        address.dsn,
        clock=clock,
        migrate=migrate,
        schema=options.schema,
        pool=options.pool,
        lanes=options.lanes,
        direct=options.direct,
        poll=options.poll.total_seconds(),
        notify=options.notify == "on",
        may_lose=options.synchronous_commit == "any",
    )
    administration = PostgresAdministration.of(events, units.over)
    command_log = PostgresCommandLog.of(events)
    beside = (rows.parking, rows.leases, rows.actions, rows.generations, rows.timers, rows.snapshots)
    return Stores(events, rows, administration, units, command_log, *beside)
