"""
Every error of Eventfold, on one page.

EventfoldError
├── Conflict                        somebody else was quicker; load, decide and append again
│   ├── ConcurrencyConflict         the stream is at another version than expected
│   ├── BoundaryConflict            a new event matches the query the decision was based on
│   └── RetryTransaction            only the owner of the transaction can try again
├── IdReused                        the id is known, and it stands for something else
│   ├── EventIdConflict
│   └── CommandIdConflict
├── EntityEnded · MailboxFull       the entity took no command; nothing was decided
├── AppendOutcomeUnknown            committed or not: ask again with the same event ids
├── InvalidInput                    refused before anything was touched
│   ├── EmptyAppend
│   ├── TooLarge
│   ├── InvalidStreamName
│   ├── InvalidStoreUrl
│   ├── Unencodable
│   ├── CannotInferEvents
│   ├── CannotLoad
│   ├── InsideEventLoop
│   └── UnsupportedStatement
├── SchemaError                     stored form and class do not meet
│   ├── UnknownEvent
│   ├── DecodeError
│   ├── DuplicateName
│   └── UpcastFailed
├── StoreError                      the store cannot do this, now or ever
│   ├── StoreUnavailable · StoreBusy · LockTimedOut · StoreFull · StoreClosed · StoreUsedAfterFork
│   ├── StoreNotMigrated · StoreTooNew · NotAStore · LogDiverged · NotPermitted · StreamTruncated · OutcomeGone
│   └── UnsupportedByStore · UnsupportedIsolation
└── ProcessingError                 a processor could not go on
    ├── HandlerFailed · ProcessorStopped · ProcessorTaken · Fenced · CheckpointAheadOfLog
    └── ActionUnknown · AppendInsideProjection · WaitTimedOut

A rejection, the domain saying no, is not in this tree: it is an exception of the user's own,
passes through untouched, is never retried and never logged as a failure.

Every error carries its values as attributes, and `retryable` says whether the same call may
succeed when it is simply made again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

__all__ = [
    "ActionUnknown",
    "AppendInsideProjection",
    "AppendOutcomeUnknown",
    "BoundaryConflict",
    "CannotInferEvents",
    "CannotLoad",
    "CheckpointAheadOfLog",
    "CommandIdConflict",
    "ConcurrencyConflict",
    "Conflict",
    "DecodeError",
    "DuplicateName",
    "EmptyAppend",
    "EntityEnded",
    "EventIdConflict",
    "EventfoldError",
    "Fenced",
    "HandlerFailed",
    "IdReused",
    "InsideEventLoop",
    "InvalidInput",
    "InvalidStoreUrl",
    "InvalidStreamName",
    "LockTimedOut",
    "LogDiverged",
    "MailboxFull",
    "NotAStore",
    "NotPermitted",
    "OutcomeGone",
    "ProcessingError",
    "ProcessorStopped",
    "ProcessorTaken",
    "RetryTransaction",
    "SchemaError",
    "StoreBusy",
    "StoreClosed",
    "StoreError",
    "StoreFull",
    "StoreNotMigrated",
    "StoreTooNew",
    "StoreUnavailable",
    "StoreUsedAfterFork",
    "StreamTruncated",
    "TooLarge",
    "Unencodable",
    "UnknownEvent",
    "UnsupportedByStore",
    "UnsupportedIsolation",
    "UnsupportedStatement",
    "UpcastFailed",
    "WaitTimedOut",
]


class EventfoldError(Exception):
    """Anything that Eventfold itself raises."""

    retryable: ClassVar[bool] = False


# ---------------------------------------------------------------------------- conflicts


class Conflict(EventfoldError):
    """Somebody else was quicker. Nothing was stored; load, decide and append again."""

    retryable = True


class ConcurrencyConflict(Conflict):
    """The stream is not where the append expected it. Nothing was stored."""

    def __init__(self, stream: tuple[str, str], expected: int | str, actual: int) -> None:
        self.stream = stream
        self.expected = expected
        self.actual = actual
        super().__init__(
            f"stream {stream[0]}-{stream[1]}: expected {_version(expected)}, found {_version(actual)}; "
            "load it again and decide anew"
        )


class BoundaryConflict(Conflict):
    """An event that matches the decision's query was stored after the decision was read."""

    def __init__(self, query: object, position: int) -> None:
        self.query = query
        self.position = position
        super().__init__(
            f"position {position} matches {query!r} and is newer than the decision; read it again and decide anew"
        )


