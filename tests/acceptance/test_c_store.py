"""C: the store, seen from an application."""

import asyncio
import logging
import os
import tracemalloc
from collections.abc import AsyncIterator
from typing import Any

import pytest

from eventfold import Eventfold, Events, Query, Recorded, RecordedBatch
from eventfold.domain.message import Stream
from eventfold.errors import ConcurrencyConflict, UnknownEvent
from eventfold.ports.event_store import Append
from tests.acceptance.world import (
    Added,
    AddUnless,
    Noted,
    Place,
    TapeFull,
    application,
    interposed,
    new_event,
    record,
    stored,
    tapes,
)


async def test_c6_the_head_is_the_last_position_of_a_query(place: Place) -> None:
    async with place.open(application()) as running:
        assert await running.head() == 0
        assert await running.head(Query.of(Added)) == 0
        await running.execute(tapes, "t", record(Added(1), Noted("x"), Added(2), Noted("y")))
        assert await running.head() == 4
        assert await running.head(Query.of(Added)) == 3
        assert await running.head(Query.of("Added")) == 3
        assert await running.head(Query.of(categories=["book"])) == 0
        assert await running.head(Query.of(Added) | Query.of(Noted)) == 4


async def test_c6_reading_forward_is_limited_and_typed(place: Place) -> None:
    async with place.open(application()) as running:
        await running.execute(tapes, "t", record(Added(1), Noted("x"), Added(2), Noted("y")))
        source = running.source
        assert [e.position async for e in source.read_all(Query.all(), after=1, limit=1)] == [2]
        assert [e.position async for e in source.read_all(Query.of("Added"), after=1)] == [3]
        assert [e.position async for e in source.read_all(Query.all(), after=4)] == []


async def test_c6_following_from_the_middle_then_live(place: Place) -> None:
    async with place.open(application()) as running:
        await running.execute(tapes, "t", record(Added(1), Noted("x"), Added(2), Noted("y")))
        async with running.subscribe(Query.of(Added), after=1) as batches:
            batch = await anext(batches)
            assert [(each.position, each.event) for each in batch.events] == [(3, Added(2))]
            assert (batch.caught_up, batch.head) == (True, 4)
            await running.execute(tapes, "t", record(Noted("z")))
            await running.execute(tapes, "t", record(Added(7)))
            events = [each async for each in _until(batches, 6)]
            assert [(each.position, each.event) for each in events] == [(6, Added(7))]
            assert isinstance(events[0], Recorded)


async def _until(batches: AsyncIterator[RecordedBatch], position: int) -> AsyncIterator[Recorded[Any]]:
    async for batch in batches:
        for each in batch.events:
            yield each
        if batch.head >= position and batch.caught_up:
            return


async def test_c6_following_an_empty_store_says_at_once_that_there_is_nothing(place: Place) -> None:
    async with place.open(application()) as running, running.subscribe() as batches:
        first = await anext(batches)
        assert (first.events, first.caught_up, first.head) == ((), True, 0)


async def test_c6_a_query_for_a_class_that_nobody_records_is_refused(place: Place) -> None:
    async with place.open(application()) as running:
        with pytest.raises(UnknownEvent, match="'TapeFull'"):
            await running.head(Query.of(TapeFull))
        with pytest.raises(UnknownEvent, match="'TapeFull'"):
            running.subscribe(Query.of(TapeFull))


async def test_c13_the_callback_hears_of_each_successful_command_once(place: Place) -> None:
    told: list[list[tuple[object, int]]] = []
    app = application(on_recorded=lambda events: told.append([(each.event, each.position) for each in events]))
    async with place.open(app) as running, place.open(application()) as other:
        await running.execute(tapes, "t", record(Added(1), Noted("x")))
        await running.execute(tapes, "t", record())  # nothing is written
        with pytest.raises(TapeFull):
            await running.execute(tapes, "t", AddUnless(1, limit=0))
        await other.execute(tapes, "t", record(Added(5)))  # not this application's
        await running.execute(tapes, "t", record(Added(2)))  # a conflict, then success
        assert told == [[(Added(1), 1), (Noted("x"), 2)], [(Added(2), 4)]]


async def test_c13_a_conflict_is_not_told(place: Place) -> None:
    told: list[object] = []
    async with place.open(application(on_recorded=told.append)) as running:
        store = interposed(running)

        def conflict() -> None:
            raise ConcurrencyConflict(("tape", "t"), 0, 1)

        store.before = conflict
        with pytest.raises(ConcurrencyConflict):
            await running.execute(tapes, "t", record(Added(1)))
    assert told == []


