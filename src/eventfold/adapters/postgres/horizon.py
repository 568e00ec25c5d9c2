"""
How far the log may be read: no appender can bring anything to light at or below the horizon any more.

Positions are drawn before the commit, so a lower one may come to light after a higher one. Whoever reads past an
appender that is still open skips what it is about to commit. The database tells who is open (`bound`); the horizon is
the last committed event at or below that.

It is always the position of a committed event, never the bound itself: a position that was drawn and not committed is
drawn again after a crash of the server. Therefore it may be kept in the memory of a process, and be used on any of its
connections.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from itertools import count
from time import monotonic
from typing import Final, Protocol

import msgspec

from eventfold.adapters.postgres.connection import Connection, Connections
from eventfold.adapters.postgres.failures import LOST, speaking_our_errors
from eventfold.adapters.postgres.names import Names
from eventfold.errors import EventfoldError, StoreClosed, StoreError
from eventfold.ports.subscription import Bell

__all__ = ["Ears", "Holder", "Horizon", "holders"]

_log = logging.getLogger("eventfold.postgres")

DRAWN: Final = "SELECT coalesce(pg_sequence_last_value('{events_position_seq}'::regclass), 0)"
HORIZON: Final = "SELECT drawn, bound, head, uuid_send(head_id), history FROM {horizon}()"
HOLDERS: Final = """
SELECT l.pid, a.application_name, a.usename::text, a.state, p.gid,
       extract(epoch FROM clock_timestamp() - coalesce(a.xact_start, p.prepared))::float8 AS seconds,
       extract(epoch FROM clock_timestamp() - a.query_start)::float8 AS since_query,
       s.drawn + ((l.objid::bigint - s.drawn) << 32 >> 32) AS position
  FROM (SELECT coalesce(pg_sequence_last_value('{events_position_seq}'::regclass), 0) AS drawn) AS s
 CROSS JOIN pg_locks AS l
  LEFT JOIN pg_stat_activity AS a ON a.pid = l.pid
  LEFT JOIN pg_prepared_xacts AS p ON l.pid IS NULL AND l.virtualtransaction = '-1/' || p.transaction::text
 WHERE l.locktype = 'advisory' AND l.classid = '{events}'::regclass AND l.objsubid = 2 AND l.granted
   AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
 ORDER BY position, seconds DESC NULLS LAST
