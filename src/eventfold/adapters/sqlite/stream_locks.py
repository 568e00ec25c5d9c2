"""
Locks of streams among all processes that have the file open: one byte of a file of its own for each stream.

The store's own lock is not held, so whoever has a stream may think as long as he likes while others write.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import struct
import threading
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from hashlib import blake2b
from typing import Final
from weakref import WeakSet

from eventfold.domain.message import Stream
from eventfold.errors import StoreClosed, StoreUnavailable
from eventfold.ports.holding import Lines

__all__ = ["StreamLocks"]

_OWNER_ONLY: Final = 0o600
_FLOCK: Final = "hhqqi0q"
_BYTES: Final = 2**62
"""Two streams of one byte would lock each other: harmless, and never seen."""
_PAUSES: Final = (0.001, 0.05)
"""Seconds between two looks at another process's lock: the first pause, each twice the one before, and the longest."""
# A lock of the open file rather than the process: a second store in this process is kept out as well, and closing it
# frees nothing of ours.
_OFD: Final = hasattr(fcntl, "F_OFD_SETLK")
_open: WeakSet[StreamLocks] = WeakSet()


class StreamLocks:
    """
    `<file>-streams`, mode 0600, made with the first lock. The kernel frees what a dead process held.

    In this process who came first gets a stream first; among processes nobody is preferred.

    Args:
        refuse_if_unusable: raises where the store is closed, or not ours.
    """

    def __init__(self, path: str, refuse_if_unusable: Callable[[], None]) -> None:
        self._path = f"{path}-streams"
        self._refuse_if_unusable = refuse_if_unusable
        self._lines = Lines()
        self._fd: int | None = None
        self._hands = threading.Lock()  # the store is closed in its writer's thread
        self._closed = False
        _open.add(self)

    @asynccontextmanager
    async def waiting(self, stream: Stream, deadline: float) -> AsyncGenerator[None]:
        """
        The stream for this block alone.

        Raises:
            TimeoutError: at the deadline, which is one of the loop's clock.
            StoreUnavailable: the file cannot be made or locked.
        """
        self._refuse_if_unusable()
        async with self._lines.first(stream, deadline):
            place = _place(stream)
            await self._take(place, deadline)
            try:
                yield
            finally:
                self._release(place)

    async def _take(self, place: int, deadline: float) -> None:
        loop = asyncio.get_running_loop()
        pause, longest = _PAUSES
        while not self._grab(place):
            left = deadline - loop.time()
            if left <= 0:
                raise TimeoutError
            await asyncio.sleep(min(pause, left))
            pause = min(2 * pause, longest)

    def _grab(self, place: int) -> bool:
        self._refuse_if_unusable()
        try:
            with self._hands:
                _lock(self._file(), fcntl.F_WRLCK, place)
        except (BlockingIOError, PermissionError):  # POSIX lets a system say either
            return False
        except OSError as error:
            raise _unusable(self._path, error) from error
        return True

    def _release(self, place: int) -> None:
        with self._hands:
            if self._fd is not None:  # else closing has released it
                _lock(self._fd, fcntl.F_UNLCK, place)

    def _file(self) -> int:
        if self._closed:
            raise StoreClosed
        if self._fd is None:
            try:
                flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
                self._fd = os.open(self._path, flags, _OWNER_ONLY)
            except OSError as error:
                raise _unusable(self._path, error) from error
        return self._fd

    def close(self) -> None:
        """Every lock is released. The file stays: another process may hold one."""
        with self._hands:
            self.leave()

    def leave(self) -> None:
        self._closed = True
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)


def _lock(fd: int, kind: int, place: int) -> None:
    if _OFD:
        fcntl.fcntl(fd, fcntl.F_OFD_SETLK, struct.pack(_FLOCK, kind, os.SEEK_SET, place, 1, 0))
    else:
        how = fcntl.LOCK_UN if kind == fcntl.F_UNLCK else fcntl.LOCK_EX | fcntl.LOCK_NB
        fcntl.lockf(fd, how, 1, place)


def _place(stream: Stream) -> int:
    """A category holds no space."""
    digest = blake2b(f"{stream.category} {stream.id}".encode(), digest_size=8).digest()
    return int.from_bytes(digest) % _BYTES


def _unusable(path: str, error: OSError) -> StoreUnavailable:
    remedy = "see that it and its folder belong to this user, on a local disk"
    return StoreUnavailable(f"{path} cannot be locked: {error.strerror}; {remedy}")


def _leave_to_the_parent() -> None:
    """A forked child would keep its parent's locks alive."""
    for locks in list(_open):
        locks.leave()


os.register_at_fork(after_in_child=_leave_to_the_parent)
