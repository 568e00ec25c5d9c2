"""Writes to the ledger of effects: what many functions ask for in one turn of the loop goes into one call."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Final, Generic, TypeAlias, TypeVar

from eventfold.errors import EventfoldError
from eventfold.ports.actions import Action, Actions, Intent

__all__ = ["Ledger"]

_log = logging.getLogger("eventfold.processing")

Item = TypeVar("Item")
Answer = TypeVar("Answer")
Outcome: TypeAlias = tuple[Intent, bytes | None]

_FIRST_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 5.0


class Ledger:
    """
    The ledger as the functions of one portion of events use it, many at a time.

    What has come of an action is known here and nowhere else, so it is entered however long the store is busy or away:
    only `finish` puts an end to that.

    Args:
        sure: whether the events are certainly still ours, so that what cannot be undone may be done.
    """

    def __init__(self, actions: Actions, reactor: str, epoch: int, sure: Callable[[], bool] = lambda: True) -> None:
        self.epoch = epoch
        self.sure = sure
        self._actions = actions
        self._reactor = reactor
        self._closing = asyncio.Event()
        self._unanswered: set[tuple[bytes, str]] = set()
        self._intending: _Line[Intent, Action | None] = _Line(actions.intend)
        self._settling: _Line[Outcome, None] = _Line(self._settle)
        self._withdrawing: _Line[Intent, None] = _Line(self._withdraw)
        self._doubting: _Line[Intent, None] = _Line(self._doubt)

    async def intend(self, event_id: bytes, key: str) -> tuple[Intent, Action | None]:
        """
        Enter that something will be done. None beside it: it may be; else what the ledger has of it already.

        Whoever is cancelled meanwhile has not begun, and the entry is struck out again.
        """
        intent = Intent(self._reactor, event_id, key, self.epoch)
        asked = self._intending.ask(intent)
        try:
            found = await asyncio.shield(asked)
        except asyncio.CancelledError:
            asked.add_done_callback(partial(self._take_back, intent))
            raise
        except EventfoldError as error:
            if error.retryable:
                self._unanswered.add((event_id, key))
            raise
        unanswered = (event_id, key) in self._unanswered
        self._unanswered.discard((event_id, key))
        if unanswered and found is not None and found.status == "intended" and 0 < found.epoch == self.epoch:
            return intent, None  # the entry is ours, from the call that got no answer: nobody has begun
        return intent, found

    async def settle(self, intent: Intent, result: bytes | None) -> None:
        """It is done. Entered also when whoever waits for it is cancelled meanwhile."""
        await self._settling.ask((intent, result))

    async def withdraw(self, intent: Intent) -> None:
        """It has certainly not been done."""
        await self._withdrawing.ask(intent)

    async def doubt(self, intent: Intent) -> None:
        """Nobody can say whether it was done."""
        await self._doubting.ask(intent)

    async def finish(self) -> None:
        """Return when everything is entered that was asked for. What the store refuses now is tried no more."""
        self._closing.set()
        for line in (self._intending, self._withdrawing, self._settling, self._doubting):
            await line.finish()

    def _take_back(self, intent: Intent, asked: asyncio.Future[Action | None]) -> None:
        if not asked.cancelled() and asked.exception() is None and asked.result() is None:
            self._withdrawing.ask(intent).add_done_callback(_retrieved)

    # ---------------------------------------------------------------------------- calls

    async def _settle(self, outcomes: Sequence[Outcome]) -> Sequence[None]:
        await self._surely("done", outcomes, self._actions.settle)
        return [None] * len(outcomes)

    async def _withdraw(self, intents: Sequence[Intent]) -> Sequence[None]:
        await self._surely("not done", intents, self._actions.withdraw)
        return [None] * len(intents)

    async def _doubt(self, intents: Sequence[Intent]) -> Sequence[None]:
        await self._actions.doubt(intents)
        return [None] * len(intents)

    async def _surely(
        self, known: str, items: Sequence[Item], call: Callable[[Sequence[Item]], Awaitable[None]]
    ) -> None:
        pause = _FIRST_PAUSE
        while True:
            last = self._closing.is_set()
            try:
                return await call(items)
            except EventfoldError as error:
                said = f"reactor {self._reactor!r}: {len(items)} action(s) are {known}, which could not be entered"
                if last or not error.retryable:
                    _log.error("%s; they will be found unknown: %s", said, error)
                    raise
                _log.warning("%s and is tried again: %s", said, error)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), pause)
            pause = min(pause * 2, _LONGEST_PAUSE)


class _Line(Generic[Item, Answer]):
    """Those who wait are served by one call together; while it is under way, the next ones gather."""

    def __init__(self, call: Callable[[Sequence[Item]], Awaitable[Sequence[Answer]]]) -> None:
        self._call = call
        self._waiting: list[tuple[Item, asyncio.Future[Answer]]] = []
        self._serving: asyncio.Task[None] | None = None

    def ask(self, item: Item) -> asyncio.Future[Answer]:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Answer] = loop.create_future()
        self._waiting.append((item, answer))
        if self._serving is None:
            self._serving = loop.create_task(self._serve())  # it begins when this turn of the loop is over
        return answer

    async def finish(self) -> None:
        while self._serving is not None:
            await asyncio.wait([self._serving])

    async def _serve(self) -> None:
        try:
            while self._waiting:
                served, self._waiting = self._waiting, []
                try:
                    answers = await self._call([item for item, _ in served])
                except Exception as error:
                    for _, waiting in served:
                        if not waiting.done():
                            waiting.set_exception(error)
                else:
                    for (_, waiting), answer in zip(served, answers, strict=True):
                        if not waiting.done():
                            waiting.set_result(answer)
        finally:
            self._serving = None


def _retrieved(answer: asyncio.Future[None]) -> None:
    """Its error has been logged; nobody waits for it."""
    if not answer.cancelled():
        answer.exception()
