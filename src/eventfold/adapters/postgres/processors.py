"""The register of processors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NoReturn

from eventfold.adapters.postgres.checkpoint_store import PostgresCheckpointStore
from eventfold.adapters.postgres.connection import Connection, Connections
from eventfold.adapters.postgres.names import Names
from eventfold.adapters.postgres.session import session, unit
from eventfold.domain.message import to_micros
from eventfold.errors import InvalidInput
from eventfold.ports.clock import Clock
from eventfold.ports.processors import ProcessorRecord

__all__ = ["PostgresProcessors"]

PROCESSORS: Final = """
SELECT p.name, p.kind, p.code_version, coalesce(c.position, 0), p.paused, p.last_error,
       greatest(p.updated_at, coalesce(c.updated_at, 0))
FROM {processors} AS p
LEFT JOIN {checkpoints} AS c ON c.processor = p.name AND c.generation = 0 AND c.partition = 0
ORDER BY p.name
"""
IS_PAUSED: Final = "SELECT paused FROM {processors} WHERE name = $1"
PAUSE: Final = "UPDATE {processors} SET paused = $1, updated_at = $2 WHERE name = $3 RETURNING true"
START_OVER: Final = """
UPDATE {processors} SET code_version = 0, last_error = NULL, updated_at = $1 WHERE name = $2 RETURNING true
"""
KNOWN: Final = "SELECT name FROM {processors} ORDER BY name"


class PostgresProcessors(PostgresCheckpointStore):
    """Beside the checkpoints."""

    def __init__(self, connections: Connections, names: Names, clock: Clock) -> None:
        super().__init__(connections, names, clock)
        self._processors, self._is_paused, self._pause, self._start_over, self._known = map(
            names.fill, (PROCESSORS, IS_PAUSED, PAUSE, START_OVER, KNOWN)
        )

    async def processors(self) -> Sequence[ProcessorRecord]:
        async with session(self._connections) as connection:
            rows = await connection.fetch(self._processors)
        return [
            ProcessorRecord(name, kind, version, position, bool(paused), error, updated_at)
            for name, kind, version, position, paused, error, updated_at in rows
        ]

    async def is_paused(self, processor: str) -> bool:
        async with session(self._connections) as connection:
            return bool(await connection.fetchval(self._is_paused, processor))

    async def pause(self, processor: str, *, paused: bool) -> None:
        now = to_micros(self._clock.now())
        async with unit(self._connections) as connection:
            if not await connection.fetchval(self._pause, int(paused), now, processor):
                await self._refuse_unknown(connection, processor)

    async def start_over(self, processor: str) -> None:
        now = to_micros(self._clock.now())
        async with unit(self._connections) as connection:
            if not await connection.fetchval(self._start_over, now, processor):
                await self._refuse_unknown(connection, processor)
            await self.reset_within(connection, processor)

    async def _refuse_unknown(self, connection: Connection, processor: str) -> NoReturn:
        known = [name for (name,) in await connection.fetch(self._known)]
        raise InvalidInput(f"no processor {processor!r} has ever started on this store; there are {known}")
