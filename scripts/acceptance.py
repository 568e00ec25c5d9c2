"""
Join docs/reference/acceptance.toml with the tests that carry a row's id, and print the table.

`test_c5_…`, `test_trap1_…`, `test_fm07_…`, `test_g01_…`; several ids may stand first: `test_c3_g02_…`. A class may
carry them as well (`TestC16G02Suite`), for all its tests. An inherited test counts once in each class.
Fails when a row marked done has no test, and when a test names an id that is not in the table.
"""

import argparse
import json
import re
import subprocess
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parent.parent
TABLE = ROOT / "docs" / "reference" / "acceptance.toml"

ID_IN_FUNCTION = re.compile(r"(?:[a-k]\d{1,2}|trap\d{1,2}|fm\d{2})")
ID_IN_CLASS = re.compile(r"(?:[A-K]\d{1,2}|Trap\d{1,2}|F[Mm]\d{2})(?=[A-Z_]|$)")
TWO_DIGITS = re.compile(r"(fm|g)(\d{2})")


@dataclass(frozen=True, slots=True)
class Row:
    id: str
    title: str
    done: bool
    tests: tuple[str, ...]

    @property
    def standing(self) -> str:
        match self.done, bool(self.tests):
            case True, True:
                return "done"
            case True, False:
                return "NO TEST"
            case False, True:
                return "started"
            case _:
                return "open"


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description="which promises are proved by which tests")
    parser.add_argument("--json", action="store_true", help="print the table as JSON")
    parser.add_argument("--open", action="store_true", help="show only what is not done")
    options = parser.parse_args(arguments)

    carried = tests_by_id(collected_tests())
    declared = tomllib.loads(TABLE.read_text(encoding="utf-8"))["row"]
    rows = [
        Row(row["id"], row["title"], row["status"] == "done", tuple(carried.pop(row["id"], ()))) for row in declared
    ]
    failures = [f"{row.id} is marked done and no test carries its id" for row in rows if row.standing == "NO TEST"]
    failures += [f"{tests[0]} carries {unknown}, which is not in the table" for unknown, tests in carried.items()]

    shown = [row for row in rows if not (options.open and row.standing == "done")]
    if options.json:
        print(json.dumps({"rows": [as_json(row) for row in shown], "failures": failures}, indent=2, ensure_ascii=False))
    else:
        draw(shown, rows)
    for failure in failures:
        print(f"acceptance: {failure}", file=sys.stderr)
    return 1 if failures else 0


def collected_tests() -> list[str]:
    """Node ids of the whole suite, as pytest collects it."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "--color=no", "-p", "no:cacheprovider", "tests"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        print(done.stdout + done.stderr, file=sys.stderr)
        raise SystemExit("acceptance: pytest could not collect the tests")
    return [line for line in done.stdout.splitlines() if "::" in line]


def tests_by_id(node_ids: Iterable[str]) -> dict[str, list[str]]:
    carried: dict[str, list[str]] = defaultdict(list)
    for node_id in node_ids:
        test = node_id.partition("[")[0]
        for row in dict.fromkeys(ids_of(node_id)):
            if test not in carried[row]:
                carried[row].append(test)
    return carried


def ids_of(node_id: str) -> Iterator[str]:
    _, *classes, function = node_id.partition("[")[0].split("::")
    for name in classes:
        rest = name.removeprefix("Test")
        while match := ID_IN_CLASS.match(rest):
            yield row_id(match[0].lower())
            rest = rest[match.end() :].removeprefix("_")
    for word in function.removeprefix("test_").split("_"):
        if not ID_IN_FUNCTION.fullmatch(word):
            break
        yield row_id(word)


def row_id(word: str) -> str:
    """`c5` → C5, `trap1` → trap1, `fm07` → FM-07, `g01` → G-01; `g5` is the capability G5."""
    if word.startswith("trap"):
        return word
    two = TWO_DIGITS.fullmatch(word)
    return f"{two[1].upper()}-{two[2]}" if two else word.upper()


def as_json(row: Row) -> dict[str, object]:
    return {"id": row.id, "title": row.title, "standing": row.standing, "tests": row.tests}


def draw(shown: Iterable[Row], rows: list[Row]) -> None:
    colours = {"done": "green", "started": "yellow", "open": "dim", "NO TEST": "bold red"}
    table = Table("row", "promise", "standing", "tests", box=None, pad_edge=False)
    for row in shown:
        proof = f"{len(row.tests)}: {row.tests[0].partition('::')[2]}" if row.tests else ""
        table.add_row(row.id, row.title, f"[{colours[row.standing]}]{row.standing}[/]", proof)
    console = Console()
    console.print(table)
    counts = {name: sum(row.standing == name for row in rows) for name in colours}
    console.print(", ".join(f"{count} {name}" for name, count in counts.items() if count), highlight=False)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
