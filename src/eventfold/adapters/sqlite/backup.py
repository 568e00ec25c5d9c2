"""A copy of a store that is in use: one consistent moment, page by page, while others go on writing."""

from __future__ import annotations

import asyncio
import os
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, cast

import msgspec

from eventfold.adapters.sqlite.connection import open_copy, open_writer, speaking_our_errors
from eventfold.adapters.sqlite.migrate import found_version, latest_version
from eventfold.adapters.sqlite.names import Names
from eventfold.errors import InvalidInput, StoreError, StoreNotMigrated, StoreUnavailable

__all__ = ["Backup", "backup_sqlite"]

_PAGES: Final = 256
"""Of one step, after which the copy can be stopped."""
_OWNER_ONLY: Final = 0o600
COUNT: Final = "SELECT count(*), coalesce(max(position), 0) FROM {events}"


class Backup(msgspec.Struct, frozen=True):
    """
    What was copied.

    Args:
        events: how many.
        head: position of the last one.
        size: bytes of the copy.
    """

    path: str
    events: int
    head: int
    size: int


async def backup_sqlite(source: str, to: str, *, prefix: str = "", busy: float = 5.0) -> Backup:
    """
    Copy a store into a new file that opens as a store.

    The copy is the store of one moment. It is checked, and only then gets its name: a file called `to` is whole.
    Others append meanwhile; their log cannot be shortened until the copy is done. Cancelling leaves nothing behind.

    Args:
        to: in a folder that is there. It belongs to its owner alone.

    Raises:
        InvalidInput: there is a file of that name already; it stays as it was.
        StoreNotMigrated, NotAStore, StoreTooNew: the source is no store of this release.
        StoreUnavailable, StoreFull, StoreBusy: the source cannot be read, or the copy not be written.
        StoreError: the copy is not what the source is, and was thrown away.
    """
    stop = threading.Event()
    copying = asyncio.ensure_future(asyncio.to_thread(_copy, source, to, Names(prefix), busy, stop))
    try:
        return await asyncio.shield(copying)
    except asyncio.CancelledError:
        stop.set()
        while not copying.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait([copying])
        if not copying.cancelled():
            copying.exception()  # nobody is left to hear of it
        raise


def _copy(source: str, to: str, names: Names, busy: float, stop: threading.Event) -> Backup:
    if not Path(source).exists():
        raise StoreNotMigrated(source, 0, latest_version())
    if os.path.lexists(to):
        raise _taken(to)
    part = f"{to}.{os.getpid()}-{threading.get_ident():x}.part"
    try:
        os.close(os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, _OWNER_ONLY))
    except OSError as error:
        raise StoreUnavailable(f"{to} cannot be written: {error.strerror}; name a file in a folder of yours") from error
    try:
        expected = _pages(source, part, names, busy, stop)
        if _checked(part, names, busy) != expected:
            raise StoreError(f"{to}: the copy differs from {source} and was thrown away; see that the disk is sound")
        _make_lasting(part)
        try:
            os.link(part, to)  # unlike renaming, this replaces nothing
        except FileExistsError:
            raise _taken(to) from None
        _make_lasting(str(Path(to).parent))
        return Backup(to, *expected, Path(to).stat().st_size)
    finally:
        for rest in ("", "-wal", "-shm", "-journal"):
            with suppress(OSError):
                os.unlink(part + rest)  # noqa: PTH108 - what is not there need not go


def _pages(source: str, part: str, names: Names, busy: float, stop: threading.Event) -> tuple[int, int]:
    """Within one read transaction: without it the copy would begin anew whenever somebody commits."""
    reading: Any = open_writer(source, busy=busy, create=False)  # a reader that closes last leaves the log behind
    try:
        with speaking_our_errors(source, busy):
            reading.execute("PRAGMA query_only = ON")
            found_version(reading, names, source, migrate=False)
            reading.execute("BEGIN")
            expected = _count(reading, names)
        writing: Any = open_copy(part, busy=busy)
        try:
            with speaking_our_errors(part, busy), writing.backup("main", reading, "main") as backup:
                while not backup.done:
                    if stop.is_set():
                        raise StoreError("the backup was stopped; nothing of it is left")
                    backup.step(_PAGES)
        finally:
            writing.close()
        return expected
    finally:
        if reading.in_transaction:
            reading.execute("ROLLBACK")
        reading.close()


def _checked(part: str, names: Names, busy: float) -> tuple[int, int]:
    copy: Any = open_copy(part, busy=busy)
    try:
        with speaking_our_errors(part, busy):
            found = copy.execute("PRAGMA integrity_check").get
            if found != "ok":
                raise StoreError(f"the copy of the store is damaged and was thrown away: {found}")
            return _count(copy, names)
    finally:
        copy.close()


def _count(connection: Any, names: Names) -> tuple[int, int]:
    return cast("tuple[int, int]", connection.execute(names.fill(COUNT)).fetchone())


def _make_lasting(path: str) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _taken(to: str) -> InvalidInput:
    return InvalidInput(f"{to} is there already and stays as it is; name a file that is not")
