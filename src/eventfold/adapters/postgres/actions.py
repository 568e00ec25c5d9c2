"""The ledger of effects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from eventfold.adapters.postgres.connection import Connection, Connections
from eventfold.adapters.postgres.names import Names
from eventfold.adapters.postgres.session import session
from eventfold.adapters.postgres.transient import again_if_transient
from eventfold.ports.actions import Action, Intent, Status, checked_intents
from eventfold.ports.clock import Clock, micros_of
from eventfold.ports.failpoint import failpoint
from eventfold.ports.limits import rows_of

__all__ = ["PostgresActions"]

_KEYS: Final = "unnest($1::text[], $2::uuid[], $3::text[])"
_COLUMNS: Final = "a.reactor, uuid_send(a.event_id), a.key, a.status, a.result, a.epoch, a.at"
INTEND: Final = """
INSERT INTO {actions} AS a (reactor, event_id, key, status, epoch, at)
SELECT i.reactor, i.event_id, i.key, 'intended', i.epoch, $5
  FROM unnest($1::text[], $2::uuid[], $3::text[], $4::bigint[]) AS i(reactor, event_id, key, epoch)
ON CONFLICT DO NOTHING
RETURNING a.reactor, uuid_send(a.event_id), a.key
"""
FOUND: Final = f"""
SELECT {_COLUMNS} FROM {{actions}} AS a JOIN {_KEYS} AS i(reactor, event_id, key) USING (reactor, event_id, key)
"""  # noqa: S608  # our own words
# Entered anew where somebody has struck it out: what is known to be done, or in doubt, must not be lost.
BECOMES: Final = """
INSERT INTO {actions} AS a (reactor, event_id, key, status, result, epoch, at)
SELECT i.reactor, i.event_id, i.key, $6, i.result, i.epoch, $7
  FROM unnest($1::text[], $2::uuid[], $3::text[], $4::bigint[], $5::bytea[]) AS i(reactor, event_id, key, epoch, result)
ON CONFLICT (reactor, event_id, key) DO UPDATE
SET status = excluded.status, result = excluded.result, epoch = excluded.epoch, at = excluded.at
WHERE a.status <> 'done'
"""
# Locked in the order of their keys, as everybody locks them.
WITHDRAW: Final = """
DELETE FROM {actions} AS a USING (
    SELECT a.reactor, a.event_id, a.key, i.epoch FROM {actions} AS a
      JOIN unnest($1::text[], $2::uuid[], $3::text[], $4::bigint[]) AS i(reactor, event_id, key, epoch)
     USING (reactor, event_id, key)
     ORDER BY a.reactor, a.event_id, a.key FOR UPDATE OF a) AS i
WHERE (a.reactor, a.event_id, a.key) = (i.reactor, i.event_id, i.key) AND a.epoch <= i.epoch AND a.status <> 'done'
"""
LISTED: Final = f"""
SELECT {_COLUMNS} FROM {{actions}} AS a
WHERE a.reactor = $1 AND ($2::uuid IS NULL OR a.event_id = $2) AND ($3::text IS NULL OR a.status = $3)
ORDER BY a.at DESC, a.event_id DESC, a.key DESC LIMIT $4
"""  # noqa: S608  # our own words
_ID_BYTES: Final = 16


class PostgresActions:
    """Each call is one transaction and few statements, however many entries it brings."""

    def __init__(self, connections: Connections, names: Names, clock: Clock) -> None:
        self._connections = connections
        self._micros = micros_of(clock)
        self._intend, self._found, self._becomes, self._withdraw, self._listed = map(
            names.fill, (INTEND, FOUND, BECOMES, WITHDRAW, LISTED)
        )

    async def intend(self, intents: Sequence[Intent]) -> Sequence[Action | None]:
        checked_intents(intents)
        if not intents:
            return []

        async def work(connection: Connection) -> dict[tuple[str, bytes, str], Action]:
            known: dict[tuple[str, bytes, str], Action] = {}
            missing = sorted(intents, key=_key)
            while missing:  # one that is struck out between the two statements is missing again
                epochs = [each.epoch for each in missing]
                rows = await connection.fetch(self._intend, *_keys(missing), epochs, self._micros())
                entered = {tuple(row) for row in rows}
                missing = [each for each in missing if _key(each) not in entered]
                if missing:
                    found = [Action(*row) for row in await connection.fetch(self._found, *_keys(missing))]
                    known |= {(each.reactor, each.event_id, each.key): each for each in found}
                    missing = [each for each in missing if _key(each) not in known]
            return known

        known = await again_if_transient(self._connections, work)
        failpoint("actions.after_intend")
        return [known.get(_key(each)) for each in intents]

    async def settle(self, outcomes: Sequence[tuple[Intent, bytes | None]]) -> None:
        await self._become("done", outcomes)

    async def doubt(self, intents: Sequence[Intent]) -> None:
        await self._become("unknown", [(each, None) for each in intents])

    async def _become(self, status: Status, outcomes: Sequence[tuple[Intent, bytes | None]]) -> None:
        first = {_key(intent): (intent, result) for intent, result in reversed(outcomes)}
        each_once = [first[key] for key in sorted(first)]
        intents = [intent for intent, _ in each_once]
        epochs, results = [intent.epoch for intent in intents], [result for _, result in each_once]

        async def work(connection: Connection) -> None:
            await connection.execute(self._becomes, *_keys(intents), epochs, results, status, self._micros())

        if intents:
            await again_if_transient(self._connections, work)

    async def withdraw(self, intents: Sequence[Intent]) -> None:
        async def work(connection: Connection) -> None:
            await connection.execute(self._withdraw, *_keys(intents), [each.epoch for each in intents])

        if intents:
            await again_if_transient(self._connections, work)

    async def actions(
        self, reactor: str, *, event_id: bytes | None = None, status: Status | None = None, limit: int = 1_000
    ) -> Sequence[Action]:
        if event_id is not None and len(event_id) != _ID_BYTES:
            return []
        id = None if event_id is None else UUID(bytes=event_id)
        async with session(self._connections) as connection:
            rows = await connection.fetch(self._listed, reactor, id, status, rows_of(limit))
        return [Action(*row) for row in rows]


def _key(intent: Intent) -> tuple[str, bytes, str]:
    return intent.reactor, intent.event_id, intent.key


def _keys(intents: Sequence[Intent]) -> tuple[list[Any], list[Any], list[Any]]:
    return (
        [each.reactor for each in intents],
        [UUID(bytes=each.event_id) for each in intents],
        [each.key for each in intents],
    )
