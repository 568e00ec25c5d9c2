"""Reading the log on Postgres while appenders are open: nothing is skipped, nothing turns up behind a reader."""

from __future__ import annotations

import asyncio

import pytest

from eventfold.adapters.postgres.horizon import holders
from eventfold.domain.message import Stream
from eventfold.domain.query import Query
from eventfold.errors import BoundaryConflict
from eventfold.ports.event_store import Append
from eventfold.testing.conformance.material import collected, event
from tests.integration.appenders import append_elsewhere, appender, soon, store_on
from tests.postgres import PostgresServer

EVERYTHING = Query.all()
TAGGED = Query.of("Happened", tags=["t"])


@pytest.mark.parametrize("ends", ["commit", "rollback"])
async def test_fm01_what_an_open_appender_precedes_is_not_read_before_it_ends(
    postgres: PostgresServer, postgres_schema: str, ends: str
) -> None:
    async with store_on(postgres.url, postgres_schema) as store:
        (first,) = await append_elsewhere(postgres.url, postgres_schema, "a")
        async with appender(postgres.url, postgres_schema) as slow:
            early = await slow.append("slow")
            (late,) = await append_elsewhere(postgres.url, postgres_schema, "b")
            assert first < early < late
            assert [each.position async for each in store.read_all(EVERYTHING)] == [first]
            assert await store.head() == first
            assert await store.head(Query.of("Happened")) == first
            assert [each.position async for each in store.read(Stream("account", "b"))] == [late]
            await (slow.commit() if ends == "commit" else slow.rollback())
        expected = [first, early, late] if ends == "commit" else [first, late]
        assert [each.position async for each in store.read_all(EVERYTHING)] == expected
        assert await store.head() == late


async def test_fm02_a_foreign_transaction_holds_nobody_back(postgres: PostgresServer, postgres_schema: str) -> None:
    """One that has written elsewhere, and has its transaction id and snapshot from before."""
    async with store_on(postgres.url, postgres_schema) as store:
        async with appender(postgres.url, postgres_schema) as stranger:
            await stranger.connection.execute("CREATE TEMPORARY TABLE mine AS SELECT pg_current_xact_id()::text AS id")
            positions = await append_elsewhere(postgres.url, postgres_schema, "a", "b")
            assert [each.position async for each in store.read_all(EVERYTHING)] == positions
            last = await stranger.append("late")
            assert [each.position async for each in store.read_all(EVERYTHING)] == positions
            await stranger.commit()
        assert await store.head() == last


async def test_g07_reading_up_to_a_position_that_was_committed_waits_for_who_came_before(
    postgres: PostgresServer, postgres_schema: str
) -> None:
    async with store_on(postgres.url, postgres_schema) as store:
        async with appender(postgres.url, postgres_schema) as slow:
            early = await slow.append("slow")
            (mine,) = await append_elsewhere(postgres.url, postgres_schema, "mine")
            reading = asyncio.ensure_future(collected(store.read_all(EVERYTHING, upto=mine, limit=1)))
            other = await soon(collected(store.read_all(Query.of("Other"), upto=mine, limit=1)))
            assert other == [], "what no event of the query is in the way of is answered at once"
            done, _ = await asyncio.wait([reading], timeout=0.1)
            assert not done, "it said that there is nothing, but there is"
            await slow.commit()
        assert [each.position for each in await soon(reading)] == [early]
        assert [each.position async for each in store.read_all(EVERYTHING, upto=mine)] == [early, mine]


async def test_fm01_a_boundary_sees_what_is_committed_and_its_condition_names_what_lies_above_the_horizon(
    postgres: PostgresServer, postgres_schema: str
) -> None:
    async with store_on(postgres.url, postgres_schema) as store:
        (first,) = await append_elsewhere(postgres.url, postgres_schema, "a", tags=("t",))
        async with appender(postgres.url, postgres_schema) as slow:
            early = await slow.append("slow", tags=("t",))
            (late,) = await append_elsewhere(postgres.url, postgres_schema, "b", tags=("t",))
            read = await store.read_boundary(TAGGED)
            assert [each.position async for each in read.events] == [first, late]
            assert (read.condition.bound, read.condition.seen) == (first, (late,))
            again = await store.read_boundary(TAGGED)
            decided = Append(Stream("account", "decided"), [event()])
            await store.append(decided, condition=read.condition)  # what was seen above the horizon is no conflict
            await slow.commit()
        with pytest.raises(BoundaryConflict) as conflict:
            await store.append(Append(Stream("account", "x"), [event()]), condition=again.condition)
        assert conflict.value.position == early


