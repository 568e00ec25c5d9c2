"""A reactor at work: several events at once, one after the other within a stream, the checkpoint behind them all."""

from __future__ import annotations

import asyncio
import heapq
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Sequence
from typing import Any, Final, Protocol

from eventfold.commands.context import context
from eventfold.commands.recording import Recorder
from eventfold.domain.message import Recorded, StoredEvent, Stream
from eventfold.domain.query import Query
from eventfold.errors import ProcessingError
from eventfold.ports.actions import Actions
from eventfold.ports.checkpoint_store import Checkpoint
from eventfold.ports.failpoint import failpoint
from eventfold.ports.parking import Aside, Settled
from eventfold.ports.subscription import PAGE
from eventfold.ports.telemetry import SILENT
from eventfold.processing.act import Act, Means
from eventfold.processing.event_handler import Executes
from eventfold.processing.in_time import within
from eventfold.processing.ledger import Ledger
from eventfold.processing.place import HINDRANCES, NO_EVENT_IS_TO_BLAME, Left, Place
from eventfold.processing.reactor import Reactor
from eventfold.processing.surroundings import Surroundings

__all__ = ["Paced", "Reacting", "Reaction"]

_FIRST_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 5.0


class Paced(Protocol):
    """How a processor that acts wants to be run."""

    @property
    def name(self) -> str: ...
    @property
    def query(self) -> Query: ...
    @property
    def concurrency(self) -> int: ...
    @property
    def position_every(self) -> int: ...


