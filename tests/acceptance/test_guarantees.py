"""G-01 to G-12 and the failure modes behind them, as an application meets them."""

import asyncio
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from eventfold import Aggregate, Eventfold, Query
from eventfold.domain.message import Stream
from eventfold.errors import (
    AppendOutcomeUnknown,
    ConcurrencyConflict,
    EventIdConflict,
    InvalidStreamName,
    StoreUnavailable,
    TooLarge,
    Unencodable,
)
from eventfold.ports.event_store import NEW, Append, Appended
from tests.acceptance.world import (
    Added,
    AddUnless,
    Noted,
    Place,
    Tape,
    application,
    interposed,
    new_event,
    positions,
    record,
    seeing,
    stored,
    stream,
    summing,
    sums,
    tapes,
)


async def test_g01_a_reader_sees_a_batch_whole_or_not_at_all(place: Place) -> None:
    async with place.open(application()) as running:
        done = False

        async def reads() -> set[int]:
            seen = set()
            while not done:
                seen.add(len(await stream(running, "t")))
                await asyncio.sleep(0)
            return seen

        reader = asyncio.create_task(reads())
        for _ in range(20):
            await running.execute(tapes, "t", record(*(Added(1) for _ in range(7))))
        done = True
        assert all(size % 7 == 0 for size in await reader)


async def test_g02_of_writers_who_expect_the_same_version_one_wins(place: Place) -> None:
    async with place.open(application()) as running:
        for version in range(3):
            appends = [Append(Stream("tape", "t"), [new_event(uuid4().bytes)], version) for _ in range(8)]
            results = await asyncio.gather(*map(running.sink.append, appends), return_exceptions=True)
            lost = [each for each in results if isinstance(each, ConcurrencyConflict)]
            assert (len(lost), len(results)) == (7, 8)
            assert {(each.stream, each.expected, each.actual) for each in lost} == {
                (Stream("tape", "t"), version, version + 1)
            }
        assert (await running.load(tapes, "t")).version == 3


async def test_g03_versions_have_no_gaps_whoever_fails_in_between(place: Place) -> None:
    async with place.open(application()) as one, place.open(application()) as two:
        for n in range(60):
            who = (one, two)[n % 2]
            command = AddUnless(1, limit=0) if n % 5 == 0 else record(Added(0), Noted("x"))
            await asyncio.gather(who.execute(tapes, f"t{n % 3}", command), return_exceptions=True)
        for id in ("t0", "t1", "t2"):
            versions = [each.version for each in await stream(one, id)]
            assert versions == list(range(1, len(versions) + 1))
        assert len(await stored(one)) == 48 * 2


async def test_g04_fm07_an_unknown_outcome_is_told_and_can_be_asked_again(place: Place) -> None:
    """The append is stored, its acknowledgement is lost."""
    async with place.open(application()) as running:
        await running.execute(tapes, "t", record(Added(1)))
        store = interposed(running)
        lost: list[Appended] = []

        def lose(appended: Appended) -> None:
            lost.append(appended)
            ids = [UUID(bytes=each.event_id) for each in written]
            raise AppendOutcomeUnknown(ids, "the connection broke")

        written = [new_event(uuid4().bytes, 5), new_event(uuid4().bytes, 6)]
        store.after = lose
        with pytest.raises(AppendOutcomeUnknown) as unknown:
            await store.append(Append(Stream("tape", "t"), written, 1))
        assert unknown.value.retryable
        assert unknown.value.event_ids == tuple(UUID(bytes=each.event_id) for each in written)
        store.after = None
        again = await store.append(Append(Stream("tape", "t"), written, 1))  # the same ids are the arbiter
        assert again.streams[0].deduplicated
        assert again.streams[0].positions == lost[0].streams[0].positions
        assert [each.version for each in await stream(running, "t")] == [1, 2, 3]


async def test_g04_fm07_after_an_unknown_outcome_the_next_command_is_decided_on_what_is_stored(place: Place) -> None:
    async with place.open(application()) as running:
        await running.execute(tapes, "t", record(Added(1)))
        store = interposed(running)

        def lose(*appended: Appended) -> None:
            raise AppendOutcomeUnknown([uuid4()], "the connection broke")

        store.after = lose
        with pytest.raises(AppendOutcomeUnknown):
            await running.execute(tapes, "t", AddUnless(5, limit=6))  # is stored
        store.after, store.before = None, lose
        with pytest.raises(AppendOutcomeUnknown):
            await running.execute(tapes, "t", AddUnless(0, limit=6))  # is not
        store.before = None
        outcome = await running.execute(tapes, "t", AddUnless(0, limit=6))
        assert (outcome.state, outcome.version) == (Tape(6), 3)
        assert store.appends == 3  # none of them was repeated behind the caller's back


