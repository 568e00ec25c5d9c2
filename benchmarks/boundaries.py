"""Dynamic boundaries: decide on the events of one tag and append one, in an empty store and in a large one."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from typing import Any

import growth
from harness import OURS, PEER, POSTGRES, Asked, Cell, Figures, Question, Seed, main

EACH = 10


def cells(quick: bool) -> Sequence[Cell]:
    events = 50_000 if quick else 1_000_000
    seeds = (Seed(0, 0, tagged=True), Seed(events // EACH, EACH, tagged=True))
    params = {"turns": 4, "streams": [0, events // EACH], "appends": (400 if quick else 2_000) // 4, "what": "append"}
    return [
        Cell(
            f"one new tag, at {events:,} events",
            {**params, "known": False},
            compared="peer",
            target=2.0,
            seeds=seeds,
        ),
        Cell(
            "the same, against an empty store",
            {**params, "known": False},
            figure="large_by_small",
            unit="of its own",
            compared="alone",
            target=0.9,
            seeds=seeds,
        ),
        Cell(
            f"a tag of {EACH} events, at {events:,} events",
            {**params, "known": True},
            compared="peer",
            seeds=seeds,
        ),
    ]


def tag_of(params: dict[str, Any], store: int, number: int) -> str:
    """One that nobody has used, or, in the large store, one that ten events carry."""
    from seeds import tag

    streams = params["streams"][store]
    return tag(number * 7919 % streams) if params["known"] and streams else tag(1_000_000 + number)


def eventfold(params: dict[str, Any]) -> Figures:
    return asyncio.run(_eventfold(params))


async def _eventfold(params: dict[str, Any]) -> Figures:
    import dataclasses

    from material import LinePlaced, evolve, line
    from ours import url

    from eventfold import Boundary, Eventfold, Events, Query

    @dataclasses.dataclass(frozen=True)
    class Take:
        number: int
        tag: str

    def decide(command: Take, total: int) -> list[LinePlaced]:
        tags[id(made := line(command.number))] = command.tag
        return [made]

    tags: dict[int, str] = {}
    events = Events()
    events.add(LinePlaced, tags=lambda event: [tags.pop(id(event))])
    take = Boundary(
        "taking",
        initial=0,
        decide=decide,
        evolve=evolve,
        query=lambda command: Query.of(LinePlaced, tags=[command.tag]),
    )
    app = Eventfold(deciders=[take], events=events)
    async with app.open(url(params["stores"][0])) as empty, app.open(url(params["stores"][1])) as large:
        stores = [empty, large]

        async def work(store: int, number: int) -> None:
            await stores[store].execute(take, Take(number, tag_of(params, store, number)))

        return await growth.in_turns_async(params, work)


def eventsourcing(params: dict[str, Any]) -> Figures:
    import json

    import peer
    from eventsourcing.dcb.api import DCBAppendCondition, DCBQuery, DCBQueryItem

    opened = [peer.open_boundaries(url) for url in params["stores"]]

    def work(store: int, number: int) -> None:
        recorder, _ = opened[store]
        tag = tag_of(params, store, number)
        query = DCBQuery([DCBQueryItem(types=["LinePlaced"], tags=[tag])])
        read = recorder.read(query)
        total = sum(json.loads(each.event.data)["quantity"] for each in read)
        assert total >= 0
        recorder.append([peer.tagged_event(number, tag)], DCBAppendCondition(query, read.head))

    figures = growth.in_turns(params, work)
    for _, close in opened:
        close()
    return figures


QUESTION = Question(
    "boundaries",
    "Dynamic boundaries",
    {
        POSTGRES: Asked(
            "One command after the other: read what carries a tag, decide, append one event with this tag on the "
            "condition that nothing else carries it by then. The peer is the recorder of `eventsourcing.dcb`, without "
            "the classes above it; it decodes to dictionaries.",
            cells,
            {PEER: eventsourcing, OURS: eventfold},
        )
    },
)

if __name__ == "__main__":
    sys.exit(main(QUESTION))
