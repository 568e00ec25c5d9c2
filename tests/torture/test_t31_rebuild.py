"""
T-31: rebuilds under load, each killed at both failpoints. Continuous readers meet no error, no empty and no mixed
table, no row that is missing and none that goes back; in the end the rows are the fold of the log.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from eventfold import Running
from eventfold.ports.generations import NEXT
from eventfold.testing.faults import VARIABLE
from tests.acceptance.world import Added, record, stored, tapes
from tests.postgres import ExistingServer, PostgresServer
from tests.torture.rebuilding import stamped, stamping
from tests.torture.workload import FULL, KILLED, PATIENCE, SEED, report, url_of_schema

REBUILDS, WRITERS, READERS = (20, 8, 3) if FULL else (3, 3, 2)
TAPES = [f"t{n}" for n in range(40)]
POINTS = ("rebuild.before_switch", "rebuild.after_switch")


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/store.db"
    else:
        server: PostgresServer | ExistingServer = request.getfixturevalue("postgres")
        yield url_of_schema(server.url, request.getfixturevalue("postgres_schema"))


async def child(url: str, number: int, fault: str) -> int:
    environment = {**os.environ, VARIABLE: fault}
    started = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.torture.rebuilding", url, str(number), env=environment
    )
    return await asyncio.wait_for(started.wait(), PATIENCE)


async def write(running: Running, chance: Random, going: asyncio.Event) -> int:
    written = 0
    while going.is_set():
        await running.execute(tapes, chance.choice(TAPES), record(Added(chance.randrange(1, 9))))
        written += 1
    return written


async def read(running: Running, going: asyncio.Event, wrong: list[str]) -> int:
    """What a reader may rely on, whatever happens to the table."""
    reads, before, generation = 0, dict.fromkeys(TAPES, 0), 0
    while going.is_set():
        rows = await running.query(stamped)
        reads += 1
        if [row[0] for row in rows] != sorted(TAPES):
            wrong.append(f"{len(rows)} rows of {len(TAPES)}")
        stamps = {row[2] for row in rows}
        if len(stamps) != 1:
            wrong.append(f"mixed: {stamps}")
        if min(stamps, default=0) < generation:
            wrong.append(f"the rows of {min(stamps)} after those of {generation}")
        generation = max(stamps, default=generation)
        back = [row[0] for row in rows if row[1] < before[row[0]]]
        if back:
            wrong.append(f"{back} went back")
        before = {row[0]: row[1] for row in rows}
        await asyncio.sleep(0)
    return reads


async def folded(running: Running) -> dict[str, int]:
    totals: dict[str, int] = {}
    for event in await stored(running):
        added: Any = running._serializer.decode(event)
        totals[event.id] = totals.get(event.id, 0) + added.event.n
    return totals


async def test_t31_fm16_g17_readers_meet_no_error_and_no_mixed_table_while_rebuilds_are_killed(url: str) -> None:
    wrong: list[str] = []
    going = asyncio.Event()
    going.set()
    async with stamping(0).open(url) as running, stamping(0).open(url, run=False) as web:
        for tape in TAPES:
            await running.execute(tapes, tape, record(Added(1)))
        await running.settled()
        async with asyncio.TaskGroup() as tasks:
            writing = [tasks.create_task(write(running, Random(f"{SEED}.{n}"), going)) for n in range(WRITERS)]
            reading = [tasks.create_task(read(web, going, wrong)) for _ in range(READERS)]
            try:
                for number in range(1, REBUILDS + 1):
                    before = await web._stores.generations.record("stamped")
                    for point in POINTS:
                        assert await child(url, 2 * number + (point == POINTS[1]), f"{point}=kill:1") == KILLED
                    # The one killed before its switch has switched nothing, and the next has gone on with its rows.
                    after = await web._stores.generations.record("stamped")
                    assert before is not None
                    assert after is not None
                    assert after.switches == before.switches + 1
                    assert {row[2] for row in await web.query(stamped)} == {2 * number}
                assert await child(url, 2 * REBUILDS + 2, "") == 0
            finally:
                going.clear()
        await running.settled(timeout=PATIENCE)
        rows = {tape: total for tape, total, _ in await running.query(stamped)}
        assert not wrong, wrong[:5]
        assert rows == await folded(running)
        reads, written = sum(each.result() for each in reading), sum(each.result() for each in writing)
    assert reads > 100
    assert written > 100
    kind = url.partition(":")[0]
    report("T-31", store=kind, rebuilds=REBUILDS, kills=2 * REBUILDS, reads=reads, writes=written, wrong=0)


async def test_t31_a_rebuild_that_is_killed_while_it_fills_goes_on_where_it_was(url: str) -> None:
    async with stamping(0).open(url) as running:
        for tape in TAPES:  # more than one transaction of a projector that catches up
            await running.execute(tapes, tape, record(*[Added(1)] * 60))
        await running.settled()
        assert await child(url, 1, "projection.before_checkpoint=kill:2") == KILLED
        assert {row[2] for row in await running.query(stamped)} == {0}, "the live rows are as they were"
        filled = await running._stores.generations.record("stamped", NEXT)
        assert filled is not None
        assert 0 < filled.positions[0] < await running.head()
        assert await child(url, 2, "") == 0
        rows = await running.query(stamped)
        assert {row[2] for row in rows} == {1, 2}, "what the first one has filled is there still"
        assert {row[0]: row[1] for row in rows} == await folded(running)
