"""
T-02: kill -9 of all processes of an application on one Postgres server, at random moments, again and again. The server
lives on, and finishes or forgets what it was asked. After every cycle the store is opened as a user would and held
against the journal: A1 to A9; at the end A10 as well.
"""

from __future__ import annotations

import asyncio
import os
import time
from itertools import pairwise
from random import Random

import pytest

from eventfold.testing.journal import Acknowledged, Delivered, Line, Rejected
from tests.postgres import ExistingServer, PostgresServer, fresh_schema
from tests.torture.workload import FULL, SEED, Child, audit, finish, report, told, url_of_schema

CYCLES = 200 if FULL else 10
CYCLES_PER_SCHEMA = 10
LIVES = ["writing"] * (6 if FULL else 2) + ["living", "projecting"][: 2 if FULL else 1]
MUTANT = os.environ.get("EVENTFOLD_MUTANT", "")
PATIENCE = 30.0


async def life(url: str, chance: Random) -> list[Line]:
    """One cycle: all at once, until they are killed in any order."""
    children = [Child(kind, url, seed=chance.randrange(2**48), mutant=MUTANT) for kind in LIVES]
    async with asyncio.timeout(PATIENCE):
        while not any(child.acknowledged for child in children):  # noqa: ASYNC110 - it tells a pipe, on a thread
            await asyncio.sleep(0.005)
    await asyncio.sleep(chance.uniform(0.1, 0.4))  # the fault, not the oracle
    early = [child.process.exitcode for child in children if child.process.exitcode is not None]
    for child in chance.sample(children, len(children)):
        child.process.kill()
    for child in children:
        child.ended()
    assert not early, f"a child ended by itself: {early}; EVENTFOLD_SEED={SEED}"
    return [line for child in children for line in child.journal]


def stall(journal: list[Line]) -> float:
    """The longest time in which nobody was acknowledged anything, within one cycle."""
    moments = sorted(line.at for line in journal if isinstance(line, Acknowledged))
    return max((b - a for a, b in pairwise(moments)), default=0) / 1e9


@pytest.mark.slow
async def test_t02_fm51_g01_g03_g04_g08_g09_g12_kill_9_of_every_client_loses_skips_and_doubles_nothing(
    postgres: PostgresServer | ExistingServer,
) -> None:
    print(f"EVENTFOLD_SEED={SEED}")
    chance = Random(SEED)
    acknowledged = stored_without_answer = delivered = rejected = events = 0
    worst = 0.0
    began = time.monotonic()
    for first in range(0, CYCLES, CYCLES_PER_SCHEMA):
        journal: list[Line] = []
        with fresh_schema(postgres) as schema:
            url = url_of_schema(postgres.url, schema)
            await finish(url)  # the tables are there: no child waits for another to make them
            for cycle in range(first, min(first + CYCLES_PER_SCHEMA, CYCLES)):
                lines = await life(url, chance)
                journal += lines
                worst = max(worst, stall(lines))
                left = await audit(url, journal)
                assert not left.violations, told(left.violations, f"cycle {cycle}")
                wrong = [line.error for line in lines if isinstance(line, Rejected) and "Conflict" not in line.error]
                assert not wrong, f"cycle {cycle}: {wrong[:3]}; EVENTFOLD_SEED={SEED}"
            await finish(url)
            left = await audit(url, journal, quiet=True)
            assert not left.violations, told(left.violations, "what is left when all is quiet")
        acknowledged += left.tally.acknowledged
        stored_without_answer += left.tally.unanswered_stored
        delivered += sum(len(line.events) for line in journal if isinstance(line, Delivered))
        rejected += left.tally.rejected
        events += len(left.log)
    assert min(acknowledged, delivered) > 0
    assert rejected > 0, "conflicts belong to the workload"
    report(
        "T-02",
        store="postgres",
        faults=CYCLES * len(LIVES),
        acknowledged=acknowledged,
        lost=0,
        skipped=0,
        duplicated=0,
        out_of_order=0,
        stored_without_answer=stored_without_answer,
        delivered=delivered,
        rejected=rejected,
        events=events,
        worst_stall=round(worst, 3),
        seconds=round(time.monotonic() - began, 1),
    )
