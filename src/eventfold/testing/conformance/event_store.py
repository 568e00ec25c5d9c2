"""The suite of the event store: appending, reading, following, closing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from eventfold.domain.query import Query
from eventfold.ports.event_store import ANY, EventStore
from eventfold.testing.conformance.appending import Appending
from eventfold.testing.conformance.boundaries import Boundaries
from eventfold.testing.conformance.closing import Closing
from eventfold.testing.conformance.following import Following
from eventfold.testing.conformance.idempotency import Idempotency
from eventfold.testing.conformance.material import ANN, BOB, collected, event, events, store_one
from eventfold.testing.conformance.reading import Reading
from eventfold.testing.conformance.refusals import Refusals

__all__ = ["DurableEventStoreConformance", "EventStoreConformance"]


class EventStoreConformance(Appending, Idempotency, Boundaries, Refusals, Reading, Following, Closing):
    """Every promise of `EventStore`. The fixture `store` gives an empty one that takes its time from `clock`."""


class DurableEventStoreConformance(EventStoreConformance):
    """The same, for a store that outlives its process: the fixture `reopen` closes it and opens it once more."""

    @pytest.fixture
    def reopen(self) -> Callable[[EventStore], Awaitable[EventStore]]:
        raise NotImplementedError("define a fixture `reopen`: an async function from the store to the store, reopened")

    async def test_g01_g03_what_was_acknowledged_is_there_after_reopening(
        self, store: EventStore, reopen: Callable[[EventStore], Awaitable[EventStore]]
    ) -> None:
        await store_one(store, ANN, *events(3), event(4, tags=("a",), metadata=b'{"by":"ann"}'))
        await store_one(store, BOB, event("ä".encode().join([b'"', b'"'])))
        before = await collected(store.read_all(Query.all()))
        again = await reopen(store)
        assert await collected(again.read_all(Query.all())) == before
        assert await again.head(Query.of(tags=["a"])) == before[3].position

    async def test_g03_g05_versions_positions_and_ids_go_on_after_reopening(
        self, store: EventStore, reopen: Callable[[EventStore], Awaitable[EventStore]]
    ) -> None:
        first = event()
        stored = await store_one(store, ANN, first)
        again = await reopen(store)
        repeated = await store_one(again, ANN, first, expect=0)
        assert (repeated.positions, repeated.deduplicated) == (stored.positions, True)
        following = await store_one(again, ANN, event(), expect=1)
        assert following.version == 2
        assert following.positions[0] > stored.positions[0]
        assert (await store_one(again, BOB, event(), expect=ANY)).version == 1
