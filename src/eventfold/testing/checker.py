"""
The oracle of every torture test: what may be in a log, given what was asked and answered.

| letter | what is checked |
| --- | --- |
| A1 | an acknowledged event is there, where the answer said |
| A2 | no event id is stored twice |
| A3 | the versions of a stream are 1, 2, 3 … in the order of the log |
| A4 | the events of one append are there all or none, next to each other in their stream |
| A5 | what was rejected is absent |
| A6 | what was never answered, or answered with "unknown", is there once or not; nothing else is there |
| A7 | what was asked after another was acknowledged stands behind it |
| A8 | each life of a subscription saw exactly the log, in order |
| A9 | the rows of a projection are the fold of the log up to its checkpoint |
| A10 | when all is quiet, the checkpoint is the last event |
| A11 | the storage finds no fault in itself |
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise

import msgspec

from eventfold.domain.message import StoredEvent, Stream
from eventfold.testing.journal import Acknowledged, Asked, Delivered, Line, Rejected, Subscribed, Unknown

__all__ = ["Projected", "Tally", "Violation", "check", "tally"]


class Violation(msgspec.Struct, frozen=True):
    """A broken promise: its letter and what was seen."""

    letter: str
    text: str

    def __str__(self) -> str:
        return f"{self.letter}: {self.text}"


class Projected(msgspec.Struct, frozen=True):
    """What a projection holds, and how it follows from the log."""

    name: str
    position: int
    event_id: bytes | None
    rows: object
    fold: Callable[[Sequence[StoredEvent]], object]
    """The rows after exactly these events."""


class Tally(msgspec.Struct, frozen=True):
    """The journal in figures."""

    asked: int
    acknowledged: int
    """Events, not calls."""
    rejected: int
    unanswered: int
    unanswered_stored: int
    """Calls without an answer, or with "unknown", whose events are in the log."""


def check(
    log: Sequence[StoredEvent],
    journal: Sequence[Line],
    *,
    projections: Sequence[Projected] = (),
    quiet: bool = False,
    integrity: str = "ok",
) -> list[Violation]:
    """
    Every promise that log, journal and projections break together; none is what you want.

    Args:
        log: all events, in the order in which the store gives them.
        quiet: nobody writes any more and every projection has had time to finish (A10).
        integrity: what the storage says of itself: "ok", or what is wrong.
    """
    history = _History(journal)
    found = [
        *_stored_once_and_in_order(log),
        *_acknowledged(log, history),
        *_appends(log, history),
        *_real_time(log, history),
        *_subscriptions(log, journal),
        *_projections(log, projections, quiet=quiet),
    ]
    if integrity != "ok":
        found.append(Violation("A11", integrity))
    return found


def tally(log: Sequence[StoredEvent], journal: Sequence[Line]) -> Tally:
    history = _History(journal)
    present = {event.event_id for event in log}
    open_calls = [ids for ids in history.calls if ids not in history.acked and ids not in history.rejected]
    return Tally(
        asked=len(history.asked),
        acknowledged=sum(len(ids) for ids in history.acked),
        rejected=len(history.rejected),
        unanswered=len(open_calls),
        unanswered_stored=sum(present.issuperset(ids) for ids in open_calls),
    )


class _History:
    """Calls by the ids they carry: a repetition with the same ids is the same append."""

    def __init__(self, journal: Sequence[Line]) -> None:
        self.asked: dict[str, Asked] = {}
        self.calls: dict[tuple[bytes, ...], Asked] = {}  # the first of each
        self.acked: dict[tuple[bytes, ...], Acknowledged] = {}  # the first of each
        self.acks: list[tuple[Asked, Acknowledged]] = []
        self.rejected: set[tuple[bytes, ...]] = set()
        open_ops: dict[str, Asked] = {}
        for line in journal:
            if isinstance(line, Asked):
                self.asked[line.op] = open_ops[line.op] = line
                self.calls.setdefault(line.ids, line)
            elif isinstance(line, Acknowledged):
                asked = self.asked[line.op]
                open_ops.pop(line.op, None)
                self.acked.setdefault(asked.ids, line)
                self.acks.append((asked, line))
            elif isinstance(line, Rejected):
                self.rejected.add(open_ops.pop(line.op).ids)
            elif isinstance(line, Unknown):
                continue  # it stays open
        self.rejected -= self.acked.keys()
        self.rejected -= {asked.ids for asked in open_ops.values()}  # an earlier call with these ids may have arrived


def _stored_once_and_in_order(log: Sequence[StoredEvent]) -> Iterator[Violation]:
    for id, times in Counter(event.event_id for event in log).items():
        if times > 1:
            yield Violation("A2", f"event {id.hex()} is stored {times} times")
    versions: Counter[Stream] = Counter()
    for event in log:
        versions[event.stream] += 1
        if event.version != versions[event.stream]:
            yield Violation("A3", f"{event.stream} has version {event.version} where {versions[event.stream]} belongs")
    for one, other in pairwise(log):
        if other.position <= one.position:
            yield Violation("A8", f"position {other.position} comes after {one.position} in the log")


def _acknowledged(log: Sequence[StoredEvent], history: _History) -> Iterator[Violation]:
    places = {event.event_id: event for event in log}
    for asked, answer in history.acks:
        for (stream, ids), place in zip(asked.events, answer.places, strict=True):
            first = place.version - len(ids) + 1
            for version, (id, position) in enumerate(zip(ids, place.positions, strict=True), first):
                said = (stream, version, position)
                event = places.get(id)
                if event is None:
                    yield Violation("A1", f"{asked.op}: event {id.hex()} was acknowledged at {said} and is lost")
                elif (event.stream, event.version, event.position) != said:
                    where = (event.stream, event.version, event.position)
                    yield Violation("A1", f"{asked.op}: event {id.hex()} was acknowledged at {said} and is at {where}")


def _appends(log: Sequence[StoredEvent], history: _History) -> Iterator[Violation]:
    places = {event.event_id: event for event in log}
    for ids, asked in history.calls.items():
        there = [id for id in ids if id in places]
        if there and ids in history.rejected:
            yield Violation("A5", f"{asked.op} was rejected, and {len(there)} of its events are stored")
        if there and len(there) < len(ids):
            yield Violation("A4", f"{asked.op}: {len(there)} of {len(ids)} events are stored")
        elif there:
            for stream, own in asked.events:
                versions = [places[id].version for id in own]
                if any(places[id].stream != stream for id in own):
                    yield Violation("A4", f"{asked.op}: an event for {stream} is in another stream")
                elif versions != list(range(versions[0], versions[0] + len(own))):
                    yield Violation("A4", f"{asked.op}: its events have the versions {versions} in {stream}")
    known = {id for ids in history.calls for id in ids}
    stored = Counter(event.event_id for event in log)
    answered = {id for ids in history.acked for id in ids}
    for id, times in stored.items():
        if id not in known:
            yield Violation("A6", f"event {id.hex()} is stored, and nobody has asked for it")
        elif times > 1 and id not in answered:
            yield Violation("A6", f"event {id.hex()} of unknown outcome is stored {times} times")


def _real_time(log: Sequence[StoredEvent], history: _History) -> Iterator[Violation]:
    """In the order of asking, each append stands behind everything that was acknowledged before it was asked."""
    positions = {event.event_id: event.position for event in log}
    done = sorted(
        (answer.at, max(positions[id] for id in ids), history.calls[ids].op)
        for ids, answer in history.acked.items()
        if all(id in positions for id in ids)
    )
    begun = sorted(
        (asked.at, min(positions[id] for id in ids), asked.op)
        for ids, asked in history.calls.items()
        if all(id in positions for id in ids)
    )
    highest, whose, index = 0, "", 0
    for at, position, op in begun:
        while index < len(done) and done[index][0] < at:
            if done[index][1] > highest:
                highest, whose = done[index][1:]
            index += 1
        if position < highest and op != whose:
            yield Violation("A7", f"{op} was asked after {whose} was acknowledged at {highest}, and is at {position}")


def _subscriptions(log: Sequence[StoredEvent], journal: Sequence[Line]) -> Iterator[Violation]:
    lives: list[tuple[str, int, list[tuple[int, bytes]]]] = []
    current: dict[str, list[tuple[int, bytes]]] = {}
    for line in journal:
        if isinstance(line, Subscribed):
            current[line.subscription] = []
            lives.append((line.subscription, line.after, current[line.subscription]))
        elif isinstance(line, Delivered):
            current[line.subscription] += line.events
    for name, after, seen in lives:
        expected = [(event.position, event.event_id) for event in log if event.position > after][: len(seen)]
        if seen != expected:
            at = next(
                (n for n, pair in enumerate(zip(seen, expected, strict=False)) if pair[0] != pair[1]), len(expected)
            )
            yield Violation(
                "A8", f"{name}, from {after}: delivery {at + 1} of {len(seen)} is not what the log holds there"
            )


def _projections(log: Sequence[StoredEvent], projections: Sequence[Projected], *, quiet: bool) -> Iterator[Violation]:
    by_position: Mapping[int, StoredEvent] = {event.position: event for event in log}
    last = log[-1].position if log else 0
    for each in projections:
        at = by_position.get(each.position)
        if each.position and (at is None or at.event_id != each.event_id):
            yield Violation(
                "A9", f"{each.name}: its checkpoint {each.position} is not of this log, which ends at {last}"
            )
        elif each.rows != each.fold([event for event in log if event.position <= each.position]):
            yield Violation("A9", f"{each.name}: its rows are not the fold of the log up to {each.position}")
        if quiet and each.position != last:
            yield Violation(
                "A10", f"{each.name}: all is quiet, the log ends at {last}, its checkpoint is {each.position}"
            )
