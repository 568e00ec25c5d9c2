"""How the processors of a store are doing, as far as the store can tell: who runs them, and what is left to do."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final, Literal, TypeAlias

import msgspec

from eventfold.bootstrap.stores import Stores
from eventfold.domain.message import to_micros
from eventfold.domain.partition import partition_of
from eventfold.domain.query import Query
from eventfold.errors import InvalidInput
from eventfold.ports.clock import Clock
from eventfold.ports.event_store import EventSource
from eventfold.ports.leases import LeaseRecord
from eventfold.ports.processors import ProcessorRecord

__all__ = ["MOST", "Left", "Standing", "State", "standing_of", "standings"]

State: TypeAlias = Literal["running", "partly running", "not running", "paused", "retrying", "stopped"]
"""
What the store knows: that somebody has the leases and there is no error, the leases of some partitions, of none; that
it was told to pause; an error, and somebody has a lease, so it is tried again; an error, and nobody has one.
"""

MOST: Final = 10_000
"""Events that are counted, at most: whoever has more to do is far behind, and that is all there is to know."""
_MOST_READ: Final = 100_000
_PAGE: Final = 1_000
_SECOND: Final = 1_000_000


class Left(msgspec.Struct, frozen=True):
    """
    What a partition has still to do.

    Args:
        events: of its query and in its streams, after the last one it has finished.
        exact: False where there may be more of them, because counting has an end.
        since: when the first of them was recorded, in microseconds since 1970; None where none was found.
    """

    events: int = 0
    exact: bool = True
    since: int | None = None


class Standing(msgspec.Struct, frozen=True):
    """
    One processor, as the store has it at one moment.

    Args:
        leases: those that hold, by partition. Whoever runs a processor without a lease is not to be seen.
        left: of each partition; None where nobody can say: a release that kept no queries has registered it.
        parked: events that are open.
        skipped: events that were ever skipped.
        now: microseconds since 1970.
    """

    record: ProcessorRecord
    leases: tuple[LeaseRecord, ...]
    left: tuple[Left, ...] | None
    parked: int
    skipped: int
    now: int

    @property
    def state(self) -> State:
        record, held = self.record, len(self.leases)
        if record.error is not None and not held:
            return "stopped"
        if record.paused:
            return "paused"
        if record.error is not None:
            return "retrying"
        if not held:
            return "not running"
        return "running" if held == record.partitions else "partly running"

    @property
    def position(self) -> int:
        """
        The last event that is done, of the partitions with something left that of the one furthest behind.

        One that never had an event stays at 0, and has nothing left.
        """
        positions = self.record.positions
        left = self.left or (None,) * len(positions)
        waiting = [
            at for at, each in zip(positions, left, strict=True) if each is None or each.events or not each.exact
        ]
        return min(waiting) if waiting else max(positions)

    @property
    def lag(self) -> int | None:
        """Events that are left, of all partitions together."""
        return None if self.left is None else sum(each.events for each in self.left)

    @property
    def exact(self) -> bool:
        """Whether `lag` counts all of them."""
        return self.left is not None and all(each.exact for each in self.left)

    @property
    def lag_seconds(self) -> float | None:
        """Since the oldest event that is left was recorded; 0 when nothing is left."""
        return None if self.left is None else self._age(self.left)

    @property
    def unattended(self) -> float:
        """The same, of partitions whose lease nobody has; 0 where it cannot be said."""
        held = {each.partition for each in self.leases}
        return self._age([each for partition, each in enumerate(self.left or ()) if partition not in held])

    def _age(self, left: Collection[Left]) -> float:
        since = min((each.since for each in left if each.since is not None), default=self.now)
        return max(0, self.now - since) / _SECOND


async def standings(stores: Stores, names: Collection[str] = (), *, clock: Clock) -> Sequence[Standing]:
    """
    The processors of these names, or all of them, in the order of their names.

    What is left is counted event by event, up to `MOST` for each.

    Raises:
        InvalidInput: one of the names is that of no processor.
    """
    records = await stores.rows.processors()
    known = [each.name for each in records]
    for name in names:
        if name not in known:
            raise InvalidInput(f"no processor {name!r} has ever started on this store; there are {known}")
    held: dict[str, list[LeaseRecord]] = {}
    for lease in await stores.leases.leases():
        if lease.left > 0:
            held.setdefault(lease.processor, []).append(lease)
    aside: Mapping[str, tuple[int, int]] = await stores.parking.counts()
    head = await stores.events.head()
    found: list[Standing] = []
    for record in records:
        if names and record.name not in names:
            continue
        leases = tuple(each for each in held.get(record.name, ()) if each.partition < record.partitions)
        left = await _left(stores.events, record, head)
        parked, skipped = aside.get(record.name, (0, 0))
        found.append(Standing(record, leases, left, parked, skipped, to_micros(clock.now())))
    return found


async def standing_of(stores: Stores, name: str, *, clock: Clock) -> Standing:
    """Raises InvalidInput where there is no such processor."""
    (found,) = await standings(stores, [name], clock=clock)
    return found


async def _left(source: EventSource, record: ProcessorRecord, head: int) -> tuple[Left, ...] | None:
    partitions = record.partitions
    reached = [max(position, record.start) for position in record.positions]
    at = min(reached)
    if at >= head:
        return (Left(),) * partitions
    if record.query is None:
        return None
    query = Query.from_text(record.query)
    counts = [0] * partitions
    since: list[int | None] = [None] * partitions
    read, page = 0, _PAGE
    while page == _PAGE and sum(counts) < MOST and read < _MOST_READ:
        page = 0
        async for event in source.read_all(query, after=at, upto=head, limit=_PAGE):
            page += 1
            at = event.position
            share = partition_of(event.category, event.id, partitions)
            if at > reached[share]:
                counts[share] += 1
                if since[share] is None:
                    since[share] = event.recorded_at
        read += page
    exact = page < _PAGE
    return tuple(Left(count, exact, first) for count, first in zip(counts, since, strict=True))
