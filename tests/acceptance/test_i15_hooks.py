"""I15: what the application's hooks are told, where, and what their answers do."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.processes import is_alive
from tests.runners import running
from tests.staff import Told, app, desks


@pytest.fixture
def store(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/store.db"


async def fail(store: str, who: str) -> None:
    async with app.open(store, run=False) as there:
        await there.execute(desks, "a", [Told(who, "fail")])


async def test_i15_after_start_runs_in_each_child(store: str, tmp_path: Path) -> None:
    with running(store, tmp_path) as runner:
        for name in ("stock", "mails"):
            runner.until(what="ready", processor=name)
            assert runner.noted(f"after_start {name}").endswith(f" {runner.pid_of(name)}")
        assert len(runner.notes) == 2


async def test_i15_after_end_is_told_once_of_each_child_in_the_parent(store: str, tmp_path: Path) -> None:
    with running(store, tmp_path, "--only", "stock") as runner:
        runner.until(what="ready")
        os.kill(runner.pid_of("stock"), signal.SIGKILL)
        runner.until(what="ready", times=2)
        runner.send(signal.SIGTERM)
        assert runner.ended() == 0
        told = [each for each in runner.notes if each.startswith("after_end")]
        here = runner.process.pid
        assert told == [f"after_end stock None 9 0 False {here}", f"after_end stock 0 None 1 True {here}"]


async def test_i15_leave_starts_no_other_and_the_runner_ends_when_nothing_is_left(store: str, tmp_path: Path) -> None:
    with running(store, tmp_path, AFTER_END="leave") as runner:
        for name in ("stock", "mails"):
            runner.until(what="ready", processor=name)
        os.kill(runner.pid_of("stock"), signal.SIGKILL)
        runner.until(what="left", processor="stock")
        assert is_alive(runner.pid_of("mails"))
        os.kill(runner.pid_of("mails"), signal.SIGTERM)
        assert runner.ended() == 1, "one of them was killed"
        assert not runner.all(what="restarting")
        assert not runner.all(what="stopping")


async def test_i15_shutdown_ends_the_others_gracefully(store: str, tmp_path: Path) -> None:
    with running(store, tmp_path, AFTER_END="shutdown") as runner:
        for name in ("stock", "mails"):
            runner.until(what="ready", processor=name)
        os.kill(runner.pid_of("stock"), signal.SIGTERM)
        assert runner.ended() == 0
        assert runner.all(what="ended", processor="mails", exit_status=0)
        assert runner.all(what="stopping", why="after_end of stock")


@pytest.mark.parametrize(("answer", "why"), [("fail", "after_end cannot"), ("nonsense", "it returned 'nonsense'")])
async def test_i15_a_hook_that_fails_is_told_of_and_the_child_started_again(
    store: str, tmp_path: Path, answer: str, why: str
) -> None:
    with running(store, tmp_path, "--only", "stock", AFTER_END=answer) as runner:
        runner.until(what="ready")
        os.kill(runner.pid_of("stock"), signal.SIGKILL)
        runner.until(what="ready", times=2)
        assert why in runner.until(what="hook failed")["why"]
        runner.send(signal.SIGTERM)
        assert runner.ended() == 0


async def test_i15_critical_errors_reach_the_hook_in_the_child(store: str, tmp_path: Path) -> None:
    await fail(store, "stock")
    with running(store, tmp_path, AFTER_END="leave") as runner:
        child = runner.until(what="ended", processor="stock")
        assert child["exit_status"] == 1
        runner.until(what="ready", processor="mails")
        assert [each for each in runner.notes if each.startswith("on_critical")] == [
            f"on_critical stock HandlerFailed {child['pid']}"
        ]


async def test_i15_a_child_whose_after_start_fails_does_not_open_the_store(store: str, tmp_path: Path) -> None:
    with running(store, tmp_path, "--only", "stock", AFTER_START="fail", AFTER_END="leave") as runner:
        assert runner.ended() == 1
        assert not runner.all(what="ready")
        child = runner.pid_of("stock")
        assert f"on_critical stock ValueError {child}" in runner.notes
        assert "after_start cannot" in runner.errors
