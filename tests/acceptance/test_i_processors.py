"""I: projectors at work."""

import asyncio
import logging
import subprocess
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import Column, Integer, MetaData, Table, bindparam, func, insert, select

from eventfold import Eventfold, ProcessorFailure, ProcessorStatus, Projector, Query, Recorded, Running, View
from eventfold.domain.message import Stream
from eventfold.errors import (
    AppendInsideProjection,
    CheckpointAheadOfLog,
    EventfoldError,
    Fenced,
    HandlerFailed,
    InvalidInput,
    ProcessorStopped,
    WaitTimedOut,
)
from eventfold.ports.checkpoint_store import Move
from eventfold.ports.event_store import Append
from eventfold.ports.parking import Settled
from eventfold.ports.subscription import PAGE
from eventfold.processing.projection import LARGEST_TRANSACTION
from eventfold.processing.view import BatchView
from tests.acceptance.world import (
    Added,
    Event,
    File,
    Measured,
    Noted,
    Place,
    add,
    added,
    application,
    new_event,
    positions,
    record,
    saw,
    see,
    seeing,
    seen_t,
    stored,
    summing,
    sums,
    sums_t,
    tapes,
)
from tests.waiting import until

ROOT = Path(__file__).resolve().parents[2]


async def fill(place: Place, *events: Event) -> None:
    async with place.open(application()) as running:
        for start in range(0, len(events), 500):
            await running.execute(tapes, "t", record(*events[start : start + 500]))


# ------------------------------------------------------------------ I2: exactly once


async def test_i2_started_at_ten_of_a_hundred_it_sums_eleven_to_a_hundred(place: Place) -> None:
    await fill(place, *(Added(n) for n in range(1, 101)))
    async with place.open(application(summing()), run=False) as running:
        (tenth,) = [event async for event in running.source.read_all(Query.all(), after=9, upto=10)]
        await running._stores.rows.advance(Move("sums", 0, 10, tenth.event_id))
    async with place.open(application(summing())) as running:
        await running.settled()
        assert await running.query(sums) == [("t", sum(range(11, 101)))]


CRASHING = """
    import asyncio, os, signal, sys
    from eventfold import Projector
    from tests.acceptance.world import add, added, application, record, sums_t, Added, sums, File
    from eventfold.adapters.sqlite import read_model

    url, point, at = sys.argv[1], sys.argv[2], int(sys.argv[3])
    calls = 0

    def die(here):
        global calls
        if here == point:
            calls += 1
            if calls == at:
                os.kill(os.getpid(), signal.SIGKILL)

    projector = Projector("sums", tables=[sums_t])

    @projector.on(Added)
    async def crashing(recorded, view):
        die("before the rows")
        added(recorded, view)
        if recorded.position % 7 == 0:
            await view.fetch(sums)
            die("within the transaction")
        die("after the rows")

    class Transaction(read_model._OpenTransaction):
        async def commit(self, writes, step):
            die("before the commit")
            await super().commit(writes, step)
            die("after the commit")

    read_model._OpenTransaction = Transaction

    async def main():
        async with application(projector).open(url) as running:
            await running.settled()
            print(await running.query(sums))

    asyncio.run(main())
"""


@pytest.mark.parametrize(
    ("point", "at"),
    [
        ("before the rows", 1),
        ("after the rows", 50),
        ("within the transaction", 5),
        ("before the commit", 1),
        ("before the commit", 2),
        ("after the commit", 1),
        ("after the commit", 2),
    ],
)
async def test_i2_g12_killed_at_any_point_it_counts_each_event_once(file: File, point: str, at: int) -> None:
    await fill(file, *(Added(n) for n in range(1, LARGEST_TRANSACTION + 101)))
    command = [sys.executable, "-c", textwrap.dedent(CRASHING), file.url]

    def run(*where: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*command, *where], cwd=ROOT, capture_output=True, text=True, check=False)

    killed = await asyncio.to_thread(run, point, str(at))
    assert killed.returncode == -9, killed.stderr
    kept = file.execute("SELECT sum FROM sums")
    checkpoint = file.execute("SELECT position FROM checkpoints WHERE position > 0")
    assert kept == [(sum(range(1, position + 1)),) for (position,) in checkpoint]  # together, always
    done = await asyncio.to_thread(run, "nowhere", "0")
    assert done.stdout.strip() == f"[Row(tape='t', sum={sum(range(1, LARGEST_TRANSACTION + 101))})]", done.stderr


async def test_i2_fm14_a_row_that_fails_leaves_neither_rows_nor_checkpoint(place: Place) -> None:
    """The failure is the database's, at the flush; the event it belongs to is found nevertheless."""
    projector = Projector("seen", tables=[seen_t])

    @projector.on(Added)
    def clumsy(recorded: Recorded[Added], view: View) -> None:
        position = 1 if recorded.event.n == 3 else recorded.position
        view.write(see, {"position": position, "type": "Added", "tape": recorded.id})

    await fill(place, *(Added(n) for n in range(1, 6)))
    async with place.open(application(projector)) as running:
        with pytest.raises(ProcessorStopped) as stopped:
            await running.settled()
        failed = stopped.value.cause
        assert isinstance(failed, HandlerFailed)
        assert isinstance(failed.event, Recorded)
        assert failed.event.event == Added(3)
        assert "unique" in str(failed.cause).lower()
        assert await running.query(positions) == [(1,), (2,)]
        assert running.status()["seen"].position == 2


