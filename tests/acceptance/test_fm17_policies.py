"""I3, I9, FM-17, G-16: what becomes of an event that cannot be handled."""

import asyncio
from typing import Any

import pytest

from eventfold import Park, ProcessorFailure, Projector, Query, Recorded, Retry, Skip, View, uuid7
from eventfold.domain.message import NewEvent, Stream
from eventfold.errors import HandlerFailed, InvalidInput, ProcessorStopped
from eventfold.ports.event_store import Append
from eventfold.ports.parking import Parked
from eventfold.processing.policy import ErrorPolicy
from tests.acceptance.world import (
    Added,
    Noted,
    Place,
    added,
    application,
    new_event,
    positions,
    record,
    saw,
    seen_t,
    stored,
    sums,
    sums_t,
    tapes,
)
from tests.waiting import until


@pytest.fixture(autouse=True)
def looking_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eventfold.processing.worker.LOOK", 0.01)


class Poison:
    """A projector of sums that cannot bear some numbers, as long as they are in `bad`."""

    def __init__(self, on_error: ErrorPolicy, *bad: int, **options: Any) -> None:
        self.bad = set(bad)
        self.calls: list[int] = []
        self.projector = Projector("sums", tables=[sums_t], on_error=on_error, **options)
        self.projector.on(Added)(self.handle)

    def handle(self, recorded: Recorded[Added], view: View) -> None:
        self.calls.append(recorded.event.n)
        added(recorded, view)
        if recorded.event.n in self.bad:
            raise ValueError(f"{recorded.event.n} is poison")


def told(entries: Any) -> list[tuple[int, bool]]:
    return [(each.position, each.behind) for each in entries]


async def test_i3_a_retry_shows_its_error_and_clears_it_on_success(place: Place) -> None:
    poison = Poison(Retry.constant(0.05), 2)
    failures: list[ProcessorFailure] = []
    async with place.open(application(poison.projector, on_processor_error=failures.append)) as running:
        await running.execute(tapes, "t", record(Added(1), Added(2), Added(3)))

        async def in_trouble() -> bool:
            (listed,) = await running._stores.rows.processors()
            return listed.error is not None and running.status()["sums"].error is not None

        await until(in_trouble)
        status = running.status()["sums"]
        assert (status.running, status.position, status.lag) == (True, 1, 2)
        assert isinstance(status.error, HandlerFailed)
        assert status.lag_seconds >= 0
        poison.bad.clear()
        await running.settled()
        assert await running.query(sums) == [("t", 6)]
        assert running.status()["sums"].error is None
        (listed,) = await running._stores.rows.processors()
        assert listed.error is None
    assert {each.verdict for each in failures} == {"tries again"}
    assert {each.delay for each in failures} == {0.05}


async def test_i3_stop_keeps_error_and_position_and_a_later_run_goes_on(place: Place) -> None:
    from eventfold import Stop

    poison = Poison(Stop(), 2)
    failures: list[ProcessorFailure] = []
    async with place.open(application(poison.projector, on_processor_error=failures.append)) as running:
        outcome = await running.execute(tapes, "t", record(Added(1), Added(2), Added(3)))
        with pytest.raises(ProcessorStopped):
            await running.wait_for("sums", outcome.position)
        status = running.status()["sums"]
        assert (status.running, status.position) == (False, 1)
        assert [each.verdict for each in failures] == ["stopped"]
    poison.bad.clear()
    async with place.open(application(poison.projector)) as running:
        await running.settled()
        assert await running.query(sums) == [("t", 6)]


async def test_g16_skipped_events_are_counted_and_listed(place: Place) -> None:
    poison = Poison(Skip(), 2, 4)
    failures: list[ProcessorFailure] = []
    async with place.open(application(poison.projector, on_processor_error=failures.append)) as running:
        await running.execute(tapes, "t", record(*(Added(n) for n in range(1, 6))))
        await running.settled()
        assert await running.query(sums) == [("t", 1 + 3 + 5)]
        lot = running._stores.parking
        assert list(await lot.parked("sums")) == []
        listed = await lot.parked("sums", resolved=True)
        assert [(each.position, each.resolution, each.attempts) for each in listed] == [
            (2, "skipped", 1),
            (4, "skipped", 1),
        ]
        assert "2 is poison" in listed[0].error
        assert (await lot.counts())["sums"] == (0, 2)
    assert [each.verdict for each in failures] == ["skipped", "skipped"]


