"""What a command does with its events: encode, append with whoever must be in the same transaction, tell."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Protocol, TypeAlias, TypeVar

from eventfold.commands.decision import OnRecorded, tell
from eventfold.commands.dispatch import Dispatch
from eventfold.commands.idempotent import Once, Request
from eventfold.commands.middleware import Surrounded
from eventfold.domain.message import NewEvent, Pending, Recorded, Stream
from eventfold.errors import Conflict, HandlerFailed, ProcessingError, StoreUnavailable
from eventfold.ports.command_log import Accepted
from eventfold.ports.event_store import Append, Appended, AppendedStream, Condition, EventSink, Expect
from eventfold.ports.telemetry import APPENDED, CONFLICTS, SILENT, Telemetry
from eventfold.ports.unit import Unit, Units, Work
from eventfold.schema.serializer import Envelope, Serializer

__all__ = ["Inside", "Recorder", "Unclear"]

E = TypeVar("E")

Transacts: TypeAlias = Callable[[Work[Appended]], Awaitable[Appended]]


class Unclear(Exception):
    """Rows of several events were sent together and failed, so that it is unclear whose they were."""


class Inside(Protocol):
    """The transactional handlers of an application that runs."""

    needed: bool
    """There is one."""

    def hear(self, events: Sequence[object]) -> bool:
        """Whether one of them handles one of these."""
        ...

    async def handle(self, pending: Sequence[Pending[Any]], unit: Unit, *, one_by_one: bool) -> None:
        """
        Call them and send their rows, those of all events together unless it is one by one.

        Raises:
            HandlerFailed: one of them, or a row of its, failed.
            Unclear: it was not one by one.
        """
        ...


class Recorder:
    """
    Records what deciders decide, for every kind of them.

    As long as no transactional handler concerns an event, an append is the store's own and takes nothing more.
    """

    def __init__(
        self,
        store: EventSink,
        units: Units,
        serializer: Serializer,
        inside: Inside,
        dispatch: Dispatch,
        on_recorded: OnRecorded | None,
        once: Once,
        telemetry: Telemetry = SILENT,
    ) -> None:
        self._store = store
        self._units = units
        self._serializer = serializer
        self._inside = inside
        self.surrounded: Surrounded = Surrounded(())
        """What stands around every command."""
        self.dispatch = dispatch
        """Tells the others, once nothing is held any more: `if dispatch.needed: await dispatch.tell(recorded)`."""
        self._on_recorded = on_recorded
        self.once = once
        """For commands that carry an id."""
        self.telemetry = telemetry
        self._silent = telemetry is SILENT
        self.encode: Callable[[Sequence[object], Envelope], list[NewEvent]] = serializer.encode

    def append(
        self,
        stream: Stream,
        events: Sequence[object],
        new: Sequence[NewEvent],
        expect: int | Expect,
        condition: Condition | None = None,
        request: Request | None = None,
    ) -> Awaitable[Appended]:
        """
        Store the events, with the rows of their transactional handlers and the command that was requested.

        Raises, when it is awaited:
            HandlerFailed: one of those handlers failed; nothing is stored.
            CommandTaken: the command has been accepted meanwhile; nothing is stored.
            what `EventSink.append` raises.
        """
        append = Append(stream, new, expect)
        if self._inside.needed and self._inside.hear(events):
            return self.append_through(self._units.transact, append, events, condition, request)
        if request is not None:
            appending = self.once.log.append(append, request.id.bytes, request.digest, condition=condition)
        else:
            appending = self._store.append(append, condition=condition)
        return appending if self._silent else self._seen(append.stream, len(append.events), appending)

    async def append_through(
        self,
        transact: Transacts,
        append: Append,
        events: Sequence[object],
        condition: Condition | None = None,
        request: Request | None = None,
    ) -> Appended:
        """The same in a transaction of this kind: one of the store, or that of a lock."""
        appending = self._append_through(transact, append, events, condition, request)
        return await (appending if self._silent else self._seen(append.stream, len(append.events), appending))

    async def _append_through(
        self,
        transact: Transacts,
        append: Append,
        events: Sequence[object],
        condition: Condition | None,
        request: Request | None,
    ) -> Appended:
        work = partial(self._work, append, events, condition, request)
        try:
            try:
                return await _with_a_culprit(transact, work)
            except HandlerFailed as failed:
                return await transact(partial(self._judge, append, condition, request, failed))
        except TimeoutError as error:
            raise _too_long(append, error) from error

    async def _seen(self, stream: Stream, events: int, appending: Awaitable[Appended]) -> Appended:
        """The same, as a span; whoever is outrun is counted."""
        category = stream.category
        try:
            with self.telemetry.span("append", category=category, events=events):
                return await appending
        except Conflict:
            self.telemetry.count(CONFLICTS, 1, category=category)
            raise

    async def accept(self, accepted: Accepted) -> None:
        """Enter a command on which nothing is to be done. Raises CommandTaken, and what a commit raises."""

        async def work(unit: Unit) -> None:
            await unit.accept(accepted)

        try:
            await self._units.transact(work)
        except TimeoutError as error:
            raise StoreUnavailable(
                "the command was kept waiting within its transaction; nothing is stored, send it again with the same id"
            ) from error

    def heard_inside(self, events: Sequence[object]) -> bool:
        """Whether a transactional handler concerns one of them."""
        return self._inside.needed and self._inside.hear(events)

    async def append_within(
        self, unit: Unit, appends: Sequence[tuple[Append, Sequence[object]]], condition: Condition | None
    ) -> Appended:
        """The same within a transaction of somebody else's, who commits it: events of several streams at once."""
        appending = self._append_within(unit, appends, condition)
        if self._silent:
            return await appending
        return await self._seen(appends[0][0].stream, sum(len(events) for _, events in appends), appending)

    async def _append_within(
        self, unit: Unit, appends: Sequence[tuple[Append, Sequence[object]]], condition: Condition | None
    ) -> Appended:
        for append, events in appends:
            if self.heard_inside(events):
                await self._inside.handle(_pending(append, events), unit, one_by_one=True)
        return await unit.append(*(append for append, _ in appends), condition=condition)

    async def append_once(self, append: Append, event: object) -> Appended:
        """
        Store one event, whose id says that it is stored once; `deduplicated` where it was.

        Its transactional handlers are called after it has been appended, in the same transaction: only then is it
        certain that it is new, and that their rows are not written twice.
        """
        appending = self._append_once(append, event)
        return await (appending if self._silent else self._seen(append.stream, len(append.events), appending))

    async def _append_once(self, append: Append, event: object) -> Appended:
        if not self.heard_inside([event]):
            return await self._store.append(append)
        try:
            return await self._units.transact(partial(self._work_once, append, event))
        except TimeoutError as error:
            raise _too_long(append, error) from error

    async def _work_once(self, append: Append, event: object, unit: Unit) -> Appended:
        appended = await unit.append(append)
        if not appended.streams[0].deduplicated:
            await self._inside.handle(_pending(append, [event]), unit, one_by_one=True)
        return appended

    async def _work(
        self,
        append: Append,
        events: Sequence[object],
        condition: Condition | None,
        request: Request | None,
        unit: Unit,
        *,
        one_by_one: bool,
    ) -> Appended:
        if self._inside.hear(events):
            await self._inside.handle(_pending(append, events), unit, one_by_one=one_by_one)
        return await self._stored(append, condition, request, unit)

    async def _judge(
        self,
        append: Append,
        condition: Condition | None,
        request: Request | None,
        failed: HandlerFailed,
        unit: Unit,
    ) -> Appended:
        """
        Raises what the append is refused for without its handlers, else what they failed with.

        They are called before it, with a version that somebody else may have taken: no wonder that their row was there.
        """
        await self._stored(append, condition, request, unit)
        raise failed

    async def _stored(
        self, append: Append, condition: Condition | None, request: Request | None, unit: Unit
    ) -> Appended:
        appended = await unit.append(append, condition=condition)
        if request is not None:
            await unit.accept(request.with_events(appended))
        return appended

    def recorded(
        self, stream: Stream, events: Sequence[E], new: Sequence[NewEvent], place: AppendedStream
    ) -> tuple[Recorded[E], ...]:
        """The events as they are stored now. `dispatch.tell` must follow, once nothing is held any more."""
        recorded = self._serializer.recorded(stream, events, new, place)
        self.heard(recorded)
        return recorded

    def placed(
        self, stream: Stream, events: Sequence[E], new: Sequence[NewEvent], place: AppendedStream
    ) -> tuple[Recorded[E], ...]:
        """The events as they will be stored, once somebody's transaction has been committed: `heard` must follow."""
        return self._serializer.recorded(stream, events, new, place)

    def heard(self, recorded: Sequence[Recorded[Any]]) -> None:
        """They are stored: `on_recorded` hears of it, and their turn is taken. `dispatch.tell` must follow."""
        if not self._silent:
            self.telemetry.count(APPENDED, len(recorded), category=recorded[0].category)
        if self._on_recorded is not None:
            tell(self._on_recorded, recorded)
        if self.dispatch.needed:
            self.dispatch.take_turn(recorded)


def _too_long(append: Append, error: TimeoutError) -> ProcessingError:
    why = f"the append to {append.stream} and its transactional handlers took too long; nothing is stored"
    return ProcessingError(None, "transactional handlers", error, why)


async def _with_a_culprit(transact: Transacts, work: Callable[..., Awaitable[Appended]]) -> Appended:
    try:
        return await transact(partial(work, one_by_one=False))
    except Unclear:  # and nothing is kept: again, so that the culprit is named
        return await transact(partial(work, one_by_one=True))


def _pending(append: Append, events: Sequence[object]) -> list[Pending[Any]]:
    first = append.expect + 1 if isinstance(append.expect, int) else None
    return [
        Pending(event, new, append.stream, None if first is None else first + number)
        for number, (event, new) in enumerate(zip(events, append.events, strict=True))
    ]
