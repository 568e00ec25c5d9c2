"""A thread with an event loop, and the way into it: one call, an answer, and the caller has waited for nothing else."""

from __future__ import annotations

import asyncio
import contextvars
import os
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from types import TracebackType
from typing import Any, Final, Generic, Protocol, TypeVar, cast

from eventfold.errors import InsideEventLoop, StoreClosed, StoreUsedAfterFork

__all__ = ["Block", "Caller", "Following", "Portal"]

A = TypeVar("A")
A_ = TypeVar("A_")
F = TypeVar("F")
T = TypeVar("T")

DRAIN: Final = 10.0
"""Seconds that calls of other threads have to come to their end when the portal is closed."""

_ENDS: Final = (KeyboardInterrupt, SystemExit)  # a task that raises one of them takes its loop along


class Answer:
    """What a call came to; the lock is held until it has."""

    __slots__ = ("error", "ready", "task", "value")

    def __init__(self) -> None:
        self.value: Any = None
        self.error: BaseException | None = None
        self.task: asyncio.Task[Any] | None = None
        self.ready = threading.Lock()
        self.ready.acquire()

    def give(self, value: Any, error: BaseException | None = None) -> None:
        self.value, self.error = value, error
        self.ready.release()


class Caller(Protocol):
    """Has coroutines run elsewhere and waits for what they come to."""

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """
        The result of this coroutine, which runs in the context of the caller.

        Raises:
            whatever it raises.
            InsideEventLoop: an event loop runs in this thread.
            StoreClosed, StoreUsedAfterFork.
        """
        ...


class Portal(Generic[A]):
    """
    Holds something open on a loop of its own, in a daemon thread, until it is closed.

    Args:
        what: is entered there at once; `opened` is what it gives.
        within_loop: calls from a thread with a running event loop are let through, and that loop stands still.
    """

    opened: A

    def __init__(self, what: Callable[[], AbstractAsyncContextManager[A]], *, within_loop: bool = False) -> None:
        self._what = what
        self._within_loop = within_loop
        self._pid = os.getpid()
        self._closed = False
        self._submitting = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._refuse_here()
        self._loop = loop = asyncio.new_event_loop()
        self._call_soon = loop.call_soon_threadsafe
        self._calls: set[asyncio.Task[None]] = set()
        self._waits: set[asyncio.Task[None]] = set()
        self._end: asyncio.Future[None] = loop.create_future()
        self._ended: BaseException | None = None
        started = Answer()
        self._thread = threading.Thread(target=self._live, args=(loop, started), name="eventfold", daemon=True)
        self._thread.start()
        try:
            self._await(started)
        except BaseException:
            self._thread.join()
            raise

    # ------------------------------------------------------------------------ the caller's side

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        return cast("T", self._await(self._submit(work, self._calls)))

    def block(self, what: AbstractAsyncContextManager[A_], face: Callable[[Caller, A_], F]) -> Block[A_, F]:
        """An `async with` as a `with`; what is asked within goes through the face."""
        return Block(self, what, face)

    def begin(self, work: Coroutine[Any, Any, None]) -> Answer:
        """Let it run beside; it is cancelled as soon as the portal is closed."""
        return self._submit(work, self._waits)

    def wait_for(self, answer: Answer) -> Any:
        """What it came to."""
        return self._await(answer)

    def post(self, call: Callable[..., object], *arguments: object) -> None:
        """Have this called on the loop. Raises StoreClosed."""
        self._refuse_here()
        with self._submitting:
            if self._loop is None or self._loop.is_closed():
                raise StoreClosed("the application")
            self._call_soon(call, *arguments)

    def _submit(self, work: Coroutine[Any, Any, Any], kind: set[asyncio.Task[None]]) -> Answer:
        answer = Answer()
        try:
            self._refuse_here()
            with self._submitting:  # so that nothing comes after the last turn of the loop
                if self._closed:
                    raise StoreClosed("the application")
                self._call_soon(self._begin, work, answer, kind)  # it takes the context of the caller along
        except BaseException:
            work.close()
            raise
        return answer

    def _refuse_here(self) -> None:
        if os.getpid() != self._pid:
            raise StoreUsedAfterFork(self._pid, os.getpid())
        loop = asyncio._get_running_loop()  # noqa: SLF001 - documented; the public one raises instead, and is slower
        if loop is not None and (loop is self._loop or not self._within_loop):
            raise InsideEventLoop

    def _await(self, answer: Answer) -> Any:
        try:
            answer.ready.acquire()
        except BaseException:  # a signal: whoever waits is interrupted, and so is what he waits for
            self._call_soon(_cancel, answer)
            raise
        error = answer.error
        if error is None:
            return answer.value
        if isinstance(error, asyncio.CancelledError) and self._closed:
            raise StoreClosed("the application") from None
        try:
            raise error
        finally:
            del error, answer  # its traceback holds this frame

    def close(self) -> None:
        """
        Close what is open and end the thread. A second time it does nothing.

        Raises:
            what closing raises.
        """
        self._refuse_here()
        with self._submitting:
            first = not self._closed
            self._closed = True
            if first:
                self._call_soon(self._end.set_result, None)
        self._thread.join()
        if first and self._ended is not None:
            raise self._ended

    # -------------------------------------------------------------------------- the loop's side

    def _live(self, loop: asyncio.AbstractEventLoop, started: Answer) -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(self._main(started))

    async def _main(self, started: Answer) -> None:
        told = False
        started.task = asyncio.current_task()
        try:
            async with self._what() as self.opened:
                told = True
                started.give(None)
                await self._end
                await self._drained()
        except BaseException as error:
            self._closed = True
            self._ended = error
            if not told:
                started.give(None, error)

    async def _drained(self) -> None:
        await asyncio.sleep(0)  # what was submitted before has begun now
        for each in self._waits:
            each.cancel()
        if self._waits:
            await asyncio.wait(self._waits)
        if self._calls:
            await asyncio.wait(self._calls, timeout=DRAIN)  # the rest is cancelled by the runner

    def _begin(self, work: Coroutine[Any, Any, Any], answer: Answer, kind: set[asyncio.Task[None]]) -> None:
        answer.task = task = asyncio.get_running_loop().create_task(_answered(work, answer))
        kind.add(task)
        task.add_done_callback(kind.discard)


