"""The catalogue of an application, and the serializer above its codec."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec
import pytest

from eventfold import Eventfold, Events, Projector, Query, Recorded, View, uuid7
from eventfold.adapters.codecs.json import JsonCodec
from eventfold.domain.deletion import StreamDeleted
from eventfold.domain.message import StoredEvent, Stream
from eventfold.errors import DecodeError, DuplicateName, InvalidInput, Unencodable, UnknownEvent
from eventfold.schema.serializer import Envelope, Serializer


@dataclass(frozen=True)
class Opened:
    at: int


class Closed(msgspec.Struct, frozen=True):
    by: str


def another_opened() -> type[Any]:
    @dataclass(frozen=True)
    class Opened:
        at: str

    return Opened


def catalogue(**opened: Any) -> Events:
    events = Events()
    events.add(Opened, **opened)
    events.add(Closed)
    return events


def serializer(events: Events) -> Serializer:
    return Serializer(events, JsonCodec(), uuid7)


def stored(**changes: Any) -> StoredEvent:
    fields: dict[str, Any] = {
        "position": 9,
        "category": "door",
        "id": "1",
        "version": 3,
        "event_id": bytes(16),
        "type": "Opened",
        "schema_version": 1,
        "format": 0,
        "correlation_id": None,
        "causation_id": None,
        "tags": None,
        "occurred_at": None,
        "recorded_at": 0,
        "metadata": None,
        "data": b'{"at":1}',
    }
    return StoredEvent(**{**fields, **changes})


# ------------------------------------------------------------------------- catalogue


def test_two_classes_of_one_name_are_refused() -> None:
    events = catalogue()
    other = another_opened()
    with pytest.raises(DuplicateName, match=r"'Opened' stands for both .*give one of them") as error:
        events.add(other)
    assert (error.value.name, error.value.first, error.value.second) == ("Opened", Opened, other)
    events.add(other, name="opened-otherwise")
    assert events.name_of(other) == "opened-otherwise"


def test_two_aggregates_with_classes_of_one_name_are_refused_when_they_meet() -> None:
    from eventfold import Aggregate

    def evolve(state: int, event: Opened) -> int:
        return state

    one: Aggregate[object, int, Opened] = Aggregate("one", initial=0, decide=lambda *_: [], evolve=evolve)
    two: Aggregate[object, int, Opened] = Aggregate(
        "two", initial=0, decide=lambda *_: [], evolve=evolve, events=[another_opened()]
    )
    with pytest.raises(DuplicateName, match="'Opened'"):
        Eventfold(deciders=[one, two])


def test_one_class_has_one_entry() -> None:
    events = catalogue(version=2)
    events.add(Opened, version=2)  # the same again
    with pytest.raises(DuplicateName, match="one class has one entry"):
        events.add(Opened, version=3)
    with pytest.raises(DuplicateName, match="one class has one entry"):
        events.add(Opened, name="Closed", version=2)


@pytest.mark.parametrize("name", ["", "x" * 256, "a\0b"])
def test_a_name_that_cannot_be_stored_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput, match="is no name"):
        Events().add(Opened, name=name)


@pytest.mark.parametrize("version", [0, -1])
def test_versions_of_a_shape_start_at_one(version: int) -> None:
    with pytest.raises(InvalidInput, match="versions of a shape start at 1"):
        Events().add(Opened, version=version)


def test_defaults_fill_what_is_missing_and_leave_the_original_alone() -> None:
    events = Events()
    events.add(Opened, name="door-opened")
    filled = events.with_defaults_for([Opened, Closed])
    assert [(each.cls, each.name) for each in filled] == [
        (Opened, "door-opened"),
        (Closed, "Closed"),
        (StreamDeleted, "eventfold:StreamDeleted"),
    ]
    assert Closed in filled
    assert Closed not in events


def test_an_unknown_class_is_named_with_the_remedy() -> None:
    with pytest.raises(UnknownEvent, match=r"'Closed': no aggregate of this application records that class; name it"):
        Events().name_of(Closed)
    with pytest.raises(UnknownEvent):
        Events().resolve(Query.of(Closed))


def test_a_handler_for_an_event_that_nobody_records_is_refused() -> None:
    projector = Projector("doors")

    @projector.on(Opened)
    def opened(recorded: Recorded[Opened], view: View) -> None: ...

    with pytest.raises(UnknownEvent, match="'Opened'"):
        Eventfold(processors=[projector])


def test_a_processor_without_handlers_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"'doors' has no handler; add one with @doors.on\(SomeEvent\)"):
        Eventfold(processors=[Projector("doors")])


# ------------------------------------------------------------------------ serializer


@pytest.mark.parametrize("event", [Opened(1), Closed("ann")])
def test_an_event_comes_back_equal(event: object) -> None:
    ours = serializer(catalogue())
    (new,) = ours.encode([event], Envelope.of("c", "d", {"e": 1}))
    assert (new.correlation_id, new.causation_id, new.metadata) == ("c", "d", b'{"e":1}')
    assert UUID(bytes=new.event_id).version == 7
    back = ours.decode(stored(type=new.type, data=new.data))
    assert back.event == event
    assert ours.events(
        Stream("door", "1"), [(1, 1, new.type, 1, 0, new.data), (2, 2, new.type, 1, 0, new.data.decode())]
    ) == [
        event,
        event,
    ]


def both_ways(ours: Serializer, event: StoredEvent) -> list[Callable[[], Any]]:
    fact = (event.version, event.position, event.type, event.schema_version, event.format, event.data)
    return [lambda: ours.decode(event), lambda: ours.events(event.stream, [(1, 1, "Opened", 2, 0, b'{"at":1}'), fact])]


@pytest.mark.parametrize(
    ("changes", "error", "why"),
    [
        ({"type": "Locked"}, UnknownEvent, "no class of this application is stored under that name"),
        ({"schema_version": 1}, UnknownEvent, "invalid event version 1: .* this application knows 2"),
        ({"schema_version": 2, "format": 7}, DecodeError, r"format 7 is not the codec's \(0\)"),
        ({"schema_version": 2, "data": None}, DecodeError, "it has been erased"),
        ({"schema_version": 2, "data": b"{"}, DecodeError, "truncated"),
        ({"schema_version": 2, "data": b'{"at":"x"}'}, DecodeError, r"Expected `int`, got `str` - at `\$.at`"),
        ({"schema_version": 2, "data": b"\xff"}, DecodeError, "malformed"),
    ],
)
def test_what_cannot_be_decoded_is_named_with_its_place(changes: Any, error: Any, why: str) -> None:
    event = stored(**changes)
    for attempt in both_ways(serializer(catalogue(version=2)), event):
        with pytest.raises(
            error, match=rf"event '{event.type}' in stream door-1, version 3, position 9.*{why}"
        ) as found:
            attempt()
        assert (found.value.type_name, found.value.stream) == (event.type, ("door", "1"))
        assert (found.value.version, found.value.position) == (3, 9)


def test_a_class_that_is_not_in_the_catalogue_is_not_encoded() -> None:
    with pytest.raises(UnknownEvent, match="'Closed'"):
        serializer(Events().with_defaults_for([Opened])).encode([Closed("x")], Envelope())


def test_a_class_that_can_never_be_stored_is_refused_at_once() -> None:
    @dataclass(frozen=True)
    class Strange:
        what: "Nowhere"  # type: ignore[name-defined]  # noqa: F821 - that is the point

    with pytest.raises(Unencodable, match=r"Strange cannot be stored: its fields cannot be read.*Nowhere"):
        serializer(Events().with_defaults_for([Strange]))
