"""
How a question is asked: contestants alternate, each in a process of its own, and only ratios of one round are compared.

A question is a list of cells; a cell is one kind of work, the same for every contestant: `raw` (the driver doing the
least SQL), `eventfold`, and `eventsourcing` from PyPI in an environment of its own. A contestant is a function from
parameters to figures. In each round all contestants of a cell run once, in another order each time; the ratio of a
round is taken within it, so what else the machine does meanwhile strikes all of them alike.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Literal, Self, cast

from stores import POSTGRES, ROOT, SQLITE, Seed, Store, places

__all__ = [
    "FLOOR", "OURS", "PEER", "POSTGRES", "ROOT", "SQLITE", "Asked", "Cell", "Contestant", "Figures", "Question", "Seed",
    "Session", "Store", "digits", "is_peer", "main", "parser", "say",
]  # fmt: skip

HERE = Path(__file__).resolve().parent
PEER_HOME = ROOT / ".venv" / "peer"
PEER_PYTHON = PEER_HOME / "bin" / "python"
PEER = "eventsourcing"
FLOOR = "raw"
OURS = "eventfold"
PATIENCE = 3_600

Figures = Mapping[str, float]
Contestant = Callable[[dict[str, Any]], Figures]


@dataclass(frozen=True, slots=True)
class Cell:
    """
    One kind of work.

    Args:
        figure: the name of what is compared; the contestants may report more, which is shown beside it.
        compared: with the `floor`'s figure of the same round as a ratio, with the `peer`'s as a ratio, with the floor's
            as a `difference`, or not at all (`alone`).
        target: what the ratio, the difference or the figure itself of Eventfold shall reach.
        better: whether `more` of it is better.
        seeds: one store, or several; the contestant finds them in `stores`.
    """

    label: str
    params: Mapping[str, Any]
    figure: str = "per_second"
    unit: str = "/s"
    compared: Literal["floor", "peer", "difference", "alone"] = "floor"
    target: float | None = None
    better: Literal["more", "less"] = "more"
    seeds: tuple[Seed, ...] = ()
    without: tuple[str, ...] = ()
    floor_is: str = ""


@dataclass(frozen=True, slots=True)
class Asked:
    """A question as it is asked of one kind of store."""

    about: str
    cells: Callable[[bool], Sequence[Cell]]
    contestants: Mapping[str, Contestant]
    skipped: Callable[[argparse.Namespace], str | None] = field(default=lambda _: None)


@dataclass(frozen=True, slots=True)
class Question:
    name: str
    title: str
    of: Mapping[Store, Asked]


# ------------------------------------------------------------------------------------ asking


def main(question: Question) -> int:
    """The command line of one question."""
    if sys.argv[1:2] == ["--child"]:
        store, name, params = sys.argv[2:5]
        contestants = question.of[cast("Store", store)].contestants
        print(json.dumps(contestants[name](json.loads(params))))
        return 0
    options = parser(question.title).parse_args()
    with Session(options) as session:
        session.ask(question)
    return 0


def parser(description: str) -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description=description)
    made.add_argument("--store", choices=(SQLITE, POSTGRES), default=SQLITE, help=f"default: {SQLITE}")
    made.add_argument("--quick", action="store_true", help="small sizes, to see whether everything runs")
    made.add_argument("--rounds", type=int, default=0, help="default: 7, with --quick 3")
    made.add_argument("--json", metavar="FILE", help="write everything that was measured to this file")
    made.add_argument("--dir", metavar="FOLDER", help="where the stores lie; must be on a real disk")
    made.add_argument("--postgres-url", metavar="URL", help="a server to use, as one who may create databases")
    made.add_argument("--cells", metavar="WORD", default="", help="only cells whose label contains this")
    made.add_argument("--no-peer", action="store_true", help="leave eventsourcing out")
    made.add_argument("--processes", type=int, default=0, help="writing processes on one SQLite file")
    return made


class Session:
    """One run: places for the stores, the order of contestants, and everything that was measured."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.store: Store = options.store
        self.rounds: int = options.rounds or (3 if options.quick else 7)
        self.peer = not options.no_peer and peer_is_there()
        self.record: dict[str, Any] = {
            "store": options.store,
            "machine": machine(options.dir),
            "code": code(),
            "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "quick": options.quick,
            "rounds": self.rounds,
            "questions": [],
        }

    def __enter__(self) -> Self:
        self._stack = ExitStack()
        self.places = self._stack.enter_context(places(self.store, self.options.dir, self.options.postgres_url))
        self.record["machine"]["server"] = self.places.facts()
        if self.record["machine"]["file_system"] == "tmpfs":
            say("the stores lie in memory (tmpfs): a sync costs nothing there; choose a disk with --dir")
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()
        if self.options.json:
            Path(self.options.json).write_text(json.dumps(self.record, indent=1) + "\n", encoding="utf-8")

    def ask(self, question: Question) -> None:
        asking = question.of.get(self.store)
        if asking is None:
            return
        print(f"\n{question.title}", flush=True)
        asked: dict[str, Any] = {"name": question.name, "title": question.title, "about": asking.about, "cells": []}
        self.record["questions"].append(asked)
        why = asking.skipped(self.options)
        if why:
            asked["skipped"] = why
            print(f"  skipped: {why}", flush=True)
            return
        print(HEADINGS, flush=True)
        for cell in asking.cells(self.options.quick):
            if self.options.cells in cell.label:
                asked["cells"].append(self._measured(question.name, asking, cell))

    def _measured(self, question: str, asking: Asked, cell: Cell) -> dict[str, Any]:
        names = [each for each in asking.contestants if each not in cell.without and (self.peer or not is_peer(each))]
        seeds = {name: [(seed, self.places.seeded(kind_of(name), seed, fill)) for seed in cell.seeds] for name in names}
        rounds: list[dict[str, Figures]] = []
        for number in range(self.rounds):
            turn = number % len(names)
            figures = {name: self._run(question, cell, name, seeds[name]) for name in names[turn:] + names[:turn]}
            rounds.append(figures)
        measured = summed_up(cell, names, rounds)
        for line in lines(measured):
            print(line, flush=True)
        return measured

    def _run(self, question: str, cell: Cell, name: str, seeds: Sequence[tuple[Seed, str]]) -> Figures:
        with self.places.lent(seeds) as stores:
            params = json.dumps({**cell.params, "stores": stores})
            return json.loads(child(name, [str(HERE / f"{question}.py"), "--child", self.store, name, params]))


