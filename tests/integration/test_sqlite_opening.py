"""What is opened, what is refused, and that a refused file stays as it was."""

import asyncio
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest

from eventfold.adapters.sqlite.migrate import latest_version
from eventfold.adapters.system import uuid7
from eventfold.domain.message import NewEvent, Stream
from eventfold.domain.query import Query
from eventfold.errors import (
    InvalidInput,
    NotAStore,
    StoreError,
    StoreNotMigrated,
    StoreTooNew,
    StoreUnavailable,
)
from eventfold.ports.event_store import Append
from tests.integration.opening import opened

ANN = Stream("account", "ann")


def event(**fields: Any) -> NewEvent:
    return NewEvent(event_id=uuid7().bytes, type="Happened", data=b"{}", **fields)


def sql(path: Path, *statements: str) -> list[tuple[Any, ...]]:
    connection = apsw.Connection(str(path))
    try:
        return [row for statement in statements for row in connection.execute(statement).fetchall()]
    finally:
        connection.close()


async def refused(path: Path, error: type[StoreError], **options: Any) -> StoreError:
    with pytest.raises(error) as found:
        async with opened(path, **options):
            pass
    assert type(found.value) is error
    return found.value


# ------------------------------------------------------------------------------ ours


async def test_sec22_what_we_make_belongs_to_its_owner_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        async with opened(tmp_path / "e.db") as (store, _):
            await store.append(Append(ANN, [event()]))
            modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()}
    finally:
        os.umask(before)
    assert modes == dict.fromkeys(["e.db", "e.db-lock", "e.db-wal", "e.db-shm"], 0o600)


async def test_c9_opening_again_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "e.db"
    async with opened(path) as (store, _):
        await store.append(Append(ANN, [event()]))
    before = path.read_bytes()
    schema = sql(path, "SELECT * FROM sqlite_schema ORDER BY name", "SELECT * FROM store")
    for migrate in (True, False):
        async with opened(path, migrate=migrate) as (store, _):
            assert await store.head() == 1
    assert sql(path, "SELECT * FROM sqlite_schema ORDER BY name", "SELECT * FROM store") == schema
    assert path.read_bytes() == before


async def test_c9_without_migrations_nothing_is_made(tmp_path: Path) -> None:
    error = await refused(tmp_path / "e.db", StoreNotMigrated, migrate=False)
    assert isinstance(error, StoreNotMigrated)
    assert (error.found, error.wanted) == (0, latest_version())
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "empty.db").touch()
    await refused(tmp_path / "empty.db", StoreNotMigrated, migrate=False)
    assert [(file.name, file.stat().st_size) for file in tmp_path.iterdir()] == [("empty.db", 0)]


async def test_c9_an_older_store_is_not_migrated_unasked(tmp_path: Path) -> None:
    path = tmp_path / "e.db"
    async with opened(path):
        pass
    sql(path, f"DELETE FROM store_migrations WHERE number = {latest_version()}")
    await refused(path, StoreNotMigrated, migrate=False)


async def test_c9_a_store_of_a_newer_release_is_refused_and_stays_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "e.db"
    async with opened(path):
        pass
    sql(path, f"UPDATE store SET schema_version = {latest_version() + 1}")
    before = path.read_bytes()
    error = await refused(path, StoreTooNew)
    assert isinstance(error, StoreTooNew)
    assert (error.found, error.supported) == (latest_version() + 1, latest_version())
    assert path.read_bytes() == before


