"""Accepted commands as rows."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from eventfold.domain.message import Stream
from eventfold.ports.command_log import Accepted

__all__ = ["ACCEPT", "ACCEPTED", "entered", "row_of"]

ACCEPTED: Final = """
SELECT request_hash, category, id, first_version, last_version, position, reply, recorded_at
FROM {commands} WHERE command_id = $1::uuid
"""
# Waits for who enters the same id; the types are said because not every driver asks the server for them.
ACCEPT: Final = """
INSERT INTO {commands} (command_id, request_hash, category, id, first_version, last_version, position, reply,
                        recorded_at)
VALUES ($1::uuid, $2::bytea, $3::text, $4::text, $5::integer, $6::integer, $7::bigint, $8::bytea,
        coalesce(nullif($9::bigint, 0), (extract(epoch FROM clock_timestamp()) * 1000000)::bigint))
ON CONFLICT (command_id) DO NOTHING RETURNING true
"""


def entered(command_id: bytes, row: Any) -> Accepted:
    """What the statement ACCEPTED has found."""
    request_hash, category, id, *rest = row
    return Accepted(command_id, request_hash, None if category is None else Stream(category, id), *rest)


def row_of(accepted: Accepted) -> tuple[Any, ...]:
    """For the statement ACCEPT."""
    return (
        UUID(bytes=accepted.command_id),
        accepted.request_hash,
        *(accepted.stream or (None, None)),
        accepted.first_version,
        accepted.last_version,
        accepted.position,
        accepted.reply,
        accepted.recorded_at,
    )
