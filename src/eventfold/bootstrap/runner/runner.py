"""`eventfold run`, for programs."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
from collections.abc import Callable, Collection, Mapping
from contextlib import AsyncExitStack
from datetime import timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Final

from eventfold.adapters.system import system_clock
from eventfold.bootstrap.application import Eventfold
from eventfold.bootstrap.hooks import RunnerHooks
from eventfold.bootstrap.runner.backoff import Restarts
from eventfold.bootstrap.runner.health import Health, answering, check
from eventfold.bootstrap.runner.loading import load
from eventfold.bootstrap.runner.messages import Happening, Task
from eventfold.bootstrap.runner.supervisor import Supervisor
from eventfold.bootstrap.runner.worker import Worker
from eventfold.bootstrap.stores import open_stores
from eventfold.bootstrap.urls import scheme_of
from eventfold.errors import InvalidInput

__all__ = ["Runner"]

MOST_PROCESSES: Final = 1_000
SHORTEST_LEASE: Final = timedelta(seconds=0.3)
"""As `app.open` has it."""

_log = logging.getLogger("eventfold.runner")


class Runner:
    """
    Runs the processors of an application, each in a child process of its own, until a signal ends it.

    On TERM, INT or HUP every child stops fetching, finishes the batch in hand and lets go of its leases; what is not
    finished after `drain` is given up, undone; a child that is still there after `kill` is killed. A second one gives
    up at once. A child that has ended by itself is started again, after a pause that grows. When the runner is killed,
    its children drain and end.

    Args:
        app: `module:app`, or `module:factory()`; children import it by this name, and the parent does, too.
        url: of a store that several processes can open.
        only: names of processors; all of them otherwise.
        processes: how many children a processor gets, by name; one otherwise. They share its partitions.
        lease: how long a child that has vanished keeps its partitions from others.
        standby: a processor that runs elsewhere is waited for; otherwise its child fails.
        drain: for the batch in hand.
        kill: for everything, from the signal on.
        restarts: pauses before a child is started again.
        health: where health is answered for; needs `eventfold[web]`.
        tell: called with everything that happens; it goes to the log otherwise.

    Raises:
        InvalidInput: a store in memory, an unknown processor, no processor at all, or a time that is none.
    """

    def __init__(
        self,
        app: str,
        url: str,
        *,
        only: Collection[str] | None = None,
        processes: Mapping[str, int] | None = None,
        lease: timedelta = timedelta(seconds=10),
        standby: bool = True,
        drain: timedelta = timedelta(seconds=10),
        kill: timedelta = timedelta(seconds=30),
        restarts: Restarts | None = None,
        health: Health | None = None,
        tell: Callable[[Happening], None] | None = None,
    ) -> None:
        if scheme_of(url) == "memory":
            raise InvalidInput("memory: every process would have a store of its own; name a file or a server")
        if lease < SHORTEST_LEASE:
            raise InvalidInput(f"a lease of {_s(lease)}: at least {_s(SHORTEST_LEASE)}")
        if kill <= timedelta(0):
            raise InvalidInput(f"{_s(kill)} until children are killed: more than nothing")
        if not timedelta(0) <= drain <= kill:
            raise InvalidInput(f"{_s(drain)} to drain: not more than the {_s(kill)} after which children are killed")
        if health is not None:
            check(health)
        self._app = app
        self._url = url
        self._only = only
        self._processes = processes or {}
        self._lease = lease
        self._standby = standby
        self._drain = drain
        self._kill = kill
        self._restarts = restarts or Restarts()
        self._health = health
        self._teller = tell or _to_the_log

    def run(self) -> int:
        """
        Run until everything has ended, in the main thread of a process, for signals come there.

        Returns:
            0 when the last child of every place has succeeded, 130 when a second signal has ended some of them, else 1.

        Raises:
            CannotLoad: there is no such application.
            InvalidInput: an unknown processor, none at all, or nobody can listen on the health port.
            StoreError: the store cannot be opened.
        """
        if threading.current_thread() is not threading.main_thread():
            raise InvalidInput("a runner listens to signals; call run() in the main thread of its process")
        app = load(self._app)
        return asyncio.run(self._run([Worker(each) for each in self._tasks(app)], app.hooks))

    async def _run(self, workers: list[Worker], hooks: RunnerHooks) -> int:
        supervisor = Supervisor(workers, hooks, self._restarts, kill=self._kill.total_seconds(), tell=self._tell)
        supervisor.listen()
        async with open_stores(self._url, clock=system_clock, migrate=True):
            pass  # what cannot be opened is said once, by the parent, and the tables are made
        async with AsyncExitStack() as stack:
            if self._health is not None:
                address = await stack.enter_async_context(answering(self._health, supervisor))
                self._tell(Happening("health", why=address))
            status = await supervisor.run()
        self._tell(Happening("done", exit_status=status))
        return status

    def _tell(self, happening: Happening) -> None:
        try:
            self._teller(happening)
        except Exception:  # children are looked after all the same
            _log.exception("the function that is told what happens failed on %s", happening)

    def _tasks(self, app: Eventfold) -> list[Task]:
        known = [each.name for each in app.processors]
        wanted = known if self._only is None else [name for name in known if name in self._only]
        for name in (*(self._only or ()), *self._processes):
            if name not in known:
                raise InvalidInput(f"{self._app} has no processor {name!r}{_near(name, known)}")
        for name, count in self._processes.items():
            if not 1 <= count <= MOST_PROCESSES:
                raise InvalidInput(f"{count} processes for {name!r}: between 1 and {MOST_PROCESSES}")
            if name not in wanted:
                raise InvalidInput(f"processes for {name!r}, which is not among those to run: {sorted(wanted)}")
        if not wanted:
            raise InvalidInput(f"{self._app} has no processor to run; add some with Eventfold(processors=[…])")
        path = tuple(each or str(Path.cwd()) for each in sys.path)
        return [
            Task(
                self._app,
                self._url,
                name,
                number,
                of=self._processes.get(name, 1),
                path=path,
                lease=self._lease.total_seconds(),
                standby=self._standby,
                drain=self._drain.total_seconds(),
                kill=self._kill.total_seconds(),
            )
            for name in wanted
            for number in range(1, self._processes.get(name, 1) + 1)
        ]


def _s(length: timedelta) -> str:
    return f"{length.total_seconds():g}s"


def _near(name: str, known: list[str]) -> str:
    close = get_close_matches(name, known, n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; there are {', '.join(map(repr, known)) or 'none'}"


def _to_the_log(happening: Happening) -> None:
    level = logging.WARNING if happening.what in {"killed", "cancelled", "hook failed", "not started"} else logging.INFO
    _log.log(level, "%s", happening)
