"""
A lock beside the database, so that processes wait for each other fairly and a deadline can name who is in the way.

Correctness never hangs on it: that stays with BEGIN IMMEDIATE. SQLite's own waiting lets whoever commits again at once
win for seconds, and cannot tell who holds the file.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import struct
import time
from typing import Final, Protocol
from weakref import WeakSet

from eventfold.errors import StoreBusy, StoreUnavailable

__all__ = ["FREE", "FileLock", "Lock", "lock_holder"]

_OWNER_ONLY: Final = 0o600
_HOLDER: Final = struct.Struct("=qq")
"""What the file holds: the process that has the lock, 0 for nobody, and since when, in nanoseconds."""
_QUEUE: Final = 1 << 16
"""From this byte on lies the queue: who waits holds a shared lock on the byte of the nanosecond of its coming."""
_FLOCK: Final = "hhqqi0q"
_DO_OTHERS_WAIT: Final = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, _QUEUE, 0, 0)
_NOBODY: Final = struct.pack("h", fcntl.F_UNLCK)
_COURTESY: Final = 1_000_000
"""Nanoseconds for which a lock that is free is left to who has waited longer; it may be stopped."""
_DOUBT: Final = 50_000_000
"""Nanoseconds after which a holder may have died, and the first in the queue be stopped."""
_PAUSES: Final = ((0.2, 5e-5, 2e-4), (2.0, 1e-3, 1e-3))
"""Until so many seconds after its coming, the first in the queue looks this often, and the others this often."""
_LONG_PAUSE: Final = 5e-3
_OFD: Final = hasattr(fcntl, "F_OFD_SETLK")


class Lock(Protocol):
    """Around every write transaction."""

    def try_take(self) -> bool: ...
    def take(self) -> None: ...
    def release(self) -> None: ...
    def close(self) -> None: ...


class _Free:
    """For a database that nobody else can open."""

    def try_take(self) -> bool:
        return True

    def take(self) -> None: ...
    def release(self) -> None: ...
    def close(self) -> None: ...


FREE: Final[Lock] = _Free()
_open: WeakSet[FileLock] = WeakSet()


class FileLock:
    """
    `<file>-lock`, mode 0600, holding the process that has it and since when.

    Who came first gets it first. Freed by the kernel when its holder dies, and so is a place in the queue.

    Raises:
        StoreUnavailable: the file cannot be made.
    """

    def __init__(self, path: str, *, busy: float) -> None:
        self._path = f"{path}-lock"
        self._deadline = busy
        try:
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            self._fd: int | None = os.open(self._path, flags, _OWNER_ONLY)
        except OSError as error:
            raise _unusable(self._path, error) from error
        self._record = _shared(self._fd)
        _open.add(self)

    def try_take(self) -> bool:
        """Whether it is ours now. Never waits, and gives way to others who do."""
        return not self._others_wait() and self._grab()

    def take(self) -> None:
        """Wait for it. Raises StoreBusy, with the holder, when the deadline has passed."""
        if self.try_take():
            return
        came = time.monotonic_ns()
        self._mark(fcntl.F_RDLCK, came)
        try:
            while True:
                first = not self._others_wait(before=came)
                if (first or self._is_nobodys(came)) and self._grab():
                    return
                waited = (time.monotonic_ns() - came) / 1e9
                if waited >= self._deadline:
                    raise StoreBusy(*self.holder(waited))
                pause = next((pauses[not first] for until, *pauses in _PAUSES if waited < until), _LONG_PAUSE)
                time.sleep(min(pause, self._deadline - waited))
        finally:
            self._mark(fcntl.F_UNLCK, came)

    def holder(self, waited: float) -> tuple[int | None, float]:
        """Who has it, as far as is known, and for how long; at least for as long as somebody waits."""
        return _holder(self._open_fd, waited)

    def release(self) -> None:
        self._write(0)
        fcntl.flock(self._open_fd, fcntl.LOCK_UN)

    def close(self) -> None:
        """The file stays: another process may hold it."""
        fd, self._fd = self._fd, None
        record, self._record = self._record, None
        if record is not None:
            record.close()
        if fd is not None:
            os.close(fd)

    @property
    def _open_fd(self) -> int:
        if self._fd is None:
            raise StoreUnavailable(f"{self._path} is closed")
        return self._fd

    def _grab(self) -> bool:
        fd = self._open_fd
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as error:
            raise _unusable(self._path, error) from error
        self._write(os.getpid())
        return True

    def _write(self, pid: int) -> None:
        if self._record is not None:
            _HOLDER.pack_into(self._record, 0, pid, time.monotonic_ns())

    def _is_nobodys(self, came: int) -> bool:
        """Free, and the first in the queue does not take it; or perhaps so."""
        pid, since = _read(self._open_fd) or (0, 0)
        now = time.monotonic_ns()
        return now - since > _COURTESY if pid == 0 else now - max(since, came) > _DOUBT

    def _others_wait(self, *, before: int | None = None) -> bool:
        if not _OFD:
            return False
        asked = _DO_OTHERS_WAIT
        if before is not None:
            asked = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, _QUEUE, before, 0)
        return fcntl.fcntl(self._open_fd, fcntl.F_OFD_GETLK, asked)[:2] != _NOBODY

    def _mark(self, kind: int, came: int) -> None:
        if _OFD:
            place = struct.pack(_FLOCK, kind, os.SEEK_SET, _QUEUE + came, 1, 0)
            fcntl.fcntl(self._open_fd, fcntl.F_OFD_SETLK, place)


def lock_holder(path: str) -> tuple[int | None, float] | None:
    """Which process holds the store's lock now and for how many seconds; None when nobody does."""
    try:
        fd = os.open(f"{path}-lock", os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _holder(fd, 0.0)
    else:
        return None
    finally:
        os.close(fd)


def _holder(fd: int, at_least: float) -> tuple[int | None, float]:
    """Monotonic time is one for all processes of a machine; a clock that is set does not move it."""
    pid, since = _read(fd) or (0, 0)
    return (pid, max(0.0, (time.monotonic_ns() - since) / 1e9)) if pid else (None, at_least)


def _read(fd: int) -> tuple[int, int] | None:
    """Who has it, 0 for nobody, and since when; None in a new file."""
    try:
        return _HOLDER.unpack(os.pread(fd, _HOLDER.size, 0))
    except (OSError, struct.error):
        return None


def _shared(fd: int) -> mmap.mmap | None:
    """
    The record of the holder, in memory that all processes share: it is written twice for each group.

    None where there is no room for it: a full disk must not keep anybody from hearing that it is full.
    """
    try:
        if os.fstat(fd).st_size < _HOLDER.size:
            os.pwrite(fd, bytes(_HOLDER.size), 0)  # room on the disk, or writing to the memory would be a fault
        return mmap.mmap(fd, _HOLDER.size)
    except (OSError, ValueError):
        return None


def _unusable(path: str, error: OSError) -> StoreUnavailable:
    remedy = "see that it and its folder belong to this user, on a local disk"
    return StoreUnavailable(f"{path} cannot be locked: {error.strerror}; {remedy}")


def _leave_to_the_parent() -> None:
    """A forked child would keep its parent's lock alive; closing its copy frees nothing of the parent's."""
    for lock in list(_open):
        lock.close()


os.register_at_fork(after_in_child=_leave_to_the_parent)
