"""A process manager at work: an input and what is decided on it in one append, then that carried out."""

from __future__ import annotations

import logging
from typing import Any, Final, cast

import msgspec

from eventfold.commands.context import context, current_context
from eventfold.commands.queues import ConflictQueues
from eventfold.commands.recording import Recorder
from eventfold.domain.message import NewEvent, Recorded, Stream
from eventfold.domain.story import Emitted, Kept, Nudged, Refused, Sent, Stopped, TimedOut, stored_name
from eventfold.errors import (
    AppendOutcomeUnknown,
    ConcurrencyConflict,
    Conflict,
    EventfoldError,
    EventIdConflict,
    OutcomeGone,
    StoreUnavailable,
)
from eventfold.ports.actions import Actions
from eventfold.ports.event_store import ANY, Append, EventStore
from eventfold.ports.failpoint import failpoint
from eventfold.ports.timers import Timers
from eventfold.processing.alarm_clock import AlarmClock
from eventfold.processing.emitting import emit_once
from eventfold.processing.event_handler import Executes
from eventfold.processing.instance import Deciding, Instance, Taken, derived
from eventfold.processing.ledger import Ledger
from eventfold.processing.orders import Orders
from eventfold.processing.place import Place
from eventfold.processing.process_manager import ProcessManager
from eventfold.processing.reaction import Reacting
from eventfold.processing.surroundings import Surroundings
from eventfold.processing.timer_rows import TimerRows

__all__ = ["Management"]

_log = logging.getLogger("eventfold.processing")

_ATTEMPTS: Final = 10
"""How often an input is decided on while the stream of its process moves, or nobody can say what became of it."""
_encode: Final = msgspec.json.Encoder(order="deterministic").encode


