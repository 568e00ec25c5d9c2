"""Snapshots in the store's database."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from eventfold.adapters.postgres.connection import Connection, Connections
from eventfold.adapters.postgres.names import Names
from eventfold.adapters.postgres.session import session
from eventfold.adapters.postgres.transient import again_if_transient
from eventfold.domain.message import Stream
from eventfold.ports.limits import rows_of
from eventfold.ports.snapshot_store import Snapshot

__all__ = ["DROP_SNAPSHOT", "PostgresSnapshots"]

SNAPSHOT: Final = """
SELECT category, id, version, fingerprint, format, data, saved_at FROM {snapshots}
WHERE category = $1 AND id = $2 AND kind = 'state'
"""
# Whoever acts on streams holds this alone: a state of events that are going does not come after they are gone.
WAIT_FOR_ACTS: Final = "SELECT pg_advisory_xact_lock_shared('{stream_marks}'::regclass::oid::int, 0)"
SAVE: Final = """
INSERT INTO {snapshots} AS s (category, id, kind, version, fingerprint, format, data, saved_at)
SELECT $1, $2, 'state', $3, $4, $5, $6, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint
WHERE EXISTS (SELECT FROM {events} AS e WHERE e.category = $1 AND e.id = $2 AND e.version = $3)
  AND NOT EXISTS (SELECT FROM {stream_marks} AS m WHERE m.category = $1 AND m.id = $2 AND m.before_version > $3)
ON CONFLICT (category, id, kind) DO UPDATE
SET version = excluded.version, fingerprint = excluded.fingerprint, format = excluded.format, data = excluded.data,
    saved_at = excluded.saved_at
WHERE excluded.version >= s.version OR excluded.fingerprint <> s.fingerprint OR NOT EXISTS (
    SELECT FROM {events} AS e WHERE e.category = s.category AND e.id = s.id AND e.version = s.version)
RETURNING true
"""
LISTED: Final = """
SELECT category, id, version, fingerprint, format, data, saved_at FROM {snapshots}
WHERE $1::text IS NULL OR category = $1 ORDER BY category, id LIMIT $2
"""
DROP: Final = """
WITH gone AS (
    DELETE FROM {snapshots} WHERE ($1::text IS NULL OR category = $1) AND ($2::text IS NULL OR id = $2) RETURNING true
)
SELECT count(*) FROM gone
"""
DROP_SNAPSHOT: Final = "DELETE FROM {snapshots} WHERE category = $1 AND id = $2"


class PostgresSnapshots:
    """Each call is one transaction."""

    def __init__(self, connections: Connections, names: Names) -> None:
        self._connections = connections
        self._snapshot, self._wait, self._save, self._listed, self._drop = map(
            names.fill, (SNAPSHOT, WAIT_FOR_ACTS, SAVE, LISTED, DROP)
        )

    async def snapshot(self, stream: Stream) -> Snapshot | None:
        async with session(self._connections) as connection:
            row = await connection.fetchrow(self._snapshot, *stream)
        return None if row is None else _snapshot(row)

    async def save(self, snapshot: Snapshot) -> bool:
        async def work(connection: Connection) -> bool:
            await connection.execute(self._wait)
            values = (*snapshot.stream, snapshot.version, snapshot.fingerprint, snapshot.format, snapshot.data)
            return await connection.fetchval(self._save, *values) is not None

        return await again_if_transient(self._connections, work)

    async def snapshots(self, category: str | None = None, *, limit: int = 1_000) -> Sequence[Snapshot]:
        async with session(self._connections) as connection:
            rows = await connection.fetch(self._listed, category, rows_of(limit))
        return [_snapshot(row) for row in rows]

    async def drop(self, category: str | None = None, id: str | None = None) -> int:
        async def work(connection: Connection) -> int:
            count: int = await connection.fetchval(self._drop, category, id)
            return count

        return await again_if_transient(self._connections, work)


def _snapshot(row: Any) -> Snapshot:
    found = tuple(row)
    return Snapshot(Stream(found[0], found[1]), *found[2:])
