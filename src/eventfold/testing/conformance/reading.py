"""Reading: one stream, the whole log, a part of it."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eventfold.domain.message import StoredEvent, Stream
from eventfold.domain.query import Alternative, Query
from eventfold.ports.event_store import EXISTS, NEW, Append, EventStore, StreamInfo
from eventfold.ports.subscription import PAGE
from eventfold.testing.conformance.material import ANN, BOB, Suite, collected, event, events, store_one

__all__ = ["Reading"]

MANY = 2 * PAGE + 7
EVERYTHING = Query.all()

CATEGORIES, TYPES, TAGS = ["a", "b", "B"], ["X", "Y", "Z"], ["t:1", "t:2", "t:3"]


def some(names: list[str]) -> st.SearchStrategy[frozenset[str]]:
    return st.frozensets(st.sampled_from(names), max_size=2)


QUERIES = st.lists(st.builds(Alternative, some(CATEGORIES), some(TYPES), some(TAGS)), max_size=3).map(
    lambda alternatives: Query(tuple(alternatives))
)


async def mixed(store: EventStore) -> list[StoredEvent]:
    """27 events: every category, type and some tags, interleaved."""
    for number in range(27):
        kind, tags = TYPES[number // 3 % 3], tuple(TAGS[: number % 4])
        await store_one(store, Stream(CATEGORIES[number % 3], str(number % 2)), event(number, type=kind, tags=tags))
    return await collected(store.read_all(EVERYTHING))


class Reading(Suite):
    """What reading gives, in which order, and where it ends."""

    # ------------------------------------------------------------------- one stream

    @pytest.mark.parametrize("count", [PAGE - 1, PAGE, PAGE + 1, MANY])
    async def test_g09_a_stream_of_several_pages_is_read_in_order(self, store: EventStore, count: int) -> None:
        await self._stored(store, count)
        assert [each.version async for each in store.read(ANN)] == list(range(1, count + 1))
        assert [each.version async for each in store.read(ANN, backwards=True)] == list(range(count, 0, -1))

    @staticmethod
    async def _stored(store: EventStore, count: int) -> None:
        batch = events(count)
        half = count // 2 + 1
        for part in (batch[:half], batch[half:]):
            await store.append(Append(ANN, part))
            await store_one(store, BOB)

    async def test_c6_after_and_limit_cut_a_stream(self, store: EventStore) -> None:
        await store_one(store, ANN, *events(5))
        for after, limit in product([-(2**70), -1, 0, 1, 3, 5, 6, 2**70], [None, -1, 0, 1, 2, 5, 6]):
            expected = [version for version in range(1, 6) if version > after]
            size = None if limit is None else max(0, limit)
            forwards = [each.version async for each in store.read(ANN, after=after, limit=limit)]
            assert forwards == expected[:size], (after, limit)
            backwards = [each.version async for each in store.read(ANN, after=after, limit=limit, backwards=True)]
            assert backwards == expected[::-1][:size], (after, limit)

    async def test_c6_a_limit_beyond_a_page_is_kept(self, store: EventStore) -> None:
        await self._stored(store, MANY)
        assert [each.version async for each in store.read(ANN, limit=PAGE + 3)] == list(range(1, PAGE + 4))
        backwards = [each.version async for each in store.read(ANN, limit=PAGE + 3, backwards=True)]
        assert backwards == list(range(MANY, MANY - PAGE - 3, -1))
        assert len(await collected(store.read_all(EVERYTHING, limit=PAGE + 3))) == PAGE + 3

    async def test_g09_loading_gives_the_same_facts_a_page_at_a_time(self, store: EventStore) -> None:
        await self._stored(store, MANY)
        pages = await collected(store.load(ANN))
        assert all(1 <= len(page) <= PAGE for page in pages)
        facts = [fact for page in pages for fact in page]
        read = await collected(store.read(ANN))
        assert [(*fact[:5], fact[5].encode() if isinstance(fact[5], str) else fact[5]) for fact in facts] == [
            (e.version, e.position, e.type, e.schema_version, e.format, e.data) for e in read
        ]

    async def test_c6_loading_a_stream_at_a_version(self, store: EventStore) -> None:
        await store_one(store, ANN, *events(5))
        for after, upto in product([-(2**70), -1, 0, 2, 5, 9], [None, -1, 0, 1, 3, 5, 9, 2**70]):
            versions = [fact[0] async for page in store.load(ANN, after=after, upto=upto) for fact in page]
            wanted = [each for each in range(1, 6) if each > after and (upto is None or each <= upto)]
            assert versions == wanted, (after, upto)

    # --------------------------------------------------------------------- the log

    async def test_c8_g09_the_whole_log_is_read_in_the_order_of_positions(self, store: EventStore) -> None:
        await self._stored(store, MANY)
        read = await collected(store.read_all(EVERYTHING))
        assert len(read) == MANY + 2
        assert [each.position for each in read] == sorted({each.position for each in read})
        for stream in (ANN, BOB):
            assert [each for each in read if each.stream == stream] == await collected(store.read(stream))

    @settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        query=QUERIES,
        after=st.integers(-1, 29),
        upto=st.none() | st.integers(-1, 40),
        limit=st.none() | st.integers(-1, 29),
    )
    async def test_c7_trap9_read_all_gives_exactly_what_the_query_means(
        self, store: EventStore, query: Query, after: int, upto: int | None, limit: int | None
    ) -> None:
        log = await collected(store.read_all(EVERYTHING)) or await mixed(store)
        wanted = [
            each
            for each in log
            if each.position > after
            and (upto is None or each.position <= upto)
            and query.matches(each.category, each.type, each.tags or ())
        ]
        size = None if limit is None else max(0, limit)
        assert await collected(store.read_all(query, after=after, upto=upto, limit=limit)) == wanted[:size]
        holds = [each.position for each in log if query.matches(each.category, each.type, each.tags or ())]
        assert await store.head(query) == max(holds, default=0)

    async def test_c7_trap9_a_range_never_runs_past_its_bound(self, store: EventStore) -> None:
        await store_one(store, ANN, *events(21))
        read = await collected(store.read_all(EVERYTHING))
        first, bound = read[0].position, read[19].position
        assert len(await collected(store.read_all(EVERYTHING, after=first - 1, upto=bound))) == 20
        assert len(await collected(store.read_all(EVERYTHING, after=first - 1, upto=read[-1].position + 4))) == 21

    async def test_c7_trap9_a_filter_that_skips_the_bound_ends_before_it(self, store: EventStore) -> None:
        for number in range(10):
            await store_one(store, ANN, event(number, type="Odd" if number % 2 else "Even"))
        read = await collected(store.read_all(EVERYTHING))
        bound = read[4].position  # an Even
        odd = await collected(store.read_all(Query.of("Odd"), upto=bound))
        assert [each.position for each in odd] == [read[1].position, read[3].position]

    async def test_c6_limit_1_after_the_first_gives_exactly_the_second(self, store: EventStore) -> None:
        await store_one(store, ANN, *events(5))
        read = await collected(store.read_all(EVERYTHING))
        assert await collected(store.read_all(EVERYTHING, after=read[0].position, limit=1)) == [read[1]]

    async def test_c6_the_head_is_0_for_an_empty_store_and_the_last_of_a_query(self, store: EventStore) -> None:
        assert await store.head() == 0
        assert await store.head(Query.of("X")) == 0
        log = await mixed(store)
        assert await store.head() == log[-1].position
        assert await store.head(Query.of("X")) == max(each.position for each in log if each.type == "X")
        assert await store.head(Query.of("Never")) == 0

    async def test_c7_a_filter_over_several_pages_loses_nothing(self, store: EventStore) -> None:
        batch = [event(number, type="Rare" if number % (MANY // 3) == 0 else "Usual") for number in range(MANY)]
        await store.append(Append(ANN, batch[:-100]))
        await store.append(Append(ANN, batch[-100:]))
        assert len(await collected(store.read_all(Query.of("Rare")))) == 3
        assert len(await collected(store.read_all(Query.of("Usual")))) == MANY - 3

    async def test_c7_a_broad_query_is_answered_too(self, store: EventStore) -> None:
        log = await mixed(store)
        broad = Query.of(*(f"T{number}" for number in range(300)), "X")
        alternatives = Query(tuple(Alternative(types=frozenset({f"T{number}"})) for number in range(300)))
        assert len(await collected(store.read_all(broad | alternatives))) == sum(each.type == "X" for each in log)

    async def test_c5_a_page_that_was_read_does_not_change_while_others_append(self, store: EventStore) -> None:
        await self._stored(store, MANY)
        seen: list[int] = []
        async for each in store.read_all(EVERYTHING):
            if len(seen) % PAGE == 0:
                await store_one(store, BOB)
            seen.append(each.position)
        assert seen == sorted(set(seen))
        assert len(seen) >= MANY

    # --------------------------------------------------------------------- streams

    async def test_c6_streams_are_listed_in_the_order_of_category_and_id(self, store: EventStore) -> None:
        assert await collected(store.streams()) == []
        for category, id in [("b", "1"), ("a", "2"), ("a", "10"), ("B", "x"), ("ab", "1")]:
            await store_one(store, Stream(category, id), *events(2))
        last = await store_one(store, Stream("a", "ä"), *events(2))
        found = await collected(store.streams())
        assert [tuple(each.stream) for each in found] == [
            ("B", "x"),
            ("a", "10"),
            ("a", "2"),
            ("a", "ä"),
            ("ab", "1"),
            ("b", "1"),
        ]
        assert found[3] == StreamInfo(Stream("a", "ä"), 2, last.positions[-1], last.recorded_at)
        assert [each.stream.id async for each in store.streams("a")] == ["10", "2", "ä"]
        assert [each.stream.id async for each in store.streams("a", limit=2)] == ["10", "2"]
        assert await collected(store.streams("none")) == await collected(store.streams(limit=0)) == []

    async def test_c6_more_streams_than_a_page_are_all_listed(self, store: EventStore) -> None:
        for start in range(0, MANY, 500):
            names = [f"{number:05}" for number in range(start, min(start + 500, MANY))]
            await store.append(*(Append(Stream("many", name), [event()]) for name in names))
        assert [each.stream.id async for each in store.streams()] == [f"{number:05}" for number in range(MANY)]
        assert len(await collected(store.streams("many", limit=PAGE + 1))) == PAGE + 1

    async def test_c1_a_reader_sees_a_batch_whole_or_not_at_all(self, store: EventStore) -> None:
        await store_one(store, ANN, *events(3), expect=NEW)
        sizes: set[int] = set()
        for _ in range(10):
            await store_one(store, ANN, *events(3), expect=EXISTS)
            sizes.add(len(await collected(store.read(ANN))) % 3)
        assert sizes == {0}
