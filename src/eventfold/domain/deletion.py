"""What remains of a stream that an administrator has deleted: a fact of its own, so that processors hear of it."""

from __future__ import annotations

from typing import Final

import msgspec

__all__ = ["STREAM_DELETED", "StreamDeleted"]

STREAM_DELETED: Final = "eventfold:StreamDeleted"
"""The stored name of the class, in every catalogue and every store."""


class StreamDeleted(msgspec.Struct, frozen=True):
    """
    The stream of this category and id has been deleted; `version` is that of its last event.

    It stands in the log where the next event of the stream would have been. Who reads the stream does not see it.
    """

    category: str
    id: str
    version: int
