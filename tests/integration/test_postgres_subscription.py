"""Subscriptions on a Postgres store: late commits, lost hints, broken connections, servers that restart."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable

import pytest

from eventfold.adapters.postgres import horizon
from eventfold.adapters.postgres.connection import Connection
from eventfold.adapters.postgres.horizon import Horizon
from eventfold.adapters.postgres.notify import Hints
from eventfold.domain.message import Stream
from eventfold.domain.query import Query
from eventfold.errors import StoreClosed, StoreUnavailable
from eventfold.ports.event_store import Append, EventStore
from eventfold.ports.subscription import Batch
from eventfold.testing.conformance.material import event
from tests.integration.appenders import append_elsewhere, appender, notify_elsewhere, soon, store_on
from tests.postgres import PostgresServer, start_postgres

EVERYTHING = Query.all()
NEVER = 3600.0
ROUNDS = 20


async def following(batches: AsyncIterator[Batch], last: int) -> list[int]:
    """The positions that are delivered, up to this one."""
    seen: list[int] = []
    async for batch in batches:
        seen += [each.position for each in batch.events]
        if seen and seen[-1] >= last:
            return seen
    raise AssertionError("a subscription ended by itself")


@pytest.mark.parametrize("notify", [True, False])
@pytest.mark.parametrize("ends", ["commit", "rollback"])
async def test_fm01_g08_a_late_commit_is_delivered_in_its_place(
    postgres: PostgresServer, postgres_schema: str, ends: str, notify: bool
) -> None:
    async with (
        store_on(postgres.url, postgres_schema, notify=notify, poll=0.05) as store,
        store.subscribe(EVERYTHING, after=0) as batches,
    ):
        await soon(anext(batches))
        async with appender(postgres.url, postgres_schema) as slow:
            early = await slow.append("slow")
            (late,) = await append_elsewhere(postgres.url, postgres_schema, "b")
            waiting = asyncio.ensure_future(following(batches, late))
            done, _ = await asyncio.wait([waiting], timeout=0.3)
            assert not done, "what an open appender may precede was delivered"
            await (slow.commit() if ends == "commit" else slow.rollback())
        assert await soon(waiting) == ([early, late] if ends == "commit" else [late])


async def test_fm02_a_foreign_transaction_holds_no_subscription(postgres: PostgresServer, postgres_schema: str) -> None:
    async with (
        store_on(postgres.url, postgres_schema, poll=0.05) as store,
        appender(postgres.url, postgres_schema) as stranger,
    ):
        await stranger.connection.execute("CREATE TEMPORARY TABLE mine AS SELECT pg_current_xact_id()::text AS id")
        async with store.subscribe(EVERYTHING, after=0) as batches:
            await soon(anext(batches))
            (last,) = await append_elsewhere(postgres.url, postgres_schema, "a")
            assert await soon(following(batches, last)) == [last]
        await stranger.rollback()


async def test_i6_t15_fm06_without_any_hint_every_event_arrives_within_the_poll(
    postgres: PostgresServer, postgres_schema: str
) -> None:
    poll = 0.25
    async with (
        store_on(postgres.url, postgres_schema, poll=poll) as store,
        store.subscribe(EVERYTHING, after=0) as batches,
    ):
        await soon(anext(batches))
        for number in range(ROUNDS):
            (last,) = await append_elsewhere(postgres.url, postgres_schema, str(number))
            began = time.monotonic()
            assert await soon(following(batches, last)) == [last]
            assert time.monotonic() - began < poll + 1.0


async def test_i6_fm06_a_hint_of_another_process_wakes_at_once(
    postgres: PostgresServer, postgres_schema: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(horizon, "_QUICKEST", NEVER)
    async with (
        store_on(postgres.url, postgres_schema, poll=NEVER) as store,
        store.subscribe(EVERYTHING, after=0) as batches,
    ):
        await soon(anext(batches))
        waiting = asyncio.ensure_future(anext(batches))
        (last,) = await append_elsewhere(postgres.url, postgres_schema, "a")
        await notify_elsewhere(postgres.url, postgres_schema)
        assert [each.position for each in (await soon(waiting)).events] == [last]


async def test_fm06_an_append_tells_the_other_processes(
    postgres: PostgresServer, postgres_schema: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(horizon, "_QUICKEST", NEVER)
    async with (
        store_on(postgres.url, postgres_schema) as writes,
        store_on(postgres.url, postgres_schema, poll=NEVER) as follows,
        follows.subscribe(EVERYTHING, after=0) as batches,
    ):
        await soon(anext(batches))
        for _ in range(ROUNDS):
            appended = await writes.append(Append(Stream("account", "a"), [event()]))
            assert await soon(following(batches, appended.position)) == [appended.position]


async def test_g08_an_append_of_this_process_needs_neither_hint_nor_poll(
    postgres: PostgresServer, postgres_schema: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(horizon, "_QUICKEST", NEVER)
    async with (
        store_on(postgres.url, postgres_schema, notify=False, poll=NEVER) as store,
        store.subscribe(EVERYTHING, after=0) as batches,
    ):
        await soon(anext(batches))
        for _ in range(ROUNDS):
            appended = await store.append(Append(Stream("account", "a"), [event()]))
            assert await soon(following(batches, appended.position)) == [appended.position]


async def test_i6_t15_a_listener_that_is_killed_misses_nothing(
    postgres: PostgresServer, postgres_schema: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody polls and nobody sends a hint: what was committed meanwhile is found because it looks after LISTEN."""
    monkeypatch.setattr(horizon, "_QUICKEST", NEVER)
    url = f"{postgres.url}?application_name={postgres_schema}"
    kill = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '{postgres_schema}'"
    async with (
        store_on(url, postgres_schema, poll=NEVER) as store,
        store.subscribe(EVERYTHING, after=0) as batches,
    ):
        await soon(anext(batches))
        for number in range(ROUNDS):
            committing = asyncio.ensure_future(append_elsewhere(postgres.url, postgres_schema, str(number)))
            await asyncio.to_thread(postgres.execute, kill)
            (last,) = await committing
            await asyncio.to_thread(postgres.execute, kill)
            assert await soon(following(batches, last)) == [last]


