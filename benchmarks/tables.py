"""Catch-up into a SQL table: one upsert for each event through a projector's handler."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence
from time import perf_counter
from typing import Any

from harness import FLOOR, OURS, PEER, POSTGRES, SQLITE, Asked, Cell, Figures, Question, Seed, main


def cells_of_sqlite(quick: bool) -> Sequence[Cell]:
    return cells(quick, 0.7, "pages of 500: decode, one upsert for each event, the bookmark, commit")


def cells_of_postgres(quick: bool) -> Sequence[Cell]:
    return cells(
        quick,
        0.5,
        "pages of 2,000: decode, one upsert for each event (executemany), the bookmark, commit; `folded` adds up each "
        "page in memory first, and writes it with one statement",
    )


def cells(quick: bool, target: float, floor: str) -> Sequence[Cell]:
    streams, each = (2_000, 20) if quick else (5_000, 20)
    return [
        Cell(
            f"{streams * each:,} events into {streams:,} rows",
            {"number": streams * each, "streams": streams, "peers": 300 if quick else 2_000},
            target=target,
            seeds=(Seed(streams, each),),
            floor_is=floor,
        )
    ]


def raw(params: dict[str, Any]) -> Figures:
    import floor
    from material import TYPE, decode

    connection = floor.connect(params["stores"][0])
    execute = connection.execute
    execute(floor.TOTALS)
    execute(floor.BOOKMARK)
    decoders = {TYPE: decode}
    position = seen = 0
    began = perf_counter()
    while rows := execute(floor.PAGE_OF_ALL, (position,)).fetchall():
        execute("BEGIN IMMEDIATE")
        for position, id, type, data in rows:  # noqa: B007 - the last one is where the next page begins
            execute(floor.ADD, (id, decoders[type](data).quantity))
        execute(floor.MOVE, (position,))
        execute("COMMIT")
        seen += len(rows)
    seconds = perf_counter() - began
    assert seen == params["number"]
    assert execute("SELECT count(*) FROM totals").get == params["streams"]
    return {"per_second": seen / seconds}


def raw_postgres(params: dict[str, Any]) -> Figures:
    return asyncio.run(_raw_postgres(params))


async def _raw_postgres(params: dict[str, Any]) -> Figures:
    import floor_postgres as floor
    from material import TYPE, decode

    connection = await floor.connect(params["stores"][0])
    page = await floor.prepared(connection, floor.PAGE_OF_ALL)
    decoders = {TYPE: decode}

    async def each(rows: list[Any]) -> None:
        await connection.executemany(floor.ADD, [(id, decoders[type](data).quantity) for _, id, type, data in rows])

    async def folded(rows: list[Any]) -> None:
        totals: dict[str, int] = {}
        for _, id, type, data in rows:
            totals[id] = totals.get(id, 0) + decoders[type](data).quantity
        await connection.execute(floor.ADD_FOLDED, list(totals), list(totals.values()))

    async def caught_up(add: Callable[[list[Any]], Awaitable[None]]) -> float:
        await connection.execute("DROP TABLE IF EXISTS totals, bookmark")
        await connection.execute(floor.TABLES)
        position = seen = 0
        began = perf_counter()
        while rows := await page(position):
            async with connection.transaction():
                await add(rows)
                position = rows[-1][0]
                await connection.execute(floor.MOVE, position)
            seen += len(rows)
        seconds = perf_counter() - began
        assert seen == params["number"]
        assert await connection.fetchval("SELECT count(*) FROM totals") == params["streams"]
        return seen / seconds

    figures = {"per_second": await caught_up(each), "folded": await caught_up(folded)}
    await connection.close()
    return figures


def projector() -> Any:
    from material import LinePlaced
    from sqlalchemy import Column, Integer, MetaData, String, Table, bindparam

    from eventfold import Projector, Recorded, View, upsert

    table = Table("totals", MetaData(), Column("id", String, primary_key=True), Column("quantity", Integer))
    add = upsert(
        table,
        key=["id"],
        insert={"id": bindparam("id_"), "quantity": bindparam("n")},
        set={"quantity": table.c.quantity + bindparam("n")},
    )
    totals = Projector("totals", tables=[table])

    @totals.on(LinePlaced)
    async def placed(recorded: Recorded[LinePlaced], view: View) -> None:
        view.write(add, {"id_": recorded.id, "n": recorded.event.quantity})

    return totals


def eventfold(params: dict[str, Any]) -> Figures:
    return asyncio.run(_eventfold(params))


async def _eventfold(params: dict[str, Any]) -> Figures:
    from ours import orders, url
    from sqlalchemy import func, select

    from eventfold import Eventfold

    totals = projector()
    app = Eventfold(deciders=[orders], processors=[totals])
    async with app.open(url(params["stores"][0])) as running:
        began = perf_counter()
        await running.wait_for(totals, await running.head(), timeout=3_600)
        seconds = perf_counter() - began
        rows = await running.query(select(func.count()).select_from(totals.tables[0]))
        assert rows[0][0] == params["streams"]
    return {"per_second": params["number"] / seconds}


def eventsourcing(params: dict[str, Any]) -> Figures:
    import peer
    from eventsourcing.persistence import Tracking
    from eventsourcing.sqlite import SQLiteDatastore, SQLiteTrackingRecorder

    class Totals(SQLiteTrackingRecorder):
        """As its documentation has it: the row and its tracking record in one transaction, for each event."""

        def construct_create_table_statements(self) -> list[str]:
            made = super().construct_create_table_statements()
            return [*made, "CREATE TABLE IF NOT EXISTS totals (id TEXT PRIMARY KEY, quantity INTEGER NOT NULL)"]

        def add(self, id: str, quantity: int, tracking: Tracking) -> None:
            with self.datastore.transaction(commit=True) as cursor:
                self._insert_tracking(cursor, tracking)
                cursor.execute(
                    "INSERT INTO totals VALUES (?, ?)"
                    " ON CONFLICT (id) DO UPDATE SET quantity = totals.quantity + excluded.quantity",
                    (id, quantity),
                )

    path = params["stores"][0]
    app = peer.open_app(path)
    totals = Totals(SQLiteDatastore(path))
    totals.create_table()
    figures = _in_pages(params, app, totals.add)
    app.close()
    return figures


def _in_pages(params: dict[str, Any], app: Any, add: Callable[[str, int, Any], None]) -> Figures:
    from eventsourcing.persistence import Tracking

    to_domain = app.mapper.to_domain_event
    position = seen = 0
    began = perf_counter()
    while seen < params["peers"]:
        page = app.recorder.select_notifications(position, min(500, params["peers"] - seen), inclusive_of_start=False)
        for notification in page:
            event: Any = to_domain(notification)
            add(event.originator_id.hex, getattr(event, "quantity", 0), Tracking(app.name, notification.id))
        position = page[-1].id
        seen += len(page)
    return {"per_second": seen / (perf_counter() - began)}


def eventsourcing_postgres(params: dict[str, Any]) -> Figures:
    import peer
    from eventsourcing.persistence import Tracking
    from eventsourcing.postgres import PostgresDatastore, PostgresTrackingRecorder

    class Totals(PostgresTrackingRecorder):
        """As above."""

        def add(self, id: str, quantity: int, tracking: Tracking) -> None:
            with self.datastore.transaction(commit=True) as cursor:
                self._insert_tracking(cursor, tracking)
                cursor.execute(
                    "INSERT INTO totals VALUES (%s, %s)"
                    " ON CONFLICT (id) DO UPDATE SET quantity = totals.quantity + excluded.quantity",
                    (id, quantity),
                    prepare=True,
                )

    url = params["stores"][0]
    with peer.connection(url) as connection:
        connection.execute("CREATE TABLE totals (id text PRIMARY KEY, quantity int NOT NULL)")
    app = peer.open_app(url)
    datastore: PostgresDatastore = app.recorder.datastore  # type: ignore[attr-defined] # the Postgres recorder
    totals = Totals(datastore)
    totals.create_table()
    figures = _in_pages(params, app, totals.add)
    app.close()
    return figures


ABOUT = (
    "A projector with an `async def` handler and a constant statement. The peer commits row and tracking record for "
    "each event, as its documentation has it, on the first events only."
)
QUESTION = Question(
    "tables",
    "Catch-up into a SQL table",
    {
        SQLITE: Asked(ABOUT, cells_of_sqlite, {FLOOR: raw, OURS: eventfold, PEER: eventsourcing}),
        POSTGRES: Asked(ABOUT, cells_of_postgres, {FLOOR: raw_postgres, OURS: eventfold, PEER: eventsourcing_postgres}),
    },
)

if __name__ == "__main__":
    sys.exit(main(QUESTION))
