"""The suite of leases: of all who want a partition one has it, and whoever had it before cannot go on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import TypeAlias

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, bindparam, insert, select

from eventfold.adapters.system import ManualClock, uuid7
from eventfold.errors import Fenced, StoreClosed
from eventfold.ports.checkpoint_store import Checkpoint, Move
from eventfold.ports.leases import Lease, LeaseRecord, Leases
from eventfold.ports.read_model import ReadModel
from eventfold.testing.conformance.material import Suite

__all__ = ["LeasesConformance", "PassTime"]

PassTime: TypeAlias = Callable[[float], Awaitable[None]]
LONG = 60.0
"""Seconds of a lease that is not to run out in a test."""
NUMBERS = Table("numbers", MetaData(), Column("n", Integer, primary_key=True))
COUNT = insert(NUMBERS).values(n=bindparam("number"))


def step(lease: Lease, position: int, *, previous: int | None = None) -> Move:
    at = lease.checkpoint.position if previous is None else previous
    return Move(lease.processor, at, position, uuid7().bytes, lease.epoch, lease.partition)


async def had(leases: Leases, owner: str, *, partition: int = 0, seconds: float = LONG) -> Lease:
    """Partition of `stock`, which must be free."""
    taken = await leases.take("stock", partition, owner, seconds=seconds)
    assert isinstance(taken, Lease), f"{owner} did not get it: {taken}"
    assert (taken.processor, taken.partition, taken.owner) == ("stock", partition, owner)
    return taken


async def refused(leases: Leases, owner: str, *, partition: int = 0, dead: str | None = None) -> LeaseRecord:
    """Somebody else's lease."""
    found = await leases.take("stock", partition, owner, seconds=LONG, dead=dead)
    assert isinstance(found, LeaseRecord), f"{owner} got what was not free"
    assert (found.processor, found.partition) == ("stock", partition)
    return found


