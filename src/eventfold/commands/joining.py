"""Commands within one transaction of somebody's: decided one after the other, stored together when the block ends."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, NoReturn, Protocol, TypeVar, overload
from uuid import UUID

import msgspec

from eventfold.commands.boundary import Asked, BoundaryManager
from eventfold.commands.context import refuse_inside_projection
from eventfold.commands.decision import Rejected, decided, envelope
from eventfold.commands.idempotent import Request
from eventfold.commands.loading import Loaded, load
from eventfold.commands.middleware import Invocation
from eventfold.commands.recording import Recorder
from eventfold.domain.aggregate import Aggregate
from eventfold.domain.boundary import Boundary
from eventfold.domain.decider import fold
from eventfold.domain.message import NO_STREAM, NewEvent, Recorded, Stream
from eventfold.errors import HandlerFailed, InvalidInput, OutcomeGone, RetryTransaction, StreamTruncated
from eventfold.ports.command_log import Accepted
from eventfold.ports.event_store import ANY, Append, AppendedStream, Condition, Expect
from eventfold.ports.read_model import Bound, Params
from eventfold.ports.unit import CommandTaken, Unit
from eventfold.schema.serializer import Serializer

if TYPE_CHECKING:
    from sqlalchemy.sql.selectable import SelectBase

    from eventfold.ports.read_model import Writing

__all__ = ["Joined", "Mine", "Staged"]

C = TypeVar("C")
S = TypeVar("S")
E = TypeVar("E")
S_co = TypeVar("S_co", covariant=True)
E_co = TypeVar("E_co", covariant=True)
D = TypeVar("D")


class Mine(Protocol):
    """Gives the decider back, if it is one of this application."""

    def __call__(self, decider: D, /) -> D:
        """Raises InvalidInput."""
        ...


class Staged(msgspec.Struct, Generic[S_co, E_co], frozen=True):
    """
    What a command in a transaction has led to: the state after it, and the events that are stored when its block ends.

    `version` is that of the stream with these events; 0 for a boundary, which does not know it yet.
    """

    state: S_co
    events: tuple[E_co, ...]
    version: int


class _Waiting(msgspec.Struct):
    """What will be appended to one stream, and when: in the order of the first command on it."""

    stream: Stream
    expect: int | Expect
    events: list[Any]
    new: list[NewEvent]


class _Entry(msgspec.Struct):
    """A command that carries an id, to be accepted with the transaction."""

    request: Request
    staged: Staged[Any, Any]
    stream: Stream | None
    start: int
    """Events that wait for its stream before its own."""
    version: int
    """Of the stream without any that wait."""
    position: int
    """Of the last event that is stored."""

    def accepted(self, places: Mapping[Stream | None, AppendedStream]) -> Accepted:
        place = places.get(self.stream)
        if place is None:
            return self.request.without_events(self.stream, self.version, self.position)
        stored, end = place.version - len(place.positions), self.start + len(self.staged.events)
        position = place.positions[end - 1] if end else self.position
        return self.request.at(self.stream, stored + self.start + 1, stored + end, position)


class Joined:
    """
    Executes commands within a transaction: their events are stored with everything else in it, or not at all.

    Each command on an aggregate sees what those before it have decided; a boundary reads what is stored, and is refused
    where it would miss something. The events are appended when the block ends, so that readers
    are held back for as short as can be.
    """

    def __init__(
        self,
        unit: Unit,
        recorder: Recorder,
        boundaries: BoundaryManager,
        serializer: Serializer,
        bind: Callable[[Writing, Params | None], Bound],
        mine: Mine,
    ) -> None:
        self._unit = unit
        self._recorder = recorder
        self._commands = recorder.once.within(unit)
        self._boundaries = boundaries
        self._serializer = serializer
        self._bind = bind
        self._mine = mine
        self._loaded: dict[Stream, Loaded[Any]] = {}
        self._waiting: dict[Stream, _Waiting] = {}
        self._entries: dict[UUID, _Entry] = {}
        self._condition: Condition | None = None
        self._recorded: list[tuple[Recorded[Any], ...]] = []
        self._over = False
        self._told = False

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
    ) -> Staged[S, E]: ...
    @overload
    async def execute(
        self,
        boundary: Boundary[C, S, E],
        command: C,
        /,
        *,
        command_id: UUID | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> Staged[S, E]: ...

    async def execute(
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
        surrounded = self._recorder.surrounded
        if not surrounded:
            return await self._execute(decider, id_and_command, command_id, metadata)
        *before, command = id_and_command or (None,)
        invocation = Invocation.of(self._mine(decider), before[0] if before else None, command, command_id, metadata)
        return await surrounded.call(invocation, partial(self._surrounded, tuple(before)))

    async def _surrounded(self, before: tuple[Any, ...], invocation: Invocation) -> Staged[Any, Any]:
        what = (*before, invocation.command)
        return await self._execute(invocation.decider, what, invocation.command_id, invocation.metadata)

    async def _execute(
        self,
        decider: Aggregate[Any, S, E] | Boundary[Any, S, E],
        id_and_command: tuple[Any, ...],
        command_id: UUID | None,
        metadata: Mapping[str, Any] | None,
    ) -> Staged[S, E]:
        refuse_inside_projection()
        self._refuse_if_over()
        span = self._recorder.telemetry.span
        match self._mine(decider), id_and_command:
            case Boundary() as boundary, (command,):
                request = None if command_id is None else Request.of(command_id, boundary.name, None, command)
                with span("command", boundary=boundary.name, command=type(command).__name__):
                    try:
                        return await self._execute_boundary(boundary, command, metadata, request)
                    except Rejected as said:
                        rejection = said.rejection
            case Aggregate() as aggregate, (id, command):
                request = None if command_id is None else Request.of(command_id, aggregate.name, id, command)
                stream = aggregate.stream(id)
                with span("command", aggregate=aggregate.name, command=type(command).__name__):
                    try:
                        return await self._execute_aggregate(aggregate, stream, command, metadata, request)
                    except Rejected as said:
                        rejection = said.rejection
            case _:
                raise InvalidInput(f"{decider!r}: write execute(aggregate, id, command) or execute(boundary, command)")
        raise rejection  # outside the span: the domain said no, and nothing has failed

    async def _execute_aggregate(
        self,
        aggregate: Aggregate[Any, S, E],
        stream: Stream,
        command: Any,
        metadata: Mapping[str, Any] | None,
        request: Request | None,
    ) -> Staged[S, E]:
        if request is None:
            return await self._decide(aggregate, stream, command, metadata)

        async def attempt() -> Staged[S, E]:
            stored = await self._load(aggregate, stream)
            start = len(self._waiting[stream].events) if stream in self._waiting else 0
            staged = await self._decide(aggregate, stream, command, metadata)
            self._entries[request.id] = _Entry(request, staged, stream, start, stored.version - start, stored.position)
            return staged

        async def again(accepted: Accepted) -> Staged[S, E]:
            return await self._told_again(aggregate, stream, request, accepted)

        return await self._once(request, attempt, again)

    async def _told_again(
        self, aggregate: Aggregate[Any, S, E], stream: Stream, request: Request, accepted: Accepted
    ) -> Staged[S, E]:
        """What an accepted command led to, read within the transaction, so that it takes no second connection."""
        first, last = accepted.first_version, accepted.last_version
        try:
            loaded = await load(self._unit, self._serializer, aggregate, stream, upto=last)
            pages = [page async for page in self._unit.load(stream, after=first - 1, upto=last)]
        except StreamTruncated as error:
            raise OutcomeGone(request.id, stream) from error
        if loaded.version != last:
            raise OutcomeGone(request.id, stream)
        events = self._serializer.events(stream, [fact for page in pages for fact in page])
        return Staged(loaded.state, tuple(events), last)

    async def _once(
        self,
        request: Request,
        attempt: Callable[[], Awaitable[Staged[S, E]]],
        again: Callable[[Accepted], Awaitable[Staged[S, E]]],
    ) -> Staged[S, E]:
        entry = self._entries.get(request.id)
        if entry is not None:
            request.refuse_other(entry.request.digest, "another command of this transaction")
            return entry.staged
        staged, _ = await self._commands.outcome(request, attempt, again)
        return staged

    async def _decide(
        self, aggregate: Aggregate[Any, S, E], stream: Stream, command: Any, metadata: Mapping[str, Any] | None
    ) -> Staged[S, E]:
        before: Loaded[S] = await self._load(aggregate, stream)
        events = decided(aggregate, command, before.state, self._recorder.telemetry)
        if not events:
            return Staged(before.state, (), before.version)
        after = fold(aggregate, events, before.state)
        new = self._recorder.encode(events, envelope(metadata, self._recorder.telemetry))
        waiting = self._waiting.setdefault(stream, _Waiting(stream, before.version, [], []))
        waiting.events += events
        waiting.new += new
        self._loaded[stream] = Loaded(after, before.version + len(events), before.position)
        return Staged(after, events, before.version + len(events))

    async def _execute_boundary(
        self,
        boundary: Boundary[Any, S, E],
        command: Any,
        metadata: Mapping[str, Any] | None,
        request: Request | None,
    ) -> Staged[S, E]:
        asked = self._boundaries.asked(boundary, command, metadata)
        if request is None:
            return (await self._decide_boundary(boundary, asked))[0]

        async def attempt() -> Staged[S, E]:
            staged, position = await self._decide_boundary(boundary, asked)
            stream = asked.stream if staged.events else None
            self._entries[request.id] = _Entry(request, staged, stream, 0, NO_STREAM, position)
            return staged

        async def again(accepted: Accepted) -> Staged[S, E]:
            outcome = await self._boundaries.again(boundary, asked, request, accepted)
            return Staged(outcome.state, tuple(each.event for each in outcome.events), NO_STREAM)

        return await self._once(request, attempt, again)

    async def _decide_boundary(self, boundary: Boundary[Any, S, E], asked: Asked) -> tuple[Staged[S, E], int]:
        """And the position of the last event that it depends on."""
        if self._condition is not None:
            raise InvalidInput(
                f"{boundary!r}: a transaction takes one command of a boundary: a second would not see the events of "
                "the first; give it a transaction of its own"
            )
        if any(asked.query.matches(each.stream.category, new.type, new.tags) for each, new in self._staged()):
            raise InvalidInput(
                f"{boundary!r} depends on events that commands before it have decided, and would not see them before "
                "they are stored; give it a transaction of its own"
            )
        decision = await self._boundaries.decide(boundary, asked)
        if not decision.events:
            return Staged(decision.state, (), NO_STREAM), decision.position
        after = decision.after(boundary)
        new = self._recorder.encode(decision.events, asked.envelope)
        if asked.stream in self._waiting:
            raise InvalidInput(f"{boundary!r}: another command of this transaction writes to {asked.stream} already")
        self._condition = decision.condition
        self._waiting[asked.stream] = _Waiting(asked.stream, ANY, [*decision.events], [*new])
        return Staged(after, decision.events, NO_STREAM), decision.position

    def _staged(self) -> Iterator[tuple[_Waiting, NewEvent]]:
        return ((each, new) for each in self._waiting.values() for new in each.new)

    async def load(self, aggregate: Aggregate[Any, S, E], id: str) -> Loaded[S]:
        """The aggregate as the transaction sees it, with what its commands have decided."""
        self._refuse_if_over()
        return await self._load(self._mine(aggregate), aggregate.stream(id))

    async def _load(self, aggregate: Aggregate[Any, S, Any], stream: Stream) -> Loaded[S]:
        loaded: Loaded[S] | None = self._loaded.get(stream)
        if loaded is None:
            loaded = self._loaded[stream] = await load(self._unit, self._serializer, aggregate, stream)
        return loaded

    async def write(self, statement: Writing, row: Params | None = None) -> None:
        """
        Run an insert, update or delete of your own tables within the transaction, at once.

        In a transaction of the caller's it is as a statement of his own: what fails later leaves it there.

        Raises:
            UnsupportedStatement, InvalidInput: it cannot be run, or the database refuses it.
        """
        self._refuse_if_over()
        shape, values = self._bind(statement, row)
        await self._unit.run([(shape, [values])])

    async def fetch(self, select: SelectBase, params: Params | None = None) -> list[tuple[Any, ...]]:
        """Rows as named tuples, as the transaction sees them."""
        self._refuse_if_over()
        return await self._unit.fetch((), select, params)

    async def finish(self) -> None:
        """
        Call the transactional handlers and append what was decided, in one call. The block is over then.

        Raises:
            HandlerFailed, ConcurrencyConflict, BoundaryConflict, RetryTransaction, UnsupportedIsolation: nothing of it
                has been appended; but what was, where it takes several steps, is left to be undone.
        """
        self._over = True
        places: Mapping[Stream | None, AppendedStream] = await self._append() if self._waiting else {}
        for _, entry in sorted(self._entries.items()):  # in everybody's order, so that no two wait for each other
            try:
                await self._unit.accept(entry.accepted(places))
            except CommandTaken as error:
                raise RetryTransaction(
                    f"the command {entry.request.id} was accepted meanwhile, in another transaction; roll this one "
                    "back and do all of it once more"
                ) from error

    async def _append(self) -> Mapping[Stream | None, AppendedStream]:
        waiting = list(self._waiting.values())
        appends = [(Append(each.stream, each.new, each.expect), each.events) for each in waiting]
        appended = await self._recorder.append_within(self._unit, appends, self._condition)
        for each, place in zip(waiting, appended.streams, strict=True):
            self._recorded.append(self._recorder.placed(each.stream, each.events, each.new, place))
        return {each.stream: each for each in appended.streams}

    async def judge(self, failed: HandlerFailed, unit: Unit) -> NoReturn:
        """
        Raises what the append is refused for without its handlers, else what they failed with. To be undone.

        They are called before it, with versions that somebody else may have taken.
        """
        appends = [Append(each.stream, each.new, each.expect) for each in self._waiting.values()]
        await unit.append(*appends, condition=self._condition)
        raise failed

    @property
    def takes_several_steps(self) -> bool:
        """Whether finishing it is more than an append: rows of transactional handlers, commands that carry an id."""
        return bool(self._entries) or any(self._recorder.heard_inside(each.events) for each in self._waiting.values())

    def end(self) -> None:
        self._over = True

    @property
    def recorded(self) -> Sequence[Recorded[Any]]:
        """The events, once the block has ended. They are stored when the transaction has been committed."""
        return [each for recorded in self._recorded for each in recorded]

    async def committed(self) -> None:
        """
        Call the event handlers and buses: call it right after your commit. Without this call they hear nothing.

        Calling twice is as once.

        Raises:
            InvalidInput: the block has not ended.
        """
        if not self._over:
            raise InvalidInput("the block of the transaction has not ended yet; commit, then call committed()")
        if self._told:
            return
        self._told = True
        for each in self._recorded:
            self._recorder.heard(each)
        dispatch = self._recorder.dispatch
        left = deque(self._recorded)
        try:
            while left:
                if dispatch.needed:
                    await dispatch.tell(left[0])
                left.popleft()
        except BaseException:  # cancelled: the turns of the others must not stay taken
            for each in left:
                dispatch.give_up(each)
            raise

    def _refuse_if_over(self) -> None:
        if self._over:
            raise InvalidInput("the block of this transaction is over; open another one")