class Reacting(ABC):
    """
    Handles portions of events and moves the checkpoint over those that are done without a gap.

    When an event fails, those before it are still handled and those under way are finished; then what becomes of it is
    decided, while everything else waits. Asked to leave, it finishes what is under way. Cancelled, it cancels the
    functions: an action that was begun stays "intended" in the ledger, one that was done is entered as done.
    """

    interval: float = 0.0

    def __init__(self, processor: Paced, around: Surroundings, actions: Actions) -> None:
        self.most: int = max(PAGE, processor.position_every)
        self._name = processor.name
        self._concurrency = processor.concurrency
        self._every = processor.position_every
        self._actions = actions
        self._rows = around.rows
        self._decode_all = around.serializer.decode_all
        self._wanted = around.catalogue.wanted(processor.query)
        self._telemetry = around.telemetry
        self._silent = around.telemetry is SILENT  # then nobody asks for the words of a span

    async def handle(self, events: Sequence[StoredEvent], place: Place) -> None:
        """
        Handle them, those of one stream in order, and move the place over them: all, or those before the error.

        Raises:
            ProcessingError: the processor stops here. Fenced: somebody else has the partition.
            Left: it leaves; what was under way is finished.
            StoreError: the store cannot do it, now or ever; while it is merely busy or away this waits.
        """
        ledger = Ledger(self._actions, self._name, place.checkpoint.epoch, place.sure)
        portion = _Portion(events, place)
        try:
            while True:
                await self._side_by_side(portion, place, ledger)
                await self._save(portion, place, least=1)
                if portion.failed:
                    await self._decide(portion, place, ledger)
                elif portion.is_done:
                    return
                else:
                    raise Left
        finally:
            await ledger.finish()

    async def settle(self, event: StoredEvent, settled: Settled) -> None:
        """Handle an event that was parked, and settle it. Raises whatever its function raises: it stays parked."""
        ledger = Ledger(self._actions, self._name, settled.epoch)
        try:
            await self._react(event, 1, ledger)
        finally:
            await ledger.finish()
        async with self._rows.transaction() as transaction:
            await transaction.commit([], settled)

    # --------------------------------------------------------------------- side by side

    async def _side_by_side(self, portion: _Portion, place: Place, ledger: Ledger) -> None:
        number = min(self._concurrency, portion.ready)
        if number <= 1:
            await self._one_by_one(portion, place, ledger)
            return
        try:
            async with asyncio.TaskGroup() as workers:
                for _ in range(number):
                    workers.create_task(self._one_by_one(portion, place, ledger), name=f"reaction {self._name}")
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None  # the first of them has ended the others

    async def _one_by_one(self, portion: _Portion, place: Place, ledger: Ledger) -> None:
        while not place.leaving.is_set() and (event := portion.take()) is not None:
            try:
                error = await self._try(event, 1, place, ledger)
                if error is None:
                    portion.done(event)
                else:
                    portion.failed[event.position] = event, error
                await self._save(portion, place, least=self._every)
            except Left:
                return

    async def _decide(self, portion: _Portion, place: Place, ledger: Ledger) -> None:
        """What becomes of the first that has failed: it is handled again until it succeeds, or is set aside."""
        event, error = portion.failed[min(portion.failed)]
        while True:
            aside = await place.failed(event, error)
            if aside is not None:
                portion.set_aside(event, aside, place)
                break
            again = await self._try(event, place.attempts + 1, place, ledger)
            if again is None:
                portion.done(event)
                break
            error = again
        del portion.failed[event.position]

    # ------------------------------------------------------------------------ one event

    async def _try(self, event: StoredEvent, attempt: int, place: Place, ledger: Ledger) -> Exception | None:
        """
        What the handler raised, if it did. A store that is busy or away is waited for.

        Raises:
            Left: it was asked to leave meanwhile.
            Fenced, StoreError: nothing is wrong with the event.
        """
        pause = _FIRST_PAUSE
        while True:
            try:
                await self._react(event, attempt, ledger)
            except HINDRANCES as hindrance:
                await place.hindered(hindrance, pause)
                pause = min(pause * 2, _LONGEST_PAUSE)
            except NO_EVENT_IS_TO_BLAME:
                raise
            except Exception as error:
                return error
            else:
                return None

    async def _react(self, event: StoredEvent, attempt: int, ledger: Ledger) -> None:
        for recorded in self._decode_all([event], self._wanted):
            await self._react_to(recorded, event, attempt, ledger)

    async def _react_to(self, recorded: Recorded[Any], event: StoredEvent, attempt: int, ledger: Ledger) -> None:
        if self._silent:
            await self._call(recorded, attempt, ledger)
            return
        id, stream = str(recorded.event_id), str(recorded.stream)
        with self._telemetry.span(
            "reaction", continues=event, processor=self._name, attempt=attempt, event_id=id, stream=stream
        ):
            await self._call(recorded, attempt, ledger)

    @abstractmethod
    async def _call(self, recorded: Recorded[Any], attempt: int, ledger: Ledger) -> None:
        """Do what is to be done about one event. Raises whatever is wrong with that."""

    # -------------------------------------------------------------------- the checkpoint

    async def _save(self, portion: _Portion, place: Place, *, least: int) -> None:
        """Move the checkpoint, if it is at least so many events behind. One does it, and the others go on."""
        if portion.saving or portion.unsaved < least:
            return
        portion.saving = True
        try:
            if self._concurrency > 1:
                await asyncio.sleep(0)  # what else is done in this turn of the loop goes into the same step
            last, aside, upto = portion.step()
            failpoint("reaction.before_checkpoint")
            await self._advance(place, last, aside)
            portion.saved(upto)
        finally:
            portion.saving = False

    async def _advance(self, place: Place, last: StoredEvent, aside: Sequence[Aside]) -> None:
        """However long the store is busy or away. One that went away in the midst of it may have taken the step."""
        pause, unanswered = _FIRST_PAUSE, False
        while True:
            try:
                if unanswered and await self._is_taken(place, last):
                    return await place.moved(place.move(last, aside))
                unanswered = True
                return await place.advance(last, aside)
            except HINDRANCES as hindrance:
                await place.hindered(hindrance, pause)
                pause = min(pause * 2, _LONGEST_PAUSE)

    async def _is_taken(self, place: Place, last: StoredEvent) -> bool:
        stored = await self._rows.checkpoint(place.processor, place.partition)
        return stored == Checkpoint(last.position, last.event_id, place.checkpoint.epoch)


