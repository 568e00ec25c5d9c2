"""An application that is open on a store: execute, load, query, wait, follow."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, TypeVar, overload
from uuid import UUID

from eventfold.adapters.system import ManualClock
from eventfold.bootstrap.additions import Additions
from eventfold.bootstrap.administering import Administering
from eventfold.bootstrap.projections import Projections
from eventfold.bootstrap.routes import Routes
from eventfold.bootstrap.stores import Stores
from eventfold.bootstrap.transactions import Transactions
from eventfold.commands.boundary import BoundaryManager
from eventfold.commands.context import Context, context, refuse_beside_transaction, refuse_inside_projection
from eventfold.commands.decision import Outcome
from eventfold.commands.entity import IDLE, MAILBOX, Entities, Entity, OnFailure
from eventfold.commands.joining import Joined
from eventfold.commands.loading import Loaded
from eventfold.commands.locking import Locked, LockManager
from eventfold.commands.manager import CommandManager
from eventfold.commands.middleware import Invocation
from eventfold.commands.recording import Recorder
from eventfold.domain.aggregate import Aggregate
from eventfold.domain.boundary import Boundary
from eventfold.domain.message import Recorded
from eventfold.domain.partition import partition_of
from eventfold.domain.query import Query
from eventfold.errors import InvalidInput, ProcessorStopped, WaitTimedOut
from eventfold.ports.bus import Bus
from eventfold.ports.clock import Clock
from eventfold.ports.event_store import Append, Appended, Condition, EventSink, EventSource, SinkOnly, SourceOnly
from eventfold.ports.read_model import Params
from eventfold.processing.event_handler import EventHandler, Hearing
from eventfold.processing.process_manager import ProcessManager
from eventfold.processing.processor import ProcessorStatus
from eventfold.processing.projector import Projector
from eventfold.processing.reactor import Reactor
from eventfold.processing.replay import Replay, refuse_to_replay
from eventfold.processing.subscription import OnUndecodable, RecordedBatch, follow, replayed, subscribe
from eventfold.processing.transactional_handler import InsideAppends, TransactionalHandler
from eventfold.processing.worker import Worker
from eventfold.schema.registry import Events
from eventfold.schema.serializer import Serializer

if TYPE_CHECKING:
    from sqlalchemy.sql.selectable import SelectBase

    from eventfold.bootstrap.documents import Document, Documents

__all__ = ["Running", "RunningInTest"]

C = TypeVar("C")
S = TypeVar("S")
E = TypeVar("E")
D = TypeVar("D")
T = TypeVar("T")

_FIRST_LOOK: Final = 0.005
_SLOWEST_LOOK: Final = 0.1


class Running:
    """What `async with app.open(url)` gives. Every method raises StoreClosed once the block has ended."""

    projections: Projections
    """Their rows: rebuilt beside the live ones, switched, and as they were at a point in time."""

    def __init__(
        self,
        deciders: Sequence[Aggregate[Any, Any, Any] | Boundary[Any, Any, Any]],
        stores: Stores,
        commands: CommandManager,
        boundaries: BoundaryManager,
        locks: LockManager,
        recorder: Recorder,
        inside: InsideAppends,
        additions: Additions,
        catalogue: Events,
        serializer: Serializer,
        workers: Sequence[Worker],
        started: frozenset[str],
        clock: Clock,
        new_id: Callable[[], UUID],
        routes: Routes,
    ) -> None:
        self._routes = routes
        self._clock = clock
        self.new_id = new_id
        """A new id, for commands that need one. Held still where the application's `new_id` is."""
        self._deciders = deciders
        self._stores = stores
        self._commands = commands
        self.entities = Entities(commands, recorder.surrounded)
        """Those that are open, for whoever closes the application."""
        self._boundaries = boundaries
        self._locks = locks
        self._transactions = Transactions(stores.units, stores.rows, recorder, boundaries, serializer, self._mine)
        self._recorder = recorder
        self._inside = inside
        self._additions = additions
        self._catalogue = catalogue
        self._serializer = serializer
        self._workers = {each.name: each for each in workers}
        self._started = started
        self.tasks: tuple[asyncio.Task[None], ...] = ()
        """Those of the processors that were started."""

    # --------------------------------------------------------------------- commands

    @overload
    async def execute(
        self,
        aggregate: Aggregate[C, S, E],
        id: str,
        command: C,
        /,
        *,
        command_id: UUID | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> Outcome[S, E, None]: ...
    @overload
    async def execute(
        self,
        boundary: Boundary[C, S, E],
        command: C,
        /,
        *,
        command_id: UUID | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> Outcome[S, E, None]: ...

    async def execute(
        self,
        decider: Aggregate[Any, S, E] | Boundary[Any, S, E],
        /,
        *id_and_command: Any,
        command_id: UUID | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> Outcome[S, E, None]:
        """
        Let the decider decide on the command and record what it decided: `execute(aggregate, id, command)` or
        `execute(boundary, command)`.

        Returns the state after the command with the events recorded, an empty tuple when there was nothing to do.

        Args:
            command_id: makes it safe to send the command again, to any process, for ever: what was accepted under this
                id has no second effect, and its outcome is told again. A rejection is decided again.

        Raises:
            whatever `decide` raises: the domain's own rejection, untouched.
            CommandIdConflict: the id was that of another command.
            OutcomeGone: the events of the command, which was accepted before, have been removed.
            ConcurrencyConflict, BoundaryConflict: other processes were quicker, every time.
            AppendInsideProjection: called from a projector.
            InvalidInput: an aggregate without an id, a boundary with one, or its query restricts nothing.
            InvalidStreamName, Unencodable, TooLarge, SchemaError, StoreError, AppendOutcomeUnknown.
        """
        surrounded = self._recorder.surrounded
        match self._mine(decider), id_and_command:
            case Boundary() as boundary, (command,) if surrounded:
                invocation = Invocation.of(boundary, None, command, command_id, metadata)
                return await surrounded.call(invocation, self._execute)
            case Aggregate() as aggregate, (id, command) if surrounded:
                invocation = Invocation.of(aggregate, id, command, command_id, metadata)
                return await surrounded.call(invocation, self._execute)
            case Boundary() as boundary, (command,):
                return await self._boundaries.execute(boundary, command, command_id=command_id, metadata=metadata)
            case Aggregate() as aggregate, (id, command):
                return await self._commands.execute(aggregate, id, command, command_id=command_id, metadata=metadata)
            case _:
                raise InvalidInput(f"{decider!r}: write execute(aggregate, id, command) or execute(boundary, command)")

    async def _execute(self, invocation: Invocation) -> Outcome[Any, Any, None]:
        """At the end of the middleware."""
        by, remarks = invocation.command_id, invocation.metadata
        if isinstance(invocation.decider, Boundary):
            return await self._boundaries.execute(
                invocation.decider, invocation.command, command_id=by, metadata=remarks
            )
        assert invocation.id is not None
        return await self._commands.execute(
            invocation.decider, invocation.id, invocation.command, command_id=by, metadata=remarks
        )

    async def dispatch(
        self, command: object, *, command_id: UUID | None = None, metadata: Mapping[str, Any] | None = None
    ) -> Outcome[Any, Any, Any]:
        """
        Execute the command on the aggregate that takes its class, and on the id that its `identify` gives.

        Raises:
            InvalidInput: no aggregate with `identify=` takes such commands.
            what `execute` raises.
        """
        aggregate, id = self._routes.find(command)
        return await self.execute(aggregate, id, command, command_id=command_id, metadata=metadata)

    async def load(self, aggregate: Aggregate[C, S, E], id: str, *, version: int | None = None) -> Loaded[S]:
        """The aggregate as it is, or as it was at `version`. A stream that does not exist is in its initial state."""
        return await self._commands.load(self._mine(aggregate), id, version=version)

    def lock(
        self, aggregate: Aggregate[C, S, E], id: str, *, timeout: float = 5.0
    ) -> AbstractAsyncContextManager[Locked[C, S, E]]:
        """
        The aggregate locked, for one command: `async with running.lock(books, "isbn-1") as book`, then `book.state` and
        `await book.execute(command)`.

        Whoever else locks it waits, in every process on the store; an id that does not exist yet can be locked too.
        What the command records releases the lock, before handlers are called; so does the end of the block. Commands
        without a lock are kept neither waiting nor out: each is verified as ever.

        Args:
            timeout: seconds to wait for whoever holds it.

        Raises:
            LockTimedOut: somebody else held it all the time.
            what `load` raises.
        """
        return self._locks.lock(self._mine(aggregate), id, timeout=timeout)

    def entity(
        self,
        aggregate: Aggregate[C, S, E],
        id: str,
        *,
        mailbox: int = MAILBOX,
        idle: float | None = IDLE,
        on_failure: OnFailure = "reload",
    ) -> AbstractAsyncContextManager[Entity[C, S, E]]:
        """
        The aggregate as an entity of this process: `async with running.entity(books, "isbn-1") as book`, then
        `await book.execute(command)` from as many tasks as you like; they are decided one at a time.

        Tasks of one process do not conflict then. Other processes still may, and each append is verified as ever. Its
        state stays in memory, within `warm` of the application. When the application closes, commands that were sent
        are finished first.

        Args:
            mailbox: commands that are sent and not done yet, at most; further senders wait for a place.
            idle: seconds without a command after which its state leaves the memory; None: it stays.
            on_failure: of a command that could not be stored: `reload` goes on from what is stored; `end` refuses all
                that follow, until the entity is opened again.

        Raises:
            InvalidInput: a value that is none, or it is open with others.
            EntityEnded: the application is closing.
            what `load` raises.
        """
        return self.entities.entity(self._mine(aggregate), id, mailbox=mailbox, idle=idle, on_failure=on_failure)

    def join(self, connection: Any) -> AbstractAsyncContextManager[Joined]:
        """
        Commands in a transaction of yours: `async with running.join(connection) as unit`, then
        `await unit.execute(books, "isbn-1", Buy(1))`. Your commit stores their events with your rows.

        The events are appended when the block ends; commit soon after it, for until then readers wait for them. After
        your commit, `await unit.committed()` calls event handlers and buses.

        Args:
            connection: with an open transaction, on the store's database: of asyncpg or psycopg, or a Connection,
                Session, AsyncConnection or AsyncSession of SQLAlchemy over one of them.

        Raises, at the end of the block, and nothing that was decided in it is in your transaction then:
            ConcurrencyConflict, BoundaryConflict: somebody was quicker; roll back and do it all again.
            RetryTransaction: the database wants all of your transaction once more.
            UnsupportedIsolation: a boundary's condition needs READ COMMITTED.
            HandlerFailed: a transactional handler failed.
            InvalidInput: no such connection, no transaction, or another database.
            UnsupportedByStore: the store has no server; use `transaction()`.
        """
        return self._transactions.join(connection)

    def transaction(self) -> AbstractAsyncContextManager[Joined]:
        """
        Commands and rows of yours in one transaction of the store: `async with running.transaction() as unit`, then
        `await unit.execute(…)`, `await unit.write(statement, row)`, `await unit.fetch(select)`.

        It is committed when the block ends, and undone when that raises; then event handlers and buses are called. It
        has five seconds, for others may wait to write; on SQLite and in memory nobody else writes meanwhile, so within
        the block execute through `unit`, never through `running`.

        Raises, at the end of the block:
            what `join` raises, TimeoutError, and what a commit raises.
        """
        return self._transactions.transaction()

    def _mine(self, decider: D) -> D:
        if not any(each is decider for each in self._deciders):
            raise InvalidInput(f"{decider!r} is none of this application's; name it in Eventfold(deciders=[…])")
        return decider

    @asynccontextmanager
    async def context(
        self,
        *,
        correlation_id: str | None = None,
        causation_id: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> AsyncGenerator[Context]:
        """Commands inside carry this into their events. Contexts nest; of the same key the inner wins."""
        with context(correlation_id, causation_id, metadata or {}) as carried:
            yield carried

    async def add(self, addition: EventHandler | TransactionalHandler | Bus) -> None:
        """
        Add a handler or a bus to what the application was made with, after those that are there; also from a handler.

        It gets the next events.

        Raises:
            DuplicateName, UnknownEvent, InvalidInput: as `Eventfold` does.
            UnsupportedStatement: its tables cannot be made.
        """
        dispatch = self._recorder.dispatch
        dispatch.refuse_if_closed()
        self._additions.admit(addition)
        if isinstance(addition, EventHandler | TransactionalHandler):
            await self._stores.rows.make(addition.tables)
        if isinstance(addition, TransactionalHandler):
            self._inside.add(addition)
        elif isinstance(addition, EventHandler):
            dispatch.add_listener(Hearing(addition, self._stores.rows, self.execute))
        else:
            dispatch.add_bus(addition)

    async def replay(
        self,
        aggregate: Aggregate[Any, Any, Any],
        id: str | None = None,
        /,
        *,
        handlers: Sequence[EventHandler | TransactionalHandler],
        buses: Sequence[Bus] = (),
        at_once: bool = False,
    ) -> int:
        """
        Tell handlers once more what is stored: for each stream their `on_deleted` clears its rows once, then come its
        events; in transactional handlers all of it is one transaction for each stream. Nothing else is told or stored.

        Whatever the transactional handlers of commands write meanwhile is kept. Those of event handlers may mix with
        the replay of their own stream; rows that are set rather than added to come out right all the same.

        Args:
            id: of the one stream; otherwise every stream of the aggregate, one after the other.
            handlers: of this application; event handlers must be replayable.
            buses: get each event once too, at the end of each stream. Named here, for what listens may act.
            at_once: all streams in one transaction and in the order of the log. It has five seconds.

        Returns:
            the number of events.

        Raises:
            InvalidInput: a handler of others, one that is not replayable, or has no `on_deleted` for the aggregate.
            HandlerFailed: a function failed; its stream has the rows of before in transactional handlers, and the
                streams before it have the new ones.
            RetryTransaction: commands on the stream came in between each time.
            StoreError, TimeoutError: as a commit. What a bus raises.
        """
        category = self._mine(aggregate).name
        refuse_to_replay(category, handlers)
        self._additions.refuse_unknown(handlers)
        refuse_inside_projection()
        refuse_beside_transaction(self._recorder)
        inside = self._inside.only([each for each in handlers if isinstance(each, TransactionalHandler)])
        listeners = [each for each in handlers if isinstance(each, EventHandler)]
        stores = self._stores
        replay = Replay(stores.events, stores.units, stores.rows, self._serializer, inside, listeners, buses)
        if id is not None:
            return await replay.streams([aggregate.stream(id)])
        streams = [each.stream async for each in stores.events.streams(category)]
        if at_once and streams:
            return await replay.streams(streams)
        return sum([await replay.streams([each]) for each in streams])

    @property
    def administration(self) -> Administering:
        """What only an administrator does: delete, truncate, replace, erase. Everything here is in the audit."""
        dispatch = self._recorder.dispatch
        return Administering(self._stores.administration, self._serializer, self._commands, self._inside, dispatch)

    # ------------------------------------------------------------------------- rows

    @overload
    async def query(self, select: SelectBase, params: Params | None = None) -> list[tuple[Any, ...]]: ...
    @overload
    async def query(self, select: SelectBase, params: Params | None = None, *, into: type[T]) -> list[T]: ...

    async def query(
        self, select: SelectBase, params: Params | None = None, *, into: type[T] | None = None
    ) -> list[T] | list[tuple[Any, ...]]:
        """
        Rows of the read model, as named tuples or as objects of a class that takes the columns by name.

        Raises:
            UnsupportedStatement, InvalidInput: no select, one that does not fit the tables, or a class that does not
                take its columns.
        """
        rows: list[Any] = await self._stores.rows.query(select, params)
        if into is None:
            return rows
        try:
            return [into(**row._asdict()) for row in rows]
        except TypeError as error:
            columns = ", ".join(rows[0]._fields)
            raise InvalidInput(f"{into.__name__} does not take the columns {columns}: {error}") from error

    async def view(self, documents: Documents[T], key: str) -> Document[T] | None:
        """The document of this key with its version; None where there is none. Raises InvalidInput for others' ones."""
        self._worker(documents)
        return await documents.read(self._stores.rows.query, key)

    async def wait_for(
        self, processor: Projector | Reactor | ProcessManager[Any, Any] | str, position: int, *, timeout: float = 5.0
    ) -> None:
        """
        Return once the processor has handled everything up to `position`: read your own writes.

        It is satisfied too when nothing between concerns the processor, or when that was parked or skipped. The
        processor may run in another process, or in several.

        Args:
            timeout: seconds.

        Raises:
            ProcessorStopped: it has failed and will not come there.
            WaitTimedOut: it is not there yet; it says so if that is because it is paused.
        """
        worker = self._worker(processor)
        try:
            async with asyncio.timeout(timeout):
                await self._until_reached(worker, position)
        except TimeoutError:
            reached = min((await worker.reached()).values())
            paused = await self._stores.rows.is_paused(worker.name)
            raise WaitTimedOut(worker.name, position, reached, timeout, paused=paused) from None

    async def _until_reached(self, worker: Worker, position: int) -> None:
        pause, awaited = _FIRST_LOOK, dict[int, int]()
        while True:
            news = worker.progress.next
            reached = await worker.reached()
            if all(reached[partition] >= at for partition, at in awaited.items()):
                awaited = await self._awaited(worker, reached, position)
                if not awaited:
                    return
            if worker.stopped and worker.error is not None:
                raise ProcessorStopped(worker.name, worker.error)
            if worker.is_here:
                await news.wait()
            else:
                await asyncio.sleep(pause)
                pause = min(pause * 2, _SLOWEST_LOOK)

    async def _awaited(self, worker: Worker, reached: Mapping[int, int], position: int) -> dict[int, int]:
        """By partition: an event up to there that concerns it and that it has not come to, of several the last one."""
        lowest = min(reached.values())
        if lowest >= position:
            return {}
        awaited: dict[int, int] = {}
        limit = 1 if len(reached) == 1 else None
        async for event in self._stores.events.read_all(worker.query, after=lowest, upto=position, limit=limit):
            partition = partition_of(event.category, event.id, len(reached))
            if event.position > reached[partition]:
                awaited[partition] = event.position
        return awaited

    async def settled(self, *, timeout: float = 10.0) -> None:
        """
        Return once every processor of this process has handled all that is in the store now, and time-outs that are
        due have come. For tests.
        """
        async with asyncio.timeout(timeout):
            for name in sorted(self._started):
                await self._until_rung(name)
        head = await self._stores.events.head()
        for name in sorted(self._started):
            await self.wait_for(name, head, timeout=timeout)

    async def _until_rung(self, name: str) -> None:
        """No time-out of it is due. It may be another process that lets them come, so the store is asked."""
        while await self._stores.timers.due(name, limit=1) and not self._workers[name].stopped:  # noqa: ASYNC110 - as said
            await asyncio.sleep(_FIRST_LOOK)

    def status(self) -> dict[str, ProcessorStatus]:
        """How the processors are doing, by name; those that run elsewhere are shown as not running here."""
        return {name: worker.status() for name, worker in self._workers.items()}

    async def drain(self, *, timeout: float = 10.0) -> bool:
        """
        Stop the processors of this process gracefully: they finish the events in hand, fetch no more, and let go of
        their leases, so that another process goes on at once. Commands and queries go on.

        Args:
            timeout: seconds, after which what is still in hand is cancelled; nothing half done is kept.

        Returns:
            whether all of them came to an end by themselves.
        """
        if not self.tasks:
            return True
        for name in self._started:
            self._workers[name].drain()
        _, late = await asyncio.wait(self.tasks, timeout=timeout)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late)
        return not late

    def _worker(self, processor: Projector | Reactor | ProcessManager[Any, Any] | str) -> Worker:
        name = processor if isinstance(processor, str) else processor.name
        try:
            return self._workers[name]
        except KeyError:
            known = sorted(self._workers)
            raise InvalidInput(f"no processor {name!r} in this application; there are {known}") from None

    async def empty(self, projector: Projector) -> None:
        """
        Empty the projector's tables and send it back to the beginning, in one transaction; wherever it runs, it fills
        them anew.

        Raises:
            InvalidInput: it is none of this application's, no projector, or has never started on this store.
        """
        await self._stores.rows.truncate(projector.name, self._mine_to_empty(projector).tables)

    async def drop(self, projector: Projector) -> None:
        """
        Drop the projector's tables with its checkpoint and all that the store knows of it. Once it is started again it
        begins as if it never had.

        Raises:
            InvalidInput: somebody runs it; or as `empty` does.
        """
        mine = self._mine_to_empty(projector)
        held = [each for each in await self._stores.leases.leases(projector.name) if each.left > 0]
        if held or any(task.get_name() == f"projector {projector.name}" for task in self.tasks if not task.done()):
            by = f"by {held[0].owner}" if held else "in this process"
            raise InvalidInput(f"projector {projector.name!r} is run {by}; stop it first, or its tables come back")
        await self._stores.rows.drop(projector.name, mine.tables)

    def _mine_to_empty(self, projector: object) -> Projector:
        if not isinstance(projector, Projector):
            raise InvalidInput(f"{projector!r} is no projector, so it has no tables")
        self._worker(projector)
        return projector

    # ----------------------------------------------------------------------- events

    def subscribe(
        self, query: Query | None = None, *, after: int = 0
    ) -> AbstractAsyncContextManager[AsyncIterator[RecordedBatch]]:
        """
        Follow the store from a position on: `async with running.subscribe(query) as batches`, then
        `async for batch in batches`.

        Nothing is kept of how far it came: for server-sent events and the like.
        """
        asked = Query.all() if query is None else query
        resolved, wanted = self._catalogue.resolve(asked), self._catalogue.wanted(asked)
        return subscribe(self._stores.events, self._serializer, resolved, wanted, after=after)

    def follow(
        self, aggregate: Aggregate[Any, Any, E], id: str, *, after: int = 0
    ) -> AbstractAsyncContextManager[AsyncIterator[Recorded[E]]]:
        """
        The events of one aggregate: those after the version, then live; `async with` it, `async for` within.

        It reads what comes to its category to find its own. Raises InvalidInput, and SchemaError from the iteration.
        """
        stream = self._mine(aggregate).stream(id)
        if after < 0:
            raise InvalidInput(f"follow({stream}, after={after}): versions start at 1, 0 is before the first")
        return follow(self._stores.events, self._serializer, stream, after=after)

    def read(
        self,
        of: Query | Aggregate[Any, Any, Any],
        id: str | None = None,
        *,
        after: int = 0,
        on_undecodable: OnUndecodable = "stop",
    ) -> AsyncIterator[Recorded[Any]]:
        """
        What there is of a query, or of an aggregate (of all of them, or the one with this id), in today's shapes.

        Args:
            after: the position that comes before the first of them; with an id the version.
            on_undecodable: "stop" raises `SchemaError` at an event that cannot be decoded; "skip" logs it as an error
                and goes on; a function is called with the error, and it goes on.

        Raises:
            InvalidInput: an id, and no aggregate.
        """
        log = self._stores.events
        query = of if isinstance(of, Query) else Query.of(categories=[of.name])
        if id is None:
            stored = log.read_all(self._catalogue.resolve(query), after=after)
        elif isinstance(of, Query):
            raise InvalidInput(f"read(query, {id!r}): an id belongs to an aggregate")
        else:
            stored = log.read(of.stream(id), after=after)
        return replayed(stored, self._serializer, self._catalogue.wanted(query), on_undecodable)

    async def head(self, query: Query | None = None) -> int:
        """The position of the last event of the query; 0 when there is none."""
        return await self._stores.events.head(self._catalogue.resolve(Query.all() if query is None else query))

    @property
    def source(self) -> EventSource:
        """The log for reading only, in stored form."""
        return SourceOnly(self._stores.events)

    @property
    def sink(self) -> EventSink:
        """The log for writing only, in stored form."""
        return SinkOnly(_OutsideProjections(self._stores.events, self._recorder))

    def now(self) -> datetime:
        """The time, for commands that need it. Stands still in tests."""
        return self._clock.now()


class RunningInTest(Running):
    """What `async with app.test()` gives: the same, with a clock that stands still until it is moved."""

    clock: ManualClock


class _OutsideProjections:
    """A projector may be replayed at any time, so nothing is appended from inside one."""

    def __init__(self, sink: EventSink, recorder: Recorder) -> None:
        self._sink = sink
        self._recorder = recorder

    async def append(self, *appends: Append, condition: Condition | None = None) -> Appended:
        refuse_inside_projection()
        refuse_beside_transaction(self._recorder)
        return await self._sink.append(*appends, condition=condition)
