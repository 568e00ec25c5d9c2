"""
Where the time of our own hot paths goes: `python benchmarks/hot_paths.py append|batch|command|catch_up|table [lines]`.

A profile by cProfile: it finds the place, and exaggerates what is called often. The figures that count are the others.
"""

from __future__ import annotations

import cProfile
import pstats
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import append
import batches
import catch_up
import commands
import seeds
import tables
from harness import Contestant

PATHS: Mapping[str, tuple[Contestant, tuple[int, int], dict[str, Any]]] = {
    "append": (append.eventfold, (0, 0), {"tasks": 1, "warm": 300, "number": 4_000, "factor": 1}),
    "batch": (batches.eventfold, (0, 0), {"size": 100, "way": batches.COMMAND, "warm": 20, "number": 200}),
    "command": (commands.eventfold, (150, 1_000), {"streams": 150, "warm": False}),
    "catch_up": (catch_up.eventfold, (2_500, 20), {"number": 50_000}),
    "table": (tables.eventfold, (2_500, 20), {"number": 50_000, "streams": 2_500}),
}


def main(name: str, shown: int) -> None:
    contestant, (streams, events), params = PATHS[name]
    with tempfile.TemporaryDirectory(prefix="eventfold-profile-") as folder:
        path = str(Path(folder) / "store.db")
        seeds.fill("eventfold", path, streams, events)
        profile = cProfile.Profile()
        figures = profile.runcall(contestant, {**params, "paths": [path]})
    print(f"{name}: {figures}")
    statistics = pstats.Stats(profile)
    statistics.sort_stats("tottime").print_stats(shown)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 25)
