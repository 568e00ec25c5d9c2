"""The suite of the administration: what only an administrator does, and what everybody else sees of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from itertools import pairwise
from typing import TypedDict

import msgspec
import pytest

from eventfold.domain.deletion import STREAM_DELETED, StreamDeleted
from eventfold.domain.message import StoredEvent, Stream
from eventfold.domain.query import Query
from eventfold.errors import (
    BoundaryConflict,
    ConcurrencyConflict,
    Conflict,
    EventIdConflict,
    InvalidInput,
    StoreClosed,
    StreamTruncated,
    TooLarge,
)
from eventfold.ports.administration import Administration, Audited
from eventfold.ports.event_store import ANY, EXISTS, MOST_BYTES, NEW, Append, EventStore, Expect, Fact
from eventfold.ports.subscription import PAGE, Batch
from eventfold.ports.unit import Unit
from eventfold.testing.conformance.material import ANN, BOB, Suite, collected, event, events, followed, store_one

__all__ = ["AdministrationConformance"]

ALL = Query.all()


class Who(TypedDict):
    actor: str
    reason: str


WHO: Who = {"actor": "ops", "reason": "asked for by ann"}


async def facts(store: EventStore, stream: Stream, after: int = 0) -> list[Fact]:
    return [fact for page in [page async for page in store.load(stream, after=after)] for fact in page]


async def read(store: EventStore, stream: Stream, *, backwards: bool = False) -> list[StoredEvent]:
    return await collected(store.read(stream, backwards=backwards))


async def audited(administration: Administration) -> list[Audited]:
    return [entry async for entry in administration.audit()]


class AdministrationConformance(Suite):
    """
    Every promise of `Administration`.

    The fixtures `store` and `administration` give the two sides of one empty store.
    """

    @pytest.fixture
    def store(self) -> EventStore:
        raise NotImplementedError("define a fixture `store`: an empty store that can be administered")

    @pytest.fixture
    def administration(self, store: EventStore) -> Administration:
        raise NotImplementedError("define a fixture `administration`, of the same store")

    # ---------------------------------------------------------------------- delete

    async def test_c11_a_deleted_stream_reads_as_if_it_had_never_been(
        self, store: EventStore, administration: Administration
    ) -> None:
        await store_one(store, ANN, *events(3, tags=("a",)))
        await store_one(store, BOB, *events(2))
        mark = await administration.delete(ANN, **WHO)
        assert mark is not None
        assert (mark.stream, mark.state, mark.before_version, mark.pending) == (ANN, "deleted", 5, False)
        assert (mark.actor, mark.reason) == ("ops", "asked for by ann")
        assert await administration.mark(ANN) == mark
        assert await administration.mark(BOB) is None
        assert await read(store, ANN) == await read(store, ANN, backwards=True) == []
        assert await facts(store, ANN) == []
        assert [info.stream async for info in store.streams()] == [BOB]
        assert await collected(store.read_all(Query.of(tags=["a"]))) == []
        assert [each.version for each in await read(store, BOB)] == [1, 2]

    async def test_c11_deleting_again_or_what_is_not_there_is_nothing(
        self, store: EventStore, administration: Administration
    ) -> None:
        assert await administration.delete(ANN, **WHO) is None
        await store_one(store, ANN)
        assert await administration.delete(ANN, **WHO) is not None
        head = await store.head()
        assert await administration.delete(ANN, **WHO) is None
        assert await store.head() == head
        assert [entry.action for entry in await audited(administration)] == ["delete"]

    async def test_c11_a_tombstone_tells_those_who_follow_the_log(
        self, store: EventStore, administration: Administration
    ) -> None:
        await store_one(store, ANN, *events(3))
        mark = await administration.delete(ANN, **WHO)
        assert mark is not None
        (buried,) = await collected(store.read_all(ALL))
        assert (buried.type, buried.stream, buried.version, buried.position) == (STREAM_DELETED, ANN, 4, mark.position)
        assert buried.data is not None
        assert msgspec.json.decode(buried.data, type=StreamDeleted) == StreamDeleted("account", "ann", 3)
        assert await store.head(Query.of(STREAM_DELETED)) == await store.head() == mark.position

    @pytest.mark.parametrize("expect", [NEW, 0, ANY], ids=str)
    async def test_c11_a_new_story_goes_on_above_the_versions_of_the_old_one(
        self, store: EventStore, administration: Administration, expect: int | Expect
    ) -> None:
        await store_one(store, ANN, *events(3))
        await administration.delete(ANN, **WHO)
        first = event()
        stored = await store_one(store, ANN, first, expect=expect)
        assert stored.version == 5
        assert (await store_one(store, ANN, event(), event(), expect=5)).version == 7
        assert [fact[0] for fact in await facts(store, ANN)] == [5, 6, 7]
        assert [each.version for each in await read(store, ANN)] == [5, 6, 7]
        assert [each.version for each in await read(store, ANN, backwards=True)] == [7, 6, 5]
        assert (await store_one(store, ANN, first, expect=expect)).deduplicated
        with pytest.raises(ConcurrencyConflict) as conflict:
            await store_one(store, ANN, event(), expect=NEW)
        assert conflict.value.actual == 7
        assert [(info.stream, info.version) async for info in store.streams()] == [(ANN, 7)]

    @pytest.mark.parametrize("expect", [EXISTS, 1, 2, 3, 4, 5], ids=str)
    async def test_c11_who_decided_on_the_old_story_gets_a_conflict(
        self, store: EventStore, administration: Administration, expect: int | Expect
    ) -> None:
        await store_one(store, ANN, *events(3))
        assert await facts(store, ANN)
        await administration.delete(ANN, **WHO)
        for batch in ([event()], events(3)):
            with pytest.raises(ConcurrencyConflict) as conflict:
                await store.append(Append(ANN, batch, expect))
            assert conflict.value.actual == 0
        with pytest.raises(ConcurrencyConflict):
            await store.append(Append(BOB, [event()]), Append(ANN, [event()], expect))
        assert [info.stream async for info in store.streams()] == []

    async def test_c11_a_stream_can_be_deleted_again_and_again(
        self, store: EventStore, administration: Administration
    ) -> None:
        used: set[int] = set()
        for _ in range(3):
            stored = await store_one(store, ANN, *events(2), expect=0)
            assert used.isdisjoint({stored.version - 1, stored.version})
            used |= {stored.version - 1, stored.version}
            mark = await administration.delete(ANN, **WHO)
            assert mark is not None
            assert mark.before_version == stored.version + 2
            assert await facts(store, ANN) == []
            assert await read(store, ANN) == []
        assert [each.action for each in await audited(administration)] == ["delete"] * 3
        last = [each async for each in store.read_all(ALL)][-1]
        assert last.type == STREAM_DELETED

    async def test_c11_who_has_read_removed_events_can_prove_it(
        self, store: EventStore, administration: Administration
    ) -> None:
        gone = events(3)
        stored = await store_one(store, ANN, *gone)
        kept = await store_one(store, BOB, event())
        assert await store.event_id_at(stored.positions[1]) == gone[1].event_id
        await administration.delete(ANN, **WHO)
        assert [await store.event_id_at(each) for each in stored.positions] == [each.event_id for each in gone]
        assert await store.event_id_at(kept.positions[0] + 100_000) is None
        assert await administration.find(gone[0].event_id) is None

    async def test_c11_when_what_belongs_to_it_fails_the_deletion_has_not_happened(
        self, store: EventStore, administration: Administration
    ) -> None:
        await store_one(store, ANN, *events(3))
        before = await collected(store.read_all(ALL))

        async def refuse(unit: Unit) -> None:
            raise LookupError("no")

        with pytest.raises(LookupError):
            await administration.delete(ANN, within=refuse, **WHO)
        assert await collected(store.read_all(ALL)) == before
        assert await administration.mark(ANN) is None
        assert await audited(administration) == []
        assert (await store_one(store, ANN, event(), expect=3)).version == 4
        assert await administration.delete(ANN, **WHO) is not None

    async def test_c11_what_belongs_to_a_deletion_sees_the_stream_that_goes(
        self, store: EventStore, administration: Administration
    ) -> None:
        await store_one(store, ANN, *events(3))
        seen: list[int] = []

        async def look(unit: Unit) -> None:
            seen.extend([fact[0] async for page in unit.load(ANN) for fact in page])

        assert await administration.delete(ANN, within=look, **WHO) is not None
        assert seen == [1, 2, 3]
        assert await administration.delete(ANN, within=look, **WHO) is None
        assert seen == [1, 2, 3]

    async def test_c11_a_subscriber_who_is_behind_sees_the_tombstone_and_all_that_stays(
        self, store: EventStore, administration: Administration
    ) -> None:
        kept: list[int] = []
        for _ in range(PAGE):
            await store_one(store, ANN)
            kept += (await store_one(store, BOB)).positions
        async with store.subscribe(ALL, after=0) as batches:
            first = await self.soon(anext(batches))
            mark = await administration.delete(ANN, **WHO)
            assert mark is not None
            rest = await self.soon(followed(batches, mark.position))
        seen = [*first.events, *rest]
        assert [each.position for each in seen if each.stream == BOB] == kept
        assert [each.type for each in seen if each.stream == ANN][-1] == STREAM_DELETED
        assert all(one.position < other.position for one, other in pairwise(seen))

    async def test_c11_a_subscriber_who_waits_is_woken(self, store: EventStore, administration: Administration) -> None:
        await store_one(store, ANN)
        async with store.subscribe(ALL, after=await store.head()) as batches:
            await self.soon(anext(batches))
            mark = await administration.delete(ANN, **WHO)
            assert mark is not None
            assert [each.type for each in await self.soon(followed(batches, mark.position))] == [STREAM_DELETED]

    async def test_c11_a_condition_is_not_hurt_by_what_is_removed(
        self, store: EventStore, administration: Administration
    ) -> None:
        await store_one(store, ANN, *events(3, tags=("a",)))
        query = Query.of(tags=["a"])
        read = await store.read_boundary(query)
        assert len(await collected(read.events)) == 3
        await administration.delete(ANN, **WHO)
        await store.append(Append(BOB, [event(tags=("a",))]), condition=read.condition)
        with pytest.raises(BoundaryConflict):
            await store.append(Append(BOB, [event(tags=("a",))]), condition=read.condition)

    # -------------------------------------------------------------------- at once

    async def test_g05_writers_of_a_stream_and_its_deletions_share_no_version(
        self, store: EventStore, administration: Administration
    ) -> None:
        """Each writer appends to what it has loaded; after each deletion a story begins anew."""
        stop = asyncio.Event()
        places: list[tuple[int, ...]] = []
        stored: dict[int, int] = {}  # by position, the version

        async def write(number: int) -> None:
            while not stop.is_set():
                story = await facts(store, ANN)
                for one, other in pairwise(story):
                    assert other[0] == one[0] + 1
                    assert other[1] > one[1]
                expect = story[-1][0] if story else 0
                try:
                    place = await store_one(store, ANN, *events(1 + number % 3), expect=expect)
                except Conflict:
                    await asyncio.sleep(0)
                    continue
                count = len(place.positions)
                assert place.version > expect
                if story:
                    assert place.version == expect + count
                places.append(place.positions)
                for version, position in enumerate(place.positions, place.version - count + 1):
                    assert position not in stored
                    stored[position] = version

        async def other() -> None:
            while not stop.is_set():
                await store_one(store, BOB)
                await asyncio.sleep(0)

        seen: list[StoredEvent] = []

        async def follow(batches: AsyncIterator[Batch]) -> None:
            async for batch in batches:
                seen.extend(batch.events)
                if stop.is_set() and batch.head >= await store.head():
                    return

        async with (
            asyncio.timeout(6 * self.patience),
            store.subscribe(ALL, after=0) as batches,
            asyncio.TaskGroup() as tasks,
        ):
            following = tasks.create_task(follow(batches))
            for number in range(8):
                tasks.create_task(write(number))
            tasks.create_task(other())
            deleted = 0
            while deleted < 12:
                mark = await self.soon(administration.delete(ANN, **WHO))
                deleted += mark is not None
                await asyncio.sleep(0.01)
            stop.set()
            await asyncio.sleep(0)
            await store_one(store, BOB)
            await self.soon(following)
        assert len(set(stored.values())) == len(stored)
        by_position = sorted(stored.items())
        assert all(one[1] < other[1] for one, other in pairwise(by_position))
        assert all(one.position < other.position for one, other in pairwise(seen))
        everything = await collected(store.read_all(ALL, upto=seen[-1].position))
        assert {each.event_id for each in everything} <= {each.event_id for each in seen}
        assert [fact[0] for fact in await facts(store, ANN)] == [e.version for e in await read(store, ANN)]
        ours = [each for each in everything if each.stream == ANN]
        assert [each.version for each in ours] == sorted(each.version for each in ours)

    async def test_c11_two_who_delete_at_once_do_it_once(
        self, store: EventStore, administration: Administration
    ) -> None:
        await store_one(store, ANN, *events(3))
        marks = await self.soon(asyncio.gather(*[administration.delete(ANN, **WHO) for _ in range(6)]))
        assert len([mark for mark in marks if mark is not None]) == 1
        assert [each.type for each in await collected(store.read_all(ALL))] == [STREAM_DELETED]
        assert len(await audited(administration)) == 1

    # -------------------------------------------------------------------- truncate

    async def test_c11_a_truncated_stream_cannot_be_folded_from_its_beginning(
        self, store: EventStore, administration: Administration
    ) -> None:
        stored = await store_one(store, ANN, *events(5, tags=("a",)))
        mark = await administration.truncate(ANN, before_version=4, **WHO)
        assert mark is not None
        assert (mark.state, mark.before_version, mark.position) == ("truncated", 4, stored.positions[-1])
        assert await administration.mark(ANN) == mark
        for after in (0, 1, 2):
            with pytest.raises(StreamTruncated) as truncated:
                await facts(store, ANN, after)
            assert truncated.value.before_version == 4
        assert [fact[0] for fact in await facts(store, ANN, 3)] == [4, 5]
        assert [each.version for each in await read(store, ANN)] == [4, 5]
        assert [each.version for each in await read(store, ANN, backwards=True)] == [5, 4]
        assert [each.version for each in await collected(store.read_all(Query.of(tags=["a"])))] == [4, 5]
        assert (await store_one(store, ANN, event(), expect=5)).version == 6
        assert [(info.stream, info.version) async for info in store.streams()] == [(ANN, 6)]

    async def test_c11_the_last_event_of_a_stream_stays(
        self, store: EventStore, administration: Administration
    ) -> None:
        await store_one(store, ANN, *events(3))
        for version in (4, 0, -1):
            with pytest.raises(InvalidInput, match="version"):
                await administration.truncate(ANN, before_version=version, **WHO)
        with pytest.raises(InvalidInput):
            await administration.truncate(BOB, before_version=1, **WHO)
        assert await administration.truncate(ANN, before_version=1, **WHO) is None
        assert await administration.truncate(ANN, before_version=3, **WHO) is not None
        assert await administration.truncate(ANN, before_version=3, **WHO) is None
        assert [each.version for each in await read(store, ANN)] == [3]
        assert [each.action for each in await audited(administration)] == ["truncate"]

    async def test_c11_a_truncated_stream_can_be_deleted_and_the_other_way_round(
        self, store: EventStore, administration: Administration
    ) -> None:
        await store_one(store, ANN, *events(3))
        await administration.truncate(ANN, before_version=2, **WHO)
        assert await administration.delete(ANN, **WHO) is not None
        assert await facts(store, ANN) == []
        assert (await store_one(store, ANN, *events(3), expect=0)).version == 7
        assert [fact[0] for fact in await facts(store, ANN)] == [5, 6, 7]
        assert await administration.truncate(ANN, before_version=6, **WHO) is not None
        with pytest.raises(StreamTruncated):
            await facts(store, ANN)
        assert [each.version for each in await read(store, ANN)] == [6, 7]
        assert [each.version for each in await collected(store.read_all(ALL))] == [4, 6, 7]

    # ---------------------------------------------------------------------- events

    async def test_c12_an_event_is_found_by_its_id(self, store: EventStore, administration: Administration) -> None:
        new = event(1, tags=("a", "b"), metadata=b'{"by":"ann"}', correlation_id="c")
        await store_one(store, ANN, event(), new)
        (_, stored) = await read(store, ANN)
        assert await administration.find(new.event_id) == stored
        assert await administration.find(bytes(16)) is None

    async def test_c12_a_payload_is_replaced_and_all_else_stays(
        self, store: EventStore, administration: Administration
    ) -> None:
        new = event(1, tags=("a",), metadata=b'{"by":"ann"}')
        await store_one(store, ANN, event(), new, event())
        (_, before, _) = await read(store, ANN)
        after = await administration.replace(new.event_id, b'{"n":"\xc3\xa4"}', **WHO)
        assert after == msgspec.structs.replace(before, data=b'{"n":"\xc3\xa4"}')
        assert await administration.find(new.event_id) == after
        assert (await collected(store.read_all(ALL)))[1] == after
        data = (await facts(store, ANN))[1][5]
        assert (data.encode() if isinstance(data, str) else data) == after.data
        packed = await administration.replace(new.event_id, b"\x81\xff", format=1, **WHO)
        assert (await read(store, ANN))[1] == packed == msgspec.structs.replace(before, data=b"\x81\xff", format=1)

    async def test_c12_a_payload_that_an_append_would_refuse_is_refused(
        self, store: EventStore, administration: Administration
    ) -> None:
        new = event(1)
        await store_one(store, ANN, new)
        before = await collected(store.read_all(ALL))
        with pytest.raises(InvalidInput, match="UTF-8"):
            await administration.replace(new.event_id, b"\xff", **WHO)
        with pytest.raises(TooLarge):
            await administration.replace(new.event_id, b"1" * (MOST_BYTES + 1), **WHO)
        with pytest.raises(InvalidInput, match="no event"):
            await administration.replace(bytes(16), b"{}", **WHO)
        assert await collected(store.read_all(ALL)) == before
        assert await audited(administration) == []

    async def test_c12_an_erased_event_keeps_its_place_and_nothing_else(
        self, store: EventStore, administration: Administration
    ) -> None:
        new = event(1, tags=("a", "b"), metadata=b'{"by":"ann"}', correlation_id="c")
        await store_one(store, ANN, event(tags=("a",)), new, event())
        (_, before, _) = await read(store, ANN)
        erased = msgspec.structs.replace(before, data=None, metadata=None, tags=None)
        assert await administration.erase(new.event_id, **WHO) == erased
        assert await administration.erase(new.event_id, **WHO) == erased
        assert await administration.find(new.event_id) == erased
        assert (await read(store, ANN))[1] == erased
        assert [each.version for each in await collected(store.read_all(Query.of(tags=["a"])))] == [1]
        assert await collected(store.read_all(Query.of(tags=["b"]))) == []
        assert (await store_one(store, ANN, event(), expect=3)).version == 4
        with pytest.raises(InvalidInput, match="erased"):
            await administration.replace(new.event_id, b"{}", **WHO)
        with pytest.raises(InvalidInput, match="no event"):
            await administration.erase(bytes(16), **WHO)
        assert [each.action for each in await audited(administration)] == ["erase"]

    async def test_c12_a_tombstone_is_neither_replaced_nor_erased(
        self, store: EventStore, administration: Administration
    ) -> None:
        await store_one(store, ANN)
        await administration.delete(ANN, **WHO)
        (buried,) = await collected(store.read_all(ALL))
        for refused in (
            administration.replace(buried.event_id, b"{}", **WHO),
            administration.erase(buried.event_id, **WHO),
        ):
            with pytest.raises(InvalidInput, match="tombstone"):
                await refused
        assert await collected(store.read_all(ALL)) == [buried]

    # ---------------------------------------------------------------------- import

    async def test_events_of_another_store_keep_ids_versions_and_times(
        self, store: EventStore, administration: Administration
    ) -> None:
        await store_one(store, BOB)
        foreign = _foreign(3)
        assert await administration.import_(foreign, **WHO) == 3
        head = await store.head()
        stored = await read(store, ANN)
        assert [msgspec.structs.replace(each, position=0) for each in stored] == list(foreign)
        assert [each.position for each in stored] == sorted(each.position for each in stored)
        assert await administration.import_(foreign, **WHO) == 0
        assert await administration.import_([*foreign, *_foreign(5)[3:]], **WHO) == 2
        assert [each.version for each in await read(store, ANN)] == [1, 2, 3, 4, 5]
        assert [each.version for each in await collected(store.read_all(Query.of(tags=["t"])))] == [1, 2, 3, 4, 5]
        assert head < await store.head()
        assert (await store_one(store, ANN, event(), expect=5)).version == 6
        assert [each.action for each in await audited(administration)] == ["import"] * 3

    async def test_an_import_that_does_not_fit_stores_nothing(
        self, store: EventStore, administration: Administration
    ) -> None:
        taken = event(1)
        await store_one(store, BOB, taken)
        head = await store.head()
        one, two, three = _foreign(3)
        for wrong, error in (
            ([two], InvalidInput),
            ([one, three], InvalidInput),
            ([one, msgspec.structs.replace(two, event_id=one.event_id)], EventIdConflict),
            ([msgspec.structs.replace(one, event_id=taken.event_id)], EventIdConflict),
            ([one, msgspec.structs.replace(two, data=b"\xff")], InvalidInput),
            ([msgspec.structs.replace(one, recorded_at=-1)], InvalidInput),
        ):
            with pytest.raises(error):
                await administration.import_(wrong, **WHO)
        assert await store.head() == head
        assert await audited(administration) == []

    async def test_an_erased_event_is_imported_as_it_is(
        self, store: EventStore, administration: Administration
    ) -> None:
        one, two = _foreign(2)
        erased = msgspec.structs.replace(one, data=None, metadata=None, tags=None)
        assert await administration.import_([erased, two], **WHO) == 2
        assert [each.data for each in await read(store, ANN)] == [None, two.data]

    # ----------------------------------------------------------------------- audit

    async def test_c12_every_act_is_in_the_audit(self, store: EventStore, administration: Administration) -> None:
        new = events(4)
        await store_one(store, ANN, *new)
        await administration.truncate(ANN, before_version=2, actor="a", reason="long")
        await administration.replace(new[1].event_id, b"{}", actor="b", reason="wrong")
        await administration.erase(new[2].event_id, actor="c", reason="personal")
        await administration.delete(ANN, actor="d", reason="ä" * 127)
        entries = await audited(administration)
        assert [(each.action, each.actor, each.reason, each.version, each.event_id) for each in entries] == [
            ("truncate", "a", "long", 2, None),
            ("replace", "b", "wrong", 2, new[1].event_id),
            ("erase", "c", "personal", 3, new[2].event_id),
            ("delete", "d", "ä" * 127, 4, None),
        ]
        assert {(each.category, each.id) for each in entries} == {ANN}
        assert [each.number for each in entries] == sorted({each.number for each in entries})
        assert [entry async for entry in administration.audit(after=entries[1].number)] == entries[2:]

    @pytest.mark.parametrize("wrong", ["", "  ", "x" * 256, "ä" * 128, "a\0b", "\udc80", None, 7], ids=repr)
    async def test_c12_nobody_acts_without_name_and_reason(
        self, store: EventStore, administration: Administration, wrong: str
    ) -> None:
        new = event()
        await store_one(store, ANN, new)
        foreign = _foreign(1)
        for who in ({"actor": wrong, "reason": "why"}, {"actor": "ops", "reason": wrong}):
            actor, reason = who["actor"], who["reason"]
            for act in (
                administration.delete(ANN, actor=actor, reason=reason),
                administration.truncate(ANN, before_version=1, actor=actor, reason=reason),
                administration.replace(new.event_id, b"{}", actor=actor, reason=reason),
                administration.erase(new.event_id, actor=actor, reason=reason),
                administration.import_(foreign, actor=actor, reason=reason),
            ):
                with pytest.raises(InvalidInput, match=r"actor|reason"):
                    await act
        assert [each.version for each in await read(store, ANN)] == [1]
        assert await audited(administration) == []

    async def test_nothing_is_left_to_sweep(self, store: EventStore, administration: Administration) -> None:
        await store_one(store, ANN)
        await administration.delete(ANN, **WHO)
        assert list(await administration.sweep()) == []

    async def test_after_its_end_the_store_is_administered_no_more(
        self, store: EventStore, administration: Administration
    ) -> None:
        await store.close()
        for act in (
            administration.delete(ANN, **WHO),
            administration.truncate(ANN, before_version=1, **WHO),
            administration.mark(ANN),
            administration.find(bytes(16)),
            administration.erase(bytes(16), **WHO),
            audited(administration),
        ):
            with pytest.raises(StoreClosed):
                await act


def _foreign(count: int) -> Sequence[StoredEvent]:
    return [
        StoredEvent(
            0,
            *ANN,
            version,
            version.to_bytes(16, "big"),
            "Happened",
            2,
            0,
            None,
            None,
            ("t",),
            None if version % 2 else 1_500_000_000_000_000 + version,
            1_600_000_000_000_000 + version,
            b'{"by":"ann"}',
            b'{"n":%d}' % version,
        )
        for version in range(1, count + 1)
    ]