class RetryTransaction(Conflict):
    """The caller's own transaction has to be rolled back and tried again as a whole."""


# ------------------------------------------------------------------------------- ids


class IdReused(EventfoldError):
    """An id that is already taken came again with other content. Nothing was stored."""


class EventIdConflict(IdReused):
    """The event id is stored already, with another content, in another stream or beside unknown ids."""

    def __init__(self, event_id: UUID, why: str) -> None:
        self.event_id = event_id
        self.why = why
        super().__init__(
            f"event id {event_id}: {why}; a retry must repeat the whole append unchanged, anything else needs a new id"
        )


class CommandIdConflict(IdReused):
    """The command id is known, for another command."""

    def __init__(self, command_id: UUID, why: str) -> None:
        self.command_id = command_id
        self.why = why
        super().__init__(f"command id {command_id}: {why}; a retry must repeat the same command")


class EntityEnded(EventfoldError):
    """This entity takes no more commands; `why` it does not. Nothing was decided, and another can be opened."""

    def __init__(self, stream: object, why: str) -> None:
        self.stream = stream
        self.why = why
        super().__init__(
            f"the entity of stream {stream} has ended: {why}; open it again with `async with running.entity(…)`"
        )


class MailboxFull(EventfoldError):
    """All `size` places of an entity's mailbox were taken for `waited` seconds. Nothing was decided."""

    retryable = True

    def __init__(self, stream: object, size: int, waited: float) -> None:
        self.stream = stream
        self.size = size
        self.waited = waited
        super().__init__(
            f"the mailbox of the entity of stream {stream} had no place for {waited:g} s, all {size} were taken; try "
            "again later, wait longer with timeout=, or open the entity with a larger mailbox="
        )


class AppendOutcomeUnknown(EventfoldError):
    """
    The store did not answer, so the events may or may not be stored.

    Append the same events with the same ids again: event ids make that safe, and the answer is the truth.
    """

    retryable = True

    def __init__(self, event_ids: Sequence[UUID], why: str) -> None:
        self.event_ids: tuple[UUID, ...] = tuple(event_ids)
        self.why = why
        super().__init__(
            f"{why}: it is unknown whether {len(self.event_ids)} event(s) were stored; "
            "append them again with the same ids to find out"
        )


# ---------------------------------------------------------------------------- bad input


class InvalidInput(EventfoldError, ValueError):
    """The call cannot mean anything. Nothing was touched."""


class EmptyAppend(InvalidInput):
    """An append without events, or a call without appends."""


class TooLarge(InvalidInput):
    """More than the framework's limit, checked before the store is asked."""

    def __init__(self, what: str, size: int, limit: int) -> None:
        self.what = what
        self.size = size
        self.limit = limit
        super().__init__(f"{what}: {size:,} is more than the limit of {limit:,}; split it")


class InvalidStreamName(InvalidInput):
    """Category: a letter, then letters, digits, `_`, `:`, `.`. Id: 1 to 255 bytes of UTF-8 without NUL."""

    def __init__(self, category: object, id: object, why: str) -> None:
        self.category = category
        self.id = id
        self.why = why
        super().__init__(f"stream ({category!r}, {_short(id)}): {why}")


class InvalidStoreUrl(InvalidInput):
    """The address names no store, or an option that the store does not have."""


class Unencodable(InvalidInput):
    """The value would not come back from the store as it is. Nothing was stored."""

    def __init__(self, type_name: str, why: str) -> None:
        self.type_name = type_name
        self.why = why
        super().__init__(f"{type_name} cannot be stored: {why}")


class CannotInferEvents(InvalidInput):
    """The event classes cannot be read from the annotation of `evolve`."""

    def __init__(self, name: str, why: str) -> None:
        self.name = name
        self.why = why
        super().__init__(f"{name!r}: {why}; annotate evolve(state, event: A | B), or pass events=[A, B]")


