"""Entities: one loop for many tasks, how many commands may wait for it, and what ends it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from eventfold import (
    Aggregate,
    CallNext,
    Entity,
    Eventfold,
    EventHandler,
    Handling,
    Invocation,
    Recorded,
    Running,
    Snapshots,
)
from eventfold.bootstrap import application as bootstrap
from eventfold.domain.message import Stream
from eventfold.errors import ConcurrencyConflict, EntityEnded, InvalidInput, MailboxFull, StoreUnavailable
from eventfold.ports.event_store import Append
from tests.acceptance.counters import Changed, Decrease, Increase, Underflow, changed, count
from tests.acceptance.world import (
    Added,
    AddUnless,
    Interposed,
    Place,
    Tape,
    TapeFull,
    application,
    interposed,
    new_event,
    record,
    stream,
    tapes,
)


async def turns() -> None:
    """Whoever can go on has gone on."""
    for _ in range(20):
        await asyncio.sleep(0)


class Gate:
    """Appends stop here until it is open."""

    def __init__(self, store: Interposed) -> None:
        self.open = asyncio.Event()
        self.reached = asyncio.Event()
        store.before = self.pass_through

    async def pass_through(self) -> None:
        self.reached.set()
        await self.open.wait()


# --------------------------------------------------------------------------------- H1


counters = Aggregate("counter", initial=0, decide=count, evolve=changed)


async def test_h1_forty_two_events_and_a_snapshot_at_21_then_43_underflow_42(place: Place) -> None:
    kept = Aggregate("counter", initial=0, decide=count, evolve=changed, snapshots=Snapshots(when=at_21))
    app = Eventfold(deciders=[kept])
    async with place.open(app) as running:
        for _ in range(42):
            await running.execute(kept, "c", Increase(1))
    async with place.open(app) as running, running.entity(kept, "c") as counter:
        snapshot = await running._stores.snapshots.snapshot(kept.stream("c"))
        assert snapshot is not None
        assert (snapshot.version, snapshot.data) == (21, b"21")
        assert (await counter.load()).state == 42
        assert (await counter.execute(Increase(1))).state == 43
        with pytest.raises(Underflow):
            await counter.execute(Decrease(100))
        assert (await counter.execute(Decrease(1))).state == 42
        assert (await running.load(kept, "c")).version == 44


def at_21(value: int, before: int, version: int) -> bool:
    return version == 21


# --------------------------------------------------------------------------------- H2


async def test_h2_references_of_several_tasks_share_one_serial_loop(place: Place) -> None:
    """With one attempt a second command beside the first would conflict."""
    at_once = most = 0

    def enter() -> None:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)

    def leave(_: object) -> None:
        nonlocal at_once
        at_once -= 1

    async with place.open(application(attempts=1)) as running:
        store = interposed(running)
        store.before, store.after = enter, leave

        async def task(shared: Entity[Any, Tape, Any]) -> None:
            async with running.entity(tapes, "t") as own:
                for _ in range(5):
                    await asyncio.gather(shared.execute(record(Added(1))), own.execute(record(Added(1))))

        async with running.entity(tapes, "t") as shared:
            await asyncio.gather(*(task(shared) for _ in range(4)))
            assert (await shared.load()).state.sum == 40
        assert (most, store.appends) == (1, 40)


async def test_h2_commands_are_decided_in_the_order_in_which_they_were_sent(place: Place) -> None:
    async with place.open(application()) as running, running.entity(tapes, "t", mailbox=3) as tape:
        await asyncio.gather(*(tape.execute(record(Added(n))) for n in range(20)))
        assert [event.data for event in await stream(running, "t")] == [b'{"n":%d}' % n for n in range(20)]


async def test_h2_other_entities_do_not_wait(place: Place) -> None:
    async with place.open(application()) as running:
        store = interposed(running)
        async with running.entity(tapes, "a") as a, running.entity(tapes, "b") as b:
            gate = Gate(store)
            first = asyncio.create_task(a.execute(record(Added(1))))
            await gate.reached.wait()
            store.before = None
            assert (await b.execute(record(Added(2)))).state.sum == 2
            gate.open.set()
            assert (await first).state.sum == 1


async def test_h2_the_mailbox_bounds_pending_commands_and_senders_wait_for_a_place(place: Place) -> None:
    async with place.open(application()) as running, running.entity(tapes, "t", mailbox=2) as tape:
        gate = Gate(interposed(running))
        sent = [asyncio.create_task(tape.execute(record(Added(1)))) for _ in range(2)]
        await gate.reached.wait()
        await turns()
        with pytest.raises(MailboxFull) as full:
            async with asyncio.timeout(10):
                await tape.execute(record(Added(100)), timeout=0.05)
        assert (full.value.size, full.value.retryable) == (2, True)
        waiting = [asyncio.create_task(tape.execute(record(Added(1)))) for _ in range(3)]
        await turns()
        assert not any(task.done() for task in (*sent, *waiting))
        gate.open.set()
        await asyncio.gather(*sent, *waiting)
        assert (await tape.execute(record(Added(1)), timeout=0.05)).state.sum == 6, "the full one decided nothing"


async def test_h2_a_handler_may_send_to_the_entity_that_told_it_even_when_it_was_full(place: Place) -> None:
    handler = EventHandler("again")

    @handler.on(Added)
    async def again(recorded: Recorded[Added], _: Handling) -> None:
        if recorded.event.n:
            async with asyncio.timeout(10), running.entity(tapes, "t", mailbox=1) as tape:
                await tape.execute(record(Added(recorded.event.n - 1)))

    app = application(handlers=[handler])
    async with place.open(app) as running, running.entity(tapes, "t", mailbox=1) as tape:
        await tape.execute(record(Added(3)))
        assert (await tape.load()).state.sum == 6


async def test_h2_other_processes_may_write_too_and_the_append_is_verified(place: Place) -> None:
    async with place.open(application()) as running, running.entity(tapes, "t") as tape:
        await tape.execute(record(Added(1)))
        async with place.open(application()) as other:
            await other.execute(tapes, "t", record(Added(9)))
        with pytest.raises(TapeFull):
            await tape.execute(AddUnless(1, limit=10))
        assert (await tape.execute(record(Added(1)))).version == 3


async def test_h2_middleware_stands_around_it_too() -> None:
    async def doubled(invocation: Invocation, call_next: CallNext) -> Any:
        assert (invocation.decider, invocation.id) == (tapes, "t")
        return await call_next(msgspec.structs.replace(invocation, command=record(Added(1), Added(1))))

    app = application(middleware=[doubled])
    async with app.open("memory:") as running, running.entity(tapes, "t") as tape:
        assert (await tape.execute(record(Added(1)))).state.sum == 2


# --------------------------------------------------------------------------------- H5


@asynccontextmanager
async def failing(place: Place, **options: Any) -> AsyncIterator[tuple[Running, Entity[Any, Tape, Any], Interposed]]:
    """An entity whose next append fails."""
    async with place.open(application()) as running, running.entity(tapes, "t", **options) as tape:
        await tape.execute(record(Added(1)))
        store = interposed(running)

        def fail() -> None:
            store.before = None
            raise StoreUnavailable("the disk is gone")

        store.before = fail
        yield running, tape, store


async def test_h5_an_append_that_fails_ends_the_entity_and_opening_it_again_recovers(place: Place) -> None:
    async with failing(place, on_failure="end") as (running, tape, store):
        sent = [asyncio.create_task(tape.execute(record(Added(1)))) for _ in range(3)]
        first, *later = await asyncio.gather(*sent, return_exceptions=True)
        assert isinstance(first, StoreUnavailable)
        assert [type(each) for each in later] == [EntityEnded, EntityEnded], "those that had been sent already"
        with pytest.raises(EntityEnded, match="could not be stored") as ended:
            await tape.execute(record(Added(1)))
        assert ended.value.__cause__ is first
        with pytest.raises(EntityEnded):
            await tape.load()
        assert store.appends == 1, "later ones fail before anything is touched"
        async with running.entity(tapes, "t", on_failure="end") as again:
            assert (await again.execute(record(Added(1)))).state.sum == 2
            with pytest.raises(EntityEnded):
                await tape.execute(record(Added(1)))


async def test_h5_by_default_it_reloads_and_goes_on(place: Place) -> None:
    async with failing(place) as (_, tape, _store):
        sent = [asyncio.create_task(tape.execute(record(Added(1)))) for _ in range(3)]
        first, *later = await asyncio.gather(*sent, return_exceptions=True)
        assert isinstance(first, StoreUnavailable)
        assert [each.state.sum for each in later if not isinstance(each, BaseException)] == [2, 3]


async def test_h5_a_rejection_ends_nothing(place: Place) -> None:
    async with place.open(application()) as running, running.entity(tapes, "t", on_failure="end") as tape:
        with pytest.raises(TapeFull):
            await tape.execute(AddUnless(1, limit=0))
        assert (await tape.execute(record(Added(1)))).version == 1


async def test_h5_a_conflict_in_the_end_is_a_failure_too() -> None:
    app = application(attempts=1)
    async with app.open("memory:") as running, running.entity(tapes, "t", on_failure="end") as tape:
        store = interposed(running)
        await tape.execute(record(Added(1)))

        async def somebody_else() -> None:
            store.before = None
            await store._sink.append(Append(Stream("tape", "t"), [new_event(uuid4().bytes)]))

        store.before = somebody_else
        with pytest.raises(ConcurrencyConflict):
            await tape.execute(record(Added(1)))
        with pytest.raises(EntityEnded):
            await tape.execute(record(Added(1)))


# -------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    "bad", [{"mailbox": 0}, {"idle": 0.0}, {"idle": float("nan")}, {"on_failure": "explode"}], ids=str
)
async def test_h2_settings_that_are_none(bad: dict[str, Any]) -> None:
    async with application().open("memory:") as running:
        with pytest.raises(InvalidInput):
            async with running.entity(tapes, "t", **bad):
                raise AssertionError("it was opened")


async def test_h2_references_to_one_mailbox_agree_about_it() -> None:
    async with application().open("memory:") as running, running.entity(tapes, "t", mailbox=2):
        with pytest.raises(InvalidInput, match="shares one mailbox"):
            async with running.entity(tapes, "t", mailbox=3):
                raise AssertionError("it was opened")
        async with running.entity(tapes, "other", mailbox=3):
            pass


async def test_h2_a_reference_does_not_outlive_its_block_nor_the_application() -> None:
    async with application().open("memory:") as running:
        async with running.entity(tapes, "t") as tape:
            await tape.execute(record(Added(1)))
        with pytest.raises(EntityEnded, match="released"):
            await tape.execute(record(Added(1)))
        assert running.entities._mailboxes == {}, "nobody uses it"
        block = running.entity(tapes, "t")
        tape = await block.__aenter__()
    with pytest.raises(EntityEnded, match="was closed"):
        await tape.execute(record(Added(1)))
    with pytest.raises(EntityEnded, match="closing"):
        async with running.entity(tapes, "t"):
            raise AssertionError("it was opened")
    await block.__aexit__(None, None, None)


async def test_h2_an_evolve_that_raises_stores_nothing_and_the_entity_goes_on() -> None:
    def evolve(value: int, event: Changed) -> int:
        if event.by == 13:
            raise ZeroDivisionError
        return value + event.by

    unlucky = Aggregate("counter", initial=0, decide=count, evolve=evolve)
    app = Eventfold(deciders=[unlucky])
    async with app.open("memory:") as running, running.entity(unlucky, "c", on_failure="end") as counter:
        await counter.execute(Increase(1))
        with pytest.raises(ZeroDivisionError):
            await counter.execute(Increase(13))
        assert (await counter.execute(Increase(1))).version == 2


# ---------------------------------------------------------------- the end, and idleness


async def test_h2_closing_finishes_what_was_sent_and_takes_no_more(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with place.open(application()) as running:
        block = running.entity(tapes, "t", mailbox=1)
        tape = await block.__aenter__()
        gate = Gate(interposed(running))
        sent = [asyncio.create_task(tape.execute(record(Added(1)))) for _ in range(3)]  # two wait for a place
        await gate.reached.wait()
        drain = running.entities.drain

        async def opening(timeout: float) -> None:
            asyncio.get_running_loop().call_soon(gate.open.set)  # when it waits
            await drain(timeout)

        monkeypatch.setattr(running.entities, "drain", opening)
    assert [each.state.sum for each in await asyncio.gather(*sent)] == [1, 2, 3]
    await block.__aexit__(None, None, None)


async def test_h2_what_has_no_turn_in_time_hears_that_it_has_ended(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(bootstrap, "DRAIN", 0.05)
    async with application().open("memory:") as running:
        block = running.entity(tapes, "t", mailbox=1)
        tape = await block.__aenter__()
        gate = Gate(interposed(running))
        sent = [asyncio.create_task(tape.execute(record(Added(1)))) for _ in range(3)]
        await gate.reached.wait()
    assert "3 commands of entities were not done" in caplog.text
    gate.open.set()
    first, *later = await asyncio.gather(*sent, return_exceptions=True)
    assert [type(each) for each in later] == [EntityEnded, EntityEnded]
    assert not isinstance(first, EntityEnded), "it was in its append: the store has the last word"
    await block.__aexit__(None, None, None)


async def test_h2_an_idle_entity_leaves_the_memory_and_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    async with application().open("memory:") as running:
        commands, left = running._commands, asyncio.Event()
        forget = commands.forget

        def forgotten(stream: Stream) -> None:
            forget(stream)
            left.set()

        monkeypatch.setattr(commands, "forget", forgotten)
        async with running.entity(tapes, "t", idle=0.01) as tape:
            await tape.execute(record(Added(1)))
            assert commands._warm
            await asyncio.wait_for(left.wait(), 10)
            assert not commands._warm
            assert (await tape.execute(record(Added(1)))).state.sum == 2


# ------------------------------------------------------------------------ cancellation


async def test_t05_senders_that_are_cancelled_take_neither_turn_nor_place_along(place: Place) -> None:
    async with place.open(application(attempts=1)) as running, running.entity(tapes, "t", mailbox=2) as tape:
        gate = Gate(interposed(running))
        sent = [asyncio.create_task(tape.execute(record(Added(n)))) for n in range(6)]
        await gate.reached.wait()
        await turns()
        for n in (0, 1, 3, 4):  # in its append, waiting for its turn, and two for a place
            sent[n].cancel()
        gate.open.set()
        await asyncio.wait(sent, timeout=10)
        assert [task.cancelled() for task in sent] == [True, True, False, True, True, False]
        async with asyncio.timeout(10):
            await asyncio.gather(*(tape.execute(record(Added(n))) for n in (6, 7, 8)))
        assert [event.data for event in await stream(running, "t")] == [b'{"n":%d}' % n for n in (2, 5, 6, 7, 8)]
