"""Snapshots: what is kept, when, and that nobody ever decides on a wrong one."""

import logging
from collections.abc import Sequence
from typing import Any

import apsw
import pytest

from eventfold import Aggregate, Eventfold, Running, Snapshots, Stream
from eventfold.bootstrap.stores import Stores
from eventfold.errors import InvalidInput, StoreUnavailable
from eventfold.ports.event_store import Fact
from eventfold.ports.snapshot_store import Snapshot
from tests.acceptance.counters import Changed, Decrease, Increase, Underflow, changed, count
from tests.acceptance.world import File, Place


def counter(snapshots: Snapshots | None) -> Aggregate[Increase | Decrease, int, Changed]:
    return Aggregate("counter", initial=0, decide=count, evolve=changed, snapshots=snapshots)


def cold(of: Aggregate[Any, Any, Any], **options: Any) -> Eventfold:
    """Nothing is kept warm: every command loads."""
    return Eventfold(deciders=[of], warm=0, **options)


async def kept(running: Running, id: str = "c") -> Snapshot | None:
    """Once all that were due have been saved."""
    assert running._commands._snapshotter is not None
    await running._commands._snapshotter.settled()
    return await stores(running).snapshots.snapshot(Stream("counter", id))


def stores(running: Running) -> Stores:
    return running._stores


