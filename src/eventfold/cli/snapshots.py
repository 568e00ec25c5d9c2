"""`eventfold snapshots`: which states are kept, and away with them; the events tell the same."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any, Final

from cyclopts import App, Parameter

from eventfold.cli.options import DEFAULT_STORE, AsJson, Count, StoreUrl, open_for_reading
from eventfold.cli.printing import print_json, print_json_array, print_table, visible
from eventfold.domain.message import from_micros
from eventfold.errors import InvalidInput

if TYPE_CHECKING:
    from eventfold.ports.snapshot_store import Snapshot

__all__ = ["snapshots"]

LS_EXAMPLES: Final = """Examples:
  eventfold snapshots ls
  eventfold snapshots ls book --json --store sqlite:///bookstore.db"""
DROP_EXAMPLES: Final = """Examples:
  eventfold snapshots drop book isbn-1
  eventfold snapshots drop book
  eventfold snapshots drop --all"""

snapshots: App = App(
    name="snapshots",
    help="List and drop the snapshots of long streams. Nothing is lost with them: the events are read instead.",
    help_epilogue="""Examples:
  eventfold snapshots ls book
  eventfold snapshots drop book isbn-1""",
)


@snapshots.command(help_epilogue=LS_EXAMPLES)
async def ls(
    category: Annotated[str | None, Parameter(name="CATEGORY")] = None,
    /,
    *,
    limit: Count = 1_000,
    json: AsJson = False,
    store: StoreUrl = DEFAULT_STORE,
) -> None:
    """
    List the snapshots, by stream: version, size in bytes, when it was saved.

    Args:
        category: only those of this one.
        limit: at most so many.
        json: print a JSON array instead of a table.
        store: URL of the store.
    """
    async with open_for_reading(store) as stores:
        found = await stores.snapshots.snapshots(category, limit=limit + 1)
    shown = found[:limit]
    if json:
        print_json_array(map(_row, shown))
    elif not shown:
        print("There are no snapshots.", file=sys.stderr)
    else:
        columns = ("category", "id", "version", "bytes", "saved_at")
        print_table(
            [(name.replace("_", " "), "right" if name in {"version", "bytes"} else "left") for name in columns],
            [[visible(str(row[name])) for name in columns] for row in map(_row, shown)],
        )
    if len(found) > limit:
        print(f"These are the first {limit}; --limit shows more.", file=sys.stderr)


@snapshots.command(help_epilogue=DROP_EXAMPLES)
async def drop(
    category: Annotated[str | None, Parameter(name="CATEGORY")] = None,
    id: Annotated[str | None, Parameter(name="ID")] = None,
    /,
    *,
    every: Annotated[bool, Parameter(name="--all", negative="", show_default=False)] = False,
    json: AsJson = False,
    store: StoreUrl = DEFAULT_STORE,
) -> None:
    """
    Drop the snapshots of a category, that of a stream, or all. The next load of each reads its events.

    Args:
        category: those of this one.
        id: only that of this stream.
        every: those of all categories.
        json: print a JSON object instead of a sentence.
        store: URL of the store.
    """
    if (category is None) != every:
        raise InvalidInput("name a category, or say --all")
    async with open_for_reading(store) as stores:
        count = await stores.snapshots.drop(category, id)
    if json:
        print_json({"dropped": count})
    else:
        print(f"{count} dropped.")


def _row(snapshot: Snapshot) -> dict[str, Any]:
    return {
        "category": snapshot.stream.category,
        "id": snapshot.stream.id,
        "version": snapshot.version,
        "bytes": len(snapshot.data),
        "saved_at": from_micros(snapshot.saved_at).isoformat(),
    }
