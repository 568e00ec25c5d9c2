"""A projector at work: follow the store, handle a batch, commit rows and checkpoint together."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any, Final

import msgspec

from eventfold.commands.context import no_appends_inside
from eventfold.domain.deletion import StreamDeleted
from eventfold.domain.message import StoredEvent
from eventfold.domain.query import Query
from eventfold.errors import (
    CheckpointAheadOfLog,
    Fenced,
    HandlerFailed,
    ProcessingError,
    ProcessorStopped,
    RetryTransaction,
    StoreBusy,
    StoreError,
    StoreUnavailable,
)
from eventfold.ports.checkpoint_store import BEGINNING, Checkpoint, Move
from eventfold.ports.event_store import EventSource
from eventfold.ports.failpoint import failpoint
from eventfold.ports.read_model import ReadModel
from eventfold.ports.subscription import PAGE, Batch, Bell
from eventfold.ports.telemetry import Telemetry
from eventfold.processing.handlers import Handler
from eventfold.processing.pausing import Pausable
from eventfold.processing.projector import Projector
from eventfold.processing.view import BatchView, View
from eventfold.schema.registry import Events
from eventfold.schema.serializer import Serializer

__all__ = ["ProcessorStatus", "Projection"]

_log = logging.getLogger("eventfold.processing")

_AFTER_BUSY: Final = 0.1
_LONGEST_PAUSE: Final = 5.0
LARGEST_TRANSACTION: Final = 4 * PAGE
"""Events of one transaction, at most, while a projector catches up: a commit costs as much as fifty rows."""
_NO_EVENT_IS_TO_BLAME: Final = (Fenced, StoreError, RetryTransaction)


class ProcessorStatus(msgspec.Struct, frozen=True):
    """
    How a processor of this process is doing.

    Args:
        position: the last event it has finished.
        lag: positions between that and the end of its query, as last seen.
        running: it moves. False before its start, while it is paused and once it has stopped.
        error: why it has stopped.
        paused: it was told to pause, and has; it keeps its place.
    """

    name: str
    kind: str
    running: bool
    position: int
    lag: int
    error: ProcessingError | None
    paused: bool = False


class Projection:
    """Runs one projector until it is cancelled or fails. Its failure ends it, visibly, and nothing else."""

    kind = "projector"

    def __init__(
        self,
        projector: Projector,
        source: EventSource,
        rows: ReadModel,
        catalogue: Events,
        serializer: Serializer,
        telemetry: Telemetry,
    ) -> None:
        self.name: str = projector.name
        self.query: Query = catalogue.resolve(projector.query)
        self.error: ProcessingError | None = None
        self.progress: Bell = Bell()
        self._projector = projector
        self._source = source
        self._rows = rows
        self._decode = serializer.decode
        self._decode_all = serializer.decode_all
        self._telemetry = telemetry
        self._handlers = projector.handlers
        self._deleted = projector.deleted
        self._checkpoint = BEGINNING
        self._seen = 0  # the end of the query, as far as anybody has looked
        self._running = False
        self._pausable = Pausable(rows, self.name, self.progress.ring)

    @property
    def position(self) -> int:
        return self._checkpoint.position

    def status(self) -> ProcessorStatus:
        lag = max(0, self._seen - self.position)
        paused = self._running and self._pausable.paused and not self._pausable.in_hand
        running = self._running and not paused
        return ProcessorStatus(self.name, self.kind, running, self.position, lag, self.error, paused)

    async def prepare(self) -> None:
        """
        Make the tables, find the checkpoint and hold it against the log.

        Raises:
            CheckpointAheadOfLog: the last event it finished is not in this log.
            InvalidInput, UnsupportedStatement: the tables cannot be made, or newer code has filled them.
        """
        projector = self._projector
        checkpoint = await self._rows.prepare(self.name, version=projector.version, tables=projector.tables)
        await self._verify(checkpoint)
        self._checkpoint = checkpoint
        self._seen = await self._source.head(self.query)

    async def _verify(self, checkpoint: Checkpoint) -> None:
        if checkpoint == BEGINNING:
            return
        if await self._source.event_id_at(checkpoint.position) != checkpoint.event_id:
            raise CheckpointAheadOfLog(self.name, checkpoint.position, await self._source.head())

    async def run(self) -> None:
        """Follow the store. Returns when it has failed; `error` says why."""
        self._running = True
        try:
            await self._pausable.run(self._follow, again=self.prepare)
        except Exception as error:
            stopped = error if isinstance(error, ProcessingError) else ProcessorStopped(self.name, error)
            self.error = stopped
            _log.error("%s", stopped, exc_info=error)
            await self._leave_word(stopped)
        finally:
            self._running = False
            self.progress.ring()

    async def _leave_word(self, error: ProcessingError) -> None:
        try:
            await self._rows.note_error(self.name, str(error))
        except Exception:
            _log.exception("processor %r could not leave word of its error in the store", self.name)

    async def catch_up(self) -> None:
        """
        Handle what is in the store now, and return.

        Raises:
            ProcessingError: a handler failed, or another copy runs.
        """
        async with aclosing(self._batches()) as batches:
            async for batch in batches:
                if batch.caught_up:
                    return

    async def _follow(self) -> None:
        """
        Another process that holds the store for long, or a server that restarts, keeps us waiting, and no more.

        Whoever has lost his transaction to an outage begins a subscription anew, and the server may still be away.
        """
        pause = 0.0  # nothing has been in our way since the last batch
        while True:
            try:
                async with aclosing(self._batches()) as batches:
                    async for _ in batches:
                        pause = 0.0
                        self.progress.ring()
                        if self._pausable.paused:
                            return
            except (StoreBusy, RetryTransaction, StoreUnavailable) as hindrance:
                if not isinstance(hindrance, StoreUnavailable):
                    pause = _AFTER_BUSY
                elif pause:
                    pause = min(pause * 2, _LONGEST_PAUSE)
                else:
                    raise
                _log.warning("processor %r could not go on and tries again: %s", self.name, hindrance)
                await asyncio.sleep(pause)

    async def _batches(self) -> AsyncGenerator[Batch]:
        """The subscription's batches, each after it has been handled."""
        async with self._source.subscribe(self.query, after=self.position) as batches:
            gathered: list[StoredEvent] = []
            async for batch in batches:
                gathered += batch.events
                if not batch.caught_up and len(gathered) <= LARGEST_TRANSACTION - PAGE:
                    continue
                if gathered:
                    events, gathered = gathered, []
                    self._seen = max(self._seen, events[-1].position)
                    span = self._telemetry.span("batch", processor=self.name, events=len(events))
                    with self._pausable.batch(), span:
                        await self._handle(events)
                if batch.caught_up:
                    self._seen = self.position
                yield batch

    async def _handle(self, events: Sequence[StoredEvent]) -> None:
        """All in one transaction; if that fails, each in its own: the culprit is named, what precedes it stays."""
        try:
            await self._transact(events)
        except _NO_EVENT_IS_TO_BLAME:
            raise
        except Exception as error:
            if len(events) == 1:
                raise await self._blamed(events[0], error) from error
        else:
            return
        for event in events:
            try:
                await self._transact([event])
            except _NO_EVENT_IS_TO_BLAME:
                raise
            except Exception as error:
                raise await self._blamed(event, error) from error

    async def _transact(self, events: Sequence[StoredEvent]) -> None:
        last = events[-1]
        async with asyncio.timeout(None) as timeout, BatchView(self._rows, timeout=timeout) as view:
            with no_appends_inside(self.name):
                for start in range(0, len(events), PAGE):  # decoded a page at a time: see there
                    await self._dispatch(events[start : start + PAGE], view)
            failpoint("projection.after_apply")
            await view.commit(Move(self.name, self.position, last.position, last.event_id, self._checkpoint.epoch))
        self._checkpoint = Checkpoint(last.position, last.event_id, self._checkpoint.epoch)

    async def _dispatch(self, events: Sequence[StoredEvent], view: View) -> None:
        single, batched, catch_all = self._handlers.single, self._handlers.batched, self._handlers.catch_all
        run: list[Any] = []
        run_handler: Handler | None = None
        for recorded in self._decode_all(events):
            event: object = recorded.event
            kind = type(event)
            handler, alone = batched.get(kind), single.get(kind)
            if kind is StreamDeleted and recorded.category in self._deleted:
                handler, alone = None, self._deleted[recorded.category]
            if run_handler is not None and run_handler is not handler:
                await _called_with_run(run_handler, catch_all, run, view)
                run, run_handler = [], None
            if handler is not None:
                run.append(recorded)
                run_handler = handler
                continue
            if alone is not None:
                pending = alone(recorded, view)
                if pending is not None:
                    await pending
            if catch_all is not None:
                pending = catch_all(recorded, view)
                if pending is not None:
                    await pending
        if run_handler is not None:
            await _called_with_run(run_handler, catch_all, run, view)

    async def _blamed(self, event: StoredEvent, error: Exception) -> ProcessingError:
        """The event, unless another copy has been here before: then its rows were in the way, and none is to blame."""
        actual = await self._rows.checkpoint(self.name)
        if actual.position != self.position:
            return Fenced(self.name, self.position, actual.position, self._checkpoint.epoch)
        return self._failed(event, error)

    def _failed(self, event: StoredEvent, error: Exception) -> HandlerFailed:
        """Which event, in words, and decoded if it can be."""
        where = f"{event.type} at position {event.position} ({event.stream}, version {event.version})"
        if isinstance(error, TimeoutError):
            error.add_note("a handler that has read keeps others from writing; it must not wait for anything else")
        try:
            culprit: object = self._decode(event)
        except Exception:  # then it is its own undecodability that is reported
            culprit = event
        return HandlerFailed(culprit, self.name, error, where)


async def _called_with_run(handler: Handler, catch_all: Handler | None, run: Sequence[Any], view: View) -> None:
    """The handler gets the run, then the one for every event gets its events, so that it comes last here too."""
    pending = handler(run, view)
    if pending is not None:
        await pending
    if catch_all is not None:
        for recorded in run:
            pending = catch_all(recorded, view)
            if pending is not None:
                await pending
