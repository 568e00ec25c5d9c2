"""Commands: load, decide, append; decide again on a conflict. Nothing else lives here."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, Final, Generic, TypeVar

import msgspec

from eventfold.commands.context import refuse_inside_projection
from eventfold.commands.decision import OnRecorded, Outcome, Rejected, decided, envelope, tell
from eventfold.commands.queues import ConflictQueues
from eventfold.domain.aggregate import Aggregate
from eventfold.domain.decider import fold
from eventfold.domain.message import NO_STREAM, Stream
from eventfold.errors import ConcurrencyConflict, InvalidInput
from eventfold.ports.event_store import Append, EventStore
from eventfold.ports.telemetry import Telemetry
from eventfold.schema.serializer import Envelope, Serializer

__all__ = ["ATTEMPTS", "WARM", "CommandManager", "Loaded", "OnRecorded", "Outcome"]

C = TypeVar("C")
S = TypeVar("S")
E = TypeVar("E")
S_co = TypeVar("S_co", covariant=True)

ATTEMPTS: Final = 50
WARM: Final = 1_024


class Loaded(msgspec.Struct, Generic[S_co], frozen=True):
    """An aggregate as it is: the state, the version of its stream (0: no stream), the position of its last event."""

    state: S_co
    version: int
    position: int


class CommandManager:
    """
    Executes commands against a store.

    States stay warm in memory. That is an optimisation only: an append verifies the version it was decided on, and
    a decision without an append (a rejection, nothing to do) is confirmed by reading what came after.
    """

    def __init__(
        self,
        store: EventStore,
        serializer: Serializer,
        telemetry: Telemetry,
        *,
        on_recorded: OnRecorded | None = None,
        attempts: int = ATTEMPTS,
        warm: int = WARM,
    ) -> None:
        if attempts < 1 or warm < 0:
            raise InvalidInput(
                f"attempts={attempts}, warm={warm}: a command needs at least one attempt; warm=0 is none"
            )
        self._store = store
        self._serializer = serializer
        self._telemetry = telemetry
        self._on_recorded = on_recorded
        self._attempts = attempts
        self._warm: OrderedDict[Stream, Loaded[Any]] = OrderedDict()
        self._most_warm = warm
        self._queues: ConflictQueues[Stream] = ConflictQueues(order=tuple)

    async def execute(
        self, aggregate: Aggregate[C, S, E], id: str, command: C, *, metadata: Mapping[str, Any] | None = None
    ) -> Outcome[S, E, None]:
        """
        Decide and record.

        Raises:
            whatever `decide` raises, untouched; nothing is recorded then.
            ConcurrencyConflict: others were quicker every time.
            InvalidStreamName, Unencodable, TooLarge, UnknownEvent, DecodeError, StoreError, AppendOutcomeUnknown.
        """
        refuse_inside_projection()
        stream = aggregate.stream(id)
        carried = envelope(metadata)
        with self._telemetry.span("command", aggregate=aggregate.name, command=type(command).__name__):
            try:
                return await self._optimistically(aggregate, stream, command, carried)
            except Rejected as said:
                rejection = said.rejection
        raise rejection  # outside the span: the domain said no, and nothing has failed

    async def _optimistically(
        self, aggregate: Aggregate[C, S, E], stream: Stream, command: C, envelope: Envelope
    ) -> Outcome[S, E, None]:
        attempts = self._attempts
        if self._queues.free([stream]):
            try:
                return await self._attempt(aggregate, stream, command, envelope)
            except ConcurrencyConflict:
                attempts -= 1
                if attempts == 0:
                    raise
        async with self._queues.turn([stream]):
            while True:
                attempts -= 1
                try:
                    return await self._attempt(aggregate, stream, command, envelope)
                except ConcurrencyConflict:
                    if attempts == 0:
                        raise

    async def _attempt(
        self, aggregate: Aggregate[C, S, E], stream: Stream, command: C, envelope: Envelope
    ) -> Outcome[S, E, None]:
        before, events = await self._decide(aggregate, stream, command)
        if not events:
            return Outcome(before.state, (), before.version, before.position, None)
        after = fold(aggregate, events, before.state)  # first: an event that cannot be folded must not be stored
        new = self._serializer.encode(events, envelope)
        try:
            appended = await self._store.append(Append(stream, new, before.version))
        except BaseException:
            self._warm.pop(stream, None)
            raise
        (place,) = appended.streams
        self._keep_warm(stream, Loaded(after, place.version, appended.position))
        recorded = self._serializer.recorded(stream, events, new, place)
        tell(self._on_recorded, recorded)
        return Outcome(after, recorded, place.version, appended.position, None)

    async def _decide(
        self, aggregate: Aggregate[C, S, E], stream: Stream, command: C
    ) -> tuple[Loaded[S], tuple[E, ...]]:
        """A decision on a state that is either fresh, or verified by the append that follows, or found unchanged."""
        warm: Loaded[S] | None = self._warm.get(stream)
        if warm is not None:
            try:
                events = decided(aggregate, command, warm.state)
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
        return fresh, decided(aggregate, command, fresh.state)

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
        state, version, position = (
            (aggregate.initial, NO_STREAM, 0) if known is None else (known.state, known.version, known.position)
        )
        async for facts in self._store.load(stream, after=version, upto=upto):
            events = self._serializer.events(stream, facts)
            try:
                state = fold(aggregate, events, state)
            except Exception as error:
                error.add_note(
                    f"raised by evolve while folding stream {stream}, versions {facts[0][0]} to {facts[-1][0]}"
                )
                raise
            version, position = facts[-1][:2]
        return Loaded(state, version, position)

    def _keep_warm(self, stream: Stream, loaded: Loaded[Any]) -> None:
        if self._most_warm == 0 or loaded.version == NO_STREAM:
            return
        self._warm[stream] = loaded
        self._warm.move_to_end(stream)
        if len(self._warm) > self._most_warm:
            self._warm.popitem(last=False)
