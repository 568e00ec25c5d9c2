"""Rows on Postgres: what a server brings with it that a file does not: deadlocks, lost connections, roles, schemas."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy import (
    JSON,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Numeric,
    String,
    Table,
    Uuid,
    bindparam,
    func,
    insert,
    select,
)

from eventfold.adapters.memory import MemoryCommandLog, MemoryEventStore
from eventfold.adapters.memory_administration import MemoryAdministration
from eventfold.adapters.memory_units import MemoryUnits
from eventfold.adapters.postgres.connection import Connections
from eventfold.adapters.postgres.migrate import bring_up_to_date
from eventfold.adapters.postgres.names import Names
from eventfold.adapters.postgres.read_model import PostgresReadModel
from eventfold.adapters.system import ManualClock, system_clock, uuid7
from eventfold.bootstrap.application import LEASE
from eventfold.bootstrap.running import Running
from eventfold.bootstrap.stores import Stores
from eventfold.errors import (
    Fenced,
    InvalidInput,
    NotPermitted,
    RetryTransaction,
    StoreUnavailable,
    UnsupportedStatement,
)
from eventfold.ports.checkpoint_store import Checkpoint, Move
from eventfold.ports.read_model import Writes
from eventfold.processing.worker import LOOK
from tests.acceptance.world import Added, application, record, summing, sums, tapes
from tests.postgres import PostgresServer, start_postgres

METADATA = MetaData()
STOCK = Table(
    "stock",
    METADATA,
    Column("isbn", String, primary_key=True),
    Column("copies", Integer, nullable=False),
    Index("stock_copies", "copies"),
)
ADD = insert(STOCK).values(isbn=bindparam("isbn_"), copies=bindparam("n"))
PUT = STOCK.update().where(STOCK.c.isbn == bindparam("isbn_")).values(copies=bindparam("n"))
ALL = select(STOCK).order_by(STOCK.c.isbn)


def step(previous: int, position: int, processor: str = "stock") -> Move:
    return Move(processor, previous, position, uuid7().bytes)


class Place:
    """A fresh schema for our tables and one for the projectors', and whoever opens them."""

    def __init__(self, server: PostgresServer, schema: str, stack: AsyncExitStack) -> None:
        self.server = server
        self.schema = schema
        self.url = f"{server.url}?options=-csearch_path%3D{schema}_rows"
        self._stack = stack

    async def open(self, *, most: int = 8, url: str | None = None) -> PostgresReadModel:
        connections = Connections(url or self.url, most=most)
        self._stack.push_async_callback(connections.close)
        return PostgresReadModel(connections, Names(self.schema), system_clock)

    async def stranger(self) -> asyncpg.Connection:
        connection: asyncpg.Connection = await asyncpg.connect(self.url)
        self._stack.push_async_callback(connection.close)
        return connection


@pytest.fixture
async def place(postgres: PostgresServer, postgres_schema: str) -> AsyncIterator[Place]:
    async with AsyncExitStack() as stack:
        place = Place(postgres, postgres_schema, stack)
        stranger = await place.stranger()
        await stranger.execute(f'CREATE SCHEMA "{postgres_schema}_rows"')
        connections = Connections(place.url, most=1)
        async with connections.use() as connection:
            await bring_up_to_date(connection, Names(postgres_schema), connections.where)
        await connections.close()
        yield place
    postgres.execute(f'DROP SCHEMA "{postgres_schema}_rows" CASCADE')


@pytest.fixture
async def rows(place: Place) -> PostgresReadModel:
    return await place.open()


async def stocked(rows: PostgresReadModel, *names: str) -> None:
    await rows.prepare("stock", version=1, tables=[STOCK])
    async with rows.transaction() as transaction:
        await transaction.commit(writes(rows, ADD, *((name, 10) for name in names)), step(0, 5))


def writes(rows: PostgresReadModel, statement: Any, *pairs: tuple[str, int]) -> Writes:
    bound = [rows.bind(statement, {"isbn_": isbn, "n": n}) for isbn, n in pairs]
    return [(shape, [values]) for shape, values in bound]


