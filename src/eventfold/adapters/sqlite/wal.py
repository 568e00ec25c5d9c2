"""Keeps the write-ahead log short while others read: a reader that stays in an old state keeps it from being reused."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from functools import partial
from pathlib import Path
from typing import Any, Final

from eventfold.adapters.sqlite.connection import Connection, speaking_our_errors
from eventfold.adapters.sqlite.writer import Writer
from eventfold.errors import StoreClosed, StoreError

__all__ = ["WAL_LIMIT", "WalWatch", "wal_readers", "wal_size"]

_log = logging.getLogger("eventfold.sqlite")

WAL_LIMIT: Final = 64 * 1024 * 1024
"""Bytes from which on the log is written back and cut off; in between SQLite reuses it by itself."""
_LOOK_EVERY: Final = 0.05
_TRY_EVERY: Final = 0.5
_SAY_EVERY: Final = 60.0
_PATIENCE: Final = 100
"""Milliseconds for which writers wait while readers finish their page, so that the log can be cut off."""
_IN_THE_THREAD: Final = 1 << 30


class WalWatch:
    """Looks after commits, and while the log is too long, also without any."""

    def __init__(self, writer: Writer, path: str, *, limit: int = WAL_LIMIT) -> None:
        self.limit = limit
        self._writer = writer
        self._path = path
        self._next_look = 0.0
        self._said = -_SAY_EVERY
        self._task: asyncio.Task[None] | None = None

    def look(self) -> None:
        """On the loop, after a commit."""
        now = time.monotonic()
        if now < self._next_look:
            return
        self._next_look = now + _LOOK_EVERY
        if self._task is None and wal_size(self._path) > self.limit:
            self._task = asyncio.get_running_loop().create_task(self._shorten(), name="eventfold log watch")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _shorten(self) -> None:
        try:
            while wal_size(self._path) > self.limit:
                try:
                    async with self._writer.turn() as connection:
                        cut = await self._writer.work(partial(self._cut, connection), _IN_THE_THREAD)
                except StoreClosed:
                    return
                except StoreError as error:  # an append that meets it tells its caller; here it is tried again
                    _log.warning("%s: the write-ahead log could not be shortened: %s", self._path, error)
                    cut = False
                if not cut:
                    self._say_who_reads()
                    await asyncio.sleep(_TRY_EVERY)
        finally:
            self._task = None

    def _cut(self, connection: Connection) -> bool:
        with speaking_our_errors(self._path):
            _, written, taken_over = _checkpoint(connection, "PRAGMA wal_checkpoint(PASSIVE)")
            if written != taken_over:
                return False
            connection.set_busy_timeout(_PATIENCE)
            busy, _, _ = _checkpoint(connection, "PRAGMA wal_checkpoint(TRUNCATE)")
            return not busy

    def _say_who_reads(self) -> None:
        now = time.monotonic()
        if now - self._said < _SAY_EVERY:
            return
        self._said = now
        size = wal_size(self._path) / 1024 / 1024
        readers = ", ".join(map(str, wal_readers(self._path))) or "unknown"
        _log.warning(
            "%s: the write-ahead log has grown to %.0f MiB and cannot be shortened while process(es) %s read an old "
            "state; end their transactions",
            self._path,
            size,
            readers,
        )


def wal_size(path: str) -> int:
    """Bytes of the write-ahead log; 0 when there is none."""
    try:
        return os.stat(f"{path}-wal").st_size  # noqa: PTH116 - after every commit
    except OSError:
        return 0


def wal_readers(path: str, locks: str | None = None) -> list[int]:
    """The processes that are reading now: they hold shared locks on the log's index. Empty where nobody can tell."""
    try:
        inode = Path(f"{path}-shm").stat().st_ino
        table = Path("/proc/locks").read_text("ascii") if locks is None else locks
    except OSError:
        return []
    found: set[int] = set()
    for line in table.splitlines():
        fields = [field for field in line.split() if field != "->"]
        if fields[1:2] != ["POSIX"] or fields[3] != "READ" or int(fields[5].rpartition(":")[2]) != inode:
            continue
        if int(fields[6]) in _READ_MARKS:
            found.add(int(fields[4]))
    return sorted(found)


_READ_MARKS: Final = range(123, 128)
"""The bytes of the index that readers lock, one for each state that may be read."""


def _checkpoint(connection: Connection, pragma: str) -> tuple[int, int, int]:
    row: tuple[Any, ...] | None = connection.execute(pragma).fetchone()
    if row is None:
        return 1, 0, 0
    return int(row[0]), int(row[1]), int(row[2])
