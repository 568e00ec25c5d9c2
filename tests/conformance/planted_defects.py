"""
Stores of a third party, each with one defect that real systems had, passed to our suite as its owner would pass it.

Not collected by itself: test_the_suite_itself.py runs it and looks at what failed.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext, suppress
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from eventfold.adapters.memory import MemoryCommandLog, MemoryEventStore
from eventfold.adapters.memory_units import MemoryUnits, _Draft, _OpenUnit
from eventfold.adapters.sqlite import open_sqlite_rows_in_memory
from eventfold.adapters.system import ManualClock
from eventfold.domain.message import StoredEvent, Stream, to_micros
from eventfold.domain.query import Query
from eventfold.errors import StoreClosed
from eventfold.ports.command_log import Accepted, CommandLog
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
from eventfold.ports.holding import Lines, Steps, _Line
from eventfold.ports.read_model import ReadModel
from eventfold.ports.subscription import PAGE, Batch
from eventfold.ports.unit import CommandTaken, Units
from eventfold.testing.conformance import CommandLogConformance, EventStoreConformance, UnitsConformance

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
        found = [each for each in self._log if each is not None and query.matches(each.category, each.type)]
        return BoundaryRead(aiter_of(found), Condition(query, 0))


async def aiter_of(events: Sequence[StoredEvent]) -> AsyncGenerator[StoredEvent]:
    for each in events:
        yield each


def suite_for(kind: type[MemoryEventStore]) -> type:
    return type(f"Test{kind.__name__}", (Patient,), {"make": kind, "__module__": __name__})


DEFECTS = [each for each in MemoryEventStore.__subclasses__() if each.__module__ == __name__]
KINDS: list[type[MemoryEventStore]] = [MemoryEventStore, *DEFECTS]
globals().update({f"Test{each.__name__}": suite_for(each) for each in KINDS})


# ------------------------------------------------------------------------------ units


class PatientUnits(UnitsConformance):
    patience = 0.2
    steps = 12
    make_units: type[MemoryUnits] = MemoryUnits

    @pytest.fixture
    def events(self, clock: ManualClock) -> EventStore:
        return MemoryEventStore(clock)

    @pytest.fixture
    async def rows(self, clock: ManualClock) -> AsyncIterator[ReadModel]:
        rows = await open_sqlite_rows_in_memory(clock=clock)
        yield rows
        await rows.close()

    @pytest.fixture
    def units(self, events: MemoryEventStore, rows: ReadModel, clock: ManualClock) -> Units:
        return self.make_units(events, rows, clock)


class Published(_Draft):
    """Stores at once what should wait for the commit."""

    def store(self, appends: tuple[Append, ...], condition: Condition | None) -> Appended:
        appended = self._before.store(appends, condition)
        self._before.announce()
        return appended

    def look_at(self, stream: Stream) -> None:
        self._streams[stream] = self._before.all_of(stream)


class StoresEventsAtOnce(MemoryUnits):
    """What the work appends is not its transaction's."""

    _draft = Published


class OfEvents(_OpenUnit):
    async def commit(self) -> None:
        if self._open is not None:
            self._open[0].publish()


class ForgetsTheRows(MemoryUnits):
    _unit = OfEvents


class Torn(_OpenUnit):
    async def commit(self) -> None:
        if self._open is not None:
            await self._open[1].commit([], None)
            await asyncio.sleep(0)
            self._open[0].publish()


class IsTornByWhoGivesUp(MemoryUnits):
    """Rows are committed, then the caller is cancelled."""

    _unit = Torn


class KeepsWhatHasFailed(MemoryUnits):
    """Commits even so."""

    async def transact(self, work: Any) -> Any:
        async def whatever(unit: Any) -> Any:
            try:
                return await work(unit), None
            except Exception as error:
                return None, error

        result, error = await super().transact(whatever)
        if error is not None:
            raise error
        return result


class LosesTheResult(MemoryUnits):
    async def transact(self, work: Any) -> Any:
        await super().transact(work)


class Blind(_OpenUnit):
    async def load(self, stream: Stream, *, after: int = 0, upto: int | None = None) -> AsyncGenerator[Sequence[Fact]]:
        draft, _ = await self._opened()
        async for page in draft._before.load(stream, after=after, upto=upto):
            yield page


class DoesNotSeeItsOwnAppends(MemoryUnits):
    _unit = Blind


