"""Bytes of large events, made smaller; the format that is stored beside them says so."""

from __future__ import annotations

import zlib

from eventfold.ports.codec import Undecodable
from eventfold.ports.event_store import MOST_BYTES

__all__ = ["deflated", "inflated"]


def deflated(data: bytes) -> bytes | None:
    """None if they would not become shorter."""
    smaller = zlib.compress(data)
    return smaller if len(smaller) < len(data) else None


def inflated(data: bytes) -> bytes:
    """
    Raises:
        Undecodable: damaged, cut off, followed by something, or longer than an event may be.
    """
    stream = zlib.decompressobj()
    try:
        whole = stream.decompress(data, MOST_BYTES + 1)  # few bytes can hold gigabytes
    except zlib.error as error:
        raise Undecodable(str(error)) from error
    if len(whole) > MOST_BYTES:
        raise Undecodable(f"more than {MOST_BYTES:,} bytes when it is decompressed")
    if not stream.eof:
        raise Undecodable("the compressed bytes are truncated")
    if stream.unused_data:
        raise Undecodable(f"{len(stream.unused_data):,} bytes follow the compressed ones")
    return whole
