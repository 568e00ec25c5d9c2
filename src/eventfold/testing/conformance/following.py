"""Following: catch up, then live; nothing twice, nothing skipped, nothing out of order."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import AsyncExitStack

import pytest

from eventfold.domain.message import StoredEvent, Stream
from eventfold.domain.query import Query
from eventfold.errors import StoreClosed
from eventfold.ports.event_store import Append, EventStore
from eventfold.ports.subscription import PAGE, Batch
from eventfold.testing.conformance.material import (
    ANN,
    BOB,
    Suite,
    collected,
    delivered,
    event,
    events,
    followed,
    store_one,
)

__all__ = ["Following"]

EVERYTHING = Query.all()
WRITERS, APPENDS = 4, 60


class Following(Suite):
    """What a subscription delivers."""

    async def test_g08_the_first_batch_comes_at_once_also_from_an_empty_store(self, store: EventStore) -> None:
        async with store.subscribe(EVERYTHING, after=0) as batches:
            self._nothing_new(await self.soon(anext(batches)), head=0)
        await store_one(store, ANN, *events(3))
        for query, after in ((EVERYTHING, await store.head()), (Query.of("Never"), 0)):
            async with store.subscribe(query, after=after) as batches:
                self._nothing_new(await self.soon(anext(batches)), head=await store.head())

    @staticmethod
    def _nothing_new(batch: Batch, *, head: int) -> None:
        assert (list(batch.events), batch.caught_up, batch.head) == ([], True, head)

    async def test_g08_g09_catches_up_over_several_pages_and_then_goes_live(self, store: EventStore) -> None:
        for _ in range(3):
            await store_one(store, ANN, *events(PAGE - 100))
        seen: list[StoredEvent] = []
        async with store.subscribe(EVERYTHING, after=0) as batches:
            while True:
                batch = await self.soon(anext(batches))
                assert len(batch.events) <= PAGE
                seen += batch.events
                if batch.caught_up:
                    break
                assert batch.head == batch.events[-1].position
            assert batch.head == await store.head() == seen[-1].position
            assert seen == await collected(store.read_all(EVERYTHING))
            for number in range(3):
                await store_one(store, BOB, event(number))
                live = await self.soon(anext(batches))
                assert [each.data for each in live.events] == [b'{"n":%d}' % number]
                assert (live.caught_up, live.head) == (True, live.events[-1].position)

    @pytest.mark.parametrize("count", [PAGE - 1, PAGE, PAGE + 1, 2 * PAGE])
    async def test_trap2_the_cursor_is_right_at_the_edge_of_a_page(self, store: EventStore, count: int) -> None:
        for start in range(0, count, PAGE):
            await store_one(store, ANN, *events(min(PAGE, count - start)))
        async with store.subscribe(EVERYTHING, after=0) as batches:
            assert len(await self.soon(followed(batches, await store.head()))) == count
            live = await store_one(store, ANN, *events(3))
            seen = await self.soon(followed(batches, live.positions[-1]))
            assert [each.position for each in seen] == list(live.positions)

    async def test_trap1_two_streams_of_a_category_are_followed_by_position_not_by_version(
        self, store: EventStore
    ) -> None:
        for stream, count in ((ANN, 5), (BOB, 2), (ANN, 1), (BOB, 1)):
            await store_one(store, stream, *events(count))
        async with store.subscribe(Query.of(categories=["account"]), after=0) as batches:
            seen = await self.soon(followed(batches, await store.head()))
            assert [(each.id, each.version) for each in seen] == [
                *(("ann", version) for version in range(1, 6)),
                ("bob", 1),
                ("bob", 2),
                ("ann", 6),
                ("bob", 3),
            ]
            new = Stream("account", "cid")
            for stream in (new, BOB, new):
                await store_one(store, stream)
            seen = await self.soon(followed(batches, await store.head()))
            assert [(each.id, each.version) for each in seen] == [("cid", 1), ("bob", 4), ("cid", 2)]

    async def test_g08_starts_in_the_middle(self, store: EventStore) -> None:
        appended = await store_one(store, ANN, *events(10))
        middle = appended.positions[5]
        async with store.subscribe(EVERYTHING, after=middle) as batches:
            seen = await self.soon(followed(batches, appended.positions[-1]))
            assert [each.position for each in seen] == list(appended.positions[6:])
            live = await store_one(store, ANN)
            assert [each.position for each in await self.soon(followed(batches, live.positions[0]))] == [
                *live.positions
            ]

    async def test_c5_g08_g09_nothing_is_lost_doubled_or_moved_while_writers_race(self, store: EventStore) -> None:
        async def write(name: int) -> None:
            for number in range(APPENDS):
                await store_one(store, Stream("racer", str(name)), *events(1 + number % 3))
                if number % 5 == 0:
                    await asyncio.sleep(0)

        async def follow(after: int) -> list[StoredEvent]:
            seen: list[StoredEvent] = []
            async with store.subscribe(EVERYTHING, after=after) as batches:
                async for batch in batches:
                    seen += batch.events
                    if sum(each.type == "Last" for each in seen):
                        return seen
            raise AssertionError("a subscription ended by itself")

        await store_one(store, ANN, *events(PAGE + 50))
        followers = [asyncio.ensure_future(follow(after)) for after in (0, 0, PAGE, await store.head())]
        await self.soon(asyncio.gather(*map(write, range(WRITERS))))
        await store_one(store, BOB, event(type="Last"))
        log = await collected(store.read_all(EVERYTHING))
        for follower, after in zip(followers, (0, 0, PAGE, log[PAGE + 49].position), strict=True):
            assert await self.soon(follower) == [each for each in log if each.position > after]
        versions = Counter(each.id for each in log)
        assert versions["0"] == sum(1 + number % 3 for number in range(APPENDS))

    async def test_g09_every_reader_sees_the_same_order(self, store: EventStore) -> None:
        streams = [Stream("order", str(number)) for number in range(30)]
        await self.soon(asyncio.gather(*(store.append(Append(stream, events(2))) for stream in streams)))
        async with store.subscribe(EVERYTHING, after=0) as batches:
            live = await self.soon(followed(batches, await store.head()))
        assert live == await collected(store.read_all(EVERYTHING))
        for stream in streams:
            assert [each for each in live if each.stream == stream] == await collected(store.read(stream))

    async def test_fm13_a_filtered_subscription_gets_past_what_it_does_not_want(self, store: EventStore) -> None:
        wanted = Query.of("Rare", tags=["hot"])
        async with store.subscribe(wanted, after=0) as batches:
            self._nothing_new(await self.soon(anext(batches)), head=0)
            for _ in range(3):
                await store_one(store, ANN, *events(PAGE + 1, type="Usual"), *events(3, type="Rare"))
                rare = await store_one(store, BOB, event(type="Rare", tags=("hot", "new")))
                batch = await self.soon(anext(batches))
                while not batch.events:
                    batch = await self.soon(anext(batches))
                assert [each.position for each in batch.events] == list(rare.positions)
                assert batch.head >= rare.positions[0]

    async def test_fm13_the_head_of_a_batch_is_never_ahead_of_an_undelivered_event(self, store: EventStore) -> None:
        delivered: set[int] = set()
        query = Query.of("Wanted")
        async with store.subscribe(query, after=0) as batches:
            for number in range(8):
                await store_one(store, ANN, *events(PAGE // 2, type="Wanted" if number % 3 else "Usual"))
            last = await store.head(query)
            while last not in delivered:
                batch = await self.soon(anext(batches))
                delivered |= {each.position for each in batch.events}
                due = {each.position async for each in store.read_all(query, upto=batch.head)}
                assert due == {each for each in delivered if each <= batch.head}

    async def test_g19_a_slow_subscriber_keeps_nobody_waiting_and_misses_nothing(self, store: EventStore) -> None:
        async with store.subscribe(EVERYTHING, after=0) as batches:
            await self.soon(anext(batches))
            for _ in range(6):
                await self.soon(store_one(store, ANN, *events(PAGE // 2)))
            seen = await self.soon(followed(batches, await store.head()))
        assert [each.version for each in seen] == list(range(1, 3 * PAGE + 1))

    async def test_g08_many_subscribers_each_get_everything(self, store: EventStore) -> None:
        async with AsyncExitStack() as stack:
            subscriptions = [await stack.enter_async_context(store.subscribe(EVERYTHING, after=0)) for _ in range(30)]
            waiting = [asyncio.ensure_future(delivered(each, 5)) for each in subscriptions]
            for _ in range(5):
                await store_one(store, ANN)
            for each in waiting:
                assert [event.version for event in await self.soon(each)] == [1, 2, 3, 4, 5]

    async def test_g08_a_subscriber_may_go_while_it_waits(self, store: EventStore) -> None:
        waits = asyncio.Event()

        async def follow() -> None:
            async with store.subscribe(EVERYTHING, after=0) as batches:
                await anext(batches)
                waits.set()
                await anext(batches)

        task = asyncio.ensure_future(follow())
        await self.soon(waits.wait())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await self.soon(task)
        await self.soon(store_one(store, ANN))
        async with store.subscribe(EVERYTHING, after=0) as batches:
            assert len((await self.soon(anext(batches))).events) == 1

    async def test_g08_closing_ends_those_who_wait(self, store: EventStore) -> None:
        async with store.subscribe(EVERYTHING, after=0) as batches:
            await self.soon(anext(batches))
            waiting = asyncio.ensure_future(anext(batches))
            await asyncio.sleep(0)
            await self.soon(store.close())
            with pytest.raises(StoreClosed):
                await self.soon(waiting)
