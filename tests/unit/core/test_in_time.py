"""A function goes as far as it goes without waiting; what is left of it is as if it had been awaited from the start."""

from __future__ import annotations

import asyncio

import pytest

from eventfold.processing.in_time import begun

done: list[str] = []


@pytest.fixture(autouse=True)
def nothing_done() -> None:
    done.clear()


async def never_waits() -> None:
    await also_never()
    done.append("never waits")


async def also_never() -> None:
    done.append("also")


async def test_who_does_not_wait_is_done_at_once() -> None:
    assert begun(never_waits()) is None
    assert done == ["also", "never waits"]


async def test_who_waits_goes_on_where_it_was() -> None:
    news = asyncio.Event()

    async def waits() -> None:
        done.append("begun")
        await asyncio.sleep(0)
        done.append("turned")
        await news.wait()
        async with asyncio.timeout(5):
            await asyncio.sleep(0.001)
        done.append("told")

    left = begun(waits())
    assert left is not None
    assert done == ["begun"]
    asyncio.get_running_loop().call_soon(lambda: asyncio.get_running_loop().call_soon(news.set))
    await left
    assert done == ["begun", "turned", "told"]


async def test_what_it_raises_is_raised_before_and_after_it_waits() -> None:
    async def at_once() -> None:
        raise ZeroDivisionError

    async def later() -> None:
        await asyncio.sleep(0)
        raise ZeroDivisionError

    async def of_a_future() -> None:
        future = asyncio.get_running_loop().create_future()
        future.get_loop().call_soon(future.set_exception, ZeroDivisionError())
        await future

    with pytest.raises(ZeroDivisionError):
        begun(at_once())
    for each in (later(), of_a_future()):
        left = begun(each)
        assert left is not None
        with pytest.raises(ZeroDivisionError):
            await left


@pytest.mark.parametrize("swallowed", [0, 1, 2])
async def test_a_timeout_strikes_where_it_waits_however_often_it_goes_on(swallowed: int) -> None:
    async def stubborn() -> None:
        for number in range(swallowed):
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                done.append(f"swallowed {number}")
                await asyncio.sleep(0)
        await asyncio.Event().wait()

    left = begun(stubborn())
    assert left is not None

    async def rest() -> None:
        await left

    task = asyncio.create_task(rest())
    for _ in range(swallowed + 1):
        await asyncio.sleep(0.001)
        assert not task.done()
        task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    assert done == [f"swallowed {number}" for number in range(swallowed)]


async def test_one_that_answers_its_cancellation_by_returning_has_returned() -> None:
    async def gives_in() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            done.append("gave in")

    left = begun(gives_in())
    assert left is not None
    async with asyncio.timeout(0.01) as limit:
        await left
    assert limit.expired()
    assert done == ["gave in"]


async def test_what_is_given_up_is_closed() -> None:
    async def holds() -> None:
        try:
            await asyncio.sleep(0)
        finally:
            done.append("closed")

    left = begun(holds())
    assert left is not None

    async def rest() -> None:
        await left

    steps = rest()
    steps.send(None)
    steps.close()
    assert done == ["closed"]


async def test_something_of_the_users_own_is_awaited_as_it_is() -> None:
    future = asyncio.get_running_loop().create_future()
    assert begun(future) is future
