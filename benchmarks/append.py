"""Append: one encoded event for each call, to fresh streams, from 1, 16 and 64 tasks at once."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from time import perf_counter
from typing import Any

from harness import FLOOR, OURS, PEER, Cell, Figures, Question, Seed, main

EMPTY = Seed(0, 0)


def cells(quick: bool) -> Sequence[Cell]:
    warm, number = (300, 1_500) if quick else (1_000, 6_000)
    floor = "one commit for each event"
    return [
        Cell(
            f"append, {tasks} task{'s' if tasks > 1 else ''}",
            {"tasks": tasks, "warm": warm, "number": number, "factor": factor},
            target=target,
            seeds=(EMPTY,),
            floor_is=floor,
        )
        for tasks, factor, target in ((1, 1, 0.85), (16, 4, 4.0), (64, 8, 7.0))
    ]


def raw(params: dict[str, Any]) -> Figures:
    import floor
    from material import CATEGORY, TEXTS, TYPE

    connection = floor.connect(params["paths"][0])
    total = params["warm"] + params["number"]
    rows = [floor.row(CATEGORY, f"r{number}", 1, TYPE, TEXTS[number % len(TEXTS)]) for number in range(total)]
    floor.commit_each(connection, rows[: params["warm"]])
    began = perf_counter()
    floor.commit_each(connection, rows[params["warm"] :])
    return {"per_second": params["number"] / (perf_counter() - began)}


def eventfold(params: dict[str, Any]) -> Figures:
    return asyncio.run(appended(params))


async def appended(params: dict[str, Any]) -> Figures:
    from material import BYTES, CATEGORY, TYPE
    from ours import url

    from eventfold import Eventfold, Stream, uuid7
    from eventfold.domain.message import NewEvent
    from eventfold.ports.event_store import Append

    tasks = params["tasks"]
    options = params.get("options", {})

    def prepared(first: int, count: int) -> list[Append]:
        """Encoded before the clock starts, as the raw driver's rows are."""
        return [
            Append(
                Stream(CATEGORY, f"e{number}"),
                [NewEvent(event_id=uuid7().bytes, type=TYPE, data=BYTES[number % len(BYTES)])],
                0,
            )
            for number in range(first, first + count)
        ]

    async with Eventfold().open(url(params["paths"][0], **options)) as running:
        append = running.sink.append

        async def one(share: Sequence[Append]) -> None:
            for each in share:
                await append(each)

        async def all_of(work: Sequence[Append]) -> float:
            began = perf_counter()
            async with asyncio.TaskGroup() as group:
                for number in range(tasks):
                    group.create_task(one(work[number::tasks]))
            return perf_counter() - began

        count = params["number"] * params["factor"]
        await all_of(prepared(0, params["warm"]))
        work = prepared(params["warm"], count)
        await asyncio.sleep(0.01)  # whoever watches the loop has noticed by then how long the preparation took
        params.get("started", int)()
        seconds = await all_of(work)
        params.get("ended", int)()
    return {"per_second": count / seconds}


def eventsourcing(params: dict[str, Any]) -> Figures:
    from concurrent.futures import ThreadPoolExecutor

    import peer

    app = peer.open_app(params["paths"][0])
    first, _ = peer.stored_pair(app)
    tasks, number = params["tasks"], params["number"]

    def one(share: Sequence[int]) -> None:
        for each in share:
            app.recorder.insert_events([peer.copied(first, peer.stream_id(each), 1)])

    with ThreadPoolExecutor(tasks) as threads:

        def all_of(start: int, count: int) -> float:
            began = perf_counter()
            list(threads.map(one, [range(start + task, start + count, tasks) for task in range(tasks)]))
            return perf_counter() - began

        all_of(0, params["warm"])
        seconds = all_of(params["warm"], number)
    app.close()
    return {"per_second": number / seconds}


QUESTION = Question(
    "append",
    "Append",
    "One encoded event for each call, each to a fresh stream, `synchronous=FULL`. The raw driver commits each event by "
    "itself, also where many tasks ask at once: it has no group to commit. The peer's tasks are threads.",
    cells,
    {FLOOR: raw, OURS: eventfold, PEER: eventsourcing},
)

if __name__ == "__main__":
    sys.exit(main(QUESTION))
