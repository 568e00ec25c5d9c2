"""The embedded store: one SQLite file, no server."""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from eventfold.adapters.sqlite.connection import (
    IN_MEMORY,
    Connection,
    Synchronous,
    make_durable,
    open_reader,
    open_writer,
    speaking_our_errors,
)
from eventfold.adapters.sqlite.event_store import SqliteEventStore
from eventfold.adapters.sqlite.filesystem import mount_table, refuse_network
from eventfold.adapters.sqlite.group import GroupCommit
from eventfold.adapters.sqlite.lock import FileLock
from eventfold.adapters.sqlite.migrate import bring_up_to_date, found_version, latest_version
from eventfold.adapters.sqlite.names import Names
from eventfold.adapters.sqlite.pace import Placement
from eventfold.adapters.sqlite.wakeup import WakeUp
from eventfold.adapters.sqlite.wal import WalWatch
from eventfold.adapters.sqlite.writer import Writer
from eventfold.domain.message import to_micros
from eventfold.errors import StoreNotMigrated

if TYPE_CHECKING:
    from eventfold.adapters.sqlite.read_model import SqliteReadModel
    from eventfold.adapters.sqlite.units import SqliteUnits
    from eventfold.ports.clock import Clock

__all__ = ["SqliteEventStore", "open_sqlite", "open_sqlite_rows_in_memory"]


async def open_sqlite(
    path: str,
    *,
    clock: Clock,
    migrate: bool = True,
    synchronous: Synchronous = "full",
    busy: float = 5.0,
    writer: Placement = "auto",
    prefix: str = "",
    network: Literal["refuse", "allow"] = "refuse",
) -> tuple[SqliteEventStore, SqliteReadModel, SqliteUnits]:
    """
    The log and the rows in one file, and transactions over both. Closing the event store closes the file.

    Args:
        migrate: make or update the tables; without it, missing ones are an error and no file is made.
        synchronous: `full`: what is acknowledged survives a power cut. `normal`: the last commits may be lost.
        busy: seconds to wait for another process.
        writer: `auto` commits small groups on the loop while the disk is quick, `thread` never.
        prefix: of all our tables.
        network: whether a file on a network file system is opened all the same.

    Raises:
        NotAStore, StoreTooNew, StoreNotMigrated, StoreUnavailable, UnsupportedByStore, StoreBusy, InvalidInput.
    """
    names = Names(prefix)
    if not migrate and os.access(Path(path).parent, os.X_OK) and not Path(path).exists():  # noqa: ASYNC240 - opening blocks, once
        raise StoreNotMigrated(path, 0, latest_version())
    if network == "refuse":
        refuse_network(path, mount_table())
    connection = open_writer(path, busy=busy, create=migrate)
    opened: list[Connection | FileLock] = [connection]
    try:
        with speaking_our_errors(path, busy):
            found = found_version(connection, names, path, migrate=migrate)
            make_durable(connection, path, synchronous=synchronous, busy=busy)
            opened.append(lock := FileLock(path, busy=busy))
            if found < latest_version():
                await _take(lock)
                try:
                    bring_up_to_date(connection, names, path, now=to_micros(clock.now()))
                finally:
                    lock.release()
        opened += [reader := open_reader(path, busy=busy), queries := open_reader(path, busy=busy)]
        group = GroupCommit(connection, names, path, clock, busy=busy)
        the_writer = Writer(connection, group, placement=writer, lock=lock, busy=busy)
    except BaseException:
        for each in reversed(opened):
            each.close()
        raise
    wake_up = WakeUp(path, the_writer.bell, lambda: reader.execute("PRAGMA data_version").get)
    watch = WalWatch(the_writer, path)
    the_writer.after_commit += [wake_up.tell, watch.look]
    the_writer.before_close += [watch.stop, wake_up.close]
    the_writer.close_first.append(reader.close)
    from eventfold.adapters.sqlite.read_model import SqliteReadModel  # SQLAlchemy costs 0.2 s
    from eventfold.adapters.sqlite.units import SqliteUnits  # as above

    store = SqliteEventStore(the_writer, reader, names, path, listening=wake_up.listening)
    rows = SqliteReadModel(the_writer, reader, names, path, clock, queries=queries, busy=busy)
    return store, rows, SqliteUnits(the_writer, group, store, rows, names, path, busy=busy)


async def _take(lock: FileLock) -> None:
    """Off the loop. Who gives up meanwhile leaves no thread behind that takes the lock later."""
    taking = asyncio.ensure_future(asyncio.to_thread(lock.take))
    try:
        await asyncio.shield(taking)
    except asyncio.CancelledError:
        while not taking.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait([taking])
        if not taking.cancelled() and taking.exception() is None:
            lock.release()
        raise


async def open_sqlite_rows_in_memory(*, clock: Clock) -> SqliteReadModel:
    """Tables in the memory of this process, for the memory store."""
    names = Names()
    connection = open_writer(IN_MEMORY, busy=0, create=True)
    make_durable(connection, IN_MEMORY, synchronous="normal", busy=0)
    bring_up_to_date(connection, names, IN_MEMORY, now=to_micros(clock.now()))
    writer = Writer(connection, GroupCommit(connection, names, IN_MEMORY, clock), placement="auto")
    from eventfold.adapters.sqlite.read_model import SqliteReadModel  # as above

    return SqliteReadModel(writer, None, names, IN_MEMORY, clock, queries=None)
