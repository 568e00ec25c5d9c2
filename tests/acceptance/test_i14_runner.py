"""I14: one child process for each processor; what signals do; what the exit status says."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest
from sqlalchemy import func, select

from eventfold import system_clock
from eventfold.bootstrap.stores import open_stores
from tests.processes import children_of, is_alive
from tests.runners import RunnerProcess, running, until
from tests.staff import Told, app, desks, mails, shared, shares, shares_t, stock, stock_t


@pytest.fixture
def store(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/store.db"


async def tell(store: str, *events: Told, desk: str = "a") -> int:
    """The position of the last of them."""
    async with app.open(store, run=False) as there:
        return (await there.execute(desks, desk, list(events))).position


async def seen(store: str) -> list[int]:
    """The positions that `stock` has written down, in order."""
    async with app.open(store, run=False) as there:
        return [position for (position,) in await there.query(select(stock_t.c.position).order_by(stock_t.c.position))]


async def reached(store: str, position: int) -> None:
    async with app.open(store, run=False) as there:
        for each in (stock, mails):
            await there.wait_for(each, position, timeout=30)


def both_ready(runner: RunnerProcess) -> None:
    for name in ("stock", "mails"):
        runner.until(what="ready", processor=name)


def command_line(pid: int) -> str:
    done = subprocess.run(["ps", "-ww", "-o", "args=", "-p", str(pid)], capture_output=True, text=True, check=True)
    return done.stdout.strip()


# ----------------------------------------------------------------------------- children


async def test_i14_each_processor_has_a_process_of_its_own_with_its_title(store: str, tmp_path: Path) -> None:
    with running(store, tmp_path) as runner:
        both_ready(runner)
        await reached(store, await tell(store, Told("all"), Told("all")))
        assert sorted(children_of(runner.process.pid)) == sorted(runner.pids)
        for name in ("stock", "mails"):
            assert command_line(runner.pid_of(name)).endswith(f"eventfold: {name}")
            assert store not in command_line(runner.pid_of(name)), "a URL may hold a password"
        comm = Path(f"/proc/{runner.pid_of('mails')}/comm")
        if comm.exists():
            assert comm.read_text(encoding="utf-8").strip() == "mails"
        async with app.open(store, run=False) as there:
            [(process,)] = await there.query(select(stock_t.c.process).distinct())
        assert process == runner.pid_of("stock")
    assert await seen(store) == [1, 2]


async def test_i14_only_these_processors_are_run(store: str, tmp_path: Path) -> None:
    with running(store, tmp_path, "--only", "mails") as runner:
        runner.until(what="ready", processor="mails")
        runner.send(signal.SIGTERM)
        assert runner.ended() == 0
        assert {each["processor"] for each in runner.all(what="starting")} == {"mails"}


async def test_i14_several_processes_share_the_partitions_of_a_processor(store: str, tmp_path: Path) -> None:
    arguments = ("--processes", "shares=2", "--lease", "1s")
    with running(store, tmp_path, *arguments, app="tests.staff:shared") as runner:
        for number in (1, 2):
            runner.until(what="ready", processor="shares", number=number)
            assert command_line(runner.pid_of("shares", number)).endswith(f"eventfold: shares {number}/2")
        async with shared.open(store, run=False) as there:
            processes: set[int] = set()
            events = 0
            while len(processes) < 2:  # the second takes its share when the first has given it back
                events += 1
                assert events < 1_000, "one of them does all the work"
                outcome = await there.execute(desks, f"d{events}", [Told("all")])
                await there.wait_for(shares, outcome.position, timeout=30)
                processes = {pid for (pid,) in await there.query(select(shares_t.c.process).distinct())}
            [(rows, positions)] = await there.query(
                select(func.count(), func.count(shares_t.c.position.distinct())).select_from(shares_t)
            )
        assert processes == set(runner.pids)
        assert rows == positions == events
        runner.send(signal.SIGTERM)
        assert runner.ended() == 0


# ------------------------------------------------------------------------------ signals


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
async def test_i14_a_signal_stops_all_gracefully(store: str, tmp_path: Path, number: signal.Signals) -> None:
    with running(store, tmp_path) as runner:
        both_ready(runner)
        runner.send(number)
        assert runner.ended() == 0
        assert runner.all(what="stopping", why=number.name)
        assert {(each["processor"], each["exit_status"]) for each in runner.all(what="ended")} == {
            ("stock", 0),
            ("mails", 0),
        }
        assert not runner.all(what="restarting")
        assert not any(map(is_alive, runner.pids))
    assert runner.errors == ""


async def test_i14_fm50_g20_what_is_in_hand_is_finished_and_nothing_more_fetched(store: str, tmp_path: Path) -> None:
    await tell(store, Told("stock"), Told("stock", "sleep", 1.0), Told("stock"))
    with running(store, tmp_path, "--only", "stock") as runner:
        runner.noted("sleeps stock")
        position = await tell(store, Told("stock", "sleep", 0.0))
        runner.send(signal.SIGTERM)
        assert runner.ended() == 0
        assert not runner.all(what="cancelled")
    assert await seen(store) == [1, 2, 3], "the batch in hand"
    with running(store, tmp_path, "--only", "stock") as runner:
        runner.noted("sleeps stock", times=2)
        async with app.open(store, run=False) as there:
            await there.wait_for(stock, position, timeout=30)
    assert await seen(store) == [1, 2, 3, 4]


async def test_i14_g20_what_takes_longer_than_the_drain_is_undone_and_done_again(store: str, tmp_path: Path) -> None:
    await tell(store, Told("stock"), Told("stock", "sleep", 60))
    with running(store, tmp_path, "--only", "stock", "--drain", "200ms") as runner:
        runner.noted("sleeps stock")
        runner.send(signal.SIGTERM)
        assert runner.ended(patience=20) == 0
        assert runner.all(what="cancelled", processor="stock")
    assert await seen(store) == []
    with running(store, tmp_path, "--only", "stock") as runner:
        runner.noted("sleeps stock", times=2)


async def test_i14_a_child_that_does_not_end_in_time_is_killed_and_it_shows(store: str, tmp_path: Path) -> None:
    await tell(store, Told("stock", "block", 600))
    with running(store, tmp_path, "--drain", "100ms", "--kill", "1s") as runner:
        runner.noted("blocks stock")
        runner.until(what="ready", processor="mails")
        runner.send(signal.SIGTERM)
        assert runner.ended(patience=20) == 1
        assert runner.until(what="ended", processor="mails")["exit_status"] == 0
        assert runner.all(what="killed", processor="stock")
        assert runner.until(what="ended", processor="stock")["signal"] == signal.SIGKILL


async def test_i14_fm50_a_second_signal_ends_at_once(store: str, tmp_path: Path) -> None:
    await tell(store, Told("stock", "sleep", 600))
    with running(store, tmp_path, "--only", "stock", "--drain", "500s", "--kill", "500s") as runner:
        runner.noted("sleeps stock")
        runner.send(signal.SIGTERM)
        runner.until(what="stopping")
        runner.send(signal.SIGTERM)
        assert runner.ended(patience=20) == 130
        assert runner.until(what="ended", processor="stock")["exit_status"] == 130
    assert await seen(store) == []


async def test_i14_a_third_signal_kills(store: str, tmp_path: Path) -> None:
    await tell(store, Told("stock", "block", 600))
    with running(store, tmp_path, "--only", "stock", "--drain", "500s", "--kill", "500s") as runner:
        runner.noted("blocks stock")
        for what in ("stopping", "now", "killed"):
            runner.send(signal.SIGINT)
            runner.until(what=what)
        assert runner.ended(patience=20) == 1


async def test_fm50_ctrl_c_in_a_terminal_is_one_signal_to_each_and_drains(store: str, tmp_path: Path) -> None:
    """A terminal signals the whole group; a child that counted that and its parent's word would end at once."""
    await tell(store, Told("stock", "sleep", 1.0))
    with running(store, tmp_path, "--only", "stock") as runner:
        runner.noted("sleeps stock")
        runner.send(signal.SIGINT, group=True)
        assert runner.ended() == 0
    assert await seen(store) == [1]


