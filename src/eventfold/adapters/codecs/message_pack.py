"""MessagePack: shorter than JSON, and what a person cannot read without a tool."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

import msgspec

from eventfold.adapters.codecs.careful import builder, careful_decoder, careful_encoder, inside
from eventfold.adapters.codecs.json import JsonCodec
from eventfold.errors import Unencodable

__all__ = ["MessagePackCodec"]

T = TypeVar("T")

_ENCODER: Final = msgspec.msgpack.Encoder(order="deterministic", decimal_format="string", uuid_format="canonical")


_JSON: Final = msgspec.json.Encoder()
_INFINITY: Final = b"\x7f\xf0\0\0\0\0\0\0"
_MINUS_INFINITY: Final = b"\xff\xf0\0\0\0\0\0\0"


class MessagePackCodec:
    """
    Dataclasses and Structs as MessagePack maps. Accepts what `JsonCodec` accepts, so that a store can change its codec.

    Moments are stored as texts, as in JSON: MessagePack's own forget the time zone that was meant.
    """

    format = 1

    def encoder(self, kind: type[T]) -> Callable[[T], bytes]:
        read = self.quick_decoder(kind)
        parts = list(inside(msgspec.inspect.type_info(kind)))
        moments = any(isinstance(each, msgspec.inspect.DateTimeType) for each in parts)
        encode = careful_encoder(
            kind, _with_moments if moments else _ENCODER.encode, read, suspect=b"\0", doubt=_unspeakable
        )
        if not any(isinstance(each, msgspec.inspect.AnyType | msgspec.inspect.CustomType) for each in parts):
            return encode
        by_json = JsonCodec().encoder(kind)

        def encode_untyped(value: T) -> bytes:
            by_json(value)  # which refuses what only MessagePack has words for
            return encode(value)

        return encode_untyped

    def decoder(self, kind: type[T]) -> Callable[[bytes | str], T]:
        return careful_decoder(self.quick_decoder(kind))

    def quick_decoder(self, kind: type[T]) -> Callable[[bytes | str], T]:
        try:
            decode: Callable[[Any], T] = msgspec.msgpack.Decoder(kind).decode
        except (TypeError, NameError, AttributeError) as error:
            raise Unencodable(kind.__name__, f"its fields cannot be read: {error}") from error
        return decode

    def plain(self, data: bytes | str) -> Any:
        return careful_decoder(_plain)(data)

    def builder(self, kind: type[T]) -> Callable[[Any], T]:
        return builder(kind)


def _unspeakable(value: object, data: bytes) -> bool:
    """A NUL byte is mostly one of a number; JSON writes NUL of a text, and nothing else, like this."""
    return _INFINITY in data or _MINUS_INFINITY in data or b"\\u0000" in _JSON.encode(value)


def _with_moments(value: object) -> bytes:
    return _ENCODER.encode(msgspec.to_builtins(value, builtin_types=(bytes,), order="deterministic"))


def _plain(data: Any) -> Any:
    """What JSON would have given: an upcaster need not know in which format its event was stored."""
    return msgspec.to_builtins(msgspec.msgpack.decode(data))