async def found(rows: PostgresReadModel) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in await rows.query(ALL)]


# ---------------------------------------------------------------------------- values


async def test_fm25_money_times_ids_and_json_come_back_to_the_last_digit(rows: PostgresReadModel) -> None:
    table = Table(
        "kinds",
        MetaData(),
        Column("n", Integer, primary_key=True),
        Column("price", Numeric(30, 10)),
        Column("any_price", Numeric),
        Column("at", DateTime(timezone=True)),
        Column("uuid", Uuid),
        Column("json", JSON),
    )
    await rows.prepare("kinds", version=1, tables=[table])
    given: list[tuple[Any, ...]] = [
        (Decimal("12345678901234567890.0123456789"), Decimal("0.10"), datetime(1, 1, 1, tzinfo=UTC), UUID(int=0), {}),
        (
            Decimal("-0.0000000001"),
            Decimal("1E-20"),
            datetime(9999, 12, 31, 23, 59, 59, 999_999, UTC),
            UUID(int=2**128 - 1),
            [1, 2.5, None, "ü\\u0041"],
        ),
        (Decimal(0), Decimal("1E+5"), datetime(2026, 3, 29, 1, 59, 59, 1, UTC), uuid7(), {"a": {"b": [True]}}),
    ]
    made = []
    for number, (price, any_price, at, uuid, json) in enumerate(given):
        row = {"n": number, "price": price, "any_price": any_price, "at": at, "uuid": uuid, "json": json}
        shape, values = rows.bind(insert(table), row)
        made.append((shape, [values]))
    async with rows.transaction() as transaction:
        await transaction.commit(made, None)
    back = [tuple(row)[1:] for row in await rows.query(select(table).order_by(table.c.n))]
    assert back == given
    assert str(back[0][1]) == "0.10"  # a scale that was given is kept
    assert all(row[2].tzinfo is not None for row in back)
    ((total,),) = await rows.query(select(func.sum(table.c.price)))
    assert total == Decimal("12345678901234567890.0123456788")