async def test_fm50_a_signal_to_every_process_at_once_drains_too(store: str, tmp_path: Path) -> None:
    """As systemd does, with KillMode=control-group."""
    await tell(store, Told("stock", "sleep", 1.0))
    with running(store, tmp_path, "--only", "stock") as runner:
        runner.noted("sleeps stock")
        for pid in (runner.pid_of("stock"), runner.process.pid):
            os.kill(pid, signal.SIGTERM)
        assert runner.ended() == 0
        assert not runner.all(what="restarting")
    assert await seen(store) == [1]


async def test_fm50_a_signal_while_children_start_is_heard(store: str, tmp_path: Path) -> None:
    with running(store, tmp_path) as runner:
        runner.until(what="starting")
        runner.send(signal.SIGTERM)
        assert runner.ended(patience=20) == 0
        assert not any(map(is_alive, runner.pids))


# --------------------------------------------------------------------- death of the parent


async def test_i14_when_the_parent_is_killed_its_children_finish_what_is_in_hand_and_end(
    store: str, tmp_path: Path
) -> None:
    await tell(store, Told("stock", "sleep", 1.0))
    with running(store, tmp_path) as runner:
        both_ready(runner)
        runner.noted("sleeps stock")
        runner.send(signal.SIGKILL)
        runner.process.wait()
        until(lambda: not any(map(is_alive, runner.pids)), "end of the orphans", patience=20)
    assert await seen(store) == [1]


