"""Events that processors have set aside, in the store's file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from eventfold.adapters.sqlite.bookkeeping import Bookkeeping, printable
from eventfold.adapters.sqlite.connection import Connection
from eventfold.domain.message import Stream
from eventfold.ports.administration import checked_act
from eventfold.ports.checkpoint_store import Move
from eventfold.ports.limits import rows_of
from eventfold.ports.parking import Parked, Settled, Wish, refuse_unless_open, stands_behind

__all__ = ["SqliteParkingLot"]

_PARKED: Final = """
SELECT processor, partition, position, category, id, event_id, type, behind, attempts, error, parked_at,
       wish, edited, resolved_at, resolution, actor, reason
FROM {parked} AS p
"""
LISTED: Final = f"""{_PARKED}
WHERE generation = 0 AND (?1 IS NULL OR processor = ?1) AND position > ?2 AND (?3 OR resolved_at IS NULL)
ORDER BY processor, position LIMIT ?4
"""
# From the wishes to their streams, by indexes over what is open: what was settled long ago costs nothing.
WISHED: Final = f"""{_PARKED.replace("FROM {parked} AS p", "FROM")} (
    SELECT DISTINCT category, id FROM {{parked}}
    WHERE generation = 0 AND processor = ?1 AND partition = ?2 AND resolved_at IS NULL AND wish IS NOT NULL) AS w
CROSS JOIN {{parked}} AS p USING (category, id)
WHERE p.generation = 0 AND p.processor = ?1 AND p.partition = ?2 AND p.resolved_at IS NULL
ORDER BY p.position LIMIT ?3
"""  # noqa: S608 - our own words
OPEN_STREAMS: Final = """
SELECT DISTINCT category, id FROM {parked}
WHERE generation = 0 AND processor = ? AND partition = ? AND resolved_at IS NULL
"""
# Where a position is set aside once more, somebody has taken its checkpoint away by hand, and the event came again.
SET_ASIDE: Final = """
INSERT OR REPLACE INTO {parked}
    (processor, partition, position, category, id, event_id, type, behind, attempts, error, parked_at,
     resolved_at, resolution)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
ONE: Final = """
SELECT category, id, event_id, resolution FROM {parked} WHERE processor = ? AND generation = 0 AND position = ?
"""
FIRST: Final = """
SELECT min(position) FROM {parked}
WHERE generation = 0 AND processor = ? AND category = ? AND id = ? AND resolved_at IS NULL
"""
ASK: Final = """
UPDATE {parked} SET wish = ?, actor = ?, reason = ? WHERE processor = ? AND generation = 0 AND position = ?
"""
EDIT: Final = "UPDATE {parked} SET edited = ? WHERE processor = ? AND generation = 0 AND position = ?"
NOTE: Final = """
INSERT INTO {store_audit} (at, action, actor, reason, category, id, version, event_id)
VALUES (?, 'edit-parked', ?, ?, ?, ?, NULL, ?)
"""
FAILED_AGAIN: Final = """
UPDATE {parked} SET wish = NULL, behind = 0, attempts = attempts + 1, error = ?
WHERE processor = ? AND generation = 0 AND position = ? AND resolved_at IS NULL
"""
SETTLE: Final = """
UPDATE {parked} SET wish = NULL, resolved_at = ?, resolution = ?
WHERE processor = ? AND generation = 0 AND partition = ? AND position = ? AND resolved_at IS NULL
RETURNING category, id, actor, reason
"""
# The wish goes on to the next one of the stream, in the same transaction: whoever is killed now has forgotten nothing.
FOLLOWS: Final = """
UPDATE {parked} SET behind = 0, actor = CASE WHEN wish IS NULL THEN ? ELSE actor END,
       reason = CASE WHEN wish IS NULL THEN ? ELSE reason END, wish = coalesce(wish, 'retry')
WHERE processor = ? AND generation = 0 AND position = ? AND behind = 1
"""
FORGET: Final = "DELETE FROM {parked} WHERE processor = ?"
COUNTS: Final = """
SELECT processor, sum(still_open), sum(skipped) FROM (
    SELECT processor, count(*) AS still_open, 0 AS skipped FROM {parked}
    WHERE generation = 0 AND resolution IS NULL GROUP BY processor
    UNION ALL
    SELECT processor, 0, count(*) FROM {parked} WHERE generation = 0 AND resolution = 'skipped' GROUP BY processor)
GROUP BY processor
"""
_LAST: Final = 2**63 - 1


