"""
T-05: cancel every public coroutine at its first, second, … last await, at once and a turn of the loop later, while
others append. Whatever was cancelled: the store goes on, what was acknowledged is there, a repetition with the same
ids tells what has become of the append, and a command has left all that belongs to it or nothing.
"""

from __future__ import annotations

import asyncio
import os
import types
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Generator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias
from uuid import uuid4

import asyncpg
import pytest
from sqlalchemy import Column, Integer, MetaData, String, Table, insert, select

from eventfold import EventHandler, Handling, Joined, Pending, Recorded, Running, TransactionalHandler, View
from eventfold.domain.message import Stream
from eventfold.domain.query import Query
from eventfold.errors import ConcurrencyConflict
from eventfold.ports.actions import Intent
from eventfold.ports.checkpoint_store import Move
from eventfold.ports.event_store import Append
from eventfold.ports.leases import Lease
from eventfold.ports.parking import Aside
from eventfold.testing.journal import Acknowledged, Asked, Journalled, Line
from tests.acceptance.world import (
    Added,
    application,
    new_event,
    record,
    seeing,
    stored,
    summing,
    sums,
    sums_t,
    tapes,
)
from tests.postgres import ExistingServer, PostgresServer
from tests.torture.workload import FULL, audited, in_memory, project, report, told, url, url_of_schema

MOST_AWAITS = 90
PATIENCE = 2 if os.environ.get("EVENTFOLD_MUTANT") else 30
A = Stream("tape", "a")

beside_t = Table(
    "beside", MetaData(), Column("what", String, primary_key=True), Column("version", Integer, primary_key=True)
)
note = insert(beside_t)
beside = select(beside_t.c.what, beside_t.c.version)


class World:
    """A store with a past, and the journal of what is appended to it."""

    def __init__(self, running: Running, server: str | None, heard: list[tuple[str, int]]) -> None:
        self.running = running
        self.stores = running._stores
        self.journal: list[Line] = []
        self.sink = Journalled(running.sink, self.journal.append, "w")
        self.heard = heard
        """By the plain handler: which events."""
        self._server = server
        self._mine: asyncpg.Connection | None = None

    async def append(self, id: bytes | None = None) -> None:
        await self.sink.append(Append(A, [new_event(id or uuid4().bytes), new_event(uuid4().bytes)]))

    @property
    def mine(self) -> asyncpg.Connection:
        """A connection of the caller's own."""
        assert self._mine is not None
        return self._mine

    async def ready(self) -> None:
        """The caller has a connection that nobody has been cancelled on."""
        if self._server is not None:
            self.close()
            self._mine = await asyncpg.connect(self._server)

    def close(self) -> None:
        if self._mine is not None:
            self._mine.terminate()


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


async def lock(world: World) -> object:
    async with world.running.lock(tapes, "b") as tape:
        return await tape.execute(record(Added(1), Added(2)))


async def send(world: World) -> object:
    """To an entity with one place that others send to as well: those get their turn whatever becomes of this one."""
    async with world.running.entity(tapes, "b", mailbox=1) as tape:
        before = asyncio.create_task(tape.execute(record(Added(7), Added(8))))
        await asyncio.sleep(0)
        after = asyncio.create_task(tape.execute(record(Added(7), Added(8))))  # starts when this one waits
        try:
            return await tape.execute(record(Added(1), Added(2)))
        finally:
            done, _ = await asyncio.wait([before, after], timeout=PATIENCE)
            assert done == {before, after}, "a turn was lost"
            assert before.result().version < after.result().version


async def lock_and_leave(world: World) -> object:
    async with world.running.lock(tapes, "b") as tape:
        return tape.state


async def several(unit: Joined) -> None:
    """Two events each of two tapes, and a row of the caller's."""
    await unit.execute(tapes, "b", record(Added(1), Added(2)))
    second = await unit.execute(tapes, "c", record(Added(3), Added(4)))
    await unit.write(note, {"what": "mine", "version": second.version})


