"""Transactions over the log in memory and rows beside it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import TYPE_CHECKING, Any

import msgspec

from eventfold.adapters.memory import MemoryEventStore
from eventfold.domain.message import StoredEvent, Stream, to_micros
from eventfold.ports.clock import Clock
from eventfold.ports.command_log import Accepted
from eventfold.ports.event_store import Append, Appended, Condition, Fact, checked, checked_condition
from eventfold.ports.failpoint import failpoint
from eventfold.ports.holding import Lines, Steps, done_in_time, ended, hold
from eventfold.ports.read_model import Params, ReadModel, RowTransaction, Writes
from eventfold.ports.unit import LONGEST_HOLD, CommandTaken, Held, T, Work

if TYPE_CHECKING:
    from sqlalchemy.sql.selectable import SelectBase

__all__ = ["MemoryUnits"]


class _Draft(MemoryEventStore):
    """What a unit has appended, on top of what is stored. Nobody else stores anything meanwhile."""

    def __init__(self, store: MemoryEventStore, clock: Clock) -> None:
        super().__init__(clock)
        self._before = store
        self.marks = store.marks

    def look_at(self, stream: Stream) -> None:
        if stream not in self._streams and (events := self._before.all_of(stream)):
            self._streams[stream] = events

    def store(self, appends: tuple[Append, ...], condition: Condition | None) -> Appended:
        for append in appends:
            self.look_at(append.stream)
            for event in append.events:
                if stored := self._before.known(event.event_id):
                    self._by_event_id[event.event_id] = stored
        return super().store(appends, condition)

    def accept(self, accepted: Accepted) -> None:
        if accepted.command_id in self.commands or accepted.command_id in self._before.commands:
            raise CommandTaken
        at = accepted.recorded_at or to_micros(self._clock.now())
        self.commands[accepted.command_id] = msgspec.structs.replace(accepted, recorded_at=at)

    def accepted(self, command_id: bytes) -> Accepted | None:
        return self.commands.get(command_id) or self._before.commands.get(command_id)

    def last_position(self) -> int:
        return self._before.last_position() + len(self._log)

    def first_against(self, condition: Condition) -> int | None:
        return self._before.first_against(condition) or next(
            (
                event.position
                for event in self.new
                if event.position > condition.bound
                and condition.query.matches(event.category, event.type, event.tags or ())
            ),
            None,
        )

    @property
    def new(self) -> list[StoredEvent]:
        return [event for event in self._log if event is not None]

    def publish(self) -> None:
        """All at once, and in the places that were promised."""
        for event in self.new:
            self._before.add(event)
        self._before.commands |= self.commands
        self._before.announce()


class _OpenUnit:
    """Begins with the first statement. An append that is refused is undone; a row that is refused ends it all."""

    def __init__(self, begun: Callable[[], Awaitable[tuple[_Draft, RowTransaction]]]) -> None:
        self._begun = begun
        self._open: tuple[_Draft, RowTransaction] | None = None
        self.steps = Steps()

    async def load(self, stream: Stream, *, after: int = 0, upto: int | None = None) -> AsyncIterator[Sequence[Fact]]:
        stream = Stream.of(*stream)
        async with self.steps.one():
            draft, _ = await self._opened()
            draft.look_at(stream)
            pages = [page async for page in draft.load(stream, after=after, upto=upto)]
        for page in pages:
            yield page

    async def append(self, *appends: Append, condition: Condition | None = None) -> Appended:
        checked(appends)
        checked_condition(condition)
        async with self.steps.one():
            draft, _ = await self._opened()
            return draft.store(appends, condition)

    async def accept(self, accepted: Accepted) -> None:
        async with self.steps.one():
            draft, _ = await self._opened()
            draft.accept(accepted)

    async def accepted(self, command_id: bytes) -> Accepted | None:
        async with self.steps.one():
            draft, _ = await self._opened()
            return draft.accepted(command_id)

    async def fetch(self, writes: Writes, select: SelectBase, params: Params | None) -> list[tuple[Any, ...]]:
        async with self.steps.one():
            _, rows = await self._opened()
            try:
                return await rows.fetch(writes, select, params)
            except BaseException as error:
                self.steps.failed(error)
                raise

    async def run(self, writes: Writes) -> None:
        from sqlalchemy import literal, select  # costs 0.2 s, and the rows have it already

        await self.fetch(writes, select(literal(1)), None)

    async def commit(self) -> None:
        """Rows, then events, and nobody in between: who gives up meanwhile stops neither."""
        async with self.steps.one():
            if self._open is None:
                return
            draft, rows = self._open
            committing = asyncio.ensure_future(rows.commit([], None))
            cancelled = await ended(committing)
            committing.result()
            draft.publish()
            failpoint("unit.after_commit")
            if cancelled is not None:
                raise cancelled

    async def _opened(self) -> tuple[_Draft, RowTransaction]:
        if self._open is None:
            try:
                self._open = await self._begun()
            except BaseException as error:  # it may have the one turn without the other
                self.steps.failed(error)
                raise
        return self._open


class MemoryUnits:
    """One transaction after the other: from its first statement to its end, other writers wait."""

    _draft = _Draft
    _unit = _OpenUnit

    def __init__(self, store: MemoryEventStore, rows: ReadModel, clock: Clock) -> None:
        self._store = store
        self._rows = rows
        self._clock = clock
        self._lines = Lines()

    async def transact(self, work: Work[T]) -> T:
        await self._store.head()  # raises where the store is closed
        limit = asyncio.timeout(None)
        async with AsyncExitStack() as turn:

            async def begun() -> tuple[_Draft, RowTransaction]:
                """Always the store first, then the rows, so that no two wait for each other."""
                await turn.enter_async_context(self._store.turn)
                rows = await turn.enter_async_context(self._rows.transaction())
                limit.reschedule(asyncio.get_running_loop().time() + LONGEST_HOLD)
                return self._draft(self._store, self._clock), rows

            unit = self._unit(begun)
            try:
                result = await done_in_time(work, unit, limit)
                await unit.commit()
            finally:
                await unit.steps.end()
        return result

    def lock(self, stream: Stream, *, timeout: float) -> AbstractAsyncContextManager[Held]:
        return hold(Stream.of(*stream), timeout, self._first, self._store, self)

    def _first(self, stream: Stream, deadline: float) -> AbstractAsyncContextManager[None]:
        self._store.known(b"")  # raises where the store is closed
        return self._lines.first(stream, deadline)
