"""Streams told to handlers once more: their rows are cleared once, then every event is handled."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from typing import TYPE_CHECKING, Any, Final, NoReturn, cast

import msgspec

from eventfold.commands.recording import Unclear
from eventfold.domain.deletion import StreamDeleted
from eventfold.domain.message import Pending, Recorded, StoredEvent, Stream
from eventfold.errors import Conflict, HandlerFailed, InvalidInput, RetryTransaction, StoreError
from eventfold.ports.administration import as_new
from eventfold.processing.event_handler import EventHandler, Hearing
from eventfold.processing.transactional_handler import InsideAppends, TransactionalHandler

if TYPE_CHECKING:
    from eventfold.ports.bus import Bus
    from eventfold.ports.event_store import EventSource
    from eventfold.ports.read_model import ReadModel
    from eventfold.ports.unit import Unit, Units
    from eventfold.schema.serializer import Serializer

__all__ = ["Replay", "refuse_to_replay"]

_ATTEMPTS: Final = 20


class Replay:
    """
    One replay: the transactional handlers in one transaction, then the event handlers, then the buses.

    Args:
        inside: with no handlers but those of this replay.
    """

    def __init__(
        self,
        source: EventSource,
        units: Units,
        rows: ReadModel,
        serializer: Serializer,
        inside: InsideAppends,
        listeners: Sequence[EventHandler],
        buses: Sequence[Bus],
    ) -> None:
        self._source = source
        self._units = units
        self._serializer = serializer
        self._inside = inside
        self._listeners = tuple(Hearing(each, rows, _no_commands) for each in listeners)
        self._buses = tuple(buses)

    async def streams(self, streams: Sequence[Stream]) -> int:
        """
        Replay these together, in the order of the log.

        Returns:
            how many events there were.
        """
        await asyncio.sleep(0)  # on a quick store nothing below need suspend, and others want a turn of the loop
        read = self._inside_one_transaction if self._inside.needed else self._read
        recorded = [each for each in await read(streams) if type(each.event) is not StreamDeleted]
        for listener in self._listeners:
            for stream in streams:
                if listener.hears_deleted(stream.category):
                    await _heard(listener, listener.hear_deleted(stream), f"the rows of {stream}", stream)
            for each in recorded:
                event: object = each.event
                if listener.hears(type(event)):
                    await _heard(listener, listener.hear(each), f"{each.type} at position {each.position}", each)
        for bus in self._buses:
            for each in recorded:
                await bus.publish(each)
        return len(recorded)

    async def _read(self, streams: Sequence[Stream]) -> list[Recorded[Any]]:
        found = [event for stream in streams async for event in self._source.read(stream)]
        found.sort(key=lambda each: each.position)
        return self._serializer.decode_all(found)

    async def _inside_one_transaction(self, streams: Sequence[Stream]) -> list[Recorded[Any]]:
        one_by_one = False
        for _ in range(_ATTEMPTS):
            recorded = await self._read(streams)
            try:
                await self._transact(streams, recorded, one_by_one=one_by_one)
            except Unclear:  # nothing of it is kept: again, so that the culprit is named
                one_by_one = True
            except _Moved:
                continue
            else:
                return recorded
        raise RetryTransaction(
            f"commands on {streams[0]} came in between {_ATTEMPTS} times, and its rows are as they were; replay again"
        )

    async def _transact(
        self, streams: Sequence[Stream], recorded: Sequence[Recorded[Any]], *, one_by_one: bool
    ) -> None:
        versions = dict.fromkeys(streams, 0)
        for each in recorded:
            versions[each.stream] = each.version
        pending = [_as_pending(each) for each in recorded if type(each.event) is not StreamDeleted]

        async def work(unit: Unit) -> None:
            for stream in streams:
                await self._inside.handle_deleted(stream, unit)
            await self._inside.handle(pending, unit, one_by_one=one_by_one)
            # Asked last: whoever has changed these rows before us has committed by now, and whoever comes later waits.
            for stream, version in versions.items():
                async for facts in unit.load(stream, after=version):
                    if facts:
                        raise _Moved

        await self._units.transact(work)


class _Moved(Exception):
    """The stream has events that were not read."""


async def _heard(listener: Hearing, hearing: Awaitable[None], where: str, what: object) -> None:
    try:
        await hearing
    except (StoreError, Conflict):
        raise
    except Exception as error:
        raise HandlerFailed(what, listener.name, error, where) from error


async def _no_commands(*_: Any, **__: Any) -> NoReturn:
    raise InvalidInput("a replay acts on rows alone; a handler that executes commands is not replayable")


def _as_pending(recorded: Recorded[Any]) -> Pending[Any]:
    stored: StoredEvent = recorded.stored
    occurred_at = stored.recorded_at if stored.occurred_at is None else stored.occurred_at
    new = msgspec.structs.replace(as_new(stored), occurred_at=occurred_at)
    return Pending(recorded.event, new, stored.stream, stored.version)


def refuse_to_replay(category: str, handlers: Sequence[EventHandler | TransactionalHandler]) -> None:
    """Raises InvalidInput for a handler that is not replayable, or could not clear the rows of a stream first."""
    for each in handlers:
        if not isinstance(cast("object", each), EventHandler | TransactionalHandler):
            raise InvalidInput(f"{each!r} is no handler; projectors are rebuilt by `running.projections.rebuild`")
        if not getattr(each, "replayable", True):
            raise InvalidInput(
                f"event handler {each.name!r} is not replayable: it may act on the world, which cannot be done once "
                "more; say EventHandler(…, replayable=True) if it does nothing but write rows"
            )
        if category not in each.deleted:
            raise InvalidInput(
                f"{each.name!r} has no function that clears the rows of a stream of {category!r}, so they would be "
                f"handled twice; add one with @{each.name}.on_deleted({category!r})"
            )
