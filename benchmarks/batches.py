"""Batches of 10 and 100 typed events: encoded and appended, and decided by one command."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from time import perf_counter
from typing import Any

from harness import FLOOR, OURS, PEER, Cell, Figures, Question, Seed, main

COMMAND = "one command"


def cells(quick: bool) -> Sequence[Cell]:
    warm, number = (100, 400) if quick else (200, 1_500)
    made = []
    for way in ("encode and append", COMMAND):
        made += [
            Cell(
                f"batch of {size}, {way}",
                {"size": size, "way": way, "warm": warm, "number": number * 10 // size if size > 10 else number},
                target=0.85,
                seeds=(Seed(0, 0),),
                floor_is="rows that are ready, one executemany and one commit for each batch",
            )
            for size in (10, 100)
        ]
    return made


def raw(params: dict[str, Any]) -> Figures:
    import floor
    from material import CATEGORY, TEXTS, TYPE

    connection = floor.connect(params["paths"][0])
    size = params["size"]
    batches = [
        [floor.row(CATEGORY, f"r{batch}", version, TYPE, TEXTS[version % len(TEXTS)]) for version in range(1, size + 1)]
        for batch in range(params["warm"] + params["number"])
    ]
    floor.commit_batches(connection, batches[: params["warm"]])
    began = perf_counter()
    floor.commit_batches(connection, batches[params["warm"] :])
    return {"per_second": params["number"] * size / (perf_counter() - began)}


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
    async with Eventfold(deciders=[orders]).open(url(params["paths"][0])) as running:
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

    app = peer.open_app(params["paths"][0])
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


QUESTION = Question(
    "batches",
    "Batches of typed events",
    "Each batch goes to a fresh stream. *Encode and append* starts from typed events; *one command* starts from "
    "`running.execute`, so looking for the stream, deciding, folding and answering are in it. "
    "The raw driver has its rows ready.",
    cells,
    {FLOOR: raw, OURS: eventfold, PEER: eventsourcing},
)

if __name__ == "__main__":
    sys.exit(main(QUESTION))
