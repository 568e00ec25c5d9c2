"""
A child process: one processor of the application, until it is told to end.

It is told by its parent, through its standard input, and by signals: TERM or INT once is to drain, twice is to end now.
A child sits in a session of its own, so that Ctrl-C in a terminal reaches the parent alone and is told on once; whoever
signals all processes, as systemd does, is understood as well, for who drains already is not told anything new by the
parent. When the parent is gone, standard input ends, and the child drains: no orphan stays.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import os
import signal
import sys
import threading
import time
import traceback
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import Any, Final, NoReturn

import msgspec

from eventfold.bootstrap.application import Eventfold
from eventfold.bootstrap.hooks import RunnerHooks
from eventfold.bootstrap.runner.loading import load
from eventfold.bootstrap.runner.messages import Order, Report, Task, line, title
from eventfold.bootstrap.runner.opening import opened, status_of
from eventfold.errors import CannotLoad, InvalidInput, StoreError
from eventfold.processing.processor import ProcessorStatus

__all__ = ["main"]

WELL: Final = 0
FAILED: Final = 1
REFUSED: Final = 2
NOT_LOADED: Final = 3
NO_STORE: Final = 4
INTERRUPTED: Final = 130

_LOOK: Final = 0.5
"""Seconds between two reports, and until it is seen that the processor has stopped."""

_log = logging.getLogger("eventfold.runner")


def main() -> NoReturn:
    """Do what the first line of standard input says, and exit with what came of it."""
    told, tells = _channels()  # until the loop listens to signals, one simply ends it: nothing is in hand
    first = told.readline()
    if not first:
        sys.exit(WELL)  # the parent has gone before it said anything
    task = msgspec.json.decode(first, type=Task)
    sys.path[:] = task.path
    _show(task)
    status = _work(task, told, _Tells(tells))
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, signal.SIG_IGN)  # it is leaving already
    sys.exit(status)


def _channels() -> tuple[FileIO, int]:
    """
    What the parent says and what it hears. The numbers 0 and 1 become what handlers may expect: nothing to read, and
    standard error to print to, for the standard output of the runner is its own.
    """
    told, tells = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return FileIO(told), tells  # no buffer: its lock would be held by a thread when the process ends


def _show(task: Task) -> None:
    """The command line has the whole title; `top` and `ps -A` show the first letters of the processor."""
    with suppress(OSError):  # where there is no such file, the command line is all there is
        Path("/proc/self/comm").write_text(task.processor[:15], encoding="utf-8")


def _work(task: Task, told: FileIO, tells: _Tells) -> int:
    name = title(task.processor, task.number, task.of)
    try:
        app = load(task.app)
    except CannotLoad as error:
        if error.__cause__ is not None:
            traceback.print_exception(error.__cause__)
        _say(f"{name}: {error}")
        return NOT_LOADED
    try:
        return asyncio.run(_until_told(app, task, told, tells))
    except BaseException as error:
        if not isinstance(error, InvalidInput | StoreError):
            traceback.print_exception(error)
        _say(f"{name}: {type(error).__name__}: {error}")
        match error:
            case InvalidInput():
                return REFUSED
            case StoreError():
                return NO_STORE
            case _:
                return FAILED


def _say(sentence: str) -> None:
    with suppress(BrokenPipeError):  # nobody reads it; the exit status is told all the same
        sys.stderr.write(" ".join(sentence.split()) + "\n")
        sys.stderr.flush()


async def _until_told(app: Eventfold, task: Task, told: FileIO, tells: _Tells) -> int:
    loop = asyncio.get_running_loop()
    orders = _Orders()
    for each in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(each, orders.signalled)
    threading.Thread(target=_listen, args=(told, loop, orders, task.kill), name="runner", daemon=True).start()
    try:
        await _run(app, task, orders, tells)
    except asyncio.CancelledError:
        if orders.now:
            return INTERRUPTED
        raise
    except BaseException as error:
        await _call_critical(app.hooks, task.processor, error)
        raise
    return WELL


async def _run(app: Eventfold, task: Task, orders: _Orders, tells: _Tells) -> None:
    begin = app.hooks.after_start
    if begin is not None and inspect.isawaitable(pending := begin(task.processor)):
        await pending
    if orders.drain.is_set():
        return
    async with opened(app, task) as running:
        asked = asyncio.create_task(orders.drain.wait(), name="told to drain")
        try:
            while not asked.done():
                tells.tell(Report("ready", _told(status_of(running, task.processor))))
                await asyncio.wait([asked, *running.tasks], timeout=_LOOK, return_when=asyncio.FIRST_COMPLETED)
                if not asked.done() and all(each.done() for each in running.tasks):
                    status_of(running, task.processor)
                    raise RuntimeError(f"processor {task.processor!r} has ended, and nobody has asked it to")
        finally:
            asked.cancel()
        tells.tell(Report("draining"))
        if not await running.drain(timeout=task.drain):
            tells.tell(Report("cancelled"))
        status_of(running, task.processor)


def _told(status: ProcessorStatus) -> dict[str, Any]:
    told: dict[str, Any] = msgspec.to_builtins(status, enc_hook=str)  # an error in words
    return told


async def _call_critical(hooks: RunnerHooks, processor: str, error: BaseException) -> None:
    if hooks.on_critical is None:
        return
    try:
        if inspect.isawaitable(pending := hooks.on_critical(processor, error)):
            await pending
    except Exception:
        _log.exception("on_critical failed for processor %r; what it should have heard follows", processor)


class _Orders:
    """What has been asked for so far. Asked twice for the same, it does nothing more."""

    def __init__(self) -> None:
        self.drain = asyncio.Event()
        self.now = False
        self._signalled = False
        self._main = asyncio.current_task()

    def obey(self, order: Order) -> None:
        self.drain.set()
        if order is Order.NOW and not self.now:
            self.now = True
            assert self._main is not None
            self._main.cancel()

    def signalled(self) -> None:
        self.obey(Order.NOW if self._signalled else Order.DRAIN)
        self._signalled = True


def _listen(told: FileIO, loop: asyncio.AbstractEventLoop, orders: _Orders, kill: float) -> None:
    """In a thread, so that a child whose loop stands still ends with its parent, too."""
    with suppress(RuntimeError):  # the loop is closed: the child is leaving already
        while order := told.readline():
            loop.call_soon_threadsafe(orders.obey, Order(order.decode().strip()))
        loop.call_soon_threadsafe(orders.obey, Order.DRAIN)
    time.sleep(kill)
    os._exit(FAILED)


class _Tells:
    """Reports go out as far as there is room: one that is never read must not stop the work."""

    def __init__(self, pipe: int) -> None:
        os.set_blocking(pipe, False)
        self._pipe = pipe
        self._rest = b""

    def tell(self, report: Report) -> None:
        self._rest = self._sent(self._rest)
        if not self._rest:
            self._rest = self._sent(line(report))

    def _sent(self, text: bytes) -> bytes:
        """What is left of it."""
        try:
            return text[os.write(self._pipe, text) :] if text else text
        except BlockingIOError:
            return text
        except BrokenPipeError:  # the parent is gone; standard input says so, too
            return b""
