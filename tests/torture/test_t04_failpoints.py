"""
T-04: every failpoint, kill and raise, at the first three passings. Nothing is lost, torn, doubled or skipped, and what
the caller was told is true: before the commit nothing is stored, after it everything.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from eventfold.testing.checker import tally
from eventfold.testing.faults import FAILPOINTS, Fault, Faults
from eventfold.testing.journal import Line, Unknown
from tests.acceptance.world import File, Place
from tests.torture.workload import (
    KILLED,
    SEED,
    Child,
    app,
    audit,
    audited,
    finish,
    in_memory,
    project,
    report,
    steps,
    told,
    url,
)

PASSINGS = (1, 2, 3)
STORED = "append.after_commit_before_ack"
ONCE = "migrate.before_commit"
NOT_IN_MEMORY = {"append.after_insert", ONCE}
ELSEWHERE = ("unit.", "administration.", "lease.", "actions.", "reaction.", "rebuild.", "manager.", "timers.")
PASSED = [each for each in FAILPOINTS if not each.startswith(ELSEWHERE)]
"""By commands and projections. What else there is has tests of its own for this."""
MUTANT = os.environ.get("EVENTFOLD_MUTANT", "")


def swept(name: str) -> tuple[int, ...]:
    return (1,) if name == ONCE else PASSINGS


KILLS = [(name, k) for name in PASSED for k in swept(name)]


@pytest.mark.parametrize(("name", "k"), KILLS)
async def test_g01_g04_g12_a_process_killed_at_any_failpoint_leaves_only_what_was_promised(
    name: str, k: int, tmp_path: Path
) -> None:
    path = tmp_path / "store.db"
    child = Child("stepping", path, seed=SEED, fault=f"{name}=kill:{k}", mutant=MUTANT)
    assert child.ended() == KILLED, "it never came by"
    left = await audit(path, child.journal)
    assert not left.violations, told(left.violations, f"{name}=kill:{k}")
    await finish(path)
    again = await audit(path, child.journal, quiet=True)
    assert not again.violations, told(again.violations, f"{name}=kill:{k}, afterwards")
    figures = again.tally
    if name == STORED:
        assert figures.unanswered_stored == figures.unanswered, "the commit was done"
    elif name.startswith("append."):
        assert figures.unanswered_stored == 0, "the commit was not done"
    report("T-04", store="sqlite", fault=f"{name}=kill:{k}", faults=1, acknowledged=figures.acknowledged, violations=0)


async def stepped(place: Place, name: str, k: int) -> None:
    """Raise at the passing, look, repeat what is unknown with the same ids, look again."""
    journal: list[Line] = []
    times = 2 if name.startswith("projection.") else 1  # a batch that fails is tried again event by event
    with Faults({name: Fault("raise", at=k, times=times)}) as faults:
        async with place.open(app, run=False) as running:
            writers = await steps(running, journal.append, SEED)
        assert name in faults.struck, "it never came by"
    async with place.open(app, run=False) as running:
        rows = running._stores.rows
        left = await audited(running.source, rows, journal)
        assert not left.violations, told(left.violations, f"{name}=raise:{k}")
        unknown = [line for line in journal if isinstance(line, Unknown)]
        figures = tally(left.log, journal)
        if name.startswith("append."):
            assert unknown or name == "append.after_insert", "a group that fails is tried again one by one, others tell"
            assert figures.unanswered_stored == (figures.unanswered if name == STORED else 0), (
                "what they were told is not so"
            )
        settled = [each for writer in writers for each in await writer.settle(running.sink)]
        assert settled == [name == STORED] * figures.unanswered, "a repetition tells what has become of the first call"
        assert not await project(running)
        again = await audited(running.source, rows, journal, quiet=True)
        assert not again.violations, told(again.violations, f"{name}=raise:{k}, afterwards")


@pytest.mark.parametrize("k", PASSINGS)
@pytest.mark.parametrize("writer", ["auto", "thread"])
@pytest.mark.parametrize("name", [each for each in PASSED if each != ONCE])
async def test_g01_g04_g12_an_error_at_any_failpoint_leaves_only_what_was_promised(
    name: str, writer: str, k: int, tmp_path: Path, planted: None
) -> None:
    await stepped(File(url(tmp_path / "store.db", writer=writer)), name, k)


async def test_g01_an_error_during_a_migration_leaves_an_empty_file_that_can_be_opened(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with Faults({ONCE: Fault("raise")}) as faults:
        with pytest.raises(Exception, match="migrate"):
            await finish(path)
        assert faults.struck == [ONCE]
    await finish(path)
    assert not (await audit(path, [], quiet=True)).violations


@pytest.mark.parametrize("k", PASSINGS)
@pytest.mark.parametrize("name", [each for each in PASSED if each not in NOT_IN_MEMORY])
async def test_g01_g04_an_error_at_any_failpoint_in_memory(name: str, k: int, planted: None) -> None:
    async with in_memory() as place:
        await stepped(place, name, k)
