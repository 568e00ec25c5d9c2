"""K8, the groundwork: command side, query side and aggregators are processes that share only the store."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.runners import ROOT, RunnerProcess, running, until

AGGREGATORS = "tests.acceptance.accounts:app"


class Side:
    """A process that answers requests."""

    def __init__(self, role: str, url: str) -> None:
        self.command = [sys.executable, "-m", "tests.acceptance.accounts", role, url]
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(
            self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
        )
        assert self._line() == "ready"

    def ask(self, **request: str) -> Any:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return self._line()

    def _line(self) -> Any:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "it is gone"
        return json.loads(line)

    def kill(self) -> None:
        self.process.kill()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()
        self.process.wait()


@contextmanager
def side(role: str, url: str) -> Iterator[Side]:
    one = Side(role, url)
    try:
        yield one
    finally:
        one.kill()


def registered(commands: Side, queries: Side, email: str) -> str:
    """The account, once the query side knows it."""
    commands.ask(register=email, password=f"secret of {email}")
    account: str = until(lambda: queries.ask(account=email), f"account of {email}")
    return account


def logged_in(commands: Side, queries: Side, email: str, times: int) -> None:
    account = queries.ask(account=email)
    assert commands.ask(login=account, password=f"secret of {email}") != "refused"
    until(lambda: queries.ask(logins=account) == times, f"{times} logins of {email}")


@pytest.mark.slow
@pytest.mark.parametrize("url", ["sqlite", "postgres"], indirect=True)
def test_k8_register_and_log_in_by_three_processes_of_which_each_is_restarted_alone(url: str, tmp_path: Path) -> None:
    with side("commands", url) as commands, side("queries", url) as queries:
        with running(url, tmp_path, app=AGGREGATORS) as aggregators:
            for name in ("emails", "logins"):
                aggregators.until(what="ready", processor=name)  # the views are there
            account = registered(commands, queries, "ann")
            assert commands.ask(login=account, password="guessed") == "refused"
            logged_in(commands, queries, "ann", 1)

            commands.kill()
            assert queries.ask(account="ann") == account, "the query side answers without the command side"
            commands.start()
            logged_in(commands, queries, "ann", 2)

            queries.kill()
            commands.ask(login=account, password="secret of ann")
            queries.start()
            logged_in(commands, queries, "ann", 4)

            stopped(aggregators)
        commands.ask(register="bob", password="secret of bob")
        assert queries.ask(account="ann") == account, "old views are answered without the aggregators"
        assert queries.ask(account="bob") is None
        with running(url, tmp_path, app=AGGREGATORS) as aggregators:
            until(lambda: queries.ask(account="bob"), "account of bob")
            logged_in(commands, queries, "bob", 1)
            logged_in(commands, queries, "ann", 5)
            stopped(aggregators)


def stopped(aggregators: RunnerProcess) -> None:
    aggregators.send(signal.SIGTERM)
    assert aggregators.ended() == 0, aggregators.errors
