"""
One transaction for all the appends of a moment, with an outcome for each.

A group is tried in three ways, each slower and surer than the one before. First with what is known in memory: a
stream is at least where it was when we last saw it, an expected version says where it should be, and the unique index
on (category, id, version) refuses what is wrong. Then with the versions looked up in the transaction. Only a repeated
event id sends the group down the careful way, with a savepoint for each append, so that one conflict never harms its
neighbours. A conditional append takes that way at once, for its condition must see the rows of those before it, and
so does one that enters a command.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, Literal, Self, TypeAlias
from uuid import UUID

import apsw
import msgspec

from eventfold.adapters.sqlite.accepted import ACCEPT, ACCEPTED, row_of
from eventfold.adapters.sqlite.connection import Connection, translated
from eventfold.adapters.sqlite.names import Names
from eventfold.adapters.sqlite.queries import boundary
from eventfold.domain.deletion import STREAM_DELETED
from eventfold.domain.message import NO_STREAM, NewEvent, Stream
from eventfold.errors import (
    AppendOutcomeUnknown,
    BoundaryConflict,
    ConcurrencyConflict,
    EventfoldError,
    EventIdConflict,
)
from eventfold.ports.clock import Clock, micros_of
from eventfold.ports.command_log import Accepted
from eventfold.ports.event_store import Append, Appended, AppendedStream, Condition, Expect, refuse_repeated_ids
from eventfold.ports.failpoint import failpoint
from eventfold.ports.unit import CommandTaken

__all__ = ["ConditionalJob", "GroupCommit", "Job", "Outcome"]

Outcome: TypeAlias = Appended | Exception
Job: TypeAlias = tuple[Append, ...]


class ConditionalJob(tuple[Append, ...]):  # noqa: SLOT001 - a tuple has no room for slots
    """A job that is stored only if its condition still holds, and the command that led to it is entered with it."""

    condition: Condition | None
    command: tuple[bytes, bytes] | None
    """Its id and the hash of its request."""

    def __new__(cls, appends: Job, condition: Condition | None, command: tuple[bytes, bytes] | None = None) -> Self:
        job = super().__new__(cls, appends)
        job.condition = condition
        job.command = command
        return job


_KNOWN_STREAMS: Final = 50_000
"""Streams of which a version is kept in memory; all are forgotten at once when there are more."""

_NO_BOUND: Final = 2**62

HEAD: Final = "SELECT version, type FROM {events} WHERE category = ? AND id = ? ORDER BY version DESC LIMIT 1"
INSERT_EVENT: Final = """
INSERT INTO {events} (category, id, version, event_id, type, schema_version, format, correlation_id, causation_id,
                      tags, occurred_at, recorded_at, metadata, data)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
INSERT_TAG: Final = "INSERT INTO {event_tags} (tag, position, type) VALUES (?, ?, ?)"
BY_EVENT_ID: Final = """
SELECT position, category, id, version, type, schema_version, data, recorded_at FROM {events} WHERE event_id = ?
"""


_Stored: TypeAlias = list[tuple[Stream, int, int]]
"""For each append of a job its stream, the version after it, and the place of its first event in the group."""


class _Repeated(Exception):
    """An event id of this group is, or may be, stored already, or a stream has been deleted: go a surer way."""


