"""What an action gives, as the ledger keeps it: so that the first time and every repetition give the same."""

from __future__ import annotations

import functools
import typing
from collections.abc import Awaitable, Callable
from typing import Any, Final
from weakref import WeakKeyDictionary

import msgspec

from eventfold.errors import InvalidInput, Unencodable

__all__ = ["Lost", "Result", "result_of"]

_ENCODER: Final = msgspec.json.Encoder(order="deterministic", decimal_format="string", uuid_format="canonical")
_NOTHING: Final = b"null"


class Lost(Exception):
    """The action was done, and what it gave is not known. Between ledger and `Act` only."""


class Result:
    """Reads and writes what a function gives, as its annotation says; without one, as plain JSON."""

    def __init__(self, name: str, kind: Any) -> None:
        self._name = name
        self._read: Callable[[bytes], Any] = msgspec.json.Decoder(kind).decode

    def kept(self, given: object) -> tuple[bytes, Any]:
        """
        What the ledger keeps, and what that gives back.

        Raises:
            Unencodable: it cannot be kept.
        """
        try:
            data = _ENCODER.encode(given)
            return data, self._read(data)
        except Exception as error:  # constructors are the user's code: any error may come out of them
            why = (
                f"{self._name} gave it, and the ledger keeps JSON ({type(error).__name__}: {error}); the action is "
                "done and is not repeated; let the function return what JSON can hold, or nothing"
            )
            raise Unencodable(type(given).__name__, why) from error

    def known(self, data: bytes | None) -> Any:
        """Back from the ledger. Raises Lost."""
        try:
            return self._read(_NOTHING if data is None else bytes(data))
        except Exception as error:  # as above
            raise Lost from error


_results: Final[WeakKeyDictionary[Callable[..., Any], Result]] = WeakKeyDictionary()


def result_of(function: Callable[..., Any]) -> Result:
    """
    Raises:
        InvalidInput: the function says that it returns what JSON cannot hold. It has not been called.
    """
    declared: Any = function
    while isinstance(declared, functools.partial):
        declared = declared.func
    declared = getattr(declared, "__func__", declared)
    try:
        return _results[declared]
    except (KeyError, TypeError):  # not seen before; not to be seen again: what is built in has no references
        pass
    result = _made_for(declared)
    try:
        _results[declared] = result
    except TypeError:
        return result
    return result


def _made_for(function: Callable[..., Any]) -> Result:
    name = getattr(function, "__qualname__", type(function).__qualname__)
    kind = _returned(function)
    try:
        info = msgspec.inspect.type_info(kind)
        each = info.types if isinstance(info, msgspec.inspect.UnionType) else (info,)
        if not any(isinstance(one, msgspec.inspect.CustomType) for one in each):
            return Result(name, kind)
        why = "JSON has no form for it"
    except (TypeError, NameError, AttributeError) as error:
        why = str(error)
    raise InvalidInput(
        f"{name} returns {kind!r}, which the ledger cannot keep: {why}; let it return what JSON can hold, or nothing"
    )


def _returned(function: Callable[..., Any]) -> Any:
    """As annotated; `Any` where nothing is said, or nothing that can be read."""
    said = function if hasattr(function, "__annotations__") else type(function).__call__
    try:
        kind = typing.get_type_hints(said).get("return", Any)
    except (TypeError, NameError, AttributeError):
        return Any
    origin = typing.get_origin(kind)
    if isinstance(origin, type) and issubclass(origin, Awaitable):
        kind = typing.get_args(kind)[-1]
    return Any if kind is object else kind
