"""The synchronous face: the same answers, from any thread, and never a thread that waits for ever."""

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import Column, Integer, MetaData, String, Table, bindparam, insert, select

from eventfold import Aggregate, Eventfold, Projector, Query, Recorded, View, sync
from eventfold.errors import ConcurrencyConflict, InsideEventLoop, InvalidInput, StoreClosed


@dataclass(frozen=True)
class Buy:
    copies: int


@dataclass(frozen=True)
class Bought:
    copies: int


class SoldOut(Exception):
    pass


def decide(command: Buy, left: int) -> list[Bought]:
    if command.copies < 0:
        raise SystemExit(3)
    if command.copies > left:
        raise SoldOut
    return [Bought(command.copies)] if command.copies else []


def evolve(left: int, event: Bought) -> int:
    return left - event.copies


books = Aggregate("book", initial=1_000, decide=decide, evolve=evolve)
sold = Table("sold", MetaData(), Column("position", Integer, primary_key=True), Column("isbn", String))
keep = insert(sold).values(position=bindparam("at"), isbn=bindparam("id"))
sales = Projector("sales", tables=[sold])


@sales.on(Bought)
def bought(recorded: Recorded[Bought], view: View) -> None:
    view.write(keep, {"at": recorded.position, "id": recorded.id})


app = Eventfold(deciders=[books], processors=[sales])


@pytest.fixture(params=["memory", "sqlite"])
def running(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[sync.Running]:
    url = "memory:" if request.param == "memory" else f"sqlite:///{tmp_path / 'x.db'}"
    with sync.open(app, url) as opened:
        yield opened


def test_a_command_its_row_and_its_state(running: sync.Running) -> None:
    outcome = running.execute(books, "1", Buy(3))
    assert (outcome.state, outcome.version) == (997, 1)
    running.wait_for(sales, outcome.position)
    assert running.query(select(sold.c.isbn)) == [("1",)]
    assert running.load(books, "1").state == 997
    assert running.status()["sales"].position == outcome.position


def test_a_rejection_passes_through_untouched(running: sync.Running) -> None:
    with pytest.raises(SoldOut):
        running.execute(books, "1", Buy(1_001))


def test_an_end_of_the_program_is_the_callers_and_the_loop_goes_on(running: sync.Running) -> None:
    with pytest.raises(SystemExit):
        running.execute(books, "1", Buy(-1))
    assert running.execute(books, "1", Buy(1)).version == 1


def test_the_context_of_the_caller_is_carried(running: sync.Running) -> None:
    with running.context(correlation_id="request-1", metadata={"actor": "ann"}):
        (event,) = running.execute(books, "1", Buy(1)).events
    assert (event.correlation_id, event.metadata["actor"]) == ("request-1", "ann")
    assert running.execute(books, "1", Buy(1)).events[0].metadata == {}


def test_many_threads_at_once(running: sync.Running) -> None:
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: running.execute(books, "1", Buy(1)), range(80)))
    assert running.load(books, "1").version == 80


def test_a_lock_a_transaction_and_what_is_undone(running: sync.Running) -> None:
    with running.lock(books, "1") as book:
        assert book.state == 1_000
        book.execute(Buy(2))
    with running.transaction() as unit:
        unit.execute(books, "1", Buy(3))
        unit.execute(books, "2", Buy(4))
    with pytest.raises(ZeroDivisionError), running.transaction() as unit:
        unit.execute(books, "1", Buy(500))
        raise ZeroDivisionError
    assert (running.load(books, "1").state, running.load(books, "2").state) == (995, 996)
    with pytest.raises(KeyboardInterrupt), running.transaction() as unit:
        unit.execute(books, "1", Buy(500))
        raise KeyboardInterrupt
    assert running.execute(books, "1", Buy(1)).state == 994


def test_beside_a_transaction_is_refused_here_too(running: sync.Running) -> None:
    with running.transaction(), pytest.raises(InvalidInput, match="within `async with"):
        running.execute(books, "1", Buy(1))
    assert running.execute(books, "1", Buy(1)).version == 1


