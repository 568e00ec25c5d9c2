"""A backup of a store in use: whole, of one moment, and nobody's file is overwritten."""

import asyncio
import stat
import threading
from pathlib import Path
from typing import Any

import apsw
import pytest

from eventfold.adapters.sqlite import backup as backups
from eventfold.adapters.sqlite.backup import backup_sqlite
from eventfold.adapters.sqlite.migrate import found_version
from eventfold.adapters.system import uuid7
from eventfold.bootstrap.stores import backup
from eventfold.domain.message import NewEvent, Stream
from eventfold.domain.query import Query
from eventfold.errors import (
    InvalidInput,
    InvalidStoreUrl,
    NotAStore,
    StoreError,
    StoreNotMigrated,
    StoreUnavailable,
    UnsupportedByStore,
)
from eventfold.ports.checkpoint_store import Move
from eventfold.ports.event_store import Append
from tests.integration.opening import opened

ANN = Stream("account", "ann")


def append(count: int = 1, size: int = 20) -> Append:
    data = b'"' + b"x" * size + b'"'
    return Append(ANN, [NewEvent(event_id=uuid7().bytes, type="Happened", data=data) for _ in range(count)])


async def positions(path: Path) -> list[int]:
    async with opened(path) as (store, _):
        return [each.position async for each in store.read_all(Query.all())]


async def test_a_backup_opens_as_a_store_with_all_that_was_there(tmp_path: Path) -> None:
    async with opened(tmp_path / "e.db") as (store, rows):
        event = append().events[0]
        await store.append(append(4), Append(Stream("x", "1"), [event]))
        await rows.advance(Move("p", 0, 5, event.event_id))
        made = await backup(f"sqlite:///{tmp_path}/e.db", str(tmp_path / "copy.db"))
    assert (made.path, made.events, made.head) == (str(tmp_path / "copy.db"), 5, 5)
    assert made.size == (tmp_path / "copy.db").stat().st_size
    assert stat.S_IMODE((tmp_path / "copy.db").stat().st_mode) == 0o600
    assert sorted(each.name for each in tmp_path.iterdir()) == ["copy.db", "e.db", "e.db-lock"]
    async with opened(tmp_path / "copy.db") as (store, rows):
        assert await store.head() == 5
        assert (await rows.checkpoint("p")).position == 5
        assert (await store.append(append())).position == 6


async def test_a_backup_under_load_is_one_moment_and_holds_up_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "e.db"
    monkeypatch.setattr(backups, "_PAGES", 1)
    async with opened(path, synchronous="normal") as (store, _):
        for _ in range(20):
            await store.append(append(100, 500))
        copying = asyncio.ensure_future(backup_sqlite(str(path), str(tmp_path / "copy.db")))
        beside = 0
        while not copying.done():
            await store.append(append())
            beside += 1
        made = await copying
        assert beside > 20
        assert 2_000 <= made.head == made.events < 2_000 + beside
    assert await positions(tmp_path / "copy.db") == list(range(1, made.head + 1))


async def test_what_is_there_is_never_overwritten(tmp_path: Path) -> None:
    path, to = tmp_path / "e.db", tmp_path / "mine.txt"
    async with opened(path) as (store, _):
        await store.append(append())
        to.write_text("mine")
        (tmp_path / "link").symlink_to(tmp_path / "nowhere")
        for taken in (to, path, tmp_path / "link"):
            with pytest.raises(InvalidInput, match="already"):
                await backup_sqlite(str(path), str(taken))
        assert to.read_text() == "mine"
        with pytest.raises(StoreUnavailable, match="cannot be written"):
            await backup_sqlite(str(path), str(tmp_path / "none" / "copy.db"))
        assert await store.head() == 1
    assert not (tmp_path / "nowhere").exists()


async def test_a_name_that_is_taken_meanwhile_is_not_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, to = tmp_path / "e.db", tmp_path / "copy.db"
    real = backups._checked

    def slow(*arguments: Any) -> Any:
        to.write_text("another was quicker")
        return real(*arguments)

    monkeypatch.setattr(backups, "_checked", slow)
    async with opened(path) as (store, _):
        await store.append(append())
        with pytest.raises(InvalidInput, match="already"):
            await backup_sqlite(str(path), str(to))
    assert to.read_text() == "another was quicker"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["copy.db", "e.db", "e.db-lock"]


@pytest.mark.parametrize(
    "damage",
    [
        "DROP TRIGGER events_no_delete; DELETE FROM events WHERE position = 2",
        "PRAGMA user_version = 1",
        "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET rootpage = 2 WHERE name = 'checkpoints'",
    ],
)
async def test_a_copy_that_is_not_the_source_gets_no_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    path = tmp_path / "e.db"
    real = backups._checked

    def damaged(part: str, *rest: Any) -> Any:
        connection = apsw.Connection(part)
        connection.execute(damage)
        connection.close()
        if "user_version" in damage:
            content = bytearray(Path(part).read_bytes())
            content[4096 * 3 :] = b"\x5a" * (len(content) - 4096 * 3)
            Path(part).write_bytes(content)
        return real(part, *rest)

    monkeypatch.setattr(backups, "_checked", damaged)
    async with opened(path) as (store, _):
        await store.append(append(3))
        with pytest.raises(StoreError):
            await backup_sqlite(str(path), str(tmp_path / "copy.db"))
    assert sorted(each.name for each in tmp_path.iterdir()) == ["e.db", "e.db-lock"]


async def test_a_backup_that_is_cancelled_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "e.db"
    monkeypatch.setattr(backups, "_PAGES", 1)
    reached, gate = threading.Event(), threading.Event()
    real = found_version

    def slow(*arguments: Any, **named: Any) -> int:
        reached.set()
        gate.wait(10)
        return real(*arguments, **named)

    monkeypatch.setattr(backups, "found_version", slow)
    async with opened(path) as (store, _):
        await store.append(append(100))
        copying = asyncio.ensure_future(backup_sqlite(str(path), str(tmp_path / "copy.db")))
        await asyncio.to_thread(reached.wait, 10)
        copying.cancel()
        await asyncio.sleep(0)
        gate.set()
        with pytest.raises(asyncio.CancelledError):
            await copying
        assert [each.name for each in tmp_path.iterdir() if "copy" in each.name] == []


async def test_only_a_store_in_a_file_has_a_backup(tmp_path: Path) -> None:
    to = str(tmp_path / "copy.db")
    with pytest.raises(UnsupportedByStore):
        await backup("memory:", to)
    for url in ("nats:x", f"sqlite:///{tmp_path}/e.db?colour=red", "sqlite:e.db"):
        with pytest.raises(InvalidStoreUrl):
            await backup(url, to)
    with pytest.raises(StoreNotMigrated):
        await backup(f"sqlite:///{tmp_path}/none.db", to)
    (tmp_path / "notes.txt").write_text("Dear diary,\n" * 1_000)
    with pytest.raises(NotAStore):
        await backup(f"sqlite:///{tmp_path}/notes.txt", to)
    assert [each.name for each in tmp_path.iterdir()] == ["notes.txt"]


async def test_the_prefix_of_the_url_says_which_store_is_meant(tmp_path: Path) -> None:
    async with opened(tmp_path / "e.db", prefix="shop_") as (store, _):
        await store.append(append(2))
        made = await backup(f"sqlite:///{tmp_path}/e.db?prefix=shop_", str(tmp_path / "copy.db"))
    assert made.events == 2
    with pytest.raises(StoreNotMigrated):
        await backup(f"sqlite:///{tmp_path}/e.db", str(tmp_path / "other.db"))
