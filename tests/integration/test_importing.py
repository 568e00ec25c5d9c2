"""Import from the stores of other libraries: what they have written, read as they have written it."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import asyncpg
import msgspec
import pytest

from eventfold.adapters.system import system_clock
from eventfold.bootstrap.importing import Imported, Translate, eventsourcing_events, import_events, message_db_events
from eventfold.bootstrap.stores import Stores, open_stores
from eventfold.domain.message import StoredEvent, Stream, from_micros
from eventfold.errors import EventIdConflict, InvalidInput, InvalidStoreUrl, StoreUnavailable
from eventfold.ports.event_store import Append
from eventfold.testing.conformance.material import event
from tests.postgres import PostgresServer

WRITES = """
import sys
from datetime import UTC, datetime
from decimal import Decimal
from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event

class Order(Aggregate):
    @event("Opened")
    def __init__(self, name: str) -> None:
        self.name = name

    @event("LinePlaced")
    def place(self, sku: str, price: Decimal, at: datetime) -> None:
        pass

class Customer(Aggregate):
    @event("Moved")
    def move(self, town: str) -> None:
        pass

app = Application()
ids = []
for number in range(int(sys.argv[1])):
    order, customer = Order(name=f"order {number}"), Customer()
    order.place("SKU-1", Decimal("1.50"), datetime(2026, 1, 1, tzinfo=UTC))
    customer.move("Lübeck")
    app.save(order, customer)
    ids.append(str(order.id))
print(*ids)
"""
"""Runs in a process of its own: this library has the standard library's SQLite."""

MESSAGE_DB = """
CREATE SCHEMA message_store;
CREATE TABLE message_store.messages (
    id              uuid NOT NULL DEFAULT gen_random_uuid() UNIQUE,
    stream_name     text NOT NULL,
    type            text NOT NULL,
    position        bigint NOT NULL,
    global_position bigserial PRIMARY KEY,
    data            jsonb,
    metadata        jsonb,
    time            timestamp without time zone NOT NULL DEFAULT (now() AT TIME ZONE 'utc')
);
"""


def written_by_eventsourcing(place: dict[str, str], orders: int) -> list[str]:
    child = subprocess.run(
        [sys.executable, "-c", WRITES, str(orders)],
        env={**os.environ, **place},
        capture_output=True,
        text=True,
        check=False,
    )
    assert child.returncode == 0, child.stderr
    return child.stdout.split()


@pytest.fixture
async def stores() -> AsyncIterator[Stores]:
    async with open_stores("memory:", clock=system_clock, migrate=True) as stores:
        yield stores


async def imported(
    stores: Stores, pieces: AsyncIterator[Sequence[StoredEvent]], translate: Translate | None = None
) -> Imported:
    return await import_events(
        pieces, stores.administration, stores.events, actor="ann", reason="moving", translate=translate
    )


async def of_stream(stores: Stores, category: str, id: str) -> list[StoredEvent]:
    return [each async for each in stores.events.read(Stream(category, id))]


def on_sqlite(path: Path) -> dict[str, str]:
    return {"PERSISTENCE_MODULE": "eventsourcing.sqlite", "SQLITE_DBNAME": str(path)}


def on_postgres(url: str) -> dict[str, str]:
    parts = urlsplit(url)
    return {
        "PERSISTENCE_MODULE": "eventsourcing.postgres",
        "POSTGRES_DBNAME": parts.path.lstrip("/"),
        "POSTGRES_HOST": str(parts.hostname),
        "POSTGRES_PORT": str(parts.port),
        "POSTGRES_USER": str(parts.username),
        "POSTGRES_PASSWORD": parts.password or "none",
    }


@pytest.fixture
async def database(postgres: PostgresServer) -> AsyncIterator[str]:
    """The URL of a database that nobody else uses."""
    name = f"import_{uuid4().hex[:12]}"
    connection = await asyncpg.connect(postgres.url)
    await connection.execute(f"CREATE DATABASE {name}")
    yield urlsplit(postgres.url)._replace(path=f"/{name}").geturl()
    await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await connection.close()


# ------------------------------------------------------------------------ eventsourcing


async def test_events_of_eventsourcing_keep_ids_versions_and_times(tmp_path: Path, stores: Stores) -> None:
    before = datetime.now(UTC)
    (id,) = written_by_eventsourcing(on_sqlite(tmp_path / "old.db"), 1)
    async with eventsourcing_events(f"sqlite:///{tmp_path}/old.db") as pieces:
        told = await imported(stores, pieces)
    assert told.same
    assert (told.new, told.left_out) == (4, 0)
    assert [(each.category, each.events, each.found) for each in told.categories] == [
        ("Customer", 2, 2),
        ("Order", 2, 2),
    ]
    opened, placed = await of_stream(stores, "Order", id)
    assert [(each.version, each.type) for each in (opened, placed)] == [(1, "Opened"), (2, "LinePlaced")]
    assert json.loads(opened.data or b"") == {"name": "order 0"}
    assert json.loads(placed.data or b"") == {"sku": "SKU-1", "price": "1.50", "at": "2026-01-01T00:00:00+00:00"}
    assert before <= from_micros(opened.recorded_at) <= from_micros(placed.recorded_at) <= datetime.now(UTC)


