"""What an application promises around its commands."""

import asyncio
import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest

from bookstore.app import app, books, stock
from bookstore.domain import Book, Bought, Buy, NotEnoughCopies
from eventfold import Eventfold, ManualClock
from eventfold.adapters.codecs.json import JsonCodec
from eventfold.adapters.memory import MemoryCommandLog, MemoryEventStore
from eventfold.adapters.system import system_clock, uuid7
from eventfold.commands.dispatch import Dispatch
from eventfold.commands.idempotent import Once
from eventfold.commands.manager import CommandManager
from eventfold.commands.recording import Recorder
from eventfold.domain.message import StoredEvent
from eventfold.errors import InvalidInput
from eventfold.ports.telemetry import SILENT, Telemetry
from eventfold.processing.transactional_handler import InsideAppends
from eventfold.schema.registry import Events
from eventfold.schema.serializer import Serializer


def manager(*, attempts: int = 10, warm: int = 2) -> CommandManager:
    catalogue = Events().with_defaults_for(books.events)
    store = MemoryEventStore(system_clock)
    serializer = Serializer(catalogue, JsonCodec(), uuid7)
    none: Any = None  # no transactional handler, so no unit of work
    inside, dispatch = InsideAppends(none, SILENT), Dispatch(SILENT, None)
    once = Once(MemoryCommandLog(store), store, serializer)
    recorder = Recorder(store, none, serializer, inside, dispatch, None, once)
    return CommandManager(store, serializer, recorder, SILENT, attempts=attempts, warm=warm)


async def test_warm_states_are_few_and_the_oldest_go_first() -> None:
    commands = manager(warm=2)
    for isbn in ("1", "2", "1", "3"):
        await commands.execute(books, isbn, Buy(1))
    assert [stream.id for stream in commands._warm] == ["1", "3"]
    assert (await commands.load(books, "2")).state == Book(9)


async def test_without_warm_states_everything_is_loaded() -> None:
    commands = manager(warm=0)
    for left in (9, 8, 7):
        assert (await commands.execute(books, "1", Buy(1))).state == Book(left)
    assert not commands._warm


async def test_a_stream_that_does_not_exist_takes_no_room() -> None:
    commands = manager()
    assert (await commands.load(books, "none")).version == 0
    with pytest.raises(NotEnoughCopies):
        await commands.execute(books, "none", Buy(11))
    assert not commands._warm


@pytest.mark.parametrize("attempts", [0, -1])
def test_a_command_needs_an_attempt(attempts: int) -> None:
    with pytest.raises(InvalidInput, match=f"attempts={attempts}"):
        manager(attempts=attempts)


@pytest.mark.parametrize("decided", [None, Bought(1), "Bought", {"copies": 1}])
async def test_a_decision_is_a_list_of_events(decided: Any) -> None:
    from eventfold import Aggregate

    strange: Aggregate[Buy, Book, Bought] = Aggregate(
        "book", initial=Book(), decide=lambda *_: decided, evolve=books.evolve, events=[Bought]
    )
    commands = manager()
    for _ in ("cold", "warm"):
        with pytest.raises(InvalidInput, match="decide of 'book' returned .*; return a list of events"):
            await commands.execute(strange, "1", Buy(1))
        await commands.execute(books, "1", Buy(1))


async def test_a_failing_evolve_names_the_stream_it_folded() -> None:
    from eventfold import Aggregate

    def evolve(book: Book, event: Bought) -> Book:
        if event.copies > 5:
            raise ZeroDivisionError("boom")
        return book

    commands = manager(warm=0)
    await commands.execute(books, "1", Buy(1))
    await commands.execute(books, "1", Buy(6))
    breaking: Aggregate[object, Book, Bought] = Aggregate("book", initial=Book(), decide=lambda *_: [], evolve=evolve)
    with pytest.raises(ZeroDivisionError, match="boom") as failure:
        await commands.load(breaking, "1")
    assert failure.value.__notes__ == ["raised by evolve while folding stream book-1, versions 1 to 2"]


async def test_an_error_in_the_body_is_not_wrapped() -> None:
    with pytest.raises(KeyError) as failure:
        async with app.open("memory:"):
            raise KeyError("mine")
    assert failure.value.args == ("mine",)
    assert failure.value.__context__ is None


async def test_a_cancelled_body_is_cancelled() -> None:
    entered, left = asyncio.Event(), asyncio.Event()

    async def body() -> None:
        try:
            async with app.open("memory:"):
                entered.set()
                await asyncio.Event().wait()
        finally:
            left.set()

    task = asyncio.create_task(body())
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert left.is_set()


async def test_closing_leaves_no_task_behind() -> None:
    before = asyncio.all_tasks()
    async with app.open("memory:") as running:
        await running.execute(books, "1", Buy(1))
    assert asyncio.all_tasks() == before
    gc.collect()  # a coroutine that was never awaited would warn now


async def test_the_test_kit_stands_still_until_it_is_told() -> None:
    async with app.test() as running:
        first = await running.execute(books, "1", Buy(1))
        assert isinstance(running.clock, ManualClock)
        running.clock.advance(timedelta(days=1))
        second = await running.execute(books, "1", Buy(1))
        assert second.events[0].recorded_at - first.events[0].recorded_at == timedelta(days=1)
        assert running.now() == second.events[0].recorded_at
        await running.settled()
        assert running.status()[stock.name].running


async def test_spans_lie_around_commands_and_batches() -> None:
    spans: list[tuple[str, dict[str, str | int], bool]] = []

    class Recording(Telemetry):
        @contextmanager
        def span(
            self,
            name: str,
            /,
            *,
            continues: StoredEvent | None = None,
            links: Sequence[StoredEvent] = (),
            **attributes: str | int,
        ) -> Iterator[None]:
            try:
                yield
            except BaseException:
                spans.append((name, attributes, True))
                raise
            spans.append((name, attributes, False))

    async with Eventfold(deciders=[books], processors=[stock], telemetry=Recording()).open("memory:") as running:
        await running.execute(books, "1", Buy(1))
        await running.settled()
    assert ("command", {"aggregate": "book", "command": "Buy"}, False) in spans
    assert ("batch", {"processor": "stock", "events": 1}, False) in spans
