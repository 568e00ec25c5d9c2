"""
What is stored and what comes back: streams, new events, stored events, recorded events.

Times are kept as whole microseconds since 1970 in UTC and event ids as 16 bytes, so that a store can
hand over its rows as they are; `Recorded` turns them into `datetime` and `UUID` when somebody asks.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final, Generic, NamedTuple, TypeVar
from uuid import UUID

import msgspec

from eventfold.errors import DecodeError, InvalidStreamName

__all__ = ["NO_STREAM", "NewEvent", "Pending", "Recorded", "StoredEvent", "Stream", "from_micros", "to_micros"]

E_co = TypeVar("E_co", covariant=True)

NO_STREAM: Final = 0
"""The version of a stream that does not exist yet."""

_CATEGORY = re.compile(r"[A-Za-z][A-Za-z0-9_:.]*")
_LONGEST_ID: Final = 255
_LONGEST_CATEGORY: Final = 100
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_METADATA: Final = msgspec.json.Decoder(dict[str, Any])
_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


class Stream(NamedTuple):
    """One story: a category and an id. `category-id` is its text form, for people."""

    category: str
    id: str

    def __str__(self) -> str:
        return f"{self.category}-{self.id}"

    @classmethod
    def of(cls, category: str, id: str) -> Stream:
        """
        The stream of these two names.

        Raises:
            InvalidStreamName: a category that is not a letter followed by letters, digits, `_`, `:` or `.`
                (100 at most), or an id that is not 1 to 255 bytes of UTF-8 without NUL.
        """
        why = _fault(category, id)
        if why is not None:
            raise InvalidStreamName(category, id, why)
        return cls(category, id)

    @classmethod
    def parse(cls, text: str) -> Stream:
        """The stream behind its text form: the category ends at the first hyphen."""
        category, _, id = text.partition("-")
        return cls.of(category, id)


def _fault(category: object, id: object) -> str | None:
    if not isinstance(category, str) or not _is_category(category):
        return "the category must be a letter, then letters, digits, '_', ':' or '.', 100 at most"
    if not isinstance(id, str):
        return f"the id must be text, not {type(id).__name__}"
    try:
        size = len(id.encode())
    except UnicodeEncodeError:
        return "the id must be valid Unicode, it holds a lone surrogate"
    if not 1 <= size <= _LONGEST_ID:
        return f"the id must have 1 to {_LONGEST_ID} bytes, it has {size}"
    return "the id must not contain NUL" if "\0" in id else None


@lru_cache(maxsize=256)  # an application has a handful
def _is_category(text: str) -> bool:
    return len(text) <= _LONGEST_CATEGORY and _CATEGORY.fullmatch(text) is not None


class NewEvent(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """
    An event on its way into the store, already in bytes.

    `occurred_at` is None when nobody knows better than the store's own clock.
    """

    event_id: bytes
    type: str
    data: bytes
    schema_version: int = 1
    format: int = 0
    tags: tuple[str, ...] = ()
    correlation_id: str | None = None
    causation_id: str | None = None
    occurred_at: int | None = None
    metadata: bytes | None = None


class StoredEvent(msgspec.Struct, frozen=True, gc=False):
    """An event as the store holds it. `data` is None once it has been erased; None and () both mean no tags."""

    position: int
    category: str
    id: str
    version: int
    event_id: bytes
    type: str
    schema_version: int
    format: int
    correlation_id: str | None
    causation_id: str | None
    tags: tuple[str, ...] | None
    occurred_at: int | None
    recorded_at: int
    metadata: bytes | None
    data: bytes | None

    @property
    def stream(self) -> Stream:
        return Stream(self.category, self.id)


class Recorded(msgspec.Struct, Generic[E_co], frozen=True, gc=False):
    """
    A fact with its place: the event, its stream and version, its position in the whole store.

    Versions of a stream are 1, 2, 3 … without gaps. Positions only grow; gaps are allowed.
    """

    event: E_co
    stored: StoredEvent

    @property
    def stream(self) -> Stream:
        return self.stored.stream

    @property
    def category(self) -> str:
        return self.stored.category

    @property
    def id(self) -> str:
        """The id within the category, not the event's own (that is `event_id`)."""
        return self.stored.id

    @property
    def version(self) -> int:
        return self.stored.version

    @property
    def position(self) -> int:
        return self.stored.position

    @property
    def event_id(self) -> UUID:
        return UUID(bytes=self.stored.event_id)

    @property
    def type(self) -> str:
        """The stored name of the event's class."""
        return self.stored.type

    @property
    def schema_version(self) -> int:
        return self.stored.schema_version

    @property
    def occurred_at(self) -> datetime:
        """When it happened, as the application knows it; `recorded_at` when the application does not say."""
        at = self.stored.occurred_at
        return from_micros(self.stored.recorded_at if at is None else at)

    @property
    def recorded_at(self) -> datetime:
        """When it was stored, by the store's clock."""
        return from_micros(self.stored.recorded_at)

    @property
    def tags(self) -> tuple[str, ...]:
        return self.stored.tags or ()

    @property
    def correlation_id(self) -> str | None:
        """What the whole conversation is called."""
        return self.stored.correlation_id

    @property
    def causation_id(self) -> str | None:
        """What led to this event: the id of a command, a request or another event."""
        return self.stored.causation_id

    @property
    def metadata(self) -> Mapping[str, Any]:
        """Raises DecodeError for what is no mapping in JSON: somebody else has written it."""
        raw = self.stored.metadata
        if raw is None:
            return _NOTHING
        try:
            return MappingProxyType(_METADATA.decode(raw))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise DecodeError(self.type, f"its metadata: {error}", self.stream, self.version, self.position) from error

    def __repr__(self) -> str:
        return (
            f"Recorded({self.event!r}, stream={str(self.stream)!r}, version={self.version}, position={self.position})"
        )


