"""A unit of work: one transaction over events and rows, for whatever must be stored together with an append."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from eventfold.domain.message import Stream
from eventfold.ports.command_log import Accepted
from eventfold.ports.event_store import Append, Appended, Condition, Fact
from eventfold.ports.read_model import Params, Writes

if TYPE_CHECKING:
    from sqlalchemy.sql.selectable import SelectBase

__all__ = ["LONGEST_HOLD", "CommandTaken", "Held", "Unit", "Units", "Work"]

T = TypeVar("T")

LONGEST_HOLD: Final = 5.0
"""Seconds for which the transaction of a unit may be open, from its first statement on."""


class CommandTaken(Exception):
    """A command of this id was accepted in the meantime. Between store and commands only; nobody else meets it."""


class Unit(Protocol):
    """A transaction that is open. What is done through it is stored together, when it commits, or not at all."""

    def load(self, stream: Stream, *, after: int = 0, upto: int | None = None) -> AsyncIterator[Sequence[Fact]]:
        """As `EventSource.load`, with what this transaction has appended."""
        ...

    async def append(self, *appends: Append, condition: Condition | None = None) -> Appended:
        """
        As `EventSink.append`, within this transaction: the places are final once it has committed.

        A call that raises has stored nothing of its own, and leaves the transaction as it was before.

        Raises:
            what `EventSink.append` raises.
            RetryTransaction: only from the beginning of the transaction can it be tried again.
            UnsupportedIsolation: a condition cannot be checked in a transaction of this isolation.
        """
        ...

    async def accept(self, accepted: Accepted) -> None:
        """
        Enter a command that was accepted, to be stored with the events of this transaction.

        Raises:
            CommandTaken: another transaction has entered this id; look what came of it, and decide then.
        """
        ...

    async def accepted(self, command_id: bytes) -> Accepted | None:
        """As `CommandLog.accepted`, as far as this transaction can see."""
        ...

    async def fetch(self, writes: Writes, select: SelectBase, params: Params | None) -> list[tuple[Any, ...]]:
        """Run the writes, then the select, which sees them; rows as named tuples."""
        ...

    async def run(self, writes: Writes) -> None:
        """Run the writes, in order."""
        ...


Work = Callable[[Unit], Awaitable[T]]
"""
What is to be done in a transaction. It may be called several times, each time on a fresh transaction: after a
serialization failure, a deadlock, or a connection that broke. The ids of its events make that safe.
"""


class Held(Protocol):
    """
    A stream that is locked, with the transaction that holds the lock.

    Whoever reads and appends without a lock is neither kept waiting nor kept out: versions are verified as ever.
    """

    def load(self, stream: Stream, *, after: int = 0, upto: int | None = None) -> AsyncIterator[Sequence[Fact]]:
        """As `EventSource.load`, with all that whoever held the lock before has committed."""
        ...

    async def transact(self, work: Work[T]) -> T:
        """
        Do the work in the lock's own transaction and commit it, which releases the lock.

        When the work raises, nothing of it remains and the lock is still held, so it can be tried again.

        Raises:
            InvalidInput: the lock has been released by a commit before.
            what the work raises, and what a commit raises.
        """
        ...


class Units(Protocol):
    """Transactions over the log and the rows of one store."""

    async def transact(self, work: Work[T]) -> T:
        """
        Do the work in a transaction and commit it. When the work raises, nothing of it remains.

        Whoever waits for the store may wait until the work is done, so it must be short: it gets at most
        `LONGEST_HOLD` seconds once it has written or read anything.

        Raises:
            what the work raises.
            TimeoutError: the work took too long; nothing of it remains.
            AppendOutcomeUnknown: the commit was sent and nobody can say what became of it.
            StoreBusy, StoreFull, StoreUnavailable, StoreClosed: nothing was stored.
        """
        ...

    def lock(self, stream: Stream, *, timeout: float) -> AbstractAsyncContextManager[Held]:
        """
        The stream for this block alone, among all who lock it, in every process that has this store open.

        Released by the commit of its work, at the end of the block however it ends, and when the process dies.
        A stream that does not exist yet can be locked.

        Args:
            timeout: seconds to wait for whoever holds it.

        Raises:
            LockTimedOut: somebody else held it all the time.
        """
        ...
