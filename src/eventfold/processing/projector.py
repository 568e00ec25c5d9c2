"""A projector: events in, rows out."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

from eventfold.domain.deletion import StreamDeleted
from eventfold.domain.message import Recorded
from eventfold.domain.query import Alternative, Query
from eventfold.errors import InvalidInput
from eventfold.processing.handlers import Handler, RegisteringBatches, Registers, checked_name
from eventfold.processing.policy import ErrorPolicy, Stop, checked_policy
from eventfold.processing.view import View

if TYPE_CHECKING:
    from sqlalchemy import Table

__all__ = ["Projector"]

Result = TypeVar("Result", bound=Coroutine[Any, Any, None] | None)

TIMEOUT: Final = 30.0
MOST_PARTITIONS: Final = 1_024
LARGEST_SIZE: Final = 10_000


class Projector(RegisteringBatches):
    """
    Turns events into rows, each event once, also through a crash: rows and checkpoint commit together.

    It may be replayed at any time, so it does nothing but write rows: no mail, no command, no other store.

    Args:
        name: of the projector and its checkpoint. Stored.
        tables: the tables it fills; they are made where they are missing. Nobody else writes them.
        version: raise it when the rows should be others; the tables are then emptied and filled anew.
        query: narrows the events to less than what its handlers would take.
        on_error: what becomes of an event that cannot be handled. By default the processor stops at it.
        partitions: into how many shares its streams are divided, which processes and machines run side by side. Events
            of one stream are handled in order, those of different streams need not be. Fixed for life.
        transaction_size: events of one transaction, at most; if one of them fails, none of their rows is kept. By
            default there are as many as are at hand, and those before a failing one are kept.
        transaction_interval: seconds for which a transaction waits for more events, once it has one.
        timeout: seconds for each call of a function that is `async def`; one that takes longer has failed.

    Raises:
        InvalidInput: a name that is none, or a version, a number of partitions or a size below 1.
    """

    kind: str = "projector"
    start: Literal["beginning", "now"] = "beginning"

    def __init__(
        self,
        name: str,
        *,
        tables: Sequence[Table] = (),
        version: int = 1,
        query: Query | None = None,
        on_error: ErrorPolicy = Stop(),  # noqa: B008 - it is frozen
        partitions: int = 1,
        transaction_size: int | None = None,
        transaction_interval: float = 0.0,
        timeout: float = TIMEOUT,
    ) -> None:
        if version < 1:
            raise InvalidInput(f"projector {name!r}: version {version}; versions start at 1")
        if partitions < 1 or partitions > MOST_PARTITIONS:
            raise InvalidInput(f"projector {name!r}: partitions={partitions}; 1 to {MOST_PARTITIONS}")
        if transaction_size is not None and not 1 <= transaction_size <= LARGEST_SIZE:
            raise InvalidInput(f"projector {name!r}: transaction_size={transaction_size}; 1 to {LARGEST_SIZE} events")
        if transaction_interval < 0:
            raise InvalidInput(f"projector {name!r}: transaction_interval={transaction_interval} seconds")
        if timeout <= 0:
            raise InvalidInput(f"projector {name!r}: timeout={timeout} seconds; more than 0")
        super().__init__(checked_name("a projector", name))
        self.name = name
        self.timeout = timeout
        self.on_error: ErrorPolicy = checked_policy(name, on_error)
        self.partitions = partitions
        self.transaction_size = transaction_size
        self.transaction_interval = transaction_interval
        self.tables: tuple[Table, ...] = tuple(tables)
        self.version = version
        self.deleted: dict[str, Handler] = {}
        """By category: what is called when a stream has been deleted."""
        self._query = query

    @property
    def query(self) -> Query:
        """The events it follows. Raises InvalidInput while it has no handler."""
        query = self.handlers.query(self._query)
        if not self.deleted or query.unrestricted:
            return query
        return query | Query((Alternative(categories=frozenset(self.deleted), types=frozenset([StreamDeleted])),))

    def on_deleted(self, category: str, /) -> Registers[Recorded[StreamDeleted], View]:
        """
        The decorated function removes the rows of a stream that an administrator has deleted: `handler(deleted, view)`.

        `deleted.id` says whose rows. It comes in the order of the log, also while the rows are filled anew.

        Raises:
            InvalidInput: no category, or one that has such a function already.
        """

        def register(
            handler: Callable[[Recorded[StreamDeleted], View], Result], /
        ) -> Callable[[Recorded[StreamDeleted], View], Result]:
            self.handlers.register_deleted(self.deleted, category, handler)
            return handler

        return register

    def __repr__(self) -> str:
        return f"Projector({self.name!r}, version={self.version})"
