"""The write-ahead log stays short while others read, and goes away with the last who has the file open."""

import asyncio
import logging
import os
from functools import partial
from pathlib import Path

import apsw
import pytest

from eventfold.adapters.sqlite import SqliteEventStore, open_sqlite
from eventfold.adapters.sqlite.wal import WalWatch, wal_readers, wal_size
from eventfold.adapters.system import ManualClock, uuid7
from eventfold.domain.message import NewEvent, Stream
from eventfold.domain.query import Query
from eventfold.errors import StoreClosed
from eventfold.ports.event_store import Append
from tests.integration import opening
from tests.integration.children import children
from tests.waiting import until

DEADLINE = 30.0
LIMIT = 1024 * 1024
opened = partial(opening.opened, synchronous="normal")


def append(count: int, size: int = 200) -> Append:
    data = b'"' + b"x" * size + b'"'
    return Append(
        Stream("s", uuid7().hex), [NewEvent(event_id=uuid7().bytes, type="Happened", data=data) for _ in range(count)]
    )


def watch(store: SqliteEventStore) -> WalWatch:
    (found,) = [
        each
        for each in (getattr(hook, "__self__", None) for hook in store._writer.after_commit)
        if isinstance(each, WalWatch)
    ]
    return found


@pytest.mark.slow
async def test_t07_fm33_a_slow_subscriber_lets_the_log_stay_short(tmp_path: Path) -> None:
    path = tmp_path / "e.db"
    largest = seen = 0
    async with opened(path) as (store, _):

        async def reads_slowly() -> None:
            nonlocal seen
            async with store.subscribe(Query.all(), after=0) as batches:
                async for batch in batches:
                    seen += len(batch.events)
                    await asyncio.sleep(0.02)

        reading = asyncio.ensure_future(reads_slowly())
        for _ in range(1_000):
            await store.append(append(100))
            largest = max(largest, wal_size(str(path)))
        assert largest <= 80 * 1024 * 1024
        reading.cancel()
        await asyncio.wait([reading])
        assert seen > 0
        assert await store.head() == 100_000


@pytest.mark.slow
async def test_t07_fm33_a_log_that_a_reader_pinned_is_cut_off_soon_after_it_ends(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "e.db"
    async with opened(path) as (store, _):
        watch(store).limit = LIMIT
        await store.append(append(1))
        reader = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
        reader.execute("BEGIN")
        reader.execute("SELECT max(position) FROM events").fetchall()
        with caplog.at_level(logging.WARNING, "eventfold.sqlite"):
            for _ in range(30):
                await store.append(append(200, 500))
            assert wal_size(str(path)) > LIMIT
            await until(lambda: bool(caplog.records))
            await store.append(append(1))  # it holds up nobody
        assert f"process(es) {os.getpid()} read an old state" in caplog.text
        assert len(caplog.records) == 1
        reader.execute("ROLLBACK")
        await until(lambda: wal_size(str(path)) < LIMIT)
        reader.close()
        assert await store.head() == 30 * 200 + 2


async def test_fm33_closing_stops_the_watch_over_a_log_that_cannot_be_cut(tmp_path: Path) -> None:
    path = tmp_path / "e.db"
    reader = None
    try:
        async with opened(path) as (store, _):
            watch(store).limit = 0
            reader = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM store").fetchall()
            await store.append(append(10))
            await asyncio.sleep(0.05)
            async with asyncio.timeout(DEADLINE):
                await store.close()
            assert [task.get_name() for task in asyncio.all_tasks() if "watch" in task.get_name()] == []
            with pytest.raises(StoreClosed):
                await store.append(append(1))
    finally:
        if reader is not None:
            reader.close()


def test_readers_are_found_in_the_kernels_table_of_locks(tmp_path: Path) -> None:
    path = tmp_path / "e.db"
    shm = tmp_path / "e.db-shm"
    shm.touch()
    inode = shm.stat().st_ino
    table = f"""\
1: POSIX  ADVISORY  READ 11 fe:00:{inode} 124 124
2: POSIX  ADVISORY  READ 12 fe:00:{inode} 128 128
3: POSIX  ADVISORY  WRITE 13 fe:00:{inode} 120 120
4: POSIX  ADVISORY  READ 14 fe:00:{inode + 1} 124 124
5: FLOCK  ADVISORY  WRITE 15 fe:00:{inode} 0 EOF
5: -> FLOCK  ADVISORY  WRITE 16 fe:00:{inode} 0 EOF
6: POSIX  ADVISORY  READ 9 fe:00:{inode} 127 127
"""
    assert wal_readers(str(path), table) == [9, 11]
    assert wal_readers(str(tmp_path / "none"), table) == []


# ----------------------------------------------------------------------------- closing


async def test_after_the_last_has_closed_the_file_stands_alone(tmp_path: Path) -> None:
    path = tmp_path / "e.db"
    async with opened(path) as (store, rows):
        await store.append(append(3))
        await store.head()
        await rows.query_text("SELECT count(*) FROM events")
        await rows.checkpoints()
        assert wal_size(str(path)) > 0
        async with opened(path) as (other, _):
            await other.append(append(1))
        assert wal_size(str(path)) > 0
    assert sorted(each.name for each in tmp_path.iterdir()) == ["e.db", "e.db-lock"]
    async with opened(path) as (store, _):  # and reading alone leaves nothing either
        assert await store.head() == 4
    assert sorted(each.name for each in tmp_path.iterdir()) == ["e.db", "e.db-lock"]


async def test_rows_that_close_first_close_the_file_too(tmp_path: Path) -> None:
    path = tmp_path / "e.db"
    store, rows, _ = await open_sqlite(str(path), clock=ManualClock())
    await store.append(append(1))
    await rows.close()
    await store.close()
    assert sorted(each.name for each in tmp_path.iterdir()) == ["e.db", "e.db-lock"]


OPEN_AND_CLOSE = """
async def main():
    say("ready")
    for _ in range(15):
        store, rows, _ = await open_sqlite(path, clock=system_clock, busy=30.0)
        await store.append(append(Stream("shared", "one")))
        await store.close()
        await rows.close()
"""


async def test_opening_and_closing_while_others_write_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "e.db"
    async with children(OPEN_AND_CLOSE, (path,), (path,), (path,)) as started:
        for child in started:
            await child.ended()
    assert sorted(each.name for each in tmp_path.iterdir()) == ["e.db", "e.db-lock"]
    async with opened(path) as (store, _):
        assert [each.version async for each in store.read(Stream("shared", "one"))] == list(range(1, 46))
