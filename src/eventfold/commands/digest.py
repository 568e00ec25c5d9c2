"""A digest of a command: equal for equal commands, in every process and release, and different for different ones."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from hashlib import sha256
from typing import Any, Final, TypeAlias, cast
from uuid import UUID

import msgspec

from eventfold.errors import Unencodable

__all__ = ["digest"]

DEEPEST: Final = 64
"""Levels of nesting of a command."""

_Words: TypeAlias = "str | list[_Words]"

_encode: Final = msgspec.json.encode


def digest(decider: str, id: str | None, command: object) -> bytes:
    """
    SHA-256 over who decides, on what, and the command.

    Not over its bytes as an event: commands are never read back, so they may hold what events may not, and a codec may
    be changed while they are repeated. Of objects the names of their classes count, of sequences and mappings only what
    is in them.

    Raises:
        Unencodable: something in it has no value that two processes could compare.
    """
    try:
        return sha256(_encode([decider, id, _described(command, DEEPEST)])).digest()
    except UnicodeEncodeError as error:
        raise Unencodable(type(command).__name__, f"a text in it is no valid Unicode ({error.reason})") from error
    except _Incomparable as error:
        raise Unencodable(
            type(command).__name__,
            f"{error}; a command with an id is told from others by its values: make it of dataclasses, Structs, "
            "attrs classes or models with plain values, or execute it without an id",
        ) from error


class _Incomparable(Exception):
    """Says what it is that cannot be compared."""


def _described(value: object, levels: int) -> _Words:
    if levels < 0:
        raise _Incomparable(f"it is nested deeper than {DEEPEST} levels")
    match value:
        case Enum():
            return [type(value).__qualname__, value.name]
        case None | bool() | int() | str():
            return f"{type(value).__name__} {value}"
        case float() | Decimal() | bytes() | UUID() | timedelta():
            return f"{type(value).__name__} {value!r}"
        case datetime() | date() | time():
            return f"{type(value).__name__} {value.isoformat()}"
        case Mapping():
            mapping = cast("Mapping[object, object]", value)
            pairs: list[_Words] = [[_described(each, levels - 1) for each in pair] for pair in mapping.items()]
            return ["mapping", *sorted(pairs, key=_encode)]
        case set() | frozenset():
            return ["set", *sorted(_each(cast("Iterable[object]", value), levels), key=_encode)]
        case _ if (names := _fields(value)) is not None:
            fields: list[_Words] = [[name, _described(getattr(value, name), levels - 1)] for name in names]
            return [type(value).__qualname__, *fields]
        case list() | tuple():
            return ["sequence", *_each(cast("Iterable[object]", value), levels)]
        case _:
            raise _Incomparable(f"it holds {value!r:.80}")


def _each(values: Iterable[object], levels: int) -> list[_Words]:
    return [_described(each, levels - 1) for each in values]


def _fields(value: object) -> Collection[str] | None:
    """Of a dataclass, a Struct, an attrs class, a model of pydantic or a named tuple; None for anything else."""
    cls: Any = type(value)
    if dataclasses.is_dataclass(cls):
        return [field.name for field in dataclasses.fields(cls) if field.compare]
    if issubclass(cls, msgspec.Struct):
        return list(cls.__struct_fields__)
    if attributes := getattr(cls, "__attrs_attrs__", ()):
        return [each.name for each in attributes if each.eq]
    if isinstance(models := getattr(cls, "model_fields", None), dict):
        return list(cast("dict[str, object]", models))
    named: Collection[str] | None = getattr(cls, "_fields", None)
    return named if isinstance(value, tuple) else None
