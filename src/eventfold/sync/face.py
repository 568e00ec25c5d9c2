"""Written by scripts/sync_face.py from the asynchronous face. Do not edit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, overload
from uuid import UUID

from eventfold.bootstrap.administering import Administering as AsyncAdministering
from eventfold.bootstrap.projections import AsOf as AsyncAsOf
from eventfold.bootstrap.projections import Projections as AsyncProjections
from eventfold.bootstrap.projections import Rebuilt
from eventfold.bootstrap.running import Running as AsyncRunning
from eventfold.commands.context import Context, context
from eventfold.commands.decision import Outcome
from eventfold.commands.joining import Joined as AsyncJoined
from eventfold.commands.joining import Staged
from eventfold.commands.loading import Loaded
from eventfold.commands.locking import Locked as AsyncLocked
from eventfold.domain.aggregate import Aggregate
from eventfold.domain.boundary import Boundary
from eventfold.domain.message import Recorded, Stream
from eventfold.domain.query import Query
from eventfold.ports.administration import Audited, Mark
from eventfold.ports.bus import Bus
from eventfold.ports.read_model import Params
from eventfold.processing.event_handler import EventHandler
from eventfold.processing.process_manager import ProcessManager
from eventfold.processing.processor import ProcessorStatus
from eventfold.processing.projector import Projector
from eventfold.processing.reactor import Reactor
from eventfold.processing.rebuild import OnProgress
from eventfold.processing.subscription import OnUndecodable, RecordedBatch
from eventfold.processing.transactional_handler import TransactionalHandler
from eventfold.sync.portal import Caller, Following, Portal

if TYPE_CHECKING:
    from sqlalchemy.sql.selectable import SelectBase

    from eventfold.bootstrap.documents import Document, Documents
    from eventfold.ports.read_model import Writing

__all__ = ["Administering", "AsOf", "Joined", "Locked", "Projections", "Running"]

C = TypeVar("C")
D = TypeVar("D")
E = TypeVar("E")
S = TypeVar("S")
T = TypeVar("T")


class Locked(Generic[C, S, E]):
    """
    An aggregate that is locked, for the one command that it was locked for.

    `state` and `version` are what the command will be decided on. Whoever writes without a lock may still come in
    between; then the command is decided anew on what is there, under the same lock.
    """

    def __init__(self, caller: Caller, face: AsyncLocked[C, S, E]) -> None:
        self._caller = caller
        self._face = face

    @property
    def state(self) -> S:

        return self._face.state

    @property
    def version(self) -> int:
        """The version of its stream; 0: there is none yet."""
        return self._face.version

    def execute(
        self, command: C, *, command_id: UUID | None = None, metadata: Mapping[str, Any] | None = None
    ) -> Outcome[S, E, None]:
        """
        Decide and record. What is recorded releases the lock; then the handlers are called.

        A rejection, a decision without events and a command that was accepted before leave the lock held, so another
        command may follow.

        Raises:
            whatever `decide` raises, untouched; nothing is recorded then.
            InvalidInput: the lock has been released by a command before, or by the end of its block.
            ConcurrencyConflict: others, who did not lock, were quicker every time.
            what `running.execute` raises.
        """
        return self._caller.call(self._face.execute(command, command_id=command_id, metadata=metadata))


class Joined:
    """
    Executes commands within a transaction: their events are stored with everything else in it, or not at all.

    Each command on an aggregate sees what those before it have decided; a boundary reads what is stored, and is refused
    where it would miss something. The events are appended when the block ends, so that readers
    are held back for as short as can be.
    """

    def __init__(self, caller: Caller, face: AsyncJoined) -> None:
        self._caller = caller
        self._face = face

    @overload
    def execute(
        self,
        aggregate: Aggregate[C, S, E],
        id: str,
        command: C,
        /,
        *,
        command_id: UUID | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> Staged[S, E]: ...

    @overload
    def execute(
        self,
        boundary: Boundary[C, S, E],
        command: C,
        /,
        *,
        command_id: UUID | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> Staged[S, E]: ...

    def execute(
        self,
        decider: Aggregate[Any, S, E] | Boundary[Any, S, E],
        /,
        *id_and_command: Any,
        command_id: UUID | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> Staged[S, E]:
        """
        Let the decider decide on the command; what it decided is stored with the transaction.

        One command of a boundary fits into a transaction: a second would not see the events of the first. A command
        that was accepted before under its `command_id` adds nothing to the transaction; what came of it is told again.

        Raises:
            whatever `decide` raises, untouched; the transaction goes on without this command.
            CommandIdConflict, OutcomeGone: as `running.execute`.
            InvalidInput: the block is over, it is the second command of a boundary, and as `running.execute` does.
            what `running.load` raises.
        """
        return self._caller.call(self._face.execute(decider, *id_and_command, command_id=command_id, metadata=metadata))

    def load(self, aggregate: Aggregate[Any, S, E], id: str) -> Loaded[S]:
        """The aggregate as the transaction sees it, with what its commands have decided."""
        return self._caller.call(self._face.load(aggregate, id))

    def write(self, statement: Writing, row: Params | None = None) -> None:
        """
        Run an insert, update or delete of your own tables within the transaction, at once.

        In a transaction of the caller's it is as a statement of his own: what fails later leaves it there.

        Raises:
            UnsupportedStatement, InvalidInput: it cannot be run, or the database refuses it.
        """
        self._caller.call(self._face.write(statement, row))

    def fetch(self, select: SelectBase, params: Params | None = None) -> list[tuple[Any, ...]]:
        """Rows as named tuples, as the transaction sees them."""
        return self._caller.call(self._face.fetch(select, params))

    @property
    def recorded(self) -> Sequence[Recorded[Any]]:
        """The events, once the block has ended. They are stored when the transaction has been committed."""
        return self._face.recorded

    def committed(self) -> None:
        """
        Call the event handlers and buses: call it right after your commit. Without this call they hear nothing.

        Calling twice is as once.

        Raises:
            InvalidInput: the block has not ended.
        """
        self._caller.call(self._face.committed())


class Administering:
    """
    Acts on what is stored, each with its actor and its reason, in the audit of the store.

    Everybody else only appends. Raises, every act: InvalidInput for an actor or reason that is none; NotPermitted where
    the database does not let this user.
    """

    def __init__(self, caller: Caller, face: AsyncAdministering) -> None:
        self._caller = caller
        self._face = face

    def delete(self, aggregate: Aggregate[Any, Any, Any], id: str, *, actor: str, reason: str) -> Mark | None:
        """
        Remove an aggregate: afterwards it loads as if it had never been. None when there was nothing.

        Transactional handlers' `on_deleted` take part, plain handlers' are called afterwards, projectors' when the
        projector comes to the tombstone. Nothing goes to buses.

        Raises:
            HandlerFailed: a transactional handler failed, and nothing has been deleted.
        """
        return self._caller.call(self._face.delete(aggregate, id, actor=actor, reason=reason))

    def truncate(
        self, aggregate: Aggregate[Any, Any, Any], id: str, *, before_version: int, actor: str, reason: str
    ) -> Mark | None:
        """
        Remove the events of an aggregate with a version below this one. None when there are none.

        It cannot be loaded any more from its events alone: StreamTruncated.

        Raises:
            InvalidInput: it does not have this version; its last event always stays.
        """
        return self._caller.call(
            self._face.truncate(aggregate, id, before_version=before_version, actor=actor, reason=reason)
        )

    def mark(self, aggregate: Aggregate[Any, Any, Any], id: str) -> Mark | None:
        """What was done to its stream; None for nearly every one."""
        return self._caller.call(self._face.mark(aggregate, id))

    def find(self, event_id: UUID) -> Recorded[Any] | None:
        """
        The event with this id.

        Raises:
            DecodeError, UnknownEvent: it is there, but has been erased, or is none of this application's.
        """
        return self._caller.call(self._face.find(event_id))

    def replace(self, event_id: UUID, event: object, *, actor: str, reason: str) -> Recorded[Any]:
        """
        Put another event in the place of one of the same class. Version, position, times, metadata and tags stay.

        States that other processes keep in memory, and rows, are as they were until they are made anew.

        Raises:
            InvalidInput: no such event, an erased one, or one of another class or shape.
            Unencodable, TooLarge: what an append would raise.
        """
        return self._caller.call(self._face.replace(event_id, event, actor=actor, reason=reason))

    def erase(self, event_id: UUID, *, actor: str, reason: str) -> Stream:
        """
        Remove payload, metadata and tags of an event; its place stays. The stream it is in. Twice is as once.

        Whatever has to decode it from now on gets DecodeError: an aggregate of which one event is erased cannot be
        loaded, so delete it if nobody needs it.

        Raises:
            InvalidInput: no such event.
        """
        return self._caller.call(self._face.erase(event_id, actor=actor, reason=reason))

    def sweep(self) -> Sequence[Mark]:
        """Remove what deletions had to leave in the log for a while. Those that still have to come back."""
        return self._caller.call(self._face.sweep())

    def audit(self, *, after: int = 0) -> Iterator[Audited]:
        """What was done to the store, oldest first, from the entry after this number on."""
        return Following(self._caller, self._face.audit(after=after))


class AsOf:
    """The rows of a projector as they were, in memory, for the length of a block."""

    def __init__(self, caller: Caller, face: AsyncAsOf) -> None:
        self._caller = caller
        self._face = face

    def query(self, select: SelectBase, params: Params | None = None) -> list[tuple[Any, ...]]:
        """As `running.query`."""
        return self._caller.call(self._face.query(select, params))

    def view(self, documents: Documents[D], key: str) -> Document[D] | None:
        """As `running.view`."""
        return self._caller.call(self._face.view(documents, key))


class Projections:
    """What can be done with the rows of the application's projectors while everything goes on."""

    def __init__(self, caller: Portal[Any], face: AsyncProjections) -> None:
        self._caller = caller
        self._face = face

    def rebuild(
        self,
        projector: Projector | str,
        *,
        switch: bool = True,
        verify: bool = False,
        on_progress: OnProgress | None = None,
    ) -> Rebuilt:
        """
        Fill the projector's rows anew beside the live ones, and then put them in their place in one transaction. The
        live ones go on meanwhile; whoever reads sees the rows of before or of after, all of one kind.

        What was live is kept as the old rows, for `roll_back`, until `drop_old` or the next rebuild. A rebuild that was
        killed, or stopped at an event, is gone on with by the next one of the same version.

        Args:
            switch: else leave them beside the live ones, for `verify` and `switch`.
            verify: compare them with the live ones at the same position first, and do not switch if they differ.
            on_progress: called a few times a second.

        Raises:
            InvalidInput: no projector of this application, one that has never run on this store, or is older than its
                rows; with `verify`, rows that cannot be compared.
            ProcessorTaken: somebody else rebuilds it.
            ProcessingError: an event could not be handled; the live rows are as they were.
            Fenced: the rebuild, or the live rows, were taken over meanwhile.
        """
        return self._caller.call(self._face.rebuild(projector, switch=switch, verify=verify, on_progress=on_progress))

    def verify(self, projector: Projector | str) -> Rebuilt:
        """
        Compare rebuilt rows, which wait beside the live ones, with those, both at the same position.

        Raises:
            InvalidInput: nothing is waiting, or it cannot be compared. Else as `rebuild`.
        """
        return self._caller.call(self._face.verify(projector))

    def switch(self, projector: Projector | str, *, verify: bool = False) -> Rebuilt:
        """
        Put rebuilt rows, which wait beside the live ones, in their place, once they have caught up.

        Raises:
            InvalidInput: nothing is waiting. Else as `rebuild`.
        """
        return self._caller.call(self._face.switch(projector, verify=verify))

    def roll_back(self, projector: Projector | str) -> None:
        """
        Let the old rows be the live ones again, in one transaction; they catch up from where they were. Once more
        leads forward again.

        Raises:
            InvalidInput: there are none; or they are of another version, and somebody runs the projector.
        """
        self._caller.call(self._face.roll_back(projector))

    def drop_old(self, projector: Projector | str) -> None:
        """Drop the old rows. Raises InvalidInput when there are none."""
        self._caller.call(self._face.drop_old(projector))

    def drop_next(self, projector: Projector | str) -> None:
        """
        Give a rebuild up: drop what it has filled.

        Raises:
            InvalidInput: there is none, or somebody is at it.
        """
        self._caller.call(self._face.drop_next(projector))

    def at(
        self, projector: Projector | str, *, position: int | None = None, time: datetime | None = None
    ) -> AbstractContextManager[AsOf]:
        """
        The projector's rows as they were: filled in memory, from the log alone, up to there.

        Args:
            position: of the last event in them.
            time: events that were recorded later are not in them. With a zone.

        Raises:
            InvalidInput: neither, both, or a time without a zone.
            ProcessingError: an event could not be handled.
        """
        return self._caller.block(self._face.at(projector, position=position, time=time), AsOf)


