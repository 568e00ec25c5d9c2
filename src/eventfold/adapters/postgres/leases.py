"""Leases of partitions, by the clock of the server."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Final

import asyncpg

from eventfold.adapters.postgres.checkpoint_store import CHECKPOINT_WHEN_FREE, checkpoint_of
from eventfold.adapters.postgres.connection import Connection, Connections
from eventfold.adapters.postgres.names import Names
from eventfold.adapters.postgres.session import session, unit
from eventfold.errors import NotPermitted, StoreUnavailable
from eventfold.ports.checkpoint_store import Checkpoint
from eventfold.ports.clock import Clock, micros_of
from eventfold.ports.failpoint import failpoint
from eventfold.ports.leases import Beat, Lease, LeaseRecord

__all__ = ["PostgresLeases"]

_log = logging.getLogger("eventfold.postgres")

# now() would be the beginning of the transaction, which may have waited since.
_NOW: Final = "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
# Members that are gone are left to another beat where somebody has them in hand: nobody waits for anybody here.
BEAT: Final = f"""
WITH clock AS MATERIALIZED (SELECT {_NOW} AS now),
here AS (
    INSERT INTO {{lease_members}} (processor, owner, until) SELECT $1, $2, now + $3::bigint FROM clock
    ON CONFLICT (processor, owner) DO UPDATE SET until = excluded.until
), gone AS (
    DELETE FROM {{lease_members}} WHERE processor = $1 AND owner IN (
        SELECT m.owner FROM {{lease_members}} AS m, clock
         WHERE m.processor = $1 AND m.owner <> $2 AND m.until <= now FOR UPDATE OF m SKIP LOCKED)
), kept AS (
    UPDATE {{leases}} AS l SET lease_until = now + $3::bigint
      FROM clock, unnest($4::integer[], $5::bigint[]) AS held(partition, epoch)
     WHERE l.processor = $1 AND l.partition = held.partition AND l.epoch = held.epoch AND l.owner = $2
    RETURNING l.partition
)
SELECT ARRAY(SELECT m.owner FROM {{lease_members}} AS m, clock
              WHERE m.processor = $1 AND m.owner <> $2 AND m.until > now),
       ARRAY(SELECT partition FROM kept)
"""  # noqa: S608  # our own words
LEASE: Final = f"""
SELECT owner, epoch, (lease_until - {_NOW})::float8 / 1000000 FROM {{leases}} WHERE processor = $1 AND partition = $2
"""  # noqa: S608  # our own words
PATIENCE: Final = "SELECT set_config('lock_timeout', $1, true)"
PLACE: Final = """
INSERT INTO {checkpoints} (processor, partition, position, event_id, incarnation, epoch, updated_at)
SELECT $1, $2, 0, NULL, incarnation, 0, $3 FROM {store} ON CONFLICT DO NOTHING
"""
TAKE: Final = f"""
INSERT INTO {{leases}} AS l (processor, partition, epoch, owner, lease_until)
VALUES ($1, $2, $3::bigint + 1, $4, {_NOW} + $5::bigint)
ON CONFLICT (processor, partition) DO UPDATE
SET epoch = greatest(l.epoch, $3::bigint) + 1, owner = excluded.owner, lease_until = {_NOW} + $5::bigint
WHERE l.lease_until <= {_NOW} OR l.owner = excluded.owner OR l.owner = $6
RETURNING l.epoch
"""  # noqa: S608  # our own words
RAISE: Final = """
UPDATE {checkpoints} SET epoch = $3 WHERE processor = $1 AND generation = 0 AND partition = $2
"""
# Who has changed or locked the row last, if his transaction is still open. A young one is somebody's who is taking the
# partition just now, or who works and is merely late.
HOLDER: Final = """
SELECT l.pid, a.usename::text
  FROM {checkpoints} AS c
  JOIN pg_locks AS l ON l.locktype = 'transactionid' AND l.transactionid = c.xmax AND l.granted
                    AND l.mode = 'ExclusiveLock'
  LEFT JOIN pg_stat_activity AS a USING (pid)
 WHERE c.processor = $1 AND c.generation = 0 AND c.partition = $2
   AND coalesce(a.xact_start < clock_timestamp() - interval '1 second', true)
   AND EXISTS (SELECT FROM pg_locks AS t WHERE t.pid = l.pid AND t.relation = '{checkpoints}'::regclass AND t.granted)
