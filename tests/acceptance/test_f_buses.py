"""Buses: what a command has stored goes out, after the handlers, and nobody waits for it without need."""

import asyncio
import tracemalloc
from typing import Any

import pytest

from eventfold import (
    Aggregate,
    Channel,
    Eventfold,
    EventHandler,
    HandlerFailure,
    Handling,
    Recorded,
    Stream,
    TransactionalHandler,
)
from eventfold.commands import dispatch, outbox
from eventfold.errors import HandlerFailed, InvalidInput, ProcessingError
from tests.acceptance.world import Added, AddUnless, File, Noted, Place, TapeFull, application, record, tapes


class Heard:
    """A bus of a user's."""

    def __init__(self, name: str = "heard") -> None:
        self.name = name
        self.heard: list[Recorded[Any]] = []

    async def publish(self, recorded: Recorded[Any]) -> None:
        self.heard.append(recorded)

    @property
    def numbers(self) -> list[int]:
        return [each.event.n for each in self.heard]


class Slow(Heard):
    """Publishes nothing until it is released."""

    def __init__(self, name: str = "slow", *, backlog: int = 1_000) -> None:
        super().__init__(name)
        self.backlog = backlog
        self.released = asyncio.Event()

    async def publish(self, recorded: Recorded[Any]) -> None:
        await self.released.wait()
        await super().publish(recorded)


class Failing(Heard):
    async def publish(self, recorded: Recorded[Any]) -> None:
        if recorded.event.n % 3 == 0:
            raise ConnectionError("the broker is away")
        if recorded.event.n % 3 == 1:
            raise asyncio.CancelledError
        await super().publish(recorded)


class Failures(list[HandlerFailure]):
    def __call__(self, failure: HandlerFailure) -> None:
        self.append(failure)


async def turns(number: int = 20) -> None:
    for _ in range(number):
        await asyncio.sleep(0)


# ------------------------------------------------------------------------------------------- what comes


async def test_f1_each_event_comes_once_after_the_handlers_and_in_order(place: Place) -> None:
    bus, failures = Heard(), Failures()
    handled: list[tuple[int, int]] = []
    handler = EventHandler("slow")

    @handler.on_any()
    async def slow(recorded: Recorded[Any], handling: Handling) -> None:
        await turns(recorded.event.n % 4)
        handled.append((recorded.event.n, len(bus.heard)))

    app = application(handlers=[handler], buses=[bus], on_handler_error=failures)
    async with place.open(app) as running:
        outcome = await running.execute(tapes, "t", record(Added(1), Added(2)))
        assert handled == [(1, 0), (2, 0)]
        await asyncio.gather(*(running.execute(tapes, f"t{n % 3}", record(Added(n))) for n in range(30)))
    assert bus.heard[:2] == list(outcome.events)
    for id in ("t0", "t1", "t2"):
        assert [each.version for each in bus.heard if each.id == id] == list(range(1, 11))
    assert len({each.event_id for each in bus.heard}) == len(bus.heard) == 32
    assert failures == []


async def test_f1_nothing_of_what_is_not_stored_is_published(place: Place) -> None:
    bus = Heard()
    async with place.open(application(buses=[bus])) as running:
        with pytest.raises(TapeFull):
            await running.execute(tapes, "t", AddUnless(1, limit=0))
        with pytest.raises(TypeError):
            await running.execute(tapes, "t", record(Added("one")))  # type: ignore[arg-type]  # that is the point
        await running.execute(tapes, "t", record())
    assert bus.heard == []


async def test_f1_nothing_is_published_after_a_roll_back(place: Place) -> None:
    bus = Heard()
    handler = TransactionalHandler("fails")

    @handler.on(Noted)
    def fails(pending: Any, view: Any) -> None:
        raise ValueError("no")

    async with place.open(application(handlers=[handler], buses=[bus])) as running:
        with pytest.raises(HandlerFailed):
            await running.execute(tapes, "t", record(Added(1), Noted("x")))
        await running.execute(tapes, "t", record(Added(2)))
    assert bus.numbers == [2]


# ------------------------------------------------------------------------------------- several of them


