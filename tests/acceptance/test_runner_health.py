"""The health port of the runner: what an orchestrator is told, and what only the holder of the token."""

from __future__ import annotations

import signal
import socket
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.runners import RunnerProcess, running, until
from tests.staff import Told, app, desks

SECRET = "the-token-of-this-test"


@pytest.fixture
def store(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/store.db"


async def tell(store: str, event: Told) -> None:
    async with app.open(store, run=False) as there:
        await there.execute(desks, "a", [event])


def address(runner: RunnerProcess) -> str:
    where: str = runner.until(what="health")["why"]
    return where


def ask(runner: RunnerProcess, path: str, authorization: bytes | None = None, method: str = "GET") -> httpx.Response:
    headers = {} if authorization is None else {b"Authorization": authorization}
    return httpx.request(method, address(runner) + path, headers=headers)


def details(runner: RunnerProcess) -> dict[str, Any]:
    answer = ask(runner, "/details", f"Bearer {SECRET}".encode())
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def ready(runner: RunnerProcess) -> int:
    return ask(runner, "/ready").status_code


async def test_live_and_ready_and_details(store: str, tmp_path: Path) -> None:
    with running(store, tmp_path, "--health-port", "0", EVENTFOLD_HEALTH_TOKEN=SECRET) as runner:
        until(lambda: ready(runner) == 200, "readiness")
        live = ask(runner, "/live")
        assert (live.status_code, live.json()) == (200, {"live": True})
        await tell(store, Told("all"))
        until(lambda: all(each["status"]["position"] == 1 for each in details(runner)["processes"]), "position 1")
        told = details(runner)
        assert told["ready"] is True
        assert [(each["processor"], each["pid"]) for each in told["processes"]] == [
            (name, runner.pid_of(name)) for name in ("stock", "mails")
        ]
        assert ask(runner, "/nothing").status_code == 404
        assert ask(runner, "/live", method="POST").status_code == 405


def test_details_are_for_who_has_the_token(store: str, tmp_path: Path) -> None:
    with running(store, tmp_path, "--health-port", "0", "--only", "stock", "--health-token", SECRET) as runner:
        for header in (None, "", "Bearer", "Bearer wrong", f"Basic {SECRET}", SECRET, f"Bearer {SECRET}x", "Bearer é"):
            answer = ask(runner, "/details", None if header is None else header.encode())
            assert answer.status_code == 401, header
            assert answer.headers["www-authenticate"] == "Bearer"
            assert "stock" not in answer.text
        assert ask(runner, "/details", f"bearer {SECRET}".encode()).status_code == 200


def test_without_a_token_details_are_refused(store: str, tmp_path: Path) -> None:
    with running(store, tmp_path, "--health-port", "0", "--only", "stock") as runner:
        for header in (None, b"Bearer", b"Bearer None"):
            answer = ask(runner, "/details", header)
            assert answer.status_code == 403
            assert "stock" not in answer.text


async def test_a_processor_that_has_stopped_is_not_ready(store: str, tmp_path: Path) -> None:
    with running(store, tmp_path, "--health-port", "0", EVENTFOLD_HEALTH_TOKEN=SECRET) as runner:
        until(lambda: ready(runner) == 200, "readiness")
        await tell(store, Told("stock", "fail"))
        runner.until(what="ended", processor="stock", times=3)
        until(lambda: ready(runner) == 503, "unreadiness")
        [stock] = [each for each in details(runner)["processes"] if each["processor"] == "stock"]
        assert stock["last_exit_status"] == 1
        assert stock["restarts"] >= 2


async def test_a_child_whose_loop_stands_still_is_not_ready(store: str, tmp_path: Path) -> None:
    with running(store, tmp_path, "--health-port", "0", "--only", "stock", "--kill", "1s", "--drain", "1s") as runner:
        until(lambda: ready(runner) == 200, "readiness")
        await tell(store, Told("stock", "block", 600))
        until(lambda: ready(runner) == 503, "unreadiness", patience=30)
        assert ask(runner, "/live").status_code == 200


async def test_a_runner_that_drains_lives_and_is_not_ready(store: str, tmp_path: Path) -> None:
    await tell(store, Told("stock", "sleep", 600))
    arguments = ("--only", "stock", "--drain", "300s", "--kill", "300s", "--health-port", "0")
    with running(store, tmp_path, *arguments) as runner:
        runner.noted("sleeps stock")
        runner.send(signal.SIGTERM)
        runner.until(what="stopping")
        assert ready(runner) == 503
        assert ask(runner, "/live").status_code == 200
        runner.send(signal.SIGTERM)
        assert runner.ended() == 130


def test_a_port_that_is_taken_is_said_in_words(store: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with running(store, tmp_path, "--health-port", str(port)) as runner:
            assert runner.ended() == 2
            assert f"nobody can listen on 127.0.0.1 port {port}" in runner.errors
            assert not runner.all(what="starting")