async def test_fm17_parking_keeps_the_order_of_the_stream_and_others_go_on(place: Place) -> None:
    poison = Poison(Park(), 2)
    async with place.open(application(poison.projector)) as running:
        await running.execute(tapes, "a", record(Added(1), Added(2), Added(3)))  # 1, 2, 3
        await running.execute(tapes, "b", record(Added(10)))  # 4
        await running.execute(tapes, "a", record(Added(4)))  # 5
        await running.settled()
        assert await running.query(sums) == [("a", 1), ("b", 10)]
        entries = await running._stores.parking.parked("sums")
        assert told(entries) == [(2, False), (3, True), (5, True)]
        assert all(each.stream == Stream("tape", "a") and each.type == "Added" for each in entries)
        assert running.status()["sums"].error is None


async def test_fm17_a_parked_stream_stays_parked_after_a_restart(place: Place) -> None:
    poison = Poison(Park(), 2)
    async with place.open(application(poison.projector)) as running:
        await running.execute(tapes, "a", record(Added(1), Added(2)))
        await running.settled()
    poison.bad.clear()
    async with place.open(application(poison.projector)) as running:
        await running.execute(tapes, "a", record(Added(3)))
        await running.settled()
        assert await running.query(sums) == [("a", 1)]
        assert told(await running._stores.parking.parked("sums")) == [(2, False), (3, True)]


async def open_ones(running: Any) -> list[Parked]:
    return list(await running._stores.parking.parked("sums"))


async def test_fm17_a_retry_goes_on_with_those_behind_it_in_order(place: Place) -> None:
    poison = Poison(Park(), 2)
    async with place.open(application(poison.projector)) as running:
        lot = running._stores.parking
        await running.execute(tapes, "a", record(Added(1), Added(2), Added(3), Added(4)))
        await running.settled()
        with pytest.raises(InvalidInput):
            await lot.ask("sums", 3, "retry", actor="ann")
        await lot.ask("sums", 2, "retry", actor="ann")

        async def tried() -> bool:
            return (await open_ones(running))[0].attempts == 2

        await until(tried)
        assert await running.query(sums) == [("a", 1)]
        assert told(await open_ones(running)) == [(2, False), (3, True), (4, True)]
        poison.bad.clear()
        poison.calls.clear()
        await lot.ask("sums", 2, "retry", actor="ann", reason="fixed")

        async def empty() -> bool:
            return not await open_ones(running)

        await until(empty)
        assert poison.calls == [2, 3, 4]
        assert await running.query(sums) == [("a", 10)]
        listed = await lot.parked("sums", resolved=True)
        assert [each.resolution for each in listed] == ["retried"] * 3
        assert (listed[0].actor, listed[0].reason) == ("ann", "fixed")
        await running.execute(tapes, "a", record(Added(5)))
        await running.settled()
        assert await running.query(sums) == [("a", 15)]


async def test_fm17_dropping_the_first_lets_the_others_go_on(place: Place) -> None:
    poison = Poison(Park(), 2)
    async with place.open(application(poison.projector)) as running:
        lot = running._stores.parking
        await running.execute(tapes, "a", record(Added(1), Added(2), Added(3)))
        await running.settled()
        await lot.ask("sums", 2, "drop", actor="ann", reason="a typing error")

        async def empty() -> bool:
            return not await open_ones(running)

        await until(empty)
        assert await running.query(sums) == [("a", 4)]
        listed = await lot.parked("sums", resolved=True)
        assert [each.resolution for each in listed] == ["dropped", "retried"]
        assert (listed[0].actor, listed[0].reason) == ("ann", "a typing error")


async def test_fm17_an_edited_event_is_handled_as_edited_and_the_log_is_as_it_was(place: Place) -> None:
    poison = Poison(Park(), 2)
    async with place.open(application(poison.projector)) as running:
        lot = running._stores.parking
        await running.execute(tapes, "a", record(Added(2)))
        await running.settled()
        await lot.edit("sums", 1, b'{"n": 7}', actor="ann", reason="it was 7")
        await lot.ask("sums", 1, "retry", actor="ann")

        async def empty() -> bool:
            return not await open_ones(running)

        await until(empty)
        assert await running.query(sums) == [("a", 7)]
        (event,) = await stored(running)
        assert event.data == b'{"n":2}'


