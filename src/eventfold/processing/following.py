"""One partition of a processor at work: follow the log, have events handled, come back to what was parked."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from itertools import groupby
from typing import Final, Literal, Protocol, runtime_checkable

import msgspec

from eventfold.domain.message import StoredEvent
from eventfold.domain.query import Query
from eventfold.errors import Fenced, StoreFull, StoreUnavailable
from eventfold.ports.parking import Parked, Settled
from eventfold.ports.telemetry import HANDLED
from eventfold.processing.gathering import gathered
from eventfold.processing.place import HINDRANCES, NO_EVENT_IS_TO_BLAME, Left, Place, in_words
from eventfold.processing.surroundings import Surroundings

__all__ = ["Follower", "Hands", "KeepsTime"]

_log = logging.getLogger("eventfold.processing")

_AFTER_BUSY: Final = 0.1
_FIRST_PAUSE: Final = 0.25
_LONGEST_PAUSE: Final = 5.0
_UNSAVED: Final = 10_000
"""Events of other partitions that are passed, at most, before the checkpoint is moved over them."""
_AT_ONCE: Final = 10_000
"""Parked events that are in memory at once, if no more of them have to be."""
_EVERYTHING: Final = Query.all()
_KEEPS_TIME: Final = 0
"""The partition whose follower does what is to be done beside events."""


class Hands(Protocol):
    """What a kind of processor does with events: rows, or actions."""

    @property
    def most(self) -> int:
        """Events it wants at once, at most."""
        ...

    @property
    def interval(self) -> float:
        """Seconds for which it wants to wait for more of them."""
        ...

    async def handle(self, events: Sequence[StoredEvent], place: Place) -> None:
        """
        Handle them in order, and move the place over them: all, or those before the error.

        Raises:
            ProcessingError: the processor stops here.
            Left: it was asked to leave.
            Fenced, StoreError, RetryTransaction: nothing is wrong with the events.
        """
        ...

    async def settle(self, event: StoredEvent, settled: Settled) -> None:
        """
        Handle an event that was parked, and settle it.

        Raises:
            whatever its function raises: it stays parked.
            Fenced, StoreError, RetryTransaction: nothing is wrong with the event.
        """
        ...


@runtime_checkable
class KeepsTime(Protocol):
    """Hands that have something to do beside events: what comes when its time has come."""

    ignored: int
    """Events that came too late for it, in this process."""

    async def by_itself(self, place: Place) -> None:
        """
        Do it until it is cancelled, or the place is left. One partition of the processor in the world does.

        Raises:
            whatever is wrong: the processor stops here.
        """
        ...


class Follower:
    """
    Follows until it is asked to leave, or the processor has to stop.

    A store that is busy, full or away keeps it waiting, and no more.
    """

    def __init__(self, hands: Hands, place: Place, query: Query, around: Surroundings) -> None:
        self.place = place
        self.in_hand: bool = False
        """Events are being handled; whoever wants it to leave waits for their end."""
        self.grants: bool = False
        """It does what people have asked for."""
        self.end: int = 0
        """The end of the query, as far as anybody has looked."""
        self.waits_since: int | None = None
        """When the first event that is not yet handled was recorded, in µs since 1970; None: there is none."""
        self.handled: int = 0
        """Events, since it began."""
        self.progressed: Callable[[], None] = _nobody
        """Called after each portion."""
        self._hands = hands
        self._query = query
        self._around = around

    async def follow(self) -> None:
        """
        Raises:
            ProcessingError: the processor stops here; Fenced: somebody else has moved its checkpoint.
        """
        if not isinstance(self._hands, KeepsTime) or self.place.partition != _KEEPS_TIME:
            await self._follow()
            return
        try:
            async with asyncio.TaskGroup() as tasks:
                beside = tasks.create_task(self._hands.by_itself(self.place), name=f"{self.place.processor} by itself")
                await self._follow()
                beside.cancel()
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None  # the first of them has ended the other

    async def _follow(self) -> None:
        pause = 0.0
        while not self.place.leaving.is_set():
            try:
                await self._look_after_parked()
                async with aclosing(self._handled(self._hands.interval)) as portions:
                    async for _ in portions:
                        if pause:
                            pause = 0.0
                            await self.place.unhindered()
                        self.progressed()
                        if self.place.leaving.is_set():
                            return
            except Left:
                return
            except HINDRANCES as hindrance:
                self.in_hand = False
                if not isinstance(hindrance, StoreUnavailable | StoreFull):
                    pause = _AFTER_BUSY
                else:
                    pause = min(pause * 2, _LONGEST_PAUSE) if pause else _FIRST_PAUSE
                try:
                    await self.place.hindered(hindrance, pause)
                except Left:
                    return

    async def catch_up(self) -> None:
        """
        Handle what is in the store now, and return.

        Raises:
            ProcessingError: an event could not be handled.
        """
        await self._look_after_parked()
        async with aclosing(self._handled(0.0)) as portions:  # nothing more is waited for
            async for caught_up in portions:
                if caught_up:
                    return

    async def _handled(self, interval: float) -> AsyncGenerator[bool]:
        """After each portion of the subscription that has been handled: whether nothing more is in the store."""
        place = self.place
        async with (
            self._around.source.subscribe(self._query, after=place.reached) as batches,
            aclosing(gathered(batches, most=self._hands.most, interval=interval, mine=place.mine)) as portions,
        ):
            async for portion in portions:
                if portion.last is not None:
                    self.end = max(self.end, portion.last.position)
                if portion.events:
                    self.waits_since = portion.events[0].recorded_at
                    self.in_hand = True
                    try:
                        await self._hands.handle(portion.events, place)
                    finally:
                        self.in_hand = False
                    self.handled += len(portion.events)
                    self._around.telemetry.count(HANDLED, len(portion.events), processor=place.processor)
                if portion.last is not None:
                    await self._pass_by(portion.last)
                caught_up = portion.caught_up
                del portion  # so that it is gone before the next one is read
                if caught_up:
                    self.end = place.reached
                    self.waits_since = None
                yield caught_up

    async def _pass_by(self, last: StoredEvent) -> None:
        """What belongs to other partitions is done as far as this one is concerned."""
        place = self.place
        if last.position - place.checkpoint.position > _UNSAVED:
            self.in_hand = True  # cancelled in the midst of it, the place would not know whether it has moved
            try:
                await place.advance(last)
            finally:
                self.in_hand = False
        place.reached = max(place.reached, last.position)

    # ---------------------------------------------------------------------- parked events

    async def _look_after_parked(self) -> None:
        """Do what people have asked for, and know which streams are blocked."""
        place, lot, limit = self.place, self._around.parking, _AT_ONCE
        while wished := await lot.wished(place.processor, place.partition, limit=limit):
            if all(each.wish is None for each in wished):
                limit *= 2  # somebody asks for one that is far behind the first of its stream
                continue
            self.in_hand = self.grants = True
            try:
                for _, of_stream in groupby(sorted(wished, key=_by_stream), key=lambda each: each.stream):
                    await self._grant(list(of_stream))
            finally:
                self.in_hand = self.grants = False
            if place.leaving.is_set():
                raise Left
        place.blocked = await lot.open_streams(place.processor, place.partition)

    async def _grant(self, entries: Sequence[Parked]) -> None:
        """The open events of one stream, in order: drop what is to be dropped, retry, and go on while it succeeds."""
        first, going = True, False
        for entry in entries:
            if self.place.leaving.is_set():  # the wish has gone on to this one
                raise Left
            if entry.wish == "drop":
                await self._settle_without(entry, "dropped")
                going = going or first
            elif going or (first and entry.wish == "retry"):
                going = await self._retried(entry)
                first = going
            elif entry.wish == "retry":
                await self._around.parking.failed_again(entry.processor, entry.position, "stands behind another one")
                first = False
            else:
                first = False

    async def _retried(self, entry: Parked) -> bool:
        event = await self._stored(entry)
        if event is None:
            await self._settle_without(entry, "gone")
            return True
        settled = Settled(entry.processor, entry.partition, entry.position, "retried", self.place.checkpoint.epoch)
        try:
            await self._hands.settle(event, settled)
        except NO_EVENT_IS_TO_BLAME:
            raise
        except Exception as error:
            blamed = await self.place.blamed(event, error)
            if isinstance(blamed, Fenced):
                raise blamed from error
            _log.warning("%s; it stays parked", blamed, exc_info=error)
            await self._around.parking.failed_again(entry.processor, entry.position, in_words(error))
            return False
        return True

    async def _stored(self, entry: Parked) -> StoredEvent | None:
        """With the data that somebody has given it, if he has; None if an administrator has removed it."""
        at = entry.position
        async for event in self._around.source.read_all(_EVERYTHING, after=at - 1, upto=at, limit=1):
            if event.event_id == entry.event_id:
                return event if entry.edited is None else msgspec.structs.replace(event, data=entry.edited)
        return None

    async def _settle_without(self, entry: Parked, resolution: Literal["dropped", "gone"]) -> None:
        at = self.place.checkpoint
        settled = Settled(entry.processor, entry.partition, entry.position, resolution, at.epoch)
        async with self._around.rows.transaction() as transaction:
            await transaction.commit([], settled)


def _nobody() -> None:
    """Nobody waits for it."""


def _by_stream(entry: Parked) -> tuple[str, str, int]:
    return entry.stream.category, entry.stream.id, entry.position
