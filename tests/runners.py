"""`eventfold run` as a process of a test: what it says is read as it comes; at the end nothing of it is left."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from tests.processes import is_alive

ROOT = Path(__file__).resolve().parents[1]
PATIENCE = 60.0
"""Seconds for what should come soon."""

GUARD = "import os, signal, sys; sys.stdin.read(); os.kill(int(sys.argv[1]), signal.SIGKILL)"
"""Waits for the end of its input, which comes with the end of the tests, also after kill -9, and leaves no runner."""

T = TypeVar("T")


def until(found: Callable[[], T | None], what: str, *, patience: float = PATIENCE) -> T:
    """What is found at last; looked for every few milliseconds."""
    deadline = time.monotonic() + patience
    while (it := found()) is None or it is False:
        assert time.monotonic() < deadline, f"no {what} within {patience} s"
        time.sleep(0.01)
    return it


class RunnerProcess:
    """Started with `--json`; in a session of its own, so that a signal to its group is one from a terminal."""

    def __init__(self, arguments: list[str], environment: Mapping[str, str], folder: Path) -> None:
        self.log = folder / "notes.txt"
        self.heard: list[dict[str, Any]] = []
        self._errors: list[str] = []
        self.process = subprocess.Popen(
            [sys.executable, "-m", "eventfold", "run", "--json", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            start_new_session=True,
            env={**os.environ, "RUNNER_LOG": str(self.log), **environment},
        )
        self._guard = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", GUARD, str(self.process.pid)],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        self._readers = [threading.Thread(target=each, daemon=True) for each in (self._hear, self._read_errors)]
        for each in self._readers:
            each.start()

    def _hear(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.heard.append(json.loads(line))

    def _read_errors(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self._errors.append(line)

    @property
    def errors(self) -> str:
        return "".join(self._errors)

    @property
    def notes(self) -> list[str]:
        """What hooks and handlers have written down."""
        return self.log.read_text(encoding="utf-8").splitlines() if self.log.exists() else []

    def all(self, **wanted: object) -> list[dict[str, Any]]:
        """What has been said with these values."""
        return [each for each in tuple(self.heard) if all(each.get(key) == value for key, value in wanted.items())]

    def until(self, *, times: int = 1, patience: float = PATIENCE, **wanted: object) -> dict[str, Any]:
        """What it says with these values, for so many times; the last of these lines."""

        def found() -> dict[str, Any] | None:
            said = self.all(**wanted)
            if len(said) >= times:
                return said[times - 1]
            assert self.process.poll() is None or any(each.is_alive() for each in self._readers), (
                f"the runner has ended with {self.process.returncode}, without {wanted}: {self.heard}\n{self.errors}"
            )
            return None

        return until(found, f"{wanted} from the runner; {self.heard}\n{self.errors}", patience=patience)

    def noted(self, words: str, *, times: int = 1) -> str:
        def found() -> str | None:
            said = [each for each in self.notes if each.startswith(words)]
            return said[times - 1] if len(said) >= times else None

        return until(found, f"note {words!r}; {self.notes}\n{self.errors}")

    def pid_of(self, processor: str, number: int = 1) -> int:
        """Its process now."""
        pid: int = self.all(what="starting", processor=processor, number=number)[-1]["pid"]
        return pid

    def send(self, number: signal.Signals, *, group: bool = False) -> None:
        (os.killpg if group else os.kill)(self.process.pid, number)

    def ended(self, *, patience: float = PATIENCE) -> int:
        """Its exit status, once it has gone and everything that it said has been heard."""
        status = self.process.wait(patience)
        for each in self._readers:
            each.join(PATIENCE)
        return status

    @property
    def pids(self) -> list[int]:
        """All processes that there have been."""
        return [each["pid"] for each in self.all(what="starting")]

    def clean(self) -> None:
        self._guard.kill()
        self._guard.communicate()
        for pid in (self.process.pid, *self.pids):
            if is_alive(pid):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()
        for reader, pipe in zip(self._readers, (self.process.stdout, self.process.stderr), strict=True):
            reader.join(PATIENCE)
            assert pipe is not None
            pipe.close()


@contextmanager
def running(
    store: str, folder: Path, *arguments: str, app: str = "tests.staff:app", **environment: str
) -> Iterator[RunnerProcess]:
    """A runner for this block, killed at the end if it is there still."""
    runner = RunnerProcess(["--app", app, "--store", store, *arguments], environment, folder)
    try:
        yield runner
    finally:
        runner.clean()
