"""`eventfold tail`: follow the log, also when other processes write it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Annotated, Final, Literal, TypeAlias

from cyclopts import Parameter

from eventfold.cli.options import DEFAULT_STORE, AsJson, Count, StoreUrl, open_for_reading
from eventfold.cli.printing import print_json, visible

if TYPE_CHECKING:
    from eventfold.domain.message import StoredEvent
    from eventfold.domain.query import Query
    from eventfold.ports.event_store import EventSource

__all__ = ["TAIL_EXAMPLES", "tail"]

TAIL_EXAMPLES = """Examples:
  eventfold tail
  eventfold tail --after 0 --category flight --type Diverted --limit 5
  eventfold tail --tag aircraft:N14228 --after 0 --json | head"""

LOOK: Final = 0.25
"""Seconds between two looks at the head of the log: a commit of another process rings no bell here."""


def _not_negative(_: object, position: int | str) -> None:
    if isinstance(position, int) and position < 0:
        raise ValueError("a position is 0 or more; 0 is the beginning")


From: TypeAlias = Annotated[Literal["now"] | int, Parameter(validator=_not_negative)]


async def tail(
    *,
    category: Annotated[list[str] | None, Parameter(negative="")] = None,
    type: Annotated[list[str] | None, Parameter(negative="")] = None,
    tag: Annotated[list[str] | None, Parameter(negative="")] = None,
    after: From = "now",
    limit: Count | None = None,
    json: AsJson = False,
    store: StoreUrl = DEFAULT_STORE,
) -> None:
    """
    Follow the events of a store until interrupted, one a line.

    Args:
        category: only events of this category; may be repeated for several.
        type: only events of this type; may be repeated for several.
        tag: only events with this tag; repeated: with all of them.
        after: a position (0 is the beginning), or now.
        limit: end after so many events.
        json: print each event as a line of JSON.
        store: URL of the store.
    """
    from eventfold.cli.records import as_record

    query = _query(category, type, tag)
    left = limit
    async with open_for_reading(store) as stores:
        position = await stores.events.head() if after == "now" else after
        async for event in _followed(stores.events, query, position):
            if json:
                print_json(as_record(event))
            else:
                print(_line(event))
                sys.stdout.flush()
            if left is not None:
                left -= 1
                if left == 0:
                    return


def _query(categories: list[str] | None, types: list[str] | None, tags: list[str] | None) -> Query:
    from eventfold.domain.query import Query

    if not (categories or types or tags):
        return Query.all()
    return Query.of(*(types or ()), categories=categories or (), tags=tags or ())


async def _followed(source: EventSource, query: Query, after: int) -> AsyncIterator[StoredEvent]:
    while True:
        head = await source.head()
        if head > after:
            async for event in source.read_all(query, after=after, upto=head):
                yield event
            after = head
        await asyncio.sleep(LOOK)


def _line(event: StoredEvent) -> str:
    from eventfold.cli.records import as_data, happened

    parts = (event.position, happened(event), event.stream, event.version, event.type, as_data(event))
    return visible("  ".join(map(str, parts)))
