"""Plans: is one long stream as fast where the statistics say that every stream has one event?"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from typing import Any

import growth
from harness import FLOOR, OURS, PEER, POSTGRES, Asked, Cell, Figures, Question, Seed, main

SIZE = 100
LONG = "long"


def cells(quick: bool) -> Sequence[Cell]:
    long = {"turns": 4, "streams": [0, 0], "appends": 10 if quick else 40, "what": "append"}
    short_streams, nothing = (Seed(0, 0), Seed(20_000, 1)), (Seed(0, 0), Seed(0, 0))
    asked: Sequence[tuple[str, dict[str, bool], tuple[Seed, Seed]]] = (
        ("batches of 100 to one long stream", {}, short_streams),
        ("the same, and a load of it after each", {"load": True}, short_streams),
        ("single appends, store analysed while empty", {"analysed": True}, nothing),
    )
    return [
        Cell(
            label,
            {**long, **params},
            figure="large_by_small",
            unit="of its own",
            compared="alone",
            target=0.8,
            seeds=seeds,
        )
        for label, params, seeds in asked
    ]


async def analyse(params: dict[str, Any]) -> None:
    if params.get("analysed"):
        import floor_postgres as floor

        connection = await floor.connect(params["stores"][1])
        await connection.execute("VACUUM (ANALYZE)")
        await connection.close()


def raw_postgres(params: dict[str, Any]) -> Figures:
    return asyncio.run(_raw_postgres(params))


async def _raw_postgres(params: dict[str, Any]) -> Figures:
    import floor_postgres as floor
    from material import BYTES, CATEGORY, TYPE, decode

    await analyse(params)
    connections = [await floor.connect(url) for url in params["stores"]]
    inserts = [await floor.prepared(each, floor.INSERT_BATCH) for each in connections]
    folds = [await floor.prepared(each, floor.FOLD) for each in connections]
    singles = [await floor.prepared(each, floor.INSERT) for each in connections]

    async def work(store: int, number: int) -> None:
        if params.get("analysed"):
            for each in range(SIZE):
                await singles[store](*floor.row(CATEGORY, f"{number}-{each}", 1, TYPE, BYTES[each % len(BYTES)]))
            return
        first = number * SIZE + 1
        rows = [
            floor.row(CATEGORY, LONG, version, TYPE, BYTES[version % len(BYTES)])
            for version in range(first, first + SIZE)
        ]
        await inserts[store](*floor.batch(rows))
        if params.get("load"):
            assert sum(decode(data).quantity for (data,) in await folds[store](CATEGORY, LONG)) > 0

    figures = await growth.in_turns_async(params, work)
    for each in connections:
        await each.close()
    return figures


def eventfold(params: dict[str, Any]) -> Figures:
    return asyncio.run(_eventfold(params))


async def _eventfold(params: dict[str, Any]) -> Figures:
    from material import BYTES, CATEGORY, TYPE
    from ours import orders, url

    from eventfold import Eventfold, Stream, uuid7
    from eventfold.domain.message import NewEvent
    from eventfold.ports.event_store import Append

    await analyse(params)
    stream = Stream(CATEGORY, LONG)
    app = Eventfold(deciders=[orders])
    async with app.open(url(params["stores"][0])) as empty, app.open(url(params["stores"][1])) as large:
        stores = [empty, large]

        async def work(store: int, number: int) -> None:
            events = [
                NewEvent(event_id=uuid7().bytes, type=TYPE, data=BYTES[each % len(BYTES)]) for each in range(SIZE)
            ]
            if params.get("analysed"):
                for each, event in enumerate(events):
                    await stores[store].sink.append(Append(Stream(CATEGORY, f"{number}-{each}"), [event], 0))
                return
            await stores[store].sink.append(Append(stream, events, number * SIZE))
            if params.get("load"):
                loaded = await stores[store].load(orders, LONG, version=(number + 1) * SIZE)
                assert loaded.version == (number + 1) * SIZE

        return await growth.in_turns_async(params, work)


def eventsourcing(params: dict[str, Any]) -> Figures:
    import peer

    if params.get("analysed"):
        with peer.connection(params["stores"][1]) as connection:
            connection.execute("VACUUM (ANALYZE)")
    apps = [peer.open_app(url) for url in params["stores"]]
    first, later = peer.stored_pair(apps[0])
    long = peer.stream_id(1 << 40)

    def work(store: int, number: int) -> None:
        if params.get("analysed"):
            for each in range(SIZE):
                id = peer.stream_id((1 << 41) + number * SIZE + each)
                apps[store].recorder.insert_events([peer.copied(first, id, 1)])
            return
        versions = range(number * SIZE + 1, (number + 1) * SIZE + 1)
        events = [peer.copied(first if version == 1 else later, long, version) for version in versions]
        apps[store].recorder.insert_events(events)
        if params.get("load"):
            assert apps[store].repository.get(long).version == (number + 1) * SIZE

    return growth.in_turns(params, work)


QUESTION = Question(
    "plans",
    "Plans and statistics",
    {
        POSTGRES: Asked(
            "20,000 streams of one event, `ANALYZE`, then one long stream; against a fresh store. And a store that was "
            "analysed while it was empty: the plan that is made then is kept for long. One unit is 100 events. What is "
            "compared is each contestant with itself.",
            cells,
            {FLOOR: raw_postgres, OURS: eventfold, PEER: eventsourcing},
        )
    },
)

if __name__ == "__main__":
    sys.exit(main(QUESTION))
