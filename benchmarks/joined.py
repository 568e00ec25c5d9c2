"""An append within the caller's own transaction, beside a row of his: against the same inserts by hand."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence
from time import perf_counter
from typing import Any

from harness import FLOOR, OURS, POSTGRES, Asked, Cell, Figures, Question, Seed, main


def cells(quick: bool) -> Sequence[Cell]:
    warm, number = (200, 1_000) if quick else (500, 4_000)
    return [
        Cell(
            f"a row and {events} event{'s' if events > 1 else ''} in one transaction, 1 task",
            {"events": events, "warm": warm, "number": number},
            target=1 / 1.3,
            seeds=(Seed(0, 0),),
            floor_is="BEGIN, insert the row, insert the events with the version that is known, COMMIT",
        )
        for events in (1, 5)
    ]


async def measured(params: dict[str, Any], connection: Any, within: Callable[[int], Awaitable[None]]) -> Figures:
    """Transactions of the caller's, each with a row of his own."""
    import floor_postgres as floor

    await connection.execute(floor.TABLES)
    add = await floor.prepared(connection, floor.ADD)

    async def each(numbers: Sequence[int]) -> float:
        began = perf_counter()
        for number in numbers:
            await connection.execute("BEGIN")
            await add(f"o{number}", 1)
            await within(number)
            await connection.execute("COMMIT")
        return perf_counter() - began

    await each(range(params["warm"]))
    seconds = await each(range(params["warm"], params["warm"] + params["number"]))
    return {"per_second": params["number"] / seconds}


def raw(params: dict[str, Any]) -> Figures:
    return asyncio.run(_raw(params))


async def _raw(params: dict[str, Any]) -> Figures:
    import floor_postgres as floor
    from material import BYTES, CATEGORY, TYPE

    connection = await floor.connect(params["stores"][0])
    insert = await floor.prepared(connection, floor.INSERT)
    insert_all = await floor.prepared(connection, floor.INSERT_BATCH)

    async def within(number: int) -> None:
        rows = [
            floor.row(CATEGORY, f"o{number}", version, TYPE, BYTES[(number + version) % len(BYTES)])
            for version in range(1, params["events"] + 1)
        ]
        await (insert(*rows[0]) if len(rows) == 1 else insert_all(*floor.batch(rows)))

    figures = await measured(params, connection, within)
    await connection.close()
    return figures


def eventfold(params: dict[str, Any]) -> Figures:
    return asyncio.run(_eventfold(params))


async def _eventfold(params: dict[str, Any]) -> Figures:
    import floor_postgres as floor
    from material import BYTES, CATEGORY, TYPE

    from eventfold import Stream, uuid7
    from eventfold.adapters.postgres import open_postgres
    from eventfold.adapters.system import system_clock
    from eventfold.domain.message import NewEvent
    from eventfold.ports.event_store import Append

    store, rows, units = await open_postgres(params["stores"][0], clock=system_clock)
    connection = await floor.connect(params["stores"][0])

    async def within(number: int) -> None:
        unit = await units.join(connection)
        new = [
            NewEvent(event_id=uuid7().bytes, type=TYPE, data=BYTES[(number + version) % len(BYTES)])
            for version in range(1, params["events"] + 1)
        ]
        await unit.append(Append(Stream(CATEGORY, f"o{number}"), new, 0))

    figures = await measured(params, connection, within)
    await connection.close()
    await store.close()
    await rows.close()
    return figures


QUESTION = Question(
    "joined",
    "Within somebody else's transaction",
    {
        POSTGRES: Asked(
            "An application's transaction with a row of its own and an append by `join`, one transaction after the "
            "other. The target is what 1.3 times the duration is as a rate.",
            cells,
            {FLOOR: raw, OURS: eventfold},
        )
    },
)

if __name__ == "__main__":
    sys.exit(main(QUESTION))
