"""Append: one encoded event for each call, to fresh streams, from 1, 16 and 64 tasks at once."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from time import perf_counter
from typing import Any

from harness import FLOOR, OURS, PEER, POSTGRES, SQLITE, Asked, Cell, Figures, Question, Seed, main

EMPTY = Seed(0, 0)
PEER_FUNCTION = f"{PEER} function"


def cells_of_sqlite(quick: bool) -> Sequence[Cell]:
    return cells(quick, (0.85, 4.0, 7.0), "one commit for each event")


def cells_of_postgres(quick: bool) -> Sequence[Cell]:
    return cells(quick, (0.8, 1.5, 2.2), "one commit for each event; many tasks share 16 connections")


def cells(quick: bool, targets: Sequence[float], floor: str) -> Sequence[Cell]:
    warm, number = (300, 1_500) if quick else (1_000, 6_000)
    return [
        Cell(
            f"append, {tasks} task{'s' if tasks > 1 else ''}",
            {"tasks": tasks, "warm": warm, "number": number, "factor": factor},
            target=target,
            seeds=(EMPTY,),
            floor_is=floor,
        )
        for (tasks, factor), target in zip(((1, 1), (16, 4), (64, 8)), targets, strict=True)
    ]


def raw(params: dict[str, Any]) -> Figures:
    import floor
    from material import CATEGORY, TEXTS, TYPE

    connection = floor.connect(params["stores"][0])
    total = params["warm"] + params["number"]
    rows = [floor.row(CATEGORY, f"r{number}", 1, TYPE, TEXTS[number % len(TEXTS)]) for number in range(total)]
    floor.commit_each(connection, rows[: params["warm"]])
    began = perf_counter()
    floor.commit_each(connection, rows[params["warm"] :])
    return {"per_second": params["number"] / (perf_counter() - began)}


def raw_postgres(params: dict[str, Any]) -> Figures:
    return asyncio.run(_raw_postgres(params))


async def _raw_postgres(params: dict[str, Any]) -> Figures:
    import floor_postgres as floor
    from material import BYTES, CATEGORY, TYPE

    lanes = min(params["tasks"], floor.CONNECTIONS)
    connections = [await floor.connect(params["stores"][0]) for _ in range(lanes)]
    inserts = [await floor.prepared(each, floor.INSERT) for each in connections]

    async def one(lane: int, rows: Sequence[floor.Row]) -> None:
        insert = inserts[lane]
        for each in rows:
            await insert(*each)

    async def all_of(rows: Sequence[floor.Row]) -> float:
        began = perf_counter()
        async with asyncio.TaskGroup() as group:
            for lane in range(lanes):
                group.create_task(one(lane, rows[lane::lanes]))
        return perf_counter() - began

    number = params["number"] * min(params["factor"], 4)
    total = params["warm"] + number
    rows = [floor.row(CATEGORY, f"r{each}", 1, TYPE, BYTES[each % len(BYTES)]) for each in range(total)]
    await all_of(rows[: params["warm"]])
    seconds = await all_of(rows[params["warm"] :])
    for each in connections:
        await each.close()
    return {"per_second": number / seconds}


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

    async with Eventfold().open(url(params["stores"][0], **options)) as running:
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
    import peer

    return _eventsourcing(params, peer.open_app(params["stores"][0]))


def eventsourcing_function(params: dict[str, Any]) -> Figures:
    import peer

    return _eventsourcing(params, peer.open_app(params["stores"][0], **peer.FUNCTION))


def _eventsourcing(params: dict[str, Any], app: Any) -> Figures:
    from concurrent.futures import ThreadPoolExecutor

    import peer

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
    {
        SQLITE: Asked(
            "One encoded event for each call, each to a fresh stream, `synchronous=FULL`. The raw driver commits each "
            "event by itself, also where many tasks ask at once: it has no group to commit. The peer's tasks are "
            "threads.",
            cells_of_sqlite,
            {FLOOR: raw, OURS: eventfold, PEER: eventsourcing},
        ),
        POSTGRES: Asked(
            "One encoded event for each call, each to a fresh stream, `fsync` and `synchronous_commit` on. The raw "
            "driver runs one prepared INSERT for each event. The peer's tasks are threads; its function loses events "
            "for subscribers, because it drops the lock that keeps its order.",
            cells_of_postgres,
            {FLOOR: raw_postgres, OURS: eventfold, PEER: eventsourcing, PEER_FUNCTION: eventsourcing_function},
        ),
    },
)

if __name__ == "__main__":
    sys.exit(main(QUESTION))
