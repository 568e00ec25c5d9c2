"""Units of work on a server: lost answers, rivals, sessions that are ended, locks of several processes."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy import Column, Integer, MetaData, Table, Text, insert, select

from eventfold.adapters.postgres import PostgresEventStore, open_postgres
from eventfold.adapters.postgres.read_model import PostgresReadModel
from eventfold.adapters.postgres.units import PostgresUnits
from eventfold.adapters.system import system_clock
from eventfold.domain.message import Stream
from eventfold.errors import (
    AppendOutcomeUnknown,
    ConcurrencyConflict,
    InvalidInput,
    LockTimedOut,
    StoreClosed,
    StoreUnavailable,
)
from eventfold.ports.event_store import NEW, Append, Appended
from eventfold.ports.read_model import Writes
from eventfold.ports.unit import Unit
from eventfold.testing.conformance.material import ANN, BOB, collected, event, events
from tests.integration.test_postgres_ambiguity import line
from tests.pgbouncer import PgBouncer
from tests.postgres import PostgresServer
from tests.waiting import until

GUESTS = Table("unit_guests", MetaData(), Column("name", Text, primary_key=True), Column("n", Integer))


class Place:
    def __init__(self, store: PostgresEventStore, rows: PostgresReadModel, units: PostgresUnits, table: Table) -> None:
        self.store = store
        self.rows = rows
        self.units = units
        self.table = table

    def writes(self, *names: str) -> Writes:
        bound = [self.rows.bind(insert(self.table), {"name": name, "n": 1}) for name in names]
        return [(bound[0][0], [values for _, values in bound])]

    async def names(self) -> list[str]:
        return [row[0] for row in await self.rows.query(select(self.table.c.name).order_by(self.table.c.name))]

    async def versions(self, stream: Stream = ANN) -> list[int]:
        return [each.version async for each in self.store.read(stream)]


@asynccontextmanager
async def opened(url: str, schema: str, **options: Any) -> AsyncIterator[Place]:
    store, rows, units = await open_postgres(url, schema=schema, clock=system_clock, **options)
    table = GUESTS.to_metadata(MetaData(), schema=f"{schema}_rows")
    async with rows._connections.use() as connection:
        await connection.execute(f'CREATE SCHEMA IF NOT EXISTS "{schema}_rows"')
    await rows.make([table])
    try:
        yield Place(store, rows, units, table)
    finally:
        await store.close()
        await rows.close()


@pytest.fixture(autouse=True)
async def rows_schema(postgres: PostgresServer, postgres_schema: str) -> AsyncIterator[None]:
    yield
    await asyncio.to_thread(postgres.execute, f'DROP SCHEMA IF EXISTS "{postgres_schema}_rows" CASCADE')


@pytest.fixture
async def place(postgres: PostgresServer, postgres_schema: str) -> AsyncIterator[Place]:
    async with opened(postgres.url, postgres_schema) as place:
        yield place


@pytest.fixture
async def other(postgres: PostgresServer) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(postgres.url)
    yield connection
    await connection.close()


def storing(place: Place, batch: list[Any], *names: str, expect: Any = NEW) -> Callable[[Unit], Awaitable[Appended]]:
    """Rows first, as handlers do it, then the events."""

    async def work(unit: Unit) -> Appended:
        if names:
            await unit.run(place.writes(*names))
        return await unit.append(Append(ANN, batch, expect))

    return work


# ---------------------------------------------------------------------- lost answers


async def test_fm07_a_commit_without_an_answer_is_asked_after_and_not_made_twice(
    postgres: PostgresServer, postgres_schema: str, other: asyncpg.Connection
) -> None:
    """The row could not be written twice: only the ids of the events can say what became of it."""
    async with line(postgres) as (wire, url), opened(url, postgres_schema, notify=False, poll=600.0) as place:
        calls = 0

        async def work(unit: Unit) -> Appended:
            nonlocal calls
            calls += 1
            result = await storing(place, batch, "ann")(unit)
            wire.lose_answers()
            return result

        batch = events(2)
        acting = asyncio.ensure_future(place.units.transact(work))
        await until(lambda: other.fetchval(f"SELECT count(*) = 2 FROM {postgres_schema}.events"))
        wire.cut()
        appended = await asyncio.wait_for(acting, 20)
        stored = await collected(place.store.read(ANN))
        assert [each.position for each in stored] == list(appended.streams[0].positions)
        assert (calls, await place.names(), len(stored)) == (1, ["ann"], 2)


async def test_fm07_a_commit_that_never_arrived_is_made_again(postgres: PostgresServer, postgres_schema: str) -> None:
    async with line(postgres) as (wire, url), opened(url, postgres_schema, notify=False, poll=600.0) as place:
        calls = 0

        async def work(unit: Unit) -> Appended:
            nonlocal calls
            calls += 1
            result = await storing(place, batch, "ann")(unit)
            if calls == 1:
                wire.cut()
            return result

        batch = events(2)
        appended = await asyncio.wait_for(place.units.transact(work), 20)
        assert not appended.streams[0].deduplicated
        assert (calls, await place.names(), await place.versions()) == (2, ["ann"], [1, 2])


async def test_fm07_when_nobody_can_say_it_is_unknown(
    postgres: PostgresServer, postgres_schema: str, other: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with line(postgres) as (wire, url), opened(url, postgres_schema, notify=False, poll=600.0) as place:
        place.units._aside.patience = 1.0

        async def work(unit: Unit) -> Appended:
            result = await storing(place, batch, "ann")(unit)
            wire.lose_answers()
            return result

        batch = events(2)
        acting = asyncio.ensure_future(place.units.transact(work))
        await until(lambda: other.fetchval(f"SELECT count(*) = 2 FROM {postgres_schema}.events"))
        wire.refusing = True
        wire.cut()
        with pytest.raises(AppendOutcomeUnknown) as unknown:
            await asyncio.wait_for(acting, 20)
        assert unknown.value.event_ids == tuple(UUID(bytes=each.event_id) for each in batch)
        wire.refusing = False
        again = await place.units.transact(storing(place, batch))
        assert again.streams[0].deduplicated


async def test_t24_a_session_that_is_ended_within_the_work_costs_nothing(
    place: Place, other: asyncpg.Connection
) -> None:
    calls = 0

    async def work(unit: Unit) -> Appended:
        nonlocal calls
        calls += 1
        appended = await storing(place, batch, f"guest-{calls}")(unit)
        if calls == 1:
            connection = unit._line.__self__.connection  # type: ignore[attr-defined] # which session it has
            await other.execute("SELECT pg_terminate_backend($1)", connection.get_server_pid())
        return await unit.append(Append(BOB, [event()], NEW)) and appended

    batch = events(2)
    await asyncio.wait_for(place.units.transact(work), 20)
    assert (calls, await place.names(), await place.versions(), await place.versions(BOB)) == (
        2,
        ["guest-2"],
        [1, 2],
        [1],
    )


# --------------------------------------------------------------------------- rivals


async def test_fm09_two_units_that_meet_crosswise_both_succeed(place: Place) -> None:
    both = asyncio.Barrier(2)
    calls = 0

    def crosswise(first: Stream, second: Stream) -> Callable[[Unit], Awaitable[None]]:
        async def work(unit: Unit) -> None:
            nonlocal calls
            calls += 1
            await unit.append(Append(first, [event()]))
            if calls <= 2:
                await both.wait()
            await unit.append(Append(second, [event()]))

        return work

    pair = asyncio.gather(place.units.transact(crosswise(ANN, BOB)), place.units.transact(crosswise(BOB, ANN)))
    await asyncio.wait_for(pair, 30)
    assert calls == 3
    assert (await place.versions(), await place.versions(BOB)) == ([1, 2], [1, 2])


async def test_an_error_that_the_work_hides_is_not_committed(place: Place) -> None:
    await place.units.transact(storing(place, events(1), "ann"))

    async def work(unit: Unit) -> None:
        await unit.append(Append(BOB, [event()]))
        with pytest.raises(InvalidInput, match="duplicate key"):
            await unit.run(place.writes("ann"))

    with pytest.raises(InvalidInput, match="duplicate key"):
        await place.units.transact(work)
    assert await place.versions(BOB) == []


async def test_work_that_does_nothing_takes_no_connection(postgres: PostgresServer, postgres_schema: str) -> None:
    async with opened(postgres.url, postgres_schema, pool=1) as place:

        async def work(unit: Unit) -> list[int]:
            return await place.versions()  # with the only connection

        assert await asyncio.wait_for(place.units.transact(work), 10) == []


async def test_fm12_who_holds_it_too_long_is_ended(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eventfold.adapters.postgres.units.LONGEST_HOLD", 0.2)

    async def work(unit: Unit) -> None:
        await asyncio.sleep(0.3)  # nothing is held yet
        await unit.append(Append(ANN, [event()]))
        await asyncio.sleep(30)

    with pytest.raises(TimeoutError, match="open for too long"):
        await asyncio.wait_for(place.units.transact(work), 10)
    assert await place.versions() == []
    await place.store.append(Append(ANN, [event()], NEW))


async def test_within_an_act_of_administration_it_is_one_transaction(place: Place) -> None:
    async with place.rows._connections.use() as connection:
        await connection.execute("BEGIN")
        unit = place.units.over(connection)
        await unit.append(Append(ANN, [event()]))
        await unit.run(place.writes("ann"))
        assert await unit.fetch([], select(place.table.c.n), None) == [(1,)]
        await connection.execute("ROLLBACK")
    assert (await place.versions(), await place.names()) == ([], [])


# ---------------------------------------------------------------------------- locks


async def test_d1_work_under_a_lock_is_tried_again_without_losing_it(place: Place) -> None:
    async with place.units.lock(ANN, timeout=5) as held:
        await place.store.append(Append(ANN, [event()]))  # without a lock nobody is kept out
        with pytest.raises(ConcurrencyConflict):
            await held.transact(storing(place, [event()], "ann"))
        with pytest.raises(LockTimedOut) as timed_out:
            async with place.units.lock(ANN, timeout=0.1):
                pass
        assert (timed_out.value.stream, timed_out.value.waited) == (ANN, 0.1)
        assert [fact[0] for facts in [each async for each in held.load(ANN)] for fact in facts] == [1]
        await held.transact(storing(place, [event()], "bob", expect=1))
        async with place.units.lock(ANN, timeout=5):
            pass  # the commit has released it
        with pytest.raises(InvalidInput, match="has been released"):
            await held.transact(storing(place, [event()]))
    assert (await place.versions(), await place.names()) == ([1, 2], ["bob"])


async def test_d2_a_pool_of_one_has_room_for_a_lock_and_for_others(
    postgres: PostgresServer, postgres_schema: str
) -> None:
    async with opened(postgres.url, postgres_schema, pool=1) as place, asyncio.timeout(20):
        async with place.units.lock(ANN, timeout=5) as held:
            await place.store.append(Append(BOB, [event()]))
            assert await place.versions(BOB) == [1]
            await held.transact(storing(place, [event()]))
            assert await place.versions() == [1]
        async with place.units.lock(BOB, timeout=5):
            pass


async def test_d2_waiting_for_one_stream_keeps_nobody_from_another(
    postgres: PostgresServer, postgres_schema: str
) -> None:
    async with opened(postgres.url, postgres_schema, pool=4) as place, asyncio.timeout(30):
        done: list[int] = []

        async def one(number: int) -> None:
            async with place.units.lock(ANN, timeout=20):
                done.append(number)
                await asyncio.sleep(0)

        async with place.units.lock(ANN, timeout=5):
            waiting = [asyncio.ensure_future(one(n)) for n in range(20)]
            await asyncio.sleep(0.1)
            async with place.units.lock(BOB, timeout=5) as held:
                await held.transact(storing(place, [event()]))
            assert done == []
        await asyncio.gather(*waiting)
        assert done == list(range(20))  # in the order in which they came


async def test_d2_at_most_half_of_the_pool_holds_locks(postgres: PostgresServer, postgres_schema: str) -> None:
    async with (
        asyncio.timeout(30),
        opened(postgres.url, postgres_schema, pool=4) as place,
        place.units.lock(ANN, timeout=5),
        place.units.lock(BOB, timeout=5),
    ):
        with pytest.raises(LockTimedOut):
            async with place.units.lock(Stream("account", "eve"), timeout=0.2):
                pass
        await asyncio.gather(*(place.store.append(Append(ANN, [event()])) for _ in range(8)))


async def test_fm52_d1_a_lock_is_released_by_an_error_and_by_cancellation_at_each_await(place: Place) -> None:
    async def locked(steps: int) -> None:
        async with place.units.lock(ANN, timeout=5) as held:
            await held.transact(storing(place, [event()], expect=0))

    for turns in range(0, 60, 2):
        task = asyncio.ensure_future(locked(turns))
        for _ in range(turns):
            await asyncio.sleep(0.0002)
        task.cancel()
        await asyncio.wait([task])
        if task.done() and not task.cancelled() and task.exception() is None:
            break
        async with place.units.lock(ANN, timeout=5):
            pass
    with pytest.raises(ZeroDivisionError):
        async with place.units.lock(BOB, timeout=5):
            raise ZeroDivisionError
    async with place.units.lock(BOB, timeout=5):
        pass


async def test_d1_after_close_nobody_gets_a_lock_or_a_unit(place: Place) -> None:
    await place.store.close()
    with pytest.raises(StoreClosed):
        async with place.units.lock(ANN, timeout=1):
            pass
    with pytest.raises(StoreClosed):
        await place.units.transact(storing(place, [event()]))
    with pytest.raises(StoreClosed):
        await place.units.join(object())


async def test_t24_a_lock_goes_with_its_session_and_the_holder_is_told(place: Place, other: asyncpg.Connection) -> None:
    async with place.units.lock(ANN, timeout=5) as held:
        await other.execute("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted")
        async with place.units.lock(BOB, timeout=5):
            pass
        with pytest.raises(StoreUnavailable):
            await held.transact(storing(place, [event()]))
    async with place.units.lock(ANN, timeout=5) as held:
        await held.transact(storing(place, [event()]))
    assert await place.versions() == [1]


HOLDER = """
import asyncio, json, sys
from eventfold.adapters.postgres import open_postgres
from eventfold.adapters.system import system_clock, uuid7
from eventfold.domain.message import NewEvent, Stream
from eventfold.ports.event_store import Append

