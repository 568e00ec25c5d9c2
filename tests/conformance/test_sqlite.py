"""SQLite keeps every promise, wherever it commits: on the loop or in the writer's thread."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import apsw
import pytest

from eventfold.adapters.sqlite import SqliteEventStore, open_sqlite
from eventfold.adapters.sqlite.command_log import SqliteCommandLog
from eventfold.adapters.sqlite.read_model import SqliteReadModel
from eventfold.adapters.sqlite.units import SqliteUnits
from eventfold.adapters.sqlite.writer import Placement
from eventfold.adapters.system import ManualClock
from eventfold.ports.actions import Actions
from eventfold.ports.event_store import EventStore
from eventfold.ports.leases import Leases
from eventfold.ports.timers import Timers
from eventfold.testing.conformance import (
    ActionsConformance,
    CheckpointStoreConformance,
    CommandLogConformance,
    DurableEventStoreConformance,
    LeasesConformance,
    ParkingLotConformance,
    ProcessorRegisterConformance,
    ReadModelConformance,
    TimersConformance,
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

    @pytest.fixture
    async def others(self, tmp_path: Path, clock: ManualClock, both: Opened) -> AsyncIterator[SqliteReadModel]:
        """The rows of the same file, by connections of their own."""
        events, rows, _ = await self.opened(tmp_path, clock)
        yield rows
        await events.close()
        await rows.close()


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


class TestSqliteParking(OnSqlite, ParkingLotConformance):
    @pytest.fixture
    def rows(self, both: Opened) -> SqliteReadModel:
        return both[1]


class TestSqliteParkingInItsThread(TestSqliteParking):
    placement: Placement = "thread"


class TestI8SqliteLeases(OnSqlite, LeasesConformance):
    @pytest.fixture
    def rows(self, both: Opened) -> SqliteReadModel:
        return both[1]

    @pytest.fixture
    def leases(self, rows: SqliteReadModel) -> Leases:
        return rows.leases

    @pytest.fixture
    def other(self, others: SqliteReadModel) -> Leases:
        return others.leases

    @pytest.fixture
    def wipe(self, tmp_path: Path, both: Opened) -> Callable[[], Awaitable[None]]:
        async def wipe() -> None:
            by_hand = apsw.Connection(str(tmp_path / "e.db"))
            by_hand.execute("DELETE FROM leases")
            by_hand.close()

        return wipe


class TestI8SqliteLeasesInItsThread(TestI8SqliteLeases):
    placement: Placement = "thread"


class TestI11SqliteActions(OnSqlite, ActionsConformance):
    @pytest.fixture
    def rows(self, both: Opened) -> SqliteReadModel:
        return both[1]

    @pytest.fixture
    def actions(self, rows: SqliteReadModel) -> Actions:
        return rows.actions

    @pytest.fixture
    def other(self, others: SqliteReadModel) -> Actions:
        return others.actions


class TestI11SqliteActionsInItsThread(TestI11SqliteActions):
    placement: Placement = "thread"


class TestFM18SqliteTimers(OnSqlite, TimersConformance):
    @pytest.fixture
    def rows(self, both: Opened) -> SqliteReadModel:
        return both[1]

    @pytest.fixture
    def timers(self, rows: SqliteReadModel) -> Timers:
        return rows.timers

    @pytest.fixture
    def other(self, others: SqliteReadModel) -> Timers:
        return others.timers


class TestFM18SqliteTimersInItsThread(TestFM18SqliteTimers):
    placement: Placement = "thread"


class TestSqliteCommands(OnSqlite, CommandLogConformance):
    @pytest.fixture
    def events(self, both: Opened) -> EventStore:
        return both[0]

    @pytest.fixture
    def units(self, both: Opened) -> SqliteUnits:
        return both[2]

    @pytest.fixture
    def commands(self, both: Opened) -> SqliteCommandLog:
        return SqliteCommandLog.of(both[0])


class TestSqliteCommandsInItsThread(TestSqliteCommands):
    placement: Placement = "thread"
