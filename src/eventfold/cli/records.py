"""A stored event as a command shows it."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

import msgspec

from eventfold.cli.printing import json_line
from eventfold.domain.message import StoredEvent, from_micros

__all__ = ["JSON", "as_data", "as_json", "as_record", "as_time", "happened"]

JSON: Final = 0
"""The format of data that is JSON."""


def as_record(event: StoredEvent) -> Mapping[str, object]:
    """Everything the store knows of the event: ids as text, times in UTC, data as it is in JSON."""
    return {
        "position": event.position,
        "stream": str(event.stream),
        "category": event.category,
        "id": event.id,
        "version": event.version,
        "type": event.type,
        "schema_version": event.schema_version,
        "event_id": str(UUID(bytes=event.event_id)),
        "occurred_at": happened(event),
        "recorded_at": as_time(event.recorded_at),
        "tags": event.tags or (),
        "correlation_id": event.correlation_id,
        "causation_id": event.causation_id,
        "metadata": {} if event.metadata is None else as_json(event.metadata),
        "data": _data(event),
    }


def as_data(event: StoredEvent) -> str:
    """The event's data on one line."""
    return "(erased)" if event.data is None else json_line(_data(event))


def happened(event: StoredEvent) -> str:
    return as_time(event.recorded_at if event.occurred_at is None else event.occurred_at)


def as_time(micros: int) -> str:
    """The moment as ISO 8601 has it, in UTC; what is no moment stays a number."""
    try:
        return from_micros(micros).isoformat().replace("+00:00", "Z")
    except OverflowError:
        return str(micros)


def as_json(data: bytes) -> Any:
    """As it is stored, so that no number changes; bytes that are no JSON are shown as such."""
    try:
        msgspec.json.decode(data)
    except msgspec.DecodeError:
        return {"base64": b64encode(data).decode()}
    return msgspec.Raw(data)


def _data(event: StoredEvent) -> object:
    if event.data is None:
        return None
    if event.format == JSON:
        return as_json(event.data)
    return {"format": event.format, "base64": b64encode(event.data).decode()}
