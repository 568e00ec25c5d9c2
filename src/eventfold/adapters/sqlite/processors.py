"""The register of processors in the store's file."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, Final, NoReturn

from eventfold.adapters.sqlite.checkpoint_store import SqliteCheckpointStore
from eventfold.adapters.sqlite.connection import Connection
from eventfold.errors import InvalidInput
from eventfold.ports.processors import ProcessorRecord, refuse_side_effects

__all__ = ["FROM_THE_BEGINNING", "SqliteProcessors"]

FROM_THE_BEGINNING: Final = "beginning"
"""What `start` says for 0."""
PROCESSORS: Final = """
SELECT p.name, p.kind, p.code_version, p.paused, p.last_error, p.updated_at, p.partitions, p.start, p.query,
       c.partition, c.position, c.updated_at
FROM {processors} AS p
LEFT JOIN {checkpoints} AS c ON c.processor = p.name AND c.generation = 0 AND c.partition < p.partitions
WHERE instr(p.name, ':') = 0
ORDER BY p.name
"""
IS_PAUSED: Final = "SELECT paused FROM {processors} WHERE name = ?"
PAUSE: Final = "UPDATE {processors} SET paused = ?, updated_at = ? WHERE name = ?"
START_OVER: Final = "UPDATE {processors} SET code_version = 0, last_error = NULL, updated_at = ? WHERE name = ?"
KIND: Final = "SELECT kind FROM {processors} WHERE name = ?"
KNOWN: Final = "SELECT name FROM {processors} WHERE instr(name, ':') = 0 ORDER BY name"


class SqliteProcessors(SqliteCheckpointStore):
    """Beside the checkpoints, and written in turn with them."""

    async def processors(self) -> Sequence[ProcessorRecord]:
        rows = await self._read(lambda connection: connection.execute(self._fill(PROCESSORS)).fetchall())
        return [_record(list(group)) for _, group in groupby(rows, itemgetter(0))]

    async def is_paused(self, processor: str) -> bool:
        sql = self._fill(IS_PAUSED)
        return bool(await self._read(lambda connection: connection.execute(sql, (processor,)).get))

    async def pause(self, processor: str, *, paused: bool) -> None:
        def write(connection: Connection) -> None:
            connection.execute(self._fill(PAUSE), (int(paused), self._micros(), processor))
            if connection.changes() == 0:
                self._refuse_unknown(connection, processor)

        await self._write(write)

    async def start_over(self, processor: str, *, side_effects: bool = False) -> None:
        def write(connection: Connection) -> None:
            refuse_side_effects(processor, self.kind_within(connection, processor), allowed=side_effects)
            connection.execute(self._fill(START_OVER), (self._micros(), processor))
            self.reset_within(connection, processor)

        await self._transact(write)

    def kind_within(self, connection: Connection, processor: str) -> str:
        """Raises InvalidInput for one that has never started here."""
        kind = connection.execute(self._fill(KIND), (processor,)).get
        return self._refuse_unknown(connection, processor) if kind is None else str(kind)

    def _refuse_unknown(self, connection: Connection, processor: str) -> NoReturn:
        known = [name for (name,) in connection.execute(self._fill(KNOWN)).fetchall()]
        raise InvalidInput(f"no processor {processor!r} has ever started on this store; there are {known}")


def _record(rows: Sequence[tuple[Any, ...]]) -> ProcessorRecord:
    """Of a processor, a row for each of its checkpoints, or one without any."""
    name, kind, version, paused, error, updated_at, partitions, start, query, *_ = rows[0]
    reached = {partition: position for *_, partition, position, _ in rows if partition is not None}
    positions = tuple(reached.get(partition, 0) for partition in range(partitions))
    return ProcessorRecord(
        name=name,
        kind=kind,
        version=version,
        position=min(positions),
        paused=bool(paused),
        error=error,
        updated_at=max(updated_at, *(moved_at or 0 for *_, moved_at in rows)),
        partitions=partitions,
        start=0 if start == FROM_THE_BEGINNING else int(start),
        query=query,
        positions=positions,
    )