class CannotLoad(InvalidInput):
    """The application of that name cannot be had; the cause is chained where its own code has failed."""

    def __init__(self, name: str, why: str) -> None:
        self.name = name
        self.why = why
        super().__init__(f"{name!r} cannot be loaded: {why}")


class InsideEventLoop(InvalidInput):
    """The synchronous face was called where an event loop runs, which would stand still until the answer."""

    def __init__(self) -> None:
        super().__init__(
            "an event loop runs in this thread, and would stand still meanwhile: await `async with app.open(url)` "
            "instead, or call this in another thread, `await asyncio.to_thread(…)`; in a notebook, open with "
            "within_loop=True"
        )


class UnsupportedStatement(InvalidInput):
    """A statement, or a column type, outside the language of read models."""


# ------------------------------------------------------------------------------- schema


class SchemaError(EventfoldError):
    """Stored form and class do not meet."""


class UnknownEvent(SchemaError):
    """No class of this application stands for the stored name, or no name for the class."""

    def __init__(
        self,
        type_name: str,
        stream: tuple[str, str] | None = None,
        version: int | None = None,
        position: int | None = None,
        why: str = "no class of this application is stored under that name",
    ) -> None:
        self.type_name = type_name
        self.stream = stream
        self.version = version
        self.position = position
        self.why = why
        super().__init__(f"event {type_name!r}{_place(stream, version, position)}: {why}")


class DecodeError(SchemaError):
    """The stored bytes are no value of the class."""

    def __init__(
        self,
        type_name: str,
        why: str,
        stream: tuple[str, str] | None = None,
        version: int | None = None,
        position: int | None = None,
    ) -> None:
        self.type_name = type_name
        self.why = why
        self.stream = stream
        self.version = version
        self.position = position
        super().__init__(f"event {type_name!r}{_place(stream, version, position)} cannot be decoded: {why}")


class DuplicateName(SchemaError):
    """Two things of one application share a name that is stored."""

    def __init__(self, name: str, first: object, second: object, remedy: str) -> None:
        self.name = name
        self.first = first
        self.second = second
        super().__init__(f"the name {name!r} stands for both {first!r} and {second!r}; {remedy}")


class UpcastFailed(SchemaError):
    """An upcaster could not bring an old event into today's shape."""

    def __init__(
        self,
        type_name: str,
        step: str,
        why: str,
        stream: tuple[str, str] | None = None,
        version: int | None = None,
        position: int | None = None,
    ) -> None:
        self.type_name = type_name
        self.step = step
        self.why = why
        self.stream = stream
        self.version = version
        self.position = position
        at = f" at the step {step}" if step else ""
        super().__init__(
            f"event {type_name!r}{_place(stream, version, position)} cannot be upcast{at}: {why}; correct the upcaster"
        )


# -------------------------------------------------------------------------------- store


class StoreError(EventfoldError):
    """The store cannot do this, now or ever. Nothing was stored by the call."""


class StoreUnavailable(StoreError):
    """The store cannot be reached or refuses to work."""

    retryable = True


class LogDiverged(StoreError):
    """The log that was followed is not the one that is there now: a copy of it that has lost the end."""

    def __init__(self, position: int) -> None:
        self.position = position
        super().__init__(
            f"the event at position {position}, which has been read, is not in the log any more: another server has "
            "taken over and lacks the end of it. Open the store anew: projectors are checked then; rebuild those that "
            "are ahead of the log by raising their version"
        )


class StreamTruncated(StoreError):
    """The first events of the stream are gone, so it cannot be folded from its beginning."""

    def __init__(self, stream: tuple[str, str], before_version: int) -> None:
        self.stream = stream
        self.before_version = before_version
        super().__init__(
            f"an administrator has removed the events of stream {stream[0]}-{stream[1]} below version "
            f"{before_version}: half of a story gives no state. Read what is left with read(), or begin from a state "
            "that was kept"
        )


class OutcomeGone(StoreError):
    """The command was accepted before, and its events have been removed since: what came of it cannot be told again."""

    def __init__(self, command_id: UUID, stream: tuple[str, str]) -> None:
        self.command_id = command_id
        self.stream = stream
        super().__init__(
            f"command id {command_id} was accepted before, and an administrator has removed events of stream "
            f"{stream[0]}-{stream[1]} since, so its outcome cannot be told again; it was not executed a second time. "
            "Take it as done, or give the command a new id"
        )


