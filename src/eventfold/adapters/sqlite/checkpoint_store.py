"""Checkpoints in the store's file, moved by compare-and-set on the writing connection."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from eventfold.adapters.sqlite.bookkeeping import Bookkeeping
from eventfold.adapters.sqlite.connection import Connection
from eventfold.adapters.sqlite.names import Names
from eventfold.adapters.sqlite.parking import SqliteParkingLot
from eventfold.adapters.sqlite.writer import Writer
from eventfold.errors import Fenced, InvalidInput
from eventfold.ports.checkpoint_store import BEGINNING, Checkpoint, Move
from eventfold.ports.clock import Clock
from eventfold.ports.parking import Settled

__all__ = ["CHECKPOINT", "SqliteCheckpointStore"]

CHECKPOINT: Final = """
SELECT position, event_id, epoch FROM {checkpoints} WHERE processor = ? AND generation = 0 AND partition = ?
"""
CHECKPOINTS: Final = """
SELECT processor, partition, position, event_id, epoch FROM {checkpoints}
WHERE generation = 0 AND position > 0 ORDER BY processor, partition
"""
SET_OUT: Final = """
INSERT INTO {checkpoints} (processor, partition, position, event_id, incarnation, epoch, updated_at)
SELECT ?, ?, ?, ?, incarnation, ?, ? FROM {store} WHERE true
ON CONFLICT DO NOTHING
"""
ADVANCE: Final = """
UPDATE {checkpoints} SET position = ?, event_id = ?, updated_at = ?
WHERE processor = ? AND generation = 0 AND partition = ? AND position = ? AND epoch = ?
"""
RESET: Final = "DELETE FROM {checkpoints} WHERE processor = ? AND generation = 0"


class SqliteCheckpointStore(Bookkeeping):
    """How far each processor has come, beside the rows it writes, with what it has set aside on the way."""

    def __init__(
        self, writer: Writer, reader: Connection | None, names: Names, path: str, clock: Clock, *, busy: float = 0.0
    ) -> None:
        super().__init__(writer, reader, names, path, clock, busy=busy)
        self.parking: SqliteParkingLot = SqliteParkingLot(writer, reader, names, path, clock, busy=busy)
        self._checkpoint, self._set_out, self._advance = map(names.fill, (CHECKPOINT, SET_OUT, ADVANCE))

    async def checkpoint(self, processor: str, partition: int = 0) -> Checkpoint:
        return await self._read(lambda connection: self.checkpoint_within(connection, processor, partition))

    async def checkpoints(self) -> Mapping[tuple[str, int], Checkpoint]:
        rows = await self._read(lambda connection: connection.execute(self._fill(CHECKPOINTS)).fetchall())
        return {(processor, partition): Checkpoint(*rest) for processor, partition, *rest in rows}

    async def advance(self, move: Move) -> None:
        def step(connection: Connection) -> None:
            self.advance_within(connection, move)

        if move.aside:
            await self._transact(step, rows=1 + len(move.aside))
        else:
            await self._write(step)

    async def reset(self, processor: str) -> None:
        await self._transact(lambda connection: self.reset_within(connection, processor))

    def checkpoint_within(self, connection: Connection, processor: str, partition: int = 0) -> Checkpoint:
        row = connection.execute(self._checkpoint, (processor, partition)).fetchone()
        return BEGINNING if row is None else Checkpoint(*row)

    def advance_within(self, connection: Connection, move: Move) -> None:
        if move.position <= move.previous:
            raise InvalidInput(f"{move.processor!r}: {move.position} does not lead forward from {move.previous}")
        now = self._micros()
        if not self._stepped(connection, move, now):
            actual = self.checkpoint_within(connection, move.processor, move.partition)
            raise Fenced(move.processor, move.previous, actual.position, move.epoch)
        if move.aside:
            self.parking.set_aside_within(connection, move, now)

    def _stepped(self, connection: Connection, move: Move, now: int) -> bool:
        whose = (move.processor, move.partition)
        connection.execute(self._advance, (move.position, move.event_id, now, *whose, move.previous, move.epoch))
        if connection.changes() == 1:
            return True
        if move.previous != BEGINNING.position or move.epoch != BEGINNING.epoch:
            return False
        connection.execute(self._set_out, (*whose, move.position, move.event_id, move.epoch, now))
        return connection.changes() == 1

    def settle_within(self, connection: Connection, settled: Settled) -> None:
        """Raises Fenced where the partition is another copy's, or the event is not open any more."""
        actual = self.checkpoint_within(connection, settled.processor, settled.partition)
        if actual.epoch != settled.epoch or not self.parking.settle_within(connection, settled, self._micros()):
            raise Fenced(settled.processor, actual.position, actual.position, settled.epoch)

    def reset_within(self, connection: Connection, processor: str) -> None:
        """Back to the beginning. What was set aside on the way comes again."""
        connection.execute(self._fill(RESET), (processor,))
        self.parking.forget_within(connection, processor)
