"""
News of a commit to other processes: a datagram to each that listens, and a slow look at the file for the rest.

Who listens binds a socket in `<file>-wake`, a folder of the owner alone; who has committed sends to every name there.
A datagram is a hint and may get lost: the look at `PRAGMA data_version` finds what nobody told.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from typing import Final
from uuid import uuid4

from eventfold.ports.subscription import Bell

__all__ = ["WakeUp"]

_QUICK_LOOK: Final = 0.02
_SLOW_LOOK: Final = 0.25
_LONGEST_ADDRESS: Final = 100
_DESCRIPTORS: Final = "/proc/self/fd"
"""Through it a folder that is open has a short name, however long its path is."""
_SETTLED: Final = 100_000_000
"""Nanoseconds after which a folder's time of change is certain to tell of the next change."""


class WakeUp:
    """
    Of one store of this process: `tell` the others after a commit, and ring our bell when they tell us.

    Nothing here fails a commit or a subscription: without sockets, only the slow look is left.
    """

    def __init__(self, path: str, bell: Bell, data_version: Callable[[], object]) -> None:
        self._folder = f"{path}-wake"
        self._bell = bell
        self._data_version = data_version
        self._name = f"{os.getpid()}-{uuid4().hex[:12]}"
        self._folder_fd: int | None = None
        self._names: list[str] = []
        self._listed: int | None = None
        self._out: socket.socket | None = None
        self._in: socket.socket | None = None
        self._listeners = 0
        self._timer: asyncio.TimerHandle | None = None
        self._pause = _QUICK_LOOK
        self._seen: object = None

    # ------------------------------------------------------------------------- tell

    def tell(self) -> None:
        """After a commit. Does not wait: whoever has not yet read the last datagram needs no other."""
        try:
            for name in self._others():
                self._send(name)
        except OSError:
            self._forget_folder()

    def _others(self) -> list[str]:
        if self._folder_fd is not None and os.fstat(self._folder_fd).st_nlink == 0:
            self._forget_folder()  # everybody had left, and the last one took the folder along
        if self._folder_fd is None:
            if not os.access(self._folder, os.F_OK):  # without an exception: this is asked after every commit
                return []
            self._folder_fd = _open_folder(self._folder)
        fd = self._folder_fd
        found = os.fstat(fd)
        if found.st_mtime_ns != self._listed:
            self._names = [name for name in os.listdir(fd) if name != self._name]  # noqa: PTH208 - by descriptor
            self._listed = found.st_mtime_ns if time.time_ns() - found.st_mtime_ns > _SETTLED else None
        return self._names

    def _send(self, name: str) -> None:
        if self._out is None:
            self._out = _datagrams()
        try:
            self._out.sendto(b"!", self._address(name))
        except BlockingIOError:  # it has enough to wake up from
            return
        except OSError as error:
            self._listed = None
            if error.errno == errno.ECONNREFUSED:  # its process was killed
                with suppress(OSError):
                    os.unlink(name, dir_fd=self._folder_fd)

    def _address(self, name: str) -> str:
        if self._folder_fd is not None and os.path.isdir(_DESCRIPTORS):  # noqa: PTH112 - after every commit
            return f"{_DESCRIPTORS}/{self._folder_fd}/{name}"
        address = f"{self._folder}/{name}"
        if len(os.fsencode(address)) > _LONGEST_ADDRESS:
            raise OSError(errno.ENAMETOOLONG, "too long for a socket", address)
        return address

    # ----------------------------------------------------------------------- listen

    @contextmanager
    def listening(self) -> Generator[None]:
        """Inside, the bell rings when another process has committed."""
        self._listeners += 1
        if self._listeners == 1:
            self._begin()
        try:
            yield
        finally:
            self._listeners -= 1
            if self._listeners == 0:
                self._end()

    def _begin(self) -> None:
        self._seen = None
        self._pause = _QUICK_LOOK
        with suppress(OSError, NotImplementedError):  # NotImplementedError: a loop that watches no sockets
            self._in = self._bound()
            asyncio.get_running_loop().add_reader(self._in, self._hear)
        self._look()

    def _bound(self) -> socket.socket:
        for attempt in range(3):
            with suppress(FileExistsError):
                os.mkdir(self._folder, 0o700)  # noqa: PTH102 - with what follows by descriptor
            if self._folder_fd is None:
                self._folder_fd = _open_folder(self._folder)
            receiver = _datagrams()
            try:
                receiver.bind(self._address(self._name))
            except OSError as error:
                receiver.close()
                if error.errno == errno.EADDRINUSE:
                    self._unlink()
                elif error.errno == errno.ENOENT:  # somebody removed the folder, which was empty
                    self._forget_folder()
                if attempt == 2:
                    raise
                continue
            return receiver
        raise AssertionError("unreachable: the last attempt raises")

    def _hear(self) -> None:
        if self._in is not None:
            with suppress(OSError):
                while self._in.recv(16):
                    pass
        self._bell.ring()

    def _look(self) -> None:
        """The safety net. What cannot be read is the subscriber's to report, so it is woken too."""
        try:
            found = self._data_version()
        except Exception:
            found = None
        if found is None or (found != self._seen and self._seen is not None):
            self._bell.ring()
            self._pause = _QUICK_LOOK if found is not None else _SLOW_LOOK
        else:
            self._pause = min(_SLOW_LOOK, self._pause * 2)
        self._seen = found
        self._timer = asyncio.get_running_loop().call_later(self._pause, self._look)

    def _end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._in is not None:
            with suppress(Exception):  # the loop may be closed already
                asyncio.get_running_loop().remove_reader(self._in)
            self._in.close()
            self._in = None
            self._unlink()
            with suppress(OSError):  # others listen
                os.rmdir(self._folder)  # noqa: PTH106 - with what precedes by descriptor

    # ------------------------------------------------------------------------ close

    async def close(self) -> None:
        self._end()
        self._forget_folder()
        if self._out is not None:
            self._out.close()
            self._out = None

    def _unlink(self) -> None:
        if self._folder_fd is not None:
            with suppress(OSError):
                os.unlink(self._name, dir_fd=self._folder_fd)

    def _forget_folder(self) -> None:
        if self._folder_fd is not None:
            with suppress(OSError):
                os.close(self._folder_fd)
        self._folder_fd, self._listed, self._names = None, None, []


def _datagrams() -> socket.socket:
    made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    made.setblocking(False)
    return made


def _open_folder(folder: str) -> int:
    return os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
