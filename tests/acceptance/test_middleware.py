"""What stands around commands, and commands that find their aggregate by their class."""

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import Column, Integer, MetaData, String, Table, bindparam, insert

from eventfold import (
    Act,
    Aggregate,
    Boundary,
    CallNext,
    Eventfold,
    Events,
    Invocation,
    Middleware,
    Outcome,
    Projector,
    Query,
    Reactor,
    Recorded,
    Retry,
    View,
)
from eventfold.adapters.codecs.json import JsonCodec
from eventfold.errors import CannotInferEvents, ConcurrencyConflict, DuplicateName, InvalidInput, ProcessingError


@dataclass(frozen=True)
class Buy:
    isbn: str
    copies: int


@dataclass(frozen=True)
class BuyInHaste(Buy):
    pass


@dataclass(frozen=True)
class Bought:
    copies: int


class Forbidden(Exception):
    pass


def decide(command: Buy, left: int) -> list[Bought]:
    return [Bought(command.copies)]


def evolve(left: int, event: Bought) -> int:
    return left - event.copies


def isbn(command: Buy) -> str:
    return command.isbn


def everything(command: Buy) -> Query:
    return Query.of(Bought)


def shop(**options: Any) -> tuple[Aggregate[Buy, int, Bought], Eventfold]:
    books = Aggregate("book", initial=10, decide=decide, evolve=evolve, identify=isbn)
    return books, Eventfold(deciders=[books], **options)


async def authorise(invocation: Invocation, call_next: CallNext) -> Any:
    if invocation.metadata.get("actor") != "ann":
        raise Forbidden
    return await call_next(invocation)


class Watch:
    """An object that can be called is as good as a function."""

    def __init__(self, name: str, seen: list[str]) -> None:
        self.name = name
        self.seen = seen

    async def __call__(self, invocation: Invocation, call_next: CallNext) -> Any:
        self.seen.append(f"{self.name} before {invocation.decider.name}-{invocation.id}")
        told = await call_next(invocation)
        self.seen.append(f"{self.name} after {told.state}")
        return told


# ------------------------------------------------------------------------------ dispatch


async def test_a_command_finds_its_aggregate_and_its_id() -> None:
    books, app = shop()
    async with app.test() as running:
        assert (await running.dispatch(Buy("1", 3))).state == 7
        assert (await running.dispatch(BuyInHaste("1", 3), metadata={"actor": "ann"})).state == 4
        assert (await running.load(books, "1")).version == 2
        with pytest.raises(InvalidInput, match=r"takes str; commands that can be dispatched: \['Buy'\]"):
            await running.dispatch("1")


async def test_a_command_that_is_dispatched_twice_under_one_id_has_one_effect() -> None:
    _, app = shop()
    async with app.test() as running:
        key = running.new_id()
        first = await running.dispatch(Buy("1", 3), command_id=key)
        assert await running.dispatch(Buy("1", 3), command_id=key) == first


def test_two_aggregates_for_one_class_and_one_without_annotations_are_refused() -> None:
    books, _ = shop()
    others = Aggregate("other", initial=0, decide=decide, evolve=evolve, identify=isbn)
    with pytest.raises(DuplicateName, match="only one aggregate may identify="):
        Eventfold(deciders=[books, others])
    blind: Aggregate[Any, int, Bought] = Aggregate(
        "blind", initial=0, decide=lambda command, state: [], evolve=evolve, identify=lambda command: "1"
    )
    with pytest.raises(CannotInferEvents, match="decide has no annotation"):
        Eventfold(deciders=[blind])


# ---------------------------------------------------------------------------- middleware


async def test_who_may_not_gets_nothing_stored_however_he_asks() -> None:
    books, app = shop(middleware=[authorise])
    async with app.test() as running:
        for metadata in ({}, {"actor": "bob"}):
            with pytest.raises(Forbidden):
                await running.execute(books, "1", Buy("1", 1), metadata=metadata)
            with pytest.raises(Forbidden):
                await running.dispatch(Buy("1", 1), metadata=metadata)
            async with running.lock(books, "1") as book:
                with pytest.raises(Forbidden):
                    await book.execute(Buy("1", 1), metadata=metadata)
            async with running.transaction() as unit:
                with pytest.raises(Forbidden):
                    await unit.execute(books, "1", Buy("1", 1), metadata=metadata)
        assert await running.head() == 0
        async with running.context(metadata={"actor": "ann"}):
            assert (await running.dispatch(Buy("1", 1))).events[0].metadata == {"actor": "ann"}
            async with running.lock(books, "1") as book:
                assert (await book.execute(Buy("1", 1))).state == 8
            async with running.transaction() as unit:
                assert (await unit.execute(books, "1", Buy("1", 1))).state == 7


async def test_boundaries_and_reactors_are_surrounded_too() -> None:
    seen = list[str]()
    books = Aggregate("book", initial=10, decide=decide, evolve=evolve)
    total = Boundary("total", initial=0, decide=decide, evolve=evolve, query=everything)
    again = Reactor("again", start="beginning")

    @again.on(Bought)
    async def once_more(recorded: Recorded[Bought], act: Act) -> None:
        if recorded.event.copies > 1:
            await act.execute(books, "2", Buy("2", 1))

    app = Eventfold(deciders=[books, total], processors=[again], middleware=[Watch("watch", seen)])
    async with app.test() as running:
        await running.execute(total, Buy("1", 2))
        await running.settled()
    assert seen == ["watch before total-None", "watch after -2", "watch before book-2", "watch after 9"]


