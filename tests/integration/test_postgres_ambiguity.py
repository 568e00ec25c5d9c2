"""A connection that breaks during an append: the outcome is found out, or said to be unknown, and never guessed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from uuid import UUID

import asyncpg
import pytest

from eventfold.adapters.postgres import PostgresEventStore
from eventfold.adapters.postgres.connection import Connections
from eventfold.adapters.postgres.group import Writer
from eventfold.adapters.postgres.migrate import bring_up_to_date
from eventfold.adapters.postgres.names import Names
from eventfold.adapters.system import system_clock
from eventfold.errors import AppendOutcomeUnknown, ConcurrencyConflict, StoreUnavailable
from eventfold.ports.event_store import NEW, Append
from eventfold.testing.conformance.material import ANN, BOB, collected, event, events
from tests.postgres import PostgresServer, start_postgres
from tests.waiting import until


class Line:
    """The wire between a client and the server. It can lose what the server says, and be cut."""

    def __init__(self, server: PostgresServer) -> None:
        self._server = server
        self._writers: list[asyncio.StreamWriter] = []
        self._deaf = asyncio.Event()
        self.refusing = False
        self.swallowed = asyncio.Event()

    def lose_answers(self) -> None:
        self._deaf.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.refusing:
            writer.close()
            return
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self._server.port)
        self._writers += [writer, up_writer]
        await asyncio.gather(self._pump(reader, up_writer), self._pump(up_reader, writer, answers=True))

    async def _pump(self, source: asyncio.StreamReader, target: asyncio.StreamWriter, *, answers: bool = False) -> None:
        try:
            while data := await source.read(65_536):
                if answers and self._deaf.is_set():
                    self.swallowed.set()
                    continue
                target.write(data)
                await target.drain()
        except OSError:
            pass  # cut
        finally:
            target.close()

    def cut(self) -> None:
        """All connections there are; new ones work again."""
        self._deaf.clear()
        for each in self._writers:
            each.transport.abort()
        self._writers.clear()


@asynccontextmanager
async def line(server: PostgresServer) -> AsyncIterator[tuple[Line, str]]:
    wire = Line(server)
    listening = await asyncio.start_server(wire.serve, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    async with listening:
        yield wire, server.url.replace(f":{server.port}", f":{port}")
        wire.cut()


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with start_postgres({}) as server:
        yield server


@asynccontextmanager
async def opened(url: str, schema: str, *, patience: float = 10.0, pool: int = 4) -> AsyncIterator[PostgresEventStore]:
    names, connections = Names(schema), Connections(url, most=pool, patience=patience)
    async with connections.use() as connection:
        await bring_up_to_date(connection, names, connections.where)
    store = PostgresEventStore(Writer(connections, names, system_clock), connections, names, notify=False)
    try:
        yield store
    finally:
        await store.close()


@pytest.fixture
async def other(server: PostgresServer) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(server.url)
    yield connection
    await connection.close()


async def waits(connection: asyncpg.Connection, count: int = 1) -> None:
    """Until so many sessions wait for a lock."""
    waiting = f"SELECT count(*) >= {count} FROM pg_locks WHERE NOT granted"
    await until(lambda: connection.fetchval(waiting))


def a_rival(schema: str) -> str:
    return f"""INSERT INTO {schema}.events (category, id, version, event_id, type, format, recorded_at)
               VALUES ('account', 'ann', 1, '{UUID(int=1)}', 'Other', 0, 0)"""


async def warmed(store: PostgresEventStore) -> None:
    """Every kind of append has been made on the one connection: what is lost from now on is no preparation."""
    for _ in range(2):
        await store.append(Append(BOB, [event()]))
        await store.append(Append(BOB, events(2)))
        await asyncio.gather(*(store.append(Append(BOB._replace(id=str(n)), events(2))) for n in range(3)))


async def stored_events(connection: asyncpg.Connection, schema: str, count: int) -> None:
    """Until so many are stored."""
    await until(lambda: connection.fetchval(f"SELECT count(*) >= {count} FROM {schema}.events"))


@pytest.mark.parametrize("count", [1, 2, 10])
@pytest.mark.parametrize("size", [1, 2])
async def test_fm07_appends_whose_answer_was_lost_are_found_and_stored_once(
    server: PostgresServer, postgres_schema: str, other: asyncpg.Connection, count: int, size: int
) -> None:
    async with line(server) as (wire, url), opened(url, postgres_schema, pool=1) as store:
        await warmed(store)
        before = await other.fetchval(f"SELECT count(*) FROM {postgres_schema}.events")
        wire.lose_answers()
        batches = [events(size) for _ in range(count)]
        appending = asyncio.gather(
            *(store.append(Append(ANN._replace(id=f"ann-{n}"), batch, NEW)) for n, batch in enumerate(batches))
        )
        await stored_events(other, postgres_schema, before + size)
        wire.cut()
        outcomes = await asyncio.wait_for(appending, 20)
        assert outcomes[0].streams[0].deduplicated  # it had been there when it was asked for once more
        for n, appended in enumerate(outcomes):
            stored = await collected(store.read(ANN._replace(id=f"ann-{n}")))
            assert [each.position for each in stored] == list(appended.streams[0].positions)
            assert [each.version for each in stored] == list(range(1, size + 1))


async def test_fm07_a_first_attempt_that_is_still_under_way_is_waited_for(
    server: PostgresServer, postgres_schema: str, other: asyncpg.Connection
) -> None:
    """The look-up finds nothing: only making the append again, which waits at the unique index, tells the truth."""
    async with line(server) as (wire, url), opened(url, postgres_schema) as store:
        rival = other.transaction()
        await rival.start()
        await other.execute(a_rival(postgres_schema))
        appending = asyncio.ensure_future(store.append(Append(ANN, events(2), NEW)))
        await waits(other)
        wire.cut()  # the server does not notice: its process waits for the rival, not for us
        await waits(other, 2)
        await rival.rollback()
        appended = await asyncio.wait_for(appending, 20)
        stored = await collected(store.read(ANN))
        assert [each.position for each in stored] == list(appended.streams[0].positions)
        assert [each.version for each in stored] == [1, 2]


async def test_fm07_a_lost_connection_and_a_rival_that_won_is_a_conflict(
    server: PostgresServer, postgres_schema: str, other: asyncpg.Connection
) -> None:
    async with line(server) as (wire, url), opened(url, postgres_schema) as store:
        rival = other.transaction()
        await rival.start()
        await other.execute(a_rival(postgres_schema))
        appending = asyncio.ensure_future(store.append(Append(ANN, events(2), NEW)))
        await waits(other)
        wire.cut()
        await rival.commit()
        with pytest.raises(ConcurrencyConflict):
            await asyncio.wait_for(appending, 20)


async def test_fm07_an_expectation_that_may_still_come_true_is_no_conflict_after_a_lost_answer(
    server: PostgresServer, postgres_schema: str
) -> None:
    async with line(server) as (wire, url), opened(url, postgres_schema) as store:
        wire.lose_answers()
        new = event()
        appending = asyncio.ensure_future(store.append(Append(ANN, [new], 5)))
        await asyncio.wait_for(wire.swallowed.wait(), 10)
        wire.cut()
        with pytest.raises(AppendOutcomeUnknown) as unknown:
            await asyncio.wait_for(appending, 20)
        assert unknown.value.event_ids == (UUID(bytes=new.event_id),)
        with pytest.raises(ConcurrencyConflict):
            await store.append(Append(ANN, [new], 5))


async def test_fm07_without_another_connection_the_outcome_is_unknown_and_a_retry_tells(
    server: PostgresServer, postgres_schema: str, other: asyncpg.Connection
) -> None:
    async with line(server) as (wire, url), opened(url, postgres_schema, patience=1.0, pool=1) as store:
        await warmed(store)
        before = await other.fetchval(f"SELECT count(*) FROM {postgres_schema}.events")
        wire.lose_answers()
        batch = events(3)
        appending = asyncio.ensure_future(store.append(Append(ANN, batch, NEW)))
        await stored_events(other, postgres_schema, before + 3)
        wire.refusing = True
        wire.cut()
        with pytest.raises(AppendOutcomeUnknown) as unknown:
            await asyncio.wait_for(appending, 20)
        assert unknown.value.event_ids == tuple(UUID(bytes=each.event_id) for each in batch)
        wire.refusing = False
        again = (await store.append(Append(ANN, batch, NEW))).streams[0]
        assert (again.version, again.deduplicated) == (3, True)


async def test_t24_a_server_process_that_is_ended_mid_append_costs_no_event(
    server: PostgresServer, postgres_schema: str, other: asyncpg.Connection
) -> None:
    async with opened(server.url, postgres_schema) as store:
        rival = other.transaction()
        await rival.start()
        await other.execute(a_rival(postgres_schema))
        appending = asyncio.ensure_future(store.append(Append(ANN, events(2))))
        beside = asyncio.ensure_future(store.append(Append(BOB, events(2))))  # in the same group
        await waits(other)
        await other.fetch("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE NOT granted")
        await rival.rollback()
        outcomes = await asyncio.wait_for(asyncio.gather(appending, beside), 20)
        assert [each.streams[0].version for each in outcomes] == [2, 2]
        assert [each.version async for each in store.read(ANN)] == [1, 2]
        assert [each.version async for each in store.read(BOB)] == [1, 2]


@pytest.mark.parametrize("how", ["kill", "immediately", "restart"])
async def test_t24_a_restart_under_writers_loses_and_doubles_nothing(
    server: PostgresServer, postgres_schema: str, how: str
) -> None:
    async with opened(server.url, postgres_schema) as store:
        acknowledged: list[tuple[int, bytes]] = []
        over = asyncio.Event()

        async def write(name: str) -> None:
            version = 0
            while not over.is_set():
                new = event()
                try:
                    appended = await store.append(Append(ANN._replace(id=name), [new], version))
                except StoreUnavailable:  # nobody was there when it was asked, so nothing is stored
                    await asyncio.sleep(0.01)
                    continue
                version += 1
                acknowledged.append((appended.position, new.event_id))

        async def fifty_more() -> None:
            before = len(acknowledged)

            async def are_there() -> bool:
                return len(acknowledged) >= before + 50

            await until(are_there)

        writing = [asyncio.ensure_future(write(str(n))) for n in range(8)]
        for _ in range(2):
            await fifty_more()
            if how == "restart":
                await asyncio.to_thread(server.restart)
            else:
                await asyncio.to_thread(server.kill if how == "kill" else lambda: server.stop(immediately=True))
                await asyncio.to_thread(server.start)
        await fifty_more()
        over.set()
        await asyncio.wait_for(asyncio.gather(*writing), 20)
        stored = [
            (each.position, each.event_id) for n in range(8) async for each in store.read(ANN._replace(id=str(n)))
        ]
        assert sorted(stored) == sorted(acknowledged)
