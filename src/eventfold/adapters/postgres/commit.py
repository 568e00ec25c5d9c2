"""
One transaction for a group of appends, each with an outcome of its own, in one round trip.

A lone event goes through a function of scalars, a lone batch through one for its stream, a group through one plain
INSERT. What these do not store, because a rival was quicker, an expectation does not hold or an id is taken, is asked
again by itself, of the function that knows why. So nobody's neighbour is harmed.

When the connection breaks, what was sent may be stored, or be stored a moment later by a server process that has not
noticed. So the append itself is made again on another connection: event ids make that safe, and the unique index makes
it wait for the first attempt. Only that answer is the truth.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final
from uuid import UUID

import asyncpg

from eventfold.adapters.postgres.connection import Connection, Connections
from eventfold.adapters.postgres.failures import FAILED, LOST, OUTRUN, TRANSIENT, PostgresError, translated
from eventfold.adapters.postgres.names import Names
from eventfold.adapters.postgres.rows import (
    Outcome,
    conditions,
    explained,
    fields,
    grouped,
    id_used_twice,
    scalars,
    wanted,
)
from eventfold.adapters.postgres.session import in_transaction
from eventfold.adapters.postgres.transient import ATTEMPTS, pause_before
from eventfold.errors import (
    AppendOutcomeUnknown,
    ConcurrencyConflict,
    EventfoldError,
    StoreClosed,
    StoreError,
    StoreUnavailable,
)
from eventfold.ports.event_store import Append, Appended, AppendedStream, Condition
from eventfold.ports.failpoint import failpoint
from eventfold.ports.unit import CommandTaken

__all__ = ["Commit", "Job"]

APPEND_1: Final = "SELECT {append_1}($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)"
APPEND_N: Final = "SELECT {append_n}($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)"
APPEND_R: Final = """
SELECT heads, recorded, places FROM {append_r}($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
"""
APPEND_ALL: Final = """
SELECT status, culprit, actual, heads, recorded, places, same
FROM {append_all}($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)
"""
APPEND_AND_ENTER: Final = """
WITH appended AS MATERIALIZED (
    SELECT *
    FROM {append_all}($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)
), entered AS (
    INSERT INTO {commands} (command_id, request_hash, category, id, first_version, last_version, position, recorded_at)
    SELECT $21, $22, $1[1], $2[1], heads[1] + 1, heads[1] + cardinality(places), places[cardinality(places)],
           recorded[1]
    FROM appended WHERE status = 'committed'
)
SELECT status, culprit, actual, heads, recorded, places, same FROM appended
"""
_RACES: Final = 3
_IDS: Final = "events_event_id"
_COMMANDS: Final = "commands_pkey"


class Job:
    """One call of append: what it stores and on what condition, and the command that is entered with it."""

    __slots__ = ("appends", "command", "condition", "events", "stored", "tags")

    def __init__(
        self,
        appends: tuple[Append, ...],
        condition: Condition | None,
        events: int,
        command: tuple[UUID, bytes] | None = None,
    ) -> None:
        self.appends: tuple[Append, ...] = appends if len(appends) == 1 else tuple(sorted(appends, key=_stream))
        """Sorted by stream, as everybody's: whoever waits for two rivals meets them in the same order."""
        self.condition: Condition | None = condition
        self.command: tuple[UUID, bytes] | None = command
        """Its id and the hash of its request."""
        self.events: int = events
        self.tags: int = sum(len(event.tags) for append in appends for event in append.events)
        self.stored: asyncio.Future[Appended] | None = None

    @property
    def by_itself(self) -> bool:
        return self.condition is not None or self.command is not None or len(self.appends) > 1

    @property
    def ids(self) -> list[UUID]:
        return [UUID(bytes=event.event_id) for append in self.appends for event in append.events]


def _stream(append: Append) -> tuple[str, str]:
    return append.stream


class Commit:
    """
    Args:
        patience: seconds to wait for an answer, and for another connection when one has broken.
    """

    def __init__(self, connections: Connections, names: Names, *, patience: float = 10.0) -> None:
        self._connections = connections
        self._patience = patience
        self._append_1, self._append_n, self._append_r, self._append_all, self._append_and_enter = map(
            names.fill, (APPEND_1, APPEND_N, APPEND_R, APPEND_ALL, APPEND_AND_ENTER)
        )

    async def run(self, jobs: Sequence[Job]) -> list[Outcome]:
        """An outcome for each, in order. The jobs are of different streams; one that stands by itself is alone."""
        outcomes: list[Outcome | None] = [id_used_twice(job.appends) for job in jobs]
        failpoint("append.before_begin")
        try:
            connection = self._connections.take_now() or await self._connections.take()
        except StoreError as error:
            return [error] * len(jobs)
        except FAILED as error:
            return [self._translated(error) for _ in jobs]
        try:
            await self._attempt(connection, jobs, outcomes)
        except asyncio.CancelledError:
            await self._connections.settle(connection)
            raise
        except LOST as error:
            self._connections.throw_away(connection)
            await self._find_out(jobs, outcomes, error)
        except PostgresError as error:
            for number, outcome in enumerate(outcomes):
                if outcome is None:
                    outcomes[number] = self._translated(error)
        finally:
            self._connections.give_back(connection)
        failpoint("append.after_commit_before_ack")
        return [outcome if outcome is not None else StoreError("no outcome") for outcome in outcomes]

    async def _attempt(self, connection: Connection, jobs: Sequence[Job], outcomes: list[Outcome | None]) -> None:
        open_ = [number for number, outcome in enumerate(outcomes) if outcome is None]
        together = [number for number in open_ if not jobs[number].by_itself]
        if len(together) == 1:
            (number,) = together
            outcomes[number] = await self._one(connection, jobs[number].appends[0])
        elif together:
            for number, outcome in zip(
                together, await self._group(connection, [jobs[number].appends[0] for number in together]), strict=True
            ):
                outcomes[number] = outcome
        for number in open_:
            if outcomes[number] is None:
                outcomes[number] = await self._careful(connection, jobs[number])

    # ------------------------------------------------------------------ the quick ways

    async def _one(self, connection: Connection, append: Append) -> Outcome | None:
        """None: not stored, for some reason."""
        stream = append.stream
        try:
            if len(append.events) == 1:
                answer = await self._ask(connection.fetchval, connection, self._append_1, scalars(append))
            else:
                parameters = (stream[0], stream[1], wanted(append.expect), *fields(append.events))
                answer = await self._ask(connection.fetchval, connection, self._append_n, parameters)
        except OUTRUN:
            return None
        if answer is None:
            return None
        version, recorded, *places = answer
        return Appended((AppendedStream(stream, version, tuple(places), recorded),))

    async def _group(self, connection: Connection, appends: Sequence[Append]) -> list[Outcome | None]:
        """None for each that is not stored, for some reason."""
        order = sorted(range(len(appends)), key=lambda number: appends[number].stream)
        outcomes: list[Outcome | None] = [None] * len(appends)
        parameters = grouped([appends[number] for number in order])
        for attempt in range(1, _RACES + 1):
            try:
                answer = await self._ask(connection.fetchrow, connection, self._append_r, parameters)
                break
            except asyncpg.UniqueViolationError as error:
                if _constraint(error) == _IDS or attempt == _RACES:
                    return outcomes
            except TRANSIENT:
                return outcomes
        else:  # pragma: no cover - the last attempt returns
            return outcomes
        heads, recorded, places = answer
        start = 0
        for number, head in zip(order, heads, strict=True):
            if head is not None:
                append = appends[number]
                end = start + len(append.events)
                place = AppendedStream(append.stream, head + end - start, tuple(places[start:end]), recorded)
                outcomes[number] = Appended((place,))
                start = end
        return outcomes

    # ---------------------------------------------------------------- the careful way

    async def _careful(self, connection: Connection, job: Job) -> Outcome:
        """By itself, with a reason when it is not stored."""
        parameters = (*grouped(job.appends), *conditions(job.condition), *(job.command or ()))
        sql = self._append_all if job.command is None else self._append_and_enter
        attempt = 1
        while True:
            try:
                answer = await self._ask(connection.fetchrow, connection, sql, parameters)
                outcome = explained(job.appends, job.condition, answer)
                if outcome is not None:
                    return outcome
            except OUTRUN as error:
                if _constraint(error) == _COMMANDS:
                    return CommandTaken()
                if attempt == ATTEMPTS:
                    return self._translated(error)
            except LOST:
                raise
            except PostgresError as error:
                return self._translated(error)
            if attempt == ATTEMPTS:
                return StoreUnavailable(
                    f"{self._connections.where}: others were quicker {attempt * 20} times in a row; nothing was "
                    "stored, try once more"
                )
            await pause_before(attempt)
            attempt += 1

    async def _ask(self, fetch: Callable[..., Any], connection: Connection, sql: str, values: Sequence[Any]) -> Any:
        if not self._connections.pooled:
            return await fetch(sql, *values, timeout=self._patience)
        async with in_transaction(connection):  # a pooler may change the session in between
            return await fetch(sql, *values, timeout=self._patience)

    # -------------------------------------------------------------------- afterwards

    async def _find_out(self, jobs: Sequence[Job], outcomes: list[Outcome | None], why: Exception) -> None:
        """After the connection has broken: whatever is still open is asked for once more, on another one."""
        deadline = asyncio.get_running_loop().time() + self._patience
        attempt = 0
        while None in outcomes:
            try:
                connection = await self._connections.take()
            except (StoreClosed, asyncpg.InvalidPasswordError):
                break
            except StoreError:
                connection = None
            except FAILED:
                connection = None
            if connection is not None:
                try:
                    for number, outcome in enumerate(outcomes):
                        if outcome is None:
                            outcomes[number] = self._final(
                                jobs[number], await self._careful(connection, jobs[number]), why
                            )
                except LOST:
                    self._connections.throw_away(connection)
                except asyncio.CancelledError:
                    await self._connections.settle(connection)
                    raise
                finally:
                    self._connections.give_back(connection)
            if None in outcomes:
                if asyncio.get_running_loop().time() > deadline:
                    break
                attempt = min(attempt + 1, 6)
                await pause_before(attempt)
        for number, outcome in enumerate(outcomes):
            if outcome is None:
                outcomes[number] = self._unknown(jobs[number], why)

    def _final(self, job: Job, outcome: Outcome, why: Exception) -> Outcome:
        """
        The outcome, if the first attempt cannot change it any more.

        An expectation that the stream has passed will never hold again. One that it has not reached yet may: for a
        first attempt that is still under way somewhere.
        """
        if isinstance(outcome, ConcurrencyConflict):
            append = next(each for each in job.appends if each.stream == outcome.stream)
            if wanted(append.expect) > outcome.actual or wanted(append.expect) == -2:
                return self._unknown(job, why)
        elif isinstance(outcome, StoreError):
            return self._unknown(job, why)
        return outcome

    def _translated(self, error: Exception) -> EventfoldError:
        return translated(error, self._connections.where, role=self._connections.role())

    def _unknown(self, job: Job, why: Exception) -> AppendOutcomeUnknown:
        return AppendOutcomeUnknown(job.ids, f"{self._translated(why)}")


def _constraint(error: Exception) -> str | None:
    return getattr(error, "constraint_name", None)
