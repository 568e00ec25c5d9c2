"""The one writer: whose turn it is, and what becomes of those who give up, come late or come from elsewhere."""

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, bindparam, insert, select

from eventfold.adapters.sqlite import SqliteEventStore, open_sqlite
from eventfold.adapters.sqlite.group import GroupCommit, Job, Outcome
from eventfold.adapters.sqlite.read_model import SqliteReadModel
from eventfold.adapters.system import ManualClock, uuid7
from eventfold.domain.message import NewEvent, Stream
from eventfold.domain.query import Query
from eventfold.errors import StoreClosed, StoreError, StoreUsedAfterFork
from eventfold.ports.event_store import Append, Appended
from eventfold.ports.read_model import Writes

Opened = tuple[SqliteEventStore, SqliteReadModel]
ANN, BOB = Stream("account", "ann"), Stream("account", "bob")
NUMBERS = Table("numbers", MetaData(), Column("n", Integer, primary_key=True))
ADD = insert(NUMBERS).values(n=bindparam("n_"))
DEADLINE = 10.0


def append(stream: Stream = ANN, count: int = 1) -> Append:
    return Append(stream, [NewEvent(event_id=uuid7().bytes, type="Happened", data=b"{}") for _ in range(count)])


def numbers(rows: SqliteReadModel, *values: int) -> Writes:
    bound = [rows.bind(ADD, {"n_": value}) for value in values]
    return [(bound[0][0], [row for _, row in bound])]


async def versions(store: SqliteEventStore, stream: Stream = ANN) -> list[int]:
    return [each.version async for each in store.read(stream)]


@pytest.fixture(params=["auto", "thread"])
async def opened(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Opened]:
    both = (await open_sqlite(str(tmp_path / "e.db"), clock=ManualClock(), writer=request.param))[:2]
    yield both
    for each in both:
        await each.close()


@pytest.fixture
async def in_thread(tmp_path: Path) -> AsyncIterator[Opened]:
    both = (await open_sqlite(str(tmp_path / "t.db"), clock=ManualClock(), writer="thread"))[:2]
    yield both
    for each in both:
        await each.close()


class Gate(GroupCommit):
    """Holds the writer's thread until it is opened."""

    def __init__(self, real: GroupCommit) -> None:
        self.entered, self.open = threading.Event(), threading.Event()
        self._real = real

    def run(self, jobs: Sequence[Job]) -> list[Outcome]:
        self.entered.set()
        assert self.open.wait(DEADLINE)
        return self._real.run(jobs)


def gated(store: SqliteEventStore) -> Gate:
    gate = Gate(store._writer._group_commit)
    store._writer._group_commit = gate
    return gate


# ---------------------------------------------------------------------- cancellation


async def test_an_append_that_is_cancelled_while_it_waits_is_not_written(opened: Opened) -> None:
    store, _ = opened
    tasks = [asyncio.ensure_future(store.append(append(Stream("s", str(number))))) for number in range(6)]
    await asyncio.sleep(0)
    for number in (1, 4):
        tasks[number].cancel()
    await asyncio.wait(tasks, timeout=DEADLINE)
    assert [task.cancelled() for task in tasks] == [False, True, False, False, True, False]
    assert [each.id async for each in store.read_all(Query.all())] == ["0", "2", "3", "5"]
    assert (await store.append(append())).streams[0].version == 1


async def test_an_append_that_is_cancelled_in_the_thread_leaves_the_store_usable(in_thread: Opened) -> None:
    store, _ = in_thread
    gate = gated(store)
    given_up, queued = append(), append()
    task = asyncio.ensure_future(store.append(given_up))
    await asyncio.to_thread(gate.entered.wait, DEADLINE)
    later = asyncio.ensure_future(store.append(queued))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    gate.open.set()
    async with asyncio.timeout(DEADLINE):
        assert (await later).streams[0].version == 2
        assert (await store.append(given_up)).streams[0].deduplicated


