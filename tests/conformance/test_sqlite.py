"""SQLite keeps every promise, wherever it commits: on the loop or in the writer's thread."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from eventfold.adapters.sqlite import SqliteEventStore, open_sqlite
from eventfold.adapters.sqlite.read_model import SqliteReadModel
from eventfold.adapters.sqlite.units import SqliteUnits
from eventfold.adapters.sqlite.writer import Placement
from eventfold.adapters.system import ManualClock
from eventfold.ports.event_store import EventStore
from eventfold.testing.conformance import (
    CheckpointStoreConformance,
    DurableEventStoreConformance,
    ProcessorRegisterConformance,
    ReadModelConformance,
    UnitsConformance,
)

Opened = tuple[SqliteEventStore, SqliteReadModel, SqliteUnits]


class OnSqlite:
    placement: Placement = "auto"

    async def opened(self, path: Path, clock: ManualClock) -> Opened:
        return await open_sqlite(str(path / "e.db"), clock=clock, writer=self.placement, synchronous="normal")

    @pytest.fixture
    async def both(self, tmp_path: Path, clock: ManualClock) -> AsyncIterator[Opened]:
        both = await self.opened(tmp_path, clock)
        yield both
        for each in both[:2]:
            await each.close()


class TestSqlite(OnSqlite, DurableEventStoreConformance):
    @pytest.fixture
    def store(self, both: Opened) -> EventStore:
        return both[0]

    @pytest.fixture
    async def reopen(
        self, tmp_path: Path, clock: ManualClock
    ) -> AsyncIterator[Callable[[EventStore], Awaitable[EventStore]]]:
        opened: list[Opened] = []

        async def reopen(store: EventStore) -> EventStore:
            await store.close()
            opened.append(await self.opened(tmp_path, clock))
            return opened[-1][0]

        yield reopen
        for both in opened:
            for each in both[:2]:
                await each.close()


class TestSqliteInItsThread(TestSqlite):
    placement: Placement = "thread"


class TestSqliteCheckpoints(OnSqlite, CheckpointStoreConformance):
    @pytest.fixture
    def checkpoints(self, both: Opened) -> SqliteReadModel:
        return both[1]


class TestSqliteCheckpointsInItsThread(TestSqliteCheckpoints):
    placement: Placement = "thread"


class TestSqliteRows(OnSqlite, ReadModelConformance):
    @pytest.fixture
    def rows(self, both: Opened) -> SqliteReadModel:
        return both[1]


class TestSqliteRowsInItsThread(TestSqliteRows):
    placement: Placement = "thread"


class TestSqliteProcessors(OnSqlite, ProcessorRegisterConformance):
    @pytest.fixture
    def rows(self, both: Opened) -> SqliteReadModel:
        return both[1]


class TestSqliteProcessorsInItsThread(TestSqliteProcessors):
    placement: Placement = "thread"


class TestSqliteUnits(OnSqlite, UnitsConformance):
    @pytest.fixture
    def events(self, both: Opened) -> EventStore:
        return both[0]

    @pytest.fixture
    def rows(self, both: Opened) -> SqliteReadModel:
        return both[1]

    @pytest.fixture
    def units(self, both: Opened) -> SqliteUnits:
        return both[2]


class TestSqliteUnitsInItsThread(TestSqliteUnits):
    placement: Placement = "thread"
