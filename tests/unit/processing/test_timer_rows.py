"""FM-18: rows of time-outs that are written together are all there, whoever fails or is cancelled on the way."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from eventfold import system_clock
from eventfold.bootstrap.stores import open_stores
from eventfold.errors import StoreUnavailable
from eventfold.ports.timers import Gone, Timer, Timers
from eventfold.processing.timer_rows import TimerRows


class Slow(Timers):
    """Those of a store, behind a door: counts transactions, and fails as often as it is told to."""

    def __init__(self, timers: Timers) -> None:
        self.inner = timers
        self.calls = 0
        self.failures = 0
        self.door = asyncio.Event()

    async def keep(self, planned: Sequence[Timer], gone: Sequence[Gone] = ()) -> None:
        self.calls += 1
        await self.door.wait()
        if self.failures:
            self.failures -= 1
            raise StoreUnavailable("planted")
        await self.inner.keep(planned, gone)

    async def due(self, manager: str, *, limit: int) -> Sequence[Timer]:
        return await self.inner.due(manager, limit=limit)

    async def timers(
        self, manager: str | None = None, *, instance: str | None = None, limit: int = 1_000
    ) -> Sequence[Timer]:
        return await self.inner.timers(manager, instance=instance, limit=limit)

    async def instances(self) -> list[str]:
        return [each.instance for each in await self.inner.timers()]


@pytest.fixture
async def slow() -> AsyncIterator[Slow]:
    async with open_stores("memory:", clock=system_clock, migrate=True) as stores:
        yield Slow(stores.timers)


def a_timer(instance: str, position: int = 1) -> Timer:
    return Timer("watch", instance, "late", 2**60, "Late", b"{}", position)


async def at_the_door(rows: TimerRows, *instances: str) -> list[asyncio.Task[None]]:
    """The first of them writes, the others wait for it."""
    tasks = [asyncio.create_task(rows.keep([a_timer(each)], [])) for each in instances]
    await asyncio.sleep(0)
    return tasks


async def test_fm18_what_comes_while_a_transaction_is_written_goes_into_one_more(slow: Slow) -> None:
    tasks = await at_the_door(TimerRows(slow), *"abcdefgh")
    assert slow.calls == 1
    slow.door.set()
    await asyncio.gather(*tasks)
    assert slow.calls == 2
    assert await slow.instances() == list("abcdefgh")


async def test_fm18_nobody_is_told_before_the_rows_are_there(slow: Slow) -> None:
    tasks = await at_the_door(TimerRows(slow), "a", "b")
    await asyncio.sleep(0)
    assert not any(each.done() for each in tasks)
    slow.door.set()
    await tasks[1]
    assert "b" in await slow.instances()


async def test_fm18_when_one_transaction_fails_the_others_of_it_try_again(slow: Slow) -> None:
    rows = TimerRows(slow)
    first, *others = await at_the_door(rows, "a", "b", "c", "d")
    slow.failures = 2
    slow.door.set()
    outcomes = await asyncio.gather(first, *others, return_exceptions=True)
    assert [type(each) for each in outcomes] == [StoreUnavailable, StoreUnavailable, type(None), type(None)]
    assert {"c", "d"} <= set(await slow.instances())
    await rows.keep([a_timer("a")], [])
    assert "a" in await slow.instances()


async def test_fm18_when_the_one_who_writes_is_cancelled_the_others_of_it_write(slow: Slow) -> None:
    first, second, third = await at_the_door(TimerRows(slow), "a", "b", "c")
    first.cancel()
    await asyncio.wait([first])
    await asyncio.sleep(0)
    second.cancel()
    await asyncio.wait([second])
    slow.door.set()
    await third
    assert "c" in await slow.instances()


async def test_fm18_of_two_words_about_a_key_the_last_counts(slow: Slow) -> None:
    rows = TimerRows(slow)
    (first,) = await at_the_door(rows, "a")
    planned = asyncio.create_task(rows.keep([a_timer("b", 5)], []))
    await asyncio.sleep(0)
    struck_out = asyncio.create_task(rows.keep([], [Gone("watch", "b", "late", 9)]))
    await asyncio.sleep(0)
    slow.door.set()
    await asyncio.gather(first, planned, struck_out)
    assert await slow.instances() == ["a"]
