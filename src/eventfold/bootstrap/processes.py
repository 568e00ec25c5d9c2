"""Processes of managers seen and mended from outside, by their streams and the rows of their time-outs alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, TypeAlias

import msgspec

from eventfold.adapters.system import uuid7
from eventfold.bootstrap.stores import Stores
from eventfold.domain.message import NewEvent, StoredEvent, Stream, to_micros
from eventfold.domain.query import Query
from eventfold.domain.story import STORIES, Nudged, Seen, Stopped, stored_name
from eventfold.errors import InvalidInput
from eventfold.ports.clock import Clock
from eventfold.ports.event_store import EXISTS, Append
from eventfold.processing.alarm_clock import timed_out
from eventfold.processing.instance import Instance, told

__all__ = ["Process", "State", "cancel", "managers", "nudge", "process_of", "processes", "ring", "story"]

State: TypeAlias = Literal["open", "stuck", "completed", "cancelled"]

_encode: Final = msgspec.json.Encoder(order="deterministic").encode
_FAR: Final = 2**62


class Process(msgspec.Struct, frozen=True):
    """
    A process at a glance. Times are microseconds since 1970 in UTC.

    Args:
        begun: version of the manager it began with; `latest`: the highest that has decided on it.
        inputs: that it has taken; `last_input` is the stored name of the last one, taken at `last_at`.
        due: when its next time-out comes; None: none is planned.
    """

    manager: str
    id: str
    state: State
    begun: int
    latest: int
    inputs: int
    last_input: str
    last_at: int
    due: int | None


class _Seen:
    """What is needed of a process to list it."""

    def __init__(self, manager: str, id: str) -> None:
        self.instance = Instance(manager, id)
        self.last: Seen | None = None
        self.last_at = 0
        self.inputs = 0

    def add(self, event: StoredEvent) -> None:
        record = told(_fact(event), event.stream)
        self.instance.add(event.version, event.position, record)
        if isinstance(record, Seen):
            self.last, self.last_at = record, event.recorded_at
            self.inputs += 1
            self.instance.forget_before(record.source)

    def process(self, now: int) -> Process | None:
        of, last = self.instance, self.last
        if last is None or of.begun is None:
            return None
        late = last.patience is not None and self.last_at + last.patience < now
        state: State = "cancelled" if of.stopped else "completed" if of.completed else "stuck" if late else "open"
        due = min((each.scheduled.due_at for each in of.pending.values()), default=None)
        return Process(of.manager, of.id, state, of.begun, of.latest, self.inputs, last.input.type, self.last_at, due)


async def managers(stores: Stores) -> Sequence[str]:
    """Those that have ever started on the store."""
    return [each.name for each in await stores.rows.processors() if each.kind == "manager"]


async def processes(stores: Stores, manager: str, *, clock: Clock) -> Sequence[Process]:
    """
    All of a manager, by id. The price grows with what it has recorded.

    Raises:
        InvalidInput: there is no such manager.
        UnknownEvent, DecodeError: a newer release has recorded what this one cannot read.
    """
    await _refuse_unknown(stores, manager)
    found: dict[str, _Seen] = {}
    async for event in stores.events.read_all(Query.of(*STORIES, categories=[manager])):
        if event.id not in found:
            found[event.id] = _Seen(manager, event.id)
        found[event.id].add(event)
    now = to_micros(clock.now())
    listed = (found[id].process(now) for id in sorted(found))
    return [each for each in listed if each is not None]


async def process_of(stores: Stores, manager: str, id: str, *, clock: Clock) -> Process:
    """Raises InvalidInput where there is no such process."""
    await _refuse_unknown(stores, manager)
    seen = _Seen(manager, id)
    for event in await story(stores, manager, id):
        seen.add(event)
    process = seen.process(to_micros(clock.now()))
    if process is None:
        raise InvalidInput(f"manager {manager!r} has no process {id!r}; `eventfold managers ls {manager}` lists them")
    return process


async def story(stores: Stores, manager: str, id: str) -> Sequence[StoredEvent]:
    """Its stream, in order."""
    return [event async for event in stores.events.read(Stream.of(manager, id)) if event.type in STORIES]


async def nudge(stores: Stores, manager: str, id: str, *, actor: str, reason: str | None) -> None:
    """
    Ask the manager, wherever it runs, to carry out once more what it has decided last, and to look after the rows of
    the time-outs. Each command and event has an id, so what was done already is not done twice.
    """
    await _ask(stores, manager, id, Nudged(actor, reason))


async def cancel(stores: Stores, manager: str, id: str, *, actor: str, reason: str | None) -> None:
    """End the process: its time-outs do not come any more, and what comes to it is ignored. Nothing is undone."""
    await _ask(stores, manager, id, Stopped(actor, reason))


async def ring(stores: Stores, manager: str, id: str, key: str, *, actor: str) -> None:
    """
    Let a time-out come now, once, whenever it was due.

    Raises:
        InvalidInput: none of that key is planned.
    """
    planned = await stores.timers.timers(manager, instance=id, limit=_FAR)
    for timer in planned:
        if timer.key == key:
            await stores.events.append(Append(Stream.of(manager, id), [timed_out(timer, actor=actor)], EXISTS))
            return
    keys = ", ".join(repr(each.key) for each in planned) or "none"
    raise InvalidInput(f"process {id!r} of manager {manager!r} has no time-out {key!r} planned; it has {keys}")


async def _ask(stores: Stores, manager: str, id: str, wish: Nudged | Stopped) -> None:
    new = NewEvent(event_id=uuid7().bytes, type=stored_name(type(wish)), data=_encode(wish))
    await stores.events.append(Append(Stream.of(manager, id), [new], EXISTS))


async def _refuse_unknown(stores: Stores, manager: str) -> None:
    known = await managers(stores)
    if manager not in known:
        there = ", ".join(known) or "none"
        raise InvalidInput(f"no process manager {manager!r} has ever started on this store; there are: {there}")


def _fact(event: StoredEvent) -> tuple[int, int, str, int, int, bytes | None]:
    return event.version, event.position, event.type, event.schema_version, event.format, event.data
