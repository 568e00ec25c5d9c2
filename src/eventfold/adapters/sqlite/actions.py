"""The ledger of effects in the store's file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from eventfold.adapters.sqlite.bookkeeping import Bookkeeping
from eventfold.adapters.sqlite.connection import Connection, in_transaction
from eventfold.ports.actions import Action, Intent, Status, checked_intents
from eventfold.ports.failpoint import failpoint
from eventfold.ports.limits import rows_of

__all__ = ["SqliteActions"]

_COLUMNS: Final = "reactor, event_id, key, status, result, epoch, at"
INTEND: Final = f"""
INSERT INTO {{actions}} ({_COLUMNS}) VALUES (?, ?, ?, 'intended', NULL, ?, ?) ON CONFLICT DO NOTHING
"""  # noqa: S608 - our own words
FOUND: Final = f"SELECT {_COLUMNS} FROM {{actions}} WHERE reactor = ? AND event_id = ? AND key = ?"  # noqa: S608 - our own words
# Entered anew where somebody has struck it out: what is known to be done, or in doubt, must not be lost.
BECOMES: Final = f"""
INSERT INTO {{actions}} ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (reactor, event_id, key) DO UPDATE
SET status = excluded.status, result = excluded.result, epoch = excluded.epoch, at = excluded.at
WHERE status <> 'done'
"""  # noqa: S608 - our own words
WITHDRAW: Final = """
DELETE FROM {actions} WHERE reactor = ? AND event_id = ? AND key = ? AND epoch <= ? AND status <> 'done'
"""
LISTED: Final = f"""
SELECT {_COLUMNS} FROM {{actions}}
WHERE reactor = ?1 AND (?2 IS NULL OR event_id = ?2) AND (?3 IS NULL OR status = ?3)
ORDER BY at DESC, event_id DESC, key DESC LIMIT ?4
"""  # noqa: S608 - our own words


class SqliteActions(Bookkeeping):
    """Each call is one transaction, so that what a turn of the loop brings costs one commit."""

    async def intend(self, intents: Sequence[Intent]) -> Sequence[Action | None]:
        checked_intents(intents)
        intend, find = self._fill(INTEND), self._fill(FOUND)

        def enter(connection: Connection) -> list[Action | None]:
            now = self._micros()
            found: list[Action | None] = []
            for each in intents:
                connection.execute(intend, (*_key(each), each.epoch, now))
                known = None
                if connection.changes() == 0:
                    known = connection.execute(find, _key(each)).fetchone()
                found.append(None if known is None else Action(*known))
            return found

        def write(connection: Connection) -> list[Action | None]:
            found = in_transaction(connection, enter)
            failpoint("actions.after_intend")
            return found

        return await self._write(write, rows=len(intents))

    async def settle(self, outcomes: Sequence[tuple[Intent, bytes | None]]) -> None:
        await self._become("done", outcomes)

    async def doubt(self, intents: Sequence[Intent]) -> None:
        await self._become("unknown", [(each, None) for each in intents])

    async def _become(self, status: Status, outcomes: Sequence[tuple[Intent, bytes | None]]) -> None:
        def write(connection: Connection) -> None:
            now = self._micros()
            rows: list[tuple[Any, ...]] = [(*_key(each), status, result, each.epoch, now) for each, result in outcomes]
            connection.executemany(self._fill(BECOMES), rows)

        await self._transact(write, rows=len(outcomes))

    async def withdraw(self, intents: Sequence[Intent]) -> None:
        rows = [(*_key(each), each.epoch) for each in intents]
        sql = self._fill(WITHDRAW)
        await self._transact(lambda connection: connection.executemany(sql, rows), rows=len(rows))

    async def actions(
        self, reactor: str, *, event_id: bytes | None = None, status: Status | None = None, limit: int = 1_000
    ) -> Sequence[Action]:
        sql, values = self._fill(LISTED), (reactor, event_id, status, rows_of(limit))
        return [Action(*row) for row in await self._read(lambda connection: connection.execute(sql, values).fetchall())]


def _key(intent: Intent) -> tuple[str, bytes, str]:
    return intent.reactor, intent.event_id, intent.key
