"""
The raw driver: apsw in a plain loop, doing the least SQL that stores and reads the same rows.

The tables are the store's own (made by Eventfold in a process of its own), so columns, types and indexes are the same.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from time import time_ns
from typing import Any

import apsw

INSERT = """
INSERT INTO events (category, id, version, event_id, type, schema_version, format, recorded_at, data)
VALUES (?, ?, ?, ?, ?, 1, 0, ?, ?)
"""
FOLD = "SELECT data FROM events WHERE category = ? AND id = ? ORDER BY version"
PAGE = 500
PAGE_OF_ALL = f"SELECT position, id, type, data FROM events WHERE position > ? ORDER BY position LIMIT {PAGE}"
LAST_TEN = "SELECT type, data FROM events WHERE category = ? AND id = ? AND version > ? ORDER BY version LIMIT 10"
TOTALS = "CREATE TABLE totals (id TEXT PRIMARY KEY, quantity INTEGER NOT NULL)"
ADD = """
INSERT INTO totals (id, quantity) VALUES (?, ?)
ON CONFLICT (id) DO UPDATE SET quantity = totals.quantity + excluded.quantity
"""
BOOKMARK = "CREATE TABLE bookmark (one INTEGER PRIMARY KEY, position INTEGER NOT NULL)"
MOVE = "INSERT INTO bookmark VALUES (1, ?) ON CONFLICT (one) DO UPDATE SET position = excluded.position"


def connect(path: str) -> Any:
    if not Path(path).exists():
        raise SystemExit(f"{path} is not there; the store's tables are made by a seed")
    connection = apsw.Connection(path)
    connection.set_busy_timeout(5_000)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    return connection


def new_id() -> bytes:
    """Ordered by time, as ours are: a random id would slow its index down, and flatter us."""
    return (time_ns() // 1_000).to_bytes(8, "big") + os.urandom(8)


def row(category: str, id: str, version: int, type: str, data: str) -> tuple[Any, ...]:
    return (category, id, version, new_id(), type, time_ns() // 1_000, data)


def commit_each(connection: Any, rows: Sequence[tuple[Any, ...]]) -> None:
    execute = connection.execute
    for each in rows:
        execute("BEGIN IMMEDIATE")
        execute(INSERT, each)
        execute("COMMIT")


def commit_batches(connection: Any, batches: Sequence[Sequence[tuple[Any, ...]]]) -> None:
    execute, executemany = connection.execute, connection.executemany
    for each in batches:
        execute("BEGIN IMMEDIATE")
        executemany(INSERT, each)
        execute("COMMIT")
