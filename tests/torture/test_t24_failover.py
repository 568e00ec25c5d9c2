"""
T-24: the server dies again and again under writers, two projectors and a subscriber: kill -9 of all its processes, an
immediate stop, the end of every session, a quick restart. And a standby that lacks the tail of the log is promoted.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from itertools import cycle, islice
from random import Random
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from eventfold import Projector, Recorded, Running, View
from eventfold.domain.message import Stream
from eventfold.domain.query import Query
from eventfold.errors import AppendOutcomeUnknown, CheckpointAheadOfLog, LogDiverged, StoreUnavailable
from eventfold.ports.event_store import Append
from eventfold.testing.journal import Acknowledged, Delivered, Journalled, Line, Subscribed
from tests.acceptance.world import application, new_event, positions, saw, seen_t
from tests.postgres import PostgresServer, start_postgres
from tests.torture.workload import (
    FULL,
    PROJECTORS,
    SEED,
    TAPES,
    Writes,
    app,
    audit,
    project,
    report,
    told,
    url_of_schema,
)
from tests.waiting import until

DEATHS = 50 if FULL else 8
PROMOTIONS = 10 if FULL else 1
WRITERS = 8
PATIENCE = 5.0 if os.environ.get("EVENTFOLD_MUTANT") else 60.0
SCHEMA = "torture"
TAPE = Stream("tape", "a")
SESSIONS = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'eventfold'"


def killed(server: PostgresServer) -> None:
    server.kill()
    server.start()


def stopped_at_once(server: PostgresServer) -> None:
    server.stop(immediately=True)
    server.start()


def sessions_ended(server: PostgresServer) -> None:
    server.execute(SESSIONS)


def restarted(server: PostgresServer) -> None:
    server.restart()


WAYS = [killed, stopped_at_once, sessions_ended, restarted]


def reaches(line: Delivered, position: int) -> bool:
    return bool(line.events) and line.events[-1][0] == position


async def watch(running: Running, journal: list[Line]) -> None:
    """One subscription for all deaths of the server."""
    journal.append(Subscribed("watcher", 0))
    async with running.source.subscribe(Query.all(), after=0) as batches:
        async for batch in batches:
            journal.append(Delivered.of("watcher", batch))  # noqa: PERF401 - it never ends


async def test_t24_g01_g03_g04_g08_g09_g12_a_server_that_dies_again_and_again_costs_no_event(planted: None) -> None:
    print(f"EVENTFOLD_SEED={SEED}")
    journal: list[Line] = []
    chance = Random(SEED)
    over = asyncio.Event()
    with start_postgres() as server:
        url = url_of_schema(server.url, SCHEMA)
        async with app.open(url) as running:
            watching = asyncio.create_task(watch(running, journal))
            writers = [
                Writes(running.sink, running.source, journal.append, str(n), Random(f"{SEED}.{n}"), TAPES)
                for n in range(WRITERS)
            ]
            away: list[Exception] = []

            async def write(writes: Writes) -> None:
                while not over.is_set():
                    try:
                        await writes.one()
                    except StoreUnavailable as error:  # it was to be read which version is the last
                        away.append(error)
                        await asyncio.sleep(0.01)

            def acknowledged() -> int:
                return sum(isinstance(line, Acknowledged) for line in journal)

            writing = [asyncio.create_task(write(each)) for each in writers]
            worst = 0.0
            loop = asyncio.get_running_loop()
            for die in islice(cycle(WAYS), DEATHS):
                before = acknowledged()
                await until(lambda: acknowledged() >= before + 30)  # noqa: B023 - used up at once
                await asyncio.sleep(chance.uniform(0.0, 0.1))  # the fault, not the oracle
                died = loop.time()
                await asyncio.to_thread(die, server)
                before = acknowledged()
                await until(lambda: acknowledged() > before)  # noqa: B023 - used up at once
                worst = max(worst, loop.time() - died)
            over.set()
            await asyncio.gather(*writing)
            stored = [had for each in writers for had in await each.settle(running.sink)]
            last = await running.head()
            for name in PROJECTORS:
                await running.wait_for(name, last, timeout=PATIENCE)
            await until(lambda: any(isinstance(line, Delivered) and reaches(line, last) for line in journal))
            watching.cancel()
            await asyncio.wait([watching])
        left = await audit(url, journal, quiet=True)
    assert not left.violations, told(left.violations, f"{DEATHS} deaths")
    assert left.tally.acknowledged > 30 * DEATHS
    report(
        "T-24",
        store="postgres",
        faults=DEATHS,
        acknowledged=left.tally.acknowledged,
        lost=0,
        skipped=0,
        duplicated=0,
        out_of_order=0,
        rejected=left.tally.rejected,
        unknown=len(stored),
        unknown_stored=sum(stored),
        worst_stall=round(worst, 3),
    )


async def test_t24_g12_a_projector_that_loses_its_transaction_waits_for_the_server(planted: None) -> None:
    """It begins a subscription anew while the server is still away; it stopped for ever, found by the test above."""
    outages = 0
    with start_postgres({"fsync": "off"}) as server:
        projector = Projector("seen", tables=[seen_t])

        async def stop_the_server(recorded: Recorded[Any], view: View) -> None:
            nonlocal outages
            if outages == 0:
                outages += 1
                await asyncio.to_thread(server.stop, immediately=True)
            saw(recorded, view)

        projector.on_any()(stop_the_server)
        async with application(projector).open(url_of_schema(server.url, SCHEMA)) as running:
            appended = await running.sink.append(Append(TAPE, [new_event(uuid4().bytes)]))
            await until(lambda: not server.is_running)
            await asyncio.sleep(0.5)  # the outage, not the oracle
            await asyncio.to_thread(server.start)
            await running.wait_for("seen", appended.position, timeout=PATIENCE)
            assert await running.query(positions) == [(appended.position,)]
    assert outages == 1


async def cut_off(standby: PostgresServer) -> None:
    """The standby gets no more of its primary's log."""
    standby.execute("ALTER SYSTEM SET primary_conninfo = ''")
    standby.execute("SELECT pg_reload_conf()")
    connection = await asyncpg.connect(standby.url)
    await until(lambda: connection.fetchval("SELECT NOT EXISTS (SELECT FROM pg_stat_wal_receiver)"))
    await connection.close()


