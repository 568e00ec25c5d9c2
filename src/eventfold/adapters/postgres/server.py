"""What a server must be for the promises of a store to hold, asked once when the store is opened."""

from __future__ import annotations

import logging
from typing import Final

from eventfold.adapters.postgres.connection import Connection
from eventfold.adapters.postgres.names import Names
from eventfold.errors import UnsupportedByStore

__all__ = ["OLDEST", "SEQUENCE_CACHE", "refuse_unfit"]

_log = logging.getLogger("eventfold.postgres")

OLDEST: Final = 13
SETTINGS: Final = """
SELECT current_setting('server_version_num')::int / 10000, current_setting('server_version'),
       current_setting('synchronous_commit'), current_setting('fsync')
"""
SEQUENCE_CACHE: Final = "SELECT seqcache FROM pg_sequence WHERE seqrelid = '{events_position_seq}'::regclass"


async def refuse_unfit(connection: Connection, names: Names, where: str, *, may_lose: bool) -> None:
    """
    Args:
        may_lose: acknowledged events may be lost by a crash of the server, the user has said so.

    Raises:
        UnsupportedByStore: the server is too old, or a promise would not hold; with the statement that mends it.
    """
    major, version, synchronous, fsync = await connection.fetchrow(SETTINGS)
    if major < OLDEST:
        raise UnsupportedByStore(f"{where} is Postgres {version}; {OLDEST} is the oldest that serves as a store")
    if synchronous == "off" and not may_lose:
        raise UnsupportedByStore(
            f"{where}: synchronous_commit is off, so a crash of the server takes acknowledged events and gives their "
            "positions to others; ALTER ROLE … SET synchronous_commit = on, or allow it: ?synchronous_commit=any"
        )
    if fsync == "off":
        _log.warning("%s: fsync is off, so a crash of its machine may destroy the database, events and all", where)
    cache = await connection.fetchval(names.fill(SEQUENCE_CACHE))
    if cache != 1:
        raise UnsupportedByStore(
            f"{where}: the sequence of positions hands out {cache} at a time, so subscribers would skip events; "
            + names.fill("ALTER SEQUENCE {events_position_seq} CACHE 1")
        )
