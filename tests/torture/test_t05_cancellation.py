"""
T-05: cancel every public coroutine at its first, second, … last await, at once and a turn of the loop later, while
others append. Whatever was cancelled: the store goes on, what was acknowledged is there, and a repetition with the
same ids tells what has become of the append.
"""

from __future__ import annotations

import asyncio
import os
import types
from collections.abc import AsyncIterator, Callable, Coroutine, Generator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias
from uuid import uuid4

import pytest

from eventfold import Running
from eventfold.domain.message import Stream
from eventfold.domain.query import Query
from eventfold.errors import ConcurrencyConflict
from eventfold.ports.checkpoint_store import Move
from eventfold.ports.event_store import Append
from eventfold.testing.journal import Acknowledged, Asked, Journalled, Line
from tests.acceptance.world import (
    Added,
    application,
    new_event,
    record,
    seeing,
    summing,
    sums,
    sums_t,
    tapes,
)
from tests.torture.workload import audited, in_memory, project, report, told, url

MOST_AWAITS = 60
PATIENCE = 2 if os.environ.get("EVENTFOLD_MUTANT") else 30
A = Stream("tape", "a")
app = application(summing(), seeing())


class World:
    """A store with a past, and the journal of what is appended to it."""

    def __init__(self, running: Running) -> None:
        self.running = running
        self.stores = running._stores
        self.journal: list[Line] = []
        self.sink = Journalled(running.sink, self.journal.append, "w")

    async def append(self, id: bytes | None = None) -> None:
        await self.sink.append(Append(A, [new_event(id or uuid4().bytes), new_event(uuid4().bytes)]))


Call: TypeAlias = Callable[[World], Coroutine[Any, Any, object]]


async def append(world: World) -> object:
    await world.append()
    return None


async def append_large(world: World) -> object:
    """Too many for the loop, so they go to the writer's thread."""
    return await world.sink.append(Append(A, [new_event(uuid4().bytes) for _ in range(80)]))


async def append_with_others(world: World) -> object:
    others = asyncio.gather(*(world.append() for _ in range(3)))
    try:
        await world.append()
    finally:
        await others
    return None


async def execute(world: World) -> object:
    """The journal hears of it through the events alone: they are asked for by nobody else."""
    return await world.running.execute(tapes, "b", record(Added(1), Added(2)))


async def load(world: World) -> object:
    return await world.running.load(tapes, "a")


async def read(world: World) -> object:
    return [event async for event in world.running.source.read(A)]


async def read_all(world: World) -> object:
    return [event async for event in world.running.source.read_all(Query.all())]


async def streams(world: World) -> object:
    return [each async for each in world.running.source.streams()]


async def head(world: World) -> object:
    return await world.running.head()


async def subscribe(world: World) -> object:
    """Catch up, then wait for one event that comes live."""
    async with world.running.source.subscribe(Query.all(), after=0) as batches:
        async for batch in batches:
            if batch.caught_up:
                break
        await world.append()
        await anext(batches)
    return None


async def catch_up(world: World) -> object:
    return await project(world.running)


async def query(world: World) -> object:
    return await world.running.query(sums)


async def wait_for(world: World) -> object:
    await project(world.running)
    await world.running.wait_for("sums", await world.running.head())
    return None


async def checkpoint(world: World) -> object:
    return await world.stores.rows.checkpoint("sums")


async def prepare(world: World) -> object:
    return await world.stores.rows.prepare("sums", version=1, tables=[sums_t])


async def advance(world: World) -> object:
    await world.stores.rows.advance(Move(uuid4().hex, 0, 1, bytes(16)))
    return None


async def reset(world: World) -> object:
    await world.stores.rows.reset("nobody")
    return None


async def note_error(world: World) -> object:
    await world.stores.rows.note_error("sums", "an error")
    return None


async def transaction(world: World) -> object:
    """Reads, so that it holds the connection over an await, and writes nothing."""
    async with world.stores.rows.transaction() as open_transaction:
        await open_transaction.fetch((), sums, None)
        await open_transaction.commit((), None)
    return None


