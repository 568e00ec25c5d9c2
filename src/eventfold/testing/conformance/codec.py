"""The suite of codecs: what is accepted comes back equal, and what is damaged is called so."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eventfold.errors import Unencodable
from eventfold.ports.codec import Codec, Undecodable

__all__ = ["CodecConformance"]


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Point(msgspec.Struct, frozen=True):
    x: int
    y: float


@dataclass(frozen=True)
class Placed:
    """A dataclass with one field of every kind that events are made of."""

    count: int
    weight: float
    name: str
    paid: bool
    note: str | None
    price: Decimal
    at: datetime
    day: date
    opens: time
    lasts: timedelta
    id: UUID
    raw: bytes
    colour: Colour
    point: Point
    tags: list[str]
    pair: tuple[int, str]
    counts: dict[str, int]
    points: tuple[Point, ...] = ()
    seen: frozenset[str] = frozenset()


class Moved(msgspec.Struct, frozen=True):
    point: Point
    by: str = "nobody"
    where: Point | None = None


@dataclass(frozen=True)
class Anything:
    value: Any = None


@dataclass(frozen=True)
class Maybe:
    value: float | None = None


@dataclass(eq=False)
class Uncompared:
    value: float | None = None
    other: Any = None


@dataclass(frozen=True)
class HalfCompared:
    name: str = ""
    value: float | None = field(default=None, compare=False)
    other: Any = field(default=None, compare=False)


@dataclass(frozen=True)
class ByNumber:
    names: dict[int, str]


@dataclass(frozen=True)
class Chain:
    next: Chain | None = None


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
INT64 = st.integers(-(2**63), 2**63 - 1)
FINITE = st.floats(allow_nan=False, allow_infinity=False)
ZONES = st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=30)), timezone(timedelta(hours=-8))])
POINTS = st.builds(Point, INT64, FINITE)
PLACED = st.builds(
    Placed,
    count=INT64,
    weight=FINITE,
    name=TEXT,
    paid=st.booleans(),
    note=st.none() | TEXT,
    price=st.decimals(allow_nan=False, allow_infinity=False),
    at=st.datetimes(min_value=datetime(1, 1, 3), max_value=datetime(9999, 12, 29), timezones=ZONES),  # noqa: DTZ001 - the bounds of hypothesis are naive
    day=st.dates(),
    opens=st.times(timezones=st.just(UTC)),
    lasts=st.timedeltas(timedelta(days=-9_999), timedelta(days=9_999)),
    id=st.uuids(),
    raw=st.binary(max_size=40),
    colour=st.sampled_from(Colour),
    point=POINTS,
    tags=st.lists(TEXT, max_size=4),
    pair=st.tuples(INT64, TEXT),
    counts=st.dictionaries(TEXT, INT64, max_size=4),
    points=st.lists(POINTS, max_size=3).map(tuple),
    seen=st.frozensets(TEXT, max_size=4),
)
JSON_LIKE = st.recursive(
    st.none() | st.booleans() | INT64 | FINITE | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)
UNLIKELY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.decimals() | st.datetimes(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(max_size=3) | st.integers() | st.none() | st.booleans(), inner, max_size=3)
        | st.sets(st.text(max_size=3), max_size=3)
    ),
    max_leaves=8,
)
SAMPLE = Placed(
    count=3,
    weight=1.5,
    name="Grüße",
    paid=True,
    note=None,
    price=Decimal("10.50"),
    at=datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC),
    day=date(2026, 1, 2),
    opens=time(9, 30, tzinfo=UTC),
    lasts=timedelta(days=2, seconds=3),
    id=UUID(int=7),
    raw=b"\0\xff",
    colour=Colour.RED,
    point=Point(1, 2.5),
    tags=["a", "b"],
    pair=(1, "one"),
    counts={"a": 1},
    points=(Point(3, 4.0),),
    seen=frozenset({"x"}),
)


def changed(**fields: Any) -> Placed:
    return Placed(**{name: getattr(SAMPLE, name) for name in Placed.__dataclass_fields__} | fields)


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


def chain(levels: int) -> Chain:
    value = Chain()
    for _ in range(levels):
        value = Chain(value)
    return value


NAN, INFINITY = float("nan"), float("inf")
NAIVE = datetime(2026, 1, 1)  # noqa: DTZ001 - that it is naive is the point

UNTYPED: list[tuple[str, Any]] = [
    ("NaN", NAN),
    ("infinity", INFINITY),
    ("minus infinity", -INFINITY),
    ("a naive datetime", NAIVE),
    ("a datetime, that would come back as text", NAIVE.replace(tzinfo=UTC)),
    ("a lone surrogate", "\ud800"),
    ("NUL", "a\0b"),
    ("a set", {1, 2}),
    ("a frozenset", frozenset({1})),
    ("a tuple", (1, 2)),
    ("bytes", b"raw"),
    ("Decimal", Decimal("1.5")),
    ("UUID", UUID(int=1)),
    ("a struct", Point(1, 2.0)),
    ("a key that is a number", {1: "one"}),
    ("a key that is None", {None: 1}),
    ("a key with NUL", {"a\0": 1}),
    ("a key with a lone surrogate", {"\udfff": 1}),
    ("an int of 64 bits without sign", 2**63),
    ("an int below 64 bits", -(2**63) - 1),
    ("a huge int", 10**30),
    ("too deep", nested(80)),
    ("far too deep", nested(100_000)),
    ("an object", object()),
    ("a function", len),
]
WRONG: list[tuple[str, Callable[[], object]]] = [
    ("NaN", lambda: changed(weight=NAN)),
    ("infinity", lambda: changed(weight=INFINITY)),
    ("Decimal NaN", lambda: changed(price=Decimal("NaN"))),
    ("Decimal signalling NaN", lambda: changed(price=Decimal("sNaN"))),
    ("Decimal infinity", lambda: changed(price=Decimal("-Infinity"))),
    ("a naive datetime", lambda: changed(at=NAIVE)),
    ("a naive time", lambda: changed(opens=time(1, 2))),
    ("a lone surrogate", lambda: changed(name="\ud800")),
    ("NUL in text", lambda: changed(name="a\0")),
    ("NUL in a list", lambda: changed(tags=["a", "\0"])),
    ("NUL in a key", lambda: changed(counts={"\0": 1})),
    ("NUL in a set", lambda: changed(seen=frozenset({"\0"}))),
    ("text for a number", lambda: changed(count="3")),
    ("a float for an int", lambda: changed(count=1.5)),
    ("a bool for an int", lambda: changed(count=True)),
    ("None for text", lambda: changed(name=None)),
    ("a number for text", lambda: changed(name=3)),
    ("a list of numbers for one of texts", lambda: changed(tags=[1])),
    ("a dict for a struct", lambda: changed(point={"x": 1, "y": 2.0})),
    ("a value beside the enum", lambda: changed(colour="green")),
    ("a tuple that is too long", lambda: changed(pair=(1, "a", 2))),
    ("NaN in a struct inside", lambda: changed(points=(Point(1, NAN),))),
    ("NaN where None may be", lambda: Maybe(NAN)),
    ("NaN in a class without ==", lambda: Uncompared(NAN)),
    ("a set in a class without ==", lambda: Uncompared(other={1})),
    ("NaN in a field without ==", lambda: HalfCompared("a", NAN)),
    ("a tuple in a field without ==", lambda: HalfCompared("a", None, (1,))),
    ("keys that are numbers", lambda: ByNumber({1: "one"})),
    ("a chain that is too long", lambda: chain(100)),
    ("a chain that is far too long", lambda: chain(900)),
]

SHARED = settings(  # a codec has no memory, and each has a class of its own
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors]
)


class CodecConformance:
    """Every promise of `Codec`, for dataclasses and Structs. The fixture `codec` gives one."""

    @pytest.fixture
    def codec(self) -> Codec:
        raise NotImplementedError("define a fixture `codec`")

    @staticmethod
    def _comes_back(codec: Codec, value: object) -> None:
        kind = type(value)
        data = codec.encoder(kind)(value)
        assert isinstance(data, bytes)
        back = codec.decoder(kind)(data)
        assert back == value
        assert type(back) is kind
        assert codec.encoder(kind)(back) == data

    @settings(SHARED, deadline=None)
    @given(value=PLACED | st.builds(Moved, POINTS, TEXT, st.none() | POINTS))
    def test_fm25_what_is_accepted_comes_back_equal(self, codec: Codec, value: Any) -> None:
        self._comes_back(codec, value)

    @settings(SHARED, deadline=None)
    @given(value=JSON_LIKE)
    def test_fm25_plain_data_under_any_comes_back_equal(self, codec: Codec, value: Any) -> None:
        self._comes_back(codec, Anything(value))

    @settings(SHARED, deadline=None, max_examples=300)
    @given(value=UNLIKELY)
    def test_fm25_under_any_it_comes_back_equal_or_is_refused(self, codec: Codec, value: Any) -> None:
        encode, decode = codec.encoder(Anything), codec.decoder(Anything)
        try:
            data = encode(Anything(value))
        except Unencodable:
            return
        assert decode(data) == Anything(value)

    def test_fm25_equal_values_give_equal_bytes_in_whatever_order_they_were_made(self, codec: Codec) -> None:
        encode = codec.encoder(Placed)
        one = changed(counts={"a": 1, "b": 2, "ä": 3}, seen=frozenset(["x", "y", "z", "w"]))
        other = changed(counts={"ä": 3, "b": 2, "a": 1}, seen=frozenset(["w", "z", "y", "x"]))
        assert encode(one) == encode(other)
        untyped = codec.encoder(Anything)
        assert untyped(Anything({"b": {"d": 1, "c": 2}, "a": 0})) == untyped(Anything({"a": 0, "b": {"c": 2, "d": 1}}))

    def test_fm25_money_keeps_its_places_and_large_typed_numbers_their_digits(self, codec: Codec) -> None:
        encode, decode = codec.encoder(Placed), codec.decoder(Placed)
        for price in (Decimal("10.50"), Decimal("1E+3"), Decimal("-0.00"), Decimal(10**40) / 3):
            assert str(decode(encode(changed(price=price))).price) == str(price)

    @pytest.mark.parametrize(("name", "make"), WRONG, ids=[name for name, _ in WRONG])
    def test_fm25_a_value_that_would_not_come_back_is_refused(
        self, codec: Codec, name: str, make: Callable[[], object]
    ) -> None:
        value = make()
        encode: Callable[[Any], bytes] = codec.encoder(type(value))
        with pytest.raises(Unencodable) as refused:
            encode(value)
        assert refused.value.type_name == type(value).__name__

    @pytest.mark.parametrize(("name", "value"), UNTYPED, ids=[name for name, _ in UNTYPED])
    def test_fm25_under_any_only_what_json_has_words_for_is_accepted(self, codec: Codec, name: str, value: Any) -> None:
        for wrapped in (value, [value], {"in": [{"side": value}]}):
            with pytest.raises(Unencodable):
                codec.encoder(Anything)(Anything(wrapped))

    def test_fm25_64_levels_fit_in_any_codec(self, codec: Codec) -> None:
        self._comes_back(codec, Anything(nested(60)))
        self._comes_back(codec, chain(60))

    def test_fm25_a_class_that_can_never_be_stored_is_refused_at_once(self, codec: Codec) -> None:
        @dataclass
        class Unresolved:
            value: NoSuchName  # type: ignore[name-defined]  # noqa: F821 - that nobody knows it is the point

        @dataclass
        class Ambiguous:
            value: Point | Moved

        for kind in (Unresolved, Ambiguous):
            with pytest.raises(Unencodable):
                codec.encoder(kind)

    @settings(SHARED, deadline=None, max_examples=2_000)
    @given(data=st.data())
    def test_fm25_sec08_damaged_bytes_are_undecodable_and_nothing_else(self, codec: Codec, data: st.DataObject) -> None:
        good = codec.encoder(Placed)(SAMPLE)
        cut = data.draw(st.integers(0, len(good)))
        width = data.draw(st.integers(0, 6))
        self._decodes_or_says_no(codec, good[:cut] + data.draw(st.binary(max_size=6)) + good[cut + width :])

    @settings(SHARED, deadline=None, max_examples=1_000)
    @given(data=st.binary(max_size=60))
    def test_fm25_sec08_arbitrary_bytes_are_undecodable_and_nothing_else(self, codec: Codec, data: bytes) -> None:
        self._decodes_or_says_no(codec, data)

    @pytest.mark.parametrize(
        "data",
        [
            b"",
            b"\xff\xfe",
            b'"\xed\xa0\x80"',
            b"[" * 100_000,
            b'{"value":' * 100_000,
            b'{"value":' + b"9" * 100_000 + b"}",
            b'{"value":1e999999}',
            b'{"value":"\\ud800"}',
            b"x" * 2_000_000,
            b'{"value":[' + b"1," * 600_000 + b"1]}",
        ],
        ids=lambda data: repr(data[:12]),
    )
    def test_fm25_sec08_bombs_do_not_go_off(self, codec: Codec, data: bytes) -> None:
        self._decodes_or_says_no(codec, data)

    @staticmethod
    def _decodes_or_says_no(codec: Codec, data: bytes) -> None:
        kinds: tuple[type[Any], ...] = (Placed, Moved, Anything, Chain)
        for kind in kinds:
            try:
                value = codec.decoder(kind)(data)
            except Undecodable as error:
                assert str(error)  # noqa: PT017 - any other error is the failure
            else:
                assert type(value) is kind