class Management(Reacting):
    """
    First the decision is stored, then it is carried out: commands and events, at last the rows of time-outs.

    All of it has ids that follow from the input, so whatever a crash leaves undone is done when the input comes again;
    and it does, for only then the checkpoint moves over it. The rows are written after the append and not within it:
    they say no more than the stream does, so it is enough that none is missing once the checkpoint has moved, and it
    works on stores whose rows are elsewhere. A row too many has no effect: the stream tells that it is over.
    """

    def __init__(
        self,
        manager: ProcessManager[Any, Any],
        around: Surroundings,
        actions: Actions,
        events: EventStore,
        timers: Timers,
        orders: Orders,
        recorder: Recorder,
        execute: Executes,
    ) -> None:
        super().__init__(manager, around, actions)
        self.ignored = 0
        """Inputs for processes that were over, and time-outs that came too late, in this process."""
        self._manager = manager
        self._deciding = Deciding(manager, around.serializer, orders)
        self._events = events
        self._timers = TimerRows(timers)
        self._orders = orders
        self._recorder = recorder
        self._execute = execute
        self._serializer = around.serializer
        self._queues = ConflictQueues[str](str)
        self._alarm_clock = AlarmClock(manager.name, events, timers, around.telemetry)

    async def by_itself(self, place: Place) -> None:
        """See to it that time-outs come, until it is cancelled."""
        await self._alarm_clock.run(place)

    async def _call(self, recorded: Recorded[Any], attempt: int, ledger: Ledger) -> None:
        own = recorded.category == self._name
        event: object = recorded.event
        id = recorded.id if own else self._manager.key(recorded)
        if id is None:
            return
        Stream.of(self._name, id)
        cause = str(recorded.event_id)
        try:
            async with self._queues.turn([id]):
                with context(recorded.correlation_id or cause, cause):
                    if own and isinstance(event, Stopped | Nudged):
                        await self._look_after(id, event)
                    elif own and isinstance(event, TimedOut | Refused):
                        await self._take(id, self._inner(recorded, event.event), recorded)
                    else:
                        await self._take(id, event, recorded)
        except (AppendOutcomeUnknown, Conflict) as error:  # no fault of the input, and ids make it safe to do it again
            raise StoreUnavailable(f"manager {self._name!r} takes its input {cause} once more: {error}") from error

    def _inner(self, recorded: Recorded[Any], kept: Kept) -> object:
        fact = (recorded.version, recorded.position, kept.type, kept.version, kept.format, kept.data)
        return cast("object", self._serializer.one(recorded.stream, fact))

    # ----------------------------------------------------------------------------- taking

    async def _take(self, id: str, event: object, recorded: Recorded[Any]) -> None:
        instance = await self._taken(id, event, recorded)
        if instance is None:
            self.ignored += 1
            _log.info("manager %r: %s came to %r too late and is ignored", self._name, recorded, id)
            return
        failpoint("manager.after_append")
        taken = instance.taken[recorded.event_id]
        await self._carry_out(instance, taken)
        failpoint("manager.after_actions")
        await self._keep_timers(instance, taken)
        failpoint("manager.after_timers")

    async def _taken(self, id: str, event: object, recorded: Recorded[Any]) -> Instance | None:
        """The process with the input taken, now or before; None: it came too late."""
        stream = Stream(self._name, id)
        for attempt in range(1, _ATTEMPTS + 1):
            instance = await self._read(id)
            if recorded.event_id in instance.taken:
                return instance
            if instance.over or _is_late(instance, recorded):
                return None
            decided = self._deciding.decide(instance, event, recorded.stored)
            try:
                appended = await self._events.append(Append(stream, decided.events, instance.version))
            except (ConcurrencyConflict, EventIdConflict, AppendOutcomeUnknown):
                if attempt == _ATTEMPTS:
                    raise
                continue
            if not appended.streams[0].deduplicated:
                decided.add_to(instance, appended.streams[0].positions)
                return instance
        return await self._read(id)

    async def _read(self, id: str) -> Instance:
        return await self._deciding.read(id, self._events.load(Stream(self._name, id)))

    # ------------------------------------------------------------------------ carrying out

    async def _carry_out(self, instance: Instance, taken: Taken) -> None:
        source = taken.seen.source
        for number, (_, record) in enumerate(taken.actions):
            what = f"{instance.id} {source.hex} {number}"
            if isinstance(record, Sent) and (source, number) not in instance.refused:
                await self._send(instance, taken, number, record, what)
            elif isinstance(record, Emitted):
                event = self._emitted(record, taken)
                id = derived(self._name, f"emits {what}")
                place = (record.category, record.id)
                await emit_once(self._recorder, f"manager {self._name!r}", source, event, id, place)

    def _emitted(self, record: Emitted, taken: Taken) -> object:
        kept = record.event
        fact = (0, taken.position, kept.type, kept.version, kept.format, kept.data)
        return cast("object", self._serializer.one(Stream(record.category, record.id), fact))

    async def _send(self, instance: Instance, taken: Taken, number: int, sent: Sent, what: str) -> None:
        decider, command = self._orders.read(sent.decider, sent.command)
        command_id = derived(self._name, f"sends {what}")
        arguments = (decider, command) if sent.id is None else (decider, sent.id, command)
        try:
            await self._execute(*arguments, command_id=command_id)
        except OutcomeGone:
            pass  # it was accepted, and somebody has removed its events since
        except EventfoldError:
            raise
        except Exception as rejection:
            if sent.refused is None:
                raise
            await self._refuse(instance, taken, number, sent.refused, rejection)

    async def _refuse(self, instance: Instance, taken: Taken, number: int, event: Kept, rejection: Exception) -> None:
        """The refusal goes into the process's own stream, and comes to it from there as any input does."""
        source = taken.seen.source
        refused = Refused(source, number, _printable(f"{type(rejection).__name__}: {rejection}"), event)
        new = NewEvent(
            event_id=derived(self._name, f"refused {instance.id} {source.hex} {number}").bytes,
            type=stored_name(Refused),
            data=_encode(refused),
            correlation_id=current_context().correlation_id,
            causation_id=str(source),
        )
        try:
            await self._events.append(Append(Stream(self._name, instance.id), [new], ANY))
        except EventIdConflict:  # it was refused before, for another reason, which stands
            return
        instance.refused.add((source, number))

    # ---------------------------------------------------------------------------- timers

    async def _keep_timers(self, instance: Instance, taken: Taken) -> None:
        keys = instance.keys if instance.over else taken.keys
        if keys:
            await self._timers.keep(*instance.timers(keys))

    async def _look_after(self, id: str, wish: Stopped | Nudged) -> None:
        """After somebody has stopped it, or wants to be sure that nothing of it was left undone."""
        instance = await self._read(id)
        if isinstance(wish, Nudged) and instance.stopped is None and (last := instance.last) is not None:
            with context(last.seen.conversation, str(last.seen.source)):
                await self._carry_out(instance, last)
        if instance.keys:
            await self._timers.keep(*instance.timers(instance.keys))


def _is_late(instance: Instance, recorded: Recorded[Any]) -> bool:
    """A time-out that was cancelled, or planned anew, before it has come."""
    event: object = recorded.event
    if recorded.category != instance.manager or not isinstance(event, TimedOut):
        return False
    return (planned := instance.pending.get(event.key)) is None or planned.position != event.planned_at


def _printable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")[:_LONGEST_REASON]


_LONGEST_REASON: Final = 1_000
