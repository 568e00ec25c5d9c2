"""
The messages of Message DB: a stream's name is `category-id`, positions in it begin at 0.

The id of a message, its type, data, metadata and time stay; its version here is its position there plus one. From the
metadata that Eventide writes, the correlation stream becomes the correlation id.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC
from typing import Any, Final

import msgspec

from eventfold.bootstrap.importing.tables import reading
from eventfold.domain.message import StoredEvent, to_micros
from eventfold.errors import InvalidInput

__all__ = ["message_db_events"]

MESSAGES: Final = """
SELECT global_position, stream_name, position, id, type, data::text, metadata::text, time
FROM message_store.messages ORDER BY global_position
"""
_CORRELATION: Final = ("correlationStreamName", "correlation_stream_name")


@asynccontextmanager
async def message_db_events(url: str) -> AsyncGenerator[AsyncIterator[Sequence[StoredEvent]]]:
    """
    The messages of a Message DB, in the order of their global positions.

    Args:
        url: `postgresql://…`.

    Raises:
        InvalidInput: there is no Message DB, or it is not for this user to read.
        InvalidStoreUrl, StoreError.
    """
    async with reading(url, sqlite=None, postgres=MESSAGES) as pieces:
        yield _events(pieces)


async def _events(pieces: AsyncIterator[Sequence[tuple[Any, ...]]]) -> AsyncGenerator[Sequence[StoredEvent]]:
    async for piece in pieces:
        yield [_event(row) for row in piece]


def _event(row: tuple[Any, ...]) -> StoredEvent:
    place, stream, position, id, kind, data, metadata, time = row
    category, _, own = str(stream).partition("-")
    try:
        remarks = {} if metadata is None else msgspec.json.decode(metadata, type=dict[str, Any])
    except msgspec.MsgspecError as error:
        raise InvalidInput(f"message {place} ({stream}): its metadata is no object: {error}") from error
    correlation = next((str(remarks[name]) for name in _CORRELATION if remarks.get(name)), None)
    return StoredEvent(
        position=place,
        category=category,
        id=own,
        version=position + 1,
        event_id=id.bytes,
        type=kind,
        schema_version=1,
        format=0,
        correlation_id=correlation,
        causation_id=None,
        tags=None,
        occurred_at=None,
        recorded_at=to_micros(time.replace(tzinfo=UTC)),
        metadata=None if not remarks else msgspec.json.encode(remarks),
        data=b"null" if data is None else data.encode(),
    )
