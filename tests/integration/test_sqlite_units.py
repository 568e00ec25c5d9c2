"""Units and locks on one file: between processes, between two stores of one process, and when something breaks."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import apsw
import pytest

from eventfold.adapters.sqlite import SqliteEventStore, open_sqlite
from eventfold.adapters.sqlite.read_model import SqliteReadModel
from eventfold.adapters.sqlite.units import SqliteUnits
from eventfold.adapters.system import ManualClock
from eventfold.domain.message import Stream
from eventfold.domain.query import Query
from eventfold.errors import AppendOutcomeUnknown, ConcurrencyConflict, LockTimedOut, StoreClosed, StoreUnavailable
from eventfold.ports import failpoint, unit
from eventfold.ports.event_store import NEW, Append
from eventfold.ports.unit import Unit
from eventfold.testing.conformance.material import ANN, BOB, collected, delivered, event, store_one
from eventfold.testing.conformance.read_model import ALL, STOCK, added
from tests.integration.children import children

pytestmark = pytest.mark.anyio
Opened = tuple[SqliteEventStore, SqliteReadModel, SqliteUnits]


@asynccontextmanager
async def opened(path: Path, **options: Any) -> AsyncGenerator[Opened]:
    store, rows, units = await open_sqlite(str(path), clock=ManualClock(), **options)
    try:
        yield store, rows, units
    finally:
        await store.close()
        await rows.close()


HOLDER = """
async def main():
    store, rows, units = await open_sqlite(path, clock=system_clock)
    async with units.lock(Stream("account", "ann"), timeout=10):
        say("ready")
        await told()
    say("released")
    await told()
    await store.close()
    await rows.close()
"""

COUNTER = """
async def main():
    store, rows, units = await open_sqlite(path, clock=system_clock, busy=30.0, synchronous="normal")
    ann = Stream("account", "ann")
    say("ready")
    await told()
    for _ in range(int(arguments[0])):
        async with units.lock(ann, timeout=30) as held:
            last = [fact[0] async for page in held.load(ann) for fact in page]
            expected = len(last)

            async def work(unit, expected=expected):
                await unit.append(Append(ann, append(ann).events, expected))

            await held.transact(work)
    await store.close()
    await rows.close()
    say("done")
