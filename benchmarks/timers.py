"""Many time-outs that are due at the same moment: how long until all of them are decided on."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from time import time
from typing import Any

from harness import OURS, POSTGRES, SQLITE, Asked, Cell, Figures, Question, Seed, main

_PLANNED_TOGETHER = 256
_LONGEST = 600.0


def cells(quick: bool) -> Sequence[Cell]:
    number = 500 if quick else 10_000
    return [
        Cell(
            f"{number:,} time-outs due at once, concurrency={concurrency}",
            {"number": number, "concurrency": concurrency, "lead": 2.0 if quick else 30.0},
            compared="alone",
            target=10_000 / 3 if concurrency > 1 else None,
            seeds=(Seed(0, 0),),
        )
        for concurrency in (1, 64)
    ]


def rung(params: dict[str, Any]) -> Figures:
    return asyncio.run(_rung(params["stores"][0], params["number"], params["concurrency"], params["lead"]))


async def _rung(place: str, number: int, concurrency: int, lead: float) -> Figures:
    from eventfold import Aggregate, Complete, Eventfold, ProcessManager, Schedule

    @dataclass(frozen=True)
    class Begun:
        due: datetime

    @dataclass(frozen=True)
    class Late:
        pass

    decided = 0

    def decide(command: Begun, count: int) -> list[Begun]:
        return [command]

    def evolve(count: int, seen: object) -> int:
        return count + 1

    def react(count: int, seen: object) -> list[Schedule | Complete]:
        nonlocal decided
        if isinstance(seen, Begun):
            return [Schedule("late", Late(), at=seen.due)]
        decided += 1
        return [Complete()]

    tasks = Aggregate("task", initial=0, decide=decide, evolve=evolve, events=[Begun])
    watch = ProcessManager(
        "watch",
        initial=lambda _: 0,
        key=lambda recorded: recorded.id,
        evolve=evolve,
        react=react,
        inputs=[Begun, Late],
        concurrency=concurrency,
    )
    url = place if place.startswith("postgresql:") else f"sqlite:///{place}"
    async with Eventfold(deciders=[tasks], processors=[watch]).open(url) as running:
        due = datetime.now(UTC) + timedelta(seconds=lead)
        for start in range(0, number, _PLANNED_TOGETHER):
            some = range(start, min(start + _PLANNED_TOGETHER, number))
            await asyncio.gather(*(running.execute(tasks, f"t{each}", Begun(due)) for each in some))
        await running.settled(timeout=_LONGEST)
        if (early := due.timestamp() - time()) < 0:
            raise SystemExit(f"planning {number} time-outs takes longer than the {lead} s until they are due")
        await asyncio.sleep(early)
        while decided < number:  # noqa: ASYNC110 - nobody is told
            await asyncio.sleep(0.01)
        await running.settled(timeout=_LONGEST)
        seconds = time() - due.timestamp()
    return {"per_second": number / seconds, "seconds": seconds}


_ASKED = Asked(
    "From the moment at which all are due to that at which each is decided on and stored.", cells, {OURS: rung}
)
QUESTION = Question("timers", "Time-outs", {SQLITE: _ASKED, POSTGRES: _ASKED})

if __name__ == "__main__":
    sys.exit(main(QUESTION))
