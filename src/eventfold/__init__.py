"""Eventfold: event-sourced, CQRS applications. State is a fold over events."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from eventfold.domain.aggregate import Aggregate
from eventfold.domain.boundary import Boundary
from eventfold.domain.decider import Decider
from eventfold.domain.deletion import StreamDeleted
from eventfold.domain.message import Pending, Recorded, Stream
from eventfold.domain.process import Cancel, Complete, Emit, Schedule, Send
from eventfold.domain.query import Query
from eventfold.domain.snapshots import Snapshots
from eventfold.schema.registry import Events, KnownEvents
from eventfold.schema.shapes import GenericEvent, Schema
from eventfold.schema.upcasting import Became, Upcaster

if TYPE_CHECKING:
    from eventfold.adapters.channel import Channel
    from eventfold.adapters.sql import upsert
    from eventfold.adapters.system import ManualClock, system_clock, uuid7
    from eventfold.bootstrap import Eventfold, Running
    from eventfold.bootstrap.documents import Document, Documents
    from eventfold.bootstrap.hooks import Ended, RunnerHooks
    from eventfold.commands.decision import Outcome
    from eventfold.commands.dispatch import HandlerFailure
    from eventfold.commands.entity import Entity
    from eventfold.commands.joining import Joined, Staged
    from eventfold.commands.loading import Loaded
    from eventfold.commands.locking import Locked
    from eventfold.commands.middleware import CallNext, Invocation, Middleware
    from eventfold.ports.bus import Bus
    from eventfold.processing.act import Act
    from eventfold.processing.event_handler import EventHandler, Handling
    from eventfold.processing.policy import Park, Retry, Skip, Stop
    from eventfold.processing.process_manager import ProcessManager
    from eventfold.processing.processor import ProcessorStatus
    from eventfold.processing.projector import Projector
    from eventfold.processing.reactor import Reactor
    from eventfold.processing.subscription import RecordedBatch
    from eventfold.processing.surroundings import ProcessorFailure
    from eventfold.processing.transactional_handler import TransactionalHandler
    from eventfold.processing.view import View

__version__ = "0.2.0.dev0"

__all__ = [
    "Act",
    "Aggregate",
    "Became",
    "Boundary",
    "Bus",
    "CallNext",
    "Cancel",
    "Channel",
    "Complete",
    "Decider",
    "Document",
    "Documents",
    "Emit",
    "Ended",
    "Entity",
    "EventHandler",
    "Eventfold",
    "Events",
    "GenericEvent",
    "HandlerFailure",
    "Handling",
    "Invocation",
    "Joined",
    "KnownEvents",
    "Loaded",
    "Locked",
    "ManualClock",
    "Middleware",
    "Outcome",
    "Park",
    "Pending",
    "ProcessManager",
    "ProcessorFailure",
    "ProcessorStatus",
    "Projector",
    "Query",
    "Reactor",
    "Recorded",
    "RecordedBatch",
    "Retry",
    "RunnerHooks",
    "Running",
    "Schedule",
    "Schema",
    "Send",
    "Skip",
    "Snapshots",
    "Staged",
    "Stop",
    "Stream",
    "StreamDeleted",
    "TransactionalHandler",
    "Upcaster",
    "View",
    "system_clock",
    "upsert",
    "uuid7",
]

# What needs asyncio, a driver or SQLAlchemy comes when it is first asked for: the domain of an application
# imports this package too, and must not pay for a database.
_LATER = {
    "Act": "eventfold.processing.act",
    "Bus": "eventfold.ports.bus",
    "CallNext": "eventfold.commands.middleware",
    "Channel": "eventfold.adapters.channel",
    "Document": "eventfold.bootstrap.documents",
    "Documents": "eventfold.bootstrap.documents",
    "Ended": "eventfold.bootstrap.hooks",
    "Entity": "eventfold.commands.entity",
    "EventHandler": "eventfold.processing.event_handler",
    "Eventfold": "eventfold.bootstrap",
    "HandlerFailure": "eventfold.commands.dispatch",
    "Handling": "eventfold.processing.event_handler",
    "Invocation": "eventfold.commands.middleware",
    "Joined": "eventfold.commands.joining",
    "Loaded": "eventfold.commands.loading",
    "Locked": "eventfold.commands.locking",
    "ManualClock": "eventfold.adapters.system",
    "Middleware": "eventfold.commands.middleware",
    "Outcome": "eventfold.commands.decision",
    "Park": "eventfold.processing.policy",
    "ProcessManager": "eventfold.processing.process_manager",
    "ProcessorFailure": "eventfold.processing.surroundings",
    "ProcessorStatus": "eventfold.processing.processor",
    "Projector": "eventfold.processing.projector",
    "Reactor": "eventfold.processing.reactor",
    "RecordedBatch": "eventfold.processing.subscription",
    "Retry": "eventfold.processing.policy",
    "RunnerHooks": "eventfold.bootstrap.hooks",
    "Running": "eventfold.bootstrap",
    "Skip": "eventfold.processing.policy",
    "Staged": "eventfold.commands.joining",
    "Stop": "eventfold.processing.policy",
    "TransactionalHandler": "eventfold.processing.transactional_handler",
    "View": "eventfold.processing.view",
    "system_clock": "eventfold.adapters.system",
    "upsert": "eventfold.adapters.sql",
    "uuid7": "eventfold.adapters.system",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_LATER[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
