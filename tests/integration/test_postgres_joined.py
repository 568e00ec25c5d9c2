"""Somebody else's transaction: what is appended within it is his, and no subscriber is harmed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import asyncpg
import psycopg
import pytest
from sqlalchemy import NullPool
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

from eventfold.adapters.postgres import PostgresEventStore, open_postgres
from eventfold.adapters.postgres.horizon import holders
from eventfold.adapters.postgres.open_unit import OpenUnit
from eventfold.adapters.postgres.units import PostgresUnits
from eventfold.adapters.system import system_clock
from eventfold.domain.query import Query
from eventfold.errors import (
    BoundaryConflict,
    ConcurrencyConflict,
    InvalidInput,
    RetryTransaction,
    UnsupportedIsolation,
)
from eventfold.ports.event_store import EXISTS, NEW, Append, Condition
from eventfold.ports.unit import Unit
from eventfold.testing.conformance.material import ANN, BOB, collected, delivered, event, events
from tests.integration.callers import EVERY_KIND, Caller, by_asyncpg
from tests.postgres import PostgresServer

COMMITTED, OLD_SNAPSHOT, SERIALIZABLE = "read committed", "repeatable read", "serializable"


class Place:
    def __init__(self, url: str, schema: str, store: PostgresEventStore, units: PostgresUnits) -> None:
        self.url = url
        self.schema = schema
        self.store = store
        self.units = units

    async def versions(self, stream: Any = ANN) -> list[int]:
        return [each.version async for each in self.store.read(stream)]

    async def guests(self) -> list[int]:
        connection = await asyncpg.connect(self.url)
        try:
            return [row[0] for row in await connection.fetch(f"SELECT n FROM {self.schema}.guests ORDER BY n")]
        finally:
            await connection.close()


@pytest.fixture
async def place(postgres: PostgresServer, postgres_schema: str) -> AsyncIterator[Place]:
    store, rows, units = await open_postgres(postgres.url, schema=postgres_schema, clock=system_clock)
    postgres.execute(f"CREATE TABLE {postgres_schema}.guests (n int)")
    yield Place(postgres.url, postgres_schema, store, units)
    await store.close()
    await rows.close()


@pytest.fixture(params=EVERY_KIND)
async def caller(request: pytest.FixtureRequest, place: Place) -> AsyncIterator[Caller]:
    async with EVERY_KIND[request.param](place.url, COMMITTED) as caller:
        await caller.execute(f"INSERT INTO {place.schema}.guests VALUES (1)")
        yield caller


async def loaded(unit: Unit, stream: Any = ANN) -> list[int]:
    return [fact[0] async for facts in unit.load(stream) for fact in facts]


# ------------------------------------------------------------------------ every kind


async def test_his_commit_stores_rows_and_events(place: Place, caller: Caller) -> None:
    unit = await place.units.join(caller.connection)
    new = event(1, tags=("vip",), metadata=b"{}", correlation_id="c", occurred_at=5)
    both = await unit.append(Append(BOB, events(2), NEW), Append(ANN, [new]))
    assert await loaded(unit) == [1]
    assert await place.versions() == []  # not before the commit
    await caller.commit()
    assert await place.guests() == [1]
    (stored,) = await collected(place.store.read(ANN))
    assert (stored.event_id, stored.tags, stored.metadata) == (new.event_id, new.tags, new.metadata)
    assert [each.stream for each in both.streams] == [BOB, ANN]
    assert both.streams[1].positions == (stored.position,)


async def test_his_rollback_stores_neither(place: Place, caller: Caller) -> None:
    unit = await place.units.join(caller.connection)
    await unit.append(Append(ANN, events(3)))
    await caller.rollback()
    assert (await place.guests(), await place.versions()) == ([], [])
    await place.store.append(Append(ANN, [event()], NEW))


async def test_a_refused_append_leaves_his_transaction_as_it_was(place: Place, caller: Caller) -> None:
    taken = event()
    await place.store.append(Append(ANN, [taken]))
    unit = await place.units.join(caller.connection)
    with pytest.raises(ConcurrencyConflict):
        await unit.append(Append(BOB, [event()]), Append(ANN, [event()], NEW))
    again = await unit.append(Append(ANN, [taken], NEW))
    assert again.streams[0].deduplicated
    assert await loaded(unit, BOB) == []
    await unit.append(Append(BOB, [event()], NEW))
    await caller.commit()
    assert (await place.guests(), await place.versions(), await place.versions(BOB)) == ([1], [1], [1])


async def test_a_condition_is_checked_against_what_is_committed(place: Place, caller: Caller) -> None:
    query = Query.of("Booked", tags=["seat-1"])
    seen = (await place.store.read_boundary(query)).condition
    unit = await place.units.join(caller.connection)
    booked = [event(type="Booked", tags=("seat-1",))]
    await place.store.append(Append(BOB, [event(type="Booked", tags=("seat-1",))]))
    with pytest.raises(BoundaryConflict):
        await unit.append(Append(ANN, booked), condition=seen)
    now = (await place.store.read_boundary(query)).condition
    await unit.append(Append(ANN, booked), condition=now)
    await caller.commit()
    assert await place.versions() == [1]


async def test_when_he_has_ended_it_the_unit_is_over(place: Place, caller: Caller) -> None:
    unit = await place.units.join(caller.connection)
    await unit.append(Append(ANN, [event()]))
    await caller.commit()
    with pytest.raises(InvalidInput, match="no transaction, or it has ended"):
        await unit.append(Append(ANN, [event()]))
    assert await place.versions() == [1]


@pytest.mark.parametrize("end", ["commit", "rollback"])
async def test_his_savepoints_are_safe_before_after_and_around_an_append(
    place: Place, caller: Caller, end: str
) -> None:
    """What is rolled back is not stored, and what is not is: its lock must not go with another append's."""
    async with place.store.subscribe(Query.all(), after=0) as batches:
        following = asyncio.ensure_future(delivered(batches, 3))
        unit = await place.units.join(caller.connection)
        await caller.execute("SAVEPOINT around")
        await unit.append(Append(ANN, events(2)))
        await caller.execute("ROLLBACK TO SAVEPOINT around")  # and the lock is gone
        assert await loaded(unit) == []
        await unit.append(Append(ANN, [event()], NEW))
        await caller.execute("SAVEPOINT after")
        await caller.execute(f"INSERT INTO {place.schema}.guests VALUES (2)")
        await unit.append(Append(ANN, [event()], 1))
        await caller.execute("ROLLBACK TO SAVEPOINT after")
        (quick,) = (await place.store.append(Append(BOB, [event()]))).streams  # a higher position, committed before
        await asyncio.sleep(0.1)  # long enough for a reader to go too far
        assert not following.done()
        await (caller.commit() if end == "commit" else caller.rollback())
        if end == "rollback":
            await place.store.append(Append(BOB, events(2)))
            assert [each.stream for each in await asyncio.wait_for(following, 20)] == [BOB, BOB, BOB]
            return
        await place.store.append(Append(BOB, [event()]))
        got = await asyncio.wait_for(following, 20)
    assert [(each.stream, each.version) for each in got] == [(ANN, 1), (BOB, 1), (BOB, 2)]
    assert got[1].position == quick.positions[-1] > got[0].position
    assert await place.guests() == [1]


