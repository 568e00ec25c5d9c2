"""The end of an upgrade: what had to wait until no older release uses the file."""

from __future__ import annotations

from eventfold.adapters.sqlite.connection import open_writer, speaking_our_errors
from eventfold.adapters.sqlite.lock import FileLock
from eventfold.adapters.sqlite.migrate import bring_up_to_date, found_version
from eventfold.adapters.sqlite.names import Names
from eventfold.adapters.sqlite.survey import looking

__all__ = ["finish"]


def finish(path: str, *, prefix: str, busy: float, now: int) -> None:
    """
    Apply the post migrations, and refuse older releases from now on. Others of this release may have the store open.

    Args:
        busy: seconds to wait for another process.
        now: microseconds since 1970.

    Raises:
        StoreNotMigrated, NotAStore, StoreTooNew: this is no store, or none of this release.
        StoreBusy, StoreUnavailable, StoreFull: it cannot be written now.
    """
    names = Names(prefix)
    with looking(path, busy=busy) as connection:
        found_version(connection, names, path, migrate=False)
    lock = FileLock(path, busy=busy)
    try:
        lock.take()
        try:
            with speaking_our_errors(path, busy):
                connection = open_writer(path, busy=busy, create=False)
                try:
                    bring_up_to_date(connection, names, path, now=now, finish=True)
                finally:
                    connection.close()
        finally:
            lock.release()
    finally:
        lock.close()
