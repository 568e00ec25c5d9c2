"""
The one writer of this process: it gathers appends into groups and lends its connection to projections in turn.

*Placement rule.* A thread hop costs a third of a commit, an append that never suspends starves the loop, and a
slow disk must not hold the loop at all. So a small group on a quick disk commits on the loop, with a turn of the
loop at least every millisecond; anything else goes to the writer's thread. So does whoever has to wait for another
process: the lock is held around each group and each turn that writes, and only the thread waits for it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from time import perf_counter
from typing import TypeVar

from eventfold.adapters.sqlite.connection import Connection
from eventfold.adapters.sqlite.exclusive import Exclusive
from eventfold.adapters.sqlite.group import GroupCommit, Job, Outcome
from eventfold.adapters.sqlite.lock import FREE, Lock
from eventfold.adapters.sqlite.pace import Pace, Placement
from eventfold.adapters.sqlite.waiting import Group, WaitingAppends, settle, told
from eventfold.domain.message import Stream
from eventfold.errors import StoreBusy
from eventfold.ports.event_store import Appended
from eventfold.ports.guard import Guard
from eventfold.ports.subscription import Bell

__all__ = ["Placement", "Writer"]

T = TypeVar("T")


class Writer(Guard):
    """
    Owns the writing connection and hands it to one user at a time.

    Appends that come while it is busy form the next group. After a group everyone who waited for the connection gets
    it once, then comes the next group: neither starves, however many there are of the other.
    """

    def __init__(
        self,
        connection: Connection,
        group_commit: GroupCommit,
        *,
        placement: Placement,
        lock: Lock = FREE,
        busy: float = 0.0,
    ) -> None:
        super().__init__()
        self._connection = connection
        self._group_commit = group_commit
        self._exclusive = Exclusive(connection, lock, busy=busy)
        self._pace = Pace(placement)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="eventfold-sqlite-writer")
        self._waiting = WaitingAppends()
        self._turns: deque[asyncio.Future[None]] = deque()
        self._turns_due = 0  # before the next group
        self._busy = False
        self._alone = False
        self._closing: asyncio.Task[None] | None = None
        self.bell: Bell = Bell()
        """Rung after every commit of a group: a caller may be gone by then, and must not take the news along."""
        self.after_commit: list[Callable[[], None]] = []
        """Called with the bell. None of them raises."""
        self.before_close: list[Callable[[], Awaitable[None]]] = []
        self.close_first: list[Callable[[], None]] = []
        """How to close the readers, in the thread."""

    def saw(self, stream: Stream, version: int) -> None:
        """A reader has seen the stream at this version: an append need not look where it is."""
        self._group_commit.saw(stream, version)

    def changed(self, stream: Stream | None) -> None:
        """Whoever had the turn has committed: versions may have gone (of this stream), and events may have come."""
        if stream is not None:
            self._group_commit.forgot(stream)
        self._announce()

    # ---------------------------------------------------------------------- appends

    async def append(self, job: Job, events: int) -> Appended:
        """Store one append together with all that wait; raises what became of this one."""
        if self._alone and not self._busy and not self._waiting and self._pace.may_stay_on_loop(1, events):
            outcomes = self._run_here([job]) if self._pace.loop_is_fresh() else None
            if outcomes is not None:
                (outcome,) = outcomes
                if isinstance(outcome, Exception):
                    raise outcome
                self._announce()
                return outcome
        stored: asyncio.Future[Appended] = self.loop.create_future()
        if not self._waiting and not self._busy:
            self.loop.call_soon(self._next_group)
        self._waiting.add(job, events, stored)
        return await stored

    def _next_group(self) -> None:
        """Everything that this turn of the loop has collected, less what was cancelled before it began."""
        self._pace.loop_turned()
        if self._busy:
            return
        group: Group = []
        events = self._waiting.join(group)
        if not group:
            self._pass_on()
            return
        self._alone = len(group) == 1
        here = self._pace.may_stay_on_loop(len(group), events)
        outcomes = self._run_here([job for job, _, _ in group]) if here else None
        if outcomes is not None:
            self._pace.loop_turned()
            self._group_ended(group, outcomes)
            return
        self._busy = True
        done = self.loop.run_in_executor(self._thread, self._run_locked, group)
        done.add_done_callback(lambda done: self._back(group, done))

    def _run_here(self, jobs: Sequence[Job]) -> list[Outcome] | None:
        """On the loop; None when another process has the store or waits for it."""
        if not self._exclusive.hold_now():
            return None
        began = perf_counter()
        try:
            outcomes = self._group_commit.run(jobs)
        finally:
            self._exclusive.let_go()
        if _nothing_but_busy(outcomes):
            return None
        self._pace.learn(perf_counter() - began, len(jobs))
        return outcomes

    def _run_locked(self, group: Group) -> tuple[list[Outcome], float]:
        """In the thread: outcomes, and the seconds they took once the lock was ours."""
        try:
            self._exclusive.hold()
            self._waiting.join(group)  # what has come meanwhile need not wait for the lock once more
            began = perf_counter()
            outcomes = self._exclusive.run(lambda: self._group_commit.run([job for job, _, _ in group]))
            return outcomes, 0.0 if _nothing_but_busy(outcomes) else perf_counter() - began
        except StoreBusy as busy:
            return [StoreBusy(busy.holder_pid, busy.held_for) for _ in group], 0.0
        finally:
            self._exclusive.let_go()

    def _back(self, group: Group, done: asyncio.Future[tuple[list[Outcome], float]]) -> None:
        self._pace.loop_turned()
        self._busy = False
        error = done.exception()
        if error is None:
            outcomes, seconds = done.result()
            if seconds:
                self._pace.learn(seconds, len(group))
        else:
            outcomes = [told(error)] * len(group)
        self._group_ended(group, outcomes)

    def _group_ended(self, group: Group, outcomes: Sequence[Outcome]) -> None:
        self._announce()
        settle(group, outcomes)
        self._turns_due = len(self._turns)
        self._pass_on()

    def _announce(self) -> None:
        self.bell.ring()
        for each in self.after_commit:
            each()

    # ------------------------------------------------------------------------ turns

    @asynccontextmanager
    async def turn(self) -> AsyncGenerator[Connection]:
        """The connection, for this block alone. Appends that come meanwhile wait and form the next group."""
        self.refuse_if_unusable()
        if self._busy or self._turns or self._waiting:
            mine: asyncio.Future[None] = self.loop.create_future()
            self._turns.append(mine)
            try:
                await mine
            except asyncio.CancelledError:
                if mine.done() and not mine.cancelled():
                    self._end_turn()
                raise
        self._busy = True
        try:
            yield self._connection
        finally:
            self._end_turn()

    async def work(self, function: Callable[[], T], rows: int) -> T:
        """
        Run this within a turn: a few rows on the loop, more in the writer's thread.

        From here to the end of the turn other processes wait. Raises StoreBusy when one of them holds the store.
        """
        if self._pace.may_stay_on_loop(1, rows):
            result = self._exclusive.try_run(function)
            if not isinstance(result, StoreBusy):
                return result
        done = self.loop.run_in_executor(self._thread, self._exclusive.run, function)
        try:
            return await asyncio.shield(done)
        except asyncio.CancelledError:
            while not done.done():  # the connection is in the thread's hands: it must come back before anyone gets it
                with suppress(asyncio.CancelledError):
                    await asyncio.wait([done])
            done.exception()  # nobody is left to hear of it
            raise

    def _end_turn(self) -> None:
        self._exclusive.let_go()
        self._busy = False
        if self._turns_due > 0 or not self._waiting:
            self._pass_on()
        else:
            self.loop.call_soon(self._next_group)

    def _pass_on(self) -> None:
        """The next turn, if somebody waits for one; else the next group."""
        while self._turns:
            mine = self._turns.popleft()
            self._turns_due -= 1
            if not mine.cancelled():
                self._busy = True
                mine.set_result(None)
                return
        self._turns_due = 0
        if self._waiting:
            self.loop.call_soon(self._next_group)

    # ---------------------------------------------------------------------- closing

    async def close(self) -> None:
        """Everything that was asked before is done first, what is asked later is refused. Cancelling stops neither."""
        self.closed = True
        if self.forked:
            return
        if self._closing is None:
            self._closing = self.loop.create_task(self._drain())
        await asyncio.shield(self._closing)

    async def _drain(self) -> None:
        for each in self.before_close:
            await each()
        while self._busy or self._waiting:
            idle: asyncio.Future[None] = self.loop.create_future()
            self._turns.append(idle)
            if not self._busy:
                self.loop.call_soon(self._next_group)
            await idle
            self._end_turn()
        await self.loop.run_in_executor(self._thread, self._exclusive.close, self.close_first)
        self._thread.shutdown(wait=True)


def _nothing_but_busy(outcomes: Sequence[Outcome]) -> bool:
    return isinstance(outcomes[0], StoreBusy) and all(isinstance(each, StoreBusy) for each in outcomes)
