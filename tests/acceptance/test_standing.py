"""G-16: what the store tells of its processors, to whoever has none of the application's code."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import pytest

from eventfold import ManualClock, Park, Projector, Retry, Running, Skip, Stop, system_clock
from eventfold.bootstrap import standing as standing_module
from eventfold.bootstrap.standing import Standing, standing_of, standings
from eventfold.domain.message import from_micros
from eventfold.domain.partition import partition_of
from eventfold.errors import InvalidInput
from eventfold.ports.checkpoint_store import Move
from eventfold.ports.leases import Lease
from tests.acceptance.world import (
    Added,
    Noted,
    Place,
    application,
    record,
    seeing,
    stored,
    tapes,
)
from tests.poison import poisoned


@pytest.fixture(autouse=True)
def looking_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eventfold.processing.worker.LOOK", 0.01)


@pytest.fixture
async def watching(place: Place) -> AsyncIterator[Running]:
    """An application without processors, for commands and for a look at those of others."""
    async with place.open(application(), run=False) as running:
        yield running


async def look(watching: Running, clock: Any = system_clock) -> Standing:
    return await standing_of(watching._stores, "sums", clock=clock)


async def until(watching: Running, as_wanted: Callable[[Standing], bool]) -> Standing:
    async with asyncio.timeout(30):
        while not as_wanted(found := await look(watching)):  # noqa: ASYNC110 - the store is to be seen
            await asyncio.sleep(0.01)
    return found


async def register(place: Place, *processors: Projector) -> None:
    async with place.open(application(*processors)) as running:
        await running.settled()


# ------------------------------------------------------------------------- what is left


async def test_what_is_left_is_counted_by_query_and_partition(place: Place, watching: Running) -> None:
    for number in range(20):
        await watching.execute(tapes, str(number), record(Added(1), Noted("not for sums")))
    await register(place, poisoned(partitions=4), seeing())
    for number in range(20):
        await watching.execute(tapes, str(number), record(Noted("not for sums"), Added(2)))
    seen, sums = await standings(watching._stores, clock=system_clock)
    expected = [0] * 4
    for number in range(20):
        expected[partition_of("tape", str(number), 4)] += 1
    assert sums.left is not None
    assert [each.events for each in sums.left] == expected
    assert (sums.lag, seen.lag, sums.exact, seen.exact) == (20, 40, True, True)
    assert seen.left is not None
    assert seen.left[0].since == (await stored(watching))[40].recorded_at


async def test_of_several_partitions_each_has_its_own_place(place: Place, watching: Running) -> None:
    """Those before the place of their own partition are done, although another partition is behind them."""
    await register(place, poisoned(partitions=2))
    for number in range(10):
        await watching.execute(tapes, str(number), record(Added(1)))
    leases = watching._stores.leases
    taken = await leases.take("sums", 1, "somebody", seconds=10)
    assert isinstance(taken, Lease)
    of_one = [each for each in await stored(watching) if partition_of("tape", each.id, 2) == 1]
    step = Move("sums", 0, of_one[-2].position, of_one[-2].event_id, taken.epoch, partition=1)
    await watching._stores.rows.advance(step)
    found = await look(watching)
    assert found.left is not None
    assert [each.events for each in found.left] == [10 - len(of_one), 1]
    assert (found.state, found.position) == ("partly running", 0)


async def test_a_partition_that_never_had_an_event_is_not_behind(place: Place, watching: Running) -> None:
    await watching.execute(tapes, "t", record(Added(1), Added(2)))
    await register(place, poisoned(partitions=4))
    found = await look(watching)
    assert (found.record.position, found.position, found.lag) == (0, 2, 0)
    await watching.execute(tapes, "t", record(Added(3)))
    assert (await look(watching)).position == 2


async def test_the_age_is_that_of_the_oldest_event_that_is_left(place: Place, watching: Running) -> None:
    await watching.execute(tapes, "t", record(Added(1)))
    await register(place, poisoned())
    found = await look(watching)
    assert (found.lag, found.lag_seconds, found.unattended) == (0, 0.0, 0.0)
    await watching.execute(tapes, "t", record(Noted("of no interest")))
    await asyncio.sleep(0.002)
    await watching.execute(tapes, "t", record(Added(2)))
    await asyncio.sleep(0.002)
    await watching.execute(tapes, "u", record(Added(3)))
    oldest = from_micros((await stored(watching))[2].recorded_at)
    found = await look(watching, ManualClock(oldest + timedelta(seconds=90)))
    assert (found.lag, found.lag_seconds, found.unattended) == (2, 90.0, 90.0)
    found = await look(watching, ManualClock(oldest - timedelta(hours=1)))  # the clocks of two machines
    assert (found.lag, found.lag_seconds) == (2, 0.0)


async def test_counting_has_an_end_and_says_so(
    place: Place, watching: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(standing_module, "MOST", 10)
    monkeypatch.setattr(standing_module, "_PAGE", 4)
    await register(place, poisoned(partitions=2))
    for count, lag, exact in ((9, 9, True), (2, 11, True), (1, 12, False), (50, 12, False)):
        await watching.execute(tapes, "t", record(*[Added(1)] * count))
        found = await look(watching)
        assert (found.lag, found.exact) == (lag, exact)


async def test_of_an_older_release_nobody_knows_what_it_follows(watching: Running) -> None:
    await watching._stores.rows.prepare("sums", version=1, tables=[])
    assert (await look(watching)).lag == 0  # it is at the end, whatever it follows
    await watching.execute(tapes, "t", record(Added(1)))
    found = await look(watching)
    assert (found.lag, found.lag_seconds, found.exact, found.unattended) == (None, None, False, 0.0)


async def test_what_came_before_its_start_is_not_left(watching: Running) -> None:
    await watching.execute(tapes, "t", record(Added(1), Added(2)))
    query = poisoned().query.resolved(lambda kind: [kind if isinstance(kind, str) else kind.__name__]).as_text()
    await watching._stores.rows.prepare("sums", version=1, tables=[], start=2, query=query)
    assert (await look(watching)).lag == 0
    await watching.execute(tapes, "t", record(Added(3)))
    assert (await look(watching)).lag == 1


# ------------------------------------------------------------------------------ states


async def test_whoever_runs_it_is_named_with_the_time_of_his_lease(place: Place, watching: Running) -> None:
    async with place.open(application(poisoned(partitions=2)), lease=timedelta(seconds=20)):
        found = await until(watching, lambda each: each.state == "running")
        assert [each.partition for each in found.leases] == [0, 1]
        assert all(0 < each.left <= 20 for each in found.leases)
    found = await look(watching)
    assert (found.state, found.leases) == ("not running", ())


async def test_a_lease_that_has_run_out_is_nobodys(place: Place, watching: Running) -> None:
    await register(place, poisoned())
    await watching._stores.leases.take("sums", 0, "somebody", seconds=0.05)
    assert (await look(watching)).state == "running"
    await until(watching, lambda each: each.state == "not running")


async def test_a_lease_of_a_partition_that_there_is_no_more_does_not_count(place: Place, watching: Running) -> None:
    await register(place, poisoned(partitions=4))
    await watching._stores.leases.take("sums", 3, "somebody", seconds=60)
    await register(place, poisoned(partitions=2, version=2))
    assert (await look(watching)).state == "not running"


async def test_paused_stopped_and_retrying_are_told_apart(place: Place, watching: Running) -> None:
    async with place.open(application(poisoned([2], on_error=Retry.constant(0.02)))) as running:
        await running.execute(tapes, "t", record(Added(1), Added(2)))
        found = await until(watching, lambda each: each.record.error is not None)
        assert (found.state, found.lag) == ("retrying", 1)
        await watching._stores.rows.pause("sums", paused=True)
        assert (await look(watching)).state == "paused"
        await watching._stores.rows.pause("sums", paused=False)
    async with place.open(application(poisoned([2], on_error=Stop()))):
        found = await until(watching, lambda each: each.state == "stopped")
        assert "2 is poison" in (found.record.error or "")
    async with place.open(application(poisoned())):
        await until(watching, lambda each: (each.state, each.lag) == ("running", 0))


async def test_g16_parked_and_skipped_events_are_counted(place: Place, watching: Running) -> None:
    await watching.execute(tapes, "t", record(Added(1), Added(2), Added(3), Added(4)))
    await register(place, poisoned([2], on_error=Park()))
    found = await look(watching)
    assert (found.parked, found.skipped, found.lag) == (3, 0, 0)
    await register(place, poisoned([3], version=2, on_error=Skip()))
    found = await look(watching)
    assert (found.parked, found.skipped, found.lag) == (0, 1, 0)


async def test_a_name_of_no_processor_is_refused_with_those_there_are(place: Place, watching: Running) -> None:
    await register(place, poisoned())
    with pytest.raises(InvalidInput, match=r"no processor 'sum' .* \['sums'\]"):
        await standings(watching._stores, ["sum"], clock=system_clock)