async def together(world: World) -> object:
    async with world.running.transaction() as unit:
        await several(unit)
    return unit.recorded


async def join(world: World) -> object:
    async with world.mine.transaction(), world.running.join(world.mine) as unit:
        await several(unit)
    await unit.committed()
    return None


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


async def take(world: World) -> object:
    return await world.stores.leases.take(uuid4().hex, 0, "a", seconds=60.0)


async def beat(world: World) -> object:
    lease = await world.stores.leases.take("beating", 0, "a", seconds=60.0)
    assert isinstance(lease, Lease)
    return await world.stores.leases.beat("beating", "a", [lease], seconds=60.0)


async def park(world: World) -> object:
    """Two events and the step that leaves them behind."""
    left = tuple(Aside(n, A, bytes(16), "Added", behind=n > 1, attempts=1, error="no") for n in (1, 2))
    await world.stores.rows.advance(Move(uuid4().hex, 0, 2, bytes(16), aside=left))
    return None


async def intend(world: World) -> object:
    """And say that it was done."""
    event_id = uuid4().bytes
    intents = [Intent("mails", event_id, key) for key in "abc"]
    await world.stores.actions.intend(intents)
    await world.stores.actions.settle([(each, b"1") for each in intents])
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
    take,
    beat,
    park,
    intend,
)
COMMANDS: tuple[Call, ...] = (execute, send, lock, lock_and_leave, together, join)
"""With handlers of both kinds. Their events are in no journal, for nobody asks for them by their ids."""


def with_handlers(heard: list[tuple[str, int]]) -> tuple[TransactionalHandler, EventHandler]:
    """A row within the append and another after it, for each event of a command."""
    within, after = TransactionalHandler("within", tables=[beside_t]), EventHandler("after", tables=[beside_t])

    @within.on(Added)
    async def pending(pending: Pending[Added], view: View) -> None:
        if pending.event.n == 2:
            await view.fetch(beside)
        view.write(note, {"what": f"within {pending.id}", "version": pending.version})

    @after.on(Added)
    async def recorded(recorded: Recorded[Added], handling: Handling) -> None:
        heard.append((recorded.id, recorded.version))
        await asyncio.sleep(0)
        handling.write(note, {"what": f"after {recorded.id}", "version": recorded.version})

    return within, after


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
async def opened(store: str, place: Path | str, *, handlers: bool = False) -> AsyncIterator[World]:
    heard: list[tuple[str, int]] = []
    app = application(summing(), seeing(), handlers=with_handlers(heard) if handlers else ())
    if store == "memory":
        async with in_memory() as memory, memory.open(app, run=False) as running:
            yield World(running, None, heard)
        return
    server = place if isinstance(place, str) else None
    where = place if isinstance(place, str) else url(place / "store.db", writer=store)
    async with app.open(where, run=False) as running:
        world = World(running, server and of_driver(server), heard)
        try:
            yield world
        finally:
            world.close()


def of_driver(server: str) -> str:
    """The same database without what only our URLs say."""
    address, _, schema = server.partition("?schema=")
    return f"{address}?options={schema.partition('&options=')[2]}"


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


async def swept(call: Call, store: str, place: Path | str, *, later: bool, handlers: bool = False) -> int:
    async with opened(store, place, handlers=handlers) as world:
        for _ in range(3):
            await world.append()
        await project(world.running)
        for number in range(1, MOST_AWAITS):
            await world.ready()
            more = await awaits_of(call, world, number, later=later)
            await still_usable(world)
            await books_are_whole(world)
            if handlers:
                await all_or_nothing(call, world)
            if not more:
                break
        else:
            raise AssertionError(f"{call.__name__} has more than {MOST_AWAITS} awaits")
        assert not await project(world.running)
        asked_elsewhere = call in COMMANDS
        left = await audited(world.running.source, world.stores.rows, world.journal, quiet=True)
        violations = [each for each in left.violations if not (asked_elsewhere and each.letter == "A6")]
        assert not violations, told(violations, call.__name__)
        if asked_elsewhere:
            assert len([event for event in left.log if event.id == "b"]) % 2 == 0, "both events of a command or none"
        return number


