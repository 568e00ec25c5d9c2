"""Closing, and the two faces of a store."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from eventfold.domain.query import Query
from eventfold.errors import StoreClosed
from eventfold.ports.event_store import Append, Appended, EventStore, SinkOnly, SourceOnly
from eventfold.testing.conformance.material import ANN, BOB, Suite, collected, event, events, store_one

__all__ = ["Closing"]


class Closing(Suite):
    """What comes after the end, and who may do what before it."""

    async def test_g04_an_append_after_closing_is_refused(self, store: EventStore) -> None:
        await store_one(store, ANN)
        await store.close()
        with pytest.raises(StoreClosed):
            await store_one(store, ANN)

    async def test_g04_every_way_of_reading_is_refused_after_closing(self, store: EventStore) -> None:
        await store_one(store, ANN)
        await store.close()
        ways: list[Any] = [store.read(ANN), store.load(ANN), store.read_all(Query.all()), store.streams()]
        for reading in ways:
            with pytest.raises(StoreClosed):
                await collected(reading)
        for query in (Query.all(), Query.of("Happened")):
            with pytest.raises(StoreClosed):
                await store.head(query)
        with pytest.raises(StoreClosed):
            async with store.subscribe(Query.all(), after=0) as batches:
                await anext(batches)

    async def test_g04_closing_twice_is_fine_also_at_the_same_moment(self, store: EventStore) -> None:
        await self.soon(asyncio.gather(store.close(), store.close()))
        await store.close()

    async def test_g04_appends_on_their_way_are_stored_or_refused_and_never_left_waiting(
        self, store: EventStore
    ) -> None:
        appending = [asyncio.ensure_future(store.append(Append(ANN, [event()]))) for _ in range(5)]
        await asyncio.sleep(0)
        await self.soon(store.close())
        outcomes = await self.soon(asyncio.gather(*appending, return_exceptions=True))
        assert all(isinstance(each, Appended | StoreClosed) for each in outcomes), outcomes

    async def test_c14_a_source_cannot_write_and_a_sink_cannot_read(self, store: EventStore) -> None:
        source, sink = SourceOnly(store), SinkOnly(store)
        await sink.append(Append(ANN, events(2)))
        assert [each.version async for each in source.read(ANN)] == [1, 2]
        assert await source.head() == await store.head()
        assert not hasattr(source, "append")
        for way in ("read", "load", "read_all", "head", "streams", "subscribe"):
            assert not hasattr(sink, way)

    async def test_g04_an_append_that_was_given_up_is_stored_whole_or_not_at_all(self, store: EventStore) -> None:
        batch = events(3)
        appending = asyncio.ensure_future(store.append(Append(ANN, batch), Append(BOB, events(2))))
        await asyncio.sleep(0)
        appending.cancel()
        await self.soon(asyncio.wait([appending]))
        sizes = len(await collected(store.read(ANN))), len(await collected(store.read(BOB)))
        assert sizes in {(0, 0), (3, 2)}
        again = await store_one(store, ANN, *batch)
        assert again.version == 3
        assert len(await collected(store.read(ANN))) == 3
