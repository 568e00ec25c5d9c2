"""
T-13: a database is dumped while it is written to and projected from, and restored beside itself: positions are what
they were, the checkpoints in it go on, appends go on behind the last, and it knows that it is a copy.
"""

from __future__ import annotations

import asyncio
import time
from random import Random

import asyncpg

from eventfold.testing.journal import Acknowledged, Asked, Line
from tests.postgres import PostgresServer, start_postgres
from tests.torture.workload import FULL, SEED, TAPES, Writes, app, audit, finish, project, report, told, url_of_schema

DUMPS = 10 if FULL else 2
WRITERS = 6
APPENDS = 60
"""Before the dump, and after the restore."""
SCHEMA = "torture"


async def written(url: str, journal: list[Line], name: str, over: asyncio.Event) -> None:
    """Appends, and both projectors in short lives, until it is over and everybody has done his share."""
    async with app.open(url, run=False) as running:

        async def write(number: int) -> None:
            op = f"{name}.{number}"
            writes = Writes(running.sink, running.source, journal.append, op, Random(f"{SEED}.{op}"), TAPES)
            done = 0
            while done < APPENDS // WRITERS or not over.is_set():
                await writes.one()
                done += 1

        async def follow() -> None:
            while not over.is_set():
                assert await project(running) == []
                await asyncio.sleep(0.01)

        async with asyncio.TaskGroup() as group:
            group.create_task(follow())
            for number in range(WRITERS):
                group.create_task(write(number))


async def copied(server: PostgresServer, source: str, target: str) -> None:
    """As somebody who runs the server would."""
    file = server.folder / f"{target}.dump"
    await asyncio.to_thread(server.run, "pg_dump", "-Fc", "-f", file, "-d", server.url_of(source))
    await asyncio.to_thread(server.execute, f"CREATE DATABASE {target}")
    await asyncio.to_thread(server.run, "pg_restore", "--exit-on-error", "-d", server.url_of(target), file)


async def value(server: PostgresServer, database: str, sql: str) -> object:
    connection = await asyncpg.connect(server.url_of(database))
    found: object = await connection.fetchval(sql)
    await connection.close()
    return found


async def test_t13_fm03_g10_a_restored_dump_goes_on_where_it_was(planted: None) -> None:
    print(f"EVENTFOLD_SEED={SEED}")
    acknowledged = events = 0
    with start_postgres({"fsync": "off"}) as server:
        source, journal = "postgres", list[Line]()
        for number in range(1, DUMPS + 1):
            target = f"copy_{number}"
            over = asyncio.Event()
            writing = asyncio.create_task(
                written(url_of_schema(server.url_of(source), SCHEMA), journal, f"from {source}", over)
            )
            before = len(journal)
            async with asyncio.timeout(30):
                while len(journal) < before + 2 * APPENDS:  # noqa: ASYNC110 - a journal rings no bell
                    await asyncio.sleep(0.01)
            began = time.monotonic_ns()
            await copied(server, source, target)
            over.set()
            await writing
            original = await audit(url_of_schema(server.url_of(source), SCHEMA), journal)
            assert not original.violations, told(original.violations, "the original")

            # What was acknowledged before the dump began is in it, and of what came later something may be.
            known: list[Line] = [
                line
                for line in journal
                if isinstance(line, Asked) or (isinstance(line, Acknowledged) and line.at < began)
            ]
            url = url_of_schema(server.url_of(target), SCHEMA)
            restored = await audit(url, known)
            assert not restored.violations, told(restored.violations, f"copy {number}")
            assert set(restored.log) <= set(original.log)
            assert len(restored.log) >= restored.tally.acknowledged > 0
            await written(url, known, f"to {target}", over)
            await finish(url)
            left = await audit(url, known, quiet=True)
            assert not left.violations, told(left.violations, f"copy {number}, which goes on")
            assert left.log[: len(restored.log)] == restored.log
            assert len(left.log) > len(restored.log)
            same = f"SELECT store_id::text FROM {SCHEMA}.store"
            assert await value(server, source, same) == await value(server, target, same)
            lives = f"SELECT count(*) FROM {SCHEMA}.incarnations"
            assert await value(server, target, lives) == number + 1
            acknowledged = left.tally.acknowledged
            events = len(left.log)
            source, journal = target, known
    report(
        "T-13",
        store="postgres",
        faults=DUMPS,
        acknowledged=acknowledged,
        lost=0,
        skipped=0,
        duplicated=0,
        out_of_order=0,
        events=events,
    )
