"""What a processor has set aside: looked up, and put into words."""

from __future__ import annotations

import asyncio
import difflib
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final
from uuid import UUID

import msgspec

from eventfold.cli.payload import pretty

if TYPE_CHECKING:
    from eventfold.domain.message import StoredEvent
    from eventfold.ports.actions import Action
    from eventfold.ports.event_store import EventSource
    from eventfold.ports.parking import Parked, ParkingLot

__all__ = [
    "action_row",
    "behind",
    "difference",
    "entries",
    "entry_at",
    "entry_row",
    "event_of",
    "first_of",
    "firsts",
    "outcome",
    "state_of",
]

_PAGE: Final = 1_000
LOOK: Final = 0.1
"""Seconds between two looks whether a wish has been granted."""


# ------------------------------------------------------------------------- looked up


async def entries(lot: ParkingLot, processor: str, *, after: int = 0) -> AsyncIterator[Parked]:
    """Its open ones above this position, in order."""
    while True:
        page = await lot.parked(processor, after=after, limit=_PAGE)
        for each in page:
            yield each
        if len(page) < _PAGE:
            return
        after = page[-1].position


async def entry_at(lot: ParkingLot, processor: str, position: int) -> Parked | None:
    """The one at this position, resolved or open."""
    for each in await lot.parked(processor, resolved=True, after=position - 1, limit=1):
        if each.position == position:
            return each
    return None


async def firsts(lot: ParkingLot, processor: str) -> Sequence[Parked]:
    """The first open one of each stream: what the others stand behind."""
    found: dict[object, Parked] = {}
    async for each in entries(lot, processor):
        found.setdefault(each.stream, each)
    return tuple(found.values())


async def first_of(lot: ParkingLot, entry: Parked) -> int | None:
    """The position of the first open one of its stream, itself perhaps; None where nothing is open any more."""
    async for each in entries(lot, entry.processor):
        if each.stream == entry.stream:
            return each.position
    return None


async def behind(lot: ParkingLot, entry: Parked) -> Sequence[Parked]:
    """The open ones that come later in its stream."""
    return [each async for each in entries(lot, entry.processor, after=entry.position) if each.stream == entry.stream]


async def event_of(source: EventSource, entry: Parked) -> StoredEvent | None:
    """As the log has it; None where an administrator has removed it."""
    from eventfold.domain.query import Query

    at = entry.position
    found = [event async for event in source.read_all(Query.all(), after=at - 1, upto=at, limit=1)]
    return found[0] if found and found[0].event_id == entry.event_id else None


async def outcome(lot: ParkingLot, entry: Parked, *, until: float) -> Parked | None:
    """
    The entry once the processor has come to it, or as it is when the loop's clock shows this time.

    It has when the entry is resolved, or its wish is forgotten. None: it is there no more.
    """
    loop = asyncio.get_running_loop()
    while True:
        found = await entry_at(lot, entry.processor, entry.position)
        if found is None or found.resolution is not None or found.wish is None or loop.time() >= until:
            return found
        await asyncio.sleep(min(LOOK, max(0.0, until - loop.time())))


# -------------------------------------------------------------------------- in words


def state_of(entry: Parked) -> str:
    if entry.resolution is not None:
        return entry.resolution
    if entry.wish is not None:
        return {"retry": "to be retried", "drop": "to be dropped"}[entry.wish]
    return "behind" if entry.behind else "parked"


def entry_row(entry: Parked) -> Mapping[str, object]:
    from eventfold.cli.records import as_json, as_time

    return {
        "processor": entry.processor,
        "partition": entry.partition,
        "position": entry.position,
        "stream": str(entry.stream),
        "event_id": str(UUID(bytes=entry.event_id)),
        "type": entry.type,
        "state": state_of(entry),
        "behind": entry.behind,
        "attempts": entry.attempts,
        "error": entry.error,
        "parked_at": as_time(entry.parked_at),
        "wish": entry.wish,
        "edited": None if entry.edited is None else as_json(entry.edited),
        "resolved_at": None if entry.resolved_at is None else as_time(entry.resolved_at),
        "resolution": entry.resolution,
        "actor": entry.actor,
        "reason": entry.reason,
    }


def action_row(action: Action) -> Mapping[str, object]:
    from eventfold.cli.records import as_json, as_time

    return {
        "key": action.key,
        "status": action.status,
        "at": as_time(action.at),
        "epoch": action.epoch,
        "result": None if action.result is None else as_json(action.result),
    }


def difference(stored: bytes, edited: bytes) -> Sequence[str]:
    """Lines of the stored data that were left out and put in, with those around them."""
    lines = difflib.unified_diff(_lines(stored), _lines(edited), "stored", "edited", lineterm="")
    return tuple(lines)


def _lines(data: bytes) -> Sequence[str]:
    try:
        return pretty(data).splitlines()
    except msgspec.DecodeError:
        return [repr(data)]
