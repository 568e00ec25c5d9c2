"""Where one partition of a processor is in the log, and what becomes of events that it cannot handle."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Final, Protocol

from eventfold.domain.message import StoredEvent, Stream
from eventfold.domain.partition import partition_of
from eventfold.errors import (
    ActionUnknown,
    Fenced,
    HandlerFailed,
    ProcessingError,
    ProcessorStopped,
    RetryTransaction,
    StoreBusy,
    StoreError,
    StoreFull,
    StoreUnavailable,
)
from eventfold.ports.checkpoint_store import Checkpoint, Move
from eventfold.ports.parking import Aside
from eventfold.ports.telemetry import PARKED, SKIPPED
from eventfold.processing.policy import Attempts, ErrorPolicy, Park, Skip, Stop
from eventfold.processing.surroundings import ProcessorFailure, Surroundings, Verdict

__all__ = ["HINDRANCES", "NO_EVENT_IS_TO_BLAME", "Left", "Place"]

NO_EVENT_IS_TO_BLAME: Final = (Fenced, StoreError, RetryTransaction)
"""What is not the event's fault: its handler is called again, or somebody else has the partition."""
HINDRANCES: Final = (StoreBusy, StoreFull, StoreUnavailable, RetryTransaction)
"""What passes by itself: whoever meets it waits, and does the same again."""

_NONE: Final[Mapping[Stream, int]] = {}


class Told(Protocol):
    """Hears of the trouble a processor has, and with None that it is over; in the store too, if word is to be left."""

    def __call__(self, error: ProcessingError | None, *, leave_word: bool = True) -> Awaitable[None]: ...


class Left(Exception):
    """The processor was asked to leave while it waited; the event it waited for is as it was."""


