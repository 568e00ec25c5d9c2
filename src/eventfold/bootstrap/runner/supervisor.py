"""The parent: a child in every place, another when one has ended, and a good end for all of them."""

from __future__ import annotations

import asyncio
import inspect
import logging
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final, Literal

from eventfold.bootstrap.hooks import After, Ended, RunnerHooks
from eventfold.bootstrap.runner.backoff import Backoff, Restarts
from eventfold.bootstrap.runner.messages import Happening, Order, Report
from eventfold.bootstrap.runner.process import Child, spawn
from eventfold.bootstrap.runner.worker import Worker

__all__ = ["INTERRUPTED", "Supervisor"]

INTERRUPTED: Final = 130
AT_ONCE: Final = 2.0
"""Seconds that children have which were told to end now: to undo what is in hand, and to let go of their leases."""

_ASK: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_AFTER: Final = ("restart", "leave", "shutdown")

_log = logging.getLogger("eventfold.runner")


class Supervisor:
    """
    Runs children until there is none left.

    A signal, TERM, INT or HUP, asks them to drain, a second one to end at once, a third kills them. Those that are not
    gone in time are killed.

    Args:
        kill: seconds that children have to end.
        tell: hears of everything that happens.
    """

    def __init__(
        self,
        workers: Sequence[Worker],
        hooks: RunnerHooks,
        restarts: Restarts,
        *,
        kill: float,
        tell: Callable[[Happening], None],
    ) -> None:
        self.workers = workers
        self.stopping: asyncio.Event = asyncio.Event()
        self._hooks = hooks
        self._restarts = restarts
        self._kill = kill
        self._tell = tell
        self._children: dict[Worker, Child] = {}
        self._now = False
        self._killing: asyncio.TimerHandle | None = None

    @property
    def ready(self) -> bool:
        """Whether every place that has not been left has a child at work."""
        return not self.stopping.is_set() and all(each.ready for each in self.workers if each.state != "left")

    def listen(self) -> None:
        """To signals, from now on; a hang-up only where nobody has said that it does not matter, as nohup does."""
        loop = asyncio.get_running_loop()
        for each in _ASK:
            if each is not signal.SIGHUP or signal.getsignal(each) is not signal.SIG_IGN:
                loop.add_signal_handler(each, self._signalled, each)

    async def run(self) -> int:
        """The exit status: 0 when the last child in every place has succeeded."""
        try:
            async with asyncio.TaskGroup() as tasks:
                for worker in self.workers:
                    tasks.create_task(self._keep(worker), name=worker.title)
        finally:
            if self._killing is not None:
                self._killing.cancel()
        bad = [each.ended for each in self.workers if each.ended is not None and not _good(each)]
        if not bad:
            return 0
        return INTERRUPTED if all(each.exit_status == INTERRUPTED for each in bad) else 1

    # ----------------------------------------------------------------------------- its end

    def _signalled(self, number: signal.Signals) -> None:
        if not self.stopping.is_set():
            self.stop(number.name)
        elif not self._now:
            self._end_now(number.name)
        else:
            self._kill_all()

    def stop(self, why: str) -> None:
        """Ask every child to drain, and start no other."""
        if self.stopping.is_set():
            return
        self.stopping.set()
        self._tell(Happening("stopping", why=why))
        for child in self._children.values():
            child.order(Order.DRAIN)
        self._kill_after(self._kill)

    def _end_now(self, why: str) -> None:
        self._now = True
        self._tell(Happening("now", why=why))
        for child in self._children.values():
            child.order(Order.NOW)
        self._kill_after(min(AT_ONCE, self._kill))

    def _kill_after(self, seconds: float) -> None:
        if self._killing is not None:
            self._killing.cancel()
        self._killing = asyncio.get_running_loop().call_later(seconds, self._kill_all)

    def _kill_all(self) -> None:
        for worker, child in self._children.items():
            self._happens("killed", worker)
            child.kill()

    # -------------------------------------------------------------------------- one place

    async def _keep(self, worker: Worker) -> None:
        backoff = Backoff(self._restarts)
        while not self.stopping.is_set():
            ended = await self._live(worker)
            after = "restart" if ended is None else await self._ask(ended, worker)
            if self.stopping.is_set():
                return
            if after != "restart":
                worker.state = "left"
                self._happens("left", worker)
                if after == "shutdown":
                    self.stop(f"after_end of {worker.task.processor}")
                return
            worker.state = "waiting"
            worker.restarts += 1
            pause = backoff.pause(0.0 if ended is None else worker.lived)
            self._happens("restarting", worker, delay=pause)
            with suppress(TimeoutError):
                await asyncio.wait_for(self.stopping.wait(), pause)

    async def _live(self, worker: Worker) -> Ended | None:
        """From a child's beginning to its end. None: the system starts no process just now."""

        def hear(report: Report) -> None:
            news = report.state == "cancelled" or (report.state == "ready" and worker.ready_since is None)
            worker.hears(report)
            if news and report.state != "draining":
                self._happens(report.state, worker)

        try:
            child = await spawn(worker.task, hear)
        except OSError as error:
            self._happens("not started", worker, why=str(error))
            return None
        self._children[worker] = child
        try:
            worker.starts(child.pid)
            self._happens("starting", worker)
            if self.stopping.is_set():  # while it was being started
                child.order(Order.NOW if self._now else Order.DRAIN)
            status = await child.ended()
        finally:
            del self._children[worker]
            child.close()
        ended = worker.ends(status, asked=self.stopping.is_set())
        gone = Happening("ended", ended.processor, ended.number, ended.pid, ended.exit_status, ended.signal)
        self._tell(gone)
        return ended

    async def _ask(self, ended: Ended, worker: Worker) -> After:
        if self._hooks.after_end is None:
            return "restart"
        try:
            answer = self._hooks.after_end(ended)
            after = await answer if inspect.isawaitable(answer) else answer
        except Exception as error:
            _log.exception("after_end failed for %r", ended)
            self._happens("hook failed", worker, why=f"{type(error).__name__}: {error}")
            return "restart"
        if after is not None and after not in _AFTER:
            self._happens("hook failed", worker, why=f"it returned {after!r}; there are {', '.join(_AFTER)}")
            return "restart"
        return after or "restart"

    def _happens(
        self,
        what: Literal["starting", "ready", "cancelled", "restarting", "left", "killed", "hook failed", "not started"],
        worker: Worker,
        *,
        delay: float | None = None,
        why: str | None = None,
    ) -> None:
        task = worker.task
        self._tell(Happening(what, task.processor, task.number, worker.pid, delay=delay, why=why))


def _good(worker: Worker) -> bool:
    """
    Its last child has succeeded. So has one that a signal to all processes met before it could listen: it was asked to
    end, and had nothing in hand.
    """
    ended = worker.ended
    assert ended is not None, "it has ended"
    if ended.well:
        return True
    return ended.asked and ended.signal in {signal.SIGTERM, signal.SIGINT} and worker.ready_since is None
