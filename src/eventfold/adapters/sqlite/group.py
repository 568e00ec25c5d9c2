"""
One transaction for all the appends of a moment, with an outcome for each.

Versions are checked against the heads of streams, which are known in memory while nobody else has written, and
all rows go in by one statement. Only a repeated event id sends the group down the careful way, with a savepoint
for each append, so that one conflict never harms its neighbours. A conditional append takes that way too, for its
condition must see the rows of the neighbours before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal, Self, TypeAlias
from uuid import UUID

import apsw
import msgspec

from eventfold.adapters.sqlite.connection import Connection, translated
from eventfold.adapters.sqlite.names import Names
from eventfold.adapters.sqlite.queries import boundary
from eventfold.domain.message import NO_STREAM, NewEvent, Stream, to_micros
from eventfold.errors import (
    AppendOutcomeUnknown,
    BoundaryConflict,
    ConcurrencyConflict,
    EventfoldError,
    EventIdConflict,
)
from eventfold.ports.clock import Clock
from eventfold.ports.event_store import Append, Appended, AppendedStream, Condition, Expect
from eventfold.ports.failpoint import failpoint

__all__ = ["ConditionalJob", "GroupCommit", "Job", "Outcome"]

Outcome: TypeAlias = Appended | Exception
Job: TypeAlias = tuple[Append, ...]


class ConditionalJob(tuple[Append, ...]):  # noqa: SLOT001 - a tuple has no room for slots
    """A job that is stored only if its condition still holds."""

    condition: Condition

    def __new__(cls, appends: Job, condition: Condition) -> Self:
        job = super().__new__(cls, appends)
        job.condition = condition
        return job


_KNOWN_HEADS: Final = 50_000
"""Streams whose head is kept in memory; all are forgotten at once when there are more."""

_NO_BOUND: Final = 2**62

HEAD: Final = "SELECT version FROM {events} WHERE category = ? AND id = ? ORDER BY version DESC LIMIT 1"
LAST_POSITION: Final = "SELECT seq FROM sqlite_sequence WHERE name = ?"
INSERT_EVENT: Final = """
INSERT INTO {events} (position, category, id, version, event_id, type, schema_version, format, correlation_id,
                      causation_id, tags, occurred_at, recorded_at, metadata, data)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
INSERT_TAG: Final = "INSERT INTO {event_tags} (tag, position, type) VALUES (?, ?, ?)"
BY_EVENT_ID: Final = """
SELECT position, category, id, version, type, schema_version, data, recorded_at FROM {events} WHERE event_id = ?
"""


class _Repeated(Exception):
    """An event id of this group is, or may be, stored already: go the careful way."""


