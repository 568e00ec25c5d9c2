"""An application: its decisions, its processors, its catalogue. Nothing global; two of them live side by side."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Collection, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Final, TypeAlias, TypeVar
from uuid import UUID

from eventfold.adapters.codecs.json import JsonCodec
from eventfold.adapters.codecs.message_pack import MessagePackCodec
from eventfold.adapters.system import ManualClock, system_clock, uuid7
from eventfold.bootstrap.additions import Additions
from eventfold.bootstrap.hooks import RunnerHooks
from eventfold.bootstrap.projections import Projections
from eventfold.bootstrap.routes import Routes
from eventfold.bootstrap.running import Running, RunningInTest
from eventfold.bootstrap.stores import Stores, open_stores
from eventfold.bootstrap.watchdog import watch_the_loop
from eventfold.commands.boundary import BoundaryManager
from eventfold.commands.decision import Outcome
from eventfold.commands.dispatch import Dispatch, OnHandlerError
from eventfold.commands.idempotent import Once
from eventfold.commands.locking import LockManager
from eventfold.commands.manager import ATTEMPTS, WARM, CommandManager, OnRecorded
from eventfold.commands.middleware import Middleware, Surrounded
from eventfold.commands.recording import Recorder
from eventfold.commands.snapshots import Snapshotter
from eventfold.domain.aggregate import Aggregate
from eventfold.domain.boundary import Boundary
from eventfold.errors import DuplicateName, InvalidInput
from eventfold.ports.bus import Bus
from eventfold.ports.clock import Clock
from eventfold.ports.codec import Codec
from eventfold.ports.telemetry import SILENT, Telemetry
from eventfold.processing.event_handler import EventHandler
from eventfold.processing.following import Hands
from eventfold.processing.management import Management
from eventfold.processing.orders import Orders
from eventfold.processing.process_manager import ProcessManager
from eventfold.processing.projection import Projection
from eventfold.processing.projector import Projector
from eventfold.processing.reaction import Reaction
from eventfold.processing.reactor import Reactor
from eventfold.processing.seats import Seats, new_owner
from eventfold.processing.surroundings import OnProcessorError, Surroundings
from eventfold.processing.transactional_handler import InsideAppends, TransactionalHandler
from eventfold.processing.worker import Worker
from eventfold.schema.registry import Events
from eventfold.schema.serializer import Serializer

__all__ = ["Eventfold"]

R = TypeVar("R", bound=Running)
AnyProcessor: TypeAlias = Projector | Reactor | ProcessManager[Any, Any]

LEASE: Final = timedelta(seconds=10)
DRAIN: Final = 10.0
"""Seconds for the commands that entities have taken when the application closes."""
_SHORTEST_LEASE: Final = timedelta(seconds=0.3)


class Eventfold:
    """
    What an application is made of; opened on a store, it runs.

    Args:
        deciders: the aggregates and boundaries it executes commands on.
        processors: the projectors, reactors and process managers it runs.
        handlers: what is called with the events of a command, within the append or after it, in this order.
        buses: where the events of commands are published afterwards.
        on_handler_error: called when an event handler or a bus has failed, beside the log.
        on_processor_error: called when a processor has met an error, with what became of the event, beside the log.
        hooks: what `eventfold run` calls when its child processes start and end.
        events: the catalogue, for what differs from the default.
        clock: tells `recorded_at` and `running.now()`.
        new_id: gives event ids, UUIDv7 by default.
        on_recorded: called with the events of every successful command, once, after they are stored.
        codec: bytes of events, JSON by default. What was stored with another of Eventfold's is read all the same.
        compress_above: bytes; longer events are compressed when they are stored. None compresses nothing.
        telemetry: hears of spans and numbers, as `eventfold.adapters.opentelemetry` does; silent by default.
        attempts: how often a command is decided, at most, while others are quicker.
        warm: aggregates whose state is kept in memory, at most; 0 keeps none.
        middleware: stands around every command, the first outermost: `async def check(invocation, call_next)`.

    Raises:
        DuplicateName: two deciders, processors, handlers, tables or event classes share a name, or a bus comes twice.
        UnknownEvent: a processor or handler is for a class that nothing here records.
        InvalidInput: a processor or handler without functions, or what is no handler, or no bus.
    """

    def __init__(
        self,
        *,
        deciders: Sequence[Aggregate[Any, Any, Any] | Boundary[Any, Any, Any]] = (),
        processors: Sequence[AnyProcessor] = (),
        handlers: Sequence[EventHandler | TransactionalHandler] = (),
        buses: Sequence[Bus] = (),
        events: Events | None = None,
        clock: Clock = system_clock,
        new_id: Callable[[], UUID] = uuid7,
        on_recorded: OnRecorded | None = None,
        on_handler_error: OnHandlerError | None = None,
        on_processor_error: OnProcessorError | None = None,
        hooks: RunnerHooks | None = None,
        codec: Codec | None = None,
        compress_above: int | None = None,
        telemetry: Telemetry = SILENT,
        attempts: int = ATTEMPTS,
        warm: int = WARM,
        middleware: Sequence[Middleware] = (),
    ) -> None:
        _refuse_duplicates("deciders", ((each.name, each) for each in deciders))
        _refuse_duplicates("processors", ((each.name, each) for each in processors))
        _refuse_duplicates("tables", ((table.name.casefold(), each) for each in processors for table in each.tables))
        self.deciders: tuple[Aggregate[Any, Any, Any] | Boundary[Any, Any, Any], ...] = tuple(deciders)
        self.processors: tuple[AnyProcessor, ...] = tuple(processors)
        managers = [each for each in processors if isinstance(each, ProcessManager)]
        _refuse_duplicates("categories", ((each.name, each) for each in (*deciders, *managers)))
        recorded = [cls for each in deciders for cls in each.events]
        emitted = [cls for each in processors if isinstance(each, Reactor) for cls in sorted(each.emits, key=repr)]
        managed = [cls for each in managers for cls in (*each.every_input, *sorted(each.everything_emitted, key=repr))]
        self._catalogue = (events or Events()).with_defaults_for([*recorded, *emitted, *managed])
        for each in processors:
            self._catalogue.resolve(each.query)
        self._handlers = tuple(handlers)
        self._buses = tuple(buses)
        additions = Additions(self._catalogue, self.processors)
        for addition in (*handlers, *buses):
            additions.admit(addition)
        self._codec = codec or JsonCodec()
        self._known: tuple[Codec, ...] = (JsonCodec(), MessagePackCodec())
        self._serializer = Serializer(
            self._catalogue, self._codec, new_id, others=self._known, compress_above=compress_above
        )
        self._clock = clock
        self._new_id = new_id
        self._on_recorded = on_recorded
        self._on_handler_error = on_handler_error
        self._on_processor_error = on_processor_error
        self.hooks: RunnerHooks = hooks or RunnerHooks()
        self._telemetry = telemetry
        self._surrounded = Surrounded(middleware)
        self._routes = Routes(self.deciders)
        self._attempts = attempts
        self._warm = warm

    @property
    def catalogue(self) -> Events:
        """All events of the application, also those without an entry of their own."""
        return self._catalogue

    @property
    def serializer(self) -> Serializer:
        """The way between its events and bytes."""
        return self._serializer

    def processor(self, name: str) -> AnyProcessor:
        """
        Raises:
            InvalidInput: there is none of that name.
        """
        for each in self.processors:
            if each.name == name:
                return each
        raise InvalidInput(f"no processor {name!r} in this application; there are {sorted(self._names)}")

    def processors_of(self, kind: str) -> tuple[AnyProcessor, ...]:
        """Those of one kind, in the order in which the application names them: "projector", "reactor", "manager"."""
        return tuple(each for each in self.processors if each.kind == kind)

    @asynccontextmanager
    async def open(
        self,
        url: str,
        *,
        run: bool | Collection[str] = True,
        migrate: bool = True,
        lease: timedelta | None = LEASE,
        standby: bool = True,
    ) -> AsyncGenerator[Running]:
        """
        The application on a store, for this block.

        Args:
            url: `memory:`, `sqlite:///path` or `postgresql://user@host/database`, with options.
            run: start the processors: all, none (a web worker), or those of these names.
            migrate: make or update the store's tables.
            lease: of several processes that run a processor, one has it (or a share of its partitions) for this time,
                and renews that; the others stand by, and take over when it has run out. None: nobody is asked; a second
                copy then stops with Fenced, once it meets the first.
            standby: False: a processor that another process runs is an error.

        Raises:
            InvalidStoreUrl, StoreError: the store cannot be opened.
            CheckpointAheadOfLog, InvalidInput: a processor cannot start.
            ProcessorTaken: another process runs it, and `standby` is False.
        """
        names = self._names_to_run(run)
        if lease is not None and lease < _SHORTEST_LEASE:
            raise InvalidInput(f"lease={lease!r}: at least {_SHORTEST_LEASE.total_seconds()} s, or None for none")
        async with (
            open_stores(url, clock=self._clock, migrate=migrate) as stores,
            self._started(Running, stores, names, self._clock, lease, standby=standby) as running,
        ):
            yield running

    @asynccontextmanager
    async def test(self) -> AsyncGenerator[RunningInTest]:
        """The application in memory, all processors running, with a clock that is moved by hand: `running.clock`."""
        clock = ManualClock()
        async with (
            open_stores("memory:", clock=clock, migrate=True) as stores,
            self._started(RunningInTest, stores, self._names_to_run(run=True), clock) as running,
        ):
            running.clock = clock
            yield running

    @property
    def _names(self) -> frozenset[str]:
        return frozenset(each.name for each in self.processors)

    def _names_to_run(self, run: bool | Collection[str]) -> frozenset[str]:
        known = self._names
        if isinstance(run, bool):
            return known if run else frozenset()
        if isinstance(run, str):
            raise InvalidInput(f"run={run!r}: pass a list, run=[{run!r}]")
        unknown = sorted(str(each) for each in set(run) - known)
        if unknown:
            raise InvalidInput(f"run={unknown}: no such processor; there are {sorted(known)}")
        return frozenset(run)

    @asynccontextmanager
    async def _started(
        self,
        kind: type[R],
        stores: Stores,
        names: frozenset[str],
        clock: Clock,
        lease: timedelta | None = LEASE,
        *,
        standby: bool = True,
    ) -> AsyncGenerator[R]:
        dispatch = Dispatch(self._telemetry, self._on_handler_error)
        inside = InsideAppends(stores.rows, self._telemetry)
        once = Once(stores.command_log, stores.events, self._serializer)
        recorder = Recorder(
            stores.events, stores.units, self._serializer, inside, dispatch, self._on_recorded, once, self._telemetry
        )
        snapshotter = Snapshotter(stores.snapshots, stores.events, self._serializer, self._codec, self._catalogue)
        recorder.surrounded = self._surrounded
        commands = CommandManager(
            stores.events,
            self._serializer,
            recorder,
            self._telemetry,
            snapshotter,
            attempts=self._attempts,
            warm=self._warm,
        )
        boundaries = BoundaryManager(
            stores.events,
            self._serializer,
            recorder,
            self._catalogue,
            self._telemetry,
            self._new_id,
            attempts=self._attempts,
        )
        locks = LockManager(stores.units, recorder, self._serializer, self._telemetry, attempts=self._attempts)
        around = Surroundings(
            source=stores.events,
            rows=stores.rows,
            parking=stores.parking,
            leases=stores.leases,
            catalogue=self._catalogue,
            serializer=self._serializer,
            telemetry=self._telemetry,
            clock=clock,
            on_error=self._on_processor_error,
        )

        async def execute(*arguments: Any, **options: Any) -> Outcome[Any, Any, None]:
            return await running.execute(*arguments, **options)

        def hands_of(processor: AnyProcessor) -> Hands:
            if isinstance(processor, Reactor):
                return Reaction(processor, around, stores.actions, recorder, execute)
            if isinstance(processor, ProcessManager):
                orders = Orders(self._codec, self.deciders, processor.commands, others=self._known)
                return Management(
                    processor, around, stores.actions, stores.events, stores.timers, orders, recorder, execute
                )
            return Projection(processor, around)

        owner = new_owner()
        workers = [
            Worker(each, hands_of(each), around, _seats(each, around, owner, lease if each.name in names else None))
            for each in self.processors
        ]
        started = [each for each in workers if each.name in names]
        running = kind(
            self.deciders,
            stores,
            commands,
            boundaries,
            locks,
            recorder,
            inside,
            Additions(self._catalogue, self.processors),
            self._catalogue,
            self._serializer,
            workers,
            names,
            clock,
            self._new_id,
            self._routes,
        )
        running.projections = Projections(stores, around, self.processors, f"{owner}-rebuild")
        try:
            for worker in started:
                await worker.begin(standby=standby)
            running.tasks = tuple([each.start() for each in started])
            watchdog = asyncio.create_task(watch_the_loop(), name="eventfold watchdog")
            try:
                for addition in (*self._handlers, *self._buses):
                    await running.add(addition)
                with self._telemetry.watch(lambda: [reading for each in started for reading in each.readings()]):
                    yield running
            finally:
                try:
                    await running.entities.drain(DRAIN)
                finally:
                    watchdog.cancel()
        finally:
            await _ended(started, running.tasks)
            await dispatch.close()
            await snapshotter.close()


def _seats(processor: AnyProcessor, around: Surroundings, owner: str, lease: timedelta | None) -> Seats | None:
    """None: nobody is asked whether he runs it too."""
    if lease is None:
        return None
    return Seats(around.leases, processor.name, processor.partitions, owner, lease.total_seconds())


async def _ended(workers: Sequence[Worker], tasks: Sequence[asyncio.Task[None]]) -> None:
    """However the block ends: what runs is cancelled, and what never came to run gives back what it took."""
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)  # unlike awaiting them, this lets a cancellation of ours pass through
    for worker in workers:
        await worker.let_go()


def _refuse_duplicates(what: str, named: Iterable[tuple[str, object]]) -> None:
    seen: dict[str, object] = {}
    for name, thing in named:
        if name in seen:
            raise DuplicateName(name, seen[name], thing, f"{what} of one application need different names")
        seen[name] = thing