async def test_c9_several_processes_may_open_a_new_file_at_once(tmp_path: Path) -> None:
    script = """
import asyncio, sys
from eventfold.adapters.sqlite import open_sqlite
from eventfold.adapters.system import system_clock, uuid7
from eventfold.domain.message import NewEvent, Stream
from eventfold.ports.event_store import Append

async def main():
    sys.stdin.readline()
    store, rows, _ = await open_sqlite(sys.argv[1], clock=system_clock, busy=30.0)
    for _ in range(20):
        await store.append(Append(Stream("shared", "one"), [NewEvent(event_id=uuid7().bytes, type="A", data=b"{}")]))
    await store.close()
    await rows.close()
asyncio.run(main())
"""
    path = tmp_path / "e.db"
    children = [
        subprocess.Popen([sys.executable, "-c", script, str(path)], stdin=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(3)
    ]
    for child in children:
        assert child.stdin is not None
        child.stdin.write(b"\n")
        child.stdin.flush()
    outputs = [await asyncio.to_thread(child.communicate, timeout=60) for child in children]
    assert [child.returncode for child in children] == [0, 0, 0], outputs
    async with opened(path) as (store, _):
        assert [each.version async for each in store.read(Stream("shared", "one"))] == list(range(1, 61))


# -------------------------------------------------------------------------- not ours


def text_file(path: Path) -> None:
    path.write_text("Dear diary,\n" * 1_000, "utf-8")


def foreign_events(path: Path) -> None:
    sql(path, "CREATE TABLE events (id INTEGER PRIMARY KEY, name TEXT)", "INSERT INTO events VALUES (1, 'party')")


def foreign_store(path: Path) -> None:
    sql(path, "CREATE TABLE store (name TEXT)", "CREATE TABLE events (name TEXT)")


def foreign_view(path: Path) -> None:
    sql(path, "CREATE TABLE t (x)", "CREATE VIEW Commands AS SELECT x FROM t")


def emptied_store(path: Path) -> None:
    sql(path, "CREATE TABLE store (one, schema_version)", "CREATE TABLE events (name TEXT)")


@pytest.mark.parametrize("make", [text_file, foreign_events, foreign_store, foreign_view, emptied_store])
async def test_a_file_that_is_no_store_is_refused_and_stays_as_it_was(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    path = tmp_path / "other.db"
    make(path)
    before = path.read_bytes()
    for migrate in (True, False):
        await refused(path, NotAStore, migrate=migrate)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["other.db"]


async def test_a_folder_is_no_store(tmp_path: Path) -> None:
    assert "folder" in str(await refused(tmp_path, NotAStore))


async def test_a_database_with_tables_of_other_names_may_hold_our_store_too(tmp_path: Path) -> None:
    path = tmp_path / "app.db"
    sql(path, "CREATE TABLE users (name TEXT)", "INSERT INTO users VALUES ('ann')")
    async with opened(path) as (store, _):
        await store.append(Append(ANN, [event()]))
    assert sql(path, "SELECT name FROM users") == [("ann",)]


async def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    error = await refused(tmp_path / "nowhere" / "e.db", StoreUnavailable)
    assert "there is no folder" in str(error)
    assert list(tmp_path.iterdir()) == []


async def test_sec22_a_symbolic_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "link.db").symlink_to(tmp_path / "real.db")
    error = await refused(tmp_path / "link.db", StoreUnavailable)
    assert "real.db" in str(error)
    assert not (tmp_path / "real.db").exists()


AS_NOBODY = """
import asyncio, os, sys
from eventfold.adapters.sqlite import open_sqlite
from eventfold.adapters.system import system_clock
from eventfold.errors import StoreUnavailable
if os.getuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
try:
    asyncio.run(open_sqlite(sys.argv[1], clock=system_clock))
except StoreUnavailable as error:
    print(error)
"""


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """`tmp_path` lies below a folder that only we may enter."""
    folder = Path(tempfile.mkdtemp(prefix="eventfold-"))
    folder.chmod(0o755)
    yield folder
    folder.chmod(0o755)
    shutil.rmtree(folder)


async def test_a_file_or_folder_that_cannot_be_written_is_refused_with_a_remedy(public_folder: Path) -> None:
    path = public_folder / "e.db"
    async with opened(path):
        pass
    path.chmod(0o444)
    before = path.read_bytes()
    public_folder.chmod(0o555)
    for place in (path, public_folder / "new.db"):
        command = [sys.executable, "-c", AS_NOBODY, str(place)]
        found = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=60)
        assert "cannot be opened for writing" in found.stdout, found
        assert "belong to this user" in found.stdout
    assert path.read_bytes() == before
    assert not (public_folder / "new.db").exists()


async def test_a_damaged_file_is_called_damaged(tmp_path: Path) -> None:
    path = tmp_path / "e.db"
    async with opened(path) as (store, _):
        await store.append(*(Append(Stream("many", str(number)), [event()]) for number in range(500)))
    content = bytearray(path.read_bytes())
    content[4096:] = b"\x5a" * (len(content) - 4096)
    path.write_bytes(content)

    async def read_it_all() -> None:
        async with opened(path) as (store, _):
            assert [each async for each in store.read_all(Query.all())]

    with pytest.raises(StoreError):
        await read_it_all()


# ---------------------------------------------------------------------------- prefix


async def test_c10_trap3_two_prefixes_in_one_file_do_not_see_each_other(tmp_path: Path) -> None:
    from sqlalchemy import Column, Integer, MetaData, Table, insert, select

    from eventfold.ports.checkpoint_store import Move

    path = tmp_path / "e.db"
    stores = {"": 1, "shop_": 2, "shop_events": 3}
    async with opened(path) as one, opened(path, prefix="shop_") as two, opened(path, prefix="shop_events") as three:
        for (store, rows), count in zip((one, two, three), stores.values(), strict=True):
            first = [event(tags=("t",)) for _ in range(count)]
            await store.append(Append(ANN, first, 0))
            assert (await store.append(Append(ANN, first, 0))).streams[0].deduplicated
            table = Table(f"rows{count}", MetaData(), Column("n", Integer, primary_key=True))
            await rows.prepare("p", version=count, tables=[table])
            async with rows.transaction() as transaction:
                shape, values = rows.bind(insert(table), {"n": count})
                await transaction.commit([(shape, [values])], Move("p", 0, count, first[-1].event_id))
            await rows.note_error("p", f"error {count}")
            assert await rows.query(select(table)) == [(count,)]
        for (store, rows), count in zip((one, two, three), stores.values(), strict=True):
            assert len([each async for each in store.read_all(Query.all())]) == count
            assert len([each async for each in store.read_all(Query.of(tags=["t"]))]) == count
            assert [each async for page in store.load(ANN) for each in page][-1][0] == count
            assert [each.version async for each in store.read(ANN, backwards=True)] == list(range(count, 0, -1))
            assert await store.head() == await store.head(Query.of(tags=["t"])) == count
            assert [each.version async for each in store.streams()] == [count]
            assert {whose: each.position for whose, each in (await rows.checkpoints()).items()} == {("p", 0): count}
        await two[1].reset("p")
        assert (await one[1].checkpoint("p")).position == 1
    for prefix, count in stores.items():
        assert sql(path, f"SELECT count(*) FROM {prefix}events") == [(count,)]
        assert sql(path, f"SELECT last_error, code_version FROM {prefix}processors") == [(f"error {count}", count)]


@pytest.mark.parametrize(
    "prefix", ['a"; DROP TABLE events; --', "A", "1a", "a-b", "ä", "x" * 33, "a\0", "a b", "sqlite_", "a\n"]
)
async def test_sec06_a_hostile_prefix_is_refused(tmp_path: Path, prefix: str) -> None:
    with pytest.raises(InvalidInput):
        async with opened(tmp_path / "e.db", prefix=prefix):
            pass
    assert list(tmp_path.iterdir()) == []
