"""A disk whose syncs take 1 and 5 ms: what is the longest stall of the loop, and what does a group gain?"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Sequence
from time import perf_counter
from typing import Any

import append
from harness import FLOOR, OURS, SQLITE, Asked, Cell, Figures, Question, Seed, main

TICK = 0.001


def cells(quick: bool) -> Sequence[Cell]:
    made = []
    for delay in (1, 5):
        number = (150 if quick else 600) // delay
        made += [
            Cell(
                f"{delay} ms a sync, {tasks} task{'s' if tasks > 1 else ''}",
                {"delay": delay / 1000, "tasks": tasks, "warm": 40, "number": number, "factor": min(tasks, 16)},
                target=target,
                seeds=(Seed(0, 0),),
                floor_is="one commit for each event, on the same slow disk",
            )
            for tasks, target in ((1, 0.85), (16, 0.7 * 16), (64, 0.7 * 64))
        ]
    return made


def slow_down(seconds: float) -> None:
    """From here on each sync of every SQLite file of this process takes that long."""
    import apsw

    system = apsw.vfs_names()[0]  # the default one: "unix" on Linux and macOS

    class SlowFile(apsw.VFSFile):
        def xSync(self, flags: int) -> None:  # noqa: N802 - SQLite's name
            time.sleep(seconds)  # instead of the sync: apsw would hold the interpreter's lock while that lasts

    class SlowDisk(apsw.VFS):
        def __init__(self) -> None:
            super().__init__("slow", system, makedefault=True)

        def xOpen(self, name: Any, flags: list[int]) -> Any:  # noqa: N802 - as above
            return SlowFile(system, name, flags)

    KEPT.append(SlowDisk())


KEPT: list[object] = []


def raw(params: dict[str, Any]) -> Figures:
    slow_down(params["delay"])
    return append.raw(params)


def eventfold(params: dict[str, Any]) -> Figures:
    slow_down(params["delay"])
    return asyncio.run(_watched(params))


async def _watched(params: dict[str, Any]) -> Figures:
    late: list[float] = []

    async def watch() -> None:
        """How late a task wakes that sleeps a millisecond; the store's opening, which blocks once, is not counted."""
        while True:
            began = perf_counter()
            await asyncio.sleep(TICK)
            late.append(perf_counter() - began - TICK)

    watcher = asyncio.create_task(watch())
    await asyncio.sleep(0.3)
    idle = max(late)
    figures = dict(await append.appended({**params, "started": late.clear, "ended": watcher.cancel}))
    counted = sorted(late)
    return {
        **figures,
        "idle_stall_ms": idle * 1000,
        "stall_ms": counted[-1] * 1000,
        "stall_p99_ms": counted[len(counted) * 99 // 100] * 1000,
    }


QUESTION = Question(
    "slow_disk",
    "A slow disk",
    {
        SQLITE: Asked(
            "A VFS that sleeps in `xSync` instead of a sync. `stall_ms` is the longest time by which a task that "
            "sleeps one millisecond woke too late while events were appended, `stall_p99_ms` its 99th percentile, "
            "`idle_stall_ms` the longest before anything was asked (the machine's own). The raw driver commits each "
            "event by itself.",
            cells,
            {FLOOR: raw, OURS: eventfold},
        )
    },
)

if __name__ == "__main__":
    sys.exit(main(QUESTION))