class Running:
    """What `with app.open(url)` gives. Every method raises StoreClosed once the block has ended."""

    def __init__(self, caller: Portal[Any], face: AsyncRunning) -> None:
        self._caller = caller
        self._face = face

    def close(self) -> None:
        """
        Close the store and end the thread; commands in hand are finished. A second time it does nothing.

        Afterwards every method raises StoreClosed.
        """
        self._caller.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *of_the_block: object) -> None:
        self.close()

    @property
    def projections(self) -> Projections:
        return Projections(self._caller, self._face.projections)

    @property
    def new_id(self) -> Callable[[], UUID]:
        return self._face.new_id

    @overload
    def execute(
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
    def execute(
        self,
        boundary: Boundary[C, S, E],
        command: C,
        /,
        *,
        command_id: UUID | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> Outcome[S, E, None]: ...

    def execute(
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
        return self._caller.call(self._face.execute(decider, *id_and_command, command_id=command_id, metadata=metadata))

    def dispatch(
        self, command: object, *, command_id: UUID | None = None, metadata: Mapping[str, Any] | None = None
    ) -> Outcome[Any, Any, Any]:
        """
        Execute the command on the aggregate that takes its class, and on the id that its `identify` gives.

        Raises:
            InvalidInput: no aggregate with `identify=` takes such commands.
            what `execute` raises.
        """
        return self._caller.call(self._face.dispatch(command, command_id=command_id, metadata=metadata))

    def load(self, aggregate: Aggregate[C, S, E], id: str, *, version: int | None = None) -> Loaded[S]:
        """The aggregate as it is, or as it was at `version`. A stream that does not exist is in its initial state."""
        return self._caller.call(self._face.load(aggregate, id, version=version))

    def lock(
        self, aggregate: Aggregate[C, S, E], id: str, *, timeout: float = 5.0
    ) -> AbstractContextManager[Locked[C, S, E]]:
        """
        The aggregate locked, for one command: `with running.lock(books, "isbn-1") as book`, then `book.state` and
        `book.execute(command)`.

        Whoever else locks it waits, in every process on the store; an id that does not exist yet can be locked too.
        What the command records releases the lock, before handlers are called; so does the end of the block. Commands
        without a lock are kept neither waiting nor out: each is verified as ever.

        Args:
            timeout: seconds to wait for whoever holds it.

        Raises:
            LockTimedOut: somebody else held it all the time.
            what `load` raises.
        """
        return self._caller.block(self._face.lock(aggregate, id, timeout=timeout), Locked)

    def join(self, connection: Any) -> AbstractContextManager[Joined]:
        """
        Commands in a transaction of yours: `with running.join(connection) as unit`, then
        `unit.execute(books, "isbn-1", Buy(1))`. Your commit stores their events with your rows.

        The events are appended when the block ends; commit soon after it, for until then readers wait for them. After
        your commit, `unit.committed()` calls event handlers and buses.

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
        return self._caller.block(self._face.join(connection), Joined)

    def transaction(self) -> AbstractContextManager[Joined]:
        """
        Commands and rows of yours in one transaction of the store: `with running.transaction() as unit`, then
        `unit.execute(…)`, `unit.write(statement, row)`, `unit.fetch(select)`.

        It is committed when the block ends, and undone when that raises; then event handlers and buses are called. It
        has five seconds, for others may wait to write; on SQLite and in memory nobody else writes meanwhile, so within
        the block execute through `unit`, never through `running`.

        Raises, at the end of the block:
            what `join` raises, TimeoutError, and what a commit raises.
        """
        return self._caller.block(self._face.transaction(), Joined)

    def context(
        self,
        *,
        correlation_id: str | None = None,
        causation_id: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> AbstractContextManager[Context]:
        """Commands inside carry this into their events. Contexts nest; of the same key the inner wins."""
        return context(correlation_id, causation_id, metadata or {})

    def add(self, addition: EventHandler | TransactionalHandler | Bus) -> None:
        """
        Add a handler or a bus to what the application was made with, after those that are there; also from a handler.

        It gets the next events.

        Raises:
            DuplicateName, UnknownEvent, InvalidInput: as `Eventfold` does.
            UnsupportedStatement: its tables cannot be made.
        """
        self._caller.call(self._face.add(addition))

    def replay(
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
        return self._caller.call(self._face.replay(aggregate, id, handlers=handlers, buses=buses, at_once=at_once))

    @property
    def administration(self) -> Administering:
        """What only an administrator does: delete, truncate, replace, erase. Everything here is in the audit."""
        return Administering(self._caller, self._face.administration)

    @overload
    def query(self, select: SelectBase, params: Params | None = None) -> list[tuple[Any, ...]]: ...

    @overload
    def query(self, select: SelectBase, params: Params | None = None, *, into: type[T]) -> list[T]: ...

    def query(
        self, select: SelectBase, params: Params | None = None, *, into: type[T] | None = None
    ) -> list[T] | list[tuple[Any, ...]]:
        """
        Rows of the read model, as named tuples or as objects of a class that takes the columns by name.

        Raises:
            UnsupportedStatement, InvalidInput: no select, one that does not fit the tables, or a class that does not
                take its columns.
        """
        if into is None:
            return self._caller.call(self._face.query(select, params))
        return self._caller.call(self._face.query(select, params, into=into))

    def view(self, documents: Documents[T], key: str) -> Document[T] | None:
        """The document of this key with its version; None where there is none. Raises InvalidInput for others' ones."""
        return self._caller.call(self._face.view(documents, key))

    def wait_for(
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
        self._caller.call(self._face.wait_for(processor, position, timeout=timeout))

    def status(self) -> dict[str, ProcessorStatus]:
        """How the processors are doing, by name; those that run elsewhere are shown as not running here."""
        return self._face.status()

    def drain(self, *, timeout: float = 10.0) -> bool:
        """
        Stop the processors of this process gracefully: they finish the events in hand, fetch no more, and let go of
        their leases, so that another process goes on at once. Commands and queries go on.

        Args:
            timeout: seconds, after which what is still in hand is cancelled; nothing half done is kept.

        Returns:
            whether all of them came to an end by themselves.
        """
        return self._caller.call(self._face.drain(timeout=timeout))

    def empty(self, projector: Projector) -> None:
        """
        Empty the projector's tables and send it back to the beginning, in one transaction; wherever it runs, it fills
        them anew.

        Raises:
            InvalidInput: it is none of this application's, no projector, or has never started on this store.
        """
        self._caller.call(self._face.empty(projector))

    def drop(self, projector: Projector) -> None:
        """
        Drop the projector's tables with its checkpoint and all that the store knows of it. Once it is started again it
        begins as if it never had.

        Raises:
            InvalidInput: somebody runs it; or as `empty` does.
        """
        self._caller.call(self._face.drop(projector))

    def subscribe(
        self, query: Query | None = None, *, after: int = 0
    ) -> AbstractContextManager[Iterator[RecordedBatch]]:
        """
        Follow the store from a position on: `with running.subscribe(query) as batches`, then
        `for batch in batches`.

        Nothing is kept of how far it came: for server-sent events and the like.
        """
        return self._caller.block(self._face.subscribe(query, after=after), Following)

    def follow(
        self, aggregate: Aggregate[Any, Any, E], id: str, *, after: int = 0
    ) -> AbstractContextManager[Iterator[Recorded[E]]]:
        """
        The events of one aggregate: those after the version, then live; `with` it, `for` within.

        It reads what comes to its category to find its own. Raises InvalidInput, and SchemaError from the iteration.
        """
        return self._caller.block(self._face.follow(aggregate, id, after=after), Following)

    def read(
        self,
        of: Query | Aggregate[Any, Any, Any],
        id: str | None = None,
        *,
        after: int = 0,
        on_undecodable: OnUndecodable = "stop",
    ) -> Iterator[Recorded[Any]]:
        """
        What there is of a query, or of an aggregate (of all of them, or the one with this id), in today's shapes.

        Args:
            after: the position that comes before the first of them; with an id the version.
            on_undecodable: "stop" raises `SchemaError` at an event that cannot be decoded; "skip" logs it as an error
                and goes on; a function is called with the error, and it goes on.

        Raises:
            InvalidInput: an id, and no aggregate.
        """
        return Following(self._caller, self._face.read(of, id, after=after, on_undecodable=on_undecodable))

    def head(self, query: Query | None = None) -> int:
        """The position of the last event of the query; 0 when there is none."""
        return self._caller.call(self._face.head(query))

    def now(self) -> datetime:
        """The time, for commands that need it. Stands still in tests."""
        return self._face.now()