async def test_g08_an_appender_that_gave_up_takes_no_news_along(in_thread: Opened) -> None:
    store, _ = in_thread
    gate = gated(store)
    told = asyncio.Event()
    store._writer.after_commit.append(told.set)  # the commit itself, not the poll that would find it later
    async with store.subscribe(Query.all(), after=0) as batches:
        assert (await anext(batches)).events == []
        waiting = asyncio.ensure_future(anext(batches))
        task = asyncio.ensure_future(store.append(append()))
        await asyncio.to_thread(gate.entered.wait, DEADLINE)
        task.cancel()
        await asyncio.wait([task])
        gate.open.set()
        async with asyncio.timeout(DEADLINE):
            await told.wait()
            assert [each.version for each in (await waiting).events] == [1]


async def test_a_transaction_that_is_cancelled_in_the_thread_leaves_nothing_and_gives_the_turn_back(
    in_thread: Opened,
) -> None:
    store, rows = in_thread
    await rows.prepare("p", version=1, tables=[NUMBERS])
    entered, gate = threading.Event(), threading.Event()
    real: Any = store._writer._connection

    class Slow:
        def executemany(self, *arguments: Any) -> Any:
            entered.set()
            assert gate.wait(DEADLINE)
            return real.executemany(*arguments)

        def __getattr__(self, name: str) -> Any:
            return getattr(real, name)

    store._writer._connection = Slow()

    async def project() -> None:
        async with rows.transaction() as transaction:
            await transaction.commit(numbers(rows, 1), None)

    task = asyncio.ensure_future(project())
    await asyncio.to_thread(entered.wait, DEADLINE)
    following = asyncio.ensure_future(store.append(append()))
    for _ in range(3):  # whoever cancels twice must not get the connection out of the thread's hands
        task.cancel()
        await asyncio.sleep(0)
    assert not task.done()
    gate.set()
    async with asyncio.timeout(DEADLINE):
        with pytest.raises(asyncio.CancelledError):
            await task
        await following
    assert not real.in_transaction
    assert await versions(store) == [1]


# ----------------------------------------------------------------------------- turns


async def test_a_transaction_that_is_held_open_makes_appends_wait_and_not_fail(opened: Opened) -> None:
    store, rows = opened
    await rows.prepare("p", version=1, tables=[NUMBERS])
    async with rows.transaction() as transaction:
        await transaction.fetch(numbers(rows, 1), select(NUMBERS), None)
        waiting = [asyncio.ensure_future(store.append(append())) for _ in range(5)]
        for _ in range(20):
            await asyncio.sleep(0)
        assert not any(each.done() for each in waiting)
        assert await store.head() == 0
        await transaction.commit([], None)
    async with asyncio.timeout(DEADLINE):
        outcomes = await asyncio.gather(*waiting)
    assert sorted(each.streams[0].version for each in outcomes) == [1, 2, 3, 4, 5]


async def test_a_turn_that_is_given_to_somebody_who_just_gave_up_is_passed_on(opened: Opened) -> None:
    store, rows = opened
    held = rows.transaction()
    await held.__aenter__()

    async def wait_for_a_turn() -> None:
        async with rows.transaction():
            pytest.fail("it was cancelled")

    given_up = asyncio.ensure_future(wait_for_a_turn())
    await asyncio.sleep(0)
    await held.__aexit__(None, None, None)  # now the turn is theirs, before they know
    given_up.cancel()
    async with asyncio.timeout(DEADLINE):
        assert (await store.append(append())).streams[0].version == 1
        await rows.reset("p")
    assert given_up.cancelled()


