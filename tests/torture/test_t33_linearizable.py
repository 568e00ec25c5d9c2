"""
T-33: every history of appends, reads and conflicts of concurrent clients, through two handles on one store, is one that
a single list could have given.

A stream is a register whose values are its versions, and every answer names one: an append the version it made, a read
the one it saw, a conflict the one that was in its way. So a history is linearizable exactly if the order of versions
never contradicts real time, and the checker needs no search.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Literal, TypeAlias

import pytest

from eventfold.adapters.memory import MemoryEventStore
from eventfold.adapters.system import system_clock
from eventfold.bootstrap.stores import open_stores
from eventfold.domain.message import Stream
from eventfold.errors import ConcurrencyConflict
from eventfold.ports.event_store import ANY, Append, EventStore
from tests.acceptance.world import new_event
from tests.postgres import ExistingServer, PostgresServer, fresh_schema
from tests.torture.workload import FULL, SEED, report, url, url_of_schema

HISTORIES, OPERATIONS = (200 if FULL else 20), 500
CLIENTS = 6
STREAM = Stream("tape", "one")
OPENED: Any = {"clock": system_clock, "migrate": True}
Handles: TypeAlias = Callable[[int], AbstractAsyncContextManager[list[EventStore]]]


@dataclass(frozen=True)
class Did:
    """An operation between two moments: it made, saw, or was stopped by, this version."""

    began: int
    ended: int
    what: Literal["append", "read", "conflict"]
    version: int
    grew: int = 0
    expected: int | None = None


def faults(history: Sequence[Did]) -> Iterator[str]:
    """Why no single list could have answered like this; nothing if one could."""
    appends = sorted((did for did in history if did.what == "append"), key=lambda did: did.version)
    reached = 0
    for did in appends:
        if did.version - did.grew != reached:
            yield f"{did} begins at {did.version - did.grew}, the versions had come to {reached}"
        if did.expected is not None and did.expected != did.version - did.grew:
            yield f"{did} was decided on {did.expected}"
        reached = did.version
    ends = {0, *(did.version for did in appends)}
    latest_start = {did.version: did.began for did in appends}
    for did in history:
        if did.version not in ends:
            yield f"{did} is in the middle of an append"
        if did.what == "conflict" and did.expected == did.version:
            yield f"{did} is no conflict"
        if did.what != "append" and latest_start.get(did.version, 0) > did.ended:
            yield f"{did} saw what was asked for later"
    ended = sorted(history, key=lambda did: did.ended)
    highest, index = 0, 0
    for did in sorted(history, key=lambda did: did.began):
        while index < len(ended) and ended[index].ended < did.began:
            highest = max(highest, ended[index].version)
            index += 1
        needed = highest + did.grew if did.what == "append" else highest
        if did.version < needed:
            yield f"{did} began when {highest} was known already"


class Clients:
    """Several clients on several handles, one after the other within each."""

    def __init__(self, stores: Sequence[EventStore], chance: Random) -> None:
        self._stores = stores
        self._chance = chance
        self._ticks = itertools.count(1)
        self.history: list[Did] = []

    async def run(self, number: int, operations: int) -> None:
        known = 0
        for _ in range(operations):
            store = self._stores[(number + self._chance.randrange(2)) % len(self._stores)]
            began = next(self._ticks)
            if self._chance.random() < 0.4:
                known = 0
                async for last in store.read(STREAM, backwards=True, limit=1):
                    known = last.version
                self.history.append(Did(began, next(self._ticks), "read", known))
                continue
            count = self._chance.choice((1, 1, 2, 3))
            expect = ANY if self._chance.random() < 0.3 else known
            events = [new_event(self._chance.randbytes(16)) for _ in range(count)]
            expected = None if expect is ANY else known
            try:
                appended = await store.append(Append(STREAM, events, expect))
            except ConcurrencyConflict as conflict:
                known = conflict.actual
                self.history.append(Did(began, next(self._ticks), "conflict", known, expected=expected))
            else:
                known = appended.streams[0].version
                self.history.append(Did(began, next(self._ticks), "append", known, count, expected))
            if self._chance.random() < 0.3:
                await asyncio.sleep(0)


@asynccontextmanager
async def in_memory(number: int) -> AsyncIterator[list[EventStore]]:
    yield [MemoryEventStore(system_clock)]


def of_a_file(folder: Path) -> Handles:
    @asynccontextmanager
    async def handles(number: int) -> AsyncIterator[list[EventStore]]:
        path = folder / f"{number}.db"
        async with AsyncExitStack() as stack:
            yield [
                (await stack.enter_async_context(open_stores(url(path, writer=placement), **OPENED))).events
                for placement in (("auto", "thread") if number % 2 else ("thread", "thread"))
            ]

    return handles


def of_a_server(server: PostgresServer | ExistingServer) -> Handles:
    @asynccontextmanager
    async def handles(number: int) -> AsyncIterator[list[EventStore]]:
        with fresh_schema(server) as schema:
            async with AsyncExitStack() as stack:
                yield [
                    (await stack.enter_async_context(open_stores(url_of_schema(server.url, schema), **OPENED))).events
                    for _ in range(2)
                ]

    return handles


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def handles(request: pytest.FixtureRequest, tmp_path: Path) -> Handles:
    """Opens two handles on a store with nothing in it, one for each history; memory has one."""
    match request.param:
        case "memory":
            return in_memory
        case "sqlite":
            return of_a_file(tmp_path)
        case _:
            return of_a_server(request.getfixturevalue("postgres"))


async def test_g02_g07_every_history_is_one_that_a_single_list_could_have_given(
    request: pytest.FixtureRequest, handles: Handles, planted: None
) -> None:
    kind = request.node.callspec.params["handles"]
    histories = 5 if kind == "postgres" and not FULL else HISTORIES
    seen = {"append": 0, "read": 0, "conflict": 0}
    for number in range(histories):
        async with handles(number) as stores:
            clients = Clients(stores, Random(f"{SEED}.{number}"))
            await asyncio.gather(*(clients.run(each, OPERATIONS // CLIENTS) for each in range(CLIENTS)))
        found = list(faults(clients.history))
        assert not found, (found[:5], f"history {number}, EVENTFOLD_SEED={SEED}")
        for did in clients.history:
            seen[did.what] += 1
    assert min(seen.values()) > 0
    report("T-33", store=kind, histories=histories, **seen)


@pytest.mark.parametrize(
    ("name", "history"),
    [
        ("a stale read", [Did(1, 2, "append", 1, 1), Did(3, 4, "read", 0)]),
        ("a read of the future", [Did(1, 2, "read", 1), Did(3, 4, "append", 1, 1)]),
        ("two winners", [Did(1, 4, "append", 1, 1, 0), Did(2, 3, "append", 1, 1, 0)]),
        ("a lost update", [Did(1, 2, "append", 1, 1, 0), Did(3, 4, "append", 2, 1, 0)]),
        ("half an append", [Did(1, 4, "append", 2, 2, 0), Did(2, 3, "read", 1)]),
        ("a conflict with nobody", [Did(1, 2, "append", 1, 1), Did(3, 4, "conflict", 1, expected=1)]),
        ("reads that go back", [Did(1, 9, "append", 1, 1), Did(2, 3, "read", 1), Did(4, 5, "read", 0)]),
        ("a gap", [Did(1, 2, "append", 1, 1), Did(3, 4, "append", 3, 1)]),
    ],
)
def test_the_checker_finds(name: str, history: list[Did]) -> None:
    assert list(faults(history))


def test_the_checker_accepts_what_overlaps() -> None:
    assert list(faults([Did(1, 6, "append", 2, 2, 0), Did(2, 3, "read", 0), Did(4, 5, "read", 2)])) == []
