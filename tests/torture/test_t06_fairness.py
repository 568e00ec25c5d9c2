"""
T-06: processes that append to one SQLite file as fast as they can: nobody hears of a lock, nobody starves.

    EVENTFOLD_TORTURE=full      8 processes for 30 s instead of 4 for 8 s
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.contending import contend
from tests.torture.workload import FULL, report

PROCESSES, SECONDS = (8, 30.0) if FULL else (4, 8.0)
TASKS = 16


@pytest.mark.slow
async def test_t06_fm30_fm31_processes_of_sixteen_tasks_share_a_file_fairly(tmp_path: Path) -> None:
    """The longest wait is shown and not judged: it is the machine's as much as the store's."""
    told = await contend(tmp_path / "e.db", PROCESSES, TASKS, SECONDS)
    counts = [done for done, _ in told]
    fairness = min(counts) / max(counts)
    report(
        "T-06",
        store="sqlite",
        processes=PROCESSES,
        acknowledged=sum(counts),
        fairness=round(fairness, 2),
        worst_stall=round(max(worst for _, worst in told), 3),
    )
    assert fairness >= 0.5, counts