async def test_neither_appends_nor_projections_starve(opened: Opened) -> None:
    store, rows = opened
    await rows.prepare("p", version=1, tables=[NUMBERS])
    over = False
    done = {"appends": 0, "projections": 0}

    async def appends() -> None:
        while not over:
            await store.append(append(Stream("s", uuid7().hex)))
            done["appends"] += 1

    async def projections() -> None:
        nonlocal over
        for number in range(30):
            before = done["appends"]
            async with rows.transaction() as transaction:
                await transaction.commit(numbers(rows, number), None)
            done["projections"] += 1
            if number:
                while done["appends"] == before:  # noqa: ASYNC110 - a turn of the loop is the unit of the promise
                    await asyncio.sleep(0)
        over = True

    async with asyncio.timeout(DEADLINE), asyncio.TaskGroup() as tasks:
        for _ in range(4):
            tasks.create_task(appends())
        tasks.create_task(projections())
    assert done["projections"] == 30
    assert done["appends"] >= 30


# --------------------------------------------------------------------------- closing


async def test_closing_stores_what_was_asked_before_and_refuses_the_rest(opened: Opened) -> None:
    store, rows = opened
    await rows.prepare("p", version=1, tables=[NUMBERS])
    held = rows.transaction()
    transaction = await held.__aenter__()

    async def project() -> None:
        async with rows.transaction() as mine:
            await mine.commit(numbers(rows, 2), None)

    before = [asyncio.ensure_future(store.append(append())) for _ in range(3)]
    projecting = asyncio.ensure_future(project())
    await asyncio.sleep(0)
    closing = [asyncio.ensure_future(each.close()) for each in (store, rows, store)]
    await asyncio.sleep(0)
    with pytest.raises(StoreClosed):
        await store.append(append())
    assert not any(each.done() for each in closing)
    await transaction.commit(numbers(rows, 1), None)
    await held.__aexit__(None, None, None)
    async with asyncio.timeout(DEADLINE):
        outcomes = await asyncio.gather(*before, projecting, *closing)
    assert [each.streams[0].version for each in outcomes[:3] if isinstance(each, Appended)] == [1, 2, 3]


async def test_closing_that_is_cancelled_goes_on_and_can_be_awaited_again(in_thread: Opened) -> None:
    store, _ = in_thread
    gate = gated(store)
    appending = asyncio.ensure_future(store.append(append()))
    await asyncio.to_thread(gate.entered.wait, DEADLINE)
    closing = asyncio.ensure_future(store.close())
    await asyncio.sleep(0)
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    gate.open.set()
    async with asyncio.timeout(DEADLINE):
        await store.close()
        assert (await appending).streams[0].version == 1


# ------------------------------------------------------------------ the wrong place


async def test_another_event_loop_is_refused_with_a_sentence(opened: Opened) -> None:
    store, rows = opened
    await store.append(append())

    def elsewhere() -> list[str]:
        async def main() -> list[str]:
            found: list[str] = []
            for late in (store.append(append()), store.head(), rows.checkpoint("p"), rows.reset("p")):
                try:
                    await late
                except StoreError as error:
                    found.append(str(error))
            return found

        return asyncio.run(main())

    found = await asyncio.to_thread(elsewhere)
    assert len(found) == 4
    assert all("another event loop" in each for each in found)
    assert (await store.append(append())).streams[0].version == 2


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # that it is dangerous is the point
async def test_a_forked_child_is_refused_and_its_parent_goes_on(opened: Opened) -> None:
    store, rows = opened
    await store.append(append())
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:  # pragma: no cover - another process
        found: list[str] = []
        for late in (store.append(append()), store.head(), rows.checkpoint("p"), rows.reset("p"), store.close()):
            try:
                late.send(None)
            except StopIteration:
                found.append("done")
            except BaseException as error:  # whatever it is, the parent hears of it
                found.append(type(error).__name__)
        os.write(writing, " ".join(found).encode())
        os._exit(0)
    os.close(writing)
    _, status = await asyncio.to_thread(os.waitpid, child, 0)
    told = os.read(reading, 1_000).decode().split()
    os.close(reading)
    assert status == 0
    assert told == [StoreUsedAfterFork.__name__] * 4 + ["done"]
    assert (await store.append(append())).streams[0].version == 2
