"""Logs as lines of JSON, for machines that gather them: what happened where, and never what was in it."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, cast
from uuid import UUID

import msgspec

from eventfold.domain.message import Stream
from eventfold.ports.telemetry import SILENT, Telemetry

__all__ = ["JsonLines"]

_OURS: Final = "eventfold"
_PLAIN: Final = (str, int, float, UUID, Stream, type(None))
_MOST_FRAMES: Final = 30
_MOST_CAUSES: Final = 10
_PARENT_PARTS: Final = 4
_ENCODER: Final = msgspec.json.Encoder()


class JsonLines(logging.Formatter):
    """
    A formatter for any handler of `logging`: one object of JSON for each record.

    `time`, `level`, `logger`, `message`; what Eventfold knows of it: `processor`, `handler`, `event_id`, `stream`,
    `position`, `type`, `verdict`; of an exception its class, its causes and its places in the code. Its text is left
    out, for it quotes what it likes: `KeyError: 'ann@example.com'`. So no record of Eventfold holds payloads, metadata
    or passwords. Of what others log, their own message remains.

    Args:
        telemetry: that of the application; then `trace_id` and `span_id` are there, too.
    """

    def __init__(self, telemetry: Telemetry = SILENT) -> None:
        super().__init__()
        self._telemetry = telemetry

    def format(self, record: logging.LogRecord) -> str:
        told: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="microseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": _message(record),
        }
        known = getattr(record, _OURS, None)
        if isinstance(known, Mapping):
            told |= known
        parts = self._telemetry.carried().get("traceparent", "").split("-")
        if len(parts) == _PARENT_PARTS:
            told |= {"trace_id": parts[1], "span_id": parts[2]}
        if record.exc_info and record.exc_info[1] is not None:
            told["error"] = _error(record.exc_info[1], _MOST_CAUSES)
        return _ENCODER.encode(told).decode()


class _Named:
    """In the place of something that may hold anything: what it is."""

    def __init__(self, thing: object) -> None:
        self._name = type(thing).__qualname__

    def __repr__(self) -> str:
        return self._name


def _message(record: logging.LogRecord) -> str:
    if not (record.name == _OURS or record.name.startswith(_OURS + ".")):
        return record.getMessage()
    if isinstance(record.args, tuple):
        args = tuple(each if isinstance(each, _PLAIN) else _Named(each) for each in record.args)
        return str(record.msg) % args if args else str(record.msg)
    return str(record.msg)


def _error(error: BaseException, most: int) -> dict[str, Any]:
    kind = type(error)
    frames = traceback.extract_tb(error.__traceback__)[-_MOST_FRAMES:]
    told: dict[str, Any] = {
        "type": f"{kind.__module__}.{kind.__qualname__}",
        "at": [f"{each.filename}:{each.lineno} {each.name}" for each in frames],
    }
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None and most > 1:
        told["cause"] = _error(cause, most - 1)
    if isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        told["of"] = [_error(each, most - 1) for each in group.exceptions] if most > 1 else []
    return told
