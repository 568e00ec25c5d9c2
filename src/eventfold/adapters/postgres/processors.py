"""The register of processors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NoReturn

from eventfold.adapters.postgres.checkpoint_store import PostgresCheckpointStore
from eventfold.adapters.postgres.connection import Connection, Connections
from eventfold.adapters.postgres.names import Names
from eventfold.adapters.postgres.session import session, unit
from eventfold.errors import InvalidInput
from eventfold.ports.clock import Clock
from eventfold.ports.processors import ProcessorRecord, refuse_side_effects

__all__ = ["BEGINNING_IN_WORDS", "PostgresProcessors"]

PROCESSORS: Final = """
SELECT p.name, p.kind, p.code_version, p.paused, p.last_error, p.partitions, p.start, p.query,
       greatest(p.updated_at, (SELECT max(c.updated_at) FROM {checkpoints} AS c
                                WHERE c.processor = p.name AND c.generation = 0)),
       ARRAY(SELECT coalesce(c.position, 0) FROM generate_series(0, p.partitions - 1) AS g(partition)
               LEFT JOIN {checkpoints} AS c
                      ON c.processor = p.name AND c.generation = 0 AND c.partition = g.partition
              ORDER BY g.partition)
FROM {processors} AS p WHERE strpos(p.name, ':') = 0 ORDER BY p.name
"""
IS_PAUSED: Final = "SELECT paused FROM {processors} WHERE name = $1"
PAUSE: Final = "UPDATE {processors} SET paused = $1, updated_at = $2 WHERE name = $3 RETURNING true"
START_OVER: Final = """
UPDATE {processors} SET code_version = 0, last_error = NULL, updated_at = $1 WHERE name = $2 RETURNING kind
"""
KNOWN: Final = "SELECT name FROM {processors} WHERE strpos(name, ':') = 0 ORDER BY name"
BEGINNING_IN_WORDS: Final = "beginning"
"""How the column has the position 0."""


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
        return [_record(*row) for row in rows]

    async def is_paused(self, processor: str) -> bool:
        async with session(self._connections) as connection:
            return bool(await connection.fetchval(self._is_paused, processor))

    async def pause(self, processor: str, *, paused: bool) -> None:
        now = self._micros()
        async with unit(self._connections) as connection:
            if not await connection.fetchval(self._pause, int(paused), now, processor):
                await self._refuse_unknown(connection, processor)

    async def start_over(self, processor: str, *, side_effects: bool = False) -> None:
        now = self._micros()
        async with unit(self._connections) as connection:
            kind = await connection.fetchval(self._start_over, now, processor)
            if kind is None:
                await self._refuse_unknown(connection, processor)
            refuse_side_effects(processor, kind, allowed=side_effects)
            await self.reset_within(connection, processor)

    async def _refuse_unknown(self, connection: Connection, processor: str) -> NoReturn:
        known = [name for (name,) in await connection.fetch(self._known)]
        raise InvalidInput(f"no processor {processor!r} has ever started on this store; there are {known}")


def _record(
    name: str,
    kind: str,
    version: int,
    paused: int,
    error: str | None,
    partitions: int,
    start: str,
    query: str | None,
    updated_at: int,
    positions: Sequence[int],
) -> ProcessorRecord:
    return ProcessorRecord(
        name,
        kind,
        version,
        min(positions, default=0),
        bool(paused),
        error,
        updated_at,
        partitions=partitions,
        start=0 if start == BEGINNING_IN_WORDS else int(start),
        query=query,
        positions=tuple(positions),
    )
