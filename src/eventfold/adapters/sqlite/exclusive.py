"""The writing connection, to be used by one process at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

import apsw

from eventfold.adapters.sqlite.connection import Connection
from eventfold.adapters.sqlite.lock import Lock
from eventfold.errors import StoreBusy

__all__ = ["Exclusive"]

T = TypeVar("T")


class Exclusive:
    """
    Runs functions under the lock. It is held from the first one until `let_go`.

    Args:
        busy: seconds to wait, in the thread alone, for those who know nothing of the lock.
    """

    def __init__(self, connection: Connection, lock: Lock, *, busy: float) -> None:
        self._connection = connection
        self._lock = lock
        self._patience = int(busy * 1000)
        self._held = False
        connection.set_busy_timeout(0)

    def hold_now(self) -> bool:
        """Whether it is held, without waiting."""
        if not self._held:
            self._held = self._lock.try_take()
        return self._held

    def hold(self) -> None:
        """In the thread. Raises StoreBusy when another process does not let go in time."""
        if not self._held:
            self._lock.take()
            self._held = True

    def let_go(self) -> None:
        if self._held:
            self._held = False
            self._lock.release()

    def try_run(self, function: Callable[[], T]) -> T | StoreBusy:
        """On the loop: StoreBusy, and nothing done, where waiting would be needed."""
        if not self.hold_now():
            return StoreBusy(None, 0.0)
        try:
            return function()
        except apsw.BusyError:
            if self._connection.in_transaction:
                raise
            return StoreBusy(None, 0.0)

    def run(self, function: Callable[[], T]) -> T:
        """In the thread, where one may wait."""
        self.hold()
        self._connection.set_busy_timeout(self._patience)
        try:
            return function()
        finally:
            self._connection.set_busy_timeout(0)

    def close(self, readers: Iterable[Callable[[], None]]) -> None:
        """
        Under the lock, for who closes a file last writes its log back; where it is taken, another process will.

        Readers close before the writer: they cannot write, and would leave the log behind.
        """
        for each in readers:
            each()
        self.hold_now()
        try:
            self._connection.close()
        finally:
            self.let_go()
            self._lock.close()