class GroupCommit:
    """Runs groups of appends on a connection that is in nobody else's hands meanwhile."""

    def __init__(self, connection: Connection, names: Names, path: str, clock: Clock, *, busy: float = 0.0) -> None:
        self._execute = connection.execute
        self._executemany = connection.executemany
        self._connection = connection
        self._names = names
        self._path = path
        self.micros: Callable[[], int] = micros_of(clock)
        """The time, for what is stored."""
        self._head = names.fill(HEAD)
        self._insert_event = names.fill(INSERT_EVENT)
        self._insert_tag = names.fill(INSERT_TAG)
        self._by_event_id = names.fill(BY_EVENT_ID)
        self._accepted, self._accept = map(names.fill, (ACCEPTED, ACCEPT))
        self._known: dict[Stream, int] = {}
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
            outcomes = self._careful(jobs) if conditional else self._fast(jobs, self._known)
        except (apsw.ConstraintError, _Repeated):
            outcomes = self._surely(jobs)
        failpoint("append.after_insert")
        self._doing = "commit"
        failpoint("append.before_commit")
        self._execute("COMMIT")
        failpoint("append.after_commit_before_ack")
        return outcomes

    def _surely(self, jobs: Sequence[Job]) -> list[Outcome]:
        """What is known was not enough. What the transaction sees is, unless ids are repeated."""
        self._begin_again()
        try:
            return self._fast(jobs, {})
        except (apsw.ConstraintError, _Repeated):
            self._begin_again()
            return self._careful(jobs)

    def _begin_again(self) -> None:
        if lost := self._roll_back():
            raise lost from None
        self._begin()

    def _begin(self) -> None:
        self._doing = "begin"
        failpoint("append.before_begin")
        self._execute("BEGIN IMMEDIATE")
        self._doing = "write"

    def _roll_back(self) -> apsw.Error | None:
        """SQLite may have dropped the transaction by itself (a full disk does that), so look first."""
        self._known.clear()
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

    def saw(self, stream: Stream, version: int) -> None:
        """Somebody has read so far. From any thread."""
        if len(self._known) > _KNOWN_STREAMS:
            self._known.clear()
        if version > self._known.get(stream, NO_STREAM):
            self._known[stream] = version

    def forgot(self, stream: Stream) -> None:
        """What was seen of it counts no more."""
        self._known.pop(stream, None)

    def _fast(self, jobs: Sequence[Job], known: dict[Stream, int]) -> list[Outcome]:
        """
        All rows by one statement. Raises ConstraintError where a stream is not where it was thought to be.

        Args:
            known: versions that streams have reached, at least; empty: nothing is to be taken for granted.
        """
        recorded_at = self.micros()
        changed: dict[Stream, int] = {}
        rows: list[tuple[Any, ...]] = []
        events: list[NewEvent] = []
        outcomes: list[ConcurrencyConflict | _Stored] = []
        for job in jobs:
            befores = [self._version(append, changed, known) for append in job]
            if conflict := self._conflict(job, befores, changed):
                if self._stored_before(job, events):
                    raise _Repeated
                outcomes.append(conflict)
                continue
            stored: _Stored = []
            for append, before in zip(job, befores, strict=True):
                version = abs(before) + len(append.events)
                stored.append((append.stream, version, len(events)))
                rows += _rows(append, abs(before), recorded_at)
                events += append.events
                changed[append.stream] = version
            outcomes.append(stored)
        first = self._insert(rows, events)
        for stream, version in changed.items():
            self.saw(stream, version)
        return [
            outcome if isinstance(outcome, ConcurrencyConflict) else _appended(job, outcome, first, recorded_at)
            for job, outcome in zip(jobs, outcomes, strict=True)
        ]

    def _insert(self, rows: Sequence[tuple[Any, ...]], events: Sequence[NewEvent]) -> int:
        """The position of the first of them; AUTOINCREMENT counts on from there, and nobody else writes now."""
        if not rows:
            return 0
        if len(rows) == 1:
            self._execute(self._insert_event, rows[0])
        else:
            self._executemany(self._insert_event, rows)
        first = self._connection.last_insert_rowid() - len(rows) + 1
        tags = [
            (tag, position, event.type)
            for position, event in enumerate(events, first)
            if event.tags
            for tag in dict.fromkeys(event.tags)
        ]
        if tags:
            self._executemany(self._insert_tag, tags)
        return first

    def _version(self, append: Append, changed: dict[Stream, int], known: dict[Stream, int]) -> int:
        """Where the stream is, or where the index will refuse it if it is not. Below 0: see `_look`."""
        stream, expect = append.stream, append.expect
        version = changed.get(stream)
        if version is not None:
            return version
        version = known.get(stream)
        if version is None:
            new = known is self._known and (expect is Expect.NEW or expect == NO_STREAM)
            return NO_STREAM if new else self._look(stream)
        behind = not isinstance(expect, Expect) and version < expect
        return self._look(stream) if behind else version

    def _look(self, stream: Stream) -> int:
        """The last version; as a negative number where it is a tombstone's: it is used, and there is no stream."""
        row = self._execute(self._head, stream).fetchone()
        if row is None:
            return NO_STREAM
        version: int = row[0]
        return -version if row[1] == STREAM_DELETED else version

    def _conflict(self, job: Job, befores: Sequence[int], changed: dict[Stream, int]) -> ConcurrencyConflict | None:
        for append, version in zip(job, befores, strict=True):
            stream, expect = append.stream, append.expect
            if version != expect and not _fits(expect, version):  # first the most frequent
                actual = changed.get(stream) or self._look(stream)
                if _fits(expect, actual):  # what was known is out of date: the stream has been deleted
                    raise _Repeated
                wanted = expect.value if isinstance(expect, Expect) else expect
                return ConcurrencyConflict(stream, wanted, max(NO_STREAM, actual))
        return None

    def _stored_before(self, job: Job, before: Sequence[NewEvent]) -> bool:
        """Or in this group, or twice in this job, which weighs more than its conflict as well."""
        ids = [event.event_id for append in job for event in append.events]
        in_this_group = {event.event_id for event in before}
        return len(set(ids)) < len(ids) or any(
            id in in_this_group or self._execute(self._by_event_id, (id,)).fetchone() is not None for id in ids
        )

    # ------------------------------------------------- within somebody's transaction

    def within(self, job: Job) -> Outcome:
        """Store it in the transaction that is open; of one that is refused nothing is stored. Errors of SQLite pass."""
        return self._one_savepoint(job)

    def roll_back(self) -> None:
        """The transaction that is open, and what it has made known of its streams."""
        self._roll_back()

    # --------------------------------------------------------------- the careful way

    def _careful(self, jobs: Sequence[Job]) -> list[Outcome]:
        return [self._one_savepoint(job) for job in jobs]

    def _one_savepoint(self, job: Job) -> Outcome:
        self._execute("SAVEPOINT one_append")
        try:
            outcome: Outcome = self._already_stored(job) or self._stored_now(job)
        except (EventfoldError, CommandTaken) as refused:
            self._execute("ROLLBACK TO one_append")
            outcome = refused
        self._execute("RELEASE one_append")
        return outcome

    def _already_stored(self, job: Job) -> Appended | None:
        """The original places when all of the events are known; an error when only some are, or they differ."""
        events = [(append.stream, event) for append in job for event in append.events]
        refuse_repeated_ids([event for _, event in events])
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
        if not isinstance(job, ConditionalJob):
            return self._stored_alone(job)
        if job.command is not None and self._execute(self._accepted, job.command[:1]).fetchone() is not None:
            raise CommandTaken
        if job.condition is not None and (conflict := self._against(job.condition)):
            raise conflict
        appended = self._stored_alone(job)
        if job.command is not None:
            (place,) = appended.streams
            self._execute(self._accept, row_of(Accepted.with_events(*job.command, place), place.recorded_at))
        return appended

    def _stored_alone(self, job: Job) -> Appended:
        (outcome,) = self._fast([job], {})
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def _against(self, condition: Condition) -> BoundaryConflict | None:
        sql, values = boundary(condition.query, condition.bound, _NO_BOUND)
        sql = self._names.fill(f"SELECT position FROM {{events}} WHERE {sql} ORDER BY position LIMIT 1")  # noqa: S608 - fixed words
        position = self._execute(sql, values).get
        return None if position is None else BoundaryConflict(condition.query, position)


def _fits(expect: int | Expect, version: int) -> bool:
    if expect is Expect.ANY:
        return True
    if expect is Expect.EXISTS:
        return version > NO_STREAM
    return version <= NO_STREAM if expect is Expect.NEW or expect == NO_STREAM else version == expect


def _appended(job: Job, stored: _Stored, first: int, recorded_at: int) -> Appended:
    return Appended(
        tuple(
            [
                AppendedStream(stream, version, tuple(range(first + at, first + at + len(append.events))), recorded_at)
                for append, (stream, version, at) in zip(job, stored, strict=True)
            ]
        )
    )


def _rows(append: Append, version: int, recorded_at: int) -> list[tuple[Any, ...]]:
    category, id = append.stream
    return [
        (
            category,
            id,
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
        for version, event in enumerate(append.events, version + 1)
    ]


def _as_bytes(data: str | bytes | None) -> bytes | None:
    return data.encode() if isinstance(data, str) else data
