"""A bus within the process: what is published is taken by whoever iterates, in order."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, Final, Self

from eventfold.domain.message import Recorded
from eventfold.errors import InvalidInput

__all__ = ["Channel"]

CAPACITY: Final = 100


class Channel:
    """
    Events of this process for a task of this process: `async for recorded in channel`.

    It holds so many events and no more: then who executes commands waits for who takes them. Nothing is lost while both
    run, and order is kept. Several may iterate; each event goes to one of them.
    Who iterates must not wait for a command of which the events come back into this channel: when it is full, that one
    waits for him. Let another task execute it.

    Args:
        capacity: events that it holds.
        name: by which it is called in logs and traces.

    Raises:
        InvalidInput: a capacity below 1.
    """

    backlog: Final = 1  # what waits is in here

    def __init__(self, *, capacity: int = CAPACITY, name: str = "Channel") -> None:
        if capacity < 1:
            raise InvalidInput(f"capacity={capacity}: a channel holds at least one event")
        self.name = name
        self._capacity = capacity
        self._events: deque[Recorded[Any]] = deque()
        self._changed = asyncio.Condition()
        self._closed = False

    def __len__(self) -> int:
        """Events that wait to be taken."""
        return len(self._events)

    async def publish(self, recorded: Recorded[Any]) -> None:
        """Put the event in, when there is room. A closed channel takes no more."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._closed or len(self._events) < self._capacity)
            if self._closed:
                raise InvalidInput(f"channel {self.name!r} is closed")
            self._events.append(recorded)
            self._changed.notify_all()

    async def close(self) -> None:
        """Iterating ends when what is in it has been taken."""
        async with self._changed:
            self._closed = True
            self._changed.notify_all()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Recorded[Any]:
        async with self._changed:
            await self._changed.wait_for(lambda: self._closed or self._events)
            if not self._events:
                raise StopAsyncIteration
            recorded = self._events.popleft()
            self._changed.notify_all()
            return recorded
