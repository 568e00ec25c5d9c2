"""
Every question, one after the other: `make bench`, or `python benchmarks/run.py --quick`.

Of one kind of store: `--store postgres` for the other. Prints the tables, keeps all that was measured in
`build/benchmarks.json` or `build/benchmarks-postgres.json` (or `--json FILE`), and with `--page` writes what lies there
into docs/reference/benchmarks.md. A quick run shows that everything works; its figures are not for a page.
"""

from __future__ import annotations

import json
import sys

import actions
import append
import batches
import boundaries
import catch_up
import commands
import growth
import handlers
import joined
import latency
import memory
import page
import partitions
import plans
import processes
import slow_disk
import sync
import tables
import timers
from harness import Session, parser, say

QUESTIONS = [
    module.QUESTION
    for module in (
        append,
        batches,
        commands,
        boundaries,
        joined,
        handlers,
        actions,
        catch_up,
        tables,
        partitions,
        latency,
        growth,
        plans,
        memory,
        slow_disk,
        sync,
        processes,
        timers,
    )
]


def main() -> int:
    names = [each.name for each in QUESTIONS]
    made = parser("Eventfold against the raw driver and eventsourcing, in one run")
    made.add_argument("--only", nargs="+", metavar="QUESTION", choices=names, default=names, help=", ".join(names))
    made.add_argument("--page", action="store_true", help="write docs/reference/benchmarks.md from this run")
    options = made.parse_args()
    if options.page and options.quick:
        made.error("--page keeps figures, and --quick makes none worth keeping")
    if options.page and options.json is not None:
        made.error("--page reads the records of both stores from where they lie; leave --json out")
    if options.json is None:
        page.RECORDS[options.store].parent.mkdir(exist_ok=True)
        options.json = str(page.RECORDS[options.store])
    with Session(options) as session:
        print(json.dumps({**session.record["machine"], **session.record["code"]}, indent=1))
        for question in QUESTIONS:
            if question.name in options.only:
                session.ask(question)
    say(f"everything is in {options.json}")
    if options.page:
        page.write()
        say(f"written: {page.PAGE}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
