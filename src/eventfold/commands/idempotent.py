"""Commands that carry an id: the same command again has no second effect, and gives the outcome of the first."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar
from uuid import UUID

import msgspec

from eventfold.commands.decision import Outcome
from eventfold.commands.digest import digest
from eventfold.commands.loading import load
from eventfold.domain.aggregate import Aggregate
from eventfold.domain.message import Recorded, Stream
from eventfold.errors import (
    AppendOutcomeUnknown,
    CommandIdConflict,
    InvalidInput,
    OutcomeGone,
    StoreError,
    StreamTruncated,
)
from eventfold.ports.command_log import Accepted, CommandLog, Known
from eventfold.ports.event_store import Appended, EventSource
from eventfold.ports.unit import CommandTaken, Unit
from eventfold.schema.serializer import Serializer

__all__ = ["Once", "Request"]

S = TypeVar("S")
T = TypeVar("T")


class Request(msgspec.Struct, frozen=True):
    """A command that carries an id, without the command."""

    id: UUID
    digest: bytes

    @classmethod
    def of(cls, command_id: object, decider: str, id: str | None, command: object) -> Request:
        """
        Raises:
            InvalidInput: the id is no UUID.
            Unencodable: the command has no value that two processes could compare.
        """
        if not isinstance(command_id, UUID):
            raise InvalidInput(f"command_id={command_id!r}: give a UUID; uuid.uuid5(…) makes one of any other key")
        return cls(command_id, digest(decider, id, command))

    def with_events(self, appended: Appended) -> Accepted:
        (place,) = appended.streams
        return Accepted.with_events(self.id.bytes, self.digest, place)

    def without_events(self, stream: Stream | None, version: int, position: int) -> Accepted:
        return self.at(stream, version + 1, version, position)

    def at(self, stream: Stream | None, first: int, last: int, position: int) -> Accepted:
        return Accepted(self.id.bytes, self.digest, stream, first, last, position)

    def refuse_other(self, digest: bytes, what: str) -> None:
        """Raises CommandIdConflict."""
        if digest != self.digest:
            raise CommandIdConflict(self.id, f"it is that of {what}")


class Once:
    """Looks what came of commands before, and tells it again."""

    def __init__(
        self, log: CommandLog, source: EventSource, serializer: Serializer, *, looking: Known | None = None
    ) -> None:
        self.log = log
        self._looking: Known = looking or log
        self._source = source
        self._serializer = serializer

    def within(self, unit: Unit) -> Once:
        """The same within a transaction, on its connection."""
        return Once(self.log, self._source, self._serializer, looking=unit)

    async def known(self, request: Request) -> Accepted | None:
        """
        What came of it; None if it has not been accepted yet.

        Raises:
            CommandIdConflict: its id was that of another command.
        """
        accepted = await self._looking.accepted(request.id.bytes)
        if accepted is not None:
            on = "" if accepted.stream is None else f" on {accepted.stream}"
            request.refuse_other(
                accepted.request_hash, f"another command{on}, accepted at position {accepted.position}"
            )
        return accepted

    async def outcome(
        self, request: Request, attempt: Callable[[], Awaitable[T]], again: Callable[[Accepted], Awaitable[T]]
    ) -> tuple[T, bool]:
        """
        The outcome, and whether it is one that is told again.

        Whoever is outrun by the same command may decide on what that has recorded, and fail on it in any way. So a
        failure counts only when the command is still unknown afterwards.

        Args:
            attempt: decides, records and accepts the command.
            again: tells what came of it before.
        """
        while (accepted := await self.known(request)) is None:
            try:
                return await attempt(), False
            except CommandTaken:
                continue
            except (StoreError, AppendOutcomeUnknown):
                raise
            except Exception:
                if await self.known(request) is None:
                    raise
        return await again(accepted), True

    async def of_aggregate(
        self, aggregate: Aggregate[Any, S, Any], stream: Stream, request: Request, accepted: Accepted
    ) -> Outcome[S, Any, None]:
        """
        What an accepted command led to: its events read back, the state folded up to them.

        Raises:
            OutcomeGone: they have been removed.
        """
        events = await self.events(request, accepted)
        try:
            loaded = await load(self._source, self._serializer, aggregate, stream, upto=accepted.last_version)
        except StreamTruncated as error:
            raise OutcomeGone(request.id, stream) from error
        if loaded.version != accepted.last_version:
            raise OutcomeGone(request.id, stream)
        return Outcome(loaded.state, events, loaded.version, accepted.position, None)

    async def events(self, request: Request, accepted: Accepted) -> tuple[Recorded[Any], ...]:
        """Raises OutcomeGone."""
        first, last, stream = accepted.first_version, accepted.last_version, accepted.stream
        if stream is None or last < first:
            return ()
        read = self._source.read(stream, after=first - 1, limit=last - first + 1)
        stored = [event async for event in read]
        if [event.version for event in stored] != list(range(first, last + 1)):
            raise OutcomeGone(request.id, stream)
        return tuple(self._serializer.decode_all(stored))
