"""The embedded store: one SQLite file, no server."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from eventfold.adapters.sqlite.connection import (
    IN_MEMORY,
    Synchronous,
    make_durable,
    open_reader,
    open_writer,
    speaking_our_errors,
)
from eventfold.adapters.sqlite.event_store import SqliteEventStore
from eventfold.adapters.sqlite.group import GroupCommit
from eventfold.adapters.sqlite.migrate import bring_up_to_date, found_version, latest_version
from eventfold.adapters.sqlite.names import Names
from eventfold.adapters.sqlite.writer import Placement, Writer
from eventfold.domain.message import to_micros
from eventfold.errors import StoreNotMigrated

if TYPE_CHECKING:
    from eventfold.adapters.sqlite.read_model import SqliteReadModel
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
) -> tuple[SqliteEventStore, SqliteReadModel]:
    """
    The log and the rows in one file. Closing the event store closes the file.

    Args:
        migrate: make or update the tables; without it, missing ones are an error and no file is made.
        synchronous: `full`: what is acknowledged survives a power cut. `normal`: the last commits may be lost.
        busy: seconds to wait for another process.
        writer: `auto` commits small groups on the loop while the disk is quick, `thread` never.
        prefix: of all our tables.

    Raises:
        NotAStore, StoreTooNew, StoreNotMigrated, StoreUnavailable, StoreBusy, InvalidInput.
    """
    names = Names(prefix)
    if not migrate and os.access(Path(path).parent, os.X_OK) and not Path(path).exists():  # noqa: ASYNC240 - opening blocks, once
        raise StoreNotMigrated(path, 0, latest_version())
    connection = open_writer(path, busy=busy, create=migrate)
    opened = [connection]
    try:
        with speaking_our_errors(path, busy):
            found = found_version(connection, names, path, migrate=migrate)
            make_durable(connection, path, synchronous=synchronous, busy=busy)
            if found < latest_version():
                bring_up_to_date(connection, names, path, now=to_micros(clock.now()))
        opened += (open_reader(path, busy=busy), open_reader(path, busy=busy))
    except BaseException:
        for each in opened:
            each.close()
        raise
    _, reader, queries = opened
    the_writer = Writer(connection, GroupCommit(connection, names, path, clock, busy=busy), placement=writer)
    from eventfold.adapters.sqlite.read_model import SqliteReadModel  # SQLAlchemy costs 0.2 s

    store = SqliteEventStore(the_writer, reader, names, path)
    return store, SqliteReadModel(the_writer, reader, names, path, clock, queries=queries, busy=busy)


async def open_sqlite_rows_in_memory(*, clock: Clock) -> SqliteReadModel:
    """Tables in the memory of this process, for the memory store."""
    names = Names()
    connection = open_writer(IN_MEMORY, busy=0, create=True)
    make_durable(connection, IN_MEMORY, synchronous="normal", busy=0)
    bring_up_to_date(connection, names, IN_MEMORY, now=to_micros(clock.now()))
    writer = Writer(connection, GroupCommit(connection, names, IN_MEMORY, clock), placement="auto")
    from eventfold.adapters.sqlite.read_model import SqliteReadModel  # as above

    return SqliteReadModel(writer, None, names, IN_MEMORY, clock, queries=None)
