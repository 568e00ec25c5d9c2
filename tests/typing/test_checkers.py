"""Both type checkers infer what the user leaves out, and refuse what is wrong, on exactly the line where it is."""

import json
import os
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = Path(__file__).parent / "programs"
BESIDE = Path(sys.executable).parent
MARK = re.compile(r"# expect-error: (.+)$")

PLANTED = [
    (path.name, number, match[1])
    for path in sorted(PROGRAMS.glob("*.py"))
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
    if (match := MARK.search(line))
]
Reported = Mapping[tuple[str, int], list[str]]


@pytest.fixture(scope="session")
def mypy() -> Reported:
    done = subprocess.run(
        [
            BESIDE / "mypy",
            *("--strict", "--config-file=", "--output=json", "--show-error-end", "--no-error-summary"),
            *("--python-version=3.11", "--explicit-package-bases", "--namespace-packages"),
            f"--python-executable={sys.executable}",
            f"--cache-dir={ROOT / '.mypy_cache' / 'programs'}",
            *sorted(PROGRAMS.glob("*.py")),
        ],
        cwd=PROGRAMS,
        env={**os.environ, "MYPYPATH": f"{ROOT / 'src'}:{ROOT / 'examples'}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in {0, 1}, done.stdout + done.stderr
    reported: defaultdict[tuple[str, int], list[str]] = defaultdict(list)
    for line in done.stdout.splitlines():
        found = json.loads(line)
        if found["severity"] == "error":
            reported[Path(found["file"]).name, found["line"]].append(found["message"])
    return reported


@pytest.fixture(scope="session")
def pyright(tmp_path_factory: pytest.TempPathFactory) -> Reported:
    project = tmp_path_factory.mktemp("pyright") / "pyrightconfig.json"
    settings = {
        "include": [os.path.relpath(PROGRAMS, project.parent)],  # absolute ones are not found
        "extraPaths": [str(ROOT / "src"), str(ROOT / "examples")],
        "typeCheckingMode": "strict",
        "pythonVersion": "3.11",
        "reportUnusedFunction": False,  # handlers are registered, not called
        "reportUnnecessaryComparison": False,
    }
    project.write_text(json.dumps(settings), encoding="utf-8")
    done = subprocess.run(
        [BESIDE / "pyright", "--outputjson", "--pythonpath", sys.executable, "--project", project],
        env={
            **os.environ,
            "PYRIGHT_PYTHON_FORCE_VERSION": "1.1.414",
            "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1",
            "NODE_NO_WARNINGS": "1",
            "npm_config_loglevel": "error",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in {0, 1}, done.stdout + done.stderr
    reported: defaultdict[tuple[str, int], list[str]] = defaultdict(list)
    for found in json.loads(done.stdout)["generalDiagnostics"]:
        if found["severity"] == "error":
            place = Path(found["file"]).name, found["range"]["start"]["line"] + 1
            reported[place].append(found["message"])
    return reported


def test_there_are_planted_errors() -> None:
    assert len(PLANTED) > 40


@pytest.mark.parametrize(("program", "line", "why"), PLANTED, ids=[f"{p}:{why}" for p, _, why in PLANTED])
def test_mypy_refuses(mypy: Reported, program: str, line: int, why: str) -> None:
    assert (program, line) in mypy, f"mypy accepts line {line}: {why}"


@pytest.mark.parametrize(("program", "line", "why"), PLANTED, ids=[f"{p}:{why}" for p, _, why in PLANTED])
def test_pyright_refuses(pyright: Reported, program: str, line: int, why: str) -> None:
    assert (program, line) in pyright, f"pyright accepts line {line}: {why}"


def test_mypy_finds_nothing_else(mypy: Reported) -> None:
    assert _unplanted(mypy) == {}


def test_pyright_finds_nothing_else(pyright: Reported) -> None:
    assert _unplanted(pyright) == {}


def _unplanted(reported: Reported) -> dict[tuple[str, int], list[str]]:
    planted = {(program, line) for program, line, _ in PLANTED}
    return {place: messages for place, messages in reported.items() if place not in planted}