async def test_events_of_eventsourcing_come_from_postgres_too(stores: Stores, database: str) -> None:
    (id,) = written_by_eventsourcing(on_postgres(database), 1)
    async with eventsourcing_events(database, table="application_events") as pieces:
        assert (await imported(stores, pieces)).same
    assert [each.type for each in await of_stream(stores, "Order", id)] == ["Opened", "LinePlaced"]


async def test_an_import_that_is_repeated_stores_nothing_twice_and_goes_on(tmp_path: Path, stores: Stores) -> None:
    place, url = on_sqlite(tmp_path / "old.db"), f"sqlite:///{tmp_path}/old.db"
    written_by_eventsourcing(place, 400)

    class Enough(Exception):
        pass

    def enough(done: int) -> None:
        if done >= 1_000:
            raise Enough

    async with eventsourcing_events(url) as pieces:
        with pytest.raises(Enough):
            await import_events(
                pieces, stores.administration, stores.events, actor="ann", reason="moving", progress=enough
            )
    assert await stores.events.head() == 1_000
    written_by_eventsourcing(place, 1)
    async with eventsourcing_events(url) as pieces:
        told = await imported(stores, pieces)
    assert told.same
    assert told.new == 604
    async with eventsourcing_events(url) as pieces:
        assert (await imported(stores, pieces)).new == 0


async def test_what_is_written_meanwhile_is_not_read(tmp_path: Path, stores: Stores) -> None:
    place, url = on_sqlite(tmp_path / "old.db"), f"sqlite:///{tmp_path}/old.db"
    written_by_eventsourcing(place, 200)
    async with eventsourcing_events(url) as pieces:
        read = [await anext(pieces)]
        await asyncio.to_thread(written_by_eventsourcing, place, 10)
        read += [each async for each in pieces]
    assert sum(map(len, read)) == 800


async def test_translate_renames_and_leaves_out(tmp_path: Path, stores: Stores) -> None:
    (id,) = written_by_eventsourcing(on_sqlite(tmp_path / "old.db"), 1)

    def translate(event: StoredEvent) -> StoredEvent | None:
        if event.category != "Order":
            return None
        return msgspec.structs.replace(event, category="order", type=f"Order{event.type}")

    async with eventsourcing_events(f"sqlite:///{tmp_path}/old.db") as pieces:
        told = await imported(stores, pieces, translate)
    assert (told.new, told.left_out, told.same) == (2, 2, True)
    assert [each.type for each in await of_stream(stores, "order", id)] == ["OrderOpened", "OrderLinePlaced"]


async def test_a_difference_is_told(tmp_path: Path, stores: Stores) -> None:
    written_by_eventsourcing(on_sqlite(tmp_path / "old.db"), 1)
    await stores.events.append(Append(Stream("Order", "another"), [event()]))
    async with eventsourcing_events(f"sqlite:///{tmp_path}/old.db") as pieces:
        told = await imported(stores, pieces)
    assert not told.same
    assert [(each.category, each.found, each.same) for each in told.categories] == [
        ("Customer", 2, True),
        ("Order", 3, False),
    ]


async def test_an_event_that_has_become_another_is_refused(tmp_path: Path, stores: Stores) -> None:
    written_by_eventsourcing(on_sqlite(tmp_path / "old.db"), 1)
    async with eventsourcing_events(f"sqlite:///{tmp_path}/old.db") as pieces:
        await imported(stores, pieces)
    async with eventsourcing_events(f"sqlite:///{tmp_path}/old.db") as pieces:
        with pytest.raises(EventIdConflict) as refused:
            await imported(stores, pieces, lambda event: msgspec.structs.replace(event, data=b"{}"))
    assert "events 1 to 4 of the source" in refused.value.__notes__


