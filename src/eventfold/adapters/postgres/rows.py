"""Appends as the parameters of the functions in the database, and their answers as what became of the appends."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, TypeAlias
from uuid import UUID

from asyncpg.pgproto import pgproto  # its UUID takes 16 bytes as they are, in C

from eventfold.domain.message import NewEvent
from eventfold.errors import BoundaryConflict, ConcurrencyConflict, EventIdConflict
from eventfold.ports.event_store import Append, Appended, AppendedStream, Condition, Expect

__all__ = ["Outcome", "array", "conditions", "explained", "fields", "grouped", "id_used_twice", "scalars", "wanted"]

Outcome: TypeAlias = Appended | Exception

_UNREACHABLE: Final = 2**62
_WANTED: Final = {Expect.ANY: -1, Expect.NEW: 0, Expect.EXISTS: -2}
_NO_CONDITION: Final = (None, None, None, None, None)


def wanted(expect: int | Expect) -> int:
    return _WANTED[expect] if isinstance(expect, Expect) else min(expect, _UNREACHABLE)


def array(texts: Iterable[str]) -> str:
    """The text form of an array of texts."""
    quoted = (text.replace("\\", "\\\\").replace('"', '\\"') for text in texts)
    return "{" + ",".join(f'"{text}"' for text in quoted) + "}"


def scalars(append: Append) -> tuple[Any, ...]:
    """For append_1."""
    (event,) = append.events
    return (
        append.stream[0],
        append.stream[1],
        wanted(append.expect),
        pgproto.UUID(event.event_id),
        event.type,
        event.schema_version,
        event.format,
        event.correlation_id,
        event.causation_id,
        event.tags or None,
        event.occurred_at,
        event.metadata,
        event.data,
    )


def fields(events: Sequence[NewEvent]) -> tuple[list[Any] | None, ...]:
    """A list for each field; None where no event has it."""
    return (
        [pgproto.UUID(event.event_id) for event in events],
        [event.type for event in events],
        [event.schema_version for event in events],
        [event.format for event in events],
        _any([event.correlation_id for event in events]),
        _any([event.causation_id for event in events]),
        _any([array(event.tags) if event.tags else None for event in events]),
        _any([event.occurred_at for event in events]),
        _any([event.metadata for event in events]),
        [event.data for event in events],
    )


def _any(values: list[Any]) -> list[Any] | None:
    return None if values.count(None) == len(values) else values


def grouped(appends: Sequence[Append]) -> tuple[list[Any] | None, ...]:
    """For append_r and append_all."""
    return (
        [append.stream[0] for append in appends],
        [append.stream[1] for append in appends],
        [wanted(append.expect) for append in appends],
        [number for number, append in enumerate(appends, 1) for _ in append.events],
        [number for append in appends for number in range(1, len(append.events) + 1)],
        *fields([event for append in appends for event in append.events]),
    )


def conditions(condition: Condition | None) -> tuple[Any, ...]:
    """
    The last parameters of append_all.

    The first tag of an alternative is the one that is locked, so every condition on these tags has to choose it alike.
    """
    if condition is None:
        return _NO_CONDITION
    alternatives = condition.query.alternatives
    return (
        [array(sorted(each.categories)) for each in alternatives],
        [array(sorted(map(str, each.types))) for each in alternatives],
        [array(sorted(each.tags)) for each in alternatives],
        condition.bound,
        condition.seen,
    )


def id_used_twice(append: Sequence[Append]) -> EventIdConflict | None:
    ids = [event.event_id for each in append for event in each.events]
    if len(ids) == 1 or len(set(ids)) == len(ids):
        return None
    twice = next(each for index, each in enumerate(ids) if each in ids[:index])
    return EventIdConflict(UUID(bytes=twice), "it is used twice in this append")


def explained(appends: Sequence[Append], condition: Condition | None, answer: Any) -> Outcome | None:
    """What append_all says; None: rivals were quicker, ask again."""
    culprit: int
    status, culprit, actual, heads, recorded, places, same = answer
    match status:
        case "committed":
            return _stored(appends, heads, recorded[0], places)
        case "known":
            return _known(appends, heads, recorded, places, same)
        case "conflict":
            append = appends[culprit - 1]
            expect = append.expect.value if isinstance(append.expect, Expect) else append.expect
            return ConcurrencyConflict(append.stream, expect, actual)
        case "boundary":
            assert condition is not None
            return BoundaryConflict(condition.query, actual)
        case _:
            return None


def _stored(appends: Sequence[Append], heads: list[int], recorded: int, places: list[int]) -> Appended:
    streams: list[AppendedStream] = []
    start = 0
    for append, head in zip(appends, heads, strict=True):
        end = start + len(append.events)
        streams.append(AppendedStream(append.stream, head + end - start, tuple(places[start:end]), recorded))
        start = end
    return Appended(tuple(streams))


def _known(
    appends: Sequence[Append], versions: list[int], recorded: list[int], places: list[int | None], same: list[bool]
) -> Outcome:
    events = [event for append in appends for event in append.events]
    for event, place, alike in zip(events, places, same, strict=True):
        if place is None:
            why = "it is unknown, but other ids of this append are stored"
            return EventIdConflict(UUID(bytes=event.event_id), why)
        if not alike:
            return EventIdConflict(UUID(bytes=event.event_id), f"it is stored at position {place} as something else")
    streams: list[AppendedStream] = []
    start = 0
    for append in appends:
        end = start + len(append.events)
        positions = tuple(place for place in places[start:end] if place is not None)
        streams.append(
            AppendedStream(append.stream, versions[end - 1], positions, recorded[end - 1], deduplicated=True)
        )
        start = end
    return Appended(tuple(streams))
