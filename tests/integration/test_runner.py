"""`Runner(…).run()` of a program of one's own."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path

import pytest

from eventfold.bootstrap.runner import Happening, Health, Restarts, Runner, RunnerHooks
from eventfold.bootstrap.runner.messages import Task
from eventfold.bootstrap.runner.supervisor import Supervisor
from eventfold.bootstrap.runner.worker import Worker
from eventfold.errors import InvalidInput
from tests.processes import children_of
from tests.runners import PATIENCE, ROOT

PROGRAM = """
import sys
from datetime import timedelta
from eventfold.bootstrap.runner import Restarts, Runner

def tell(happening):
    print(happening.what, happening.processor, flush=True)
    if happening.what == "starting":
        raise ValueError("nobody wants to hear it")

sys.exit(Runner("beside:app", sys.argv[1], tell=tell, restarts=Restarts(first=timedelta(seconds=0.01))).run())
"""
BESIDE = """
import os, signal
from pathlib import Path
from eventfold import RunnerHooks
from tests.staff import Eventfold, desks, stock

def after_start(name):
    mark = Path(os.environ["RUNNER_LOG"])
    if not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)

app = Eventfold(deciders=[desks], processors=[stock], hooks=RunnerHooks(after_start=after_start))
"""


def test_a_program_runs_an_application_that_lies_beside_it(tmp_path: Path) -> None:
    """Children look for modules where the program does, which is neither the working directory nor a variable."""
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    for folder in (home, elsewhere):
        folder.mkdir()
    (home / "program.py").write_text(PROGRAM, encoding="utf-8")
    (home / "beside.py").write_text(f"import sys\nsys.path.append({str(ROOT)!r})\n{BESIDE}", encoding="utf-8")
    command = [sys.executable, str(home / "program.py"), f"sqlite:///{tmp_path}/store.db"]
    environment = {**os.environ, "RUNNER_LOG": str(tmp_path / "mark")}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=elsewhere, env=environment
    ) as process:
        assert process.stdout is not None
        heard: list[str] = []
        while not heard or heard[-1] != "ready stock":
            line = process.stdout.readline()
            assert line, (heard, process.communicate(timeout=PATIENCE))
            heard.append(line.strip())
            if len(heard) > 9:
                process.kill()
                pytest.fail(f"its child is never ready: {process.communicate(timeout=PATIENCE)}")
        process.send_signal(signal.SIGTERM)
        rest, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, errors
    assert [*heard, *rest.splitlines()] == [
        "starting stock",
        "ended stock",
        "restarting stock",
        "starting stock",
        "ready stock",
        "stopping None",
        "ended stock",
        "done None",
    ]
    assert "nobody wants to hear it" in errors, "a listener that fails is told of, and harms nobody"


async def test_fm50_a_child_that_was_being_started_when_the_signal_came_is_told_too(tmp_path: Path) -> None:
    task = Task(
        "tests.staff:make()",
        f"sqlite:///{tmp_path}/store.db",
        "stock",
        1,
        of=1,
        path=tuple(sys.path),
        lease=10.0,
        standby=True,
        drain=300.0,
        kill=300.0,
    )
    heard: list[Happening] = []
    supervisor = Supervisor([Worker(task)], RunnerHooks(), Restarts(), kill=300.0, tell=heard.append)
    others = set(children_of(os.getpid()))
    running = asyncio.create_task(supervisor.run())
    while set(children_of(os.getpid())) <= others:  # noqa: ASYNC110 - no event tells of it
        await asyncio.sleep(0)
    assert heard == [], "the process is there, and the supervisor has not been told of it yet"
    supervisor.stop("a test")
    assert await asyncio.wait_for(running, PATIENCE) == 0
    assert [each.what for each in heard if each.what != "ready"] == ["stopping", "starting", "ended"]


def test_a_runner_needs_the_main_thread(tmp_path: Path) -> None:
    refused: list[str] = []

    def run() -> None:
        with pytest.raises(InvalidInput, match="main thread") as error:
            Runner("tests.staff:app", f"sqlite:///{tmp_path}/store.db").run()
        refused.append(str(error.value))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(PATIENCE)
    assert len(refused) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"lease": timedelta(seconds=0.1)}, "a lease of 0.1s: at least 0.3s"),
        ({"kill": timedelta(0), "drain": timedelta(0)}, "until children are killed: more than nothing"),
        ({"drain": timedelta(seconds=-1)}, "-1s to drain"),
        ({"drain": timedelta(seconds=31)}, "31s to drain: not more than the 30s"),
        ({"health": Health(port=-1)}, "health port -1"),
        ({"health": Health(port=0, token=" ")}, "the health token"),
        ({"health": Health(port=0, token="a\nb")}, "the health token"),
    ],
)
def test_what_means_nothing_is_refused_at_once(given: dict[str, object], why: str) -> None:
    with pytest.raises(InvalidInput, match=why):
        Runner("tests.staff:app", "sqlite:///store.db", **given)  # type: ignore[arg-type] # of several types