def is_peer(name: str) -> bool:
    return name.startswith(PEER)


def kind_of(name: str) -> str:
    """Whose tables a contestant works on; the raw driver works on ours."""
    return PEER if is_peer(name) else OURS


def fill(whose: str, place: str, seed: Seed) -> None:
    wanted = [whose, place, str(seed.streams), str(seed.events), str(int(seed.tagged))]
    child(whose, [str(HERE / "seeds.py"), *wanted])


def child(name: str, arguments: Sequence[str]) -> str:
    """Output of a process of its own. Its last line is the answer."""
    python = str(PEER_PYTHON) if is_peer(name) else sys.executable
    path = os.pathsep.join(filter(None, (str(HERE), os.environ.get("PYTHONPATH"))))  # another tree, to compare with
    environment = {**os.environ, "PYTHONHASHSEED": "0", "PYTHONPATH": path}
    done = subprocess.run(
        [python, *arguments], env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    if done.returncode != 0:
        raise SystemExit(f"{name}: {' '.join(arguments)}\n{done.stdout}{done.stderr}")
    return done.stdout.strip().rpartition("\n")[2]


# ------------------------------------------------------------------------------- summing up


def summed_up(cell: Cell, names: Sequence[str], rounds: Sequence[Mapping[str, Figures]]) -> dict[str, Any]:
    contestants: dict[str, Any] = {}
    for name in names:
        values = [figures[name][cell.figure] for figures in rounds]
        told: dict[str, Any] = {"values": values, "median": median(values), "min": min(values), "max": max(values)}
        others = [key for key in rounds[0][name] if key != cell.figure]
        told["beside"] = {key: median(figures[name][key] for figures in rounds) for key in others}
        other = {"alone": "", "peer": PEER}.get(cell.compared, FLOOR)
        if other in names:
            pairs = [(figures[name][cell.figure], figures[other][cell.figure]) for figures in rounds]
            found = [a - b if cell.compared == "difference" else a / b for a, b in pairs]
            told["compared"] = {"values": found, "median": median(found), "min": min(found), "max": max(found)}
        contestants[name] = told
    return {
        "label": cell.label,
        "figure": cell.figure,
        "unit": cell.unit,
        "compared": cell.compared,
        "better": cell.better,
        "target": cell.target,
        "reached": reached(cell, contestants.get(OURS)),
        "floor_is": cell.floor_is,
        "contestants": contestants,
    }


def reached(cell: Cell, ours: Mapping[str, Any] | None) -> bool | None:
    if cell.target is None or ours is None:
        return None
    if cell.compared != "alone" and "compared" not in ours:
        return None
    value = ours["compared"]["median"] if "compared" in ours else ours["median"]
    return bool(value >= cell.target if cell.better == "more" else value <= cell.target)


HEADINGS = f"  {'work':<42} {'contestant':<22} {'median':>14}   {'against raw: median (min … max)':<34} target"


def lines(measured: Mapping[str, Any]) -> list[str]:
    out = []
    for number, (name, told) in enumerate(measured["contestants"].items()):
        label = measured["label"] if number == 0 else ""
        figure = f"{told['median']:,.{digits(told['median'])}f} {measured['unit']}"
        ratio = told.get("compared")
        against = (
            f"{ratio['median']:.2f} ({ratio['min']:.2f} … {ratio['max']:.2f})"
            if ratio and ratio["values"] != [1.0] * len(ratio["values"])
            else ""
        )
        verdict = ""
        if name == OURS and measured["target"] is not None:
            sign = "≥" if measured["better"] == "more" else "≤"
            found = {True: "reached", False: "MISSED", None: "not compared"}[measured["reached"]]
            verdict = f"{sign} {measured['target']:g} {found}"
        beside = "  ".join(f"{key}={value:,.{digits(value)}f}" for key, value in told["beside"].items())
        out.append(f"  {label:<42} {name:<22} {figure:>14}   {against:<34} {verdict:<16} {beside}".rstrip())
    return out


def digits(value: float) -> int:
    return 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2


# ------------------------------------------------------------------------------- the machine


def machine(folder: str | None) -> dict[str, Any]:
    place = Path(folder or tempfile.gettempdir()).resolve()
    return {
        "system": f"{platform.system()} {platform.release()}",
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_mib": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20,
        "load": os.getloadavg()[0],
        "file_system": file_system(place),
        "sync_us": sync_cost(place),
        "python": platform.python_version(),
        "packages": {
            OURS: versions(sys.executable, OURS, "apsw", "asyncpg", "msgspec", "SQLAlchemy"),
            PEER: peer_version(),
        },
    }


def processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in text.splitlines() if line.startswith("model name")]
    return names[0] if names else platform.machine()


