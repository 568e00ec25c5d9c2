"""One event at the end of a stream, under an id that follows from what led to it, so that it is there once."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

import msgspec

from eventfold.commands.decision import envelope
from eventfold.commands.recording import Recorder
from eventfold.domain.message import Stream
from eventfold.errors import AppendOutcomeUnknown, EventIdConflict
from eventfold.ports.event_store import ANY, Append, Appended

__all__ = ["emit_once"]

_log = logging.getLogger("eventfold.processing")

_ASKED: Final = 3
"""Times that an append is asked for, with the same id, when the store does not say what became of it."""


async def emit_once(
    recorder: Recorder,
    who: str,
    cause: UUID,
    event: object,
    id: UUID,
    stream: tuple[str, str],
    metadata: Mapping[str, Any] | None = None,
) -> None:
    """
    Record it; event handlers and buses hear of it when it is new. What has this id already stands, and is logged where
    it is something else.

    Raises:
        what an append raises.
    """
    place = Stream.of(*stream)
    (new,) = recorder.encode([event], envelope(metadata, recorder.telemetry))
    new = msgspec.structs.replace(new, event_id=id.bytes)
    try:
        appended = await _appended(recorder, who, Append(place, [new], ANY), event)
    except EventIdConflict as conflict:
        _log.warning(
            "%s would emit %r for event %s now, and has emitted something else before, which stands: %s",
            who, new.type, cause, conflict.why,
        )  # fmt: skip
        return
    if appended.streams[0].deduplicated:
        return
    recorded = recorder.recorded(place, [event], [new], appended.streams[0])
    if recorder.dispatch.needed:
        await recorder.dispatch.tell(recorded)


async def _appended(recorder: Recorder, who: str, append: Append, event: object) -> Appended:
    asked = 1
    while True:
        try:
            return await recorder.append_once(append, event)
        except AppendOutcomeUnknown as error:  # its id makes it safe to ask again, and the answer is the truth
            if asked == _ASKED:
                raise
            asked += 1
            _log.warning("%s asks again: %s", who, error)