async def test_i14_an_orphan_whose_loop_stands_still_ends_too(store: str, tmp_path: Path) -> None:
    await tell(store, Told("stock", "block", 600))
    with running(store, tmp_path, "--only", "stock", "--drain", "1s", "--kill", "1s") as runner:
        runner.noted("blocks stock")
        runner.send(signal.SIGKILL)
        until(lambda: not any(map(is_alive, runner.pids)), "end of the orphan", patience=20)


# ------------------------------------------------------------------------------- restart


async def test_i14_a_child_that_dies_is_started_again_and_the_others_do_not_notice(store: str, tmp_path: Path) -> None:
    with running(store, tmp_path) as runner:
        both_ready(runner)
        first, other = runner.pid_of("stock"), runner.pid_of("mails")
        os.kill(first, signal.SIGKILL)
        runner.until(what="ready", processor="stock", times=2)
        assert runner.until(what="ended", processor="stock")["signal"] == signal.SIGKILL
        assert runner.pid_of("stock") != first
        await reached(store, await tell(store, Told("all")))
        assert runner.pid_of("mails") == other
        assert is_alive(other)
        runner.send(signal.SIGTERM)
        assert runner.ended() == 0, "the last child in every place has succeeded"


async def test_i14_a_processor_that_stops_is_told_and_started_again_more_and_more_slowly(
    store: str, tmp_path: Path
) -> None:
    await tell(store, Told("stock"), Told("stock", "fail"))
    with running(store, tmp_path) as runner:
        runner.until(what="ended", processor="stock", times=3)
        runner.until(what="restarting", processor="stock", times=3)
        assert {each["exit_status"] for each in runner.all(what="ended")} == {1}
        assert [each["delay"] for each in runner.all(what="restarting", processor="stock")][:3] == [0.5, 1.0, 2.0]
        assert not runner.all(what="ended", processor="mails")
        assert "processor 'stock' failed on Told at position 2" in runner.errors
        assert "stock cannot handle this" in runner.errors
        runner.send(signal.SIGTERM)
        assert runner.ended() == 1, "its last child has failed"
    assert await seen(store) == [1]


async def test_i14_who_waits_to_be_started_again_does_not_hold_up_the_end(store: str, tmp_path: Path) -> None:
    await tell(store, Told("stock", "fail"))
    with running(store, tmp_path, "--only", "stock") as runner:
        runner.until(what="restarting", times=3)
        runner.send(signal.SIGTERM)
        assert runner.ended(patience=10) == 1


# ---------------------------------------------------------------------- of several runners


async def test_i8_i14_g20_a_second_runner_stands_by_and_takes_over_within_a_second_of_the_stop(
    store: str, tmp_path: Path
) -> None:
    arguments = ("--only", "stock", "--lease", "60s")
    with running(store, tmp_path, *arguments) as first:
        first.until(what="ready")
        with running(store, tmp_path, *arguments) as second:
            second.until(what="ready")
            async with app.open(store, run=False) as there:
                outcome = await there.execute(desks, "a", [Told("stock")])
                await there.wait_for(stock, outcome.position, timeout=30)
                first.send(signal.SIGTERM)
                assert first.ended() == 0
                async with open_stores(store, clock=system_clock, migrate=False) as stores:
                    [lease] = await stores.leases.leases("stock")
                assert lease.left <= 0 or f":{first.pid_of('stock')}:" not in lease.owner, "it was given back"
                outcome = await there.execute(desks, "a", [Told("stock")])
                await there.wait_for(stock, outcome.position, timeout=5)
                processes = await there.query(select(stock_t.c.process).order_by(stock_t.c.position))
            assert [pid for (pid,) in processes] == [first.pid_of("stock"), second.pid_of("stock")]


async def test_i8_without_standing_by_a_second_runner_fails_until_the_first_has_gone(
    store: str, tmp_path: Path
) -> None:
    with running(store, tmp_path, "--only", "stock") as first:
        first.until(what="ready")
        with running(store, tmp_path, "--only", "stock", "--no-standby") as second:
            assert second.until(what="ended")["exit_status"] == 1
            assert "processor 'stock' is run by" in second.errors
            first.send(signal.SIGTERM)
            assert first.ended() == 0
            second.until(what="ready")


async def test_i14_what_handlers_print_does_not_come_between_the_lines_of_json(store: str, tmp_path: Path) -> None:
    (tmp_path / "printing.py").write_text(
        "import sys\n"
        "from tests.staff import app, stock\n"
        "@stock.on_any()\n"
        "def printed(recorded, view):\n"
        "    print(f'printed, {sys.stdin.read()!r} to read', flush=True)\n",
        encoding="utf-8",
    )
    await tell(store, Told("stock"))
    with running(store, tmp_path, "--only", "stock", app="printing:app", PYTHONPATH=str(tmp_path)) as runner:
        until(lambda: "printed, '' to read" in runner.errors.splitlines(), "printed line")
        runner.send(signal.SIGTERM)
        assert runner.ended() == 0
