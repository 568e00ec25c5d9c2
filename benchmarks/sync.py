"""One caller of the synchronous face beside one of the asynchronous, command by command, the state warm."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from time import perf_counter
from typing import Any

from harness import FLOOR, OURS, POSTGRES, SQLITE, Asked, Cell, Figures, Question, main


def cells(quick: bool) -> Sequence[Cell]:
    number = 500 if quick else 3_000
    return [
        Cell(
            "a command, one caller",
            {"number": number},
            target=0.7,
            floor_is="the asynchronous face, on a loop that does nothing else",
        )
    ]


def awaited(params: dict[str, Any]) -> Figures:
    return asyncio.run(_awaited(params))


async def _awaited(params: dict[str, Any]) -> Figures:
    from material import Place
    from ours import orders, url

    from eventfold import Eventfold

    async with Eventfold(deciders=[orders]).open(url(params["stores"][0])) as running:
        await running.execute(orders, "1", Place(0))
        began = perf_counter()
        for number in range(params["number"]):
            await running.execute(orders, "1", Place(number))
        return {"per_second": params["number"] / (perf_counter() - began)}


def waited(params: dict[str, Any]) -> Figures:
    from material import Place
    from ours import orders, url

    from eventfold import Eventfold, sync

    with sync.open(Eventfold(deciders=[orders]), url(params["stores"][0])) as running:
        running.execute(orders, "1", Place(0))
        began = perf_counter()
        for number in range(params["number"]):
            running.execute(orders, "1", Place(number))
        return {"per_second": params["number"] / (perf_counter() - began)}


ABOUT = (
    "The synchronous face runs the loop in a thread: each command is one way there and one back. What it is compared "
    "with is not the raw driver but the asynchronous face."
)
CONTESTANTS = {FLOOR: awaited, OURS: waited}
QUESTION = Question(
    "sync",
    "The synchronous face",
    {SQLITE: Asked(ABOUT, cells, CONTESTANTS), POSTGRES: Asked(ABOUT, cells, CONTESTANTS)},
)

if __name__ == "__main__":
    sys.exit(main(QUESTION))
