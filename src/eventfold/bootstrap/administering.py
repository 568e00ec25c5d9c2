"""What an administrator does with an application at hand: its types, its handlers, its views."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import UUID

from eventfold.commands.dispatch import Dispatch
from eventfold.commands.manager import CommandManager
from eventfold.domain.aggregate import Aggregate
from eventfold.domain.message import Recorded, Stream
from eventfold.errors import InvalidInput
from eventfold.ports.administration import Administration, Audited, Mark
from eventfold.ports.unit import Unit
from eventfold.processing.transactional_handler import InsideAppends
from eventfold.schema.serializer import Envelope, Serializer

__all__ = ["Administering"]


class Administering:
    """
    Acts on what is stored, each with its actor and its reason, in the audit of the store.

    Everybody else only appends. Raises, every act: InvalidInput for an actor or reason that is none; NotPermitted where
    the database does not let this user.
    """

    def __init__(
        self,
        administration: Administration,
        serializer: Serializer,
        commands: CommandManager,
        inside: InsideAppends,
        dispatch: Dispatch,
    ) -> None:
        self._administration = administration
        self._serializer = serializer
        self._commands = commands
        self._inside = inside
        self._dispatch = dispatch

    async def delete(self, aggregate: Aggregate[Any, Any, Any], id: str, *, actor: str, reason: str) -> Mark | None:
        """
        Remove an aggregate: afterwards it loads as if it had never been. None when there was nothing.

        Transactional handlers' `on_deleted` take part, plain handlers' are called afterwards, projectors' when the
        projector comes to the tombstone. Nothing goes to buses.

        Raises:
            HandlerFailed: a transactional handler failed, and nothing has been deleted.
        """
        stream = aggregate.stream(id)

        async def within(unit: Unit) -> None:
            await self._inside.handle_deleted(stream, unit)

        mark = await self._administration.delete(
            stream, actor=actor, reason=reason, within=within if self._inside.needed else None
        )
        self._commands.forget(stream)
        if mark is not None:
            await self._dispatch.tell_deleted(stream)
        return mark

    async def truncate(
        self, aggregate: Aggregate[Any, Any, Any], id: str, *, before_version: int, actor: str, reason: str
    ) -> Mark | None:
        """
        Remove the events of an aggregate with a version below this one. None when there are none.

        It cannot be loaded any more from its events alone: StreamTruncated.

        Raises:
            InvalidInput: it does not have this version; its last event always stays.
        """
        stream = aggregate.stream(id)
        mark = await self._administration.truncate(stream, before_version=before_version, actor=actor, reason=reason)
        self._commands.forget(stream)
        return mark

    async def mark(self, aggregate: Aggregate[Any, Any, Any], id: str) -> Mark | None:
        """What was done to its stream; None for nearly every one."""
        return await self._administration.mark(aggregate.stream(id))

    async def find(self, event_id: UUID) -> Recorded[Any] | None:
        """
        The event with this id.

        Raises:
            DecodeError, UnknownEvent: it is there, but has been erased, or is none of this application's.
        """
        stored = await self._administration.find(event_id.bytes)
        return None if stored is None else self._serializer.decode(stored)

    async def replace(self, event_id: UUID, event: object, *, actor: str, reason: str) -> Recorded[Any]:
        """
        Put another event in the place of one of the same class. Version, position, times, metadata and tags stay.

        States that other processes keep in memory, and rows, are as they were until they are made anew.

        Raises:
            InvalidInput: no such event, an erased one, or one of another class or shape.
            Unencodable, TooLarge: what an append would raise.
        """
        (new,) = self._serializer.encode([event], Envelope())
        stored = await self._administration.find(event_id.bytes)
        if stored is not None and (stored.type, stored.schema_version) != (new.type, new.schema_version):
            raise InvalidInput(
                f"the event {event_id} is a {stored.type!r} in version {stored.schema_version} of its shape, and "
                f"{event!r} is a {new.type!r} in version {new.schema_version}: only another of the same takes its place"
            )
        replaced = await self._administration.replace(
            event_id.bytes, new.data, format=new.format, actor=actor, reason=reason
        )
        self._commands.forget(replaced.stream)
        return self._serializer.decode(replaced)

    async def erase(self, event_id: UUID, *, actor: str, reason: str) -> Stream:
        """
        Remove payload, metadata and tags of an event; its place stays. The stream it is in. Twice is as once.

        Whatever has to decode it from now on gets DecodeError: an aggregate of which one event is erased cannot be
        loaded, so delete it if nobody needs it.

        Raises:
            InvalidInput: no such event.
        """
        erased = await self._administration.erase(event_id.bytes, actor=actor, reason=reason)
        self._commands.forget(erased.stream)
        return erased.stream

    async def sweep(self) -> Sequence[Mark]:
        """Remove what deletions had to leave in the log for a while. Those that still have to come back."""
        return await self._administration.sweep()

    def audit(self, *, after: int = 0) -> AsyncIterator[Audited]:
        """What was done to the store, oldest first, from the entry after this number on."""
        return self._administration.audit(after=after)