def test_what_is_used_after_its_block_is_refused(running: sync.Running) -> None:
    with running.transaction() as unit:
        pass
    with pytest.raises(StoreClosed):
        unit.execute(books, "1", Buy(1))


def test_a_subscription_is_an_iterator_and_a_close_ends_it() -> None:
    running = sync.open(app, "memory:")
    running.execute(books, "1", Buy(1))
    seen, first = list[object](), threading.Event()
    ended = list[BaseException]()

    def follow() -> None:
        try:
            with running.subscribe(Query.of(Bought)) as batches:
                for batch in batches:
                    seen.extend(each.event for each in batch.events)
                    first.set()
        except StoreClosed as error:
            ended.append(error)

    thread = threading.Thread(target=follow)
    thread.start()
    assert first.wait(10)
    running.close()
    thread.join(10)
    assert (seen, len(ended)) == ([Bought(1)], 1)


def test_after_close_everything_is_refused_and_closing_twice_is_nothing() -> None:
    running = sync.open(app, "memory:")
    running.close()
    running.close()
    for call in (lambda: running.execute(books, "1", Buy(1)), lambda: running.lock(books, "1").__enter__()):
        with pytest.raises(StoreClosed):
            call()


def test_what_cannot_be_opened_leaves_no_thread(tmp_path: Path) -> None:
    before = threading.active_count()
    (tmp_path / "x.db").write_bytes(b"no database at all" * 100)
    for _ in range(3):
        with pytest.raises(Exception, match=r"x\.db"):
            sync.open(app, f"sqlite:///{tmp_path / 'x.db'}")
    assert threading.active_count() == before


async def test_inside_a_running_loop_it_is_refused_with_the_remedy() -> None:
    with pytest.raises(InsideEventLoop, match=r"asyncio\.to_thread"):
        sync.open(app, "memory:")
    running = await asyncio.to_thread(sync.open, app, "memory:")
    with pytest.raises(InsideEventLoop):
        running.execute(books, "1", Buy(1))
    assert (await asyncio.to_thread(running.execute, books, "1", Buy(1))).version == 1
    await asyncio.to_thread(running.close)


async def test_a_notebook_may_let_its_loop_stand_still() -> None:
    with sync.open(app, "memory:", within_loop=True) as running:
        assert running.execute(books, "1", Buy(1)).version == 1


def test_a_handler_on_the_loop_itself_is_refused() -> None:
    seen = list[BaseException]()

    def on_recorded(recorded: object) -> None:
        try:
            opened.load(books, "1")
        except InsideEventLoop as error:
            seen.append(error)

    with sync.open(Eventfold(deciders=[books], on_recorded=on_recorded), "memory:", within_loop=True) as opened:
        opened.execute(books, "1", Buy(1))
    assert len(seen) == 1


FORKED = """
import os, sys
sys.path.insert(0, {here!r})
from test_sync_face import *
from eventfold.errors import StoreUsedAfterFork
running = sync.open(app, "memory:")
child = os.fork()
if child == 0:
    try:
        running.execute(books, "1", Buy(1))
    except StoreUsedAfterFork as error:
        os._exit(7)
    os._exit(1)
running.execute(books, "1", Buy(1))
running.close()
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_after_a_fork_the_child_is_told() -> None:
    program = FORKED.format(here=os.path.dirname(__file__))  # noqa: PTH120 - text for a program
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 7, done.stderr


def test_calls_in_hand_are_finished_by_a_close() -> None:
    for _ in range(20):
        running = sync.open(app, "memory:")
        done = list[object]()

        def work(running: sync.Running = running, done: list[object] = done) -> None:
            try:
                while True:
                    done.append(running.execute(books, "1", Buy(0)))
            except (StoreClosed, ConcurrencyConflict) as error:
                done.append(error)

        threads = [threading.Thread(target=work) for _ in range(4)]
        for each in threads:
            each.start()
        running.close()
        for each in threads:
            each.join(10)
        assert not any(each.is_alive() for each in threads)


def test_the_face_is_what_the_script_writes() -> None:
    script = Path(__file__).resolve().parents[3] / "scripts" / "sync_face.py"
    done = subprocess.run([sys.executable, script, "--check"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