@pytest.mark.parametrize("kind", [each for each in EVERY_KIND if not each.startswith("asyncpg")])
async def test_the_next_transaction_can_be_joined_before_anything_is_said_in_it(place: Place, kind: str) -> None:
    """A driver that begins by itself begins with the first statement."""
    async with EVERY_KIND[kind](place.url, COMMITTED) as caller:
        for n in range(3):
            unit = await place.units.join(caller.connection)
            await unit.append(Append(ANN, [event()], n))
            await caller.commit()
        unit = await place.units.join(caller.connection)
        await unit.append(Append(ANN, [event()], 3))
        await caller.rollback()
    assert await place.versions() == [1, 2, 3]


async def test_what_fails_below_our_savepoint_is_undone_again_and_again(place: Place, caller: Caller) -> None:
    """More often than a driver needs to remember a statement, and each time forget it."""
    unit = await place.units.join(caller.connection)
    assert isinstance(unit, OpenUnit)
    for n in range(8):
        with pytest.raises(ZeroDivisionError):
            async with unit.whole():
                await unit.append(Append(ANN, [event()], NEW))
                raise ZeroDivisionError
        async with unit.whole():
            await unit.append(Append(BOB, [event()], n))
    await caller.commit()
    assert (await place.guests(), await place.versions()) == ([1], [])
    assert await place.versions(BOB) == list(range(1, 9))


