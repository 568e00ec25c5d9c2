"""From events to bytes and back, once, above the store."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, TypeVar, cast
from uuid import UUID, uuid5

import msgspec

from eventfold.domain.deletion import STREAM_DELETED, StreamDeleted
from eventfold.domain.message import NewEvent, Recorded, StoredEvent, Stream, to_micros
from eventfold.domain.query import Query
from eventfold.domain.story import STORIES, Record
from eventfold.errors import DecodeError, InvalidInput, Unencodable, UnknownEvent, UpcastFailed
from eventfold.ports.clock import IdSource, bytes_of
from eventfold.ports.codec import COMPRESSED, Codec, PlainCodec, QuickCodec, Undecodable
from eventfold.ports.event_store import MOST_BYTES, AppendedStream, Fact
from eventfold.schema.compression import deflated, inflated
from eventfold.schema.registry import Events, EventType
from eventfold.schema.shapes import GenericEvent, Schema
from eventfold.schema.upcasting import Broken, Origin, Taken, Upcasts, version_text

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
    """
    Turns the events of one catalogue into what a store keeps, and back into the user's types.

    Args:
        codec: of what is written.
        others: codecs of what may have been written before.
        compress_above: bytes; longer events are compressed, if that makes them shorter. None compresses nothing.
    """

    def __init__(
        self,
        catalogue: Events,
        codec: Codec,
        new_id: IdSource,
        *,
        others: Sequence[Codec] = (),
        compress_above: int | None = None,
    ) -> None:
        if compress_above is not None and compress_above < 0:
            raise InvalidInput(f"compress_above is {compress_above}; give a number of bytes, or None")
        self._compress_above = MOST_BYTES if compress_above is None else compress_above
        self._catalogue = catalogue
        self._codecs = {each.format: each for each in (*others, codec)}
        self._format = codec.format
        self._new_ids = bytes_of(new_id)
        self._encoders: dict[type[Any], tuple[EventType[Any], Callable[[Any], bytes]]] = {}
        self._decoders: dict[tuple[str, int, int], Callable[[bytes | str], Any]] = {}
        self._quick: dict[tuple[str, int, int], Callable[[bytes | str], Any]] = {}
        for kind in catalogue:
            if kind.cls is not StreamDeleted:
                self._add(kind, codec)
        # the store has written it, whatever the codec of the application is
        self._decoders[STREAM_DELETED, 1, _JSON] = self._quick[STREAM_DELETED, 1, _JSON] = _deleted
        for name, cls in STORIES.items():
            self._decoders[name, 1, _JSON] = self._quick[name, 1, _JSON] = _told(cls)
        origins = catalogue.origins
        self._upcasts = Upcasts(origins, {kind.cls: kind.name for kind in catalogue})
        self._builders: dict[tuple[type[Any], int], Callable[[Any], Any]] = {}
        upcast = [origin for origin in origins.values() if origin.steps or origin.hook]
        self._not_one_to_one = any(each.others or each.own is None for each in origins.values())
        if upcast and not isinstance(codec, PlainCodec):
            raise InvalidInput(
                f"{type(codec).__name__} cannot read bytes without a class, and {upcast[0].name!r} is upcast"
            )
        for origin in upcast:
            for version in origin.versions:
                self._read_late(origin.name, version, codec.format)

    def _add(self, kind: EventType[Any], codec: Codec) -> None:
        """What is stored in today's shape is decoded by the codec alone: who is not upcast pays nothing for it."""
        schema = kind.schema
        encode = codec.encoder(kind.stored)
        self._encoders[kind.cls] = kind, encode if schema is None else _storing(kind, schema, encode)
        if not callable(kind.upcast):
            self._read_today(kind, codec)

    def _read_today(self, kind: EventType[Any], codec: Codec) -> None:
        schema, stored = kind.schema, kind.stored
        decode = codec.decoder(stored)
        quick = codec.quick_decoder(stored) if isinstance(codec, QuickCodec) else decode
        if schema is not None:
            decode, quick = _restoring(schema, decode), _restoring(schema, quick)
        for name in (kind.name, *kind.formerly):
            self._decoders[name, kind.version, codec.format] = decode
            self._quick[name, kind.version, codec.format] = quick

    def _read_late(self, name: str, version: int, format: int) -> bool:
        """Find out how something is read that is not in today's shape; from then on it is known."""
        key, origin = (name, version, format), self._catalogue.origins.get(name)
        if key in self._decoders:
            return True
        if origin is None:
            return False
        if origin.own is None and not origin.others:
            self._decoders[key] = self._quick[key] = _nothing
        elif format & COMPRESSED:
            if self._read_late(name, version, format ^ COMPRESSED):
                self._decoders[key] = self._quick[key] = _inflating(self._decoders[name, version, format ^ COMPRESSED])
        elif (codec := self._codecs.get(format)) and origin.is_read(version):
            kind = None if origin.own is None else self._catalogue.of_class(origin.own)
            if kind and kind.version == version and not callable(kind.upcast):
                self._read_today(kind, codec)
            elif isinstance(codec, PlainCodec):
                self._decoders[key] = self._quick[key] = self._upcasting(origin, version, codec)
        return key in self._decoders

    def _upcasting(self, origin: Origin, version: int, codec: PlainCodec) -> Callable[[bytes | str], Any]:
        name, own, upcast = origin.name, origin.own, self._upcasts.parts

        def decode(data: bytes | str) -> Any:
            found = [
                (cls, self._built(codec, cls, made, step))
                for cls, made, step in upcast(name, version, codec.plain(data))
            ]
            if len(found) == 1 and found[0][0] is own:
                return found[0][1]
            return _Parts(found)

        return decode

    def _built(self, codec: PlainCodec, cls: type[Any], data: object, step: Taken | None) -> Any:
        build = self._builders.get((cls, id(codec)))
        if build is None:
            kind = self._catalogue.of_class(cls)
            schema, build = kind.schema, codec.builder(kind.stored)
            self._builders[cls, id(codec)] = build = build if schema is None else _restoring(schema, build)
        try:
            return build(data)
        except Undecodable as error:
            if step is None:  # nothing has been done to it
                raise
            raise Broken(step, f"what it gives is no {cls.__name__}: {error}") from error

    def encode(self, events: Sequence[object], envelope: Envelope) -> list[NewEvent]:
        """
        Raises:
            UnknownEvent: a class is not in the catalogue.
            Unencodable: a value would not come back as it is.
        """
        encoders, format, compress_above = self._encoders, self._format, self._compress_above
        correlation_id, causation_id, metadata = envelope.correlation_id, envelope.causation_id, envelope.metadata
        new: list[NewEvent] = []
        for event_id, event in zip(self._new_ids(len(events)), events, strict=True):
            try:
                kind, encode = encoders[type(event)]
            except KeyError:
                self._catalogue.of_class(type(event))
                raise InvalidInput(f"{event!r}: an administrator's delete() records that, nobody else") from None
            data = encode(event)
            smaller = deflated(data) if len(data) > compress_above else None
            new.append(
                NewEvent(
                    event_id=event_id,
                    type=kind.name,
                    data=smaller or data,
                    schema_version=kind.version,
                    format=format | COMPRESSED if smaller else format,
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
            DecodeError: the bytes are no value of the class, or they are read as several events or none.
            UpcastFailed: an upcaster cannot bring them into today's shape.
        """
        return Recorded(self.one(stored.stream, _fact(stored)), stored)

    def one(self, stream: Stream, fact: Fact) -> Any:
        """The one event that a fact is read as. Raises as `decode` does."""
        event = self._event(stream, fact)
        if isinstance(event, _Parts):
            if len(event) != 1:
                why = f"it is read as {len(event)} events, and here it must be one"
                raise DecodeError(fact[2], why, stream, fact[0], fact[1])
            return event[0][1]
        return event

    def decode_all(
        self, events: Sequence[StoredEvent], wanted: Query | None = None, *, strict: bool = False
    ) -> list[Recorded[Any]]:
        """
        Many at once, at half the cost of each. Raises as `decode` does, for the first that cannot be decoded.

        What is read as several events comes as several, each as though it had been stored like that, in the place of
        the stored one; the second and later have ids that follow from its id.

        Args:
            wanted: with today's names; of several events that one is read as, only those that match come.
            strict: an unknown event is an error, whatever the catalogue says.
        """
        quick = self._quick
        try:
            _refuse_too_long([each.data for each in events])
            recorded = [
                Recorded(quick[each.type, each.schema_version, each.format](each.data), each)  # type: ignore[arg-type] # None is met below
                for each in events
            ]
        except Exception:  # whatever it is, who can explain it meets it again
            lenient = self._catalogue.unknown == "generic" and not strict
            recorded = [
                Recorded(
                    self._generic(each)
                    if lenient and self._is_unknown(each)
                    else self._event(each.stream, _fact(each)),
                    each,
                )
                for each in events
            ]
        return self._apart(recorded, wanted) if self._not_one_to_one else recorded

    def events(self, stream: Stream, facts: Sequence[Fact]) -> list[Any]:
        """
        The events of one stream, without envelopes; as many as the facts are read as. Raises as `decode` does.
        """
        quick = self._quick
        try:
            _refuse_too_long([fact[5] for fact in facts])
            events = [quick[name, shape, format](data) for _, _, name, shape, format, data in facts]  # type: ignore[arg-type] # as above
        except Exception:  # as above
            events = [self._event(stream, fact) for fact in facts]
        if not self._not_one_to_one:
            return events
        flat: list[Any] = []
        for each in events:
            if type(each) is _Parts:
                flat += [event for _, event in each]
            else:
                flat.append(each)
        return flat

    def _apart(self, recorded: Sequence[Recorded[Any]], wanted: Query | None) -> list[Recorded[Any]]:
        found: list[Recorded[Any]] = []
        for each in recorded:
            if type(each.event) is not _Parts:
                found.append(each)
                continue
            for number, (cls, event) in enumerate(each.event):
                part = Recorded(event, self._as_stored(each.stored, cls, event, number))
                if wanted is None or wanted.matches(part.category, part.type, part.tags):
                    found.append(part)
        return found

    def _as_stored(self, stored: StoredEvent, cls: type[Any], event: object, number: int) -> StoredEvent:
        kind, encode = self._encoders[cls]
        try:
            data = encode(event)
        except Unencodable as error:
            place = (stored.stream, stored.version, stored.position)
            raise UpcastFailed(stored.type, f"→ {kind.name}", str(error), *place) from error
        event_id = uuid5(UUID(bytes=stored.event_id), str(number)).bytes if number else stored.event_id
        return msgspec.structs.replace(
            stored, event_id=event_id, type=kind.name, schema_version=kind.version, format=self._format, data=data
        )

    def _is_unknown(self, stored: StoredEvent) -> bool:
        return stored.type not in self._catalogue.origins and stored.type not in STORIES

    def _generic(self, stored: StoredEvent) -> GenericEvent:
        data: Any = stored.data
        codec = self._codecs.get(stored.format & ~COMPRESSED)
        if codec is not None and data is not None and isinstance(codec, PlainCodec):
            try:
                data = codec.plain(inflated(data) if stored.format & COMPRESSED else data)
            except Undecodable as error:
                place = (stored.stream, stored.version, stored.position)
                raise DecodeError(stored.type, str(error), *place) from error
        return GenericEvent(stored.type, stored.schema_version, data)

    def _event(self, stream: Stream, fact: Fact) -> Any:
        key = fact[2], fact[3], fact[4]
        try:
            if key not in self._decoders:
                self._read_late(*key)
            return self._decoders[key](fact[5])  # type: ignore[arg-type] # as above
        except (KeyError, TypeError, Undecodable) as error:
            raise self._explained(stream, fact, error) from error

    def _explained(self, stream: Stream, fact: Fact, error: Exception) -> UnknownEvent | DecodeError | UpcastFailed:
        version, position, name, schema_version, format, data = fact
        if isinstance(error, Broken):
            return UpcastFailed(name, error.step, str(error), stream, version, position)
        if (name, schema_version, format) in self._decoders:
            why = "it has been erased" if data is None else str(error)
            return DecodeError(name, why, stream, version, position)
        origin = self._catalogue.origins.get(name)
        if origin is None:
            return UnknownEvent(name, stream, version, position)
        if not origin.is_read(schema_version):
            known = [version_text(each) for each in origin.versions]
            text = version_text(schema_version)
            why = (
                f"invalid event version {text}: it is stored in version {text} of its shape, this application knows "
                f"{', '.join(known)}"
            )
            return UnknownEvent(name, stream, version, position, why)
        return DecodeError(name, self._unread(format), stream, version, position)

    def _unread(self, format: int) -> str:
        base = format & ~COMPRESSED
        if base in self._codecs:
            return f"format {format} cannot be read without a class, and it is not in today's shape"
        return f"format {format} is not the codec's ({self._format}), nor that of another that is known here"

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


class _Parts(tuple[tuple[type[Any], Any], ...]):
    """What one stored event is read as, where that is not one event of its own class."""

    __slots__ = ()


def _inflating(decode: Callable[[bytes | str], Any]) -> Callable[[Any], Any]:
    return lambda data: decode(inflated(data))


def _nothing(data: object) -> _Parts:
    return _Parts()


def _fact(stored: StoredEvent) -> Fact:
    return stored.version, stored.position, stored.type, stored.schema_version, stored.format, stored.data


def _storing(kind: EventType[Any], schema: Schema[Any, Any], encode: Callable[[Any], bytes]) -> Callable[[Any], bytes]:
    def encode_as_stored(event: Any) -> bytes:
        try:
            stored = schema.to_stored(event)
            back = schema.to_event(stored)
        except Exception as error:  # it is the user's code: any error may come out of it
            raise Unencodable(kind.name, f"its schema: {type(error).__name__}: {error}") from error
        if type(stored) is not schema.stored:
            raise Unencodable(kind.name, f"its schema gives a {type(stored).__name__}, not {schema.stored.__name__}")
        if type(back) is not type(event) or back != event:
            raise Unencodable(kind.name, "to_event of its schema does not give back what to_stored was given")
        return encode(stored)

    return encode_as_stored


def _restoring(schema: Schema[Any, Any], decode: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def event_of(data: Any) -> Any:
        stored = decode(data)
        try:
            return schema.to_event(stored)
        except Exception as error:  # as above
            raise Broken("to_event", f"{type(error).__name__}: {error}") from error

    return event_of


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
