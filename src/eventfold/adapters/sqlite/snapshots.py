"""Snapshots in the store's file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from eventfold.adapters.sqlite.bookkeeping import Bookkeeping
from eventfold.adapters.sqlite.connection import Connection
from eventfold.domain.message import Stream
from eventfold.ports.limits import rows_of
from eventfold.ports.snapshot_store import Snapshot

__all__ = ["DROP_SNAPSHOT", "SqliteSnapshots"]

SNAPSHOT: Final = """
SELECT category, id, version, fingerprint, format, data, saved_at FROM {snapshots}
WHERE category = ? AND id = ? AND kind = 'state'
"""
HAS_EVENT: Final = "SELECT 1 FROM {events} WHERE category = ? AND id = ? AND version = ?"
SAVE: Final = """
INSERT OR REPLACE INTO {snapshots} (category, id, kind, version, fingerprint, format, data, saved_at)
VALUES (?, ?, 'state', ?, ?, ?, ?, ?)
"""
LISTED: Final = """
SELECT category, id, version, fingerprint, format, data, saved_at FROM {snapshots}
WHERE ?1 IS NULL OR category = ?1 ORDER BY category, id LIMIT ?2
"""
DROP: Final = "DELETE FROM {snapshots} WHERE (?1 IS NULL OR category = ?1) AND (?2 IS NULL OR id = ?2)"
DROP_SNAPSHOT: Final = "DELETE FROM {snapshots} WHERE category = ? AND id = ?"


class SqliteSnapshots(Bookkeeping):
    """Each call is one transaction."""

    has_event: Callable[[Stream, int], bool] | None = None
    """Whether the log has it, where that is not in the file."""

    async def snapshot(self, stream: Stream) -> Snapshot | None:
        sql = self._fill(SNAPSHOT)
        row = await self._read(lambda connection: connection.execute(sql, stream).fetchone())
        return None if row is None else _snapshot(row)

    async def save(self, snapshot: Snapshot) -> bool:
        stream, version = snapshot.stream, snapshot.version

        def write(connection: Connection) -> bool:
            if not self._has_event(connection, stream, version):
                return False
            row = connection.execute(self._fill(SNAPSHOT), stream).fetchone()
            known = None if row is None else _snapshot(row)
            if (
                known is not None
                and known.version > version
                and known.fingerprint == snapshot.fingerprint
                and self._has_event(connection, stream, known.version)
            ):
                return False
            values = (*stream, version, snapshot.fingerprint, snapshot.format, snapshot.data, self._micros())
            connection.execute(self._fill(SAVE), values)
            return True

        return await self._transact(write)

    def _has_event(self, connection: Connection, stream: Stream, version: int) -> bool:
        if self.has_event is not None:
            return self.has_event(stream, version)
        return connection.execute(self._fill(HAS_EVENT), (*stream, version)).fetchone() is not None

    async def snapshots(self, category: str | None = None, *, limit: int = 1_000) -> Sequence[Snapshot]:
        sql, values = self._fill(LISTED), (category, rows_of(limit))
        rows = await self._read(lambda connection: connection.execute(sql, values).fetchall())
        return [_snapshot(row) for row in rows]

    async def drop(self, category: str | None = None, id: str | None = None) -> int:
        sql = self._fill(DROP)

        def write(connection: Connection) -> int:
            connection.execute(sql, (category, id))
            return connection.changes()

        return await self._transact(write)


def _snapshot(row: tuple[Any, ...]) -> Snapshot:
    return Snapshot(Stream(row[0], row[1]), *row[2:])