def file_system(place: Path) -> str:
    try:
        mounts = [line.split() for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines()]
    except OSError:
        return "unknown"
    above = [(len(point), kind) for _, point, kind, *_ in mounts if place.is_relative_to(point)]
    return max(above)[1] if above else "unknown"


def sync_cost(place: Path, times: int = 200) -> float:
    """Microseconds of writing a page and syncing it, the median."""
    with tempfile.TemporaryFile(dir=place) as file:
        descriptor = file.fileno()
        os.pwrite(descriptor, bytes(2**20), 0)
        os.fsync(descriptor)
        taken = []
        for number in range(times):
            began = time.perf_counter()
            os.pwrite(descriptor, bytes(4096), number * 4096)
            getattr(os, "fdatasync", os.fsync)(descriptor)
            taken.append(time.perf_counter() - began)
    return round(median(taken) * 1e6, 1)


def code() -> dict[str, Any]:
    def git(*words: str) -> str:
        done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False)
        return done.stdout.strip()

    changed = bool(git("status", "--porcelain", "src") or os.environ.get("PYTHONPATH"))
    return {"commit": git("rev-parse", "--short=12", "HEAD"), "changed": changed}


# ---------------------------------------------------------------------------------- the peer


def peer_is_there() -> bool:
    """Make the peer's environment where it is missing; say so, loudly, where that cannot be done."""
    wanted = ROOT / "requirements-bench.txt"
    stamp = PEER_HOME / "made-from.txt"
    if stamp.exists() and stamp.read_text(encoding="utf-8") == wanted.read_text(encoding="utf-8"):
        return True
    uv = shutil.which("uv")
    make = (
        [uv, "venv", "-q", "--clear", "--python", sys.executable] if uv else [sys.executable, "-m", "venv", "--clear"]
    )
    fill = [uv, "pip", "install", "-q", "--python"] if uv else []
    fill += (
        [str(PEER_PYTHON)] if uv else [str(PEER_PYTHON), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    )
    for command in ([*make, str(PEER_HOME)], [*fill, "--require-hashes", "-r", str(wanted)]):
        if subprocess.run(command, stdin=subprocess.DEVNULL, check=False).returncode != 0:
            say(f"{PEER} could not be installed ({' '.join(command)}): its column stays empty")
            return False
    shutil.copyfile(wanted, stamp)
    return True


def peer_version() -> dict[str, str]:
    return versions(str(PEER_PYTHON), PEER, "psycopg") if PEER_PYTHON.exists() else {}


def versions(python: str, *packages: str) -> dict[str, str]:
    asks = f"import json, importlib.metadata as m; print(json.dumps({{p: m.version(p) for p in {packages!r}}}))"
    done = subprocess.run([python, "-c", asks], capture_output=True, text=True, check=False)
    return json.loads(done.stdout) if done.returncode == 0 else {}


def say(text: str) -> None:
    print(f"bench: {text}", file=sys.stderr, flush=True)
