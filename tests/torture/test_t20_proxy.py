"""
T-20: appends to Postgres through connections that break after 300 to 3,500 bytes, in either direction, in four ways.
Whatever `append` says is held against the log afterwards: stored once and where it said, not stored, or one of both.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import count
from random import Random

import asyncpg

from eventfold.adapters.postgres import PostgresEventStore
from eventfold.adapters.postgres.connection import Connections
from eventfold.adapters.postgres.group import Writer
from eventfold.adapters.postgres.names import Names
from eventfold.adapters.system import system_clock
from eventfold.bootstrap.stores import open_stores
from eventfold.ports.event_store import Append, Appended, Condition, EventSink
from eventfold.testing.journal import Line
from tests.postgres import PostgresServer, start_postgres
from tests.torture.proxy import ENDS, bad_network
from tests.torture.workload import FULL, SEED, TAPES, Writes, audited, report, told, url_of_schema

APPENDS = 10_000 if FULL else 500
MOST = (2 if os.environ.get("EVENTFOLD_MUTANT") else 10) * APPENDS
"""With a planted bug an answer may never come."""
MUST_BE_SEEN = {"AppendOutcomeUnknown", "StoreUnavailable"}
STORES, WRITERS = 10, 3
"""Stores that append, as in so many processes; writers of each."""
WARM = 10_000
"""Bytes until a connection has made its first append: the driver asks for the types of its parameters."""
NAME = "torture"
"""Of the schema, and of the sessions that go through the proxy."""
PATIENCE = 0.4
"""Seconds for an answer, for a connection and for finding out; a hang costs as much."""


class Resolved:
    """A sink that counts answers of "it had been stored" to what was never asked before: lost answers, found out."""

    def __init__(self, sink: EventSink) -> None:
        self._sink = sink
        self._asked: set[bytes] = set()
        self.found_out = 0

    async def append(self, *appends: Append, condition: Condition | None = None) -> Appended:
        id = appends[0].events[0].event_id
        first = id not in self._asked
        self._asked.add(id)
        appended = await self._sink.append(*appends, condition=condition)
        self.found_out += first and appended.streams[0].deduplicated
        return appended


@asynccontextmanager
async def impatient(url: str) -> AsyncIterator[PostgresEventStore]:
    names, connections = Names(NAME), Connections(url, most=4, patience=PATIENCE)
    store = PostgresEventStore(Writer(connections, names, system_clock, lanes=2), connections, names, notify=False)
    try:
        yield store
    finally:
        await store.close()


async def nobody_is_left(server: PostgresServer) -> None:
    """What a server process does that has lost its client may still be done: wait for the last of them."""
    connection = await asyncpg.connect(server.url)
    over = f"SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name = '{NAME}'"
    async with asyncio.timeout(20):
        while not await connection.fetchval(over):  # noqa: ASYNC110 - a server rings no bell for its sessions
            await asyncio.sleep(0.01)
    await connection.close()


async def test_t20_fm07_g05_whatever_an_append_says_through_a_bad_network_is_true(planted: None) -> None:
    print(f"EVENTFOLD_SEED={SEED}")
    journal: list[Line] = []
    worst = 0.0
    with start_postgres({}) as server:
        async with (
            open_stores(url_of_schema(server.url, NAME), clock=system_clock, migrate=True) as stores,
            bad_network(server.port, Random(SEED), warm=WARM) as proxy,
        ):
            through = server.url.replace(f":{server.port}", f":{proxy.port}")
            async with AsyncExitStack() as stack:
                sinks = [
                    Resolved(await stack.enter_async_context(impatient(f"{through}?application_name={NAME}")))
                    for _ in range(STORES)
                ]
                writers = [
                    Writes(sinks[n % STORES], stores.events, journal.append, str(n), Random(f"{SEED}.{n}"), TAPES)
                    for n in range(STORES * WRITERS)
                ]
                begun = count()
                loop = asyncio.get_running_loop()

                def errors() -> Counter[str]:
                    return Counter(type(error).__name__ for each in writers for error in each.failed)

                def found_out() -> int:
                    return sum(sink.found_out for sink in sinks)

                def all_seen() -> bool:
                    return found_out() > 0 and errors().keys() >= MUST_BE_SEEN

                async def write(writes: Writes) -> None:
                    nonlocal worst
                    # Which answers a small run gets hangs on the moment of each cut: it goes on until it got them all.
                    while (number := next(begun)) < APPENDS or (number < MOST and not all_seen()):
                        began = loop.time()
                        await writes.one()
                        worst = max(worst, loop.time() - began)

                await asyncio.gather(*map(write, writers))
                proxy.end_all()
            await nobody_is_left(server)
            found = await audited(stores.events, stores.rows, journal)
            assert not found.violations, told(found.violations, "what was claimed")
            stored = [had for each in writers for had in await each.settle(stores.events)]
            found = await audited(stores.events, stores.rows, journal)
            assert not found.violations, told(found.violations, "what was settled")
    assert found_out() > 0
    assert errors().keys() >= MUST_BE_SEEN
    assert errors().keys() <= MUST_BE_SEEN | {"ConcurrencyConflict"}
    assert min(proxy.cuts[end] for end in ENDS) > 0
    report(
        "T-20",
        store="postgres",
        faults=proxy.cuts.total(),
        appends=next(begun) - len(writers),
        acknowledged=found.tally.acknowledged,
        lost=0,
        skipped=0,
        duplicated=0,
        out_of_order=0,
        found_out=found_out(),
        unknown=len(stored),
        unknown_stored=sum(stored),
        unavailable=errors()["StoreUnavailable"],
        conflicts=errors()["ConcurrencyConflict"],
        worst_stall=round(worst, 3),
    )
