"""The pessimistic way: who holds the lock, who waits for it, and when it is let go."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from eventfold import EventHandler, Recorded, TransactionalHandler, View
from eventfold.errors import (
    AppendInsideProjection,
    ConcurrencyConflict,
    HandlerFailed,
    InvalidInput,
    InvalidStreamName,
    LockTimedOut,
)
from tests.acceptance.world import Added, AddUnless, Place, Tape, TapeFull, application, record, see, seen_t, tapes
from tests.postgres import PostgresServer

SOON = 0.2
"""Seconds after which we are sure that somebody waits."""


async def waits(task: "asyncio.Task[Any]") -> bool:
    done, _ = await asyncio.wait([task], timeout=SOON)
    return not done


async def add_locked(running: Any, n: int, *, id: str = "t", timeout: float = 5.0) -> tuple[int, int]:
    """What was there when it was locked, and the version that was written."""
    async with running.lock(tapes, id, timeout=timeout) as tape:
        before = tape.state.sum
        outcome = await tape.execute(record(Added(n)))
        return before, outcome.version


# --------------------------------------------------------------------------------- D1


async def test_d1_the_second_waits_and_sees_what_the_first_has_recorded(place: Place) -> None:
    async with place.open(application()) as running:
        async with running.lock(tapes, "t") as tape:
            second = asyncio.create_task(add_locked(running, 1))
            assert await waits(second)
            assert (tape.state, tape.version) == (Tape(), 0)
            outcome = await tape.execute(record(Added(5)))
            assert (outcome.state.sum, outcome.version, tape.state.sum, tape.version) == (5, 1, 5, 1)
        assert await second == (5, 2)


@pytest.mark.parametrize("url", ["sqlite", "postgres"], indirect=True)
async def test_d1_across_processes_too(place: Place) -> None:
    """Two stores on one place exclude each other as two processes do; these are tried beside the adapters."""
    async with place.open(application()) as running, place.open(application()) as other:
        async with running.lock(tapes, "t") as tape:
            second = asyncio.create_task(add_locked(other, 1))
            assert await waits(second)
            await tape.execute(record(Added(5)))
        assert await second == (5, 2)


async def test_d1_whoever_does_not_lock_is_kept_neither_waiting_nor_out(place: Place) -> None:
    async with place.open(application()) as running:
        async with running.lock(tapes, "t") as tape:
            assert (await running.load(tapes, "t")).version == 0
            await running.execute(tapes, "t", record(Added(1)))
            outcome = await tape.execute(AddUnless(10, limit=10, quietly=True))
            assert outcome.events == (), "it was decided on what came in between"
            assert (tape.state.sum, tape.version) == (1, 1)
            assert (await tape.execute(record(Added(2)))).version == 2
        assert (await running.load(tapes, "t")).state.sum == 3


async def test_d1_somebody_who_comes_in_between_every_time_is_a_conflict_in_the_end(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with place.open(application(attempts=3)) as running, place.open(application()) as other:
        decisions = 0

        def intruding(append: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
            async def append_through(*arguments: Any) -> Any:
                nonlocal decisions
                decisions += 1
                await other.execute(tapes, "t", record(Added(1)))
                return await append(*arguments)

            return append_through

        async with running.lock(tapes, "t") as tape:
            monkeypatch.setattr(running._recorder, "append_through", intruding(running._recorder.append_through))
            with pytest.raises(ConcurrencyConflict):
                await tape.execute(record(Added(100)))
        assert decisions == 3
        assert (await running.load(tapes, "t")).state.sum == 3


async def test_d1_many_at_once_take_turns_and_none_conflicts(place: Place) -> None:
    async with place.open(application(attempts=1)) as running:
        seen = await asyncio.gather(*(add_locked(running, 1) for _ in range(20)))
    assert sorted(seen) == [(n, n + 1) for n in range(20)]


# --------------------------------------------------------------------------------- D2


async def test_d2_an_aggregate_that_does_not_exist_yet_can_be_locked(place: Place) -> None:
    async with place.open(application(attempts=1)) as running:
        seen = await asyncio.gather(*(add_locked(running, 1, id="unknown") for _ in range(2)))
    assert sorted(seen) == [(0, 1), (1, 2)]


async def test_d2_another_aggregate_is_not_locked(place: Place) -> None:
    async with place.open(application()) as running, running.lock(tapes, "a"):
        assert await add_locked(running, 1, id="b", timeout=SOON) == (0, 1)


# --------------------------------------------------------------------------------- D3


async def test_d3_a_commit_releases_it_before_handlers_are_called(place: Place) -> None:
    handled: list[Any] = []
    handler = EventHandler("relock")
    async with place.open(application(handlers=[])) as running:

        @handler.on(Added)
        async def relock(recorded: Recorded[Added], handling: Any) -> None:
            if recorded.event.n == 5:
                handled.append(await add_locked(running, 1, timeout=1.0))

        await running.add(handler)
        async with running.lock(tapes, "t") as tape:
            await tape.execute(record(Added(5)))
            assert handled == [(5, 2)]


async def test_d3_what_leaves_the_block_releases_it(place: Place) -> None:
    async with place.open(application()) as running:
        with pytest.raises(ZeroDivisionError):
            async with running.lock(tapes, "t"):
                raise ZeroDivisionError
        async with running.lock(tapes, "t", timeout=SOON):
            pass
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(SOON), running.lock(tapes, "t"):
                await asyncio.Event().wait()
        holder = asyncio.create_task(hold(running))
        await asyncio.sleep(SOON)
        holder.cancel()
        await asyncio.wait([holder])
        assert await add_locked(running, 1, timeout=1.0) == (0, 1)


async def hold(running: Any) -> None:
    async with running.lock(tapes, "t"):
        await asyncio.Event().wait()


async def test_d3_a_rejection_and_nothing_to_do_keep_it(place: Place) -> None:
    async with place.open(application()) as running:
        async with running.lock(tapes, "t") as tape:
            with pytest.raises(TapeFull):
                await tape.execute(AddUnless(2, limit=1))
            assert (await tape.execute(AddUnless(2, limit=1, quietly=True))).events == ()
            second = asyncio.create_task(add_locked(running, 1))
            assert await waits(second)
            await tape.execute(record(Added(5)))
        assert await second == (5, 2)


async def test_d3_waiting_has_an_end(place: Place) -> None:
    async with place.open(application()) as running:
        async with running.lock(tapes, "t"):
            with pytest.raises(LockTimedOut) as late:
                async with running.lock(tapes, "t", timeout=SOON):
                    pass
        assert (str(late.value.stream), late.value.waited, late.value.retryable) == ("tape-t", SOON, True)
        assert await add_locked(running, 1) == (0, 1)


async def test_d3_who_gives_up_waiting_leaves_the_line(place: Place) -> None:
    async with place.open(application()) as running:
        async with running.lock(tapes, "t") as tape:
            second = asyncio.create_task(add_locked(running, 1))
            third = asyncio.create_task(add_locked(running, 2))
            assert await waits(second)
            second.cancel()
            await asyncio.wait([second])
            assert await waits(third)
            await tape.execute(record(Added(5)))
        assert second.cancelled()
        assert await third == (5, 2)


async def test_d3_a_transactional_handler_that_fails_keeps_it(place: Place) -> None:
    handler = TransactionalHandler("no_zero", tables=[seen_t])

    @handler.on(Added)
    def no_zero(pending: Any, view: View) -> None:
        view.write(see, {"position": pending.version, "type": pending.type, "tape": pending.id})
        if pending.event.n == 0:
            raise ValueError("zero")

    async with place.open(application(handlers=[handler])) as running:
        async with running.lock(tapes, "t") as tape:
            with pytest.raises(HandlerFailed):
                await tape.execute(record(Added(0)))
            second = asyncio.create_task(add_locked(running, 1))
            assert await waits(second)
            await tape.execute(record(Added(5)))
        assert await second == (5, 2)
        assert [row[0] for row in await running.query(seen_t.select().order_by(seen_t.c.position))] == [1, 2]


async def test_d3_one_lock_is_for_one_command(place: Place) -> None:
    async with place.open(application()) as running:
        async with running.lock(tapes, "t") as tape:
            await tape.execute(record(Added(5)))
            with pytest.raises(InvalidInput, match="lock it again"):
                await tape.execute(record(Added(5)))
        async with running.lock(tapes, "t") as kept:
            pass
        with pytest.raises(InvalidInput, match="lock it again"):
            await kept.execute(record(Added(5)))
        assert (await running.load(tapes, "t")).version == 1


@pytest.mark.parametrize("timeout", [0, -1.0, float("nan")])
async def test_d3_a_timeout_is_some_time(place: Place, timeout: float) -> None:
    async with place.open(application()) as running:
        with pytest.raises(InvalidInput, match="timeout"):
            async with running.lock(tapes, "t", timeout=timeout):
                pass


async def test_d3_an_id_that_is_none_is_refused(place: Place) -> None:
    async with place.open(application()) as running:
        with pytest.raises(InvalidStreamName):
            async with running.lock(tapes, ""):
                pass


@pytest.mark.parametrize("pool", [1, 2, 4])
async def test_d3_locks_leave_connections_for_those_who_write(
    pool: int, postgres: PostgresServer, postgres_schema: str
) -> None:
    url = f"{postgres.url}?schema={postgres_schema}&pool={pool}"
    async with application().open(url) as running:
        entered = asyncio.Semaphore(0)
        over = asyncio.Event()

        async def hold_one(id: str) -> None:
            async with running.lock(tapes, id, timeout=30) as tape:
                entered.release()
                await over.wait()
                await tape.execute(record(Added(1)))

        holders = [asyncio.create_task(hold_one(f"held-{n}")) for n in range(2 * pool)]
        await entered.acquire()
        async with asyncio.timeout(10):
            for n in range(5):
                await running.execute(tapes, f"free-{n}", record(Added(n)))
                assert (await running.load(tapes, f"free-{n}")).version == 1
        over.set()
        await asyncio.gather(*holders)
        assert {(await running.load(tapes, f"held-{n}")).version for n in range(2 * pool)} == {1}


async def test_d3_it_is_not_for_projectors(place: Place, tmp_path: Path) -> None:
    tried: list[BaseException] = []
    handler = TransactionalHandler("locks", tables=[seen_t])
    async with place.open(application()) as running:

        @handler.on(Added)
        async def locks(pending: Any, view: View) -> None:
            try:
                async with running.lock(tapes, "other"):
                    pass
            except AppendInsideProjection as error:
                tried.append(error)

        await running.add(handler)
        await running.execute(tapes, "t", record(Added(1)))
    assert len(tried) == 1
