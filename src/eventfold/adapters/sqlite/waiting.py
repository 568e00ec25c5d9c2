"""The appends of this process that wait for a transaction."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import TypeAlias

from eventfold.adapters.sqlite.group import Job, Outcome
from eventfold.adapters.sqlite.pace import LARGEST_GROUP
from eventfold.errors import StoreError
from eventfold.ports.event_store import Appended

__all__ = ["Group", "WaitingAppends", "settle", "told"]

Group: TypeAlias = list[tuple[Job, int, asyncio.Future[Appended]]]
"""Jobs, how many events each has, and whom to tell."""


class WaitingAppends:
    """A queue that the loop fills. The loop or the writer's thread takes from it, never both at once."""

    def __init__(self) -> None:
        self._queue: deque[tuple[Job, int, asyncio.Future[Appended]]] = deque()

    def __bool__(self) -> bool:
        return bool(self._queue)

    def add(self, job: Job, events: int, stored: asyncio.Future[Appended]) -> None:
        self._queue.append((job, events, stored))

    def join(self, group: Group) -> int:
        """All that wait join the group, less what was cancelled, up to its size; how many events it has then."""
        events = sum(size for _, size, _ in group)
        while self._queue and events < LARGEST_GROUP:
            one = self._queue.popleft()
            if not one[2].cancelled():
                group.append(one)
                events += one[1]
        return events


def settle(group: Group, outcomes: Sequence[Outcome]) -> None:
    """Tell everybody who is still there what has become of theirs."""
    for (_, _, stored), outcome in zip(group, outcomes, strict=True):
        if stored.done():
            continue
        if isinstance(outcome, Exception):
            stored.set_exception(outcome)
        else:
            stored.set_result(outcome)


def told(error: BaseException) -> Exception:
    return error if isinstance(error, Exception) else StoreError(f"the writer was interrupted: {error!r}")
