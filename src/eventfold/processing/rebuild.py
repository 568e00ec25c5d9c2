"""
Filling the rows of a projector anew beside the live ones, and putting them in their place.

The next generation is a processor like any other: it has a checkpoint, an epoch, leases and parked events of its own,
so a rebuild that is killed goes on where it was, and of two the second is refused.
"""

from __future__ import annotations

import asyncio
import copy
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, cast

import msgspec

from eventfold.errors import (
    CheckpointAheadOfLog,
    InvalidInput,
    ProcessingError,
    ProcessorTaken,
    StoreError,
)
from eventfold.ports.event_store import EventSource
from eventfold.ports.generations import NEXT, OLD, Content, Generations, processor_of
from eventfold.ports.leases import Lease, LeaseRecord
from eventfold.ports.read_model import refuse_older_code
from eventfold.processing.following import Follower
from eventfold.processing.place import HINDRANCES, Place
from eventfold.processing.projection import Projection
from eventfold.processing.seats import is_gone
from eventfold.processing.surroundings import Surroundings
from eventfold.processing.upto import UpTo

if TYPE_CHECKING:
    from sqlalchemy import Table

    from eventfold.processing.projector import Projector

__all__ = ["Compared", "OnProgress", "Progress", "Rebuild", "holding"]

_log = logging.getLogger("eventfold.processing")

LEASE: Final = 10.0
_BEATS: Final = 3
_LOOK: Final = 0.25
_PAUSE: Final = 0.05
_LONGEST_PAUSE: Final = 5.0
_PATIENCE: Final = 30.0
"""Seconds for which tables that somebody reads, or a partition that somebody has in hand, are tried again."""
_NOBODY: Final = "nobody"


class Progress(msgspec.Struct, frozen=True):
    """
    How far a rebuild is.

    Args:
        position: the last event that is done; of several partitions that of the one furthest behind.
        end: the last event that there was when it was last looked.
        events: handled since it began or went on.
        rate: of them a second.
        seconds_left: at the rate so far; None while that cannot be said.
    """

    position: int
    end: int
    events: int
    rate: float
    seconds_left: float | None


OnProgress = Callable[[Progress], None]


class Compared(msgspec.Struct, frozen=True):
    """The rows of one table, live and rebuilt, at the same position."""

    table: str
    live: Content
    rebuilt: Content

    @property
    def same(self) -> bool:
        return self.live == self.rebuilt


