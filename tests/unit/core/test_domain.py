"""Streams, queries, recorded events, and what an aggregate reads from the annotation of `evolve`."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Annotated, Any, Optional, TypeAlias, TypeVar, Union
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventfold import Aggregate, Query, Recorded, Stream
from eventfold.domain.decider import fold
from eventfold.domain.message import NewEvent, StoredEvent, from_micros, to_micros
from eventfold.errors import CannotInferEvents, InvalidInput, InvalidStreamName


@dataclass(frozen=True)
class Opened:
    at: int = 0


@dataclass(frozen=True)
class Closed:
    at: int = 0


# ------------------------------------------------------------------------- streams


@pytest.mark.parametrize(("category", "id"), [("a", "1"), ("A9_:.z", "x" * 255), ("book", "é-\n"), ("a" * 100, " ")])
def test_a_stream_is_two_names(category: str, id: str) -> None:
    stream = Stream.of(category, id)
    assert stream == (category, id)
    assert str(stream) == f"{category}-{id}"
    assert Stream.parse(str(stream)) == stream


@pytest.mark.parametrize("category", ["", "1a", "a-b", "é", "a b", "_a", "a" * 101, "a\n", None, 7, b"a"])
def test_a_category_is_letters_digits_and_a_few_signs(category: Any) -> None:
    with pytest.raises(InvalidStreamName, match="the category must be a letter") as error:
        Stream.of(category, "1")
    assert (error.value.category, error.value.id) == (category, "1")


@pytest.mark.parametrize(
    ("id", "why"),
    [
        ("", "it has 0"),
        ("x" * 256, "it has 256"),
        ("é" * 128, "it has 256"),
        ("a\0", "NUL"),
        ("\udfff", "lone surrogate"),
        (7, "not int"),
        (None, "not NoneType"),
    ],
)
def test_an_id_is_up_to_255_bytes_of_text(id: Any, why: str) -> None:
    with pytest.raises(InvalidStreamName, match=why):
        Stream.of("book", id)


@pytest.mark.parametrize("text", ["book", "", "-1", "book-"])
def test_a_text_that_names_no_stream_is_refused(text: str) -> None:
    with pytest.raises(InvalidStreamName):
        Stream.parse(text)


@given(st.text(max_size=300))
def test_any_id_is_either_taken_as_it_is_or_refused(id: str) -> None:
    fits = (1 <= len(id.encode(errors="replace")) <= 255 and "\0" not in id and id.isprintable()) or None
    try:
        assert Stream.of("a", id).id == id
    except InvalidStreamName:
        assert not fits


# -------------------------------------------------------------------------- times


@given(st.datetimes(timezones=st.just(UTC)))
def test_a_moment_survives_as_microseconds(moment: datetime) -> None:
    assert from_micros(to_micros(moment)) == moment


def test_zones_are_turned_into_utc_and_none_is_refused() -> None:
    moment = datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=2)))
    assert from_micros(to_micros(moment)) == moment
    assert from_micros(to_micros(moment)).tzinfo is UTC
    with pytest.raises(ValueError, match="has no time zone"):
        to_micros(datetime(2026, 1, 1))  # noqa: DTZ001 - that is the point


# ------------------------------------------------------------------------- recorded


def stored(**changes: Any) -> StoredEvent:
    fields: dict[str, Any] = {
        "position": 9,
        "category": "door",
        "id": "1",
        "version": 3,
        "event_id": bytes(range(16)),
        "type": "Opened",
        "schema_version": 1,
        "format": 0,
        "correlation_id": None,
        "causation_id": None,
        "tags": None,
        "occurred_at": None,
        "recorded_at": 1_000_001,
        "metadata": None,
        "data": b"{}",
    }
    return StoredEvent(**{**fields, **changes})


def test_a_recorded_event_turns_stored_values_into_ours() -> None:
    recorded = Recorded(Opened(), stored(tags=("a",), metadata=b'{"x":1}', occurred_at=5))
    assert recorded.stream == Stream("door", "1")
    assert recorded.event_id == UUID(bytes=bytes(range(16)))
    assert recorded.recorded_at == datetime(1970, 1, 1, 0, 0, 1, 1, tzinfo=UTC)
    assert recorded.occurred_at == datetime(1970, 1, 1, 0, 0, 0, 5, tzinfo=UTC)
    assert (recorded.tags, dict(recorded.metadata)) == (("a",), {"x": 1})
    assert repr(recorded) == "Recorded(Opened(at=0), stream='door-1', version=3, position=9)"
    bare = Recorded(Opened(), stored())
    assert (bare.tags, dict(bare.metadata), bare.occurred_at) == ((), {}, bare.recorded_at)


def test_messages_are_frozen() -> None:
    new: Any = NewEvent(event_id=b"", type="x", data=b"")
    for message, name in ((new, "type"), (stored(), "version"), (Recorded(Opened(), stored()), "event")):
        with pytest.raises(AttributeError):
            setattr(message, name, "changed")


# -------------------------------------------------------------------------- queries


def test_all_that_an_alternative_states_must_hold() -> None:
    query = Query.of("Opened", "Closed", categories=["door"], tags=["red", "new"])
    assert query.matches("door", "Closed", {"red", "new", "big"})
    assert not query.matches("door", "Closed", {"red"})
    assert not query.matches("door", "Locked", {"red", "new"})
    assert not query.matches("window", "Closed", {"red", "new"})
    assert not query.unrestricted


def test_a_query_holds_when_one_alternative_does() -> None:
    query = Query.of("Opened") | Query.of(categories=["door"])
    assert query.matches("window", "Opened")
    assert query.matches("door", "Closed")
    assert not query.matches("window", "Closed")
    assert query | query == query
    assert (query | Query.all()).unrestricted
    assert Query.all().matches("x", "y")


def test_classes_become_names() -> None:
    resolved = Query.of(Opened, "Closed", tags=["a"]).resolved(
        lambda kind: [kind if isinstance(kind, str) else f"a-{kind.__name__}"]
    )
    assert resolved == Query.of("a-Opened", "Closed", tags=["a"])


@pytest.mark.parametrize(
    ("types", "more", "why"),
    [
        ((), {}, "states nothing"),
        (("X",), {"tags": "a"}, r"pass a list, tags=\['a'\]"),
        (("X",), {"categories": "a"}, r"pass a list, categories=\['a'\]"),
        ((Opened(),), {}, "pass event classes or stored names"),
        ((None,), {}, "pass event classes or stored names"),
    ],
)
def test_a_query_that_cannot_be_meant_is_refused(types: Any, more: Any, why: str) -> None:
    with pytest.raises(InvalidInput, match=why):
        Query.of(*types, **more)


# ------------------------------------------------------------------------ aggregates

Alias: TypeAlias = "Opened | Closed"
T = TypeVar("T")


def plain(state: int, event: Opened) -> int: ...  # type: ignore[empty-body]  # never called, as all of these
def union(state: int, event: Opened | Closed) -> int: ...  # type: ignore[empty-body]  # as above
def old_union(state: int, event: Union[Closed, Opened]) -> int: ...  # type: ignore[empty-body]  # noqa: UP007
def annotated(state: int, event: Annotated[Opened | Closed, "doors"]) -> int: ...  # type: ignore[empty-body]  # as above
def parts(state: int, event: Annotated[Opened, 1] | Closed) -> int: ...  # type: ignore[empty-body]  # as above
def text(state: int, event: "Opened | Later") -> int: ...  # type: ignore[empty-body]  # as above
def alias(state: int, event: Alias) -> int: ...  # type: ignore[empty-body]  # as above
def repeated(state: int, event: Union[Opened, Annotated[Opened, 1]]) -> int: ...  # type: ignore[empty-body]  # noqa: UP007


class Later: ...


class Door:
    def evolve(self, state: int, event: Opened | Closed) -> int: ...  # type: ignore[empty-body]  # as above
    @classmethod
    def of_class(cls, state: int, event: Opened) -> int: ...  # type: ignore[empty-body]  # as above
    @staticmethod
    def static(state: int, event: Closed) -> int: ...  # type: ignore[empty-body]  # as above


class CallableObject:
    scale: int = 1

    def __call__(self, state: int, event: Opened) -> int: ...  # type: ignore[empty-body]  # as above


def local() -> Callable[..., int]:
    @dataclass(frozen=True)
    class Here:
        pass

    def evolve(state: int, event: Here) -> int: ...  # type: ignore[empty-body]  # as above

    return evolve


def of(evolve: Callable[..., Any], **more: Any) -> list[str]:
    aggregate: Any = Aggregate("door", initial=0, decide=lambda *_: [], evolve=evolve, **more)
    return [cls.__name__ for cls in aggregate.events]


@pytest.mark.parametrize(
    ("evolve", "classes"),
    [
        (plain, ["Opened"]),
        (union, ["Opened", "Closed"]),
        (old_union, ["Closed", "Opened"]),
        (annotated, ["Opened", "Closed"]),
        (parts, ["Opened", "Closed"]),
        (text, ["Opened", "Later"]),
        (alias, ["Opened", "Closed"]),
        (repeated, ["Opened"]),
        (Door().evolve, ["Opened", "Closed"]),
        (Door.of_class, ["Opened"]),
        (Door.static, ["Closed"]),
        (local(), ["Here"]),
    ],
)
def test_event_classes_are_read_from_the_annotation(evolve: Callable[..., Any], classes: list[str]) -> None:
    assert of(evolve) == classes


def unresolvable(state: int, event: "Nowhere") -> int: ...  # type: ignore[empty-body, name-defined]  # noqa: F821
def broken(state: int, event: "Opened |") -> int: ...  # type: ignore[empty-body, valid-type]  # noqa: F722
def missing(state: int, event) -> int: ...  # type: ignore[empty-body, no-untyped-def]  # as above
def optional(state: int, event: Optional[Opened]) -> int: ...  # type: ignore[empty-body]  # noqa: UP045
def anything(state: int, event: Any) -> int: ...  # type: ignore[empty-body]  # as above
def objects(state: int, event: object) -> int: ...  # type: ignore[empty-body]  # as above
def variable(state: int, event: T) -> T: ...  # type: ignore[empty-body]  # as above
def listed(state: int, event: list[Opened]) -> int: ...  # type: ignore[empty-body]  # as above
def three(state: int, event: Opened, more: int) -> int: ...  # type: ignore[empty-body]  # as above
def one(event: Opened) -> int: ...  # type: ignore[empty-body]  # as above
def stars(*both: Opened) -> int: ...  # type: ignore[empty-body]  # as above


@pytest.mark.parametrize(
    "evolve",
    [
        unresolvable,
        broken,
        missing,
        optional,
        anything,
        objects,
        variable,
        listed,
        three,
        one,
        stars,
        lambda *_: 0,
        functools.partial(union, 1),
        CallableObject(),
        len,
        int,
    ],
    ids=lambda evolve: getattr(evolve, "__name__", type(evolve).__name__),  # repr has addresses, and differs by worker
)
def test_what_cannot_be_read_says_so_and_what_to_do(evolve: Callable[..., Any]) -> None:
    with pytest.raises(CannotInferEvents, match=r"pass events=\[A, B\]") as error:
        of(evolve)
    assert error.value.name == "door"
    assert of(evolve, events=[Opened, Closed]) == ["Opened", "Closed"]


@pytest.mark.parametrize("events", [[], ["Opened"], [Opened, None], [Opened | Closed], [Opened()]])
def test_declared_events_are_classes(events: Any) -> None:
    with pytest.raises(InvalidInput, match="takes event classes"):
        of(plain, events=events)


def test_an_aggregate_has_a_category() -> None:
    with pytest.raises(InvalidStreamName):
        Aggregate("no category", initial=0, decide=lambda *_: [], evolve=plain)
    door: Aggregate[object, int, Opened] = Aggregate("door", initial=0, decide=lambda *_: [], evolve=plain)
    assert door.stream("1") == Stream("door", "1")
    assert repr(door) == "Aggregate('door')"
    with pytest.raises(InvalidStreamName):
        door.stream("")


@given(st.lists(st.integers()))
def test_folding_is_a_left_fold(numbers: list[int]) -> None:
    class Listing:
        def evolve(self, state: tuple[int, ...], event: int, /) -> tuple[int, ...]:
            return (*state, event)

    assert fold(Listing(), numbers, ()) == tuple(numbers)
    half = len(numbers) // 2
    assert fold(Listing(), numbers[half:], fold(Listing(), numbers[:half], ())) == tuple(numbers)
