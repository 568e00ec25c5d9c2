"""Growth: an append, and a read of ten events, in a large store against a small one, in one process in turns."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence
from time import perf_counter
from typing import Any

from harness import FLOOR, OURS, PEER, POSTGRES, SQLITE, Asked, Cell, Figures, Question, Seed, main

EACH = 10


def cells_of_sqlite(quick: bool) -> Sequence[Cell]:
    return cells(quick, 1_000_000)


def cells_of_postgres(quick: bool) -> Sequence[Cell]:
    return cells(quick, 3_000_000)


def cells(quick: bool, large: int) -> Sequence[Cell]:
    large = 100_000 if quick else large
    appends, reads = (400, 1_000) if quick else (2_000, 5_000)
    seeds = (Seed(1_000, EACH), Seed(large // EACH, EACH))
    params = {"turns": 4, "streams": [1_000, large // EACH], "appends": appends // 4, "reads": reads // 4}
    return [
        Cell(
            f"{what} at {large:,} against 10,000",
            {**params, "what": what},
            figure="large_by_small",
            unit="of its own",
            compared="alone",
            target=0.9,
            seeds=seeds,
        )
        for what in ("append", "read of 10")
    ]


def raw(params: dict[str, Any]) -> Figures:
    import floor
    from material import CATEGORY, TEXTS, TYPE, decode
    from seeds import stream_id

    connections = [floor.connect(path) for path in params["stores"]]

    def append(store: int, number: int) -> None:
        row = floor.row(CATEGORY, f"r{number}", 1, TYPE, TEXTS[number % len(TEXTS)])
        floor.commit_each(connections[store], [row])

    def read(store: int, number: int) -> None:
        rows = connections[store].execute(floor.LAST_TEN, (CATEGORY, stream_id(number), 0)).fetchall()
        assert len([decode(data) for _, data in rows]) == EACH

    return in_turns(params, append if params["what"] == "append" else read)


def in_turns(params: dict[str, Any], work: Callable[[int, int], None]) -> Figures:
    async def do(store: int, number: int) -> None:
        work(store, number)

    return asyncio.run(in_turns_async(params, do))


async def in_turns_async(params: dict[str, Any], work: Callable[[int, int], Awaitable[None]]) -> Figures:
    """Small and large store alternate, so that a noisy moment strikes both; the first turn is for warming up."""
    reading = params["what"] != "append"
    count = params["reads"] if reading else params["appends"]
    seconds = [0.0, 0.0]
    for turn in range(params["turns"] + 1):
        for store in (0, 1) if turn % 2 else (1, 0):
            steps = params["streams"][store]
            numbers = [
                (turn * count + each) * 7919 % steps if reading else turn * count + each for each in range(count)
            ]
            began = perf_counter()
            for number in numbers:
                await work(store, number)
            seconds[store] += (perf_counter() - began) if turn else 0.0
    done = params["turns"] * count
    return {"large_by_small": seconds[0] / seconds[1], "per_second": done / seconds[1]}


def raw_postgres(params: dict[str, Any]) -> Figures:
    return asyncio.run(_raw_postgres(params))


async def _raw_postgres(params: dict[str, Any]) -> Figures:
    import floor_postgres as floor
    from material import BYTES, CATEGORY, TYPE, decode
    from seeds import stream_id

    connections = [await floor.connect(url) for url in params["stores"]]
    inserts = [await floor.prepared(each, floor.INSERT) for each in connections]
    reads = [await floor.prepared(each, floor.LAST_TEN) for each in connections]

    async def append(store: int, number: int) -> None:
        await inserts[store](*floor.row(CATEGORY, f"r{number}", 1, TYPE, BYTES[number % len(BYTES)]))

    async def read(store: int, number: int) -> None:
        rows = await reads[store](CATEGORY, stream_id(number), 0)
        assert len([decode(data) for _, data in rows]) == EACH

    figures = await in_turns_async(params, append if params["what"] == "append" else read)
    for each in connections:
        await each.close()
    return figures


def eventfold(params: dict[str, Any]) -> Figures:
    return asyncio.run(_eventfold(params))


async def _eventfold(params: dict[str, Any]) -> Figures:
    from material import BYTES, CATEGORY, TYPE
    from ours import orders, url
    from seeds import stream_id

    from eventfold import Eventfold, Stream, uuid7
    from eventfold.domain.message import NewEvent
    from eventfold.ports.event_store import Append

    app = Eventfold(deciders=[orders])
    async with app.open(url(params["stores"][0])) as small, app.open(url(params["stores"][1])) as large:
        stores = [small, large]
        appends = [each.sink.append for each in stores]

        async def append(store: int, number: int) -> None:
            event = NewEvent(event_id=uuid7().bytes, type=TYPE, data=BYTES[number % len(BYTES)])
            await appends[store](Append(Stream(CATEGORY, f"e{number}"), [event], 0))

        async def read(store: int, number: int) -> None:
            loaded = await stores[store].load(orders, stream_id(number), version=EACH)
            assert loaded.version == EACH

        return await in_turns_async(params, append if params["what"] == "append" else read)


def eventsourcing(params: dict[str, Any]) -> Figures:
    import peer

    apps = [peer.open_app(path) for path in params["stores"]]
    first, _ = peer.stored_pair(apps[0])
    fresh = 1 << 40

    def append(store: int, number: int) -> None:
        apps[store].recorder.insert_events([peer.copied(first, peer.stream_id(fresh + number), 1)])

    def read(store: int, number: int) -> None:
        order: Any = apps[store].repository.get(peer.stream_id(number))
        assert order.version == EACH

    return in_turns(params, append if params["what"] == "append" else read)


ABOUT = (
    "Streams of ten events each. What is compared is each contestant with itself: the rate in the large store, "
    "divided by the rate in the small one. `per_second` is the rate in the large one."
)
QUESTION = Question(
    "growth",
    "Growth",
    {
        SQLITE: Asked(ABOUT, cells_of_sqlite, {FLOOR: raw, OURS: eventfold, PEER: eventsourcing}),
        POSTGRES: Asked(ABOUT, cells_of_postgres, {FLOOR: raw_postgres, OURS: eventfold, PEER: eventsourcing}),
    },
)

if __name__ == "__main__":
    sys.exit(main(QUESTION))