async def has_come_to(standby: PostgresServer, position: int) -> None:
    connection = await asyncpg.connect(standby.url)
    await until(lambda: connection.fetchval(f"SELECT max(position) >= {position} FROM {SCHEMA}.events"))
    await connection.close()


async def told_of(url: str, count: int, journal: list[Line]) -> list[tuple[int, bytes]]:
    """So many appends, and both projectors at the end of the log."""
    async with app.open(url, run=False) as running:
        sink = Journalled(running.sink, journal.append, f"{len(journal)}")
        ids = [uuid4().bytes for _ in range(count)]
        places = [(await sink.append(Append(TAPE, [new_event(id)]))).position for id in ids]
        assert await project(running) == []
    return list(zip(places, ids, strict=True))


async def verdicts(url: str, at: tuple[int, bytes]) -> list[type[Exception]]:
    """What the projectors say to a checkpoint that was kept elsewhere, and names this event."""
    connection = await asyncpg.connect(url.partition("?")[0])
    place = (at[0], UUID(bytes=at[1]))
    await connection.execute(f"UPDATE {SCHEMA}.checkpoints SET position = $1, event_id = $2", *place)
    await connection.close()
    async with app.open(url, run=False) as running:
        return [type(error) for error in await project(running)]


@pytest.mark.parametrize("number", range(PROMOTIONS))
async def test_t24_fm05_a_promoted_standby_without_the_tail_is_consistent_and_is_not_mistaken(
    planted: None, number: int
) -> None:
    """
    What an asynchronous standby had not got is lost, by the choice of who runs it. Log and checkpoints of its database
    agree all the same, and a checkpoint from before is refused: where nothing is, and where another event is by now.
    """
    journal: list[Line] = []
    with start_postgres({"fsync": "off"}) as primary:
        url = url_of_schema(primary.url, SCHEMA)
        kept = await told_of(url, 20, journal)
        with primary.standby() as standby:
            await has_come_to(standby, kept[-1][0])
            await cut_off(standby)
            lost = await told_of(url, 5 + number, [])
            primary.kill()
            standby.promote()
            url = url_of_schema(standby.url, SCHEMA)
            left = await audit(url, journal)
            assert not left.violations, told(left.violations, "a promoted standby")
            assert [(event.position, event.event_id) for event in left.log] == kept
            after_nothing = await verdicts(url, lost[-1])
            await verdicts(url, kept[-1])
            new = await told_of(url, 60, journal)  # a crash skips up to 32 positions of a sequence
            left = await audit(url, journal, quiet=True)
            assert not left.violations, told(left.violations, "a promoted standby that goes on")
            reused = next(place for place, _ in new if place > kept[-1][0])
            after_another = await verdicts(url, (reused, lost[0][1]))
            incarnations = await incarnations_of(standby)
    assert after_nothing == after_another == [CheckpointAheadOfLog] * len(PROJECTORS)
    assert incarnations == 2
    report("T-24 promotion", store="postgres", faults=1, lost_with_the_standby=len(lost), detected=2, of=2)