async def books_are_whole(world: World) -> None:
    """A lease with its epoch, a step with what it leaves, all of a batch: or nothing of it."""
    stores = world.stores
    for lease in await stores.leases.leases():
        assert (await stores.rows.checkpoint(lease.processor, lease.partition)).epoch == lease.epoch
    parked = Counter(each.processor for each in await stores.parking.parked())
    assert set(parked.values()) <= {2}
    for processor in parked:
        assert (await stores.rows.checkpoint(processor)).position == 2
    entries = Counter((each.event_id, each.status) for each in await stores.actions.actions("mails"))
    assert set(entries.values()) <= {3}


async def all_or_nothing(call: Call, world: World) -> None:
    """Events and the rows that belong to them; and whoever comes next finds neither lock nor line taken."""
    async with asyncio.timeout(PATIENCE):
        await world.running.execute(tapes, "c", record(Added(5), Added(6)))
        async with world.running.lock(tapes, "b", timeout=PATIENCE) as tape:
            await tape.execute(record(Added(7), Added(8)))
        events = [event for event in await stored(world.running) if event.id in ("b", "c")]
        rows = [tuple(row) for row in await world.running.query(beside)]
    versions = {(event.id, event.version) for event in events}
    of = {number: [event for event in events if event.data == b'{"n":%d}' % number] for number in range(1, 5)}
    assert len(of[1]) == len(of[2]), "both events of a command or none"
    assert len(of[3]) == len(of[4]) == (len(of[1]) if call in (together, join) else 0), "both tapes or none"
    assert {version for what, version in rows if what == "mine"} == {event.version for event in of[4]}
    within, after = (
        {(what.removeprefix(kind), version) for what, version in rows if what.startswith(kind)}
        for kind in ("within ", "after ")
    )
    assert within == versions, "the rows of a transactional handler are there when their events are"
    assert len(world.heard) == len(set(world.heard)), "no event is told twice"
    assert after <= set(world.heard) <= versions, "what is told is stored"


STORES = ("memory", "auto", "thread", "postgres")


def sweeps(calls: tuple[Call, ...]) -> list[Any]:
    """`make test` leaves out a part of what takes a server long."""
    return [
        pytest.param(call, store, later, id=f"{call.__name__}-{store}-{'a turn later' if later else 'at once'}")
        for call in calls
        for store in STORES
        for later in (False, True)
        if (call is not join or store == "postgres") and (FULL or store != "postgres" or not later)
    ]


@pytest.fixture
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    if request.node.callspec.params["store"] != "postgres":
        return tmp_path
    server: PostgresServer | ExistingServer = request.getfixturevalue("postgres")
    schema: str = request.getfixturevalue("postgres_schema")
    return url_of_schema(server.url, schema)


@pytest.mark.parametrize(("call", "store", "later"), sweeps(CALLS))
async def test_fm52_g04_g05_a_cancelled_call_leaves_the_store_usable_and_its_outcome_true(
    call: Call, store: str, later: bool, place: Path | str, planted: None
) -> None:
    number = await swept(call, store, place, later=later)
    said(call, store, number)


@pytest.mark.parametrize(("call", "store", "later"), sweeps(COMMANDS))
async def test_fm52_d3_e3_a_cancelled_command_leaves_all_of_it_or_nothing_and_no_lock(
    call: Call, store: str, later: bool, place: Path | str, planted: None
) -> None:
    """With handlers of both kinds, under a lock, in a transaction of the store and of the caller."""
    number = await swept(call, store, place, later=later, handlers=True)
    said(call, store, number)


def said(call: Call, store: str, number: int) -> None:
    report("T-05", store=store.replace("auto", "sqlite").replace("thread", "sqlite"), call=call.__name__, faults=number)