async def test_a_gap_in_the_versions_is_refused(tmp_path: Path, stores: Stores) -> None:
    written_by_eventsourcing(on_sqlite(tmp_path / "old.db"), 1)
    async with eventsourcing_events(f"sqlite:///{tmp_path}/old.db") as pieces:
        with pytest.raises(InvalidInput, match="does not continue it"):
            await imported(stores, pieces, lambda event: None if event.type == "Opened" else event)
    assert await stores.events.head() == 0


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("sqlite:///nowhere.db", StoreUnavailable),
        ("sqlite:nowhere", InvalidStoreUrl),
        ("mysql://somewhere", InvalidStoreUrl),
    ],
)
async def test_a_source_that_is_none_is_refused(url: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        async with eventsourcing_events(url):
            pass


@pytest.mark.parametrize("table", ["a b", "stored_events; DROP TABLE stored_events", '"x"', "", "a.b.c"])
async def test_sec06_a_table_that_is_no_name_is_refused(table: str) -> None:
    with pytest.raises(InvalidInput, match="table"):
        async with eventsourcing_events("sqlite:///old.db", table=table):
            pass


# -------------------------------------------------------------------------- Message DB


@pytest.fixture
async def message_db(database: str) -> str:
    connection = await asyncpg.connect(database)
    await connection.execute(MESSAGE_DB)
    await connection.close()
    return database


async def write(url: str, *messages: tuple[str, str, int, str | None, str | None]) -> list[UUID]:
    connection = await asyncpg.connect(url)
    ids = [uuid4() for _ in messages]
    for id, message in zip(ids, messages, strict=True):
        await connection.execute(
            "INSERT INTO message_store.messages (id, stream_name, type, position, data, metadata, time) "
            "VALUES ($1, $2, $3, $4, $5, $6, '2026-01-02 03:04:05.678901')",
            id,
            *message,
        )
    await connection.close()
    return ids


async def test_messages_keep_ids_positions_times_and_metadata(message_db: str, stores: Stores) -> None:
    ids = await write(
        message_db,
        ("account-1-2", "Opened", 0, '{"owner": "ann"}', '{"correlationStreamName": "transfer-9", "n": 1}'),
        ("account:command-1", "Open", 0, '{"owner": "ann"}', None),
        ("account-1-2", "Deposited", 1, None, None),
    )
    async with message_db_events(message_db) as pieces:
        told = await imported(stores, pieces)
    assert (told.new, told.same) == (3, True)
    opened, deposited = await of_stream(stores, "account", "1-2")
    assert [UUID(bytes=each.event_id) for each in (opened, deposited)] == [ids[0], ids[2]]
    assert [(each.version, each.type) for each in (opened, deposited)] == [(1, "Opened"), (2, "Deposited")]
    assert opened.correlation_id == "transfer-9"
    assert json.loads(opened.metadata or b"") == {"correlationStreamName": "transfer-9", "n": 1}
    assert (json.loads(opened.data or b""), deposited.data) == ({"owner": "ann"}, b"null")
    assert from_micros(opened.recorded_at) == datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
    assert [each.type for each in await of_stream(stores, "account:command", "1")] == ["Open"]


async def test_a_stream_without_an_id_wants_a_translation(message_db: str, stores: Stores) -> None:
    await write(message_db, ("account", "Opened", 0, "{}", None))
    async with message_db_events(message_db) as pieces:
        with pytest.raises(InvalidInput) as refused:
            await imported(stores, pieces)
    assert "event 1 of the source" in refused.value.__notes__[0]
    async with message_db_events(message_db) as pieces:
        told = await imported(stores, pieces, lambda event: msgspec.structs.replace(event, id="all"))
    assert told.same


async def test_a_table_that_is_not_there_is_named(database: str) -> None:
    with pytest.raises(InvalidInput, match="stored_events"):
        async with eventsourcing_events(database) as pieces:
            await anext(pieces)


async def test_there_is_no_message_db_in_a_file_nor_everywhere(database: str) -> None:
    with pytest.raises(InvalidStoreUrl, match="in Postgres"):
        async with message_db_events("sqlite:///old.db"):
            pass
    with pytest.raises(InvalidInput, match="messages"):
        async with message_db_events(database) as pieces:
            await anext(pieces)


# ---------------------------------------------------------------------- command line


def eventfold(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "eventfold", *arguments], cwd=cwd, capture_output=True, text=True, check=False
    )


async def test_the_command_imports_and_verifies(tmp_path: Path) -> None:
    written_by_eventsourcing(on_sqlite(tmp_path / "old.db"), 3)
    (tmp_path / "moving.py").write_text(
        "def translate(event):\n    return event if event.category == 'Order' else None\n", encoding="utf-8"
    )
    command = ("import", "eventsourcing", "--from", "sqlite:///old.db", "--to", "sqlite:///new.db")
    done = eventfold(*command, "--translate", "moving:translate", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "new": 6,
        "left_out": 6,
        "categories": [{"category": "Order", "events": 6, "found": 6, "same": True}],
    }
    again = eventfold(*command, "--translate", "moving:translate", cwd=tmp_path)
    assert again.returncode == 0
    assert "0 new, 6 left out" in again.stdout
    audit = eventfold("admin", "audit", "--json", "--store", "sqlite:///new.db", cwd=tmp_path)
    assert {entry["action"] for entry in json.loads(audit.stdout)} == {"import"}
    (tmp_path / "moving.py").write_text(
        "def halves(event):\n    return event if event.version > 1 else None\n", encoding="utf-8"
    )
    gap = eventfold(*command[:-1], "sqlite:///third.db", "--translate", "moving:halves", cwd=tmp_path)
    assert gap.returncode == 2
    assert "does not continue it" in gap.stderr
    assert "of the source" in gap.stderr
    wrong = eventfold(*command, "--translate", "moving:nothing", cwd=tmp_path)
    assert wrong.returncode == 3
    assert "module:function" in wrong.stderr
