"""From events to bytes and back, once, above the store."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, TypeVar, cast

import msgspec

from eventfold.domain.deletion import STREAM_DELETED, StreamDeleted
from eventfold.domain.message import NewEvent, Recorded, StoredEvent, Stream, to_micros
from eventfold.domain.story import STORIES, Record
from eventfold.errors import DecodeError, InvalidInput, Unencodable, UnknownEvent
from eventfold.ports.clock import IdSource, bytes_of
from eventfold.ports.codec import Codec, QuickCodec, Undecodable
from eventfold.ports.event_store import MOST_BYTES, AppendedStream, Fact
from eventfold.schema.registry import Events, EventType

__all__ = ["Envelope", "Serializer"]

E = TypeVar("E")

_NUL: Final = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")  # not a backslash that is one itself
_DELETED: Final = msgspec.json.Decoder(StreamDeleted)
_JSON: Final = 0
_METADATA: Final = msgspec.json.Encoder(order="deterministic")


class Envelope(msgspec.Struct, frozen=True):
    """What an event carries beside itself: who asked, in which conversation, with what remarks."""

    correlation_id: str | None = None
    causation_id: str | None = None
    metadata: bytes | None = None

    @classmethod
    def of(cls, correlation_id: str | None, causation_id: str | None, metadata: Mapping[str, Any]) -> Envelope:
        """Raises Unencodable for metadata that JSON cannot hold."""
        return cls(correlation_id, causation_id, encode_metadata(metadata))


def encode_metadata(metadata: Mapping[str, Any]) -> bytes | None:
    if not metadata:
        return None
    try:
        data = _METADATA.encode(dict(metadata))
        back = msgspec.json.decode(data)
    except (TypeError, ValueError, OverflowError, RecursionError, msgspec.MsgspecError) as error:
        raise Unencodable("metadata", str(error)) from error
    if _NUL.search(data):
        raise Unencodable("metadata", f"{_keys(metadata)} hold NUL, which not every store can keep")
    if back != metadata:
        other = {key: value for key, value in metadata.items() if key not in back or back[key] != value}
        raise Unencodable(
            "metadata", f"{_keys(other)} would come back as something else; use texts, numbers, lists and mappings"
        )
    return data


def _keys(metadata: Mapping[str, Any]) -> str:
    """Not the values: they may be secret, and errors are logged."""
    return f"the values of {', '.join(map(repr, metadata))}"


class Serializer:
    """Turns the events of one catalogue into what a store keeps, and back into the user's types."""

    def __init__(self, catalogue: Events, codec: Codec, new_id: IdSource) -> None:
        self._catalogue = catalogue
        self._format = codec.format
        self._new_ids = bytes_of(new_id)
        self._encoders: dict[type[Any], tuple[EventType[Any], Callable[[Any], bytes]]] = {
            kind.cls: (kind, codec.encoder(kind.cls)) for kind in catalogue if kind.cls is not StreamDeleted
        }
        self._decoders: dict[tuple[str, int, int], Callable[[bytes | str], Any]] = {
            (kind.name, kind.version, codec.format): codec.decoder(kind.cls)
            for kind in catalogue
            if kind.cls is not StreamDeleted
        }
        self._quick = (
            {
                (kind.name, kind.version, codec.format): codec.quick_decoder(kind.cls)
                for kind in catalogue
                if kind.cls is not StreamDeleted
            }
            if isinstance(codec, QuickCodec)
            else self._decoders.copy()
        )
        # the store has written it, whatever the codec of the application is
        self._decoders[STREAM_DELETED, 1, _JSON] = self._quick[STREAM_DELETED, 1, _JSON] = _deleted
        for name, cls in STORIES.items():
            self._decoders[name, 1, _JSON] = self._quick[name, 1, _JSON] = _told(cls)

    def encode(self, events: Sequence[object], envelope: Envelope) -> list[NewEvent]:
        """
        Raises:
            UnknownEvent: a class is not in the catalogue.
            Unencodable: a value would not come back as it is.
        """
        encoders, format = self._encoders, self._format
        correlation_id, causation_id, metadata = envelope.correlation_id, envelope.causation_id, envelope.metadata
        new: list[NewEvent] = []
        for event_id, event in zip(self._new_ids(len(events)), events, strict=True):
            try:
                kind, encode = encoders[type(event)]
            except KeyError:
                self._catalogue.of_class(type(event))
                raise InvalidInput(f"{event!r}: an administrator's delete() records that, nobody else") from None
            new.append(
                NewEvent(
                    event_id=event_id,
                    type=kind.name,
                    data=encode(event),
                    schema_version=kind.version,
                    format=format,
                    tags=() if kind.tags is None else _tags(kind, event),
                    correlation_id=correlation_id,
                    causation_id=causation_id,
                    occurred_at=None if kind.occurred_at is None else _occurred_at(kind, event),
                    metadata=metadata,
                )
            )
        return new

    def decode(self, stored: StoredEvent) -> Recorded[Any]:
        """
        Raises:
            UnknownEvent: no class stands for the stored name in this version.
            DecodeError: the bytes are no value of the class.
        """
        fact = (stored.version, stored.position, stored.type, stored.schema_version, stored.format, stored.data)
        return Recorded(self._event(stored.stream, fact), stored)

    def decode_all(self, events: Sequence[StoredEvent]) -> list[Recorded[Any]]:
        """Many at once, at half the cost of each. Raises as `decode` does, for the first that cannot be decoded."""
        quick = self._quick
        try:
            _refuse_too_long([each.data for each in events])
            return [
                Recorded(quick[each.type, each.schema_version, each.format](each.data), each)  # type: ignore[arg-type] # None is met below
                for each in events
            ]
        except Exception:  # whatever it is, who can explain it meets it again
            return [self.decode(each) for each in events]

    def events(self, stream: Stream, facts: Sequence[Fact]) -> list[Any]:
        """The events of one stream, without envelopes. Raises as `decode` does."""
        quick = self._quick
        try:
            _refuse_too_long([fact[5] for fact in facts])
            return [quick[name, shape, format](data) for _, _, name, shape, format, data in facts]  # type: ignore[arg-type] # as above
        except Exception:  # as above
            return [self._event(stream, fact) for fact in facts]

    def _event(self, stream: Stream, fact: Fact) -> Any:
        try:
            return self._decoders[fact[2], fact[3], fact[4]](fact[5])  # type: ignore[arg-type] # as above
        except (KeyError, TypeError, Undecodable) as error:
            raise self._explained(stream, fact, error) from error

    def _explained(self, stream: Stream, fact: Fact, error: Exception) -> UnknownEvent | DecodeError:
        version, position, name, schema_version, format, data = fact
        if (name, schema_version, format) in self._decoders:
            why = "it has been erased" if data is None else str(error)
            return DecodeError(name, why, stream, version, position)
        known = sorted(kind.version for kind in self._catalogue if kind.name == name)
        if not known:
            return UnknownEvent(name, stream, version, position)
        if schema_version not in known:
            why = f"it is stored in version {schema_version} of its shape, this application knows {known}"
            return UnknownEvent(name, stream, version, position, why)
        return DecodeError(name, f"format {format} is not the codec's ({self._format})", stream, version, position)

    def recorded(
        self, stream: Stream, events: Sequence[E], new: Sequence[NewEvent], appended: AppendedStream
    ) -> tuple[Recorded[E], ...]:
        """The events of a successful append as they are recorded now."""
        first = appended.version - len(new) + 1
        return tuple(
            Recorded(
                event,
                StoredEvent(
                    position,
                    stream.category,
                    stream.id,
                    version,
                    raw.event_id,
                    raw.type,
                    raw.schema_version,
                    raw.format,
                    raw.correlation_id,
                    raw.causation_id,
                    raw.tags or None,
                    raw.occurred_at,
                    appended.recorded_at,
                    raw.metadata,
                    raw.data,
                ),
            )
            for version, (event, raw, position) in enumerate(zip(events, new, appended.positions, strict=True), first)
        )


