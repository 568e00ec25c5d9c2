"""
FM-10: every command is sent three times, by processes that are killed at random moments and start anew.

However often a command was sent, it has one effect, and everybody who heard of its outcome heard of the same one.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from contextlib import AsyncExitStack
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from pathlib import Path
from random import Random
from typing import Any, TypeAlias
from uuid import UUID

import pytest

from eventfold import Running, TransactionalHandler, View
from eventfold.adapters.postgres import units
from eventfold.errors import EventfoldError
from tests.acceptance.test_idempotent_commands import Take, app, notes
from tests.acceptance.world import Added, AddUnless, record, see, seen_t, tapes
from tests.postgres import ExistingServer, PostgresServer, fresh_schema, start_postgres
from tests.torture import mutants
from tests.torture.proxy import bad_network
from tests.torture.workload import FULL, PATIENCE, SEED, report, url, url_of_schema

COMMANDS = 10_000 if FULL else 160
TIMES = 3
PROCESSES = 8
KILLS = 200 if FULL else 8
CUT_COMMANDS = 2_000 if FULL else 150
AT_ONCE = 4
WARM = 20_000
"""Bytes until a connection has made its first append: the driver asks for the types of its parameters."""
IMPATIENT = 0.4
"""Seconds for an answer; a hang costs as much."""
TAPES = 20
MUTANT = os.environ.get("EVENTFOLD_MUTANT", "")

Told: TypeAlias = tuple[int, int, int, str]
"""Number of the command, version and position of its outcome, its event."""

_processes = get_context("forkserver")
_processes.set_forkserver_preload(["tests.torture.workload"])


async def send(running: Running, number: int) -> Told:
    key = UUID(int=number + 1)
    outcome: Any
    match number % 8:
        case 0:  # whoever comes late finds the tape full, and is told what came of the first one
            full = AddUnless(number, limit=number, quietly=bool(number % 16))
            outcome = await running.execute(tapes, f"own-{number}", full, command_id=key)
        case 1:  # a stream of its own for each attempt, and no condition that fails
            outcome = await running.execute(notes, Take(str(number)), command_id=key)
        case 2:  # nothing to do
            outcome = await running.execute(tapes, f"t{number % TAPES}", record(), command_id=key)
        case _:
            outcome = await running.execute(tapes, f"t{number % TAPES}", record(Added(number)), command_id=key)
    return number, outcome.version, outcome.position, repr([each.event for each in outcome.events])


async def surely(running: Running, number: int) -> Told:
    """Again and again, until it is known what came of it."""
    while True:
        try:
            return await send(running, number)
        except EventfoldError as error:
            if not error.retryable:
                raise
            await asyncio.sleep(0.01)


async def sending(place: str, numbers: Sequence[int], pipe: Connection) -> None:
    left = iter(numbers)
    async with app().open(place, run=False) as running:

        async def one() -> None:
            for number in left:
                pipe.send(await surely(running, number))

        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(one())


def live(place: str, numbers: Sequence[int], pipe: Connection, mutant: str) -> None:
    """The main function of a child."""
    mutants.plant(mutant)
    asyncio.run(sending(place, numbers, pipe))


class Sender:
    """A process that sends commands, and the next one in its place once it has been killed."""

    def __init__(self, place: str, numbers: list[int]) -> None:
        self._place = place
        self.left = numbers
        self._start()

    def _start(self) -> None:
        self.pipe, theirs = _processes.Pipe(duplex=False)
        self.process = _processes.Process(target=live, args=(self._place, self.left, theirs, MUTANT), daemon=True)
        self.process.start()
        theirs.close()

    def hear(self) -> Told | None:
        """None: it has ended, and has been started again if something is left."""
        try:
            told: Told = self.pipe.recv()
        except EOFError:
            self.pipe.close()
            self.process.join()
            assert self.process.exitcode in (0, -signal.SIGKILL), f"it ended by itself; EVENTFOLD_SEED={SEED}"
            if self.left:
                self._start()
            return None
        self.left.remove(told[0])
        return told


def sent(place: str, chance: Random) -> tuple[dict[int, set[Told]], Counter[str]]:
    """All that anybody was told."""
    numbers: list[list[int]] = [[] for _ in range(PROCESSES)]
    for number in range(COMMANDS):
        for process in chance.sample(range(PROCESSES), TIMES):
            numbers[process].append(number)  # all in one order, so that the same ones meet
    senders = [Sender(place, each) for each in numbers]
    told: dict[int, set[Told]] = defaultdict(set)
    figures: Counter[str] = Counter()
    total, every = COMMANDS * TIMES, COMMANDS * TIMES // (KILLS + 1)
    while any(each.left for each in senders):
        by_pipe = {each.pipe: each for each in senders if not each.pipe.closed}
        ready = wait(list(by_pipe), timeout=PATIENCE)
        assert ready, f"nobody has been told anything for {PATIENCE:g} s; EVENTFOLD_SEED={SEED}"
        for pipe in ready:
            answer = by_pipe[pipe].hear()  # type: ignore[index] # it is one of them
            if answer is None:
                continue
            told[answer[0]].add(answer)
            figures["answers"] += 1
            if figures["answers"] % every == 0 and figures["kills"] < KILLS:
                chance.choice([each for each in senders if each.left]).process.kill()
                figures["kills"] += 1
    for each in senders:
        each.process.join()
    assert figures["answers"] == total
    return told, figures


async def effects(place: str) -> Counter[int]:
    """How often each number has been recorded."""
    async with app().open(place, run=False) as running:
        found: Counter[int] = Counter()
        async with running.subscribe() as batches:
            async for batch in batches:
                for recorded in batch.events:
                    event: Any = recorded.event
                    found[int(event.n if isinstance(event, Added) else event.text)] += 1
                if batch.caught_up:
                    return found
    raise AssertionError("unreachable: a subscription catches up")


async def check(place: str, store: str) -> None:
    print(f"EVENTFOLD_SEED={SEED}")
    began = time.monotonic()
    async with app().open(place, run=False):
        pass  # the tables are there
    told, figures = await asyncio.to_thread(sent, place, Random(SEED))
    found = await effects(place)
    once = Counter(number for number in range(COMMANDS) if number % 8 != 2)
    lost, doubled = once - found, found - once
    differing = {number: answers for number, answers in told.items() if len(answers) != 1}
    assert (lost, doubled, differing) == (Counter(), Counter(), {}), f"EVENTFOLD_SEED={SEED}"
    assert len(told) == COMMANDS
    assert figures["kills"] > 0
    report(
        "FM-10",
        store=store,
        faults=figures["kills"],
        acknowledged=figures["answers"],
        lost=0,
        duplicated=0,
        commands=COMMANDS,
        seconds=round(time.monotonic() - began, 1),
    )


@pytest.mark.slow
async def test_fm10_every_command_has_one_effect_on_sqlite(tmp_path: Path) -> None:
    await check(url(tmp_path / "store.db") + "&busy=30s", "sqlite")


@pytest.mark.slow
async def test_fm10_every_command_has_one_effect_on_postgres(postgres: PostgresServer | ExistingServer) -> None:
    with fresh_schema(postgres) as schema:
        await check(url_of_schema(postgres.url, schema), "postgres")


# ------------------------------------------------------------------------ a bad network


def through_a_bad_network(running: Running, server: PostgresServer, port: int) -> None:
    """What has been opened on the server itself talks to it through the proxy from now on, and waits for no answer."""
    store: Any = running._stores.events
    connections = store._connections
    connections.url = connections.direct_url = connections.url.replace(f":{server.port}", f":{port}")
    connections.patience = store._writer._commit._patience = IMPATIENT
    for each in connections._free:
        each.terminate()
    connections._free.clear()


def seeing() -> TransactionalHandler:
    """With a handler, commands are stored in units of work."""
    handler = TransactionalHandler("seen", tables=[seen_t])

    @handler.on(Added)
    def see_it(pending: Any, view: View) -> None:
        view.write(see, {"position": pending.event.n, "type": pending.type, "tape": pending.id})

    return handler


async def impatiently(running: Running, number: int, errors: Counter[str]) -> Told:
    """As a client does who gives up when no answer comes, and sends the same command again."""
    while True:
        try:
            async with asyncio.timeout(4 * IMPATIENT):
                return await send(running, number)
        except TimeoutError:
            errors["given up"] += 1
        except EventfoldError as error:
            if not (error.retryable or isinstance(error.__cause__, TimeoutError)):  # a unit of which the line hangs
                raise
            errors[type(error).__name__] += 1


@pytest.mark.slow
async def test_fm10_every_command_has_one_effect_through_a_bad_network(
    monkeypatch: pytest.MonkeyPatch, planted: None
) -> None:
    monkeypatch.setattr(units, "LONGEST_HOLD", 2 * IMPATIENT)
    print(f"EVENTFOLD_SEED={SEED}")
    chance = Random(SEED)
    began = time.monotonic()
    told: dict[int, set[Told]] = defaultdict(set)
    cuts: Counter[str] = Counter()
    with start_postgres({}) as server:
        place = f"{url_of_schema(server.url, 'torture')}&notify=off&pool=4"
        async with bad_network(server.port, chance, warm=WARM) as proxy, AsyncExitStack() as stack:
            senders = [
                await stack.enter_async_context(app(handlers=[seeing()] * (n % 2)).open(place, run=False))
                for n in range(PROCESSES)
            ]
            for running in senders:
                through_a_bad_network(running, server, proxy.port)
            sent = [number for number in range(CUT_COMMANDS) for _ in range(TIMES)]
            left = iter(sent)

            async def one(running: Running) -> None:
                for number in left:
                    told[number].add(await impatiently(running, number, cuts))

            await asyncio.gather(*(one(running) for running in senders for _ in range(2)))
            proxy.end_all()
        found = await effects(place)
    once = Counter(number for number in range(CUT_COMMANDS) if number % 8 != 2)
    differing = {number: answers for number, answers in told.items() if len(answers) != 1}
    assert (once - found, found - once, differing) == (Counter(), Counter(), {}), f"EVENTFOLD_SEED={SEED}"
    assert min(proxy.cuts.total(), cuts.total()) > 0
    report(
        "FM-10",
        store="postgres",
        faults=proxy.cuts.total(),
        acknowledged=len(sent),
        lost=0,
        duplicated=0,
        commands=CUT_COMMANDS,
        unknown=cuts["AppendOutcomeUnknown"],
        seconds=round(time.monotonic() - began, 1),
    )