class StoreBusy(StoreError):
    """Another process held the store for longer than the deadline."""

    retryable = True

    def __init__(self, holder_pid: int | None, held_for: float) -> None:
        self.holder_pid = holder_pid
        self.held_for = held_for
        holder = "another process" if holder_pid is None else f"process {holder_pid}"
        super().__init__(f"{holder} held the store for {held_for:.1f} s; end it, or raise ?busy= in the store's URL")


class LockTimedOut(StoreError):
    """Somebody else held the lock of a stream all the time; `waited` is in seconds."""

    retryable = True

    def __init__(self, stream: object, waited: float) -> None:
        self.stream = stream
        self.waited = waited
        super().__init__(
            f"stream {stream} was locked by somebody else for {waited:g} s; try again, wait longer with timeout=, "
            "or execute without a lock: versions are verified all the same"
        )


class StoreFull(StoreError):
    """No room left. Nothing of the append was stored; free space and append again."""


class StoreClosed(StoreError):
    """The store, or the running application, has been closed."""

    def __init__(self, what: str = "the store") -> None:
        super().__init__(f"{what} is closed; open it again with `async with app.open(url)`")


class StoreUsedAfterFork(StoreError):
    """A store that was opened in one process is used in its child; open it again there."""

    def __init__(self, opened_in: int, used_in: int) -> None:
        self.opened_in = opened_in
        self.used_in = used_in
        super().__init__(
            f"opened in process {opened_in}, used in {used_in}; start children by spawning and open the store there"
        )


class StoreNotMigrated(StoreError):
    """
    Tables are missing or old, and migrations are off; or, with `finish`, an older release may still use the store.

    Then `found` is the schema version of the oldest code that may, and `wanted` the one this needs.
    """

    def __init__(self, store: str, found: int, wanted: int, *, finish: bool = False) -> None:
        self.store = store
        self.found = found
        self.wanted = wanted
        self.finish = finish
        if finish:
            super().__init__(
                f"{store} may still be used by code of schema version {found}, which would not understand this; "
                "when no older release is left, run `eventfold store migrate --finish`"
            )
            return
        missing = "has no tables of Eventfold" if found == 0 else f"is at schema version {found}"
        super().__init__(f"{store} {missing}, version {wanted} is needed; open it once with migrate=True")


class NotPermitted(StoreError):
    """The database does not let this role do that. `role` is its name, None where the database did not tell."""

    def __init__(self, where: str, role: str | None, said: str, remedy: str) -> None:
        self.where = where
        self.role = role
        self.said = said
        named = "the role of the URL" if role is None else f"the role {role!r}"
        super().__init__(f"{where} does not let {named} do that: {said}; {remedy}")


class StoreTooNew(StoreError):
    """A newer release of Eventfold has migrated this store."""

    def __init__(self, store: str, found: int, supported: int) -> None:
        self.store = store
        self.found = found
        self.supported = supported
        super().__init__(f"{store} is at schema version {found}, this release knows {supported}; upgrade Eventfold")


class NotAStore(StoreError):
    """What the address names is something else."""


class UnsupportedByStore(StoreError):
    """This kind of store cannot do that."""


class UnsupportedIsolation(StoreError):
    """The caller's transaction runs at an isolation level that cannot keep the promise."""


# --------------------------------------------------------------------------- processing


class ProcessingError(EventfoldError):
    """
    A processor could not go on.

    `event` is the recorded event in hand, None when it was not about one.
    """

    def __init__(self, event: object | None, processor: str, cause: BaseException | None, message: str) -> None:
        self.event = event
        self.processor = processor
        self.cause = cause
        super().__init__(message)


class HandlerFailed(ProcessingError):
    """A handler, or a row it wrote, failed. Nothing of the event's effect was kept."""

    def __init__(self, event: object, processor: str, cause: BaseException, where: str) -> None:
        self.where = where
        super().__init__(event, processor, cause, f"processor {processor!r} failed on {where}: {_cause(cause)}")