async def test_f1_a_slow_and_a_failing_bus_hold_up_neither_the_command_nor_each_other(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    slow, failing, good, failures = Slow(), Failing("failing"), Heard("good"), Failures()
    app = application(buses=[slow, failing, good], on_handler_error=failures)
    async with place.open(app) as running:
        outcomes = [await running.execute(tapes, "t", record(Added(n))) for n in range(6)]
        await turns()
        assert slow.numbers == []
        assert good.numbers == [0, 1, 2, 3, 4, 5]
        assert failing.numbers == [2, 5]
        slow.released.set()
    assert slow.numbers == [0, 1, 2, 3, 4, 5]
    assert [(each.event, each.processor, type(each.error)) for each in failures] == [
        (outcomes[0].events[0], "failing", ConnectionError),
        (outcomes[1].events[0], "failing", asyncio.CancelledError),
        (outcomes[3].events[0], "failing", ConnectionError),
        (outcomes[4].events[0], "failing", asyncio.CancelledError),
    ]
    told = [each.getMessage() for each in caplog.records if each.name == "eventfold.commands"]
    assert len(told) == 4
    assert "'failing' failed on event" in told[0]
    assert "the broker is away" in told[0]


async def test_f1_a_bus_without_a_name_is_called_by_its_class(place: Place) -> None:
    class Broken:
        async def publish(self, recorded: Recorded[Any]) -> None:
            raise ValueError("no")

    failures = Failures()
    async with place.open(application(buses=[Broken()], on_handler_error=failures)) as running:
        await running.execute(tapes, "t", record(Added(1)))
    assert [each.processor for each in failures] == ["Broken"]


async def test_f1_a_bus_that_is_added_later_gets_the_next_events(place: Place) -> None:
    bus = Heard()
    async with place.open(application()) as running:
        await running.execute(tapes, "t", record(Added(1)))
        await running.add(bus)
        await running.execute(tapes, "t", record(Added(2)))
    assert bus.numbers == [2]


async def test_f1_a_bus_that_executes_commands_does_not_wait_for_itself(place: Place) -> None:
    class Answers(Heard):
        backlog = 1

        async def publish(self, recorded: Recorded[Any]) -> None:
            await super().publish(recorded)
            if recorded.event.n < 3:
                await opened[0].execute(tapes, "t", record(Added(recorded.event.n + 1)))

    bus = Answers()
    async with place.open(application(buses=[bus])) as running:
        opened = [running]
        async with asyncio.timeout(20):
            await running.execute(tapes, "t", record(Added(1)))
    assert bus.numbers == [1, 2, 3]


async def test_f1_buses_that_execute_commands_do_not_wait_for_those_who_wait_for_them(place: Place) -> None:
    class Answers(Heard):
        backlog = 1

        async def publish(self, recorded: Recorded[Any]) -> None:
            await super().publish(recorded)
            if recorded.event.n < 2:
                await turns()  # others come first, and wait for there to be room
                await opened[0].execute(tapes, "t", record(Added(recorded.event.n + 1)))

    a, b = Answers("a"), Answers("b")
    async with place.open(application(buses=[a, b])) as running:
        opened = [running]
        async with asyncio.timeout(30):
            await asyncio.gather(*(running.execute(tapes, "t", record(Added(0))) for _ in range(6)))
    assert sorted(a.numbers) == sorted(b.numbers) == [0] * 6 + [1] * 12 + [2] * 24
    assert [each.version for each in a.heard] == [each.version for each in b.heard] == list(range(1, 43))


# ------------------------------------------------------------------------------------ a full one, and the end


async def test_f1_a_command_waits_for_a_bus_that_is_full_and_the_others_have_its_events(place: Place) -> None:
    slow, good = Slow(backlog=3), Heard()
    async with place.open(application(buses=[slow, good])) as running:
        for n in range(3):
            await running.execute(tapes, "t", record(Added(n)))
        waits = asyncio.create_task(running.execute(tapes, "t", record(Added(3), Added(4))))
        async with asyncio.timeout(20):
            while len(good.heard) < 5:  # noqa: ASYNC110 - it is the bus that is watched, from outside
                await asyncio.sleep(0)
        assert not waits.done()
        slow.released.set()
        await waits
    assert slow.numbers == good.numbers == [0, 1, 2, 3, 4]


async def test_f1_a_command_within_a_handler_leaves_its_events_to_who_waits_for_the_bus(place: Place) -> None:
    slow, good = Slow(backlog=1), Heard()
    handler = EventHandler("saga")

    @handler.on(Noted)
    async def answers(recorded: Recorded[Noted], handling: Handling) -> None:
        await handling.execute(tapes, "t", record(Added(3)))

    async with asyncio.timeout(30), place.open(application(handlers=[handler], buses=[slow, good])) as running:
        await running.execute(tapes, "t", record(Added(1)))
        waits = asyncio.create_task(running.execute(tapes, "t", record(Added(2))))
        while len(good.heard) < 2:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0)
        outer = asyncio.create_task(running.execute(tapes, "other", record(Noted("x"))))
        while len(running._recorder.dispatch._lines.get(Stream("tape", "t"), ())) < 2:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0)
        await turns()
        assert not waits.done()
        slow.released.set()
        await asyncio.gather(waits, outer)
    for bus in (slow, good):
        assert [each.version for each in bus.heard if each.id == "t"] == [1, 2, 3]
        assert len(bus.heard) == 4