async def test_a_large_boundary_above_the_horizon_is_read_whole_and_of_one_moment(
    postgres: PostgresServer, postgres_schema: str
) -> None:
    many = [f"s{number}" for number in range(300)]
    async with store_on(postgres.url, postgres_schema) as store:
        below = await append_elsewhere(postgres.url, postgres_schema, *many, tags=("t",))
        async with appender(postgres.url, postgres_schema) as slow:
            await slow.append("slow", tags=("t",))
            above = await append_elsewhere(postgres.url, postgres_schema, *many, tags=("t",))
            read = await store.read_boundary(TAGGED)
            await slow.commit()
        await append_elsewhere(postgres.url, postgres_schema, "later", tags=("t",))
        assert [each.position async for each in read.events] == below + above
        assert (read.condition.bound, read.condition.seen) == (below[-1], tuple(above))


async def test_a_position_that_was_drawn_and_never_committed_is_no_bound(
    postgres: PostgresServer, postgres_schema: str
) -> None:
    """A crash of the server sets the sequence back, and such a position is then given to another event."""
    async with store_on(postgres.url, postgres_schema) as store:
        (last,) = await append_elsewhere(postgres.url, postgres_schema, "a", tags=("t",))
        async with appender(postgres.url, postgres_schema) as burns:
            for _ in range(50):
                await burns.append("burnt")
            await burns.rollback()
        assert await store.head() == last
        assert (await store.read_boundary(TAGGED)).condition.bound == last
        async with store.subscribe(EVERYTHING, after=last) as batches:
            assert (await soon(anext(batches))).head == last


async def test_fm02_who_holds_readers_back_is_named(postgres: PostgresServer, postgres_schema: str) -> None:
    async with store_on(postgres.url, postgres_schema) as store:
        connections, names = store._connections, store._names
        (first,) = await append_elsewhere(postgres.url, postgres_schema, "a")
        assert list(await holders(connections, names)) == []
        async with appender(postgres.url, postgres_schema, name="the long import") as slow:
            await slow.append("slow")
            (holder,) = await holders(connections, names)
            assert holder.pid == slow.connection.get_server_pid()
            assert (holder.application, holder.position) == ("the long import", first)
            assert 0 <= (holder.since_query or 0) <= holder.seconds < 10
            assert "the long import" in holder.what
            assert "idle in transaction" in holder.what
            await slow.rollback()
        assert list(await holders(connections, names)) == []


async def test_fm04_the_horizon_is_right_where_32_bits_of_the_sequence_end(
    postgres: PostgresServer, postgres_schema: str
) -> None:
    async with store_on(postgres.url, postgres_schema) as store:
        postgres.execute(f"ALTER SEQUENCE {postgres_schema}.events_position_seq RESTART WITH {2**32 - 2}")
        (first,) = await append_elsewhere(postgres.url, postgres_schema, "a")
        async with appender(postgres.url, postgres_schema) as slow:
            early = await slow.append("slow")
            late = await append_elsewhere(postgres.url, postgres_schema, "b", "c", "d")
            assert early < 2**32 < late[-1]
            assert [each.position async for each in store.read_all(EVERYTHING)] == [first]
            await slow.commit()
        assert [each.position async for each in store.read_all(EVERYTHING)] == [first, early, *late]


async def test_a_query_of_many_ways_finds_each_event_once(postgres: PostgresServer, postgres_schema: str) -> None:
    async with store_on(postgres.url, postgres_schema) as store:
        await append_elsewhere(postgres.url, postgres_schema, "a", "b", tags=("t", "u"))
        await append_elsewhere(postgres.url, postgres_schema, "c", type="Other", tags=("u",))
        both = Query.of(tags=["t"]) | Query.of(tags=["u"]) | Query.of(categories=["account"])
        assert [each.id async for each in store.read_all(both)] == ["a", "b", "c"]
        assert [each.id async for each in store.read_all(both, limit=2)] == ["a", "b"]
        assert [each.tags async for each in store.read_all(both, limit=1)] == [("t", "u")]
        assert await store.head(both) == await store.head()