class LeasesConformance(Suite):
    """
    Every promise of `Leases`.

    The fixture `leases` gives empty ones, `rows` the read model of the same store, `other` the leases of the same
    store by another connection, and `wipe` empties their table, as somebody might do by hand. Where the clock of the
    store cannot be moved, `pass_time` waits, and `lease` is short.
    """

    @pytest.fixture
    def leases(self) -> Leases:
        raise NotImplementedError("define a fixture `leases`")

    @pytest.fixture
    def other(self) -> Leases:
        raise NotImplementedError("define a fixture `other`: the leases of the same store by another connection")

    @pytest.fixture
    def rows(self) -> ReadModel:
        raise NotImplementedError("define a fixture `rows`: the read model of the same store")

    @pytest.fixture
    def wipe(self) -> Callable[[], Awaitable[None]]:
        raise NotImplementedError("define a fixture `wipe`, which empties the table of leases")

    @pytest.fixture
    def lease(self) -> float:
        """Seconds of a lease that is to run out."""
        return 10.0

    @pytest.fixture
    def pass_time(self, clock: ManualClock) -> PassTime:
        async def pass_time(seconds: float) -> None:
            clock.advance(timedelta(seconds=seconds))

        return pass_time

    @staticmethod
    async def _fenced(rows: ReadModel, move: Move) -> None:
        before = await rows.checkpoint(move.processor, move.partition)
        with pytest.raises(Fenced) as fenced:
            await rows.advance(move)
        assert fenced.value.epoch == move.epoch
        assert await rows.checkpoint(move.processor, move.partition) == before

    # ------------------------------------------------------------------------ one at a time

    async def test_i8_a_free_partition_is_taken_with_the_epoch_of_its_checkpoint(
        self, leases: Leases, rows: ReadModel
    ) -> None:
        lease = await had(leases, "a")
        assert lease.checkpoint == Checkpoint(0, None, 1) == await rows.checkpoint("stock")
        assert lease.epoch == 1
        assert dict(await rows.checkpoints()) == {}, "it has not moved"
        move = step(lease, 7)
        await rows.advance(move)
        assert await rows.checkpoint("stock") == Checkpoint(7, move.event_id, 1)
        assert dict(await rows.checkpoints()) == {("stock", 0): Checkpoint(7, move.event_id, 1)}

    async def test_i8_what_somebody_has_is_not_taken_and_he_goes_on(
        self, leases: Leases, other: Leases, rows: ReadModel
    ) -> None:
        mine = await had(leases, "a")
        for _ in range(3):
            found = await refused(other, "b")
            assert (found.owner, found.epoch) == ("a", mine.epoch)
            assert 0 < found.left <= LONG
        assert await rows.checkpoint("stock") == mine.checkpoint, "whoever asks in vain changes nothing"
        await rows.advance(step(mine, 5))

    async def test_i8_of_many_who_want_it_at_the_same_moment_one_gets_it(self, leases: Leases, other: Leases) -> None:
        epoch = 0
        for _ in range(4):
            wanted = [(leases, other)[number % 2].take("stock", 0, f"o{number}", seconds=LONG) for number in range(12)]
            outcomes = await self.soon(asyncio.gather(*wanted))
            (winner,) = [each for each in outcomes if isinstance(each, Lease)]
            assert winner.epoch == (epoch := epoch + 1)
            losers = [each for each in outcomes if isinstance(each, LeaseRecord)]
            assert {(each.owner, each.epoch) for each in losers} == {(winner.owner, winner.epoch)}
            assert len(losers) == 11
            await leases.release(winner)

    async def test_i8_partitions_and_processors_do_not_meddle_with_each_other(
        self, leases: Leases, rows: ReadModel
    ) -> None:
        first, second = await had(leases, "a"), await had(leases, "b", partition=1)
        elsewhere = await leases.take("Stock", 0, "c", seconds=LONG)
        assert isinstance(elsewhere, Lease)
        for lease, position in ((first, 5), (second, 3), (elsewhere, 9)):
            await rows.advance(step(lease, position))
        assert [(await rows.checkpoint("stock", number)).position for number in range(3)] == [5, 3, 0]
        await leases.release(first)
        assert (await refused(leases, "c", partition=1)).owner == "b"
        await had(leases, "c")

    async def test_i8_whoever_has_it_takes_it_again_under_a_higher_epoch(self, leases: Leases, rows: ReadModel) -> None:
        """His answer may have been lost, or it is a later life of the same name."""
        before = await had(leases, "a")
        now = await had(leases, "a")
        assert now.epoch == before.epoch + 1
        await self._fenced(rows, step(before, 5))
        beat = await leases.beat("stock", "a", [before], seconds=LONG)
        assert beat.kept == frozenset()
        await leases.release(before)
        assert (await refused(leases, "b")).owner == "a"
        await rows.advance(step(now, 5))

    async def test_i8_leases_are_listed_for_others_to_see(self, leases: Leases, other: Leases) -> None:
        assert list(await other.leases()) == []
        for name, partition, owner in (("stock", 1, "b"), ("mails", 0, "c"), ("stock", 0, "a")):
            await leases.take(name, partition, owner, seconds=LONG)
        listed = await other.leases()
        assert [(each.processor, each.partition, each.owner, each.epoch) for each in listed] == [
            ("mails", 0, "c", 1),
            ("stock", 0, "a", 1),
            ("stock", 1, "b", 1),
        ]
        assert all(0 < each.left <= LONG for each in listed)
        assert [each.partition for each in await other.leases("stock")] == [0, 1]
        assert list(await other.leases("nobody")) == []

    # ----------------------------------------------------------------------------- takeover

    async def test_fm24_a_lease_runs_out_by_the_clock_of_the_store(
        self, leases: Leases, other: Leases, lease: float, pass_time: PassTime
    ) -> None:
        mine = await had(leases, "a", seconds=lease)
        await pass_time(lease * 1.2)
        (listed,) = await other.leases("stock")
        assert (listed.owner, listed.left <= 0) == ("a", True)
        theirs = await had(other, "b")
        assert theirs.epoch == mine.epoch + 1

    async def test_fm11_g14_whoever_was_taken_over_cannot_go_on(
        self, leases: Leases, other: Leases, rows: ReadModel, lease: float, pass_time: PassTime
    ) -> None:
        """He was stopped, say, while his lease ran out, and knows nothing of it."""
        await rows.prepare("stock", version=1, tables=[NUMBERS])
        zombie = await had(leases, "a", seconds=lease)
        first = step(zombie, 5)
        await rows.advance(first)
        await pass_time(lease * 1.2)
        heir = await had(other, "b")
        assert heir.checkpoint == Checkpoint(5, first.event_id, zombie.epoch + 1), "he starts where the other was"
        await self._fenced(rows, step(zombie, 6, previous=5))
        shape, values = rows.bind(COUNT, {"number": 6})
        async with rows.transaction() as transaction:
            with pytest.raises(Fenced):
                await transaction.commit([(shape, [values])], step(zombie, 6, previous=5))
        assert await rows.query(select(NUMBERS)) == [], "neither does a row of his remain"
        await rows.advance(step(heir, 6))
        await self._fenced(rows, step(zombie, 7, previous=6))
        beat = await leases.beat("stock", "a", [zombie], seconds=LONG)
        assert beat.kept == frozenset(), "and he is told"

    async def test_i8_the_lease_of_one_who_is_known_to_be_dead_is_taken_at_once(
        self, leases: Leases, other: Leases, rows: ReadModel
    ) -> None:
        dead = await had(leases, "a")
        assert (await refused(other, "b", dead="c")).owner == "a"
        assert (await refused(other, "b", dead="")).owner == "a"
        heir = await other.take("stock", 0, "b", seconds=LONG, dead="a")
        assert isinstance(heir, Lease)
        assert heir.epoch == dead.epoch + 1
        await self._fenced(rows, step(dead, 5))
        assert (await refused(leases, "a", dead="c")).owner == "b"

    async def test_i8_one_that_is_released_is_free_at_once(self, leases: Leases, other: Leases) -> None:
        mine = await had(leases, "a")
        await leases.release(mine)
        (listed,) = await other.leases()
        assert listed.left <= 0
        theirs = await had(other, "b")
        assert theirs.epoch == mine.epoch + 1

    async def test_fm11_a_former_owner_releases_nothing(
        self, leases: Leases, other: Leases, rows: ReadModel, lease: float, pass_time: PassTime
    ) -> None:
        former = await had(leases, "a", seconds=lease)
        await pass_time(lease * 1.2)
        heir = await had(other, "b")
        for _ in range(2):
            await leases.release(former)
            assert (await refused(leases, "c")).owner == "b"
        await rows.advance(step(heir, 5))

    # ----------------------------------------------------------------------- the epoch

    async def test_fm11_the_epoch_rises_also_over_a_table_that_was_wiped(
        self, leases: Leases, other: Leases, rows: ReadModel, wipe: Callable[[], Awaitable[None]]
    ) -> None:
        await leases.release(await had(leases, "x"))
        zombie = await had(leases, "a")
        assert zombie.epoch == 2
        await rows.advance(step(zombie, 5))
        await wipe()
        assert list(await leases.leases()) == []
        beat = await leases.beat("stock", "a", [zombie], seconds=LONG)
        assert beat.kept == frozenset(), "his lease is not there any more"
        heir = await had(other, "b")
        assert (heir.epoch, heir.checkpoint.position) == (3, 5)
        await self._fenced(rows, step(zombie, 6, previous=5))
        await rows.advance(step(heir, 6))

    @pytest.mark.parametrize("how", ["reset", "start_over", "truncate", "drop"])
    async def test_fm11_the_epoch_rises_also_where_the_processor_was_sent_back(
        self, leases: Leases, rows: ReadModel, how: str
    ) -> None:
        await rows.prepare("stock", version=1, tables=[NUMBERS])
        before = await had(leases, "a")
        await rows.advance(step(before, 5))
        match how:
            case "reset":
                await rows.reset("stock")
            case "start_over":
                await rows.start_over("stock")
            case "truncate":
                await rows.truncate("stock", [NUMBERS])
            case _:
                await rows.drop("stock", [NUMBERS])
        await self._fenced(rows, step(before, 6, previous=5))
        await self._fenced(rows, step(before, 6, previous=0))
        now = await had(leases, "a")
        assert now.checkpoint == Checkpoint(0, None, before.epoch + 1)
        await self._fenced(rows, step(before, 6, previous=0))
        await rows.advance(step(now, 3))

    async def test_g17_a_higher_version_starts_anew_under_the_epoch_of_whoever_prepares_it(
        self, leases: Leases, rows: ReadModel
    ) -> None:
        """The lease comes first, then the tables: what was taken must not be lost by the preparation."""
        await rows.prepare("stock", version=1, tables=[NUMBERS])
        old = await had(leases, "a")
        await rows.advance(step(old, 5))
        new = await leases.take("stock", 0, "b", seconds=LONG, dead="a")
        assert isinstance(new, Lease)
        prepared = await rows.prepare("stock", version=2, tables=[NUMBERS])
        assert prepared == Checkpoint(0, None, new.epoch)
        await self._fenced(rows, step(old, 6, previous=5))
        await self._fenced(rows, step(old, 6, previous=0))
        await rows.advance(step(new, 3, previous=0))

    # ----------------------------------------------------------------------- the heart

    async def test_i8_a_beat_prolongs_what_one_has(
        self, leases: Leases, other: Leases, lease: float, pass_time: PassTime
    ) -> None:
        mine = [await had(leases, "a", seconds=lease), await had(leases, "a", partition=2, seconds=lease)]
        lapsing = await had(leases, "a", partition=1, seconds=lease)
        beat = await leases.beat("stock", "a", mine, seconds=LONG)
        assert beat.kept == {0, 2}
        await pass_time(lease * 1.2)
        for partition in (0, 2):
            assert (await refused(other, "b", partition=partition)).owner == "a"
        await had(other, "b", partition=1)
        beat = await leases.beat("stock", "a", [*mine, lapsing], seconds=LONG)
        assert beat.kept == {0, 2}, "what was taken over is not kept"

    async def test_i8_one_that_has_run_out_is_kept_while_nobody_else_has_it(
        self, leases: Leases, other: Leases, rows: ReadModel, lease: float, pass_time: PassTime
    ) -> None:
        mine = await had(leases, "a", seconds=lease)
        await pass_time(lease * 1.2)
        assert (await leases.beat("stock", "a", [mine], seconds=LONG)).kept == {0}
        assert (await refused(other, "b")).owner == "a"
        await rows.advance(step(mine, 5))

    async def test_i8_members_are_those_who_have_beaten_of_late(
        self, leases: Leases, other: Leases, lease: float, pass_time: PassTime
    ) -> None:
        assert (await leases.beat("stock", "b", [], seconds=LONG)).members == ("b",)
        assert (await other.beat("stock", "a", [], seconds=LONG)).members == ("a", "b")
        assert (await other.beat("mails", "z", [], seconds=LONG)).members == ("z",)
        await leases.beat("stock", "c", [], seconds=lease)
        await pass_time(lease * 1.2)
        assert (await leases.beat("stock", "b", [], seconds=LONG)).members == ("a", "b")
        await other.leave("stock", "a")
        await other.leave("stock", "never there")
        assert (await leases.beat("stock", "b", [], seconds=LONG)).members == ("b",)
        assert (await leases.beat("mails", "y", [], seconds=LONG)).members == ("y", "z")

    async def test_i8_leaving_releases_nothing_and_releasing_is_no_leave(self, leases: Leases, other: Leases) -> None:
        mine = await had(leases, "a")
        await leases.beat("stock", "a", [mine], seconds=LONG)
        await leases.leave("stock", "a")
        assert (await refused(other, "b")).owner == "a"
        await leases.beat("stock", "a", [mine], seconds=LONG)
        await leases.release(mine)
        assert (await other.beat("stock", "b", [], seconds=LONG)).members == ("a", "b")

    # -------------------------------------------------------------------------- the rest

    async def test_i8_names_are_only_names(self, leases: Leases, rows: ReadModel) -> None:
        owners = ["host:1:ab", "'; --", "ä🦊", "a\nb"]
        for number, owner in enumerate(owners):
            lease = await had(leases, owner, partition=number)
            await rows.advance(step(lease, number + 1))
            assert (await leases.beat("stock", owner, [lease], seconds=LONG)).kept == {number}
        assert [each.owner for each in await leases.leases("stock")] == owners
        beat = await leases.beat("stock", owners[0], [], seconds=LONG)
        assert beat.members == tuple(sorted(owners))

    async def test_g04_leases_are_refused_after_closing(self, leases: Leases, rows: ReadModel) -> None:
        mine = await had(leases, "a")
        await rows.close()
        late: Sequence[Awaitable[object]] = (
            leases.take("stock", 0, "b", seconds=LONG),
            leases.beat("stock", "a", [mine], seconds=LONG),
            leases.release(mine),
            leases.leave("stock", "a"),
            leases.leases(),
        )
        for each in late:
            with pytest.raises(StoreClosed):
                await each
