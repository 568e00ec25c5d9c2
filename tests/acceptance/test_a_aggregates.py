"""A: aggregates and commands."""

import asyncio
import functools
import logging
from pathlib import Path

import pytest
from sqlalchemy import select

from bookstore.app import app as bookstore
from bookstore.app import books, stock_t
from bookstore.domain import Book, Bought, Buy, NotEnoughCopies, Return, Returned, decide, evolve
from eventfold import Aggregate, Eventfold
from eventfold.domain.decider import fold
from eventfold.errors import (
    ConcurrencyConflict,
    EventfoldError,
    InvalidInput,
    NotAStore,
    StoreClosed,
    StoreUnavailable,
    Unencodable,
)
from tests.acceptance.world import (
    Added,
    AddUnless,
    File,
    Interposed,
    Measured,
    Noted,
    Place,
    Tape,
    TapeFull,
    application,
    interposed,
    record,
    stored,
    stream,
    tapes,
)
from tests.acceptance.world import evolve as evolve_tape


def test_a1_deciding_gives_events_and_leaves_the_state_alone() -> None:
    book = Book(5)
    assert decide(Buy(2), book) == [Bought(2)]
    assert book == Book(5)


def test_a1_folding_the_same_events_twice_gives_equal_states() -> None:
    events: list[Bought | Returned] = [Bought(3), Returned(1), Bought(2)]
    first, second = (functools.reduce(books.evolve, events, books.initial) for _ in range(2))
    assert first == second == fold(books, events, books.initial) == Book(6)
    assert (books.name, books.initial) == ("book", Book(10))
    assert evolve(Book(1), Returned(1)) == Book(2)


async def test_a2_three_bought_and_one_returned_leave_eight_and_eleven_are_refused(place: Place) -> None:
    async with place.open(bookstore) as running:
        assert (await running.load(books, "isbn-1")).state == Book(10)
        await running.execute(books, "isbn-1", Buy(3))
        outcome = await running.execute(books, "isbn-1", Return(1))
        assert outcome.state == Book(8)
        with pytest.raises(NotEnoughCopies, match="^11 wanted, 8 left$"):
            await running.execute(books, "isbn-1", Buy(11))
        assert await running.head() == outcome.position == 2
        await running.settled()
        assert await running.query(select(stock_t)) == [("isbn-1", 8)]


async def test_a3_a_rejection_and_a_broken_store_are_told_apart_by_type(place: Place) -> None:
    async with place.open(application()) as running:
        store = interposed(running)

        def broken() -> None:
            raise StoreUnavailable("the disk does not answer")

        store.before = broken
        with pytest.raises(TapeFull) as rejection:
            await running.execute(tapes, "t", AddUnless(2, limit=1))
        with pytest.raises(StoreUnavailable) as failure:
            await running.execute(tapes, "t", record(Added(1)))
        assert not isinstance(rejection.value, EventfoldError)
        assert isinstance(failure.value, EventfoldError)
        assert failure.value.retryable


async def test_a3_a_damaged_file_is_no_rejection_either(tmp_path: Path) -> None:
    (tmp_path / "store.db").write_bytes(b"not a database, but long enough to be looked at" * 100)
    with pytest.raises(NotAStore):
        async with application().open(f"sqlite:///{tmp_path}/store.db"):
            pass


