"""
The raw driver on Postgres: asyncpg with prepared statements, doing the least SQL that stores and reads the same rows.

The tables are the store's own (made by Eventfold in a process of its own), so columns, types and indexes are the same.
Every statement outside a block commits by itself.
"""

from __future__ import annotations

import os
from time import time_ns
from typing import Any

import asyncpg
from asyncpg.pgproto import pgproto

CONNECTIONS = 16
COLUMNS = ("category", "id", "version", "event_id", "type", "recorded_at", "data")
INSERT = f"""
INSERT INTO eventfold.events ({", ".join(COLUMNS)}, schema_version, format)
VALUES ($1, $2, $3, $4, $5, $6, $7, 1, 0)
"""
INSERT_BATCH = f"""
INSERT INTO eventfold.events ({", ".join(COLUMNS)}, schema_version, format)
SELECT $1, $2, e.version, e.event_id, e.type, e.recorded_at, e.data, 1, 0
FROM unnest($3::int[], $4::uuid[], $5::text[], $6::bigint[], $7::bytea[])
     AS e (version, event_id, type, recorded_at, data)
"""
INDEX_TAGS = """
INSERT INTO eventfold.event_tags (tag, position, type)
SELECT t.tag, e.position, e.type FROM eventfold.events AS e, unnest(e.tags) AS t (tag) ORDER BY 1, 2
"""
FOLD = "SELECT data FROM eventfold.events WHERE category = $1 AND id = $2 ORDER BY version"
PAGE = 2_000
PAGE_OF_ALL = f"""
SELECT position, id, type, data FROM eventfold.events WHERE position > $1 ORDER BY position LIMIT {PAGE}
"""
LAST_TEN = """
SELECT type, data FROM eventfold.events WHERE category = $1 AND id = $2 AND version > $3 ORDER BY version LIMIT 10
"""
TABLES = """
CREATE TABLE totals (id text PRIMARY KEY, quantity int NOT NULL);
CREATE TABLE bookmark (one int PRIMARY KEY, position bigint NOT NULL)
"""
ADD = """
INSERT INTO totals (id, quantity) VALUES ($1, $2)
ON CONFLICT (id) DO UPDATE SET quantity = totals.quantity + excluded.quantity
"""
ADD_FOLDED = """
INSERT INTO totals (id, quantity) SELECT * FROM unnest($1::text[], $2::int[])
ON CONFLICT (id) DO UPDATE SET quantity = totals.quantity + excluded.quantity
"""
MOVE = "INSERT INTO bookmark VALUES (1, $1) ON CONFLICT (one) DO UPDATE SET position = excluded.position"

Row = tuple[Any, ...]


async def connect(url: str) -> Any:
    return await asyncpg.connect(url)


async def prepared(connection: Any, statement: str) -> Any:
    """A function that runs the statement and answers with rows; quicker than naming the statement each time."""
    return (await connection.prepare(statement)).fetch


def row(category: str, id: str, version: int, type: str, data: bytes) -> Row:
    """The id is ordered by time, as ours are: a random one would slow its index down, and flatter us."""
    now = time_ns() // 1_000
    return (category, id, version, pgproto.UUID(now.to_bytes(8, "big") + os.urandom(8)), type, now, data)


def batch(rows: list[Row]) -> Row:
    """Parameters of INSERT_BATCH: one stream, columns as arrays."""
    category, id, *columns = zip(*rows, strict=True)
    return (category[0], id[0], *map(list, columns))
