"""
One suite per port: the contract made executable. Yours is a fixture and a class line.

    class TestMyStore(EventStoreConformance):
        @pytest.fixture
        async def store(self, clock: ManualClock) -> AsyncIterator[EventStore]:
            store = MyStore(clock)
            yield store
            await store.close()

Every test gets a fresh, empty adapter. A name says which promise was broken, and which row of the acceptance table it
proves. Needs `eventfold[testing]`.
"""

from eventfold.testing.conformance.actions import ActionsConformance
from eventfold.testing.conformance.administration import AdministrationConformance
from eventfold.testing.conformance.checkpoint_store import CheckpointStoreConformance
from eventfold.testing.conformance.codec import CodecConformance
from eventfold.testing.conformance.command_log import CommandLogConformance
from eventfold.testing.conformance.event_store import DurableEventStoreConformance, EventStoreConformance
from eventfold.testing.conformance.leases import LeasesConformance
from eventfold.testing.conformance.parking import ParkingLotConformance
from eventfold.testing.conformance.processors import ProcessorRegisterConformance
from eventfold.testing.conformance.read_model import ReadModelConformance
from eventfold.testing.conformance.snapshots import SnapshotStoreConformance
from eventfold.testing.conformance.timers import TimersConformance
from eventfold.testing.conformance.units import UnitsConformance

__all__ = [
    "ActionsConformance",
    "AdministrationConformance",
    "CheckpointStoreConformance",
    "CodecConformance",
    "CommandLogConformance",
    "DurableEventStoreConformance",
    "EventStoreConformance",
    "LeasesConformance",
    "ParkingLotConformance",
    "ProcessorRegisterConformance",
    "ReadModelConformance",
    "SnapshotStoreConformance",
    "TimersConformance",
    "UnitsConformance",
]
