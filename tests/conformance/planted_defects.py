"""
Stores of a third party, each with one defect that real systems had, passed to our suite as its owner would pass it.

Not collected by itself: test_the_suite_itself.py runs it and looks at what failed.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from eventfold.adapters.memory import MemoryEventStore
from eventfold.adapters.system import ManualClock
from eventfold.domain.message import StoredEvent, Stream, to_micros
from eventfold.domain.query import Query
from eventfold.ports.event_store import (
    ANY,
    EXISTS,
    NEW,
    Append,
    Appended,
    AppendedStream,
    BoundaryRead,
    Condition,
    EventStore,
    Fact,
    StreamInfo,
)
from eventfold.ports.subscription import PAGE, Batch
from eventfold.testing.conformance import EventStoreConformance

ALL = Query.all()


class Patient(EventStoreConformance):
    """What never comes is given up sooner than usual."""

    patience = 0.2
    make: type[MemoryEventStore] = MemoryEventStore

    @pytest.fixture
    def store(self, clock: ManualClock) -> EventStore:
        store: EventStore = self.make(clock)
        return store


def changed(append: Append, **fields: Any) -> Append:
    return msgspec.structs.replace(append, **fields)


class IgnoresTheExpectation(MemoryEventStore):
    def _refuse_unless_expected(self, append: Append) -> None:
        pass


class LosesTags(MemoryEventStore):
    def _store(self, append: Append, recorded_at: int) -> AppendedStream:
        events = [msgspec.structs.replace(event, tags=()) for event in append.events]
        return super()._store(changed(append, events=events), recorded_at)


class FollowsByVersion(MemoryEventStore):
    """Trap 1: the cursor of a category is the version of a stream."""

    async def _page(self, query: Query, after: int) -> tuple[Sequence[StoredEvent], int]:
        events = [each async for each in self.read_all(query) if each.version > after]
        return events[:PAGE], max([after, *(each.version for each in events)])


class AdvancesByOneTooMany(MemoryEventStore):
    """Trap 2: after the first page the cursor is one too far."""

    async def _page(self, query: Query, after: int) -> tuple[Sequence[StoredEvent], int]:
        return await super()._page(query, after + 1 if after else after)


class SkipsWhenThePageIsFull(MemoryEventStore):
    async def _page(self, query: Query, after: int) -> tuple[Sequence[StoredEvent], int]:
        events, head = await super()._page(query, after)
        return (events[1:] if len(events) == PAGE else events), head


class DeliversTwice(MemoryEventStore):
    async def _page(self, query: Query, after: int) -> tuple[Sequence[StoredEvent], int]:
        return await super()._page(query, max(0, after - 1))


class PromisesTooMuch(MemoryEventStore):
    """FM-13: the head is that of the store, whatever has been delivered."""

    async def _page(self, query: Query, after: int) -> tuple[Sequence[StoredEvent], int]:
        events = [each async for each in self.read_all(query, after=after, limit=PAGE - 1)]
        return events, len(self._log)


class NeverRings(MemoryEventStore):
    async def append(self, *appends: Append, condition: Condition | None = None) -> Appended:
        self._bell.ring = lambda: None  # type: ignore[method-assign] # the defect
        return await super().append(*appends, condition=condition)


class KeepsNobodyWaitingForTheEnd(MemoryEventStore):
    """Closing does not wake those who wait."""

    async def close(self) -> None:
        self._bell._closed = True


class DuplicatesOnRetry(MemoryEventStore):
    def _already_stored(self, appends: tuple[Append, ...]) -> Appended | None:
        return None


class LooksAtVersionsFirst(MemoryEventStore):
    def _already_stored(self, appends: tuple[Append, ...]) -> Appended | None:
        for append in appends:
            self._refuse_unless_expected(append)
        return super()._already_stored(appends)


class ForgivesOtherContent(MemoryEventStore):
    def _already_stored(self, appends: tuple[Append, ...]) -> Appended | None:
        ids = [event.event_id for append in appends for event in append.events]
        if ids and all(each in self._by_event_id for each in ids):
            return Appended(tuple(self._original_places(append) for append in appends))
        return super()._already_stored(appends)


class StoresOneAfterTheOther(MemoryEventStore):
    """Not atomic over several streams."""

    async def append(self, *appends: Append, condition: Condition | None = None) -> Appended:
        if len(appends) < 2:
            return await super().append(*appends, condition=condition)
        parts = [await MemoryEventStore.append(self, each) for each in appends]
        return Appended(tuple(each.streams[0] for each in parts))


class ChecksLongBeforeItStores(MemoryEventStore):
    """Others get in between: two writers both win."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(clock)
        self._checked = False

    async def append(self, *appends: Append, condition: Condition | None = None) -> Appended:
        for append in appends:
            MemoryEventStore._refuse_unless_expected(self, append)
        await asyncio.sleep(0)
        return await super().append(*appends, condition=condition)

    def _refuse_unless_expected(self, append: Append) -> None:
        pass


