"""Appending: versions, expectations, races, several streams at once."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from eventfold.adapters.system import ManualClock
from eventfold.domain.message import NewEvent, StoredEvent, Stream, to_micros
from eventfold.domain.query import Query
from eventfold.errors import ConcurrencyConflict
from eventfold.ports.event_store import ANY, EXISTS, NEW, Append, Appended, EventStore, Expect
from eventfold.testing.conformance.material import ANN, BOB, Suite, collected, event, events, store_one

__all__ = ["Appending"]

EVERYTHING = Query.all()


class Appending(Suite):
    """What an append does."""

    clock_is_injected: bool = True
    """False for a store that takes the time from a server."""

    @pytest.fixture
    def store(self) -> EventStore:
        raise NotImplementedError("define a fixture `store` that gives an empty event store; it may use `clock`")

    # -------------------------------------------------------------------- versions

    async def test_c1_g03_versions_of_a_stream_are_1_2_3_without_gaps(self, store: EventStore) -> None:
        first = await store_one(store, ANN, *events(2))
        await store_one(store, BOB, *events(5))
        second = await store_one(store, ANN, *events(3))
        assert (first.version, second.version) == (2, 5)
        assert [each.version async for each in store.read(ANN)] == [1, 2, 3, 4, 5]
        assert [each.version async for each in store.read(BOB)] == [1, 2, 3, 4, 5]

    async def test_c1_the_order_of_a_batch_is_kept(self, store: EventStore) -> None:
        batch = events(20)
        await store_one(store, ANN, *batch)
        assert [each.event_id async for each in store.read(ANN)] == [each.event_id for each in batch]
        assert [each.event_id async for each in store.read_all(EVERYTHING)] == [each.event_id for each in batch]

    async def test_c1_an_unknown_stream_is_empty(self, store: EventStore) -> None:
        await store_one(store, ANN)
        assert await collected(store.read(BOB)) == []
        assert await collected(store.load(BOB)) == []
        assert await collected(store.read(Stream("accoun", "tann"))) == []

    async def test_g10_positions_grow_with_every_event(self, store: EventStore) -> None:
        appended = [await store_one(store, stream, *events(3)) for stream in (ANN, BOB, ANN)]
        positions = [position for each in appended for position in each.positions]
        assert all(position > 0 for position in positions)
        assert positions == sorted(set(positions))
        assert [each.position async for each in store.read_all(EVERYTHING)] == positions

    async def test_g07_an_append_that_returned_can_be_read(self, store: EventStore) -> None:
        for version in range(1, 6):
            appended = await store.append(Append(ANN, [event()]))
            assert await store.head() == appended.position
            assert [each.version async for each in store.read(ANN)][-1] == version

    # ---------------------------------------------------------------- expectations

    @pytest.mark.parametrize("expect", [0, NEW, ANY])
    async def test_c2_a_new_stream_fits_these_expectations(self, store: EventStore, expect: int | Expect) -> None:
        assert (await store_one(store, ANN, *events(2), expect=expect)).version == 2

    @pytest.mark.parametrize("expect", [1, 2, 2**31, 2**63, EXISTS])
    async def test_c2_a_new_stream_refuses_these_expectations(self, store: EventStore, expect: int | Expect) -> None:
        await self._conflicts(store, ANN, expect, actual=0)

    @pytest.mark.parametrize("expect", [2, EXISTS, ANY])
    async def test_c2_a_stream_of_two_fits_these_expectations(self, store: EventStore, expect: int | Expect) -> None:
        await store_one(store, ANN, *events(2))
        assert (await store_one(store, ANN, expect=expect)).version == 3

    @pytest.mark.parametrize("expect", [0, 1, 3, 2**31, 2**63, NEW])
    async def test_c2_a_stream_of_two_refuses_these_expectations(self, store: EventStore, expect: int | Expect) -> None:
        await store_one(store, ANN, *events(2))
        await self._conflicts(store, ANN, expect, actual=2)

    async def _conflicts(self, store: EventStore, stream: Stream, expect: int | Expect, *, actual: int) -> None:
        before = await collected(store.read_all(EVERYTHING))
        with pytest.raises(ConcurrencyConflict) as conflict:
            await store_one(store, stream, *events(2), expect=expect)
        wanted = expect.value if isinstance(expect, Expect) else expect
        assert (conflict.value.stream, conflict.value.expected, conflict.value.actual) == (stream, wanted, actual)
        assert await collected(store.read_all(EVERYTHING)) == before

    async def test_c2_the_loser_can_load_and_append_again(self, store: EventStore) -> None:
        await store_one(store, ANN, expect=0)
        with pytest.raises(ConcurrencyConflict) as conflict:
            await store_one(store, ANN, expect=0)
        assert (await store_one(store, ANN, expect=conflict.value.actual)).version == 2

    # ------------------------------------------------------------------------ races

    async def test_c3_g02_of_two_writers_expecting_no_stream_one_wins(self, store: EventStore) -> None:
        outcomes = await self._together(store, [Append(ANN, [event()], 0), Append(ANN, [event()], NEW)])
        self._one_wins(outcomes, actual=1)
        assert len(await collected(store.read(ANN))) == 1

    async def test_c3_g02_of_ten_writers_expecting_one_version_one_wins(self, store: EventStore) -> None:
        await store_one(store, ANN, *events(3))
        outcomes = await self._together(store, [Append(ANN, [event()], 3) for _ in range(10)])
        self._one_wins(outcomes, actual=4)
        assert [each.version async for each in store.read(ANN)] == [1, 2, 3, 4]

    async def test_c3_twenty_writers_without_expectation_make_versions_1_to_20(self, store: EventStore) -> None:
        outcomes = await self._together(store, [Append(ANN, [event(n)]) for n in range(20)])
        versions = [each.streams[0].version for each in outcomes if isinstance(each, Appended)]
        assert sorted(versions) == list(range(1, 21))
        assert [each.version async for each in store.read(ANN)] == list(range(1, 21))

    async def test_c3_a_conflict_harms_nobody_who_appends_at_the_same_moment(self, store: EventStore) -> None:
        streams = [Stream("account", str(number)) for number in range(10)]
        appends = [Append(stream, [event()], number % 2) for number, stream in enumerate(streams)]
        outcomes = await self._together(store, appends)
        assert [isinstance(each, Appended) for each in outcomes] == [number % 2 == 0 for number in range(10)]
        assert [each.id async for each in store.read_all(EVERYTHING)] == ["0", "2", "4", "6", "8"]

    async def _together(self, store: EventStore, appends: list[Append]) -> list[Appended | BaseException]:
        return await self.soon(asyncio.gather(*(store.append(each) for each in appends), return_exceptions=True))

    @staticmethod
    def _one_wins(outcomes: list[Appended | BaseException], *, actual: int) -> None:
        losers = [each for each in outcomes if not isinstance(each, Appended)]
        assert len(losers) == len(outcomes) - 1
        for loser in losers:
            assert isinstance(loser, ConcurrencyConflict), loser
            assert loser.actual == actual

    # -------------------------------------------------------------- several streams

    async def test_g11_several_streams_land_together(self, store: EventStore) -> None:
        await store_one(store, BOB)
        appended = await store.append(Append(ANN, events(2), NEW), Append(BOB, events(3), 1))
        assert [(each.stream, each.version, len(each.positions)) for each in appended.streams] == [
            (ANN, 2, 2),
            (BOB, 4, 3),
        ]
        assert appended.position == await store.head()
        assert len(await collected(store.read_all(EVERYTHING))) == 6

    @pytest.mark.parametrize("wrong", [0, 1, 2])
    async def test_a5_g01_one_wrong_expectation_of_several_stores_nothing(self, store: EventStore, wrong: int) -> None:
        streams = [Stream("account", name) for name in "abc"]
        appends = [Append(each, events(2), int(number == wrong)) for number, each in enumerate(streams)]
        with pytest.raises(ConcurrencyConflict) as conflict:
            await store.append(*appends)
        assert conflict.value.stream == streams[wrong]
        assert await collected(store.read_all(EVERYTHING)) == []
        assert await store.head() == 0
        assert [(await store_one(store, each, expect=NEW)).version for each in streams] == [1, 1, 1]

    # --------------------------------------------------------------------- contents

    async def test_b1_everything_about_an_event_comes_back_as_it_was(self, store: EventStore) -> None:
        new = event(
            '{"name":"Grüße 🦊","quote":"\'\\""}'.encode(),
            type="Greeted",
            schema_version=7,
            tags=("email:ä@b.c", "x'y\"", "a,b"),
            correlation_id="request ☕",
            causation_id="'; DROP TABLE events; --",
            occurred_at=-1,
            metadata='{"by":"änn"}'.encode(),
        )
        appended = await store_one(store, ANN, new)
        (stored,) = await collected(store.read(ANN))
        assert stored == StoredEvent(
            position=appended.positions[0],
            category=ANN.category,
            id=ANN.id,
            version=1,
            event_id=new.event_id,
            type="Greeted",
            schema_version=7,
            format=0,
            correlation_id="request ☕",
            causation_id="'; DROP TABLE events; --",
            tags=("email:ä@b.c", "x'y\"", "a,b"),
            occurred_at=-1,
            recorded_at=appended.recorded_at,
            metadata=new.metadata,
            data=new.data,
        )
        assert await collected(store.read_all(EVERYTHING)) == [stored]

    async def test_b1_what_is_not_given_stays_away(self, store: EventStore) -> None:
        await store_one(store, ANN, event(schema_version=0))
        (stored,) = await collected(store.read(ANN))
        assert (stored.correlation_id, stored.causation_id, stored.occurred_at, stored.metadata) == (None,) * 4
        assert stored.schema_version == 0
        assert not stored.tags

    async def test_b1_fm25_bytes_of_every_format_come_back_identical(self, store: EventStore) -> None:
        new = [
            event(b'{ "b" : 1 , "a" : 1.50, "b" : 2 }'),  # neither sorted nor squeezed, and no key is lost
            event(b""),
            event(b"null"),
            event('"\u2028\ufeff\U0010ffff"'.encode()),
            event(bytes(range(256)), format=1),
            event(b"\0", format=2),
            event(b"", format=1),
        ]
        await store_one(store, ANN, *new)
        assert [(each.format, each.data) async for each in store.read(ANN)] == [(n.format, n.data) for n in new]

    async def test_b1_occurred_at_is_kept_to_the_microsecond_also_mixed_in_one_batch(self, store: EventStore) -> None:
        moments = [None, 1, None, 1_700_000_000_123_457, -62_135_596_800_000_000]
        new: list[NewEvent] = [event(occurred_at=each) for each in moments]
        await store_one(store, ANN, *new)
        assert [each.occurred_at async for each in store.read(ANN)] == moments

    async def test_b1_recorded_at_is_the_stores_and_one_for_the_batch(
        self, store: EventStore, clock: ManualClock
    ) -> None:
        before = await store_one(store, ANN, *events(2, occurred_at=5))
        clock.advance(timedelta(microseconds=1))
        after = await store_one(store, ANN, *events(2, occurred_at=5))
        recorded = [each.recorded_at async for each in store.read(ANN)]
        assert recorded == [before.recorded_at] * 2 + [after.recorded_at] * 2
        if self.clock_is_injected:
            assert after.recorded_at == to_micros(clock.now()) == before.recorded_at + 1

    async def test_b1_order_does_not_depend_on_the_clock(self, store: EventStore, clock: ManualClock) -> None:
        first = await store_one(store, ANN)
        clock.advance(timedelta(days=-1))
        second = await store_one(store, BOB)
        assert [each.position async for each in store.read_all(EVERYTHING)] == [*first.positions, *second.positions]

    async def test_g06_what_a_store_was_given_may_change_afterwards(self, store: EventStore) -> None:
        batch = events(2)
        await store.append(Append(ANN, batch))
        batch.clear()
        assert [each.data async for each in store.read(ANN)] == [b'{"n":1}', b'{"n":2}']

    async def test_g06_what_a_store_gave_is_nobodys_to_change(self, store: EventStore) -> None:
        await store_one(store, ANN, *events(3, tags=("a",)))
        (stored, *_) = await collected(store.read(ANN))
        with pytest.raises(AttributeError):
            stored.version = 9  # type: ignore[misc] # that it is refused is the point
        assert isinstance(stored.tags, tuple)
        async for facts in store.load(ANN):
            assert all(isinstance(fact, tuple) for fact in facts)
            if isinstance(facts, list):
                facts.clear()
        assert len([fact async for facts in store.load(ANN) for fact in facts]) == 3
