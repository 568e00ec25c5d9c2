"""Catch-up: every event of the store, typed, to an `async def` handler, in memory."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from time import perf_counter
from typing import Any

from harness import FLOOR, OURS, PEER, POSTGRES, SQLITE, Asked, Cell, Figures, Question, Seed, main


def cells_of_sqlite(quick: bool) -> Sequence[Cell]:
    return cells(quick, 0.6, 500)


def cells_of_postgres(quick: bool) -> Sequence[Cell]:
    return cells(quick, 0.5, 2_000)


def cells(quick: bool, target: float, page: int) -> Sequence[Cell]:
    streams, each = (2_000, 20) if quick else (5_000, 40)
    seed = Seed(streams, each, copied=False)
    return [
        Cell(
            f"catch up with {streams * each:,} events",
            {"number": streams * each},
            target=target,
            seeds=(seed,),
            floor_is=f"pages of {page:,} rows, decoded into the same class, added up in the loop",
        )
    ]


def raw(params: dict[str, Any]) -> Figures:
    import floor
    from material import TYPE, decode

    connection = floor.connect(params["stores"][0])
    decoders = {TYPE: decode}
    position = seen = total = 0
    began = perf_counter()
    while rows := connection.execute(floor.PAGE_OF_ALL, (position,)).fetchall():
        for position, _, type, data in rows:  # noqa: B007 - the last one is where the next page begins
            total += decoders[type](data).quantity
        seen += len(rows)
    return _figures(params, seen, perf_counter() - began)


def raw_postgres(params: dict[str, Any]) -> Figures:
    return asyncio.run(_raw_postgres(params))


async def _raw_postgres(params: dict[str, Any]) -> Figures:
    import floor_postgres as floor
    from material import TYPE, decode

    connection = await floor.connect(params["stores"][0])
    page = await floor.prepared(connection, floor.PAGE_OF_ALL)
    decoders = {TYPE: decode}
    position = seen = total = 0
    began = perf_counter()
    while rows := await page(position):
        for position, _, type, data in rows:  # noqa: B007 - the last one is where the next page begins
            total += decoders[type](data).quantity
        seen += len(rows)
    figures = _figures(params, seen, perf_counter() - began)
    await connection.close()
    return figures


def eventfold(params: dict[str, Any]) -> Figures:
    return asyncio.run(_eventfold(params))


async def _eventfold(params: dict[str, Any]) -> Figures:
    from material import LinePlaced
    from ours import orders, url

    from eventfold import Eventfold, Recorded

    seen = total = 0

    async def handler(recorded: Recorded[LinePlaced]) -> None:
        nonlocal seen, total
        seen += 1
        total += recorded.event.quantity

    async with Eventfold(deciders=[orders]).open(url(params["stores"][0])) as running:
        began = perf_counter()
        async with running.subscribe() as batches:
            async for batch in batches:
                for recorded in batch.events:
                    await handler(recorded)
                if batch.caught_up:
                    break
        return _figures(params, seen, perf_counter() - began)


def eventsourcing(params: dict[str, Any]) -> Figures:
    import peer

    app = peer.open_app(params["stores"][0])
    seen = position = total = 0

    def handler(event: Any) -> None:
        nonlocal seen, total
        seen += 1
        total += getattr(event, "quantity", 0)

    to_domain = app.mapper.to_domain_event
    began = perf_counter()
    while page := app.recorder.select_notifications(position, 500, inclusive_of_start=False):
        for notification in page:
            handler(to_domain(notification))
        position = page[-1].id
    figures = _figures(params, seen, perf_counter() - began)
    app.close()
    return figures


def _figures(params: dict[str, Any], seen: int, seconds: float) -> Figures:
    assert seen == params["number"], (seen, params["number"])
    return {"per_second": seen / seconds, **peak()}


def peak() -> dict[str, float]:
    """The most memory that this process has had, in MiB."""
    with open("/proc/self/status", encoding="utf-8") as status:  # noqa: PTH123 - counts from exec on, unlike ru_maxrss
        found = [line.split()[1] for line in status if line.startswith("VmHWM:")]
    return {"peak_mib": int(found[0]) / 1024} if found else {}


QUESTION = Question(
    "catch_up",
    "Catch-up in memory",
    {
        SQLITE: Asked(
            "`running.subscribe()` from the beginning, one `await handler(recorded)` for each event. The raw driver "
            "calls no handler. The peer has no subscriptions on SQLite: it reads notifications in pages of 500 and "
            "calls a plain function.",
            cells_of_sqlite,
            {FLOOR: raw, OURS: eventfold, PEER: eventsourcing},
        ),
        POSTGRES: Asked(
            "`running.subscribe()` from the beginning, one `await handler(recorded)` for each event. The raw driver "
            "calls no handler. The peer reads notifications in pages of 500, as its subscriptions do, and calls a "
            "plain function.",
            cells_of_postgres,
            {FLOOR: raw_postgres, OURS: eventfold, PEER: eventsourcing},
        ),
    },
)

if __name__ == "__main__":
    sys.exit(main(QUESTION))
