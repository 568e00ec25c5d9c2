"""Commands in a transaction: of the store, on every store, and of the caller, where there is a server."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg
import pytest
from sqlalchemy import (
    Column,
    Integer,
    MetaData,
    NullPool,
    Table,
    bindparam,
    create_engine,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session

from eventfold import Boundary, Eventfold, EventHandler, Query, Recorded, Running, TransactionalHandler, View
from eventfold.errors import (
    BoundaryConflict,
    ConcurrencyConflict,
    HandlerFailed,
    InvalidInput,
    RetryTransaction,
    UnsupportedByStore,
    UnsupportedIsolation,
)
from eventfold.ports import unit as units
from eventfold.ports.unit import Unit
from tests.acceptance.world import Added, AddUnless, Place, TapeFull, application, record, stored, tapes
from tests.postgres import PostgresServer

guests_t = Table("guests", MetaData(), Column("n", Integer, primary_key=True))
come = insert(guests_t)
later = update(guests_t).values(n=guests_t.c.n + bindparam("by"))
guests = select(guests_t.c.n).order_by(guests_t.c.n)


@dataclass(frozen=True)
class Taken:
    email: str


@dataclass(frozen=True)
class Take:
    email: str


class AlreadyTaken(Exception):
    pass


def decide_take(command: Take, taken: bool) -> list[Taken]:
    if taken:
        raise AlreadyTaken(command.email)
    return [Taken(command.email)]


def evolve_take(taken: bool, event: Taken) -> bool:
    return True


def tagged() -> Any:
    from eventfold import Events

    events = Events()
    events.add(Taken, tags=lambda event: [f"email:{event.email}"])
    return events


taking = Boundary(
    "taking",
    initial=False,
    decide=decide_take,
    evolve=evolve_take,
    query=lambda command: Query.of(Taken, tags=[f"email:{command.email}"]),
)


class Heard(list[int]):
    """What a plain handler and a bus were told."""

    def handler(self) -> EventHandler:
        handler = EventHandler("heard")

        @handler.on(Added)
        def heard(recorded: Recorded[Added], handling: Any) -> None:
            self.append(recorded.event.n)

        return handler


def within(*, fails_on: int | None = None) -> TransactionalHandler:
    """Writes a guest for each event."""
    handler = TransactionalHandler("guests", tables=[guests_t])

    @handler.on(Added)
    def added(pending: Any, view: View) -> None:
        view.write(come, {"n": pending.event.n})
        if pending.event.n == fails_on:
            raise ValueError(fails_on)

    return handler


def joinable(*handlers: EventHandler | TransactionalHandler, **more: Any) -> Eventfold:
    return Eventfold(deciders=[tapes, taking], handlers=handlers, events=tagged(), **more)


async def came(running: Running) -> list[int]:
    return [row[0] for row in await running.query(guests)]


def needs_guests() -> TransactionalHandler:
    """Makes the table, and hears nothing of Added."""
    handler = TransactionalHandler("makes", tables=[guests_t])

    @handler.on(Taken)
    def nothing(pending: Any, view: View) -> None:
        pass

    return handler


# ------------------------------------------------------------ a transaction of the store


async def test_events_of_several_streams_and_rows_are_stored_together(place: Place) -> None:
    heard = Heard()
    async with place.open(joinable(needs_guests(), heard.handler())) as running:
        async with running.transaction() as unit:
            await unit.write(come, {"n": 1})
            first = await unit.execute(tapes, "a", record(Added(1), Added(2)))
            await unit.execute(tapes, "b", record(Added(3)))
            again = await unit.execute(tapes, "a", record(Added(4)))
            assert (first.state.sum, first.version) == (3, 2)
            assert (again.state.sum, again.version, again.events) == (7, 3, (Added(4),))
            assert (await unit.load(tapes, "a")).state.sum == 7
            assert await unit.fetch(guests) == [(1,)]
            await unit.write(later, {"by": 10})
            assert heard == []
        assert [(each.id, each.version) for each in await stored(running)] == [
            ("a", 1),
            ("a", 2),
            ("a", 3),
            ("b", 1),
        ]
        assert [each.version for each in unit.recorded] == [1, 2, 3, 1]
        assert await came(running) == [11]
        assert heard == [1, 2, 4, 3]


async def test_a_block_that_raises_leaves_nothing(place: Place) -> None:
    heard = Heard()
    async with place.open(joinable(needs_guests(), heard.handler())) as running:
        with pytest.raises(ZeroDivisionError):
            async with running.transaction() as unit:
                await unit.write(come, {"n": 1})
                await unit.execute(tapes, "a", record(Added(1)))
                raise ZeroDivisionError
        assert (await stored(running), await came(running), heard) == ([], [], [])
        assert (await running.execute(tapes, "a", record(Added(1)))).version == 1


async def test_a_rejection_leaves_the_transaction_usable(place: Place) -> None:
    async with place.open(joinable()) as running:
        async with running.transaction() as unit:
            await unit.execute(tapes, "a", record(Added(1)))
            with pytest.raises(TapeFull):
                await unit.execute(tapes, "a", AddUnless(5, limit=5))
            assert (await unit.execute(tapes, "a", AddUnless(5, limit=5, quietly=True))).events == ()
            await unit.execute(tapes, "a", record(Added(2)))
        assert (await running.load(tapes, "a")).state.sum == 3


async def test_nothing_to_do_is_fine(place: Place) -> None:
    async with place.open(joinable()) as running:
        async with running.transaction() as unit:
            pass
        assert list(unit.recorded) == []
        async with running.transaction() as unit:
            assert (await unit.execute(tapes, "a", record())).version == 0
        assert await stored(running) == []


async def test_a_boundary_decides_in_it_once(place: Place) -> None:
    async with place.open(joinable()) as running:
        async with running.transaction() as unit:
            staged = await unit.execute(taking, Take("a@b.c"))
            assert (staged.state, staged.events) == (True, (Taken("a@b.c"),))
            await unit.execute(tapes, "a", record(Added(1)))
            with pytest.raises(InvalidInput, match="a second would not see"):
                await unit.execute(taking, Take("d@e.f"))
        with pytest.raises(AlreadyTaken):
            async with running.transaction() as unit:
                await unit.execute(taking, Take("a@b.c"))
        assert len(await stored(running)) == 2


async def test_transactional_handlers_take_part(place: Place) -> None:
    async with place.open(joinable(within(fails_on=9))) as running:
        async with running.transaction() as unit:
            await unit.execute(tapes, "a", record(Added(1), Added(2)))
            assert await unit.fetch(guests) == []
        assert await came(running) == [1, 2]
        with pytest.raises(HandlerFailed):
            async with running.transaction() as unit:
                await unit.execute(tapes, "a", record(Added(3), Added(9)))
        assert await came(running) == [1, 2]
        assert len(await stored(running)) == 2


@pytest.mark.parametrize("url", ["postgres"], indirect=True)
async def test_whoever_was_quicker_is_a_conflict_at_the_end(place: Place) -> None:
    async with place.open(joinable()) as running, place.open(joinable()) as other:
        with pytest.raises(ConcurrencyConflict):
            async with running.transaction() as unit:
                await unit.execute(tapes, "b", record(Added(1)))
                await unit.execute(tapes, "a", record(Added(1)))
                await other.execute(tapes, "a", record(Added(2)))
        assert [(each.id, each.version) for each in await stored(running)] == [("a", 1)]


def counting_guests() -> TransactionalHandler:
    """One guest for each version, whom nobody can write twice."""
    handler = TransactionalHandler("guests", tables=[guests_t])

    @handler.on(Added)
    def added(pending: Any, view: View) -> None:
        view.write(come, {"n": pending.version})

    return handler


@pytest.mark.parametrize("url", ["postgres"], indirect=True)
async def test_whoever_was_overtaken_has_a_conflict_though_his_handlers_row_was_there(place: Place) -> None:
    async with place.open(joinable(counting_guests())) as running:
        with pytest.raises(ConcurrencyConflict):
            async with running.transaction() as unit:
                await unit.execute(tapes, "a", record(Added(1)))
                await running.execute(tapes, "a", record(Added(2)))
        with pytest.raises(HandlerFailed):
            async with running.transaction() as unit:
                await unit.write(come, {"n": 2})
                await unit.execute(tapes, "a", record(Added(1)))
        assert await came(running) == [1]
        assert len(await stored(running)) == 1


@pytest.mark.parametrize("url", ["memory", "sqlite"], indirect=True)
async def test_with_one_writer_nobody_is_quicker_once_it_has_begun(place: Place) -> None:
    async with place.open(joinable(needs_guests())) as running, place.open(joinable()) as other:
        async with running.transaction() as unit:
            await unit.write(come, {"n": 1})
            await unit.execute(tapes, "a", record(Added(1)))
            rival = asyncio.create_task(other.execute(tapes, "a", record(Added(2))))
            done, _ = await asyncio.wait([rival], timeout=0.1)
            assert not done
        assert (await rival).version == 2


@pytest.mark.parametrize("url", ["memory", "sqlite"], indirect=True)
async def test_a_block_that_has_asked_for_nothing_yet_keeps_nobody_waiting(place: Place) -> None:
    async with place.open(joinable()) as running, place.open(joinable()) as other:
        async with running.transaction() as unit:
            async with asyncio.timeout(3):
                assert (await other.execute(tapes, "a", record(Added(1)))).version == 1
            assert (await unit.execute(tapes, "a", record(Added(2)))).version == 2
        assert (await running.load(tapes, "a")).state.sum == 3


async def test_a_block_that_takes_too_long_stores_nothing(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (
        "eventfold.adapters.memory_units",
        "eventfold.adapters.sqlite.units",
        "eventfold.adapters.postgres.units",
    ):
        monkeypatch.setattr(f"{module}.LONGEST_HOLD", 0.2)
    assert units.LONGEST_HOLD == 5.0
    async with place.open(joinable(needs_guests())) as running:
        with pytest.raises(TimeoutError):
            async with running.transaction() as unit:
                await unit.write(come, {"n": 1})
                await unit.execute(tapes, "a", record(Added(1)))
                await asyncio.sleep(0.4)
        assert (await stored(running), await came(running)) == ([], [])
        assert (await running.execute(tapes, "a", record(Added(1)))).version == 1


@pytest.mark.parametrize("url", ["memory", "sqlite"], indirect=True)
async def test_beside_the_one_writer_everything_goes_through_the_unit(place: Place) -> None:
    async with place.open(joinable()) as running:
        async with running.transaction() as unit:
            with pytest.raises(InvalidInput, match="execute through the unit"):
                await running.execute(tapes, "b", record(Added(1)))
            with pytest.raises(InvalidInput, match="execute through the unit"):
                await running.execute(taking, Take("a@b.c"))
            with pytest.raises(InvalidInput, match="execute through the unit"):
                async with running.lock(tapes, "b"):
                    pass
            await unit.execute(tapes, "a", record(Added(1)))
        assert (await running.execute(tapes, "b", record(Added(1)))).version == 1


async def test_handlers_of_a_transaction_may_execute(place: Place) -> None:
    handler = EventHandler("more")

    @handler.on(Added)
    async def more(recorded: Recorded[Added], handling: Any) -> None:
        if recorded.event.n == 1:
            await handling.execute(tapes, recorded.id, record(Added(2)))

    async with place.open(joinable(handler)) as running:
        async with running.transaction() as unit:
            await unit.execute(tapes, "a", record(Added(1)))
        assert (await running.load(tapes, "a")).state.sum == 3


async def test_a_unit_is_over_when_its_block_is(place: Place) -> None:
    async with place.open(joinable(needs_guests())) as running:
        async with running.transaction() as unit:
            with pytest.raises(InvalidInput, match="has not ended"):
                await unit.committed()
        for late in (
            unit.execute(tapes, "a", record(Added(1))),
            unit.load(tapes, "a"),
            unit.write(come, {"n": 1}),
            unit.fetch(guests),
        ):
            with pytest.raises(InvalidInput, match="is over"):
                await late
        assert await stored(running) == []


async def test_fm52_a_block_that_is_cancelled_leaves_nothing(place: Place) -> None:
    async with place.open(joinable(needs_guests())) as running:
        inside = asyncio.Event()

        async def work() -> None:
            async with running.transaction() as unit:
                await unit.write(come, {"n": 1})
                await unit.execute(tapes, "a", record(Added(1)))
                inside.set()
                await asyncio.Event().wait()

        task = asyncio.create_task(work())
        await inside.wait()
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        assert (await stored(running), await came(running)) == ([], [])
        assert (await running.execute(tapes, "a", record(Added(1)))).version == 1


async def test_a_store_that_wants_it_all_again_tells_the_owner(place: Place) -> None:
    async with place.open(joinable()) as running:
        transact = running._transactions._units.transact

        async def twice(work: Any) -> Any:
            async def again(unit: Unit) -> Any:
                await work(unit)
                return await work(unit)

            return await transact(again)

        running._transactions._units.transact = twice  # type: ignore[method-assign] # as after a deadlock
        with pytest.raises(RetryTransaction, match="once more"):
            async with running.transaction() as unit:
                await unit.execute(tapes, "a", record(Added(1)))
        assert await stored(running) == []


# ------------------------------------------------------------- a transaction of the caller


@pytest.mark.parametrize("url", ["memory", "sqlite"], indirect=True)
async def test_without_a_server_there_is_nothing_to_join(place: Place) -> None:
    async with place.open(joinable()) as running:
        with pytest.raises(UnsupportedByStore, match=r"running\.transaction"):
            async with running.join(object()):
                pass


@pytest.fixture
def server_url(postgres: PostgresServer, postgres_schema: str) -> str:
    return f"{postgres.url}?schema={postgres_schema}&options=-csearch_path%3D{postgres_schema}"


@pytest.fixture
async def mine(postgres: PostgresServer, postgres_schema: str) -> Any:
    connection = await asyncpg.connect(postgres.url, server_settings={"search_path": postgres_schema})
    yield connection
    await connection.close()


async def test_my_commit_stores_events_and_rows(server_url: str, mine: Any) -> None:
    heard = Heard()
    async with joinable(within(), heard.handler()).open(server_url) as running:
        async with mine.transaction():
            await mine.execute("INSERT INTO guests VALUES (100)")
            async with running.join(mine) as unit:
                await unit.execute(tapes, "a", record(Added(1)))
                await unit.execute(tapes, "b", record(Added(2)))
            async with running.join(mine) as second:
                assert (await second.execute(tapes, "a", record(Added(3)))).version == 2
            assert await stored(running) == []
        assert [(each.id, each.version) for each in await stored(running)] == [("a", 1), ("b", 1), ("a", 2)]
        assert await came(running) == [1, 2, 3, 100]
        assert heard == []
        await unit.committed()
        await unit.committed()
        assert heard == [1, 2]
        await second.committed()
        assert heard == [1, 2, 3]


async def test_my_rollback_stores_neither(server_url: str, mine: Any) -> None:
    async with joinable(within()).open(server_url) as running:
        transaction = mine.transaction()
        await transaction.start()
        async with running.join(mine) as unit:
            await unit.execute(tapes, "a", record(Added(1)))
        await transaction.rollback()
        assert (await stored(running), await came(running)) == ([], [])
        assert (await running.execute(tapes, "a", record(Added(2)))).version == 1


@pytest.mark.parametrize("handlers", [0, 1])
async def test_a_conflict_that_is_swallowed_leaves_nothing_in_my_transaction(
    server_url: str, mine: Any, handlers: int
) -> None:
    async with joinable(*[within()] * handlers, needs_guests()).open(server_url) as running:
        async with mine.transaction():
            await mine.execute("INSERT INTO guests VALUES (100)")
            with pytest.raises(ConcurrencyConflict):
                async with running.join(mine) as unit:
                    await unit.execute(tapes, "a", record(Added(1)))
                    await unit.execute(tapes, "b", record(Added(2)))
                    await running.execute(tapes, "b", record(Added(50)))
            async with running.join(mine) as retry:
                await retry.execute(tapes, "b", record(Added(3)))
        assert [(each.id, each.version) for each in await stored(running)] == [("b", 1), ("b", 2)]
        assert await came(running) == ([3, 50, 100] if handlers else [100])


async def test_a_handler_that_fails_leaves_nothing_in_my_transaction(server_url: str, mine: Any) -> None:
    async with joinable(within(fails_on=9)).open(server_url) as running:
        async with mine.transaction():
            await mine.execute("INSERT INTO guests VALUES (100)")
            with pytest.raises(HandlerFailed):
                async with running.join(mine) as unit:
                    await unit.execute(tapes, "a", record(Added(1), Added(9)))
            await mine.execute("INSERT INTO guests VALUES (101)")
        assert (await stored(running), await came(running)) == ([], [100, 101])


async def test_a_row_that_the_database_refuses_leaves_nothing_either(server_url: str, mine: Any) -> None:
    async with joinable(within()).open(server_url) as running:
        async with mine.transaction():
            await mine.execute("INSERT INTO guests VALUES (1)")
            with pytest.raises(HandlerFailed):
                async with running.join(mine) as unit:
                    await unit.execute(tapes, "a", record(Added(1)))
            await mine.execute("INSERT INTO guests VALUES (101)")
        assert (await stored(running), await came(running)) == ([], [1, 101])


async def test_whoever_is_overtaken_in_my_transaction_has_a_conflict_and_not_a_handler_that_failed(
    server_url: str, mine: Any
) -> None:
    async with joinable(counting_guests()).open(server_url) as running:
        async with mine.transaction():
            await mine.execute("INSERT INTO guests VALUES (100)")
            with pytest.raises(ConcurrencyConflict):
                async with running.join(mine) as unit:
                    await unit.execute(tapes, "a", record(Added(1)))
                    await running.execute(tapes, "a", record(Added(2)))
            await mine.execute("INSERT INTO guests VALUES (2)")
            with pytest.raises(HandlerFailed):
                async with running.join(mine) as unit:
                    await unit.execute(tapes, "a", record(Added(1)))
        assert await came(running) == [1, 2, 100]
        assert (await running.load(tapes, "a")).version == 1


async def test_a_boundary_in_my_transaction(server_url: str, mine: Any) -> None:
    async with joinable().open(server_url) as running:
        async with mine.transaction(), running.join(mine) as unit:
            await unit.execute(taking, Take("a@b.c"))
        with pytest.raises(BoundaryConflict):
            async with mine.transaction(), running.join(mine) as unit:
                await unit.execute(taking, Take("d@e.f"))
                await running.execute(taking, Take("d@e.f"))
        with pytest.raises(UnsupportedIsolation):
            async with mine.transaction(isolation="repeatable_read"), running.join(mine) as unit:
                await unit.execute(taking, Take("g@h.i"))
        assert len(await stored(running)) == 2


async def test_a_block_that_raises_leaves_my_transaction_as_it_was(server_url: str, mine: Any) -> None:
    async with joinable(needs_guests()).open(server_url) as running:
        async with mine.transaction():
            await mine.execute("INSERT INTO guests VALUES (1)")
            with pytest.raises(TapeFull):
                async with running.join(mine) as unit:
                    await unit.execute(tapes, "a", record(Added(1)))
                    await unit.execute(tapes, "a", AddUnless(5, limit=5))
        assert (await stored(running), await came(running)) == ([], [1])


async def test_an_aggregate_of_another_application_is_refused(server_url: str, mine: Any) -> None:
    async with application().open(server_url) as running, mine.transaction():
        with pytest.raises(InvalidInput, match="none of this application's"):
            async with running.join(mine) as unit:
                await unit.execute(taking, Take("a@b.c"))


# -------------------------------------------------- the same over SQLAlchemy, by its own ways


class Alchemist:
    """What is joined, and how its owner begins a transaction, a savepoint, and says something himself."""

    def __init__(
        self,
        given: Any,
        begin: Callable[[], AbstractAsyncContextManager[Any]],
        savepoint: Callable[[], AbstractAsyncContextManager[Any]],
        execute: Callable[[Any], Awaitable[Any]],
    ) -> None:
        self.given = given
        self.begin = begin
        self.savepoint = savepoint
        self._execute = execute

    async def invite(self, n: int) -> None:
        await self._execute(text(f"INSERT INTO guests VALUES ({n})"))


@asynccontextmanager
async def _entered(block: AbstractContextManager[Any]) -> AsyncIterator[None]:
    with block:
        yield


@pytest.fixture(
    params=["AsyncSession, asyncpg", "AsyncConnection, asyncpg", "AsyncSession, psycopg", "Session", "Connection"]
)
async def alchemist(
    request: pytest.FixtureRequest, postgres: PostgresServer, postgres_schema: str
) -> AsyncIterator[Alchemist]:
    kind, _, driver = request.param.partition(", ")
    path = f"-csearch_path={postgres_schema}"
    url = postgres.url.replace("postgresql:", f"postgresql+{driver or 'psycopg'}:")
    if not driver:
        engine = create_engine(url, poolclass=NullPool, connect_args={"options": path})
        with Session(engine) if kind == "Session" else engine.connect() as using:
            each = using

            async def execute(statement: Any) -> Any:
                return await asyncio.to_thread(each.execute, statement)

            yield Alchemist(using, lambda: _entered(each.begin()), lambda: _entered(each.begin_nested()), execute)
        engine.dispose()
        return
    settings = {"server_settings": {"search_path": postgres_schema}} if driver == "asyncpg" else {"options": path}
    async_engine = create_async_engine(url, poolclass=NullPool, connect_args=settings)
    async with AsyncSession(async_engine) if kind == "AsyncSession" else async_engine.connect() as theirs:
        yield Alchemist(theirs, theirs.begin, theirs.begin_nested, theirs.execute)
    await async_engine.dispose()


async def test_sqlalchemy_commits_events_and_rows(server_url: str, alchemist: Alchemist) -> None:
    heard = Heard()
    async with joinable(within(), heard.handler()).open(server_url) as running:
        async with alchemist.begin():
            await alchemist.invite(100)
            async with running.join(alchemist.given) as unit:
                await unit.execute(tapes, "a", record(Added(1)))
            assert await stored(running) == []
        assert (len(await stored(running)), await came(running), heard) == (1, [1, 100], [])
        await unit.committed()
        assert heard == [1]


async def test_sqlalchemy_rolls_back_events_and_rows(server_url: str, alchemist: Alchemist) -> None:
    async with joinable(within()).open(server_url) as running:
        with pytest.raises(ZeroDivisionError):
            async with alchemist.begin():
                await alchemist.invite(100)
                async with running.join(alchemist.given) as unit:
                    await unit.execute(tapes, "a", record(Added(1)))
                raise ZeroDivisionError
        assert (await stored(running), await came(running)) == ([], [])
        async with alchemist.begin():
            with pytest.raises(InvalidInput, match="is over"):
                await unit.execute(tapes, "a", record(Added(2)))
            async with running.join(alchemist.given) as again:
                assert (await again.execute(tapes, "a", record(Added(3)))).version == 1
        assert (await running.load(tapes, "a")).state.sum == 3
        assert await came(running) == [3]


@pytest.mark.parametrize("handlers", [0, 1])
async def test_a_conflict_leaves_the_transaction_of_sqlalchemy_as_it_was(
    server_url: str, alchemist: Alchemist, handlers: int
) -> None:
    async with joinable(*[within()] * handlers, needs_guests()).open(server_url) as running:
        async with alchemist.begin():
            await alchemist.invite(100)
            with pytest.raises(ConcurrencyConflict):
                async with running.join(alchemist.given) as unit:
                    await unit.execute(tapes, "a", record(Added(1)))
                    await unit.execute(tapes, "b", record(Added(2)))
                    await running.execute(tapes, "b", record(Added(50)))
            async with running.join(alchemist.given) as retry:
                assert (await retry.execute(tapes, "b", record(Added(3)))).version == 2
        assert [(each.id, each.version) for each in await stored(running)] == [("b", 1), ("b", 2)]
        assert await came(running) == ([3, 50, 100] if handlers else [100])


@pytest.mark.parametrize("handlers", [0, 1])
async def test_a_savepoint_of_sqlalchemy_that_is_rolled_back_takes_its_events_along(
    server_url: str, alchemist: Alchemist, handlers: int
) -> None:
    async with joinable(*[within()] * handlers, needs_guests()).open(server_url) as running:
        async with alchemist.begin():
            await alchemist.invite(100)
            async with alchemist.savepoint(), running.join(alchemist.given) as kept:
                await kept.execute(tapes, "a", record(Added(1)))
            with pytest.raises(ZeroDivisionError):
                async with alchemist.savepoint():
                    await alchemist.invite(101)
                    async with running.join(alchemist.given) as gone:
                        assert (await gone.execute(tapes, "a", record(Added(2)))).version == 2
                    raise ZeroDivisionError
            with pytest.raises(ConcurrencyConflict):
                async with alchemist.savepoint():
                    await alchemist.invite(102)
                    async with running.join(alchemist.given) as late:
                        await late.execute(tapes, "b", record(Added(3)))
                        await running.execute(tapes, "b", record(Added(50)))
            async with running.join(alchemist.given) as last:
                assert (await last.load(tapes, "a")).state.sum == 1
                assert (await last.execute(tapes, "a", record(Added(4)))).version == 2
        assert sorted((each.id, each.version) for each in await stored(running)) == [("a", 1), ("a", 2), ("b", 1)]
        assert (await running.load(tapes, "a")).state.sum == 5
        assert await came(running) == ([1, 4, 50, 100] if handlers else [100])
        assert (await running.execute(tapes, "a", record(Added(5)))).version == 3


# ----------------------------------------------------------------------------- found later


async def test_fm52_handlers_that_are_cancelled_after_the_commit_hold_no_stream(place: Place) -> None:
    handler = EventHandler("hangs")
    hanging = asyncio.Event()
    heard: list[int] = []

    @handler.on(Added)
    async def hangs(recorded: Recorded[Added], handling: Any) -> None:
        if recorded.event.n == 1:
            hanging.set()
            await asyncio.Event().wait()
        heard.append(recorded.event.n)

    async with place.open(joinable(handler)) as running:

        async def work() -> None:
            async with running.transaction() as unit:
                await unit.execute(tapes, "a", record(Added(1)))
                await unit.execute(tapes, "b", record(Added(2)))

        task = asyncio.create_task(work())
        await hanging.wait()
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        async with asyncio.timeout(5):
            await running.execute(tapes, "a", record(Added(3)))
            await running.execute(tapes, "b", record(Added(4)))
        assert heard == [3, 4]


async def test_a_block_that_goes_on_after_its_time_is_told_so(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("memory_units", "sqlite.units", "postgres.units"):
        monkeypatch.setattr(f"eventfold.adapters.{module}.LONGEST_HOLD", 0.1)
    async with place.open(joinable(needs_guests())) as running:
        with pytest.raises(TimeoutError):
            async with running.transaction() as unit:
                await unit.write(come, {"n": 1})
                await asyncio.sleep(0.3)
                await unit.write(come, {"n": 2})
        assert await came(running) == []


async def test_a_boundary_does_not_decide_past_what_is_waiting(place: Place) -> None:
    def decide_noted(command: Take, count: int) -> list[Taken]:
        return [Taken(command.email)]

    def evolve_noted(count: int, event: Added) -> int:
        return count + 1

    counting = Boundary(
        "counting", initial=0, decide=decide_noted, evolve=evolve_noted, query=lambda command: Query.of(Added)
    )
    app = Eventfold(deciders=[tapes, taking, counting], events=tagged())
    async with place.open(app) as running:
        async with running.transaction() as unit:
            await unit.execute(tapes, "a", record(Added(1)))
            with pytest.raises(InvalidInput, match="would not see"):
                await unit.execute(counting, Take("a@b.c"))
            await unit.execute(taking, Take("a@b.c"))
        assert len(await stored(running)) == 2
