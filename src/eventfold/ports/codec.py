"""How an event becomes bytes and comes back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol, TypeVar, runtime_checkable

__all__ = ["COMPRESSED", "Codec", "PlainCodec", "QuickCodec", "Undecodable"]

T = TypeVar("T")

COMPRESSED: Final = 16
"""Bit of a stored format: the bytes of the codec have gone through zlib."""


class Undecodable(ValueError):
    """
    These bytes are no value of that class; the text says where.

    Not an error for users: the serializer, which knows the place of the event, raises `DecodeError` in its stead.
    """


class Codec(Protocol):
    """
    Bytes for values of declared classes, and back.

    What `encode` accepts, `decoder` returns equal; what would come back as something else is refused before
    it is stored. The same value gives the same bytes, in every process.
    """

    format: int
    """The number that is stored beside the bytes: 0 JSON, 1 MessagePack, 2 protobuf."""

    def encoder(self, kind: type[T]) -> Callable[[T], bytes]:
        """
        The function that encodes values of this class.

        Raises:
            Unencodable: now, for a class that can never be stored; later, from the function, for such a value.
        """
        ...

    def decoder(self, kind: type[T]) -> Callable[[bytes | str], T]:
        """The function that decodes values of this class. Whatever is wrong with the bytes, it raises `Undecodable`."""
        ...


@runtime_checkable
class QuickCodec(Protocol):
    """A codec that can do with less care for bytes of which it is known that they are good."""

    def quick_decoder(self, kind: type[T]) -> Callable[[bytes | str], T]:
        """
        Decodes what `decoder` does to the same value, and raises anything for the rest.

        Whoever meets an error asks `decoder`, which knows what to say.
        """
        ...


@runtime_checkable
class PlainCodec(Protocol):
    """A codec whose bytes can be read without a class, so that old shapes can be upcast."""

    def plain(self, data: bytes | str) -> Any:
        """Mappings, lists, texts and numbers. Raises `Undecodable` whatever is wrong with the bytes."""
        ...

    def builder(self, kind: type[T]) -> Callable[[Any], T]:
        """A value of this class of plain data, as `decoder` would give it. The function raises `Undecodable`."""
        ...