class Rebuild:
    """
    One rebuild in one process. Enter `at_work` before anything else.

    Args:
        beside: with rows in which the declared tables are those of the next generation.
        tables: of the next generation, under their own names.
        owner: who this process is to the others.
    """

    def __init__(
        self,
        projector: Projector,
        live: Surroundings,
        beside: Surroundings,
        tables: Sequence[Table],
        generations: Generations,
        owner: str,
    ) -> None:
        self.name = processor_of(projector.name, NEXT)
        self._projector = projector
        self._live = live
        self._beside = beside
        self._tables = tuple(tables)
        self._generations = generations
        self._owner = owner
        self._query = live.catalogue.resolve(projector.query)
        self._held: dict[int, Lease] = {}
        self._places: dict[int, Place] = {}
        self._followers: dict[int, Follower] = {}
        self._handled = 0
        self._on_progress: OnProgress | None = None
        shadow = copy.copy(projector)
        shadow.name, shadow.tables = self.name, self._tables
        shadow.transaction_interval = 0.0
        self._shadow = shadow

    @asynccontextmanager
    async def at_work(self, on_progress: OnProgress | None = None) -> AsyncGenerator[None]:
        """
        Take the lease of the rebuild, make its tables or go on with them, and let go at the end.

        Raises:
            InvalidInput: the projector has never run here, newer code has filled its rows, or somebody else's tables
                are in the way.
            ProcessorTaken: somebody else rebuilds it.
        """
        await self._refuse_unfit()
        self._on_progress = on_progress
        try:
            await self._take()
            await self._prepare()
            async with _beating(self._live, self.name, self._owner, self._held):
                yield
        finally:
            await _let_go(self._live, self.name, self._owner, self._held)

    async def _refuse_unfit(self) -> None:
        projector = self._projector
        live = await self._generations.record(projector.name)
        if live is None:
            raise InvalidInput(
                f"projector {projector.name!r} has never started on this store, so there is nothing to rebuild; "
                "its first start fills its tables"
            )
        refuse_older_code(projector.name, projector.version, live.version)
        if await self._generations.record(projector.name, NEXT) is None:
            there = await self._generations.present(self._tables)
            if there:
                raise InvalidInput(
                    f"a table {there[0]!r} is there that no rebuild has made, and the rebuild of "
                    f"{projector.name!r} needs that name; rename or drop it"
                )

    async def _take(self) -> None:
        for partition in range(self._projector.partitions):
            taken = await self._take_one(partition)
            if isinstance(taken, LeaseRecord):
                raise ProcessorTaken(self.name, taken.owner, taken.left)

    async def _take_one(self, partition: int) -> Lease | LeaseRecord:
        leases = self._live.leases
        found = [each for each in await leases.leases(self.name) if each.partition == partition]
        dead = found[0].owner if found and found[0].left > 0 and is_gone(found[0].owner) else None
        taken = await leases.take(self.name, partition, self._owner, seconds=LEASE, dead=dead)
        if isinstance(taken, Lease):
            self._held[partition] = taken
        return taken

    async def _prepare(self) -> None:
        projector, rows = self._projector, self._live.rows
        await rows.prepare(
            self.name,
            version=projector.version,
            tables=self._tables,
            partitions=projector.partitions,
            query=self._query.as_text(),
        )
        hands = Projection(self._shadow, self._beside)
        for partition in range(projector.partitions):
            checkpoint = await rows.checkpoint(self.name, partition)
            if checkpoint.epoch != self._held[partition].epoch:  # newer code begins anew, and that may raise it
                taken = await self._take_one(partition)
                if isinstance(taken, LeaseRecord):
                    raise ProcessorTaken(self.name, taken.owner, taken.left)
                checkpoint = taken.checkpoint
            if checkpoint.event_id is not None:
                source = self._live.source
                if await source.event_id_at(checkpoint.position) != checkpoint.event_id:
                    raise CheckpointAheadOfLog(self.name, checkpoint.position, await source.head())
            place = Place(self.name, partition, projector.partitions, projector.on_error, self._beside, self._told)
            place.start_at(checkpoint, 0)
            self._places[partition] = place
            self._followers[partition] = Follower(hands, place, self._query, self._beside)

    async def _told(self, error: ProcessingError | None, *, leave_word: bool = True) -> None:
        """Whoever waits for the rebuild hears of it as it is raised; the store keeps it for those who look."""
        if leave_word:
            await self._live.rows.note_error(self.name, None if error is None else str(error))

    # ------------------------------------------------------------------------ filling

    @property
    def positions(self) -> tuple[int, ...]:
        """The last event that is done, of each partition."""
        return tuple(each.checkpoint.position for each in self._places.values())

    async def catch_up(self, bounds: Mapping[int, int] | None = None) -> None:
        """
        Handle what is in the store now, up to the given position of each partition.

        Raises:
            ProcessingError: an event could not be handled; what was filled so far stays, and can be gone on with.
            Fenced: somebody else rebuilds it.
        """
        reporting = asyncio.create_task(self._report(await self._live.source.head(self._query)))
        try:
            for partition, place in self._places.items():
                around = self._beside
                if bounds is not None:
                    upto = UpTo(around.source, bounds[partition])
                    around = msgspec.structs.replace(around, source=cast("EventSource", upto))
                follower = Follower(Projection(self._shadow, around), place, self._query, around)
                self._followers[partition] = follower
                await self._patiently(follower, place)
                self._handled += follower.handled
                follower.handled = 0
        except ProcessingError as error:
            await self._told(error)
            raise
        finally:
            reporting.cancel()
            await asyncio.wait([reporting])

    async def _patiently(self, follower: Follower, place: Place) -> None:
        """A store that is busy, full or away keeps it waiting, and no more."""
        pause = _PAUSE
        while True:
            try:
                await follower.catch_up()
            except HINDRANCES as hindrance:
                await place.hindered(hindrance, pause)
                pause = min(pause * 2, _LONGEST_PAUSE)
            else:
                await place.unhindered()
                return

    async def _report(self, end: int) -> None:
        if self._on_progress is None:
            return
        loop = asyncio.get_running_loop()
        began, from_position = loop.time(), min(each.reached for each in self._places.values())
        while True:
            await asyncio.sleep(_LOOK)
            self._on_progress(self._progress(end, from_position, loop.time() - began))

    def _progress(self, end: int, from_position: int, seconds: float) -> Progress:
        position = min(each.reached for each in self._places.values())
        events = self._handled + sum(each.handled for each in self._followers.values())
        done = position - from_position
        left = (end - position) * seconds / done if done > 0 else None
        return Progress(position, max(end, position), events, round(events / seconds, 1), left)

    # ---------------------------------------------------------------- comparing, switching

    async def verify(self, held: Sequence[Lease]) -> tuple[Compared, ...]:
        """
        Compare the rows of each table with the live ones, both at the position of the live ones.

        Args:
            held: of the live partitions.

        Raises:
            InvalidInput: they cannot be compared: another version or other partitions, or the live one is behind.
        """
        await self.refuse_to_compare()
        bounds = {each.partition: each.checkpoint.position for each in held}
        behind = [bounds[partition] for partition, at in enumerate(self.positions) if at > bounds[partition]]
        if behind:
            raise InvalidInput(
                f"the live rows of {self._projector.name!r} are at position {behind[0]}, behind the rebuilt ones; "
                "let it catch up first"
            )
        await self.catch_up(bounds)
        found: list[Compared] = []
        for live, rebuilt in zip(self._projector.tables, self._tables, strict=True):
            contents = await self._generations.content(live), await self._generations.content(rebuilt)
            found.append(Compared(str(live.name), *contents))
        return tuple(found)

    async def refuse_to_compare(self) -> None:
        """Raises InvalidInput where the rows are not meant to be the same."""
        projector = self._projector
        live = await self._generations.record(projector.name)
        assert live is not None, "it has been looked for"
        if live.version != projector.version:
            raise InvalidInput(
                f"the live rows of {projector.name!r} are of version {live.version}, the rebuilt ones of "
                f"{projector.version}: they are meant to differ; leave out --verify"
            )
        if len(live.positions) != projector.partitions:
            raise InvalidInput(f"{projector.name!r}: the live rows have other partitions, so no position is the same")

    async def until_live_is_as_far(self) -> None:
        """Raises InvalidInput when the live one does not come to where the rebuild is."""
        loop = asyncio.get_running_loop()
        until = loop.time() + _PATIENCE
        while True:
            live = await self._generations.record(self._projector.name)
            if live is None or all(at <= there for at, there in zip(self.positions, live.positions, strict=False)):
                return
            if loop.time() > until:
                raise InvalidInput(
                    f"the live rows of {self._projector.name!r} are at {live.positions}, behind the rebuilt ones at "
                    f"{self.positions}; run it, or leave out --verify"
                )
            await asyncio.sleep(_LOOK)

    async def switch(self, held: Sequence[Lease]) -> None:
        """
        Put the rows in the place of the live ones.

        Raises:
            Fenced: somebody has the live ones in hand again; all is as it was.
        """
        await _as_often_as_it_takes(
            lambda: self._generations.switch(self._projector.name, self._projector.tables, held)
        )
        _log.info("projector %r goes on with rebuilt rows, from %s", self._projector.name, self.positions)

    async def bounds(self) -> Mapping[int, int]:
        """Where the live partitions are."""
        live = await self._generations.record(self._projector.name)
        return dict(enumerate(live.positions)) if live is not None else {}


