"""
The one writer of this process: it gathers appends into groups and lends its connection to projections in turn.

*Placement rule.* A thread hop costs a third of a commit, an append that never suspends starves the loop, and a
slow disk must not hold the loop at all. So a small group on a quick disk commits on the loop, with a turn of the
loop at least every millisecond; anything else goes to the writer's thread.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from time import perf_counter
from typing import Final, Literal, TypeVar

from eventfold.adapters.sqlite.connection import Connection
from eventfold.adapters.sqlite.group import GroupCommit, Job, Outcome
from eventfold.errors import StoreClosed, StoreError, StoreUsedAfterFork
from eventfold.ports.event_store import Appended
from eventfold.ports.subscription import Bell

__all__ = ["Placement", "Writer"]

T = TypeVar("T")
Placement = Literal["auto", "thread"]

_SLOW: Final = 500e-6
"""Seconds of a commit from which on the loop is spared it."""
_HOLD: Final = 1e-3
"""Seconds for which a lone appender may keep the loop before it must let it turn."""
_INLINE: Final = 8
"""Appends of a group, at most, that commits on the loop."""
_INLINE_EVENTS: Final = 64
"""Events, or rows of a projection, at most, that are written on the loop."""
_LARGEST_GROUP: Final = 2_000
"""Events of a group; what came after waits for the next one."""
_SMOOTHING: Final = 0.1
_PER_APPEND: Final = 5e-6


class Writer:
    """
    Owns the writing connection and hands it to one user at a time.

    Appends that come while it is busy form the next group. Groups and projections take turns, so neither starves.
    """

    def __init__(self, connection: Connection, group_commit: GroupCommit, *, placement: Placement) -> None:
        self._connection = connection
        self._group_commit = group_commit
        self._placement = placement
        self._loop = asyncio.get_running_loop()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="eventfold-sqlite-writer")
        self._pid = os.getpid()
        self._waiting: deque[tuple[Job, int, asyncio.Future[Appended]]] = deque()
        self._turns: deque[asyncio.Future[None]] = deque()
        self._busy = False
        self._alone = False
        self._cost = 0.0  # seconds of a usual commit
        self._turned = 0.0  # when the loop has last turned
        self._closed = False
        self._closing: asyncio.Task[None] | None = None
        self.bell = Bell()
        """Rung after every commit of a group: a caller may be gone by then, and must not take the news along."""

    # ---------------------------------------------------------------------- appends

    async def append(self, job: Job, events: int) -> Appended:
        """Store one append together with all that wait; raises what became of this one."""
        self.refuse_if_unusable()
        if self._alone and not self._busy and not self._waiting and self._may_stay_on_loop(1, events):
            began = perf_counter()
            if began - self._turned < _HOLD:
                (outcome,) = self._group_commit.run([job])
                self._learn(perf_counter() - began, 1)
                if isinstance(outcome, Exception):
                    raise outcome
                self.bell.ring()
                return outcome
        stored: asyncio.Future[Appended] = self._loop.create_future()
        if not self._waiting and not self._busy:
            self._loop.call_soon(self._next_group)
        self._waiting.append((job, events, stored))
        return await stored

    def _next_group(self) -> None:
        """Everything that this turn of the loop has collected, less what was cancelled before it began."""
        self._turned = perf_counter()
        if self._busy:
            return
        group: list[tuple[Job, asyncio.Future[Appended]]] = []
        events = 0
        while self._waiting and events < _LARGEST_GROUP:
            job, size, stored = self._waiting.popleft()
            if not stored.cancelled():
                group.append((job, stored))
                events += size
        if not group:
            self._pass_on()
            return
        self._alone = len(group) == 1
        jobs = [job for job, _ in group]
        began = perf_counter()
        if self._may_stay_on_loop(len(group), events):
            self._settle(group, self._group_commit.run(jobs))
            self._learn(perf_counter() - began, len(group))
            self._turned = perf_counter()
            self._pass_on()
            return
        self._busy = True
        done = self._loop.run_in_executor(self._thread, self._group_commit.run, jobs)
        done.add_done_callback(lambda done: self._back(group, done, began))

    def _back(
        self, group: list[tuple[Job, asyncio.Future[Appended]]], done: asyncio.Future[list[Outcome]], began: float
    ) -> None:
        self._turned = perf_counter()
        self._learn(self._turned - began, len(group))
        self._busy = False
        error = done.exception()
        self._settle(group, done.result() if error is None else [_told(error)] * len(group))
        self._pass_on()

    def _settle(self, group: list[tuple[Job, asyncio.Future[Appended]]], outcomes: Sequence[Outcome]) -> None:
        self.bell.ring()
        for (_, stored), outcome in zip(group, outcomes, strict=True):
            if stored.done():
                continue
            if isinstance(outcome, Exception):
                stored.set_exception(outcome)
            else:
                stored.set_result(outcome)

    def _may_stay_on_loop(self, appends: int, events: int) -> bool:
        return self._placement == "auto" and appends <= _INLINE and events <= _INLINE_EVENTS and self._cost < _SLOW

    def _learn(self, seconds: float, appends: int) -> None:
        self._cost += (max(0.0, seconds - _PER_APPEND * appends) - self._cost) * _SMOOTHING

    # ------------------------------------------------------------------------ turns

    @asynccontextmanager
    async def turn(self) -> AsyncGenerator[Connection]:
        """The connection, for this block alone. Appends that come meanwhile wait and form the next group."""
        self.refuse_if_unusable()
        if self._busy or self._turns or self._waiting:
            mine: asyncio.Future[None] = self._loop.create_future()
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
        """Run this within a turn: a few rows on the loop, more in the writer's thread."""
        if rows <= _INLINE_EVENTS and self._placement == "auto" and self._cost < _SLOW:
            return function()
        done = self._loop.run_in_executor(self._thread, function)
        try:
            return await asyncio.shield(done)
        except asyncio.CancelledError:
            while not done.done():  # the connection is in the thread's hands: it must come back before anyone gets it
                with suppress(asyncio.CancelledError):
                    await asyncio.wait([done])
            done.exception()  # nobody is left to hear of it
            raise

    def _end_turn(self) -> None:
        self._busy = False
        if self._waiting:
            self._loop.call_soon(self._next_group)
        else:
            self._pass_on()

    def _pass_on(self) -> None:
        """After a group: the next turn, if somebody waits for one; else the next group."""
        while self._turns:
            mine = self._turns.popleft()
            if not mine.cancelled():
                self._busy = True
                mine.set_result(None)
                return
        if self._waiting:
            self._loop.call_soon(self._next_group)

    # ---------------------------------------------------------------------- closing

    def refuse_if_unusable(self) -> None:
        """Raises StoreClosed, StoreUsedAfterFork, and StoreError on another event loop."""
        if self._closed:
            raise StoreClosed
        if self.forked:
            raise StoreUsedAfterFork(self._pid, os.getpid())
        if asyncio.get_running_loop() is not self._loop:
            raise StoreError("the store was opened on another event loop; open it once more on this one")

    @property
    def forked(self) -> bool:
        """This is a child of the process that opened the file, and must not touch it, nor close it."""
        return os.getpid() != self._pid

    async def close(self) -> None:
        """Everything that was asked before is done first, what is asked later is refused. Cancelling stops neither."""
        self._closed = True
        if self.forked:
            return
        if self._closing is None:
            self._closing = self._loop.create_task(self._drain())
        await asyncio.shield(self._closing)

    async def _drain(self) -> None:
        while self._busy or self._waiting:
            idle: asyncio.Future[None] = self._loop.create_future()
            self._turns.append(idle)
            if not self._busy:
                self._loop.call_soon(self._next_group)
            await idle
            self._end_turn()
        self._thread.shutdown(wait=True)
        self._connection.close()


def _told(error: BaseException) -> Exception:
    return error if isinstance(error, Exception) else StoreError(f"the writer was interrupted: {error!r}")
