"""Postgres: what is removed goes in two steps, and none of those who are under way meanwhile can bring it back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any, TypedDict
from uuid import uuid4

import asyncpg
import pytest

from eventfold.adapters.postgres.administration import PostgresAdministration
from eventfold.adapters.postgres.names import Names
from eventfold.adapters.system import ManualClock
from eventfold.bootstrap.inspection import examination
from eventfold.bootstrap.stores import Stores, open_stores
from eventfold.domain.deletion import STREAM_DELETED
from eventfold.domain.message import Stream
from eventfold.domain.query import Query
from eventfold.errors import ConcurrencyConflict, StreamTruncated
from eventfold.ports.event_store import Append
from eventfold.ports.failpoint import arm, disarm
from eventfold.testing.conformance.material import collected, event, events, store_one
from tests.postgres import PostgresServer

ANN, BOB = Stream("account", "ann"), Stream("account", "bob")
ALL = Query.all()


class Who(TypedDict):
    actor: str
    reason: str


WHO: Who = {"actor": "ops", "reason": "a test"}
APPEND_ALL = """
SELECT status, heads FROM {append_all}($1, $2, $3, ARRAY[1], ARRAY[1], $4, ARRAY['Happened'], ARRAY[1],
    ARRAY[0]::smallint[], NULL, NULL, NULL, NULL, NULL, ARRAY['{{}}'::bytea], NULL, NULL, NULL, NULL, NULL)
