"""`eventfold streams` and `eventfold stream`: which stories there are, and one of them."""

from __future__ import annotations

import sys
from typing import Annotated

from cyclopts import Parameter

from eventfold.cli.options import DEFAULT_STORE, AsJson, Count, Place, StoreUrl, open_for_reading
from eventfold.cli.printing import print_json_array, print_table, visible

__all__ = ["STREAMS_EXAMPLES", "STREAM_EXAMPLES", "stream", "streams"]

STREAMS_EXAMPLES = """Examples:
  eventfold streams
  eventfold streams book --limit 10
  eventfold streams --store sqlite:///flights.db --json"""

STREAM_EXAMPLES = """Examples:
  eventfold stream book-isbn-1
  eventfold stream book-isbn-1 --backwards --limit 5
  eventfold stream book-isbn-1 --after 100 --json"""


async def streams(
    category: str | None = None, /, *, limit: Count = 50, json: AsJson = False, store: StoreUrl = DEFAULT_STORE
) -> None:
    """
    List the streams of a store, in the order of category and id.

    Args:
        category: only streams of this category.
        limit: at most so many.
        json: print a JSON array instead of a table.
        store: URL of the store.
    """
    from eventfold.cli.records import as_time

    async with open_for_reading(store) as stores:
        found = [each async for each in stores.events.streams(category, limit=limit + 1)]
    shown = found[:limit]
    if json:
        print_json_array(
            {
                "stream": str(each.stream),
                "category": each.stream.category,
                "id": each.stream.id,
                "version": each.version,
                "position": each.position,
                "recorded_at": as_time(each.recorded_at),
            }
            for each in shown
        )
    else:
        print_table(
            [("stream", "left"), ("version", "right"), ("position", "right"), ("last event", "left")],
            [(each.stream, each.version, each.position, as_time(each.recorded_at)) for each in shown],
        )
    if len(found) > limit:
        print(f"These are the first {limit}; --limit shows more.", file=sys.stderr)


async def stream(
    name: Annotated[str, Parameter(name="CATEGORY-ID")],
    /,
    *,
    after: Place = 0,
    limit: Count | None = None,
    backwards: Annotated[bool, Parameter(negative="", show_default=False)] = False,
    json: AsJson = False,
    store: StoreUrl = DEFAULT_STORE,
) -> None:
    """
    Show the events of one stream.

    Args:
        name: the stream; its category ends at the first hyphen.
        after: only events with a version above this.
        limit: at most so many events.
        backwards: the newest first.
        json: print a JSON array instead of a table.
        store: URL of the store.
    """
    from eventfold.cli.records import as_data, as_record, happened
    from eventfold.domain.message import Stream

    wanted = Stream.parse(name)
    async with open_for_reading(store) as stores:
        events = [each async for each in stores.events.read(wanted, after=after, limit=limit, backwards=backwards)]
    if json:
        print_json_array(map(as_record, events))
    elif not events:
        print(f"There are no such events in the stream {visible(name)}.", file=sys.stderr)
    else:
        print_table(
            [("version", "right"), ("position", "right"), ("type", "left"), ("time", "left"), ("data", "left")],
            [(each.version, each.position, each.type, happened(each), as_data(each)) for each in events],
        )