def _deleted(data: bytes | str) -> StreamDeleted:
    try:
        return _DELETED.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Undecodable(str(error)) from error


def _told(cls: type[Record]) -> Callable[[bytes | str], Record]:
    """How to read what a process manager has recorded, whatever the codec of the application is."""
    decoder = msgspec.json.Decoder(cls)

    def decode(data: bytes | str) -> Record:
        try:
            return decoder.decode(data)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise Undecodable(str(error)) from error

    return decode


def _refuse_too_long(data: Sequence[bytes | str | None]) -> None:
    if max(map(len, data), default=0) > MOST_BYTES:  # type: ignore[arg-type] # None raises TypeError, which is meant
        raise Undecodable(f"more than {MOST_BYTES:,} bytes")


def _tags(kind: EventType[Any], event: object) -> tuple[str, ...]:
    assert kind.tags is not None
    return _texts(kind.name, kind.tags(event))


def _texts(name: str, given: object) -> tuple[str, ...]:
    if isinstance(given, str) or not hasattr(given, "__iter__"):
        raise InvalidInput(f"tags of {name!r} gave {given!r}; give a list of texts")
    tags: tuple[Any, ...] = tuple(dict.fromkeys(cast("Iterable[Any]", given)))
    if any(type(tag) is not str for tag in tags):
        raise InvalidInput(f"tags of {name!r} gave {tags!r}; a tag is a text such as 'email:a@b.c'")
    return tags


def _occurred_at(kind: EventType[Any], event: object) -> int:
    assert kind.occurred_at is not None
    try:
        return to_micros(_moment(kind, kind.occurred_at(event)))
    except ValueError as error:
        raise InvalidInput(f"occurred_at of {kind.name!r}: {error}") from error


def _moment(kind: EventType[Any], given: object) -> datetime:
    if not isinstance(given, datetime):
        raise InvalidInput(f"occurred_at of {kind.name!r} gave {given!r}; give a datetime with a time zone")
    return given
