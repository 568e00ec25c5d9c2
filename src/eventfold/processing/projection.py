"""What a projector does with events: its functions, and one transaction for their rows and the checkpoint."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from typing import Any, Final

from eventfold.commands.context import no_appends_inside
from eventfold.domain.deletion import StreamDeleted
from eventfold.domain.message import StoredEvent, Stream
from eventfold.ports.checkpoint_store import Move
from eventfold.ports.failpoint import failpoint
from eventfold.ports.parking import Aside, Settled
from eventfold.ports.subscription import PAGE
from eventfold.processing.handlers import Handler
from eventfold.processing.in_time import within
from eventfold.processing.place import NO_EVENT_IS_TO_BLAME, Place
from eventfold.processing.projector import Projector
from eventfold.processing.surroundings import Surroundings
from eventfold.processing.view import LONGEST_HOLD, BatchView, View

__all__ = ["LARGEST_TRANSACTION", "Projection"]

LARGEST_TRANSACTION: Final = 4 * PAGE
"""Events of one transaction, at most, while a projector catches up: a commit costs as much as fifty rows."""


class Projection:
    """
    Handles a portion of events in one transaction. If that fails, the culprit is found.

    As it stands, each event of a failing portion then has a transaction of its own, so that what precedes the culprit
    is kept. A projector with a `transaction_size` of its own wants them together, so there the portion is done once
    more without the culprit, when that is parked or skipped, and not at all when the processor stops.
    """

    def __init__(self, projector: Projector, around: Surroundings) -> None:
        self.most: int = projector.transaction_size or LARGEST_TRANSACTION
        self.interval: float = projector.transaction_interval
        self._name = projector.name
        self._timeout = projector.timeout
        self._whole = projector.transaction_size is not None
        self._tables = frozenset(table.name for table in projector.tables)
        self._rows = around.rows
        self._decode_all = around.serializer.decode_all
        self._wanted = around.catalogue.wanted(projector.query)
        self._telemetry = around.telemetry
        self._handlers = projector.handlers
        self._deleted = projector.deleted

    async def handle(self, events: Sequence[StoredEvent], place: Place) -> None:
        """
        Raises:
            ProcessingError: the processor stops here.
            Left: it leaves, and what is not stored is as it was.
            Fenced, StoreError, RetryTransaction: nothing is wrong with the events.
        """
        with self._telemetry.span("batch", links=events, processor=self._name, events=len(events)):
            if self._whole:
                await self._all_or_nothing(events, place)
            else:
                await self._together_or_each(events, place)

    async def settle(self, event: StoredEvent, settled: Settled) -> None:
        """Handle an event that was parked. Raises whatever its handler raises."""
        with self._telemetry.span("batch", links=[event], processor=self._name, events=1):
            await self._transact([event], settled)

    # ----------------------------------------------------------------- two ways to find it

    async def _together_or_each(self, events: Sequence[StoredEvent], place: Place) -> None:
        free, behind = place.sorted(events)
        try:
            await self._step(free, place, events[-1], behind)
        except NO_EVENT_IS_TO_BLAME:
            raise
        except Exception as error:
            if len(events) == 1:
                await self._alone(events[0], place, error)
                return
        else:
            return
        for event in events:
            await self._alone(event, place)

    async def _alone(self, event: StoredEvent, place: Place, error: Exception | None = None) -> None:
        """One event in a transaction of its own, as often as it takes; `error` if it was tried just now."""
        free, aside = place.sorted([event])
        while True:
            if error is not None:
                set_aside = await place.failed(event, error)
                if set_aside is not None:
                    free, aside = (), (set_aside,)
            try:
                await self._step(free, place, event, aside)
            except NO_EVENT_IS_TO_BLAME:
                raise
            except Exception as again:
                if not free:  # no function was called
                    raise
                error = again
            else:
                return

    async def _all_or_nothing(self, events: Sequence[StoredEvent], place: Place) -> None:
        apart: dict[int, Aside] = {}
        parked: dict[Stream, int] = {}
        while True:
            candidates = [each for each in events if each.position not in apart]
            free, behind = place.sorted(candidates, parked)
            aside = sorted((*apart.values(), *behind), key=lambda each: each.position)
            try:
                await self._step(free, place, events[-1], aside)
            except NO_EVENT_IS_TO_BLAME:
                raise
            except Exception as error:
                if not free:  # no function was called
                    raise
                culprit, why = await self._culprit(free, error)
                set_aside = await place.failed(culprit, why, parked=len(parked))
                if set_aside is not None:
                    apart[culprit.position] = set_aside
                    if not set_aside.skipped:
                        parked[culprit.stream] = culprit.position
            else:
                return

    async def _culprit(self, events: Sequence[StoredEvent], error: Exception) -> tuple[StoredEvent, Exception]:
        """
        Each event with the rows of those before it, in a transaction that is not kept.

        There is no telling how many are before it, so each of them has the time of a transaction.
        """
        if len(events) == 1:
            return events[0], error
        event, now = events[0], asyncio.get_running_loop().time
        try:
            async with asyncio.timeout(None) as timeout, self._view(timeout) as view:
                for event in events:
                    if timeout.when() is not None:
                        timeout.reschedule(now() + LONGEST_HOLD)
                    with no_appends_inside(self._name):
                        await self._dispatch([event], view)
                    await view.flush()
        except NO_EVENT_IS_TO_BLAME:
            raise
        except Exception as why:
            return event, why
        return event, error  # only all of them together fail: the last one is where it showed

    # ------------------------------------------------------------------------ transactions

    async def _step(
        self, events: Sequence[StoredEvent], place: Place, last: StoredEvent, aside: Sequence[Aside]
    ) -> None:
        move = place.move(last, aside)
        await self._transact(events, move)
        await place.moved(move)

    async def _transact(self, events: Sequence[StoredEvent], step: Move | Settled) -> None:
        async with asyncio.timeout(None) as timeout, self._view(timeout) as view:
            with no_appends_inside(self._name):
                for start in range(0, len(events), PAGE):  # decoded a page at a time: see there
                    await self._dispatch(events[start : start + PAGE], view)
            failpoint("projection.after_apply")
            await view.commit(step)

    def _view(self, timeout: asyncio.Timeout) -> BatchView:
        return BatchView(self._rows, processor=self._name, tables=self._tables, timeout=timeout)

    async def _dispatch(self, events: Sequence[StoredEvent], view: View) -> None:
        single, batched, catch_all = self._handlers.single, self._handlers.batched, self._handlers.catch_all
        run: list[Any] = []
        run_handler: Handler | None = None
        for recorded in self._decode_all(events, self._wanted):
            event: object = recorded.event
            kind = type(event)
            handler, alone = batched.get(kind), single.get(kind)
            if kind is StreamDeleted and recorded.category in self._deleted:
                handler, alone = None, self._deleted[recorded.category]
            if run_handler is not None and run_handler is not handler:
                await self._called_with_run(run_handler, catch_all, run, view)
                run, run_handler = [], None
            if handler is not None:
                run.append(recorded)
                run_handler = handler
                continue
            if alone is not None:
                pending = alone(recorded, view)
                if pending is not None:
                    await self._called(pending)
            if catch_all is not None:
                pending = catch_all(recorded, view)
                if pending is not None:
                    await self._called(pending)
        if run_handler is not None:
            await self._called_with_run(run_handler, catch_all, run, view)

    async def _called_with_run(
        self, handler: Handler, catch_all: Handler | None, run: Sequence[Any], view: View
    ) -> None:
        """The handler gets the run, then the one for every event gets its events, so that it comes last here too."""
        pending = handler(run, view)
        if pending is not None:
            await self._called(pending)
        if catch_all is not None:
            for recorded in run:
                pending = catch_all(recorded, view)
                if pending is not None:
                    await self._called(pending)

    async def _called(self, pending: Awaitable[None]) -> None:
        try:
            await within(self._timeout, pending)
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is None or task.cancelling():  # it is we who end
                raise
            raise RuntimeError("CancelledError: something that the function has awaited was cancelled") from error
