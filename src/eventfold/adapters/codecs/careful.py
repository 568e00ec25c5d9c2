"""
What the codecs share: the care with which they accept a value, and plain data.

What is stored must come back equal on every store, in every release. So each value is decoded once before it
is accepted, and refused if that gives something else: a float that JSON has no word for, a text in a field for
numbers, a set that would come back as a list. Postgres could not hold NUL or lone surrogates; nobody may store them.
"""

from __future__ import annotations

import dataclasses
import math
import operator
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, time
from decimal import Decimal
from typing import Any, Final, TypeAlias, TypeVar, cast

import msgspec

from eventfold.errors import Unencodable
from eventfold.ports.codec import Undecodable

__all__ = ["DEEPEST", "builder", "careful_decoder", "careful_encoder", "inside"]

T = TypeVar("T")

DEEPEST: Final = 64
"""Levels of nesting of a value."""
_LONGEST: Final = 1_048_576
_LARGEST_INT: Final = 2**63
_SMALLEST_INT: Final = -(2**63)


def careful_encoder(
    kind: type[T],
    write: Callable[[T], bytes],
    read: Callable[[bytes | str], T],
    *,
    suspect: bytes,
    doubt: Callable[[T, bytes], bool] | None = None,
) -> Callable[[T], bytes]:
    """
    Args:
        suspect: bytes without which no text holds NUL and no number is endless; where they stand, each is looked at.
        doubt: whether that is worth its time, where numbers often look like that.
    """
    name = kind.__name__
    whole = msgspec.inspect.type_info(kind)
    look = _look_at(whole, frozenset()) or _nothing_wrong
    look_closely = _look_at(whole, frozenset(), closely=True) or _nothing_wrong
    equal = not any(map(_compares_less_than_it_holds, inside(whole)))

    def encode(value: T) -> bytes:
        try:
            data = write(value)
        except (TypeError, ValueError, OverflowError, RecursionError, UnicodeEncodeError) as error:
            raise Unencodable(name, _reason(error)) from error
        if len(data) > _LONGEST:
            raise Unencodable(name, f"it could not be read again: {_too_long(data)}")
        try:
            back = read(data)
        except Exception as error:  # constructors are the user's code: any error may come out of them
            raise Unencodable(name, f"it could not be read again: {_reason(error)}") from error
        closely = suspect in data and (doubt is None or doubt(value, data))
        if fault := (look_closely if closely else look)(
            back
        ):  # not the value, whose fields need not be what the class declares
            raise Unencodable(name, fault)
        if not (back == value if equal else _same(back, value)):
            raise Unencodable(name, f"{_differing(value, back)} would come back as something else")
        return data

    return encode


def careful_decoder(read: Callable[[bytes | str], T]) -> Callable[[bytes | str], T]:
    """Raises `Undecodable` for whatever `read` raises, and for what is too long to be looked at."""

    def decode(data: bytes | str) -> T:
        if len(data) > _LONGEST:
            raise Undecodable(_too_long(data))
        try:
            return read(data)
        except Exception as error:  # as above
            raise Undecodable(_reason(error)) from error

    return decode


def builder(kind: type[T]) -> Callable[[Any], T]:
    """A value of this class of plain data, which is the same whatever codec has given it."""

    def build(data: Any) -> T:
        try:
            return msgspec.convert(data, kind, str_keys=True)
        except Exception as error:  # as in `careful_decoder`
            raise Undecodable(_reason(error)) from error

    return build


Look: TypeAlias = Callable[[Any], str | None]


def _look_at(info: msgspec.inspect.Type, around: frozenset[type], closely: bool = False) -> Look | None:
    """
    How to look for what decoding alone does not catch; None where nothing of the kind can be.

    Made once for a class, so that an event with plain fields costs next to nothing. `around` are the classes that
    hold this one: what may nest without end is looked at by the general way.
    """
    match info:
        case msgspec.inspect.IntType():
            return _wide
        case msgspec.inspect.StrType() if closely:
            return _holding_nul
        case msgspec.inspect.FloatType() if closely:
            return _endless
        case msgspec.inspect.DecimalType():
            return _infinite
        case msgspec.inspect.DateTimeType() | msgspec.inspect.TimeType():
            return _zoneless
        case msgspec.inspect.UnionType(types=types):
            looks = {look for each in types if (look := _look_at(each, around, closely))}
            return _unless_none(looks.pop()) if len(looks) == 1 and info.includes_none else _fault if looks else None
        case msgspec.inspect.ListType(item_type=item) | msgspec.inspect.VarTupleType(item_type=item):
            look = _look_at(item, around, closely)
            if look is _holding_nul:
                return lambda texts: _holding_nul("".join(texts))
            return look and _at_each(look)
        case msgspec.inspect.StructType(cls=cls, fields=fields) | msgspec.inspect.DataclassType(cls=cls, fields=fields):
            if cls in around:
                return _fault
            found = [(field.name, _look_at(field.type, around | {cls}, closely)) for field in fields]
            return _at_fields([(operator.attrgetter(name), look) for name, look in found if look])
        case _:
            return _fault if closely or any(map(_may_hold_the_unspeakable, inside(info))) else None


def _nothing_wrong(value: object) -> str | None:
    return None


def _unless_none(look: Look) -> Look:
    return lambda value: None if value is None else look(value)


def _at_each(look: Look) -> Look:
    return lambda values: next((fault for each in values if (fault := look(each))), None)


