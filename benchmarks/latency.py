"""Latency on an idle store: the append has returned; when has a subscriber the event, when is the row committed?"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from time import perf_counter, sleep
from typing import Any

from harness import FLOOR, OURS, PEER, POSTGRES, SQLITE, Asked, Cell, Figures, Question, Seed, main

PAUSE = 0.004


def cells_of_postgres(quick: bool) -> Sequence[Cell]:
    number = 200 if quick else 1_500
    elsewhere = [
        Cell(
            f"append returned → another process has it, {figure[:3]}",
            {"number": number, "what": "elsewhere"},
            figure=figure,
            unit="ms",
            better="less",
            compared="alone",
            target=target,
            seeds=(Seed(0, 0),),
            floor_is="the other process asks for rows above the last one, every millisecond",
        )
        for figure, target in (("p50_ms", 1.5), ("p99_ms", 10))
    ]
    row, subscriber = cells(quick)
    without = {"without": (*subscriber.without, PEER)}
    return [replace(row, without=(PEER,)), replace(subscriber, target=None, **without), *elsewhere]


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

    connection = floor.connect(params["stores"][0])
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


def raw_postgres(params: dict[str, Any]) -> Figures:
    return asyncio.run(_raw_elsewhere(params) if params["what"] == "elsewhere" else _raw_rows(params))


async def _raw_rows(params: dict[str, Any]) -> Figures:
    import floor_postgres as floor
    from material import BYTES, CATEGORY, TYPE, decode

    connection = await floor.connect(params["stores"][0])
    await connection.execute(floor.TABLES)
    insert = await floor.prepared(connection, floor.INSERT)
    page = await floor.prepared(connection, floor.PAGE_OF_ALL)
    add, move = await floor.prepared(connection, floor.ADD), await floor.prepared(connection, floor.MOVE)
    taken, whole = [], []
    for number in range(params["number"]):
        await asyncio.sleep(PAUSE)
        called = perf_counter()
        await insert(*floor.row(CATEGORY, f"r{number}", 1, TYPE, BYTES[number % len(BYTES)]))
        began = perf_counter()
        ((position, id, _, data),) = await page(number)
        async with connection.transaction():
            await add(id, decode(data).quantity)
            await move(position)
        taken.append(perf_counter() - began)
        whole.append(perf_counter() - called)
    await connection.close()
    return both(whole, taken)


async def _raw_elsewhere(params: dict[str, Any]) -> Figures:
    import floor_postgres as floor
    from material import BYTES, CATEGORY, TYPE

    connection = await floor.connect(params["stores"][0])
    insert = await floor.prepared(connection, f"{floor.INSERT} RETURNING position")

    async def append(number: int) -> int:
        ((position,),) = await insert(*floor.row(CATEGORY, f"r{number}", 1, TYPE, BYTES[number % len(BYTES)]))
        return int(position)

    figures = await _elsewhere(params, FLOOR, append)
    await connection.close()
    return figures


async def _raw_follower(url: str, number: int) -> dict[int, float]:
    import floor_postgres as floor

    arrived: dict[int, float] = {}
    connection = await floor.connect(url)
    page = await floor.prepared(connection, floor.PAGE_OF_ALL)
    position = 0
    print(READY, flush=True)
    while len(arrived) < number:
        rows = await page(position)
        now = perf_counter()
        arrived.update((row[0], now) for row in rows)
        position = rows[-1][0] if rows else position
        await asyncio.sleep(0.001)
    await connection.close()
    return arrived


async def _elsewhere(params: dict[str, Any], name: str, append: Callable[[int], Awaitable[int]]) -> Figures:
    """Clocks of two processes of one machine agree: perf_counter counts from its start, on Linux."""
    command = [sys.executable, __file__, "--follow", name, params["stores"][0], str(params["number"])]
    follower = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE, limit=2**24)
    assert follower.stdout is not None
    if (await follower.stdout.readline()).decode().strip() != READY:
        raise SystemExit("the follower did not start")
    await asyncio.sleep(0.2)
    returned: dict[int, float] = {}
    for number in range(params["number"]):
        await asyncio.sleep(PAUSE)
        position = await append(number)
        returned[position] = perf_counter()
    arrived = json.loads(await follower.stdout.read())
    return in_milliseconds([max(0.0, arrived[str(position)] - at) for position, at in returned.items()])


def in_milliseconds(seconds: Sequence[float]) -> Figures:
    return {name.replace("_us", "_ms"): value / 1000 for name, value in quantiles(seconds).items()}


def eventfold(params: dict[str, Any]) -> Figures:
    asked = {"row": _rows, "subscriber": _subscriber, "elsewhere": _our_elsewhere}
    return asyncio.run(asked[params["what"]](params))


async def _our_elsewhere(params: dict[str, Any]) -> Figures:
    from material import Place
    from ours import orders, url

    from eventfold import Eventfold

    async with Eventfold(deciders=[orders]).open(url(params["stores"][0])) as running:

        async def append(number: int) -> int:
            return (await running.execute(orders, f"e{number}", Place(number))).position

        return await _elsewhere(params, OURS, append)


async def _our_follower(place: str, number: int) -> dict[int, float]:
    from ours import orders, url

    from eventfold import Eventfold

    arrived: dict[int, float] = {}
    async with Eventfold(deciders=[orders]).open(url(place)) as running, running.subscribe() as batches:
        print(READY, flush=True)
        async for batch in batches:
            now = perf_counter()
            arrived.update((recorded.position, now) for recorded in batch.events)
            if len(arrived) == number:
                break
    return arrived


def eventsourcing(params: dict[str, Any]) -> Figures:
    import peer

    app = peer.open_app(params["stores"][0])
    first, _ = peer.stored_pair(app)

    async def append(number: int) -> int:
        stored = peer.copied(first, peer.stream_id(number), 1)
        positions = app.recorder.insert_events([stored])
        return int(positions[0])  # type: ignore[index] # this recorder has them

    figures = asyncio.run(_elsewhere(params, PEER, append))
    app.close()
    return figures


async def _peers_follower(url: str, number: int) -> dict[int, float]:
    import peer

    app = peer.open_app(url)
    arrived: dict[int, float] = {}
    with app.recorder.subscribe(gt=0) as subscription:
        print(READY, flush=True)
        for notification in subscription:
            arrived[notification.id] = perf_counter()
            if len(arrived) == number:
                break
    app.close()
    return arrived


READY = "ready"
FOLLOWERS = {FLOOR: _raw_follower, OURS: _our_follower, PEER: _peers_follower}


async def _rows(params: dict[str, Any]) -> Figures:
    from material import Place
    from ours import orders, url
    from tables import projector

    from eventfold import Eventfold

    totals = projector()
    taken, whole = [], []
    async with Eventfold(deciders=[orders], processors=[totals]).open(url(params["stores"][0])) as running:
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

    async with Eventfold(deciders=[orders]).open(url(params["stores"][0])) as running:

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


ABOUT = (
    "One event every 4 ms. `wait_for` returns when rows and checkpoint are committed; the raw driver does the same "
    "work in a row, without anybody to wake. A projector or a subscriber in the process may be done before the append "
    "returns, so ratios count from the call of the command; `p50_us` and `p99_us` count from its return."
)
QUESTION = Question(
    "latency",
    "Latency",
    {
        SQLITE: Asked(f"{ABOUT} The peer has no subscriptions on SQLite.", cells, {FLOOR: raw, OURS: eventfold}),
        POSTGRES: Asked(
            f"{ABOUT} In another process, the peer's subscription and ours wait for notifications.",
            cells_of_postgres,
            {FLOOR: raw_postgres, OURS: eventfold, PEER: eventsourcing},
        ),
    },
)

if __name__ == "__main__":
    if sys.argv[1:2] == ["--follow"]:
        print(json.dumps(asyncio.run(FOLLOWERS[sys.argv[2]](sys.argv[3], int(sys.argv[4])))))
        sys.exit()
    sys.exit(main(QUESTION))