async def test_f1_bytes_are_bounded_as_well_as_events(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "MOST_BYTES", 1_000)
    slow = Slow()
    async with asyncio.timeout(30), place.open(application(buses=[slow])) as running:
        await running.execute(tapes, "t", record(Noted("x" * 2_000)))  # one always fits
        waits = asyncio.create_task(running.execute(tapes, "other", record(Noted("y"))))
        while not running._recorder.dispatch._lines:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0)
        await turns()
        assert not waits.done()
        slow.released.set()
        await waits


async def test_f1_a_command_that_is_cancelled_while_a_bus_is_full_tells_what_was_not_published(place: Place) -> None:
    slow, good, failures = Slow(backlog=1), Heard(), Failures()
    async with place.open(application(buses=[slow, good], on_handler_error=failures)) as running:
        await running.execute(tapes, "t", record(Added(1)))
        waits = asyncio.create_task(running.execute(tapes, "t", record(Added(2), Added(3))))
        while len(good.heard) < 3:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0)
        waits.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waits
        assert [(each.processor, type(each.error)) for each in failures] == [("slow", ProcessingError)] * 2
        assert "was cancelled: not published there" in str(failures[0].error)
        slow.released.set()
        await running.execute(tapes, "t", record(Added(4)))
    assert slow.numbers == [1, 4]
    assert good.numbers == [1, 2, 3, 4]


async def test_f1_what_waits_is_published_before_the_application_ends(place: Place) -> None:
    class Dawdles(Heard):
        async def publish(self, recorded: Recorded[Any]) -> None:
            await turns(5)
            await super().publish(recorded)

    bus = Dawdles()
    async with place.open(application(buses=[bus])) as running:
        for n in range(20):
            await running.execute(tapes, "t", record(Added(n)))
    assert bus.numbers == list(range(20))


@pytest.mark.parametrize("stubborn", [False, True])
async def test_f1_a_bus_that_never_ends_is_left_and_told(
    place: Place, stubborn: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(dispatch, "DRAIN", 0.1)
    monkeypatch.setattr(outbox, "_LAST_WORD", 0.1)
    released = asyncio.Event()

    class Endless(Heard):
        async def publish(self, recorded: Recorded[Any]) -> None:
            while not released.is_set():
                try:
                    await released.wait()
                except asyncio.CancelledError:
                    if not stubborn:
                        raise

    failures, good = Failures(), Heard()
    async with place.open(application(buses=[Endless("endless"), good], on_handler_error=failures)) as running:
        for n in range(3):
            await running.execute(tapes, "t", record(Added(n)))
    assert [(each.processor, each.event.event.n) for each in failures if isinstance(each.event, Recorded)] == [
        ("endless", n) for n in range(3)
    ]
    assert "the application was closed before bus 'endless' had published it" in str(failures[0].error)
    assert good.numbers == [0, 1, 2]
    assert ("does not let itself be cancelled" in caplog.text) == stubborn
    released.set()
    await turns()


async def test_f1_a_command_that_waits_when_the_application_ends_is_let_go(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch, "DRAIN", 0.1)
    slow, good, failures = Slow(backlog=1), Heard(), Failures()
    async with place.open(application(buses=[slow, good], on_handler_error=failures)) as running:
        await running.execute(tapes, "t", record(Added(1)))
        waits = asyncio.create_task(running.execute(tapes, "t", record(Added(2))))
        while len(good.heard) < 2:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0)
    async with asyncio.timeout(10):
        assert (await waits).version == 2
    assert [each.processor for each in failures] == ["slow", "slow"]