# ------------------------------------------------------------------------- isolation


@pytest.mark.parametrize("kind", ["asyncpg", "psycopg async", "AsyncSession over asyncpg", "Session over psycopg"])
@pytest.mark.parametrize("isolation", [OLD_SNAPSHOT, SERIALIZABLE])
async def test_an_old_snapshot_appends_what_it_can_be_sure_of(place: Place, kind: str, isolation: str) -> None:
    await place.store.append(Append(ANN, [event()]))
    condition = (await place.store.read_boundary(Query.of(tags=["a"]))).condition
    async with EVERY_KIND[kind](place.url, isolation) as caller:
        unit = await place.units.join(caller.connection)
        await unit.append(Append(ANN, [event()], 1))
        with pytest.raises(UnsupportedIsolation, match="READ COMMITTED"):
            await unit.append(Append(ANN, [event()]), condition=condition)
        with pytest.raises(ConcurrencyConflict):
            await unit.append(Append(ANN, [event()], 1))
        await caller.commit()
    assert await place.versions() == [1, 2]


@pytest.mark.parametrize("isolation", [OLD_SNAPSHOT, SERIALIZABLE])
@pytest.mark.parametrize("expect", [2, EXISTS, NEW, 0])
async def test_what_an_old_snapshot_cannot_see_needs_a_new_transaction(
    place: Place, isolation: str, expect: Any
) -> None:
    async with EVERY_KIND["asyncpg"](place.url, isolation) as caller:
        unit = await place.units.join(caller.connection)
        assert await loaded(unit) == []  # the snapshot is taken
        await place.store.append(Append(ANN, events(2)))
        with pytest.raises(RetryTransaction, match="roll the transaction back"):
            await unit.append(Append(ANN, [event()], expect))
    assert await place.versions() == [1, 2]


async def test_a_retry_of_what_is_stored_is_told_so_by_a_new_transaction(place: Place) -> None:
    new = event()
    async with by_asyncpg(place.url, OLD_SNAPSHOT) as caller:
        unit = await place.units.join(caller.connection)
        await place.store.append(Append(ANN, [new]))
        with pytest.raises(RetryTransaction):
            await unit.append(Append(ANN, [new]))
    async with by_asyncpg(place.url, OLD_SNAPSHOT) as caller:
        assert (await (await place.units.join(caller.connection)).append(Append(ANN, [new]))).streams[0].deduplicated


async def test_fm09_a_deadlock_needs_a_new_transaction(place: Place) -> None:
    async with by_asyncpg(place.url, COMMITTED) as one, by_asyncpg(place.url, COMMITTED) as two:
        first, second = await place.units.join(one.connection), await place.units.join(two.connection)
        await first.append(Append(ANN, [event()]))
        await second.append(Append(BOB, [event()]))

        async def across(unit: Unit, caller: Caller, stream: Any) -> str:
            try:
                await unit.append(Append(stream, [event()]))
            except RetryTransaction as error:
                assert "deadlock" in str(error)  # noqa: PT017 - one of the two
                await caller.rollback()
                return "retry"
            await caller.commit()
            return "committed"

        outcomes = await asyncio.wait_for(asyncio.gather(across(first, one, BOB), across(second, two, ANN)), 20)
    assert sorted(outcomes) == ["committed", "retry"]
    assert (len(await place.versions()), len(await place.versions(BOB))) == (1, 1)


