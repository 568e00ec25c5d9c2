"""Leases of partitions in the store's file, by the clock of the machine that the file is on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from eventfold.adapters.sqlite.bookkeeping import Bookkeeping
from eventfold.adapters.sqlite.checkpoint_store import CHECKPOINT
from eventfold.adapters.sqlite.connection import Connection, in_transaction
from eventfold.ports.checkpoint_store import BEGINNING, Checkpoint
from eventfold.ports.failpoint import failpoint
from eventfold.ports.leases import Beat, Lease, LeaseRecord

__all__ = ["SqliteLeases"]

LEASE: Final = "SELECT owner, epoch, lease_until, lease_for FROM {leases} WHERE processor = ? AND partition = ?"
TAKE: Final = """
INSERT INTO {leases} (processor, partition, epoch, owner, lease_until, lease_for) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (processor, partition) DO UPDATE
SET epoch = excluded.epoch, owner = excluded.owner, lease_until = excluded.lease_until, lease_for = excluded.lease_for
"""
RAISE_EPOCH: Final = """
INSERT INTO {checkpoints} (processor, partition, position, event_id, incarnation, epoch, updated_at)
SELECT ?, ?, 0, NULL, incarnation, ?, ? FROM {store} WHERE true
ON CONFLICT (processor, generation, partition) DO UPDATE SET epoch = excluded.epoch
"""
PROLONG: Final = """
UPDATE {leases} SET lease_until = ?, lease_for = ? WHERE processor = ? AND partition = ? AND owner = ? AND epoch = ?
"""
RELEASE: Final = """
UPDATE {leases} SET lease_until = min(lease_until, ?) WHERE processor = ? AND partition = ? AND owner = ? AND epoch = ?
"""
LEASES: Final = """
SELECT processor, partition, owner, epoch, lease_until FROM {leases}
WHERE ?1 IS NULL OR processor = ?1 ORDER BY processor, partition
"""
JOIN: Final = """
INSERT INTO {lease_members} (processor, owner, until) VALUES (?, ?, ?)
ON CONFLICT (processor, owner) DO UPDATE SET until = excluded.until
"""
GONE: Final = "DELETE FROM {lease_members} WHERE processor = ? AND until <= ?"
MEMBERS: Final = "SELECT owner FROM {lease_members} WHERE processor = ? ORDER BY owner"
LEAVE: Final = "DELETE FROM {lease_members} WHERE processor = ? AND owner = ?"
_SECOND: Final = 1_000_000


class SqliteLeases(Bookkeeping):
    """
    Whoever takes a partition writes two rows in one transaction: the lease, and the epoch of the checkpoint.

    The clock may be put back, and a lease that was given before that would hold for as long as the clock was put back:
    one that has more than twice its time left is taken for free.
    """

    async def beat(self, processor: str, owner: str, held: Sequence[Lease], *, seconds: float) -> Beat:
        failpoint("lease.before_renew")

        def write(connection: Connection) -> Beat:
            now, granted = self._micros(), int(seconds * _SECOND)
            connection.execute(self._fill(JOIN), (processor, owner, now + granted))
            connection.execute(self._fill(GONE), (processor, now))
            kept: set[int] = set()
            for each in held:
                mine = (processor, each.partition, each.owner, each.epoch)
                connection.execute(self._fill(PROLONG), (now + granted, granted, *mine))
                if connection.changes() == 1:
                    kept.add(each.partition)
            members = connection.execute(self._fill(MEMBERS), (processor,)).fetchall()
            return Beat(tuple(name for (name,) in members), frozenset(kept))

        return await self._transact(write, rows=1 + len(held))

    async def take(
        self, processor: str, partition: int, owner: str, *, seconds: float, dead: str | None = None
    ) -> Lease | LeaseRecord:
        def take(connection: Connection) -> Lease | LeaseRecord:
            now, granted = self._micros(), int(seconds * _SECOND)
            epoch = 0
            row = connection.execute(self._fill(LEASE), (processor, partition)).fetchone()
            if row is not None:
                theirs, epoch, until, was_granted = row
                holds = now < until <= now + 2 * was_granted
                if holds and theirs not in (owner, dead):
                    return LeaseRecord(processor, partition, theirs, epoch, (until - now) / _SECOND)
            found = connection.execute(self._fill(CHECKPOINT), (processor, partition)).fetchone()
            before = BEGINNING if found is None else Checkpoint(*found)
            epoch = max(epoch, before.epoch) + 1
            connection.execute(self._fill(TAKE), (processor, partition, epoch, owner, now + granted, granted))
            connection.execute(self._fill(RAISE_EPOCH), (processor, partition, epoch, now))
            return Lease(processor, partition, owner, Checkpoint(before.position, before.event_id, epoch))

        def write(connection: Connection) -> Lease | LeaseRecord:
            taken = in_transaction(connection, take)
            if isinstance(taken, Lease):
                failpoint("lease.after_acquire")
            return taken

        return await self._write(write)

    async def release(self, lease: Lease) -> None:
        mine = (lease.processor, lease.partition, lease.owner, lease.epoch)
        await self._write(lambda connection: connection.execute(self._fill(RELEASE), (self._micros(), *mine)))

    async def leave(self, processor: str, owner: str) -> None:
        await self._write(lambda connection: connection.execute(self._fill(LEAVE), (processor, owner)))

    async def leases(self, processor: str | None = None) -> Sequence[LeaseRecord]:
        rows = await self._read(lambda connection: connection.execute(self._fill(LEASES), (processor,)).fetchall())
        now = self._micros()
        return [
            LeaseRecord(name, partition, owner, epoch, (until - now) / _SECOND)
            for name, partition, owner, epoch, until in rows
        ]