# --------------------------------------------------------------------------------------------- the channel


async def test_f5_a_fast_producer_waits_for_the_consumer_and_nothing_is_lost(place: Place) -> None:
    channel = Channel(capacity=100)
    produced = 0
    taken: list[int] = []

    async def consume() -> None:
        async for recorded in channel:
            taken.append(recorded.event.n)
            if len(taken) == 500:
                return
            most.append(produced - len(taken))

    most: list[int] = []
    async with place.open(application(buses=[channel])) as running:

        async def produce() -> None:
            nonlocal produced
            for produced in range(1, 501):
                await running.execute(tapes, "t", record(Added(produced)))

        producer = asyncio.create_task(produce())
        async with asyncio.timeout(60):
            while len(channel) < 100:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0)
            await asyncio.sleep(0.05)  # more would come now
            assert 101 <= produced <= 103  # those in it, the one that waits, the one whose command waits
            assert len(channel) == 100
            await asyncio.gather(producer, consume())
    assert taken == list(range(1, 501))
    assert max(most) <= 103


async def test_f5_several_consumers_share_and_a_closed_channel_ends(place: Place) -> None:
    channel, failures = Channel(capacity=2, name="work"), Failures()
    taken: list[list[int]] = [[], []]

    async def consume(mine: list[int]) -> None:
        async for recorded in channel:
            mine.append(recorded.event.n)
            await asyncio.sleep(0)

    async with place.open(application(buses=[channel], on_handler_error=failures)) as running:
        consumers = [asyncio.create_task(consume(each)) for each in taken]
        for n in range(20):
            await running.execute(tapes, "t", record(Added(n)))
        await channel.close()
        await running.execute(tapes, "t", record(Added(99)))
        await asyncio.gather(*consumers)
    assert sorted(taken[0] + taken[1]) == list(range(20 - len(failures) + 1))
    assert all(isinstance(each.error, InvalidInput) and each.processor == "work" for each in failures)
    assert failures[-1].event.event == Added(99)  # type: ignore[union-attr]  # it is recorded


def test_f5_a_channel_holds_at_least_one() -> None:
    with pytest.raises(InvalidInput, match="capacity=0"):
        Channel(capacity=0)


def _note(command: Noted, count: int) -> list[Noted]:
    return [command]


def _count(count: int, event: Noted) -> int:
    return count + 1


notes = Aggregate("note", initial=0, decide=_note, evolve=_count)


async def test_fm53_a_consumer_ten_times_too_slow_holds_the_producer_back_and_fills_no_memory(file: File) -> None:
    size, number = 20_000, 300
    channel = Channel(capacity=10)
    seen, most = 0, 0

    async def consume() -> None:
        nonlocal seen
        async for _ in channel:
            seen += 1
            await asyncio.sleep(0.01)  # ten times what a command takes

    async with file.open(Eventfold(deciders=[notes], buses=[channel])) as running:
        consumer = asyncio.create_task(consume())
        await running.execute(notes, "n", Noted("warm"))
        tracemalloc.start()
        try:
            for n in range(number):
                await running.execute(notes, "n", Noted(f"{n} ".ljust(size, "x")))
                most = max(most, tracemalloc.get_traced_memory()[0])
        finally:
            tracemalloc.stop()
        assert seen >= number - 15  # it was waited for
        async with asyncio.timeout(60):
            while seen < number + 1:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.01)
        consumer.cancel()
    assert most < 15 * 3 * size + 500_000 < number * size / 3, most  # an event is there as text, and as bytes