async def test_c13_a_failing_callback_does_not_undo_the_write(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    def fails(events: object) -> None:
        raise RuntimeError("the listener is deaf")

    async with place.open(application(on_recorded=fails)) as running:
        outcome = await running.execute(tapes, "t", record(Added(1)))
        assert outcome.version == 1
        assert (await running.execute(tapes, "t", record(Added(2)))).state.sum == 3
        assert await running.head() == 2
    errors = [each for each in caplog.records if each.levelno >= logging.ERROR]
    assert [each.getMessage() for each in errors] == ["on_recorded failed after 1 event(s) of tape-t were stored"] * 2
    assert "the listener is deaf" in str(errors[0].exc_info)


async def test_c14_a_source_cannot_write_and_a_sink_cannot_read(place: Place) -> None:
    async with place.open(application()) as running:
        source, sink = running.source, running.sink
        appended = await sink.append(Append(Stream("tape", "t"), [new_event(b"e" * 16, 5)]))
        assert appended.position == 1
        assert [event.event_id async for event in source.read(Stream("tape", "t"))] == [b"e" * 16]
        assert await source.head() == 1
        assert (await running.load(tapes, "t")).state.sum == 5
        reading = {"read", "load", "read_all", "read_boundary", "head", "event_id_at", "streams", "subscribe"}
        public = {name for name in dir(source) if not name.startswith("_")}
        assert public == reading
        assert {name for name in dir(sink) if not name.startswith("_")} == {"append"}


async def test_two_applications_with_different_catalogues_share_a_process(place: Place) -> None:
    renamed = Events()
    renamed.add(Added, name="tape-added", version=4)
    async with place.open(application()) as mine, Eventfold(deciders=[tapes], events=renamed).open("memory:") as theirs:
        await asyncio.gather(*(each.execute(tapes, "t", record(Added(1))) for _ in range(5) for each in (mine, theirs)))
        assert {(each.type, each.schema_version) for each in await stored(mine)} == {("Added", 1)}
        assert {(each.type, each.schema_version) for each in await stored(theirs)} == {("tape-added", 4)}
        assert await mine.load(tapes, "t") == await theirs.load(tapes, "t")
        assert (await mine.head(Query.of(Added)), await theirs.head(Query.of("Added"))) == (5, 0)


async def test_an_event_stored_under_an_unknown_name_is_named_with_its_place(place: Place) -> None:
    renamed = Events()
    renamed.add(Added, name="tape-added")
    async with place.open(application(events=renamed)) as running:
        await running.execute(tapes, "t", record(Noted("x"), Added(1)))
    async with place.open(application()) as running:
        with pytest.raises(UnknownEvent, match="event 'tape-added' in stream tape-t, version 2, position 2") as error:
            await running.execute(tapes, "t", record(Added(1)))
        assert (error.value.stream, error.value.version, error.value.position) == (("tape", "t"), 2, 2)
        assert await running.head() == 2


async def test_c20_events_are_read_by_tag_across_types_and_streams_from_a_position(place: Place) -> None:
    events = Events()
    events.add(Added, tags=lambda event: ["odd"] if event.n % 2 else [])
    events.add(Noted, tags=lambda event: ["odd"])
    async with place.open(application(events=events)) as running:
        for number in range(1, 5):
            await running.execute(tapes, f"t{number}", record(Added(number)))
        await running.execute(tapes, "t9", record(Noted("x")))
        tagged = Query.of(tags=["odd"])
        assert [e.position async for e in running.source.read_all(tagged)] == [1, 3, 5]
        assert [e.type async for e in running.source.read_all(tagged, after=1)] == ["Added", "Noted"]
        async with running.subscribe(tagged, after=2) as batches:
            assert [each.position for each in (await anext(batches)).events] == [3, 5]


async def test_c8_a_hundred_thousand_events_are_read_in_order_in_little_memory(place: Place) -> None:
    async with place.open(application(), run=False) as running:
        for _ in range(100):
            await running.sink.append(Append(Stream("tape", "long"), [new_event(os.urandom(16)) for _ in range(1_000)]))
        tracemalloc.start()
        try:
            last, most = 0, 0
            async for event in running.source.read_all(Query.all()):
                assert event.position > last
                last = event.position
                if last % 10_000 == 0:
                    most = max(most, tracemalloc.get_traced_memory()[0])
        finally:
            tracemalloc.stop()
    assert last == 100_000
    assert most < 5_000_000  # bytes; the events themselves are ten times that
