"""Time-outs in the store's file, due by the clock of the machine that the file is on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from eventfold.adapters.sqlite.bookkeeping import Bookkeeping
from eventfold.adapters.sqlite.connection import Connection
from eventfold.ports.limits import rows_of
from eventfold.ports.timers import Gone, Timer

__all__ = ["SqliteTimers"]

_COLUMNS: Final = "manager, instance, key, due_at, type, data, schedule_position"
PLAN: Final = f"""
INSERT INTO {{timers}} ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (manager, instance, key) DO UPDATE
SET due_at = excluded.due_at, type = excluded.type, data = excluded.data, schedule_position = excluded.schedule_position
WHERE excluded.schedule_position > schedule_position
"""  # noqa: S608 - our own words
STRIKE_OUT: Final = "DELETE FROM {timers} WHERE manager = ? AND instance = ? AND key = ? AND schedule_position <= ?"
DUE: Final = f"""
SELECT {_COLUMNS} FROM {{timers}} WHERE manager = ? AND due_at <= ? ORDER BY due_at, instance, key LIMIT ?
"""  # noqa: S608 - our own words
LISTED: Final = f"""
SELECT {_COLUMNS} FROM {{timers}} WHERE (?1 IS NULL OR manager = ?1) AND (?2 IS NULL OR instance = ?2)
ORDER BY due_at, manager, instance, key LIMIT ?3
"""  # noqa: S608 - our own words


class SqliteTimers(Bookkeeping):
    """Each call is one transaction."""

    async def keep(self, planned: Sequence[Timer], gone: Sequence[Gone] = ()) -> None:
        plan, strike_out = self._fill(PLAN), self._fill(STRIKE_OUT)

        def write(connection: Connection) -> None:
            connection.executemany(strike_out, [(each.manager, each.instance, each.key, each.upto) for each in gone])
            connection.executemany(plan, [_row(each) for each in planned])

        if planned or gone:
            await self._transact(write, rows=len(planned) + len(gone))

    async def due(self, manager: str, *, limit: int) -> Sequence[Timer]:
        values = (manager, self._micros(), rows_of(limit))
        sql = self._fill(DUE)
        return [Timer(*row) for row in await self._read(lambda connection: connection.execute(sql, values).fetchall())]

    async def timers(
        self, manager: str | None = None, *, instance: str | None = None, limit: int = 1_000
    ) -> Sequence[Timer]:
        sql, values = self._fill(LISTED), (manager, instance, rows_of(limit))
        return [Timer(*row) for row in await self._read(lambda connection: connection.execute(sql, values).fetchall())]


def _row(timer: Timer) -> tuple[str, str, str, int, str, bytes, int]:
    return (
        timer.manager,
        timer.instance,
        timer.key,
        timer.due_at,
        timer.type,
        timer.data,
        timer.schedule_position,
    )