async def _answered(work: Coroutine[Any, Any, Any], answer: Answer) -> None:
    try:
        value = await work
    except BaseException as error:  # all of it is the caller's
        answer.give(None, error)
    else:
        answer.give(value)


def _cancel(answer: Answer) -> None:
    if answer.task is not None:
        answer.task.cancel()


class Block(AbstractContextManager[F], Generic[A_, F]):
    """
    One `async with`, entered and left by one task, which also runs what is asked within: as if the block were its own.

    What entering sets in the context holds for the caller too until the end of the block.
    """

    def __init__(
        self, portal: Portal[Any], what: AbstractAsyncContextManager[A_], face: Callable[[Caller, A_], F]
    ) -> None:
        self._portal = portal
        self._what = what
        self._face = face
        self._asked: asyncio.Queue[tuple[Coroutine[Any, Any, Any], Answer, contextvars.Context] | BaseException | None]
        self._asked = asyncio.Queue()
        self._tokens: list[tuple[contextvars.ContextVar[Any], contextvars.Token[Any]]] = []
        self._task: Answer | None = None
        self._over: BaseException | None = None

    def __enter__(self) -> F:
        entered = Answer()
        self._task = self._portal.begin(self._hold(entered))
        value, context = self._portal.wait_for(entered)
        for variable, inside in context.items():
            if variable.get(None) is not inside:
                self._tokens.append((variable, variable.set(inside)))
        return self._face(self, value)

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        answer = Answer()
        try:
            self._portal.post(self._ask, work, answer, contextvars.copy_context())
        except BaseException:
            work.close()
            raise
        return cast("T", self._portal.wait_for(answer))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        for variable, token in reversed(self._tokens):
            variable.reset(token)
        assert self._task is not None
        self._portal.post(self._asked.put_nowait, asyncio.CancelledError() if isinstance(error, _ENDS) else error)
        try:
            self._portal.wait_for(self._task)
        except BaseException as raised:
            if raised is error or isinstance(error, _ENDS):
                return False
            raise
        return error is not None

    def _ask(self, work: Coroutine[Any, Any, Any], answer: Answer, context: contextvars.Context) -> None:
        if self._over is None:
            self._asked.put_nowait((work, answer, context))
        else:
            work.close()
            answer.give(None, self._over)

    async def _hold(self, entered: Answer) -> None:
        told = False
        try:
            async with self._what as value:
                told = True
                entered.give((value, contextvars.copy_context()))
                await self._serve()
        except BaseException as error:
            self._over = error
            if not told:
                entered.give(None, error)
            raise
        finally:
            self._over = self._over or StoreClosed("the block")
            while not self._asked.empty():  # nobody answers them any more
                if isinstance(asked := self._asked.get_nowait(), tuple):
                    asked[0].close()
                    asked[1].give(None, self._over)

    async def _serve(self) -> None:
        while (asked := await self._asked.get()) is not None:
            if isinstance(asked, BaseException):
                raise asked
            work, answer, context = asked
            answer.task = task = asyncio.get_running_loop().create_task(_answered(work, answer), context=context)
            await task


class Following(Iterator[T]):
    """An asynchronous iterator as one that waits."""

    def __init__(self, caller: Caller, items: AsyncIterator[T]) -> None:
        self._caller = caller
        self._items = items

    def __next__(self) -> T:
        try:
            return self._caller.call(_next(self._items))
        except StopAsyncIteration:
            raise StopIteration from None


async def _next(items: AsyncIterator[T]) -> T:
    return await anext(items)