async def test_fm17_what_is_asked_for_while_nothing_runs_is_done_at_the_next_start(place: Place) -> None:
    poison = Poison(Park(), 2)
    async with place.open(application(poison.projector)) as running:
        await running.execute(tapes, "a", record(Added(2), Added(3)))
        await running.settled()
    poison.bad.clear()
    async with place.open(application(poison.projector), run=False) as running:
        await running._stores.parking.ask("sums", 1, "retry", actor="ann")
        assert told(await open_ones(running)) == [(1, False), (2, True)]
    async with place.open(application(poison.projector)) as running:

        async def empty() -> bool:
            return not await open_ones(running)

        await until(empty)
        assert await running.query(sums) == [("a", 5)]


async def test_fm17_with_too_many_parked_it_stops(place: Place) -> None:
    poison = Poison(Park(most=2), 1, 2, 3)
    async with place.open(application(poison.projector)) as running:
        await running.execute(tapes, "1", record(Added(1)))
        await running.execute(tapes, "2", record(Added(2)))
        outcome = await running.execute(tapes, "3", record(Added(3)))
        with pytest.raises(ProcessorStopped, match="2 events are parked already"):
            await running.wait_for("sums", outcome.position)
        assert running.status()["sums"].position == 2


async def test_fm17_an_undecodable_event_is_parked_like_any_other(place: Place) -> None:
    poison = Poison(Retry.constant(60.0, then=Park()))
    async with place.open(application(poison.projector)) as running:
        await running.sink.append(
            Append(Stream("tape", "a"), [NewEvent(event_id=uuid7().bytes, type="Added", data=b'{"n": "many"}')])
        )
        outcome = await running.execute(tapes, "b", record(Added(1)))
        await running.wait_for("sums", outcome.position)
        (entry,) = await open_ones(running)
        assert (entry.position, entry.behind) == (1, False)
        assert "DecodeError" in entry.error
        assert await running.query(sums) == [("b", 1)]


async def test_fm17_one_poison_event_in_a_hundred_under_each_policy(place: Place) -> None:
    """1,000 events, every hundredth is poison: counts are exact, and parked streams are replayed in order."""
    bad = tuple(range(100, 1_001, 100))
    streams = 7
    policies: list[ErrorPolicy] = [Skip(), Park(), Retry.constant(0.0, attempts=2, then=Skip())]
    for number, policy in enumerate(policies):
        poison = Poison(policy, *bad, version=number + 1)
        async with place.open(application(poison.projector)) as running:
            if number == 0:
                for start in range(1, 1_001, 50):
                    await running.sink.append(
                        *(
                            Append(Stream("tape", str(s)), [new_event(uuid7().bytes, n) for n in numbers])
                            for s, numbers in _by_stream(range(start, start + 50), streams).items()
                        )
                    )
            await running.settled(timeout=60)
            lot = running._stores.parking
            expected = {str(s): 0 for s in range(streams)}
            blocked: set[int] = set()
            behind = 0
            async for event in running.source.read_all(Query.all()):
                n, stream = int((event.data or b"").removeprefix(b'{"n":').removesuffix(b"}")), int(event.id)
                if isinstance(policy, Park) and stream in blocked:
                    behind += 1
                elif n in bad:
                    blocked.add(stream)
                else:
                    expected[event.id] += n
            assert await running.query(sums) == sorted(expected.items())
            if not isinstance(policy, Park):
                assert (await lot.counts())["sums"] == (0, len(bad))
                continue
            entries = await lot.parked("sums", limit=10_000)
            assert sum(each.behind for each in entries) == behind
            assert len(entries) == behind + len(blocked)
            poison.bad.clear()
            for entry in entries:
                if not entry.behind:
                    await lot.ask("sums", entry.position, "retry", actor="ann")

            async def empty(lot: Any = lot) -> bool:
                return not await lot.parked("sums")

            await until(empty)
            whole = {str(s): sum(n for n in range(1, 1_001) if n % streams == s) for s in range(streams)}
            assert await running.query(sums) == sorted(whole.items())


def _by_stream(numbers: range, streams: int) -> dict[int, list[int]]:
    return {s: [n for n in numbers if n % streams == s] for s in range(streams)}