async def test_g04_after_a_store_that_was_away_nothing_is_stored_and_all_goes_on(place: Place) -> None:
    async with place.open(application()) as running:
        await running.execute(tapes, "t", record(Added(1)))
        store = interposed(running)

        def away() -> None:
            raise StoreUnavailable("away")

        store.before = away
        with pytest.raises(StoreUnavailable):
            await running.execute(tapes, "t", record(Added(1)))
        store.before = None
        assert (await running.execute(tapes, "t", record(Added(1)))).version == 2


async def test_g05_the_same_append_again_gives_the_original_places(place: Place) -> None:
    async with place.open(application(seeing())) as running:
        append = Append(Stream("tape", "t"), [new_event(b"a" * 16), new_event(b"b" * 16)], NEW)
        first = await running.sink.append(append)
        await running.execute(tapes, "t", record(Added(1)))
        again = await running.sink.append(append)
        assert [each.positions for each in again.streams] == [each.positions for each in first.streams] == [(1, 2)]
        assert (first.streams[0].deduplicated, again.streams[0].deduplicated) == (False, True)
        with pytest.raises(EventIdConflict, match="61616161-6161-6161-6161-616161616161"):
            await running.sink.append(Append(Stream("tape", "t"), [new_event(b"a" * 16, 99)]))
        with pytest.raises(EventIdConflict):
            await running.sink.append(Append(Stream("tape", "u"), [new_event(b"a" * 16)]))
        await running.settled()
        assert await running.query(positions) == [(1,), (2,), (3,)]


async def test_g06_nothing_changes_or_deletes_an_event(place: Place) -> None:
    async with place.open(application()) as running:
        outcome = await running.execute(tapes, "t", record(Added(1)))
        (recorded,) = outcome.events
        with pytest.raises(AttributeError):
            recorded.stored.version = 9  # type: ignore[misc]  # frozen
        with pytest.raises(TypeError):
            recorded.metadata["actor"] = "me"  # type: ignore[index]  # frozen
        offered = {name for each in (running, running.sink, running.source) for name in dir(each) if name[0] != "_"}
        assert not {name for name in offered if any(word in name for word in ("delete", "update", "truncate", "erase"))}


async def test_g07_what_is_appended_can_be_read(place: Place) -> None:
    async with place.open(application()) as one, place.open(application()) as two:
        for n in range(1, 20):
            outcome = await one.execute(tapes, "t", record(Added(n)))
            assert [e.position async for e in one.source.read_all(Query.all(), after=n - 1)] == [outcome.position]
            assert (await two.load(tapes, "t")).version == n
            assert await two.head() == outcome.position


async def test_g08_g09_followers_and_projectors_see_the_same_complete_order(place: Place) -> None:
    async with place.open(application(seeing())) as running:
        total = 240

        async def follow(query: Query | None, after: int) -> list[int]:
            seen: list[int] = []
            async with running.subscribe(query, after=after) as batches:
                async for batch in batches:
                    seen += [each.position for each in batch.events]
                    if batch.head >= total:
                        return seen
            raise AssertionError("unreachable: a subscription has no end")

        async def write(id: str) -> None:
            for n in range(20):
                await running.execute(tapes, id, record(Added(n), Noted("x"), Added(n)))

        followers = [
            asyncio.create_task(follow(query, after)) for query in (None, Query.of(Added)) for after in (0, 100)
        ]
        await asyncio.gather(*(write(f"t{n}") for n in range(4)))
        everything, later, adds, later_adds = await asyncio.gather(*followers)
        events = await stored(running)
        assert everything == [each.position for each in events] == list(range(1, total + 1))
        assert adds == [each.position for each in events if each.type == "Added"]
        assert (later, later_adds) == ([p for p in everything if p > 100], [p for p in adds if p > 100])
        await running.settled()
        assert await running.query(positions) == [(p,) for p in everything]
        for id in {each.id for each in events}:  # along each stream by version
            versions = [each.version for each in events if each.id == id]
            assert versions == sorted(versions)


async def test_g09_the_order_is_the_same_after_a_restart_and_in_a_rebuild(place: Place) -> None:
    async with place.open(application(seeing())) as running:
        await asyncio.gather(*(running.execute(tapes, f"t{n % 5}", record(Added(n))) for n in range(40)))
        before = [(each.position, each.event_id) for each in await stored(running)]
        await running.settled()
        rows = await running.query(positions)
    async with place.open(application(seeing(version=2))) as running:
        await running.settled()
        assert [(each.position, each.event_id) for each in await stored(running)] == before
        assert await running.query(positions) == rows


async def test_g11_an_append_to_several_streams_lands_in_all_or_none(place: Place) -> None:
    async with place.open(application()) as running:
        await running.execute(tapes, "b", record(Added(1)))
        a, b = Stream("tape", "a"), Stream("tape", "b")
        with pytest.raises(ConcurrencyConflict):
            await running.sink.append(
                Append(a, [new_event(uuid4().bytes)], 0), Append(b, [new_event(uuid4().bytes)], 0)
            )
        assert [each.stream for each in await stored(running)] == [b]
        await running.sink.append(Append(a, [new_event(uuid4().bytes)], 0), Append(b, [new_event(uuid4().bytes)], 1))
        assert [each.stream for each in await stored(running)] == [b, a, b]


