"""Checkpoints in the store's file, moved by compare-and-set on the writing connection."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, TypeVar

from eventfold.adapters.sqlite.connection import Connection, speaking_our_errors
from eventfold.adapters.sqlite.names import Names
from eventfold.adapters.sqlite.writer import Writer
from eventfold.domain.message import to_micros
from eventfold.errors import Fenced, InvalidInput
from eventfold.ports.checkpoint_store import BEGINNING, Checkpoint, Move
from eventfold.ports.clock import Clock

__all__ = ["SqliteCheckpointStore"]

T = TypeVar("T")

CHECKPOINT: Final = """
SELECT position, event_id, epoch FROM {checkpoints} WHERE processor = ? AND generation = 0 AND partition = 0
"""
CHECKPOINTS: Final = """
SELECT processor, position, event_id, epoch FROM {checkpoints} WHERE generation = 0 AND partition = 0 ORDER BY processor
"""
SET_OUT: Final = """
INSERT INTO {checkpoints} (processor, position, event_id, incarnation, epoch, updated_at)
SELECT ?, ?, ?, incarnation, ?, ? FROM {store} WHERE true
ON CONFLICT DO NOTHING
"""
ADVANCE: Final = """
UPDATE {checkpoints} SET position = ?, event_id = ?, updated_at = ?
WHERE processor = ? AND generation = 0 AND partition = 0 AND position = ? AND epoch = ?
"""
RESET: Final = "DELETE FROM {checkpoints} WHERE processor = ? AND generation = 0"


class SqliteCheckpointStore:
    """
    How far each processor has come, beside the rows it writes.

    Without a reader (a database in memory has one connection) reading waits for its turn as writing does.
    The methods that end in `_within` belong to whoever holds that turn.
    """

    def __init__(
        self, writer: Writer, reader: Connection | None, names: Names, path: str, clock: Clock, *, busy: float = 0.0
    ) -> None:
        self._writer = writer
        self._reader = reader
        self._path = path
        self._clock = clock
        self._busy = busy
        self._checkpoint, self._checkpoints, self._set_out, self._advance, self._reset = map(
            names.fill, (CHECKPOINT, CHECKPOINTS, SET_OUT, ADVANCE, RESET)
        )

    async def checkpoint(self, processor: str) -> Checkpoint:
        return await self._read(lambda connection: self.checkpoint_within(connection, processor))

    async def checkpoints(self) -> Mapping[str, Checkpoint]:
        rows = await self._read(lambda connection: connection.execute(self._checkpoints).fetchall())
        return {name: Checkpoint(*rest) for name, *rest in rows}

    async def advance(self, move: Move) -> None:
        await self._write(lambda connection: self.advance_within(connection, move))

    async def reset(self, processor: str) -> None:
        await self._write(lambda connection: self.reset_within(connection, processor))

    async def _read(self, function: Callable[[Connection], T]) -> T:
        if self._reader is None:
            return await self._write(function)
        self._writer.refuse_if_unusable()
        with speaking_our_errors(self._path, self._busy):
            return function(self._reader)

    async def _write(self, function: Callable[[Connection], T], *, for_user: bool = False) -> T:
        async with self._writer.turn() as connection:
            with speaking_our_errors(self._path, self._busy, for_user=for_user):
                return await self._writer.work(lambda: function(connection), 1)

    def checkpoint_within(self, connection: Connection, processor: str) -> Checkpoint:
        row = connection.execute(self._checkpoint, (processor,)).fetchone()
        return BEGINNING if row is None else Checkpoint(*row)

    def advance_within(self, connection: Connection, move: Move) -> None:
        if move.position <= move.previous:
            raise InvalidInput(f"{move.processor!r}: {move.position} does not lead forward from {move.previous}")
        now = to_micros(self._clock.now())
        step = (move.position, move.event_id, now, move.processor, move.previous, move.epoch)
        connection.execute(self._advance, step)
        if connection.changes() == 1:
            return
        first = (move.processor, move.position, move.event_id, move.epoch, now)
        if move.previous == BEGINNING.position and move.epoch == BEGINNING.epoch:
            connection.execute(self._set_out, first)
            if connection.changes() == 1:
                return
        actual = self.checkpoint_within(connection, move.processor)
        raise Fenced(move.processor, move.previous, actual.position, move.epoch)

    def reset_within(self, connection: Connection, processor: str) -> None:
        connection.execute(self._reset, (processor,))
