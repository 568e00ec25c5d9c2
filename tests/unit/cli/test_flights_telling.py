"""Orders are told in groups; a crash anywhere, and another, lead to the same end as none."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import datetime
from functools import cache
from typing import Any, cast

import pytest
from sqlalchemy import select

from eventfold import Running
from eventfold.cli.demo.flights import telling
from eventfold.cli.demo.flights.data import Flight
from eventfold.cli.demo.flights.data import flights as rows_of
from eventfold.cli.demo.flights.progress import ID, Import, OutOfStep, StartImport
from eventfold.cli.demo.flights.steps import steps
from eventfold.cli.demo.flights.telling import tell
from eventfold.cli.demo.flights.truth import truth
from eventfold.cli.demo.flights.wiring import app, carriers_t, flights, imports


class Crash(Exception):
    """The process is gone."""


class Crashing:
    """A running application that dies once so many orders have led to events."""

    def __init__(self, running: Running, after: int) -> None:
        self._running = running
        self._left = after
        self.load = running.load
        self.source = running.source

    async def execute(self, aggregate: Any, id: str, command: Any, **more: Any) -> Any:
        outcome = await self._running.execute(aggregate, id, command, **more)
        if aggregate is flights:
            self._left -= 1
            if self._left < 0:
                raise Crash
        return outcome


@cache
def hostile_rows() -> list[Flight]:
    """Real rows, some of them doubled, some without a plan, some that arrive without having left."""
    rows = [row for _, row in zip(range(60), rows_of(), strict=False)]
    rows += [row._replace(arrival_delay=7) for row in rows[::4]]
    rows += [row._replace(scheduled=None, number=9_000 + index) for index, row in enumerate(rows[:5])]
    rows += [
        row._replace(departed=None, departure_delay=None, number=8_000 + index) for index, row in enumerate(rows[:9])
    ]
    return rows


def unwatched(reached: datetime, done: Import) -> None:
    pass


async def told(running: Running) -> Import:
    await running.execute(imports, ID, StartImport(1, "abc"))
    return await tell(running, steps(hostile_rows()), unwatched)


@pytest.fixture
async def running() -> AsyncIterator[Running]:
    async with app.test() as running:
        yield running


async def test_what_was_told_agrees_with_the_rows(running: Running) -> None:
    expected = truth(hostile_rows())
    done = await told(running)
    assert expected.rejected > 50
    assert (done.events, done.rejected, done.completed) == (expected.events, expected.rejected, True)
    await running.settled()
    found = await running.query(select(carriers_t.c.carrier, carriers_t.c.flights).order_by(carriers_t.c.carrier))
    assert found == [(row["carrier"], row["flights"]) for row in expected.carriers]


async def test_a_second_run_changes_nothing(running: Running) -> None:
    first = await told(running)
    head = await running.head()
    assert await told(running) == first
    assert await running.head() == head


@pytest.mark.parametrize("chunk", [1, 7, 50, 10_000])
@pytest.mark.parametrize("every", [1, 13, 40])
async def test_crashes_lead_to_the_same_end(
    running: Running, chunk: int, every: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telling, "CHUNK", chunk)
    expected = truth(hostile_rows())
    crashes = 0
    done = Import()
    while not done.completed:
        with suppress(Crash):
            done = await told(cast("Running", Crashing(running, every)))
        crashes += not done.completed
    assert crashes >= 2
    assert (done.orders, done.events, done.rejected) == (
        expected.events + expected.rejected,
        expected.events,
        expected.rejected,
    )


async def test_an_order_that_was_rejected_before_a_crash_is_not_accepted_after_it(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Told again on its own, the arrival that came too early would now find a flight in the air."""
    row = next(rows_of())
    orders = list(steps([row]))
    schedule, depart, arrive = orders
    early = [schedule, arrive._replace(at=depart.at), depart]
    with pytest.raises(Crash):
        await tell(cast("Running", Crashing(running, 1)), early, unwatched)
    done = await tell(running, early, unwatched)
    assert (done.events, done.rejected) == (2, 1)
    loaded = await running.load(flights, schedule.flight)
    assert loaded.version == 2


async def test_two_that_tell_at_once_notice_each_other_and_the_counts_stay_exact(running: Running) -> None:
    expected = truth(hostile_rows())
    outcomes = await asyncio.gather(told(running), told(running), return_exceptions=True)
    assert any(isinstance(outcome, OutOfStep) for outcome in outcomes)
    done = await told(running)
    assert (done.events, done.rejected) == (expected.events, expected.rejected)