async def test_t15_what_somebody_else_has_seen_before_the_listener_looked_is_delivered(
    postgres: PostgresServer, postgres_schema: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(horizon, "_QUICKEST", NEVER)
    begun = asyncio.Event()
    hear = Hints.hear
    async with store_on(postgres.url, postgres_schema, poll=NEVER) as store:

        async def hear_late(self: Hints, connection: Connection, told: Callable[[], None]) -> None:
            await begun.wait()
            await hear(self, connection, told)
            (last,) = await append_elsewhere(postgres.url, postgres_schema, "a")
            assert await store.head() == last

        monkeypatch.setattr(Hints, "hear", hear_late)
        async with store.subscribe(EVERYTHING, after=0) as batches:
            await soon(anext(batches))
            begun.set()
            assert [each.id for each in (await soon(anext(batches))).events] == ["a"]


@pytest.mark.parametrize("how", ["restart", "crash"])
async def test_g08_a_subscription_survives_the_server(how: str, caplog: pytest.LogCaptureFixture) -> None:
    with start_postgres() as server:
        async with store_on(server.url, "shop", poll=0.05) as store, store.subscribe(EVERYTHING, after=0) as batches:
            before = await append_elsewhere(server.url, "shop", "a", "b")
            assert await soon(following(batches, before[-1])) == before
            waiting = asyncio.ensure_future(anext(batches))
            with caplog.at_level(logging.WARNING, "eventfold.postgres"):
                await asyncio.to_thread(server.stop if how == "restart" else server.kill)
                await soon(_logged(caplog, "cannot be followed"))
                await asyncio.to_thread(server.start)
                (last,) = await append_elsewhere(server.url, "shop", "c")
                batch = await soon(waiting)
            assert [each.position for each in batch.events] == [last]
            assert [record.message.count("cannot be followed") for record in caplog.records].count(1) == 1


async def test_g08_a_server_that_does_not_answer_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(horizon, "_ANSWERS", 0.3)
    with start_postgres() as server:
        async with store_on(server.url, "shop", poll=0.05) as store, store.subscribe(EVERYTHING, after=0) as batches:
            await soon(anext(batches))
            (first,) = await append_elsewhere(server.url, "shop", "a")
            assert await soon(following(batches, first)) == [first], "it looks by itself"
            waiting = asyncio.ensure_future(anext(batches))
            with caplog.at_level(logging.WARNING, "eventfold.postgres"):
                await asyncio.to_thread(server.pause)
                try:
                    await soon(_logged(caplog, "no answer in time"))
                finally:
                    await asyncio.to_thread(server.resume)
            (last,) = await append_elsewhere(server.url, "shop", "b")
            assert [each.position for each in (await soon(waiting)).events] == [last]
            assert await soon(store.head()) == last


async def _logged(caplog: pytest.LogCaptureFixture, words: str) -> None:
    while words not in caplog.text:  # noqa: ASYNC110 - the log rings no bell
        await asyncio.sleep(0.01)


async def test_g08_while_the_server_is_away_a_subscription_cannot_begin_and_a_waiting_one_can_be_closed() -> None:
    with start_postgres() as server:
        async with store_on(server.url, "shop", poll=0.05) as store, store.subscribe(EVERYTHING, after=0) as batches:
            await soon(anext(batches))
            waiting = asyncio.ensure_future(anext(batches))
            await asyncio.to_thread(server.stop)
            await soon(_cannot_begin(store))
            await soon(store.close())
            with pytest.raises(StoreClosed):
                await soon(waiting)


async def _cannot_begin(store: EventStore) -> None:
    async with store.subscribe(EVERYTHING, after=0) as batches:
        with pytest.raises(StoreUnavailable, match="cannot be reached"):
            await anext(batches)


async def test_g08_many_who_ask_at_one_moment_share_a_look(
    postgres: PostgresServer, postgres_schema: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = 0
    look = Horizon._look

    async def counted(self: Horizon, connection: object) -> None:
        nonlocal looks
        looks += 1
        await look(self, connection)  # type: ignore[arg-type] # passed on as it came

    monkeypatch.setattr(Horizon, "_look", counted)
    async with store_on(postgres.url, postgres_schema) as store:
        (last,) = await append_elsewhere(postgres.url, postgres_schema, "a")
        assert set(await asyncio.gather(*(store.head() for _ in range(30)))) == {last}
        assert looks <= 2


async def test_t12_fm02_the_log_names_who_holds_readers_back_for_long(
    postgres: PostgresServer,
    postgres_schema: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(horizon, "_STALLED", 0.2)
    async with (
        store_on(postgres.url, postgres_schema, poll=0.05) as store,
        store.subscribe(EVERYTHING, after=0) as batches,
    ):
        await soon(anext(batches))
        await asyncio.sleep(0.3)  # so quiet for so long that nothing has moved lately
        async with appender(postgres.url, postgres_schema, name="the long import") as slow:
            early = await slow.append("slow")
            (late,) = await append_elsewhere(postgres.url, postgres_schema, "b")
            with caplog.at_level(logging.WARNING, "eventfold.postgres"):
                await soon(_logged(caplog, "the long import"))
            assert "keeps readers from what comes after position 0" in caplog.text
            await slow.commit()
        assert await soon(following(batches, late)) == [early, late]
