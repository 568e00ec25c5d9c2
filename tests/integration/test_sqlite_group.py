"""A group of appends: one transaction, an outcome for each, and nobody pays for a neighbour."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest

from eventfold.adapters.sqlite import SqliteEventStore, open_sqlite
from eventfold.adapters.sqlite.group import GroupCommit, Outcome
from eventfold.adapters.sqlite.names import Names
from eventfold.adapters.sqlite.read_model import SqliteReadModel
from eventfold.adapters.system import ManualClock, uuid7
from eventfold.domain.message import NewEvent, Stream
from eventfold.domain.query import Query
from eventfold.errors import (
    AppendOutcomeUnknown,
    ConcurrencyConflict,
    EventIdConflict,
    StoreBusy,
    StoreError,
    StoreFull,
    StoreUnavailable,
)
from eventfold.ports.event_store import NEW, Append, Appended

Opened = tuple[SqliteEventStore, SqliteReadModel]
ANN, BOB = Stream("account", "ann"), Stream("account", "bob")


def event(data: bytes = b"{}", **fields: Any) -> NewEvent:
    return NewEvent(**{"event_id": uuid7().bytes, "type": "Happened", "data": data} | fields)


@pytest.fixture
async def opened(tmp_path: Path) -> AsyncIterator[Opened]:
    both = (await open_sqlite(str(tmp_path / "e.db"), clock=ManualClock(), busy=0.05))[:2]
    yield both
    for each in both:
        await each.close()


@pytest.fixture
def store(opened: Opened) -> SqliteEventStore:
    return opened[0]


@pytest.fixture
def connection(store: SqliteEventStore) -> apsw.Connection:
    return store._writer._connection  # type: ignore[return-value] # the real one


@pytest.fixture
def group(store: SqliteEventStore) -> GroupCommit:
    return store._writer._group_commit


@pytest.fixture
def other(tmp_path: Path, opened: Opened) -> Iterator[apsw.Connection]:
    connection = apsw.Connection(str(tmp_path / "e.db"))
    yield connection
    connection.close()


def kinds(outcomes: list[Outcome]) -> list[type]:
    return [type(each) for each in outcomes]


async def test_one_conflict_one_repeated_id_and_one_reused_id_harm_nobody_else(
    store: SqliteEventStore, group: GroupCommit
) -> None:
    known, twice = event(), event()
    await store.append(Append(ANN, [known]))
    outcomes = group.run(
        [
            (Append(BOB, [event()], NEW),),
            (Append(ANN, [event()], 5),),
            (Append(ANN, [known], 0),),
            (Append(ANN, [event(b"[]", event_id=known.event_id)]),),
            (Append(Stream("x", "1"), [twice, twice]),),
            (Append(Stream("x", "2"), [event()]), Append(ANN, [event()], 0)),
            (Append(BOB, [event()], 1), Append(ANN, [event()], 1)),
        ]
    )
    assert kinds(outcomes) == [
        Appended,
        ConcurrencyConflict,
        Appended,
        EventIdConflict,
        EventIdConflict,
        ConcurrencyConflict,
        Appended,
    ]
    assert [str(each.stream) async for each in store.read_all(Query.all())] == [
        "account-ann",
        "account-bob",
        "account-bob",
        "account-ann",
    ]


async def test_what_cannot_be_written_harms_nobody_else(group: GroupCommit, store: SqliteEventStore) -> None:
    strange = event(tags=("\ud800",))  # refused before it gets here; what slips through must still stay alone
    outcomes = group.run([(Append(ANN, [event()]),), (Append(BOB, [strange]),), (Append(ANN, [event()]),)])
    assert isinstance(outcomes[1], Exception)
    assert kinds([outcomes[0], outcomes[2]]) == [Appended, Appended]
    assert [each.version async for each in store.read(ANN)] == [1, 2]
    assert [each.position async for each in store.read_all(Query.all())] == [1, 2]


async def test_another_connection_is_noticed_and_positions_and_versions_go_on(
    store: SqliteEventStore, other: apsw.Connection
) -> None:
    other_group = GroupCommit(other, Names(), "other", ManualClock())
    for turn in range(5):
        await store.append(Append(ANN, [event(), event()]))
        (outcome,) = other_group.run([(Append(ANN, [event()], turn * 3 + 2),)])
        assert isinstance(outcome, Appended), outcome
    assert [each.version async for each in store.read(ANN)] == list(range(1, 16))
    assert [each.position async for each in store.read_all(Query.all())] == list(range(1, 16))
    with pytest.raises(ConcurrencyConflict) as conflict:
        await store.append(Append(ANN, [event()], 14))
    assert conflict.value.actual == 15


async def test_fm30_a_store_that_is_held_by_another_is_busy_and_nothing_else(
    store: SqliteEventStore, group: GroupCommit, other: apsw.Connection
) -> None:
    other.execute("BEGIN IMMEDIATE")
    begun: list[str] = []

    def noting(sql: str, *rest: Any) -> Any:
        begun.append(sql)
        return type(group._connection).execute(group._connection, sql, *rest)

    group._execute = noting
    outcomes = group.run([(Append(ANN, [event()]),) for _ in range(4)])
    assert kinds(outcomes) == [StoreBusy] * 4
    assert begun == ["BEGIN IMMEDIATE"]  # one wait for all, not one for each
    other.execute("ROLLBACK")
    assert kinds(group.run([(Append(ANN, [event()]),)])) == [Appended]
    assert len([each async for each in store.read(ANN)]) == 1


async def test_a_deleted_tail_leaves_its_positions_unused(store: SqliteEventStore, other: apsw.Connection) -> None:
    await store.append(Append(ANN, [event() for _ in range(5)]))
    other.execute("DROP TRIGGER events_no_delete; DELETE FROM events WHERE position > 3")
    appended = await store.append(Append(BOB, [event()]))
    assert appended.position == 6


# ------------------------------------------------------------------------- disk full


async def test_a_full_disk_stores_nothing_of_what_does_not_fit_and_recovers(
    store: SqliteEventStore, connection: apsw.Connection, tmp_path: Path
) -> None:
    await store.append(Append(ANN, [event()]))
    pages = connection.execute("PRAGMA page_count").get
    connection.execute(f"PRAGMA max_page_count = {pages + 20}")
    large = event(b"x" * 500_000)
    small = [Append(Stream("small", str(number)), [event()]) for number in range(4)]
    appends = [*small[:2], Append(BOB, [event(), large]), *small[2:]]
    outcomes = await asyncio.gather(*(store.append(each) for each in appends), return_exceptions=True)
    assert [type(each) for each in outcomes] == [Appended, Appended, StoreFull, Appended, Appended]
    assert not connection.in_transaction
    assert [each async for each in store.read(BOB)] == []
    with pytest.raises(StoreFull):
        await store.append(Append(BOB, [event(b"x" * 500_000)]), Append(ANN, [event()]))
    assert not connection.in_transaction
    assert len([each async for each in store.read(ANN)]) == 1
    connection.execute("PRAGMA max_page_count = 1000000")
    assert (await store.append(Append(BOB, [large], NEW))).streams[0].version == 1
    assert [each.position async for each in store.read_all(Query.all())] == [1, 2, 3, 4, 5, 6]
    assert connection.execute("PRAGMA integrity_check").get == "ok"


# --------------------------------------------------------- what a failing disk may do


class Failing:
    """Stands before the real connection and fails where it is told to."""

    def __init__(self, real: apsw.Connection, at: str, error: Exception, *, after: bool = False) -> None:
        self._real, self._at, self._error, self._after = real, at, error, after
        self.left = 1

    def _fails(self, sql: str) -> bool:
        if self.left and self._at in sql:
            self.left -= 1
            return True
        return False

    def execute(self, sql: str, *rest: Any) -> Any:
        fails = self._fails(sql)
        if fails and not self._after:
            raise self._error
        done = self._real.execute(sql, *rest)
        if fails:
            raise self._error
        return done

    def executemany(self, sql: str, *rest: Any) -> Any:
        if self._fails(sql):
            raise self._error
        return self._real.executemany(sql, *rest)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


def failing(connection: apsw.Connection, at: str, error: Exception, *, after: bool = False) -> GroupCommit:
    stand_in: Any = Failing(connection, at, error, after=after)
    return GroupCommit(stand_in, Names(), "e.db", ManualClock())


@pytest.mark.parametrize(
    ("at", "error", "outcome"),
    [
        ("BEGIN", apsw.IOError("disk I/O error"), StoreUnavailable),
        ("BEGIN", apsw.CantOpenError("unable to open"), StoreUnavailable),
        ("INSERT INTO", apsw.FullError("full"), StoreFull),
        ("INSERT INTO", apsw.IOError("disk I/O error"), StoreUnavailable),
        ("INSERT INTO", apsw.CorruptError("malformed"), StoreUnavailable),
        ("INSERT INTO", apsw.ReadOnlyError("read-only"), StoreUnavailable),
        ("INSERT INTO", apsw.SQLError("no such table: events"), StoreError),
        ("INSERT INTO", MemoryError(), MemoryError),
        ("COMMIT", apsw.FullError("full"), StoreFull),
        ("COMMIT", apsw.IOError("disk I/O error"), AppendOutcomeUnknown),
    ],
)
async def test_g04_after_every_error_no_transaction_is_open_and_the_outcome_is_true(
    store: SqliteEventStore, connection: apsw.Connection, at: str, error: Exception, outcome: type[Exception]
) -> None:
    await store.append(Append(ANN, [event()]))
    group = failing(connection, at, error)
    new = event()
    assert kinds(group.run([(Append(ANN, [new], 1),)])) == [outcome]
    assert not connection.in_transaction
    assert len([each async for each in store.read(ANN)]) == 1
    (again,) = group.run([(Append(ANN, [new], 1),)])
    assert isinstance(again, Appended), again
    assert again.streams[0].version == 2
    assert kinds(group.run([(Append(ANN, [new], 1),)])) == [Appended]
    assert len([each async for each in store.read(ANN)]) == 2


async def test_fm07_g04_a_commit_that_failed_and_was_kept_is_found_by_its_event_ids(
    store: SqliteEventStore, connection: apsw.Connection
) -> None:
    group = failing(connection, "COMMIT", apsw.IOError("disk I/O error"), after=True)
    new = [event(), event()]
    outcomes = group.run([(Append(ANN, new[:1]),), (Append(BOB, new[1:]),)])
    assert kinds(outcomes) == [AppendOutcomeUnknown] * 2
    assert isinstance(outcomes[0], AppendOutcomeUnknown)
    assert [each.bytes for each in outcomes[0].event_ids] == [new[0].event_id]
    (again,) = group.run([(Append(ANN, new[:1]),)])
    assert isinstance(again, Appended)
    assert again.streams[0].deduplicated


async def test_a_failing_group_is_run_again_one_by_one(store: SqliteEventStore, connection: apsw.Connection) -> None:
    group = failing(connection, "INSERT INTO", apsw.IOError("disk I/O error"))
    outcomes = group.run([(Append(Stream("s", str(number)), [event()]),) for number in range(3)])
    assert kinds(outcomes) == [Appended] * 3
    assert [each.position async for each in store.read_all(Query.all())] == [1, 2, 3]


async def test_heads_that_were_guessed_before_a_failure_are_forgotten(
    store: SqliteEventStore, connection: apsw.Connection
) -> None:
    group = failing(connection, "COMMIT", apsw.FullError("full"))
    assert kinds(group.run([(Append(ANN, [event() for _ in range(3)]),)])) == [StoreFull]
    assert kinds(group.run([(Append(ANN, [event()], 3),)])) == [ConcurrencyConflict]
    (outcome,) = group.run([(Append(ANN, [event()], 0),)])
    assert isinstance(outcome, Appended)
    assert outcome.position == 1
