"""Commands that carry an id: what came of them, so that the same command again gives the same outcome."""

from __future__ import annotations

from typing import Protocol

import msgspec

from eventfold.domain.message import Stream

__all__ = ["Accepted", "CommandLog"]


class Accepted(msgspec.Struct, frozen=True):
    """
    A command that was accepted; a rejection is decided again.

    Args:
        request_hash: of the decider, the id and the command: the same command id with another one is a mistake.
        stream: that of its events; of an aggregate also when it decided that there was nothing to do.
        first_version: of its first event; `last_version` + 1 when it has none.
        position: of its last event, or of the last one it was decided on.
        reply: encoded by the serializer, if the decider gave one.
        recorded_at: microseconds since 1970.
    """

    command_id: bytes
    request_hash: bytes
    stream: Stream | None
    first_version: int
    last_version: int
    position: int
    reply: bytes | None = None
    recorded_at: int = 0


class CommandLog(Protocol):
    """Accepted commands. They are entered by `Unit.accept`, in the transaction of their events."""

    async def accepted(self, command_id: bytes) -> Accepted | None:
        """What came of it; None if it was never accepted."""
        ...
