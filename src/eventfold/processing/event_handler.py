"""Event handlers: called by the process that has stored an event, after the commit, before its command returns."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar, overload
from uuid import UUID

from eventfold.commands.context import context, current_context
from eventfold.commands.decision import Outcome
from eventfold.domain.aggregate import Aggregate
from eventfold.domain.boundary import Boundary
from eventfold.domain.message import Recorded, Stream
from eventfold.errors import InvalidInput
from eventfold.ports.read_model import ReadModel, RowTransaction
from eventfold.processing.handlers import Handler, Handlers, Registering, Registers, checked_name
from eventfold.processing.in_time import begun
from eventfold.processing.view import LONGEST_HOLD, View

if TYPE_CHECKING:
    from sqlalchemy import Table

__all__ = ["EventHandler", "Handling", "Hearing"]

C = TypeVar("C")
S = TypeVar("S")
E = TypeVar("E")
Result = TypeVar("Result", bound=Coroutine[Any, Any, None] | None)

TIMEOUT: Final = 30.0


Executes: TypeAlias = Callable[..., Awaitable[Outcome[Any, Any, None]]]
"""`Running.execute`."""


class Handling(View):
    """What the functions of an event handler have at hand: rows, and commands."""

    # Defaults of the class, for most calls need none of them: one is made for each event.
    _deadline: float | None = None
    _until: float | None = None
    """The deadline as it is now: earlier while a transaction is open, none while one is being committed."""
    _timeout: asyncio.Timeout | None = None
    _open: AbstractAsyncContextManager[RowTransaction] | None = None
    _transaction: RowTransaction | None = None

    def __init__(self, rows: ReadModel, execute: Executes, recorded: Recorded[Any] | None, timeout: float) -> None:
        super().__init__(rows.bind, self._begun, of="an event")
        self._rows = rows
        self._execute = execute
        self._recorded = recorded
        self._longest = timeout

    @overload
    async def execute(
        self,
        aggregate: Aggregate[C, S, E],
        id: str,
        command: C,
        /,
        *,
        command_id: UUID | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> Outcome[S, E, None]: ...
    @overload
    async def execute(
        self,
        boundary: Boundary[C, S, E],
        command: C,
        /,
        *,
        command_id: UUID | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> Outcome[S, E, None]: ...

    async def execute(
        self,
        decider: Any,
        /,
        *id_and_command: Any,
        command_id: UUID | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> Outcome[Any, Any, None]:
        """
        As `Running.execute`, in the conversation of the event, with the event as what led here; on its own stream too.

        Rows written so far are committed first, so that nothing is held meanwhile. The handlers of its events have
        been called when it returns.
        """
        if self._over:
            raise InvalidInput("this handling belonged to an event that is over; execute within the handler")
        await self.commit()
        if self._recorded is None:
            return await self._execute(decider, *id_and_command, command_id=command_id, metadata=metadata)
        conversation = self._recorded.correlation_id or current_context().correlation_id
        with context(conversation, str(self._recorded.event_id)):
            return await self._execute(decider, *id_and_command, command_id=command_id, metadata=metadata)

    async def wait_for(self, pending: Awaitable[None]) -> None:
        """Wait for one of the handler's functions, as long as there is time."""
        if self._deadline is None:
            self._deadline = self._until = asyncio.get_running_loop().time() + self._longest
        left = begun(pending)
        if left is None:
            return
        async with asyncio.timeout_at(self._until) as self._timeout:
            await left
        self._timeout = None

    async def commit(self) -> None:
        """Keep what has been written so far."""
        self._refuse_if_broken()
        if not self.has_rows:
            return
        transaction = await self._begun()
        self._wait_until(None)  # from here it is the store that takes its time, and its answer is the truth
        await transaction.commit(self._drained(), None)
        await self._ended()
        self._wait_until(self._deadline)

    @property
    def has_rows(self) -> bool:
        """There is something to commit, or to give up."""
        return bool(self._queues) or self._transaction is not None or self._broken is not None

    def close(self) -> None:
        """Whoever has kept it is refused from now on."""
        self._over = True

    async def end(self) -> None:
        """What has not been committed is not kept."""
        if self._open is not None:
            await self._ended()

    async def _begun(self) -> RowTransaction:
        if self._transaction is None:
            self._open = self._rows.transaction()
            self._transaction = await self._open.__aenter__()
            if self._deadline is not None:
                self._wait_until(min(self._deadline, asyncio.get_running_loop().time() + LONGEST_HOLD))
        return self._transaction

    async def _ended(self) -> None:
        assert self._open is not None
        left, self._open, self._transaction = self._open, None, None
        await left.__aexit__(None, None, None)

    def _wait_until(self, deadline: float | None) -> None:
        self._until = deadline
        if self._timeout is not None and not self._timeout.expired():
            self._timeout.reschedule(deadline)


