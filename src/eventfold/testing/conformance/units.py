"""The suite of units of work: events and rows of one transaction are stored together or not at all, and locks."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest

from eventfold.domain.message import NewEvent, Stream
from eventfold.domain.query import Query
from eventfold.errors import (
    BoundaryConflict,
    ConcurrencyConflict,
    EventfoldError,
    EventIdConflict,
    InvalidInput,
    LockTimedOut,
    StoreClosed,
)
from eventfold.ports.event_store import ANY, NEW, Append, Appended, Condition, EventStore, Expect
from eventfold.ports.read_model import ReadModel
from eventfold.ports.unit import Held, Unit, Units
from eventfold.testing.conformance.material import ANN, BOB, Suite, collected, delivered, event, store_one
from eventfold.testing.conformance.read_model import ALL, STOCK, TAKE, added, writes

__all__ = ["UnitsConformance"]


class Refused(Exception):
    """The work does not want to be done."""


async def stepped(work: Awaitable[Any], step: int) -> bool:
    """Cancel it at the turn of the loop with this number; whether it was still under way then."""
    task = asyncio.ensure_future(work)
    for _ in range(step):
        if task.done():
            break
        await asyncio.sleep(0)
    cancelled = task.cancel()
    await asyncio.wait([task])
    if not task.cancelled() and (error := task.exception()) is not None:
        raise error
    return cancelled


async def versions(unit: EventStore | Unit | Held, stream: Stream) -> list[int]:
    return [fact[0] for page in await collected(unit.load(stream)) for fact in page]


class UnitsConformance(Suite):
    """
    Every promise of `Units`.

    The fixtures `events`, `rows` and `units` give those of one empty store.
    """

    steps: int = 40
    """Turns of the loop at which a call is cancelled, one after the other."""

    @pytest.fixture
    def events(self) -> EventStore:
        raise NotImplementedError("define a fixture `events` that gives an empty event store")

    @pytest.fixture
    def rows(self) -> ReadModel:
        raise NotImplementedError("define a fixture `rows` that gives the read model beside it")

    @pytest.fixture
    def units(self) -> Units:
        raise NotImplementedError("define a fixture `units` that gives the units over both")

    @pytest.fixture(autouse=True)
    async def stock(self, rows: ReadModel) -> None:
        await rows.make([STOCK])

    @staticmethod
    async def _found(rows: ReadModel) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in await rows.query(ALL)]

    @staticmethod
    def _both(
        rows: ReadModel,
        name: str = "a",
        *,
        stream: Stream = ANN,
        new: Sequence[NewEvent] = (),
        expect: int | Expect = ANY,
    ) -> Callable[[Unit], Awaitable[Appended]]:
        """Work that writes a row and appends events, always the same ones."""
        new = new or [event()]

        async def work(unit: Unit) -> Appended:
            await unit.run(added(rows, name))
            return await unit.append(Append(stream, new, expect))

        return work

    # ------------------------------------------------------------------- one transaction

    async def test_e3_events_and_rows_are_stored_together(
        self, events: EventStore, rows: ReadModel, units: Units
    ) -> None:
        new = event(7, tags=("x:1",))
        appended = await units.transact(self._both(rows, new=[new]))
        (stored,) = await collected(events.read(ANN))
        assert (stored.version, stored.event_id, stored.data, stored.tags) == (1, new.event_id, new.data, ("x:1",))
        assert appended.streams[0].positions == (stored.position,)
        assert appended.streams[0].recorded_at == stored.recorded_at
        assert [each.position async for each in events.read_all(Query.of(tags=["x:1"]))] == [stored.position]
        assert await self._found(rows) == [("a", 10)]

    async def test_e3_work_that_raises_leaves_nothing(self, events: EventStore, rows: ReadModel, units: Units) -> None:
        both = self._both(rows)

        async def work(unit: Unit) -> None:
            await both(unit)
            raise Refused

        for _ in range(2):
            with pytest.raises(Refused):
                await units.transact(work)
            assert await versions(events, ANN) == []
            assert await self._found(rows) == []
            assert await events.head() == 0
        assert (await store_one(events, ANN, expect=NEW)).version == 1
        assert (await store_one(events, ANN, expect=1)).version == 2

    async def test_e3_a_version_that_was_rolled_back_is_expected_by_nobody(
        self, events: EventStore, rows: ReadModel, units: Units
    ) -> None:
        await store_one(events, ANN)

        async def work(unit: Unit) -> None:
            await unit.append(Append(ANN, [event(), event()], 1))
            raise Refused

        with pytest.raises(Refused):
            await units.transact(work)
        with pytest.raises(ConcurrencyConflict) as conflict:
            await store_one(events, ANN, expect=3)
        assert conflict.value.actual == 1
        assert (await store_one(events, ANN)).version == 2

    async def test_the_result_of_the_work_comes_back(self, units: Units) -> None:
        async def work(unit: Unit) -> str:
            return "done"

        assert await units.transact(work) == "done"

    async def test_a_unit_sees_what_it_has_appended_and_written(
        self, events: EventStore, rows: ReadModel, units: Units
    ) -> None:
        await store_one(events, ANN)

        async def work(unit: Unit) -> tuple[list[int], list[int], list[tuple[Any, ...]]]:
            before = await versions(unit, ANN)
            await unit.append(Append(ANN, [event(), event()], 1))
            found = [tuple(row) for row in await unit.fetch(added(rows, "a"), ALL, None)]
            return before, await versions(unit, ANN), found

        assert await units.transact(work) == ([1], [1, 2, 3], [("a", 10)])

    async def test_a_unit_loads_a_part_of_a_stream(self, events: EventStore, units: Units) -> None:
        await store_one(events, ANN, event(1), event(2), event(3))

        async def work(unit: Unit) -> list[int]:
            await unit.append(Append(ANN, [event(4), event(5)]))
            return [fact[0] for page in await collected(unit.load(ANN, after=1, upto=4)) for fact in page]

        assert await units.transact(work) == [2, 3, 4]

    async def test_e3_nobody_sees_a_unit_before_it_commits(
        self, events: EventStore, rows: ReadModel, units: Units
    ) -> None:
        both = self._both(rows)

        async def work(unit: Unit) -> tuple[list[int], int]:
            await both(unit)
            return await versions(events, ANN), await events.head()

        assert await units.transact(work) == ([], 0)
        assert await versions(events, ANN) == [1]

    async def test_g11_several_appends_of_one_unit_count_on(self, events: EventStore, units: Units) -> None:
        async def work(unit: Unit) -> list[Appended]:
            return [
                await unit.append(Append(ANN, [event()], NEW)),
                await unit.append(Append(ANN, [event()], 1), Append(BOB, [event()], NEW)),
                await unit.append(Append(BOB, [event()], 1)),
            ]

        appended = await units.transact(work)
        assert [[each.version for each in one.streams] for one in appended] == [[1], [2, 1], [2]]
        places = [position for one in appended for each in one.streams for position in each.positions]
        assert places == sorted(places)
        assert [each.position async for each in events.read_all(Query.all())] == places

    # ------------------------------------------------------------------------- refusals

    async def test_a_conflict_that_is_not_caught_leaves_nothing(
        self, events: EventStore, rows: ReadModel, units: Units
    ) -> None:
        await store_one(events, ANN)
        with pytest.raises(ConcurrencyConflict) as conflict:
            await units.transact(self._both(rows, expect=5))
        assert (conflict.value.stream, conflict.value.expected, conflict.value.actual) == (ANN, 5, 1)
        assert await self._found(rows) == []

    async def test_a_conflict_leaves_the_transaction_as_it_was(
        self, events: EventStore, rows: ReadModel, units: Units
    ) -> None:
        async def work(unit: Unit) -> None:
            await unit.append(Append(BOB, [event()], NEW))
            await unit.run(added(rows, "a"))
            with pytest.raises(ConcurrencyConflict):
                await unit.append(Append(BOB, [event()], 1), Append(ANN, [event()], 4))
            assert await versions(unit, BOB) == [1]
            await unit.append(Append(ANN, [event()], NEW))

        await units.transact(work)
        assert (await versions(events, ANN), await versions(events, BOB)) == ([1], [1])
        assert await self._found(rows) == [("a", 10)]

    async def test_fm07_g05_events_that_are_stored_already_are_not_stored_again(
        self, events: EventStore, rows: ReadModel, units: Units
    ) -> None:
        new = event(1)
        first = await store_one(events, ANN, new)
        again = await units.transact(self._both(rows, new=[new], expect=NEW))
        assert again.streams[0].deduplicated
        assert again.streams[0].positions == first.positions
        assert await versions(events, ANN) == [1]

        async def work(unit: Unit) -> tuple[Appended, Appended]:
            twice = Append(BOB, [event(3)])
            return await unit.append(twice), await unit.append(twice)

        once, repeated = await units.transact(work)
        assert repeated.streams[0].deduplicated
        assert repeated.streams[0].positions == once.streams[0].positions
        assert await versions(events, BOB) == [1]

    async def test_fm07_other_content_under_a_known_id_is_refused(self, events: EventStore, units: Units) -> None:
        known = event(1)
        await store_one(events, ANN, known)

        async def work(unit: Unit) -> None:
            await unit.append(Append(ANN, [event(2, event_id=known.event_id)]))

        with pytest.raises(EventIdConflict):
            await units.transact(work)

    async def test_a_condition_sees_others_and_the_unit_itself(self, events: EventStore, units: Units) -> None:
        query = Query.of("Happened", tags=["x:1"])
        condition = (await events.read_boundary(query)).condition
        tagged = event(1, tags=("x:1",))

        async def work(unit: Unit, condition: Condition = condition) -> None:
            await unit.append(Append(ANN, [tagged]), condition=condition)
            with pytest.raises(BoundaryConflict):
                await unit.append(Append(BOB, [event()]), condition=condition)

        await units.transact(work)
        assert (await versions(events, ANN), await versions(events, BOB)) == ([1], [])

        async def late(unit: Unit) -> None:
            await unit.append(Append(BOB, [event()]), condition=condition)

        with pytest.raises(BoundaryConflict):
            await units.transact(late)
        assert await versions(events, BOB) == []

    async def test_c4_an_append_that_means_nothing_is_refused(self, events: EventStore, units: Units) -> None:
        async def work(unit: Unit) -> None:
            with pytest.raises(InvalidInput):
                await unit.append()
            with pytest.raises(InvalidInput):
                await unit.append(Append(ANN, []))
            await unit.append(Append(ANN, [event()]))

        await units.transact(work)
        assert await versions(events, ANN) == [1]

    async def test_a_row_that_is_refused_undoes_everything_even_if_the_work_does_not_mind(
        self, events: EventStore, rows: ReadModel, units: Units
    ) -> None:
        too_many = writes(rows, (TAKE, {"isbn_": "a", "n": 11}))
        both = self._both(rows)

        async def work(unit: Unit) -> None:
            await both(unit)
            with pytest.raises(EventfoldError):
                await unit.run(too_many)

        with pytest.raises(EventfoldError):
            await units.transact(work)
        assert (await versions(events, ANN), await self._found(rows)) == ([], [])
        await units.transact(both)
        assert (await versions(events, ANN), await self._found(rows)) == ([1], [("a", 10)])

    async def test_a_unit_is_over_when_its_work_is(self, rows: ReadModel, events: EventStore, units: Units) -> None:
        kept: list[Unit] = []

        async def work(unit: Unit) -> None:
            kept.append(unit)
            await unit.append(Append(ANN, [event()]))

        await units.transact(work)
        for late in (kept[0].append(Append(ANN, [event()])), kept[0].run(added(rows, "a"))):
            with pytest.raises(EventfoldError):
                await self.soon(late)
        assert await versions(events, ANN) == [1]
        assert await self._found(rows) == []

    # ------------------------------------------------------------------------ neighbours

    async def test_g08_subscribers_hear_of_a_unit_when_it_has_committed(
        self, events: EventStore, rows: ReadModel, units: Units
    ) -> None:
        async with events.subscribe(Query.all(), after=0) as batches:
            heard: asyncio.Task[Any] = asyncio.ensure_future(delivered(batches, 1))
            both = self._both(rows)

            async def work(unit: Unit) -> bool:
                await both(unit)
                await asyncio.sleep(0.05)  # time enough for one who is told too early
                return heard.done()

            assert not await units.transact(work)
            (one,) = await self.soon(heard)
            assert (one.stream, one.version) == (ANN, 1)

    async def test_plain_appends_beside_units_lose_nothing_and_keep_their_order(
        self, events: EventStore, rows: ReadModel, units: Units
    ) -> None:
        count = 10

        async def plain(turns: int) -> None:
            for _ in range(3 * turns):
                await asyncio.sleep(0)
            await store_one(events, ANN)

        async with events.subscribe(Query.all(), after=0) as batches:
            heard: asyncio.Task[Any] = asyncio.ensure_future(delivered(batches, 2 * count))
            doing = [asyncio.ensure_future(units.transact(self._both(rows, str(n), stream=BOB))) for n in range(count)]
            await self.soon(asyncio.gather(*map(plain, range(count))))
            await self.soon(asyncio.wait(doing))
            seen = await self.soon(heard)
        positions = [each.position for each in seen]
        assert positions == sorted(positions)
        for stream in (ANN, BOB):
            assert [each.version for each in seen if each.stream == stream] == list(range(1, count + 1))
        told = {(place, one.version) for each in doing for one in each.result().streams for place in one.positions}
        assert told == {(each.position, each.version) for each in seen if each.stream == BOB}
        assert len(await self._found(rows)) == count

    async def test_units_that_race_for_a_version_never_both_win_it(
        self, events: EventStore, rows: ReadModel, units: Units
    ) -> None:
        await units.transact(self._both(rows, stream=BOB))

        async def one() -> bool:
            new = event()

            async def work(unit: Unit) -> None:
                last = (await versions(unit, ANN) or [0])[-1]
                await asyncio.sleep(0)
                await unit.run(writes(rows, (TAKE, {"isbn_": "a", "n": 1})))
                await unit.append(Append(ANN, [new], last))

            try:
                await units.transact(work)
            except ConcurrencyConflict:
                return False
            return True

        won = sum(await self.soon(asyncio.gather(*(one() for _ in range(6)))))
        assert won >= 1
        assert await versions(events, ANN) == list(range(1, won + 1))
        assert await self._found(rows) == [("a", 10 - won)]

    # ---------------------------------------------------------------------- cancellation

    async def test_t05_fm52_a_unit_that_is_given_up_is_stored_whole_or_not_at_all(
        self, events: EventStore, rows: ReadModel, units: Units
    ) -> None:
        for step in range(self.steps):
            name, stream = f"n{step}", Stream("step", str(step))
            both = self._both(rows, name, stream=stream)
            under_way = await self.soon(stepped(units.transact(both), step))
            stored = bool(await versions(events, stream)), (name, 10) in await self._found(rows)
            assert stored in {(True, True), (False, False)}, step
            assert stored == (True, True) or under_way
            # the next one finds everything free, and a repetition finds out what became of it
            await store_one(events, BOB)
            if stored == (False, False):
                await self.soon(units.transact(both))
            assert await versions(events, stream) == [1]
            assert (name, 10) in await self._found(rows)

    async def test_t05_d3_a_lock_that_is_given_up_is_released(
        self, events: EventStore, rows: ReadModel, units: Units
    ) -> None:
        async def locked(work: Callable[[Unit], Awaitable[Any]], stream: Stream) -> None:
            async with units.lock(ANN, timeout=self.patience) as held:
                await versions(held, stream)
                await held.transact(work)

        for step in range(self.steps):
            name, stream = f"n{step}", Stream("step", str(step))
            await self.soon(stepped(locked(self._both(rows, name, stream=stream), stream), step))
            stored = bool(await versions(events, stream)), (name, 10) in await self._found(rows)
            assert stored in {(True, True), (False, False)}, step
            async with units.lock(ANN, timeout=self.patience):
                pass

    async def test_t05_d3_who_gives_up_waiting_for_a_lock_does_not_keep_it_from_others(self, units: Units) -> None:
        for step in range(8):
            async with units.lock(ANN, timeout=self.patience):
                waiting = asyncio.ensure_future(self._once(units))
                for _ in range(step):
                    await asyncio.sleep(0)
                waiting.cancel()
                if step % 2:
                    await asyncio.wait([waiting])
            await self.soon(asyncio.wait([waiting]))
            await self.soon(self._once(units))

    async def _once(self, units: Units, timeout: float | None = None) -> None:
        async with units.lock(ANN, timeout=self.patience if timeout is None else timeout):
            pass

    # ------------------------------------------------------------------------------ locks

    async def test_d1_d2_who_locks_a_stream_waits_and_sees_what_was_stored(
        self, events: EventStore, units: Units
    ) -> None:
        """Of a stream that does not exist at first."""

        async def one() -> list[int]:
            async with units.lock(ANN, timeout=self.patience) as held:
                seen = await versions(held, ANN)
                await asyncio.sleep(0)
                new = event()

                async def work(unit: Unit) -> None:
                    await unit.append(Append(ANN, [new], len(seen)))

                await held.transact(work)
                return seen

        seen = await self.soon(asyncio.gather(*(one() for _ in range(5))))
        assert sorted(seen) == [list(range(1, n + 1)) for n in range(5)]
        assert await versions(events, ANN) == [1, 2, 3, 4, 5]

    async def test_d1_plain_readers_and_writers_do_not_wait_for_a_lock(
        self, events: EventStore, rows: ReadModel, units: Units
    ) -> None:
        async with units.lock(ANN, timeout=self.patience) as held:
            assert (await self.soon(store_one(events, ANN))).version == 1
            assert await self.soon(versions(events, ANN)) == [1]
            await self.soon(units.transact(self._both(rows, "b", stream=BOB)))
            with pytest.raises(ConcurrencyConflict):
                await held.transact(self._both(rows, expect=NEW))
        assert await self._found(rows) == [("b", 10)]

    async def test_d3_another_stream_is_not_locked(self, units: Units) -> None:
        async with units.lock(ANN, timeout=self.patience):
            other = asyncio.ensure_future(self._of(units, Stream("account", "annie")))
            await self.soon(other)

    async def _of(self, units: Units, stream: Stream) -> None:
        async with units.lock(stream, timeout=self.patience):
            pass

    async def test_d3_waiting_for_a_lock_ends_with_the_timeout(self, units: Units) -> None:
        async with units.lock(ANN, timeout=self.patience):
            for timeout in (0.0, 0.05):
                with pytest.raises(LockTimedOut) as late:
                    await self.soon(self._once(units, timeout))
                assert (late.value.stream, late.value.waited) == (ANN, timeout)
        async with units.lock(ANN, timeout=self.patience):
            pass

    async def test_d3_a_lock_is_released_by_the_commit(self, rows: ReadModel, units: Units) -> None:
        async with units.lock(ANN, timeout=self.patience) as held:
            await held.transact(self._both(rows))
            async with units.lock(ANN, timeout=self.patience) as second:
                assert await versions(second, ANN) == [1]

    async def test_d3_a_lock_is_released_by_an_error_and_by_the_end_of_its_block(self, units: Units) -> None:
        with pytest.raises(Refused):
            async with units.lock(ANN, timeout=self.patience):
                raise Refused
        for _ in range(2):
            async with units.lock(ANN, timeout=self.patience):
                pass

    async def test_d3_work_that_fails_keeps_the_lock_and_can_be_tried_again(
        self, events: EventStore, rows: ReadModel, units: Units
    ) -> None:
        both = self._both(rows, expect=NEW)

        async def failing(unit: Unit) -> None:
            await both(unit)
            raise Refused

        async with units.lock(ANN, timeout=self.patience) as held:
            with pytest.raises(Refused):
                await held.transact(failing)
            assert await versions(held, ANN) == []
            with pytest.raises(ConcurrencyConflict):
                await held.transact(self._both(rows, expect=3))
            with pytest.raises(LockTimedOut):
                await self.soon(self._once(units, 0.02))
            await held.transact(both)
        assert (await versions(events, ANN), await self._found(rows)) == ([1], [("a", 10)])

    async def test_d3_a_lock_does_its_work_once(self, events: EventStore, rows: ReadModel, units: Units) -> None:
        async with units.lock(ANN, timeout=self.patience) as held:
            await held.transact(self._both(rows))
            with pytest.raises(InvalidInput):
                await held.transact(self._both(rows, "b"))
        with pytest.raises(InvalidInput):
            await held.transact(self._both(rows, "c"))
        assert (await versions(events, ANN), await self._found(rows)) == ([1], [("a", 10)])

    async def test_d3_a_lock_whose_block_has_ended_does_no_work(
        self, events: EventStore, rows: ReadModel, units: Units
    ) -> None:
        async with units.lock(ANN, timeout=self.patience) as held:
            pass
        with pytest.raises(InvalidInput):
            await held.transact(self._both(rows))
        assert (await versions(events, ANN), await self._found(rows)) == ([], [])

    async def test_d3_many_locks_do_not_keep_appends_from_the_store(self, events: EventStore, units: Units) -> None:
        streams = [Stream("account", str(n)) for n in range(20)]
        locking = [asyncio.ensure_future(self._of(units, each)) for each in streams]
        for _ in range(5):
            await self.soon(store_one(events, BOB))
        await self.soon(asyncio.gather(*locking))

    # ---------------------------------------------------------------------------- closing

    async def test_g04_after_closing_everything_is_refused(
        self, events: EventStore, rows: ReadModel, units: Units
    ) -> None:
        both = self._both(rows)
        await events.close()
        with pytest.raises(StoreClosed):
            await self.soon(units.transact(both))
        with pytest.raises(StoreClosed):
            await self.soon(self._once(units))

    async def test_g04_a_unit_under_way_at_closing_is_stored_whole_or_refused(
        self, events: EventStore, rows: ReadModel, units: Units
    ) -> None:
        doing = [asyncio.ensure_future(units.transact(self._both(rows, str(n)))) for n in range(3)]
        await asyncio.sleep(0)
        await self.soon(events.close())
        outcomes = await self.soon(asyncio.gather(*doing, return_exceptions=True))
        assert all(isinstance(each, Appended | EventfoldError) for each in outcomes), outcomes
