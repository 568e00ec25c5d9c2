"""Peak memory of a catch-up, at two sizes: it must not depend on the length of the log."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import catch_up
from harness import FLOOR, OURS, PEER, POSTGRES, SQLITE, Asked, Cell, Question, Seed, main


def cells(quick: bool) -> Sequence[Cell]:
    sizes = ((1_000, 20), (10_000, 20)) if quick else ((5_000, 40), (50_000, 40))
    return [
        Cell(
            f"catch up with {streams * each:,} events",
            {"number": streams * each},
            figure="peak_mib",
            unit="MiB",
            compared="difference",
            better="less",
            target=30,
            seeds=(Seed(streams, each, copied=False),),
        )
        for streams, each in sizes
    ]


ABOUT = (
    "The most resident memory of a process that imports what it needs, opens the store and catches up as above. "
    "Compared is the difference to the raw driver's process, in MiB."
)
QUESTION = Question(
    "memory",
    "Peak memory",
    {
        store: Asked(ABOUT, cells, {FLOOR: raw, OURS: catch_up.eventfold, PEER: catch_up.eventsourcing})
        for store, raw in ((SQLITE, catch_up.raw), (POSTGRES, catch_up.raw_postgres))
    },
)

if __name__ == "__main__":
    sys.exit(main(QUESTION))
