"""Whether the store may be used from here."""

from __future__ import annotations

import asyncio
import os

from eventfold.errors import StoreClosed, StoreError, StoreUsedAfterFork

__all__ = ["Guard"]


class Guard:
    """Open, in the process and on the event loop that opened it."""

    def __init__(self) -> None:
        self.loop: asyncio.AbstractEventLoop = asyncio.get_running_loop()
        self.closed: bool = False
        self._pid = os.getpid()

    def refuse_if_unusable(self) -> None:
        """Raises StoreClosed, StoreUsedAfterFork, and StoreError on another event loop."""
        if self.closed:
            raise StoreClosed
        if self.forked:
            raise StoreUsedAfterFork(self._pid, os.getpid())
        if asyncio.get_running_loop() is not self.loop:
            raise StoreError("the store was opened on another event loop; open it once more on this one")

    @property
    def forked(self) -> bool:
        """This is a child of the process that opened the store: its files and sockets are the parent's."""
        return os.getpid() != self._pid