async def test_a3_a_damaged_page_is_no_rejection_either(tmp_path: Path) -> None:
    file = tmp_path / "damaged.db"
    async with application().open(f"sqlite:///{file}") as running:
        await running.execute(tapes, "a", record(*[Noted("x" * 1_000)] * 200))
    size = file.stat().st_size
    with file.open("r+b") as pages:  # the root pages stay as they are, so that it opens
        pages.seek(size // 2)
        pages.write(b"\xff" * (size - size // 2))
    async with application().open(f"sqlite:///{file}", migrate=False, run=False) as running:
        with pytest.raises(StoreUnavailable, match=r"damaged.*restore a backup"):
            await running.execute(tapes, "a", record(Added(1)))


async def test_a3_a_rejection_passes_through_untouched(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    """The very object, without cause, context or notes; nothing logged, nothing stored, nothing tried again."""
    raised: list[TapeFull] = []

    async with place.open(application()) as running:
        store = interposed(running)
        for warm in (False, True):
            if warm:
                await running.execute(tapes, "t", record(Added(1)))
            with caplog.at_level(logging.DEBUG), pytest.raises(TapeFull) as rejection:
                await running.execute(tapes, "t", AddUnless(9, limit=5))
            raised.append(rejection.value)
            assert rejection.value.__cause__ is None
            assert rejection.value.__context__ is None
            assert not hasattr(rejection.value, "__notes__")
        assert store.appends == 1
        assert await running.head() == 1
    assert raised[0] is not raised[1]
    assert [each for each in caplog.records if each.name.startswith("eventfold")] == []


async def test_a3_the_exception_of_decide_arrives_as_the_same_object(place: Place) -> None:
    mine = TapeFull("the very one")

    def refuse(command: str, tape: Tape) -> list[Added]:
        raise mine

    moody = Aggregate("moody", initial=Tape(), decide=refuse, evolve=evolve_tape, events=[Added])
    async with place.open(Eventfold(deciders=[moody])) as running:
        with pytest.raises(TapeFull) as rejection:
            await running.execute(moody, "1", "anything")
    assert rejection.value is mine


async def test_a4_the_outcome_is_what_loading_gives_afterwards(place: Place) -> None:
    async with place.open(application()) as running:
        outcome = await running.execute(tapes, "t", record(Added(3), Noted("x")))
        loaded = await running.load(tapes, "t")
        assert (outcome.state, outcome.version, outcome.position) == (loaded.state, loaded.version, loaded.position)
        assert outcome.state == Tape(3, ("x",))
        assert [each.event for each in outcome.events] == [Added(3), Noted("x")]
        assert outcome.reply is None
    async with place.open(application()) as running:  # from the store, not from memory
        assert await running.load(tapes, "t") == loaded


async def test_a4_a_decision_for_nothing_tells_where_the_stream_is(place: Place) -> None:
    async with place.open(application()) as running:
        nothing = await running.execute(tapes, "new", record())
        assert (nothing.state, nothing.events, nothing.version, nothing.position) == (Tape(), (), 0, 0)
        await running.execute(tapes, "t", record(Added(1), Added(2)))
        await running.execute(tapes, "other", record(Added(9)))
        for running_or_fresh in ("warm", "fresh"):
            async with place.open(application()) as fresh:
                who = running if running_or_fresh == "warm" else fresh
                nothing = await who.execute(tapes, "t", record())
                assert (nothing.state, nothing.events, nothing.version) == (Tape(3), (), 2)
                assert nothing.position == 2


async def test_a4_an_aggregate_is_loaded_as_it_was(place: Place) -> None:
    async with place.open(application()) as running:
        await running.execute(tapes, "t", record(*(Added(n) for n in range(1, 8))))
        assert [(await running.load(tapes, "t", version=v)).state.sum for v in range(8)] == [0, 1, 3, 6, 10, 15, 21, 28]
        then = await running.load(tapes, "t", version=4)
        assert (then.version, then.position) == (4, 4)
        assert (await running.load(tapes, "t")).version == 7  # the past has not become the warm state
        with pytest.raises(InvalidInput, match="stream tape-t has no version 8, it ends at 7"):
            await running.load(tapes, "t", version=8)
        with pytest.raises(InvalidInput, match="version -1"):
            await running.load(tapes, "t", version=-1)


async def test_a5_two_events_take_the_next_two_versions(place: Place) -> None:
    async with place.open(application()) as running:
        await running.execute(tapes, "t", record(Added(1)))
        outcome = await running.execute(tapes, "t", record(Added(2), Noted("x")))
        assert [each.version for each in outcome.events] == [2, 3]
        assert [each.version for each in await stream(running, "t")] == [1, 2, 3]


async def test_a5_when_the_second_event_cannot_be_stored_neither_is(place: Place) -> None:
    async with place.open(application()) as running:
        await running.execute(tapes, "t", record(Added(1)))
        with pytest.raises(Unencodable):
            await running.execute(tapes, "t", record(Added(2), Measured(float("nan"))))
        assert await running.head() == 1
        assert (await running.load(tapes, "t")).state == Tape(1)


async def test_a5_when_the_second_insert_fails_neither_is_visible(file: File) -> None:
    async with file.open(application()):
        pass
    file.execute(
        "CREATE TRIGGER second_fails BEFORE INSERT ON events WHEN new.version = 2 "
        "BEGIN SELECT raise(ABORT, 'no room for the second'); END"
    )
    async with file.open(application()) as running:
        with pytest.raises(EventfoldError):
            await running.execute(tapes, "t", record(Added(1), Added(2)))
        assert await stored(running) == []
        assert (await running.load(tapes, "t")).version == 0
        assert (await running.execute(tapes, "t", record(Added(1)))).version == 1


async def test_a12_one_call_loads_decides_persists_and_tells(place: Place) -> None:
    told: list[tuple[str, int]] = []
    app = application(on_recorded=lambda events: told.extend((e.type, e.version) for e in events))
    async with place.open(app) as running:
        await running.execute(tapes, "t", record(Added(1), Noted("x")))
        assert told == [("Added", 1), ("Noted", 2)]
        assert [(e.type, e.version) for e in await stream(running, "t")] == told


async def test_a12_a_lost_race_is_decided_again_on_what_the_other_did(place: Place) -> None:
    async with place.open(application()) as mine, place.open(application()) as theirs:
        await mine.execute(tapes, "t", AddUnless(4, limit=10))  # warm at 4
        await theirs.execute(tapes, "t", AddUnless(4, limit=10))
        outcome = await mine.execute(tapes, "t", AddUnless(2, limit=10))  # decided at 4, stored at 8
        assert (outcome.state, outcome.version) == (Tape(10), 3)
        with pytest.raises(TapeFull, match="10 of 10"):
            await theirs.execute(tapes, "t", AddUnless(1, limit=10))


async def test_a12_a_rejection_from_stale_warm_state_is_decided_again(place: Place) -> None:
    async with place.open(application()) as mine, place.open(application()) as theirs:
        await mine.execute(tapes, "t", record(Added(9)))
        await theirs.execute(tapes, "t", record(Added(-9)))
        outcome = await mine.execute(tapes, "t", AddUnless(5, limit=10))  # 9 + 5 would be too much
        assert (outcome.state, outcome.version) == (Tape(5), 3)


async def test_a12_a_decision_for_nothing_from_stale_warm_state_is_taken_again(place: Place) -> None:
    async with place.open(application()) as mine, place.open(application()) as theirs:
        await mine.execute(tapes, "t", record(Added(9)))
        await theirs.execute(tapes, "t", record(Added(-9)))
        outcome = await mine.execute(tapes, "t", AddUnless(5, limit=10, quietly=True))
        assert [each.event for each in outcome.events] == [Added(5)]


async def test_a12_a_rejection_tells_the_state_of_now(place: Place) -> None:
    async with place.open(application()) as mine, place.open(application()) as theirs:
        await mine.execute(tapes, "t", record(Added(9)))
        await theirs.execute(tapes, "t", record(Added(1)))
        with pytest.raises(TapeFull, match="10 of 9"):
            await mine.execute(tapes, "t", AddUnless(5, limit=9))


async def test_a12_a_nothing_from_stale_warm_state_waits_for_what_it_has_seen(place: Place) -> None:
    async with place.open(application()) as mine, place.open(application()) as theirs:
        await mine.execute(tapes, "t", record(Added(9)))
        seen = await theirs.execute(tapes, "t", record(Noted("later")))
        outcome = await mine.execute(tapes, "t", AddUnless(5, limit=10, quietly=True))
        assert (outcome.events, outcome.version, outcome.position) == ((), 2, seen.position)
        assert outcome.state == Tape(9, ("later",))


@pytest.mark.parametrize("attempts", [1, 2, 5])
async def test_a12_tries_again_so_often_and_no_more(place: Place, attempts: int) -> None:
    async with place.open(application()) as running:
        store = interposed(running)
        store.before = _raise_conflict
        running._commands._attempts = attempts
        with pytest.raises(ConcurrencyConflict) as conflict:
            await running.execute(tapes, "t", record(Added(1)))
        assert (conflict.value.stream, conflict.value.expected, conflict.value.actual) == (("tape", "t"), 0, 7)
        assert store.appends == attempts
        store.before = None
        assert (await running.execute(tapes, "t", record(Added(1)))).version == 1  # nothing is left over


def _raise_conflict() -> None:
    raise ConcurrencyConflict(("tape", "t"), 0, 7)


async def test_a12_a_rejection_after_a_conflict_is_as_clean_as_any(place: Place) -> None:
    async with place.open(application()) as mine, place.open(application()) as theirs:
        await mine.execute(tapes, "t", AddUnless(4, limit=10))
        await theirs.execute(tapes, "t", AddUnless(6, limit=10))
        with pytest.raises(TapeFull) as rejection:
            await mine.execute(tapes, "t", AddUnless(3, limit=10))
        assert rejection.value.__context__ is None


async def test_a12_sixty_four_tasks_on_one_stream_all_succeed(place: Place) -> None:
    async with place.open(application()) as running:
        outcomes = await asyncio.gather(*(running.execute(tapes, "t", record(Added(1))) for _ in range(64)))
        assert sorted(each.version for each in outcomes) == list(range(1, 65))
        assert sorted(each.state.sum for each in outcomes) == list(range(1, 65))
        assert [each.version for each in await stream(running, "t")] == list(range(1, 65))


async def test_a12_a_limit_holds_for_sixty_four_tasks_of_two_applications(place: Place) -> None:
    async with place.open(application()) as mine, place.open(application()) as theirs:
        outcomes = await asyncio.gather(
            *(who.execute(tapes, "t", AddUnless(1, limit=20)) for _ in range(32) for who in (mine, theirs)),
            return_exceptions=True,
        )
        assert {type(each) for each in outcomes if isinstance(each, BaseException)} == {TapeFull}
        assert (await mine.load(tapes, "t")).state == (await theirs.load(tapes, "t")).state == Tape(20)


async def test_a12_a_cancelled_command_leaves_the_next_one_right(place: Place) -> None:
    async with place.open(application()) as running:
        store = interposed(running)
        await running.execute(tapes, "t", record(Added(1)))
        reached = asyncio.Event()
        for before_it_is_stored in (True, False):

            async def waits(*_: object) -> None:
                reached.set()
                await asyncio.Event().wait()

            _set(store, before_it_is_stored, waits)
            reached.clear()
            task = asyncio.create_task(running.execute(tapes, "t", record(Added(10))))
            await reached.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            store.before = store.after = None
        outcome = await running.execute(tapes, "t", record(Added(100)))
        assert outcome.state == Tape(111)  # the second of the two had been stored
        assert [each.version for each in await stream(running, "t")] == [1, 2, 3]


def _set(store: Interposed, before: bool, hook: object) -> None:
    setattr(store, "before" if before else "after", hook)


async def test_a12_one_of_many_waiting_commands_can_be_cancelled(place: Place) -> None:
    async with place.open(application()) as running:
        tasks = [asyncio.create_task(running.execute(tapes, "t", record(Added(1)))) for _ in range(16)]
        await asyncio.sleep(0)
        tasks[5].cancel()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        failed = [each for each in outcomes if isinstance(each, BaseException)]
        assert all(isinstance(each, asyncio.CancelledError) for each in failed)
        versions = [each.version for each in await stream(running, "t")]
        assert versions == list(range(1, len(versions) + 1))
        assert len(versions) in {15, 16}  # the cancelled one may have been stored
        assert not len(running._commands._queues)


async def test_a12_an_event_that_cannot_be_folded_is_not_stored(place: Place) -> None:
    async with place.open(application()) as running:
        with pytest.raises(TypeError):
            await running.execute(tapes, "t", record(Added("one")))  # type: ignore[arg-type]  # that is the point
        assert await running.head() == 0


async def test_a12_use_after_the_block_is_refused(place: Place, url: str) -> None:
    app = application()
    async with app.open(url) as running:
        await running.execute(tapes, "t", record(Added(1)))
    with pytest.raises(StoreClosed):
        await running.execute(tapes, "t", record(Added(1)))
    with pytest.raises(StoreClosed):
        await running.execute(tapes, "t", AddUnless(1, limit=0))  # decided on warm state, then confirmed
    with pytest.raises(StoreClosed):
        await running.execute(tapes, "new", record())
    with pytest.raises(StoreClosed):
        await running.load(tapes, "t")
    with pytest.raises(StoreClosed):
        await running.query(select(stock_t))
    with pytest.raises(StoreClosed):
        await running.head()
    with pytest.raises(StoreClosed):
        async with running.subscribe() as batches:
            await anext(batches)


async def test_a12_an_aggregate_of_another_application_is_refused(place: Place) -> None:
    async with place.open(application()) as running:
        with pytest.raises(InvalidInput, match=r"Aggregate\('book'\) is none of this application's"):
            await running.execute(books, "isbn-1", Buy(1))
        with pytest.raises(InvalidInput, match="none of this application's"):
            await running.load(books, "isbn-1")
