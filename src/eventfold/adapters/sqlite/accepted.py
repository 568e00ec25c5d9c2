"""Accepted commands as rows."""

from __future__ import annotations

from typing import Any, Final

from eventfold.domain.message import Stream
from eventfold.ports.command_log import Accepted

__all__ = ["ACCEPT", "ACCEPTED", "entered", "row_of"]

ACCEPTED: Final = """
SELECT command_id, request_hash, category, id, first_version, last_version, position, reply, recorded_at
FROM {commands} WHERE command_id = ?
"""
ACCEPT: Final = """
INSERT INTO {commands} (command_id, request_hash, category, id, first_version, last_version, position, reply,
                        recorded_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (command_id) DO NOTHING
"""


def entered(row: tuple[Any, ...]) -> Accepted:
    """What the statement ACCEPTED has found."""
    command_id, request_hash, category, id, *rest = row
    return Accepted(command_id, request_hash, None if category is None else Stream(category, id), *rest)


def row_of(accepted: Accepted, recorded_at: int) -> tuple[Any, ...]:
    """For the statement ACCEPT."""
    return (
        accepted.command_id,
        accepted.request_hash,
        *(accepted.stream or (None, None)),
        accepted.first_version,
        accepted.last_version,
        accepted.position,
        accepted.reply,
        recorded_at,
    )
