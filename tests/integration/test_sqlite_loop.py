"""The event loop is everybody's: what takes long on it is done in a thread, and what stands in its way is told."""

import asyncio
import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apsw
import pytest

from eventfold.adapters.system import uuid7
from eventfold.domain.message import NewEvent, Stream
from eventfold.ports.event_store import Append
from tests.acceptance.world import application
from tests.integration.opening import opened

SLOW = 0.005
LEARNING = 40
"""Commits after which a disk this slow must have been noticed; it is twice as many as it takes."""


class SlowFile(apsw.VFSFile):
    def __init__(self, syncs: list[int], below: str, name: Any, flags: list[int]) -> None:
        self._syncs = syncs
        super().__init__(below, name, flags)

    def xSync(self, flags: int) -> None:  # noqa: N802 - SQLite's name
        self._syncs.append(threading.get_ident())
        time.sleep(SLOW)

    def xLock(self, level: int) -> None:  # noqa: N802 - SQLite's name
        try:
            super().xLock(level)
        except apsw.IOError as error:
            raise apsw.BusyError(str(error)) from error  # as in eventfold.testing.power_loss


class SlowDisk(apsw.VFS):
    def __init__(self) -> None:
        self.syncs: list[int] = []
        """The thread of each."""
        self._below = apsw.vfs_names()[0]
        super().__init__(f"slow-{id(self):x}", self._below, makedefault=True, maxpathname=0)

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:  # noqa: N802 - SQLite's name
        return SlowFile(self.syncs, self._below, name, flags)


@contextmanager
def slow_disk() -> Iterator[list[int]]:
    disk = SlowDisk()
    try:
        yield disk.syncs
    finally:
        disk.unregister()


def append(count: int = 1) -> Append:
    events = [NewEvent(event_id=uuid7().bytes, type="Happened", data=b"{}") for _ in range(count)]
    return Append(Stream("account", "ann"), events)


async def test_fm56_a_slow_disk_is_noticed_and_waited_for_in_a_thread(tmp_path: Path) -> None:
    here = threading.get_ident()
    with slow_disk() as syncs:
        async with opened(tmp_path / "e.db") as (store, rows):
            for _ in range(LEARNING):
                await store.append(append())
            syncs.clear()
            for _ in range(20):
                await store.append(append())
            await rows.reset("p")
            assert len(syncs) >= 20
            assert here not in syncs


async def test_fm56_whoever_wants_no_sync_on_the_loop_gets_none(tmp_path: Path) -> None:
    here = threading.get_ident()
    with slow_disk() as syncs:
        async with opened(tmp_path / "e.db", writer="thread") as (store, rows):
            syncs.clear()
            for _ in range(10):
                await store.append(append())
            await rows.reset("p")
            assert len(syncs) >= 10
            assert here not in syncs


async def test_fm56_a_large_append_is_written_in_a_thread_however_quick_the_disk(tmp_path: Path) -> None:
    here, wrote = threading.get_ident(), []
    async with opened(tmp_path / "e.db", synchronous="normal") as (store, _):
        connection: Any = store._writer._exclusive._connection
        connection.set_profile(lambda sql, _: wrote.append((threading.get_ident(), sql)))
        await store.append(append())
        small = {thread for thread, sql in wrote if sql.startswith("COMMIT")}
        wrote.clear()
        await store.append(append(1_000))
        large = {thread for thread, sql in wrote if sql.startswith("COMMIT")}
        connection.set_profile(None)
    assert small == {here}  # else the test would prove nothing
    assert large
    assert here not in large


async def test_fm56_a_loop_that_stands_still_is_told_and_not_too_often(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def told() -> list[str]:
        return [each.getMessage() for each in caplog.records if each.name == "eventfold.loop"]

    with caplog.at_level(logging.WARNING, "eventfold.loop"):
        async with application().open(f"sqlite:///{tmp_path}/e.db"):
            await asyncio.sleep(0.01)  # the watchdog looks for the first time
            time.sleep(0.3)  # noqa: ASYNC251 - the offence
            async with asyncio.timeout(5):
                while not told():  # noqa: ASYNC110 - a log has no bell
                    await asyncio.sleep(0.01)
            time.sleep(0.3)  # noqa: ASYNC251 - again
            await asyncio.sleep(0.1)
    (warning,) = told()
    assert warning.startswith("the event loop stood still for 0.")
    assert "asyncio.to_thread" in warning
