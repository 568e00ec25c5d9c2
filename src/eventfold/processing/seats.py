"""Which partitions of a processor this process runs, when several want to run it."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import socket
from collections.abc import Mapping, Sequence
from typing import Final

from eventfold.ports.leases import Lease, LeaseRecord, Leases

__all__ = ["Seats", "fair_share", "new_owner"]

_log = logging.getLogger("eventfold.processing")

_BEATS: Final = 3
"""Beats within the time of a lease, so that one may be lost."""
_SLOWEST_LOOK: Final = 1.0
"""Seconds between two looks of one that stands by: what is free is taken up within a lease and this."""


def new_owner() -> str:
    """Who this process is to the others: host, process and something that makes it one of a kind."""
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"


def is_gone(owner: str) -> bool:
    """
    Whether the owner was a process of this host that is there no more. Then nobody waits for its lease to run out.

    When it cannot be told, as for another host, it is there. A wrong answer does no harm: the epoch keeps it out.
    """
    host, _, rest = owner.rpartition(":")[0].rpartition(":")
    if host != socket.gethostname() or not rest.isdecimal():
        return False
    try:
        os.kill(int(rest), 0)
    except ProcessLookupError:
        return True
    except (PermissionError, OverflowError):
        return False
    return False


def fair_share(partitions: int, members: Sequence[str], held: Mapping[str, int], me: str) -> int:
    """
    How many partitions are mine when all members have as many as each other, give or take one.

    Those who have most keep the one more, so that nothing moves without need. Everybody comes to the same answer.
    """
    each, more = divmod(partitions, len(members))
    ranked = sorted(members, key=lambda member: (-held.get(member, 0), member))
    return each + (me in ranked[:more])


class Seats:
    """
    Takes and keeps leases for one processor in this process, and gives back what others should have.

    Args:
        seconds: for which a lease holds unless it is renewed.
    """

    def __init__(self, leases: Leases, processor: str, partitions: int, owner: str, seconds: float) -> None:
        self.held: dict[int, Lease] = {}
        self.surplus: frozenset[int] = frozenset()
        """What is held and should be somebody else's: finish, then `give_back`."""
        self.others: tuple[LeaseRecord, ...] = ()
        """Leases of others, as last seen."""
        self._leases = leases
        self._processor = processor
        self._partitions = partitions
        self._owner = owner
        self._seconds = seconds
        self._next_beat = 0.0
        self._next_look = 0.0
        self._good_until = 0.0

    @property
    def sure(self) -> bool:
        """What is held is held: the last beat is not too long ago. Otherwise somebody may have taken over."""
        return asyncio.get_running_loop().time() < self._good_until

    async def round(self, *, now: bool = False, take: bool = True) -> None:
        """
        Do what is due: beat, look, take. What is then no longer `held` was lost to others: let go of it at once.

        Args:
            now: also when nothing is due.
            take: also what is free and should be ours.

        Raises:
            StoreError: the store cannot be asked.
        """
        time = asyncio.get_running_loop().time()
        if now or time >= self._next_beat:
            self._next_beat = time + self._seconds / _BEATS
            await self._beat(take=take)
        elif take and time >= self._next_look and len(self.held) < self._partitions:
            self._next_look = time + min(_SLOWEST_LOOK, self._seconds / _BEATS)
            records = await self._leases.leases(self._processor)
            if any(self._is_free(each) for each in records if each.partition not in self.held):
                self._next_beat = time + self._seconds / _BEATS
                await self._beat(take=take)

    async def _beat(self, *, take: bool) -> None:
        asked_at = asyncio.get_running_loop().time()
        beat = await self._leases.beat(self._processor, self._owner, tuple(self.held.values()), seconds=self._seconds)
        self._good_until = asked_at + self._seconds
        lost = frozenset(self.held) - beat.kept
        for partition in lost:
            del self.held[partition]
            _log.warning("%s: partition %d was taken over by somebody else", self._processor, partition)
        records = {each.partition: each for each in await self._leases.leases(self._processor)}
        members = [each for each in beat.members if each == self._owner or not is_gone(each)]
        holding: dict[str, int] = {self._owner: len(self.held)}
        for record in records.values():
            if record.owner != self._owner and not self._is_free(record):
                holding[record.owner] = holding.get(record.owner, 0) + 1
        share = fair_share(self._partitions, members, holding, self._owner)
        self.surplus = frozenset(sorted(self.held)[share:])
        for partition in range(self._partitions):
            if not take or len(self.held) >= share:
                break
            if partition not in self.held and partition not in lost:
                await self._take(partition, records)
        self.others = tuple(records[each] for each in sorted(records) if each not in self.held)

    async def _take(self, partition: int, records: dict[int, LeaseRecord]) -> None:
        """If it is free; `records` hears of who was quicker."""
        record = records.get(partition)
        if record is not None and not self._is_free(record):
            return
        dead = record.owner if record is not None and record.left > 0 else None
        taken = await self._leases.take(self._processor, partition, self._owner, seconds=self._seconds, dead=dead)
        if isinstance(taken, Lease):
            self.held[partition] = taken
        else:
            records[partition] = taken

    def _is_free(self, record: LeaseRecord) -> bool:
        return record.left <= 0 or record.owner == self._owner or is_gone(record.owner)

    async def take_again(self, partition: int) -> Lease | None:
        """After the checkpoint has moved under it: once more, with a new epoch, unless somebody else has it."""
        self.held.pop(partition, None)
        taken = await self._leases.take(self._processor, partition, self._owner, seconds=self._seconds)
        if isinstance(taken, LeaseRecord):
            return None
        self.held[partition] = taken
        return taken

    async def give_back(self, partition: int) -> None:
        """For whoever waits for it."""
        lease = self.held.get(partition)
        if lease is not None:
            await self._leases.release(lease)
            self.held.pop(partition, None)

    async def leave(self) -> None:
        """Give back everything, and want nothing any more."""
        for partition in tuple(self.held):
            await self.give_back(partition)
        await self._leases.leave(self._processor, self._owner)
