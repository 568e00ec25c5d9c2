"""The pessimistic way: an aggregate is locked, loaded, decided on and recorded, and others who lock it wait."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Generic, TypeVar
from uuid import UUID

from eventfold.commands.context import refuse_beside_transaction, refuse_inside_projection
from eventfold.commands.decision import Outcome, Rejected, decided, envelope
from eventfold.commands.idempotent import Request
from eventfold.commands.loading import Loaded, load
from eventfold.commands.middleware import Invocation
from eventfold.commands.recording import Recorder
from eventfold.domain.aggregate import Aggregate
from eventfold.domain.decider import fold
from eventfold.domain.message import Stream
from eventfold.errors import ConcurrencyConflict, InvalidInput
from eventfold.ports.event_store import Append
from eventfold.ports.telemetry import Telemetry
from eventfold.ports.unit import Held, Units
from eventfold.schema.serializer import Envelope, Serializer

__all__ = ["LockManager", "Locked"]

C = TypeVar("C")
S = TypeVar("S")
E = TypeVar("E")


class Locked(Generic[C, S, E]):
    """
    An aggregate that is locked, for the one command that it was locked for.

    `state` and `version` are what the command will be decided on. Whoever writes without a lock may still come in
    between; then the command is decided anew on what is there, under the same lock.
    """

    def __init__(
        self,
        aggregate: Aggregate[C, S, E],
        stream: Stream,
        held: Held,
        loaded: Loaded[S],
        recorder: Recorder,
        serializer: Serializer,
        telemetry: Telemetry,
        attempts: int,
    ) -> None:
        self._once = recorder.once
        self._aggregate = aggregate
        self._stream = stream
        self._held = held
        self._loaded = loaded
        self._recorder = recorder
        self._serializer = serializer
        self._telemetry = telemetry
        self._attempts = attempts
        self._released = False

    @property
    def state(self) -> S:
        return self._loaded.state

    @property
    def version(self) -> int:
        """The version of its stream; 0: there is none yet."""
        return self._loaded.version

    async def execute(
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
        surrounded = self._recorder.surrounded
        if surrounded:
            invocation = Invocation.of(self._aggregate, self._stream.id, command, command_id, metadata)
            return await surrounded.call(invocation, self._surrounded)
        return await self._execute(command, command_id, metadata)

    async def _surrounded(self, invocation: Invocation) -> Outcome[S, E, None]:
        return await self._execute(invocation.command, invocation.command_id, invocation.metadata)

    async def _execute(
        self, command: C, command_id: UUID | None, metadata: Mapping[str, Any] | None
    ) -> Outcome[S, E, None]:
        refuse_inside_projection()
        refuse_beside_transaction(self._recorder)
        self._refuse_if_released()
        request = None if command_id is None else Request.of(command_id, self._aggregate.name, self._stream.id, command)
        repeated = False
        with self._telemetry.span("command", aggregate=self._aggregate.name, command=type(command).__name__):
            carried = envelope(metadata, self._telemetry)
            try:
                if request is None:
                    outcome = await self._recorded(command, carried, None)
                else:
                    outcome, repeated = await self._once.outcome(
                        request,
                        partial(self._recorded, command, carried, request),
                        partial(self._once.of_aggregate, self._aggregate, self._stream, request),
                    )
            except Rejected as said:
                rejection = said.rejection
            else:
                if self._recorder.dispatch.needed and not repeated:
                    await self._recorder.dispatch.tell(outcome.events)
                return outcome
        raise rejection  # outside the span: the domain said no, and nothing has failed

    async def _recorded(self, command: C, carried: Envelope, request: Request | None) -> Outcome[S, E, None]:
        attempts = self._attempts
        while True:
            attempts -= 1
            try:
                return await self._attempt(command, carried, request)
            except ConcurrencyConflict:
                if attempts == 0:
                    raise
            self._loaded = await load(self._held, self._serializer, self._aggregate, self._stream)

    async def _attempt(self, command: C, carried: Envelope, request: Request | None) -> Outcome[S, E, None]:
        before = self._loaded
        events = decided(self._aggregate, command, before.state, self._telemetry)
        if not events:
            if request is not None:
                await self._recorder.accept(request.without_events(self._stream, before.version, before.position))
            return Outcome(before.state, (), before.version, before.position, None)
        after = fold(self._aggregate, events, before.state)  # first: what cannot be folded must not be stored
        new = self._recorder.encode(events, carried)
        append = Append(self._stream, new, before.version)
        appended = await self._recorder.append_through(self._held.transact, append, events, None, request)
        self._released = True
        (place,) = appended.streams
        self._loaded = Loaded(after, place.version, appended.position)
        recorded = self._recorder.recorded(self._stream, events, new, place)
        return Outcome(after, recorded, place.version, appended.position, None)

    def _refuse_if_released(self) -> None:
        if self._released:
            raise InvalidInput(
                f"the lock of {self._stream} was released when its command was recorded, or its block ended; "
                "lock it again for another command"
            )

    def end(self) -> None:
        """The block is over."""
        self._released = True


class LockManager:
    """Locks aggregates of one application."""

    def __init__(
        self, units: Units, recorder: Recorder, serializer: Serializer, telemetry: Telemetry, *, attempts: int
    ) -> None:
        self._units = units
        self._recorder = recorder
        self._serializer = serializer
        self._telemetry = telemetry
        self._attempts = attempts

    @asynccontextmanager
    async def lock(self, aggregate: Aggregate[C, S, E], id: str, *, timeout: float) -> AsyncGenerator[Locked[C, S, E]]:
        """
        The aggregate, locked for this block.

        Raises:
            LockTimedOut: somebody else held it for all of `timeout` (seconds).
            InvalidStreamName, InvalidInput, SchemaError, StoreError.
        """
        refuse_inside_projection()
        refuse_beside_transaction(self._recorder)
        stream = aggregate.stream(id)
        if not timeout > 0:
            raise InvalidInput(f"timeout={timeout!r}: give the seconds that a lock is worth waiting for")
        async with self._units.lock(stream, timeout=timeout) as held:
            loaded = await load(held, self._serializer, aggregate, stream)
            locked = Locked(
                aggregate, stream, held, loaded, self._recorder, self._serializer, self._telemetry, self._attempts
            )
            try:
                yield locked
            finally:
                locked.end()
