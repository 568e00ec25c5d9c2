"""SQLite: what is removed is gone, also for processes that have seen it; nobody changes events by accident."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, TypedDict

import apsw
import pytest

from eventfold.adapters.system import ManualClock
from eventfold.bootstrap.stores import Stores, open_stores
from eventfold.domain.message import Stream
from eventfold.domain.query import Query
from eventfold.errors import ConcurrencyConflict, StoreNotMigrated
from eventfold.ports.event_store import ANY, EXISTS, NEW, Expect
from eventfold.testing.conformance.material import collected, event, events, store_one

ANN, BOB = Stream("account", "ann"), Stream("account", "bob")
ALL = Query.all()


class Who(TypedDict):
    actor: str
    reason: str


WHO: Who = {"actor": "ops", "reason": "a test"}


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "e.db")


@pytest.fixture
async def stores(path: str) -> AsyncIterator[Stores]:
    async with open_stores(f"sqlite:///{path}", clock=ManualClock(), migrate=True) as stores:
        yield stores


@pytest.fixture
async def other(path: str, stores: Stores) -> AsyncIterator[Stores]:
    """As another process has it: it knows of the first one's acts from the file alone."""
    async with open_stores(f"sqlite:///{path}", clock=ManualClock(), migrate=True) as other:
        yield other


def execute(path: str, sql: str) -> list[Any]:
    connection = apsw.Connection(path)
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


@pytest.mark.parametrize("seen", [1, 3])
@pytest.mark.parametrize("expect", [ANY, NEW, 0], ids=str)
async def test_c11_another_process_does_not_use_a_version_again(
    stores: Stores, other: Stores, seen: int, expect: int | Expect
) -> None:
    """What it has seen of the stream is of no worth any more, and no row is there to say so."""
    await store_one(other.events, ANN, *events(seen))
    await store_one(stores.events, ANN, *events(3))
    await stores.administration.delete(ANN, **WHO)
    assert (await store_one(other.events, ANN, event(), expect=expect)).version == seen + 3 + 2
    assert (await store_one(other.events, BOB, event(), expect=expect)).version == 1


@pytest.mark.parametrize("expect", [EXISTS, 1, 2, 4], ids=str)
async def test_c11_another_process_that_decided_on_the_old_story_gets_a_conflict(
    stores: Stores, other: Stores, expect: int | Expect
) -> None:
    await store_one(other.events, ANN)
    await store_one(stores.events, ANN, *events(3))
    await stores.administration.delete(ANN, **WHO)
    for batch in (events(1), events(3)):
        with pytest.raises(ConcurrencyConflict) as conflict:
            await store_one(other.events, ANN, *batch, expect=expect)
        assert conflict.value.actual == 0
    assert await collected(other.events.read(ANN)) == []


async def test_c11_tags_go_with_their_events(path: str, stores: Stores) -> None:
    await store_one(stores.events, ANN, *events(3, tags=("a", "b")), event(tags=("a",)))
    await store_one(stores.events, BOB, event(tags=("a",)))
    await stores.administration.truncate(ANN, before_version=2, **WHO)
    await stores.administration.delete(ANN, **WHO)
    assert execute(path, "SELECT tag, position FROM event_tags") == [("a", 5)]
    assert execute(path, "SELECT count(*) FROM removed_events") == [(4,)]


async def test_c11_another_process_does_not_fill_up_what_was_truncated(stores: Stores, other: Stores) -> None:
    await store_one(other.events, ANN)
    await store_one(stores.events, ANN, *events(3))
    await stores.administration.truncate(ANN, before_version=4, **WHO)
    assert (await store_one(other.events, ANN, event(), expect=ANY)).version == 5
    assert [each.version for each in await collected(other.events.read(ANN))] == [4, 5]


@pytest.mark.parametrize(
    "change",
    ["UPDATE events SET data = ''", "DELETE FROM events", "UPDATE event_tags SET tag = 'b'", "DELETE FROM event_tags"],
)
async def test_g06_c12_events_change_for_nobody_by_accident(change: str, path: str, stores: Stores) -> None:
    await store_one(stores.events, ANN, event(tags=("a",)))
    before = await collected(stores.events.read_all(ALL))
    with pytest.raises(apsw.ConstraintError, match="facts"):
        execute(path, change)
    assert await collected(stores.events.read_all(ALL)) == before
    await stores.administration.replace(before[0].event_id, b"{}", **WHO)
    with pytest.raises(apsw.ConstraintError, match="facts"):
        execute(path, change)


async def test_c11_nothing_is_removed_while_an_older_release_may_use_the_file(path: str, stores: Stores) -> None:
    """It would not know what a tombstone is, and fold what is left of a truncated stream."""
    (new,) = events(1)
    await store_one(stores.events, ANN, new, event())
    execute(path, "UPDATE store SET schema_version = 1")
    for act in (
        stores.administration.delete(ANN, **WHO),
        stores.administration.truncate(ANN, before_version=2, **WHO),
    ):
        with pytest.raises(StoreNotMigrated, match="--finish"):
            await act
    assert len(await collected(stores.events.read(ANN))) == 2
    await stores.administration.erase(new.event_id, **WHO)


async def test_c12_an_erased_payload_is_not_in_the_file_any_more(path: str, stores: Stores) -> None:
    secret = event(b'{"who":"extraordinarily secret"}', tags=("extraordinarily secret",))
    await store_one(stores.events, ANN, *events(3), secret)
    await stores.administration.erase(secret.event_id, **WHO)
    await stores.events.close()
    await stores.rows.close()
    for file in Path(path).parent.iterdir():
        assert b"extraordinarily secret" not in file.read_bytes()
