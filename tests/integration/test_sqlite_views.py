"""SQL views of one category each: what they show, which names are refused, and that nothing else is touched."""

import asyncio
import json
from pathlib import Path
from typing import Any

import apsw
import pytest

from eventfold.adapters.sqlite.lock import FileLock
from eventfold.adapters.sqlite.views import make_views
from eventfold.adapters.system import uuid7
from eventfold.bootstrap.inspection import category_views
from eventfold.cli.exits import Exit
from eventfold.cli.program import run
from eventfold.domain.message import NewEvent, Stream
from eventfold.errors import InvalidInput, InvalidStreamName, StoreBusy, UnsupportedByStore
from eventfold.ports.event_store import Append
from tests.integration.opening import opened

HOSTILE = ["", 'a"; DROP TABLE events; --', "a' OR '1'='1", "a-b", "ä", "1a", "a b", "a\0", "a\n", "x" * 101]


def append(category: str, id: str = "1", count: int = 1) -> Append:
    events = [NewEvent(event_id=uuid7().bytes, type="Happened", data=b'{"n":1}') for _ in range(count)]
    return Append(Stream(category, id), events)


def sql(path: Path, statement: str, *values: Any) -> list[tuple[Any, ...]]:
    connection = apsw.Connection(str(path))
    try:
        return connection.execute(statement, values).fetchall()
    finally:
        connection.close()


def views(path: Path) -> list[str]:
    return [name for (name,) in sql(path, "SELECT name FROM sqlite_schema WHERE type = 'view' ORDER BY name")]


async def filled(path: Path, *categories: str, **options: Any) -> str:
    async with opened(path, **options) as (store, _):
        for number, category in enumerate(categories, 1):
            await store.append(append(category, count=number))
    prefix = options.get("prefix")
    return f"sqlite:///{path}" + (f"?prefix={prefix}" if prefix else "")


async def test_c10_every_category_has_a_view_that_follows_the_log(tmp_path: Path) -> None:
    path = tmp_path / "e.db"
    url = await filled(path, "book", "order", "a:b.c_D")
    made = await category_views(url, [])
    assert [(each.category, each.name, each.made) for each in made] == [
        ("a:b.c_D", "a:b.c_D_events", True),
        ("book", "book_events", True),
        ("order", "order_events", True),
    ]
    assert [sql(path, f'SELECT count(*) FROM "{each.name}"')[0][0] for each in made] == [3, 1, 2]
    async with opened(path) as (store, _):  # nothing about the store has changed
        await store.append(append("book", "isbn-1"))
    rows = sql(path, "SELECT id, version, type, data FROM book_events ORDER BY position")
    assert rows == [("1", 1, "Happened", '{"n":1}'), ("isbn-1", 1, "Happened", '{"n":1}')]
    plan = str(sql(path, "EXPLAIN QUERY PLAN SELECT id FROM book_events ORDER BY position"))
    assert "USING INDEX events_category (category=?)" in plan


async def test_c10_views_are_made_beside_an_open_store_and_once(tmp_path: Path) -> None:
    path = tmp_path / "e.db"
    url = await filled(path, "book")
    async with opened(path) as (store, _):
        await store.append(append("book"))
        first = await category_views(url, ["book", "later", "book"])
        assert [(each.name, each.made) for each in first] == [("book_events", True), ("later_events", True)]
        await store.append(append("later"))
        assert [event.category async for event in store.read(Stream("later", "1"))] == ["later"]
        second = await category_views(url, ["book", "later"])
        assert [(each.name, each.made) for each in second] == [("book_events", False), ("later_events", False)]
    assert sql(path, "SELECT count(*) FROM later_events") == [(1,)]


async def test_c10_trap3_views_stand_behind_the_prefix_and_show_its_log_alone(tmp_path: Path) -> None:
    path = tmp_path / "e.db"
    plain = await filled(path, "book")
    shop = await filled(path, "book", "order", prefix="shop_")
    await category_views(plain, [])
    await category_views(shop, [])
    assert views(path) == ["book_events", "events_json", "shop_book_events", "shop_events_json", "shop_order_events"]
    assert sql(path, "SELECT count(*) FROM book_events") == [(1,)]
    assert sql(path, "SELECT count(*) FROM shop_order_events") == [(2,)]
    async with opened(path) as (one, _), opened(path, prefix="shop_") as (two, _):
        assert (await one.head(), await two.head()) == (1, 3)


