"""
T-11: several processes append to a few hot streams; a fifth rolls back, two fifths have written elsewhere before, some
roll back to a savepoint, strangers keep transactions open. Readers follow. Wrong readers follow the same events, and
are caught.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest

from eventfold.adapters.postgres import open_postgres
from eventfold.adapters.postgres.event_store import PostgresEventStore
from eventfold.adapters.postgres.names import Names
from eventfold.adapters.system import system_clock
from eventfold.domain.message import NewEvent, Stream
from eventfold.domain.query import Query
from eventfold.ports.event_store import Append
from tests.postgres import ExistingServer, PostgresServer
from tests.protocol.live import (
    COMMITTED,
    ByHorizon,
    ByTransaction,
    Naive,
    OneSnapshot,
    Reading,
    Row,
    Way,
    connected,
    faults,
)
from tests.protocol.live import prepared_schema as prepared
from tests.protocol.stress import append_a_lot, append_to_the_store
from tests.torture.workload import FULL, SEED, report

PROCESSES = 4 if FULL else 2
WRITERS = 2 if FULL else 4
"""Of each process."""
TASKS, APPENDS = (16, 1_000) if FULL else (8, 40)
"""Of each process; of each task."""
PATIENCE = 30.0
LAST = Stream("tape", "last")
RIGHT: list[type[Way]] = [Way, ByHorizon]
WRONG: list[type[Way]] = [Naive, OneSnapshot, ByTransaction]


async def follow(way: Way, reading: Reading, done: asyncio.Event) -> None:
    """Read until everybody is done, and then once more."""
    last = False
    while not last:
        last = done.is_set()
        await way.look(reading)
        await way.page(reading)
        await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("ways", "transactions"),
    [
        pytest.param([*RIGHT, *WRONG], 1_000 if FULL else 120, id="beside wrong readers"),
        *([pytest.param(RIGHT, 60_000, id="a million events")] if FULL else []),
    ],
)
async def test_t11_fm01_g08_g09_readers_under_stress_lose_nothing(
    postgres: PostgresServer | ExistingServer,
    postgres_schema: str,
    planted: None,
    ways: list[type[Way]],
    transactions: int,
) -> None:
    async with connected(postgres.url, len(ways)) as connections:
        names = await prepared(connections[0], postgres_schema)
        readings = [Reading(connection) for connection in connections]
        done = asyncio.Event()
        loop = asyncio.get_running_loop()
        with ProcessPoolExecutor(PROCESSES, mp_context=get_context("spawn")) as pool:
            crowd = [
                loop.run_in_executor(
                    pool, append_a_lot, postgres.url, postgres_schema, f"{SEED}.{n}", WRITERS, transactions
                )
                for n in range(PROCESSES)
            ]
            following = [
                asyncio.create_task(follow(way(names), reading, done))
                for way, reading in zip(ways, readings, strict=True)
            ]
            counts = await asyncio.gather(*crowd)
            done.set()
            await asyncio.gather(*following)
        committed = [tuple(row) for row in await connections[0].fetch(names.fill(COMMITTED))]
    total = {name: sum(count[name] for count in counts) for name in counts[0]}
    found = [faults(reading.got, committed) for reading in readings]
    for way, fault in zip(ways[2:], found[2:], strict=True):
        report("T-11 planted", store="postgres", reader=way.__name__, caught=fault)
    assert len(committed) == total["acknowledged"] > 0
    assert min(total.values()) > 0
    assert found[:2] == [[], []]
    assert readings[0].got == readings[1].got
    for way, fault in zip(ways[2:], found[2:], strict=True):
        assert fault, f"{way.__name__} was right, so the stress is too weak; EVENTFOLD_SEED={SEED}"
    given_up = total["rolled_back"] + total["lost_races"]
    report("T-11", store="postgres", faults=given_up, **total, lost=0, skipped=0, duplicated=0, out_of_order=0)


async def subscribed(store: PostgresEventStore, got: list[Row]) -> None:
    async with store.subscribe(Query.all(), after=0) as batches:
        async for batch in batches:
            got += [(event.position, event.stream.id, event.version) for event in batch.events]
            if got and got[-1][1] == LAST.id:
                return


async def test_t11_fm01_g08_g09_subscriptions_beside_appends_of_several_processes_lose_nothing(
    postgres: PostgresServer | ExistingServer, postgres_schema: str, planted: None
) -> None:
    """The store itself on both sides: group commit, conflicts, appends to two streams, joined units, hints, polling."""
    store, rows, _ = await open_postgres(postgres.url, clock=system_clock, schema=postgres_schema)
    loop = asyncio.get_running_loop()
    seen: list[list[Row]] = [[], []]
    following = [asyncio.create_task(subscribed(store, got)) for got in seen]
    with ProcessPoolExecutor(PROCESSES, mp_context=get_context("spawn")) as pool:
        crowd = [
            loop.run_in_executor(
                pool, append_to_the_store, postgres.url, postgres_schema, f"{SEED}.{n}", TASKS, APPENDS
            )
            for n in range(PROCESSES)
        ]
        counts = await asyncio.gather(*crowd)
    await store.append(Append(LAST, [NewEvent(event_id=b"the last of them", type="Noted", data=b"1")]))
    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(*following)
    async with connected(postgres.url, 1) as (connection,):
        committed = [tuple(row) for row in await connection.fetch(Way(Names(postgres_schema)).sql(COMMITTED))]
    await rows.close()
    await store.close()
    acknowledged = sum(count["acknowledged"] for count in counts)
    assert len(committed) == acknowledged + 1 > 1
    assert [faults(got, committed) for got in seen] == [[], []]
    joined, *given_up = (sum(count[name] for count in counts) for name in ("joined", "lost_races", "rolled_back"))
    assert min(joined, *given_up) > 0
    report(
        "T-11",
        store="postgres",
        faults=sum(given_up),
        joined=joined,
        acknowledged=acknowledged,
        lost=0,
        skipped=0,
        duplicated=0,
        out_of_order=0,
    )
