"""Checkpoints beside the rows, moved by compare-and-set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from uuid import UUID

from eventfold.adapters.postgres.connection import Connection, Connections
from eventfold.adapters.postgres.names import Names
from eventfold.adapters.postgres.session import session
from eventfold.domain.message import to_micros
from eventfold.errors import Fenced, InvalidInput
from eventfold.ports.checkpoint_store import BEGINNING, Checkpoint, Move
from eventfold.ports.clock import Clock

__all__ = ["PostgresCheckpointStore"]

CHECKPOINT: Final = """
SELECT position, event_id, epoch FROM {checkpoints} WHERE processor = $1 AND generation = 0 AND partition = 0
"""
CHECKPOINT_WHEN_FREE: Final = f"{CHECKPOINT} FOR UPDATE"
CHECKPOINTS: Final = """
SELECT processor, position, event_id, epoch FROM {checkpoints} WHERE generation = 0 AND partition = 0 ORDER BY processor
"""
SET_OUT: Final = """
INSERT INTO {checkpoints} (processor, position, event_id, incarnation, epoch, updated_at)
SELECT $1, $2, $3, incarnation, $4, $5 FROM {store}
ON CONFLICT DO NOTHING RETURNING true
"""
ADVANCE: Final = """
UPDATE {checkpoints} SET position = $1, event_id = $2, updated_at = $3
WHERE processor = $4 AND generation = 0 AND partition = 0 AND position = $5 AND epoch = $6
RETURNING true
"""
RESET: Final = "DELETE FROM {checkpoints} WHERE processor = $1 AND generation = 0"


class PostgresCheckpointStore:
    """
    How far each processor has come.

    The methods that end in `_within` belong to whoever has the connection, and to its transaction.
    """

    def __init__(self, connections: Connections, names: Names, clock: Clock) -> None:
        self._connections = connections
        self._clock = clock
        self._checkpoint, self._when_free, self._checkpoints, self._set_out, self._advance, self._reset = map(
            names.fill, (CHECKPOINT, CHECKPOINT_WHEN_FREE, CHECKPOINTS, SET_OUT, ADVANCE, RESET)
        )

    async def checkpoint(self, processor: str) -> Checkpoint:
        async with session(self._connections) as connection:
            return await self.checkpoint_within(connection, processor)

    async def checkpoints(self) -> Mapping[str, Checkpoint]:
        async with session(self._connections) as connection:
            rows = await connection.fetch(self._checkpoints)
        return {name: _checkpoint(position, event_id, epoch) for name, position, event_id, epoch in rows}

    async def advance(self, move: Move) -> None:
        async with session(self._connections) as connection:
            await self.advance_within(connection, move)

    async def reset(self, processor: str) -> None:
        async with session(self._connections) as connection:
            await self.reset_within(connection, processor)

    async def checkpoint_within(self, connection: Connection, processor: str) -> Checkpoint:
        row = await connection.fetchrow(self._checkpoint, processor)
        return BEGINNING if row is None else _checkpoint(*row)

    async def advance_within(self, connection: Connection, move: Move) -> None:
        if move.position <= move.previous:
            raise InvalidInput(f"{move.processor!r}: {move.position} does not lead forward from {move.previous}")
        now, event_id = to_micros(self._clock.now()), UUID(bytes=move.event_id)
        step = (move.position, event_id, now, move.processor, move.previous, move.epoch)
        if await connection.fetchval(self._advance, *step):
            return
        if move.previous == BEGINNING.position and move.epoch == BEGINNING.epoch:
            first = (move.processor, move.position, event_id, move.epoch, now)
            if await connection.fetchval(self._set_out, *first):
                return
        actual = await self.checkpoint_within(connection, move.processor)
        raise Fenced(move.processor, move.previous, actual.position, move.epoch)

    async def took_within(self, connection: Connection, move: Move) -> bool:
        """
        Whether the step was taken, by a transaction of which nothing was heard any more.

        Waits for its end. The rows of a first step are nobody's to lock, so a row is put in their place, and the
        transaction of this connection must be rolled back.
        """
        await connection.fetchval(self._set_out, move.processor, 0, UUID(int=0), move.epoch, 0)
        row = await connection.fetchrow(self._when_free, move.processor)
        return row is not None and _checkpoint(*row) == Checkpoint(move.position, move.event_id, move.epoch)

    async def reset_within(self, connection: Connection, processor: str) -> None:
        await connection.execute(self._reset, processor)


def _checkpoint(position: int, event_id: UUID | None, epoch: int) -> Checkpoint:
    return Checkpoint(position, None if event_id is None else event_id.bytes, epoch)
