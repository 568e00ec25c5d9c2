"""Processes of servers: under which user they run, on which port, and how they end."""

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from tests.keeper import PROC

NOBODY = 65534
UNPRIVILEGED = Path(__file__).with_name("unprivileged.py")


def unprivileged(program: Path, *arguments: object) -> list[str]:
    """The command that starts a program which refuses to be run by root."""
    command = [str(program), *map(str, arguments)]
    return [sys.executable, "-I", "-S", str(UNPRIVILEGED), *command] if os.geteuid() == 0 else command


def start(command: list[str], log: Path, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Start a server that writes to a log; in a session of its own, so that Ctrl-C ends the tests, not the server."""
    with log.open("ab") as output:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, **environment},
        )


@cache
def may_use_our_files() -> bool:
    """Whether what `unprivileged` starts may: not where root has to become `nobody` for good."""
    if os.geteuid() != 0:
        return True
    probe = unprivileged(Path("/bin/cat"), "/proc/self/uid_map")
    return subprocess.run(probe, capture_output=True, text=True, check=True).stdout.split()[0] == str(NOBODY)


def give_away(path: Path) -> None:
    """Let a program that `unprivileged` starts use a file or folder."""
    if not may_use_our_files():
        os.chown(path, NOBODY, NOBODY)


def within_reach(tree: Path, folder: Path) -> Path:
    """The tree, or a copy where `nobody` may read it: an environment often lies below a folder of mode 0700."""
    if may_use_our_files():
        return tree
    copy = folder / tree.name
    shutil.copytree(tree, copy, symlinks=True, dirs_exist_ok=True)
    return copy


def free_port() -> int:
    """A loopback port that nobody listens on. Somebody else may be quicker: be ready to ask again."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def children_of(process: int) -> list[int]:
    if PROC.exists():
        listing = (PROC / str(process) / "task" / str(process) / "children").read_text(encoding="ascii")
    else:
        listing = subprocess.run(["pgrep", "-P", str(process)], capture_output=True, text=True, check=False).stdout
    return [int(child) for child in listing.split()]


def send(process: int, number: signal.Signals) -> None:
    """A signal to a process that may be gone already."""
    try:
        os.kill(process, number)
    except ProcessLookupError:
        return


def is_alive(process: int) -> bool:
    if not PROC.exists():
        return subprocess.run(["ps", "-p", str(process)], capture_output=True, check=False).returncode == 0
    try:
        status = (PROC / str(process) / "stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rpartition(")")[2].split()[0] not in {"Z", "X"}  # a zombie holds nothing any more