async def roll_back(projector: Projector, around: Surroundings, generations: Generations, owner: str) -> None:
    """
    Let the old rows be the live ones again.

    Raises:
        InvalidInput: there are none; or they are of an older version, and newer code still runs.
    """
    old, live = await generations.record(projector.name, OLD), await generations.record(projector.name)
    if old is None or live is None:
        raise InvalidInput(
            f"projector {projector.name!r} has no old rows on this store: nothing was switched, or they were dropped"
        )
    running = [each for each in await around.leases.leases(projector.name) if each.left > 0 and not is_gone(each.owner)]
    if running and old.version != live.version:
        raise InvalidInput(
            f"the old rows of {projector.name!r} are of version {old.version}, and {running[0].owner} runs it with "
            f"version {live.version}; stop that first, it would not leave them as they are"
        )
    async with holding(projector.name, len(live.positions), around, owner) as held:
        await _as_often_as_it_takes(lambda: generations.roll_back(projector.name, projector.tables, held))


@asynccontextmanager
async def holding(projector: str, partitions: int, around: Surroundings, owner: str) -> AsyncGenerator[Sequence[Lease]]:
    """
    The live partitions held, so that they stay where they are: whoever runs them stands by meanwhile.

    Raises:
        ProcessorTaken: somebody does not let go of one.
    """
    held: dict[int, Lease] = {}
    try:
        for partition in range(partitions):
            held[partition] = await _held(projector, partition, around, owner)
        async with _beating(around, projector, owner, held):
            yield tuple(held.values())
    finally:
        await _let_go(around, projector, owner, held)


