"""Several processes on one store, 16 tasks each. On SQLite against one process; needs `--processes N` there."""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import subprocess
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from time import perf_counter, sleep, time
from typing import Any

from harness import FLOOR, OURS, POSTGRES, SQLITE, Asked, Cell, Figures, Question, Seed, main

TASKS = 16
START_UP = 2.5


def cells(quick: bool) -> Sequence[Cell]:
    number = PROCESSES[0]
    return [
        Cell(
            f"{number} processes of {TASKS} tasks",
            {"processes": number, "seconds": 1.0 if quick else 3.0},
            figure="of_one_process",
            unit="of one process",
            compared="alone",
            target=0.75,
            seeds=(Seed(0, 0),),
            floor_is="the same store with one process of 16 tasks, just before",
        )
    ]


def cells_of_postgres(quick: bool) -> Sequence[Cell]:
    return [
        Cell(
            f"append, {PROCESSES[0]} processes of {TASKS} tasks",
            {"processes": PROCESSES[0], "seconds": 1.0 if quick else 3.0},
            target=1.15,
            seeds=(Seed(0, 0),),
            floor_is=f"as many processes with {TASKS} connections each, one INSERT for each event",
        )
    ]


PROCESSES = [4]


def skipped(options: argparse.Namespace) -> str | None:
    if options.processes < 2:
        return "this release has one writing process for a file; with one that has more: --processes 4"
    PROCESSES[0] = options.processes
    return None


def eventfold(params: dict[str, Any]) -> Figures:
    path = Path(params["stores"][0])
    alone = path.with_name("alone.db")
    shutil.copyfile(path, alone)
    (one,) = workers(OURS, str(alone), 1, params["seconds"])
    several = workers(OURS, str(path), params["processes"], params["seconds"])
    return {"of_one_process": sum(each["appends"] for each in several) / one["appends"], **summed(params, several)}


def eventfold_postgres(params: dict[str, Any]) -> Figures:
    return summed(params, workers(OURS, params["stores"][0], params["processes"], params["seconds"]))


def raw_postgres(params: dict[str, Any]) -> Figures:
    return summed(params, workers(FLOOR, params["stores"][0], params["processes"], params["seconds"]))


def summed(params: dict[str, Any], several: Sequence[dict[str, float]]) -> Figures:
    counts = [each["appends"] for each in several]
    return {
        "per_second": sum(counts) / params["seconds"],
        "fairness": min(counts) / max(counts),
        "p99_ms": max(each["p99_ms"] for each in several),
        "worst_ms": max(each["worst_ms"] for each in several),
    }


def workers(whose: str, place: str, number: int, seconds: float) -> list[dict[str, float]]:
    """All begin at the same moment, when the slowest to start is surely there."""
    begins = time() + START_UP + number / 2
    command = [sys.executable, __file__, "--worker", whose, place, str(begins), str(seconds)]
    started = [subprocess.Popen([*command, str(each)], stdout=subprocess.PIPE, text=True) for each in range(number)]
    answers = [each.communicate()[0] for each in started]
    if any(each.returncode for each in started):
        raise SystemExit(f"a process failed; can this store be written by {number} processes?")
    return [json.loads(each) for each in answers]


async def raw_worker(url: str, begins: float, seconds: float, name: str) -> Figures:
    import floor_postgres as floor
    from material import BYTES, CATEGORY, TYPE

    connections = [await floor.connect(url) for _ in range(TASKS)]
    inserts = [await floor.prepared(each, floor.INSERT) for each in connections]

    async def append(task: int, number: int) -> None:
        row = floor.row(CATEGORY, f"{name}-{task}-{number}", 1, TYPE, BYTES[number % len(BYTES)])
        await inserts[task](*row)

    figures = await busy(append, begins, seconds)
    for each in connections:
        await each.close()
    return figures


async def our_worker(place: str, begins: float, seconds: float, name: str) -> Figures:
    from material import BYTES, CATEGORY, TYPE
    from ours import url

    from eventfold import Eventfold, Stream, uuid7
    from eventfold.domain.message import NewEvent
    from eventfold.ports.event_store import Append

    async with Eventfold().open(url(place)) as running:

        async def append(task: int, number: int) -> None:
            event = NewEvent(event_id=uuid7().bytes, type=TYPE, data=BYTES[number % len(BYTES)])
            await running.sink.append(Append(Stream(CATEGORY, f"{name}-{task}-{number}"), [event], 0))

        return await busy(append, begins, seconds)


async def busy(append: Callable[[int, int], Awaitable[None]], begins: float, seconds: float) -> Figures:
    taken: list[float] = []

    async def one(task: int) -> None:
        number = 0
        while (began := perf_counter()) < end:
            await append(task, number)
            taken.append(perf_counter() - began)
            number += 1

    sleep(max(0.0, begins - time()))  # noqa: ASYNC251 - nothing else is to run before the start
    end = perf_counter() + seconds
    async with asyncio.TaskGroup() as group:
        for task in range(TASKS):
            group.create_task(one(task))
    taken.sort()
    return {"appends": len(taken), "p99_ms": taken[len(taken) * 99 // 100] * 1000, "worst_ms": taken[-1] * 1000}


ABOUT = "Every process appends to fresh streams from 16 tasks. Fairness is the fewest appends of a process by the most."
WORKERS = {FLOOR: raw_worker, OURS: our_worker}
QUESTION = Question(
    "processes",
    "Several processes",
    {
        SQLITE: Asked(ABOUT, cells, {OURS: eventfold}, skipped),
        POSTGRES: Asked(ABOUT, cells_of_postgres, {FLOOR: raw_postgres, OURS: eventfold_postgres}),
    },
)

if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        whose, place, begins, seconds, name = sys.argv[2:7]
        print(json.dumps(asyncio.run(WORKERS[whose](place, float(begins), float(seconds), name))))
    else:
        sys.exit(main(QUESTION))
