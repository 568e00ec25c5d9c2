"""Transactional handlers: called within the append, so that their rows and the events are stored together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Final, TypeVar, overload

from eventfold.commands.context import no_appends_inside
from eventfold.commands.recording import Unclear
from eventfold.domain.message import Pending, Stream
from eventfold.errors import Conflict, HandlerFailed, InvalidInput, StoreError
from eventfold.ports.read_model import ReadModel
from eventfold.ports.telemetry import Telemetry
from eventfold.ports.unit import Unit
from eventfold.processing.handlers import Handler, Handlers, Registers, check_classes, checked_name
from eventfold.processing.view import LONGEST_HOLD, View

if TYPE_CHECKING:
    from sqlalchemy import Table

__all__ = ["InsideAppends", "TransactionalHandler"]

A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")
E = TypeVar("E")
F = TypeVar("F")
G = TypeVar("G")
H = TypeVar("H")
Result = TypeVar("Result", bound=Coroutine[Any, Any, None] | None)

_NO_HANDLER_IS_TO_BLAME: Final = (StoreError, Conflict)
"""The transaction could not go on, whatever the rows are."""


class TransactionalHandler:
    """
    Takes part in the append: its rows and the events are stored together, or neither is.

    When it fails, the caller gets HandlerFailed and nothing is stored. Where somebody else has taken the version it was
    called for, that is a conflict, whatever it failed with, and the command is decided again. Others may wait for the
    store until it is done, and it may be called again for the same events, so it does nothing but read and write rows,
    quickly.

    Args:
        name: of the handler, in errors, logs and traces.
        tables: the tables it writes; they are made where they are missing. Several handlers may share one.
        timeout: seconds that a function may take for one event.

    Raises:
        InvalidInput: a name that is none, or a timeout that is not positive.
    """

    def __init__(self, name: str, *, tables: Sequence[Table] = (), timeout: float = LONGEST_HOLD) -> None:
        self.handlers: Handlers = Handlers(checked_name("a transactional handler", name))
        if not timeout > 0:
            raise InvalidInput(
                f"transactional handler {name!r}: a timeout of {timeout!r} s leaves no time for anything"
            )
        self.name = name
        self.tables: tuple[Table, ...] = tuple(tables)
        self.timeout = timeout
        self.deleted: dict[str, Handler] = {}
        """By category: what is called when a stream is being deleted."""

    @overload
    def on(self, a: type[A], /) -> Registers[Pending[A], View]: ...

    @overload
    def on(self, a: type[A], b: type[B], /) -> Registers[Pending[A | B], View]: ...

    @overload
    def on(self, a: type[A], b: type[B], c: type[C], /) -> Registers[Pending[A | B | C], View]: ...

    @overload
    def on(self, a: type[A], b: type[B], c: type[C], d: type[D], /) -> Registers[Pending[A | B | C | D], View]: ...

    @overload
    def on(
        self, a: type[A], b: type[B], c: type[C], d: type[D], e: type[E], /
    ) -> Registers[Pending[A | B | C | D | E], View]: ...

    @overload
    def on(
        self, a: type[A], b: type[B], c: type[C], d: type[D], e: type[E], f: type[F], /
    ) -> Registers[Pending[A | B | C | D | E | F], View]: ...

    @overload
    def on(
        self, a: type[A], b: type[B], c: type[C], d: type[D], e: type[E], f: type[F], g: type[G], /
    ) -> Registers[Pending[A | B | C | D | E | F | G], View]: ...

    @overload
    def on(
        self, a: type[A], b: type[B], c: type[C], d: type[D], e: type[E], f: type[F], g: type[G], h: type[H], /
    ) -> Registers[Pending[A | B | C | D | E | F | G | H], View]: ...

    def on(self, *classes: type[Any]) -> Any:
        """
        The decorated function handles events of these classes, one at a time: `handler(pending, view)`.

        A plain function, or `async def` when it must read.

        Raises:
            InvalidInput: no class, or one that has a handler already.
        """
        check_classes(self.name, classes)

        def register(handler: Handler) -> Handler:
            self.handlers.register(classes, handler, batched=False)
            return handler

        return register

    def on_any(self) -> Registers[Pending[Any], View]:
        """The decorated function handles every event, after the one for its class, if there is one."""

        def register(handler: Callable[[Pending[Any], View], Result], /) -> Callable[[Pending[Any], View], Result]:
            self.handlers.register_catch_all(handler)
            return handler

        return register

    def on_deleted(self, category: str, /) -> Registers[Stream, View]:
        """
        The decorated function takes part when an administrator deletes a stream of this category:
        `handler(deleted, view)`, with the stream. When it fails, nothing is deleted.

        Raises:
            InvalidInput: no category, or one that has such a function already.
        """

        def register(handler: Callable[[Stream, View], Result], /) -> Callable[[Stream, View], Result]:
            self.handlers.register_deleted(self.deleted, category, handler)
            return handler

        return register

    def __repr__(self) -> str:
        return f"TransactionalHandler({self.name!r})"


class _UnitView(View):
    """The rows of one call, within a transaction of somebody else's."""

    def __init__(self, rows: ReadModel, unit: Unit) -> None:
        super().__init__(rows.bind, self._begun, of="an append")
        self._unit = unit

    async def _begun(self) -> Unit:
        return self._unit

    async def send(self) -> None:
        self._refuse_if_broken()
        if writes := self._drained():
            await self._unit.run(writes)

    def end(self) -> None:
        self._over = True


