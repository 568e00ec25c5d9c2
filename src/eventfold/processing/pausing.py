"""A processor moves while the store lets it: any process may pause it, and let it go on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextlib import contextmanager
from typing import Any, Final

from eventfold.errors import StoreBusy, StoreUnavailable
from eventfold.ports.processors import ProcessorRegister

__all__ = ["LOOK", "Pausable"]

LOOK: Final = 0.25
"""Seconds between two looks whether a processor is paused."""


class Pausable:
    """
    Runs one task that follows the store, and none while the processor is paused.

    That task says `with batch():` around each batch, which is finished before a pause begins. A pause ends an idle
    task at once; the next begins only when the one before has ended, so there are never two.
    """

    def __init__(self, register: ProcessorRegister, name: str, changed: Callable[[], None]) -> None:
        self.paused = False
        self.in_hand = False
        self._register = register
        self._name = name
        self._changed = changed

    @contextmanager
    def batch(self) -> Generator[None]:
        self.in_hand = True
        try:
            yield
        finally:
            self.in_hand = False

    async def run(self, follow: Callable[[], Coroutine[Any, Any, None]], again: Callable[[], Awaitable[None]]) -> None:
        """
        Until it fails.

        Args:
            follow: follows the store; returns after a batch when it finds `paused` set.
            again: called before it goes on after a pause, during which its checkpoint may have been reset.
        """
        while True:
            await self._until_allowed(again)
            following = asyncio.create_task(follow(), name=f"{self._name} following")
            try:
                await self._until_paused(following)
            finally:
                following.cancel()
                await asyncio.wait([following])
                failure = None if following.cancelled() else following.exception()
            if failure is not None:
                raise failure

    async def _until_paused(self, following: asyncio.Task[None]) -> None:
        while not following.done():
            await asyncio.wait([following], timeout=LOOK)
            if not following.done() and await self._is_paused():
                self.paused = True
                if self.in_hand:
                    await asyncio.wait([following])
                return

    async def _until_allowed(self, again: Callable[[], Awaitable[None]]) -> None:
        while await self._is_paused():
            self.paused = True
            self._changed()
            await asyncio.sleep(LOOK)
        if self.paused:
            await self._begin(again)
            self.paused = False
            self._changed()

    async def _is_paused(self) -> bool:
        try:
            return await self._register.is_paused(self._name)
        except (StoreBusy, StoreUnavailable):  # then it stays as it was; what follows the store will say why
            return self.paused

    @staticmethod
    async def _begin(again: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                return await again()
            except StoreBusy:  # another process holds the store for long: that is no reason to stop
                await asyncio.sleep(LOOK)
