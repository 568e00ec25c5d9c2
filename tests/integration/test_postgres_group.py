"""Group commit on Postgres: what shares a transaction, what must not, and whom a failure harms."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeAlias
from uuid import UUID

import asyncpg
import pytest

from eventfold.adapters.postgres import PostgresEventStore, open_postgres
from eventfold.adapters.system import system_clock
from eventfold.domain.message import Stream
from eventfold.domain.query import Query
from eventfold.errors import BoundaryConflict, ConcurrencyConflict, EventIdConflict, StoreClosed
from eventfold.ports.event_store import ANY, NEW, Append, Appended, BoundaryRead
from eventfold.testing.conformance.material import ANN, BOB, collected, event, events
from tests.postgres import PostgresServer

Open: TypeAlias = Callable[..., Awaitable[PostgresEventStore]]


@pytest.fixture
async def open(postgres: PostgresServer, postgres_schema: str) -> AsyncIterator[Open]:
    opened: list[Any] = []

    async def open(**options: Any) -> PostgresEventStore:
        both = await open_postgres(postgres.url, clock=system_clock, schema=postgres_schema, **options)
        opened.extend(reversed(both[:2]))
        return both[0]

    yield open
    for each in opened:
        await each.close()


@pytest.fixture
async def other(postgres: PostgresServer, open: Open, postgres_schema: str) -> AsyncIterator[asyncpg.Connection]:
    """Somebody else in the same database, with the schema in its path."""
    await open()
    connection = await asyncpg.connect(postgres.url)
    await connection.execute(f"SET search_path = {postgres_schema}")
    yield connection
    await connection.close()


def stream(number: int) -> Stream:
    return Stream("account", str(number))


async def gathered(*appending: Awaitable[Appended]) -> list[Appended | BaseException]:
    async with asyncio.timeout(20):
        return await asyncio.gather(*appending, return_exceptions=True)


async def until(connection: asyncpg.Connection, condition: str) -> None:
    async with asyncio.timeout(10):
        while not await connection.fetchval(condition):  # noqa: ASYNC110 - a server rings no bell for its locks
            await asyncio.sleep(0.01)


async def test_appends_of_a_moment_share_one_transaction(open: Open, other: asyncpg.Connection) -> None:
    store = await open(lanes=1)
    await gathered(*(store.append(Append(stream(n), events(2), NEW)) for n in range(30)))
    assert await other.fetchval("SELECT count(DISTINCT xmin::text) FROM events") == 1
    assert await other.fetchval("SELECT count(*) FROM events") == 60


async def test_appends_of_a_process_to_one_stream_are_stored_in_their_order(open: Open) -> None:
    store = await open(lanes=4)
    for name in ("ann", "bob"):
        await store.append(Append(Stream("account", name), [event()], NEW))
    outcomes = await gathered(
        *(store.append(Append(each, [event()], version)) for version in range(1, 20) for each in (ANN, BOB))
    )
    assert [each for each in outcomes if not isinstance(each, Appended)] == []


async def test_a_taken_id_in_a_later_event_fails_that_append_alone(open: Open) -> None:
    store = await open(lanes=1)
    taken = event(0)
    await store.append(Append(BOB, [taken]))
    outcomes = await gathered(
        store.append(Append(stream(1), events(3), NEW)),
        store.append(Append(stream(2), [event(1), event(2), taken], NEW)),
        store.append(Append(stream(3), events(3), NEW)),
    )
    assert [type(each) for each in outcomes] == [Appended, EventIdConflict, Appended]
    culprit = outcomes[1]
    assert isinstance(culprit, EventIdConflict)
    assert [each.id async for each in store.read_all(Query.all())] == ["bob", *"111", *"333"]


async def test_one_id_in_two_streams_of_a_moment_is_stored_once(open: Open) -> None:
    store = await open()
    twice = event(1)
    outcomes = await gathered(*(store.append(Append(stream(n), [event(), twice])) for n in range(5)))
    assert sorted(type(each).__name__ for each in outcomes) == ["Appended", *["EventIdConflict"] * 4]
    assert len(await collected(store.read_all(Query.all()))) == 2


async def test_c3_processes_that_append_to_the_same_streams_leave_no_gap(open: Open) -> None:
    stores = [await open(pool=4) for _ in range(3)]
    outcomes = await gathered(
        *(store.append(Append(stream(n % 3), events(1 + n % 2), ANY)) for n in range(60) for store in stores)
    )
    assert [each for each in outcomes if not isinstance(each, Appended)] == []
    for n in range(3):
        versions = [each.version async for each in stores[0].read(stream(n))]
        assert versions == list(range(1, len(versions) + 1))
    assert await stores[0].head() > 0
    assert len(await collected(stores[0].read_all(Query.all()))) == 60 // 2 * 3 * 3


async def test_fm09_opposite_orders_of_two_streams_end_in_no_deadlock(open: Open) -> None:
    stores = [await open(pool=4) for _ in range(2)]
    outcomes = await gathered(
        *(
            store.append(Append(first, [event()]), Append(second, [event()]))
            for _ in range(16)
            for store in stores
            for first, second in ((ANN, BOB), (BOB, ANN))
        )
    )
    assert [each for each in outcomes if not isinstance(each, Appended)] == []
    assert len([each async for each in stores[0].read(ANN)]) == len([each async for each in stores[0].read(BOB)]) == 64


async def test_fm09_a_deadlock_is_tried_again_and_nobody_hears_of_it(open: Open, other: asyncpg.Connection) -> None:
    store = await open()
    insert = """INSERT INTO events (category, id, version, event_id, type, format, recorded_at)
                VALUES ('account', $1, 1, $2, 'Other', 0, 0)"""
    transaction = other.transaction()
    await transaction.start()
    await other.execute("SET LOCAL deadlock_timeout = '10s'")  # it is the store that is told
    await other.execute(insert, "bob", UUID(int=1))
    appending = asyncio.ensure_future(store.append(Append(ANN, [event()]), Append(BOB, [event()])))
    await until(other, "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND locktype = 'transactionid')")
    await other.execute(insert, "ann", UUID(int=2))  # waits for the store, which waits for us
    await transaction.commit()
    async with asyncio.timeout(20):
        appended = await appending
    assert [each.version for each in appended.streams] == [2, 2]


@pytest.mark.parametrize(
    "query",
    [Query.of("Taken", tags=["a"]), Query.of("Taken"), Query.of(tags=["b", "a"])],
    ids=["a type and a tag", "a type", "two tags"],  # the repr of a set is another in each process of xdist
)
async def test_c10_of_two_processes_on_one_condition_one_wins(open: Open, query: Query) -> None:
    stores = [await open(pool=2) for _ in range(4)]
    for turn in range(10):
        read: list[BoundaryRead] = [await store.read_boundary(query) for store in stores]
        outcomes = await gathered(
            *(
                store.append(
                    Append(Stream("s", f"{turn}-{n}"), [event(type="Taken", tags=("a", "b"))]), condition=each.condition
                )
                for n, (store, each) in enumerate(zip(stores, read, strict=True))
            )
        )
        assert sorted(type(each).__name__ for each in outcomes) == ["Appended", *["BoundaryConflict"] * 3]
    assert len(await collected(stores[0].read_all(query))) == 10


async def test_c10_a_condition_waits_for_a_tagged_append_under_way_and_sees_it(
    open: Open, other: asyncpg.Connection, postgres_schema: str
) -> None:
    """The position is lower, the commit later: by positions alone it would be missed."""
    store = await open()
    read = await store.read_boundary(Query.of(tags=["a"]))
    transaction = other.transaction()
    await transaction.start()
    call = (
        f"SELECT {postgres_schema}.append_1('s', '1', -1, $1, 'Taken', 1, 0::smallint, NULL, NULL, $2, NULL, NULL, 'x')"
    )
    assert await other.fetchval(call, UUID(int=1), ["a"])
    await store.append(Append(BOB, [event()]))  # a higher position, committed before
    appending = asyncio.ensure_future(store.append(Append(ANN, [event()]), condition=read.condition))
    await until(other, "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)")
    assert not appending.done()
    await transaction.commit()
    with pytest.raises(BoundaryConflict):
        await appending


async def test_an_append_with_more_tags_than_locks_is_stored(open: Open, other: asyncpg.Connection) -> None:
    store = await open()
    new = [event(tags=tuple(f"{n}:{tag}" for tag in range(100))) for n in range(5)]
    await store.append(Append(ANN, new))
    assert await other.fetchval("SELECT count(*) FROM event_tags") == 500


async def test_fm04_the_epoch_survives_the_wrap_of_its_32_bits(open: Open, other: asyncpg.Connection) -> None:
    store = await open()
    await other.execute("ALTER SEQUENCE events_position_seq RESTART WITH 4294967295")
    for number in range(4):
        await gathered(*(store.append(Append(stream(n), [event()], number)) for n in range(3)))
        assert await other.fetchval("SELECT bound()") == await store.head()
    assert len(await collected(store.read_all(Query.all()))) == 12


async def test_a_stalled_stream_holds_nobody_else_up(open: Open, other: asyncpg.Connection) -> None:
    store = await open(lanes=2)
    transaction = other.transaction()
    await transaction.start()
    await other.execute(
        """INSERT INTO events (category, id, version, event_id, type, format, recorded_at)
           VALUES ('account', 'ann', 1, $1, 'Other', 0, 0)""",
        UUID(int=1),
    )
    stalled = asyncio.ensure_future(store.append(Append(ANN, [event()], NEW)))
    await asyncio.sleep(0)
    for number in range(5):
        outcomes = await gathered(*(store.append(Append(stream(n), [event()], number)) for n in range(3)))
        assert all(isinstance(each, Appended) for each in outcomes), outcomes
    assert not stalled.done()
    await transaction.commit()
    with pytest.raises(ConcurrencyConflict):
        await stalled


async def test_t05_an_append_cancelled_at_any_await_is_whole_or_absent_and_harms_nobody(open: Open) -> None:
    store = await open(pool=2)
    for step in range(12):
        mine, theirs = stream(step), Stream("other", str(step))
        batch = events(3)
        appending = asyncio.ensure_future(store.append(Append(mine, batch)))
        beside = asyncio.ensure_future(store.append(Append(theirs, events(2))))
        for _ in range(step):
            await asyncio.sleep(0)
        appending.cancel()
        await asyncio.wait([appending])
        assert isinstance((await gathered(beside))[0], Appended)
        assert len(await collected(store.read(mine))) in {0, 3}
        again = await store.append(Append(mine, batch))
        assert again.streams[0].version == 3
        assert len(await collected(store.read(mine))) == 3


@pytest.mark.parametrize("given_up", [0, 1, 2])
async def test_t05_appends_that_are_given_up_in_the_queue_leave_nobody_waiting(
    open: Open, other: asyncpg.Connection, given_up: int
) -> None:
    store = await open(lanes=1)
    condition = (await store.read_boundary(Query.of("Never"))).condition
    transaction = other.transaction()
    await transaction.start()
    await other.execute("LOCK TABLE events IN EXCLUSIVE MODE")
    first = asyncio.ensure_future(store.append(Append(stream(9), [event()])))
    await until(other, "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)")
    queued = [
        asyncio.ensure_future(store.append(Append(stream(1), [event()]), condition=condition)),
        asyncio.ensure_future(store.append(Append(stream(2), [event()]))),
        asyncio.ensure_future(store.append(Append(stream(3), [event()]), condition=condition)),
    ]
    await asyncio.sleep(0)
    for each in queued[given_up:]:
        each.cancel()
    await transaction.rollback()
    assert all(isinstance(each, Appended) for each in await gathered(first, *queued[:given_up]))
    async with asyncio.timeout(10):
        await store.close()


async def test_t05_one_that_is_given_up_does_not_take_those_behind_it_along(
    open: Open, other: asyncpg.Connection
) -> None:
    store = await open(lanes=1)
    condition = (await store.read_boundary(Query.of("Never"))).condition
    transaction = other.transaction()
    await transaction.start()
    await other.execute("LOCK TABLE events IN EXCLUSIVE MODE")
    first = asyncio.ensure_future(store.append(Append(stream(9), [event()])))
    await until(other, "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)")
    gone = asyncio.ensure_future(store.append(Append(stream(1), [event()]), condition=condition))
    behind = asyncio.ensure_future(store.append(Append(stream(2), [event()])))
    await asyncio.sleep(0)
    gone.cancel()
    await transaction.rollback()
    assert all(isinstance(each, Appended) for each in await gathered(first, behind))


async def test_t05_a_lone_append_that_is_cancelled_while_it_waits_frees_its_connection(
    open: Open, other: asyncpg.Connection
) -> None:
    store = await open(pool=1)
    await store.append(Append(BOB, [event()]))
    await store.append(Append(BOB, [event()]))  # alone for a while: now it runs in the caller's task
    transaction = other.transaction()
    await transaction.start()
    await other.execute("LOCK TABLE events IN EXCLUSIVE MODE")
    appending = asyncio.ensure_future(store.append(Append(ANN, [event()])))
    await until(other, "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)")
    appending.cancel()
    await asyncio.wait([appending])
    assert appending.cancelled()
    # the server hears of it too, so that nobody waits behind it
    await until(other, "SELECT NOT EXISTS (SELECT FROM pg_locks WHERE NOT granted)")
    await transaction.rollback()
    assert isinstance((await gathered(store.append(Append(BOB, [event()], 2))))[0], Appended)
    assert await collected(store.read(ANN)) == []


async def test_closing_stores_what_was_asked_before(open: Open) -> None:
    store = await open(lanes=1)
    appending = [asyncio.ensure_future(store.append(Append(stream(n % 4), [event()]))) for n in range(40)]
    await asyncio.sleep(0)
    await store.close()
    outcomes = await gathered(*appending)
    assert all(isinstance(each, Appended) for each in outcomes)
    with pytest.raises(StoreClosed):
        await store.append(Append(ANN, [event()]))
