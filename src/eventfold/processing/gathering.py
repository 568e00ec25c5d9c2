"""From the pages of a subscription to what goes into one transaction."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from typing import Final

import msgspec

from eventfold.domain.message import StoredEvent
from eventfold.ports.subscription import PAGE, Batch

__all__ = ["Gathered", "gathered"]

_FAR: Final = 10_000
"""Events that are read for one portion, at most, however few of them are ours."""


class Gathered(msgspec.Struct, frozen=True):
    """
    Args:
        events: of one transaction, in order; none when there was nothing to handle.
        last: the last event that was seen, also one of another partition; None when none was.
        caught_up: nothing more is in the store.
    """

    events: Sequence[StoredEvent]
    last: StoredEvent | None
    caught_up: bool


async def gathered(
    batches: AsyncIterator[Batch],
    *,
    most: int,
    interval: float,
    mine: Callable[[Sequence[StoredEvent]], Sequence[StoredEvent]],
) -> AsyncGenerator[Gathered]:
    """
    The events of a subscription in portions for one transaction each.

    Args:
        most: events of a portion.
        interval: seconds for which a portion that is not full waits for more, from its first event on.
        mine: leaves out what another partition handles.
    """
    loop = asyncio.get_running_loop()
    waiting: list[StoredEvent] = []
    last: StoredEvent | None = None
    caught_up = False
    read = 0
    due = 0.0  # of the loop's clock; counts while something waits
    coming: asyncio.Task[Batch] | None = None
    try:
        while True:
            coming = coming or asyncio.ensure_future(_next(batches))
            if interval and waiting and caught_up:
                await asyncio.wait([coming], timeout=max(0.0, due - loop.time()))
                if not coming.done():
                    yield Gathered(waiting, last, caught_up=True)
                    waiting, read = [], 0
                    continue
            batch, coming = await coming, None
            if not waiting:
                due = loop.time() + interval
            waiting += mine(batch.events)
            read += len(batch.events)
            last = batch.events[-1] if batch.events else last
            caught_up = batch.caught_up
            del batch
            while len(waiting) > most or (len(waiting) == most and not caught_up):
                portion, waiting = waiting[:most], waiting[most:]
                yield Gathered(portion, portion[-1], caught_up=False)
                del portion  # so that it is gone before the next one is read
            if not caught_up and read < _FAR and (len(waiting) + PAGE <= most or most < PAGE):
                continue
            if interval and caught_up and 0 < len(waiting) < most:
                continue
            yield Gathered(waiting, last, caught_up=caught_up)
            waiting, read = [], 0
    finally:
        if coming is not None:
            coming.cancel()
            await asyncio.wait([coming])
            if not coming.cancelled():
                coming.exception()  # whoever follows anew meets it, if it is still there


async def _next(batches: AsyncIterator[Batch]) -> Batch:
    return await anext(batches)
