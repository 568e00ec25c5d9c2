"""Parked events on a server: commits without an answer, and the audit."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy import Column, Integer, MetaData, Table, bindparam, insert, select

from eventfold.adapters.postgres.read_model import PostgresReadModel
from eventfold.adapters.system import uuid7
from eventfold.domain.message import Stream
from eventfold.errors import EventfoldError, NotPermitted, RetryTransaction
from eventfold.ports.checkpoint_store import Checkpoint, Move
from eventfold.ports.leases import Lease
from eventfold.ports.parking import Aside, Settled
from tests.integration.places import Place, place_on
from tests.postgres import PostgresServer

DONE = Table("done", MetaData(), Column("n", Integer, primary_key=True))
MARK = insert(DONE).values(n=bindparam("number"))
ANN = Stream("account", "ann")


@pytest.fixture
async def place(postgres: PostgresServer, postgres_schema: str) -> AsyncIterator[Place]:
    async with place_on(postgres, postgres_schema) as place:
        yield place


@pytest.fixture
async def rows(place: Place) -> PostgresReadModel:
    rows = await place.open()
    await rows.prepare("mails", version=1, tables=[DONE])
    return rows


def aside(position: int) -> Aside:
    return Aside(position, ANN, uuid7().bytes, "Happened", behind=False, attempts=1, error="no")


def marked(rows: PostgresReadModel, number: int) -> list[Any]:
    shape, values = rows.bind(MARK, {"number": number})
    return [(shape, [values])]


async def numbers(rows: PostgresReadModel) -> list[int]:
    return [number for (number,) in await rows.query(select(DONE).order_by(DONE.c.n))]


class Deaf:
    """The connection breaks at the next commit, which the server has done by then, or will never do."""

    def __init__(self, patch: pytest.MonkeyPatch, *, done: bool) -> None:
        execute, armed = asyncpg.Connection.execute, iter([True])

        async def cut(self: Any, query: str, *args: Any, **kwargs: Any) -> str:
            if query != "COMMIT" or not next(armed, False):
                return await execute(self, query, *args, **kwargs)
            if done:
                await execute(self, query)
            self.terminate()
            raise ConnectionResetError("cut")

        patch.setattr(asyncpg.Connection, "execute", cut)


@pytest.mark.parametrize("leased", [True, False])
@pytest.mark.parametrize("done", [True, False])
async def test_fm07_a_step_that_sets_aside_and_its_end_are_asked_after(
    rows: PostgresReadModel, monkeypatch: pytest.MonkeyPatch, done: bool, leased: bool
) -> None:
    epoch = 0
    if leased:
        lease = await rows.leases.take("mails", 1, "me", seconds=60)
        assert isinstance(lease, Lease)
        epoch = lease.epoch
    move = Move("mails", 0, 9, uuid7().bytes, epoch, 1, (aside(3), aside(5)))
    steps: list[tuple[int, Move | Settled]] = [
        (1, move),
        (2, Settled("mails", 1, 3, "retried", epoch)),
        (3, Settled("mails", 1, 5, "dropped", epoch)),
    ]
    for number, step in steps:
        with monkeypatch.context() as patch:
            Deaf(patch, done=done)
            try:
                async with rows.transaction() as transaction:
                    await transaction.commit(marked(rows, number), step)
            except RetryTransaction:
                assert not done
            else:
                assert done
        if not done:
            assert await numbers(rows) == list(range(1, number))
            async with rows.transaction() as transaction:  # as whoever was told to does
                await transaction.commit(marked(rows, number), step)
        assert await numbers(rows) == list(range(1, number + 1))
    assert await rows.checkpoint("mails", 1) == Checkpoint(9, move.event_id, epoch)
    found = await rows.parking.parked(resolved=True)
    assert [(each.position, each.resolution) for each in found] == [(3, "retried"), (5, "dropped")]


async def test_fm17_a_step_alone_is_not_taken_without_what_it_sets_aside(rows: PostgresReadModel) -> None:
    unfit = Aside(3, Stream("account", "a\0b"), uuid7().bytes, "Happened", behind=False, attempts=1, error="no")
    with pytest.raises(EventfoldError):
        await rows.advance(Move("mails", 0, 9, uuid7().bytes, aside=(unfit,)))
    assert await rows.checkpoint("mails") == Checkpoint(0)


async def test_fm07_the_end_of_a_parked_event_is_waited_for(place: Place, rows: PostgresReadModel) -> None:
    """The connection is cut, yet its session lives on and commits, or rolls back, a moment later."""
    await rows.advance(Move("mails", 0, 9, uuid7().bytes, aside=(aside(3), aside(5))))
    late, asking = await place.stranger(), await place.stranger()
    for position, end in ((3, "COMMIT"), (5, "ROLLBACK")):
        settled = Settled("mails", 0, position, "retried")
        await late.execute("BEGIN")
        await rows.settle_within(late, settled)
        await asking.execute("BEGIN")
        took = asyncio.ensure_future(rows.took_within(asking, settled))
        await asyncio.sleep(0.05)
        assert not took.done()
        await late.execute(end)
        assert await took is (end == "COMMIT")
        await asking.execute("ROLLBACK")


async def test_fm17_of_two_who_settle_it_at_once_one_does(place: Place, rows: PostgresReadModel) -> None:
    await rows.advance(Move("mails", 0, 9, uuid7().bytes, aside=(aside(3),)))

    async def settle(number: int) -> None:
        async with rows.transaction() as transaction:
            await transaction.commit(marked(rows, number), Settled("mails", 0, 3, "retried"))

    outcomes = await asyncio.gather(*map(settle, range(5)), return_exceptions=True)
    assert sorted(type(each).__name__ for each in outcomes) == ["Fenced"] * 4 + ["NoneType"]
    assert len(await numbers(rows)) == 1


async def test_fm11_who_settles_waits_for_a_takeover_and_is_fenced(place: Place, rows: PostgresReadModel) -> None:
    """The epoch that is compared is the one that holds when it commits."""
    await rows.advance(Move("mails", 0, 9, uuid7().bytes, aside=(aside(3),)))
    taking = await place.stranger()
    await taking.execute("BEGIN")
    await taking.execute(place.names.fill("UPDATE {checkpoints} SET epoch = 1"))

    async def settle() -> None:
        async with rows.transaction() as transaction:
            await transaction.commit(marked(rows, 3), Settled("mails", 0, 3, "retried"))

    settling = asyncio.ensure_future(settle())
    await asyncio.sleep(0.05)
    assert not settling.done()
    await taking.execute("COMMIT")
    (outcome,) = await asyncio.gather(settling, return_exceptions=True)
    assert type(outcome).__name__ == "Fenced"
    assert await numbers(rows) == []


# ------------------------------------------------------------------------------------------------------- the audit


async def test_sec15_an_edit_is_in_the_audit(place: Place, rows: PostgresReadModel) -> None:
    left = aside(3)
    await rows.advance(Move("mails", 0, 9, uuid7().bytes, aside=(left,)))
    await rows.parking.edit("mails", 3, b"{}", actor="eve", reason="a typo")
    stranger = await place.stranger()
    (entry,) = await stranger.fetch(place.names.fill("SELECT * FROM {store_audit}"))
    assert tuple(entry)[2:] == ("edit-parked", "eve", "a typo", "account", "ann", None, UUID(bytes=left.event_id))
    assert entry["at"] > 1_700_000_000_000_000


async def test_sec15_an_edit_waits_for_the_act_of_an_administrator(place: Place, rows: PostgresReadModel) -> None:
    """Numbers of the audit are in the order of commits: whoever removes events counts on that."""
    await rows.advance(Move("mails", 0, 9, uuid7().bytes, aside=(aside(3),)))
    acting = await place.stranger()
    await acting.execute("BEGIN")
    await acting.execute(place.names.fill("SELECT pg_advisory_xact_lock('{stream_marks}'::regclass::oid::int, 0)"))
    editing = asyncio.ensure_future(rows.parking.edit("mails", 3, b"{}", actor="eve", reason="a typo"))
    await asyncio.sleep(0.05)
    assert not editing.done()
    await acting.execute("COMMIT")
    await editing


async def test_sec14_an_edit_is_the_owners_and_a_wish_is_not(place: Place, rows: PostgresReadModel) -> None:
    await rows.advance(Move("mails", 0, 9, uuid7().bytes, aside=(aside(3),)))
    with place.keeper("SELECT, UPDATE ON {parked}") as url:
        theirs = await place.open(url=url)
        await theirs.parking.ask("mails", 3, "retry", actor="eve")
        with pytest.raises(NotPermitted, match="_keeper"):
            await theirs.parking.edit("mails", 3, b"{}", actor="eve", reason="a typo")
        (found,) = await rows.parking.parked()
        assert (found.wish, found.edited) == ("retry", None)
        await theirs._connections.close()
