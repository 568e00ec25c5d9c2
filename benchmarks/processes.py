"""Several processes on one file, 16 tasks each, against one. Needs `--processes N` and a store that can do it."""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter, sleep, time
from typing import Any

from harness import OURS, Cell, Figures, Question, Seed, main

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


PROCESSES = [4]


def skipped(options: argparse.Namespace) -> str | None:
    if options.processes < 2:
        return "this release has one writing process for a file; with one that has more: --processes 4"
    PROCESSES[0] = options.processes
    return None


def eventfold(params: dict[str, Any]) -> Figures:
    path = Path(params["paths"][0])
    alone = path.with_name("alone.db")
    shutil.copyfile(path, alone)
    (one,) = workers(str(alone), 1, params["seconds"])
    several = workers(str(path), params["processes"], params["seconds"])
    counts = [each["appends"] for each in several]
    return {
        "of_one_process": sum(counts) / one["appends"],
        "per_second": sum(counts) / params["seconds"],
        "fairness": min(counts) / max(counts),
        "p99_ms": max(each["p99_ms"] for each in several),
        "worst_ms": max(each["worst_ms"] for each in several),
    }


def workers(path: str, number: int, seconds: float) -> list[dict[str, float]]:
    """All begin at the same moment, when the slowest to start is surely there."""
    begins = time() + START_UP + number / 2
    command = [sys.executable, __file__, "--worker", path, str(begins), str(seconds)]
    started = [subprocess.Popen([*command, str(each)], stdout=subprocess.PIPE, text=True) for each in range(number)]
    answers = [each.communicate()[0] for each in started]
    if any(each.returncode for each in started):
        raise SystemExit(f"a process failed; can this store be written by {number} processes?")
    return [json.loads(each) for each in answers]


async def worker(path: str, begins: float, seconds: float, name: str) -> Figures:
    from material import BYTES, CATEGORY, TYPE
    from ours import url

    from eventfold import Eventfold, Stream, uuid7
    from eventfold.domain.message import NewEvent
    from eventfold.ports.event_store import Append

    taken: list[float] = []
    async with Eventfold().open(url(path)) as running:
        append = running.sink.append

        async def one(task: int) -> None:
            number = 0
            while (began := perf_counter()) < end:
                event = NewEvent(event_id=uuid7().bytes, type=TYPE, data=BYTES[number % len(BYTES)])
                await append(Append(Stream(CATEGORY, f"{name}-{task}-{number}"), [event], 0))
                taken.append(perf_counter() - began)
                number += 1

        sleep(max(0.0, begins - time()))  # noqa: ASYNC251 - nothing else is to run before the start
        end = perf_counter() + seconds
        async with asyncio.TaskGroup() as group:
            for task in range(TASKS):
                group.create_task(one(task))
    taken.sort()
    return {"appends": len(taken), "p99_ms": taken[len(taken) * 99 // 100] * 1000, "worst_ms": taken[-1] * 1000}


QUESTION = Question(
    "processes",
    "Several processes",
    "Every process appends to fresh streams from 16 tasks. Fairness is the fewest appends of a process by the most.",
    cells,
    {OURS: eventfold},
    skipped,
)

if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        print(json.dumps(asyncio.run(worker(sys.argv[2], float(sys.argv[3]), float(sys.argv[4]), sys.argv[5]))))
    else:
        sys.exit(main(QUESTION))
