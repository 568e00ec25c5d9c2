"""Time-outs in the store's database, due by the clock of its server."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from eventfold.adapters.postgres.connection import Connection, Connections
from eventfold.adapters.postgres.names import Names
from eventfold.adapters.postgres.session import session
from eventfold.adapters.postgres.transient import again_if_transient
from eventfold.ports.limits import rows_of
from eventfold.ports.timers import Gone, Timer

__all__ = ["PostgresTimers"]

_COLUMNS: Final = "t.manager, t.instance, t.key, t.due_at, t.type, t.data, t.schedule_position"
PLAN: Final = """
INSERT INTO {timers} AS t (manager, instance, key, due_at, type, data, schedule_position)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::bytea[], $7::bigint[])
ON CONFLICT (manager, instance, key) DO UPDATE
SET due_at = excluded.due_at, type = excluded.type, data = excluded.data, schedule_position = excluded.schedule_position
WHERE excluded.schedule_position > t.schedule_position
"""
# Locked in the order of their keys, as everybody locks them.
STRIKE_OUT: Final = """
DELETE FROM {timers} AS t USING (
    SELECT t.manager, t.instance, t.key FROM {timers} AS t
      JOIN unnest($1::text[], $2::text[], $3::text[], $4::bigint[]) AS g(manager, instance, key, upto)
        ON (t.manager, t.instance, t.key) = (g.manager, g.instance, g.key) AND t.schedule_position <= g.upto
     ORDER BY t.manager, t.instance, t.key FOR UPDATE OF t) AS g
WHERE (t.manager, t.instance, t.key) = (g.manager, g.instance, g.key)
"""
DUE: Final = f"""
SELECT {_COLUMNS} FROM {{timers}} AS t
WHERE t.manager = $1 AND t.due_at <= floor(extract(epoch FROM clock_timestamp()) * 1000000)::bigint
ORDER BY t.due_at, t.instance, t.key LIMIT $2
"""  # noqa: S608 - our own words
LISTED: Final = f"""
SELECT {_COLUMNS} FROM {{timers}} AS t
WHERE ($1::text IS NULL OR t.manager = $1) AND ($2::text IS NULL OR t.instance = $2)
ORDER BY t.due_at, t.manager, t.instance, t.key LIMIT $3
"""  # noqa: S608 - our own words


class PostgresTimers:
    """Each call is one transaction."""

    def __init__(self, connections: Connections, names: Names) -> None:
        self._connections = connections
        self._plan, self._strike_out, self._due, self._listed = map(names.fill, (PLAN, STRIKE_OUT, DUE, LISTED))

    async def keep(self, planned: Sequence[Timer], gone: Sequence[Gone] = ()) -> None:
        columns, out = _columns(planned), _struck_out(gone)

        async def work(connection: Connection) -> None:
            if gone:
                await connection.execute(self._strike_out, *out)
            if planned:
                await connection.execute(self._plan, *columns)

        if planned or gone:
            await again_if_transient(self._connections, work)

    async def due(self, manager: str, *, limit: int) -> Sequence[Timer]:
        async with session(self._connections) as connection:
            rows = await connection.fetch(self._due, manager, rows_of(limit))
        return [Timer(*row) for row in rows]

    async def timers(
        self, manager: str | None = None, *, instance: str | None = None, limit: int = 1_000
    ) -> Sequence[Timer]:
        async with session(self._connections) as connection:
            rows = await connection.fetch(self._listed, manager, instance, rows_of(limit))
        return [Timer(*row) for row in rows]


def _columns(planned: Sequence[Timer]) -> tuple[list[Any], ...]:
    """Of several for one key the latest, in the order in which everybody locks them."""
    latest: dict[tuple[str, str, str], Timer] = {}
    for each in planned:
        key = (each.manager, each.instance, each.key)
        if key not in latest or latest[key].schedule_position < each.schedule_position:
            latest[key] = each
    ordered = [latest[key] for key in sorted(latest)]
    return (
        [each.manager for each in ordered],
        [each.instance for each in ordered],
        [each.key for each in ordered],
        [each.due_at for each in ordered],
        [each.type for each in ordered],
        [each.data for each in ordered],
        [each.schedule_position for each in ordered],
    )


def _struck_out(gone: Sequence[Gone]) -> tuple[list[Any], ...]:
    return (
        [each.manager for each in gone],
        [each.instance for each in gone],
        [each.key for each in gone],
        [each.upto for each in gone],
    )