async def test_fm25_a_time_elsewhere_is_the_same_moment(rows: PostgresReadModel) -> None:
    table = Table("moments", MetaData(), Column("at", DateTime(timezone=True), primary_key=True))
    await rows.prepare("moments", version=1, tables=[table])
    there = datetime(2026, 7, 1, 12, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    shape, values = rows.bind(insert(table), {"at": there})
    async with rows.transaction() as transaction:
        await transaction.commit([(shape, [values])], None)
    ((back,),) = await rows.query(select(table))
    assert (back, back.utcoffset()) == (there, timedelta(0))


async def test_a_refused_row_is_explained_without_its_values(rows: PostgresReadModel) -> None:
    await stocked(rows, "secret")
    with pytest.raises(InvalidInput, match="stock_pkey") as refused:
        async with rows.transaction() as transaction:
            await transaction.commit(writes(rows, ADD, ("secret", 1)), step(5, 6))
    assert "secret" not in str(refused.value)
    for unfit in ("a\0b", "\ud800"):
        with pytest.raises(InvalidInput):
            async with rows.transaction() as transaction:
                await transaction.commit(writes(rows, ADD, (unfit, 1)), step(5, 6))
    assert (await rows.checkpoint("stock")).position == 5


async def test_an_error_may_hold_what_postgres_cannot_keep(rows: PostgresReadModel) -> None:
    await stocked(rows, "a")
    await rows.note_error("stock", "it said \0 and \ud800, ü")
    (record,) = await rows.processors()
    assert record.error == "it said \\x00 and \\ud800, ü"


# ------------------------------------------------------------- deadlocks, lost connections


@asynccontextmanager
async def crosswise(place: Place, *, first: str, then: str) -> AsyncIterator[asyncio.Task[str]]:
    """A stranger who holds one row and wants the other once ours is taken, and is never the victim."""
    stranger = await place.stranger()
    await stranger.execute("SET deadlock_timeout = '60s'")
    change = "UPDATE stock SET copies = 0 WHERE isbn = $1"
    async with stranger.transaction():
        await stranger.execute(change, first)

        async def wants() -> str:
            waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name = $1"
            watch = await place.stranger()
            while not await watch.fetchval(waiting, "eventfold"):  # noqa: ASYNC110 - only the server knows
                await asyncio.sleep(0.005)
            return await stranger.execute(change, then)

        task = asyncio.ensure_future(wants())
        try:
            yield task
        finally:
            await task


async def test_fm09_a_deadlock_is_answered_by_doing_it_once_more(place: Place, rows: PostgresReadModel) -> None:
    await stocked(rows, "a", "b")
    await asyncio.gather(*(crossing(place, rows), asyncio.sleep(0)))
    assert await found(rows) == [("a", 1), ("b", 1)]
    assert (await rows.checkpoint("stock")).position == 6


async def crossing(place: Place, rows: PostgresReadModel) -> None:
    async def ours() -> None:
        async with rows.transaction() as transaction:
            await transaction.commit(writes(rows, PUT, ("a", 1), ("b", 1)), step(5, 6))

    async with crosswise(place, first="b", then="a") as theirs:
        mine = asyncio.ensure_future(ours())
        await theirs
    await mine


async def test_fm09_who_has_read_decides_anew(place: Place, rows: PostgresReadModel) -> None:
    await stocked(rows, "a", "b")

    async def ours() -> None:
        async with rows.transaction() as transaction:
            await transaction.fetch(writes(rows, PUT, ("a", 1)), ALL, None)
            await transaction.commit(writes(rows, PUT, ("b", 1)), step(5, 6))

    async with crosswise(place, first="b", then="a") as theirs:
        mine = asyncio.ensure_future(ours())
        await theirs
    with pytest.raises(RetryTransaction, match="deadlock detected; nothing was kept"):
        await mine
    assert await found(rows) == [("a", 0), ("b", 0)]
    assert (await rows.checkpoint("stock")).position == 5


async def end_sessions(place: Place) -> None:
    stranger = await place.stranger()
    await stranger.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'eventfold' "
        "AND datname = current_database() AND backend_type = 'client backend'"
    )


async def test_fm12_a_lost_connection_leaves_nothing_and_the_next_one_serves(
    place: Place, rows: PostgresReadModel
) -> None:
    await stocked(rows, "a")
    async with rows.transaction() as transaction:
        await transaction.fetch(writes(rows, ADD, ("b", 1)), ALL, None)
        await end_sessions(place)
        with pytest.raises(RetryTransaction, match="nothing was kept"):
            await transaction.commit([], step(5, 6))
        with pytest.raises(RetryTransaction):
            await transaction.commit([], step(5, 6))
    assert await found(rows) == [("a", 10)]
    assert (await rows.checkpoint("stock")).position == 5


