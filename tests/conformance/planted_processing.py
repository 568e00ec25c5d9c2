"""
Leases, ledgers and parking lots of a third party, each with one defect, passed to our suites as their owner would pass
them.

Not collected by itself: test_the_processing_suites.py runs it and looks at what failed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

import pytest
from msgspec.structs import replace as replaced

from eventfold.adapters.sqlite import actions as of_actions
from eventfold.adapters.sqlite import checkpoint_store as of_checkpoints
from eventfold.adapters.sqlite import leases as of_leases
from eventfold.adapters.sqlite import open_sqlite_rows_in_memory
from eventfold.adapters.sqlite import parking as of_parking
from eventfold.adapters.sqlite import read_model as of_rows
from eventfold.adapters.sqlite.actions import SqliteActions
from eventfold.adapters.sqlite.bookkeeping import Bookkeeping
from eventfold.adapters.sqlite.connection import Connection
from eventfold.adapters.sqlite.leases import SqliteLeases
from eventfold.adapters.sqlite.parking import SqliteParkingLot
from eventfold.adapters.sqlite.read_model import SqliteReadModel
from eventfold.adapters.system import ManualClock
from eventfold.errors import Fenced, InvalidInput
from eventfold.ports.actions import Action, Actions, Intent, Status
from eventfold.ports.checkpoint_store import Move
from eventfold.ports.leases import Beat, Lease, LeaseRecord, Leases
from eventfold.ports.parking import Parked, Settled, Wish
from eventfold.ports.read_model import RowTransaction, Writes
from eventfold.testing.conformance import ActionsConformance, LeasesConformance, ParkingLotConformance

NOTHING = "SELECT ?1"
"""In place of a statement, whatever values come with it."""


def swap(books: Bookkeeping, statements: Mapping[str, str]) -> None:
    """Other statements in the place of some."""
    fill = books._fill
    books._fill = lambda statement: fill(statements.get(statement, statement))


class Patient(LeasesConformance):
    patience = 2.0
    make: type[SqliteLeases] = SqliteLeases
    other_rows: Mapping[str, str] = {}

    @pytest.fixture
    async def rows(self, clock: ManualClock) -> AsyncIterator[SqliteReadModel]:
        rows = await open_sqlite_rows_in_memory(clock=clock)
        swap(rows, self.other_rows)
        yield rows
        await rows.close()

    @pytest.fixture
    def leases(self, rows: SqliteReadModel, clock: ManualClock) -> Leases:
        return self.make(rows._writer, None, rows._names, rows._path, clock)

    @pytest.fixture
    def other(self, leases: Leases) -> Leases:
        return leases

    @pytest.fixture
    def wipe(self, rows: SqliteReadModel) -> Callable[[], Awaitable[None]]:
        async def wipe() -> None:
            await rows._write(lambda connection: connection.execute("DELETE FROM leases"))

        return wipe


# ------------------------------------------------------------------------- leases


class Swapped(SqliteLeases):
    swapped: tuple[str, str] = ("", "")

    def __init__(self, *how: Any, **more: Any) -> None:
        super().__init__(*how, **more)
        swap(self, dict([self.swapped]))


class RaisesTheEpochOfTheLeaseAlone(Swapped):
    swapped = (of_leases.RAISE_EPOCH, "SELECT ?1, ?2, ?3, ?4")


class NeverLetsALeaseRunOut(Swapped):
    swapped = (of_leases.LEASE, of_leases.LEASE.replace("lease_until, lease_for", "1 << 60, 1 << 60"))


class GivesItToWhoeverAsks(Swapped):
    swapped = (of_leases.LEASE, of_leases.LEASE.replace("lease_until,", "0,"))


class CountsEpochsInTheLeaseAlone(Swapped):
    swapped = (of_checkpoints.CHECKPOINT, of_checkpoints.CHECKPOINT.replace("epoch", "0 AS epoch", 1))


class CountsEpochsInTheCheckpointAlone(Swapped):
    swapped = (of_leases.LEASE, of_leases.LEASE.replace("epoch", "0 AS epoch", 1))


class StartsFromTheBeginning(Swapped):
    swapped = (of_checkpoints.CHECKPOINT, of_checkpoints.CHECKPOINT.replace("position, event_id", "0, NULL", 1))


class ReleasesForAnybody(Swapped):
    swapped = (of_leases.RELEASE, of_leases.RELEASE.replace("owner = ? AND epoch = ?", "?4 = ?4 AND ?5 = ?5"))


class ReleasesNothing(Swapped):
    swapped = (of_leases.RELEASE, "SELECT ?1, ?2, ?3, ?4, ?5")


class KeepsWhatWasTakenOver(Swapped):
    swapped = (of_leases.PROLONG, of_leases.PROLONG.replace("owner = ? AND epoch = ?", "?5 = ?5 AND ?6 = ?6"))


class ProlongsForTheOwnerWhateverHisEpoch(Swapped):
    swapped = (of_leases.PROLONG, of_leases.PROLONG.replace("epoch = ?", "?6 = ?6"))


class SaysThatItProlongs(Swapped):
    swapped = (
        of_leases.PROLONG,
        of_leases.PROLONG.replace("SET lease_until = ?", "SET lease_until = lease_until + 0 * ?"),
    )


class LetsMembersStayForEver(Swapped):
    swapped = (of_leases.GONE, "SELECT ?1, ?2")


class LetsNobodyLeave(Swapped):
    swapped = (of_leases.LEAVE, "SELECT ?1, ?2")


class ReleasesWhenOneLeaves(Swapped):
    swapped = (of_leases.LEAVE, "UPDATE {leases} SET lease_until = 0 WHERE processor = ? AND owner = ?")


class LeavesWhenOneReleases(SqliteLeases):
    async def release(self, lease: Lease) -> None:
        await super().release(lease)
        await self.leave(lease.processor, lease.owner)


class HasMembersOfAllProcessors(Swapped):
    swapped = (of_leases.MEMBERS, "SELECT DISTINCT owner FROM {lease_members} WHERE ?1 = ?1 ORDER BY owner")


class LooksAtTheFirstPartition(Swapped):
    swapped = (of_leases.LEASE, of_leases.LEASE.replace("partition = ?", "partition = 0 * ?"))


class TakesTheDeadForLiving(SqliteLeases):
    async def take(
        self, processor: str, partition: int, owner: str, *, seconds: float, dead: str | None = None
    ) -> Lease | LeaseRecord:
        return await super().take(processor, partition, owner, seconds=seconds)


class TakesAnybodyForDead(SqliteLeases):
    async def take(
        self, processor: str, partition: int, owner: str, *, seconds: float, dead: str | None = None
    ) -> Lease | LeaseRecord:
        taken = await super().take(processor, partition, owner, seconds=seconds)
        if dead is not None and isinstance(taken, LeaseRecord):
            return await super().take(processor, partition, owner, seconds=seconds, dead=taken.owner)
        return taken


class RefusesTheOwnerHimself(SqliteLeases):
    async def take(
        self, processor: str, partition: int, owner: str, *, seconds: float, dead: str | None = None
    ) -> Lease | LeaseRecord:
        for each in await self.leases(processor):
            if each.partition == partition and each.owner == owner and each.left > 0:
                return each
        return await super().take(processor, partition, owner, seconds=seconds, dead=dead)


class LooksBeforeItsTurn(SqliteLeases):
    """Who has it is read in one transaction, and it is taken in another."""

    async def take(
        self, processor: str, partition: int, owner: str, *, seconds: float, dead: str | None = None
    ) -> Lease | LeaseRecord:
        found = [each for each in await self.leases(processor) if each.partition == partition and each.left > 0]
        for each in found:
            if each.owner not in (owner, dead):
                return each
        await asyncio.sleep(0)
        held = next((each.owner for each in await self.leases(processor) if each.partition == partition), None)
        return await super().take(processor, partition, owner, seconds=seconds, dead=held)


class LetsGoOfWhatHasRunOut(SqliteLeases):
    async def beat(self, processor: str, owner: str, held: Sequence[Lease], *, seconds: float) -> Beat:
        alive = {each.partition for each in await self.leases(processor) if each.left > 0}
        return await super().beat(processor, owner, [each for each in held if each.partition in alive], seconds=seconds)


class ListsLeasesOfAll(Swapped):
    swapped = (of_leases.LEASES, of_leases.LEASES.replace("?1 IS NULL OR processor = ?1", "?1 = ?1 OR true"))


class KnowsOnlyPlainNames(SqliteLeases):
    async def beat(self, processor: str, owner: str, held: Sequence[Lease], *, seconds: float) -> Beat:
        beat = await super().beat(processor, owner, held, seconds=seconds)
        return Beat(tuple(each for each in beat.members if each.isascii()), beat.kept)


class TakesLeasesAfterItsEnd(SqliteLeases):
    async def leave(self, processor: str, owner: str) -> None:
        if not self._writer.closed:
            await super().leave(processor, owner)


ROWS: Mapping[str, Mapping[str, str]] = {
    "ForgetsTheEpochOfWhoPrepares": {
        of_rows.SEND_BACK: "DELETE FROM {checkpoints} WHERE processor = ? AND generation = 0"
    },
    "LeavesTheCheckpointWhereItIs": {of_rows.SEND_BACK: NOTHING},
    "ForgetsTheLeasesOfWhatIsDropped": {of_rows.FORGET[0]: "DELETE FROM {leases} WHERE processor = ?"},
    "SendsNobodyBack": {of_checkpoints.RESET: NOTHING},
}


# ------------------------------------------------------------------------- actions


class PatientLedger(ActionsConformance):
    patience = 2.0
    make: type[SqliteActions] = SqliteActions

    @pytest.fixture
    async def rows(self, clock: ManualClock) -> AsyncIterator[SqliteReadModel]:
        rows = await open_sqlite_rows_in_memory(clock=clock)
        yield rows
        await rows.close()

    @pytest.fixture
    def actions(self, rows: SqliteReadModel, clock: ManualClock) -> Actions:
        return self.make(rows._writer, None, rows._names, rows._path, clock)

    @pytest.fixture
    def other(self, actions: Actions) -> Actions:
        return actions


class SwappedLedger(SqliteActions):
    swapped: tuple[str, str] = ("", "")

    def __init__(self, *how: Any, **more: Any) -> None:
        super().__init__(*how, **more)
        swap(self, dict([self.swapped]))


class BeginsAgain(SwappedLedger):
    swapped = (
        of_actions.INTEND,
        of_actions.INTEND.replace("ON CONFLICT DO NOTHING", "").replace("INSERT", "INSERT OR REPLACE"),
    )


class TakesALaterResult(SwappedLedger):
    swapped = (of_actions.BECOMES, of_actions.BECOMES.replace("WHERE status <> 'done'", ""))


class StrikesOutWhatIsDone(SwappedLedger):
    swapped = (of_actions.WITHDRAW, of_actions.WITHDRAW.replace("AND status <> 'done'", ""))


class StrikesOutNothing(SwappedLedger):
    swapped = (of_actions.WITHDRAW, "SELECT ?1, ?2, ?3")


class StrikesOutOnlyWhatIsIntended(SwappedLedger):
    swapped = (of_actions.WITHDRAW, of_actions.WITHDRAW.replace("<> 'done'", "= 'intended'"))


class DoubtsWhatIsDone(SqliteActions):
    async def doubt(self, intents: Sequence[Intent]) -> None:
        await super().doubt(intents)
        sql = "UPDATE actions SET status = 'unknown' WHERE key = ?"
        await self._write(lambda connection: connection.executemany(sql, [(each.key,) for each in intents]))


class NeverDoubts(SqliteActions):
    async def doubt(self, intents: Sequence[Intent]) -> None:
        return None


class LosesWhatWasStruckOut(SwappedLedger):
    swapped = (
        of_actions.BECOMES,
        """
        UPDATE {actions} SET status = ?4, result = ?5, epoch = ?6, at = ?7
        WHERE reactor = ?1 AND event_id = ?2 AND key = ?3 AND status <> 'done'
        """,
    )


class TellsOfANeighbour(SwappedLedger):
    swapped = (of_actions.FOUND, of_actions.FOUND.replace("key = ?", "key <= ? ORDER BY key LIMIT 1"))


class KeepsHalfABatch(SqliteActions):
    async def intend(self, intents: Sequence[Intent]) -> Sequence[Action | None]:
        return [(await super(KeepsHalfABatch, self).intend([each]))[0] for each in intents]


class ForgivesTheSameTwice(SqliteActions):
    async def intend(self, intents: Sequence[Intent]) -> Sequence[Action | None]:
        once = {(each.reactor, each.event_id, each.key): each for each in intents}
        found = dict(zip(once, await super().intend(list(once.values())), strict=True))
        return [found[each.reactor, each.event_id, each.key] for each in intents]


class AnswersInAnotherOrder(SqliteActions):
    async def intend(self, intents: Sequence[Intent]) -> Sequence[Action | None]:
        return (await super().intend(intents))[::-1]


class CutsLargeBatches(SqliteActions):
    async def intend(self, intents: Sequence[Intent]) -> Sequence[Action | None]:
        return await super().intend(intents[:500])


class MakesSomethingOfNothing(SqliteActions):
    async def intend(self, intents: Sequence[Intent]) -> Sequence[Action | None]:
        return await super().intend(intents) or [None]


class ListsTheOldestFirst(SwappedLedger):
    swapped = (of_actions.LISTED, of_actions.LISTED.replace("at DESC", "at"))


class ListsEveryStatus(SqliteActions):
    async def actions(
        self, reactor: str, *, event_id: bytes | None = None, status: Status | None = None, limit: int = 1_000
    ) -> Sequence[Action]:
        return await super().actions(reactor, event_id=event_id, limit=limit)


class ReadsAfterItsEnd(SqliteActions):
    async def actions(
        self, reactor: str, *, event_id: bytes | None = None, status: Status | None = None, limit: int = 1_000
    ) -> Sequence[Action]:
        if self._writer.closed:
            return []
        return await super().actions(reactor, event_id=event_id, status=status, limit=limit)


class LooksBeforeItEnters(SqliteActions):
    """What is known is read in one transaction, and what is not is entered in another."""

    async def intend(self, intents: Sequence[Intent]) -> Sequence[Action | None]:
        names = {each.reactor for each in intents}
        listed = [each for name in names for each in await self.actions(name)]
        known = {(each.reactor, each.event_id, each.key): each for each in listed}
        await asyncio.sleep(0)
        await super().intend(intents)
        return [known.get((each.reactor, each.event_id, each.key)) for each in intents]


# ------------------------------------------------------------------------- parking


class PatientLot(ParkingLotConformance):
    patience = 2.0
    make: type[SqliteParkingLot] = SqliteParkingLot
    other_rows: Mapping[str, Callable[..., Any]] = {}

    @pytest.fixture
    async def rows(self, clock: ManualClock) -> AsyncIterator[SqliteReadModel]:
        rows = await open_sqlite_rows_in_memory(clock=clock)
        rows.parking = self.make(rows._writer, None, rows._names, rows._path, clock)
        for name, method in self.other_rows.items():
            setattr(rows, name, partial(method, rows))
        yield rows
        await rows.close()


class SwappedLot(SqliteParkingLot):
    swapped: tuple[str, str] = ("", "")

    def __init__(self, *how: Any, **more: Any) -> None:
        super().__init__(*how, **more)
        swap(self, dict([self.swapped]))


class ChangedOnTheWay(SqliteParkingLot):
    @staticmethod
    def change(move: Move) -> Move:
        return move

    def set_aside_within(self, connection: Connection, move: Move, now: int) -> None:
        super().set_aside_within(connection, self.change(move), now)


class ForgetsTheType(ChangedOnTheWay):
    @staticmethod
    def change(move: Move) -> Move:
        return replaced(move, aside=tuple(replaced(each, type="") for each in move.aside))


class ParksWhatIsSkipped(ChangedOnTheWay):
    @staticmethod
    def change(move: Move) -> Move:
        return replaced(move, aside=tuple(replaced(each, skipped=False) for each in move.aside))


class ParksAHundredAtMost(ChangedOnTheWay):
    @staticmethod
    def change(move: Move) -> Move:
        return replaced(move, aside=move.aside[:100])


class ChokesOnHalfACharacter(ChangedOnTheWay):
    @staticmethod
    def change(move: Move) -> Move:
        for each in move.aside:
            each.error.encode()
        return move


class ParksNothing(ChangedOnTheWay):
    @staticmethod
    def change(move: Move) -> Move:
        return replaced(move, aside=())


class ListsByPositionAlone(SwappedLot):
    swapped = (of_parking.LISTED, of_parking.LISTED.replace("ORDER BY processor, position", "ORDER BY position"))


class OpensAllPartitions(SwappedLot):
    swapped = (of_parking.OPEN_STREAMS, of_parking.OPEN_STREAMS.replace("partition = ?", "partition >= 0 * ?"))


class GivesOnlyWhatWasAskedFor(SqliteParkingLot):
    async def wished(self, processor: str, partition: int, *, limit: int = 500) -> Sequence[Parked]:
        return [each for each in await super().wished(processor, partition, limit=limit) if each.wish]


class KeepsTheFirstWish(SwappedLot):
    swapped = (of_parking.ASK, of_parking.ASK.replace("wish = ?", "wish = coalesce(wish, ?)"))


class LetsThoseBehindOvertake(SqliteParkingLot):
    async def ask(self, processor: str, position: int, wish: Wish, *, actor: str, reason: str | None = None) -> None:
        await super().ask(processor, position, "drop", actor=actor, reason=reason)
        values = (wish, actor, reason, processor, position)
        await self._write(lambda connection: connection.execute(self._fill(of_parking.ASK), values))


class RefusesToDropFromTheMiddle(SqliteParkingLot):
    async def ask(self, processor: str, position: int, wish: Wish, *, actor: str, reason: str | None = None) -> None:
        await super().ask(processor, position, "retry", actor=actor, reason=reason)
        await super().ask(processor, position, wish, actor=actor, reason=reason)


class TakesAnyWish(SqliteParkingLot):
    async def ask(self, processor: str, position: int, wish: Wish, *, actor: str, reason: str | None = None) -> None:
        with suppress(InvalidInput):
            await super().ask(processor, position, wish, actor=actor, reason=reason)


class AsksForWhatIsEdited(SqliteParkingLot):
    async def edit(self, processor: str, position: int, data: bytes, *, actor: str, reason: str) -> None:
        await super().edit(processor, position, data, actor=actor, reason=reason)
        with suppress(InvalidInput):
            await self.ask(processor, position, "retry", actor=actor)


class RemembersTheWish(SwappedLot):
    swapped = (of_parking.SETTLE, of_parking.SETTLE.replace("wish = NULL, ", ""))


class SettlesWhatIsSettled(SqliteParkingLot):
    def settle_within(self, connection: Connection, settled: Settled, now: int) -> bool:
        return super().settle_within(connection, settled, now) or True


class LetsTheWishEnd(SwappedLot):
    swapped = (of_parking.FOLLOWS, "SELECT ?1, ?2, ?3, ?4")


class TakesTheWishOver(SwappedLot):
    swapped = (of_parking.FOLLOWS, of_parking.FOLLOWS.replace("coalesce(wish, 'retry')", "'retry'"))


class RetriesWhatIsAhead(SqliteParkingLot):
    def settle_within(self, connection: Connection, settled: Settled, now: int) -> bool:
        was_open = super().settle_within(connection, settled, now)
        sql = """
        UPDATE parked SET wish = 'retry' WHERE position < ? AND resolved_at IS NULL
        AND id = (SELECT id FROM parked WHERE position = ?)
        """
        connection.execute(sql, (settled.position, settled.position))
        return was_open


class TriesForEver(SwappedLot):
    swapped = (of_parking.FAILED_AGAIN, of_parking.FAILED_AGAIN.replace("wish = NULL, ", ""))


class RemembersAllItHasParked(SqliteParkingLot):
    def forget_within(self, connection: Connection, processor: str) -> None:
        return None


class CountsAfterItsEnd(SqliteParkingLot):
    async def counts(self) -> dict[str, tuple[int, int]]:
        return {} if self._writer.closed else await super().counts()


async def parks_before_it_steps(rows: SqliteReadModel, move: Move) -> None:
    await rows._write(lambda connection: rows.parking.set_aside_within(connection, move, 0))
    await rows._write(lambda connection: rows.advance_within(connection, replaced(move, aside=())))


def settles_for_anybody(rows: SqliteReadModel, connection: Connection, settled: Settled) -> None:
    if not rows.parking.settle_within(connection, settled, rows._micros()):
        raise Fenced(settled.processor, 0, 0, settled.epoch)


def looks_at_the_first_partition(rows: SqliteReadModel, connection: Connection, settled: Settled) -> None:
    if rows.checkpoint_within(connection, settled.processor).epoch != settled.epoch:
        raise Fenced(settled.processor, 0, 0, settled.epoch)
    settles_for_anybody(rows, connection, replaced(settled, partition=0))


@asynccontextmanager
async def settles_before_the_rows(rows: SqliteReadModel) -> AsyncGenerator[RowTransaction]:
    async with SqliteReadModel.transaction(rows) as transaction:
        commit = transaction.commit

        async def apart(writes: Writes, step: Move | Settled | None) -> None:
            if isinstance(step, Settled):
                rows.settle_within(rows._writer._connection, step)
                step = None
            await commit(writes, step)

        transaction.commit = apart  # type: ignore[method-assign] # that is the defect
        yield transaction


LOTS: Mapping[str, Mapping[str, Callable[..., Any]]] = {
    "ParksBeforeItSteps": {"advance": parks_before_it_steps},
    "SettlesForAnybody": {"settle_within": settles_for_anybody},
    "LooksAtTheCheckpointOfTheFirstPartition": {"settle_within": looks_at_the_first_partition},
    "SettlesBeforeTheRows": {"transaction": settles_before_the_rows},
}


def kinds(base: type, helper: type) -> list[type]:
    """The honest one, and all that are made from it, by hand or by another statement."""
    return [each for each in (base, *base.__subclasses__(), *helper.__subclasses__()) if each is not helper]


def suites() -> dict[str, type]:
    made: dict[str, type] = {}
    for leases in kinds(SqliteLeases, Swapped):
        name = f"Test{leases.__name__}"
        made[name] = type(name, (Patient,), {"make": leases, "__module__": __name__})
    for ledger in kinds(SqliteActions, SwappedLedger):
        name = f"Test{ledger.__name__}"
        made[name] = type(name, (PatientLedger,), {"make": ledger, "__module__": __name__})
    for lot in kinds(SqliteParkingLot, SwappedLot) + ChangedOnTheWay.__subclasses__():
        name = f"Test{lot.__name__}"
        made[name] = type(name, (PatientLot,), {"make": lot, "__module__": __name__})
    del made["TestChangedOnTheWay"]  # in which nothing is changed
    for defect, methods in LOTS.items():
        name = f"Test{defect}"
        made[name] = type(name, (PatientLot,), {"other_rows": methods, "__module__": __name__})
    for defect, statements in ROWS.items():
        name = f"Test{defect}"
        made[name] = type(name, (Patient,), {"other_rows": statements, "__module__": __name__})
    return made


globals().update(suites())