"""


async def test_d1_a_lock_keeps_other_processes_out_until_it_is_released(tmp_path: Path) -> None:
    path = tmp_path / "e.db"
    async with children(HOLDER, (path,)) as (holder,), opened(path) as (store, _, units):
        with pytest.raises(LockTimedOut):
            async with units.lock(ANN, timeout=0.1):
                pytest.fail("two processes have it")
        async with units.lock(BOB, timeout=0):
            pass  # another stream
        assert (await store_one(store, ANN)).version == 1  # who does not lock does not wait
        waiting = asyncio.ensure_future(_locked(units))
        holder.tell()
        assert await holder.line() == "released"
        await asyncio.wait_for(waiting, 10)


async def test_d3_a_lock_dies_with_its_process(tmp_path: Path) -> None:
    path = tmp_path / "e.db"
    async with children(HOLDER, (path,)) as (holder,), opened(path) as (_, _, units):
        os.kill(holder.pid, signal.SIGSTOP)  # who is only slow keeps it
        with pytest.raises(LockTimedOut):
            async with units.lock(ANN, timeout=0.2):
                pytest.fail("two processes have it")
        os.kill(holder.pid, signal.SIGKILL)
        async with units.lock(ANN, timeout=10):
            pass


async def test_d1_processes_that_lock_never_conflict(tmp_path: Path) -> None:
    path = tmp_path / "e.db"
    async with opened(path) as (store, _, _):
        async with children(COUNTER, *[(path, 25)] * 3) as counters:
            for each in counters:
                each.tell()
            assert [await each.line() for each in counters] == ["done"] * 3
        assert [e.version async for e in store.read(ANN)] == list(range(1, 76))


async def _locked(units: SqliteUnits) -> None:
    async with units.lock(ANN, timeout=10):
        pass


async def test_d1_two_stores_of_one_process_keep_each_other_out_and_closing_one_frees_only_its_own(
    tmp_path: Path,
) -> None:
    path = tmp_path / "e.db"
    async with opened(path) as (_, _, first):
        async with opened(path) as (_, _, second), first.lock(ANN, timeout=1), second.lock(BOB, timeout=1):
            with pytest.raises(LockTimedOut):
                await _timed(second, ANN)
        async with opened(path) as (_, _, third), first.lock(ANN, timeout=1):
            async with opened(path) as (_, _, fourth), fourth.lock(BOB, timeout=1):
                pass
            with pytest.raises(LockTimedOut):
                await _timed(third, ANN)


async def _timed(units: SqliteUnits, stream: Stream) -> None:
    async with units.lock(stream, timeout=0.02):
        pass


async def test_sec22_the_file_of_locks_is_its_owners_alone_and_made_when_it_is_needed(tmp_path: Path) -> None:
    path = tmp_path / "e.db"
    locks = tmp_path / "e.db-streams"
    async with opened(path) as (_, _, units):
        assert not locks.exists()
        await _locked(units)
        assert stat.S_IMODE(locks.stat().st_mode) == 0o600


async def test_sec22_a_link_in_the_place_of_the_file_of_locks_is_refused(tmp_path: Path) -> None:
    async with opened(tmp_path / "e.db") as (_, _, units):
        (tmp_path / "e.db-streams").symlink_to(tmp_path / "elsewhere")
        with pytest.raises(StoreUnavailable):
            await _locked(units)
        assert not (tmp_path / "elsewhere").exists()


async def test_d3_closing_ends_those_who_wait_for_another_process(tmp_path: Path) -> None:
    path = tmp_path / "e.db"
    async with children(HOLDER, (path,)), opened(path) as (store, _, units):
        waiting = asyncio.ensure_future(_locked(units))
        await asyncio.sleep(0)
        await store.close()
        with pytest.raises(StoreClosed):
            await asyncio.wait_for(waiting, 5)


# ------------------------------------------------------------------------------ units


@pytest.mark.parametrize("writer", ["auto", "thread"])
async def test_a_unit_that_takes_too_long_is_ended_and_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writer: str
) -> None:
    monkeypatch.setattr("eventfold.adapters.sqlite.units.LONGEST_HOLD", 0.1)
    assert unit.LONGEST_HOLD == 5
    async with opened(tmp_path / "e.db", writer=writer) as (store, _, units):

        async def work(unit: Unit) -> None:
            await asyncio.sleep(0.2)  # costs nobody anything, for nothing is open yet
            await unit.append(Append(ANN, [event()]))
            await asyncio.Event().wait()

        appending = asyncio.ensure_future(units.transact(work))
        with pytest.raises(TimeoutError, match="too long"):
            await asyncio.wait_for(appending, 10)
        assert (await store_one(store, ANN, expect=NEW)).version == 1


async def test_a_task_that_the_work_has_left_behind_does_nothing_after_its_end(tmp_path: Path) -> None:
    async with opened(tmp_path / "e.db", writer="thread") as (store, rows, units):
        await rows.make([STOCK])
        left: list[asyncio.Task[Any]] = []

        async def work(unit: Unit) -> None:
            await unit.append(Append(ANN, [event()]))
            left.append(asyncio.ensure_future(unit.append(Append(BOB, [event() for _ in range(500)]))))
            left.append(asyncio.ensure_future(unit.run(added(rows, *map(str, range(500))))))
            await asyncio.sleep(0)
            raise ValueError

        with pytest.raises(ValueError):
            await units.transact(work)
        outcomes = await asyncio.gather(*left, return_exceptions=True)
        assert isinstance(outcomes[1], Exception)
        assert await collected(store.read_all(Query.all())) == []
        assert await rows.query(ALL) == []
        assert (await store_one(store, BOB, expect=NEW)).version == 1


@pytest.mark.parametrize("writer", ["auto", "thread"])
async def test_fm52_a_caller_who_is_gone_at_the_commit_takes_no_news_along(tmp_path: Path, writer: str) -> None:
    def strike(name: str) -> None:
        if name == "unit.after_commit":
            raise RuntimeError(name)

    async with (
        opened(tmp_path / "e.db", writer=writer) as (store, _, units),
        store.subscribe(Query.all(), after=0) as batches,
    ):
        heard: asyncio.Task[Any] = asyncio.ensure_future(delivered(batches, 1))
        await asyncio.sleep(0.05)  # it waits for the bell, without which it would still hear, but late
        rung: list[str] = []
        store._writer.after_commit.append(lambda: rung.append("told"))  # pyright: ignore[reportPrivateUsage]
        failpoint.arm(strike)
        try:
            with pytest.raises(RuntimeError):
                await units.transact(lambda unit: unit.append(Append(ANN, [event()])))
        finally:
            failpoint.disarm()
        assert rung == ["told"]
        (one,) = await asyncio.wait_for(heard, 10)
        assert one.version == 1
        assert (await store_one(store, ANN, expect=1)).version == 2


async def test_a_commit_that_the_disk_refuses_says_that_nobody_knows(tmp_path: Path) -> None:
    async with opened(tmp_path / "e.db") as (store, _, units):
        new = event()

        def strike(name: str) -> None:
            if name == "unit.before_commit":
                raise apsw.IOError

        failpoint.arm(strike)
        try:
            with pytest.raises(AppendOutcomeUnknown) as unknown:
                await units.transact(lambda unit: unit.append(Append(ANN, [new])))
        finally:
            failpoint.disarm()
        assert [each.bytes for each in unknown.value.event_ids] == [new.event_id]
        assert not (await store_one(store, ANN, new)).deduplicated
        with pytest.raises(ConcurrencyConflict):
            await store_one(store, ANN, expect=NEW)
