"""
The appender epoch of the Postgres store as a model: transactions that append, readers that follow, and every order of
their steps. An atom is what the server does in one go; between two atoms anybody else may act.

A transaction reads its stream's version, reads the sequence, takes a lock that carries that value, draws positions and
inserts one by one (waiting for a rival's row of that version, failing on a committed one), and commits or rolls back.
It becomes visible first and loses its locks later. A reader reads the sequence (S), then lists the locks (the smallest
value is L), then, with a later snapshot, reads what is committed up to min(S, L); its cursor moves to the last event it
got.

What must never happen:

- *skipped*: a commit at or below a reader's cursor, or a page that passes a committed event;
- *order broken*: a version of a stream that a reader meets before an earlier one;
- *stuck*: nobody writes, and a reader cannot come to the last event.

Three merges keep it small, and none loses a run. Writers with the same program are exchangeable, and so are readers: a
state is stored with its writers and readers in a fixed order. A reader whose bound does not exceed its cursor has
nothing to read and is put back to the start, which is all that it could do. A transaction that was rolled back leaves
nothing behind. Readers poll without end; that costs no states and is more than any number of polls.

Readers neither write nor lock, so nothing they do is seen by a writer or by another reader: a run with two readers is a
run with one, twice. One reader therefore finds whatever two find. The full size has two all the same.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, NamedTuple, TypeAlias, TypeVar

NONE = -1
DRAWING = -2
"""A position is being drawn: only with `sequence="unlocked"`, where that is visible."""
INFINITE = 250
AHEAD = 2
"""How far the page of the sequence runs ahead while a value is logged: 32 in Postgres, 2 is enough to be wrong."""

RUNNING, LEAVING, ENDED = 0, 1, 2
"""LEAVING: committed or rolled back for everybody to see, the locks still held."""


@dataclass(frozen=True)
class Scheme:
    """How it is done. The defaults are the appender epoch; every other value is a mistake that somebody could make."""

    lock: Literal["first", "after drawing", "never"] = "first"
    reader: Literal["sequence, locks, page", "locks, sequence, page", "page at the time of the sequence"] = (
        "sequence, locks, page"
    )
    sequence: Literal["locked", "unlocked"] = "locked"
    cache: Literal[1, 2] = 1
    once: Literal["transaction", "append", "client"] = "transaction"
    """Where it is remembered that the lock is held. "append": nowhere, each takes one, which is right but dear."""
    cursor: Literal["event", "bound"] = "event"
    below: Literal["at most", "less than"] = "at most"
    order: Literal["position", "xid and position"] = "position"
    version: Literal["before drawing", "after drawing"] = "before drawing"
    locks_end: Literal["after visible", "before visible"] = "after visible"
    commit: Literal["durable", "asynchronous"] = "durable"


@dataclass(frozen=True)
class World:
    """Who takes part. `writers`: a transaction each, by the streams of its appends."""

    writers: tuple[tuple[int, ...], ...]
    readers: int = 2
    events: int = 1
    """The most events that an append may have."""
    savepoints: bool = False
    """Each append is under a savepoint that may be rolled back; a conflict rolls it back too."""
    crash: bool = False
    """The server may be killed once."""
    early: bool = False
    """A transaction may have written elsewhere before it appends."""


class Part(NamedTuple):
    """One append: the version it is built on, the value in the lock it took, the positions of its rows."""

    base: int = NONE
    lock: int = NONE
    rows: tuple[int, ...] = ()


class Tx(NamedTuple):
    parts: tuple[Part, ...]
    phase: int = RUNNING
    visible: bool = False
    at: int = 0
    read: int = NONE
    drawn: int = 0
    """A position that has no row yet."""
    cached: int = 0
    knows: bool = False
    """The client believes that the lock is held."""
    xid: int = 0

    @property
    def lock(self) -> int:
        return min((part.lock for part in self.parts if part.lock != NONE), default=NONE)


class Reader(NamedTuple):
    cursor: int = 0
    at: int = 0
    bound: int = 0
    """The value read so far: the sequence, the smallest lock, or the smaller of the two."""
    saw: tuple[int, ...] = ()
    """What was committed when the snapshot was taken, where that is earlier than the page."""


class Log(NamedTuple):
    """All but the readers."""

    sequence: int
    next_xid: int
    crashed: bool
    writers: tuple[Tx, ...]


N = TypeVar("N", bound=Hashable)


class Numbers(Generic[N]):
    def __init__(self) -> None:
        self._numbers: dict[N, int] = {}
        self._known: list[N] = []

    def of(self, thing: N) -> int:
        number = self._numbers.setdefault(thing, len(self._known))
        if number == len(self._known):
            self._known.append(thing)
        return number

    def __getitem__(self, number: int) -> N:
        return self._known[number]


class Move(NamedTuple):
    name: str
    after: int
    broken: str = ""
    lowest: int = INFINITE
    """The lowest position that it makes visible."""
    kills: bool = False
    """Readers lose what they have read so far, but not their cursor."""


Step: TypeAlias = tuple[str, Log, str]
To: TypeAlias = Callable[..., Step]
PLACE = 24
FULL = (1 << PLACE) - 1


class Epoch:
    """
    A state is a number, for there are millions: the number of the log, then those of the readers. What writers can do
    depends on the log alone, and what a reader can do on the log and itself, so each is worked out once.
    """

    def __init__(self, world: World, scheme: Scheme = Scheme()) -> None:
        self._world = world
        self._scheme = scheme
        self._logs = Numbers[Log]()
        self._readers = Numbers[Reader]()
        self._moves: dict[int, list[Move]] = {}
        self._looks: dict[int, list[Move]] = {}
        self._alike = [
            [i for i, program in enumerate(world.writers) if program == each] for each in dict.fromkeys(world.writers)
        ]

    def start(self) -> int:
        fresh = tuple(Tx(tuple(Part() for _ in program)) for program in self._world.writers)
        log = self._logs.of(Log(0, 1, crashed=False, writers=fresh))
        return packed(log, [self._readers.of(Reader())] * self._world.readers)

    def steps(self, state: int) -> Iterator[tuple[str, int, str]]:
        log, readers = unpacked(state, self._world.readers)
        if (moves := self._moves.get(log)) is None:
            moves = self._moves[log] = list(self._moved(self._logs[log]))
        cursor = max((self._readers[each].cursor for each in readers), default=0)
        for name, after, broken, lowest, kills in moves:
            late = f"skipped: {lowest} became visible when a reader was at {cursor}" if lowest <= cursor else ""
            yield name, packed(after, self._restarted(readers) if kills else readers), late or broken
        for i, reader in enumerate(readers):
            if i > 0 and reader == readers[i - 1]:
                continue
            others = readers[:i] + readers[i + 1 :]
            key = log << PLACE | reader
            if (looks := self._looks.get(key)) is None:
                looks = self._looks[key] = list(self._looked(self._logs[log], self._readers[reader]))
            for look in looks:
                yield look.name, packed(log, [*others, look.after]), look.broken

    def _restarted(self, readers: list[int]) -> list[int]:
        return [self._readers.of(Reader(self._readers[each].cursor)) for each in readers]

    def _moved(self, log: Log) -> Iterator[Move]:
        before = visible(log)
        for i in range(len(log.writers)):
            for name, after, broken in self._writes(log, i):
                lowest = min((p for p in visible(after) if p not in before), default=INFINITE)
                yield Move(name, self._logs.of(self._in_order(after)), broken, lowest)
        if self._world.crash and not log.crashed:
            for name, after, broken in self._crashes(log):
                yield Move(name, self._logs.of(self._in_order(after)), broken, kills=True)

    def _in_order(self, log: Log) -> Log:
        """Writers of one program are exchangeable."""
        writers = list(log.writers)
        for alike in self._alike:
            for i, tx in zip(alike, sorted(log.writers[i] for i in alike), strict=True):
                writers[i] = tx
        return log._replace(writers=tuple(writers))

    def _looked(self, log: Log, reader: Reader) -> Iterator[Move]:
        for name, after, broken in self._reads(log, reader):
            yield Move(f"a reader {name}", self._readers.of(after), broken)

    # ------------------------------------------------------------- what may happen

    def _writes(self, log: Log, i: int) -> Iterator[Step]:
        tx = log.writers[i]
        if tx.phase == ENDED:
            return

        def to(name: str, tx: Tx, sequence: int = log.sequence, xid: int = log.next_xid, broken: str = "") -> Step:
            after = Log(sequence, xid, log.crashed, swapped(log.writers, i, tx))
            at = "+".join(map(str, self._world.writers[i]))
            return f"a writer of {at} {name}", after, broken or (self._stuck(after) if tx.phase == ENDED else "")

        if tx.phase == LEAVING:
            yield to("loses its locks", gone(tx))
            return
        if tx != gone(tx, phase=RUNNING):
            yield to("rolls back", rolled_back(tx))
        elif self._world.early and not tx.xid:
            yield to("writes elsewhere", tx._replace(xid=log.next_xid), xid=log.next_xid + 1)
        if tx.at < len(tx.parts):
            yield from self._appends(log, i, to)
        if tx.drawn == 0 and any(part.rows for part in tx.parts) and tx.at >= len(tx.parts) - 1:
            yield from self._commits(log, i, to)

    def _appends(self, log: Log, i: int, to: To) -> Iterator[Step]:
        scheme, tx = self._scheme, log.writers[i]
        stream, part = self._world.writers[i][tx.at], tx.parts[tx.at]

        def with_part(after: Part) -> Tx:
            return tx._replace(parts=swapped(tx.parts, tx.at, after))

        late = scheme.version == "after drawing"
        entered = {
            "transaction": tx.lock != NONE,
            "append": part.lock != NONE,
            "client": tx.knows,
        }[scheme.once] or scheme.lock == "never"
        if part.base == NONE and (tx.drawn > 0 if late else tx.drawn == 0):
            yield to("reads its version", with_part(part._replace(base=self._top(log, i, stream))))
        if not entered and (scheme.lock == "first" or tx.drawn > 0):
            if tx.read == NONE:
                yield from (
                    to(f"reads the sequence: {value}", tx._replace(read=value)) for value in self._sequence(log)
                )
            else:
                yield to("locks", with_part(part._replace(lock=tx.read))._replace(read=NONE, knows=True))
        if tx.drawn == 0 and len(part.rows) < self._world.events and (late or part.base != NONE):
            if entered or scheme.lock == "after drawing":
                yield from self._draws(log, tx, to)
        elif tx.drawn == DRAWING:
            yield to("has drawn", tx._replace(drawn=log.sequence + 1), log.sequence + 1)
        elif tx.drawn > 0 and part.base != NONE and entered:
            yield from self._inserts(log, i, to)
        if part.rows and tx.drawn == 0 and tx.at + 1 < len(tx.parts):
            yield to("goes on", tx._replace(at=tx.at + 1))
        if self._world.savepoints and part != Part():
            yield to("rolls back to its savepoint", to_savepoint(tx))

    def _draws(self, log: Log, tx: Tx, to: To) -> Iterator[Step]:
        if tx.cached:
            yield to("draws from its cache", tx._replace(drawn=tx.cached, cached=0))
        elif self._scheme.sequence == "unlocked":
            if all(other.drawn != DRAWING for other in log.writers):
                yield to("begins to draw", tx._replace(drawn=DRAWING))
        elif self._scheme.cache == 2:
            drawn = log.sequence + 1
            yield to("draws two", tx._replace(drawn=drawn, cached=drawn + 1), log.sequence + 2)
        else:
            yield to(f"draws {log.sequence + 1}", tx._replace(drawn=log.sequence + 1), log.sequence + 1)

    def _inserts(self, log: Log, i: int, to: To) -> Iterator[Step]:
        tx = log.writers[i]
        stream, part = self._world.writers[i][tx.at], tx.parts[tx.at]
        version = part.base + len(part.rows) + 1
        rival = self._owner(log, i, stream, version)
        if rival is None:
            row = part._replace(rows=(*part.rows, tx.drawn))
            stored = tx._replace(parts=swapped(tx.parts, tx.at, row), drawn=0, xid=tx.xid or log.next_xid)
            yield to(
                f"inserts version {version} at {tx.drawn}",
                stored,
                xid=log.next_xid + (self._world.early and not tx.xid),
            )
        elif rival.visible:
            yield to("meets a conflict", to_savepoint(tx) if self._world.savepoints else rolled_back(tx))

    def _commits(self, log: Log, i: int, to: To) -> Iterator[Step]:
        tx = log.writers[i]
        if self._scheme.locks_end == "before visible" and tx.lock != NONE:
            parts = tuple(part._replace(lock=NONE) for part in tx.parts)
            yield to("loses its locks", tx._replace(parts=parts, at=len(parts), knows=False, read=NONE))
            return
        after = tx._replace(visible=True, phase=LEAVING, read=NONE, knows=False, cached=0)
        if tx.lock == NONE:
            after = gone(after)
        moved = log._replace(writers=swapped(log.writers, i, after))
        yield to("commits", after, broken=self._disordered(moved))

    def _reads(self, log: Log, reader: Reader) -> Iterator[tuple[str, Reader, str]]:
        scheme = self._scheme
        if reader.at == 0:
            if scheme.reader == "locks, sequence, page":
                yield "lists the locks", reader._replace(at=1, bound=locked(log)), ""
                return
            snapshot = visible(log) if scheme.reader == "page at the time of the sequence" else ()
            for value in self._sequence(log):
                yield f"reads the sequence: {value}", settled(reader._replace(at=1, bound=value, saw=snapshot)), ""
        elif reader.at == 1:
            other, what = (locked(log), "lists the locks")
            if scheme.reader == "locks, sequence, page":
                other, what = next(self._sequence(log)), "reads the sequence"
            yield what, settled(reader._replace(at=2, bound=min(reader.bound, other))), ""
        else:
            committed = visible(log)
            cursor, page = self._page(reader, reader.saw if scheme.reader.startswith("page") else committed)
            passed = [p for p in committed if reader.cursor < p <= cursor and p not in page]
            yield "reads the page", Reader(cursor), f"skipped: {passed} was never read" if passed else ""

    def _page(self, reader: Reader, rows: Sequence[int]) -> tuple[int, list[int]]:
        bound = reader.bound - (self._scheme.below == "less than")
        page = [p for p in rows if reader.cursor < p <= bound]
        if self._scheme.cursor == "bound":
            return bound, page
        return max(page, default=reader.cursor), page

    def _crashes(self, log: Log) -> Iterator[Step]:
        """Locks and open transactions are gone, cursors are not. Positions that no commit made durable come again."""
        writers = tuple(gone(tx) if tx.visible or tx != gone(tx, phase=RUNNING) else tx for tx in log.writers)
        ends = [log._replace(writers=writers)]
        if self._scheme.commit == "asynchronous":
            ends.append(log._replace(writers=tuple(rolled_back(gone(tx)) if tx.visible else tx for tx in writers)))
        for end in ends:
            for sequence in range(max(visible(end), default=0), log.sequence + 2):
                after = end._replace(sequence=sequence, crashed=True)
                yield f"the server is killed, the sequence is at {sequence}", after, ""

    # ------------------------------------------------------------- what is there

    def _sequence(self, log: Log) -> Iterator[int]:
        """`pg_sequence_last_value` waits while a value is drawn, a plain SELECT sees what is being logged."""
        yield log.sequence
        if any(tx.drawn == DRAWING for tx in log.writers):
            yield log.sequence + AHEAD

    def _top(self, log: Log, i: int, stream: int) -> int:
        """The last version of the stream that this transaction sees: what is committed, and its own."""
        return max(
            (
                part.base + len(part.rows)
                for j, tx in enumerate(log.writers)
                if tx.visible or j == i
                for of, part in zip(self._world.writers[j], tx.parts, strict=True)
                if of == stream and part.rows
            ),
            default=0,
        )

    def _owner(self, log: Log, i: int, stream: int, version: int) -> Tx | None:
        for j, tx in enumerate(log.writers):
            for of, part in zip(self._world.writers[j], tx.parts, strict=True):
                if j != i and of == stream and part.base < version <= part.base + len(part.rows):
                    return tx
        return None

    # ------------------------------------------------------------- what is broken

    def _disordered(self, log: Log) -> str:
        by_xid = self._scheme.order == "xid and position"
        stored: dict[int, list[tuple[int, tuple[int, int]]]] = {}
        for program, tx in zip(self._world.writers, log.writers, strict=True):
            if tx.visible:
                for stream, part in zip(program, tx.parts, strict=True):
                    rows = [(part.base + n, (tx.xid if by_xid else 0, p)) for n, p in enumerate(part.rows, 1)]
                    stored.setdefault(stream, []).extend(rows)
        for rows in stored.values():
            rows.sort()
            places = [place for _, place in rows]
            if places != sorted(places):
                return f"order broken: version 1, 2, ... of a stream are read at {places}"
        return ""

    def _stuck(self, log: Log) -> str:
        if any(tx.phase != ENDED and tx != gone(tx, phase=RUNNING) for tx in log.writers):
            return ""
        rows = visible(log)
        cursor, _ = self._page(Reader(0, 2, min(log.sequence, locked(log))), rows)
        return "" if cursor >= max(rows, default=0) else f"stuck: nobody writes, and {max(rows)} cannot be read"


def swapped(of: tuple[Any, ...], i: int, new: object) -> tuple[Any, ...]:
    return (*of[:i], new, *of[i + 1 :])


def gone(tx: Tx, *, phase: int = ENDED) -> Tx:
    """What is left of it: its rows if they are committed, else nothing."""
    if not tx.visible:
        return Tx(tuple(Part() for _ in tx.parts), phase, xid=tx.xid if phase == RUNNING else 0)
    return Tx(tuple(part._replace(lock=NONE) for part in tx.parts), phase, visible=True, xid=tx.xid)


def rolled_back(tx: Tx) -> Tx:
    """Its rows are dead at once; its locks go a moment later."""
    if tx.lock == NONE:
        return gone(tx._replace(visible=False))
    return Tx(tuple(Part(lock=part.lock) for part in tx.parts), LEAVING)


def to_savepoint(tx: Tx) -> Tx:
    """The append is undone with the lock it took; what the client remembers, and what the session cached, is not."""
    return tx._replace(parts=swapped(tx.parts, tx.at, Part()), at=tx.at + 1, read=NONE, drawn=0)


def settled(reader: Reader) -> Reader:
    return Reader(reader.cursor) if reader.bound <= reader.cursor else reader


def locked(log: Log) -> int:
    return min((tx.lock for tx in log.writers if tx.lock != NONE), default=INFINITE)


def visible(log: Log) -> tuple[int, ...]:
    return tuple(sorted(p for tx in log.writers if tx.visible for part in tx.parts for p in part.rows))


def packed(log: int, readers: list[int]) -> int:
    for reader in sorted(readers):
        log = log << PLACE | reader
    return log


def unpacked(state: int, readers: int) -> tuple[int, list[int]]:
    places = [state >> PLACE * i & FULL for i in reversed(range(readers))]
    return state >> PLACE * readers, places
