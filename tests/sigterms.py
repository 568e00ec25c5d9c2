"""SIGTERM at random moments to a runner at work, again and again: FM-50 in small, T-42 in full."""

from __future__ import annotations

import asyncio
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random

from sqlalchemy import func, select

from eventfold import Running, system_clock
from eventfold.bootstrap.stores import open_stores
from tests.processes import is_alive
from tests.runners import running
from tests.staff import Told, app, desks, mails, mails_t, stock, stock_t

LONGEST_STOP = 12.0
"""Seconds from the signal to the end: ten to drain, and the rest."""
BATCH = 20


@dataclass
class Outcome:
    signals: int = 0
    at_work: int = 0
    """Of them, those that met both children at work; the others met them while they started."""
    events: int = 0
    slowest: float = 0.0


async def write(there: Running, outcome: Outcome) -> None:
    """Until it is cancelled: what the runner has to do, a part of it slowly."""
    while True:
        events = [Told("all", "sleep", 0.01), *[Told("all")] * (BATCH - 1)]
        await there.execute(desks, f"d{outcome.events % 7}", events)
        outcome.events += BATCH
        await asyncio.sleep(0.05)


async def terminated(url: str, folder: Path, chance: Random, *, signals: int) -> Outcome:
    """
    As many runners, each ended by one SIGTERM.

    Raises AssertionError: one was slow, or failed, or left a process or a lease behind; an event is missing in the rows
    of a projector, or is there twice.
    """
    outcome = Outcome()
    async with app.open(url, run=False) as there:
        writing = asyncio.create_task(write(there, outcome))
        try:
            for number in range(signals):
                await once(url, folder, chance, outcome, at_work=number % 4 != 3)
                assert not writing.done(), writing
        finally:
            writing.cancel()
            with suppress(asyncio.CancelledError):
                await writing
        with running(url, folder) as runner:
            head = await there.head()
            for each in (stock, mails):
                await there.wait_for(each, head, timeout=120)
            runner.send(signal.SIGTERM)
            assert await asyncio.to_thread(runner.ended) == 0, runner.errors
        for table in (stock_t, mails_t):
            counted = select(func.count(), func.count(table.c.position.distinct())).select_from(table)
            [(rows, positions)] = await there.query(counted)
            assert rows == positions, f"{table}: {rows - positions} events twice"
            assert rows == head, f"{table}: {head - rows} events are missing"
    return outcome


async def once(url: str, folder: Path, chance: Random, outcome: Outcome, *, at_work: bool) -> None:
    with running(url, folder) as runner:
        for name in ("stock", "mails"):
            await asyncio.to_thread(runner.until, what="ready" if at_work else "starting", processor=name)
        await asyncio.sleep(chance.uniform(0, 0.5))  # the fault, not the oracle
        outcome.at_work += len(runner.all(what="ready")) == 2
        runner.send(signal.SIGTERM)
        sent = time.monotonic()
        status = await asyncio.to_thread(runner.ended)
        took = time.monotonic() - sent
        assert status == 0, f"exit status {status}: {runner.heard}\n{runner.errors}"
        assert took <= LONGEST_STOP, f"{took:.1f} s: {runner.heard}"
        assert not any(map(is_alive, runner.pids)), "a child is left"
        async with open_stores(url, clock=system_clock, migrate=False) as stores:
            held = [each for each in await stores.leases.leases() if each.left > 0]
        assert not held, f"leases are kept: {held}"
    outcome.signals += 1
    outcome.slowest = max(outcome.slowest, took)
