"""How a child uses the application: open it for one processor, and see whether that has failed."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from datetime import timedelta

from eventfold.bootstrap.application import Eventfold
from eventfold.bootstrap.runner.messages import Task
from eventfold.bootstrap.running import Running
from eventfold.processing.processor import ProcessorStatus

__all__ = ["opened", "status_of"]


def opened(app: Eventfold, task: Task) -> AbstractAsyncContextManager[Running]:
    lease = timedelta(seconds=task.lease)
    return app.open(task.url, run=[task.processor], lease=lease, standby=task.standby)


def status_of(running: Running, processor: str) -> ProcessorStatus:
    """Raises ProcessingError when the processor has failed."""
    status = running.status()[processor]
    if status.stopped and status.error is not None:
        raise status.error
    return status
