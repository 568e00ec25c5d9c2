"""A projector in four partitions and two processes against the same one in one; a batch handler against a single."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Sequence
from datetime import timedelta
from time import perf_counter
from typing import Any

from harness import FLOOR, OURS, POSTGRES, SQLITE, Asked, Cell, Figures, Question, Seed, main

LEASE = timedelta(seconds=1)
PATIENCE = 600
WORK = 60
"""Turns of a loop, beside the upsert, where a handler has something to do: about as much as decoding an event again."""

_ONE = "the same projector of Eventfold, in one partition and one process"
_SINGLE = "the same projector of Eventfold with a handler for each event"


def cells(quick: bool) -> Sequence[Cell]:
    streams, each = (2_000, 20) if quick else (5_000, 40)
    seed = Seed(streams, each)
    sizes = {"number": streams * each, "streams": streams}
    several = {**sizes, "kind": "single", "partitions": 4, "processes": 2}
    return [
        Cell(
            "4 partitions, 2 processes: one upsert each",
            several,
            target=1.5,
            seeds=(seed,),
            floor_is=_ONE,
        ),
        Cell(
            "4 partitions, 2 processes: and some work",
            {**several, "work": WORK},
            target=1.5,
            seeds=(seed,),
            floor_is=_ONE,
        ),
        Cell(
            "a batch handler, one process",
            {**sizes, "kind": "batch", "partitions": 1, "processes": 1},
            target=1.0,
            seeds=(seed,),
            floor_is=_SINGLE,
        ),
    ]


def one(params: dict[str, Any]) -> Figures:
    return asyncio.run(_measured({**params, "kind": "single", "partitions": 1, "processes": 1}))


def several(params: dict[str, Any]) -> Figures:
    return asyncio.run(_measured(params))


async def _measured(params: dict[str, Any]) -> Figures:
    """The processes stand ready, each with its share, and the processor is let go: no start-up is measured."""
    from ours import url
    from sqlalchemy import func, select

    from eventfold import system_clock
    from eventfold.bootstrap.stores import open_stores

    totals, app = application(params)
    place = url(params["stores"][0])
    async with (
        app.open(place, run=False) as running,
        open_stores(place, clock=system_clock, migrate=False) as stores,
    ):
        rows, leases = stores.rows, stores.leases
        await rows.prepare("totals", version=1, tables=totals.tables, partitions=params["partitions"])
        await rows.pause("totals", paused=True)
        workers = [started(params) for _ in range(params["processes"])]
        try:
            async with asyncio.timeout(PATIENCE):
                while not evenly([each.owner for each in await leases.leases("totals") if each.left > 0], params):
                    refuse_ended(workers)
                    await asyncio.sleep(0.02)
            head = await running.head()
            await rows.pause("totals", paused=False)
            began = perf_counter()
            await running.wait_for(totals, head, timeout=PATIENCE)
            seconds = perf_counter() - began
            refuse_ended(workers)
        finally:
            for each in workers:
                each.kill()
                each.wait()
        counted = await running.query(
            select(func.count(), func.sum(totals.tables[0].c.lines)).select_from(totals.tables[0])
        )
        assert tuple(counted[0]) == (params["streams"], params["number"]), counted
    return {"per_second": params["number"] / seconds}


def application(params: dict[str, Any]) -> Any:
    """The projector, and the application that runs it."""
    from material import LinePlaced
    from ours import orders
    from sqlalchemy import Column, Integer, MetaData, String, Table, bindparam

    from eventfold import Eventfold, Projector, Recorded, View, upsert

    columns = (Column("id", String, primary_key=True), Column("lines", Integer), Column("quantity", Integer))
    table = Table("totals", MetaData(), *columns)
    add = upsert(
        table,
        key=["id"],
        insert={"id": bindparam("id_"), "lines": 1, "quantity": bindparam("n")},
        set={"lines": table.c.lines + 1, "quantity": table.c.quantity + bindparam("n")},
    )
    totals = Projector("totals", tables=[table], partitions=params["partitions"])
    work = range(params.get("work", 0))

    if params["kind"] == "batch":

        @totals.on_batch(LinePlaced)
        def placed_together(batch: Sequence[Recorded[LinePlaced]], view: View) -> None:
            for recorded in batch:
                view.write(add, {"id_": recorded.id, "n": recorded.event.quantity})

    else:

        @totals.on(LinePlaced)
        def placed(recorded: Recorded[LinePlaced], view: View) -> None:
            quantity = recorded.event.quantity
            for number in work:
                quantity = (quantity * 31 + number) % 1_000
            view.write(add, {"id_": recorded.id, "n": quantity})

    return totals, Eventfold(deciders=[orders], processors=[totals])


def evenly(owners: Sequence[str], params: dict[str, Any]) -> bool:
    """Whether all partitions are held, and by all processes."""
    return (
        len(owners) == params["partitions"]
        and len(set(owners)) == params["processes"]
        and (len({owners.count(each) for each in set(owners)}) == 1)
    )


def started(params: dict[str, Any]) -> subprocess.Popen[bytes]:
    wanted = [params["stores"][0], params["kind"], params["partitions"], params.get("work", 0)]
    return subprocess.Popen([sys.executable, __file__, "--worker", *map(str, wanted)])


def refuse_ended(workers: Sequence[subprocess.Popen[bytes]]) -> None:
    if any(each.poll() is not None for each in workers):
        raise SystemExit("a process has ended")


async def worker(place: str, kind: str, partitions: str, work: str) -> None:
    """Until it is killed."""
    from ours import url

    _, app = application({"kind": kind, "partitions": int(partitions), "work": int(work)})
    async with app.open(url(place), lease=LEASE) as running:
        await asyncio.wait(running.tasks)
        raise SystemExit(f"the projector has ended: {running.status()}")


_ASKED = Asked(
    "Catch-up into a table. Processes are there and hold their shares before the projector is let go. A batch handler "
    "gets a page of events in one call, and writes the same rows.",
    cells,
    {FLOOR: one, OURS: several},
)
QUESTION = Question("partitions", "Partitions", {SQLITE: _ASKED, POSTGRES: _ASKED})

if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        asyncio.run(worker(*sys.argv[2:6]))
    else:
        sys.exit(main(QUESTION))
