"""One place for a child, and what is known of whoever has it."""

from __future__ import annotations

import time
from typing import Any, Final, Literal

from eventfold.bootstrap.hooks import Ended
from eventfold.bootstrap.runner.messages import Report, Task, title

__all__ = ["FRESH", "Worker"]

FRESH: Final = 5.0
"""Seconds after which a child that has said nothing counts as one that stands still."""


class Worker:
    """
    One of a processor's processes: there should be a child in it all the time.

    `state`: waiting (for its first child, or the next) · starting · ready · draining · ended · left (for good).
    """

    def __init__(self, task: Task) -> None:
        self.task = task
        self.title: str = title(task.processor, task.number, task.of)
        self.state: Literal["waiting", "starting", "ready", "draining", "ended", "left"] = "waiting"
        self.pid: int | None = None
        self.restarts = 0
        self.ended: Ended | None = None
        self.ready_since: float | None = None
        self._report: Report | None = None
        self._heard_at = 0.0

    def starts(self, pid: int) -> None:
        self.pid, self.state = pid, "starting"
        self.ready_since = self._report = None

    def hears(self, report: Report) -> None:
        self._report = report if report.status is not None else self._report
        self._heard_at = time.monotonic()
        if report.state == "ready":
            self.state = "ready"
            self.ready_since = self.ready_since or self._heard_at
        else:
            self.state = "draining"

    def ends(self, status: int, *, asked: bool) -> Ended:
        assert self.pid is not None, "it has been started"
        self.ended = Ended(
            self.task.processor,
            self.task.number,
            self.pid,
            exit_status=status if status >= 0 else None,
            signal=-status if status < 0 else None,
            restarts=self.restarts,
            asked=asked,
        )
        self.pid, self.state = None, "ended"
        return self.ended

    @property
    def lived(self) -> float:
        """Seconds since its child has had the store open."""
        return 0.0 if self.ready_since is None else time.monotonic() - self.ready_since

    @property
    def ready(self) -> bool:
        """Its child has the store open, and its loop does not stand still."""
        return self.state == "ready" and time.monotonic() - self._heard_at < FRESH

    def details(self) -> dict[str, Any]:
        """For who may know everything."""
        return {
            "processor": self.task.processor,
            "number": self.task.number,
            "of": self.task.of,
            "state": self.state,
            "ready": self.ready,
            "pid": self.pid,
            "restarts": self.restarts,
            "seconds_since_report": None if self._report is None else round(time.monotonic() - self._heard_at, 1),
            "status": None if self._report is None else self._report.status,
            "last_exit_status": None if self.ended is None else self.ended.exit_status,
            "last_signal": None if self.ended is None else self.ended.signal,
        }
