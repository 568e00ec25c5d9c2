"""Stores that are full before a round begins: `streams` streams of `events` events each, one stream after the other."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

CHUNK = 20_000


def stream_id(number: int) -> str:
    return f"{number:09d}"


def fill(kind: str, path: str, streams: int, events: int) -> None:
    unfinished = f"{path}.unfinished"
    (_fill_peers if kind == "eventsourcing" else _fill_ours)(unfinished, streams, events)
    Path(unfinished).rename(path)


def _fill_ours(path: str, streams: int, events: int) -> None:
    asyncio.run(_make_tables(path))
    import floor
    from material import CATEGORY, TEXTS, TYPE

    def rows() -> Iterator[tuple[Any, ...]]:
        for stream in range(streams):
            for version in range(1, events + 1):
                yield floor.row(CATEGORY, stream_id(stream), version, TYPE, TEXTS[version % len(TEXTS)])

    connection = floor.connect(path)
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany(floor.INSERT, rows())
    connection.execute("COMMIT")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


async def _make_tables(path: str) -> None:
    from ours import url

    from eventfold import Eventfold

    async with Eventfold().open(url(path)):
        pass


def _fill_peers(path: str, streams: int, events: int) -> None:
    import peer

    app = peer.open_app(path)
    first, later = peer.stored_pair(app)
    chunk: list[Any] = []
    for stream in range(streams):
        id = peer.stream_id(stream)
        chunk += [peer.copied(first if version == 1 else later, id, version) for version in range(1, events + 1)]
        if len(chunk) >= CHUNK:
            app.recorder.insert_events(chunk)
            chunk = []
    if chunk:
        app.recorder.insert_events(chunk)
    app.close()


if __name__ == "__main__":
    import json

    fill(sys.argv[2], *json.loads(sys.argv[3]))