class ProcessorStopped(ProcessingError):
    """The processor has stopped because of `cause`, and nothing will move it until it is started again."""

    def __init__(self, processor: str, cause: BaseException) -> None:
        event = cause.event if isinstance(cause, ProcessingError) else None
        super().__init__(event, processor, cause, f"processor {processor!r} has stopped: {_cause(cause)}")


class Fenced(ProcessingError):
    """Somebody else moved this processor's checkpoint. Nothing of the batch was kept."""

    def __init__(self, processor: str, expected: int, actual: int | None, epoch: int) -> None:
        self.expected = expected
        self.actual = actual
        self.epoch = epoch
        found = (
            "it does not exist"
            if actual is None
            else "it is of another epoch now"
            if actual == expected
            else f"it is at {actual}"
        )
        super().__init__(
            None,
            processor,
            None,
            f"processor {processor!r} (epoch {epoch}) expected its checkpoint at {expected}, but {found}: "
            "another copy runs, or it was reset",
        )


class ProcessorTaken(ProcessingError):
    """Another process runs the processor, and this one was told not to stand by."""

    retryable = True

    def __init__(self, processor: str, owner: str, left: float) -> None:
        self.owner = owner
        self.left = left
        super().__init__(
            None,
            processor,
            None,
            f"processor {processor!r} is run by {owner}, whose lease holds for {max(left, 0.0):.1f} s more unless "
            "it is renewed; stop that one, or stand by until it is free",
        )


class ActionUnknown(ProcessingError):
    """An action was begun for an event, and nobody can say whether it was done: the process died, or it timed out."""

    def __init__(self, event: object, processor: str, key: str) -> None:
        self.key = key
        super().__init__(
            event,
            processor,
            None,
            f"reactor {processor!r}: whether {key!r} was done is unknown; look at what it acts on, then "
            f"`eventfold parked retry {processor} POSITION --unknown done` or `--unknown repeat`",
        )


class CheckpointAheadOfLog(ProcessingError):
    """The checkpoint names an event that this log does not hold: another log, or one that lost its tail."""

    def __init__(self, processor: str, position: int, head: int) -> None:
        self.position = position
        self.head = head
        super().__init__(
            None,
            processor,
            None,
            f"processor {processor!r} has finished position {position}, but the log ends at {head} or holds another "
            "event there; restore the log, or rebuild the projection by raising its version",
        )


class AppendInsideProjection(ProcessingError):
    """
    Nothing is recorded and no command executed from within a projector, which may be replayed, nor from within an
    append, by a transactional handler: it would wait for itself.
    """

    def __init__(self, processor: str, *, transactional: bool = False) -> None:
        self.transactional = transactional
        kind, why = (
            ("transactional handler", "it runs inside of an append; execute from an EventHandler, after the commit")
            if transactional
            else ("projector", "it may be replayed, use a reactor")
        )
        super().__init__(
            None, processor, None, f"{kind} {processor!r} tried to append an event or execute a command; {why}"
        )


class WaitTimedOut(ProcessingError):
    """The processor did not reach the position in time. It may do so later."""

    retryable = True

    def __init__(self, processor: str, position: int, reached: int, timeout: float, *, paused: bool = False) -> None:
        self.position = position
        self.reached = reached
        self.timeout = timeout
        self.paused = paused
        hint = f"it is paused; `eventfold processors resume {processor}` lets it go on" if paused else "does it run?"
        super().__init__(
            None,
            processor,
            None,
            f"processor {processor!r} is at {reached}, not yet at {position}, after {timeout:g} s; {hint}",
        )


# ------------------------------------------------------------------------------ wording


def _version(version: int | str) -> str:
    return "no stream" if version == 0 else f"version {version}" if isinstance(version, int) else version


def _place(stream: tuple[str, str] | None, version: int | None, position: int | None) -> str:
    named = "" if stream is None else f" in stream {stream[0]}-{stream[1]}"
    numbered = "" if version is None else f", version {version}"
    placed = "" if position is None else f", position {position}"
    return named + numbered + placed


def _cause(cause: BaseException) -> str:
    return f"{type(cause).__name__}: {cause}" if str(cause) else type(cause).__name__


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
