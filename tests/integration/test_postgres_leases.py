"""Leases on a server: a zombie within a transaction, roles that may not end it, and whose clock it is."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from time import monotonic
from typing import Any

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, bindparam, insert, select

from eventfold.adapters.postgres import leases as of_leases
from eventfold.adapters.postgres.failures import LOST
from eventfold.adapters.postgres.leases import PostgresLeases
from eventfold.adapters.postgres.read_model import PostgresReadModel
from eventfold.adapters.system import ManualClock, uuid7
from eventfold.errors import Fenced, RetryTransaction
from eventfold.ports.checkpoint_store import Move
from eventfold.ports.leases import Lease, LeaseRecord
from tests.integration.places import Place, place_on
from tests.postgres import PostgresServer

NUMBERS = Table("numbers", MetaData(), Column("n", Integer, primary_key=True))
COUNT = insert(NUMBERS).values(n=bindparam("number"))
SHORT = 0.5
"""Seconds of a lease that runs out."""
LONGEST_TAKE = 2.0


@pytest.fixture
async def place(postgres: PostgresServer, postgres_schema: str) -> AsyncIterator[Place]:
    async with place_on(postgres, postgres_schema) as place:
        yield place


def step(lease: Lease, position: int, *, previous: int | None = None) -> Move:
    at = lease.checkpoint.position if previous is None else previous
    return Move(lease.processor, at, position, uuid7().bytes, lease.epoch, lease.partition)


async def had(rows: PostgresReadModel, owner: str, *, seconds: float = 60.0) -> Lease:
    taken = await rows.leases.take("numbers", 0, owner, seconds=seconds)
    assert isinstance(taken, Lease), taken
    return taken


async def had_until_now(rows: PostgresReadModel, owner: str) -> Lease:
    """The lease has run out."""
    taken = await had(rows, owner, seconds=0.01)
    while (await rows.leases.leases("numbers"))[0].left > 0:  # noqa: ASYNC110 - the clock is the server's
        await asyncio.sleep(0.005)
    return taken


async def taken_in_time(rows: PostgresReadModel, owner: str, seconds: float) -> tuple[Lease, float]:
    """Asked for again and again, as whoever stands by does; no single call may hang."""
    began = monotonic()
    async with asyncio.timeout(seconds):
        while True:
            asked = monotonic()
            taken = await rows.leases.take("numbers", 0, owner, seconds=60.0)
            assert monotonic() - asked < LONGEST_TAKE
            if isinstance(taken, Lease):
                return taken, monotonic() - began
            await asyncio.sleep(min(0.1, max(taken.left, 0.01)))


async def test_fm11_g14_a_zombie_within_its_transaction_is_ended_and_leaves_nothing(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    """It has written its rows and moved the checkpoint, and stands still before it commits."""
    rows, theirs = await place.open(), await place.open()
    await rows.prepare("numbers", version=1, tables=[NUMBERS])
    zombie = await had(rows, "zombie", seconds=SHORT)
    stopped, awake = asyncio.Event(), asyncio.Event()

    class Stopping:
        """The process is stopped between the checkpoint and the commit."""

        async def advance_within(self, connection: Any, move: Move) -> None:
            await rows.advance_within(connection, move)
            stopped.set()
            await awake.wait()

        def __getattr__(self, name: str) -> Any:
            return getattr(rows, name)

    async def work() -> None:
        shape, values = rows.bind(COUNT, {"number": 5})
        async with rows.transaction() as transaction:
            transaction._checkpoints = Stopping()  # type: ignore[attr-defined] # SIGSTOP would stop the test too
            await transaction.commit([(shape, [values])], step(zombie, 5))

    working = asyncio.ensure_future(work())
    await stopped.wait()
    with caplog.at_level(logging.WARNING, "eventfold.postgres"):
        heir, waited = await taken_in_time(theirs, "heir", SHORT + 2.0)
    assert waited < SHORT + 2.0
    assert (heir.epoch, heir.checkpoint.position) == (zombie.epoch + 1, 0)
    assert "its lease has run out" in caplog.text
    assert "was ended" in caplog.text
    awake.set()
    with pytest.raises(RetryTransaction):
        await working
    assert await rows.query(select(NUMBERS)) == []
    with pytest.raises(Fenced):
        await rows.advance(step(zombie, 5))
    await theirs.advance(step(heir, 7))


async def test_fm11_a_pool_of_one_connection_is_enough_to_take_over(place: Place) -> None:
    rows, theirs = await place.open(), await place.open(most=1)
    zombie = await had(rows, "zombie", seconds=SHORT)
    late = await place.stranger()
    await late.execute("BEGIN")
    await rows.advance_within(late, step(zombie, 5))
    heir, _ = await taken_in_time(theirs, "heir", SHORT + 2.0)
    assert heir.epoch == zombie.epoch + 1
    with pytest.raises(LOST):
        await late.execute("COMMIT")
    assert (await theirs.checkpoint("numbers")).position == 0


async def test_fm11_who_may_not_end_the_zombie_is_told_who_it_is_and_does_not_hang(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    with place.keeper(f"SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {place.schema}") as url:
        rows, theirs = await place.open(), await place.open(url=url)
        zombie = await had_until_now(rows, "zombie")
        late = await place.stranger()
        await late.execute("BEGIN")
        await rows.advance_within(late, move := step(zombie, 5))
        with caplog.at_level(logging.WARNING, "eventfold.postgres"):
            async with asyncio.timeout(LONGEST_TAKE):
                found = await theirs.leases.take("numbers", 0, "heir", seconds=60.0)
        assert isinstance(found, LeaseRecord)
        assert (found.owner, found.epoch, found.left < 0) == ("zombie", zombie.epoch, True)
        assert f"SELECT pg_terminate_backend({late.get_server_pid()}) would end it" in caplog.text
        await late.execute("COMMIT")  # it was only slow, and did what it was to do before anybody took over
        heir = await had(theirs, "heir")
        assert (heir.checkpoint.position, heir.checkpoint.event_id) == (5, move.event_id)
        await theirs._connections.close()


async def test_fm11_who_has_just_begun_is_not_ended(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody else who takes the partition at this moment, or one who is merely late."""
    rows, theirs = await place.open(), await place.open()
    looked, look = asyncio.Event(), PostgresLeases._end_whoever_holds

    async def looking(self: PostgresLeases, processor: str, partition: int) -> None:
        await look(self, processor, partition)
        looked.set()

    monkeypatch.setattr(PostgresLeases, "_end_whoever_holds", looking)
    monkeypatch.setattr(of_leases, "_A_COMMIT", "10ms")
    monkeypatch.setattr(of_leases, "_AN_END", "30s")
    before = await had_until_now(rows, "late")
    late = await place.stranger()
    await late.execute("BEGIN")
    await rows.advance_within(late, step(before, 5))
    taking = asyncio.ensure_future(theirs.leases.take("numbers", 0, "heir", seconds=60.0))
    await looked.wait()
    await late.execute("COMMIT")
    heir = await taking
    assert isinstance(heir, Lease)
    assert heir.checkpoint.position == 5


