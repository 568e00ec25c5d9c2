"""What stores share that have one writer at a time: work within its time, and streams that are locked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any

from eventfold.domain.message import Stream
from eventfold.errors import InvalidInput, LockTimedOut
from eventfold.ports.event_store import EventSource, Fact
from eventfold.ports.unit import Held, T, Unit, Units, Work

__all__ = ["Lines", "Steps", "done_in_time", "ended", "hold"]

Waiting = Callable[[Stream, float], AbstractAsyncContextManager[None]]
"""The stream for this block alone, from the moment of the loop's clock that is given at the latest, or TimeoutError."""


async def done_in_time(work: Work[T], unit: Unit, limit: asyncio.Timeout) -> T:
    """
    The work within the limit, which somebody sets when it has begun.

    Raises:
        TimeoutError: with the reason.
    """
    try:
        async with limit:
            return await work(unit)
    except TimeoutError as error:
        if limit.expired():
            raise TimeoutError(
                "the transaction was open for too long, and nothing of it was kept; do before it what takes time"
            ) from error
        raise


async def ended(future: asyncio.Future[Any]) -> asyncio.CancelledError | None:
    """Wait for its end, whatever happens; whether the caller was cancelled meanwhile, which he must raise."""
    cancelled: asyncio.CancelledError | None = None
    while not future.done():
        try:
            await asyncio.wait([future])
        except asyncio.CancelledError as error:
            cancelled = error
    return cancelled


class Steps:
    """What is asked of one unit, one after the other, and nothing after its end or an error that has ended it."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._ended_by: BaseException | None = None

    @asynccontextmanager
    async def one(self) -> AsyncGenerator[None]:
        """Raises what has ended the unit, whoever caught it."""
        async with self._lock:
            if self._ended_by is not None:
                raise self._ended_by
            yield

    def failed(self, error: BaseException) -> None:
        self._ended_by = error

    async def end(self) -> None:
        """Afterwards no step is under way, also of a task that the work has left behind. Cancelled, it waits first."""
        if self._ended_by is None:
            self._ended_by = InvalidInput("this transaction is over; open another one")
        if not self._lock.locked():
            return
        cancelled = await ended(asyncio.ensure_future(self._lock.acquire()))
        self._lock.release()
        if cancelled is not None:
            raise cancelled


class Lines:
    """Those in this process who want a stream, in the order of their coming."""

    def __init__(self) -> None:
        self._lines: dict[Stream, _Line] = {}

    @asynccontextmanager
    async def first(self, stream: Stream, deadline: float) -> AsyncGenerator[None]:
        """Raises TimeoutError at the deadline, which is one of the loop's clock."""
        line = self._lines.setdefault(stream, _Line())
        line.length += 1
        try:
            async with asyncio.timeout_at(deadline):
                await line.lock.acquire()
            try:
                yield
            finally:
                line.lock.release()
        finally:
            line.length -= 1
            if line.length == 0:
                del self._lines[stream]


class _Line:
    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.length = 0


@asynccontextmanager
async def hold(
    stream: Stream, timeout: float, waiting: Waiting, source: EventSource, units: Units
) -> AsyncGenerator[Held]:
    """
    A lock of which the work is a unit of its own.

    Raises:
        LockTimedOut: as the lock does.
    """
    async with AsyncExitStack() as until_released:
        try:
            deadline = asyncio.get_running_loop().time() + timeout
            await until_released.enter_async_context(waiting(stream, deadline))
        except TimeoutError as error:
            raise LockTimedOut(stream, timeout) from error
        held = _Held(stream, source, units, until_released)
        try:
            yield held
        finally:
            held.released = True


class _Held:
    def __init__(self, stream: Stream, source: EventSource, units: Units, until_released: AsyncExitStack) -> None:
        self._stream = stream
        self._source = source
        self._units = units
        self._until_released = until_released
        self.released = False

    async def load(self, stream: Stream, *, after: int = 0, upto: int | None = None) -> AsyncIterator[Sequence[Fact]]:
        self._refuse_if_released()
        async for facts in self._source.load(stream, after=after, upto=upto):
            yield facts

    async def transact(self, work: Work[T]) -> T:
        self._refuse_if_released()
        result = await self._units.transact(work)
        self.released = True
        await self._until_released.aclose()
        return result

    def _refuse_if_released(self) -> None:
        if self.released:
            raise InvalidInput(f"the lock of {self._stream} has been released; lock it again")
