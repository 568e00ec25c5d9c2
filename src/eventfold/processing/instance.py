"""One process: what its stream tells of it, folded; and what it decides on one more input, as events to append."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import timedelta
from typing import Any, Final, cast
from uuid import UUID, uuid5

import msgspec

from eventfold.domain.decider import fold
from eventfold.domain.message import NewEvent, StoredEvent, Stream, to_micros
from eventfold.domain.process import Cancel, Complete, Emit, Schedule, Send
from eventfold.domain.story import (
    STORIES,
    Cancelled,
    Completed,
    Emitted,
    Kept,
    Nudged,
    Record,
    Refused,
    Scheduled,
    Seen,
    Sent,
    Stopped,
    TimedOut,
    stored_name,
)
from eventfold.errors import DecodeError, InvalidInput, UnknownEvent
from eventfold.ports.event_store import Fact
from eventfold.ports.timers import Gone, Timer
from eventfold.processing.orders import Orders
from eventfold.processing.process_manager import ProcessManager
from eventfold.schema.serializer import Envelope, Serializer

__all__ = ["Alarm", "Deciding", "Instance", "Taken", "derived", "told"]

_NAMESPACE: Final = UUID("0a52fb0c-3f4f-5d4e-8e0b-8a52b1f3d6c4")  # for life: ids that are stored come from it
_DECODERS: Final = {name: msgspec.json.Decoder(cls) for name, cls in STORIES.items()}
_encode: Final = msgspec.json.Encoder(order="deterministic").encode
_MICROSECOND: Final = timedelta(microseconds=1)
_LATEST: Final = 2**62


class Alarm(msgspec.Struct, frozen=True):
    """What a row of a time-out carries: the event that the process is given, and the conversation it belongs to."""

    event: Kept
    conversation: str


class Pending(msgspec.Struct, frozen=True):
    """A time-out that is planned, with the position at which it was and the conversation it belongs to."""

    position: int
    scheduled: Scheduled
    conversation: str


class Taken(msgspec.Struct):
    """An input that has been taken, with what was decided on it: positions and records, in order."""

    seen: Seen
    position: int
    actions: list[tuple[int, Record]] = []

    @property
    def keys(self) -> set[str]:
        """Of the time-outs it has to do with."""
        planned = {record.key for _, record in self.actions if isinstance(record, Scheduled | Cancelled)}
        return planned if self.seen.timer is None else planned | {self.seen.timer}


class Instance:
    """
    A process as its stream tells it; it knows nothing of the application's classes, so programs without them use it.
    """

    def __init__(self, manager: str, id: str) -> None:
        self.manager = manager
        self.id = id
        self.version = 0
        """Of its stream."""
        self.begun: int | None = None
        """Version of the manager with which it began; None: it has not."""
        self.latest: int = 0
        """The highest version that has decided on it."""
        self.taken: dict[UUID, Taken] = {}
        """Inputs by the id of their event, in order."""
        self.pending: dict[str, Pending] = {}
        """Time-outs that are planned, by key."""
        self.keys: set[str] = set()
        """Of all time-outs that were ever planned."""
        self.refused: set[tuple[UUID, int]] = set()
        """Commands that the domain has rejected: the input, and the number of the action."""
        self.completed = False
        self.stopped: Stopped | None = None
        self.position = 0
        """Of the last event of its stream."""

    @property
    def over(self) -> bool:
        return self.completed or self.stopped is not None

    @property
    def last(self) -> Taken | None:
        """The input it has taken last."""
        return next(reversed(self.taken.values()), None)

    def add(self, version: int, position: int, record: Record) -> None:
        """The next event of its stream."""
        self.version, self.position = version, position
        match record:
            case Seen():
                self.begun = record.code if self.begun is None else self.begun
                self.latest = max(self.latest, record.code)
                self.taken[record.source] = Taken(record, position, [])
                if record.timer is not None:
                    self.pending.pop(record.timer, None)
            case Refused():
                self.refused.add((record.source, record.number))
            case Stopped():
                self.stopped = record
            case TimedOut() | Nudged():
                pass
            case _:
                self._decided(position, record)
        if self.over:
            self.pending.clear()

    def forget_before(self, source: UUID) -> None:
        """Keep this input alone, for whoever only wants to know how it stands."""
        self.taken = {source: self.taken[source]}

    def _decided(self, position: int, record: Record) -> None:
        last = self.last
        assert last is not None, "actions follow an input"
        last.actions.append((position, record))
        match record:
            case Scheduled():
                self.pending[record.key] = Pending(position, record, last.seen.conversation)
                self.keys.add(record.key)
            case Cancelled():
                self.pending.pop(record.key, None)
            case Completed():
                self.completed = True
            case _:
                pass

    # ------------------------------------------------------------------------ its timers

    def timers(self, keys: Iterable[str]) -> tuple[list[Timer], list[Gone]]:
        """How the rows of these keys should be."""
        planned: list[Timer] = []
        gone: list[Gone] = []
        for key in sorted(keys):
            if key in self.pending:
                each = self.pending[key]
                event = each.scheduled.event
                data = _encode(Alarm(event, each.conversation))
                planned.append(
                    Timer(self.manager, self.id, key, each.scheduled.due_at, event.type, data, each.position)
                )
            else:
                gone.append(Gone(self.manager, self.id, key, self.position))
        return planned, gone


class Decided(msgspec.Struct, frozen=True):
    """What goes into the stream of the process: what it says, and as events."""

    records: Sequence[Record]
    events: Sequence[NewEvent]

    def add_to(self, instance: Instance, positions: Sequence[int]) -> None:
        """It is stored, at these positions."""
        for record, position in zip(self.records, positions, strict=True):
            instance.add(instance.version + 1, position, record)


def told(fact: Fact, stream: Stream) -> Record:
    """
    What an event of the stream of a process says.

    Raises:
        UnknownEvent: a newer release has written it, or somebody who should not.
        DecodeError: it says nothing.
    """
    version, position, name, _, _, data = fact
    decoder = _DECODERS.get(name)
    if decoder is None:
        why = "only its process manager records in this stream, and this release does not know the name"
        raise UnknownEvent(name, stream, version, position, why)
    try:
        return decoder.decode(data)  # type: ignore[arg-type] # None, which is erased, is met below
    except (msgspec.MsgspecError, UnicodeDecodeError, TypeError) as error:
        why = "it has been erased" if data is None else str(error)
        raise DecodeError(name, why, stream, version, position) from error


def derived(manager: str, what: str) -> UUID:
    """The id of what follows from something, the same each time that it does."""
    return uuid5(_NAMESPACE, f"{manager} {what}")


class Deciding:
    """What one manager does with its processes: read them, fold their states, decide."""

    def __init__(self, manager: ProcessManager[Any, Any], serializer: Serializer, orders: Orders) -> None:
        self._manager = manager
        self._serializer = serializer
        self._orders = orders

    async def read(self, id: str, facts: AsyncIterator[Sequence[Fact]]) -> Instance:
        """
        Raises:
            UnknownEvent, DecodeError: its stream holds what this code cannot read, or newer code has gone on with it.
        """
        name, version = self._manager.name, self._manager.version
        instance, stream = Instance(name, id), Stream(name, id)
        async for page in facts:
            for fact in page:
                instance.add(fact[0], fact[1], told(fact, stream))
        if instance.latest > version:
            why = f"version {instance.latest} of the manager has gone on with this process, and here is {version}"
            raise DecodeError(stored_name(Seen), why, stream, instance.version, instance.position)
        return instance

    def decide(self, instance: Instance, event: object, source: StoredEvent) -> Decided:
        """
        The input, and what the process does.

        Raises:
            whatever `evolve` and `react` raise.
            InvalidInput: what they ask for cannot be done. Unencodable: it cannot be kept.
        """
        manager = self._manager
        rules = manager.of_version(manager.version if instance.begun is None else instance.begun)
        state = rules.evolve(self._state(rules, instance), event)
        actions = cast("object", rules.react(state, event))
        if not isinstance(actions, Sequence):
            raise InvalidInput(f"react of manager {manager.name!r} gives {actions!r}; return a list, [] for nothing")
        patience = manager.stuck_after
        seen = Seen(
            UUID(bytes=source.event_id),
            source.position,
            str(source.stream),
            manager.version,
            source.correlation_id or str(UUID(bytes=source.event_id)),
            kept(source),
            _timer(source),
            None if patience is None else patience // _MICROSECOND,
        )
        decided = [self._record(rules, action, source.recorded_at) for action in cast("Sequence[object]", actions)]
        records: list[Record] = [seen, *decided]
        if any(isinstance(each, Completed) for each in records):
            records = [each for each in records if not isinstance(each, Scheduled)]  # they would never come
        return Decided(records, self._events(instance.id, records, source))

    def _state(self, rules: ProcessManager[Any, Any], instance: Instance) -> Any:
        facts: list[Fact] = []
        for number, each in enumerate(instance.taken.values(), 1):
            input = each.seen.input
            facts.append((number, each.position, input.type, input.version, input.format, input.data))
        events = self._serializer.events(Stream(instance.manager, instance.id), facts) if facts else []
        return fold(rules, events, rules.initial(instance.id))

    def _record(self, rules: ProcessManager[Any, Any], action: object, now: int) -> Record:
        match action:
            case Schedule():
                return Scheduled(action.key, _due(action, now), self._kept(rules, action.event))
            case Cancel():
                return Cancelled(action.key)
            case Complete():
                return Completed()
            case Emit():
                if type(action.event) not in rules.emits:
                    declared = sorted(each.__name__ for each in rules.emits)
                    name = type(action.event).__name__
                    raise InvalidInput(
                        f"manager {rules.name!r} emits {declared}, and not {name}: declare it, emits=[{name}]"
                    )
                return Emitted(*action.stream, self._encoded(action.event))
            case Send():
                refused = None if action.on_refused is None else self._kept(rules, action.on_refused)
                return Sent(action.decider.name, self._orders.keep(action.decider, action.command), action.id, refused)
            case _:
                raise InvalidInput(
                    f"react of manager {rules.name!r} gives {action!r}; give Schedule, Cancel, Send, Emit or Complete"
                )

    def _kept(self, rules: ProcessManager[Any, Any], event: object) -> Kept:
        if not isinstance(event, rules.inputs):
            taken = sorted(each.__name__ for each in rules.inputs)
            raise InvalidInput(
                f"manager {rules.name!r} would be given {event!r}, and its evolve takes {taken}: annotate "
                f"evolve(state, seen: … | {type(event).__name__}), or pass inputs=[…]"
            )
        return self._encoded(event)

    def _encoded(self, event: object) -> Kept:
        (new,) = self._serializer.encode([event], Envelope())
        return Kept.of(new.type, new.schema_version, new.format, new.data)

    def _events(self, id: str, records: Sequence[Record], source: StoredEvent) -> list[NewEvent]:
        cause = str(UUID(bytes=source.event_id))
        return [
            NewEvent(
                event_id=derived(self._manager.name, f"{id} {source.event_id.hex()} {number}").bytes,
                type=stored_name(type(record)),
                data=_encode(record),
                correlation_id=source.correlation_id or cause,
                causation_id=cause,
            )
            for number, record in enumerate(records)
        ]


def kept(source: StoredEvent) -> Kept:
    """The input itself: of what the manager has recorded for itself, the event that is in it."""
    record = _own(source)
    if isinstance(record, TimedOut | Refused):
        return record.event
    return Kept.of(source.type, source.schema_version, source.format, source.data or b"")


def _timer(source: StoredEvent) -> str | None:
    record = _own(source)
    return record.key if isinstance(record, TimedOut) else None


def _own(source: StoredEvent) -> Record | None:
    if source.type not in _DECODERS:
        return None
    fact = (source.version, source.position, source.type, source.schema_version, source.format, source.data)
    return told(fact, source.stream)


def _due(schedule: Schedule, now: int) -> int:
    if schedule.at is not None:
        return to_micros(schedule.at)
    assert schedule.after is not None
    return min(now + schedule.after // _MICROSECOND, _LATEST)