class SortsTheBatch(MemoryEventStore):
    def _store(self, append: Append, recorded_at: int) -> AppendedStream:
        return super()._store(changed(append, events=sorted(append.events, key=lambda e: e.data)), recorded_at)


class MakesJsonPretty(MemoryEventStore):
    def _store(self, append: Append, recorded_at: int) -> AppendedStream:
        events = [
            msgspec.structs.replace(each, data=json.dumps(json.loads(each.data)).encode())
            if each.data.startswith(b"{")
            else each
            for each in append.events
        ]
        return super()._store(changed(append, events=events), recorded_at)


class KnowsOnlyItsOwnTime(MemoryEventStore):
    def _store(self, append: Append, recorded_at: int) -> AppendedStream:
        now = to_micros(datetime.now(UTC))
        events = [msgspec.structs.replace(each, occurred_at=each.occurred_at or now) for each in append.events]
        return super()._store(changed(append, events=events), now)


class DoesNotTellUpperFromLower(MemoryEventStore):
    def _store(self, append: Append, recorded_at: int) -> AppendedStream:
        return super()._store(changed(append, stream=Stream(*map(str.lower, append.stream))), recorded_at)

    def read(self, stream: Stream, **how: Any) -> AsyncIterator[StoredEvent]:
        return super().read(Stream(*map(str.lower, stream)), **how)


class RunsPastTheBound(MemoryEventStore):
    """Trap 9: the end is recognised only when an event of the query stands exactly there."""

    async def read_all(
        self, query: Query, *, after: int = 0, upto: int | None = None, limit: int | None = None
    ) -> AsyncGenerator[StoredEvent]:
        async for each in super().read_all(query, after=after, limit=limit):
            yield each
            if each.position == upto:
                return


class CountsInclusively(MemoryEventStore):
    async def read(
        self, stream: Stream, *, after: int = 0, limit: int | None = None, backwards: bool = False
    ) -> AsyncGenerator[StoredEvent]:
        async for each in super().read(stream, after=after - 1, limit=limit, backwards=backwards):
            yield each


class ReadsOnlyOnePage(MemoryEventStore):
    """Trap 10: a load sees the first page of a stream."""

    async def load(self, stream: Stream, *, after: int = 0, upto: int | None = None) -> AsyncGenerator[Sequence[Fact]]:
        async for page in super().load(stream, after=after, upto=upto):
            yield page
            return


class HandsOutItsOwnList(MemoryEventStore):
    def __init__(self, clock: ManualClock) -> None:
        super().__init__(clock)
        self._pages: dict[Stream, list[Fact]] = {}

    async def load(self, stream: Stream, *, after: int = 0, upto: int | None = None) -> AsyncGenerator[Sequence[Fact]]:
        if stream not in self._pages:
            self._pages[stream] = [fact async for page in super().load(stream, after=after, upto=upto) for fact in page]
        yield self._pages[stream]


class HasOneHeadForAll(MemoryEventStore):
    async def head(self, query: Query = ALL) -> int:
        return await super().head()


class ListsStreamsAsTheyCame(MemoryEventStore):
    async def streams(self, category: str | None = None, *, limit: int | None = None) -> AsyncGenerator[StreamInfo]:
        found = {each.stream: each async for each in super().streams(category)}
        for stream in [each for each in self._streams if each in found][:limit]:
            yield found[stream]


class TakesAppendsAfterItsEnd(MemoryEventStore):
    def _refuse_if_closed(self) -> None:
        pass


