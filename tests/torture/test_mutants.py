"""Each planted bug turns its torture test red; here those that show within seconds, the rest in `make torture`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.torture.mutants import MUTANTS

HERE = Path(__file__).resolve().parent
QUICK = [name for name, mutant in MUTANTS.items() if mutant.quick and not mutant.test[0].startswith("..")]
"""Bugs of torture tests; those that an ordinary test has to see are planted by `make torture`, which has the time."""


@pytest.mark.parametrize("name", QUICK)
def test_a_planted_bug_is_caught(name: str) -> None:
    file, *options = MUTANTS[name].test
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-x",
            "-p",
            "no:cacheprovider",
            "-p",
            "no:xdist",
            str(HERE / file),
            *options,
        ],
        cwd=HERE.parents[1],
        env={key: value for key, value in os.environ.items() if key != "EVENTFOLD_TORTURE"}
        | {"EVENTFOLD_MUTANT": name},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == pytest.ExitCode.TESTS_FAILED, f"{name} has survived:\n{done.stdout[-2_000:]}{done.stderr}"
    assert " error" not in done.stdout.splitlines()[-1], f"{name} was not caught by a test:\n{done.stdout[-2_000:]}"


def test_a_name_stands_for_the_planting_of_that_name() -> None:
    assert [mutant.plant.__name__ for mutant in MUTANTS.values()] == list(MUTANTS)
