"""Commands that carry an id: what came of them, so that the same command again gives the same outcome."""

from __future__ import annotations

from typing import Protocol

import msgspec

from eventfold.domain.message import Stream
from eventfold.ports.event_store import Append, Appended, AppendedStream, Condition

__all__ = ["Accepted", "CommandLog", "Known"]


class Accepted(msgspec.Struct, frozen=True):
    """
    A command that was accepted; a rejection is decided again.

    Args:
        request_hash: of the decider, the id and the command: the same command id with another one is a mistake.
        stream: that of its events; of an aggregate also when it decided that there was nothing to do.
        first_version: of its first event; `last_version` + 1 when it has none.
        position: of its last event, or of the last one it was decided on.
        reply: encoded by the serializer, if the decider gave one.
        recorded_at: microseconds since 1970; 0 when it is entered: the store tells the time.
    """

    command_id: bytes
    request_hash: bytes
    stream: Stream | None
    first_version: int
    last_version: int
    position: int
    reply: bytes | None = None
    recorded_at: int = 0

    @classmethod
    def with_events(cls, command_id: bytes, request_hash: bytes, place: AppendedStream) -> Accepted:
        """Of a command that has led to these events."""
        first = place.version - len(place.positions) + 1
        last = place.positions[-1]
        return cls(command_id, request_hash, place.stream, first, place.version, last, recorded_at=place.recorded_at)


class Known(Protocol):
    """Where commands that were accepted can be looked up."""

    async def accepted(self, command_id: bytes) -> Accepted | None:
        """What came of it; None if it was never accepted."""
        ...


class CommandLog(Known, Protocol):
    """Accepted commands, entered in the transaction of their events: here, or by `Unit.accept` where it does more."""

    async def append(
        self, append: Append, command_id: bytes, request_hash: bytes, *, condition: Condition | None = None
    ) -> Appended:
        """
        As `EventSink.append`, and enter the command that has led to these events.

        Raises:
            CommandTaken: another one has entered this id; nothing is stored. Look what came of it, and decide then.
            what `EventSink.append` raises.
        """
        ...
