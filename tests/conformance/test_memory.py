"""The memory store keeps every promise: it is as strict as any other."""

from collections.abc import AsyncIterator

import pytest

from eventfold.adapters.codecs.json import JsonCodec
from eventfold.adapters.memory import MemoryCheckpointStore, MemoryEventStore
from eventfold.adapters.memory_units import MemoryUnits
from eventfold.adapters.sqlite import open_sqlite_rows_in_memory
from eventfold.adapters.system import ManualClock
from eventfold.ports.checkpoint_store import CheckpointStore
from eventfold.ports.codec import Codec
from eventfold.ports.event_store import EventStore
from eventfold.ports.read_model import ReadModel
from eventfold.ports.unit import Units
from eventfold.testing.conformance import (
    CheckpointStoreConformance,
    CodecConformance,
    EventStoreConformance,
    ProcessorRegisterConformance,
    ReadModelConformance,
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


class TestJson(CodecConformance):
    @pytest.fixture
    def codec(self) -> Codec:
        return JsonCodec()