class TakesAnything(MemoryEventStore):
    """Refuses nothing, so what another store cannot hold is stored here."""

    async def append(self, *appends: Append, condition: Condition | None = None) -> Appended:
        await asyncio.sleep(0)
        return Appended(tuple(self._store(append, to_micros(self._clock.now())) for append in appends))


class ShowsWhatIsNotThereYet(MemoryEventStore):
    """The positions of two writers become visible in the wrong order."""

    async def _page(self, query: Query, after: int) -> tuple[Sequence[StoredEvent], int]:
        events, head = await super()._page(query, after)
        return ([*events[:-2], events[-1]] if len(events) > 2 and head % 7 == 0 else events), head


class LagsBehind(MemoryEventStore):
    """Reading sees an append only when the next one comes."""

    async def read(self, stream: Stream, **how: Any) -> AsyncGenerator[StoredEvent]:
        async for each in super().read(stream, **how):
            if each.position < len(self._log):
                yield each


class WaitsBeforeTheFirstBatch(MemoryEventStore):
    @asynccontextmanager
    async def subscribe(self, query: Query, *, after: int) -> AsyncGenerator[AsyncIterator[Batch]]:
        async with super().subscribe(query, after=after) as batches:

            async def later() -> AsyncGenerator[Batch]:
                async for batch in batches:
                    if batch.events:
                        yield batch

            yield later()


class KnowsOnlyNumbers(MemoryEventStore):
    def _refuse_unless_expected(self, append: Append) -> None:
        number = 1 if append.expect is NEW else 0 if append.expect is EXISTS else append.expect
        super()._refuse_unless_expected(changed(append, expect=number))


class OrdersByTheClock(MemoryEventStore):
    async def read_all(self, query: Query, **how: Any) -> AsyncGenerator[StoredEvent]:
        for each in sorted([each async for each in super().read_all(query, **how)], key=lambda each: each.recorded_at):
            yield each


class RepeatsTheEdgeOfAPage(MemoryEventStore):
    async def read_all(self, query: Query, **how: Any) -> AsyncGenerator[StoredEvent]:
        async for each in super().read_all(query, **how):
            yield each
            if each.position % PAGE == 0:
                yield each


class LimitsToAPage(MemoryEventStore):
    async def read(self, stream: Stream, **how: Any) -> AsyncGenerator[StoredEvent]:
        async for each in super().read(stream, **{**how, "limit": min(PAGE, how.get("limit") or PAGE)}):
            yield each


class StartsAtTheEventBefore(MemoryEventStore):
    async def read_all(self, query: Query, *, after: int = 0, **how: Any) -> AsyncGenerator[StoredEvent]:
        async for each in super().read_all(query, after=after - 1, **how):
            yield each


class LoadsTheLatestWhateverIsAsked(MemoryEventStore):
    async def load(self, stream: Stream, *, after: int = 0, upto: int | None = None) -> AsyncGenerator[Sequence[Fact]]:
        async for page in super().load(stream, after=after):
            yield page


class ListsOnlyAPageOfStreams(MemoryEventStore):
    async def streams(self, category: str | None = None, *, limit: int | None = None) -> AsyncGenerator[StreamInfo]:
        async for each in super().streams(category, limit=PAGE if limit is None else min(PAGE, limit)):
            yield each


class RefusesBroadQueries(MemoryEventStore):
    async def read_all(self, query: Query, **how: Any) -> AsyncGenerator[StoredEvent]:
        if sum(len(each.types) for each in query.alternatives) > 250:
            raise RuntimeError("too many SQL variables")
        async for each in super().read_all(query, **how):
            yield each


class FiltersAfterThePage(MemoryEventStore):
    """Trap 10: what is wanted is looked for on the first page alone."""

    async def read_all(self, query: Query, **how: Any) -> AsyncGenerator[StoredEvent]:
        page = [each async for each in super().read_all(ALL, **{**how, "limit": PAGE})]
        wanted = [each for each in page if query.matches(each.category, each.type, each.tags or ())]
        for each in wanted[: how.get("limit")]:
            yield each


class EndsBeforeTheBound(MemoryEventStore):
    async def read_all(self, query: Query, *, upto: int | None = None, **how: Any) -> AsyncGenerator[StoredEvent]:
        async for each in super().read_all(query, upto=None if upto is None else upto - 1, **how):
            yield each


