"""B: what is recorded with an event."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID, uuid4

import pytest

from eventfold import Aggregate, Eventfold, Events, ManualClock, Projector, Query, Recorded, View
from eventfold.errors import InvalidInput, Unencodable
from tests.acceptance.world import Added, Noted, Place, application, record, stored, stream, tapes

NOW = datetime(2030, 5, 6, 7, 8, 9, 123456, tzinfo=UTC)


@dataclass(frozen=True)
class Delivered:
    at: datetime | None
    to: str


def deliver(command: tuple[Delivered, ...], state: int) -> tuple[Delivered, ...]:
    return command


def count(state: int, event: Delivered) -> int:
    return state + 1


deliveries = Aggregate("delivery", initial=0, decide=deliver, evolve=count)


async def test_b1_a_recorded_event_carries_its_whole_envelope(place: Place) -> None:
    app = application(clock=ManualClock(NOW))
    async with place.open(app) as running:
        async with running.context(correlation_id="req-1", causation_id="click-2", metadata={"actor": "ann"}):
            outcome = await running.execute(tapes, "t", record(Added(1), Noted("x")))
        first, second = outcome.events
        assert (first.event, first.type, first.schema_version) == (Added(1), "Added", 1)
        assert (first.category, first.id, first.version, second.version) == ("tape", "t", 1, 2)
        assert (first.position, second.position) == (1, 2)
        assert (first.correlation_id, first.causation_id) == ("req-1", "click-2")
        assert dict(first.metadata) == {"actor": "ann"}
        assert first.tags == ()
        if place.clocked:
            assert first.recorded_at == first.occurred_at == NOW
        assert first.recorded_at.tzinfo is UTC
        async with running.subscribe() as batches:  # and so it comes back
            read = (await anext(batches)).events
        assert tuple(each.stored for each in read) == tuple(each.stored for each in outcome.events)
        assert read == outcome.events


async def test_b1_ids_are_uuid7_and_sort_as_they_were_written(place: Place) -> None:
    async with place.open(application()) as running:
        for n in range(30):
            await running.execute(tapes, f"t{n % 3}", record(Added(n), Noted("x")))
        ids = [UUID(bytes=each.event_id) for each in await stored(running)]
        assert {each.version for each in ids} == {7}
        assert ids == sorted(ids)
        assert len(set(ids)) == 60
        assert str(ids[0]) == str(ids[0]).lower()


async def test_b1_version_4_can_be_had_instead(place: Place) -> None:
    async with place.open(application(new_id=uuid4)) as running:
        outcome = await running.execute(tapes, "t", record(Added(1)))
        assert outcome.events[0].event_id.version == 4
        assert running.new_id().version == 4


async def test_b1_occurred_at_may_be_given_beside_events_that_do_not_know(place: Place) -> None:
    events = Events()
    events.add(Delivered, occurred_at=lambda event: event.at or NOW)
    yesterday = datetime(2026, 1, 2, 23, 59, 59, 999999, tzinfo=timezone(timedelta(hours=5, minutes=45)))
    app = Eventfold(deciders=[deliveries, tapes], events=events)
    async with place.open(app) as running:
        outcome = await running.execute(deliveries, "1", (Delivered(yesterday, "a"), Delivered(None, "b")))
        assert [each.occurred_at for each in outcome.events] == [yesterday, NOW]
        assert all(each.occurred_at.tzinfo is UTC for each in outcome.events)
        assert all(each.recorded_at != each.occurred_at for each in outcome.events)
        other = await running.execute(tapes, "t", record(Added(1)))
        assert other.events[0].occurred_at == other.events[0].recorded_at
        assert [each.occurred_at for each in await stored(running)] == [
            each.stored.occurred_at for each in (*outcome.events, *other.events)
        ]


async def test_b1_a_moment_without_a_zone_is_refused(place: Place) -> None:
    events = Events()
    events.add(Delivered, occurred_at=lambda _: datetime(2026, 1, 1))  # noqa: DTZ001 - that is the point
    async with place.open(Eventfold(deciders=[deliveries], events=events)) as running:
        with pytest.raises(InvalidInput, match="occurred_at of 'Delivered'.*no time zone"):
            await running.execute(deliveries, "1", (Delivered(None, "a"),))
        assert await running.head() == 0


async def test_b1_something_that_is_no_moment_is_refused(place: Place) -> None:
    events = Events()
    events.add(Delivered, occurred_at=lambda event: event.at)  # type: ignore[arg-type, return-value]  # on purpose
    async with place.open(Eventfold(deciders=[deliveries], events=events)) as running:
        with pytest.raises(InvalidInput, match="occurred_at of 'Delivered' gave None"):
            await running.execute(deliveries, "1", (Delivered(None, "a"),))


async def test_b1_tags_of_the_catalogue_select_events(place: Place) -> None:
    events = Events()
    events.add(Delivered, name="parcel-delivered", version=3, tags=lambda event: [f"to:{event.to}", "parcel", "parcel"])
    by_tag = Projector("parcels", query=Query.of(Delivered, tags=["to:ann"]))
    seen: list[Recorded[Delivered]] = []

    @by_tag.on(Delivered)
    def delivered(recorded: Recorded[Delivered], view: View) -> None:
        seen.append(recorded)

    app = Eventfold(deciders=[deliveries, tapes], processors=[by_tag], events=events)
    async with place.open(app) as running:
        await running.execute(deliveries, "1", (Delivered(None, "ann"), Delivered(None, "bob"), Delivered(None, "ann")))
        await running.execute(tapes, "t", record(Added(1)))
        await running.settled()
        assert [each.event.to for each in seen] == ["ann", "ann"]
        assert seen[0].tags == ("to:ann", "parcel")
        assert (seen[0].type, seen[0].schema_version) == ("parcel-delivered", 3)
        assert await running.head(Query.of(Delivered, tags=["parcel", "to:bob"])) == 2
        assert await running.head(Query.of(tags=["to:nobody"])) == 0
        async with running.subscribe(Query.of(Delivered, tags=["to:bob"]) | Query.of(Added)) as batches:
            assert [each.position for each in (await anext(batches)).events] == [2, 4]


@pytest.mark.parametrize("tags", ["email:a@b.c", None, [1], [""], ["a\0b"], ["x" * 256]])
async def test_b1_tags_that_are_none_are_refused(place: Place, tags: object) -> None:
    events = Events()
    events.add(Delivered, tags=lambda _: tags)  # type: ignore[arg-type, return-value]  # on purpose
    async with place.open(Eventfold(deciders=[deliveries], events=events)) as running:
        with pytest.raises(InvalidInput):
            await running.execute(deliveries, "1", (Delivered(None, "a"),))
        assert await running.head() == 0


# ------------------------------------------------------------------------- context


async def test_b1_contexts_nest_and_the_inner_wins(place: Place) -> None:
    async with place.open(application()) as running:
        async with running.context(correlation_id="outer", causation_id="c", metadata={"a": 1, "b": 1}):
            async with running.context(correlation_id="inner", metadata={"b": 2, "c": 2}) as carried:
                assert (carried.correlation_id, carried.causation_id) == ("inner", "c")
                await running.execute(tapes, "t", record(Added(1)), metadata={"c": 3, "d": 3})
            await running.execute(tapes, "t", record(Added(2)))
        outside = await running.execute(tapes, "t", record(Added(3)))
        inner, outer, none = await stream(running, "t")
        assert (inner.correlation_id, inner.causation_id) == ("inner", "c")
        assert inner.metadata == b'{"a":1,"b":2,"c":3,"d":3}'
        assert (outer.correlation_id, outer.metadata) == ("outer", b'{"a":1,"b":1}')
        assert (none.correlation_id, none.causation_id, none.metadata) == (None, None, None)
        assert dict(outside.events[0].metadata) == {}


async def test_b1_a_context_follows_into_tasks_and_not_out_of_them(place: Place) -> None:
    async with place.open(application()) as running:
        entered, leave = asyncio.Event(), asyncio.Event()

        async def child() -> None:
            await running.execute(tapes, "t", record(Noted("child")))
            async with running.context(correlation_id="of the child"):
                entered.set()
                await leave.wait()

        async with running.context(correlation_id="of the parent"):
            task = asyncio.create_task(child())
            await entered.wait()
            await running.execute(tapes, "t", record(Noted("parent")))
        leave.set()
        await task
        assert [each.correlation_id for each in await stream(running, "t")] == ["of the parent", "of the parent"]


async def test_b1_a_context_ends_with_an_error_too(place: Place) -> None:
    async with place.open(application()) as running:
        with pytest.raises(ZeroDivisionError):
            async with running.context(correlation_id="x"):
                raise ZeroDivisionError
        outcome = await running.execute(tapes, "t", record(Added(1)))
        assert outcome.events[0].correlation_id is None


@pytest.mark.parametrize("id", ["", "x" * 256, "a\0b", "\ud800", 7, uuid4()])
@pytest.mark.parametrize("name", ["correlation_id", "causation_id"])
async def test_b1_ids_of_a_context_are_text(place: Place, name: str, id: object) -> None:
    async with place.open(application()) as running:
        with pytest.raises(InvalidInput, match=name):
            async with running.context(**{name: id}):  # type: ignore[arg-type]  # on purpose
                pass


@pytest.mark.parametrize("value", [float("nan"), {1: 2}, {1, 2}, object(), (1, 2), "\ud800"])
async def test_b1_metadata_that_would_come_back_otherwise_is_refused(place: Place, value: object) -> None:
    async with place.open(application()) as running:
        with pytest.raises(Unencodable, match="metadata"):
            await running.execute(tapes, "t", record(Added(1)), metadata={"key": value})
        assert await running.head() == 0