class Address:
    """One address, whichever server is behind it."""

    def __init__(self, port: int) -> None:
        self.behind = port
        self.port = 0

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        listening = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = listening.sockets[0].getsockname()[1]
        try:
            yield
        finally:
            listening.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            from_server, to_server = await asyncio.open_connection("127.0.0.1", self.behind)
        except OSError:
            writer.close()
            return
        await asyncio.gather(_pass_on(reader, to_server), _pass_on(from_server, writer))


async def _pass_on(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await source.read(65_536):
            target.write(data)
            await target.drain()
    target.close()


async def has_been_passed(running: Running, position: int) -> bool:
    """By the readers of this process, and they have had a turn since."""
    horizon: Any = running._stores.events._horizon  # type: ignore[attr-defined] # the store is that of Postgres
    passed = bool(horizon.head >= position)
    await asyncio.sleep(0.05)
    return passed


@pytest.mark.parametrize("lost", [0, 60])
@pytest.mark.parametrize("query", [Query.all(), Query.of(categories=["nothing"])], ids=["all", "nothing"])
async def test_t24_fm05_who_follows_a_log_that_has_lost_its_end_is_told_and_others_go_on(
    planted: None, query: Query, lost: int
) -> None:
    """The process stays open, its address stays the same, and the server behind it becomes another one."""
    got: list[int] = []

    async def follow(running: Running) -> None:
        async with running.source.subscribe(query, after=0) as batches:
            async for batch in batches:
                got.extend(event.position for event in batch.events)

    async def appended(running: Running) -> int:
        while True:
            try:
                appended = await running.sink.append(Append(TAPE, [new_event(uuid4().bytes)]))
            except (StoreUnavailable, AppendOutcomeUnknown):
                continue
            return appended.position

    with start_postgres({"fsync": "off"}) as primary:
        address = Address(primary.port)
        async with address.open(), asyncio.timeout(PATIENCE):
            url = url_of_schema(primary.url.replace(str(primary.port), str(address.port)), SCHEMA)
            async with app.open(url, run=False) as running:
                following = asyncio.create_task(follow(running))
                kept = [await appended(running) for _ in range(20)][-1]
                with primary.standby() as standby:
                    await has_come_to(standby, kept)
                    await cut_off(standby)
                    before = [await appended(running) for _ in range(lost)]
                    await until(lambda: has_been_passed(running, max([kept, *before])))
                    await asyncio.to_thread(primary.kill)
                    await asyncio.to_thread(standby.promote)
                    address.behind = standby.port
                    new = [await appended(running) for _ in range(60)]
                    if lost:
                        with pytest.raises(LogDiverged):
                            await following
                    else:
                        await until(lambda: has_been_passed(running, new[-1]))
                        assert query.unrestricted is (got[-1:] == new[-1:])
                        assert not following.done()
                        following.cancel()
    report("T-24 promotion", store="postgres", faults=1, detected=int(lost > 0), of=int(lost > 0))


async def incarnations_of(server: PostgresServer) -> int:
    connection = await asyncpg.connect(server.url)
    count: int = await connection.fetchval(f"SELECT count(*) FROM {SCHEMA}.incarnations")
    await connection.close()
    return count
