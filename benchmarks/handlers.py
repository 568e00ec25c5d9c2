"""What handlers and an id add to a command: against the same command without any."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any
from uuid import UUID

from harness import FLOOR, OURS, POSTGRES, SQLITE, Asked, Cell, Figures, Question, Seed, main

_PLAIN = "the same command of Eventfold, without handlers and without an id"


def cells(quick: bool) -> Sequence[Cell]:
    warm, number = (200, 1_000) if quick else (500, 4_000)
    sizes = {"warm": warm, "number": number}
    return [
        Cell(
            "command with a transactional handler, one row",
            {"kind": "transactional", **sizes},
            target=0.6,
            seeds=(Seed(0, 0),),
            floor_is=_PLAIN,
        ),
        Cell("command with an event handler", {"kind": "plain", **sizes}, seeds=(Seed(0, 0),), floor_is=_PLAIN),
        Cell("command with ten event handlers", {"kind": "ten", **sizes}, seeds=(Seed(0, 0),), floor_is=_PLAIN),
        Cell("command with an id", {"kind": "id", **sizes}, seeds=(Seed(0, 0),), floor_is=_PLAIN),
        Cell("command with a known id", {"kind": "known", **sizes}, seeds=(Seed(0, 0),), floor_is=_PLAIN),
    ]


def without(params: dict[str, Any]) -> Figures:
    return asyncio.run(_commands(params["stores"][0], "none", params))


def with_handlers(params: dict[str, Any]) -> Figures:
    return asyncio.run(_commands(params["stores"][0], params["kind"], params))


async def _commands(place: str, kind: str, params: dict[str, Any]) -> Figures:
    from sqlalchemy import Column, Integer, MetaData, String, Table, insert

    from eventfold import Aggregate, Eventfold, EventHandler, Pending, Recorded, TransactionalHandler, View

    lines_t = Table("lines", MetaData(), Column("id", String, primary_key=True), Column("n", Integer))
    put = insert(lines_t)

    @dataclass(frozen=True)
    class Added:
        n: int

    def decide(command: Added, sum: int) -> list[Added]:
        return [command]

    def evolve(sum: int, event: Added) -> int:
        return sum + event.n

    lines = Aggregate("line", initial=0, decide=decide, evolve=evolve, events=[Added])
    handlers: list[EventHandler | TransactionalHandler] = []
    if kind == "transactional":
        handler = TransactionalHandler("lines", tables=[lines_t])

        @handler.on(Added)
        def write(pending: Pending[Added], view: View) -> None:
            view.write(put, {"id": pending.id, "n": pending.event.n})

        handlers.append(handler)
    for number in range({"plain": 1, "ten": 10}.get(kind, 0)):
        hears = EventHandler(f"hears_{number}")

        @hears.on(Added)
        def hear(recorded: Recorded[Added], handling: object) -> None:
            pass

        handlers.append(hears)
    url = place if place.startswith("postgresql:") else f"sqlite:///{place}"
    async with Eventfold(deciders=[lines], handlers=handlers).open(url) as running:

        async def each(numbers: range) -> float:
            began = perf_counter()
            for number in numbers:
                key = UUID(int=number) if kind in ("id", "known") else None
                await running.execute(lines, f"l{number}", Added(number), command_id=key)
            return perf_counter() - began

        await each(range(params["warm"]))
        numbers = range(params["warm"], params["warm"] + params["number"])
        if kind == "known":
            await each(numbers)
        seconds = await each(numbers)
    return {"per_second": params["number"] / seconds}


_CONTESTANTS = {FLOOR: without, OURS: with_handlers}
_ASKED = Asked("Commands on new aggregates, one after the other.", cells, _CONTESTANTS)
QUESTION = Question("handlers", "Handlers", {SQLITE: _ASKED, POSTGRES: _ASKED})

if __name__ == "__main__":
    sys.exit(main(QUESTION))
