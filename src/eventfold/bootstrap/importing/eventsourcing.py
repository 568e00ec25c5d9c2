"""
The tables of the Python library `eventsourcing`: an event has a topic and a state, and no id of its own.

The category is the name of the aggregate's class, the type that of the event's class. What the library's transcoder
has wrapped (`{"_type_": "decimal_str", "_data_": "1.50"}`) is unwrapped to plain JSON. The event's id follows from the
aggregate's and the version, so that importing twice stores nothing twice.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, Final, cast
from uuid import UUID, uuid5

import msgspec

from eventfold.bootstrap.importing.tables import reading
from eventfold.domain.message import StoredEvent, to_micros
from eventfold.errors import InvalidInput

__all__ = ["eventsourcing_events"]

_NAMESPACE: Final = UUID("5a0fd5b5-6f5e-4f0f-9b36-2f3f2b0f6c11")
_TABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}(\.[A-Za-z_][A-Za-z0-9_]{0,62})?")
_WRAPPED: Final = {"_type_", "_data_"}
_DROPPED: Final = {"timestamp", "originator_topic", "originator_id", "originator_version"}


@asynccontextmanager
async def eventsourcing_events(
    url: str, *, table: str = "stored_events"
) -> AsyncGenerator[AsyncIterator[Sequence[StoredEvent]]]:
    """
    The events of an application of `eventsourcing`, in the order of its notification log.

    Args:
        url: of its database: `sqlite:///path` or `postgresql://…`.
        table: of its events: `stored_events` in a file, `shop_events` on Postgres for an application named `Shop`.

    Raises:
        InvalidInput: a name that is none, no such table, or, while iterating, a state that is no JSON: it is
            compressed or encrypted, so copy it by an application that can read it.
        InvalidStoreUrl, StoreError.
    """
    if not _TABLE.fullmatch(table):
        raise InvalidInput(f"table {table!r}: letters, digits and '_', with a schema and a dot before it at most")
    sqlite = f"SELECT rowid, originator_id, originator_version, topic, state FROM {table} ORDER BY rowid"  # noqa: S608 - a name
    postgres = (
        "SELECT notification_id, originator_id::text, originator_version, topic, state "  # noqa: S608 - a name
        f"FROM {table} ORDER BY notification_id"
    )
    async with reading(url, sqlite=sqlite, postgres=postgres) as pieces:
        yield _events(pieces)


async def _events(pieces: AsyncIterator[Sequence[tuple[Any, ...]]]) -> AsyncGenerator[Sequence[StoredEvent]]:
    async for piece in pieces:
        yield [_event(row) for row in piece]


def _event(row: tuple[Any, ...]) -> StoredEvent:
    place, originator, version, topic, state = row
    id = _as_uuid_text(str(originator))
    category, _, kind = str(topic).rpartition(":")[2].rpartition(".")
    try:
        fields = msgspec.json.decode(state)
        at = _moment(fields["timestamp"])
    except (msgspec.MsgspecError, UnicodeDecodeError, KeyError, TypeError, ValueError) as error:
        raise InvalidInput(
            f"event {place} of the source ({topic}, {id}, version {version}): its state is no JSON with a timestamp "
            f"({error}); a state that is compressed or encrypted has to be copied by the application that can read it"
        ) from error
    data = {name: _plain(value) for name, value in fields.items() if name not in _DROPPED}
    return StoredEvent(
        position=place,
        category=category.rpartition(".")[2],
        id=id,
        version=version,
        event_id=uuid5(_NAMESPACE, f"{id} {version}").bytes,
        type=kind,
        schema_version=fields.get("class_version", 1),
        format=0,
        correlation_id=None,
        causation_id=None,
        tags=None,
        occurred_at=None,
        recorded_at=at,
        metadata=None,
        data=msgspec.json.encode(data),
    )


def _as_uuid_text(originator: str) -> str:
    """SQLite keeps the digits alone. An id that is no UUID stays as it is."""
    try:
        return str(UUID(originator))
    except ValueError:
        return originator


def _moment(value: Any) -> int:
    moment = datetime.fromisoformat(_plain(value))
    return to_micros(moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC))


def _plain(value: Any) -> Any:
    match value:
        case {"_type_": str() as kind, "_data_": data} if value.keys() == _WRAPPED:
            return str(UUID(data)) if kind == "uuid_hex" else _plain(data)
        case dict():
            return {name: _plain(each) for name, each in cast("Mapping[str, Any]", value).items()}
        case list():
            return [_plain(each) for each in cast("Iterable[Any]", value)]
        case _:
            return value
