"""
Every question, one after the other: `make bench`, or `python benchmarks/run.py --quick`.

Prints the tables, keeps all that was measured in `build/benchmarks.json` (or `--json FILE`), and with `--page` writes
it into docs/reference/benchmarks.md. A quick run shows that everything works; its figures are not for a page.
"""

from __future__ import annotations

import json
import sys

import append
import batches
import catch_up
import commands
import growth
import latency
import memory
import page
import processes
import slow_disk
import tables
from harness import ROOT, Session, parser, say

QUESTIONS = [
    module.QUESTION
    for module in (append, batches, commands, catch_up, tables, latency, growth, memory, slow_disk, processes)
]


def main() -> int:
    names = [each.name for each in QUESTIONS]
    made = parser("Eventfold against the raw driver and eventsourcing, in one run")
    made.add_argument("--only", nargs="+", metavar="QUESTION", choices=names, default=names, help=", ".join(names))
    made.add_argument("--page", action="store_true", help="write docs/reference/benchmarks.md from this run")
    options = made.parse_args()
    if options.page and options.quick:
        made.error("--page keeps figures, and --quick makes none worth keeping")
    if options.json is None:
        (ROOT / "build").mkdir(exist_ok=True)
        options.json = str(ROOT / "build" / "benchmarks.json")
    with Session(options) as session:
        print(json.dumps({**session.record["machine"], **session.record["code"]}, indent=1))
        for question in QUESTIONS:
            if question.name in options.only:
                session.ask(question)
    say(f"everything is in {options.json}")
    if options.page:
        page.write(session.record)
        say(f"written: {page.PAGE}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