class Greedy(_OpenUnit):
    async def load(self, stream: Stream, *, after: int = 0, upto: int | None = None) -> AsyncGenerator[Sequence[Fact]]:
        async for page in super().load(stream):
            yield page


class LoadsTheWholeStream(MemoryUnits):
    _unit = Greedy


class Unconditional(_OpenUnit):
    async def append(self, *appends: Append, condition: Condition | None = None) -> Appended:
        return await super().append(*appends)


class IgnoresTheConditionInAUnit(MemoryUnits):
    _unit = Unconditional


class OwnBlind(_Draft):
    def first_against(self, condition: Condition) -> int | None:
        return self._before.first_against(condition)


class ChecksConditionsAgainstOthersAlone(MemoryUnits):
    _draft = OwnBlind


class Forgetful(_Draft):
    def store(self, appends: tuple[Append, ...], condition: Condition | None) -> Appended:
        for append in appends:
            self.look_at(append.stream)
        return MemoryEventStore.store(self, appends, condition)


class DoesNotKnowWhatIsStored(MemoryUnits):
    """Of event ids."""

    _draft = Forgetful


class Careless(_Draft):
    def _refuse_unless_expected(self, append: Append) -> None:
        pass


class IgnoresTheExpectationInAUnit(MemoryUnits):
    _draft = Careless


class InParts(_OpenUnit):
    async def append(self, *appends: Append, condition: Condition | None = None) -> Appended:
        if len(appends) < 2:
            return await super().append(*appends, condition=condition)
        parts = [await _OpenUnit.append(self, each) for each in appends]
        return Appended(tuple(each.streams[0] for each in parts))


class AppendsInParts(MemoryUnits):
    _unit = InParts


class Touchy(_OpenUnit):
    async def append(self, *appends: Append, condition: Condition | None = None) -> Appended:
        try:
            return await super().append(*appends, condition=condition)
        except Exception as error:
            self.steps.failed(error)
            raise


class EndsWithAConflict(MemoryUnits):
    """As a naive transaction of Postgres does, for which one refused statement is the end."""

    _unit = Touchy


class Lenient(_OpenUnit):
    async def fetch(self, writes: Any, select: Any, params: Any) -> Any:
        _, rows = await self._opened()
        return await rows.fetch(writes, select, params)

    async def commit(self) -> None:
        if self._open is not None:
            self._open[0].publish()
            with suppress(Exception):
                await self._open[1].commit([], None)


class ForgivesRefusedRows(MemoryUnits):
    _unit = Lenient


class Endless(Steps):
    async def end(self) -> None:
        pass


class StaysAlive(_OpenUnit):
    def __init__(self, begun: Any) -> None:
        super().__init__(begun)
        self.steps = Endless()


class OutlivesItsWork(MemoryUnits):
    _unit = StaysAlive


class TakesUnitsAfterItsEnd(MemoryUnits):
    async def transact(self, work: Any) -> Any:
        try:
            return await super().transact(work)
        except StoreClosed:
            return None

    def _first(self, stream: Stream, deadline: float) -> Any:
        return self._lines.first(stream, deadline)


class ForgetsUnitsOnTheirWay(MemoryUnits):
    """Closing leaves them waiting."""

    async def transact(self, work: Any) -> Any:
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        if self._store._bell.closed:
            await asyncio.Event().wait()
        return await super().transact(work)


class LetsOthersInBetween(MemoryUnits):
    """Its turn is no turn: what was checked may have changed when it is stored."""

    async def transact(self, work: Any) -> Any:
        async with AsyncExitStack() as turn:

            async def begun() -> Any:
                rows = await turn.enter_async_context(self._rows.transaction())
                return _Draft(self._store, self._clock), rows

            unit = _OpenUnit(begun)
            result = await work(unit)
            await asyncio.sleep(0)
            await unit.commit()
        return result


class LocksNothing(MemoryUnits):
    def _first(self, stream: Stream, deadline: float) -> Any:
        return nullcontext()


class LocksTheWholeCategory(MemoryUnits):
    def _first(self, stream: Stream, deadline: float) -> Any:
        return self._lines.first(Stream(stream.category, "all"), deadline)


class LocksTheStore(MemoryUnits):
    """Who holds a stream holds everybody up."""

    @asynccontextmanager
    async def _first(self, stream: Stream, deadline: float) -> AsyncGenerator[None]:
        async with self._lines.first(stream, deadline), self._store.turn:
            yield

    async def transact(self, work: Any) -> Any:
        async with asyncio.timeout(0.2):
            return await super().transact(work)


