"""
Write docs/reference/guarantees.md: each guarantee, where it holds, and the tests that prove it, as pytest collects it.

    python scripts/guarantees.py           write the page
    python scripts/guarantees.py --check   say whether it is as it should be; fails if not, and if a proof is missing
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from eventfold.ports.subscription import PAGE as EVENTS_OF_A_PAGE  # noqa: E402 - as below
from scripts import acceptance  # noqa: E402 - scripts are no package

PAGE = ROOT / "docs" / "reference" / "guarantees.md"
SHOWN = 12
"""Tests of one guarantee that are named; of the rest the number is told."""


@dataclass(frozen=True)
class Guarantee:
    id: str
    title: str
    words: str
    memory: str = "yes"
    sqlite: str = "yes"


GUARANTEES = (
    Guarantee("G-01", "Whole or not at all", "The events of one append become visible together, or none of them does."),
    Guarantee("G-02", "One winner", "Of appends that expect the same version of a stream, one succeeds at most."),
    Guarantee("G-03", "No gaps", "The versions of a stream are 1, 2, 3 …, none is used again, none changes."),
    Guarantee(
        "G-04",
        "The answer is true",
        "`append` returns and the events are stored; or it raises and nothing is stored; or it raises "
        "`AppendOutcomeUnknown` with the ids. What was acknowledged is never lost.",
        "as long as the process lives",
        "`kill -9`: yes. Power failure: yes with `synchronous=full`, the default; with `normal` the last commits may "
        "be lost, and nothing breaks",
    ),
    Guarantee(
        "G-05",
        "A repetition is safe",
        "The same append with the same event ids returns the original places; an id with another content is an error.",
        "as long as the process lives",
        "for ever",
    ),
    Guarantee("G-06", "Facts stay", "An application can neither change nor remove an event."),
    Guarantee(
        "G-07", "You read what you wrote", "Once `append` has returned, a read on the same store sees the events."
    ),
    Guarantee(
        "G-08",
        "Nothing is skipped",
        "A subscription is given every committed event of its query at least once, and a checkpoint never covers one "
        "that was not handled. Hints of a commit may be lost: looking again is enough.",
    ),
    Guarantee(
        "G-09",
        "One order",
        "A stream is read in the order of its versions; the whole log in one order, the same for every reader, "
        "restart and rebuild.",
        "order of commits",
        "order of commits",
    ),
    Guarantee(
        "G-10",
        "Positions only grow",
        "Do not calculate with them. A checkpoint carries the id of its event, and is refused when the log holds "
        "another one there.",
    ),
    Guarantee(
        "G-11", "Several streams at once", "One `append` may name several streams: all of it is stored, or none."
    ),
    Guarantee(
        "G-12",
        "Each event takes effect once",
        "Rows of a projector and its checkpoint change in one transaction, by compare-and-set: after any crash the "
        "rows are the fold of the log up to the checkpoint.",
        "yes; the rows end with the process",
    ),
    Guarantee(
        "G-17",
        "Rebuilt rows are the live ones",
        "Rows that were filled anew, those that were kept live and the fold of the log are the same. While a rebuild "
        "goes on and takes their place, readers see the rows of before or of after: no error, no mixture, none is "
        "missing.",
        "yes; the rows end with the process",
    ),
    Guarantee(
        "G-19",
        "Bounded memory",
        f"A subscription holds one page of at most {EVENTS_OF_A_PAGE} events, and a projector that catches up a few, "
        "however slow it is and however long the log. A client holds the appends that have no answer yet, and the "
        "versions of some ten thousand streams.",
    ),
    Guarantee(
        "G-21",
        "Stored bytes run no code",
        "Unknown types and damaged bytes give an error of ours, which names the event where one can be named. No "
        "stored name is ever imported.",
    ),
)
NOT_GUARANTEED = (
    "That an event is *delivered* once. It takes effect once where rows and checkpoint share a transaction.",
    "A transaction over two stores.",
    "An order of different streams beyond that of the log, or by the clock: `recorded_at` goes back when it does.",
    "That the effect of a handler outside of the store (a mail, a request) happens once, or not during a rebuild.",
    "That a file survives a disk that confirms a sync and does not make it, or changes bytes later. Keep backups.",
    "SQLite on a network file system, or one file used from two machines.",
    "Protection from whoever may write to the file: their changes are not noticed unless they break its form.",
)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description="the page of guarantees, from the tests that prove them")
    parser.add_argument("--check", action="store_true", help="change nothing, say whether the page is right")
    options = parser.parse_args(arguments)
    proofs = acceptance.tests_by_id(acceptance.collected_tests())
    unproved = [each.id for each in GUARANTEES if not proofs.get(each.id)]
    if unproved:
        print(f"guarantees without a test: {', '.join(unproved)}", file=sys.stderr)
        return 1
    page = written(proofs)
    if not options.check:
        PAGE.write_text(page, encoding="utf-8")
        return 0
    if PAGE.read_text(encoding="utf-8") == page:
        return 0
    print(f"{PAGE.relative_to(ROOT)} is not what the tests say; run python scripts/guarantees.py", file=sys.stderr)
    return 1


def written(proofs: Mapping[str, Sequence[str]]) -> str:
    return "\n".join(
        [
            "# Guarantees",
            "",
            "<!-- written by scripts/guarantees.py: edit that -->",
            "",
            "What is on this page is promised, and nothing else. A guarantee stands beside the tests that prove it;",
            "those of `tests/torture` break the store on purpose, and have caught the bugs that were planted for them.",
            "`make torture` runs them all in full size and prints what was lost.",
            "",
            "| | guarantee | memory | SQLite |",
            "| --- | --- | --- | --- |",
            *(f"| {each.id} | {each.title} | {each.memory} | {each.sqlite} |" for each in GUARANTEES),
            "",
            *(line for each in GUARANTEES for line in section(each, proofs[each.id])),
            "## What is not guaranteed",
            "",
            *(f"- {each}" for each in NOT_GUARANTEED),
            "",
        ]
    )


def section(guarantee: Guarantee, tests: Sequence[str]) -> list[str]:
    """Torture first: it is the harder proof."""
    ordered = sorted(tests, key=lambda test: ("torture" not in test, test))
    named = [f"- `{test.removeprefix('tests/')}`" for test in ordered[:SHOWN]]
    rest = [f"- and {len(ordered) - SHOWN} more"] if len(ordered) > SHOWN else []
    return [f"## {guarantee.id} · {guarantee.title}", "", guarantee.words, "", *named, *rest, ""]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