@pytest.mark.parametrize("category", HOSTILE)
async def test_c10_sec06_a_hostile_category_is_refused_and_none_is_made(tmp_path: Path, category: str) -> None:
    path = tmp_path / "e.db"
    url = await filled(path, "book")
    before = path.read_bytes()
    with pytest.raises(InvalidStreamName):
        await category_views(url, ["book", category])
    assert path.read_bytes() == before


async def test_c10_sec06_a_hostile_category_that_somebody_wrote_into_the_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "e.db"
    url = await filled(path, "book", "order")
    forged = "x' UNION SELECT 1; DROP TABLE events; --"
    sql(path, "DROP TRIGGER events_no_update")
    sql(path, "UPDATE events SET category = ? WHERE category = 'order'", forged)
    with pytest.raises(InvalidStreamName) as refused:
        await category_views(url, [])
    assert refused.value.category == forged
    assert views(path) == ["events_json"]  # all or none
    assert sql(path, "SELECT count(*) FROM events") == [(3,)]


@pytest.mark.parametrize(
    ("there", "category"),
    [
        ("CREATE TABLE book_events (mine)", "book"),
        ("CREATE VIEW book_events AS SELECT 'mine'", "book"),
        ("CREATE VIEW Book_Events AS SELECT * FROM events_json WHERE category = 'Book'", "book"),
        ("CREATE INDEX book_events ON events (type)", "book"),
        ("SELECT 1", "sqlite_x"),
        ("SELECT 1", "SQLite_x"),
    ],
)
async def test_c10_what_has_the_name_already_stays_as_it_is(tmp_path: Path, there: str, category: str) -> None:
    path = tmp_path / "e.db"
    url = await filled(path, "other")
    sql(path, there)
    before = sql(path, "SELECT * FROM sqlite_schema")
    with pytest.raises(InvalidInput, match=category):
        await category_views(url, ["other", category])
    assert sql(path, "SELECT * FROM sqlite_schema") == before


async def test_c10_two_categories_that_differ_in_case_alone_cannot_both_have_one(tmp_path: Path) -> None:
    path = tmp_path / "e.db"
    url = await filled(path, "Book", "book")
    with pytest.raises(InvalidInput, match="Book_events"):
        await category_views(url, [])
    assert views(path) == ["events_json"]
    await category_views(url, ["book"])
    assert sql(path, "SELECT DISTINCT category FROM book_events") == [("book",)]


async def test_c10_a_view_waits_its_turn_and_says_who_is_in_the_way(tmp_path: Path) -> None:
    path = tmp_path / "e.db"
    await filled(path, "book")
    lock = FileLock(str(path), busy=0)
    assert lock.try_take()
    try:
        with pytest.raises(StoreBusy):
            await asyncio.to_thread(make_views, str(path), ["book"], prefix="", busy=0.05)
    finally:
        lock.release()
        lock.close()
    assert views(path) == ["events_json"]


async def test_memory_has_no_views() -> None:
    with pytest.raises(UnsupportedByStore):
        await category_views("memory:", [])


def test_c10_the_command_says_what_it_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    url = asyncio.run(filled(tmp_path / "e.db", "book"))
    assert run(["store", "views", "--store", url]) == Exit.OK
    assert capsys.readouterr().out == "book_events: made.\n"
    assert run(["store", "views", "book", "order", "--json", "--store", url]) == Exit.OK
    assert json.loads(capsys.readouterr().out) == [
        {"category": "book", "view": "book_events", "made": False},
        {"category": "order", "view": "order_events", "made": True},
    ]
    assert run(["store", "views", "a'b", "--store", url]) == Exit.USAGE
    assert "category" in capsys.readouterr().err
    empty = asyncio.run(filled(tmp_path / "empty.db"))
    assert run(["store", "views", "--store", empty]) == Exit.OK
    assert "no events yet" in capsys.readouterr().out
