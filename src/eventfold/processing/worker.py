"""One processor in this process: its partitions followed as far as it has them, paused, drained, fenced."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from contextlib import suppress
from functools import partial
from typing import Final

import msgspec

from eventfold.domain.message import to_micros
from eventfold.domain.query import Query
from eventfold.errors import (
    CheckpointAheadOfLog,
    Fenced,
    ProcessingError,
    ProcessorStopped,
    ProcessorTaken,
    RetryTransaction,
    StoreError,
)
from eventfold.ports.checkpoint_store import Checkpoint
from eventfold.ports.subscription import Bell
from eventfold.ports.telemetry import LAG, LAG_SECONDS, RUNNING, SILENT, Reading
from eventfold.processing.following import Follower, Hands, KeepsTime
from eventfold.processing.place import HINDRANCES, Place
from eventfold.processing.processor import Processor, ProcessorStatus
from eventfold.processing.seats import Seats
from eventfold.processing.surroundings import ProcessorFailure, Surroundings

__all__ = ["LOOK", "Worker"]

_log = logging.getLogger("eventfold.processing")

LOOK: Final = 0.25
"""Seconds between two looks whether the processor is paused, and whether somebody asks for what is parked."""
_CHECKPOINT_LOOK: Final = 1.0
"""Seconds between two looks whether it was sent back to the beginning while there was nothing to do."""
_END_LOOK: Final = 1.0
"""Seconds between two looks where the log ends, while somebody watches the lag."""
_WINDOW: Final = 10.0
"""Seconds over which a rate is taken."""


class _Job(msgspec.Struct):
    follower: Follower
    task: asyncio.Task[None]


class Worker:
    """
    Runs a processor until it is drained, cancelled or fails. Its failure ends it, visibly, and nothing else.

    Args:
        seats: where others may run the same processor: which partitions are ours. None: all are, and nobody is asked.
    """

    def __init__(self, processor: Processor, hands: Hands, around: Surroundings, seats: Seats | None = None) -> None:
        self.name: str = processor.name
        self.kind: str = processor.kind
        self.query: Query = around.catalogue.resolve(processor.query)
        self.partitions: int = processor.partitions
        self.stopped: bool = False
        """It has failed, and `error` says why."""
        self.progress: Bell = Bell()
        self._processor = processor
        self._hands = hands
        self._around = around
        self._seats = seats
        self._places: dict[int, Place] = {}
        self._jobs: dict[int, _Job] = {}
        self._failure: ProcessingError | None = None
        self._failed_at = 0
        self._troubles: dict[int, ProcessingError] = {}
        self._start = 0
        self._end_of_query = 0
        self._running = False
        self._paused = False
        self._to_prepare = False
        self._draining = False
        self._has_left = False
        self._wake = asyncio.Event()
        self._next_look = self._next_end_look = 0.0
        self._handled_before = 0
        self._marks: deque[tuple[float, int]] = deque(maxlen=int(_WINDOW / LOOK) + 1)

    # ---------------------------------------------------------------------------- before

    async def begin(self, *, standby: bool = True) -> None:
        """
        Make the tables, find the checkpoints, take what is free.

        Raises:
            CheckpointAheadOfLog: the last event it finished is not in this log.
            ProcessorTaken: somebody else runs it, and it is not to stand by.
            InvalidInput, UnsupportedStatement: the tables cannot be made, or newer code has filled them.
        """
        await self._prepare()
        if self._seats is not None:
            await self._seats.round(now=True)
            if not standby and not self._seats.held and self._seats.others:
                other = self._seats.others[0]
                await self._seats.leave()
                raise ProcessorTaken(self.name, other.owner, other.left)
            if self._seats.held:
                await self._prepare()  # once more: it may have been sent back before it was ours
        for partition in self._held():
            with suppress(Fenced):  # somebody was quicker; it stands by
                await self._place(partition)
        self._end_of_query = await self._around.source.head(self.query)

    async def _prepare(self) -> None:
        processor, rows = self._processor, self._around.rows
        now = processor.start == "now"
        await rows.prepare(
            self.name,
            version=processor.version,
            tables=processor.tables,
            kind=self.kind,
            partitions=self.partitions,
            start=await self._around.source.head() if now else 0,
            query=self.query.as_text(),
        )
        if now:
            self._start = next(each.start for each in await rows.processors() if each.name == self.name)
        self._to_prepare = False

    async def _place(self, partition: int) -> Place:
        """
        The place of a partition that is ours, as the store has it, held against the log.

        What is prepared while it is ours stays so: whoever sends it back to the beginning takes it away from us.
        """
        rows, seats = self._around.rows, self._seats
        checkpoint = await rows.checkpoint(self.name, partition)
        while seats is not None and checkpoint.epoch != seats.held[partition].epoch:  # it was sent back meanwhile
            if await seats.take_again(partition) is None:
                raise Fenced(self.name, checkpoint.position, checkpoint.position, checkpoint.epoch)
            await self._prepare()
            checkpoint = await rows.checkpoint(self.name, partition)
        await self._verify(checkpoint)
        told = partial(self._told, partition)
        place = Place(self.name, partition, self.partitions, self._processor.on_error, self._around, told)
        place.start_at(checkpoint, self._start)
        if seats is not None:
            place.sure = lambda: seats.sure
        self._places[partition] = place
        return place

    def _forget(self, partition: int) -> None:
        """Its place, until the store is asked for it again."""
        self._places.pop(partition, None)
        self._troubles.pop(partition, None)
        self.progress.ring()  # who waits for it here looks elsewhere

    async def _verify(self, checkpoint: Checkpoint) -> None:
        if checkpoint.event_id is None:
            return
        if await self._around.source.event_id_at(checkpoint.position) != checkpoint.event_id:
            raise CheckpointAheadOfLog(self.name, checkpoint.position, await self._around.source.head())

    def _held(self) -> tuple[int, ...]:
        return tuple(range(self.partitions)) if self._seats is None else tuple(sorted(self._seats.held))

    # ---------------------------------------------------------------------------- at work

    def start(self) -> asyncio.Task[None]:
        """Follow the log, in a task that ends when it is drained or has failed; `error` says why."""
        self._running = True
        return asyncio.create_task(self._run(), name=f"{self.kind} {self.name}")

    async def _run(self) -> None:
        try:
            await self._supervise()
        except Exception as error:
            self._running, self.stopped = False, True
            self._failure = error if isinstance(error, ProcessingError) else ProcessorStopped(self.name, error)
            self._around.tell(ProcessorFailure(self.name, self._failed_at, self._failure, "stopped"))
            self.progress.ring()
            await self._leave_word()
        finally:
            self._running = False
            await self.let_go()
            self.progress.ring()

    def drain(self) -> None:
        """Finish what is in hand, fetch nothing more, let go of everything; then its task ends."""
        self._draining = True
        self._wake.set()

    async def catch_up(self) -> None:
        """
        Handle what is in the store now, and return; without leases.

        Raises:
            ProcessingError: an event could not be handled.
        """
        for partition in range(self.partitions):
            place = self._places.get(partition) or await self._place(partition)
            await Follower(self._hands, place, self.query, self._around).catch_up()

    async def _supervise(self) -> None:
        while True:
            try:
                await self._reap()
                await self._look()
                if self._seats is not None:
                    await self._seats.round(take=not self._draining)
                    await self._give_back(self._seats)
                await self._start_missing()
            except HINDRANCES as hindrance:  # then it stays as it was; those who follow the store say more
                _log.info("processor %r: %s", self.name, hindrance)
            self._end_unwanted()
            if self._draining and not self._jobs:
                return
            await self._wait()

    def _wanted(self) -> frozenset[int]:
        if self._paused or self._draining:
            return frozenset()
        surplus = frozenset[int]() if self._seats is None else self._seats.surplus
        return frozenset(self._held()) - surplus

    def _end_unwanted(self) -> None:
        """What is ours finishes what it has in hand; what has been lost to others ends at once."""
        held, wanted = frozenset(self._held()), self._wanted()
        for partition in self._places.keys() - held:
            self._forget(partition)
        for partition, job in self._jobs.items():
            if partition not in held:
                job.task.cancel()
            elif partition not in wanted:
                self._ask_to_leave(job)

    async def _give_back(self, seats: Seats) -> None:
        """What others should have, once it is at rest."""
        for partition in seats.surplus - self._jobs.keys():
            self._forget(partition)
            await seats.give_back(partition)

    @staticmethod
    def _ask_to_leave(job: _Job) -> None:
        """One that handles events finishes them; an idle one is ended at once."""
        job.follower.place.leaving.set()
        if not job.follower.in_hand:
            job.task.cancel()

    async def _start_missing(self) -> None:
        missing = self._wanted() - self._jobs.keys()
        if not missing:
            return
        if self._to_prepare or missing - self._places.keys():  # others may have had it since it was prepared here
            await self._prepare()
            for partition in missing:
                self._forget(partition)
            if self._troubles:  # of partitions that run: they are over in the register only
                await self._leave_word()
        for partition in sorted(missing):
            place = self._places.get(partition)
            if place is None:
                try:
                    place = await self._place(partition)
                except Fenced:  # somebody was quicker
                    continue
            place.leaving.clear()
            follower = Follower(self._hands, place, self.query, self._around)
            follower.end = max(self._end_of_query, place.reached)
            follower.progressed = self.progress.ring
            task = asyncio.create_task(follower.follow(), name=f"{self.name} following")
            self._jobs[partition] = _Job(follower, task)
            self.progress.ring()

    async def _wait(self) -> None:
        """Until somebody has ended, the processor is drained, or it is time for a look."""
        self._wake.clear()
        if self._draining and not self._jobs:
            return
        waking = asyncio.ensure_future(self._wake.wait())
        try:
            await asyncio.wait(
                [waking, *(job.task for job in self._jobs.values())],
                timeout=LOOK,
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            waking.cancel()
        self._marks.append((asyncio.get_running_loop().time(), self._handled()))

    async def _reap(self) -> None:
        for partition, job in tuple(self._jobs.items()):
            if not job.task.done():
                continue
            del self._jobs[partition]
            self._handled_before += job.follower.handled
            self._end_of_query = max(self._end_of_query, job.follower.end)
            self.progress.ring()
            failure = None if job.task.cancelled() else job.task.exception()
            if isinstance(failure, Fenced) and self._seats is not None:
                await self._fenced(self._seats, partition, failure)
            elif failure is not None:
                self._failed_at = partition
                raise failure

    async def _fenced(self, seats: Seats, partition: int, fenced: Fenced) -> None:
        """Somebody has taken over, or has sent the processor back to the beginning: a new lease shows which."""
        self._forget(partition)
        self._to_prepare = True
        taken = await seats.take_again(partition)
        if taken is None:
            _log.warning("%s; it stands by", fenced)
        else:
            _log.warning("%s; nobody else has it now, so it goes on from %d", fenced, taken.checkpoint.position)
        await asyncio.sleep(LOOK)  # two that fence each other for ever must not do it as fast as they can

    async def let_go(self) -> None:
        """End what runs, at once, and give back what is held."""
        for job in self._jobs.values():
            job.task.cancel()
        if self._jobs:
            await asyncio.wait([job.task for job in self._jobs.values()])
        for job in self._jobs.values():
            self._handled_before += job.follower.handled
            if not job.task.cancelled():
                job.task.exception()  # one is told of, and it has ended all of them
        self._jobs.clear()
        if self._seats is not None and not self._has_left:
            try:
                await self._seats.leave()
                self._has_left = True  # only now: whoever is cancelled meanwhile is asked again
            except (StoreError, RetryTransaction) as error:
                _log.info(
                    "processor %r could not give back its leases, which run out by themselves: %s", self.name, error
                )

    # ------------------------------------------------------------------- what others ask for

    async def _look(self) -> None:
        paused = await self._around.rows.is_paused(self.name)
        if paused != self._paused:
            self._paused = paused
            self._to_prepare = self._to_prepare or not paused
            self.progress.ring()
        for partition, job in self._jobs.items():
            if not job.follower.place.blocked or job.follower.grants:
                continue
            if await self._around.parking.wished(self.name, partition, limit=1):
                self._ask_to_leave(job)
        if self._seats is not None:
            await self._look_at_checkpoints()
        if self._around.telemetry is not SILENT:
            await self._look_at_the_end()

    async def _look_at_the_end(self) -> None:
        """One that is busy with the events in hand knows only these; the lag is what lies behind them."""
        time = asyncio.get_running_loop().time()
        if time < self._next_end_look:
            return
        self._next_end_look = time + _END_LOOK
        end = await self._around.source.head(self.query)
        self._end_of_query = max(self._end_of_query, end)
        for job in self._jobs.values():
            job.follower.end = max(job.follower.end, end)

    def readings(self) -> list[Reading]:
        """What the gauges of its telemetry show. Called from any thread."""
        status, attributes = self.status(), {"processor": self.name}
        running = Reading(RUNNING, int(status.running), attributes)
        if not self._jobs:  # then nobody here knows how far behind it is
            return [running]
        return [running, Reading(LAG, status.lag, attributes), Reading(LAG_SECONDS, status.lag_seconds, attributes)]

    async def _look_at_checkpoints(self) -> None:
        time = asyncio.get_running_loop().time()
        if time < self._next_look:
            return
        self._next_look = time + _CHECKPOINT_LOOK
        for partition, job in self._jobs.items():
            before = job.follower.place.checkpoint
            stored = await self._around.rows.checkpoint(self.name, partition)
            place = job.follower.place
            moved_back = stored.epoch != before.epoch or stored.position < before.position
            if moved_back and place.checkpoint == before:
                self._to_prepare = True
                self._ask_to_leave(job)

    async def _told(self, partition: int, error: ProcessingError | None, *, leave_word: bool = True) -> None:
        self._troubles.pop(partition, None)
        if error is not None:
            self._troubles[partition] = error
        self.progress.ring()
        if leave_word:
            await self._leave_word()

    async def _leave_word(self) -> None:
        """Where others can read it: the error it has, or that it has none."""
        error = self.error
        try:
            await self._around.rows.note_error(self.name, None if error is None else str(error))
        except Exception:
            _log.exception("processor %r could not leave word of its error in the store", self.name)

    # ------------------------------------------------------------------------- how it does

    @property
    def error(self) -> ProcessingError | None:
        """Why it has stopped, or what one of its partitions tries again after."""
        return self._failure or next(iter(self._troubles.values()), None)

    @property
    def position(self) -> int:
        return min((each.reached for each in tuple(self._places.values())), default=0)

    async def reached(self) -> dict[int, int]:
        """By partition, also of those that somebody else has: the last event that is done."""
        rows, here = self._around.rows, self._places if self._running else {}
        start = self._start
        if self._processor.start == "now" and not self._running:  # then only the store knows when it began to follow
            start = max((each.start for each in await rows.processors() if each.name == self.name), default=0)
        return {
            partition: here[partition].reached
            if partition in here
            else max((await rows.checkpoint(self.name, partition)).position, start)
            for partition in range(self.partitions)
        }

    @property
    def is_here(self) -> bool:
        """All of it runs in this process, so its progress rings."""
        return self._running and len(self._places) == self.partitions

    def status(self) -> ProcessorStatus:
        followers = [job.follower for job in tuple(self._jobs.values())]
        paused = self._paused and not any(each.in_hand for each in followers)
        held = self._held() if self._running else ()
        others = self._seats.others if self._seats is not None and self._running and not held else ()
        end = max((each.end for each in followers), default=self._end_of_query)
        since = min((each.waits_since for each in followers if each.waits_since is not None), default=None)
        waits = 0.0 if since is None else max(0.0, (to_micros(self._around.clock.now()) - since) / 1e6)
        return ProcessorStatus(
            self.name,
            self.kind,
            self._running and not paused and bool(held),
            self.position,
            max(0, end - self.position),
            self.error,
            paused,
            waits,
            held,
            others[0].owner if others else None,
            self._rate(),
            self.stopped,
            self._hands.ignored if isinstance(self._hands, KeepsTime) else 0,
        )

    def _handled(self) -> int:
        return self._handled_before + sum(job.follower.handled for job in tuple(self._jobs.values()))

    def _rate(self) -> float:
        if len(self._marks) < 2:
            return 0.0
        (since, before), (until, after) = self._marks[0], self._marks[-1]
        return round((after - before) / (until - since), 1) if until > since else 0.0