async def test_the_first_is_outermost_and_may_pass_on_another_command() -> None:
    seen = list[str]()

    async def at_most_two(invocation: Invocation, call_next: CallNext) -> Any:
        command = invocation.command
        smaller = Buy(command.isbn, min(command.copies, 2))
        of = (invocation.decider, invocation.id, smaller, invocation.command_id, invocation.metadata)
        return await call_next(Invocation(*of))

    books, app = shop(middleware=[Watch("a", seen), at_most_two, Watch("b", seen)])
    async with app.test() as running:
        assert (await running.execute(books, "1", Buy("1", 5))).state == 8
    assert seen == ["a before book-1", "b before book-1", "b after 8", "a after 8"]


async def test_what_is_no_middleware_is_refused() -> None:
    def plain(invocation: Invocation, call_next: CallNext) -> Any: ...

    with pytest.raises(InvalidInput, match="async def plain"):
        shop(middleware=[plain])

    async def forgets(invocation: Invocation, call_next: CallNext) -> Any:
        await call_next(invocation)

    async def mistakes(invocation: Invocation, call_next: CallNext) -> Any:
        return await call_next(invocation.command)

    async def elsewhere(invocation: Invocation, call_next: CallNext) -> Any:
        of = (invocation.decider, "2", invocation.command, invocation.command_id, invocation.metadata)
        return await call_next(Invocation(*of))

    wrong: list[tuple[list[Middleware], str]] = [
        ([forgets], "forgets returned None"),
        ([mistakes, authorise], "call_next takes the invocation"),
        ([elsewhere], "same decider and id"),
    ]
    for middleware, why in wrong:
        books, app = shop(middleware=middleware)
        async with app.test() as running:
            with pytest.raises(InvalidInput, match=why):
                await running.execute(books, "1", Buy("1", 1))


# ------------------------------------------------------------------- the application object

sold = Table("sold", MetaData(), Column("position", Integer, primary_key=True), Column("isbn", String))
keep = insert(sold).values(position=bindparam("at"), isbn=bindparam("id"))


async def test_k13_two_applications_with_different_settings_live_in_one_process() -> None:
    """Names, codec, ids, clock, conflicts, policies, who hears of errors: each application has its own."""
    heard = dict[str, list[object]](first=[], second=[])

    def made(name: str, stored: str, attempts: int) -> tuple[Aggregate[Buy, int, Bought], Eventfold]:
        books = Aggregate("book", initial=10, decide=decide, evolve=evolve)
        events = Events()
        events.add(Bought, name=stored)
        sales = Projector("sales", tables=[sold], on_error=Retry(attempts=1))

        @sales.on(Bought)
        def fails(recorded: Recorded[Bought], view: View) -> None:
            raise ZeroDivisionError(name)

        app = Eventfold(
            deciders=[books],
            processors=[sales],
            events=events,
            codec=JsonCodec(),
            attempts=attempts,
            warm=0,
            on_recorded=lambda recorded: heard[name].append(recorded[0].type),
            on_processor_error=lambda failure: heard[name].append(type(failure.error).__name__),
            middleware=[Watch(name, [])],
        )
        return books, app

    (ours, first), (theirs, second) = made("first", "bought", 1), made("second", "sold", 50)
    async with first.test() as one, second.test() as two:
        assert isinstance(await one.execute(ours, "1", Buy("1", 1)), Outcome)
        assert (await two.load(theirs, "1")).version == 0  # a test has a store of its own
        await two.execute(theirs, "1", Buy("1", 2))
        for each in (one, two):
            with pytest.raises(ProcessingError):
                await each.wait_for("sales", await each.head())
        with pytest.raises(InvalidInput, match="none of this application's"):
            await one.execute(theirs, "1", Buy("1", 1))
    assert heard["first"][0] == "bought"
    assert heard["second"][0] == "sold"
    assert all(len(each) > 1 for each in heard.values())


@pytest.mark.parametrize("attempts", [1, 3])
async def test_k13_how_often_a_conflict_is_decided_again_is_a_setting(attempts: int) -> None:
    tried = list[int]()

    def counted(command: Buy, left: int) -> list[Bought]:
        tried.append(left)
        return [Bought(command.copies)]

    books = Aggregate("book", initial=10, decide=counted, evolve=evolve)
    app = Eventfold(deciders=[books], attempts=attempts)
    async with app.test() as running:
        await running.execute(books, "1", Buy("1", 1))
        commands = (running.execute(books, "1", Buy("1", 1)) for _ in range(2))
        done = await asyncio.gather(*commands, return_exceptions=True)
    lost = [each for each in done if isinstance(each, ConcurrencyConflict)]
    assert (len(lost), len(tried)) == ((1, 3) if attempts == 1 else (0, 4))