class Pending(msgspec.Struct, Generic[E_co], frozen=True, gc=False):
    """
    An event that is about to be stored: it has an id and no position yet, and may still be rolled back.

    Args:
        version: the one it will have, None where the append goes on from whatever version the stream is at.
    """

    event: E_co
    new: NewEvent
    stream: Stream
    version: int | None

    @property
    def category(self) -> str:
        return self.stream.category

    @property
    def id(self) -> str:
        """The id within the category, not the event's own (that is `event_id`)."""
        return self.stream.id

    @property
    def event_id(self) -> UUID:
        return UUID(bytes=self.new.event_id)

    @property
    def type(self) -> str:
        """The stored name of the event's class."""
        return self.new.type

    @property
    def schema_version(self) -> int:
        return self.new.schema_version

    @property
    def occurred_at(self) -> datetime | None:
        """When it happened, as the application knows it. None: when it is recorded."""
        at = self.new.occurred_at
        return None if at is None else from_micros(at)

    @property
    def tags(self) -> tuple[str, ...]:
        return self.new.tags

    @property
    def correlation_id(self) -> str | None:
        """What the whole conversation is called."""
        return self.new.correlation_id

    @property
    def causation_id(self) -> str | None:
        """What led to this event: the id of a command, a request or another event."""
        return self.new.causation_id

    @property
    def metadata(self) -> Mapping[str, Any]:
        raw = self.new.metadata
        return _NOTHING if raw is None else MappingProxyType(_METADATA.decode(raw))

    def __repr__(self) -> str:
        return f"Pending({self.event!r}, stream={str(self.stream)!r}, version={self.version})"


def to_micros(moment: datetime) -> int:
    """Whole microseconds since 1970 in UTC; exact. Raises ValueError for a moment without a time zone."""
    if moment.tzinfo is None:
        raise ValueError(f"{moment!r} has no time zone; give it one, for example datetime.now(UTC)")
    return (moment - _EPOCH) // _MICROSECOND


def from_micros(micros: int) -> datetime:
    """The moment in UTC, exact to the microsecond."""
    return _EPOCH + timedelta(microseconds=micros)
