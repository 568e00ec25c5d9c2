"""What waits for one bus: as many events as it may, and commands wait when there are more."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

from eventfold.commands.at_work import AtWork, at_work, is_at_work
from eventfold.domain.message import Recorded
from eventfold.errors import ProcessingError
from eventfold.ports.bus import BACKLOG, Bus, name_of
from eventfold.ports.telemetry import SILENT, Telemetry

__all__ = ["Outbox", "Tell"]

Tell: TypeAlias = Callable[[Recorded[Any], str, BaseException], None]

MOST_BYTES: Final = 16 * 1024 * 1024
"""Of events that wait for one bus, beside the number of them."""
_LAST_WORD: Final = 1.0

_log = logging.getLogger("eventfold.commands")


class Outbox:
    """
    Publishes on one bus, one event after the other, in a task of its own.

    A bus that fails on an event goes on with the next one; one that is slow keeps nobody waiting but those who have
    more for it than may wait.
    """

    def __init__(self, bus: Bus, telemetry: Telemetry, tell: Tell) -> None:
        self.bus = bus
        self.name: str = name_of(bus)
        self._telemetry = telemetry
        self._silent = telemetry is SILENT
        self._tell = tell
        self._most: int = getattr(bus, "backlog", BACKLOG)
        self._waiting: deque[Recorded[Any]] = deque()
        self._bytes = 0
        self._news = asyncio.Event()
        self._room = asyncio.Event()
        self._closing = self._closed = False
        self._task = asyncio.create_task(self._publish_all(), name=f"bus {self.name}")

    def offer(self, events: Sequence[Recorded[Any]]) -> int:
        """Take as many of them as there is room for; how many that were. A closed one takes all, and tells."""
        taken = 0
        for recorded in events:
            if self._closed:
                self._tell(recorded, self.name, self._too_late(recorded))
            elif self._has_room():
                self._waiting.append(recorded)
                self._bytes += _size(recorded)
            else:
                break
            taken += 1
        if taken:
            self._news.set()
        return taken

    async def room(self) -> None:
        """Return when there may be room for another event."""
        if not self._has_room() and not self._closed:
            self._room.clear()
            await self._room.wait()

    def lost(self, recorded: Recorded[Any]) -> None:
        """Tell that nobody waits any more for there to be room for it."""
        why = f"bus {self.name!r} was full, and the command that waited for it was cancelled: not published there"
        self._tell(recorded, self.name, ProcessingError(recorded, self.name, None, why))

    async def close(self, deadline: float) -> None:
        """Publish what waits, at most `deadline` seconds, and tell of the rest."""
        self._closing = True
        self._news.set()
        try:
            await asyncio.wait([self._task], timeout=deadline)
        finally:
            self._closed = True
            self._task.cancel()
            while self._waiting:
                recorded = self._waiting.popleft()
                self._tell(recorded, self.name, self._too_late(recorded))
            self._room.set()
        _, running = await asyncio.wait([self._task], timeout=_LAST_WORD)
        if running:
            _log.error("bus %r does not let itself be cancelled; it is left behind", self.name)

    def _has_room(self) -> bool:
        if len(self._waiting) < self._most and (self._bytes < MOST_BYTES or not self._waiting):
            return True
        within = is_at_work()
        return within is not None and within.of_bus  # a bus that executes commands would wait for itself

    async def _publish_all(self) -> None:
        while True:
            await self._news.wait()
            while self._waiting:
                recorded = self._waiting[0]
                await self._publish(recorded)
                if self._closed:  # a bus that did not let itself be cancelled: the rest has been told
                    return
                self._waiting.popleft()
                self._bytes -= _size(recorded)
                self._room.set()
            if self._closing:
                return
            self._news.clear()

    async def _publish(self, recorded: Recorded[Any]) -> None:
        task = asyncio.current_task()
        assert task is not None
        before = task.cancelling()
        this = AtWork(1, of_bus=True)
        token = at_work.set(this)
        try:
            if self._silent:
                await self.bus.publish(recorded)
            else:
                id, stream = str(recorded.event_id), str(recorded.stream)
                with self._telemetry.span(
                    "publish", continues=recorded.stored, bus=self.name, event_id=id, stream=stream
                ):
                    await self.bus.publish(recorded)
        except asyncio.CancelledError as error:
            if task.cancelling() > before:  # it is we who end
                raise
            self._tell(recorded, self.name, error)
        except Exception as error:
            self._tell(recorded, self.name, error)
        finally:
            this.over = True
            at_work.reset(token)

    def _too_late(self, recorded: Recorded[Any]) -> ProcessingError:
        why = f"the application was closed before bus {self.name!r} had published it; perhaps it has, perhaps not"
        return ProcessingError(recorded, self.name, None, why)


def _size(recorded: Recorded[Any]) -> int:
    return len(recorded.stored.data or b"")
