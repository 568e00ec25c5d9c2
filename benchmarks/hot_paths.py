"""
Where the time of our own hot paths goes: `python benchmarks/hot_paths.py append|batch|command|catch_up|table
[lines] [sqlite|postgres] [URL of a server]`.

A profile by cProfile: it finds the place, and exaggerates what is called often. The figures that count are the others.
"""

from __future__ import annotations

import cProfile
import pstats
import sys
from collections.abc import Mapping
from typing import Any

import append
import batches
import catch_up
import commands
import tables
from harness import OURS, SQLITE, Contestant, Seed, Store, fill
from stores import places

PATHS: Mapping[str, tuple[Contestant, tuple[int, int], dict[str, Any]]] = {
    "append": (append.eventfold, (0, 0), {"tasks": 1, "warm": 300, "number": 4_000, "factor": 1}),
    "batch": (batches.eventfold, (0, 0), {"size": 100, "way": batches.COMMAND, "warm": 20, "number": 200}),
    "command": (commands.eventfold, (150, 1_000), {"streams": 150, "warm": False}),
    "catch_up": (catch_up.eventfold, (2_500, 20), {"number": 50_000}),
    "table": (tables.eventfold, (2_500, 20), {"number": 50_000, "streams": 2_500}),
}


def main(name: str, shown: int = 25, store: Store = SQLITE, server: str | None = None) -> None:
    contestant, (streams, events), params = PATHS[name]
    with places(store, None, server) as kind:
        place = kind.seeded(OURS, Seed(streams, events), fill)
        profile = cProfile.Profile()
        figures = profile.runcall(contestant, {**params, "stores": [place]})
    print(f"{name}: {figures}")
    statistics = pstats.Stats(profile)
    statistics.sort_stats("tottime").print_stats(shown)


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:3]), *sys.argv[3:5])  # type: ignore[arg-type] # what it says above
