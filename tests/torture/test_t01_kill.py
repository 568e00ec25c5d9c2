"""
T-01: kill -9 of all processes on one SQLite file, at random moments, again and again. After every cycle the file is
opened as a user would and held against the journal: A1 to A9 and A11; at the end of each file A10 as well.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from random import Random

from eventfold.testing.journal import Acknowledged, Asked, Delivered, Line, Rejected
from tests.torture.workload import FULL, SEED, Child, audit, finish, report, told

CYCLES = 200 if FULL else 30
CYCLES_PER_FILE = 10
WRITERS = 8 if FULL else 3
PROJECTORS = 2 if FULL else 1
MUTANT = os.environ.get("EVENTFOLD_MUTANT", "")


@dataclass
class Outcome:
    cycles: int = 0
    faults: int = 0
    acknowledged: int = 0
    unanswered_stored: int = 0
    delivered: int = 0
    rejected: int = 0
    events: int = 0
    worst_stall: float = 0.0


def life(path: Path, chance: Random, *, writers: int, projectors: int) -> tuple[list[Line], float]:
    """One cycle: all at once, until they are killed in any order."""
    children = [
        Child(kind, path, seed=chance.randrange(2**48), mutant=MUTANT)
        for kind in ["writing"] * writers + [("living", "projecting")[number % 2] for number in range(projectors)]
    ]
    deadline = time.monotonic() + 30
    while not any(child.acknowledged for child in children[:writers]) and time.monotonic() < deadline:
        time.sleep(0.005)
    time.sleep(chance.uniform(0.15, 0.5))  # the fault, not the oracle
    early = [child.process.exitcode for child in children if child.process.exitcode is not None]
    for child in chance.sample(children, len(children)):
        child.kill()
    assert not early, f"a child ended by itself: {early}"
    journal = [line for child in children for line in child.journal]
    return journal, max((stall(child.journal) for child in children[:writers]), default=0.0)


def stall(journal: Sequence[Line]) -> float:
    """The longest time in which a writing process has acknowledged nothing."""
    moments = [line.at for line in journal if isinstance(line, Acknowledged)]
    return max((b - a for a, b in pairwise(moments)), default=0) / 1e9


async def killed(folder: Path, *, cycles: int, writers: int = WRITERS, projectors: int = PROJECTORS) -> Outcome:
    chance = Random(SEED)
    outcome = Outcome()
    journal: list[Line] = []
    path = folder
    for cycle in range(cycles):
        if cycle % CYCLES_PER_FILE == 0:
            path, journal = folder / str(cycle) / "store.db", []
            path.parent.mkdir()
        lines, worst = life(path, chance, writers=writers, projectors=projectors)
        journal += lines
        left = await audit(path, journal)
        assert not left.violations, told(left.violations, f"cycle {cycle}")
        busy = [line.error for line in lines if isinstance(line, Rejected) and "Conflict" not in line.error]
        assert not busy, f"cycle {cycle}: {busy[:3]}; EVENTFOLD_SEED={SEED}"
        outcome.cycles += 1
        outcome.faults += writers + projectors
        outcome.worst_stall = max(outcome.worst_stall, worst)
        outcome.delivered += sum(len(line.events) for line in lines if isinstance(line, Delivered))
        outcome.rejected += sum(isinstance(line, Rejected) for line in lines)
        if cycle % CYCLES_PER_FILE == CYCLES_PER_FILE - 1 or cycle == cycles - 1:
            await finish(path)
            left = await audit(path, journal, quiet=True)
            assert not left.violations, told(left.violations, f"cycle {cycle}, when all is quiet")
            outcome.acknowledged += left.tally.acknowledged
            outcome.unanswered_stored += left.tally.unanswered_stored
            outcome.events += len(left.log)
            shutil.rmtree(path.parent)
    return outcome


async def test_fm51_g01_g03_g04_g08_g09_g12_kill_9_of_everything_loses_skips_and_doubles_nothing(
    tmp_path: Path,
) -> None:
    print(f"EVENTFOLD_SEED={SEED}")
    outcome = await killed(tmp_path, cycles=CYCLES)
    assert outcome.acknowledged > 0
    assert outcome.delivered > 0
    assert outcome.rejected > 0, "conflicts belong to the workload"
    report(
        "T-01",
        store="sqlite",
        faults=outcome.faults,
        acknowledged=outcome.acknowledged,
        lost=0,
        skipped=0,
        duplicated=0,
        out_of_order=0,
        stored_without_answer=outcome.unanswered_stored,
        delivered=outcome.delivered,
        rejected=outcome.rejected,
        events=outcome.events,
        worst_stall=round(outcome.worst_stall, 3),
    )


def test_the_workload_tells_what_it_asks_before_it_asks(tmp_path: Path) -> None:
    journal, _ = life(tmp_path / "0.db", Random(SEED), writers=1, projectors=0)
    assert isinstance(journal[0], Asked)