async def test_fm17_a_function_that_hangs_has_failed(place: Place) -> None:
    projector = Projector("sums", tables=[sums_t], on_error=Park(), timeout=0.05)

    @projector.on(Added)
    async def hanging(recorded: Recorded[Added], view: View) -> None:
        added(recorded, view)
        if recorded.event.n == 2:
            await asyncio.Event().wait()
        await asyncio.sleep(0)

    async with place.open(application(projector)) as running:
        await running.execute(tapes, "a", record(Added(1), Added(2)))
        await running.execute(tapes, "b", record(Added(3)))
        await running.settled()
        assert await running.query(sums) == [("a", 1), ("b", 3)]
        (entry,) = await open_ones(running)
        assert "longer than the 0.05 s" in entry.error


# ---------------------------------------------------------------------------------- I9


async def test_i9_with_transactions_of_one_what_precedes_the_failing_event_is_kept(place: Place) -> None:
    from eventfold import Stop

    poison = Poison(Stop(), 2, transaction_size=1)
    async with place.open(application(poison.projector)) as running:
        outcome = await running.execute(tapes, "t", record(Added(1), Added(2)))
        with pytest.raises(ProcessorStopped):
            await running.wait_for("sums", outcome.position)
        assert running.status()["sums"].position == 1
        assert await running.query(sums) == [("t", 1)]


async def test_i9_with_transactions_of_two_both_are_rolled_back_and_the_culprit_is_named(place: Place) -> None:
    from eventfold import Stop

    poison = Poison(Stop(), 2, transaction_size=2)
    async with place.open(application(poison.projector)) as running:
        outcome = await running.execute(tapes, "t", record(Added(1), Added(2)))
        with pytest.raises(ProcessorStopped) as stopped:
            await running.wait_for("sums", outcome.position)
        assert running.status()["sums"].position == 0
        assert await running.query(sums) == []
        assert isinstance(stopped.value.cause, HandlerFailed)
        assert "position 2" in stopped.value.cause.where


async def test_i9_a_row_that_fails_is_found_in_a_transaction_of_many(place: Place) -> None:
    """The error shows when rows are sent, and still names the event whose row it is."""
    projector = Projector("seen", tables=[seen_t], transaction_size=10)
    twice: set[int] = {3}

    @projector.on(Added, Noted)
    def seeing(recorded: Recorded[Added | Noted], view: View) -> None:
        saw(recorded, view)
        if recorded.position in twice:
            saw(recorded, view)  # its key is there already

    async with place.open(application(projector)) as running:
        outcome = await running.execute(tapes, "t", record(*(Added(n) for n in range(1, 6))))
        with pytest.raises(ProcessorStopped) as stopped:
            await running.wait_for("seen", outcome.position)
        assert isinstance(stopped.value.cause, HandlerFailed)
        assert "position 3" in stopped.value.cause.where
        assert await running.query(positions) == []


async def test_i9_a_parked_event_is_left_out_of_its_transaction_with_those_behind_it(place: Place) -> None:
    poison = Poison(Park(), 2, transaction_size=10)
    async with place.open(application(poison.projector)) as running:
        await running.sink.append(
            Append(Stream("tape", "a"), [new_event(uuid7().bytes, n) for n in (1, 2, 3)]),
            Append(Stream("tape", "b"), [new_event(uuid7().bytes, 5)]),
        )
        await running.settled()
        assert await running.query(sums) == [("a", 1), ("b", 5)]
        assert told(await open_ones(running)) == [(2, False), (3, True)]


async def test_i9_a_transaction_waits_for_more_events_as_long_as_it_was_told(place: Place) -> None:
    sizes: list[int] = []
    projector = Projector("seen", tables=[seen_t], transaction_interval=0.3)

    @projector.on_batch(Added)
    def seeing(batch: Any, view: View) -> None:
        sizes.append(len(batch))
        for recorded in batch:
            saw(recorded, view)

    async with place.open(application(projector)) as running:
        await running.settled()
        for n in range(5):
            await running.execute(tapes, "t", record(Added(n)))
        await running.settled()
        assert await running.query(positions) == [(n,) for n in range(1, 6)]
    assert sum(sizes) == 5
    assert len(sizes) < 5