class InsideAppends:
    """The transactional handlers of an application that runs, in the order in which they were added."""

    def __init__(self, rows: ReadModel, telemetry: Telemetry) -> None:
        self._rows = rows
        self._telemetry = telemetry
        self._all: tuple[TransactionalHandler, ...] = ()
        self.needed: bool = False

    def add(self, handler: TransactionalHandler) -> None:
        self._all = (*self._all, handler)
        self.needed = True

    def only(self, handlers: Sequence[TransactionalHandler]) -> InsideAppends:
        """The same without the others."""
        inside = InsideAppends(self._rows, self._telemetry)
        for each in handlers:
            inside.add(each)
        return inside

    def hear(self, events: Sequence[object]) -> bool:
        return any(_functions(each, event) for each in self._all for event in events)

    async def handle(self, pending: Sequence[Pending[Any]], unit: Unit, *, one_by_one: bool) -> None:
        view = _UnitView(self._rows, unit)
        calls = [
            (each, one, function) for one in pending for each in self._all for function in _functions(each, one.event)
        ]
        try:
            for handler, one, function in calls:
                await self._call(handler, function, one, view, flush=one_by_one or len(calls) == 1)
            try:
                await view.send()
            except _NO_HANDLER_IS_TO_BLAME:
                raise
            except Exception as error:
                raise Unclear from error
        finally:
            view.end()

    async def handle_deleted(self, stream: Stream, unit: Unit) -> None:
        """Call those that want to take part in the deletion of this stream. Raises HandlerFailed."""
        view = _UnitView(self._rows, unit)
        try:
            for handler in self._all:
                if (function := handler.deleted.get(stream.category)) is not None:
                    await self._call(handler, function, stream, view, flush=True)
        finally:
            view.end()

    async def _call(
        self,
        handler: TransactionalHandler,
        function: Handler,
        what: Pending[Any] | Stream,
        view: _UnitView,
        *,
        flush: bool,
    ) -> None:
        task = asyncio.current_task()
        assert task is not None
        before = task.cancelling()
        try:
            with (
                self._span(handler.name, what),
                no_appends_inside(handler.name, transactional=True),
            ):
                answer = function(what, view)
                if answer is not None:
                    async with asyncio.timeout(handler.timeout):
                        await answer
                if flush:
                    await view.send()
        except _NO_HANDLER_IS_TO_BLAME:
            raise
        except asyncio.CancelledError as error:
            if task.cancelling() > before:  # it is the command that is cancelled, or the transaction took too long
                raise
            raise _failed(what, handler.name, error) from error
        except Exception as error:
            raise _failed(what, handler.name, error) from error

    def _span(self, handler: str, what: Pending[Any] | Stream) -> AbstractContextManager[None]:
        if isinstance(what, Stream):
            return self._telemetry.span("transactional_handler", handler=handler, stream=str(what))
        id, stream = str(what.event_id), str(what.stream)
        return self._telemetry.span("transactional_handler", handler=handler, event_id=id, stream=stream)


def _functions(handler: TransactionalHandler, event: object) -> list[Handler]:
    found = (handler.handlers.single.get(type(event)), handler.handlers.catch_all)
    return [each for each in found if each is not None]


def _failed(what: Pending[Any] | Stream, name: str, error: BaseException) -> HandlerFailed:
    where = (
        f"the deletion of {what}" if isinstance(what, Stream) else f"{what.type} for {what.stream}, which is not stored"
    )
    if isinstance(error, TimeoutError):
        error.add_note("a transactional handler keeps others from writing; it must not wait for anything else")
    return HandlerFailed(what, name, error, where)
