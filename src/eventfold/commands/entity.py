"""An entity: an aggregate that many tasks send commands to, and that takes them one at a time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import Any, Final, Generic, Literal, TypeAlias, TypeVar
from uuid import UUID

from eventfold.commands.decision import Outcome
from eventfold.commands.loading import Loaded
from eventfold.commands.manager import CommandManager
from eventfold.commands.middleware import Invocation, Surrounded
from eventfold.domain.aggregate import Aggregate
from eventfold.domain.message import Stream
from eventfold.errors import (
    AppendOutcomeUnknown,
    Conflict,
    EntityEnded,
    HandlerFailed,
    InvalidInput,
    MailboxFull,
    StoreError,
)

__all__ = ["IDLE", "MAILBOX", "Entities", "Entity", "OnFailure"]

C = TypeVar("C")
S = TypeVar("S")
E = TypeVar("E")

OnFailure: TypeAlias = Literal["reload", "end"]

MAILBOX: Final = 1_000
IDLE: Final = 60.0
_log = logging.getLogger("eventfold.commands")
_FAILED: Final = (StoreError, AppendOutcomeUnknown, Conflict, HandlerFailed)


class _Mailbox:
    """What all references to one stream share: the places, the turn, and why it has ended."""

    def __init__(self, stream: Stream, size: int, idle: float | None, on_failure: OnFailure) -> None:
        self.stream = stream
        self.size = size
        self.idle = idle
        self.on_failure = on_failure
        self.places = asyncio.Semaphore(size)
        self.lock = asyncio.Lock()
        self.references = 0
        self.pending = 0
        self.ended: tuple[str, BaseException | None] | None = None
        self.rest: asyncio.TimerHandle | None = None

    def keep_awake(self) -> None:
        if self.rest is not None:
            self.rest.cancel()
            self.rest = None

    def refuse_if_ended(self) -> None:
        if self.ended is not None:
            why, cause = self.ended
            raise EntityEnded(self.stream, why) from cause

    @asynccontextmanager
    async def turn(self, timeout: float | None) -> AsyncGenerator[None]:
        """One command, and no other beside it. Its place is free again with its turn, so that handlers may send too."""
        await self._place(timeout)
        try:
            async with self.lock:
                self.refuse_if_ended()
                try:
                    yield
                except _FAILED as error:
                    if self.on_failure == "end":
                        self.ended = ("a command could not be stored", error)
                    raise
        finally:
            self.places.release()

    async def _place(self, timeout: float | None) -> None:
        if timeout is None or not self.places.locked():
            await self.places.acquire()
            return
        try:
            async with asyncio.timeout(timeout):
                await self.places.acquire()
        except TimeoutError as error:
            raise MailboxFull(self.stream, self.size, timeout) from error


class Entity(Generic[C, S, E]):
    """
    A reference to an entity, which any number of tasks may use at once.

    Commands are decided one at a time, in the order in which they were sent. The turn of a command ends when its events
    are stored, before handlers and buses hear of them, so a handler may send to the same entity.
    """

    def __init__(self, aggregate: Aggregate[C, S, E], id: str, mailbox: _Mailbox, of: Entities) -> None:
        self.aggregate = aggregate
        self.id = id
        self._mailbox = mailbox
        self._of = of
        self.released = False
        """Whether its block has ended."""

    async def execute(
        self,
        command: C,
        *,
        command_id: UUID | None = None,
        metadata: Mapping[str, Any] | None = None,
        timeout: float | None = None,
    ) -> Outcome[S, E, None]:
        """
        Wait for the command's turn, decide and record. The outcome holds the state after it.

        Args:
            timeout: seconds to wait for a place in a mailbox that is full; None waits as long as it takes.

        Raises:
            whatever `decide` raises, untouched; the entity goes on.
            MailboxFull: no place within `timeout`; nothing was decided.
            EntityEnded: it has ended, or the reference was released; nothing was decided.
            what `running.execute` raises.
        """
        self._refuse_if_over()
        with self._of.sending(self._mailbox):
            if self._of.surrounded:
                invocation = Invocation.of(self.aggregate, self.id, command, command_id, metadata)
                return await self._of.surrounded.call(invocation, partial(self._execute, timeout))
            return await self._decided(command, command_id, metadata, timeout)

    async def _execute(self, timeout: float | None, invocation: Invocation) -> Outcome[S, E, None]:
        """At the end of the middleware."""
        return await self._decided(invocation.command, invocation.command_id, invocation.metadata, timeout)

    async def _decided(
        self, command: C, command_id: UUID | None, metadata: Mapping[str, Any] | None, timeout: float | None
    ) -> Outcome[S, E, None]:
        turn = self._mailbox.turn(timeout)
        return await self._of.commands.execute(
            self.aggregate, self.id, command, command_id=command_id, metadata=metadata, turn=turn
        )

    async def load(self) -> Loaded[S]:
        """The state as `running.load` has it, without waiting for a turn. Raises EntityEnded, and what that raises."""
        self._refuse_if_over()
        return await self._of.commands.load(self.aggregate, self.id)

    def _refuse_if_over(self) -> None:
        if self.released:
            raise EntityEnded(self._mailbox.stream, "this reference was released at the end of its block")
        self._mailbox.refuse_if_ended()
        self._of.refuse_if_closed(self._mailbox.stream)


class Entities:
    """The entities of one running application: at most one for a stream at a time."""

    def __init__(self, commands: CommandManager, surrounded: Surrounded) -> None:
        self.surrounded = surrounded
        self.commands = commands
        self._mailboxes: dict[Stream, _Mailbox] = {}
        self._pending = 0
        self._quiet = asyncio.Event()
        self._closed = False

    @asynccontextmanager
    async def entity(
        self, aggregate: Aggregate[C, S, E], id: str, *, mailbox: int, idle: float | None, on_failure: OnFailure
    ) -> AsyncGenerator[Entity[C, S, E]]:
        """As `Running.entity`."""
        stream = aggregate.stream(id)
        _refuse(mailbox, idle, on_failure)
        self.refuse_if_closed(stream)
        shared = self._shared(stream, mailbox, idle, on_failure)
        entity = Entity(aggregate, id, shared, self)
        shared.references += 1
        try:
            await self.commands.load(aggregate, id)  # whoever opens it hears that it cannot be recovered
            self._settle(shared)
            yield entity
        finally:
            entity.released = True
            shared.references -= 1
            self._settle(shared)

    def _shared(self, stream: Stream, size: int, idle: float | None, on_failure: OnFailure) -> _Mailbox:
        shared = self._mailboxes.get(stream)
        if shared is None or shared.ended is not None:
            shared = self._mailboxes[stream] = _Mailbox(stream, size, idle, on_failure)
        settings = (shared.size, shared.idle, shared.on_failure)
        if settings != (size, idle, on_failure):
            raise InvalidInput(
                f"the entity of stream {stream} is open with mailbox, idle and on_failure {settings}, and not with "
                f"{(size, idle, on_failure)}: everybody shares one mailbox, so open it with the same"
            )
        return shared

    @contextmanager
    def sending(self, mailbox: _Mailbox) -> Generator[None]:
        """Around a command, its handlers too: whoever closes the application waits for it."""
        mailbox.keep_awake()
        mailbox.pending += 1
        self._pending += 1
        try:
            yield
        finally:
            mailbox.pending -= 1
            self._pending -= 1
            self._settle(mailbox)
            if self._pending == 0:
                self._quiet.set()

    def _settle(self, mailbox: _Mailbox) -> None:
        """Nobody uses it: it goes. Nobody sends to it: after a while its state leaves the memory."""
        if mailbox.pending:
            return
        mailbox.keep_awake()
        if mailbox.references == 0 or self._closed:
            if self._mailboxes.get(mailbox.stream) is mailbox:
                del self._mailboxes[mailbox.stream]
        elif mailbox.idle is not None:
            loop = asyncio.get_running_loop()
            mailbox.rest = loop.call_later(mailbox.idle, self.commands.forget, mailbox.stream)

    def refuse_if_closed(self, stream: Stream) -> None:
        """Raises EntityEnded."""
        if self._closed:
            raise EntityEnded(stream, "the application is closing")

    async def drain(self, timeout: float) -> None:
        """Take no more commands, and finish those that were sent: what has no turn in time gets EntityEnded."""
        self._closed = True
        try:
            if self._pending:
                self._quiet.clear()
                async with asyncio.timeout(timeout):
                    await self._quiet.wait()
        except TimeoutError:
            _log.warning(
                "after %g s, %d commands of entities were not done; they get EntityEnded", timeout, self._pending
            )
        finally:
            for each in list(self._mailboxes.values()):
                each.ended = each.ended or ("the application was closed", None)
                self._settle(each)


def _refuse(mailbox: int, idle: float | None, on_failure: str) -> None:
    if mailbox < 1:
        raise InvalidInput(f"mailbox={mailbox}: an entity takes at least one command at a time")
    if idle is not None and not idle > 0:
        raise InvalidInput(f"idle={idle}: seconds above 0, or None to keep the state as long as there is room")
    if on_failure not in ("reload", "end"):
        raise InvalidInput(f"on_failure={on_failure!r}: 'reload' or 'end'")
