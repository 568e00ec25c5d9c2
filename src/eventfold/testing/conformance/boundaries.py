"""Boundaries: what a query finds at one moment, and an append that depends on nothing having been added to it."""

from __future__ import annotations

import asyncio

import pytest

from eventfold.domain.query import Query
from eventfold.errors import BoundaryConflict, ConcurrencyConflict, EventIdConflict, InvalidInput
from eventfold.ports.event_store import NEW, Append, Appended, Condition, EventStore
from eventfold.ports.subscription import PAGE
from eventfold.testing.conformance.material import ANN, BOB, Suite, collected, event, events, store_one

__all__ = ["Boundaries"]

TAKEN = Query.of("Taken", tags=["email:a"])


async def condition_on(store: EventStore, query: Query = TAKEN) -> Condition:
    return (await store.read_boundary(query)).condition


class Boundaries(Suite):
    """`read_boundary`, and `append` on its condition."""

    async def test_a_boundary_finds_the_events_of_its_query_in_order(self, store: EventStore) -> None:
        await store_one(store, ANN, event(1, type="Taken", tags=("email:a",)), event(2, type="Taken"))
        await store_one(store, BOB, event(3, type="Other", tags=("email:a",)), event(4, type="Freed", tags=("x", "y")))
        query = TAKEN | Query.of("Freed", "Other", tags=["y", "x"]) | Query.of(tags=["nothing"])
        read = await store.read_boundary(query)
        assert [each.data async for each in read.events] == [b'{"n":1}', b'{"n":4}']
        by_type = await store.read_boundary(Query.of("Taken"))
        assert [each.data async for each in by_type.events] == [b'{"n":1}', b'{"n":2}']

    async def test_a_boundary_larger_than_a_page_is_read_whole(self, store: EventStore) -> None:
        for _ in range(3):
            await store_one(store, ANN, *events(PAGE - 1, type="Taken", tags=("email:a", "b")), event(type="Other"))
        for query in (TAKEN, Query.of("Taken"), Query.of("Taken", tags=["b"]) | TAKEN):
            read = await store.read_boundary(query)
            positions = [each.position async for each in read.events]
            assert len(positions) == 3 * (PAGE - 1)
            assert positions == sorted(set(positions))

    async def test_events_and_condition_are_of_one_moment(self, store: EventStore) -> None:
        await store_one(store, ANN, event(1, type="Taken", tags=("email:a",)))
        read = await store.read_boundary(TAKEN)
        await store_one(store, BOB, event(2, type="Taken", tags=("email:a",)))
        assert [each.data async for each in read.events] == [b'{"n":1}']
        with pytest.raises(BoundaryConflict):
            await store.append(Append(ANN, [event()]), condition=read.condition)

    async def test_a_condition_of_a_read_that_races_with_writers_covers_all_it_did_not_see(
        self, store: EventStore
    ) -> None:
        """Whatever is stored while the boundary is being read is either among its events or a conflict."""

        async def write() -> None:
            await store_one(store, BOB, event(type="Taken", tags=("email:a",)))

        for _ in range(20):
            writing = asyncio.create_task(write())
            read = await store.read_boundary(TAKEN)
            seen = [each.position async for each in read.events]
            await writing
            unseen = [each async for each in store.read_all(TAKEN) if each.position not in seen]
            append = store.append(Append(ANN, [event()]), condition=read.condition)
            if unseen:
                with pytest.raises(BoundaryConflict):
                    await append
            else:
                await append

    async def test_of_many_appends_on_one_condition_exactly_one_wins(self, store: EventStore) -> None:
        condition = await condition_on(store)

        async def take(number: int) -> Appended:
            taken = event(number, type="Taken", tags=("email:a",))
            return await store.append(Append(ANN._replace(id=str(number)), [taken], NEW), condition=condition)

        outcomes = await self.soon(asyncio.gather(*map(take, range(20)), return_exceptions=True))
        assert [isinstance(each, Appended) for each in outcomes].count(True) == 1
        assert [isinstance(each, BoundaryConflict) for each in outcomes].count(True) == 19
        assert len(await collected(store.read_all(Query.all()))) == 1

    async def test_a_neighbour_of_the_same_moment_is_seen(self, store: EventStore) -> None:
        condition = await condition_on(store)
        plain = store.append(Append(BOB, [event(type="Taken", tags=("email:a",))]))
        conditional = [store.append(Append(ANN, [event()]), condition=condition) for _ in range(3)]
        outcomes = await self.soon(asyncio.gather(plain, *conditional, return_exceptions=True))
        stored = [isinstance(each, Appended) for each in outcomes]
        assert stored == [True, False, False, False]

    async def test_a_matching_event_of_a_plain_append_is_a_conflict_and_nothing_is_stored(
        self, store: EventStore
    ) -> None:
        condition = await condition_on(store)
        matching = await store_one(store, BOB, event(type="Taken", tags=("z", "email:a")))
        with pytest.raises(BoundaryConflict) as conflict:
            await store.append(Append(ANN, events(2)), Append(ANN._replace(id="x"), events(1)), condition=condition)
        assert (conflict.value.query, conflict.value.position) == (TAKEN, matching.positions[0])
        assert len(await collected(store.read_all(Query.all()))) == 1

    async def test_an_unrelated_event_is_no_conflict(self, store: EventStore) -> None:
        condition = await condition_on(store)
        await store_one(store, BOB, event(type="Taken", tags=("email:b",)), event(type="Other", tags=("email:a",)))
        assert (await store.append(Append(ANN, [event()]), condition=condition)).position > 0

    async def test_every_alternative_of_a_condition_counts(self, store: EventStore) -> None:
        query = TAKEN | Query.of("Closed")
        for matching in (event(type="Taken", tags=("email:a",)), event(type="Closed")):
            condition = await condition_on(store, query)
            await store_one(store, BOB, matching)
            with pytest.raises(BoundaryConflict):
                await store.append(Append(ANN, [event()]), condition=condition)

    async def test_a_condition_and_an_expectation_must_both_hold(self, store: EventStore) -> None:
        condition = await condition_on(store)
        with pytest.raises(ConcurrencyConflict):
            await store.append(Append(ANN, [event()], 3), condition=condition)
        await store.append(Append(ANN, [event()], 0), condition=condition)
        assert [each.version async for each in store.read(ANN)] == [1]

    async def test_fm07_ids_are_looked_up_before_the_condition(self, store: EventStore) -> None:
        condition = await condition_on(store)
        taken = event(1, type="Taken", tags=("email:a",))
        first = await store.append(Append(ANN, [taken]), condition=condition)
        again = await store.append(Append(ANN, [taken]), condition=condition)
        assert again.streams[0].deduplicated
        assert again.position == first.position
        with pytest.raises(EventIdConflict):
            await store.append(Append(ANN, [event(2, event_id=taken.event_id)]), condition=condition)

    @pytest.mark.parametrize(
        "query",
        [Query.all(), Query.of(categories=["account"]), TAKEN | Query.of(categories=["account"]), Query(())],
        ids=repr,
    )
    async def test_a_boundary_without_type_or_tag_is_refused(self, store: EventStore, query: Query) -> None:
        with pytest.raises(InvalidInput, match=r"Query\.of\("):
            await store.read_boundary(query)
        with pytest.raises(InvalidInput, match=r"Query\.of\("):
            await store.append(Append(ANN, [event()]), condition=Condition(query, 0))
        assert await store.head() == 0

    async def test_a_boundary_with_unresolved_classes_is_refused(self, store: EventStore) -> None:
        with pytest.raises(InvalidInput, match="resolve the query first"):
            await store.read_boundary(Query.of(Boundaries))