class Place:
    """
    One partition's place. It alone makes the steps of the checkpoint, each from where the last one has ended.
    """

    def __init__(
        self,
        processor: str,
        partition: int,
        partitions: int,
        policy: ErrorPolicy,
        around: Surroundings,
        told: Told,
    ) -> None:
        self.processor = processor
        self.partition = partition
        self.around = around
        self.checkpoint: Checkpoint = Checkpoint(0)
        self.reached: int = 0
        """The last event of the query that is done, also one of another partition."""
        self.leaving: asyncio.Event = asyncio.Event()
        self.sure: Callable[[], bool] = _always
        """Whether the partition is certainly still ours, so that what cannot be undone may be done."""
        self.blocked: frozenset[Stream] = frozenset()
        """Streams with a parked event, in which nothing may overtake it."""
        self._partitions = partitions
        self._attempts = Attempts(policy)
        self._told = told
        self._in_trouble = False
        self._word_left = False

    @property
    def attempts(self) -> int:
        """How often the event in hand has failed."""
        return self._attempts.count

    def start_at(self, checkpoint: Checkpoint, start: int) -> None:
        self.checkpoint = checkpoint
        self.reached = max(checkpoint.position, start)

    def mine(self, events: Sequence[StoredEvent]) -> Sequence[StoredEvent]:
        """Those of this partition."""
        if self._partitions == 1:
            return events
        here, of = self.partition, self._partitions
        return [each for each in events if partition_of(each.category, each.id, of) == here]

    def sorted(
        self, events: Sequence[StoredEvent], parked: Mapping[Stream, int] = _NONE
    ) -> tuple[Sequence[StoredEvent], tuple[Aside, ...]]:
        """
        Those that may be handled, and those that stand behind a parked one.

        Args:
            parked: positions of events that will be parked with this very step, by stream.
        """
        if not (self.blocked or parked):
            return events, ()
        free: list[StoredEvent] = []
        behind: list[Aside] = []
        for event in events:
            if event.stream in self.blocked or event.position > parked.get(event.stream, event.position):
                behind.append(self._behind(event))
            else:
                free.append(event)
        return free, tuple(behind)

    # ---------------------------------------------------------------------------- steps

    def move(self, last: StoredEvent, aside: Sequence[Aside] = ()) -> Move:
        """The step to this event, with what is set aside on the way."""
        at = self.checkpoint
        return Move(
            self.processor, at.position, last.position, last.event_id, at.epoch, self.partition, aside=tuple(aside)
        )

    async def moved(self, move: Move) -> None:
        """The step is stored."""
        self.checkpoint = Checkpoint(move.position, move.event_id, move.epoch)
        self.reached = max(self.reached, move.position)
        if move.aside:
            self._set_aside(move.aside)
        self._attempts.succeeded()
        if self._in_trouble:
            await self._out_of_trouble()

    def _set_aside(self, aside: Sequence[Aside]) -> None:
        parked = [each.stream for each in aside if not each.skipped]
        self.blocked |= frozenset(parked)
        for counter, number in ((PARKED, len(parked)), (SKIPPED, len(aside) - len(parked))):
            if number:
                self.around.telemetry.count(counter, number, processor=self.processor)

    async def advance(self, last: StoredEvent, aside: Sequence[Aside] = ()) -> None:
        """Move the checkpoint alone."""
        move = self.move(last, aside)
        await self.around.rows.advance(move)
        await self.moved(move)

    # -------------------------------------------------------------------------- failures

    async def failed(self, event: StoredEvent, error: Exception, *, parked: int = 0) -> Aside | None:
        """
        What becomes of an event whose handler has failed: it is set aside like this, or tried again now, for the pause
        before it is over.

        Args:
            parked: events that will be parked with the very step to come.

        Raises:
            ProcessingError: the processor stops here. Fenced when another copy has been here before.
            Left: the processor leaves, and the event stays as it was.
        """
        blamed = await self.blamed(event, error)
        if isinstance(blamed, Fenced):
            raise blamed
        verdict = self._attempts.failed(event.event_id, error)
        if isinstance(error, ActionUnknown) and not isinstance(verdict, Skip):
            verdict = verdict if isinstance(verdict, Park) else Park()
        if isinstance(verdict, float):
            self.around.tell(ProcessorFailure(self.processor, self.partition, blamed, "tries again", verdict))
            await self._trouble(blamed)
            await self.pause(verdict)
            return None
        if isinstance(verdict, Park):
            open_, _ = (await self.around.parking.counts()).get(self.processor, (0, 0))
            open_ += parked
            if open_ >= verdict.most:
                reason = RuntimeError(f"{open_} events are parked already, and Park(most={verdict.most})")
                reason.__cause__ = error
                raise ProcessorStopped(self.processor, reason) from error
        if isinstance(verdict, Stop):
            raise blamed from error
        skipped = isinstance(verdict, Skip)
        told: Verdict = "skipped" if skipped else "parked"
        self.around.tell(ProcessorFailure(self.processor, self.partition, blamed, told))
        return Aside(
            event.position,
            event.stream,
            event.event_id,
            event.type,
            behind=False,
            attempts=self._attempts.count,
            error=in_words(error),
            skipped=skipped,
        )

    async def blamed(self, event: StoredEvent, error: Exception) -> ProcessingError:
        """The event, unless another copy has been here before: then its rows were in the way, and none is to blame."""
        actual = await self.around.rows.checkpoint(self.processor, self.partition)
        if (actual.position, actual.epoch) != (self.checkpoint.position, self.checkpoint.epoch):
            return Fenced(self.processor, self.checkpoint.position, actual.position, self.checkpoint.epoch)
        where = f"{event.type} at position {event.position} ({event.stream}, version {event.version})"
        if isinstance(error, TimeoutError) and not str(error):
            error.add_note("a handler that has read keeps others from writing; it must not wait for anything else")
        return HandlerFailed(self.around.decoded(event), self.processor, error, where)

    async def hindered(self, hindrance: Exception, otherwise: float) -> None:
        """Something is in the way that is no event's fault: say so, and wait."""
        asked = self._attempts.hindered()
        delay = asked or otherwise  # a policy without a pause is meant for events, and does not wear the store out
        error = ProcessorStopped(self.processor, hindrance)
        self.around.tell(ProcessorFailure(self.processor, self.partition, error, "tries again", delay))
        if isinstance(hindrance, StoreFull | StoreUnavailable):  # which cannot be told where others could read it
            self._in_trouble = True
            await self._told(error, leave_word=False)
        await self.pause(delay)

    async def unhindered(self) -> None:
        """The store answers, also where there was nothing to do."""
        if self._in_trouble and not self._word_left:
            await self._out_of_trouble()

    async def pause(self, seconds: float) -> None:
        """Raises Left if it is asked to leave meanwhile."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self.leaving.wait(), seconds)
        if self.leaving.is_set():
            raise Left

    async def _trouble(self, error: ProcessingError) -> None:
        self._in_trouble = self._word_left = True
        await self._told(error)

    async def _out_of_trouble(self) -> None:
        word_left, self._in_trouble, self._word_left = self._word_left, False, False
        await self._told(None, leave_word=word_left)

    def _behind(self, event: StoredEvent) -> Aside:
        error = f"stands behind a parked event of {event.stream}"
        return Aside(event.position, event.stream, event.event_id, event.type, behind=True, attempts=0, error=error)


def _always() -> bool:
    return True


def in_words(error: BaseException) -> str:
    """For the store, so that people find it later."""
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