# ---------------------------------------------------------------- I5: subscription


async def test_i5_a_new_projector_starts_from_the_beginning_and_reads_in_pages(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(place, *(Added(1) if n % 3 else Noted("x") for n in range(3 * LARGEST_TRANSACTION)))
    sizes: list[int] = []
    projector = summing()
    original = BatchView.commit

    async def commit(view: BatchView, move: Move) -> None:
        sizes.append(move.position - move.previous)
        await original(view, move)

    monkeypatch.setattr(BatchView, "commit", commit)
    async with place.open(application(projector)) as running:
        await running.settled()
        assert await running.query(sums) == [("t", 2 * LARGEST_TRANSACTION)]
    assert len(sizes) >= 2
    assert all(
        size <= 2 * LARGEST_TRANSACTION for size in sizes
    )  # full of one type, with one event in three of another between


async def test_i5_it_resumes_after_the_last_event_it_has_finished(place: Place) -> None:
    async with place.open(application(seeing())) as running:
        await running.execute(tapes, "t", record(Added(1), Noted("x")))
        await running.settled()
    await fill(place, Added(2), Noted("y"))
    seen: list[int] = []
    projector = Projector("seen", tables=[seen_t])

    @projector.on_any()
    def handler(recorded: Recorded[Any], view: View) -> None:
        seen.append(recorded.position)

    async with place.open(application(projector)) as running:
        await running.settled()
    assert seen == [3, 4]


async def test_i5_closing_does_not_wait_for_the_end_of_a_catch_up(place: Place) -> None:
    await fill(place, *(Added(1) for _ in range(3 * LARGEST_TRANSACTION)))
    reached = asyncio.Event()
    projector = Projector("sums", tables=[sums_t])

    @projector.on(Added)
    async def slow(recorded: Recorded[Added], view: View) -> None:
        added(recorded, view)
        if recorded.position == LARGEST_TRANSACTION + 100:
            await view.fetch(sums)
            reached.set()
            await asyncio.Event().wait()

    async with place.open(application(projector)) as running:
        await reached.wait()
        assert running.status()["sums"].position == LARGEST_TRANSACTION
    async with place.open(application(summing())) as running:
        await running.settled()
        assert await running.query(sums) == [("t", 3 * LARGEST_TRANSACTION)]


async def test_i5_a_projector_follows_what_is_recorded_while_it_runs(place: Place) -> None:
    async with place.open(application(summing())) as running:
        for n in range(1, 20):
            outcome = await running.execute(tapes, f"t{n % 2}", record(Added(n)))
            await running.wait_for("sums", outcome.position)
            assert sum(total for _, total in await running.query(sums)) == sum(range(n + 1))


async def test_i5_only_the_processors_that_are_named_run(place: Place) -> None:
    await fill(place, Added(1))
    async with place.open(application(summing(), seeing()), run=["seen"]) as running:
        await running.settled()
        status = running.status()
        assert (status["seen"].running, status["sums"].running) == (True, False)
        assert (status["seen"].position, status["sums"].position) == (1, 0)


@pytest.mark.parametrize("run", [["nobody"], "seen", [7, "x"]])
async def test_i5_naming_an_unknown_processor_is_refused(url: str, run: Any) -> None:
    with pytest.raises(InvalidInput, match="run="):
        async with application(seeing()).open(url, run=run):
            pass


# --------------------------------------------------------------------- I7: tracker


async def test_i7_a_position_starts_at_zero_is_kept_and_listed(place: Place) -> None:
    async with place.open(application(seeing(), summing())) as running:
        await running.settled()
        assert {name: each.position for name, each in running.status().items()} == {"seen": 0, "sums": 0}
        await running.execute(tapes, "t", record(Added(1), Noted("x")))
        await running.settled()
        assert {name: at_rest(running, name) for name in running.status()} == {
            "seen": ProcessorStatus("seen", "projector", running=True, position=2, lag=0, error=None),
            "sums": ProcessorStatus("sums", "projector", running=True, position=1, lag=0, error=None),
        }
        assert {whose: each.position for whose, each in (await running._stores.rows.checkpoints()).items()} == {
            ("seen", 0): 2,
            ("sums", 0): 1,
        }
    async with place.open(application(seeing(), summing())) as running:
        assert {name: each.position for name, each in running.status().items()} == {"seen": 2, "sums": 1}


# ----------------------------------------------------------------- handlers, order


async def test_i5_handlers_of_all_kinds_keep_the_order(place: Place) -> None:
    """Runs end where another function begins, and the one for every event comes after the one for its class."""
    await fill(place, Added(1), Added(2), Noted("a"), Added(3), Measured(0.5), Measured(1.5), Added(4), Added(5))
    told: list[tuple[str, object]] = []
    projector = Projector("told")

    @projector.on_batch(Added)
    def adds(run: Sequence[Recorded[Added]], view: View) -> None:
        told.append(("run", [each.event.n for each in run]))

    @projector.on(Noted)
    async def noted(recorded: Recorded[Noted], view: View) -> None:
        told.append(("noted", recorded.event.text))

    @projector.on_batch(Measured)
    async def measured(run: Sequence[Recorded[Measured]], view: View) -> None:
        await asyncio.sleep(0)
        told.append(("measured", [each.event.value for each in run]))

    @projector.on_any()
    async def every(recorded: Recorded[Any], view: View) -> None:
        told.append(("any", recorded.position))

    async with place.open(application(projector)) as running:
        await running.settled()
    assert told == [
        ("run", [1, 2]),
        ("any", 1),
        ("any", 2),
        ("noted", "a"),
        ("any", 3),
        ("run", [3]),
        ("any", 4),
        ("measured", [0.5, 1.5]),
        ("any", 5),
        ("any", 6),
        ("run", [4, 5]),
        ("any", 7),
        ("any", 8),
    ]


async def test_i5_one_batch_handler_may_take_several_classes_in_one_run(place: Place) -> None:
    await fill(place, Added(1), Noted("a"), Added(2), Measured(1.0), Noted("b"))
    runs: list[list[object]] = []
    projector = Projector("told")

    @projector.on_batch(Added, Noted)
    def both(run: Sequence[Recorded[Added | Noted]], view: View) -> None:
        runs.append([each.event for each in run])

    @projector.on(Measured)
    def measured(recorded: Recorded[Measured], view: View) -> None:
        runs.append([recorded.event])

    async with place.open(application(projector)) as running:
        await running.settled()
    assert runs == [[Added(1), Noted("a"), Added(2)], [Measured(1.0)], [Noted("b")]]


async def test_i5_a_projector_narrowed_by_query_sees_less(place: Place) -> None:
    await fill(place, Added(1), Noted("a"), Added(2))
    for query in (Query.of(Added), Query.of("Added"), Query.of(Added, Noted)):
        told: list[object] = []
        projector = Projector("told", query=query)

        @projector.on(Added)
        def handler(recorded: Recorded[Added], view: View, told: list[object] = told) -> None:
            told.append(recorded.event)

        async with place.open(application(projector)) as running:
            await running.settled()
            await running._stores.rows.reset("told")
        assert told == [Added(1), Added(2)]


async def test_i5_a_handler_that_reads_sees_what_the_batch_has_written(place: Place) -> None:
    await fill(place, *(Added(1) for _ in range(5)))
    read: list[object] = []
    projector = Projector("sums", tables=[sums_t])

    @projector.on(Added)
    async def handler(recorded: Recorded[Added], view: View) -> None:
        added(recorded, view)
        rows = await view.fetch(select(sums_t.c.sum))
        read.append([tuple(row) for row in rows])

    async with place.open(application(projector)) as running:
        await running.settled()
        assert read == [[(n,)] for n in range(1, 6)]
        assert running.status()["sums"].position == 5


async def test_i5_what_a_stopped_batch_has_written_is_not_read_by_others(file: File) -> None:
    await fill(file, Added(1), Added(2))
    holding = asyncio.Event()
    projector = Projector("sums", tables=[sums_t])

    @projector.on(Added)
    async def handler(recorded: Recorded[Added], view: View) -> None:
        added(recorded, view)
        await view.fetch(sums)
        holding.set()
        await asyncio.Event().wait()

    async with file.open(application(projector)) as running:
        await holding.wait()
        assert await running.query(sums) == []
    assert file.execute("SELECT * FROM sums") == []


async def test_i5_a_handler_that_reads_must_not_hold_others_up(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eventfold.processing.view.LONGEST_HOLD", 0.25)
    projector = Projector("sums", tables=[sums_t])
    waited: list[int] = []

    @projector.on(Added)
    async def handler(recorded: Recorded[Added], view: View) -> None:
        added(recorded, view)
        if recorded.event.n == 2:
            await view.fetch(sums)
            waited.append(recorded.position)
            await asyncio.Event().wait()

    await fill(place, Added(1), Added(2), Added(3))
    async with place.open(application(projector)) as running:
        with pytest.raises(ProcessorStopped) as stopped:
            await running.settled()
        failed = stopped.value.cause
        assert isinstance(failed, HandlerFailed)
        assert isinstance(failed.cause, TimeoutError)
        assert "must not wait for anything else" in failed.cause.__notes__[0]
        assert await running.query(sums) == [("t", 1)]
        assert waited == [2, 2]  # with the others, then alone
        assert (await running.execute(tapes, "t", record(Added(1)))).version == 4  # the store is free again


async def test_i5_a_commit_that_takes_long_is_not_cut_short(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The hold is over when the handlers are; what the store says afterwards is the truth."""
    monkeypatch.setattr("eventfold.processing.view.LONGEST_HOLD", 0.0)
    projector = Projector("seen", tables=[seen_t])

    @projector.on_any()
    def handler(recorded: Recorded[Any], view: View) -> None:
        saw(recorded, view)

    await fill(place, *(Noted("x") for _ in range(PAGE)))  # too many rows for the loop: a thread writes them
    async with place.open(application(projector)) as running:
        await running.settled()
        assert await running.query(select(func.count()).select_from(seen_t)) == [(PAGE,)]


@pytest.mark.parametrize("fault", ["in the rows", "in the select"])
async def test_i5_a_handler_may_not_swallow_the_failure_of_a_read(place: Place, fault: str) -> None:
    """The rows that were queued before went with it: going on would lose them without a word."""
    projector = Projector("seen", tables=[seen_t])

    @projector.on_any()
    async def careless(recorded: Recorded[Any], view: View) -> None:
        if recorded.position == 3:
            if fault == "in the rows":
                view.write(see, {"position": 1, "type": "again", "tape": "t"})
            nonsense: Any = "SELECT"
            try:
                await view.fetch(positions if fault == "in the rows" else nonsense)
            except Exception:
                return
        saw(recorded, view)

    await fill(place, Added(1), Added(2), Added(3), Added(4))
    async with place.open(application(projector)) as running:
        with pytest.raises(ProcessorStopped):
            await running.settled()
        assert await running.query(positions) == [(1,), (2,)]
        assert running.status()["seen"].position == 2


async def test_i5_a_view_cannot_be_used_after_its_batch(place: Place) -> None:
    views: list[View] = []
    projector = Projector("sums", tables=[sums_t])

    @projector.on(Added)
    def handler(recorded: Recorded[Added], view: View) -> None:
        views.append(view)

    await fill(place, Added(1))
    async with place.open(application(projector)) as running:
        await running.settled()
        with pytest.raises(InvalidInput, match="over"):
            views[0].write(add, {"tape_": "t", "n": 1})
        with pytest.raises(InvalidInput, match="over"):
            await views[0].fetch(sums)


# --------------------------------------------------------------------- error policy


def failing_on(n: int, name: str = "sums") -> Projector:
    projector = Projector(name, tables=[sums_t])

    @projector.on(Added)
    def handler(recorded: Recorded[Added], view: View) -> None:
        added(recorded, view)
        if recorded.event.n == n:
            raise ZeroDivisionError("boom")

    return projector


async def test_i5_i12_a_failing_handler_stops_its_processor_visibly_and_nothing_else(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    async with place.open(application(failing_on(3), seeing())) as running:
        outcome = await running.execute(tapes, "t", record(*(Added(n) for n in range(1, 6))))
        with pytest.raises(ProcessorStopped, match="processor 'sums' has stopped: HandlerFailed") as stopped:
            await running.wait_for("sums", outcome.position)
        failed = stopped.value.cause
        assert isinstance(failed, HandlerFailed)
        assert failed.processor == stopped.value.processor == "sums"
        assert isinstance(failed.event, Recorded)
        assert stopped.value.event is failed.event
        assert (failed.event.event, failed.event.position) == (Added(3), 3)
        assert isinstance(failed.cause, ZeroDivisionError)
        assert str(failed) == (
            "processor 'sums' failed on Added at position 3 (tape-t, version 3): ZeroDivisionError: boom"
        )
        assert await running.query(sums) == [("t", 3)]  # 1 and 2: what precedes the culprit stays
        status = running.status()
        assert (status["sums"].running, status["sums"].position, status["sums"].error) == (False, 2, failed)
        later = await running.execute(tapes, "t", record(Added(9)))  # the body goes on, and so do the others
        await running.wait_for("seen", later.position)
        assert len(await running.query(positions)) == 6
        assert status["seen"].error is None
    errors = [each for each in caplog.records if each.levelno >= logging.ERROR]
    assert [each.getMessage() for each in errors] == [str(failed)]


async def test_i5_after_a_fix_it_goes_on_without_loss_or_repetition(place: Place) -> None:
    await fill(place, *(Added(n) for n in range(1, 8)))
    for n in (2, 5, 7):
        async with place.open(application(failing_on(n))) as running:
            with pytest.raises(ProcessorStopped):
                await running.settled()
            assert running.status()["sums"].position == n - 1
    async with place.open(application(summing())) as running:
        await running.settled()
        assert await running.query(sums) == [("t", sum(range(1, 8)))]
        assert at_rest(running) == ProcessorStatus("sums", "projector", True, 7, 0, None)


async def test_i5_the_reason_of_a_stop_can_be_seen_from_elsewhere_until_the_next_start(file: File) -> None:
    await fill(file, Added(1))
    async with file.open(application(failing_on(1))) as running:
        with pytest.raises(ProcessorStopped):
            await running.settled()
    ((word,),) = file.execute("SELECT last_error FROM processors WHERE name = 'sums'")
    assert "ZeroDivisionError: boom" in word
    async with file.open(application(summing())) as running:
        await running.settled()
    assert file.execute("SELECT last_error FROM processors WHERE name = 'sums'") == [(None,)]


async def test_i5_an_event_that_cannot_be_decoded_is_named(file: File) -> None:
    await fill(file, Added(1), Added(2), Added(3))
    file.execute("DROP TRIGGER events_no_update")
    file.execute('UPDATE events SET data = \'{"n":"two"}\' WHERE position = 2')
    async with file.open(application(summing())) as running:
        with pytest.raises(ProcessorStopped, match="Added at position 2 .*version 2.*Expected `int`") as stopped:
            await running.settled()
        assert stopped.value.event is not None
        assert await running.query(sums) == [("t", 1)]


async def test_i5_a_store_that_refuses_is_not_the_fault_of_an_event(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    from eventfold.errors import StoreFull

    commit = BatchView.commit
    refused = 0

    async def full(view: BatchView, step: Move | Settled) -> None:
        nonlocal refused
        if refused < 2:
            refused += 1
            raise StoreFull("no room left")
        await commit(view, step)

    await fill(place, Added(1), Added(2))
    told: list[ProcessorFailure] = []
    monkeypatch.setattr(BatchView, "commit", full)
    monkeypatch.setattr("eventfold.processing.following._FIRST_PAUSE", 0.01)
    async with place.open(application(summing(), on_processor_error=told.append)) as running:
        await running.settled()
        assert await running.query(sums) == [("t", 3)]
        assert running.status()["sums"].error is None
    assert [each.verdict for each in told] == ["tries again"] * 2
    assert all(each.error.event is None and isinstance(each.error.cause, StoreFull) for each in told)


# ------------------------------------------------------- commands inside a projector


@pytest.mark.parametrize("how", ["execute", "append", "task"])
async def test_i5_a_projector_cannot_execute_or_append(place: Place, how: str) -> None:
    projector = Projector("sums", tables=[sums_t])
    opened: list[Any] = []

    @projector.on(Added)
    async def meddling(recorded: Recorded[Added], view: View) -> None:
        added(recorded, view)
        (running,) = opened
        match how:
            case "execute":
                await running.execute(tapes, "other", record(Noted("no")))
            case "append":
                await running.sink.append(Append(Stream("tape", "other"), [new_event(b"n" * 16)]))
            case _:
                await asyncio.create_task(running.execute(tapes, "other", record(Noted("no"))))

    async with place.open(application(projector)) as running:
        opened.append(running)
        outcome = await running.execute(tapes, "t", record(Added(1)))
        with pytest.raises(ProcessorStopped) as stopped:
            await running.wait_for("sums", outcome.position)
        failed = stopped.value.cause
        assert isinstance(failed, HandlerFailed)
        assert isinstance(failed.cause, AppendInsideProjection)
        assert failed.cause.processor == "sums"
        assert await running.head() == outcome.position
        assert await running.query(sums) == []
        await running.execute(tapes, "t", record(Added(1)))  # the body may


# ---------------------------------------------------------------------- waiting


async def test_i5_waiting_is_over_when_nothing_between_concerns_the_processor(place: Place) -> None:
    async with place.open(application(summing())) as running:
        outcome = await running.execute(tapes, "t", record(Noted("x"), Noted("y")))
        await running.wait_for("sums", outcome.position)
        assert running.status()["sums"].position == 0
    async with place.open(application(summing()), run=False) as running:
        await running.wait_for(summing(), outcome.position)
        await running.wait_for("sums", 0)
        nothing = await running.execute(tapes, "never", record())
        await running.wait_for("sums", nothing.position)


async def test_i5_waiting_for_what_does_not_come_is_over_in_time(place: Place) -> None:
    await fill(place, Added(1))
    async with place.open(application(summing()), run=False) as running:
        with pytest.raises(WaitTimedOut) as timed_out:
            await running.wait_for("sums", 1, timeout=0.01)
        error = timed_out.value
        assert (error.processor, error.position, error.reached, error.timeout) == ("sums", 1, 0, 0.01)
        assert error.retryable
        assert str(error) == "processor 'sums' is at 0, not yet at 1, after 0.01 s; does it run?"
        with pytest.raises(InvalidInput, match="no processor 'nobody'"):
            await running.wait_for("nobody", 1)


async def test_i5_one_application_waits_for_the_processor_of_another(place: Place) -> None:
    async with place.open(application(summing()), run=False) as web:
        first = await web.execute(tapes, "t", record(Added(1)))
        waiting = asyncio.create_task(web.wait_for("sums", first.position, timeout=30))
        await asyncio.sleep(0)
        assert not waiting.done()
        async with place.open(application(summing())):
            await waiting
        assert await web.query(sums) == [("t", 1)]


async def test_i5_a_processor_that_has_passed_the_position_may_have_stopped_since(place: Place) -> None:
    async with place.open(application(failing_on(2))) as running:
        first = await running.execute(tapes, "t", record(Added(1)))
        await running.wait_for("sums", first.position)
        second = await running.execute(tapes, "t", record(Added(2)))
        with pytest.raises(ProcessorStopped):
            await running.wait_for("sums", second.position)
        await running.wait_for("sums", first.position)


# -------------------------------------------------- checkpoints that others have moved


async def test_i7_g10_a_checkpoint_ahead_of_the_log_is_refused(file: File) -> None:
    async with file.open(application(summing())) as running:
        await running.execute(tapes, "t", record(Added(1), Added(2), Added(3)))
        await running.settled()
    file.execute("DROP TRIGGER events_no_delete")
    file.execute("DELETE FROM events WHERE position = 3")
    with pytest.raises(CheckpointAheadOfLog) as ahead:
        async with file.open(application(summing())):
            pass
    assert (ahead.value.processor, ahead.value.position, ahead.value.head) == ("sums", 3, 2)
    async with file.open(application(summing(version=2))) as running:  # the remedy of the text
        await running.settled()
        assert await running.query(sums) == [("t", 3)]


async def test_i7_g10_another_event_at_the_checkpoint_is_refused(file: File) -> None:
    async with file.open(application(summing())) as running:
        await running.execute(tapes, "t", record(Added(1), Added(2)))
        await running.settled()
    file.execute("DROP TRIGGER events_no_update")
    file.execute("UPDATE events SET event_id = randomblob(16) WHERE position = 2")
    with pytest.raises(CheckpointAheadOfLog, match="holds another event there"):
        async with file.open(application(summing())):
            pass


async def test_i2_g12_of_two_copies_one_goes_on_and_the_other_is_fenced(place: Place) -> None:
    await fill(place, *(Added(1) for _ in range(2 * PAGE)))
    async with (
        place.open(application(summing()), lease=None) as one,
        place.open(application(summing()), lease=None) as two,
    ):
        told: list[BaseException | None] = []
        told += await asyncio.gather(one.settled(), two.settled(), return_exceptions=True)
        for each in (one, two):  # if they were so polite as to take turns, now they meet
            await each.execute(tapes, "t", record(Added(1)))
            told += await asyncio.gather(each.settled(), return_exceptions=True)
        fenced, going_on = sorted((one, two), key=lambda each: each.status()["sums"].error is None)
        error = fenced.status()["sums"].error
        assert isinstance(error, Fenced)
        assert any(isinstance(each, ProcessorStopped) and each.cause is error for each in told)
        assert going_on.status()["sums"].running
        await going_on.execute(tapes, "t", record(Added(1)))
        await going_on.settled()
        assert await going_on.query(sums) == [("t", 2 * PAGE + 3)]


async def test_i2_g12_a_copy_that_meets_the_rows_of_another_is_fenced_and_no_event_is_blamed(place: Place) -> None:
    table = Table("seen", MetaData(), Column("position", Integer, primary_key=True))
    note = insert(table).values(position=bindparam("position_"))

    def noting() -> Projector:
        projector = Projector("seen", tables=[table])

        @projector.on(Added)
        def on_added(recorded: Recorded[Added], view: View) -> None:
            view.write(note, {"position_": recorded.position})

        return projector

    await fill(place, Added(1), Added(2))
    async with (
        place.open(application(noting()), run=False, lease=None) as one,
        place.open(application(noting()), run=False, lease=None) as two,
    ):
        quick, slow = (each._workers["seen"] for each in (one, two))
        await quick.begin()
        await slow.begin()
        await quick.catch_up()
        with pytest.raises(Fenced):
            await slow.catch_up()
        assert len(await one.query(select(table))) == 2


async def test_i2_a_moved_checkpoint_stops_the_projector_before_it_writes(place: Place) -> None:
    async with place.open(application(summing()), lease=None) as running:
        first = await running.execute(tapes, "t", record(Added(1)))
        await running.settled()
        (event,) = await stored(running)
        rows = running._stores.rows
        await rows.reset("sums")
        second = await running.execute(tapes, "t", record(Added(2)))
        with pytest.raises(ProcessorStopped):
            await running.wait_for("sums", second.position)
        error = running.status()["sums"].error
        assert isinstance(error, Fenced)
        assert (error.processor, error.expected, error.actual, error.epoch) == ("sums", first.position, 0, 0)
        assert await running.query(sums) == [("t", 1)]
        await rows.advance(Move("sums", 0, first.position, event.event_id))
    async with place.open(application(summing())) as running:
        await running.settled()
        assert await running.query(sums) == [("t", 3)]


# ------------------------------------------------------------------ two of everything


def test_i5_two_projectors_of_one_name_or_table_are_refused() -> None:
    from eventfold.errors import DuplicateName

    with pytest.raises(DuplicateName, match="'seen'.*processors"):
        application(seeing(), seeing())
    with pytest.raises(DuplicateName, match="'sums'.*tables"):
        application(summing("one"), summing("two"))
    with pytest.raises(DuplicateName, match="'tape'.*deciders"):
        Eventfold(deciders=[tapes, tapes])


async def test_i5_the_catch_up_of_the_test_kit_and_of_an_application_agree() -> None:
    async with application(summing(), seeing()).test() as running:
        await running.execute(tapes, "t", record(Added(1), Noted("x")))
        await running.settled()
        assert await running.query(sums) == [("t", 1)]
        assert await running.query(positions) == [(1,), (2,)]
        assert running.now() == running.now()


# --------------------------------------------- I1, I7: state, pause, place, start over


@pytest.fixture
def looking_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eventfold.processing.worker.LOOK", 0.01)


def at_rest(running: Running, name: str = "sums") -> ProcessorStatus:
    """Its status, without how quickly it was before."""
    return msgspec.structs.replace(running.status()[name], rate=0.0)


def workers(name: str = "sums") -> int:
    return sum(task.get_name() == f"{name} following" for task in asyncio.all_tasks())


async def test_i1_the_state_shows_position_running_and_error(place: Place) -> None:
    async with place.open(application(failing_on(2))) as running:
        first = await running.execute(tapes, "t", record(Added(1)))
        await running.wait_for("sums", first.position)
        assert at_rest(running) == ProcessorStatus("sums", "projector", True, 1, 0, None)
        second = await running.execute(tapes, "t", record(Added(2)))
        with pytest.raises(ProcessorStopped):
            await running.wait_for("sums", second.position)
        status = running.status()["sums"]
        assert (status.running, status.paused, status.position, status.lag) == (False, False, 1, 1)
        assert isinstance(status.error, HandlerFailed)


async def test_i1_a_pause_ends_even_an_idle_projection_and_it_keeps_its_place(
    place: Place, looking_often: None
) -> None:
    async with place.open(application(summing())) as running:
        rows = running._stores.rows
        first = await running.execute(tapes, "t", record(Added(1)))
        await running.wait_for("sums", first.position)
        assert workers() == 1
        await rows.pause("sums", paused=True)
        await until(lambda: running.status()["sums"].paused and not workers())
        assert at_rest(running) == ProcessorStatus("sums", "projector", False, 1, 0, None, paused=True)
        second = await running.execute(tapes, "t", record(Added(2)))
        with pytest.raises(WaitTimedOut, match="it is paused; `eventfold processors resume sums`") as timed_out:
            await running.wait_for("sums", second.position, timeout=0.05)
        assert timed_out.value.paused
        assert await running.query(sums) == [("t", 1)]
        await rows.pause("sums", paused=False)
        await running.wait_for("sums", second.position)
        assert await running.query(sums) == [("t", 3)]
        assert at_rest(running) == ProcessorStatus("sums", "projector", True, 2, 0, None)


async def test_i1_a_pause_holds_through_a_restart(place: Place, looking_often: None) -> None:
    async with place.open(application(summing())) as running:
        first = await running.execute(tapes, "t", record(Added(1)))
        await running.wait_for("sums", first.position)
        await running._stores.rows.pause("sums", paused=True)
    async with place.open(application(summing())) as running:
        second = await running.execute(tapes, "t", record(Added(2)))
        await until(lambda: running.status()["sums"].paused)
        assert await running.query(sums) == [("t", 1)]
        await running._stores.rows.pause("sums", paused=False)
        await running.wait_for("sums", second.position)
        assert await running.query(sums) == [("t", 3)]


async def test_i1_a_pause_waits_for_the_batch_in_hand(place: Place, looking_often: None) -> None:
    reached, go_on = asyncio.Event(), asyncio.Event()
    projector = Projector("sums", tables=[sums_t])

    @projector.on(Added)
    async def slow(recorded: Recorded[Added], view: View) -> None:
        added(recorded, view)
        reached.set()
        await go_on.wait()

    async with place.open(application(projector)) as running:
        outcome = await running.execute(tapes, "t", record(Added(1)))
        await reached.wait()
        await running._stores.rows.pause("sums", paused=True)
        worker = running._workers["sums"]
        await until(lambda: worker._paused)
        assert (running.status()["sums"].running, running.status()["sums"].paused) == (True, False)
        go_on.set()
        await until(lambda: running.status()["sums"].paused)
        assert running.status()["sums"].position == outcome.position
        assert await running.query(sums) == [("t", 1)]


async def test_i1_pausing_and_resuming_never_yields_two_workers(place: Place, looking_often: None) -> None:
    most = 0
    async with place.open(application(summing())) as running:
        rows = running._stores.rows
        for n in range(30):
            await rows.pause("sums", paused=n % 2 == 0)
            await running.execute(tapes, "t", record(Added(1)))
            for _ in range(n % 5):
                most = max(most, workers())
                await asyncio.sleep(0.005)
        await rows.pause("sums", paused=False)
        await running.settled()
        most = max(most, workers())
        assert running.status()["sums"].error is None
        assert await running.query(sums) == [("t", 30)]
    assert most == 1
    assert workers() == 0


async def test_i7_the_position_starts_at_0_is_kept_and_listed_and_set_up_never_rewinds(place: Place) -> None:
    async with place.open(application(summing()), run=["sums"]) as running:
        (listed,) = await running._stores.rows.processors()
        assert (listed.name, listed.position) == ("sums", 0)
        await running.execute(tapes, "t", record(Added(1), Added(2)))
        await running.settled()
    for _ in range(2):
        async with place.open(application(summing())) as running:
            assert running.status()["sums"].position == 2
            (listed,) = await running._stores.rows.processors()
            assert (listed.position, listed.version, listed.paused, listed.error) == (2, 1, False, None)
            assert await running.query(sums) == [("t", 3)]


async def test_i7_a_paused_processor_that_is_reset_fills_its_table_anew_when_it_is_resumed(
    place: Place, looking_often: None
) -> None:
    async with place.open(application(summing())) as running:
        rows = running._stores.rows
        await running.execute(tapes, "t", record(Added(1), Added(2)))
        await running.settled()
        await rows.pause("sums", paused=True)
        await until(lambda: running.status()["sums"].paused)
        await rows.start_over("sums")
        assert (await rows.checkpoint("sums")).position == 0
        third = await running.execute(tapes, "t", record(Added(3)))
        await rows.pause("sums", paused=False)
        await until(lambda: running.status()["sums"].running)
        await running.wait_for("sums", third.position)
        assert await running.query(sums) == [("t", 6)]


async def test_i7_a_reset_beneath_a_running_processor_without_a_lease_stops_it_before_it_writes(place: Place) -> None:
    async with place.open(application(summing()), lease=None) as running:
        first = await running.execute(tapes, "t", record(Added(1)))
        await running.wait_for("sums", first.position)
        await running._stores.rows.start_over("sums")
        second = await running.execute(tapes, "t", record(Added(2)))
        with pytest.raises(ProcessorStopped):
            await running.wait_for("sums", second.position)
        assert isinstance(running.status()["sums"].error, Fenced)
        assert await running.query(sums) == [("t", 1)]
    async with place.open(application(summing())) as running:
        await running.settled()
        assert await running.query(sums) == [("t", 3)]


async def test_i7_a_processor_that_is_reset_while_it_runs_starts_over_by_itself(
    place: Place, looking_often: None
) -> None:
    async with place.open(application(summing())) as running:
        await running.execute(tapes, "t", record(Added(1)))
        await running.settled()
        rows = running._stores.rows
        await rows.start_over("sums")
        second = await running.execute(tapes, "t", record(Added(2)))
        await until(lambda: running.status()["sums"].position == second.position)
        assert await running.query(sums) == [("t", 3)]
        assert running.status()["sums"].error is None


async def test_i7_an_idle_processor_that_is_reset_starts_over_without_an_event(
    place: Place, looking_often: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("eventfold.processing.worker._CHECKPOINT_LOOK", 0.01)
    async with place.open(application(summing())) as running:
        first = await running.execute(tapes, "t", record(Added(1)))
        await running.settled()
        rows = running._stores.rows
        await rows.start_over("sums")

        async def started_over() -> bool:
            checkpoint = await rows.checkpoint("sums")
            return checkpoint.position == first.position and checkpoint.epoch > 1

        async with asyncio.timeout(30):
            while not await started_over():  # noqa: ASYNC110 - what is awaited rings no bell
                await asyncio.sleep(0.01)
        assert await running.query(sums) == [("t", 1)]


# ------------------------------------------------------------------------- I10: its tables


async def test_i10_truncating_empties_the_tables_and_they_are_filled_anew(place: Place, looking_often: None) -> None:
    projector = summing()
    async with place.open(application(projector, seeing())) as running:
        outcome = await running.execute(tapes, "t", record(Added(1), Added(2)))
        await running.settled()
        epoch = (await running._stores.rows.checkpoint("sums")).epoch
        await running.empty(projector)

        async def filled() -> bool:
            checkpoint = await running._stores.rows.checkpoint("sums")
            return checkpoint.position == outcome.position and checkpoint.epoch > epoch

        async with asyncio.timeout(30):
            while not await filled():  # noqa: ASYNC110 - what is awaited rings no bell
                await asyncio.sleep(0.01)
        assert await running.query(sums) == [("t", 3)]
        assert await running.query(positions) == [(1,), (2,)]  # those of another processor are as they were
    async with place.open(application(projector), run=False) as running:
        await running.empty(projector)
        assert await running.query(sums) == []
        assert (await running._stores.rows.checkpoint("sums")).position == 0


async def test_i10_dropping_leaves_nothing_of_a_projector_and_is_refused_while_it_runs(place: Place) -> None:
    projector = summing()
    async with place.open(application(projector)) as running:
        await running.execute(tapes, "t", record(Added(1)))
        await running.settled()
        with pytest.raises(InvalidInput, match="is run by .*stop it first"):
            await running.drop(projector)
        assert await running.query(sums) == [("t", 1)]
    async with place.open(application(projector), run=False) as running:
        await running.drop(projector)
        assert list(await running._stores.rows.processors()) == []
        with pytest.raises(EventfoldError, match="sums"):
            await running.query(sums)
    async with place.open(application(projector)) as running:
        await running.settled()
        assert await running.query(sums) == [("t", 1)]


async def test_i10_only_a_projector_of_the_application_is_truncated(place: Place) -> None:
    async with place.open(application(summing())) as running:
        with pytest.raises(InvalidInput, match="no processor 'seen'"):
            await running.empty(seeing())
        with pytest.raises(InvalidInput, match="is no projector"):
            await running.drop("sums")  # type: ignore[arg-type] # what is to be refused


async def test_i10_a_projector_writes_its_own_tables_only(place: Place) -> None:
    projector = Projector("sums", tables=[sums_t])

    @projector.on(Added)
    def foreign(recorded: Recorded[Added], view: View) -> None:
        added(recorded, view)
        saw(recorded, view)

    async with place.open(application(projector, seeing())) as running:
        outcome = await running.execute(tapes, "t", record(Added(1)))
        with pytest.raises(ProcessorStopped, match=r"writes to 'seen', which is not among its tables \['sums'\]"):
            await running.wait_for("sums", outcome.position)
        assert await running.query(sums) == []
