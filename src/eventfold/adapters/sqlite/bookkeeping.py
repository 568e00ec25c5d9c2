"""What the store keeps beside the log, in its file: read by a reader of its own, written in turn with everything."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from eventfold.adapters.sqlite.connection import Connection, in_transaction, speaking_our_errors
from eventfold.adapters.sqlite.names import Names
from eventfold.adapters.sqlite.writer import Writer
from eventfold.ports.clock import Clock, micros_of

__all__ = ["Bookkeeping", "printable"]

T = TypeVar("T")


class Bookkeeping:
    """
    Without a reader (a database in memory has one connection) reading waits for its turn as writing does.

    Methods that end in `_within` belong to whoever holds that turn.
    """

    def __init__(
        self, writer: Writer, reader: Connection | None, names: Names, path: str, clock: Clock, *, busy: float = 0.0
    ) -> None:
        self._writer = writer
        self._reader = reader
        self._names = names
        self._fill = names.fill
        self._path = path
        self._micros = micros_of(clock)
        self._busy = busy

    async def _read(self, function: Callable[[Connection], T]) -> T:
        if self._reader is None:
            return await self._write(function)
        self._writer.refuse_if_unusable()
        with speaking_our_errors(self._path, self._busy):
            return function(self._reader)

    async def _write(self, function: Callable[[Connection], T], *, rows: int = 1, for_user: bool = False) -> T:
        async with self._writer.turn() as connection:
            with speaking_our_errors(self._path, self._busy, for_user=for_user):
                return await self._writer.work(lambda: function(connection), rows)

    async def _transact(self, function: Callable[[Connection], T], *, rows: int = 1, for_user: bool = False) -> T:
        """All that the function writes, or nothing."""
        return await self._write(lambda connection: in_transaction(connection, function), rows=rows, for_user=for_user)


def printable(text: str) -> str:
    """What an error says may hold what no file can: half a character."""
    return text.encode("utf-8", "backslashreplace").decode()
