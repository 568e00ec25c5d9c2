"""Stores that are full before a round begins: `streams` streams of `events` events each, one stream after the other."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from typing import Any

CHUNK = 20_000
TAGGED = "sku"


def stream_id(number: int) -> str:
    return f"{number:09d}"


def tag(number: int) -> str:
    return f"{TAGGED}:{number:09d}"


def fill(whose: str, place: str, streams: int, events: int, tagged: bool) -> None:
    """With `tagged`, the events of a stream carry a tag of their own; the stream itself does not matter then."""
    on_server = place.startswith("postgresql:")
    if whose != "eventsourcing":
        asyncio.run(_make_tables(place))
        if on_server:
            asyncio.run(_fill_our_database(place, streams, events, tagged))
        else:
            _fill_our_file(place, streams, events)
    elif tagged:
        _fill_peers_tagged(place, streams, events)
    elif on_server:
        _fill_peers_database(place, streams, events)
    else:
        _fill_peers_file(place, streams, events)


async def _make_tables(place: str) -> None:
    from ours import url

    from eventfold import Eventfold

    async with Eventfold().open(url(place)):
        pass


def _fill_our_file(path: str, streams: int, events: int) -> None:
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


async def _fill_our_database(url: str, streams: int, events: int, tagged: bool) -> None:
    import floor_postgres as floor
    from material import BYTES, CATEGORY, TYPE

    def rows() -> Iterator[tuple[Any, ...]]:
        for stream in range(streams):
            for version in range(1, events + 1):
                row = floor.row(CATEGORY, stream_id(stream), version, TYPE, BYTES[version % len(BYTES)])
                yield (*row, 1, 0, [tag(stream)] if tagged else None)

    connection = await floor.connect(url)
    names = [*floor.COLUMNS, "schema_version", "format", "tags"]
    await connection.copy_records_to_table("events", schema_name="eventfold", columns=names, records=rows())
    if tagged:
        await connection.execute(floor.INDEX_TAGS)
    if streams:  # so that nobody's run has to; a fresh store has no statistics
        await connection.execute("VACUUM (FREEZE, ANALYZE)")
    await connection.close()


def _fill_peers_file(path: str, streams: int, events: int) -> None:
    import peer

    app = peer.open_app(path)
    chunk: list[Any] = []
    for stored in _of_the_peer(app, streams, events):
        chunk.append(stored)
        if len(chunk) >= CHUNK:
            app.recorder.insert_events(chunk)
            chunk = []
    if chunk:
        app.recorder.insert_events(chunk)
    app.close()


def _fill_peers_database(url: str, streams: int, events: int) -> None:
    """Past its own API, which takes minutes for millions; the rows are the ones it writes."""
    import peer

    app = peer.open_app(url)
    table = app.recorder.events_table_name  # type: ignore[attr-defined] # the Postgres recorder
    columns = "originator_id, originator_version, topic, state"
    with peer.connection(url) as connection, connection.cursor() as cursor:
        with cursor.copy(f"COPY {table} ({columns}) FROM STDIN (FORMAT BINARY)") as copy:
            copy.set_types(["uuid", "int8", "text", "bytea"])
            for each in _of_the_peer(app, streams, events):
                copy.write_row((each.originator_id, each.originator_version, each.topic, each.state))
        cursor.execute("VACUUM (FREEZE, ANALYZE)")
    app.close()


def _of_the_peer(app: Any, streams: int, events: int) -> Iterator[Any]:
    import peer

    first, later = peer.stored_pair(app)
    for stream in range(streams):
        id = peer.stream_id(stream)
        for version in range(1, events + 1):
            yield peer.copied(first if version == 1 else later, id, version)


def _fill_peers_tagged(url: str, streams: int, events: int) -> None:
    import peer

    recorder, close = peer.open_boundaries(url)
    chunk: list[Any] = []
    for stream in range(streams):
        chunk += [peer.tagged_event(version, tag(stream)) for version in range(1, events + 1)]
        if len(chunk) >= CHUNK:
            recorder.append(chunk)
            chunk = []
    if chunk:
        recorder.append(chunk)
    close()
    with peer.connection(url) as connection:
        connection.execute("VACUUM (FREEZE, ANALYZE)")


if __name__ == "__main__":
    fill(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5] == "1")
