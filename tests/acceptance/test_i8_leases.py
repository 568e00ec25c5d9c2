"""I8, G-14, FM-11, FM-55: of several copies of a processor one is active; its partitions are shared out."""

import asyncio
import subprocess
import sys
from datetime import timedelta
from typing import Any

import pytest

from eventfold import Eventfold, Projector, Recorded, Running, View
from eventfold.domain.partition import partition_of
from eventfold.errors import InvalidInput, ProcessorTaken
from eventfold.processing.seats import new_owner
from tests.acceptance.world import (
    Added,
    Place,
    added,
    application,
    record,
    seeing,
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


def status(running: Running) -> Any:
    return running.status()["sums"]


async def fill(running: Running, tapes_: int = 20, each: int = 3) -> dict[str, int]:
    for number in range(tapes_):
        await running.execute(tapes, f"tape-{number}", record(*(Added(n) for n in range(1, each + 1))))
    return {f"tape-{number}": sum(range(1, each + 1)) for number in range(tapes_)}


# -------------------------------------------------------------------------- one is active


async def test_i8_a_second_copy_stands_by_and_takes_over_when_the_first_ends(place: Place) -> None:
    async with place.open(application(summing()), lease=SHORT) as second_place:
        assert status(second_place).standby is None
    async with place.open(application(summing()), run=False) as watching:
        first = place.open(application(summing()), lease=SHORT)
        one = await first.__aenter__()
        async with place.open(application(summing()), lease=SHORT) as two:
            await watching.execute(tapes, "t", record(Added(1)))
            await one.wait_for("sums", 1)
            await two.wait_for("sums", 1)  # it is told by the store
            assert (status(one).running, status(one).standby) == (True, None)
            assert not status(two).running
            assert status(two).partitions == ()
            assert status(two).standby is not None
            await first.__aexit__(None, None, None)
            await until(lambda: status(two).running)
            outcome = await watching.execute(tapes, "t", record(Added(2)))
            await two.wait_for("sums", outcome.position)
            assert await two.query(sums) == [("t", 3)]
            assert status(two).error is None


async def test_i8_a_second_copy_that_is_not_to_stand_by_is_refused(place: Place) -> None:
    async with place.open(application(summing())) as one:
        with pytest.raises(ProcessorTaken, match="processor 'sums' is run by") as taken:
            async with place.open(application(summing()), standby=False):
                pass
        assert (taken.value.processor, taken.value.left > 0) == ("sums", True)
        outcome = await one.execute(tapes, "t", record(Added(1)))
        await one.wait_for("sums", outcome.position)
    async with place.open(application(summing()), standby=False) as two:
        await two.settled()
        assert status(two).running


async def test_i8_leases_can_be_switched_off(place: Place) -> None:
    async with place.open(application(summing()), lease=None) as running:
        outcome = await running.execute(tapes, "t", record(Added(1)))
        await running.wait_for("sums", outcome.position)
        assert list(await running._stores.leases.leases()) == []


@pytest.mark.parametrize("lease", [timedelta(0), timedelta(seconds=-1), timedelta(milliseconds=1)])
async def test_i8_a_lease_that_is_none_is_refused(lease: timedelta) -> None:
    with pytest.raises(InvalidInput, match="lease="):
        async with application().open("memory:", lease=lease):
            pass


async def test_i8_the_lease_of_a_process_of_this_host_that_is_gone_need_not_run_out(place: Place) -> None:
    async with place.open(application(summing()), run=False) as running:
        ended = subprocess.Popen([sys.executable, "-c", ""])
        ended.wait()
        gone = f"{new_owner().split(':')[0]}:{ended.pid}:00000000"
        await running._stores.leases.beat("sums", gone, (), seconds=3_600)
        await running._stores.leases.take("sums", 0, gone, seconds=3_600)
    async with place.open(application(summing()), standby=False) as running:
        await running.settled()
        assert status(running).running


async def test_fm11_who_has_lost_its_lease_stands_by_and_what_it_had_in_hand_is_not_kept(place: Place) -> None:
    """As after a long pause of the process: somebody else has taken over in the meantime."""
    reached, go_on = asyncio.Event(), asyncio.Event()
    slow = Projector("sums", tables=[sums_t])

    @slow.on(Added)
    async def waiting(recorded: Recorded[Added], view: View) -> None:
        added(recorded, view)
        if recorded.event.n == 2:
            reached.set()
            await go_on.wait()

    async with place.open(application(slow)) as one, place.open(application(summing()), run=False) as watching:
        await watching.execute(tapes, "t", record(Added(1), Added(2)))
        await reached.wait()
        leases = watching._stores.leases
        (before,) = await leases.leases("sums")
        taken = await leases.take("sums", 0, "a-successor", seconds=3_600, dead=before.owner)
        assert taken.epoch == before.epoch + 1
        go_on.set()
        await until(lambda: status(one).standby == "a-successor")
        assert not status(one).running
        assert status(one).error is None
        assert (await watching._stores.rows.checkpoint("sums")).epoch == taken.epoch
        rows = await watching.query(sums)
        assert rows in ([], [("t", 1)]), "of an event that was in hand nothing is kept"


async def test_fm55_older_code_does_not_take_over_from_newer(place: Place) -> None:
    async with place.open(application(summing(version=2))) as running:
        await running.settled()
    with pytest.raises(InvalidInput, match="version 2 has filled"):
        async with place.open(application(summing(version=1))):
            pass


async def test_fm55_newer_code_starts_the_projector_over_and_the_older_copy_ends(place: Place) -> None:
    async with place.open(application(summing(version=1))) as old:
        await old.execute(tapes, "t", record(Added(1)))
        await old.settled()
        async with place.open(application(summing(version=2))) as new:
            outcome = await old.execute(tapes, "t", record(Added(2)))
            await until(lambda: not status(old).running and status(old).error is not None)
            assert "version 2 has filled" in str(status(old).error)
            await new.wait_for("sums", outcome.position, timeout=20)
            assert await new.query(sums) == [("t", 3)]


# ----------------------------------------------------------------------------- partitions


async def test_i8_partitions_handle_every_event_once_and_streams_in_order(place: Place) -> None:
    order: dict[str, list[int]] = {}
    projector = shared()

    @projector.on_any()
    def noting(recorded: Recorded[Any], view: View) -> None:
        order.setdefault(recorded.id, []).append(recorded.version)

    async with place.open(application(projector)) as running:
        assert status(running).partitions == (0, 1, 2, 3)
        expected = await fill(running)
        await running.settled()
        assert await running.query(sums) == sorted(expected.items())
        assert all(versions == [1, 2, 3] for versions in order.values())
        assert len(order) == 20
    async with place.open(application(shared())) as running:
        await running.settled()
        assert await running.query(sums) == sorted(expected.items())


async def test_i8_partitions_are_shared_out_again_when_members_come_and_go(place: Place) -> None:
    async with place.open(application(shared()), lease=SHORT) as one:
        expected = await fill(one, 10)
        async with place.open(application(shared()), lease=SHORT) as two:
            await until(lambda: len(status(one).partitions) == len(status(two).partitions) == 2)
            assert sorted((*status(one).partitions, *status(two).partitions)) == [0, 1, 2, 3]
            for number in range(10, 20):
                await two.execute(tapes, f"tape-{number}", record(Added(1), Added(2), Added(3)))
                expected[f"tape-{number}"] = 6
            head = await one.head()
            for each in (one, two):
                await each.wait_for("sums", head, timeout=20)
            assert await one.query(sums) == sorted(expected.items())
        await until(lambda: len(status(one).partitions) == 4)
        await one.execute(tapes, "tape-0", record(Added(4)))
        await one.wait_for("sums", await one.head())
        assert ("tape-0", 10) in await one.query(sums)
        assert status(one).error is None


async def test_i8_the_number_of_partitions_is_fixed_until_the_version_is_raised(place: Place) -> None:
    async with place.open(application(shared(4))) as running:
        expected = await fill(running, 8)
        await running.settled()
    with pytest.raises(InvalidInput, match="partitions=2 here, but has run with 4"):
        async with place.open(application(shared(2))):
            pass
    async with place.open(application(shared(2, version=2))) as running:
        await running.settled()
        assert await running.query(sums) == sorted(expected.items())
        assert status(running).partitions == (0, 1)


async def test_i8_waiting_looks_at_the_partition_of_the_event_alone(place: Place) -> None:
    """One partition hangs; what belongs to the other is waited for as ever."""
    hangs = asyncio.Event()
    of = next(name for name in map(str, range(100)) if partition_of("tape", name, 2) == 0)
    other = next(name for name in map(str, range(100)) if partition_of("tape", name, 2) == 1)
    projector = Projector("sums", tables=[sums_t], partitions=2)

    @projector.on(Added)
    async def handle(recorded: Recorded[Added], view: View) -> None:
        if recorded.id == of:
            await hangs.wait()
        added(recorded, view)

    async with place.open(application(projector)) as running:
        outcome = await running.execute(tapes, other, record(Added(1)))
        await running.wait_for("sums", outcome.position)
        await running.execute(tapes, of, record(Added(2)))
        hangs.set()
        await running.settled()
        assert await running.query(sums) == sorted([(of, 2), (other, 1)])


# ---------------------------------------------------------------------------------- drain


async def test_g20_draining_finishes_what_is_in_hand_and_the_next_one_goes_on_at_once(place: Place) -> None:
    reached, go_on = asyncio.Event(), asyncio.Event()
    slow = Projector("sums", tables=[sums_t])

    @slow.on(Added)
    async def waiting(recorded: Recorded[Added], view: View) -> None:
        added(recorded, view)
        reached.set()
        await go_on.wait()

    async with place.open(application(slow), lease=timedelta(hours=1)) as one:
        first = await one.execute(tapes, "t", record(Added(1)))
        await reached.wait()
        draining = asyncio.create_task(one.drain())
        await asyncio.sleep(0)
        go_on.set()
        assert await draining
        assert (status(one).running, status(one).position) == (False, first.position)
        await one.execute(tapes, "t", record(Added(2)))
        async with place.open(application(summing()), standby=False) as two:
            await two.settled()
            assert await two.query(sums) == [("t", 3)]


async def test_g20_what_does_not_end_in_time_is_cancelled_and_nothing_half_done_is_kept(place: Place) -> None:
    reached = asyncio.Event()
    slow = Projector("sums", tables=[sums_t])

    @slow.on(Added)
    async def waiting(recorded: Recorded[Added], view: View) -> None:
        added(recorded, view)
        reached.set()
        await asyncio.Event().wait()

    async with place.open(application(slow)) as one:
        await one.execute(tapes, "t", record(Added(1)))
        await reached.wait()
        assert not await one.drain(timeout=0.05)
        assert await one.query(sums) == []
    async with place.open(application(summing()), standby=False) as two:
        await two.settled()
        assert await two.query(sums) == [("t", 1)]


async def test_i4_the_registry_finds_by_name_and_lists_by_kind() -> None:
    app: Eventfold = application(summing(), seeing())
    assert app.processor("sums").name == "sums"
    assert [each.name for each in app.processors_of("projector")] == ["sums", "seen"]
    assert app.processors_of("reactor") == ()
    with pytest.raises(InvalidInput, match="no processor 'sum'.*'seen', 'sums'"):
        app.processor("sum")
