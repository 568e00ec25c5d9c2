"""
JSON, the default: readable, strict and canonical.

What is stored must come back equal on every store, in every release. So each value is decoded once before it
is accepted, and refused if that gives something else: a float that JSON has no word for, a text in a field for
numbers, a set that would come back as a list. Postgres could not hold NUL or lone surrogates; nobody may store them.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from datetime import datetime, time
from decimal import Decimal
from typing import Any, Final, TypeVar

import msgspec

from eventfold.errors import Unencodable
from eventfold.ports.codec import Undecodable

__all__ = ["DEEPEST", "JsonCodec"]

T = TypeVar("T")

DEEPEST: Final = 64
"""Levels of nesting of a value."""
_LONGEST: Final = 1_048_576
_LARGEST_INT: Final = 2**63
_NUL: Final = b"\\u0000"

_ENCODER: Final = msgspec.json.Encoder(order="deterministic", decimal_format="string", uuid_format="canonical")


class JsonCodec:
    """Dataclasses and Structs as JSON objects. Equal values give equal bytes."""

    format = 0

    def encoder(self, kind: type[T]) -> Callable[[T], bytes]:
        decode = self.decoder(kind)
        name = kind.__name__
        needs_a_look = _may_hold_the_unspeakable(kind)
        by_value = kind.__eq__ is not object.__eq__

        def encode(value: T) -> bytes:
            try:
                data = _ENCODER.encode(value)
            except (TypeError, ValueError, OverflowError, RecursionError, UnicodeEncodeError) as error:
                raise Unencodable(name, _reason(error)) from error
            if _NUL in data or needs_a_look:
                fault = _fault(value, DEEPEST)
                if fault is not None:
                    raise Unencodable(name, fault)
            try:
                back = decode(data)
            except Undecodable as error:
                raise Unencodable(name, f"it could not be read again: {error}") from error
            if not (back == value if by_value else _ENCODER.encode(back) == data):
                raise Unencodable(name, f"{value!r} would come back as {back!r}")
            return data

        return encode

    def decoder(self, kind: type[T]) -> Callable[[bytes | str], T]:
        try:
            inner = msgspec.json.Decoder(kind)
        except (TypeError, NameError, AttributeError) as error:
            raise Unencodable(kind.__name__, f"its fields cannot be read: {error}") from error
        read = inner.decode

        def decode(data: bytes | str) -> T:
            if len(data) > _LONGEST:
                raise Undecodable(f"{len(data):,} bytes are more than {_LONGEST:,}")
            try:
                return read(data)
            except Exception as error:  # constructors are the user's code: any error may come out of them
                raise Undecodable(_reason(error)) from error

        return decode


def _may_hold_the_unspeakable(kind: type[Any]) -> bool:
    """Whether a value may hold what decoding alone does not catch: times without a zone, anything under Any."""
    unsafe = (
        msgspec.inspect.AnyType,
        msgspec.inspect.DateTimeType,
        msgspec.inspect.TimeType,
        msgspec.inspect.DecimalType,
        msgspec.inspect.CustomType,
    )
    pending: list[Any] = [msgspec.inspect.type_info(kind)]
    seen: set[type] = set()
    while pending:
        info = pending.pop()
        if isinstance(info, unsafe):
            return True
        cls = getattr(info, "cls", None)
        if cls is not None:
            if cls in seen:
                return True  # a type that holds itself may nest without end
            seen.add(cls)
        pending += [field.type for field in getattr(info, "fields", ())]
        for inner in ("types", "item_types"):
            pending += getattr(info, inner, None) or ()
        pending += [each for each in (getattr(info, part, None) for part in ("item_type", "key_type", "value_type")) if each]
    return False


def _fault(value: object, levels: int) -> str | None:
    """What in this value no store can keep; None when there is nothing."""
    if levels < 0:
        return f"it is nested deeper than {DEEPEST} levels"
    match value:
        case str():
            return f"{value[:40]!r} holds NUL" if "\0" in value else None
        case bool() | None:
            return None
        case int():
            return None if -_LARGEST_INT <= value < _LARGEST_INT else f"{value} has more than 64 bits; use Decimal"
        case float():
            return None if math.isfinite(value) else f"{value} is no number"
        case Decimal():
            return None if value.is_finite() else f"{value} is no number"
        case datetime() | time():
            return None if value.tzinfo is not None else f"{value!r} has no time zone"
        case Mapping():
            strange = next((key for key in value if not isinstance(key, str)), None)
            if strange is not None and type(strange) not in (int,):
                return f"key {strange!r} is no text"
            return next((f for part in value.items() for each in part if (f := _fault(each, levels - 1))), None)
        case list() | tuple() | set() | frozenset():
            return next((f for each in value if (f := _fault(each, levels - 1))), None)
        case msgspec.Struct():
            return next((f for name in value.__struct_fields__ if (f := _fault(getattr(value, name), levels - 1))), None)
        case _ if dataclasses.is_dataclass(value):
            fields = (getattr(value, field.name) for field in dataclasses.fields(value))
            return next((f for each in fields if (f := _fault(each, levels - 1))), None)
        case _:
            return None


def _reason(error: BaseException) -> str:
    return str(error) or type(error).__name__
