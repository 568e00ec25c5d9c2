"""Checkpoints in the store's file, moved by compare-and-set on the writing connection."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final

import apsw

from eventfold.adapters.sqlite.connection import speaking_our_errors
from eventfold.adapters.sqlite.names import Names
from eventfold.adapters.sqlite.writer import Writer
from eventfold.domain.message import to_micros
from eventfold.errors import Fenced, InvalidInput
from eventfold.ports.checkpoint_store import BEGINNING, Checkpoint, Move
from eventfold.ports.clock import Clock

__all__ = ["SqliteCheckpointStore"]

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

    def __init__(self, writer: Writer, reader: apsw.Connection | None, names: Names, path: str, clock: Clock) -> None:
        self._writer = writer
        self._reader = reader
        self._path = path
        self._clock = clock
        self._checkpoint, self._checkpoints, self._set_out, self._advance, self._reset = map(
            names.fill, (CHECKPOINT, CHECKPOINTS, SET_OUT, ADVANCE, RESET)
        )

    async def checkpoint(self, processor: str) -> Checkpoint:
        async with self._reading() as connection:
            return self.checkpoint_within(connection, processor)

    async def checkpoints(self) -> Mapping[str, Checkpoint]:
        async with self._reading() as connection:
            return {name: Checkpoint(*rest) for name, *rest in connection.execute(self._checkpoints).fetchall()}

    async def advance(self, move: Move) -> None:
        async with self._writing() as connection:
            self.advance_within(connection, move)

    async def reset(self, processor: str) -> None:
        async with self._writing() as connection:
            self.reset_within(connection, processor)

    @asynccontextmanager
    async def _reading(self) -> AsyncIterator[apsw.Connection]:
        if self._reader is None:
            async with self._writing() as connection:
                yield connection
        else:
            self._writer.refuse_if_unusable()
            with speaking_our_errors(self._path):
                yield self._reader

    @asynccontextmanager
    async def _writing(self) -> AsyncIterator[apsw.Connection]:
        async with self._writer.turn() as connection:
            with speaking_our_errors(self._path):
                yield connection

    def checkpoint_within(self, connection: apsw.Connection, processor: str) -> Checkpoint:
        row = connection.execute(self._checkpoint, (processor,)).fetchone()
        return BEGINNING if row is None else Checkpoint(*row)

    def advance_within(self, connection: apsw.Connection, move: Move) -> None:
        if move.position <= move.previous:
            raise InvalidInput(f"processor {move.processor!r}: {move.position} does not lead forward from {move.previous}")
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

    def reset_within(self, connection: apsw.Connection, processor: str) -> None:
        connection.execute(self._reset, (processor,))