"""
_QUICKEST: Final = 0.001
_TRUSTED: Final = 5.0
"""Seconds for which a sequence that stands still proves that nothing has come: behind a pooler a crash goes unseen."""
_ANSWERS: Final = 10.0
_A_LAST_WORD: Final = 1.0
_SHORTEST_PAUSE: Final = 0.05
_LONGEST_PAUSE: Final = 5.0
_WHILE_HELD: Final = 0.05
"""Seconds between two looks while somebody holds readers back: who rolls back tells nobody."""
_STALLED: Final = 5.0
_RECENT: Final = 0.1


class Holder(msgspec.Struct, frozen=True):
    """
    Who keeps readers from what is committed above `position`.

    Args:
        pid: of its session; None for a prepared transaction.
        seconds: since its transaction began, or was prepared.
        since_query: seconds since its last statement began; None for a prepared transaction.
        what: who it is and what it does, in words.
    """

    pid: int | None
    application: str | None
    seconds: float
    since_query: float | None
    position: int
    what: str


async def holders(connections: Connections, names: Names) -> Sequence[Holder]:
    """
    Every appender that is open, the one that holds readers back the most first.

    An append is one of them for a moment; one that is here for seconds keeps subscribers waiting.
    """
    async with connections.use() as connection:
        return [_holder(row) for row in await connection.fetch(names.fill(HOLDERS))]


def _holder(row: Sequence[object]) -> Holder:
    pid, application, user, state, gid, seconds, since_query, position = row
    if gid is not None:
        what = f"prepared transaction {gid!r}"
    else:
        what = (
            f"session {pid} of {user or 'another role'} ({application or 'no application name'}), {state or 'unseen'}"
        )
    return Holder(
        pid if isinstance(pid, int) else None,
        application if isinstance(application, str) else None,
        seconds if isinstance(seconds, float) else 0.0,
        since_query if isinstance(since_query, float) else None,
        position if isinstance(position, int) else 0,
        what,
    )


class Ears(Protocol):
    """Where hints of other processes come from."""

    async def hear(self, connection: Connection, told: Callable[[], None], /) -> None: ...


class Horizon:
    """
    The horizon of one store, for all readers of this process.

    Within `watching` it looks by itself and rings the bell when the horizon has moved: at once after a hint, and
    otherwise ever more seldom while nothing happens. A look costs one small statement; who is open is asked only when
    a position has been drawn since, or somebody was open.

    Args:
        bell: rung for whatever subscribers have to look at.
        slowest: seconds between two looks while nothing happens; the delay of an event whose hint was lost.
        ears: None where there are no hints.
    """

    def __init__(
        self, connections: Connections, names: Names, bell: Bell, *, slowest: float, ears: Ears | None = None
    ) -> None:
        self.head: int = 0
        """As last seen. The events up to it are final, as long as the history is the same."""
        self.head_id: bytes | None = None
        """Of the event there."""
        self.history: str | None = None
        """Of which server, and since which promotion: another one may lack what was read before."""
        self._connections = connections
        self._names = names
        self._bell = bell
        self._slowest = slowest
        self._ears = ears
        self._drawn, self._horizon = names.fill(DRAWN), names.fill(HORIZON)
        self._known: int | None = None  # the last position drawn, when all below it was final
        self._trusted_until = 0.0
        self._looked_at = 0.0
        self._away = False
        self._moved_at = monotonic()
        self._reported = False
        self._one_at_a_time = asyncio.Lock()
        self._ticks = count()
        self._looked = -1
        self._watchers = 0
        self._watch: asyncio.Task[None] | None = None
        self._hint = asyncio.Event()

    # ------------------------------------------------------------------------- look

    async def fresh(self) -> int:
        """The horizon as it is now: not lower than any commit that was seen before and that no one open precedes."""
        asked = next(self._ticks)
        async with self._one_at_a_time:
            if self._looked < asked:  # else somebody has looked since
                looked = next(self._ticks)
                async with self._connections.use() as connection:
                    await self._look(connection)
                self._looked = looked
        return self.head

    async def recent(self) -> int:
        """The horizon as it was a moment ago, without asking where that is known."""
        return self.head if self.head and monotonic() - self._looked_at < _RECENT else await self.fresh()

    async def passes(self, position: int) -> None:
        """Return when the horizon is there. It waits for those who appended before and are still open."""
        pause = _QUICKEST
        while await self.fresh() < position:
            await asyncio.sleep(pause)
            pause = min(pause * 2, _WHILE_HELD)

    async def _look(self, connection: Connection) -> None:
        drawn = await connection.fetchval(self._drawn, timeout=_ANSWERS)
        if drawn != self._known or monotonic() > self._trusted_until:
            drawn, bound, head, head_id, history = await connection.fetchrow(self._horizon, timeout=_ANSWERS)
            self._known = drawn if bound >= drawn else None
            self._trusted_until = monotonic() + _TRUSTED
            if head > self.head or history != self.history:
                self.head, self.head_id, self.history = head, head_id, history
                self._moved_at, self._reported = monotonic(), False
        self._looked_at = monotonic()
        if self._known is not None:
            self._moved_at, self._reported = self._looked_at, False
        if self._away:
            self._away = False
            _log.info("%s is back", self._connections.where)

    def lost(self, error: EventfoldError) -> None:
        """Whoever meets an outage says so. What was known dies with the connection: another server may answer next."""
        self.head, self.head_id, self._known = 0, None, None
        if not self._away:
            self._away = True
            _log.warning("the log cannot be followed for now, and will be as soon as that works again: %s", error)

    # ------------------------------------------------------------------------ watch

    @asynccontextmanager
    async def watching(self) -> AsyncGenerator[None]:
        """Inside, the bell rings when something has been committed that can be read, by whomever."""
        self._watchers += 1
        if self._watch is None:
            self._watch = asyncio.create_task(self._follow(), name="eventfold horizon")
        try:
            yield
        finally:
            self._watchers -= 1
            if self._watchers == 0:
                await self.stop()

    async def stop(self) -> None:
        watch, self._watch = self._watch, None
        if watch is not None:
            watch.cancel()
            await asyncio.wait([watch])
            if not watch.cancelled():
                watch.result()  # it never ends by itself, but for what must not be hidden

    def hint(self) -> None:
        """Something was committed: look now."""
        self._hint.set()

    async def _follow(self) -> None:
        pause = _SHORTEST_PAUSE
        while True:
            try:
                async with self._listening() as connection:
                    pause = _SHORTEST_PAUSE
                    await self._poll(connection)
            except StoreClosed:
                return
            except StoreError as error:
                self.lost(error)
                self._bell.ring()  # if it is more than an outage, it is the subscriber's to report
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    @asynccontextmanager
    async def _listening(self) -> AsyncGenerator[Connection | None]:
        """LISTEN before the first look, so that no commit falls between. The same connection is used for looking."""
        if self._ears is None:
            yield None
            return
        connection = await self._connections.direct()
        try:
            with speaking_our_errors(self._connections.where, role=self._connections.role):
                connection.add_termination_listener(self._broken)
                await self._ears.hear(connection, self.hint)
                yield connection
        finally:
            with suppress(*LOST):  # it is dropped either way; the driver's own timeout does not hold while it waits
                async with asyncio.timeout(_A_LAST_WORD):
                    await connection.close()

    def _broken(self, connection: object) -> None:
        self.hint()  # the look finds it broken

    async def _poll(self, connection: Connection | None) -> None:
        pause = _QUICKEST
        announced = None  # so the first look rings in any case: nobody has listened until now
        while True:
            self._hint.clear()
            before = self.head
            if connection is None:
                await self.fresh()
            else:
                await self._look(connection)
            if self.head != before:  # and not by a look of those who are awake: then others are at work, and go on
                pause = _QUICKEST
            if self.head != announced:
                announced = self.head
                self._bell.ring()
            await self._name_who_holds_us()
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._hint.wait()
            slowest = self._slowest if self._known is not None else min(self._slowest, _WHILE_HELD)
            pause = _QUICKEST if self._hint.is_set() else min(pause * 2, slowest)

    async def _name_who_holds_us(self) -> None:
        """In the log, once for each time that readers are held back for long."""
        if self._known is not None or self._reported or monotonic() - self._moved_at < _STALLED:
            return
        for each in await holders(self._connections, self._names):
            if each.seconds > _STALLED:
                self._reported = True
                _log.warning(
                    "%s keeps readers from what comes after position %d: it has appended, and is open for %.0f s",
                    each.what,
                    each.position,
                    each.seconds,
                )
