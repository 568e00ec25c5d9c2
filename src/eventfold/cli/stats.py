"""`eventfold stats`: how much of what a store holds."""

from __future__ import annotations

import msgspec

from eventfold.cli.options import DEFAULT_STORE, AsJson, StoreUrl, looking
from eventfold.cli.printing import print_json, print_table

__all__ = ["STATS_EXAMPLES", "stats"]

STATS_EXAMPLES = """Examples:
  eventfold stats
  eventfold stats --store sqlite:///flights.db
  eventfold stats --json"""


async def stats(*, json: AsJson = False, store: StoreUrl = DEFAULT_STORE) -> None:
    """
    Count events, streams, categories, types and tags; show times, positions and sizes.

    All numbers are of one moment. Every event is counted, so a large store takes a while; it may be in use meanwhile.

    Args:
        json: print a JSON object instead of tables.
        store: URL of the store.
    """
    from eventfold.bootstrap.inspection import statistics
    from eventfold.cli.records import as_time

    with looking():
        found = await statistics(store)
    times = {
        name: None if at is None else as_time(at)
        for name, at in (("first_recorded_at", found.first_recorded_at), ("last_recorded_at", found.last_recorded_at))
    }
    plain = msgspec.structs.asdict(found) | times
    if json:
        categories = {name: {"streams": streams, "events": many} for name, (streams, many) in found.categories.items()}
        print_json(plain | {"categories": categories})
        return
    counts = {"categories": len(found.categories), "types": len(found.types)}
    told = plain | counts
    if found.wal_size is None:
        del told["wal_size"]
    print_table([("store", "left"), ("", "right")], told.items())
    print_table(
        [("category", "left"), ("streams", "right"), ("events", "right")],
        [(name, streams, many) for name, (streams, many) in found.categories.items()],
    )
    print_table([("type", "left"), ("events", "right")], found.types.items())