async def test_fm09_a_serialization_failure_needs_a_new_transaction(place: Place) -> None:
    """Each has read what the other is about to write."""
    async with by_asyncpg(place.url, SERIALIZABLE) as one, by_asyncpg(place.url, SERIALIZABLE) as two:
        first, second = await place.units.join(one.connection), await place.units.join(two.connection)
        for caller in (one, two):
            await caller.connection.fetch(f"SELECT * FROM {place.schema}.guests")
        for caller, n in ((one, 1), (two, 2)):
            await caller.execute(f"INSERT INTO {place.schema}.guests VALUES ({n})")
        await first.append(Append(ANN, [event()]))
        await one.commit()
        with pytest.raises(RetryTransaction):
            await second.append(Append(BOB, [event()]))
    assert (await place.versions(), await place.versions(BOB)) == ([1], [])


# --------------------------------------------------------------------------- readers


async def test_g01_two_joined_units_in_one_transaction_are_read_in_order(place: Place, caller: Caller) -> None:
    async with place.store.subscribe(Query.all(), after=0) as batches:
        following = asyncio.ensure_future(delivered(batches, 5))
        one, two = await place.units.join(caller.connection), await place.units.join(caller.connection)
        await one.append(Append(ANN, events(2)))
        await place.store.append(Append(BOB, [event()]))
        await two.append(Append(ANN, [event()], 2))
        await place.store.append(Append(BOB, [event()]))
        assert await loaded(one) == [1, 2, 3]
        await caller.commit()
        got = await asyncio.wait_for(following, 20)
    assert [each.position for each in got] == sorted(each.position for each in got)
    assert [each.version for each in got if each.stream == ANN] == [1, 2, 3]


async def test_f2_a_subscriber_hears_of_his_commit_without_waiting_for_the_next_look(
    postgres: PostgresServer, postgres_schema: str
) -> None:
    store, rows, units = await open_postgres(postgres.url, schema=postgres_schema, clock=system_clock, poll=600.0)
    other, more, _ = await open_postgres(postgres.url, schema=postgres_schema, clock=system_clock, poll=600.0)
    try:
        async with (
            store.subscribe(Query.all(), after=0) as here,
            other.subscribe(Query.all(), after=0) as elsewhere,
            by_asyncpg(postgres.url, COMMITTED) as caller,
        ):
            following = asyncio.gather(delivered(here, 1), delivered(elsewhere, 1))
            await asyncio.sleep(4.2)  # both have seen that there is nothing, and look again four seconds later
            await (await units.join(caller.connection)).append(Append(ANN, [event()]))
            await asyncio.sleep(0.3)
            assert not following.done()
            await caller.commit()
            await asyncio.wait_for(following, 3)
    finally:
        for each in (store, rows, other, more):
            await each.close()


async def test_fm01_an_appender_has_one_lock_however_much_it_appends(place: Place) -> None:
    """The server's table of locks has room for a few thousand."""
    async with by_asyncpg(place.url, COMMITTED) as caller:
        unit = await place.units.join(caller.connection)
        for _ in range(20):
            await unit.append(Append(ANN, [event()]))
        (holder,) = await holders(place.units._aside, place.units._server.names)
        assert holder.position == 0
        await caller.commit()
        await caller.execute("BEGIN")  # and so has the next one of the session
        await (await place.units.join(caller.connection)).append(Append(ANN, [event()]))
        (holder,) = await holders(place.units._aside, place.units._server.names)
        assert holder.position == 20
        await caller.rollback()


# -------------------------------------------------------------------------- refusals


@pytest.mark.parametrize("ahead", [None, 1_000])
async def test_fm01_who_says_that_he_has_the_lock_is_not_believed(place: Place, ahead: int | None) -> None:
    async with by_asyncpg(place.url, COMMITTED) as caller:
        await caller.execute(f"SELECT set_config('{place.schema}.entered', '1', true)")
        if ahead is not None:  # a lock of the right kind, for what comes much later
            await caller.execute(
                f"SELECT pg_advisory_xact_lock_shared('{place.schema}.events'::regclass::oid::int, {ahead})"
            )
        unit = await place.units.join(caller.connection)
        await unit.append(Append(ANN, [event(1)]))
        connection = await asyncpg.connect(place.url)
        bound = await connection.fetchval(f"SELECT {place.schema}.bound()")
        await connection.close()
        assert bound == 0


