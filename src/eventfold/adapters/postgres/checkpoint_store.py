"""Checkpoints beside the rows, moved by compare-and-set, with what is set aside on the way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from uuid import UUID

from eventfold.adapters.postgres.asides import Asides
from eventfold.adapters.postgres.connection import Connection, Connections
from eventfold.adapters.postgres.names import Names
from eventfold.adapters.postgres.session import session, unit
from eventfold.errors import Fenced, InvalidInput
from eventfold.ports.checkpoint_store import BEGINNING, Checkpoint, Move
from eventfold.ports.clock import Clock, micros_of
from eventfold.ports.parking import Settled

__all__ = ["CHECKPOINT_WHEN_FREE", "PostgresCheckpointStore", "checkpoint_of"]

CHECKPOINT: Final = """
SELECT position, event_id, epoch FROM {checkpoints} WHERE processor = $1 AND generation = 0 AND partition = $2
"""
CHECKPOINT_WHEN_FREE: Final = f"{CHECKPOINT} FOR UPDATE"
CHECKPOINTS: Final = """
SELECT processor, partition, position, event_id, epoch FROM {checkpoints}
WHERE generation = 0 AND position > 0 ORDER BY processor, partition
"""
SET_OUT: Final = """
INSERT INTO {checkpoints} (processor, partition, position, event_id, incarnation, epoch, updated_at)
SELECT $1, $2, $3, $4, incarnation, $5, $6 FROM {store}
ON CONFLICT DO NOTHING RETURNING true
"""
ADVANCE: Final = """
UPDATE {checkpoints} SET position = $1, event_id = $2, updated_at = $3
WHERE processor = $4 AND generation = 0 AND partition = $5 AND position = $6 AND epoch = $7
RETURNING true
"""
RESET: Final = "DELETE FROM {checkpoints} WHERE processor = $1 AND generation = 0"
_NOWHERE: Final = UUID(int=0)


class PostgresCheckpointStore:
    """
    How far each processor has come.

    The methods that end in `_within` belong to whoever has the connection, and to its transaction.
    """

    def __init__(self, connections: Connections, names: Names, clock: Clock) -> None:
        self._connections = connections
        self._micros = micros_of(clock)
        self._asides = Asides(names)
        self._checkpoint, self._when_free, self._checkpoints, self._set_out, self._advance, self._reset = map(
            names.fill, (CHECKPOINT, CHECKPOINT_WHEN_FREE, CHECKPOINTS, SET_OUT, ADVANCE, RESET)
        )

    async def checkpoint(self, processor: str, partition: int = 0) -> Checkpoint:
        async with session(self._connections) as connection:
            return await self.checkpoint_within(connection, processor, partition)

    async def checkpoints(self) -> Mapping[tuple[str, int], Checkpoint]:
        async with session(self._connections) as connection:
            rows = await connection.fetch(self._checkpoints)
        return {(name, partition): checkpoint_of(*rest) for name, partition, *rest in rows}

    async def advance(self, move: Move) -> None:
        opened = unit if move.aside else session
        async with opened(self._connections) as connection:
            await self.advance_within(connection, move)

    async def reset(self, processor: str) -> None:
        async with unit(self._connections) as connection:
            await self.reset_within(connection, processor)

    async def checkpoint_within(self, connection: Connection, processor: str, partition: int = 0) -> Checkpoint:
        row = await connection.fetchrow(self._checkpoint, processor, partition)
        return BEGINNING if row is None else checkpoint_of(*row)

    async def advance_within(self, connection: Connection, move: Move) -> None:
        if move.position <= move.previous:
            raise InvalidInput(f"{move.processor!r}: {move.position} does not lead forward from {move.previous}")
        now = self._micros()
        await self._move(connection, move, now)
        if move.aside:
            await self._asides.set_aside(connection, move, now)

    async def _move(self, connection: Connection, move: Move, now: int) -> None:
        place, event_id = (move.processor, move.partition), UUID(bytes=move.event_id)
        step = (move.position, event_id, now, *place, move.previous, move.epoch)
        if await connection.fetchval(self._advance, *step):
            return
        if move.previous == BEGINNING.position and move.epoch == BEGINNING.epoch:
            first = (*place, move.position, event_id, move.epoch, now)
            if await connection.fetchval(self._set_out, *first):
                return
        actual = await self.checkpoint_within(connection, *place)
        raise Fenced(move.processor, move.previous, actual.position, move.epoch)

    async def settle_within(self, connection: Connection, settled: Settled) -> None:
        """
        Like a move it waits for whoever has the checkpoint in hand, and then has it until the transaction ends.

        Raises:
            Fenced: the partition is another copy's, or the event is not open any more.
        """
        row = await connection.fetchrow(self._when_free, settled.processor, settled.partition)
        actual = BEGINNING if row is None else checkpoint_of(*row)
        owned = row is not None and actual.epoch == settled.epoch
        if not owned or not await self._asides.settle(connection, settled, self._micros()):
            raise Fenced(settled.processor, actual.position, actual.position, settled.epoch)

    async def took_within(self, connection: Connection, step: Move | Settled) -> bool:
        """
        Whether the step was taken, by a transaction of which nothing was heard any more.

        Waits for its end. The rows of a first step are nobody's to lock, so a row is put in their place, and the
        transaction of this connection must be rolled back.
        """
        if isinstance(step, Settled):
            return await self._asides.resolution(connection, step) == step.resolution
        place = (step.processor, step.partition)
        await connection.fetchval(self._set_out, *place, 0, _NOWHERE, step.epoch, 0)
        row = await connection.fetchrow(self._when_free, *place)
        return row is not None and checkpoint_of(*row) == Checkpoint(step.position, step.event_id, step.epoch)

    async def reset_within(self, connection: Connection, processor: str) -> None:
        """What it has parked belongs to the way it has come, and comes again."""
        await connection.execute(self._reset, processor)
        await self._asides.forget(connection, processor)


def checkpoint_of(position: int, event_id: UUID | None, epoch: int) -> Checkpoint:
    return Checkpoint(position, None if event_id is None else event_id.bytes, epoch)
