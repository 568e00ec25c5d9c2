"""Formats beside each other in one store: whichever is written, every one that is known is read."""

import itertools
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from eventfold import Aggregate, Eventfold, Events, uuid7
from eventfold.adapters.codecs.json import JsonCodec
from eventfold.adapters.codecs.message_pack import MessagePackCodec
from eventfold.domain.message import StoredEvent
from eventfold.errors import DecodeError, InvalidInput, Unencodable
from eventfold.ports.codec import COMPRESSED, Codec
from eventfold.ports.event_store import MOST_BYTES
from eventfold.schema.serializer import Envelope, Serializer

CODECS: tuple[Codec, ...] = (JsonCodec(), MessagePackCodec())
LONG = "ä long remark. " * 500


@dataclass(frozen=True)
class Noted:
    text: str
    count: int = 1


@dataclass(frozen=True)
class Total:
    count: int = 0
    longest: str = ""


def evolve(total: Total, event: Noted) -> Total:
    return Total(total.count + event.count, max(total.longest, event.text, key=len))


def decide(command: Noted, total: Total) -> list[Noted]:
    return [command]


notes: Aggregate[Noted, Total, Noted] = Aggregate("note", initial=Total(), decide=decide, evolve=evolve)


def old_shape(old: dict[str, Any]) -> dict[str, Any]:
    assert type(old["raw"]) is str, "as JSON says it, whatever the codec"
    return {"text": old["words"]}


@dataclass(frozen=True)
class OldNoted:
    words: str
    raw: bytes = b"\xff"


def stored(**changes: Any) -> StoredEvent:
    fields: Any = dict.fromkeys(StoredEvent.__struct_fields__)
    fields |= {
        "schema_version": 1,
        "format": 0,
        "recorded_at": 0,
        "position": 9,
        "category": "note",
        "id": "1",
        "version": 3,
        "event_id": bytes(16),
        "type": "Noted",
    }
    return StoredEvent(**{**fields, **changes})


def serializer(codec: Codec, events: Events | None = None, **options: Any) -> Serializer:
    if events is None:
        (events := Events()).add(Noted)
    return Serializer(events, codec, uuid7, others=CODECS, **options)


@pytest.mark.parametrize(("written", "reading"), list(itertools.product(CODECS, CODECS)))
@pytest.mark.parametrize("compress_above", [None, 100])
async def test_b5_a_store_that_one_codec_has_written_is_read_and_continued_with_another(
    tmp_path: Path, written: Codec, reading: Codec, compress_above: int | None
) -> None:
    url = f"sqlite:///{tmp_path / 'notes.db'}"
    async with Eventfold(deciders=[notes], codec=written, compress_above=compress_above).open(url) as running:
        await running.execute(notes, "1", Noted("short"))
        await running.execute(notes, "1", Noted(LONG, 2))
    async with Eventfold(deciders=[notes], codec=reading).open(url) as running:
        outcome = await running.execute(notes, "1", Noted("last", 4))
        assert outcome.state == Total(7, LONG)


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("compress_above", [None, 0])
def test_b5_an_upcaster_sees_the_same_plain_data_whatever_the_format(codec: Codec, compress_above: int | None) -> None:
    (before := Events()).add(OldNoted, name="Noted")
    (new,) = serializer(codec, before, compress_above=compress_above).encode([OldNoted(LONG)], Envelope())
    (now := Events()).add(Noted, version=2, upcast={1: old_shape})
    for reading in CODECS:
        assert serializer(reading, now).decode(stored(format=new.format, data=new.data)).event == Noted(LONG)


@pytest.mark.parametrize("codec", CODECS)
def test_compression_is_for_what_is_long_and_becomes_shorter(codec: Codec) -> None:
    ours = serializer(codec, compress_above=100)
    short, long = ours.encode([Noted("short"), Noted(LONG)], Envelope())
    assert (short.format, long.format) == (codec.format, codec.format | COMPRESSED)
    assert len(long.data) < len(LONG) // 10
    assert serializer(codec, compress_above=0).encode([Noted("x")], Envelope())[0].format == codec.format
    with pytest.raises(InvalidInput, match="compress_above is -1"):
        serializer(codec, compress_above=-1)


GOOD = zlib.compress(b'{"text":"a"}')


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"format": 1, "data": MessagePackCodec().encoder(Noted)(Noted("a"))[:-1]}, "truncated"),
        ({"format": 1, "data": b'{"text":"a"}'}, "Expected `object`"),
        ({"format": 1, "data": MessagePackCodec().encoder(OldNoted)(OldNoted("a"))}, "missing required field `text`"),
        ({"format": 1, "data": b"\xc1"}, "malformed"),
        ({"format": 0, "data": MessagePackCodec().encoder(Noted)(Noted("a"))}, "malformed"),
        ({"format": COMPRESSED, "data": GOOD[:-3]}, "the compressed bytes are truncated"),
        ({"format": COMPRESSED, "data": GOOD + b"x"}, "1 bytes follow the compressed ones"),
        ({"format": COMPRESSED, "data": b'{"text":"a"}'}, "incorrect header"),
        ({"format": COMPRESSED, "data": zlib.compress(bytes(100 * MOST_BYTES))}, "when it is decompressed"),
        ({"format": COMPRESSED, "data": None}, "erased"),
        ({"format": COMPRESSED | 7, "data": GOOD}, "format 23 is not the codec's"),
    ],
)
def test_b5_sec08_what_is_damaged_or_of_another_kind_is_named_with_its_place(changes: Any, why: str) -> None:
    event = stored(**changes)
    fact = (event.version, event.position, event.type, event.schema_version, event.format, event.data)
    ours = serializer(JsonCodec())
    for attempt in (
        lambda: ours.decode(event),
        lambda: ours.events(event.stream, [fact]),
        lambda: ours.decode_all([event]),
    ):
        with pytest.raises(DecodeError, match=f"'Noted' in stream note-1, version 3, position 9.*{why}") as found:
            attempt()
        assert found.value.position == 9


@pytest.mark.parametrize("number", [float("inf"), float("-inf"), float("nan")])
def test_fm25_message_pack_refuses_endless_numbers_among_other_fields(number: float) -> None:
    @dataclass(frozen=True)
    class Weighed:
        weight: float | None
        text: str | None = None

    encode = MessagePackCodec().encoder(Weighed)
    assert encode(Weighed(1.5, "a"))
    for wrong in (Weighed(number), Weighed(1.5, "a\0b")):
        with pytest.raises(Unencodable):
            encode(wrong)