def _at_fields(looks: Sequence[tuple[Callable[[Any], Any], Look]]) -> Look | None:
    """The usual kinds of fields are looked at here: a call for each would cost more than the look."""
    numbers, decimals, moments = ([part for part, look in looks if look is kind] for kind in _USUAL)
    texts, floats = ([part for part, look in looks if look is kind] for kind in (_holding_nul, _endless))
    others = [(part, look) for part, look in looks if look not in (*_USUAL, _holding_nul, _endless)]

    def at_fields(value: Any) -> str | None:
        for part in numbers:
            if not _SMALLEST_INT <= part(value) < _LARGEST_INT:
                return _wide(part(value))
        for part in decimals:
            if not part(value).is_finite():
                return _infinite(part(value))
        for part in moments:
            if part(value).tzinfo is None:
                return _zoneless(part(value))
        for part, look in others:
            if fault := look(part(value)):
                return fault
        return None

    def at_every_field(value: Any) -> str | None:
        for part in texts:
            if "\0" in part(value):
                return _holding_nul(part(value))
        for part in floats:
            if not math.isfinite(part(value)):
                return _endless(part(value))
        return at_fields(value)

    return (at_every_field if texts or floats else at_fields) if looks else None


def _wide(value: int) -> str | None:
    return None if _SMALLEST_INT <= value < _LARGEST_INT else "an int has more than 64 bits; use Decimal"


def _holding_nul(value: str) -> str | None:
    return "a text holds NUL" if "\0" in value else None


def _endless(value: float) -> str | None:
    return None if math.isfinite(value) else f"{value} is no number"


def _infinite(value: Decimal) -> str | None:
    return None if value.is_finite() else f"{value} is no number"


def _zoneless(value: datetime | time) -> str | None:
    return f"a {type(value).__name__} has no time zone" if value.tzinfo is None else None


_USUAL: Final = (_wide, _infinite, _zoneless)


def inside(info: msgspec.inspect.Type) -> Iterator[msgspec.inspect.Type | None]:
    """The description and everything inside it, each class once; None for one that holds itself."""
    pending: list[Any] = [info]
    seen: set[type] = set()
    while pending:
        each = pending.pop()
        cls = getattr(each, "cls", None)
        if cls is not None:
            if cls in seen:
                yield None
                continue
            seen.add(cls)
        yield each
        pending += [field.type for field in getattr(each, "fields", ())]
        for inner in ("types", "item_types"):
            pending += getattr(each, inner, None) or ()
        pending += [part for name in ("item_type", "key_type", "value_type") if (part := getattr(each, name, None))]


def _may_hold_the_unspeakable(info: object) -> bool:
    """Numbers and times that JSON cannot say or Postgres cannot hold, anything under Any, nesting without end."""
    unsafe = (
        msgspec.inspect.AnyType,
        msgspec.inspect.CustomType,
        msgspec.inspect.IntType,
        msgspec.inspect.DecimalType,
        msgspec.inspect.DateTimeType,
        msgspec.inspect.TimeType,
    )
    return info is None or isinstance(info, unsafe)


def _compares_less_than_it_holds(info: object) -> bool:
    """A class whose `==` does not look at every field, so that it proves nothing about what came back."""
    cls: Any = getattr(info, "cls", object)
    if not hasattr(cls, "__struct_fields__") and not _field_names(cls):
        return False
    fields = getattr(cls, "__dataclass_fields__", {}).values()
    return cls.__eq__ is object.__eq__ or any(not field.compare for field in fields)


def _field_names(owner: object) -> Sequence[str]:
    """Of a dataclass, a Struct or an attrs class; empty for anything else."""
    cls: Any = owner if isinstance(owner, type) else type(owner)
    if issubclass(cls, msgspec.Struct):
        return list(cls.__struct_fields__)
    if dataclasses.is_dataclass(cls):
        return [field.name for field in dataclasses.fields(cls)]
    return [field.name for field in getattr(cls, "__attrs_attrs__", ())]


def _same(one: Any, other: Any) -> bool:
    """Equal in every field, whatever `==` of the classes makes of it."""
    if type(one) is not type(other):
        return isinstance(one, int | float) and isinstance(other, int | float) and one == other
    if isinstance(one, list | tuple):
        return len(other) == len(values := cast("Collection[Any]", one)) and all(map(_same, values, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in other)
    if names := _field_names(one):
        return all(_same(getattr(one, name), getattr(other, name)) for name in names)
    return bool(one == other)


def _differing(value: object, back: object) -> str:
    """Where they differ: not how, for an error is logged, and what is in an event is nobody's business there."""
    if type(value) is type(back):
        fields = [name for name in _field_names(value) if not _same(getattr(value, name), getattr(back, name))]
        if fields:
            return " and ".join(f"its field {name!r} ({type(getattr(value, name)).__name__})" for name in fields)
    return f"a {type(value).__name__}"


def _fault(value: object, levels: int = DEEPEST) -> str | None:
    """What in this value no store can keep; None when there is nothing."""
    if levels < 0:
        return f"it is nested deeper than {DEEPEST} levels"
    fault = None
    parts: Iterable[object] = ()
    match value:
        case str():
            fault = _holding_nul(value)
        case bool() | None:
            pass
        case int():
            fault = _wide(value)
        case float():
            fault = _endless(value)
        case Decimal():
            fault = _infinite(value)
        case datetime() | time():
            fault = _zoneless(value)
        case Mapping():
            mapping = cast("Mapping[object, object]", value)
            parts = (each for item in mapping.items() for each in item)
        case list() | tuple() | set() | frozenset():
            parts = cast("Collection[object]", value)
        case _:
            parts = (getattr(value, name) for name in _field_names(value))
    return fault or next((fault for each in parts if (fault := _fault(each, levels - 1))), None)


def _too_long(data: bytes | str) -> str:
    return f"{len(data):,} bytes are more than {_LONGEST:,}"


def _reason(error: BaseException) -> str:
    return str(error) or type(error).__name__
