"""Batches of 10 and 100 typed events: encoded and appended, and decided by one command."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping, Sequence
from time import perf_counter
from typing import Any

from append import PEER_FUNCTION
from harness import FLOOR, OURS, PEER, POSTGRES, SQLITE, Asked, Cell, Figures, Question, Seed, main

COMMAND = "one command"


def cells_of_sqlite(quick: bool) -> Sequence[Cell]:
    return cells(
        quick, {10: 0.85, 100: 0.85}, True, "rows that are ready, one executemany and one commit for each batch"
    )


def cells_of_postgres(quick: bool) -> Sequence[Cell]:
    return cells(quick, {10: 0.75, 100: 0.85}, False, "rows that are ready, one INSERT of their arrays for each batch")


def cells(quick: bool, targets: Mapping[int, float], commands_too: bool, floor: str) -> Sequence[Cell]:
    warm, number = (100, 400) if quick else (200, 1_500)
    made = []
    for way in ("encode and append", COMMAND):
        made += [
            Cell(
                f"batch of {size}, {way}",
                {"size": size, "way": way, "warm": warm, "number": number * 10 // size if size > 10 else number},
                target=target if commands_too or way != COMMAND else None,
                seeds=(Seed(0, 0),),
                floor_is=floor,
            )
            for size, target in targets.items()
        ]
    return made


def raw(params: dict[str, Any]) -> Figures:
    import floor
    from material import CATEGORY, TEXTS, TYPE

    connection = floor.connect(params["stores"][0])
    size = params["size"]
    batches = [
        [floor.row(CATEGORY, f"r{batch}", version, TYPE, TEXTS[version % len(TEXTS)]) for version in range(1, size + 1)]
        for batch in range(params["warm"] + params["number"])
    ]
    floor.commit_batches(connection, batches[: params["warm"]])
    began = perf_counter()
    floor.commit_batches(connection, batches[params["warm"] :])
    return {"per_second": params["number"] * size / (perf_counter() - began)}


def raw_postgres(params: dict[str, Any]) -> Figures:
    return asyncio.run(_raw_postgres(params))


async def _raw_postgres(params: dict[str, Any]) -> Figures:
    import floor_postgres as floor
    from material import BYTES, CATEGORY, TYPE

    connection = await floor.connect(params["stores"][0])
    insert = await floor.prepared(connection, floor.INSERT_BATCH)
    size, number, warm = params["size"], params["number"], params["warm"]

    def rows(batch: int) -> list[floor.Row]:
        return [
            floor.row(CATEGORY, f"r{batch}", version, TYPE, BYTES[version % len(BYTES)])
            for version in range(1, size + 1)
        ]

    batches = [floor.batch(rows(batch)) for batch in range(warm + number)]
    began = perf_counter()
    for each, batch in enumerate(batches):
        if each == warm:
            began = perf_counter()
        await insert(*batch)
    seconds = perf_counter() - began
    await connection.close()
    return {"per_second": number * size / seconds}


def eventfold(params: dict[str, Any]) -> Figures:
    return asyncio.run(_eventfold(params))


async def _eventfold(params: dict[str, Any]) -> Figures:
    from material import CATEGORY, LinePlaced, Place, line
    from ours import orders, url

    from eventfold import Eventfold, Events, Stream, uuid7
    from eventfold.adapters.codecs.json import JsonCodec
    from eventfold.ports.event_store import Append
    from eventfold.schema.serializer import Envelope, Serializer

    size, number, warm = params["size"], params["number"], params["warm"]
    catalogue = Events()
    catalogue.add(LinePlaced)
    encode, envelope = Serializer(catalogue, JsonCodec(), uuid7).encode, Envelope()
    async with Eventfold(deciders=[orders]).open(url(params["stores"][0])) as running:
        append, execute = running.sink.append, running.execute

        async def encoded(first: int, count: int) -> float:
            typed = [[line(batch + each) for each in range(size)] for batch in range(count)]
            began = perf_counter()
            for batch, events in enumerate(typed, first):
                await append(Append(Stream(CATEGORY, f"e{batch}"), encode(events, envelope), 0))
            return perf_counter() - began

        async def decided(first: int, count: int) -> float:
            began = perf_counter()
            for batch in range(first, first + count):
                await execute(orders, f"e{batch}", Place(batch, size))
            return perf_counter() - began

        work = decided if params["way"] == COMMAND else encoded
        await work(0, warm)
        seconds = await work(warm, number)
    return {"per_second": number * size / seconds}


def eventsourcing(params: dict[str, Any]) -> Figures:
    import peer

    return _eventsourcing(params, peer.open_app(params["stores"][0]))


def eventsourcing_function(params: dict[str, Any]) -> Figures:
    import peer

    return _eventsourcing(params, peer.open_app(params["stores"][0], **peer.FUNCTION))


def _eventsourcing(params: dict[str, Any], app: Any) -> Figures:
    import peer

    size, number, warm = params["size"], params["number"], params["warm"]

    def order(first: int) -> peer.Order:
        """The peer's first event opens the aggregate; the others place a line."""
        made = peer.Order()
        for each in range(size - 1):
            made.place(*peer.fields(first + each))
        return made

    def encoded(first: int, count: int) -> float:
        typed = [order(batch).collect_events() for batch in range(first, first + count)]
        to_stored = app.mapper.to_stored_event
        began = perf_counter()
        for events in typed:
            app.recorder.insert_events([to_stored(each) for each in events])
        return perf_counter() - began

    def decided(first: int, count: int) -> float:
        began = perf_counter()
        for batch in range(first, first + count):
            app.save(order(batch))
        return perf_counter() - began

    work = decided if params["way"] == COMMAND else encoded
    work(0, warm)
    seconds = work(warm, number)
    app.close()
    return {"per_second": number * size / seconds}


ABOUT = (
    "Each batch goes to a fresh stream. *Encode and append* starts from typed events; *one command* starts from "
    "`running.execute`, so looking for the stream, deciding, folding and answering are in it. "
    "The raw driver has its rows ready."
)
QUESTION = Question(
    "batches",
    "Batches of typed events",
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
