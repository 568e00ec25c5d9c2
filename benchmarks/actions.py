"""Recorded actions: a reactor that calls a function once for each event, with an entry before it and one after."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from time import perf_counter
from typing import Any

from harness import OURS, POSTGRES, SQLITE, Asked, Cell, Figures, Question, Seed, main


def cells(quick: bool) -> Sequence[Cell]:
    number = 1_000 if quick else 5_000
    seed = Seed(number, 1)
    return [
        Cell(
            f"recorded actions, {at_once} at once" if at_once > 1 else "recorded actions, one after the other",
            {"number": number, "at_once": at_once},
            compared="alone",
            target=2_000 if at_once == 64 else None,
            seeds=(seed,),
        )
        for at_once in (1, 16, 64)
    ]


def eventfold(params: dict[str, Any]) -> Figures:
    return asyncio.run(_eventfold(params))


async def _eventfold(params: dict[str, Any]) -> Figures:
    from material import LinePlaced
    from ours import orders, url

    from eventfold import Act, Eventfold, Reactor, Recorded

    began = 0.0
    done = 0
    mails = Reactor("mails", start="beginning", concurrency=params["at_once"])

    async def send(sku: str) -> str:
        nonlocal began, done
        began = began or perf_counter()
        done += 1
        return sku

    @mails.on(LinePlaced)
    async def placed(recorded: Recorded[LinePlaced], act: Act) -> None:
        await act.once("mail", send, recorded.event.sku)

    async with Eventfold(deciders=[orders], processors=[mails]).open(url(params["stores"][0])) as running:
        await running.settled(timeout=600)
        seconds = perf_counter() - began
    assert done == params["number"], (done, params["number"])
    return {"per_second": done / seconds}


_ASKED = Asked(
    "One stream an event, the checkpoint moved after each. The function itself does nothing.", cells, {OURS: eventfold}
)
QUESTION = Question("actions", "Recorded actions", {SQLITE: _ASKED, POSTGRES: _ASKED})

if __name__ == "__main__":
    sys.exit(main(QUESTION))