"""


class Died(Exception):
    """As far as the second step is concerned, the process has."""


@pytest.fixture
async def stores(postgres: PostgresServer, postgres_schema: str) -> AsyncIterator[Stores]:
    async with open_stores(f"{postgres.url}?schema={postgres_schema}", clock=ManualClock(), migrate=True) as stores:
        yield stores


@pytest.fixture
def names(postgres_schema: str) -> Names:
    return Names(postgres_schema)


@pytest.fixture
async def stranger(postgres: PostgresServer) -> AsyncIterator[asyncpg.Connection]:
    connection: asyncpg.Connection = await asyncpg.connect(postgres.url)
    yield connection
    await connection.close(timeout=2.0)


@pytest.fixture
def dying() -> Iterator[None]:
    def strike(name: str) -> None:
        if name == "administration.marked":
            raise Died

    arm(strike)
    yield
    disarm()


def hasty(stores: Stores, grace: float = 0.0) -> PostgresAdministration:
    administration = stores.administration
    assert isinstance(administration, PostgresAdministration)
    administration._grace = grace
    return administration


async def append_all(connection: Any, names: Names, stream: Stream, expect: int) -> Any:
    return await connection.fetchrow(names.fill(APPEND_ALL), [stream.category], [stream.id], [expect], [uuid4()])


@pytest.mark.usefixtures("dying")
async def test_c11_who_dies_between_the_steps_has_deleted_and_a_sweep_removes(
    stores: Stores, postgres: PostgresServer, postgres_schema: str
) -> None:
    gone = events(3, tags=("a",))
    stored = await store_one(stores.events, ANN, *gone)
    await store_one(stores.events, BOB)
    with pytest.raises(Died):
        await stores.administration.delete(ANN, **WHO)
    disarm()
    mark = await stores.administration.mark(ANN)
    assert mark is not None
    assert mark.pending
    assert await collected(stores.events.read(ANN)) == []
    assert await collected(stores.events.load(ANN)) == []
    assert [info.stream async for info in stores.events.streams()] == [BOB]
    with pytest.raises(ConcurrencyConflict):
        await store_one(stores.events, ANN, expect=3)
    assert (await store_one(stores.events, ANN, expect=0)).version == 5
    assert [each.version for each in await collected(stores.events.read(ANN))] == [5]
    assert len(await collected(stores.events.read_all(ALL))) == 6
    url = f"{postgres.url}?schema={postgres_schema}"
    (finding,) = (await examination(url)).findings
    assert "eventfold admin sweep" in finding.command
    assert list(await stores.administration.sweep()) == []
    assert list((await examination(url, deep=True)).findings) == []
    everything = [(each.stream, each.version) for each in await collected(stores.events.read_all(ALL))]
    assert everything == [(BOB, 1), (ANN, 4), (ANN, 5)]
    assert await collected(stores.events.read_all(Query.of(tags=["a"]))) == []
    assert await stores.events.event_id_at(stored.positions[0]) == gone[0].event_id
    mark = await stores.administration.mark(ANN)
    assert mark is not None
    assert not mark.pending
    assert len([entry async for entry in stores.administration.audit()]) == 1


@pytest.mark.usefixtures("dying")
async def test_c11_the_next_act_finishes_what_another_process_has_left(stores: Stores) -> None:
    await store_one(stores.events, ANN, *events(3))
    await store_one(stores.events, BOB, *events(3))
    with pytest.raises(Died):
        await stores.administration.truncate(ANN, before_version=3, **WHO)
    disarm()
    assert [each.version for each in await collected(stores.events.read(ANN))] == [3]
    with pytest.raises(StreamTruncated):
        await collected(stores.events.load(ANN))
    assert len(await collected(stores.events.read_all(ALL))) == 6
    await stores.administration.truncate(BOB, before_version=3, **WHO)
    everything = [(each.stream, each.version) for each in await collected(stores.events.read_all(ALL))]
    assert everything == [(ANN, 3), (BOB, 3)]


async def test_c11_events_stay_in_the_log_while_an_append_is_under_way(
    stores: Stores, stranger: asyncpg.Connection, names: Names, caplog: pytest.LogCaptureFixture
) -> None:
    """It may have read a version of the stream before the mark was there; its row refuses it."""
    await store_one(stores.events, ANN, *events(3))
    administration = hasty(stores)
    transaction = stranger.transaction()
    await transaction.start()
    await append_all(stranger, names, BOB, 0)
    mark = await administration.delete(ANN, **WHO)
    assert mark is not None
    assert mark.pending
    assert "eventfold admin sweep" in caplog.text
    assert await collected(stores.events.read(ANN)) == []
    assert await administration.sweep() == [mark]
    with pytest.raises(asyncpg.UniqueViolationError):
        async with stranger.transaction():
            await stranger.execute(
                names.fill(
                    "INSERT INTO {events} (category, id, version, event_id, type, format, recorded_at)"
                    " VALUES ('account', 'ann', 2, gen_random_uuid(), 'Happened', 0, 0)"
                )
            )
    await transaction.commit()
    assert list(await administration.sweep()) == []
    everything = [(each.stream, each.type) for each in await collected(stores.events.read_all(ALL))]
    assert sorted(everything) == [(ANN, STREAM_DELETED), (BOB, "Happened")]


async def test_c11_a_stream_is_buried_once(stores: Stores, stranger: asyncpg.Connection, names: Names) -> None:
    await store_one(stores.events, ANN, *events(3, tags=("a", "b")), event(tags=("a",)))
    await store_one(stores.events, BOB, event(tags=("a",)))
    await stores.administration.truncate(ANN, before_version=2, **WHO)
    await stores.administration.delete(ANN, **WHO)
    bury = names.fill("SELECT version, place FROM {bury}('account', 'ann', gen_random_uuid())")
    assert tuple(await stranger.fetchrow(bury)) == (None, None)
    tags = await stranger.fetch(names.fill("SELECT tag, position FROM {event_tags}"))
    assert [tuple(row) for row in tags] == [("a", 5)]
    assert await stranger.fetchval(names.fill("SELECT count(*) FROM {removed_events}")) == 4


async def test_c11_who_has_appended_and_not_committed_is_waited_for_and_deleted_too(
    stores: Stores, stranger: asyncpg.Connection, names: Names, postgres: PostgresServer
) -> None:
    await store_one(stores.events, ANN, *events(3))
    transaction = stranger.transaction()
    await transaction.start()
    assert (await append_all(stranger, names, ANN, 3))[0] == "committed"
    deleting = asyncio.create_task(stores.administration.delete(ANN, **WHO))
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%bury%'"
    watcher: asyncpg.Connection = await asyncpg.connect(postgres.url)
    async with asyncio.timeout(30):
        while not await watcher.fetchval(waiting):  # noqa: ASYNC110 - a server rings no bell for its locks
            await asyncio.sleep(0.005)
    await watcher.close()
    await transaction.commit()
    mark = await deleting
    assert mark is not None
    assert mark.before_version == 6
    assert [each.version for each in await collected(stores.events.read_all(ALL))] == [5]


async def test_g05_a_snapshot_from_before_a_removal_cannot_give_a_version_again(
    stores: Stores, stranger: asyncpg.Connection, names: Names
) -> None:
    await store_one(stores.events, ANN)
    async with stranger.transaction(isolation="repeatable_read"):
        assert await stranger.fetchval(names.fill("SELECT count(*) FROM {events}")) == 1
        await store_one(stores.events, ANN, event(), event())
        mark = await stores.administration.delete(ANN, **WHO)
        assert mark is not None
        assert not mark.pending
        with pytest.raises(asyncpg.SerializationError):
            async with stranger.transaction():
                await append_all(stranger, names, ANN, 1)
    async with stranger.transaction(isolation="repeatable_read"):
        assert (await append_all(stranger, names, ANN, 0))[0] == "committed"
    assert [each.version for each in await collected(stores.events.read_all(ALL))] == [4, 5]


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE {events} SET data = ''",
        "DELETE FROM {events}",
        "TRUNCATE {events}",
        "UPDATE {event_tags} SET tag = 'b'",
        "DELETE FROM {event_tags}",
        "TRUNCATE {event_tags}",
    ],
)
async def test_g06_c12_events_change_for_nobody_by_accident(
    change: str, stores: Stores, stranger: asyncpg.Connection, names: Names
) -> None:
    """Not even for the owner of the tables, as long as he does not say that he is an administrator."""
    await store_one(stores.events, ANN, event(tags=("a",)))
    before = await collected(stores.events.read_all(ALL))
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="eventfold admin"):
        await stranger.execute(names.fill(change))
    assert await collected(stores.events.read_all(ALL)) == before
    await stores.administration.erase(before[0].event_id, **WHO)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):  # nothing of that is left behind in a session
        await stranger.execute(names.fill(change))


async def test_c11_a_refused_append_leaves_no_lock_in_its_transaction(
    stores: Stores, stranger: asyncpg.Connection, names: Names
) -> None:
    await store_one(stores.events, ANN)
    locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()"
    async with stranger.transaction():
        assert (await append_all(stranger, names, ANN, 7))[0] == "conflict"
        assert await stranger.fetchval(locks) == 0
        assert (await append_all(stranger, names, ANN, 1))[0] == "committed"
        assert await stranger.fetchval(locks) == 1


async def test_c11_appends_of_two_streams_go_on_while_one_is_deleted(stores: Stores) -> None:
    await store_one(stores.events, ANN, *events(3))
    await stores.administration.delete(ANN, **WHO)
    appended = await stores.events.append(Append(ANN, events(2), 0), Append(BOB, [event()], 0))
    assert [each.version for each in appended.streams] == [6, 1]
    async with asyncio.TaskGroup() as tasks:  # a group: through append_r
        places = [tasks.create_task(store_one(stores.events, each, *events(2))) for each in (ANN, BOB)]
    assert [each.result().version for each in places] == [8, 3]
