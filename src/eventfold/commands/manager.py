"""Commands: load, decide, append; decide again on a conflict. Nothing else lives here."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from functools import partial
from typing import Any, Final, TypeVar
from uuid import UUID

from eventfold.commands.context import refuse_beside_transaction, refuse_inside_projection
from eventfold.commands.decision import OnRecorded, Outcome, Rejected, decided, envelope
from eventfold.commands.idempotent import Request
from eventfold.commands.loading import Loaded, load
from eventfold.commands.queues import ConflictQueues
from eventfold.commands.recording import Recorder
from eventfold.commands.snapshots import Snapshotter
from eventfold.domain.aggregate import Aggregate
from eventfold.domain.decider import fold
from eventfold.domain.message import NO_STREAM, Stream
from eventfold.errors import ConcurrencyConflict, InvalidInput
from eventfold.ports.event_store import EventSource
from eventfold.ports.telemetry import Telemetry
from eventfold.schema.serializer import Envelope, Serializer

__all__ = ["ATTEMPTS", "WARM", "CommandManager", "OnRecorded"]

C = TypeVar("C")
S = TypeVar("S")
E = TypeVar("E")

ATTEMPTS: Final = 50
WARM: Final = 1_024
_NO_TURN: Final = nullcontext()


class CommandManager:
    """
    Executes commands against a store.

    States stay warm in memory. That is an optimisation only: an append verifies the version it was decided on, and
    a decision without an append (a rejection, nothing to do) is confirmed by reading what came after.
    """

    def __init__(
        self,
        source: EventSource,
        serializer: Serializer,
        recorder: Recorder,
        telemetry: Telemetry,
        snapshotter: Snapshotter | None = None,
        *,
        attempts: int = ATTEMPTS,
        warm: int = WARM,
    ) -> None:
        if attempts < 1 or warm < 0:
            raise InvalidInput(
                f"attempts={attempts}, warm={warm}: a command needs at least one attempt; warm=0 is none"
            )
        self._source = source
        self._serializer = serializer
        self._recorder = recorder
        self._once = recorder.once
        self._telemetry = telemetry
        self._snapshotter = snapshotter
        if snapshotter is not None:
            snapshotter.forget = self.forget
        self._attempts = attempts
        self._warm: OrderedDict[Stream, Loaded[Any]] = OrderedDict()
        self._most_warm = warm
        self._queues: ConflictQueues[Stream] = ConflictQueues(order=tuple)

    async def execute(
        self,
        aggregate: Aggregate[C, S, E],
        id: str,
        command: C,
        *,
        command_id: UUID | None = None,
        metadata: Mapping[str, Any] | None = None,
        turn: AbstractAsyncContextManager[None, bool | None] | None = None,
    ) -> Outcome[S, E, None]:
        """
        Decide and record.

        Args:
            turn: held meanwhile, until the events are stored and before anybody hears of them.

        Raises:
            whatever `decide` raises, untouched; nothing is recorded then.
            CommandIdConflict, OutcomeGone: of a command that carries an id.
            ConcurrencyConflict: others were quicker every time.
            InvalidStreamName, Unencodable, TooLarge, UnknownEvent, DecodeError, StoreError, AppendOutcomeUnknown.
        """
        refuse_inside_projection()
        refuse_beside_transaction(self._recorder)
        stream = aggregate.stream(id)
        request = None if command_id is None else Request.of(command_id, aggregate.name, id, command)
        repeated = False
        with self._telemetry.span("command", aggregate=aggregate.name, command=type(command).__name__):
            carried = envelope(metadata, self._telemetry)
            try:
                if request is None and turn is None:
                    outcome = await self._optimistically(aggregate, stream, command, carried, None)
                else:
                    async with turn or _NO_TURN:
                        outcome, repeated = await self._once_at_most(aggregate, stream, command, carried, request)
            except Rejected as said:
                rejection = said.rejection
            else:
                if self._recorder.dispatch.needed and not repeated:
                    await self._recorder.dispatch.tell(outcome.events)
                return outcome
        raise rejection  # outside the span: the domain said no, and nothing has failed

    async def _once_at_most(
        self, aggregate: Aggregate[C, S, E], stream: Stream, command: C, envelope: Envelope, request: Request | None
    ) -> tuple[Outcome[S, E, None], bool]:
        """And whether it had been done before."""
        if request is None:
            return await self._optimistically(aggregate, stream, command, envelope, None), False
        return await self._once.outcome(
            request,
            partial(self._optimistically, aggregate, stream, command, envelope, request),
            partial(self._once.of_aggregate, aggregate, stream, request),
        )

    async def _optimistically(
        self, aggregate: Aggregate[C, S, E], stream: Stream, command: C, envelope: Envelope, request: Request | None
    ) -> Outcome[S, E, None]:
        attempts = self._attempts
        if self._queues.free([stream]):
            try:
                return await self._attempt(aggregate, stream, command, envelope, request)
            except ConcurrencyConflict:
                attempts -= 1
                if attempts == 0:
                    raise
        async with self._queues.turn([stream]):
            while True:
                attempts -= 1
                try:
                    return await self._attempt(aggregate, stream, command, envelope, request)
                except ConcurrencyConflict:
                    if attempts == 0:
                        raise

    async def _attempt(
        self, aggregate: Aggregate[C, S, E], stream: Stream, command: C, envelope: Envelope, request: Request | None
    ) -> Outcome[S, E, None]:
        before, events = await self._decide(aggregate, stream, command)
        if not events:
            if request is not None:
                await self._recorder.accept(request.without_events(stream, before.version, before.position))
            return Outcome(before.state, (), before.version, before.position, None)
        after = fold(aggregate, events, before.state)  # first: an event that cannot be folded must not be stored
        new = self._recorder.encode(events, envelope)
        try:
            appended = await self._recorder.append(stream, events, new, before.version, None, request)
        except BaseException:
            self._warm.pop(stream, None)
            raise
        (place,) = appended.streams
        now = Loaded(after, place.version, appended.position)
        self._keep_warm(stream, now)
        if self._snapshotter is not None and aggregate.snapshots is not None:
            self._snapshotter.consider(aggregate, stream, before.version, now)
        recorded = self._recorder.recorded(stream, events, new, place)
        return Outcome(after, recorded, place.version, appended.position, None)

    async def _decide(
        self, aggregate: Aggregate[C, S, E], stream: Stream, command: C
    ) -> tuple[Loaded[S], tuple[E, ...]]:
        """A decision on a state that is either fresh, or verified by the append that follows, or found unchanged."""
        warm: Loaded[S] | None = self._warm.get(stream)
        if warm is not None:
            try:
                events = decided(aggregate, command, warm.state, self._telemetry)
            except Rejected:  # and nobody has verified the state yet
                rejected = True
            else:
                if events:
                    return warm, events
                rejected = False
            fresh = await self._load(aggregate, stream, warm)
            if fresh.version == warm.version and not rejected:
                return warm, ()
        else:
            fresh = await self._load(aggregate, stream, None)
        self._keep_warm(stream, fresh)
        return fresh, decided(aggregate, command, fresh.state, self._telemetry)

    async def load(self, aggregate: Aggregate[C, S, E], id: str, *, version: int | None = None) -> Loaded[S]:
        """
        The state as it is now, or as it was at `version`.

        Raises:
            InvalidInput: the stream has not come to that version, or it is below 0.
        """
        stream = aggregate.stream(id)
        if version is None:
            loaded: Loaded[S] = await self._load(aggregate, stream, self._warm.get(stream))
            self._keep_warm(stream, loaded)
            return loaded
        if version < 0:
            raise InvalidInput(f"stream {stream}: version {version}; versions start at 1, 0 is no stream")
        loaded = await self._load(aggregate, stream, None, upto=version)
        if loaded.version < version:
            raise InvalidInput(f"stream {stream} has no version {version}, it ends at {loaded.version}")
        return loaded

    async def _load(
        self, aggregate: Aggregate[C, S, E], stream: Stream, known: Loaded[S] | None, *, upto: int | None = None
    ) -> Loaded[S]:
        if known is not None or aggregate.snapshots is None or self._snapshotter is None:
            return await load(self._source, self._serializer, aggregate, stream, known, upto=upto)
        kept = await self._snapshotter.recall(aggregate, stream, upto)
        loaded = await load(self._source, self._serializer, aggregate, stream, kept, upto=upto)
        if kept is not None:
            self._snapshotter.doubt(aggregate, stream)
        if upto is None:
            self._snapshotter.consider(aggregate, stream, NO_STREAM if kept is None else kept.version, loaded)
        return loaded

    def forget(self, stream: Stream) -> None:
        """The next command loads it anew."""
        self._warm.pop(stream, None)

    def _keep_warm(self, stream: Stream, loaded: Loaded[Any]) -> None:
        if self._most_warm == 0 or loaded.version == NO_STREAM:
            self._warm.pop(stream, None)  # it has been deleted
            return
        self._warm[stream] = loaded
        self._warm.move_to_end(stream)
        if len(self._warm) > self._most_warm:
            self._warm.popitem(last=False)
