"""C11, C12: deleting an aggregate, and correcting what is stored, seen from an application."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import TypedDict

import pytest
from sqlalchemy import bindparam, delete, insert

from eventfold import EventHandler, Handling, Projector, Recorded, Stream, StreamDeleted, TransactionalHandler, View
from eventfold.commands.loading import load
from eventfold.domain.message import Pending
from eventfold.domain.query import Query
from eventfold.errors import (
    DecodeError,
    HandlerFailed,
    InvalidInput,
    StreamTruncated,
    UnknownEvent,
)
from eventfold.ports.event_store import Fact, SourceOnly
from tests.acceptance.world import (
    Added,
    AddUnless,
    Measured,
    Noted,
    Place,
    Tape,
    TapeFull,
    added,
    application,
    record,
    seeing,
    stored,
    stream,
    summing,
    sums,
    sums_t,
    tapes,
)


class Who(TypedDict):
    actor: str
    reason: str


WHO: Who = {"actor": "ops", "reason": "asked for by the customer"}
forget = delete(sums_t).where(sums_t.c.tape == bindparam("tape_"))


@dataclass(frozen=True)
class Other:
    n: int


def forgetting(name: str = "sums", *, version: int = 1) -> Projector:
    """The sums of all tapes that are there."""
    projector = summing(name, version=version)

    @projector.on_deleted("tape")
    def deleted(deleted: Recorded[StreamDeleted], view: View) -> None:
        assert deleted.event == StreamDeleted("tape", deleted.id, deleted.version - 1)
        view.write(forget, {"tape_": deleted.id})

    return projector


async def test_c11_a_deleted_aggregate_is_as_if_it_had_never_been(place: Place) -> None:
    async with place.open(application(forgetting())) as running:
        await running.execute(tapes, "a", record(Added(1), Noted("x")))
        await running.execute(tapes, "b", record(Added(2)))
        mark = await running.administration.delete(tapes, "a", **WHO)
        assert mark is not None
        assert await running.administration.mark(tapes, "a") == mark
        loaded = await running.load(tapes, "a")
        assert (loaded.state, loaded.version, loaded.position) == (Tape(), 0, 0)
        assert await stream(running, "a") == []
        await running.wait_for("sums", mark.position)
        assert await running.query(sums) == [("b", 2)]
        assert await running.administration.delete(tapes, "a", **WHO) is None
        assert await running.administration.delete(tapes, "never", **WHO) is None
        outcome = await running.execute(tapes, "a", record(Added(5)))
        assert (outcome.state, outcome.version) == (Tape(5), 4)
        await running.wait_for("sums", outcome.position)
        assert await running.query(sums) == [("a", 5), ("b", 2)]
        with pytest.raises(InvalidInput, match="no version 2"):
            await running.load(tapes, "a", version=2)
        assert (await running.load(tapes, "a", version=4)).state == Tape(5)


async def test_c11_what_another_process_has_warm_is_noticed_to_be_deleted(place: Place) -> None:
    """A rejection from warm state has no append to verify it."""
    async with place.open(application()) as one, place.open(application()) as other:
        await one.execute(tapes, "a", record(Added(9)))
        assert (await other.load(tapes, "a")).state == Tape(9)
        await one.administration.delete(tapes, "a", **WHO)
        assert (await other.execute(tapes, "a", AddUnless(5, limit=10))).state == Tape(5)
        await one.administration.delete(tapes, "a", **WHO)
        assert (await other.load(tapes, "a")).version == 0
        with pytest.raises(TapeFull, match="0 of 3"):
            await other.execute(tapes, "a", AddUnless(5, limit=3))
        outcome = await other.execute(tapes, "a", AddUnless(5, limit=3, quietly=True))
        assert (outcome.state, outcome.version, outcome.position) == (Tape(), 0, 0)
        await one.execute(tapes, "a", record(Added(1)))
        assert (await other.execute(tapes, "a", AddUnless(1, limit=9))).state == Tape(2)


@pytest.mark.parametrize("again", [0, 1, 600])
async def test_c11_a_story_that_is_deleted_while_it_is_read_is_not_told_in_half(place: Place, again: int) -> None:
    """Long ones are read page by page."""
    deleted = False

    class Interrupted(SourceOnly):
        """The same store; after the first page somebody deletes the stream, and perhaps it begins anew."""

        async def load(
            self, stream: Stream, *, after: int = 0, upto: int | None = None
        ) -> AsyncGenerator[Sequence[Fact]]:
            nonlocal deleted
            async for page in super().load(stream, after=after, upto=upto):
                yield page
                if not deleted:
                    deleted = True
                    await other.administration.delete(tapes, "a", **WHO)
                    if again:
                        await other.execute(tapes, "a", record(*[Added(1000)] * again))

    async with place.open(application()) as running, place.open(application()) as other:
        for _ in range(3):
            await running.execute(tapes, "a", record(*[Added(1)] * 500))
        source = Interrupted(other._stores.events)
        loaded = await load(source, other._serializer, tapes, Stream("tape", "a"))
        assert deleted
        assert loaded.state == Tape(1000 * again)


async def test_c11_views_filled_anew_are_without_what_was_deleted(place: Place) -> None:
    async with place.open(application(forgetting())) as running:
        await running.execute(tapes, "a", record(Added(1)))
        await running.administration.delete(tapes, "a", **WHO)
        await running.execute(tapes, "a", record(Added(2)))
        await running.settled()
        assert await running.query(sums) == [("a", 2)]
    async with place.open(application(forgetting(version=2))) as running:
        await running.settled()
        assert await running.query(sums) == [("a", 2)]


async def test_c11_a_projector_that_stood_on_a_removed_event_goes_on(place: Place) -> None:
    """Its checkpoint names an event that is gone; that is no log of another history."""
    async with place.open(application(forgetting())) as running:
        await running.execute(tapes, "a", record(Added(1)))
        await running.settled()
    async with place.open(application(forgetting()), run=False) as running:
        await running.administration.delete(tapes, "a", **WHO)
        await running.execute(tapes, "b", record(Added(2)))
    async with place.open(application(forgetting())) as running:
        await running.settled()
        assert await running.query(sums) == [("b", 2)]


async def test_c11_a_projector_narrowed_to_classes_hears_of_deletions(place: Place) -> None:
    projector = Projector("sums", tables=[sums_t], query=Query.of(Added, tags=["none"]) | Query.of(Added))
    projector.on(Added)(added)
    told: list[str] = []

    @projector.on_deleted("tape")
    async def gone(deleted: Recorded[StreamDeleted], view: View) -> None:
        told.append(deleted.id)
        view.write(forget, {"tape_": deleted.id})

    with pytest.raises(InvalidInput, match="category"):
        projector.on_deleted("")(gone)
    with pytest.raises(InvalidInput, match="already"):
        projector.on_deleted("tape")(gone)
    async with place.open(application(projector)) as running:
        await running.execute(tapes, "a", record(Added(1)))
        await running.administration.delete(tapes, "a", **WHO)
        await running.settled()
        assert told == ["a"]
        assert await running.query(sums) == []


async def test_c11_the_tombstone_is_an_event_like_any_for_who_follows_all(place: Place) -> None:
    async with place.open(application(seeing())) as running:
        await running.execute(tapes, "a", record(Added(1)))
        await running.administration.delete(tapes, "a", **WHO)
        async with running.subscribe(Query.of(StreamDeleted)) as batches:
            batch = await anext(batches)
        assert [each.event for each in batch.events] == [StreamDeleted("tape", "a", 1)]
        await running.settled()
        assert [each.type for each in await stored(running)] == ["eventfold:StreamDeleted"]


async def test_c11_nobody_but_the_store_records_a_tombstone(place: Place) -> None:
    async with place.open(application()) as running:
        with pytest.raises((InvalidInput, UnknownEvent)):
            await running.execute(tapes, "a", record(StreamDeleted("tape", "a", 1)))  # type: ignore[arg-type] # meant
        assert await running.head() == 0


# --------------------------------------------------------------------------- handlers


def filling() -> EventHandler:
    """The sums of all tapes, after each command."""
    handler = EventHandler("filling", tables=[sums_t])

    @handler.on(Added)
    def fill(recorded: Recorded[Added], handling: Handling) -> None:
        handling.write(insert(sums_t), {"tape": recorded.id, "sum": recorded.event.n})

    return handler


def clearing() -> TransactionalHandler:
    """Removes them together with the tape."""
    handler = TransactionalHandler("clearing", tables=[sums_t])

    @handler.on(Measured)
    def never(pending: Pending[Measured], view: View) -> None:
        raise AssertionError

    @handler.on_deleted("tape")
    async def gone(deleted: Stream, view: View) -> None:
        view.write(forget, {"tape_": deleted.id})
        assert deleted.id not in [row[0] for row in await view.fetch(sums)]

    return handler


async def test_c11_transactional_and_plain_views_go_with_the_aggregate(place: Place) -> None:
    told: list[Stream] = []
    plain = EventHandler("told")

    @plain.on(Noted)
    def never(recorded: Recorded[Noted], handling: Handling) -> None:
        raise AssertionError

    @plain.on_deleted("tape")
    async def gone(deleted: Stream, handling: Handling) -> None:
        assert await handling.fetch(sums) == [("b", 2)]  # after the commit
        told.append(deleted)

    async with place.open(application(handlers=[filling(), clearing(), plain])) as running:
        await running.execute(tapes, "a", record(Added(1)))
        await running.execute(tapes, "b", record(Added(2)))
        assert await running.query(sums) == [("a", 1), ("b", 2)]
        assert await running.administration.delete(tapes, "a", **WHO) is not None
        assert await running.query(sums) == [("b", 2)]
        assert (await running.load(tapes, "a")).version == 0
        assert told == [Stream("tape", "a")]
        assert await running.administration.delete(tapes, "a", **WHO) is None
        assert told == [Stream("tape", "a")]


async def test_c11_a_transactional_handler_that_fails_restores_everything(place: Place) -> None:
    failing = TransactionalHandler("failing")

    @failing.on(Noted)
    def never(pending: Pending[Noted], view: View) -> None:
        raise AssertionError

    @failing.on_deleted("tape")
    async def fail(deleted: Stream, view: View) -> None:
        assert await view.fetch(sums) == []  # the row has gone within the transaction
        raise LookupError(deleted.id)

    async with place.open(application(handlers=[filling(), clearing(), failing])) as running:
        await running.execute(tapes, "a", record(Added(1)))
        with pytest.raises(HandlerFailed, match="failing"):
            await running.administration.delete(tapes, "a", **WHO)
        assert await running.query(sums) == [("a", 1)]
        assert (await running.load(tapes, "a")).state == Tape(1)
        assert [each.type for each in await stored(running)] == ["Added"]
        assert await running.administration.mark(tapes, "a") is None
        assert [each async for each in running.administration.audit()] == []
        assert (await running.execute(tapes, "a", AddUnless(9, limit=5, quietly=True))).version == 1


async def test_c11_a_deletion_that_is_given_up_within_its_handlers_has_not_happened(place: Place) -> None:
    begun = asyncio.Event()
    waiting = TransactionalHandler("waiting")

    @waiting.on(Noted)
    def never(pending: Pending[Noted], view: View) -> None:
        raise AssertionError

    @waiting.on_deleted("tape")
    async def wait(deleted: Stream, view: View) -> None:
        view.write(forget, {"tape_": deleted.id})
        await view.fetch(sums)
        begun.set()
        await asyncio.Event().wait()

    async with place.open(application(handlers=[filling(), waiting])) as running:
        await running.execute(tapes, "a", record(Added(1)))
        deleting = asyncio.create_task(running.administration.delete(tapes, "a", **WHO))
        await begun.wait()
        deleting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await deleting
        assert await running.query(sums) == [("a", 1)]
        assert (await running.load(tapes, "a")).state == Tape(1)
        assert (await running.execute(tapes, "a", record(Measured(1.0)))).version == 2
        assert await running.administration.mark(tapes, "a") is None


# ----------------------------------------------------------------------------- events


async def test_c12_an_event_is_found_replaced_and_erased_in_its_own_type(place: Place) -> None:
    async with place.open(application()) as running:
        outcome = await running.execute(tapes, "a", record(Added(1), Noted("secret")), metadata={"by": "ann"})
        added, noted = outcome.events
        admin = running.administration
        assert await admin.find(added.event_id) == added
        replaced = await admin.replace(added.event_id, Added(2), **WHO)
        assert (replaced.event, replaced.version, replaced.metadata) == (Added(2), 1, {"by": "ann"})
        assert (await running.load(tapes, "a")).state == Tape(2, ("secret",))
        assert await admin.erase(noted.event_id, **WHO) == Stream("tape", "a")
        assert await admin.erase(noted.event_id, **WHO) == Stream("tape", "a")
        with pytest.raises(DecodeError, match="erased"):
            await running.load(tapes, "a")
        with pytest.raises(DecodeError, match="erased"):
            await admin.find(noted.event_id)
        assert [(each.version, each.data) for each in await stream(running, "a")] == [(1, b'{"n":2}'), (2, None)]
        assert [(each.action, each.actor) async for each in admin.audit()] == [("replace", "ops"), ("erase", "ops")]


async def test_c12_only_an_event_of_the_same_class_takes_the_place_of_one(place: Place) -> None:
    async with place.open(application()) as running:
        (recorded,) = (await running.execute(tapes, "a", record(Added(1)))).events
        admin = running.administration
        with pytest.raises(InvalidInput, match="only another of the same"):
            await admin.replace(recorded.event_id, Noted("x"), **WHO)
        with pytest.raises(UnknownEvent):
            await admin.replace(recorded.event_id, Other(1), **WHO)
        with pytest.raises(InvalidInput, match="no event"):
            await admin.replace(running.new_id(), Added(2), **WHO)
        assert await admin.find(running.new_id()) is None
        assert (await running.load(tapes, "a")).state == Tape(1)


async def test_c12_a_truncated_aggregate_is_not_folded_from_half_a_story(place: Place) -> None:
    async with place.open(application()) as running:
        await running.execute(tapes, "a", record(Added(1), Added(2), Added(3)))
        assert await running.administration.truncate(tapes, "a", before_version=3, **WHO) is not None
        with pytest.raises(StreamTruncated, match="half of a story"):
            await running.load(tapes, "a")
        with pytest.raises(StreamTruncated):
            await running.execute(tapes, "a", record(Added(1)))
        assert [each.version for each in await stream(running, "a")] == [3]


def test_g06_c12_an_application_offers_neither_update_nor_delete() -> None:
    from eventfold.ports.event_store import EventSink, EventSource

    offered = {name for port in (EventSink, EventSource) for name in vars(port) if not name.startswith("_")}
    assert offered == {
        "append",
        "event_id_at",
        "head",
        "load",
        "read",
        "read_all",
        "read_boundary",
        "streams",
        "subscribe",
    }


async def test_g06_commands_go_on_while_their_aggregate_is_deleted_again_and_again(place: Place) -> None:
    """Whatever comes of each: after all, the state is the fold of what is there, and so are the rows."""
    async with place.open(application(forgetting())) as running:

        async def work(number: int) -> None:
            for _ in range(15):
                await running.execute(tapes, "a", record(Added(number)))

        async with asyncio.TaskGroup() as tasks:
            for number in range(8):
                tasks.create_task(work(number))
            for _ in range(6):
                await running.administration.delete(tapes, "a", **WHO)
                await asyncio.sleep(0.002)
        await running.settled()
        story = await stream(running, "a")
        versions = [each.version for each in story]
        assert versions == list(range(versions[0], versions[0] + len(versions))) if versions else True
        total = sum(int(each.data.removeprefix(b'{"n":').removesuffix(b"}")) for each in story if each.data)
        assert (await running.load(tapes, "a")).state == Tape(total)
        assert await running.query(sums) == ([("a", total)] if story else [])
