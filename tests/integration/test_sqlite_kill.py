"""kill -9 in the middle of appends and projections: what was acknowledged is there, and rows are the fold of events."""

import subprocess
import sys
from pathlib import Path

import apsw
from sqlalchemy import Column, Integer, MetaData, String, Table, select

from eventfold.adapters.sqlite import open_sqlite
from eventfold.adapters.system import system_clock
from eventfold.domain.query import Query

TOTALS = Table("totals", MetaData(), Column("stream", String, primary_key=True), Column("total", Integer))
CYCLES, ACKS = 5, 60

SCRIPT = """
import asyncio, sys
from sqlalchemy import Column, Integer, MetaData, String, Table, bindparam
from eventfold import upsert
from eventfold.adapters.sqlite import open_sqlite
from eventfold.adapters.system import system_clock, uuid7
from eventfold.domain.message import NewEvent, Stream
from eventfold.domain.query import Query
from eventfold.ports.checkpoint_store import Move
from eventfold.ports.event_store import Append

TOTALS = Table("totals", MetaData(), Column("stream", String, primary_key=True), Column("total", Integer))
ADD = upsert(TOTALS, key=["stream"], insert={"stream": bindparam("s"), "total": bindparam("n")},
             set={"total": TOTALS.c.total + bindparam("n")})

async def write(store, stream):
    while True:
        new = [NewEvent(event_id=uuid7().bytes, type="Added", data=b"1") for _ in range(2)]
        appended = await store.append(Append(stream, new))
        sys.stdout.write("".join(f"{position} {each.event_id.hex()}\\n"
                                 for position, each in zip(appended.streams[0].positions, new)))
        sys.stdout.flush()

async def project(store, rows):
    checkpoint = await rows.prepare("totals", version=1, tables=[TOTALS])
    at = checkpoint.position
    async with store.subscribe(Query.all(), after=at) as batches:
        async for batch in batches:
            if batch.events:
                bound = [rows.bind(ADD, {"s": each.id, "n": 1}) for each in batch.events]
                async with rows.transaction() as transaction:
                    last = batch.events[-1]
                    writes = [(bound[0][0], [values for _, values in bound])]
                    await transaction.commit(writes, Move("totals", at, last.position, last.event_id))
                at = last.position

async def main():
    store, rows, _ = await open_sqlite(sys.argv[1], clock=system_clock, writer=sys.argv[2])
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(project(store, rows))
        for name in "abc":
            tasks.create_task(write(store, Stream("killed", name)))

asyncio.run(main())
"""


async def test_i2_g01_g04_g12_kill_9_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    path = tmp_path / "e.db"
    acknowledged: dict[int, str] = {}
    for cycle in range(CYCLES):
        placement = ("auto", "thread")[cycle % 2]
        child = subprocess.Popen(
            [sys.executable, "-c", SCRIPT, str(path), placement],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert child.stdout is not None
        lines = [line for line in (child.stdout.readline() for _ in range(ACKS + 7 * cycle)) if line.endswith("\n")]
        child.kill()
        rest, errors = child.communicate(timeout=30)
        assert lines, errors
        lines += [line + "\n" for line in rest.split("\n")[:-1]]
        acknowledged |= {int(position): event_id for position, event_id in (line.split() for line in lines)}

        connection = apsw.Connection(str(path))
        assert connection.execute("PRAGMA integrity_check").get == "ok"
        connection.close()
        store, rows, _ = await open_sqlite(str(path), clock=system_clock)
        log = [each async for each in store.read_all(Query.all())]
        stored = {each.position: each.event_id.hex() for each in log}
        assert {position: stored.get(position) for position in acknowledged} == acknowledged
        for name in "abc":
            versions = [each.version for each in log if each.id == name]
            assert versions == list(range(1, len(versions) + 1))
            assert len(versions) % 2 == 0, "half a batch"
        checkpoint = await rows.prepare("totals", version=1, tables=[TOTALS])
        handled = [each for each in log if each.position <= checkpoint.position]
        fold = {name: count for name in "abc" if (count := sum(each.id == name for each in handled))}
        assert dict(await rows.query(select(TOTALS))) == fold
        assert checkpoint.event_id == (bytes.fromhex(stored[checkpoint.position]) if checkpoint.position else None)
        await store.close()
        await rows.close()
    assert len(acknowledged) >= CYCLES * ACKS // 2
