"""The memory store keeps every promise: it is as strict as any other."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from eventfold.adapters.codecs.json import JsonCodec
from eventfold.adapters.codecs.message_pack import MessagePackCodec
from eventfold.adapters.memory import MemoryCheckpointStore, MemoryCommandLog, MemoryEventStore
from eventfold.adapters.memory_units import MemoryUnits
from eventfold.adapters.sqlite import open_sqlite_rows_in_memory
from eventfold.adapters.sqlite.read_model import SqliteReadModel
from eventfold.adapters.system import ManualClock
from eventfold.ports.actions import Actions
from eventfold.ports.checkpoint_store import CheckpointStore
from eventfold.ports.codec import Codec
from eventfold.ports.command_log import CommandLog
from eventfold.ports.event_store import EventStore
from eventfold.ports.leases import Leases
from eventfold.ports.read_model import ReadModel
from eventfold.ports.timers import Timers
from eventfold.ports.unit import Units
from eventfold.testing.conformance import (
    ActionsConformance,
    CheckpointStoreConformance,
    CodecConformance,
    CommandLogConformance,
    EventStoreConformance,
    LeasesConformance,
    ParkingLotConformance,
    ProcessorRegisterConformance,
    ReadModelConformance,
    TimersConformance,
    UnitsConformance,
)


class TestC15Memory(EventStoreConformance):
    @pytest.fixture
    def store(self, clock: ManualClock) -> EventStore:
        return MemoryEventStore(clock)


class TestMemoryCheckpoints(CheckpointStoreConformance):
    @pytest.fixture
    def checkpoints(self) -> CheckpointStore:
        return MemoryCheckpointStore()


class TestRowsInMemory(ReadModelConformance):
    @pytest.fixture
    async def rows(self, clock: ManualClock) -> AsyncIterator[ReadModel]:
        rows = await open_sqlite_rows_in_memory(clock=clock)
        yield rows
        await rows.close()


class TestProcessorsInMemory(ProcessorRegisterConformance):
    @pytest.fixture
    async def rows(self, clock: ManualClock) -> AsyncIterator[ReadModel]:
        rows = await open_sqlite_rows_in_memory(clock=clock)
        yield rows
        await rows.close()


class TestCheckpointsBesideRowsInMemory(CheckpointStoreConformance):
    @pytest.fixture
    async def checkpoints(self, clock: ManualClock) -> AsyncIterator[CheckpointStore]:
        rows = await open_sqlite_rows_in_memory(clock=clock)
        yield rows
        await rows.close()


class TestParkingInMemory(ParkingLotConformance):
    @pytest.fixture
    async def rows(self, clock: ManualClock) -> AsyncIterator[ReadModel]:
        rows = await open_sqlite_rows_in_memory(clock=clock)
        yield rows
        await rows.close()


class TestI8LeasesInMemory(LeasesConformance):
    """A store in memory has one connection, so the other one is the same."""

    @pytest.fixture
    async def rows(self, clock: ManualClock) -> AsyncIterator[ReadModel]:
        rows = await open_sqlite_rows_in_memory(clock=clock)
        yield rows
        await rows.close()

    @pytest.fixture
    def leases(self, rows: SqliteReadModel) -> Leases:
        return rows.leases

    @pytest.fixture
    def other(self, rows: SqliteReadModel) -> Leases:
        return rows.leases

    @pytest.fixture
    def wipe(self, rows: SqliteReadModel) -> Callable[[], Awaitable[None]]:
        async def wipe() -> None:
            await rows._write(lambda connection: connection.execute("DELETE FROM leases"))

        return wipe


class TestI11ActionsInMemory(ActionsConformance):
    @pytest.fixture
    async def rows(self, clock: ManualClock) -> AsyncIterator[ReadModel]:
        rows = await open_sqlite_rows_in_memory(clock=clock)
        yield rows
        await rows.close()

    @pytest.fixture
    def actions(self, rows: SqliteReadModel) -> Actions:
        return rows.actions

    @pytest.fixture
    def other(self, rows: SqliteReadModel) -> Actions:
        return rows.actions


class TestFM18TimersInMemory(TimersConformance):
    @pytest.fixture
    async def rows(self, clock: ManualClock) -> AsyncIterator[ReadModel]:
        rows = await open_sqlite_rows_in_memory(clock=clock)
        yield rows
        await rows.close()

    @pytest.fixture
    def timers(self, rows: SqliteReadModel) -> Timers:
        return rows.timers

    @pytest.fixture
    def other(self, rows: SqliteReadModel) -> Timers:
        return rows.timers


class TestUnitsInMemory(UnitsConformance):
    @pytest.fixture
    def events(self, clock: ManualClock) -> EventStore:
        return MemoryEventStore(clock)

    @pytest.fixture
    async def rows(self, clock: ManualClock) -> AsyncIterator[ReadModel]:
        rows = await open_sqlite_rows_in_memory(clock=clock)
        yield rows
        await rows.close()

    @pytest.fixture
    def units(self, events: MemoryEventStore, rows: ReadModel, clock: ManualClock) -> Units:
        return MemoryUnits(events, rows, clock)


class TestCommandsInMemory(CommandLogConformance):
    @pytest.fixture
    def events(self, clock: ManualClock) -> EventStore:
        return MemoryEventStore(clock)

    @pytest.fixture
    async def units(self, events: MemoryEventStore, clock: ManualClock) -> AsyncIterator[Units]:
        rows = await open_sqlite_rows_in_memory(clock=clock)
        yield MemoryUnits(events, rows, clock)
        await rows.close()

    @pytest.fixture
    def commands(self, events: MemoryEventStore) -> CommandLog:
        return MemoryCommandLog(events)


class TestJson(CodecConformance):
    @pytest.fixture
    def codec(self) -> Codec:
        return JsonCodec()


class TestMessagePack(CodecConformance):
    @pytest.fixture
    def codec(self) -> Codec:
        return MessagePackCodec()