class Reaction(Reacting):
    """A reactor's functions, called with each event and what they act with."""

    def __init__(
        self, reactor: Reactor, around: Surroundings, actions: Actions, recorder: Recorder, execute: Executes
    ) -> None:
        super().__init__(reactor, around, actions)
        self._handlers = reactor.handlers
        self._timeout = reactor.timeout
        self._means = Means(reactor.name, reactor.emits, reactor.unknown, recorder, execute)

    async def _call(self, recorded: Recorded[Any], attempt: int, ledger: Ledger) -> None:
        task = asyncio.current_task()
        assert task is not None
        before = task.cancelling()
        event: object = recorded.event
        id = str(recorded.event_id)
        act = Act(self._means, ledger, recorded, attempt)
        try:
            with context(recorded.correlation_id or id, id):
                for function in (self._handlers.single.get(type(event)), self._handlers.catch_all):
                    if function is not None and (pending := function(recorded, act)) is not None:
                        await within(self._timeout, pending)
        except asyncio.CancelledError as error:
            if task.cancelling() > before:  # it is we who end
                raise
            why = f"reactor {self._name!r}: something that its function has awaited was cancelled"
            raise ProcessingError(recorded, self._name, error, why) from error
        finally:
            act.close()


class _Portion:
    """What has become of the events of one portion, and how far they are done without a gap."""

    def __init__(self, events: Sequence[StoredEvent], place: Place) -> None:
        free, behind = place.sorted(events)
        self.failed: dict[int, tuple[StoredEvent, Exception]] = {}
        """By position: what is not decided yet."""
        self.saving = False
        self._events = events
        self._aside = {each.position: each for each in behind}
        self._done = set(self._aside)
        self._next = self._saved = 0
        self._queues: dict[Stream, deque[StoredEvent]] = {}
        for event in free:
            self._queues.setdefault(event.stream, deque()).append(event)
        self._ready = [(queue[0].position, stream) for stream, queue in self._queues.items()]
        heapq.heapify(self._ready)
        self._go_on()

    @property
    def ready(self) -> int:
        """Streams of which an event can be handled."""
        return len(self._ready)

    @property
    def is_done(self) -> bool:
        return self._next == len(self._events)

    @property
    def unsaved(self) -> int:
        """Events that are done without a gap, and over which the checkpoint has not moved."""
        return self._next - self._saved

    def take(self) -> StoredEvent | None:
        """The first whose stream is free; once one has failed, only of those before it."""
        if not self._ready or (self.failed and self._ready[0][0] > min(self.failed)):
            return None
        _, stream = heapq.heappop(self._ready)
        return self._queues[stream][0]

    def done(self, event: StoredEvent) -> None:
        """Now the next one of its stream can be handled."""
        queue = self._queues[event.stream]
        queue.popleft()
        if queue:
            heapq.heappush(self._ready, (queue[0].position, event.stream))
        self._done.add(event.position)
        self._go_on()

    def set_aside(self, event: StoredEvent, aside: Aside, place: Place) -> None:
        """With those behind it in its stream, unless it is only skipped."""
        self._aside[event.position] = aside
        if not aside.skipped:
            queue = self._queues[event.stream]
            later = [queue.pop() for _ in range(len(queue) - 1)]
            _, behind = place.sorted(later, {event.stream: event.position})
            self._aside |= {each.position: each for each in behind}
            self._done.update(each.position for each in behind)
        self.done(event)

    def step(self) -> tuple[StoredEvent, Sequence[Aside], int]:
        """The last that is done without a gap, what was set aside on the way to it, and how many that are."""
        events = self._events[self._saved : self._next]
        aside = [self._aside[each.position] for each in events if each.position in self._aside]
        return events[-1], aside, self._next

    def saved(self, upto: int) -> None:
        self._saved = upto

    def _go_on(self) -> None:
        while not self.is_done and self._events[self._next].position in self._done:
            self._next += 1
