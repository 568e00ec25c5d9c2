"""The index of types: when it is needed, that a boundary uses it, and that nothing else depends on it."""

import random
from pathlib import Path
from typing import Any

import apsw
import pytest

from eventfold.adapters.sqlite.names import Names
from eventfold.adapters.sqlite.queries import boundary
from eventfold.adapters.sqlite.type_index import asks_by_type, has_type_index, make_type_index
from eventfold.adapters.system import uuid7
from eventfold.domain.message import NewEvent, Stream
from eventfold.domain.query import Query
from eventfold.ports.event_store import Append
from tests.integration.opening import opened

NAMES = Names()
TYPES = ("Opened", "Changed", "Closed")
QUERIES = [
    Query.of("Opened"),
    Query.of("Opened", "Closed"),
    Query.of("Opened", categories=["book"]),
    Query.of("Opened") | Query.of("Closed", categories=["order"]),
    Query.of("Opened") | Query.of("Closed", tags=["red"]),
    Query.of("Opened") | Query.of("Opened", "Changed"),
    Query.of(tags=["red"]) | Query.of("Changed", tags=["green", "red"]),
    Query.of("Nothing"),
]


async def filled(path: Path, prefix: str = "") -> None:
    chance = random.Random(5)
    async with opened(path, prefix=prefix, synchronous="normal") as (store, _):
        for _ in range(300):
            tags = tuple(sorted(chance.sample(("red", "green", "blue"), chance.randrange(3))))
            event = NewEvent(event_id=uuid7().bytes, type=chance.choice(TYPES), data=b"{}", tags=tags)
            await store.append(Append(Stream(chance.choice(("book", "order")), "1"), [event]))


def plan(connection: Any, query: Query, after: int = 0) -> tuple[str, list[int]]:
    sql, values = boundary(query, after, 10_000)
    statement = NAMES.fill(f"SELECT position, data FROM {{events}} WHERE {sql} ORDER BY position LIMIT 500")
    steps = " / ".join(row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}", values))
    return steps, [row[0] for row in connection.execute(statement, values)]


@pytest.mark.parametrize("query", QUERIES, ids=range(len(QUERIES)))
async def test_a_boundary_by_type_uses_the_index_and_finds_what_it_found_without(tmp_path: Path, query: Query) -> None:
    path = tmp_path / "e.db"
    await filled(path)
    async with opened(path) as (store, _):
        expected = [each.position async for each in store.read_all(query, after=40)]
        for _ in range(2):
            read = await store.read_boundary(query)
            assert [each.position async for each in read.events if each.position > 40] == expected
    connection: Any = apsw.Connection(str(path))
    try:
        assert has_type_index(connection, NAMES) is asks_by_type(query)
        steps, found = plan(connection, query, 40)
        assert found == expected
        assert ("events_type (type=? AND position>? AND position<?)" in steps) == asks_by_type(query)
        assert "SCAN events" not in steps
        assert "PRIMARY KEY (rowid>? AND rowid<?)" not in steps
        make_type_index(connection, NAMES)  # as when another process was quicker
        make_type_index(connection, NAMES)
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("query", "needed"),
    [
        (Query.of("Opened"), True),
        (Query.of("Opened") | Query.of(tags=["red"]), True),
        (Query.of("Opened", tags=["red"]), False),
        (Query.of(categories=["book"]), False),
        (Query.of("Opened") | Query.of(categories=["book"]), False),
    ],
)
def test_only_who_asks_by_type_needs_it(query: Query, needed: bool) -> None:
    assert asks_by_type(query) is needed


async def test_c10_each_prefix_has_an_index_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "e.db"
    await filled(path, "a_")
    await filled(path)
    connection: Any = apsw.Connection(str(path))
    try:
        make_type_index(connection, Names("a_"))
        assert has_type_index(connection, Names("a_"))
        assert not has_type_index(connection, NAMES)
    finally:
        connection.close()
