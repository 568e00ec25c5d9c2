"""The register of processors in the store's file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NoReturn

from eventfold.adapters.sqlite.checkpoint_store import SqliteCheckpointStore
from eventfold.adapters.sqlite.connection import Connection, in_transaction
from eventfold.adapters.sqlite.names import Names
from eventfold.adapters.sqlite.writer import Writer
from eventfold.domain.message import to_micros
from eventfold.errors import InvalidInput
from eventfold.ports.clock import Clock
from eventfold.ports.processors import ProcessorRecord

__all__ = ["SqliteProcessors"]

PROCESSORS: Final = """
SELECT p.name, p.kind, p.code_version, coalesce(c.position, 0), p.paused, p.last_error,
       max(p.updated_at, coalesce(c.updated_at, 0))
FROM {processors} AS p
LEFT JOIN {checkpoints} AS c ON c.processor = p.name AND c.generation = 0 AND c.partition = 0
ORDER BY p.name
"""
IS_PAUSED: Final = "SELECT paused FROM {processors} WHERE name = ?"
PAUSE: Final = "UPDATE {processors} SET paused = ?, updated_at = ? WHERE name = ?"
START_OVER: Final = "UPDATE {processors} SET code_version = 0, last_error = NULL, updated_at = ? WHERE name = ?"
KNOWN: Final = "SELECT name FROM {processors} ORDER BY name"


class SqliteProcessors(SqliteCheckpointStore):
    """Beside the checkpoints, and written in turn with them."""

    def __init__(
        self, writer: Writer, reader: Connection | None, names: Names, path: str, clock: Clock, *, busy: float = 0.0
    ) -> None:
        super().__init__(writer, reader, names, path, clock, busy=busy)
        self._processors, self._is_paused, self._pause, self._start_over, self._known = map(
            names.fill, (PROCESSORS, IS_PAUSED, PAUSE, START_OVER, KNOWN)
        )

    async def processors(self) -> Sequence[ProcessorRecord]:
        rows = await self._read(lambda connection: connection.execute(self._processors).fetchall())
        return [
            ProcessorRecord(name, kind, version, position, bool(paused), error, updated_at)
            for name, kind, version, position, paused, error, updated_at in rows
        ]

    async def is_paused(self, processor: str) -> bool:
        return bool(await self._read(lambda connection: connection.execute(self._is_paused, (processor,)).get))

    async def pause(self, processor: str, *, paused: bool) -> None:
        now = to_micros(self._clock.now())

        def write(connection: Connection) -> None:
            connection.execute(self._pause, (int(paused), now, processor))
            if connection.changes() == 0:
                self._refuse_unknown(connection, processor)

        await self._write(write)

    async def start_over(self, processor: str) -> None:
        now = to_micros(self._clock.now())

        def write(connection: Connection) -> None:
            connection.execute(self._start_over, (now, processor))
            if connection.changes() == 0:
                self._refuse_unknown(connection, processor)
            self.reset_within(connection, processor)

        await self._write(lambda connection: in_transaction(connection, write))

    def _refuse_unknown(self, connection: Connection, processor: str) -> NoReturn:
        known = [name for (name,) in connection.execute(self._known).fetchall()]
        raise InvalidInput(f"no processor {processor!r} has ever started on this store; there are {known}")