def watched(running: Running, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Versions that are read from here on."""
    seen: list[int] = []
    load = stores(running).events.load

    async def noting(stream: Stream, **options: Any) -> Any:
        facts: Sequence[Fact]
        async for facts in load(stream, **options):
            seen.extend(fact[0] for fact in facts)
            yield facts

    monkeypatch.setattr(stores(running).events, "load", noting)
    return seen


async def test_h4_trap7_each_equals_the_fold_up_to_its_version_also_after_commands_of_several_events(
    place: Place,
) -> None:
    counters = counter(Snapshots(every=3))
    async with place.open(cold(counters)) as running:
        found = []
        for times in (1, 1, 1, 1, 4, 1, 1):
            await running.execute(counters, "c", Increase(1, times))
            snapshot = await kept(running)
            found.append(None if snapshot is None else (snapshot.version, snapshot.data))
        assert found == [None, None, (3, b"3"), (3, b"3"), (8, b"8"), (9, b"9"), (9, b"9")]


async def test_h4_none_is_kept_where_there_is_no_policy(place: Place) -> None:
    counters = counter(None)
    async with place.open(cold(counters)) as running:
        await running.execute(counters, "c", Increase(1, 10))
        assert await kept(running) is None


async def test_h4_a_function_of_the_users_decides_and_one_that_fails_is_logged(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    def when(value: int, before: int, version: int) -> bool:
        if value > 100:
            raise ZeroDivisionError
        return (value, before, version) == (7, 1, 2)

    counters = counter(Snapshots(when=when))
    async with place.open(cold(counters)) as running:
        for by in (3, 4, 1):
            await running.execute(counters, "c", Increase(by))
        assert await kept(running) is not None
        with caplog.at_level(logging.ERROR):
            assert (await running.execute(counters, "c", Increase(100))).state == 108
        assert "Snapshots(when=…) of 'counter' failed" in caplog.text


async def test_h1_h3_only_what_came_after_the_snapshot_is_read(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    counters = counter(Snapshots(every=21))
    async with place.open(cold(counters)) as running:
        for _ in range(2):
            await running.execute(counters, "c", Increase(1, 21))
        await kept(running)
        await stores(running).snapshots.drop()
        snapshot = Snapshot(Stream("counter", "c"), 21, kind(running, counters), 0, b"21")
        assert await stores(running).snapshots.save(snapshot)
    async with place.open(cold(counters)) as running:
        seen = watched(running, monkeypatch)
        assert (await running.execute(counters, "c", Increase(1))).state == 43
        assert seen == list(range(21, 43)), "the last one that is known is looked at once more"
        with pytest.raises(Underflow):
            await running.execute(counters, "c", Decrease(100))
        outcome = await running.execute(counters, "c", Decrease(1))
        assert (outcome.state, outcome.version) == (42, 44)


def kind(running: Running, of: Aggregate[Any, Any, Any]) -> bytes:
    assert running._commands._snapshotter is not None
    return running._commands._snapshotter._kind(of).fingerprint


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param({"data": b'"no number"'}, id="undecodable"),
        pytest.param({"data": b"999", "fingerprint": b"?" * 16}, id="of other code"),
        pytest.param({"data": b"999", "format": 1}, id="of another codec"),
    ],
)
async def test_h4_fm20_a_bad_one_is_ignored_and_replaced(place: Place, bad: dict[str, Any]) -> None:
    counters = counter(Snapshots(every=5))
    async with place.open(cold(counters)) as running:
        await running.execute(counters, "c", Increase(1, 4))
        good = {"fingerprint": kind(running, counters), "format": 0}
        assert await stores(running).snapshots.save(Snapshot(Stream("counter", "c"), 4, **{**good, **bad}))
        assert (await running.execute(counters, "c", Increase(1))).state == 5
        snapshot = await kept(running)
        assert snapshot is not None
        assert (snapshot.version, snapshot.data) == (5, b"5")


async def test_fm20_one_from_the_future_is_ignored_and_replaced(file: File) -> None:
    counters = counter(Snapshots(every=2))
    async with file.open(cold(counters)) as running:
        await running.execute(counters, "c", Increase(1, 2))
        await kept(running)
        connection = apsw.Connection(str(file.path))
        connection.execute("UPDATE snapshots SET version = 1000, data = '1000'")
        connection.close()
        assert (await running.execute(counters, "c", Increase(1, 2))).state == 4
        snapshot = await kept(running)
        assert snapshot is not None
        assert (snapshot.version, snapshot.data) == (4, b"4")


async def test_fm20_evolve_of_another_version_does_not_see_it(place: Place) -> None:
    counters, doubled = counter(Snapshots(every=1)), counter(Snapshots(every=1, version=2))
    doubled.evolve = lambda value, event: value + 2 * event.by
    async with place.open(cold(counters)) as running:
        await running.execute(counters, "c", Increase(1))
        assert await kept(running) is not None
    async with place.open(cold(doubled)) as running:
        assert (await running.load(doubled, "c")).state == 2


async def test_fm20_a_wrong_one_is_found_by_the_sample_dropped_and_told(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    counters = counter(Snapshots(every=100, verify=1.0))
    async with place.open(Eventfold(deciders=[counters])) as running:
        await running.execute(counters, "c", Increase(1, 4))
        wrong = Snapshot(Stream("counter", "c"), 4, kind(running, counters), 0, b"999")
        assert await stores(running).snapshots.save(wrong)
    async with place.open(Eventfold(deciders=[counters])) as running:
        with caplog.at_level(logging.ERROR):
            assert (await running.load(counters, "c")).state == 999, "nobody has looked yet"
            assert await kept(running) is None
        assert "the snapshot of counter-c at version 4 is not what its events fold to" in caplog.text
        assert (await running.load(counters, "c")).state == 4, "what was warm is forgotten with it"


async def test_fm20_good_ones_pass_the_sample(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    counters = counter(Snapshots(every=2, verify=1.0))
    async with place.open(cold(counters)) as running:
        for _ in range(5):
            await running.execute(counters, "c", Increase(1))
        snapshot = await kept(running)
        assert snapshot is not None
        assert snapshot.version == 4
    assert caplog.text == ""


@pytest.mark.parametrize("options", [{}, {"every": 0}, {"every": 1, "version": 0}, {"every": 1, "verify": 1.5}])
def test_h4_a_policy_that_is_none_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        Snapshots(**options)


async def test_h3_an_older_version_is_told_from_a_snapshot_below_it(place: Place) -> None:
    counters = counter(Snapshots(every=4))
    async with place.open(cold(counters)) as running:
        for _ in range(10):
            await running.execute(counters, "c", Increase(1))
        await kept(running)
        for version in (0, 3, 4, 8, 9, 10):
            assert (await running.load(counters, "c", version=version)).state == version


async def test_h4_a_store_of_snapshots_that_fails_is_only_logged(
    place: Place, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def fails(*_: object) -> None:
        raise StoreUnavailable("the disk is gone")

    counters = counter(Snapshots(every=1))
    async with place.open(cold(counters)) as running:
        monkeypatch.setattr(stores(running).snapshots, "save", fails)
        monkeypatch.setattr(stores(running).snapshots, "snapshot", fails)
        with caplog.at_level(logging.WARNING):
            await running.execute(counters, "c", Increase(1))
            assert (await running.execute(counters, "c", Increase(1))).state == 2
            assert running._commands._snapshotter is not None
            await running._commands._snapshotter.settled()
        assert "the snapshot of counter-c cannot be read, its events are" in caplog.text
        assert "no snapshot of counter-c at version 2: the disk is gone" in caplog.text


async def test_h3_the_position_is_the_logs_though_the_snapshot_does_not_know_it(place: Place) -> None:
    counters = counter(Snapshots(every=1))
    async with place.open(cold(counters)) as running:
        outcome = await running.execute(counters, "c", Increase(1, 3))
        await kept(running)
        assert (await running.load(counters, "c")).position == outcome.position > 0


async def test_h3_a_long_stream_without_one_gets_it_when_it_is_loaded(place: Place) -> None:
    plain, counters = counter(None), counter(Snapshots(every=100))
    async with place.open(cold(plain)) as running:
        await running.execute(plain, "c", Increase(1, 250))
    async with place.open(cold(counters)) as running:
        assert (await running.load(counters, "c")).state == 250
        snapshot = await kept(running)
        assert snapshot is not None
        assert snapshot.version == 250


async def test_fm20_a_stream_that_was_deleted_begins_anew(place: Place) -> None:
    counters = counter(Snapshots(every=1))
    async with place.open(cold(counters)) as running:
        await running.execute(counters, "c", Increase(5))
        await kept(running)
        await running.administration.delete(counters, "c", actor="ann", reason="asked")
        assert (await running.load(counters, "c")).version == 0
        assert (await running.execute(counters, "c", Increase(1))).state == 1
