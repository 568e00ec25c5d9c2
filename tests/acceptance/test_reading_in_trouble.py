"""What a processor does when things happen at the wrong moment: resets, pauses, errors of the store, cancellations."""

import asyncio
import gc
import logging
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from eventfold import Park, ProcessorFailure, Projector, Reactor, Recorded, Retry, View
from eventfold.domain.message import StoredEvent
from eventfold.domain.partition import partition_of
from eventfold.errors import ProcessorStopped, RetryTransaction, StoreBusy, StoreUnavailable, WaitTimedOut
from eventfold.ports.parking import Parked
from eventfold.ports.subscription import PAGE, Batch
from eventfold.processing.following import Follower
from eventfold.processing.gathering import gathered
from eventfold.processing.seats import Seats, new_owner
from eventfold.testing import given
from tests.acceptance.world import (
    Added,
    Place,
    added,
    application,
    record,
    saw,
    seen_t,
    shared,
    summing,
    sums,
    sums_t,
    tapes,
)
from tests.waiting import until

SHORT = timedelta(seconds=0.6)


@pytest.fixture(autouse=True)
def looking_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eventfold.processing.worker.LOOK", 0.02)


def tape_of(partition: int, partitions: int) -> str:
    return next(name for name in map(str, range(1_000)) if partition_of("tape", name, partitions) == partition)


# ------------------------------------------------------------------------- sent back, by whoever


async def test_i7_one_that_stood_by_while_it_was_sent_back_empties_the_tables_before_it_begins(place: Place) -> None:
    """The one that ran has ended in between, so nobody else has emptied them."""
    async with place.open(application(summing()), run=False) as watching:
        first = place.open(application(summing()), lease=SHORT)
        one = await first.__aenter__()
        await one.execute(tapes, "t", record(Added(1), Added(2)))
        await one.settled()
        leases = watching._stores.leases
        (held,) = await leases.leases("sums")
        async with place.open(application(summing()), lease=SHORT) as two:
            assert not two.status()["sums"].running
            for task in one.tasks:  # it dies, and its lease runs out
                task.cancel()
            one._workers["sums"]._has_left = True
            await asyncio.wait(one.tasks)
            await watching._stores.rows.start_over("sums")
            await until(lambda: two.status()["sums"].running)
            await two.settled()
            assert await two.query(sums) == [("t", 3)]
            assert (await leases.leases("sums"))[0].epoch > held.epoch
        await first.__aexit__(None, None, None)


