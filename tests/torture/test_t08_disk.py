"""
T-08: the Nth write, sync or truncation of the disk fails, once or from then on, with an I/O error or for want of room.
Appends stay atomic, what was acknowledged stays, every error is true, also for whoever opens the file just then; and
when the disk is well again, life goes on.
"""

from __future__ import annotations

import asyncio
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Literal
from uuid import uuid4

import apsw
import pytest

from eventfold import Running
from eventfold.domain.message import Stream
from eventfold.errors import EventfoldError, StoreFull
from eventfold.ports.event_store import Append
from eventfold.testing.journal import Journalled, Line, Rejected, Unknown
from tests.acceptance.world import new_event
from tests.torture.workload import FULL, SEED, Writes, app, audit, project, report, told, url

MOST = 300 if FULL else 60
ROUNDS = 40 if FULL else 8
Kind = Literal["io", "full"]
Deed = Literal["write", "sync", "truncate"]
MEMORY = "-shm"


@dataclass
class Failing:
    """What fails: the deed number `at` of these kinds, once or always from then on, counted while armed."""

    kind: Kind
    at: int
    lasting: bool
    armed: bool = False
    deeds: int = 0
    struck: Deed | None = None

    def has_struck(self) -> bool:
        return self.struck is not None

    def pass_by(self, deed: Deed) -> None:
        if not self.armed:
            return
        self.deeds += 1
        if self.deeds == self.at or (self.lasting and self.deeds > self.at):
            self.struck = self.struck or deed
            raise apsw.FullError("planted") if self.kind == "full" and deed == "write" else apsw.IOError("planted")


class FailingVfs(apsw.VFS):
    def __init__(self, failing: Failing) -> None:
        self.failing = failing
        self.below = apsw.vfs_names()[0]
        super().__init__(f"failing-{id(self):x}", self.below, makedefault=True, maxpathname=0)

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:  # noqa: N802 - SQLite's name
        return FailingFile(self.failing, self.below, name, flags)


class FailingFile(apsw.VFSFile):
    def __init__(self, failing: Failing, below: str, name: Any, flags: list[int]) -> None:
        self.failing = failing
        super().__init__(below, name, flags)

    def xWrite(self, data: Any, offset: int) -> None:  # noqa: N802 - SQLite's name
        self.failing.pass_by("write")
        super().xWrite(data, offset)

    def xSync(self, flags: int) -> None:  # noqa: N802 - SQLite's name
        self.failing.pass_by("sync")
        super().xSync(flags)

    def xTruncate(self, newsize: int) -> None:  # noqa: N802 - SQLite's name
        self.failing.pass_by("truncate")
        super().xTruncate(newsize)

    def xLock(self, level: int) -> None:  # noqa: N802 - SQLite's name
        try:
            super().xLock(level)
        except apsw.IOError as error:
            raise apsw.BusyError(str(error)) from error  # as in eventfold.testing.power_loss


@contextmanager
def failing_disk(failing: Failing) -> Iterator[None]:
    vfs = FailingVfs(failing)
    try:
        yield
    finally:
        vfs.unregister()


async def some_rounds(running: Running, writers: list[Writes], failing: Failing) -> None:
    """Until the disk has failed, so that somebody may look before anything is repaired."""
    for number in range(ROUNDS):
        await asyncio.gather(*(each.one() for each in writers[: 1 + 2 * (number % 2)]))
        if failing.has_struck():
            return
        with suppress(EventfoldError):  # it has stopped, and is started again in the next round
            await project(running)
        if failing.has_struck():
            return


async def failed(folder: Path, kind: Kind, at: int, *, lasting: bool, writer: str) -> tuple[Counter[str], bool]:
    """One life on a disk that fails; what was told to the callers, and whether the disk has failed at all."""
    folder.mkdir()
    path, copy = folder / "store.db", folder / "copy.db"
    failing = Failing(kind, at, lasting)
    journal: list[Line] = []
    where = f"{kind} at deed {at}{', lasting' if lasting else ''}, writer={writer}"
    with failing_disk(failing):
        async with app.open(url(path, writer=writer), run=False) as running:
            await project(running)
            failing.armed = True
            writers = [
                Writes(running.sink, running.source, journal.append, f"w{number}", Random(f"{SEED}.{number}"))
                for number in range(3)
            ]
            await some_rounds(running, writers, failing)
            for suffix in ("", "-wal"):  # as if it had been killed here
                if (file := Path(f"{path}{suffix}")).exists():
                    shutil.copyfile(file, f"{copy}{suffix}")
            known = list(journal)
            struck = failing.struck
            failing.struck = None
            for _ in range(2):
                await some_rounds(running, writers, failing)
            failing.armed = False
            told_by_then = len(journal)
            settled = [each for writes in writers for each in await writes.settle(running.sink)]
            assert len(settled) <= sum(isinstance(line, Unknown) for line in journal[:told_by_then])
            after = Journalled(running.sink, journal.append, "after")
            await after.append(Append(Stream("tape", "t0"), [new_event(uuid4().bytes)]))
            await project(running)
    left = await audit(copy, known)
    assert not left.violations, told(left.violations, f"{where}, killed then")
    left = await audit(path, journal)
    assert not left.violations, told(left.violations, where)
    answers = Counter(line.error.partition("(")[0] for line in journal if isinstance(line, Rejected | Unknown))
    shutil.rmtree(folder)
    return answers, struck is not None


@pytest.mark.parametrize("writer", ["auto", "thread"])
@pytest.mark.parametrize("lasting", [False, True], ids=["once", "lasting"])
@pytest.mark.parametrize("kind", ["io", "full"])
async def test_fm36_g01_g04_whichever_write_fails_appends_are_whole_and_answers_are_true(
    kind: Kind, lasting: bool, writer: str, tmp_path: Path, planted: None
) -> None:
    answers: Counter[str] = Counter()
    struck = 0
    every = 1 if FULL or (kind, lasting, writer) == ("io", False, "auto") else 8
    for at in range(1, MOST + 1, every):
        told_here, failed_here = await failed(tmp_path / str(at), kind, at, lasting=lasting, writer=writer)
        answers += told_here
        struck += failed_here
    assert struck > MOST / every / 2
    failures = {"StoreFull", "StoreUnavailable", "AppendOutcomeUnknown"}
    assert answers.keys() <= failures | {"ConcurrencyConflict", "EventIdConflict"}, answers
    assert answers.keys() & failures
    assert answers["StoreFull"] > 0 or kind == "io"
    report("T-08", store="sqlite", kind=kind, lasting=lasting, faults=struck, answers=dict(answers))


async def test_fm36_a_full_file_says_so_stores_nothing_and_goes_on_when_there_is_room(tmp_path: Path) -> None:
    connections: list[apsw.Connection] = []
    apsw.connection_hooks.append(connections.append)
    try:
        async with app.open(url(tmp_path / "store.db"), run=False) as running:
            writer = next(each for each in connections if not each.readonly("main"))
            pages = writer.pragma("page_count")
            writer.pragma("max_page_count", pages + 12)
            stored = 0
            full: StoreFull | None = None
            while full is None:
                try:
                    await running.sink.append(Append(Stream("tape", "a"), [new_event(uuid4().bytes) for _ in range(7)]))
                    stored += 7
                except StoreFull as error:
                    full = error
            assert 0 < await running.head() == stored
            writer.pragma("max_page_count", 10_000)
            await running.sink.append(Append(Stream("tape", "a"), [new_event(uuid4().bytes)], stored))
            assert await running.head() == stored + 1
    finally:
        apsw.connection_hooks.remove(connections.append)