async def test_g12_rows_and_checkpoint_are_seen_together(place: Place) -> None:
    async with place.open(application(summing())) as running:

        async def write() -> None:
            for _ in range(50):
                await running.execute(tapes, "t", record(Added(1), Added(1)))

        writing = asyncio.create_task(write())
        while not writing.done():
            before = await running._stores.rows.checkpoint("sums")
            rows = await running.query(sums)
            after = await running._stores.rows.checkpoint("sums")
            await asyncio.sleep(0)
            counted = rows[0][1] if rows else 0
            assert before.position <= counted <= after.position
        await writing
        await running.settled()
        assert await running.query(sums) == [("t", 100)]


# ------------------------------------------------------------------- FM-25: values


class Held(msgspec.Struct, frozen=True):
    text: str = ""
    whole: int = 0
    amount: Decimal = Decimal(0)
    ratio: float = 0.0
    at: datetime | None = None
    anything: Any = None


def hold(command: Held, state: Held) -> list[Held]:
    return [command]


def keep(state: Held, event: Held) -> Held:
    return event


holds = Aggregate("hold", initial=Held(), decide=hold, evolve=keep)


@pytest.mark.parametrize(
    "value",
    [
        Held(text="\0"),
        Held(text="\ud800"),
        Held(whole=2**63),
        Held(whole=-(2**63) - 1),
        Held(amount=Decimal("NaN")),
        Held(amount=Decimal("Infinity")),
        Held(ratio=float("nan")),
        Held(ratio=float("-inf")),
        Held(at=datetime(2026, 1, 1)),  # noqa: DTZ001 - that is the point
        Held(anything=(1, 2)),
        Held(anything={1, 2}),
        Held(anything={"deep": ["\0"]}),
        Held(whole="1"),  # type: ignore[arg-type]  # that is the point
    ],
    ids=str,
)
async def test_fm25_what_would_come_back_otherwise_is_not_stored(place: Place, value: Held) -> None:
    async with place.open(Eventfold(deciders=[holds])) as running:
        with pytest.raises(Unencodable, match="Held"):
            await running.execute(holds, "1", value)
        assert await running.head() == 0
        assert (await running.load(holds, "1")).version == 0


@pytest.mark.parametrize(
    "value",
    [
        Held(text='é日\U0001f600\\u0000 " \n\x01'),
        Held(whole=2**63 - 1),
        Held(whole=-(2**63)),
        Held(amount=Decimal("-0.10")),
        Held(amount=Decimal("1E+30")),
        Held(ratio=5e-324),
        Held(ratio=-0.0),
        Held(at=datetime.fromisoformat("2026-01-01T00:00:00.000001+05:45")),
        Held(anything={"a": [1, None, True, {"b": 1.5}]}),
    ],
    ids=repr,
)
async def test_fm25_what_is_stored_comes_back_equal(place: Place, value: Held) -> None:
    async with place.open(Eventfold(deciders=[holds])) as running:
        outcome = await running.execute(holds, "1", value)
        (written,) = outcome.events
    async with place.open(Eventfold(deciders=[holds])) as running:
        assert (await running.load(holds, "1")).state == value
        (read,) = await stored(running)
        assert read.data == written.stored.data


# ------------------------------------------------------------------------- bad input


@pytest.mark.parametrize("id", ["", "x" * 256, "é" * 128, "a\0b", "\ud800", 7, None])
async def test_g04_a_stream_name_that_is_none_is_refused(place: Place, id: Any) -> None:
    async with place.open(application()) as running:
        with pytest.raises(InvalidStreamName) as error:
            await running.execute(tapes, id, record(Added(1)))
        assert (error.value.category, error.value.id) == ("tape", id)
        with pytest.raises(InvalidStreamName):
            await running.load(tapes, id)
        assert await running.head() == 0


@pytest.mark.parametrize(
    "id", [" ", "a-b", "x" * 255, "é" * 127, "\n", "'; drop table events; --", "a/b\\c", "%_*", "\U0001f600"]
)
async def test_g07_a_stream_may_be_called_anything_else(place: Place, id: str) -> None:
    async with place.open(application(seeing())) as running:
        outcome = await running.execute(tapes, id, record(Added(1)))
        assert (await running.execute(tapes, id, record(Added(2)))).version == 2
        assert outcome.events[0].id == id
        await running.settled()
        assert await running.query(positions) == [(1,), (2,)]


async def test_g04_more_than_the_limits_is_refused(place: Place) -> None:
    async with place.open(application()) as running:
        with pytest.raises(TooLarge, match="events in one append: 1,001 is more than the limit of 1,000"):
            await running.execute(tapes, "t", record(*(Added(1) for _ in range(1001))))
        with pytest.raises((TooLarge, Unencodable)):
            await running.execute(tapes, "t", record(Noted("x" * 1_100_000)))
        assert await running.head() == 0
        assert (await running.execute(tapes, "t", record(*(Added(1) for _ in range(1000))))).version == 1000
