"""The suite of checkpoints: compare-and-set, so that of two copies of a processor only one goes on."""

from __future__ import annotations

import asyncio

import pytest

from eventfold.adapters.system import uuid7
from eventfold.errors import Fenced, InvalidInput
from eventfold.ports.checkpoint_store import BEGINNING, Checkpoint, CheckpointStore, Move
from eventfold.testing.conformance.material import Suite

__all__ = ["CheckpointStoreConformance"]


def step(previous: int, position: int, *, processor: str = "stock", epoch: int = 0, partition: int = 0) -> Move:
    return Move(processor, previous, position, uuid7().bytes, epoch, partition)


class CheckpointStoreConformance(Suite):
    """Every promise of `CheckpointStore`. The fixture `checkpoints` gives an empty one."""

    @pytest.fixture
    def checkpoints(self) -> CheckpointStore:
        raise NotImplementedError("define a fixture `checkpoints` that gives an empty checkpoint store")

    async def test_i7_a_processor_that_never_moved_is_at_the_beginning(self, checkpoints: CheckpointStore) -> None:
        assert await checkpoints.checkpoint("stock") == BEGINNING == Checkpoint(0)
        assert dict(await checkpoints.checkpoints()) == {}

    async def test_i7_a_step_is_kept_with_the_event_that_proves_it(self, checkpoints: CheckpointStore) -> None:
        first, second = step(0, 7), step(7, 9)
        await checkpoints.advance(first)
        assert await checkpoints.checkpoint("stock") == Checkpoint(7, first.event_id)
        await checkpoints.advance(second)
        assert await checkpoints.checkpoint("stock") == Checkpoint(9, second.event_id)

    async def test_i7_trap9_looking_never_moves_or_rewinds_anything(self, checkpoints: CheckpointStore) -> None:
        move = step(0, 5)
        await checkpoints.advance(move)
        for _ in range(3):
            assert await checkpoints.checkpoint("stock") == Checkpoint(5, move.event_id)
            assert await checkpoints.checkpoint("new") == BEGINNING
        assert list(await checkpoints.checkpoints()) == [("stock", 0)]
        await checkpoints.advance(step(5, 6))

    async def test_fm13_a_step_from_elsewhere_is_fenced_and_changes_nothing(self, checkpoints: CheckpointStore) -> None:
        await self._fenced(checkpoints, step(3, 8), actual=0)
        move = step(0, 5)
        await checkpoints.advance(move)
        for stale in (step(0, 5), step(0, 9), step(4, 6), step(6, 7)):
            await self._fenced(checkpoints, stale, actual=5)
        assert await checkpoints.checkpoint("stock") == Checkpoint(5, move.event_id)

    async def test_fm13_a_step_under_another_epoch_is_fenced_and_changes_nothing(
        self, checkpoints: CheckpointStore
    ) -> None:
        await self._fenced(checkpoints, step(0, 5, epoch=1), actual=0)
        move = step(0, 5)
        await checkpoints.advance(move)
        for epoch in (1, 2, -1):
            await self._fenced(checkpoints, step(5, 6, epoch=epoch), actual=5)
        assert await checkpoints.checkpoint("stock") == Checkpoint(5, move.event_id)

    @staticmethod
    async def _fenced(checkpoints: CheckpointStore, move: Move, *, actual: int) -> None:
        before = dict(await checkpoints.checkpoints())
        with pytest.raises(Fenced) as fenced:
            await checkpoints.advance(move)
        error = fenced.value
        assert (error.processor, error.expected, error.epoch) == ("stock", move.previous, move.epoch)
        assert error.actual in {actual, actual or None}
        assert dict(await checkpoints.checkpoints()) == before

    @pytest.mark.parametrize("position", [5, 4, 0, -1])
    async def test_fm13_a_step_that_leads_nowhere_is_refused(self, checkpoints: CheckpointStore, position: int) -> None:
        move = step(0, 5)
        await checkpoints.advance(move)
        with pytest.raises(InvalidInput):
            await checkpoints.advance(step(5, position))
        assert await checkpoints.checkpoint("stock") == Checkpoint(5, move.event_id)

    async def test_g14_of_two_steps_at_the_same_moment_one_is_taken(self, checkpoints: CheckpointStore) -> None:
        for previous in (0, 5):
            moves = [step(previous, previous + 5) for _ in range(5)]
            outcomes = await self.soon(
                asyncio.gather(*(checkpoints.advance(move) for move in moves), return_exceptions=True)
            )
            (winner,) = [move for move, outcome in zip(moves, outcomes, strict=True) if outcome is None]
            assert [type(each) for each in outcomes if each is not None] == [Fenced] * 4
            assert await checkpoints.checkpoint("stock") == Checkpoint(previous + 5, winner.event_id)

    async def test_i7_processors_do_not_meddle_with_each_other(self, checkpoints: CheckpointStore) -> None:
        names = ["stock", "Stock", "stock ", "'; --", "mails\n", "ä🦊"]
        moves = [step(0, number + 1, processor=name) for number, name in enumerate(names)]
        for move in moves:
            await checkpoints.advance(move)
        expected = {(move.processor, 0): Checkpoint(move.position, move.event_id) for move in moves}
        assert dict(await checkpoints.checkpoints()) == expected

    async def test_i7_reset_leads_back_to_the_beginning(self, checkpoints: CheckpointStore) -> None:
        await checkpoints.reset("stock")
        await checkpoints.advance(step(0, 5))
        await checkpoints.advance(step(0, 3, processor="other"))
        await checkpoints.reset("stock")
        assert await checkpoints.checkpoint("stock") == BEGINNING
        assert list(await checkpoints.checkpoints()) == [("other", 0)]
        await self._fenced(checkpoints, step(5, 6), actual=0)
        await checkpoints.advance(step(0, 2))

    async def test_i7_each_partition_has_a_place_of_its_own(self, checkpoints: CheckpointStore) -> None:
        moves = [step(0, 7, partition=2), step(0, 5), step(0, 9, partition=1)]
        for move in moves:
            await checkpoints.advance(move)
        for move in moves:
            expected = Checkpoint(move.position, move.event_id)
            assert await checkpoints.checkpoint("stock", move.partition) == expected
        assert [(whose, at.position) for whose, at in (await checkpoints.checkpoints()).items()] == [
            (("stock", 0), 5),
            (("stock", 1), 9),
            (("stock", 2), 7),
        ]
        assert await checkpoints.checkpoint("stock", 3) == BEGINNING

    async def test_fm13_a_step_is_compared_with_its_own_partition(self, checkpoints: CheckpointStore) -> None:
        await checkpoints.advance(step(0, 5))
        await checkpoints.advance(step(0, 9, partition=1))
        await self._fenced(checkpoints, step(5, 10, partition=1), actual=9)
        await self._fenced(checkpoints, step(9, 10), actual=5)
        await self._fenced(checkpoints, step(5, 10, partition=2), actual=0)
        await checkpoints.advance(step(9, 10, partition=1))
        assert (await checkpoints.checkpoint("stock")).position == 5

    async def test_i7_reset_leads_all_partitions_back(self, checkpoints: CheckpointStore) -> None:
        for partition in range(3):
            await checkpoints.advance(step(0, 5, partition=partition))
        await checkpoints.reset("stock")
        assert dict(await checkpoints.checkpoints()) == {}
        for partition in range(3):
            await self._fenced(checkpoints, step(5, 6, partition=partition), actual=0)
            await checkpoints.advance(step(0, 4, partition=partition))

    async def test_g06_the_list_of_checkpoints_is_nobodys_to_change(self, checkpoints: CheckpointStore) -> None:
        await checkpoints.advance(step(0, 5))
        found = await checkpoints.checkpoints()
        if isinstance(found, dict):
            found.clear()
        assert list(await checkpoints.checkpoints()) == [("stock", 0)]
