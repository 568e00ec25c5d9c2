"""What becomes of parked events within the transaction of the processor they belong to."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from eventfold.adapters.postgres.connection import Connection
from eventfold.adapters.postgres.names import Names
from eventfold.ports.checkpoint_store import Move
from eventfold.ports.parking import Settled

__all__ = ["Asides", "printable"]

# Where a position is set aside once more, its processor has been sent back and has handled the event again since.
SET_ASIDE: Final = """
INSERT INTO {parked} (processor, partition, parked_at, position, category, id, event_id, type, behind, attempts, error,
                      resolved_at, resolution)
SELECT $1, $2, $3, a.position, a.category, a.id, a.event_id, a.type, a.behind, a.attempts, a.error,
       CASE WHEN a.skipped THEN $3::bigint END, CASE WHEN a.skipped THEN 'skipped' END
  FROM unnest($4::bigint[], $5::text[], $6::text[], $7::uuid[], $8::text[], $9::boolean[], $10::integer[], $11::text[],
              $12::boolean[]) AS a(position, category, id, event_id, type, behind, attempts, error, skipped)
ON CONFLICT (processor, generation, position) DO UPDATE
SET partition = excluded.partition, parked_at = excluded.parked_at, category = excluded.category, id = excluded.id,
    event_id = excluded.event_id, type = excluded.type, behind = excluded.behind, attempts = excluded.attempts,
    error = excluded.error, resolved_at = excluded.resolved_at, resolution = excluded.resolution,
    wish = NULL, edited = NULL, actor = NULL, reason = NULL
"""
SETTLE: Final = """
UPDATE {parked} SET wish = NULL, resolved_at = $1, resolution = $2
WHERE processor = $3 AND generation = 0 AND partition = $4 AND position = $5 AND resolved_at IS NULL
RETURNING category, id, actor, reason
"""
# The wish goes on to the next one of the stream, in the same transaction: whoever is killed now has forgotten nothing.
FOLLOWS: Final = """
UPDATE {parked} SET behind = false, wish = coalesce(wish, 'retry'),
       actor = CASE WHEN wish IS NULL THEN $1 ELSE actor END, reason = CASE WHEN wish IS NULL THEN $2 ELSE reason END
WHERE processor = $3 AND generation = 0 AND behind AND position > $6 AND position = (
    SELECT min(position) FROM {parked}
    WHERE processor = $3 AND generation = 0 AND category = $4 AND id = $5 AND resolved_at IS NULL)
"""
RESOLUTION_WHEN_FREE: Final = """
SELECT resolution FROM {parked} WHERE processor = $1 AND generation = 0 AND partition = $2 AND position = $3 FOR UPDATE
"""
FORGET: Final = "DELETE FROM {parked} WHERE processor = $1"


class Asides:
    """Rows of parked events, for whoever has the connection and its transaction."""

    def __init__(self, names: Names) -> None:
        self._set_aside, self._settle, self._follows, self._resolution, self._forget = map(
            names.fill, (SET_ASIDE, SETTLE, FOLLOWS, RESOLUTION_WHEN_FREE, FORGET)
        )

    async def set_aside(self, connection: Connection, move: Move, now: int) -> None:
        """What the move leaves on its way."""
        await connection.execute(
            self._set_aside,
            move.processor,
            move.partition,
            now,
            [each.position for each in move.aside],
            [each.stream.category for each in move.aside],
            [each.stream.id for each in move.aside],
            [UUID(bytes=each.event_id) for each in move.aside],
            [each.type for each in move.aside],
            [each.behind for each in move.aside],
            [each.attempts for each in move.aside],
            [printable(each.error) for each in move.aside],
            [each.skipped for each in move.aside],
        )

    async def settle(self, connection: Connection, settled: Settled, now: int) -> bool:
        """Whether it was open until now."""
        place = (settled.processor, settled.partition, settled.position)
        row = await connection.fetchrow(self._settle, now, settled.resolution, *place)
        if row is None:
            return False
        category, id, actor, reason = row
        follows = (actor, reason, settled.processor, category, id, settled.position)
        await connection.execute(self._follows, *follows)
        return True

    async def resolution(self, connection: Connection, settled: Settled) -> str | None:
        """What has become of it, once nobody is about to change that; None also where nothing is parked."""
        place = (settled.processor, settled.partition, settled.position)
        found = await connection.fetchval(self._resolution, *place)
        return None if found is None else str(found)

    async def forget(self, connection: Connection, processor: str) -> None:
        await connection.execute(self._forget, processor)


def printable(text: str) -> str:
    """What an error says may hold what no text of Postgres can: NUL, or half a character."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")