class SqliteParkingLot(Bookkeeping):
    """Parked rows change in the transactions of those who own the processor; people only leave their wishes."""

    edited: Callable[[str, str, Stream, bytes], None] | None = None
    """Told of an edit (actor, reason, stream, event id) before it is stored, where the audit is not in these tables."""

    async def parked(
        self, processor: str | None = None, *, resolved: bool = False, after: int = 0, limit: int = 1_000
    ) -> Sequence[Parked]:
        return await self._found(LISTED, processor, max(-1, min(after, _LAST)), resolved, rows_of(limit))

    async def open_streams(self, processor: str, partition: int) -> frozenset[Stream]:
        sql, values = self._fill(OPEN_STREAMS), (processor, partition)
        rows = await self._read(lambda connection: connection.execute(sql, values).fetchall())
        return frozenset(Stream(*row) for row in rows)

    async def wished(self, processor: str, partition: int, *, limit: int = 500) -> Sequence[Parked]:
        return await self._found(WISHED, processor, partition, rows_of(limit))

    async def _found(self, statement: str, *values: object) -> Sequence[Parked]:
        sql = self._fill(statement)
        return [_parked(row) for row in await self._read(lambda connection: connection.execute(sql, values).fetchall())]

    async def counts(self) -> dict[str, tuple[int, int]]:
        sql = self._fill(COUNTS)
        rows = await self._read(lambda connection: connection.execute(sql).fetchall())
        return {processor: (still_open, skipped) for processor, still_open, skipped in rows}

    # ------------------------------------------------------------------------- people

    async def ask(self, processor: str, position: int, wish: Wish, *, actor: str, reason: str | None = None) -> None:
        checked_act(actor, actor if reason is None else reason)

        def write(connection: Connection) -> None:
            stream, _ = self._open_one(connection, processor, position)
            if wish == "retry":
                first = connection.execute(self._fill(FIRST), (processor, *stream)).get
                if first != position:
                    raise stands_behind(processor, position, first)
            connection.execute(self._fill(ASK), (wish, actor, reason, processor, position))

        await self._transact(write)

    async def edit(self, processor: str, position: int, data: bytes, *, actor: str, reason: str) -> None:
        checked_act(actor, reason)

        def write(connection: Connection) -> None:
            stream, event_id = self._open_one(connection, processor, position)
            connection.execute(self._fill(EDIT), (data, processor, position))
            connection.execute(self._fill(NOTE), (self._micros(), actor, reason, *stream, event_id))
            if self.edited is not None:
                self.edited(actor, reason, stream, event_id)

        await self._transact(write)

    def _open_one(self, connection: Connection, processor: str, position: int) -> tuple[Stream, bytes]:
        row = connection.execute(self._fill(ONE), (processor, min(position, _LAST))).fetchone()
        refuse_unless_open(processor, position, None if row is None else row[3], found=row is not None)
        assert row is not None
        return Stream(row[0], row[1]), row[2]

    # ----------------------------------------------------------------- the processor

    async def failed_again(self, processor: str, position: int, error: str) -> None:
        sql, values = self._fill(FAILED_AGAIN), (printable(error), processor, position)
        await self._write(lambda connection: connection.execute(sql, values))

    def set_aside_within(self, connection: Connection, move: Move, now: int) -> None:
        rows = [
            (
                move.processor,
                move.partition,
                each.position,
                *each.stream,
                each.event_id,
                each.type,
                int(each.behind),
                each.attempts,
                printable(each.error),
                now,
                now if each.skipped else None,
                "skipped" if each.skipped else None,
            )
            for each in move.aside
        ]
        connection.executemany(self._fill(SET_ASIDE), rows)

    def settle_within(self, connection: Connection, settled: Settled, now: int) -> bool:
        """Whether it was open until now."""
        values = (now, settled.resolution, settled.processor, settled.partition, settled.position)
        row = connection.execute(self._fill(SETTLE), values).fetchone()
        if row is None:
            return False
        category, id, actor, reason = row
        first = connection.execute(self._fill(FIRST), (settled.processor, category, id)).get
        if first is not None and first > settled.position:
            connection.execute(self._fill(FOLLOWS), (actor, reason, settled.processor, first))
        return True

    def forget_within(self, connection: Connection, processor: str) -> None:
        connection.execute(self._fill(FORGET), (processor,))


def _parked(row: tuple[Any, ...]) -> Parked:
    processor, partition, position, category, id, event_id, type, behind, *rest = row
    return Parked(processor, partition, position, Stream(category, id), event_id, type, bool(behind), *rest)
