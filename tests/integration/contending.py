"""Processes that append to one file as fast as they can, with streams of their own and one that they share."""

import json
from pathlib import Path

from eventfold.domain.message import Stream
from eventfold.domain.query import Query
from tests.integration.children import children
from tests.integration.opening import opened

BUSY_PROCESS = """
async def main():
    number, tasks, seconds = arguments[0], int(arguments[1]), float(arguments[2])
    store, rows, _ = await open_sqlite(path, clock=system_clock, busy=30.0)
    say("ready")
    await told()
    until = time.monotonic() + seconds
    done, worst = 0, 0.0

    async def work(task):
        nonlocal done, worst
        own, shared = Stream("own", f"{number}-{task}"), Stream("shared", "one")
        version = 0
        while (began := time.monotonic()) < until:
            await store.append(Append(own, append(own).events, version))
            version += 1
            done += 1
            if done % 16 == 0:
                await store.append(append(shared))
                done += 1
            worst = max(worst, time.monotonic() - began)

    async with asyncio.TaskGroup() as group:
        for task in range(tasks):
            group.create_task(work(task))
    say(json.dumps([done, worst]))
    await store.close()
    await rows.close()
"""


async def contend(path: Path, processes: int, tasks: int, seconds: float) -> list[tuple[int, float]]:
    """Of each process how many appends it made and its longest wait in seconds; what is stored is held against it."""
    async with children(BUSY_PROCESS, *((path, number, tasks, seconds) for number in range(processes))) as started:
        for child in started:
            child.tell()
        told = [json.loads(await child.ended()) for child in started]
    async with opened(path) as (store, _):
        seen: dict[Stream, int] = {}
        position = 0
        async for event in store.read_all(Query.all()):
            assert event.position == position + 1
            assert event.version == seen.get(event.stream, 0) + 1
            position, seen[event.stream] = event.position, event.version
        assert position == sum(done for done, _ in told)
        if tasks > 1:
            assert len(seen) == processes * tasks + 1
    return [(done, worst) for done, worst in told]
