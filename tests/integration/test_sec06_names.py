"""SEC-06: ten thousand texts, made to be taken for SQL: as ids, tags and types on real stores, as names of schemas."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from eventfold.adapters.postgres import open_postgres
from eventfold.adapters.postgres.names import Names as Schema
from eventfold.adapters.postgres.roles import Roles, role_statements
from eventfold.adapters.sqlite import open_sqlite
from eventfold.adapters.sqlite.names import Names as Prefix
from eventfold.adapters.system import system_clock, uuid7
from eventfold.domain.message import NewEvent, Stream
from eventfold.domain.query import Query
from eventfold.errors import InvalidInput
from eventfold.ports.event_store import Append, EventStore
from tests.postgres import PostgresServer

BATCH, BATCHES = 100, 100
"""Ten thousand."""

LONG = "64 KB"
"""Stands for as much; Hypothesis would print it."""
PIECES = [
    "'", '"', "`", ";", "--", "/*", "*/", "\\", "%", "_", "$1", "$$", ":x", "?", "{", "}", "{events}", "{{", "(", ")",
    "\0", "\n", "\ud800", "\u202e", " OR 1=1", "DROP TABLE events", "UNION SELECT * FROM store", "E'\\''", "U&'\\0027'",
    "'::regclass", "pg_sleep(9)", "NULL", "x", "events", "é", "日本", "😀", "ﬁ", "abc" * 90,
]  # fmt: skip
WHOLE = ["'; DROP TABLE events; --", "' OR '1'='1", '"; DROP SCHEMA eventfold CASCADE; --', LONG, "", "{0}"]
hostile = st.one_of(
    st.lists(st.sampled_from(PIECES), max_size=6).map("".join),
    st.tuples(st.sampled_from(WHOLE), st.text(max_size=3)).map("".join),
    st.text(st.characters(), max_size=40),
    st.from_regex(r"[a-z_]{1,4}[\"';\\ ]{1,3}[a-z_]{1,4}", fullmatch=True),
)
PLAIN = re.compile(r"[a-zA-Z][a-zA-Z0-9_:.]*")
"""What may be a category."""
batches = st.lists(hostile, min_size=BATCH, max_size=BATCH, unique=True)
Run: TypeAlias = Callable[[Coroutine[Any, Any, Any]], Any]


@pytest.fixture
def loop() -> Iterator[Run]:
    with asyncio.Runner() as runner:
        yield runner.run


async def closed(store: EventStore, rows: Any) -> None:
    await store.close()
    await rows.close()


def holds(store: EventStore, run: Run) -> None:
    """Each text is refused with one of our errors, or is stored, found and read as it was."""
    stored = seen = 0

    async def one(text: str) -> bool:
        text = text.replace(LONG, "x" * 65_536)
        event = NewEvent(
            event_id=uuid7().bytes, type=text, data=b"{}", tags=(text,), correlation_id=text, causation_id=text
        )
        stream = Stream("odd", text)
        try:
            appended = await store.append(Append(stream, [event]))
        except InvalidInput:
            return False
        assert event.event_id in [each.event_id async for each in store.read(stream)]
        for query in (Query.of(text), Query.of(tags=[text])):
            (found,) = [
                each async for each in store.read_all(query, after=appended.position - 1, upto=appended.position)
            ]
            assert (found.id, found.type, found.tags, found.correlation_id) == (text, text, (text,), text)
        if not PLAIN.fullmatch(text):
            with pytest.raises(InvalidInput):
                await store.append(Append(Stream(text, "x"), [NewEvent(event_id=uuid7().bytes, type="A", data=b"{}")]))
        return True

    async def all_of(texts: list[str]) -> list[bool]:
        return await asyncio.gather(*map(one, texts))

    @settings(max_examples=BATCHES, database=None, deadline=None, phases=[Phase.generate])  # a batch says enough
    @given(batches)
    def tried(texts: list[str]) -> None:
        nonlocal stored, seen
        outcomes = run(all_of(texts))
        stored += sum(outcomes)
        seen += len(outcomes)

    tried()
    assert seen >= BATCH * BATCHES
    assert seen / 10 < stored < seen, "most are refused, or nothing is: that proves little"


def test_sec06_texts_that_look_like_sql_on_sqlite(tmp_path: Path, loop: Run) -> None:
    store, rows, _ = loop(open_sqlite(str(tmp_path / "e.db"), clock=system_clock))
    before = tables_of(tmp_path / "e.db")
    try:
        holds(store, loop)
        assert tables_of(tmp_path / "e.db") == before
    finally:
        loop(closed(store, rows))


def test_sec06_texts_that_look_like_sql_on_postgres(postgres: PostgresServer, postgres_schema: str, loop: Run) -> None:
    store, rows, _ = loop(open_postgres(postgres.url, clock=system_clock, schema=postgres_schema))
    try:
        holds(store, loop)
    finally:
        loop(closed(store, rows))


def tables_of(path: Path) -> list[Any]:
    import apsw

    connection = apsw.Connection(str(path))
    try:
        return connection.execute("SELECT name, sql FROM sqlite_schema ORDER BY name").fetchall()
    finally:
        connection.close()


# ------------------------------------------------------------------------------------------------------------ names

IDENTIFIER = re.compile(r"[a-z_][a-z0-9_]{0,31}")


@settings(max_examples=10_000, database=None, deadline=None)
@given(st.one_of(hostile, st.from_regex(IDENTIFIER, fullmatch=True)))
def test_sec06_a_name_of_a_schema_a_prefix_or_a_role_is_an_identifier_or_refused(text: str) -> None:
    plain = IDENTIFIER.fullmatch(text) is not None
    for make in (Schema, Prefix, lambda name: role_statements(Schema(), Roles.of("shop", writer=name), tables=name)):
        try:
            make(text)
        except InvalidInput:
            assert not plain or text.startswith(("pg_", "information_schema", "sqlite_"))
        else:
            assert plain or text == ""