CALLS: tuple[Call, ...] = (
    append,
    append_large,
    append_with_others,
    execute,
    load,
    read,
    read_all,
    streams,
    head,
    subscribe,
    catch_up,
    query,
    wait_for,
    checkpoint,
    prepare,
    advance,
    reset,
    note_error,
    transaction,
)


@types.coroutine
def cancelled_at(
    await_number: int, call: Coroutine[Any, Any, object], *, later: bool
) -> Generator[Any, Any, tuple[int, object]]:
    """Run the call; when it comes to this await, cancel the task, at once or when the loop has turned."""
    awaits = 0
    thrown: BaseException | None = None
    while True:
        try:
            waiting = call.send(None) if thrown is None else call.throw(thrown)
        except StopIteration as done:
            return awaits, done.value
        awaits += 1
        if awaits == await_number:
            task = asyncio.current_task()
            assert task is not None
            if later:
                asyncio.get_running_loop().call_soon(task.cancel)
            else:
                task.cancel()
        thrown = None
        try:
            yield waiting
        except BaseException as error:  # a cancellation, or what the future holds
            thrown = error


async def awaits_of(call: Call, world: World, await_number: int, *, later: bool) -> bool:
    """True while the call has an await of this number. It ended in cancellation, or in spite of it."""

    async def run() -> tuple[int, object]:
        return await cancelled_at(await_number, call(world), later=later)

    neighbour = asyncio.create_task(world.append())
    task = asyncio.create_task(run())
    await asyncio.wait([task])
    await neighbour
    if task.cancelled():
        return True
    awaits, _ = task.result()
    return awaits >= await_number


@asynccontextmanager
async def opened(store: str, tmp_path: Path) -> AsyncIterator[Running]:
    if store == "memory":
        async with in_memory() as place, place.open(app, run=False) as running:
            yield running
        return
    async with app.open(url(tmp_path / "store.db", writer=store), run=False) as running:
        yield running


async def still_usable(world: World) -> None:
    """Everything works, and the repetition of what was cancelled tells the truth."""
    async with asyncio.timeout(PATIENCE):  # a hang is the failure, not slowness
        await world.append()
        assert not await project(world.running)
        await world.running.query(sums)
        answered = {line.op for line in world.journal if isinstance(line, Acknowledged)}
        before = {event.event_id async for event in world.running.source.read_all(Query.all())}
        for line in [each for each in world.journal if isinstance(each, Asked) and each.op not in answered]:
            again = [Append(stream, [new_event(id) for id in ids]) for stream, ids in line.events]
            try:
                appended = await world.sink.append(*again)
            except ConcurrencyConflict:
                assert before.isdisjoint(line.ids)
            else:
                assert appended.streams[0].deduplicated == before.issuperset(line.ids)


async def swept(call: Call, store: str, tmp_path: Path, *, later: bool) -> int:
    async with opened(store, tmp_path) as running:
        world = World(running)
        for _ in range(3):
            await world.append()
        await project(running)
        for number in range(1, MOST_AWAITS):
            more = await awaits_of(call, world, number, later=later)
            await still_usable(world)
            if not more:
                break
        else:
            raise AssertionError(f"{call.__name__} has more than {MOST_AWAITS} awaits")
        assert not await project(running)
        asked_elsewhere = call is execute  # its events are not in the journal
        left = await audited(running.source, world.stores.rows, world.journal, quiet=True)
        violations = [each for each in left.violations if not (asked_elsewhere and each.letter == "A6")]
        assert not violations, told(violations, call.__name__)
        if asked_elsewhere:
            assert len([event for event in left.log if event.id == "b"]) % 2 == 0, "both events of a command or none"
        return number


@pytest.mark.parametrize("later", [False, True], ids=["at once", "a turn later"])
@pytest.mark.parametrize("store", ["memory", "auto", "thread"])
@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.__name__)
async def test_fm52_g04_g05_a_cancelled_call_leaves_the_store_usable_and_its_outcome_true(
    call: Call, store: str, later: bool, tmp_path: Path, planted: None
) -> None:
    number = await swept(call, store, tmp_path, later=later)
    report("T-05", store=store.replace("auto", "sqlite").replace("thread", "sqlite"), call=call.__name__, faults=number)
