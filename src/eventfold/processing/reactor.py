"""A reactor: events in; mails, further events and commands out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, cast

from eventfold.domain.query import Query
from eventfold.errors import InvalidInput
from eventfold.processing.act import Act, Unknown, checked_unknown
from eventfold.processing.handlers import Registering, checked_name
from eventfold.processing.policy import ErrorPolicy, Stop, checked_policy
from eventfold.processing.projector import MOST_PARTITIONS

if TYPE_CHECKING:
    from sqlalchemy import Table

__all__ = ["Reactor", "Start"]

Start: TypeAlias = Literal["now", "beginning"]

TIMEOUT: Final = 300.0
MOST_AT_ONCE: Final = 1_000
LARGEST_STEP: Final = 10_000


class Reactor(Registering[Act]):
    """
    Answers events with what cannot be taken back: it calls the outside world, emits events, executes commands.

    Each event comes to its functions at least once, those of one stream in order; it comes again after a crash. So
    what must not be doubled goes through `act`: what is emitted and executed happens once, and of what is done outside
    a ledger is kept, so that it is done once or is visibly unknown. Nothing of it is done again by a rebuild.

    Args:
        name: of the reactor, its checkpoint and its ledger. Stored: under another name it is another reactor.
        start: where it begins to follow the log, the first time it is started: after what is there, "now", or at the
            "beginning". Afterwards it goes on where it was.
        emits: the classes of events that it emits; any other is refused.
        query: narrows the events to less than what its handlers would take.
        on_error: what becomes of an event that cannot be handled. By default the reactor stops at it.
        partitions: into how many shares its streams are divided, which processes and machines run side by side. Fixed
            for life.
        concurrency: events of different streams that are handled at once, in each partition.
        unknown: what becomes of an action of which nobody can say whether it was done: the event is parked, whatever
            `on_error` says ("park"); it is done again ("repeat"); or `await check(recorded, key)` tells whether it was.
        timeout: seconds for each call of a function that is `async def`; one that takes longer has failed, and an
            action that it was about is unknown.
        position_every: events after which the checkpoint is moved, at the latest; it is moved, too, when the end of the
            log is reached. So many, and those under way, come again after a crash.

    Raises:
        InvalidInput: a name that is none, another start, no event classes, or a number below 1.
    """

    kind: str = "reactor"
    version: int = 1
    tables: Sequence[Table] = ()

    def __init__(
        self,
        name: str,
        *,
        start: Start,
        emits: Sequence[type[Any]] = (),
        query: Query | None = None,
        on_error: ErrorPolicy = Stop(),  # noqa: B008 - it is frozen
        partitions: int = 1,
        concurrency: int = 1,
        unknown: Unknown = "park",
        position_every: int = 1,
        timeout: float = TIMEOUT,
    ) -> None:
        super().__init__(checked_name("a reactor", name))
        self.name = name
        self.start: Start = _checked_start(name, start)
        self.emits: frozenset[type[Any]] = _checked_classes(name, emits)
        self.on_error: ErrorPolicy = checked_policy(name, on_error)
        self.partitions: int = _within(name, "partitions", partitions, MOST_PARTITIONS)
        self.concurrency: int = _within(name, "concurrency", concurrency, MOST_AT_ONCE)
        self.unknown: Unknown = checked_unknown(name, unknown)
        self.position_every: int = _within(name, "position_every", position_every, LARGEST_STEP)
        if timeout <= 0:
            raise InvalidInput(f"reactor {name!r}: timeout={timeout} seconds; more than 0")
        self.timeout = timeout
        self._query = query

    @property
    def query(self) -> Query:
        """The events it follows. Raises InvalidInput while it has no handler."""
        return self.handlers.query(self._query)

    def __repr__(self) -> str:
        return f"Reactor({self.name!r}, start={self.start!r})"


def _checked_start(name: str, start: object) -> Start:
    if start == "now":
        return "now"
    if start == "beginning":
        return "beginning"
    raise InvalidInput(
        f"reactor {name!r}: start={start!r}; write 'now' to leave alone what has happened before it is first started, "
        "or 'beginning' to answer that too"
    )


def _checked_classes(name: str, emits: object) -> frozenset[type[Any]]:
    given: Sequence[object] = cast("Sequence[object]", emits) if isinstance(emits, Sequence) else [None]
    classes = [each for each in given if isinstance(each, type)]
    if len(classes) < len(given):
        raise InvalidInput(f"reactor {name!r}: emits={emits!r}; pass a list of event classes, emits=[SomeEvent]")
    return frozenset(classes)


def _within(name: str, what: str, number: object, most: int) -> int:
    if type(number) is not int or not 1 <= number <= most:
        raise InvalidInput(f"reactor {name!r}: {what}={number!r}; 1 to {most:,}")
    return number
