"""Latency on an idle store: the append has returned; when has a subscriber the event, when is the row committed?"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from time import perf_counter, sleep
from typing import Any

from harness import FLOOR, OURS, Cell, Figures, Question, Seed, main

PAUSE = 0.004


def cells(quick: bool) -> Sequence[Cell]:
    number = 200 if quick else 1_500
    return [
        Cell(
            "command called → row committed",
            {"number": number, "what": "row"},
            figure="since_call_p50_us",
            unit="µs",
            better="less",
            seeds=(Seed(0, 0),),
            floor_is="insert, commit; then select the event, decode it, upsert, bookmark, commit",
        ),
        Cell(
            "append returned → subscriber has it",
            {"number": number, "what": "subscriber"},
            figure="p50_us",
            unit="µs",
            better="less",
            compared="alone",
            target=1_000,
            seeds=(Seed(0, 0),),
            without=(FLOOR,),
        ),
    ]


def raw(params: dict[str, Any]) -> Figures:
    import floor
    from material import CATEGORY, TEXTS, TYPE, decode

    connection = floor.connect(params["paths"][0])
    execute = connection.execute
    execute(floor.TOTALS)
    execute(floor.BOOKMARK)
    taken, whole = [], []
    for number in range(params["number"]):
        sleep(PAUSE)
        called = perf_counter()
        floor.commit_each(connection, [floor.row(CATEGORY, f"r{number}", 1, TYPE, TEXTS[number % len(TEXTS)])])
        began = perf_counter()
        ((position, id, _, data),) = execute(floor.PAGE_OF_ALL, (number,)).fetchall()
        execute("BEGIN IMMEDIATE")
        execute(floor.ADD, (id, decode(data).quantity))
        execute(floor.MOVE, (position,))
        execute("COMMIT")
        taken.append(perf_counter() - began)
        whole.append(perf_counter() - called)
    return both(whole, taken)


def eventfold(params: dict[str, Any]) -> Figures:
    return asyncio.run(_rows(params) if params["what"] == "row" else _subscriber(params))


async def _rows(params: dict[str, Any]) -> Figures:
    from material import Place
    from ours import orders, url
    from tables import projector

    from eventfold import Eventfold

    totals = projector()
    taken, whole = [], []
    async with Eventfold(deciders=[orders], processors=[totals]).open(url(params["paths"][0])) as running:
        for number in range(params["number"]):
            await asyncio.sleep(PAUSE)
            called = perf_counter()
            outcome = await running.execute(orders, f"e{number}", Place(number))
            began = perf_counter()
            await running.wait_for(totals, outcome.position)
            taken.append(perf_counter() - began)
            whole.append(perf_counter() - called)
    return both(whole, taken)


async def _subscriber(params: dict[str, Any]) -> Figures:
    from material import Place
    from ours import orders, url

    from eventfold import Eventfold

    arrived: dict[int, float] = {}
    called: dict[int, float] = {}
    returned: dict[int, float] = {}

    async with Eventfold(deciders=[orders]).open(url(params["paths"][0])) as running:

        async def follow() -> None:
            async with running.subscribe() as batches:
                async for batch in batches:
                    for recorded in batch.events:
                        arrived[recorded.position] = perf_counter()
                    if len(arrived) == params["number"]:
                        return

        async with asyncio.TaskGroup() as group:
            group.create_task(follow())
            for number in range(params["number"]):
                await asyncio.sleep(PAUSE)
                began = perf_counter()
                outcome = await running.execute(orders, f"e{number}", Place(number))
                returned[outcome.position] = perf_counter()
                called[outcome.position] = began
    after = [max(0.0, arrived[position] - at) for position, at in returned.items()]
    return both([arrived[position] - at for position, at in called.items()], after)


def both(whole: Sequence[float], after: Sequence[float]) -> Figures:
    since_call = {f"since_call_{name}": value for name, value in quantiles(whole).items()}
    return {**since_call, **quantiles(after)}


def quantiles(seconds: Sequence[float]) -> Figures:
    """The first fifth is for warming up."""
    counted = sorted(seconds[len(seconds) // 5 :])
    return {f"p{share}_us": counted[min(len(counted) - 1, len(counted) * share // 100)] * 1e6 for share in (50, 99)}


QUESTION = Question(
    "latency",
    "Latency in one process",
    "One event every 4 ms. `wait_for` returns when rows and checkpoint are committed; the raw driver does the same "
    "work in a row, without anybody to wake. A projector or a subscriber in the process may be done before the append "
    "returns, so ratios count from the call of the command; `p50_us` and `p99_us` count from its return. The peer has "
    "no subscriptions on SQLite.",
    cells,
    {FLOOR: raw, OURS: eventfold},
)

if __name__ == "__main__":
    sys.exit(main(QUESTION))