options = json.loads(sys.argv[1])
ANN = Stream("account", "ann")


async def main():
    store, rows, units = await open_postgres(**options, clock=system_clock)
    if sys.argv[2] == "hold":
        async with units.lock(ANN, timeout=10):
            print("locked", flush=True)
            await asyncio.sleep(600)
    for _ in range(int(sys.argv[2])):
        async with units.lock(ANN, timeout=30) as held:
            version = 0
            async for facts in held.load(ANN):
                version = facts[-1][0]
            new = [NewEvent(event_id=uuid7().bytes, type="Happened", data=b"{}")]

            async def work(unit):
                await unit.append(Append(ANN, new, version))

            await held.transact(work)
    await store.close()
    await rows.close()


asyncio.run(main())
"""


async def child(options: dict[str, Any], what: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-c", HOLDER, json.dumps(options), what, stdout=asyncio.subprocess.PIPE
    )


@pytest.mark.parametrize("pooled", [False, True])
async def test_d3_two_processes_under_a_lock_meet_no_conflict(
    postgres: PostgresServer, pgbouncer: PgBouncer, postgres_schema: str, pooled: bool
) -> None:
    options: dict[str, Any] = {"url": postgres.url, "schema": postgres_schema}
    if pooled:
        options |= {"url": pgbouncer.url, "direct": pgbouncer.direct_url}
    async with opened(options.pop("url"), postgres_schema, **{k: v for k, v in options.items() if k != "schema"}):
        pass
    options = {"url": pgbouncer.url if pooled else postgres.url, **options}
    started = [await child(options, "25") for _ in range(2)]
    async with asyncio.timeout(60):
        assert [await each.wait() for each in started] == [0, 0]  # a conflict would have ended it
    async with opened(postgres.url, postgres_schema) as place:
        assert await place.versions() == list(range(1, 51))


async def test_d3_a_killed_holder_keeps_nobody(place: Place, postgres: PostgresServer, postgres_schema: str) -> None:
    holder = await child({"url": postgres.url, "schema": postgres_schema}, "hold")
    assert holder.stdout is not None
    async with asyncio.timeout(30):
        assert await holder.stdout.readline() == b"locked\n"
        with pytest.raises(LockTimedOut):
            async with place.units.lock(ANN, timeout=0.2):
                pass
        os.kill(holder.pid, signal.SIGKILL)
        async with place.units.lock(ANN, timeout=20) as held:
            await held.transact(storing(place, [event()]))
        await holder.wait()
    assert await place.versions() == [1]
