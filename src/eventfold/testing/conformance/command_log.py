"""The suite of command logs: a command is accepted with the events of its transaction, once, or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest

from eventfold.adapters.system import ManualClock
from eventfold.domain.message import NO_STREAM, Stream
from eventfold.domain.query import Query
from eventfold.errors import BoundaryConflict, ConcurrencyConflict, EventIdConflict, InvalidInput, StoreClosed
from eventfold.ports.command_log import Accepted, CommandLog
from eventfold.ports.event_store import ANY, NEW, Append, Appended, EventStore
from eventfold.ports.unit import CommandTaken, Unit, Units
from eventfold.testing.conformance.material import ANN, BOB, Suite, collected, delivered, event, store_one
from eventfold.testing.conformance.units import Refused, stepped, versions

__all__ = ["CommandLogConformance"]

ID = bytes(range(16))
OTHER = bytes(range(1, 17))
HASH = bytes(range(32))


def accepted(id: bytes = ID, stream: Stream | None = ANN, **fields: Any) -> Accepted:
    fields = {"first_version": 1, "last_version": 2, "position": 2**40, "recorded_at": 7, **fields}
    return Accepted(id, HASH, stream, **fields)


def accepting(entry: Accepted, stream: Stream = ANN) -> Callable[[Unit], Awaitable[None]]:
    """Work that appends an event, always the same one, and accepts the command."""
    new = event()

    async def work(unit: Unit) -> None:
        await unit.append(Append(stream, [new], ANY))
        await unit.accept(entry)

    return work


class CommandLogConformance(Suite):
    """
    Every promise of `CommandLog` and of `Unit.accept`.

    The fixtures `events`, `units` and `commands` give those of one empty store.
    """

    clock_is_injected = True
    """Whether the store tells the time by the fixture `clock`."""
    steps: int = 30
    """Turns of the loop at which a call is cancelled, one after the other."""

    @pytest.fixture
    def events(self) -> EventStore:
        raise NotImplementedError("define a fixture `events` that gives an empty event store")

    @pytest.fixture
    def units(self) -> Units:
        raise NotImplementedError("define a fixture `units` that gives the units of that store")

    @pytest.fixture
    def commands(self) -> CommandLog:
        raise NotImplementedError("define a fixture `commands` that gives the command log of that store")

    async def test_fm10_an_unknown_command_has_come_to_nothing(self, commands: CommandLog) -> None:
        assert await commands.accepted(ID) is None

    @pytest.mark.parametrize(
        "entry",
        [
            accepted(reply=b"\x00\xff{}"),
            accepted(stream=Stream("account", "é 日")),
            accepted(stream=None, first_version=1, last_version=NO_STREAM, position=0),
            accepted(first_version=2**31 - 1, last_version=2**31 - 1, position=2**62, recorded_at=2**60),
        ],
        ids=["with a reply", "of any stream", "of no stream", "with large numbers"],
    )
    async def test_fm10_what_was_accepted_is_told_as_it_was(
        self, events: EventStore, units: Units, commands: CommandLog, entry: Accepted
    ) -> None:
        await units.transact(accepting(entry))
        await units.transact(accepting(accepted(OTHER), BOB))
        assert await commands.accepted(ID) == entry
        assert await versions(events, ANN) == [1]

    async def test_fm10_a_command_needs_no_events(self, events: EventStore, units: Units, commands: CommandLog) -> None:
        entry = accepted(first_version=1, last_version=NO_STREAM)

        async def work(unit: Unit) -> None:
            await unit.accept(entry)

        await units.transact(work)
        assert await commands.accepted(ID) == entry
        assert await events.head() == 0

    async def test_fm10_the_store_tells_the_time_where_nobody_else_does(
        self, units: Units, commands: CommandLog, clock: ManualClock
    ) -> None:
        await units.transact(accepting(accepted(recorded_at=0)))
        found = await commands.accepted(ID)
        assert found is not None
        assert found.recorded_at > 2**50
        if self.clock_is_injected:
            assert found.recorded_at == int(clock.now().timestamp()) * 1_000_000
        assert msgspec.structs.replace(found, recorded_at=0) == accepted(recorded_at=0)

    async def test_fm10_work_that_raises_has_accepted_nothing(
        self, events: EventStore, units: Units, commands: CommandLog
    ) -> None:
        both = accepting(accepted())

        async def work(unit: Unit) -> None:
            await both(unit)
            raise Refused

        with pytest.raises(Refused):
            await units.transact(work)
        assert (await commands.accepted(ID), await versions(events, ANN)) == (None, [])
        await units.transact(both)
        assert (await commands.accepted(ID), await versions(events, ANN)) == (accepted(), [1])

    async def test_fm10_nobody_sees_a_command_before_its_transaction_commits(
        self, units: Units, commands: CommandLog
    ) -> None:
        both = accepting(accepted())

        async def work(unit: Unit) -> Accepted | None:
            await both(unit)
            return await commands.accepted(ID)

        assert await units.transact(work) is None
        assert await commands.accepted(ID) == accepted()

    async def test_fm10_a_unit_sees_what_was_accepted_before_and_within_it(self, units: Units) -> None:
        await units.transact(accepting(accepted()))

        async def work(unit: Unit) -> list[Accepted | None]:
            before = [await unit.accepted(ID), await unit.accepted(OTHER)]
            await unit.accept(accepted(OTHER, BOB))
            return [*before, await unit.accepted(ID), await unit.accepted(OTHER)]

        assert await units.transact(work) == [accepted(), None, accepted(), accepted(OTHER, BOB)]

    async def test_fm10_an_id_is_taken_once_and_what_comes_with_it_later_is_not_stored(
        self, events: EventStore, units: Units, commands: CommandLog
    ) -> None:
        await units.transact(accepting(accepted()))
        for entry in (accepted(), accepted(position=9, stream=BOB)):
            with pytest.raises(CommandTaken):
                await units.transact(accepting(entry, BOB))
        assert (await commands.accepted(ID), await versions(events, BOB)) == (accepted(), [])

    async def test_fm10_an_id_is_taken_once_also_within_a_transaction(self, units: Units, commands: CommandLog) -> None:
        async def work(unit: Unit) -> None:
            await unit.accept(accepted())
            await unit.accept(accepted(OTHER))
            await unit.accept(accepted())

        with pytest.raises(CommandTaken):
            await units.transact(work)
        assert [await commands.accepted(each) for each in (ID, OTHER)] == [None, None]

    async def test_fm10_of_many_at_once_one_is_accepted(
        self, events: EventStore, units: Units, commands: CommandLog
    ) -> None:
        """On streams of their own, so that nothing but the id keeps them apart."""
        streams = [Stream("account", str(n)) for n in range(8)]
        entries = [accepted(stream=each, position=n) for n, each in enumerate(streams)]
        doing = [units.transact(accepting(*each)) for each in zip(entries, streams, strict=True)]
        outcomes = await self.soon(asyncio.gather(*doing, return_exceptions=True))
        (won,) = [n for n, outcome in enumerate(outcomes) if outcome is None]
        assert all(isinstance(each, CommandTaken) for n, each in enumerate(outcomes) if n != won), outcomes
        assert await commands.accepted(ID) == entries[won]
        assert [await versions(events, each) for each in streams] == [[1] if n == won else [] for n in range(8)]

    async def test_fm10_under_a_lock_too(self, events: EventStore, units: Units, commands: CommandLog) -> None:
        async with units.lock(ANN, timeout=self.patience) as held:
            with pytest.raises(Refused):
                await held.transact(_refusing(accepting(accepted())))
            assert await commands.accepted(ID) is None
            await held.transact(accepting(accepted()))
        async with units.lock(ANN, timeout=self.patience) as held:
            with pytest.raises(CommandTaken):
                await held.transact(accepting(accepted()))
        assert (await commands.accepted(ID), await versions(events, ANN)) == (accepted(), [1])

    async def test_t05_fm10_fm52_what_is_given_up_is_accepted_with_its_events_or_not_at_all(
        self, events: EventStore, units: Units, commands: CommandLog
    ) -> None:
        for step in range(self.steps):
            id, stream = step.to_bytes(16, "big"), Stream("step", str(step))
            await self.soon(stepped(units.transact(accepting(accepted(id, stream), stream)), step))
            stored = bool(await versions(events, stream)), await commands.accepted(id) is not None
            assert stored in {(True, True), (False, False)}, step

    # ------------------------------------------------------------- an append with its command

    async def test_fm10_an_append_enters_its_command(self, events: EventStore, commands: CommandLog) -> None:
        await store_one(events, ANN)
        new = [event(1, tags=("x:1",)), event(2)]
        appended = await commands.append(Append(ANN, new, 1), ID, HASH)
        (place,) = appended.streams
        last = place.positions[-1]
        assert await commands.accepted(ID) == Accepted(ID, HASH, ANN, 2, 3, last, recorded_at=place.recorded_at)
        stored = await collected(events.read(ANN, after=1))
        assert [(each.version, each.event_id, each.position) for each in stored] == [
            (2, new[0].event_id, place.positions[0]),
            (3, new[1].event_id, last),
        ]
        assert [each.position async for each in events.read_all(Query.of(tags=["x:1"]))] == [place.positions[0]]

    async def test_fm10_an_append_whose_id_is_taken_stores_nothing(
        self, events: EventStore, units: Units, commands: CommandLog
    ) -> None:
        await commands.append(Append(ANN, [event()], NEW), ID, HASH)
        await units.transact(accepting(accepted(OTHER)))
        before = [await commands.accepted(each) for each in (ID, OTHER)]
        for id in (ID, OTHER):
            with pytest.raises(CommandTaken):
                await commands.append(Append(BOB, [event()], ANY), id, HASH)
        assert [await commands.accepted(each) for each in (ID, OTHER)] == before
        assert (await versions(events, ANN), await versions(events, BOB)) == ([1, 2], [])
        with pytest.raises(CommandTaken):
            await units.transact(accepting(accepted(ID), BOB))
        assert await versions(events, BOB) == []

    async def test_fm10_an_append_that_is_refused_enters_nothing(
        self, events: EventStore, commands: CommandLog
    ) -> None:
        query = Query.of("Happened", tags=["x:1"])
        condition = (await events.read_boundary(query)).condition
        known = event(1, tags=("x:1",))
        await store_one(events, ANN, known)
        with pytest.raises(ConcurrencyConflict):
            await commands.append(Append(ANN, [event()], 7), ID, HASH)
        with pytest.raises(BoundaryConflict):
            await commands.append(Append(BOB, [event()]), ID, HASH, condition=condition)
        with pytest.raises(EventIdConflict):
            await commands.append(Append(ANN, [event(2, event_id=known.event_id)]), ID, HASH)
        with pytest.raises(InvalidInput):
            await commands.append(Append(ANN, []), ID, HASH)
        assert (await commands.accepted(ID), await versions(events, ANN)) == (None, [1])
        condition = (await events.read_boundary(query)).condition
        await commands.append(Append(BOB, [event()]), ID, HASH, condition=condition)
        assert await commands.accepted(ID) is not None

    async def test_fm10_of_many_appends_at_once_one_has_the_id_and_neighbours_are_not_harmed(
        self, events: EventStore, commands: CommandLog
    ) -> None:
        streams = [Stream("account", str(n)) for n in range(8)]
        plain = [asyncio.ensure_future(store_one(events, BOB)) for _ in range(4)]
        doing = [commands.append(Append(each, [event()], NEW), ID, HASH) for each in streams]
        others = [commands.append(Append(ANN, [event()]), bytes([n] * 16), HASH) for n in range(4)]
        outcomes = await self.soon(asyncio.gather(*doing, return_exceptions=True))
        plain += [asyncio.ensure_future(store_one(events, BOB)) for _ in range(4)]
        await self.soon(asyncio.gather(*others))
        await self.soon(asyncio.gather(*plain))
        (won,) = [n for n, outcome in enumerate(outcomes) if isinstance(outcome, Appended)]
        assert all(isinstance(each, CommandTaken) for n, each in enumerate(outcomes) if n != won), outcomes
        assert [await versions(events, each) for each in streams] == [[1] if n == won else [] for n in range(8)]
        assert (await versions(events, ANN), await versions(events, BOB)) == ([1, 2, 3, 4], [*range(1, 9)])
        found = await commands.accepted(ID)
        assert found is not None
        assert found.stream == streams[won]

    async def test_g08_fm10_subscribers_hear_of_an_append_with_a_command(
        self, events: EventStore, commands: CommandLog
    ) -> None:
        async with events.subscribe(Query.all(), after=0) as batches:
            heard: asyncio.Task[Any] = asyncio.ensure_future(delivered(batches, 1))
            await asyncio.sleep(0)
            await commands.append(Append(ANN, [event()], NEW), ID, HASH)
            (one,) = await self.soon(heard)
        assert one.stream == ANN

    async def test_t05_fm10_fm52_an_append_that_is_given_up_enters_its_command_with_its_events_or_not_at_all(
        self, events: EventStore, commands: CommandLog
    ) -> None:
        for step in range(self.steps):
            id, stream = step.to_bytes(16, "big"), Stream("step", str(step))
            await self.soon(stepped(commands.append(Append(stream, [event()], NEW), id, HASH), step))
            await self.soon(store_one(events, stream))  # behind it, if it is still under way
            stored = len(await versions(events, stream)) == 2, await commands.accepted(id) is not None
            assert stored in {(True, True), (False, False)}, step

    async def test_g04_after_closing_everything_is_refused(
        self, events: EventStore, units: Units, commands: CommandLog
    ) -> None:
        kept: list[Unit] = []

        async def work(unit: Unit) -> None:
            kept.append(unit)
            await unit.accept(accepted())

        await units.transact(work)
        with pytest.raises(InvalidInput):
            await kept[0].accept(accepted(OTHER))
        await events.close()
        with pytest.raises(StoreClosed):
            await self.soon(commands.accepted(ID))
        with pytest.raises(StoreClosed):
            await self.soon(commands.append(Append(ANN, [event()]), OTHER, HASH))


def _refusing(work: Callable[[Unit], Awaitable[None]]) -> Callable[[Unit], Awaitable[None]]:
    async def refusing(unit: Unit) -> None:
        await work(unit)
        raise Refused

    return refusing
