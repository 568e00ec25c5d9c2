"""
Tell the flights their orders, many at once, each flight its own in their sequence.

A chunk of consecutive orders runs concurrently, so that the store can commit them in groups. When all of a chunk has
been answered, the import records how it went, and the next one begins. After a crash the import knows the
chunks that are done; the events stored since carry the number of their order, so they tell how far each flight had
come in the chunk that broke off. What was asked before that without leading to an event had been rejected.
"""

from asyncio import TaskGroup
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice

import msgspec

from eventfold import Query, Running
from eventfold.cli.demo.flights.domain import CATEGORY, Command, Rejected
from eventfold.cli.demo.flights.progress import ID, CompleteImport, Import, OutOfStep, RecordChunk
from eventfold.cli.demo.flights.steps import Step
from eventfold.cli.demo.flights.wiring import flights, imports
from eventfold.domain.message import StoredEvent

__all__ = ["CHUNK", "Watch", "tell"]

CHUNK = 1_000
"""Orders told at once: enough for groups that make a sync cheap, few enough that a restart repeats little."""

Watch = Callable[[datetime, Import], None]
"""Called after each chunk with the day it has come to and the import so far."""


@dataclass(slots=True)
class _Chunk:
    """What became of the orders of a chunk, and what each flight was told in it, numbered."""

    after: int
    orders: int = 0
    events: int = 0
    rejected: int = 0
    last: datetime | None = None
    by_flight: dict[str, list[tuple[int, Command]]] = field(default_factory=dict[str, list[tuple[int, Command]]])


async def tell(running: Running, steps: Iterable[Step], watch: Watch) -> Import:
    """
    Tell everything that has not been told yet to a started import; return it completed.

    Raises:
        OutOfStep: another process tells the same orders to the same store.
    """
    started = await running.load(imports, ID)
    told = await _told_after(running, started.position)
    for chunk in _chunks(steps, started.state.orders):
        try:
            async with TaskGroup() as tasks:
                for flight, orders in chunk.by_flight.items():
                    tasks.create_task(_order(running, flight, orders, told.get(flight, ()), chunk))
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from failed  # why the others were cancelled
        recorded = RecordChunk(chunk.after, chunk.orders, chunk.events, chunk.rejected)
        state = (await running.execute(imports, ID, recorded)).state
        if chunk.last is not None:
            watch(chunk.last, state)
    return (await running.execute(imports, ID, CompleteImport())).state


async def _order(
    running: Running, flight: str, orders: Iterable[tuple[int, Command]], told: Collection[int], chunk: _Chunk
) -> None:
    done = max(told, default=0)
    for number, command in orders:
        if number <= done:  # before a crash
            if number in told:
                chunk.events += 1
            else:
                chunk.rejected += 1
            continue
        try:
            outcome = await running.execute(flights, flight, command, metadata={"order": number})
        except Rejected as rejection:
            if number <= await _last_told(running, flight):
                raise OutOfStep("another process tells the same orders; let it finish, or end it") from rejection
            chunk.rejected += 1
        else:
            chunk.events += len(outcome.events)


def _chunks(steps: Iterable[Step], after: int) -> Iterator[_Chunk]:
    """Orders are numbered from 1; the first `after` have been told."""
    numbered = enumerate(steps, 1)
    next(islice(numbered, after, after), None)
    while True:
        chunk = _Chunk(after)
        for number, step in islice(numbered, CHUNK):
            chunk.by_flight.setdefault(step.flight, []).append((number, step.command))
            chunk.orders += 1
            chunk.last = step.at
        if not chunk.orders:
            return
        yield chunk
        after += chunk.orders


async def _told_after(running: Running, position: int) -> Mapping[str, set[int]]:
    """The numbers of the orders that are stored, but in no recorded chunk, by flight."""
    told: dict[str, set[int]] = {}
    async for stored in running.source.read_all(Query.of(categories=[CATEGORY]), after=position):
        told.setdefault(stored.id, set()).add(_order_of(stored))
    return told


async def _last_told(running: Running, flight: str) -> int:
    """The number of the order behind the flight's last event; 0 if it has none."""
    last = [_order_of(each) async for each in running.source.read(flights.stream(flight), limit=1, backwards=True)]
    return last[0] if last else 0


def _order_of(stored: StoredEvent) -> int:
    return msgspec.json.decode(stored.metadata or b"{}", type=_Remark).order


class _Remark(msgspec.Struct):
    order: int = 0
