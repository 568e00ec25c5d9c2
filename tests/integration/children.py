"""Spawned processes for tests: each runs a script, says when it is ready, and does what its input says."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

PREAMBLE = """
import asyncio, json, os, signal, sys, time
from eventfold.adapters.sqlite import open_sqlite
from eventfold.adapters.system import system_clock, uuid7
from eventfold.domain.message import NewEvent, Stream
from eventfold.domain.query import Query
from eventfold.errors import StoreBusy
from eventfold.ports.event_store import Append

path, *arguments = sys.argv[1:]

def append(stream, count=1):
    return Append(stream, [NewEvent(event_id=uuid7().bytes, type="Happened", data=b"{}") for _ in range(count)])

def say(*words):
    print(*words, flush=True)

async def told():
    return (await asyncio.to_thread(sys.stdin.readline)).strip()
"""
DEADLINE = 60.0


class Child:
    def __init__(self, script: str, *arguments: object) -> None:
        command = [sys.executable, "-c", PREAMBLE + script + "\nasyncio.run(main())", *map(str, arguments)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    @property
    def pid(self) -> int:
        return self.process.pid

    async def line(self) -> str:
        """What it says next."""
        assert self.process.stdout is not None
        async with asyncio.timeout(DEADLINE):
            said = await asyncio.to_thread(self.process.stdout.readline)
        if not said:
            _, errors = await asyncio.to_thread(self.process.communicate)
            raise AssertionError(f"the child is gone: {errors}")
        return said.strip()

    def tell(self, line: str = "") -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    async def ended(self) -> str:
        """What it has said until its end, which must be a good one."""
        rest, errors = await asyncio.to_thread(self.process.communicate, timeout=DEADLINE)
        assert self.process.returncode == 0, errors
        return rest.strip()

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


@asynccontextmanager
async def children(script: str, *each: tuple[object, ...]) -> AsyncIterator[list[Child]]:
    """One for each row of arguments; all of them have said `ready`."""
    started = [Child(script, *arguments) for arguments in each]
    try:
        for child in started:
            assert await child.line() == "ready"
        yield started
    finally:
        for child in started:
            child.kill()
