"""
Temporary folders of servers, which outlive no test run, however it ends.

Each folder has a keeper, a small process that waits for the end of its input. The other end is held by the process that
asked for the folder, so it closes with that process, even after `kill -9`. The keeper then ends every process that was
started on the folder, and removes it. A keeper may be killed too: a lock says whether anybody still holds a folder, and
whoever asks for the next one clears away what nobody holds.
"""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PREFIX = "eventfold-server-"
PATIENCE = 15.0  # seconds that a server has to end by itself
PROC = Path("/proc")


@contextmanager
def kept_folder() -> Iterator[Path]:
    """A new folder; every process with its path in the command line is ended after the block, and the folder goes."""
    clear_orphans()
    folder, lock = locked_folder()
    command = [sys.executable, "-I", __file__, str(folder), str(lock)]
    # A session of its own: Ctrl-C ends the tests, and the keeper when it is through.
    keeper = subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=[lock], start_new_session=True)
    try:
        yield folder
    finally:
        assert keeper.stdin is not None
        keeper.stdin.close()
        status = keeper.wait()
        os.close(lock)
        if status != 0:
            raise RuntimeError(f"the keeper of {folder} failed with status {status}; its words are on stderr")


def locked_folder() -> tuple[Path, int]:
    # Lock first, folder second: what is not locked is an orphan, from the first moment on.
    while True:
        folder = Path(tempfile.gettempdir()).resolve() / f"{PREFIX}{uuid.uuid4().hex[:12]}"
        lock = os.open(lock_of(folder), os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)
        if is_at(lock_of(folder), lock):
            folder.mkdir(mode=0o700)
            return folder, lock
        os.close(lock)  # another run took it for an orphan between the two lines


def clear_orphans() -> None:
    for path in Path(tempfile.gettempdir()).resolve().glob(f"{PREFIX}*.lock"):
        try:
            lock = os.open(path, os.O_RDWR)
        except (FileNotFoundError, PermissionError):  # another run was quicker; or another person's
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        else:
            if is_at(path, lock):
                clear(path.with_suffix(""))
        finally:
            os.close(lock)


def lock_of(folder: Path) -> Path:
    return folder.with_name(folder.name + ".lock")


def is_at(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def clear(folder: Path) -> None:
    """End what runs on the folder, remove the folder, and its lock last."""
    end(folder, signal.SIGQUIT)  # to Postgres: end all sessions and leave at once
    deadline = time.monotonic() + PATIENCE
    while running_on(folder) and time.monotonic() < deadline:
        time.sleep(0.01)
    end(folder, signal.SIGKILL)
    while folder.exists():
        try:
            shutil.rmtree(folder)
        except OSError:  # a process on its way out still writes
            if time.monotonic() > deadline + PATIENCE:
                raise
            time.sleep(0.01)
    lock_of(folder).unlink(missing_ok=True)


def end(folder: Path, number: signal.Signals) -> None:
    for process in running_on(folder):
        try:
            os.kill(process, number)
        except ProcessLookupError:
            continue


def running_on(folder: Path) -> list[int]:
    """Processes that name something below the folder, this one and its like left out."""
    needle = f"{folder}/"
    return [process for process, command in command_lines() if needle in command]


def command_lines() -> Iterator[tuple[int, str]]:
    if not PROC.exists():
        listing = subprocess.run(["ps", "-A", "-ww", "-o", "pid=,command="], capture_output=True, text=True, check=True)
        for line in listing.stdout.splitlines():
            process, _, command = line.strip().partition(" ")
            yield int(process), command
        return
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            try:
                yield int(entry.name), (entry / "cmdline").read_bytes().decode(errors="replace")
            except (FileNotFoundError, ProcessLookupError, PermissionError):
                continue


def keep(folder: Path) -> None:
    sys.stdin.buffer.read()  # returns when the last holder of the other end is gone
    clear(folder)


if __name__ == "__main__":
    keep(Path(sys.argv[1]))
