"""What lets time-outs come: looks which are due by the store's clock, and records that in the streams of processes."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from eventfold.domain.message import NewEvent, Stream
from eventfold.domain.story import TimedOut, stored_name
from eventfold.errors import (
    AppendOutcomeUnknown,
    Conflict,
    EventfoldError,
    EventIdConflict,
)
from eventfold.ports.event_store import EXISTS, Append, EventStore
from eventfold.ports.failpoint import failpoint
from eventfold.ports.telemetry import RUNG, Telemetry
from eventfold.ports.timers import Gone, Timer, Timers
from eventfold.processing.instance import Alarm, derived
from eventfold.processing.place import HINDRANCES, Left, Place

__all__ = ["AlarmClock", "timed_out"]

_log = logging.getLogger("eventfold.processing")

LOOK: Final = 0.1
"""Seconds between two looks. Not until the next one is due: clocks may jump, and others plan time-outs too."""
MOST: Final = 500
"""Time-outs that come in one transaction."""
_FIRST_PAUSE: Final = 0.25
_LONGEST_PAUSE: Final = 5.0
_HINDRANCES: Final = (*HINDRANCES, AppendOutcomeUnknown)
_encode: Final = msgspec.json.Encoder(order="deterministic").encode
_alarm: Final = msgspec.json.Decoder(Alarm)


class AlarmClock:
    """
    First the time-out is recorded, under an id that follows from the place where it was planned, then its row goes.

    So it is recorded once, whoever else looks at the same row and whatever dies in between; which process manager
    partition takes it is decided as for every other event.
    """

    def __init__(self, manager: str, events: EventStore, timers: Timers, telemetry: Telemetry) -> None:
        self._manager = manager
        self._telemetry = telemetry
        self._events = events
        self._timers = timers

    async def run(self, place: Place) -> None:
        """
        Until it is cancelled, or the processor is asked to leave. A store that is busy, full or away is waited for.

        Raises:
            StoreError: the store cannot do it.
        """
        pause = 0.0
        while True:
            try:
                more = await self.ring()
                pause = 0.0
            except _HINDRANCES as hindrance:
                more = False
                pause = min(pause * 2, _LONGEST_PAUSE) if pause else _FIRST_PAUSE
                _log.warning("manager %r: time-outs wait %g s: %s", self._manager, pause, hindrance)
            try:
                if not more:
                    await place.pause(pause or LOOK)
                elif place.leaving.is_set():
                    return
            except Left:
                return

    async def ring(self) -> bool:
        """Let those come that are due, the earliest first; whether there may be more."""
        due = await self._timers.due(self._manager, limit=MOST)
        for portion in _portions(due):
            await self._record(portion)
            failpoint("timers.after_record")
            await self._timers.keep([], [_gone(each) for each in portion])
        return len(due) == MOST

    async def _record(self, portion: Sequence[Timer]) -> None:
        try:
            await self._append(portion)
        except _HINDRANCES:
            raise
        except EventfoldError:  # some were recorded before, or the stream of one is gone
            for each in portion:
                await self._record_one(each)

    async def _record_one(self, timer: Timer) -> None:
        try:
            await self._append([timer])
        except EventIdConflict as conflict:
            _log.warning("manager %r: time-out %r of %r: %s", timer.manager, timer.key, timer.instance, conflict)
        except _HINDRANCES:
            raise
        except Conflict as gone:
            _log.warning("manager %r: time-out %r of %r is gone: %s", timer.manager, timer.key, timer.instance, gone)

    async def _append(self, portion: Sequence[Timer]) -> None:
        appended = await self._events.append(*_appends(portion))
        if not any(each.deduplicated for each in appended.streams):  # otherwise they have come before
            self._telemetry.count(RUNG, len(portion), processor=self._manager)


def timed_out(timer: Timer, *, actor: str | None = None) -> NewEvent:
    """That its time has come, under an id that it has whoever records it."""
    alarm = _alarm.decode(timer.data)
    event = TimedOut(timer.key, timer.schedule_position, timer.due_at, alarm.event, actor)
    return NewEvent(
        event_id=derived(timer.manager, f"rings {timer.instance} {timer.schedule_position}").bytes,
        type=stored_name(TimedOut),
        data=_encode(event),
        correlation_id=alarm.conversation,
    )


def _appends(portion: Sequence[Timer]) -> list[Append]:
    """One for each process, in the order in which they are due."""
    by_process: dict[Stream, list[NewEvent]] = {}
    for each in portion:
        by_process.setdefault(Stream(each.manager, each.instance), []).append(timed_out(each))
    return [Append(stream, new, EXISTS) for stream, new in by_process.items()]


def _portions(due: Sequence[Timer]) -> Iterator[list[Timer]]:
    """Cut where a process comes up again after others: the events of one append to a stream stand together."""
    portion: list[Timer] = []
    there: set[str] = set()
    for each in due:
        if each.instance in there and portion[-1].instance != each.instance:
            yield portion
            portion, there = [], set()
        portion.append(each)
        there.add(each.instance)
    if portion:
        yield portion


def _gone(timer: Timer) -> Gone:
    return Gone(timer.manager, timer.instance, timer.key, timer.schedule_position)
