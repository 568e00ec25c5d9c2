"""
A child as its parent sees it.

It is a fresh interpreter, `python -m eventfold.bootstrap.runner 'eventfold: stock'`, rather than a fork, for neither
threads nor open stores survive one, and rather than multiprocessing's spawn, for that hides what runs behind a command
line of its own and shares a tracker process among all. So `ps` shows which processor a process runs, with no further
dependency.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress

import msgspec

from eventfold.bootstrap.runner.messages import Order, Report, Task, line, title

__all__ = ["Child", "spawn"]


class Child(asyncio.SubprocessProtocol):
    """Its reports go to `heard`; its standard error is the parent's."""

    def __init__(self, heard: Callable[[Report], None]) -> None:
        self._heard = heard
        self._rest = b""
        self._gone = asyncio.get_running_loop().create_future()
        self._transport: asyncio.SubprocessTransport | None = None

    # ------------------------------------------------------------------------- for the parent

    @property
    def pid(self) -> int:
        return self._sure.get_pid()

    def order(self, order: Order) -> None:
        self._write(order.encode() + b"\n")

    def kill(self) -> None:
        with suppress(ProcessLookupError):  # it was quicker
            self._sure.kill()

    async def ended(self) -> int:
        """Its exit status; the negative number of a signal that has ended it."""
        await asyncio.shield(self._gone)
        status = self._sure.get_returncode()
        assert status is not None, "it has ended"
        return status

    def close(self) -> None:
        """Let go of it; a child that is still there is killed."""
        self._sure.close()

    def begin(self, task: Task) -> None:
        self._write(line(task))

    def _write(self, text: bytes) -> None:
        pipe = self._sure.get_pipe_transport(0)
        assert isinstance(pipe, asyncio.WriteTransport)
        if not pipe.is_closing():
            pipe.write(text)

    @property
    def _sure(self) -> asyncio.SubprocessTransport:
        assert self._transport is not None, "it has been started"
        return self._transport

    # --------------------------------------------------------------------------- for the loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.SubprocessTransport)
        self._transport = transport

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for each in lines:
            self._heard(msgspec.json.decode(each, type=Report))

    def process_exited(self) -> None:
        if not self._gone.done():
            self._gone.set_result(None)


async def spawn(task: Task, heard: Callable[[Report], None]) -> Child:
    """
    Start a child on its task.

    Raises:
        OSError: the system starts no process any more.
    """
    command = [sys.executable, "-m", "eventfold.bootstrap.runner", title(task.processor, task.number, task.of)]
    _, child = await asyncio.get_running_loop().subprocess_exec(
        lambda: Child(heard),
        *command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=None,
        start_new_session=True,
    )
    child.begin(task)
    return child
