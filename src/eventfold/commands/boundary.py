"""Commands of a boundary: read what a query finds, decide, append if nothing was added; again on a conflict."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from math import inf
from typing import Any, Generic, TypeVar
from uuid import UUID

import msgspec

from eventfold.commands.context import refuse_beside_transaction, refuse_inside_projection
from eventfold.commands.decision import Outcome, Rejected, decided, envelope
from eventfold.commands.idempotent import Request
from eventfold.commands.queues import ConflictQueues
from eventfold.commands.recording import Recorder
from eventfold.domain.boundary import Boundary
from eventfold.domain.decider import fold
from eventfold.domain.message import NO_STREAM, Stream
from eventfold.domain.query import Alternative, Query
from eventfold.errors import BoundaryConflict, InvalidInput
from eventfold.ports.command_log import Accepted
from eventfold.ports.event_store import ANY, Condition, EventSource
from eventfold.ports.telemetry import Telemetry
from eventfold.schema.registry import Events
from eventfold.schema.serializer import Envelope, Serializer

__all__ = ["Asked", "BoundaryManager", "Decision"]

C = TypeVar("C")
S = TypeVar("S")
E = TypeVar("E")


class Asked(msgspec.Struct, frozen=True):
    """A command with all that stays the same however often it is decided."""

    command: Any
    query: Query
    wanted: Query
    stream: Stream
    envelope: Envelope


class Decision(msgspec.Struct, Generic[S, E], frozen=True):
    """What was decided, on what was read up to `position`, and the condition that nothing has been added since."""

    state: S
    events: tuple[E, ...]
    position: int
    condition: Condition

    def after(self, boundary: Boundary[Any, S, E]) -> S:
        """The state with these events. Called before they are stored: what cannot be folded must not be."""
        return fold(boundary, boundary.known(self.events), self.state)


class BoundaryManager:
    """
    Executes commands of boundaries against a store.

    Nothing is kept warm: what a query finds may be added to from anywhere, so each decision reads it.
    """

    def __init__(
        self,
        source: EventSource,
        serializer: Serializer,
        recorder: Recorder,
        catalogue: Events,
        telemetry: Telemetry,
        new_id: Callable[[], object],
        *,
        attempts: int,
    ) -> None:
        self._source = source
        self._serializer = serializer
        self._recorder = recorder
        self._once = recorder.once
        self._catalogue = catalogue
        self._telemetry = telemetry
        self._new_id = new_id
        self._attempts = attempts
        self._queues: ConflictQueues[Alternative] = ConflictQueues(order=_place)

    async def execute(
        self,
        boundary: Boundary[C, S, E],
        command: C,
        *,
        command_id: UUID | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> Outcome[S, E, None]:
        """
        Decide and record.

        Raises:
            whatever `decide` raises, untouched; nothing is recorded then.
            CommandIdConflict, OutcomeGone: of a command that carries an id.
            BoundaryConflict: others were quicker every time.
            InvalidInput: the boundary's `query` gives what no decision may depend on.
            InvalidStreamName, Unencodable, TooLarge, UnknownEvent, DecodeError, StoreError, AppendOutcomeUnknown.
        """
        refuse_inside_projection()
        refuse_beside_transaction(self._recorder)
        request = None if command_id is None else Request.of(command_id, boundary.name, None, command)
        repeated = False
        with self._telemetry.span("command", boundary=boundary.name, command=type(command).__name__):
            asked = self.asked(boundary, command, metadata)
            try:
                if request is None:
                    outcome = await self._optimistically(boundary, asked, None)
                else:
                    outcome, repeated = await self._once.outcome(
                        request,
                        partial(self._optimistically, boundary, asked, request),
                        partial(self.again, boundary, asked, request),
                    )
            except Rejected as said:
                rejection = said.rejection
            else:
                if self._recorder.dispatch.needed and not repeated:
                    await self._recorder.dispatch.tell(outcome.events)
                return outcome
        raise rejection  # outside the span: the domain said no, and nothing has failed

    async def _optimistically(
        self, boundary: Boundary[Any, S, E], asked: Asked, request: Request | None
    ) -> Outcome[S, E, None]:
        attempts = self._attempts
        if self._queues.free(asked.query.alternatives):
            try:
                return await self._attempt(boundary, asked, request)
            except BoundaryConflict:
                attempts -= 1
                if attempts == 0:
                    raise
        async with self._queues.turn(asked.query.alternatives):
            while True:
                attempts -= 1
                try:
                    return await self._attempt(boundary, asked, request)
                except BoundaryConflict:
                    if attempts == 0:
                        raise

    def asked(self, boundary: Boundary[C, Any, Any], command: C, metadata: Mapping[str, Any] | None) -> Asked:
        """Raises InvalidInput, InvalidStreamName."""
        query = _checked(boundary.name, boundary.query(command))
        stream = boundary.stream(command, self._new_id)
        resolved, wanted = self._catalogue.resolve(query), self._catalogue.wanted(query)
        return Asked(command, resolved, wanted, stream, envelope(metadata, self._telemetry))

    async def decide(self, boundary: Boundary[Any, S, E], asked: Asked) -> Decision[S, E]:
        """Read and decide. Raises Rejected, and what reading raises."""
        state, position, condition = await self._read(boundary, asked)
        return Decision(state, decided(boundary, asked.command, state, self._telemetry), position, condition)

    async def _read(
        self, boundary: Boundary[Any, S, Any], asked: Asked, before: float = inf
    ) -> tuple[S, int, Condition]:
        """The state, from events below a position, that of the last of them, and the condition that these are all."""
        names = {name for cls in boundary.events for name in self._catalogue.names_of(cls)}
        read = await self._source.read_boundary(asked.query)
        state, position = boundary.initial, 0
        async for stored in read.events:
            if stored.position >= before:
                continue
            position = stored.position
            if stored.type in names:
                for each in self._serializer.decode_all([stored], asked.wanted, strict=True):
                    if isinstance(each.event, boundary.events):
                        state = boundary.evolve(state, each.event)
        return state, position, read.condition

    async def again(
        self, boundary: Boundary[Any, S, E], asked: Asked, request: Request, accepted: Accepted
    ) -> Outcome[S, E, None]:
        """What an accepted command led to: its events, on top of what was there before them. Raises OutcomeGone."""
        events = await self._once.events(request, accepted)
        before = events[0].position if events else accepted.position + 1
        state, _, _ = await self._read(boundary, asked, before)
        after = fold(boundary, boundary.known(each.event for each in events), state)
        return Outcome(after, events, accepted.last_version, accepted.position, None)

    async def _attempt(
        self, boundary: Boundary[Any, S, E], asked: Asked, request: Request | None
    ) -> Outcome[S, E, None]:
        decision = await self.decide(boundary, asked)
        events = decision.events
        if not events:
            if request is not None:
                await self._recorder.accept(request.without_events(None, NO_STREAM, decision.position))
            return Outcome(decision.state, (), NO_STREAM, decision.position, None)
        after = decision.after(boundary)
        new = self._recorder.encode(events, asked.envelope)
        appended = await self._recorder.append(asked.stream, events, new, ANY, decision.condition, request)
        (place,) = appended.streams
        recorded = self._recorder.recorded(asked.stream, events, new, place)
        return Outcome(after, recorded, place.version, appended.position, None)


def _checked(name: str, query: object) -> Query:
    if not isinstance(query, Query):
        raise InvalidInput(f"query of {name!r} gave {query!r}; give a Query.of(…)")
    return query


def _place(alternative: Alternative) -> tuple[list[str], ...]:
    return tuple(sorted(map(str, each)) for each in (alternative.categories, alternative.types, alternative.tags))
