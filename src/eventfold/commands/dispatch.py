"""Who hears of what a command has stored: event handlers, then buses; of one stream in the order of the commits."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Final, Protocol, TypeAlias

import msgspec

from eventfold.commands.at_work import AtWork, at_work, is_at_work
from eventfold.commands.outbox import Outbox
from eventfold.domain.message import Recorded, Stream
from eventfold.errors import ProcessingError, StoreClosed
from eventfold.ports.bus import Bus
from eventfold.ports.telemetry import SILENT, Telemetry

__all__ = ["Dispatch", "HandlerFailure", "Listener", "OnHandlerError"]

MOST_NESTED: Final = 32
"""Commands that handlers execute, within handlers of their events, and so on: more of them never end."""
DRAIN: Final = 10.0
"""Seconds that buses have at the end for what waits for them."""

_log = logging.getLogger("eventfold.commands")


class HandlerFailure(msgspec.Struct, frozen=True):
    """
    An event handler or a bus failed on something that is stored, so the command has succeeded all the same.

    Args:
        event: the event; the stream, where it was about its deletion.
        processor: the name of the handler or the bus.
        error: what it raised.
    """

    event: Recorded[Any] | Stream
    processor: str
    error: BaseException


OnHandlerError: TypeAlias = Callable[[HandlerFailure], None]


class Listener(Protocol):
    """An event handler of an application that runs."""

    @property
    def name(self) -> str: ...

    def hears(self, cls: type[Any]) -> bool: ...

    async def hear(self, recorded: Recorded[Any]) -> None:
        """Raises what the handler raises."""
        ...

    def hears_deleted(self, category: str) -> bool: ...

    async def hear_deleted(self, stream: Stream) -> None: ...


class _Turn:
    """The place of a command's events in the line of their stream."""

    __slots__ = ("called", "events", "left")

    def __init__(self) -> None:
        self.called: asyncio.Future[None] | None = None
        self.events: Sequence[Recorded[Any]] | None = None  # once the handlers have had them
        self.left: deque[tuple[Outbox, Recorded[Any]]] | None = None  # what buses had no room for


_Line: TypeAlias = dict[int, _Turn]


