"""Commands that carry an id, on a server: lost answers, rivals on the same id, drivers of somebody else's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from eventfold import Running, Staged, TransactionalHandler, View
from eventfold.adapters.postgres.commit import Commit
from eventfold.adapters.postgres.open_unit import OpenUnit
from eventfold.errors import AppendOutcomeUnknown, RetryTransaction
from eventfold.ports.command_log import Accepted
from tests.acceptance.test_idempotent_commands import Take, app, notes
from tests.acceptance.world import Added, Tape, record, see, seen_t, stored, tapes
from tests.integration.callers import EVERY_KIND, Opening
from tests.integration.test_postgres_ambiguity import Line, line
from tests.postgres import PostgresServer
from tests.waiting import until


@pytest.fixture
async def other(postgres: PostgresServer) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(postgres.url)
    yield connection
    await connection.close()


@asynccontextmanager
async def opened(url: str, schema: str, handlers: Sequence[TransactionalHandler] = ()) -> AsyncIterator[Running]:
    async with app(handlers=handlers).open(f"{url}?schema={schema}&options=-csearch_path%3D{schema}") as running:
        yield running


def before_committing(monkeypatch: pytest.MonkeyPatch, then: Callable[[], None]) -> list[str]:
    """Call it once, before a transaction commits in which a command has been accepted; how often it was tried."""
    ask, accept = Commit._ask, OpenUnit.accept
    tried: list[str] = []

    def trying(how: str) -> None:
        tried.append(how)
        if len(tried) == 1:
            then()

    async def asking(self: Commit, fetch: Any, connection: Any, sql: str, values: Any) -> Any:
        if sql == self._append_and_enter:
            trying("in one")
        return await ask(self, fetch, connection, sql, values)

    async def accepting(self: OpenUnit, accepted: Accepted) -> None:
        await accept(self, accepted)
        trying("in a unit")

    monkeypatch.setattr(Commit, "_ask", asking)
    monkeypatch.setattr(OpenUnit, "accept", accepting)
    return tried


def counted() -> TransactionalHandler:
    """With a handler, events and command are stored in a unit of work, and not in one statement."""
    handler = TransactionalHandler("seen", tables=[seen_t])

    @handler.on(Added)
    def count(pending: Any, view: View) -> None:
        view.write(see, {"position": pending.event.n, "type": pending.type, "tape": pending.id})

    return handler


@pytest.fixture(params=[False, True], ids=["alone", "with a handler"])
async def wired(
    request: pytest.FixtureRequest, postgres: PostgresServer, postgres_schema: str
) -> AsyncIterator[tuple[Line, Running]]:
    handlers = [counted()] if request.param else []
    async with line(postgres) as (wire, url), opened(url, postgres_schema, handlers) as running:
        await running.execute(tapes, "t", record(Added(1)), command_id=uuid4())
        yield wire, running


async def test_fm10_fm07_a_commit_without_an_answer_is_asked_after_and_not_made_twice(
    wired: tuple[Line, Running], postgres_schema: str, other: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    wire, running = wired
    key = uuid4()
    tried = before_committing(monkeypatch, wire.lose_answers)
    acting = asyncio.ensure_future(running.execute(tapes, "t", record(Added(2)), command_id=key))
    await until(lambda: other.fetchval(f"SELECT count(*) = 2 FROM {postgres_schema}.commands"))
    wire.cut()
    outcome = await asyncio.wait_for(acting, 20)
    assert (outcome.version, outcome.state.sum) == (2, 3)
    # in one: asked again under the ids of the events, which are known; once more where that connection was cut too
    assert tried == ["in a unit"] or (len(tried) >= 2 and set(tried) == {"in one"})
    assert await running.execute(tapes, "t", record(Added(2)), command_id=key) == outcome
    assert len(await stored(running)) == 2


async def test_fm10_fm07_a_commit_that_never_arrived_is_made_again(
    wired: tuple[Line, Running], monkeypatch: pytest.MonkeyPatch
) -> None:
    wire, running = wired
    key = uuid4()
    tried = before_committing(monkeypatch, wire.cut)
    outcome = await asyncio.wait_for(running.execute(tapes, "t", record(Added(2)), command_id=key), 20)
    assert (outcome.version, len(tried)) == (2, 2)
    assert await running.execute(tapes, "t", record(Added(2)), command_id=key) == outcome
    assert len(await stored(running)) == 2


@pytest.mark.parametrize("events", [1, 0])
async def test_fm10_fm07_when_nobody_can_say_the_same_command_again_finds_out(
    wired: tuple[Line, Running],
    postgres_schema: str,
    other: asyncpg.Connection,
    monkeypatch: pytest.MonkeyPatch,
    events: int,
) -> None:
    wire, running = wired
    units: Any = running._stores.units
    monkeypatch.setattr(units._aside, "patience", 1.0)
    monkeypatch.setattr(units._writer._commit, "_patience", 1.0)
    key, command = uuid4(), record(*[Added(2)] * events)
    before_committing(monkeypatch, wire.lose_answers)
    acting = asyncio.ensure_future(running.execute(tapes, "t", command, command_id=key))
    await until(lambda: other.fetchval(f"SELECT count(*) = 2 FROM {postgres_schema}.commands"))
    wire.refusing = True
    wire.cut()
    with pytest.raises(AppendOutcomeUnknown) as unknown:
        await asyncio.wait_for(acting, 20)
    assert len(unknown.value.event_ids) == events
    wire.refusing = False
    again = await running.execute(tapes, "t", command, command_id=key)
    assert (again.version, len(again.events)) == (1 + events, events)
    assert tuple(each.event_id for each in again.events) == unknown.value.event_ids
    assert len(await stored(running)) == 1 + events


@pytest.mark.parametrize("commit", [True, False])
async def test_fm10_a_rival_on_the_same_id_is_waited_for(
    postgres: PostgresServer, postgres_schema: str, other: asyncpg.Connection, commit: bool
) -> None:
    """Whether it commits or not says which of the two has the effect."""
    key = uuid4()
    async with opened(postgres.url, postgres_schema) as running:
        async with EVERY_KIND["asyncpg"](postgres.url, "read committed") as caller:
            async with running.join(caller.connection) as unit:
                await unit.execute(notes, Take("bob"), command_id=key)
            acting = asyncio.ensure_future(running.execute(notes, Take("bob"), command_id=key))
            await until(lambda: other.fetchval("SELECT count(*) >= 1 FROM pg_locks WHERE NOT granted"))
            await (caller.commit() if commit else caller.rollback())
        outcome = await asyncio.wait_for(acting, 20)
        (one,) = await stored(running)
        assert one.event_id == outcome.events[0].stored.event_id
        assert (one.event_id == unit.recorded[0].stored.event_id) == commit


@pytest.mark.parametrize("kind", EVERY_KIND)
async def test_fm10_in_a_transaction_of_mine_over_every_driver(
    postgres: PostgresServer, postgres_schema: str, kind: str
) -> None:
    opening: Opening = EVERY_KIND[kind]
    some, none = uuid4(), uuid4()
    async with opened(postgres.url, postgres_schema) as running:
        for commit in (False, True, True):
            async with opening(postgres.url, "read committed") as caller:
                async with running.join(caller.connection) as unit:
                    staged = await unit.execute(tapes, "t", record(Added(1)), command_id=some)
                    nothing = await unit.execute(tapes, "t", record(), command_id=none)
                assert (staged, nothing) == (Staged(Tape(1), (Added(1),), 1), Staged(Tape(1), (), 1))
                await (caller.commit() if commit else caller.rollback())
        outcome = await running.execute(tapes, "t", record(Added(1)), command_id=some)
        assert (outcome.version, outcome.state.sum) == (1, 1)
        assert len(await stored(running)) == 1


async def test_fm10_a_command_that_was_accepted_meanwhile_undoes_what_was_joined_and_no_more(
    postgres: PostgresServer, postgres_schema: str
) -> None:
    key = uuid4()
    async with opened(postgres.url, postgres_schema) as running:
        async with EVERY_KIND["asyncpg"](postgres.url, "read committed") as caller:
            await caller.execute(f"CREATE TABLE {postgres_schema}.mine (n integer)")
            with pytest.raises(RetryTransaction, match=str(key)):
                async with running.join(caller.connection) as unit:
                    await unit.execute(notes, Take("bob"), command_id=key)
                    first = await running.execute(notes, Take("bob"), command_id=key)
            await caller.commit()
            await caller.execute(f"SELECT n FROM {postgres_schema}.mine")
        assert [each.event_id for each in await stored(running)] == [each.stored.event_id for each in first.events]


@pytest.mark.parametrize("isolation", ["read committed", "repeatable read", "serializable"])
async def test_fm10_a_command_that_an_old_snapshot_does_not_show_is_found_all_the_same(
    postgres: PostgresServer, postgres_schema: str, isolation: str
) -> None:
    key = uuid4()
    async with (
        opened(postgres.url, postgres_schema) as running,
        EVERY_KIND["asyncpg"](postgres.url, isolation) as caller,
    ):
        await caller.execute("SELECT 1")
        with pytest.raises(RetryTransaction):
            async with running.join(caller.connection) as unit:
                await unit.execute(tapes, "t", record(), command_id=key)
                await running.execute(tapes, "t", record(), command_id=key)
        await caller.rollback()