@pytest.mark.parametrize("done", [True, False])
async def test_fm07_a_commit_without_an_answer_is_asked_after(
    done: bool, rows: PostgresReadModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    await rows.prepare("stock", version=1, tables=[STOCK])
    execute = asyncpg.Connection.execute
    deaf = iter([True])

    async def cut(self: Any, query: str, *args: Any, **kwargs: Any) -> str:
        if query != "COMMIT" or not next(deaf, False):
            return await execute(self, query, *args, **kwargs)
        if done:
            await execute(self, query)
        self.terminate()
        raise ConnectionResetError("cut")

    for previous in (0, 5):  # the first step of a processor, and a later one
        deaf = iter([True])
        monkeypatch.setattr(asyncpg.Connection, "execute", cut)
        move = step(previous, previous + 5)
        try:
            async with rows.transaction() as transaction:
                await transaction.commit(writes(rows, ADD, (str(previous), 1)), move)
        except RetryTransaction:
            assert not done
        else:
            assert done
        monkeypatch.undo()
        kept = await rows.checkpoint("stock")
        assert kept == (Checkpoint(move.position, move.event_id) if done else Checkpoint(0))
        assert len(await found(rows)) == (previous // 5 + 1 if done else 0)
        if not done:
            return


async def test_fm07_it_waits_for_the_end_of_what_it_cannot_hear(place: Place, rows: PostgresReadModel) -> None:
    """The connection is cut, yet its session lives on and commits a moment later."""
    await rows.prepare("stock", version=1, tables=[STOCK])
    late, asking = await place.stranger(), await place.stranger()
    move = step(0, 5)
    for previous in (0, 5):
        move = step(previous, previous + 5)
        transaction = late.transaction()
        await transaction.start()
        await rows.advance_within(late, move)
        ask = asking.transaction()
        await ask.start()
        took = asyncio.ensure_future(rows.took_within(asking, move))
        await asyncio.sleep(0.05)
        assert not took.done()
        await transaction.commit()
        assert await took
        await ask.rollback()
    assert await rows.checkpoint("stock") == Checkpoint(10, move.event_id)


async def test_fm52_a_cancelled_read_ends_on_the_server_too(place: Place, rows: PostgresReadModel) -> None:
    await stocked(rows, "a")
    slow = select(func.pg_sleep(30).cast(String))

    async def ours() -> None:
        async with rows.transaction() as transaction:
            await transaction.fetch(writes(rows, ADD, ("b", 1)), slow, None)

    task = asyncio.ensure_future(ours())
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    watch = await place.stranger()
    sleeping = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'SELECT CAST(pg_sleep%'"
    async with asyncio.timeout(10):
        while await watch.fetchval(sleeping):  # noqa: ASYNC110 - only the server knows
            await asyncio.sleep(0.01)
    assert await found(rows) == [("a", 10)]
    await stocked_again(rows)


@pytest.mark.parametrize("what", ["pause", "commit", "fetch", "query"])
async def test_fm52_cancelled_anywhere_the_connection_is_sound_or_gone(place: Place, what: str) -> None:
    """The pool has one connection: was it given back within a transaction, then what is written next is lost."""
    rows = await place.open(most=1)
    await stocked(rows, "a")
    stranger = await place.stranger()
    said = f'SELECT last_error FROM "{place.schema}".processors'

    async def act(number: int) -> None:
        match what:
            case "pause":
                await rows.pause("stock", paused=True)
            case "query":
                await rows.query(ALL)
            case _:
                async with rows.transaction() as transaction:
                    if what == "fetch":
                        await transaction.fetch(writes(rows, PUT, ("a", number)), ALL, None)
                    await transaction.commit(writes(rows, PUT, ("a", number)), None)

    for number in range(60):
        task = asyncio.ensure_future(act(number))
        for _ in range(number // 2):
            await asyncio.sleep(0)
        if number % 2:  # the answer may be there, and not yet be read
            await asyncio.sleep(0.001)
        task.cancel()
        await asyncio.wait([task])
        await rows.note_error("stock", str(number))
        assert await stranger.fetchval(said) == str(number)


async def stocked_again(rows: PostgresReadModel) -> None:
    """All the connections there may be are still to be had."""

    async def one(number: int) -> None:
        async with rows.transaction() as transaction:
            await transaction.commit(writes(rows, ADD, (f"again {number}", 1)), None)

    await asyncio.wait_for(asyncio.gather(*map(one, range(20))), 10)


async def test_fm12_the_server_ends_a_transaction_that_stands_still(rows: PostgresReadModel) -> None:
    await stocked(rows, "a")
    limit = select(func.current_setting("idle_in_transaction_session_timeout"))
    async with rows.transaction() as transaction:
        ((within,),) = await transaction.fetch([], limit, None)
    ((without,),) = await rows.query(limit)
    assert (within, without) == ("10s", "0")


async def test_rows_need_read_committed_whatever_the_default(place: Place) -> None:
    for default in ("serializable", "repeatable%20read"):
        url = place.url.replace(
            "-csearch", f"-cdefault_transaction_isolation%3D{default.replace('%20', '%5C%20')}%20-csearch"
        )
        rows = await place.open(url=url)
        await rows.prepare("stock", version=1, tables=[STOCK])
        async with rows.transaction() as transaction:
            ((level,),) = await transaction.fetch([], select(func.current_setting("transaction_isolation")), None)
        assert level == "read committed"


# ------------------------------------------------------------------------ making tables


async def test_c9_ten_who_prepare_at_once_make_the_tables_once(place: Place) -> None:
    parent = Table("parents", MetaData(), Column("n", Integer, primary_key=True))
    child = Table("children", parent.metadata, Column("n", Integer, ForeignKey("parents.n"), primary_key=True))
    opened = [await place.open(most=1) for _ in range(10)]
    for version in (1, 2):
        checkpoints = await asyncio.gather(
            *(each.prepare("family", version=version, tables=[parent, child]) for each in opened)
        )
        assert {each.position for each in checkpoints} == {0}
    assert [(each.name, each.version) for each in await opened[0].processors()] == [("family", 2)]


async def test_c9_tables_that_are_there_need_no_right_to_make_any(place: Place, rows: PostgresReadModel) -> None:
    await stocked(rows, "a")
    role, stranger = f"{place.schema}_worker", await place.stranger()
    await stranger.execute(f'CREATE ROLE "{role}" LOGIN')
    try:
        await stranger.execute(f'GRANT USAGE ON SCHEMA "{place.schema}", "{place.schema}_rows" TO "{role}"')
        for schema in (place.schema, f"{place.schema}_rows"):
            await stranger.execute(
                f'GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA "{schema}" TO "{role}"'
            )
        worker = await place.open(url=place.url.replace("postgres@", f"{role}@"))
        assert (await worker.prepare("stock", version=1, tables=[STOCK])).position == 5
        async with worker.transaction() as transaction:
            await transaction.commit(writes(worker, ADD, ("b", 1)), step(5, 6))
        other = Table("others", MetaData(), Column("n", Integer, primary_key=True))
        with pytest.raises(NotPermitted, match=r"permission denied.*eventfold store roles"):
            await worker.prepare("others", version=1, tables=[other])
        await worker.close()
    finally:
        await stranger.execute(f'DROP OWNED BY "{role}"')
        await stranger.execute(f'DROP ROLE "{role}"')


async def test_i10_a_table_others_build_on_is_not_dropped(place: Place, rows: PostgresReadModel) -> None:
    await stocked(rows, "a")
    stranger = await place.stranger()
    await stranger.execute("CREATE VIEW scarce AS SELECT * FROM stock WHERE copies < 3")
    with pytest.raises(InvalidInput, match=r"cannot drop table stock because other objects depend on it"):
        await rows.prepare("stock", version=2, tables=[STOCK])
    assert await found(rows) == [("a", 10)]
    assert (await rows.prepare("stock", version=1, tables=[STOCK])).position == 5


async def test_c10_a_table_may_name_its_schema_but_never_ours(place: Place, rows: PostgresReadModel) -> None:
    there = Table("there", MetaData(), Column("n", Integer, primary_key=True), schema=f"{place.schema}_rows")
    await rows.prepare("there", version=1, tables=[there])
    assert await rows.query(select(there)) == []
    nowhere = Table("n", MetaData(), Column("n", Integer, primary_key=True), schema="nowhere")
    with pytest.raises(InvalidInput, match='schema "nowhere" does not exist'):
        await rows.prepare("nowhere", version=1, tables=[nowhere])
    for name, schema in (("mine", place.schema), ("events", None), ("Checkpoints", None), ("pg_class", None)):
        table = Table(name, MetaData(), Column("n", Integer, primary_key=True), schema=schema)
        with pytest.raises(InvalidInput):
            await rows.prepare("intruder", version=1, tables=[table])


@pytest.mark.parametrize("name", ['a"b', "a'; DROP TABLE stock; --", "Stock", "ä 🦊", "select", "a.b", "$1", "%s"])
async def test_sec06_a_name_is_only_a_name(rows: PostgresReadModel, name: str) -> None:
    await stocked(rows, "a")
    table = Table(name, MetaData(), Column(f"{name}_column", Integer, primary_key=True), Column("n", Integer))
    await rows.prepare("hostile", version=1, tables=[table])
    shape, values = rows.bind(insert(table), {f"{name}_column": 1, "n": 2})
    async with rows.transaction() as transaction:
        await transaction.commit([(shape, [values])], None)
    await rows.prepare("hostile", version=1, tables=[table])
    assert [tuple(row) for row in await rows.query(select(table))] == [(1, 2)]
    await rows.prepare("hostile", version=2, tables=[table])
    assert await rows.query(select(table)) == []
    assert await found(rows) == [("a", 10)]


async def test_g17_a_query_outlives_the_tables_it_was_prepared_for(place: Place, rows: PostgresReadModel) -> None:
    """The other process's connections know the old columns by heart."""
    await stocked(rows, "a")
    reader = await place.open(most=1)
    everything = select(STOCK.c.isbn)
    assert len(await reader.query(everything)) == 1
    wider = Table("stock", MetaData(), Column("isbn", Integer, primary_key=True), Column("title", String))
    await rows.prepare("stock", version=2, tables=[wider])
    assert await reader.query(everything) == []
    async with reader.transaction() as transaction:
        assert await transaction.fetch([], everything, None) == []


# ------------------------------------------------------------------------- SQL for people


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM stock",
        "DELETE FROM stock RETURNING *",
        "WITH gone AS (DELETE FROM stock RETURNING *) SELECT * FROM gone",
        "EXPLAIN ANALYZE DELETE FROM stock",
        "CREATE TABLE x (n int)",
        "DROP TABLE stock",
        "COMMIT",
        "SET TRANSACTION READ WRITE",
        "DO $$ BEGIN SET TRANSACTION READ WRITE; DELETE FROM stock; END $$",
        "SELECT 1; DELETE FROM stock",
        "SELECT * INTO y FROM stock",
        "COPY stock TO STDOUT",
        "SELECT nextval('{schema}.events_position_seq')",
        "NOTIFY x",
        "",
        "-- nothing",
        "SELEKT",
        "SELECT * FROM nowhere",
    ],
)
async def test_sec06_sql_for_people_only_reads(place: Place, rows: PostgresReadModel, sql: str) -> None:
    await stocked(rows, "a")
    with pytest.raises(InvalidInput):
        await rows.query_text(sql.replace("{schema}", place.schema))
    assert await found(rows) == [("a", 10)]


async def test_sql_for_people_finds_our_tables_behind_theirs(place: Place, rows: PostgresReadModel) -> None:
    await stocked(rows, "a")
    assert await rows.query_text("SELECT isbn, copies FROM stock") == (("isbn", "copies"), [("a", 10)])
    assert (await rows.query_text("SELECT count(*) FROM events"))[1] == [(0,)]
    assert (await rows.query_text("SELECT processor, position FROM checkpoints"))[1] == [("stock", 5)]
    names, plan = await rows.query_text("EXPLAIN SELECT * FROM stock")
    assert names == ("QUERY PLAN",)
    assert plan
    stranger = await place.stranger()
    await stranger.execute("CREATE TABLE events AS SELECT 'theirs' AS whose")
    assert (await rows.query_text("SELECT * FROM events"))[1] == [("theirs",)]
    ((path,),) = await rows.query(select(func.current_setting("search_path")))
    assert path == f"{place.schema}_rows"


async def test_a_query_that_is_text_is_refused_elsewhere(rows: PostgresReadModel) -> None:
    strange: Any = "SELECT 1"
    with pytest.raises(UnsupportedStatement):
        await rows.query(strange)


# ----------------------------------------------------------------------- the whole projector


@asynccontextmanager
async def running(
    place: Place, log: MemoryEventStore, *, most: int = 8, version: int = 1, lease: timedelta | None = LEASE
) -> AsyncIterator[Running]:
    """The application, its log in memory, its rows here."""
    rows = await place.open(most=most)
    app = application(summing(version=version))
    stores = Stores(
        log,
        rows,
        MemoryAdministration(log, rows, system_clock),
        MemoryUnits(log, rows, system_clock),
        MemoryCommandLog(log),
        rows.parking,
        rows.leases,
        rows.actions,
        rows.generations,
        rows.timers,
        rows.snapshots,
    )
    async with app._started(Running, stores, frozenset({"sums"}), system_clock, lease) as running:
        yield running


async def total(running: Running) -> Sequence[Any]:
    return [tuple(row) for row in await running.query(sums)]


async def test_i2_g12_the_projector_of_sqlite_runs_here_on_a_single_connection(place: Place) -> None:
    log = MemoryEventStore(ManualClock())
    async with running(place, log, most=1) as first:
        await first.execute(tapes, "a", record(Added(1), Added(2)))
        await first.wait_for("sums", await first.head())
        before = await total(first)
    async with running(place, log, most=1) as again:
        await again.execute(tapes, "a", record(Added(4)))
        await again.wait_for("sums", await again.head())
        after = await total(again)
    async with running(place, log, most=1, version=2) as anew:
        await anew.wait_for("sums", await anew.head())
        assert await total(anew) == after != before


async def test_i2_t24_a_projector_goes_on_when_its_connections_are_cut(place: Place) -> None:
    log = MemoryEventStore(ManualClock())
    async with running(place, log) as app:
        for number in range(30):
            await app.execute(tapes, "a", record(Added(1)))
            if number % 5 == 0:
                await end_sessions(place)
        await app.wait_for("sums", await app.head(), timeout=20)
        status = app.status()["sums"]
        assert (status.running, status.error) == (True, None)
        assert await total(app) == [("a", 30)]


async def test_g14_a_second_copy_is_fenced_and_says_so(place: Place) -> None:
    log = MemoryEventStore(ManualClock())
    async with running(place, log, lease=None) as app:
        await app.execute(tapes, "a", record(Added(1)))
        await app.wait_for("sums", await app.head())
        other = await place.open()
        await other.advance(Move("sums", await app.head(), 100, uuid7().bytes))
        await app.execute(tapes, "a", record(Added(1)))
        async with asyncio.timeout(10):
            while app.status()["sums"].running:  # noqa: ASYNC110 - as people would look at it
                await asyncio.sleep(0.01)
        assert isinstance(app.status()["sums"].error, Fenced)
        (record_of,) = await other.processors()
        assert record_of.error is not None
        assert "another copy runs" in record_of.error


async def test_t24_a_projector_waits_for_a_server_that_restarts() -> None:
    with start_postgres() as server:
        async with application(summing()).open(f"{server.url}?poll=100ms") as app:
            await app.execute(tapes, "a", record(Added(1)))
            await app.wait_for("sums", await app.head())
            for immediately in (True, False):
                await asyncio.to_thread(server.stop, immediately=immediately)
                await asyncio.sleep(3 * LOOK)  # it looks whether it is paused, and finds nobody to ask
                assert app.status()["sums"].running
                await asyncio.to_thread(server.start)
                outcome = await until_it_answers(app)
                await app.wait_for("sums", outcome, timeout=20)
            assert app.status()["sums"].error is None
            ((tape, found_sum),) = await total(app)
            assert (tape, found_sum) == ("a", (await app.load(tapes, "a")).state.sum)


async def until_it_answers(app: Running) -> int:
    async with asyncio.timeout(20):
        while True:
            try:
                return (await app.execute(tapes, "a", record(Added(1)))).position
            except StoreUnavailable:
                await asyncio.sleep(0.05)


@pytest.mark.parametrize("options", ["pool=1", "pool=1&lanes=1&notify=off&poll=20ms", "pool=2&lanes=4"])
async def test_i2_a_pool_of_one_connection_serves_everything_in_turn(place: Place, options: str) -> None:
    url = f"{place.url}&schema={place.schema}&{options}"
    async with application(summing()).open(url) as app, asyncio.timeout(30):
        outcomes = await asyncio.gather(*(app.execute(tapes, str(n % 7), record(Added(1))) for n in range(50)))
        await app.wait_for("sums", max(each.position for each in outcomes), timeout=20)
        found_sums, *_ = await asyncio.gather(*(app.query(sums) for _ in range(10)), *(app.head() for _ in range(10)))
        assert sum(row[1] for row in found_sums) == 50
        assert await app.head() == await app.head()