class Dispatch:
    """
    Tells what is stored. A failure of who is told is logged and told to the application, and harms nobody else.

    Commands on one stream that run at the same time take their turns in the order in which they were stored. A command
    that a handler executes takes none, or it would wait for its own handler; but to the buses it comes in that order.
    """

    def __init__(self, telemetry: Telemetry, on_handler_error: OnHandlerError | None) -> None:
        self._telemetry = telemetry
        self._silent = telemetry is SILENT  # then nobody asks for the words of a span, which cost more than the call
        self._on_handler_error = on_handler_error
        self._listeners: tuple[Listener, ...] = ()
        self._outboxes: tuple[Outbox, ...] = ()
        self._lines: dict[Stream, _Line] = {}
        self._closed = False
        self.needed: bool = False
        """Somebody is to be told; while nobody is, a command saves the asking."""

    # ------------------------------------------------------------------------ who is told

    def add_listener(self, listener: Listener) -> None:
        self._listeners = (*self._listeners, listener)  # a new one: who is going through the old one keeps it
        self.needed = True

    def add_bus(self, bus: Bus) -> None:
        self._outboxes = (*self._outboxes, Outbox(bus, self._telemetry, self._failed))
        self.needed = True

    def has_bus(self, bus: object) -> bool:
        return any(each.bus is bus for each in self._outboxes)

    def refuse_if_closed(self) -> None:
        if self._closed:
            raise StoreClosed("the application")

    async def close(self) -> None:
        """Publish what waits for the buses, for a while."""
        self._closed = True
        await asyncio.gather(*(each.close(DRAIN) for each in self._outboxes))

    # ---------------------------------------------------------------------------- events

    def take_turn(self, recorded: Sequence[Recorded[Any]]) -> None:
        """For `tell`, which must follow. Taken when they are stored, before anything is awaited: that is the order."""
        if self._outboxes or any(each.hears(_class_of(one)) for each in self._listeners for one in recorded):
            first = recorded[0]
            self._lines.setdefault(first.stream, {})[first.version] = _Turn()

    async def tell(self, recorded: Sequence[Recorded[Any]]) -> None:
        """Call the handlers and hand over to the buses what has taken a turn before; nothing else."""
        if not recorded:
            return
        stream = recorded[0].stream
        line = self._lines.get(stream, {})
        turn = line.get(recorded[0].version)
        if turn is None:
            return
        within = is_at_work()
        try:
            if within is None:
                await _to_be_first(line, turn)
            await self._call_listeners(recorded, within)
        except BaseException:  # the command was cancelled; its events are stored
            self.give_up(recorded)
            raise
        turn.events = recorded
        if _first(line) is turn:  # else whoever is first, and may be at it, does it for us
            await self._hand_over(stream, line)

    def give_up(self, recorded: Sequence[Recorded[Any]]) -> None:
        """Instead of `tell`, for somebody who must not wait: no handler is called, and others are not kept waiting."""
        stream = recorded[0].stream
        line = self._lines.get(stream, {})
        turn = line.get(recorded[0].version)
        if turn is None:
            return
        turn.events = recorded
        if _first(line) is turn:
            self._hand_over_at_once(stream, line)

    async def _call_listeners(self, recorded: Sequence[Recorded[Any]], within: AtWork | None) -> None:
        depth, of_bus = (0, False) if within is None else (within.depth, within.of_bus)
        for each in recorded:
            cls = _class_of(each)
            for listener in self._listeners:
                if not listener.hears(cls):
                    continue
                if depth < MOST_NESTED:
                    await self._call(listener.name, each, listener.hear, each, AtWork(depth + 1, of_bus=of_bus))
                else:
                    self._failed(each, listener.name, _never_ending(each, listener.name))

    async def tell_deleted(self, stream: Stream) -> None:
        """Call the handlers that want to know that this stream has been deleted."""
        for listener in self._listeners:
            if listener.hears_deleted(stream.category):
                await self._call(listener.name, stream, listener.hear_deleted, stream, AtWork(1, of_bus=False))

    async def _call(
        self,
        name: str,
        about: Recorded[Any] | Stream,
        call: Callable[[Any], Awaitable[None]],
        given: object,
        this: AtWork,
    ) -> None:
        task = asyncio.current_task()
        assert task is not None
        before = task.cancelling()
        token = at_work.set(this)
        try:
            if self._silent:
                await call(given)
            else:
                with self._span(name, about):
                    await call(given)
        except asyncio.CancelledError as error:
            if task.cancelling() > before:  # it is the command that is cancelled
                raise
            self._failed(about, name, error)
        except Exception as error:
            self._failed(about, name, error)
        finally:
            this.over = True
            at_work.reset(token)

    def _span(self, handler: str, about: Recorded[Any] | Stream) -> AbstractContextManager[None]:
        if isinstance(about, Stream):
            return self._telemetry.span("handler", handler=handler, stream=str(about))
        id, stream = str(about.event_id), str(about.stream)
        return self._telemetry.span("handler", handler=handler, event_id=id, stream=stream)

    def _failed(self, about: Recorded[Any] | Stream, name: str, error: BaseException) -> None:
        told = _told_of(about)
        event = f"event {told['event_id']} of " if "event_id" in told else "the deletion of "
        _log.error(
            "%r failed on %s%s, which is stored: %s",
            name, event, told["stream"], _said(error),
            exc_info=error, extra={"eventfold": {"handler": name, **told}},
        )  # fmt: skip
        if self._on_handler_error is None:
            return
        try:
            self._on_handler_error(HandlerFailure(about, name, error))
        except Exception:
            _log.exception("on_handler_error failed on the failure of %r", name)

    # ----------------------------------------------------------------------------- buses

    async def _hand_over(self, stream: Stream, line: _Line) -> None:
        """All that is ready at the head of the line, by the one who is first; nobody else may be at it."""
        try:
            while (turn := _ready(line)) is not None:
                left = self._offered(turn)
                while left:
                    outbox, recorded = left[0]
                    await outbox.room()
                    if outbox.offer([recorded]):
                        left.popleft()
                self._leave(stream, line)
        except BaseException:
            self._hand_over_at_once(stream, line)
            raise

    def _hand_over_at_once(self, stream: Stream, line: _Line) -> None:
        """The same for somebody who must not wait: what there is no room for is told to be lost."""
        while (turn := _ready(line)) is not None:
            for outbox, recorded in self._offered(turn):
                if not outbox.offer([recorded]):
                    outbox.lost(recorded)
            self._leave(stream, line)

    def _offered(self, turn: _Turn) -> deque[tuple[Outbox, Recorded[Any]]]:
        """What there was no room for; first each bus gets what it has room for."""
        events = turn.events
        assert events is not None
        if turn.left is None:
            turn.left = deque()
            for outbox in self._outboxes:
                turn.left += ((outbox, each) for each in events[outbox.offer(events) :])
        return turn.left

    def _leave(self, stream: Stream, line: _Line) -> None:
        del line[next(iter(line))]
        if not line:
            del self._lines[stream]
        elif (first := _first(line)) is not None and first.called is not None and not first.called.done():
            first.called.set_result(None)


async def _to_be_first(line: _Line, turn: _Turn) -> None:
    if _first(line) is not turn:
        turn.called = asyncio.get_running_loop().create_future()
        await turn.called


def _ready(line: _Line) -> _Turn | None:
    turn = _first(line)
    return None if turn is None or turn.events is None else turn


def _first(line: _Line) -> _Turn | None:
    return next(iter(line.values()), None)


def _class_of(recorded: Recorded[Any]) -> type[Any]:
    event: object = recorded.event
    return type(event)


def _told_of(about: Recorded[Any] | Stream) -> dict[str, str]:
    if isinstance(about, Recorded):
        return {"event_id": str(about.event_id), "stream": str(about.stream)}
    return {"stream": str(about)}


def _said(error: BaseException) -> BaseException | str:
    return error if str(error) else type(error).__name__  # itself: a log may want its text, or not


def _never_ending(recorded: Recorded[Any], name: str) -> ProcessingError:
    why = (
        f"{name!r} was not called: this event comes from a command within a handler, {MOST_NESTED} deep; a handler "
        "that answers its own events never ends"
    )
    return ProcessingError(recorded, name, None, why)
