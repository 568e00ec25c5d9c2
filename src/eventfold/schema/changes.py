"""The shape of a class as it is stored, and what an edit of it means for events that are stored already."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal, TypeAlias, cast

import msgspec

__all__ = ["Edit", "Kind", "Shape", "edits", "fields_of", "sample_of", "shape_of"]

Shape: TypeAlias = Any
"""Plain data: the name of a type, or a mapping that says more of it."""
Kind: TypeAlias = Literal["safe", "needs upcaster", "breaking", "depends on data"]

_SAMPLES: Final[Mapping[str, object]] = {
    "int": 1,
    "float": 1.5,
    "bool": True,
    "str": "a",
    "bytes": "YQ==",
    "datetime": "2030-01-02T03:04:05Z",
    "time": "03:04:05Z",
    "date": "2030-01-02",
    "timedelta": "PT1S",
    "uuid": "00000000-0000-0000-0000-000000000001",
    "decimal": "1.5",
    "any": "a",
    "none": None,
}
_WIDER: Final = {("int", "float")}


class Edit(msgspec.Struct, frozen=True):
    """One difference between two shapes, and what it means for what is stored in the first."""

    kind: Kind
    what: str


def shape_of(cls: type[Any]) -> Shape:
    """What is stored of a class: names and types of its fields. Its own name and its module are not in it."""
    return _shape(msgspec.inspect.type_info(cls), ())


def _shape(info: Any, around: tuple[type[Any], ...]) -> Shape:
    match info:
        case msgspec.inspect.StructType() | msgspec.inspect.DataclassType() | msgspec.inspect.TypedDictType():
            if info.cls in around:
                return {"again": around.index(info.cls)}
            inside = (*around, info.cls)
            shape: dict[str, Any] = {"fields": {each.encode_name: _field(each, inside) for each in info.fields}}
            if getattr(info, "forbid_unknown_fields", False):
                shape["closed"] = True
            if (tag := getattr(info, "tag", None)) is not None:
                shape["tag"] = tag
            return shape
        case msgspec.inspect.UnionType(types=types):
            return {"any": sorted((_shape(each, around) for each in types), key=str)}
        case msgspec.inspect.TupleType(item_types=types):
            return {"tuple": [_shape(each, around) for each in types]}
        case msgspec.inspect.DictType(key_type=key, value_type=value):
            return {"map": [_shape(key, around), _shape(value, around)]}
        case msgspec.inspect.EnumType(cls=cls):
            return {"one of": sorted((each.value for each in cls), key=str)}
        case msgspec.inspect.LiteralType(values=values):
            return {"one of": sorted(values, key=str)}
        case _:
            if (item := getattr(info, "item_type", None)) is not None:
                return {"list": _shape(item, around)}
            return _plain(info)


def _plain(info: Any) -> Shape:
    name = type(info).__name__.removesuffix("Type").lower()
    if name == "custom":
        return {"custom": info.cls.__name__}
    limits = {
        each: value
        for each in ("gt", "ge", "lt", "le", "multiple_of", "min_length", "max_length", "pattern")
        if (value := getattr(info, each, None)) is not None
    }
    return {"type": name, **limits} if limits else name


def _field(field: Any, around: tuple[type[Any], ...]) -> Shape:
    shape: dict[str, Any] = {"type": _shape(field.type, around)}
    if field.required:
        shape["required"] = True
    elif field.default is not msgspec.NODEFAULT:
        shape["default"] = msgspec.to_builtins(field.default, enc_hook=repr, str_keys=True)
    return shape


def sample_of(shape: Shape, *, least: bool = False) -> Any:
    """A value of this shape, always the same; with `least` what has a default is left out."""
    match shape:
        case str() | {"type": str()}:
            return _SAMPLES.get(shape if isinstance(shape, str) else shape["type"])
        case {"fields": fields}:
            tag = {"type": shape["tag"]} if "tag" in shape else {}
            taken = {name: each for name, each in fields.items() if each.get("required") or not least}
            return tag | {name: sample_of(each["type"], least=least) for name, each in taken.items()}
        case {"any": several}:
            return sample_of(next((each for each in several if each != "none"), "none"), least=least)
        case {"list": item}:
            return [] if least else [sample_of(item)]
        case {"tuple": items}:
            return [sample_of(each, least=least) for each in items]
        case {"map": [key, value]}:
            return {} if least else {str(sample_of(key)): sample_of(value)}
        case {"one of": [first, *_]}:
            return first
        case _:
            return None


def edits(old: Shape, new: Shape, at: str = "") -> Iterator[Edit]:
    """What differs, each with its meaning for events that are stored in the old shape."""
    if new in (old, "any"):
        return
    match old, new:
        case {"fields": before}, {"fields": now}:
            yield from _of_fields(before, now, at, closed=bool(new.get("closed")))
            if old.get("tag") != new.get("tag"):
                yield Edit("breaking", f"{at or 'it'} has another tag")
            if new.get("closed") and not old.get("closed"):
                yield Edit("depends on data", f"{at or 'it'} refuses unknown fields now")
        case {"list": before}, {"list": now}:
            yield from edits(before, now, f"{at}[]")
        case {"map": [key, before]}, {"map": [other, now]}:
            yield from edits(key, other, f"{at} (key)")
            yield from edits(before, now, f"{at}{{}}")
        case {"one of": before}, {"one of": now}:
            gone = [each for each in before if each not in now]
            if gone:
                yield Edit("depends on data", f"{at} may no longer be {gone}")
            else:
                yield Edit("safe", f"{at} may be more than before")
        case _:
            yield _of_types(old, new, at)


def _of_fields(before: Mapping[str, Any], now: Mapping[str, Any], at: str, *, closed: bool) -> Iterator[Edit]:
    for name in sorted({*before, *now}):
        path = f"{at}.{name}" if at else name
        if name not in before:
            needed = now[name].get("required")
            yield Edit("needs upcaster", f"{path} is new") if needed else Edit("safe", f"{path} is new, with a default")
        elif name not in now and closed:
            yield Edit("needs upcaster", f"{path} is gone, and unknown fields are refused")
        elif name not in now:
            yield Edit("safe", f"{path} is gone; what is stored of it is not read any more")
        else:
            yield from edits(before[name]["type"], now[name]["type"], path)
            yield from _of_defaults(before[name], now[name], path)


def _of_defaults(before: Mapping[str, Any], now: Mapping[str, Any], path: str) -> Iterator[Edit]:
    if now.get("required") and not before.get("required"):
        yield Edit("depends on data", f"{path} has no default any more")
    elif before.get("required") and not now.get("required"):
        yield Edit("safe", f"{path} has a default now")
    elif before.get("default") != now.get("default"):
        yield Edit("depends on data", f"{path} has another default: what was stored without it changes its meaning")


def _of_types(old: Shape, new: Shape, at: str) -> Edit:
    before, now = _choices(old), _choices(new)
    if all(each in now or any(_is_wider(each, other) for other in now) for each in before):
        return Edit("safe", f"{at} may be more than before")
    if all(each in before for each in now):
        return Edit("depends on data", f"{at} may be less than before")
    kind, limited = _part(old, "type"), _part(new, "type")
    if limited is not None and limited in (kind, old):
        return Edit("depends on data", f"{at} has other limits")
    if kind is not None and kind == new:
        return Edit("safe", f"{at} has no limits any more")
    return Edit("needs upcaster", f"{at} has another type")


def _choices(shape: Shape) -> list[Shape]:
    several = _part(shape, "any")
    return [shape] if several is None else cast("list[Shape]", several)


def _part(shape: Shape, name: str) -> Any:
    return cast("Mapping[str, Any]", shape).get(name) if isinstance(shape, dict) else None


def _is_wider(before: Shape, now: Shape) -> bool:
    return isinstance(before, str) and isinstance(now, str) and (before, now) in _WIDER


def fields_of(shape: Shape) -> Mapping[str, Any]:
    """Name and shape of each field: `type`, and `required` or perhaps `default`. None where it is no object."""
    return _part(shape, "fields") or {}
