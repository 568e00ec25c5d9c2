"""Appending again: event ids make a retry safe, and refuse to stand for two things."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest

from eventfold.adapters.system import ManualClock
from eventfold.domain.message import NewEvent, Stream
from eventfold.domain.query import Query
from eventfold.errors import ConcurrencyConflict, EventIdConflict
from eventfold.ports.event_store import ANY, EXISTS, NEW, Append, Appended, EventStore, Expect
from eventfold.testing.conformance.material import ANN, BOB, Suite, collected, event, events, store_one

__all__ = ["Idempotency"]


class Idempotency(Suite):
    """The order of checks: ids first, then versions."""

    async def test_fm07_g05_a_repeated_append_returns_the_original_places(
        self, store: EventStore, clock: ManualClock
    ) -> None:
        batch = events(3)
        first = await store_one(store, ANN, *batch)
        await store_one(store, BOB)
        clock.advance(timedelta(seconds=1))
        again = await store_one(store, ANN, *batch)
        assert not first.deduplicated
        assert again.deduplicated
        assert (again.version, again.positions, again.recorded_at) == (
            first.version,
            first.positions,
            first.recorded_at,
        )
        assert len(await collected(store.read_all(Query.all()))) == 4

    @pytest.mark.parametrize("expect", [0, 2, 7, NEW, EXISTS, ANY])
    async def test_fm07_g05_ids_are_looked_up_before_the_expectation(
        self, store: EventStore, expect: int | Expect
    ) -> None:
        batch = events(2)
        first = await store_one(store, ANN, *batch, expect=NEW)
        await store_one(store, ANN, *events(3))
        again = await store_one(store, ANN, *batch, expect=expect)
        assert (again.deduplicated, again.positions, again.version) == (True, first.positions, 2)
        assert len(await collected(store.read(ANN))) == 5

    async def test_fm07_g05_several_streams_are_repeated_as_one(self, store: EventStore) -> None:
        appends = Append(ANN, events(2), NEW), Append(BOB, events(1), NEW)
        first = await store.append(*appends)
        again = await store.append(*appends)
        assert [each.positions for each in again.streams] == [each.positions for each in first.streams]
        assert all(each.deduplicated for each in again.streams)
        assert len(await collected(store.read_all(Query.all()))) == 3

    @pytest.mark.parametrize("expect", [0, NEW, ANY])
    async def test_fm07_g05_identical_retries_at_the_same_moment_store_once(
        self, store: EventStore, expect: int | Expect
    ) -> None:
        append = Append(ANN, events(2), expect)
        others = [Append(Stream("other", str(number)), [event()]) for number in range(3)]
        outcomes = await self.soon(asyncio.gather(*(store.append(each) for each in [append, *others, append, append])))
        same = [outcome.streams[0] for outcome in outcomes if outcome.streams[0].stream == ANN]
        assert [each.deduplicated for each in same].count(False) == 1
        assert len({each.positions for each in same}) == 1
        assert [each.version async for each in store.read(ANN)] == [1, 2]

    async def test_fm07_other_content_under_a_known_id_is_refused(self, store: EventStore) -> None:
        original = event(1)
        await store_one(store, ANN, original)
        await self._refused(store, Append(ANN, [event(2, event_id=original.event_id)]), original)
        await self._refused(store, Append(ANN, [event(1, event_id=original.event_id, type="Other")]), original)
        await self._refused(store, Append(ANN, [event(1, event_id=original.event_id, schema_version=2)]), original)

    async def test_fm07_a_known_id_in_another_stream_is_refused(self, store: EventStore) -> None:
        original = event(1)
        await store_one(store, ANN, original)
        await self._refused(store, Append(BOB, [original], NEW), original)

    async def test_fm07_a_known_id_among_unknown_ones_is_refused(self, store: EventStore) -> None:
        original = event(1)
        await store_one(store, ANN, original)
        await self._refused(store, Append(ANN, [original, event(2)]), None)
        await self._refused(store, Append(ANN, [event(2), original], 1), None)

    async def test_fm07_a_known_id_in_one_of_two_streams_stores_neither(self, store: EventStore) -> None:
        original = event(1)
        await store_one(store, ANN, original)
        with pytest.raises(EventIdConflict):
            await store.append(Append(BOB, events(2)), Append(ANN, [original]))
        assert await collected(store.read(BOB)) == []

    async def test_fm07_one_id_twice_in_an_append_is_refused(self, store: EventStore) -> None:
        twice = event(1)
        await self._refused(store, Append(ANN, [twice, event(2), twice]), twice)
        with pytest.raises(EventIdConflict):
            await store.append(Append(ANN, [twice]), Append(BOB, [twice]))
        assert await collected(store.read_all(Query.all())) == []
        await store_one(store, ANN, twice, expect=NEW)

    async def _refused(self, store: EventStore, append: Append, culprit: NewEvent | None) -> None:
        before = await collected(store.read_all(Query.all()))
        with pytest.raises(EventIdConflict) as conflict:
            await store.append(append)
        if culprit is not None:
            assert conflict.value.event_id == UUID(bytes=culprit.event_id)
        assert await collected(store.read_all(Query.all())) == before

    async def test_fm07_a_reused_id_harms_nobody_who_appends_at_the_same_moment(self, store: EventStore) -> None:
        known, twice = event(1), event(2)
        await store_one(store, ANN, known)
        appends = [
            Append(BOB, [event()], NEW),
            Append(ANN, [event(9, event_id=known.event_id)]),
            Append(Stream("other", "1"), [twice, twice]),
            Append(ANN, [event()], 7),
            Append(ANN, [known], 0),
            Append(BOB, [event()], 1),
        ]
        outcomes = await self.soon(asyncio.gather(*(store.append(each) for each in appends), return_exceptions=True))
        assert [type(each) for each in outcomes] == [
            Appended,
            EventIdConflict,
            EventIdConflict,
            ConcurrencyConflict,
            Appended,
            Appended,
        ]
        assert [each.version async for each in store.read(BOB)] == [1, 2]
        assert [each.version async for each in store.read(ANN)] == [1]

    async def test_fm07_a_refused_append_may_come_again_under_the_same_ids(self, store: EventStore) -> None:
        batch = events(2)
        with pytest.raises(ConcurrencyConflict):
            await store_one(store, ANN, *batch, expect=4)
        appended = await store_one(store, ANN, *batch, expect=NEW)
        assert (appended.version, appended.deduplicated) == (2, False)