class EventHandler(Registering[Handling]):
    """
    Is told what this process records: after the commit, before the command returns, at most once.

    A handler that fails harms neither the command nor another handler: it is logged, and told to `on_handler_error`.
    What a process has stored when it dies it does not tell any more; what must not be missed is for a projector.

    Args:
        name: of the handler, in logs and traces.
        tables: the tables it writes; they are made where they are missing. Several handlers may share one.
        timeout: seconds that a function may take for one event.
        replayable: it does nothing but write rows, and may be told of an event twice, so `running.replay` takes it.

    Raises:
        InvalidInput: a name that is none, or a timeout that is not positive.
    """

    def __init__(
        self, name: str, *, tables: Sequence[Table] = (), timeout: float = TIMEOUT, replayable: bool = False
    ) -> None:
        super().__init__(checked_name("an event handler", name))
        if not timeout > 0:
            raise InvalidInput(f"event handler {name!r}: a timeout of {timeout!r} s leaves no time for anything")
        self.name = name
        self.tables: tuple[Table, ...] = tuple(tables)
        self.timeout = timeout
        self.replayable = replayable
        self.deleted: dict[str, Handler] = {}
        """By category: what is called when a stream has been deleted."""

    def on_deleted(self, category: str, /) -> Registers[Stream, Handling]:
        """
        The decorated function is called when an administrator has deleted a stream of this category:
        `handler(deleted, handling)`, with the stream.

        Raises:
            InvalidInput: no category, or one that has such a function already.
        """

        def register(handler: Callable[[Stream, Handling], Result], /) -> Callable[[Stream, Handling], Result]:
            self.handlers.register_deleted(self.deleted, category, handler)
            return handler

        return register

    def __repr__(self) -> str:
        return f"EventHandler({self.name!r})"


class Hearing:
    """An event handler of an application that runs."""

    def __init__(self, handler: EventHandler, rows: ReadModel, execute: Executes) -> None:
        self.name: str = handler.name
        self._handlers: Handlers = handler.handlers
        self._deleted = handler.deleted
        self._timeout = handler.timeout
        self._rows = rows
        self._execute = execute

    def hears(self, cls: type[Any]) -> bool:
        return self._handlers.catch_all is not None or cls in self._handlers.single

    async def hear(self, recorded: Recorded[Any]) -> None:
        event: object = recorded.event
        of_class, catch_all = self._handlers.single.get(type(event)), self._handlers.catch_all
        await self._call(recorded, recorded, of_class, catch_all)

    def hears_deleted(self, category: str) -> bool:
        return category in self._deleted

    async def hear_deleted(self, stream: Stream) -> None:
        await self._call(stream, None, self._deleted[stream.category])

    async def _call(self, what: object, recorded: Recorded[Any] | None, *functions: Handler | None) -> None:
        handling = Handling(self._rows, self._execute, recorded, self._timeout)
        try:
            for function in functions:
                if function is not None and (pending := function(what, handling)) is not None:
                    await handling.wait_for(pending)
            if handling.has_rows:
                await handling.commit()
        finally:
            handling.close()
            if handling.has_rows:
                await handling.end()