class GroupCommit:
    """Runs groups of appends on a connection that is in nobody else's hands meanwhile."""

    def __init__(self, connection: Connection, names: Names, path: str, clock: Clock, *, busy: float = 0.0) -> None:
        self._execute = connection.execute
        self._executemany = connection.executemany
        self._connection = connection
        self._names = names
        self._path = path
        self._clock = clock
        self._head = names.fill(HEAD)
        self._insert_event = names.fill(INSERT_EVENT)
        self._insert_tag = names.fill(INSERT_TAG)
        self._by_event_id = names.fill(BY_EVENT_ID)
        self._events_table = names.plain("events")
        self._heads: dict[Stream, int] = {}
        self._position = 0
        self._data_version: int | None = None
        self._busy = busy
        self._doing: Literal["begin", "write", "commit"] = "begin"

    def run(self, jobs: Sequence[Job]) -> list[Outcome]:
        """
        Store the group; an outcome per job, in order. Nothing is acknowledged before COMMIT has returned.

        When the group fails because of what is in it, nothing of it is stored and its members are tried one by one.
        """
        try:
            return self._one_transaction(jobs)
        except Exception as error:  # whatever it is, no transaction stays open and everybody gets an answer
            doing = self._doing
            lost = self._roll_back()
            theirs = doing == "write" or isinstance(error, apsw.FullError)
            if theirs and len(jobs) > 1 and lost is None:
                return [outcome for job in jobs for outcome in self.run([job])]
            return [self._judged(job, error, doing) for job in jobs]
        except BaseException:
            self._roll_back()
            raise

    def _one_transaction(self, jobs: Sequence[Job]) -> list[Outcome]:
        self._begin()
        try:
            conditional = any(isinstance(job, ConditionalJob) for job in jobs)
            outcomes = self._careful(jobs) if conditional else self._fast(jobs)
        except (apsw.ConstraintError, _Repeated):
            if lost := self._roll_back():
                raise lost from None
            self._begin()
            outcomes = self._careful(jobs)
        failpoint("append.after_insert")
        self._doing = "commit"
        failpoint("append.before_commit")
        self._execute("COMMIT")
        failpoint("append.after_commit_before_ack")
        return outcomes

    def _begin(self) -> None:
        self._doing = "begin"
        failpoint("append.before_begin")
        self._execute("BEGIN IMMEDIATE")
        self._doing = "write"

    def _roll_back(self) -> apsw.Error | None:
        """SQLite may have dropped the transaction by itself (a full disk does that), so look first."""
        self._heads.clear()
        self._data_version = None
        try:
            if self._connection.in_transaction:
                self._execute("ROLLBACK")
        except apsw.Error as error:
            return error
        return None

    def _judged(self, job: Job, error: Exception, doing: str) -> Exception:
        """
        What a failed transaction means for one of its jobs: nothing is stored, but for an I/O error from COMMIT.

        Its frames may lie in the write-ahead log and come back when that is recovered, or be overwritten by the
        next commit. Only a repetition with the same ids can tell.
        """
        if not isinstance(error, apsw.Error):
            return error
        if doing == "commit" and isinstance(error, apsw.IOError):
            ids = [UUID(bytes=event.event_id) for append in job for event in append.events]
            return AppendOutcomeUnknown(ids, f"{self._path}: the disk failed during the commit ({error})")
        return translated(error, self._path, self._busy)

    # ------------------------------------------------------------------ the fast way

    def _fast(self, jobs: Sequence[Job]) -> list[Outcome]:
        self._notice_other_writers()
        recorded_at = to_micros(self._clock.now())
        position = self._position
        changed: dict[Stream, int] = {}
        ids: set[bytes] = set()
        rows: list[tuple[Any, ...]] = []
        tags: list[tuple[str, int, str]] = []
        outcomes: list[Outcome] = []
        for job in jobs:
            conflict = self._conflict(job, changed)
            if conflict is not None:
                if self._stored_before(job, ids):
                    raise _Repeated
                outcomes.append(conflict)
                continue
            places: list[AppendedStream] = []
            for append in job:
                version = self._version(append.stream, changed)
                first = position + 1
                for event in append.events:
                    position += 1
                    version += 1
                    rows.append(_row(position, append.stream, version, event, recorded_at))
                    ids.add(event.event_id)
                    if event.tags:
                        tags += [(tag, position, event.type) for tag in dict.fromkeys(event.tags)]
                changed[append.stream] = version
                places.append(AppendedStream(append.stream, version, tuple(range(first, position + 1)), recorded_at))
            outcomes.append(Appended(tuple(places)))
        if len(ids) < len(rows):
            raise _Repeated
        if rows:
            self._executemany(self._insert_event, rows)
        if tags:
            self._executemany(self._insert_tag, tags)
        self._remember(changed, position)
        return outcomes

    def _notice_other_writers(self) -> None:
        """The pragma moves only when another connection has written; what is known in memory then ends."""
        data_version = self._execute("PRAGMA data_version").get
        if data_version != self._data_version:
            self._data_version = data_version
            self._heads.clear()
            self._position = self._execute(LAST_POSITION, (self._events_table,)).get or 0

    def _version(self, stream: Stream, changed: dict[Stream, int]) -> int:
        version = changed.get(stream)
        if version is None:
            version = self._heads.get(stream)
        if version is None:
            version = self._execute(self._head, stream).get or NO_STREAM
            self._heads[stream] = version
        return version

    def _conflict(self, job: Job, changed: dict[Stream, int]) -> ConcurrencyConflict | None:
        for append in job:
            expect = append.expect
            if expect is Expect.ANY:
                continue
            actual = self._version(append.stream, changed)
            if expect is Expect.NEW:
                fits = actual == NO_STREAM
            elif expect is Expect.EXISTS:
                fits = actual != NO_STREAM
            else:
                fits = actual == expect
            if not fits:
                wanted = expect.value if isinstance(expect, Expect) else expect
                return ConcurrencyConflict(append.stream, wanted, actual)
        return None

    def _stored_before(self, job: Job, in_this_group: set[bytes]) -> bool:
        """Or used twice in this job, which weighs more than its conflict as well."""
        ids = [event.event_id for append in job for event in append.events]
        return len(set(ids)) < len(ids) or any(
            id in in_this_group or self._execute(self._by_event_id, (id,)).fetchone() is not None for id in ids
        )

    def _remember(self, changed: dict[Stream, int], position: int) -> None:
        if len(self._heads) + len(changed) > _KNOWN_HEADS:
            self._heads.clear()
        self._heads.update(changed)
        self._position = position

    # --------------------------------------------------------------- the careful way

    def _careful(self, jobs: Sequence[Job]) -> list[Outcome]:
        return [self._one_savepoint(job) for job in jobs]

    def _one_savepoint(self, job: Job) -> Outcome:
        self._execute("SAVEPOINT one_append")
        try:
            outcome: Outcome = self._already_stored(job) or self._stored_now(job)
        except EventfoldError as refused:
            self._execute("ROLLBACK TO one_append")
            outcome = refused
        self._execute("RELEASE one_append")
        return outcome

    def _already_stored(self, job: Job) -> Appended | None:
        """The original places when all of the events are known; an error when only some are, or they differ."""
        events = [(append.stream, event) for append in job for event in append.events]
        if len({event.event_id for _, event in events}) < len(events):
            raise EventIdConflict(_first_repeated([event for _, event in events]), "it is used twice in this append")
        known = [self._execute(self._by_event_id, (event.event_id,)).fetchone() for _, event in events]
        if not any(known):
            return None
        for (stream, event), stored in zip(events, known, strict=True):
            if stored is None:
                why = "it is unknown, but other ids of this append are stored"
                raise EventIdConflict(UUID(bytes=event.event_id), why)
            content = (Stream(stored[1], stored[2]), stored[4], stored[5] or 0, _as_bytes(stored[6]))
            if content != (stream, event.type, event.schema_version, event.data):
                why = f"it is stored at position {stored[0]} as something else"
                raise EventIdConflict(UUID(bytes=event.event_id), why)
        return self._originals(job, known)

    def _originals(self, job: Job, stored: Sequence[Any]) -> Appended:
        rows = iter(stored)
        places: list[AppendedStream] = []
        for append in job:
            own = [next(rows) for _ in append.events]
            positions = tuple(row[0] for row in own)
            places.append(AppendedStream(append.stream, own[-1][3], positions, own[-1][7], deduplicated=True))
        return Appended(tuple(places))

    def _stored_now(self, job: Job) -> Appended:
        if isinstance(job, ConditionalJob) and (conflict := self._against(job.condition)):
            raise conflict
        (outcome,) = self._fast([job])
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def _against(self, condition: Condition) -> BoundaryConflict | None:
        sql, values = boundary(condition.query, condition.bound, _NO_BOUND)
        sql = self._names.fill(f"SELECT position FROM {{events}} WHERE {sql} ORDER BY position LIMIT 1")  # noqa: S608 - fixed words
        position = self._execute(sql, values).get
        return None if position is None else BoundaryConflict(condition.query, position)


def _row(position: int, stream: Stream, version: int, event: NewEvent, recorded_at: int) -> tuple[Any, ...]:
    return (
        position,
        stream[0],
        stream[1],
        version,
        event.event_id,
        event.type,
        event.schema_version,
        event.format,
        event.correlation_id,
        event.causation_id,
        msgspec.json.encode(event.tags).decode() if event.tags else None,
        event.occurred_at,
        recorded_at,
        None if event.metadata is None else event.metadata.decode(),
        event.data.decode() if event.format == 0 else event.data,
    )


def _as_bytes(data: str | bytes | None) -> bytes | None:
    return data.encode() if isinstance(data, str) else data


def _first_repeated(events: Sequence[NewEvent]) -> UUID:
    ids = [event.event_id for event in events]
    return UUID(bytes=next(each for index, each in enumerate(ids) if each in ids[:index]))
