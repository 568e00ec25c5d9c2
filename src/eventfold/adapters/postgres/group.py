"""
The writer of this process: it gathers the appends of a moment into groups, a few of which are on their way at once.

Within a process the appends to one stream are stored in the order in which they were made, one group after the other.
An append that stands by itself, on a condition, with a command or to several streams, sees everything that was appended
before it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Final
from uuid import UUID

from eventfold.adapters.postgres.commit import Commit, Job
from eventfold.adapters.postgres.connection import Connections
from eventfold.adapters.postgres.names import Names
from eventfold.adapters.postgres.rows import Outcome
from eventfold.domain.message import Stream
from eventfold.errors import AppendOutcomeUnknown, StoreClosed
from eventfold.ports.clock import Clock
from eventfold.ports.event_store import Append, Appended, Condition
from eventfold.ports.subscription import Bell

__all__ = ["Writer"]

_LARGEST_GROUP: Final = 1_000
"""Events of a group."""
_MOST_TAGS: Final = 60
"""Tags of a group: each is a lock, and above 64 of them the whole table is locked instead."""


class Writer:
    """
    Stores appends. The times are the server's: clocks of several machines would not agree.

    Args:
        lanes: groups that are on their way at once.
    """

    def __init__(self, connections: Connections, names: Names, clock: Clock, *, lanes: int = 2) -> None:
        self._connections = connections
        self._commit = Commit(connections, names, patience=connections.patience)
        self._lanes = max(1, lanes)
        self._most_by_themselves = max(self._lanes, connections.most // 2)
        self._queue: deque[Job] = deque()
        self._groups = 0
        self._by_themselves = 0
        self._busy: set[Stream] = set()
        self._alone = False
        self._scheduled = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._idle: asyncio.Future[None] | None = None
        self._draining: asyncio.Task[None] | None = None
        self.closed: bool = False
        self.bell: Bell = Bell()
        """Rung after every commit of a group: a caller may be gone by then, and must not take the news along."""
        self.after_commit: list[Callable[[], None]] = []
        """Called with the bell. None of them raises."""
        self.before_close: list[Callable[[], Awaitable[None]]] = []

    def refuse_if_unusable(self) -> None:
        """Raises StoreClosed, StoreUsedAfterFork, and StoreError on another event loop."""
        if self.closed:
            raise StoreClosed
        self._connections.refuse_if_unusable()

    async def append(
        self,
        appends: tuple[Append, ...],
        condition: Condition | None,
        events: int,
        command: tuple[UUID, bytes] | None = None,
    ) -> Appended:
        """Store one call's appends together with those of others that wait; raises what became of this one."""
        self.refuse_if_unusable()
        job = Job(appends, condition, events, command)
        if self._alone and not self._queue and not self._groups and not self._by_themselves and not job.by_itself:
            (outcome,) = await self._here(job)
        else:
            job.stored = self._connections.loop.create_future()
            self._queue.append(job)
            self._schedule()
            return _in_the_order_of(appends, await job.stored)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def _here(self, job: Job) -> list[Outcome]:
        """Without a task. Who gives up meanwhile may have stored it."""
        self._begin([job])
        outcomes: list[Outcome] = []
        try:
            outcomes = await self._commit.run([job])
            return outcomes
        finally:
            self._end([job], outcomes)

    # ---------------------------------------------------------------------- groups

    def _schedule(self) -> None:
        """At the end of this turn of the loop, when everybody who is about to append has done so."""
        if not self._scheduled:
            self._scheduled = True
            self._connections.loop.call_soon(self._pass_on)

    def _pass_on(self) -> None:
        self._scheduled = False
        if any(map(_given_up, self._queue)):
            self._queue = deque(job for job in self._queue if not _given_up(job))
        while self._queue:
            if self._queue[0].by_itself:
                group = self._next_by_itself()
            else:
                group = self._next_group() if self._groups < self._lanes else []
            if not group:
                break
            self._begin(group)
            task = self._connections.loop.create_task(self._run(group))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        self._tell_if_idle()

    def _tell_if_idle(self) -> None:
        if self._idle is not None and not (self._queue or self._groups or self._by_themselves or self._idle.done()):
            self._idle.set_result(None)

    def _next_by_itself(self) -> list[Job]:
        """The first in the queue, once every group before it has ended."""
        job = self._queue[0]
        if self._groups or self._by_themselves >= self._most_by_themselves:
            return []
        if any(append.stream in self._busy for append in job.appends):
            return []
        return [self._queue.popleft()]

    def _next_group(self) -> list[Job]:
        """Of what waits up to the next append that stands by itself: one for each stream that is free."""
        group: list[Job] = []
        later: list[Job] = []
        taken = set(self._busy)
        events = tags = 0
        while self._queue and not self._queue[0].by_itself:
            job = self._queue.popleft()
            stream = job.appends[0].stream
            full = bool(group) and (
                events + job.events > _LARGEST_GROUP or (job.tags > 0 and tags + job.tags > _MOST_TAGS)
            )
            if full or stream in taken:
                later.append(job)
            else:
                group.append(job)
                events += job.events
                tags += job.tags
            taken.add(stream)
            if events >= _LARGEST_GROUP:
                break
        self._queue.extendleft(reversed(later))
        self._alone = len(group) == 1 and not later
        return group

    def _begin(self, group: Sequence[Job]) -> None:
        for job in group:
            for append in job.appends:
                self._busy.add(append.stream)
        if group[0].by_itself:
            self._by_themselves += 1
        else:
            self._groups += 1

    async def _run(self, group: Sequence[Job]) -> None:
        outcomes: list[Outcome] = []
        try:
            outcomes = await self._commit.run(group)
        except BaseException as error:
            told: Exception = (
                error
                if isinstance(error, Exception)
                else AppendOutcomeUnknown([id for job in group for id in job.ids], "the writer was interrupted")
            )
            for job in group:
                _tell(job, told)
            if not isinstance(error, Exception):
                raise
        finally:
            for job, outcome in zip(group, outcomes, strict=False):  # none after a failure
                _tell(job, outcome)
            self._end(group, outcomes)

    def _end(self, group: Sequence[Job], outcomes: Sequence[Outcome]) -> None:
        for job in group:
            for append in job.appends:
                self._busy.discard(append.stream)
        if group[0].by_itself:
            self._by_themselves -= 1
        else:
            self._groups -= 1
        if not outcomes or any(not isinstance(outcome, Exception) for outcome in outcomes):
            self.bell.ring()
            for each in self.after_commit:
                each()
        if self._queue:
            self._schedule()
        else:
            self._tell_if_idle()

    # --------------------------------------------------------------------- closing

    async def close(self) -> None:
        """Everything that was asked before is done first, what is asked later is refused. Cancelling stops neither."""
        self.closed = True
        if self._connections.forked:
            return
        if self._draining is None:
            self._draining = self._connections.loop.create_task(self._drain())
        await asyncio.shield(self._draining)

    async def _drain(self) -> None:
        for each in self.before_close:
            await each()
        while self._queue or self._groups or self._by_themselves:
            self._idle = self._connections.loop.create_future()
            if self._queue:
                self._schedule()
            await self._idle
        self.bell.close()


def _given_up(job: Job) -> bool:
    return job.stored is not None and job.stored.cancelled()


def _tell(job: Job, outcome: Outcome) -> None:
    if job.stored is None or job.stored.done():
        return
    if isinstance(outcome, Exception):
        job.stored.set_exception(outcome)
    else:
        job.stored.set_result(outcome)


def _in_the_order_of(appends: tuple[Append, ...], appended: Appended) -> Appended:
    if len(appends) == 1:
        return appended
    places = {each.stream: each for each in appended.streams}
    return Appended(tuple(places[append.stream] for append in appends))