async def _held(projector: str, partition: int, around: Surroundings, owner: str) -> Lease:
    loop = asyncio.get_running_loop()
    until = loop.time() + _PATIENCE
    holder: str | None = None
    while True:
        taken = await around.leases.take(projector, partition, owner, seconds=LEASE, dead=holder)
        if isinstance(taken, Lease):
            return taken
        if loop.time() > until:
            raise ProcessorTaken(projector, taken.owner or _NOBODY, taken.left)
        if holder is not None:
            await asyncio.sleep(_PAUSE)
        holder = taken.owner


@asynccontextmanager
async def _beating(around: Surroundings, processor: str, owner: str, held: Mapping[int, Lease]) -> AsyncGenerator[None]:
    """Prolong what is held. Whoever takes it over raises its epoch, which no step of ours gets past."""

    async def beat() -> None:
        while True:
            await asyncio.sleep(LEASE / _BEATS)
            try:
                await around.leases.beat(processor, owner, tuple(held.values()), seconds=LEASE)
            except StoreError as error:
                _log.info("the lease of %r could not be prolonged: %s", processor, error)

    beating = asyncio.create_task(beat(), name=f"lease of {processor}")
    try:
        yield
    finally:
        beating.cancel()
        await asyncio.wait([beating])


async def _let_go(around: Surroundings, processor: str, owner: str, held: dict[int, Lease]) -> None:
    try:
        for lease in held.values():
            await around.leases.release(lease)
        await around.leases.leave(processor, owner)
    except StoreError as error:
        _log.info("the leases of %r could not be given back, and run out by themselves: %s", processor, error)
    held.clear()


async def _as_often_as_it_takes(step: Callable[[], Awaitable[None]]) -> None:
    """Somebody may read the tables for long, and is not kept waiting behind us."""
    loop = asyncio.get_running_loop()
    until = loop.time() + _PATIENCE
    while True:
        try:
            await step()
        except HINDRANCES:
            if loop.time() > until:
                raise
            await asyncio.sleep(_LOOK)
        else:
            return
