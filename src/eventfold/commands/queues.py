"""After a conflict, this process's commands for one thing queue up, so that only other processes can conflict."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Hashable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Generic, TypeVar

__all__ = ["ConflictQueues"]

K = TypeVar("K", bound=Hashable)


class ConflictQueues(Generic[K]):
    """
    A queue for each thing that commands have conflicted about, and none for the others.

    Args:
        order: of the things, as `sorted` takes it: two commands that share several never wait for each other.
    """

    def __init__(self, order: Callable[[K], Any]) -> None:
        self._order = order
        self._queues: dict[K, tuple[asyncio.Lock, int]] = {}

    def __len__(self) -> int:
        return len(self._queues)

    def free(self, things: Iterable[K]) -> bool:
        """Whether nobody queues for any of them."""
        return self._queues.keys().isdisjoint(things)

    @asynccontextmanager
    async def turn(self, things: Iterable[K]) -> AsyncGenerator[None]:
        """Inside, nobody else in a queue for one of them."""
        ordered = sorted(set(things), key=self._order)
        for each in ordered:
            lock, users = self._queues.get(each) or (asyncio.Lock(), 0)
            self._queues[each] = (lock, users + 1)
        try:
            async with AsyncExitStack() as held:
                for each in ordered:
                    await held.enter_async_context(self._queues[each][0])
                yield
        finally:
            for each in ordered:
                lock, users = self._queues[each]
                if users == 1:
                    del self._queues[each]
                else:
                    self._queues[each] = (lock, users - 1)
