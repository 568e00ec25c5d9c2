"""The command line as a process: pipes that close, interrupts, events of other processes."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from eventfold import Aggregate, Eventfold

EVENTFOLD = [sys.executable, "-m", "eventfold"]


@dataclass(frozen=True)
class Counted:
    number: int


def decide(command: Counted, state: int) -> list[Counted]:
    return [command]


def evolve(state: int, event: Counted) -> int:
    return event.number


counter = Aggregate("counter", initial=0, decide=decide, evolve=evolve)
app = Eventfold(deciders=[counter])


async def count(url: str, numbers: range) -> None:
    async with app.open(url) as running, asyncio.TaskGroup() as tasks:
        for number in numbers:
            tasks.create_task(running.execute(counter, f"{number:05}", Counted(number)))


@pytest.fixture
def store(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path}/counters.db"
    asyncio.run(count(url, range(2_000)))
    return url


@pytest.fixture
def following(store: str) -> Iterator[subprocess.Popen[str]]:
    """`eventfold tail` that has shown the last event before it was started, so it surely follows."""
    command = [*EVENTFOLD, "tail", "--after", "1999", "--json", "--store", store]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["position"] == 2_000
        yield process
        process.kill()


def test_tail_sees_the_events_of_other_processes(store: str, following: "subprocess.Popen[str]") -> None:
    asyncio.run(count(store, range(2_000, 2_003)))
    assert following.stdout is not None
    seen = [json.loads(following.stdout.readline()) for _ in range(3)]
    assert [each["position"] for each in seen] == [2_001, 2_002, 2_003]
    assert sorted(each["data"]["number"] for each in seen) == [2_000, 2_001, 2_002]


def test_an_interrupt_ends_tail_without_a_traceback(following: "subprocess.Popen[str]") -> None:
    following.send_signal(signal.SIGINT)
    out, err = following.communicate(timeout=30)
    assert following.returncode == 130
    assert (out, err) == ("", "eventfold: interrupted\n")


@pytest.mark.parametrize(
    "command",
    [
        ["streams", "--limit", "2000"],
        ["streams", "--limit", "2000", "--json"],
        ["tail", "--after", "0"],
        ["tail", "--after", "0", "--json"],
        ["sql", "select a.data, b.data from events a join events b limit 20000"],
        ["sql", "select a.data, b.data from events a join events b limit 20000", "--json"],
        ["--help"],
    ],
    ids=" ".join,
)
def test_a_pipe_that_closes_is_no_error(command: list[str], store: str) -> None:
    environment = {**os.environ, "EVENTFOLD_STORE": store}
    with subprocess.Popen(
        [*EVENTFOLD, *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        err = process.stderr.read()
        process.wait(timeout=60)
    assert "Traceback" not in err
    assert "BrokenPipe" not in err
    assert process.returncode == 0


def test_a_narrow_encoding_is_no_error(store: str) -> None:
    asyncio.run(count(store, range(1)))
    done = subprocess.run(
        [*EVENTFOLD, "sql", "select 'Überschuß' as word", "--store", store],
        capture_output=True,
        check=False,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )
    assert done.returncode == 0, done.stderr
    assert b"\\xdcberschu\\xdf" in done.stdout