class WaitsForeverForALock(MemoryUnits):
    def _first(self, stream: Stream, deadline: float) -> Any:
        return self._lines.first(stream, deadline + 3_600)


class KeepsTheLock(MemoryUnits):
    """Until the block ends, not until the commit."""

    @asynccontextmanager
    async def lock(self, stream: Stream, *, timeout: float) -> AsyncGenerator[Any]:
        async with super().lock(stream, timeout=timeout) as lent:
            held: Any = lent
            held._until_released, kept = AsyncExitStack(), held._until_released
            yield held
            held._until_released = kept


class Abandoned(Lines):
    @asynccontextmanager
    async def first(self, stream: Stream, deadline: float) -> AsyncGenerator[None]:
        line = self._lines.setdefault(stream, _Line())
        async with asyncio.timeout_at(deadline):
            await line.lock.acquire()
        yield
        line.lock.release()


class KeepsTheLockOfWhoFails(MemoryUnits):
    def __init__(self, *what: Any) -> None:
        super().__init__(*what)
        self._lines = Abandoned()


class Hasty(Lines):
    @asynccontextmanager
    async def first(self, stream: Stream, deadline: float) -> AsyncGenerator[None]:
        line = self._lines.setdefault(stream, _Line())
        getting = asyncio.ensure_future(line.lock.acquire())  # goes on when its caller has given up
        done, _ = await asyncio.wait([getting], timeout=max(0, deadline - asyncio.get_running_loop().time()))
        if not done:
            getting.cancel()
            raise TimeoutError
        try:
            yield
        finally:
            line.lock.release()


class LocksForWhoHasGivenUp(MemoryUnits):
    def __init__(self, *what: Any) -> None:
        super().__init__(*what)
        self._lines = Hasty()


class ReleasesTheLockOfWorkThatFails(MemoryUnits):
    @asynccontextmanager
    async def lock(self, stream: Stream, *, timeout: float) -> AsyncGenerator[Any]:
        async with super().lock(stream, timeout=timeout) as lent:
            held: Any = lent
            transact = held.transact

            async def once(work: Any) -> Any:
                try:
                    return await transact(work)
                finally:
                    held.released = True
                    await held._until_released.aclose()

            held.transact = once
            yield held


class WorksWithoutItsLock(MemoryUnits):
    @asynccontextmanager
    async def lock(self, stream: Stream, *, timeout: float) -> AsyncGenerator[Any]:
        async with super().lock(stream, timeout=timeout) as lent:
            held: Any = lent
            held._refuse_if_released = lambda: None
            yield held


class HasRoomForThreeLocks(MemoryUnits):
    """Whoever holds one has a connection, and there are no more of them."""

    _locks = 0

    @asynccontextmanager
    async def lock(self, stream: Stream, *, timeout: float) -> AsyncGenerator[Any]:
        async with super().lock(stream, timeout=timeout) as lent:
            held: Any = lent
            self._locks += 1
            if self._locks > 3:
                raise StoreClosed
            await asyncio.sleep(0.01)
            yield held
            self._locks -= 1


def suite_for_units(kind: type[MemoryUnits]) -> type:
    return type(f"Test{kind.__name__}", (PatientUnits,), {"make_units": kind, "__module__": __name__})


UNIT_DEFECTS = [each for each in MemoryUnits.__subclasses__() if each.__module__ == __name__]
UNIT_KINDS: list[type[MemoryUnits]] = [MemoryUnits, *UNIT_DEFECTS]
globals().update({f"Test{each.__name__}": suite_for_units(each) for each in UNIT_KINDS})


# --------------------------------------------------------------------------- commands


class PatientCommands(CommandLogConformance):
    patience = 0.2
    steps = 12
    draft: type[_Draft] = _Draft
    unit: type[_OpenUnit] = _OpenUnit
    log: type[MemoryCommandLog] = MemoryCommandLog

    @pytest.fixture
    def events(self, clock: ManualClock) -> EventStore:
        return MemoryEventStore(clock)

    @pytest.fixture
    async def units(self, events: MemoryEventStore, clock: ManualClock) -> AsyncIterator[Units]:
        rows = await open_sqlite_rows_in_memory(clock=clock)
        units = MemoryUnits(events, rows, clock)
        units._draft, units._unit = self.draft, self.unit
        yield units
        await rows.close()

    @pytest.fixture
    def commands(self, events: MemoryEventStore) -> CommandLog:
        return self.log(events)


