"""JSON, the default: readable, strict and canonical."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

import msgspec

from eventfold.adapters.codecs.careful import builder, careful_decoder, careful_encoder
from eventfold.errors import Unencodable

__all__ = ["JsonCodec"]

T = TypeVar("T")

_ENCODER: Final = msgspec.json.Encoder(order="deterministic", decimal_format="string", uuid_format="canonical")


class JsonCodec:
    """Dataclasses and Structs as JSON objects. Equal values give equal bytes."""

    format = 0

    def encoder(self, kind: type[T]) -> Callable[[T], bytes]:
        return careful_encoder(kind, _ENCODER.encode, self.quick_decoder(kind), suspect=b"\\u0000")

    def decoder(self, kind: type[T]) -> Callable[[bytes | str], T]:
        return careful_decoder(self.quick_decoder(kind))

    def quick_decoder(self, kind: type[T]) -> Callable[[bytes | str], T]:
        try:
            return msgspec.json.Decoder(kind).decode
        except (TypeError, NameError, AttributeError) as error:
            raise Unencodable(kind.__name__, f"its fields cannot be read: {error}") from error

    def plain(self, data: bytes | str) -> Any:
        return careful_decoder(msgspec.json.decode)(data)

    def builder(self, kind: type[T]) -> Callable[[Any], T]:
        return builder(kind)
