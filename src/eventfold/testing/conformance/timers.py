"""The suite of time-outs as rows: none is due before its time, none is lost, and the later plan stays."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta

import pytest

from eventfold.adapters.system import ManualClock
from eventfold.domain.message import to_micros
from eventfold.errors import StoreClosed
from eventfold.ports.read_model import ReadModel
from eventfold.ports.timers import Gone, Timer, Timers
from eventfold.testing.conformance.material import Suite

__all__ = ["TimersConformance"]

SECOND = 1_000_000


def timer(key: str, due_at: int, position: int = 1, *, instance: str = "1", manager: str = "loan") -> Timer:
    return Timer(manager, instance, key, due_at, "Overdue", b'{"isbn":"\xc3\xa4"}', position)


class TimersConformance(Suite):
    """
    Every promise of `Timers`.

    The fixture `timers` gives them without rows, `other` the same ones by another connection, `rows` the read model of
    the same store, which closes it. `now` asks the store's clock, in microseconds since 1970, and `pass_time` lets so
    many seconds pass on it.
    """

    @pytest.fixture
    def timers(self) -> Timers:
        raise NotImplementedError("define a fixture `timers` that gives time-outs without rows")

    @pytest.fixture
    def other(self) -> Timers:
        raise NotImplementedError("define a fixture `other`: the time-outs of the same store by another connection")

    @pytest.fixture
    def rows(self) -> ReadModel:
        raise NotImplementedError("define a fixture `rows`: the read model of the same store")

    @pytest.fixture
    def now(self, clock: ManualClock) -> Callable[[], Awaitable[int]]:
        async def now() -> int:
            return to_micros(clock.now())

        return now

    @pytest.fixture
    def pass_time(self, clock: ManualClock) -> Callable[[float], Awaitable[None]]:
        async def pass_time(seconds: float) -> None:
            clock.advance(timedelta(seconds=seconds))

        return pass_time

    @staticmethod
    async def _due(timers: Timers, manager: str = "loan", limit: int = 100) -> list[tuple[str, str]]:
        return [(each.instance, each.key) for each in await timers.due(manager, limit=limit)]

    async def test_fm18_g18_what_is_planned_is_told_as_it_was(self, timers: Timers, other: Timers) -> None:
        planned = [timer("due", 5, 7), timer("due", 3, 2**40, instance="ä b"), timer("later", 2**61)]
        await timers.keep(planned)
        assert list(await other.timers("loan")) == [planned[1], planned[0], planned[2]]

    async def test_fm18_g18_none_is_due_before_its_time_and_all_are_once_it_has_come(
        self,
        timers: Timers,
        other: Timers,
        now: Callable[[], Awaitable[int]],
        pass_time: Callable[[float], Awaitable[None]],
    ) -> None:
        at = await now()
        await timers.keep([timer("past", at - SECOND), timer("soon", at + SECOND), timer("late", at + 3600 * SECOND)])
        assert await self._due(other) == [("1", "past")]
        await pass_time(1.1)
        assert await self._due(other) == [("1", "past"), ("1", "soon")]

    async def test_fm18_g18_one_is_due_at_its_very_moment(
        self, timers: Timers, now: Callable[[], Awaitable[int]]
    ) -> None:
        at = await now()
        await timers.keep([timer("due", at)])
        assert await self._due(timers) == [("1", "due")]

    async def test_g18_those_that_are_due_come_in_order_of_due_time(self, timers: Timers) -> None:
        await timers.keep(
            [
                timer("b", 30),
                timer("a", 30),
                timer("z", 10),
                timer("c", 20, instance="9"),
                timer("c", 20, instance="10"),
            ]
        )
        assert await self._due(timers) == [("1", "z"), ("10", "c"), ("9", "c"), ("1", "a"), ("1", "b")]
        assert await self._due(timers, limit=2) == [("1", "z"), ("10", "c")]
        assert await self._due(timers, limit=0) == []

    async def test_g18_each_manager_has_its_own(self, timers: Timers) -> None:
        mine, theirs = timer("due", 1), timer("due", 1, manager="order")
        await timers.keep([mine, theirs])
        assert await self._due(timers, "order") == [("1", "due")]
        await timers.keep([], [Gone("order", "1", "due", 9)])
        assert list(await timers.timers()) == [mine]
        assert list(await timers.timers("order")) == []

    async def test_fm18_g18_of_two_plans_the_later_one_stays_whichever_is_written_first(self, timers: Timers) -> None:
        first, second = timer("due", 10, 1), timer("due", 99, 2)
        await timers.keep([first])
        await timers.keep([second])
        assert list(await timers.timers()) == [second]
        await timers.keep([first])
        assert list(await timers.timers()) == [second]
        await timers.keep([timer("twice", 5, 4), timer("twice", 6, 3)])
        assert [(each.key, each.due_at) for each in await timers.timers()] == [("twice", 5), ("due", 99)]

    async def test_fm18_g18_striking_out_leaves_what_was_planned_later(self, timers: Timers) -> None:
        await timers.keep([timer("due", 10, 5), timer("other", 10, 5)])
        await timers.keep([], [Gone("loan", "1", "due", 4), Gone("loan", "2", "due", 9), Gone("loan", "1", "none", 9)])
        assert await self._due(timers) == [("1", "due"), ("1", "other")]
        await timers.keep([], [Gone("loan", "1", "due", 5)])
        assert await self._due(timers) == [("1", "other")]
        await timers.keep([timer("other", 1, 6)], [Gone("loan", "1", "other", 9)])
        assert await self._due(timers) == [("1", "other")], "first struck out, then planned"

    async def test_g18_what_is_done_twice_is_as_done_once(self, timers: Timers, other: Timers) -> None:
        planned, gone = [timer("a", 1, 2), timer("b", 2, 3)], [Gone("loan", "1", "c", 9)]
        for each in (timers, other, timers):
            await each.keep(planned, gone)
        assert list(await timers.timers()) == planned
        await timers.keep([])
        assert list(await timers.timers(limit=1)) == planned[:1]
        assert list(await timers.timers("loan", instance="2")) == []
        assert list(await timers.timers("loan", instance="1")) == planned

    async def test_g18_many_at_once_and_by_several_at_once(self, timers: Timers, other: Timers) -> None:
        several = [timer(f"k{number:04}", number, number + 1) for number in range(1_000)]
        await self.soon(asyncio.gather(timers.keep(several), other.keep(several[::-1])))
        assert len(await timers.due("loan", limit=5_000)) == 1_000
        gone = [Gone("loan", "1", each.key, each.schedule_position) for each in several]
        await self.soon(asyncio.gather(timers.keep([], gone), other.keep([], gone[::-1])))
        assert list(await timers.timers()) == []

    async def test_g04_time_outs_are_refused_after_closing(self, timers: Timers, rows: ReadModel) -> None:
        await rows.close()
        late: Sequence[Awaitable[object]] = (
            timers.keep([timer("due", 1)]),
            timers.due("loan", limit=1),
            timers.timers(),
        )
        for each in late:
            with pytest.raises(StoreClosed):
                await each