class TestHonestCommands(PatientCommands):
    """Nothing is wrong with it."""


class Overwriting(_Draft):
    def accept(self, accepted: Accepted) -> None:
        self.commands[accepted.command_id] = accepted


class TestTakesAnIdAgain(PatientCommands):
    """And the last one is believed."""

    draft = Overwriting


class AtOnce(_Draft):
    def accept(self, accepted: Accepted) -> None:
        super().accept(accepted)
        self._before.commands |= self.commands


class TestAcceptsAtOnce(PatientCommands):
    """What is accepted is not its transaction's."""

    draft = AtOnce


class Stripping(_Draft):
    def accept(self, accepted: Accepted) -> None:
        super().accept(msgspec.structs.replace(accepted, reply=None))


class TestLosesTheReply(PatientCommands):
    draft = Stripping


class Timeless(_Draft):
    def accept(self, accepted: Accepted) -> None:
        super().accept(accepted)
        self.commands[accepted.command_id] = accepted


class TestTellsNoTime(PatientCommands):
    draft = Timeless


class Eventful(_Draft):
    def publish(self) -> None:
        if self.new:
            super().publish()


class TestAcceptsNothingWithoutEvents(PatientCommands):
    draft = Eventful


class Later(_OpenUnit):
    async def commit(self) -> None:
        if self._open is not None:
            draft, _ = self._open
            accepted, draft.commands = draft.commands, {}
            await super().commit()
            await asyncio.sleep(0)
            draft._before.commands |= accepted


class TestAcceptsAfterTheCommit(PatientCommands):
    """Events are committed, then the caller is cancelled."""

    unit = Later


class Unseeing(_OpenUnit):
    async def accepted(self, command_id: bytes) -> Accepted | None:
        draft, _ = await self._opened()
        return draft._before.commands.get(command_id)


class TestDoesNotSeeItsOwnCommands(PatientCommands):
    unit = Unseeing


class Knowing(MemoryCommandLog):
    async def accepted(self, command_id: bytes) -> Accepted | None:
        found = await super().accepted(command_id)
        return Accepted(command_id, b"", None, 1, 0, 0) if found is None and not self._store.last_position() else found


class TestKnowsWhatNeverWas(PatientCommands):
    log = Knowing


class Endurable(MemoryCommandLog):
    async def accepted(self, command_id: bytes) -> Accepted | None:
        return self._store.commands.get(command_id)


class Unentered(MemoryCommandLog):
    async def append(self, append: Append, *command: bytes, condition: Condition | None = None) -> Appended:
        return await self._store.append(append, condition=condition)


class TestAppendsWithoutTheCommand(PatientCommands):
    log = Unentered


class EntersFirst(MemoryCommandLog):
    async def append(self, append: Append, *command: bytes, condition: Condition | None = None) -> Appended:
        id, request_hash = command
        if id in self._store.commands:
            raise CommandTaken
        self._store.commands[id] = Accepted(id, request_hash, append.stream, 1, 0, 0)
        await asyncio.sleep(0)
        appended = await self._store.append(append, condition=condition)
        self._store.commands[id] = Accepted.with_events(id, request_hash, appended.streams[0])
        return appended


class TestEntersTheCommandBeforeItsEvents(PatientCommands):
    log = EntersFirst


class Late(MemoryCommandLog):
    async def append(self, append: Append, *command: bytes, condition: Condition | None = None) -> Appended:
        appended = await self._store.append(append, condition=condition)
        id, request_hash = command
        if id in self._store.commands:
            raise CommandTaken
        self._store.commands[id] = Accepted.with_events(id, request_hash, appended.streams[0])
        return appended


class TestAppendsBeforeItLooks(PatientCommands):
    log = Late


class Silent(MemoryCommandLog):
    """Nobody who waits hears of it."""

    async def append(self, append: Append, *command: bytes, condition: Condition | None = None) -> Appended:
        self._store.announce = lambda: None  # type: ignore[method-assign]  # that is the defect
        return await super().append(append, *command, condition=condition)


class TestRingsNoBellForACommand(PatientCommands):
    log = Silent


class TestTellsAfterItsEnd(PatientCommands):
    log = Endurable