async def test_what_cannot_be_joined_is_refused_with_the_remedy(place: Place) -> None:
    for stranger in (object(), place.store, place.url, None):
        with pytest.raises(InvalidInput, match="cannot be joined; pass a connection of asyncpg"):
            await place.units.join(stranger)


async def test_without_a_transaction_it_is_refused(place: Place) -> None:
    connection = await asyncpg.connect(place.url)
    with pytest.raises(InvalidInput, match="no transaction"):
        await place.units.join(connection)
    await connection.close()
    with pytest.raises(InvalidInput, match="closed"):
        await place.units.join(connection)
    later = await psycopg.AsyncConnection.connect(place.url, autocommit=True)
    with pytest.raises(InvalidInput, match="no transaction"):
        await place.units.join(later)
    await later.close()
    with pytest.raises(InvalidInput, match="closed"):
        await place.units.join(later)
    now = psycopg.connect(place.url, autocommit=True)
    with pytest.raises(InvalidInput, match="no transaction"):
        await place.units.join(now)
    now.close()
    with pytest.raises(InvalidInput, match="closed"):
        await place.units.join(now)


async def test_a_session_that_commits_each_statement_is_refused(place: Place) -> None:
    for driver in ("asyncpg", "psycopg"):
        url = place.url.replace("postgresql:", f"postgresql+{driver}:", 1)
        engine = create_async_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
        async with AsyncSession(engine) as session:
            with pytest.raises(InvalidInput, match="no transaction"):
                await place.units.join(session)
            with pytest.raises(InvalidInput, match="pass that one"):
                await place.units.join(session.sync_session)
        await engine.dispose()


async def test_a_transaction_that_has_failed_is_refused(place: Place) -> None:
    for kind in ("asyncpg", "psycopg async", "psycopg sync", "AsyncSession over asyncpg", "Session over psycopg"):
        async with EVERY_KIND[kind](place.url, COMMITTED) as caller:
            with pytest.raises(Exception, match="nowhere"):
                await caller.execute("SELECT * FROM nowhere")
            with pytest.raises(InvalidInput, match=r"failed|aborted"):
                await place.units.join(caller.connection)
            await caller.rollback()


async def test_another_database_or_schema_is_refused(
    postgres: PostgresServer, postgres_old: PostgresServer, place: Place
) -> None:
    name = f"other_{uuid4().hex[:8]}"
    postgres.execute(f"CREATE DATABASE {name}")
    elsewhere = place.url.rpartition("/")[0] + f"/{name}"
    for url in (elsewhere, postgres_old.url):
        async with by_asyncpg(url, COMMITTED) as caller:
            with pytest.raises(InvalidInput, match="another database than the store"):
                await place.units.join(caller.connection)
            assert await caller.connection.fetchval("SELECT 1") == 1  # and his transaction is as it was
    postgres.execute(f"DROP DATABASE {name} WITH (FORCE)")


async def test_fm12_a_connection_that_is_lost_has_stored_nothing(place: Place) -> None:
    async with by_asyncpg(place.url, COMMITTED) as caller, by_asyncpg(place.url, COMMITTED) as other:
        unit = await place.units.join(caller.connection)
        await unit.append(Append(ANN, [event()]))
        await other.connection.execute("SELECT pg_terminate_backend($1)", caller.connection.get_server_pid())
        with pytest.raises((RetryTransaction, InvalidInput)):
            await unit.append(Append(ANN, [event()]))
    assert await place.versions() == []


async def test_a_condition_that_is_none_is_refused_before_anything_is_asked(place: Place) -> None:
    async with by_asyncpg(place.url, COMMITTED) as caller:
        unit = await place.units.join(caller.connection)
        with pytest.raises(InvalidInput, match="condition"):
            await unit.append(Append(ANN, [event()]), condition="ours")  # type: ignore[arg-type] # what is tested
        await unit.append(Append(ANN, [event()]), condition=Condition(Query.of(tags=["x"]), 0))
        await caller.commit()
    assert await place.versions() == [1]
