"""Events that processors have set aside, for those who look after them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from eventfold.adapters.postgres.asides import printable
from eventfold.adapters.postgres.connection import Connection, Connections
from eventfold.adapters.postgres.names import Names
from eventfold.adapters.postgres.session import session, unit
from eventfold.domain.message import Stream
from eventfold.ports.administration import checked_act
from eventfold.ports.limits import rows_of
from eventfold.ports.parking import Parked, Wish, refuse_unless_open, stands_behind

__all__ = ["PostgresParkingLot"]

_PARKED: Final = """
SELECT p.processor, p.partition, p.position, p.category, p.id, uuid_send(p.event_id), p.type, p.behind, p.attempts,
       p.error, p.parked_at, p.wish, p.edited, p.resolved_at, p.resolution, p.actor, p.reason
  FROM {parked} AS p
"""
LISTED: Final = f"""{_PARKED}
WHERE p.generation = 0 AND ($1::text IS NULL OR p.processor = $1) AND p.position > $2
  AND ($3 OR p.resolved_at IS NULL)
ORDER BY p.processor, p.position LIMIT $4
"""
# The few wishes first, then the streams they are for: what else is parked is not looked at, however much it is.
WISHED: Final = f"""
SELECT p.* FROM (
    SELECT DISTINCT w.category, w.id FROM {{parked}} AS w
     WHERE w.generation = 0 AND w.processor = $1 AND w.partition = $2 AND w.resolved_at IS NULL
       AND w.wish IS NOT NULL) AS w
 CROSS JOIN LATERAL ({_PARKED}
     WHERE p.generation = 0 AND p.processor = $1 AND p.partition = $2 AND p.resolved_at IS NULL
       AND p.category = w.category AND p.id = w.id OFFSET 0) AS p
ORDER BY p.position LIMIT $3
"""  # noqa: S608 - our own words
OPEN_STREAMS: Final = """
SELECT DISTINCT category, id FROM {parked}
WHERE generation = 0 AND processor = $1 AND partition = $2 AND resolved_at IS NULL
"""
ONE: Final = """
SELECT category, id, event_id, resolution FROM {parked}
WHERE processor = $1 AND generation = 0 AND position = $2 FOR UPDATE
"""
FIRST: Final = """
SELECT min(position) FROM {parked}
WHERE generation = 0 AND processor = $1 AND category = $2 AND id = $3 AND resolved_at IS NULL
"""
ASK: Final = """
UPDATE {parked} SET wish = $3, actor = $4, reason = $5 WHERE processor = $1 AND generation = 0 AND position = $2
"""
EDIT: Final = "UPDATE {parked} SET edited = $3 WHERE processor = $1 AND generation = 0 AND position = $2"
# Numbers of the audit are given in the order in which acts are committed: whoever removes events counts on that.
ACTING: Final = """
SELECT set_config('lock_timeout', '10s', true), pg_advisory_xact_lock('{stream_marks}'::regclass::oid::int, 0)
"""
NOTE: Final = """
INSERT INTO {store_audit} (at, action, actor, reason, category, id, event_id)
VALUES ((extract(epoch FROM clock_timestamp()) * 1000000)::bigint, 'edit-parked', $1, $2, $3, $4, $5)
"""
FAILED_AGAIN: Final = """
UPDATE {parked} SET wish = NULL, behind = false, attempts = attempts + 1, error = $3
WHERE processor = $1 AND generation = 0 AND position = $2 AND resolved_at IS NULL
"""
COUNTS: Final = """
SELECT processor, count(*) FILTER (WHERE resolved_at IS NULL), count(*) FILTER (WHERE resolution = 'skipped')
  FROM {parked} WHERE generation = 0 GROUP BY processor
"""
_LARGEST: Final = 2**62


class PostgresParkingLot:
    """
    Parked rows change in the transactions of those who own the processor; people only leave their wishes.

    The audit is the owner's, so his role alone may `edit`.
    """

    def __init__(self, connections: Connections, names: Names) -> None:
        self._connections = connections
        self._fill = names.fill

    async def parked(
        self, processor: str | None = None, *, resolved: bool = False, after: int = 0, limit: int = 1_000
    ) -> Sequence[Parked]:
        return await self._found(LISTED, processor, max(-1, min(after, _LARGEST)), resolved, rows_of(limit))

    async def open_streams(self, processor: str, partition: int) -> frozenset[Stream]:
        async with session(self._connections) as connection:
            rows = await connection.fetch(self._fill(OPEN_STREAMS), processor, partition)
        return frozenset(Stream(*row) for row in rows)

    async def wished(self, processor: str, partition: int, *, limit: int = 500) -> Sequence[Parked]:
        return await self._found(WISHED, processor, partition, rows_of(limit))

    async def _found(self, statement: str, *values: Any) -> Sequence[Parked]:
        async with session(self._connections) as connection:
            rows = await connection.fetch(self._fill(statement), *values)
        return [_parked(tuple(row)) for row in rows]

    async def counts(self) -> dict[str, tuple[int, int]]:
        async with session(self._connections) as connection:
            rows = await connection.fetch(self._fill(COUNTS))
        return {processor: (still_open, skipped) for processor, still_open, skipped in rows}

    # ------------------------------------------------------------------------- people

    async def ask(self, processor: str, position: int, wish: Wish, *, actor: str, reason: str | None = None) -> None:
        checked_act(actor, actor if reason is None else reason)
        async with unit(self._connections) as connection:
            stream, _ = await self._open_one(connection, processor, position)
            if wish == "retry":
                first = await connection.fetchval(self._fill(FIRST), processor, *stream)
                if first != position:
                    raise stands_behind(processor, position, first)
            await connection.execute(self._fill(ASK), processor, position, wish, actor, reason)

    async def edit(self, processor: str, position: int, data: bytes, *, actor: str, reason: str) -> None:
        checked_act(actor, reason)
        async with unit(self._connections) as connection:
            await connection.execute(self._fill(ACTING))
            stream, event_id = await self._open_one(connection, processor, position)
            await connection.execute(self._fill(EDIT), processor, position, data)
            await connection.execute(self._fill(NOTE), actor, reason, *stream, event_id)

    async def _open_one(self, connection: Connection, processor: str, position: int) -> tuple[Stream, Any]:
        """Its stream and the id of its event; it stays as it is until the transaction ends."""
        within = max(-1, min(position, _LARGEST))
        row: Any = await connection.fetchrow(self._fill(ONE), processor, within)
        refuse_unless_open(processor, position, None if row is None else row[3], found=row is not None)
        assert row is not None
        return Stream(row[0], row[1]), row[2]

    # ----------------------------------------------------------------- the processor

    async def failed_again(self, processor: str, position: int, error: str) -> None:
        async with session(self._connections) as connection:
            await connection.execute(self._fill(FAILED_AGAIN), processor, position, printable(error))


def _parked(row: tuple[Any, ...]) -> Parked:
    processor, partition, position, category, id, *rest = row
    return Parked(processor, partition, position, Stream(category, id), *rest)
