"""Several processes that write to one Postgres, and one that follows."""

import asyncio
import json
from collections import Counter
from contextlib import AsyncExitStack

from eventfold import system_clock
from eventfold.bootstrap.stores import open_stores
from eventfold.domain.message import StoredEvent
from eventfold.domain.query import Query
from tests.integration.children import children
from tests.postgres import PostgresServer

COMMANDS = 60
WRITER = """
from eventfold.bootstrap.stores import open_stores
from eventfold.errors import ConcurrencyConflict

async def main():
    commands = int(arguments[0])
    async with open_stores(path, clock=system_clock, migrate=True) as stores:
        store = stores.events
        say("ready")
        await told()
        stored, conflicts = [], 0
        for number in range(commands):
            stream = Stream("shared", str(number % 3))
            while True:
                version = 0
                async for page in store.load(stream):
                    version = page[-1][0]
                try:
                    outcome = await store.append(Append(stream, append(stream, number % 4 + 1).events, version))
                except ConcurrencyConflict:
                    conflicts += 1
                    continue
                (place,) = outcome.streams
                assert place.version == version + number % 4 + 1
                stored += [[position, stream.id] for position in place.positions]
                break
        say(json.dumps([stored, conflicts]))
"""


async def test_c17_c4_c5_g03_processes_that_write_to_one_postgres_neither_lose_nor_overtake(
    postgres: PostgresServer, postgres_schema: str
) -> None:
    """Commands of three processes on three streams: each decides on a version, and decides again after a conflict."""
    url = f"{postgres.url}?schema={postgres_schema}"
    seen: list[StoredEvent] = []
    async with AsyncExitStack() as stack:
        stores = await stack.enter_async_context(open_stores(url, clock=system_clock, migrate=True))
        writers = await stack.enter_async_context(children(WRITER, *((url, COMMANDS) for _ in range(3))))
        for writer in writers:
            writer.tell()
        expected = 3 * sum(number % 4 + 1 for number in range(COMMANDS))
        async with asyncio.timeout(60), stores.events.subscribe(Query.all(), after=0) as batches:
            async for batch in batches:
                seen += batch.events
                if len(seen) >= expected:
                    break
        answers = [json.loads(await writer.ended()) for writer in writers]
        log = [event async for event in stores.events.read_all(Query.all())]
    assert seen == log
    assert [event.position for event in log] == sorted({event.position for event in log})
    acknowledged = Counter((position, id) for stored, _ in answers for position, id in stored)
    assert acknowledged == Counter((event.position, event.id) for event in log)
    assert max(acknowledged.values()) == 1
    for id in "012":
        versions = [event.version for event in log if event.id == id]
        assert versions == list(range(1, len(versions) + 1))
    assert sum(conflicts for _, conflicts in answers) > 0