async def test_fm11_who_waits_for_a_checkpoint_keeps_nobody_from_prolonging_his_lease(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(of_leases, "_A_COMMIT", "30s")
    rows, theirs = await place.open(), await place.open()
    mine = await had_until_now(rows, "me")
    late = await place.stranger()
    await late.execute("BEGIN")
    await rows.advance_within(late, step(mine, 5))
    taking = asyncio.ensure_future(theirs.leases.take("numbers", 0, "you", seconds=60.0))
    watch = await place.stranger()
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%checkpoints%'"
    async with asyncio.timeout(5):
        while not await watch.fetchval(waiting):  # noqa: ASYNC110 - only the server knows
            await asyncio.sleep(0.005)
    async with asyncio.timeout(5):
        beat = await rows.leases.beat("numbers", "me", [mine], seconds=60.0)
    assert beat.kept == {0}
    assert not taking.done()
    await late.execute("COMMIT")
    found = await taking
    assert isinstance(found, LeaseRecord)
    assert found.owner == "me"
    await rows.advance(step(mine, 6, previous=5))


async def test_fm24_a_lease_holds_from_when_it_is_given_not_from_when_it_was_asked_for(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """now() stands still in a transaction that waits; what it was given would be over before it has it."""
    monkeypatch.setattr(of_leases, "_A_COMMIT", "30s")
    rows, theirs = await place.open(), await place.open()
    before = await had_until_now(rows, "late")
    late = await place.stranger()
    await late.execute("BEGIN")
    await rows.advance_within(late, step(before, 5))
    taking = asyncio.ensure_future(theirs.leases.take("numbers", 0, "heir", seconds=10.0))
    await asyncio.sleep(0.15)
    moment = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
    given = await late.fetchval(moment)
    await late.execute("COMMIT")
    assert isinstance(await taking, Lease)
    until = await late.fetchval(place.names.fill("SELECT lease_until FROM {leases}"))
    assert until >= given + 10_000_000


async def test_fm24_it_is_the_servers_clock_whatever_that_of_the_host_says(place: Place) -> None:
    wrong = [await place.open(clock=ManualClock(datetime(year, 1, 1, tzinfo=UTC))) for year in (1971, 2200)]
    mine = await had(wrong[0], "a", seconds=60.0)
    found = await wrong[1].leases.take("numbers", 0, "b", seconds=60.0)
    assert isinstance(found, LeaseRecord)
    assert 50.0 < found.left <= 60.0
    assert (await wrong[1].leases.beat("numbers", "b", [], seconds=60.0)).members == ("b",)
    assert (await wrong[0].leases.beat("numbers", "a", [mine], seconds=60.0)).members == ("a", "b")


async def test_fm11_a_first_step_without_a_lease_that_hangs_keeps_nobody_hanging(place: Place) -> None:
    """Of the release before, say: its row is nowhere to be seen yet."""
    rows, theirs = await place.open(), await place.open()
    late = await place.stranger()
    await late.execute("BEGIN")
    await rows.advance_within(late, move := Move("numbers", 0, 5, uuid7().bytes))
    async with asyncio.timeout(LONGEST_TAKE):
        found = await theirs.leases.take("numbers", 0, "heir", seconds=60.0)
    assert isinstance(found, LeaseRecord)
    assert found.left <= 0
    await late.execute("COMMIT")
    heir = await had(theirs, "heir")
    assert (heir.checkpoint.position, heir.checkpoint.event_id, heir.epoch) == (5, move.event_id, 1)


async def test_fm11_many_who_wake_up_at_once_keep_each_other_from_nothing(place: Place) -> None:
    """Each has its own place among the members in hand, and finds the others gone: to wait for them is a deadlock."""
    rows, theirs = await place.open(), await place.open()
    for owner in ("a", "b", "c"):
        await theirs.leases.beat("numbers", owner, [], seconds=60.0)
    waking = await place.stranger()
    await waking.execute(place.names.fill("UPDATE {lease_members} SET until = 0"))
    await waking.execute("BEGIN")
    await waking.execute(place.names.fill("SELECT FROM {lease_members} WHERE owner = 'b' FOR UPDATE"))
    async with asyncio.timeout(5):
        beat = await rows.leases.beat("numbers", "a", [], seconds=60.0)
    assert beat.members == ("a",)
    await waking.execute("COMMIT")
    left = await waking.fetch(place.names.fill("SELECT owner FROM {lease_members} ORDER BY owner"))
    assert [owner for (owner,) in left] == ["a", "b"]


async def test_fm11_a_zombie_that_reads_for_long_is_ended_too(place: Place) -> None:
    rows, theirs = await place.open(), await place.open()
    zombie = await had(rows, "zombie", seconds=SHORT)
    late = await place.stranger()
    await late.execute("BEGIN")
    await rows.advance_within(late, step(zombie, 5))
    asleep = asyncio.ensure_future(late.execute("SELECT pg_sleep(60)"))
    await taken_in_time(theirs, "heir", SHORT + 2.0)
    with pytest.raises(LOST):
        await asleep
