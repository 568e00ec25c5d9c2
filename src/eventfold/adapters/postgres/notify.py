"""
A hint to other processes that something was committed: `NOTIFY`, after the commit and on another connection.

Within the append's transaction it would make all commits of the cluster queue up: `NOTIFY` holds one lock of the whole
server until its commit is done. So it is sent afterwards, by at most one statement at a time, and what was committed
meanwhile shares the next one. A hint may get lost, and nothing else does: who follows the log looks by itself.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final
from uuid import uuid4

from eventfold.adapters.postgres.connection import Connection, Connections
from eventfold.adapters.postgres.names import Names
from eventfold.errors import StoreError

__all__ = ["Hints"]

_log = logging.getLogger("eventfold.postgres")

_BETWEEN_HINTS: Final = 0.005
"""Seconds. Who is told that often looks often by itself, and every hint costs the writer a round trip."""
_NOTIFY: Final = "SELECT set_config('synchronous_commit', 'off', true), pg_notify($1, $2)"
"""Without waiting for the disk: nothing is stored by it."""


class Hints:
    """Of one store of this process: `tell` the others after a commit, and `hear` what they tell."""

    def __init__(self, connections: Connections, names: Names) -> None:
        self._connections = connections
        self._channel = names.plain("events")
        self._mine = uuid4().hex
        self._due = False
        self._closed = False
        self._sending: asyncio.Task[None] | None = None

    def tell(self) -> None:
        """After a commit. Does not wait, and does not fail."""
        self._due = True
        if self._sending is None and not self._closed:
            self._sending = asyncio.get_running_loop().create_task(self._send(), name="eventfold hints")

    async def _send(self) -> None:
        try:
            while self._due and not self._closed:
                self._due = False
                try:
                    async with self._connections.use() as connection:
                        await connection.fetchrow(_NOTIFY, self._channel, self._mine)
                except StoreError as error:
                    _log.info("other processes could not be told of a commit, they will see for themselves: %s", error)
                await asyncio.sleep(_BETWEEN_HINTS)
        finally:
            self._sending = None

    async def hear(self, connection: Connection, told: Callable[[], None]) -> None:
        """From here on `told` is called when another process has committed, until the connection is closed."""

        def heard(connection: object, pid: int, channel: str, sender: str) -> None:
            if sender != self._mine:
                told()

        await connection.add_listener(self._channel, heard)

    async def close(self) -> None:
        """What was committed last is still told."""
        self._closed = True
        if self._sending is not None:
            await asyncio.wait([self._sending])
