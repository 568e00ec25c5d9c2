"""
Run every torture test in full size, then each planted bug against its test, and print what came of it.

    python scripts/torture.py                  everything
    python scripts/torture.py --size pr        the sizes of `make test`
    python scripts/torture.py --mutants no_cas these planted bugs alone, or none: --mutants
    python scripts/torture.py --only T-01 T-06 these tests alone

Exits 1 if a test fails or a planted bug survives. EVENTFOLD_SEED=… repeats a run.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from random import SystemRandom
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.torture.mutants import MUTANTS  # noqa: E402 - the tests are no package of ours

TORTURE = ROOT / "tests" / "torture"
UPGRADE = ROOT / "tests" / "upgrade"
BUDGET = 300
"""Seconds in which a test must catch its planted bug."""

MORE: dict[str, tuple[str, ...]] = {
    "T-01 runner": ("events", "letters", "unknown", "kills"),
    "T-35": ("events", "per_second", "runner", "writer", "wal_mib"),
}
"""Figures beside the table."""

PATIENCE = 3_600
"""Seconds after which a test hangs; in full size some need more than `make test` grants."""


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description="torture the store, and the tests that torture it")
    parser.add_argument("--size", choices=["full", "pr"], default="full")
    parser.add_argument("--mutants", nargs="*", choices=list(MUTANTS), metavar="NAME", help="these, or none of them")
    parser.add_argument("--only", nargs="+", default=[], metavar="T-NN", help="these tests")
    options = parser.parse_args(arguments)
    seed = os.environ.get("EVENTFOLD_SEED") or str(SystemRandom().randrange(10**9))
    environment = os.environ | {"EVENTFOLD_SEED": seed}
    if options.size == "full":
        environment["EVENTFOLD_TORTURE"] = "full"
    chosen = list(MUTANTS) if options.mutants is None else options.mutants
    print(f"EVENTFOLD_SEED={seed}, commit {commit()}", flush=True)
    sound = tests_pass(environment, files_of(options.only))
    surviving = [name for name in chosen if not is_caught(name, environment)]
    print("\nno mutant survived" if not surviving else f"\nSURVIVED: {', '.join(surviving)}")
    return 0 if sound and not surviving else 1


def commit() -> str:
    found = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return found.stdout.strip() or "unknown"


def files_of(names: list[str]) -> list[str]:
    """Every test when none is named. Raises SystemExit for a name without a test."""
    files: list[str] = []
    for name in names:
        pattern = f"test_{name.lower().replace('-', '')}_*.py"
        found = sorted([*TORTURE.glob(pattern), *UPGRADE.glob(pattern)])
        if not found:
            raise SystemExit(f"--only {name}: there is no such test; names are like T-01")
        files += map(str, found)
    return files or [str(TORTURE), str(UPGRADE)]


def tests_pass(environment: dict[str, str], files: list[str]) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        lines = Path(folder) / "report.jsonl"
        skipped = ["--ignore", str(TORTURE / "test_mutants.py"), "-o", f"faulthandler_timeout={PATIENCE}"]
        done = pytest([*files, *skipped], environment | {"EVENTFOLD_TORTURE_REPORT": str(lines)})
        text = lines.read_text(encoding="utf-8") if lines.exists() else ""
    if done.returncode != 0:
        print(done.stdout[-6_000:], done.stderr[-2_000:])
    print_figures([json.loads(line) for line in text.splitlines()], sound=done.returncode == 0)
    print(done.stdout.strip().splitlines()[-1] if done.stdout.strip() else "pytest said nothing")
    return bool(done.returncode == 0)


def pytest(arguments: list[str], environment: dict[str, str], timeout: float | None = None) -> Any:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=timeout
    )


def print_figures(lines: list[dict[str, Any]], *, sound: bool) -> None:
    for title in ("SQLite", "Postgres"):
        print_store(title, [line for line in lines if title.lower() in str(line.get("store", "sqlite"))], sound=sound)


def print_store(title: str, lines: list[dict[str, Any]], *, sound: bool) -> None:
    """A line per test; losses of what T-03 and T-11 plant or admit are not the store's."""
    rows: dict[str, dict[str, Any]] = defaultdict(lambda: defaultdict(int))
    for line in lines:
        if line["test"] == "T-11 planted" or (line["test"] == "T-03" and line.get("setup") != "full"):
            continue
        if line["test"] == "T-03":
            line["faults"] = line["images"]
        row = rows[line["test"]]
        for name in ("faults", "acknowledged", "lost", "skipped", "duplicated", "out_of_order", "states"):
            row[name] += line.get(name, 0)
        row["worst_stall"] = max(row["worst_stall"], line.get("worst_stall", 0))
        row["seed"] = line.get("seed", "")
    heads: tuple[str, ...] = (
        "faults",
        "acknowledged",
        "lost",
        "skipped",
        "duplicated",
        "out_of_order",
        "worst_stall",
        "seed",
    )
    if any(row["states"] for row in rows.values()):
        heads = ("states", *heads)
    print(f"\n{title}{'' if sound else ' (A TEST HAS FAILED: the zeros are not proved)'}")
    print(f"{'test':<12}" + "".join(f"{head.replace('_', ' '):>14}" for head in heads))
    for test in sorted(rows):
        print(f"{test:<12}" + "".join(f"{rows[test][head]!s:>14}" for head in heads))
    for line in lines:
        if line["test"] in MORE:
            print(f"{line['test']}: " + ", ".join(f"{each} {line[each]}" for each in MORE[line["test"]]))


def is_caught(name: str, environment: dict[str, str]) -> bool:
    file, *options = MUTANTS[name].test
    began = time.monotonic()
    small = {key: value for key, value in environment.items() if key != "EVENTFOLD_TORTURE"}
    try:
        done = pytest(["-x", str(TORTURE / file), *options], small | {"EVENTFOLD_MUTANT": name}, BUDGET)
        verdict = {0: "SURVIVED", 1: "caught"}.get(done.returncode, f"pytest exited {done.returncode}")
    except subprocess.TimeoutExpired:
        verdict = "SURVIVED (budget)"
    if name == next(iter(MUTANTS)):
        print("\nplanted bug                 test                            verdict")
    print(f"{name:<27} {file:<31} {verdict}, {time.monotonic() - began:.0f} s", flush=True)
    return verdict == "caught"


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
