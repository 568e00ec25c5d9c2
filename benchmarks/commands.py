"""A command on a stream of 10, 100 and 1000 events: load, decide, append one; cold, and with a warm state."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping, Sequence
from time import perf_counter
from typing import Any

from append import PEER_FUNCTION
from harness import FLOOR, OURS, PEER, POSTGRES, SQLITE, Asked, Cell, Figures, Question, Seed, main


def cells_of_sqlite(quick: bool) -> Sequence[Cell]:
    return cells(quick, {10: 0.75, 100: 0.75, 1_000: 0.75})


def cells_of_postgres(quick: bool) -> Sequence[Cell]:
    return cells(quick, {10: 0.75, 100: 0.75, 1_000: 0.8})


def cells(quick: bool, targets: Mapping[int, float]) -> Sequence[Cell]:
    streams = {10: 1_500, 100: 1_000, 1_000: 200} if quick else {10: 5_000, 100: 3_000, 1_000: 500}
    cold = [
        Cell(
            f"command on {events} events, cold",
            {"streams": number, "warm": False},
            target=targets[events],
            seeds=(Seed(number, events),),
            floor_is="select the stream, decode and fold it, encode one event, insert it, commit",
        )
        for events, number in streams.items()
    ]
    repeated = 1_200 if quick else 5_000
    warm = [
        Cell(
            f"command on {events} events, warm",
            {"streams": min(number, 200), "warm": True, "number": repeated},
            target=0.8,
            seeds=(Seed(number, events),),
            floor_is="the state is in a dictionary: encode one event, insert it, commit",
        )
        for events, number in streams.items()
    ]
    return cold + warm


def raw(params: dict[str, Any]) -> Figures:
    import floor
    from material import CATEGORY, TYPE, decode, encode, line
    from seeds import stream_id

    connection = floor.connect(params["stores"][0])
    execute = connection.execute
    known: dict[str, tuple[int, int]] = {}

    def command(number: int, stream: str) -> None:
        if stream in known:
            version, total = known[stream]
        else:
            rows = execute(floor.FOLD, (CATEGORY, stream)).fetchall()
            version, total = len(rows), 0
            for (data,) in rows:
                total += decode(data).quantity
        event = line(number)
        row = floor.row(CATEGORY, stream, version + 1, TYPE, encode(event).decode())
        execute("BEGIN IMMEDIATE")
        execute(floor.INSERT, row)
        execute("COMMIT")
        if params["warm"]:
            known[stream] = (version + 1, total + event.quantity)

    visits = _visits(params, stream_id)
    began = perf_counter()
    for number, stream in enumerate(visits):
        if number == params["streams"]:
            began = perf_counter()
        command(number, stream)
    return {"per_second": _counted(params) / (perf_counter() - began)}


def raw_postgres(params: dict[str, Any]) -> Figures:
    return asyncio.run(_raw_postgres(params))


async def _raw_postgres(params: dict[str, Any]) -> Figures:
    import floor_postgres as floor
    from material import CATEGORY, TYPE, decode, encode, line
    from seeds import stream_id

    connection = await floor.connect(params["stores"][0])
    fold = await floor.prepared(connection, floor.FOLD)
    insert = await floor.prepared(connection, floor.INSERT)
    known: dict[str, tuple[int, int]] = {}

    async def command(number: int, stream: str) -> None:
        if stream in known:
            version, total = known[stream]
        else:
            rows = await fold(CATEGORY, stream)
            version, total = len(rows), 0
            for (data,) in rows:
                total += decode(data).quantity
        event = line(number)
        await insert(*floor.row(CATEGORY, stream, version + 1, TYPE, encode(event)))
        if params["warm"]:
            known[stream] = (version + 1, total + event.quantity)

    visits = _visits(params, stream_id)
    began = perf_counter()
    for number, stream in enumerate(visits):
        if number == params["streams"]:
            began = perf_counter()
        await command(number, stream)
    seconds = perf_counter() - began
    await connection.close()
    return {"per_second": _counted(params) / seconds}


def eventfold(params: dict[str, Any]) -> Figures:
    return asyncio.run(_eventfold(params))


async def _eventfold(params: dict[str, Any]) -> Figures:
    from material import Place
    from ours import orders, url
    from seeds import stream_id

    from eventfold import Eventfold

    async with Eventfold(deciders=[orders]).open(url(params["stores"][0])) as running:
        execute = running.execute
        began = perf_counter()
        for number, stream in enumerate(_visits(params, stream_id)):
            if number == params["streams"]:
                began = perf_counter()
            await execute(orders, stream, Place(number))
        return {"per_second": _counted(params) / (perf_counter() - began)}


def eventsourcing(params: dict[str, Any]) -> Figures:
    return _eventsourcing(params, {})


def eventsourcing_function(params: dict[str, Any]) -> Figures:
    import peer

    return _eventsourcing(params, peer.FUNCTION)


def _eventsourcing(params: dict[str, Any], settings: dict[str, str]) -> Figures:
    import peer

    cached = {"AGGREGATE_CACHE_MAXSIZE": "1000", "AGGREGATE_CACHE_FASTFORWARD": "n"}
    app = peer.open_app(params["stores"][0], **settings, **(cached if params["warm"] else {}))
    get, save = app.repository.get, app.save
    began = perf_counter()
    for number, id in enumerate(_visits(params, peer.stream_id)):
        if number == params["streams"]:
            began = perf_counter()
        order: Any = get(id)
        order.place(*peer.fields(number))
        save(order)
    figures = {"per_second": _counted(params) / (perf_counter() - began)}
    app.close()
    return figures


def _visits(params: dict[str, Any], name: Any) -> list[Any]:
    """Cold: each stream once. Warm: each stream once, which is not counted, and then again and again."""
    streams = [name(number) for number in range(params["streams"])]
    again = params["number"] if params["warm"] else 0
    return streams + [streams[number % len(streams)] for number in range(again)]


def _counted(params: dict[str, Any]) -> int:
    return int(params["number"] if params["warm"] else params["streams"])


ABOUT = (
    "Load a stream, decide, append one event. Cold: every command meets a stream that this process has not seen. Warm: "
    "states are in memory; the peer's cache is on, without its query for news (`AGGREGATE_CACHE_FASTFORWARD=n`), which "
    "like ours leaves the check to the append. Streams lie one after the other in the store, "
    "the quickest case for the raw driver."
)
QUESTION = Question(
    "commands",
    "Commands",
    {
        SQLITE: Asked(ABOUT, cells_of_sqlite, {FLOOR: raw, OURS: eventfold, PEER: eventsourcing}),
        POSTGRES: Asked(
            ABOUT,
            cells_of_postgres,
            {FLOOR: raw_postgres, OURS: eventfold, PEER: eventsourcing, PEER_FUNCTION: eventsourcing_function},
        ),
    },
)

if __name__ == "__main__":
    sys.exit(main(QUESTION))