class ForgetsWhoIsOnTheWay(MemoryEventStore):
    def _refuse_if_closed(self) -> None:
        pass

    async def append(self, *appends: Append, condition: Condition | None = None) -> Appended:
        super()._refuse_if_closed()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        if self._bell.closed:
            await asyncio.Event().wait()
        return await super().append(*appends, condition=condition)


class CannotBeClosedTwice(MemoryEventStore):
    async def close(self) -> None:
        self._refuse_if_closed()
        await super().close()


class HasPositionsOfItsStreams(MemoryEventStore):
    def _store(self, append: Append, recorded_at: int) -> AppendedStream:
        appended = super()._store(append, recorded_at)
        count = len(append.events)
        return msgspec.structs.replace(
            appended, positions=tuple(range(appended.version - count + 1, appended.version + 1))
        )


class AnswersInAnotherOrder(MemoryEventStore):
    async def append(self, *appends: Append, condition: Condition | None = None) -> Appended:
        return Appended((await super().append(*appends, condition=condition)).streams[::-1])


class IgnoresTheCondition(MemoryEventStore):
    def _refuse_unless_unchanged(self, condition: Condition) -> None:
        pass


class TakesTheBoundAfterTheRead(MemoryEventStore):
    """What is stored while the boundary is read is neither seen nor a conflict."""

    async def read_boundary(self, query: Query) -> BoundaryRead:
        read = await super().read_boundary(query)
        events = [each async for each in read.events]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return BoundaryRead(aiter_of(events), Condition(query, len(self._log)))


class ReadsOnWhileOthersWrite(MemoryEventStore):
    async def read_boundary(self, query: Query) -> BoundaryRead:
        return BoundaryRead(self.read_all(query), (await super().read_boundary(query)).condition)


class ReadsAPageOfABoundary(MemoryEventStore):
    async def read_boundary(self, query: Query) -> BoundaryRead:
        condition = (await super().read_boundary(query)).condition
        return BoundaryRead(self.read_all(query, upto=condition.bound, limit=PAGE), condition)


class ChecksTheFirstAlternative(MemoryEventStore):
    def _refuse_unless_unchanged(self, condition: Condition) -> None:
        first = Query(condition.query.alternatives[:1])
        super()._refuse_unless_unchanged(Condition(first, condition.bound))


class TakesTheWholeLogForTheBoundary(MemoryEventStore):
    """Any newer event is a conflict."""

    def _refuse_unless_unchanged(self, condition: Condition) -> None:
        super()._refuse_unless_unchanged(Condition(ALL, condition.bound))


class ForgetsTheExpectationBesideACondition(MemoryEventStore):
    async def append(self, *appends: Append, condition: Condition | None = None) -> Appended:
        if condition is not None:
            appends = tuple(changed(each, expect=ANY) for each in appends)
        return await super().append(*appends, condition=condition)


class DoesNotSeeItsNeighbours(MemoryEventStore):
    """The condition is checked before the append waits for its turn."""

    async def append(self, *appends: Append, condition: Condition | None = None) -> Appended:
        if condition is not None and not self._already_stored(appends):
            self._refuse_unless_unchanged(condition)
        return await super().append(*appends)


class LooksAtConditionsFirst(MemoryEventStore):
    async def append(self, *appends: Append, condition: Condition | None = None) -> Appended:
        if condition is not None:
            self._refuse_unless_unchanged(condition)
        return await super().append(*appends, condition=condition)


class FindsBoundariesOfAnyQuery(MemoryEventStore):
    async def read_boundary(self, query: Query) -> BoundaryRead:
        return BoundaryRead(aiter_of([e for e in self._log if query.matches(e.category, e.type)]), Condition(query, 0))


async def aiter_of(events: Sequence[StoredEvent]) -> AsyncGenerator[StoredEvent]:
    for each in events:
        yield each


def suite_for(kind: type[MemoryEventStore]) -> type:
    return type(f"Test{kind.__name__}", (Patient,), {"make": kind, "__module__": __name__})


DEFECTS = [each for each in MemoryEventStore.__subclasses__() if each.__module__ == __name__]
KINDS: list[type[MemoryEventStore]] = [MemoryEventStore, *DEFECTS]
globals().update({f"Test{each.__name__}": suite_for(each) for each in KINDS})