"""
END: Final = "SELECT pg_terminate_backend($1)"
RELEASE: Final = f"""
UPDATE {{leases}} SET lease_until = least(lease_until, {_NOW})
WHERE processor = $1 AND partition = $2 AND owner = $3 AND epoch = $4
"""  # noqa: S608  # our own words
LEAVE: Final = "DELETE FROM {lease_members} WHERE processor = $1 AND owner = $2"
LEASES: Final = f"""
SELECT processor, partition, owner, epoch, (lease_until - {_NOW})::float8 / 1000000 FROM {{leases}}
WHERE $1::text IS NULL OR processor = $1 ORDER BY processor, partition
"""  # noqa: S608  # our own words

_SECOND: Final = 1_000_000
_A_COMMIT: Final = "250ms"
"""How long somebody who is about to commit is waited for."""
_AN_END: Final = "500ms"
"""How long the end of a session is waited for that was told to end."""


class PostgresLeases:
    """
    Whoever takes a partition writes two rows in one transaction: the lease, and the epoch of the checkpoint.

    A zombie may stand still in a transaction that has the checkpoint in hand. Once its lease has run out, its session
    is ended, if this role may end it; otherwise the server does so after a while, and until then the partition is not
    to be had. Nobody waits for it longer than two seconds.
    """

    def __init__(self, connections: Connections, names: Names, clock: Clock) -> None:
        self._connections = connections
        self._fill = names.fill
        self._micros = micros_of(clock)

    async def beat(self, processor: str, owner: str, held: Sequence[Lease], *, seconds: float) -> Beat:
        failpoint("lease.before_renew")
        partitions, epochs = [each.partition for each in held], [each.epoch for each in held]
        async with session(self._connections) as connection:
            others, kept = await connection.fetchrow(
                self._fill(BEAT), processor, owner, int(seconds * _SECOND), partitions, epochs
            )
        return Beat(tuple(sorted((owner, *others))), frozenset(kept))

    # ------------------------------------------------------------------------- taking

    async def take(
        self, processor: str, partition: int, owner: str, *, seconds: float, dead: str | None = None
    ) -> Lease | LeaseRecord:
        for patience in (_A_COMMIT, _AN_END):
            found = await self._lease(processor, partition)
            if found is not None and found.left > 0 and found.owner not in {owner, dead}:
                return found
            try:
                return await self._take(processor, partition, owner, seconds, dead, patience)
            except StoreUnavailable as error:
                if not isinstance(error.__cause__, asyncpg.LockNotAvailableError):
                    raise
            if patience == _A_COMMIT:
                await self._end_whoever_holds(processor, partition)
        return await self._lease(processor, partition) or LeaseRecord(processor, partition, "", 0, 0.0)

    async def _take(
        self, processor: str, partition: int, owner: str, seconds: float, dead: str | None, patience: str
    ) -> Lease | LeaseRecord:
        """The checkpoint first: whoever waits for it keeps nobody from prolonging the lease."""
        async with unit(self._connections) as connection:
            await connection.execute(PATIENCE, patience)
            before = await self._checkpoint(connection, processor, partition)
            values = (processor, partition, before.epoch, owner, int(seconds * _SECOND), dead)
            epoch = await connection.fetchval(self._fill(TAKE), *values)
            if epoch is None:
                return LeaseRecord(processor, partition, *await connection.fetchrow(self._fill(LEASE), *values[:2]))
            await connection.execute(self._fill(RAISE), processor, partition, epoch)
        failpoint("lease.after_acquire")
        return Lease(processor, partition, owner, Checkpoint(before.position, before.event_id, epoch))

    async def _checkpoint(self, connection: Connection, processor: str, partition: int) -> Checkpoint:
        """Nobody moves it until the transaction of this connection ends."""
        row = await connection.fetchrow(self._fill(CHECKPOINT_WHEN_FREE), processor, partition)
        while row is None:  # and once more, should somebody reset it between the two statements
            await connection.execute(self._fill(PLACE), processor, partition, self._micros())
            row = await connection.fetchrow(self._fill(CHECKPOINT_WHEN_FREE), processor, partition)
        return checkpoint_of(*row)

    async def _end_whoever_holds(self, processor: str, partition: int) -> None:
        async with session(self._connections) as connection:
            holder = await connection.fetchrow(self._fill(HOLDER), processor, partition)
        if holder is None:
            return
        pid, role = holder
        told = f"processor {processor!r}, partition {partition}: its lease has run out, but a session of {role} "
        told += f"(pid {pid}) has its checkpoint in hand"
        try:
            async with session(self._connections) as connection:
                await connection.fetchval(END, pid)
        except NotPermitted as error:
            _log.warning("%s; SELECT pg_terminate_backend(%d) would end it: %s", told, pid, error)
        else:
            _log.warning("%s, and was ended", told)

    async def _lease(self, processor: str, partition: int) -> LeaseRecord | None:
        async with session(self._connections) as connection:
            row = await connection.fetchrow(self._fill(LEASE), processor, partition)
        return None if row is None else LeaseRecord(processor, partition, *row)

    # ------------------------------------------------------------------------- the rest

    async def release(self, lease: Lease) -> None:
        async with session(self._connections) as connection:
            await connection.execute(self._fill(RELEASE), lease.processor, lease.partition, lease.owner, lease.epoch)

    async def leave(self, processor: str, owner: str) -> None:
        async with session(self._connections) as connection:
            await connection.execute(self._fill(LEAVE), processor, owner)

    async def leases(self, processor: str | None = None) -> Sequence[LeaseRecord]:
        async with session(self._connections) as connection:
            rows = await connection.fetch(self._fill(LEASES), processor)
        return [LeaseRecord(*row) for row in rows]