async def test_i7_one_that_is_sent_back_while_it_waits_for_a_retry_starts_over_at_once(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("eventfold.processing.worker._CHECKPOINT_LOOK", 0.05)
    bad = {2}
    projector = Projector("sums", tables=[sums_t], on_error=Retry.constant(3_600.0))

    @projector.on(Added)
    def handle(recorded: Recorded[Added], view: View) -> None:
        if recorded.event.n in bad:
            raise ValueError("poison")
        added(recorded, view)

    async with place.open(application(projector)) as running:
        outcome = await running.execute(tapes, "t", record(Added(1), Added(2)))
        await until(lambda: running.status()["sums"].error)
        bad.clear()
        await running._stores.rows.start_over("sums")
        await running.wait_for("sums", outcome.position)
        assert await running.query(sums) == [("t", 3)]
        assert running.status()["sums"].error is None


async def test_fm55_older_code_that_stood_by_does_not_take_over_from_newer(place: Place) -> None:
    async with (
        place.open(application(summing(version=1)), lease=SHORT) as old,
        place.open(application(summing(version=1)), lease=SHORT) as spare,
    ):
        await old.execute(tapes, "t", record(Added(1)))
        await old.settled()
        async with place.open(application(summing(version=2)), lease=SHORT) as new:
            await until(lambda: old.status()["sums"].stopped)
            await until(lambda: new.status()["sums"].running)
            await new.settled()
        await until(lambda: spare.status()["sums"].stopped)
        assert "version 2 has filled" in str(spare.status()["sums"].error)
        assert await spare.query(sums) == [("t", 1)]


# ----------------------------------------------------------------- what is only for a while


async def test_i3_a_store_that_is_away_when_a_fenced_copy_asks_for_a_new_lease_ends_nothing(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with place.open(application(summing())) as running:
        await running.execute(tapes, "t", record(Added(1)))
        await running.settled()
        leases, rows = running._stores.leases, running._stores.rows
        original, refused = leases.take, 0

        async def take(*arguments: Any, **options: Any) -> Any:
            nonlocal refused
            refused += 1
            if refused == 1:
                raise StoreUnavailable("away for a moment")
            return await original(*arguments, **options)

        monkeypatch.setattr(leases, "take", take)
        monkeypatch.setattr("eventfold.processing.seats._BEATS", 100)
        await rows.start_over("sums")
        second = await running.execute(tapes, "t", record(Added(2)))
        await until(lambda: running.status()["sums"].position == second.position or running.status()["sums"].error)
        assert refused > 1
        assert running.status()["sums"].error is None
        assert await running.query(sums) == [("t", 3)]


async def test_i8_a_store_that_is_busy_when_a_partition_is_given_back_ends_nothing(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with place.open(application(shared(2)), lease=SHORT) as one:
        leases = one._stores.leases
        original, refused = leases.release, 0

        async def release(lease: Any) -> None:
            nonlocal refused
            refused += 1
            if refused == 1:
                raise StoreBusy(None, 5.0)
            await original(lease)

        monkeypatch.setattr(leases, "release", release)
        async with place.open(application(shared(2)), lease=SHORT) as two:
            await until(lambda: two.status()["sums"].partitions or one.status()["sums"].error)
            assert one.status()["sums"].error is None
            assert len(two.status()["sums"].partitions) == len(one.status()["sums"].partitions) == 1


async def test_i8_what_is_too_much_is_given_back_during_a_pause_too(place: Place) -> None:
    """Else nobody has those partitions once the processor is resumed."""
    async with place.open(application(shared(4)), lease=SHORT) as one:
        rows = one._stores.rows
        await rows.pause("sums", paused=True)
        await until(lambda: one.status()["sums"].paused)
        async with place.open(application(shared(4)), lease=SHORT) as two:
            await until(lambda: len(two.status()["sums"].partitions) == 2)
            await rows.pause("sums", paused=False)
            for partition in range(4):
                await one.execute(tapes, tape_of(partition, 4), record(Added(1)))
            await one.wait_for("sums", await one.head(), timeout=10)
            assert len(await one.query(sums)) == 4


async def test_i8_a_store_that_wants_it_once_more_when_leases_are_given_back_ends_nothing(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with place.open(application(summing())) as running:
        await running.settled()

        async def leave(*_: Any) -> None:
            raise RetryTransaction("once more, please")

        monkeypatch.setattr(running._stores.leases, "leave", leave)
        assert await running.drain()
        assert [task.exception() for task in running.tasks] == [None]
        monkeypatch.undo()


async def test_i3_a_retry_without_a_pause_does_not_spin_while_the_store_is_away(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    projector = Projector("sums", tables=[sums_t], on_error=Retry.constant(0.0))
    projector.on(Added)(added)
    async with place.open(application(projector)) as running:
        await running.settled()
        lot = running._stores.parking
        asked = 0

        async def away(*_: Any, **__: Any) -> Any:
            nonlocal asked
            asked += 1
            raise StoreUnavailable("away")

        monkeypatch.setattr(lot, "wished", away)
        monkeypatch.setattr(lot, "open_streams", away)
        await running._stores.rows.pause("sums", paused=True)
        await until(lambda: running.status()["sums"].paused)
        await running._stores.rows.pause("sums", paused=False)
        await until(lambda: asked)
        await asyncio.sleep(0.3)
        assert asked < 10
        assert isinstance(running.status()["sums"].error, ProcessorStopped)
        monkeypatch.undo()
        await until(lambda: running.status()["sums"].error is None)  # also without an event


# --------------------------------------------------------------------- handlers of all kinds


async def test_fm17_a_function_that_awaits_something_cancelled_has_failed(place: Place) -> None:
    """It is not the processor that was cancelled, so it is not started again and again as if it were."""
    calls = 0
    projector = Projector("sums", tables=[sums_t], on_error=Park())

    @projector.on(Added)
    async def handle(recorded: Recorded[Added], view: View) -> None:
        nonlocal calls
        if recorded.event.n == 2:
            calls += 1
            if calls > 20:
                await asyncio.Event().wait()
            raise asyncio.CancelledError
        added(recorded, view)

    async with place.open(application(projector)) as running:
        await running.execute(tapes, "a", record(Added(1), Added(2)))
        await running.execute(tapes, "b", record(Added(3)))
        await running.settled(timeout=3)
        assert await running.query(sums) == [("a", 1), ("b", 3)]
        (entry,) = await running._stores.parking.parked("sums")
        assert "CancelledError" in entry.error
        assert calls < 10


async def test_i9_the_search_for_the_culprit_may_take_longer_than_a_transaction(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("view", "projection"):
        monkeypatch.setattr(f"eventfold.processing.{module}.LONGEST_HOLD", 0.1)
    projector = Projector("sums", tables=[sums_t], on_error=Park(), transaction_size=20)

    @projector.on(Added)
    async def handle(recorded: Recorded[Added], view: View) -> None:
        await asyncio.sleep(0.02)
        if recorded.event.n == 15:
            raise ValueError("15 is poison")
        added(recorded, view)

    async with place.open(application(projector), run=False) as running:
        await running.execute(tapes, "t", record(*(Added(n) for n in range(1, 21))))
    async with place.open(application(projector)) as running:
        await running.settled()
        assert await running.query(sums) == [("t", sum(range(1, 15)))]
        parked = await running._stores.parking.parked("sums")
        assert [each.position for each in parked if not each.behind] == [15]


async def test_i9_one_that_hangs_in_the_search_for_the_culprit_is_the_culprit(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("view", "projection"):
        monkeypatch.setattr(f"eventfold.processing.{module}.LONGEST_HOLD", 0.1)
    projector = Projector("sums", tables=[sums_t], on_error=Park(), transaction_size=20)

    @projector.on(Added)
    async def handle(recorded: Recorded[Added], view: View) -> None:
        await view.fetch(sums)
        if recorded.event.n == 3:
            await asyncio.Event().wait()
        added(recorded, view)

    async with place.open(application(projector), run=False) as running:
        await running.execute(tapes, "t", record(*(Added(n) for n in range(1, 6))))
    async with place.open(application(projector)) as running:
        await running.settled()
        assert await running.query(sums) == [("t", 3)]
        parked = await running._stores.parking.parked("sums")
        assert [each.position for each in parked if not each.behind] == [3]


# ------------------------------------------------------------------------- what it tells


async def test_i3_an_error_is_over_also_when_a_pause_came_between(place: Place) -> None:
    bad = {2}
    projector = Projector("sums", tables=[sums_t], on_error=Retry.constant(0.05))

    @projector.on(Added)
    def handle(recorded: Recorded[Added], view: View) -> None:
        if recorded.event.n in bad:
            raise ValueError("poison")
        added(recorded, view)

    async with place.open(application(projector)) as running:
        rows = running._stores.rows
        await running.execute(tapes, "t", record(Added(1), Added(2)))
        await until(lambda: running.status()["sums"].error)
        await rows.pause("sums", paused=True)
        await until(lambda: running.status()["sums"].paused)
        bad.clear()
        await rows.pause("sums", paused=False)
        await running.settled()
        assert await running.query(sums) == [("t", 3)]
        assert running.status()["sums"].error is None
        (listed,) = await rows.processors()
        assert listed.error is None


async def test_i3_one_partitions_error_is_not_over_because_another_has_recovered(place: Place) -> None:
    bad = {1, 2}
    projector = Projector("sums", tables=[sums_t], partitions=2, on_error=Retry.constant(0.05))

    @projector.on(Added)
    def handle(recorded: Recorded[Added], view: View) -> None:
        if recorded.event.n in bad:
            raise ValueError(f"{recorded.event.n} is poison")
        added(recorded, view)

    failures: list[ProcessorFailure] = []
    async with place.open(application(projector, on_processor_error=failures.append)) as running:
        await running.execute(tapes, tape_of(0, 2), record(Added(1)))
        await running.execute(tapes, tape_of(1, 2), record(Added(2)))
        await until(lambda: {each.partition for each in failures} == {0, 1})
        bad.remove(2)
        await until(lambda: running._workers["sums"]._places[1].checkpoint.position == 2)
        bad.add(3)
        assert "1 is poison" in str(running.status()["sums"].error)

        async def listed() -> bool:
            return "1 is poison" in str((await running._stores.rows.processors())[0].error)

        await until(listed)
        bad.clear()
        await running.settled()
        assert running.status()["sums"].error is None


async def test_i8_who_has_been_drained_does_not_stand_by(place: Place) -> None:
    async with (
        place.open(application(shared(2)), lease=SHORT) as one,
        place.open(application(shared(2)), lease=SHORT) as two,
    ):
        await until(lambda: len(two.status()["sums"].partitions) == len(one.status()["sums"].partitions) == 1)
        await one.drain()
        status = one.status()["sums"]
        assert (status.running, status.standby, status.partitions) == (False, None, ())


async def test_i8_a_partition_that_nothing_is_for_does_not_lag(place: Place) -> None:
    async with place.open(application(shared(2))) as running:
        outcome = await running.execute(tapes, tape_of(1, 2), record(Added(1), Added(2)))
        await until(lambda: running.status()["sums"].position == outcome.position)
        assert running.status()["sums"].lag == 0
        assert (await running._stores.rows.checkpoint("sums", 0)).position == 0


async def test_i3_a_stop_names_the_partition(place: Place) -> None:
    failures: list[ProcessorFailure] = []
    projector = Projector("sums", tables=[sums_t], partitions=2)

    @projector.on(Added)
    def handle(recorded: Recorded[Added], view: View) -> None:
        raise ValueError("poison")

    async with place.open(application(projector, on_processor_error=failures.append)) as running:
        outcome = await running.execute(tapes, tape_of(1, 2), record(Added(1)))
        with pytest.raises(ProcessorStopped):
            await running.wait_for("sums", outcome.position)
    assert [(each.verdict, each.partition) for each in failures] == [("stopped", 1)]


async def test_i3_of_two_partitions_that_fail_at_once_no_error_is_left_to_the_loop(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    projector = Projector("sums", tables=[sums_t], partitions=2)

    @projector.on(Added)
    def handle(recorded: Recorded[Added], view: View) -> None:
        raise ValueError("poison")

    async with place.open(application(projector), run=False) as running:
        for partition in range(2):
            await running.execute(tapes, tape_of(partition, 2), record(Added(1)))
    async with place.open(application(projector)) as running:
        await until(lambda: running.status()["sums"].stopped)
    gc.collect()
    assert not [each for each in caplog.records if each.name == "asyncio" and each.levelno >= logging.ERROR]


# ------------------------------------------------------------------------- waiting elsewhere


async def test_i5_waiting_elsewhere_for_one_that_starts_now_does_not_wait_for_what_was_before(place: Place) -> None:
    def greeting() -> Reactor:
        reactor = Reactor("greet", start="now", partitions=2)

        @reactor.on(Added)
        async def greet(recorded: Recorded[Added], act: Any) -> None:
            pass

        return reactor

    async with place.open(application(greeting()), run=False) as web:  # type: ignore[arg-type] # of projectors there
        old = await web.execute(tapes, "t", record(Added(1)))
        async with place.open(application(greeting())) as running:  # type: ignore[arg-type]
            await running.settled()
            await web.wait_for("greet", old.position, timeout=1)
            new = await web.execute(tapes, tape_of(1, 2), record(Added(1)))
            await web.wait_for("greet", new.position, timeout=2)


async def test_i5_who_waits_elsewhere_reads_the_log_once(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A partition that never had an event stays at 0, and all the log is between."""
    async with place.open(application(shared(2)), run=False) as web:
        outcome = await web.execute(tapes, tape_of(0, 2), record(Added(1), Added(2)))
        events, reads = web._stores.events, 0
        original = events.read_all

        def read_all(*arguments: Any, **options: Any) -> Any:
            nonlocal reads
            reads += 1
            return original(*arguments, **options)

        monkeypatch.setattr(events, "read_all", read_all)
        with pytest.raises(WaitTimedOut):
            await web.wait_for("sums", outcome.position, timeout=0.3)
        assert reads == 1
        async with place.open(application(shared(2))):
            await web.wait_for("sums", outcome.position)
        monkeypatch.undo()


# -------------------------------------------------------------------------------- wishes


async def test_fm17_a_wish_behind_very_many_others_is_granted(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eventfold.processing.following._AT_ONCE", 3)
    projector = Projector("sums", tables=[sums_t], on_error=Park())

    @projector.on(Added)
    def handle(recorded: Recorded[Added], view: View) -> None:
        if recorded.event.n == 1:
            raise ValueError("poison")
        added(recorded, view)

    asked = 0
    async with place.open(application(projector)) as running:
        await running.execute(tapes, "t", record(*(Added(n) for n in range(1, 11))))
        await running.settled()
        lot = running._stores.parking
        original = lot.wished

        async def wished(*arguments: Any, **options: Any) -> Any:
            nonlocal asked
            asked += 1
            if asked > 200:
                raise AssertionError("it asks for ever")
            return await original(*arguments, **options)

        monkeypatch.setattr(lot, "wished", wished)
        await lot.ask("sums", 9, "drop", actor="ann")

        async def dropped() -> bool:
            return 9 not in [each.position for each in await lot.parked("sums")]

        await until(dropped)
        assert running.status()["sums"].error is None
        assert len(await lot.parked("sums")) == 9
        monkeypatch.undo()


@pytest.mark.parametrize("busy", ["with events", "with an event that it tries again"])
async def test_fm17_a_wish_is_granted_while_there_is_much_to_do(place: Place, busy: str) -> None:
    bad = {1, 100}
    policy = Retry.constant(60.0, attempts=2, then=Park()) if "again" in busy else Park()
    projector = Projector("sums", tables=[sums_t], on_error=policy, transaction_size=1)

    @projector.on(Added)
    async def handle(recorded: Recorded[Added], view: View) -> None:
        await asyncio.sleep(0.03)
        if recorded.event.n in bad:
            raise ValueError("poison")
        added(recorded, view)

    parking = Projector("sums", tables=[sums_t], on_error=Park())
    parking.on(Added)(projector.handlers.single[Added])
    async with place.open(application(parking)) as running:
        await running.execute(tapes, "t", record(Added(1)))
        await running.settled()
    async with place.open(application(projector)) as running:
        lot = running._stores.parking
        bad.remove(1)
        first = 100 if "again" in busy else 2
        last = await running.execute(tapes, "u", record(Added(first), *(Added(n) for n in range(2, 60))))
        await until(lambda: running._workers["sums"]._jobs[0].follower.in_hand)
        await lot.ask("sums", 1, "retry", actor="ann")

        async def granted() -> bool:
            return not await lot.parked("sums")

        await until(granted)
        assert running.status()["sums"].position < last.position


# ---------------------------------------------------------------------- steps without events


async def test_i8_a_step_over_others_events_is_finished_before_it_leaves(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a lease nobody could tell a step that was taken from another copy's."""
    monkeypatch.setattr("eventfold.processing.following._UNSAVED", 0)
    async with place.open(application(shared(2)), lease=None) as running:
        rows = running._stores.rows
        original = rows.advance
        reached, go_on = asyncio.Event(), asyncio.Event()

        async def advance(move: Any) -> None:
            await original(move)
            reached.set()
            await go_on.wait()

        monkeypatch.setattr(rows, "advance", advance)
        await running.execute(tapes, tape_of(1, 2), record(Added(1)))
        await until(reached.is_set)
        await rows.pause("sums", paused=True)
        await until(lambda: running._workers["sums"]._paused)
        await asyncio.sleep(0.05)
        go_on.set()
        await until(lambda: running.status()["sums"].paused)
        assert running._workers["sums"]._places[0].checkpoint.position == 1
        monkeypatch.undo()


async def test_i5_the_test_kit_does_not_wait_for_more_events() -> None:
    projector = Projector("seen", tables=[seen_t], transaction_interval=30.0)
    projector.on(Added)(saw)
    async with asyncio.timeout(5):
        await given(projector, Added(1)).then_rows(seen_t, [{"position": 1}])


# ----------------------------------------------------------------------- waiting for more


@pytest.mark.parametrize("how", ["drain", "pause"])
async def test_i9_who_leaves_does_not_wait_for_more_events(place: Place, how: str) -> None:
    def gathering(interval: float) -> Projector:
        projector = Projector("sums", tables=[sums_t], transaction_interval=interval)
        projector.on(Added)(added)
        return projector

    async with place.open(application(gathering(60.0))) as running:
        await until(lambda: running._workers["sums"]._jobs)
        await running.execute(tapes, "t", record(Added(1)))
        await asyncio.sleep(0.1)
        async with asyncio.timeout(5):
            if how == "drain":
                assert await running.drain()
            else:
                await running._stores.rows.pause("sums", paused=True)
                await until(lambda: running.status()["sums"].paused)
                await running._stores.rows.pause("sums", paused=False)
        assert await running.query(sums) == []
    async with place.open(application(gathering(0.0))) as running:
        await running.settled()
        assert await running.query(sums) == [("t", 1)]


async def test_i9_a_portion_waits_from_its_first_event_on_however_many_come_later() -> None:
    come = 0

    async def batches() -> AsyncIterator[Batch]:
        nonlocal come
        for come in range(1, 101):
            await asyncio.sleep(0.02)
            event: Any = SimpleNamespace(position=come)
            yield Batch([event], caught_up=True, head=come)

    async with (
        asyncio.timeout(10),
        aclosing(gathered(batches(), most=1_000, interval=0.2, mine=lambda events: events)) as portions,
    ):
        portion = await anext(portions)
        assert 1 < len(portion.events) < 100
        assert portion.caught_up


async def test_i8_a_portion_is_not_read_for_to_the_end_of_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a partition that nothing is for would begin anew with each start, until it comes to the end in one go."""
    monkeypatch.setattr("eventfold.processing.gathering._FAR", 2 * PAGE)

    async def batches() -> AsyncIterator[Batch]:
        for page in range(5):
            events: Any = [SimpleNamespace(position=page * PAGE + n + 1) for n in range(PAGE)]
            yield Batch(events, caught_up=page == 4, head=events[-1].position)

    told: list[tuple[int, bool]] = []
    async with aclosing(gathered(batches(), most=1_024, interval=0.0, mine=lambda _: [])) as portions:
        async for portion in portions:
            assert portion.last is not None
            told.append((portion.last.position, portion.caught_up))
            if portion.caught_up:
                break
    assert told == [(2 * PAGE, False), (4 * PAGE, False), (5 * PAGE, True)]


# -------------------------------------------------------------------------------- leases


async def test_i8_who_is_about_to_leave_takes_nothing(place: Place) -> None:
    async with place.open(application(shared(2)), run=False) as running:
        seats = Seats(running._stores.leases, "sums", 2, new_owner(), 10.0)
        await seats.round(now=True, take=False)
        assert not seats.held
        await seats.round(now=True)
        assert sorted(seats.held) == [0, 1]
        await seats.leave()
        assert not seats.held


async def test_i8_members_of_this_host_that_are_gone_get_no_share(place: Place) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    async with place.open(application(shared(4)), run=False) as running:
        gone = f"{new_owner().split(':')[0]}:{ended.pid}:00000000"
        await running._stores.leases.beat("sums", gone, (), seconds=3_600)
        seats = Seats(running._stores.leases, "sums", 4, new_owner(), 10.0)
        await seats.round(now=True)
        assert sorted(seats.held) == [0, 1, 2, 3]


async def test_i8_without_a_beat_nobody_is_sure_for_longer_than_a_lease(place: Place) -> None:
    async with place.open(application(shared(1)), run=False) as running:
        seats = Seats(running._stores.leases, "sums", 1, new_owner(), 0.3)

        def sure() -> bool:
            return seats.sure

        assert not sure()
        await seats.round(now=True)
        assert sure()
        await until(lambda: not sure())
        await seats.round()
        assert sure()


async def test_fm11_what_it_has_in_hand_is_cancelled_once_its_lease_is_lost(place: Place) -> None:
    reached, ended = asyncio.Event(), asyncio.Event()
    projector = Projector("sums", tables=[sums_t])

    @projector.on(Added)
    async def handle(recorded: Recorded[Added], view: View) -> None:
        reached.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with place.open(application(projector), lease=SHORT) as running:
        await running.execute(tapes, "t", record(Added(1)))
        await reached.wait()
        leases = running._stores.leases
        (before,) = await leases.leases("sums")
        await leases.take("sums", 0, "a-successor", seconds=3_600, dead=before.owner)
        async with asyncio.timeout(10):
            await ended.wait()
        await until(lambda: running.status()["sums"].standby == "a-successor")


async def test_fm11_a_failure_after_the_lease_was_lost_is_no_events_fault(place: Place) -> None:
    """Another copy's rows may be in the way, even before that copy has moved the checkpoint."""
    reached, go_on = asyncio.Event(), asyncio.Event()
    projector = Projector("sums", tables=[sums_t])

    @projector.on(Added)
    async def handle(recorded: Recorded[Added], view: View) -> None:
        reached.set()
        await go_on.wait()
        raise ValueError("something is in the way")

    async with place.open(application(projector)) as running:
        await running.execute(tapes, "t", record(Added(1)))
        await reached.wait()
        leases = running._stores.leases
        (before,) = await leases.leases("sums")
        await leases.take("sums", 0, "a-successor", seconds=3_600, dead=before.owner)
        go_on.set()
        await until(lambda: running.status()["sums"].standby or running.status()["sums"].stopped)
        assert not running.status()["sums"].stopped


async def test_i8_what_becomes_free_is_taken_up_between_two_beats(place: Place) -> None:
    async with place.open(application(shared(1)), run=False) as running:
        leases = running._stores.leases
        one, two = (Seats(leases, "sums", 1, new_owner(), 3_600.0) for _ in range(2))
        await one.round(now=True)
        await two.round(now=True)
        assert not two.held
        await one.leave()

        async def taken() -> bool:
            await two.round()
            return bool(two.held)

        await until(taken)


# ------------------------------------------------------------------------------ the rest


async def test_i8_the_clock_of_a_test_may_be_moved_by_a_day() -> None:
    app = application(summing())
    async with app.test() as running:
        await running.execute(tapes, "t", record(Added(1)))
        await running.settled()
        running.clock.advance(timedelta(days=1))
        await asyncio.sleep(0.1)
        await running.execute(tapes, "t", record(Added(2)))
        await running.settled()
        status = running.status()["sums"]
        assert (status.running, status.standby, status.error, status.lag_seconds) == (True, None, None, 0.0)
        assert await running.query(sums) == [("t", 3)]


async def test_i3_a_hook_that_raises_changes_nothing(place: Place) -> None:
    projector = Projector("sums", tables=[sums_t], on_error=Park())

    @projector.on(Added)
    def handle(recorded: Recorded[Added], view: View) -> None:
        if recorded.event.n == 1:
            raise ValueError("poison")
        added(recorded, view)

    def hook(_: ProcessorFailure) -> None:
        raise RuntimeError("the hook is broken")

    async with place.open(application(projector, on_processor_error=hook)) as running:
        await running.execute(tapes, "a", record(Added(1)))
        await running.execute(tapes, "b", record(Added(2)))
        await running.settled()
        assert await running.query(sums) == [("b", 2)]


async def test_i3_lag_in_seconds_is_over_when_nothing_is_left(place: Place) -> None:
    reached, go_on = asyncio.Event(), asyncio.Event()
    projector = Projector("sums", tables=[sums_t])

    @projector.on(Added)
    async def handle(recorded: Recorded[Added], view: View) -> None:
        reached.set()
        await go_on.wait()
        added(recorded, view)

    async with place.open(application(projector)) as running:
        await running.execute(tapes, "t", record(Added(1)))
        await reached.wait()
        await asyncio.sleep(0.02)
        assert running.status()["sums"].lag_seconds > 0
        go_on.set()
        await running.settled()
        await until(lambda: running.status()["sums"].lag_seconds == 0.0)


async def test_fm17_a_parked_event_that_has_been_removed_is_settled_as_gone(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    projector = Projector("sums", tables=[sums_t], on_error=Park())

    @projector.on(Added)
    def handle(recorded: Recorded[Added], view: View) -> None:
        if recorded.event.n == 1:
            raise ValueError("poison")
        added(recorded, view)

    async with place.open(application(projector)) as running:
        await running.execute(tapes, "t", record(Added(1), Added(2)))
        await running.settled()
        lot = running._stores.parking

        original = Follower._stored

        async def removed(self: Follower, entry: Parked) -> StoredEvent | None:
            return None if entry.position == 1 else await original(self, entry)

        monkeypatch.setattr(Follower, "_stored", removed)  # an administrator deletes whole streams only
        await lot.ask("sums", 1, "retry", actor="ann")

        async def empty() -> bool:
            return not await lot.parked("sums")

        await until(empty)
        settled = await lot.parked("sums", resolved=True)
        assert [each.resolution for each in settled] == ["gone", "retried"]
        assert await running.query(sums) == [("t", 2)]
