"""Rows of time-outs, written together: what many processes say at once goes into one transaction."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from eventfold.ports.timers import Gone, Timer, Timers

__all__ = ["TimerRows"]


class TimerRows:
    """
    While one transaction is written, whoever comes waits for the next one, which is for all of them.

    When it fails, or whoever writes it is cancelled, the next of those who wait for it tries again: rows may be written
    twice. Of what is said about one key in the meantime the last word counts; who says it has read the stream last.
    """

    def __init__(self, timers: Timers) -> None:
        self._timers = timers
        self._turn = asyncio.Lock()
        self._next = _Together()

    async def keep(self, planned: Sequence[Timer], gone: Sequence[Gone]) -> None:
        """Enter and strike out; they are written when it returns. Raises whatever `Timers.keep` raises."""
        mine = self._next
        mine.words |= {(each.instance, each.key): each for each in gone}
        mine.words |= {(each.instance, each.key): each for each in planned}
        async with self._turn:
            if mine.written:
                return
            if mine is self._next:
                self._next = _Together()
            words = mine.words.values()
            await self._timers.keep(
                [each for each in words if isinstance(each, Timer)], [each for each in words if isinstance(each, Gone)]
            )
            mine.written = True


class _Together:
    """What one transaction says, of one manager."""

    def __init__(self) -> None:
        self.words: dict[tuple[str, str], Timer | Gone] = {}
        self.written = False
