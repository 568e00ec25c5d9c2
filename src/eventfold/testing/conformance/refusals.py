"""Bad input: a typed error, and nothing is stored."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eventfold.domain.message import NewEvent, Stream
from eventfold.domain.query import Query
from eventfold.errors import EmptyAppend, InvalidInput, InvalidStreamName, TooLarge
from eventfold.ports.event_store import MOST_BYTES, MOST_EVENTS, MOST_TAGS, Append, EventStore
from eventfold.testing.conformance.material import ANN, BOB, Suite, collected, event, events, store_one

__all__ = ["Refusals"]

AWKWARD_IDS = [
    *(chr(code) for code in range(1, 256)),
    " ",
    "-",
    "--",
    "a-b-c",
    "'",
    '"',
    "'; DROP TABLE events; --",
    "%_\\",
    "{0}{events}%s:x?",
    "../../etc/passwd",
    "<script>alert(1)</script>",
    "\r\n",
    "\u202e\u2066\ufeff",
    "é",
    "e\u0301",  # the same to the eye, and another stream
    "🦊",
    "👩‍👩‍👧",
    "x" * 255,
    "ä" * 127 + "x",
    "🦊" * 63 + "abc",
    "A",
    "a",
    "a ",
    "1",
    "01",
    "1e0",
    "null",
]
IMPOSSIBLE_IDS = ["", "\0", "a\0b", "\ud800", "a\udfff", "x" * 256, "ä" * 128, "🦊" * 64, "x" * 65_536]
IMPOSSIBLE_CATEGORIES = ["", "1a", "_a", "a-b", "a b", "ä", "a'", 'a"', "a;", "a\n", "a\0", "x" * 101, "a/b", "a%"]
WRONG: list[dict[str, Any]] = [
    {"type": ""},
    {"type": "x" * 256},
    {"type": "a\0"},
    {"type": "\ud800"},
    {"event_id": b""},
    {"event_id": b"x" * 17},
    {"tags": ("",)},
    {"tags": ("x" * 256,)},
    {"tags": ("a\0",)},
    {"tags": ("\udcff",)},
    {"correlation_id": "\ud800"},
    {"correlation_id": "a\0"},
    {"causation_id": "\udfff"},
    {"metadata": b"\xff"},
    {"schema_version": -1},
    {"schema_version": 2**31},
    {"format": -1},
    {"format": 2**15},
    {"occurred_at": 2**63},
]
ANY_ID = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=80).filter(
    lambda text: len(text.encode()) <= 255
)


class Refusals(Suite):
    """Whatever comes, the store stays whole."""

    async def test_c4_an_append_without_events_is_refused(self, store: EventStore) -> None:
        for appends in ((), (Append(ANN, []),), (Append(ANN, [event()]), Append(BOB, ()))):
            with pytest.raises(EmptyAppend):
                await store.append(*appends)
        assert await store.head() == 0

    async def test_c4_a_stream_named_twice_in_one_call_is_refused(self, store: EventStore) -> None:
        with pytest.raises(InvalidInput):
            await store.append(Append(ANN, [event()]), Append(ANN, [event()]))
        assert await store.head() == 0

    @pytest.mark.parametrize("expect", [-1, -(2**63), True, "1", 1.0, None])
    async def test_c2_an_expectation_that_means_nothing_is_refused(self, store: EventStore, expect: Any) -> None:
        with pytest.raises(InvalidInput):
            await store_one(store, ANN, expect=expect)
        assert await store.head() == 0

    async def test_most_events_fit_and_one_more_does_not(self, store: EventStore) -> None:
        assert (await store_one(store, ANN, *events(MOST_EVENTS))).version == MOST_EVENTS
        with pytest.raises(TooLarge) as refused:
            await store.append(Append(ANN, events(MOST_EVENTS)), Append(BOB, events(1)))
        assert (refused.value.size, refused.value.limit) == (MOST_EVENTS + 1, MOST_EVENTS)
        assert len(await collected(store.read_all(Query.all()))) == MOST_EVENTS

    async def test_most_bytes_fit_and_one_more_does_not(self, store: EventStore) -> None:
        metadata = b'{"by":"ann"}'
        largest = event(b"x" * (MOST_BYTES - len(metadata)), metadata=metadata)
        await store_one(store, ANN, event(b"x" * (MOST_BYTES - 1)), event(b"x" * MOST_BYTES), largest)
        for new in (event(b"x" * (MOST_BYTES + 1)), event(largest.data + b"x", metadata=metadata)):
            with pytest.raises(TooLarge):
                await store_one(store, ANN, event(), new)
        assert [len(each.data or b"") async for each in store.read(ANN)] == [
            MOST_BYTES - 1,
            MOST_BYTES,
            len(largest.data),
        ]

    async def test_most_tags_fit_and_one_more_does_not(self, store: EventStore) -> None:
        tags = tuple(f"tag:{number}" for number in range(MOST_TAGS))
        await store_one(store, ANN, event(tags=tags))
        with pytest.raises(TooLarge):
            await store_one(store, ANN, event(tags=(*tags, "one:more")))
        assert [each.tags async for each in store.read(ANN)] == [tags]
        assert await store.head(Query.of(tags=tags)) > 0

    async def test_sec06_every_valid_id_is_a_stream_of_its_own(self, store: EventStore) -> None:
        for number, id in enumerate(AWKWARD_IDS):
            assert (await store_one(store, Stream("odd", id), event(number))).version == AWKWARD_IDS[:number].count(
                id
            ) + 1
        for number, id in enumerate(AWKWARD_IDS):
            assert b'{"n":%d}' % number in [each.data async for each in store.read(Stream("odd", id))]
            assert {each.id async for each in store.read(Stream("odd", id))} == {id}
        found = [info.stream.id async for info in store.streams("odd")]
        assert found == sorted(set(AWKWARD_IDS))

    async def test_sec06_an_impossible_id_is_refused_wherever_it_comes(self, store: EventStore) -> None:
        for id in IMPOSSIBLE_IDS:
            await self._no_stream(store, Stream("odd", id))
        for category in IMPOSSIBLE_CATEGORIES:
            await self._no_stream(store, Stream(category, "x"))
        assert await store.head() == 0

    @staticmethod
    async def _no_stream(store: EventStore, stream: Stream) -> None:
        with pytest.raises(InvalidStreamName) as refused:
            await store.append(Append(BOB, [event()]), Append(stream, [event()]))
        assert (refused.value.category, refused.value.id) == stream
        for reading in (store.read(stream), store.load(stream)):
            with pytest.raises(InvalidStreamName):
                await anext(aiter(reading))

    @settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(id=ANY_ID, data=st.text(st.characters(exclude_categories=["Cs"])), tag=ANY_ID)
    async def test_sec06_any_text_comes_back_from_where_it_was_put(
        self, store: EventStore, id: str, data: str, tag: str
    ) -> None:
        stream = Stream("any", id)
        appended = await store_one(store, stream, event(data.encode(), tags=(tag,)))
        last = await collected(store.read(stream, backwards=True, limit=1))
        assert [(each.stream, each.data, each.tags) for each in last] == [(stream, data.encode(), (tag,))]
        assert await store.head(Query.of(tags=[tag])) == appended.positions[0]

    async def test_fm25_an_event_that_not_every_store_can_hold_is_refused(self, store: EventStore) -> None:
        for wrong in WRONG:
            await self._stores_nothing(store, event(**wrong))

    async def test_fm25_json_that_is_no_utf8_is_refused(self, store: EventStore) -> None:
        for data in (b"\xff", b'"\xed\xa0\x80"', b"\xc0\x80"):
            await self._stores_nothing(store, event(data))

    @staticmethod
    async def _stores_nothing(store: EventStore, new: NewEvent) -> None:
        with pytest.raises(InvalidInput):
            await store.append(Append(BOB, [event()]), Append(ANN, [event(), new]))
        assert await store.head() == 0

    async def test_sec06_a_tag_that_is_given_twice_counts_once(self, store: EventStore) -> None:
        await store_one(store, ANN, event(tags=("a", "a")))
        assert len(await collected(store.read_all(Query.of(tags=["a"])))) == 1

    async def test_c6_a_query_with_classes_is_refused(self, store: EventStore) -> None:
        for query in (Query.of(int), Query.of("Happened", int) | Query.of("x"), Query.all() | Query.of(int)):
            with pytest.raises(InvalidInput):
                await store.head(query)
            with pytest.raises(InvalidInput):
                await collected(store.read_all(query))
            with pytest.raises(InvalidInput):
                async with store.subscribe(query, after=0) as batches:
                    await anext(batches)

    async def test_sec06_a_query_with_what_is_no_text_is_refused(self, store: EventStore) -> None:
        for query in (Query.of("\ud800"), Query.of(tags=["a\0"]), Query.of(categories=["\udfff"])):
            with pytest.raises(InvalidInput):
                await store.head(query)
