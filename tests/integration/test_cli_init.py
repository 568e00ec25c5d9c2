"""`eventfold init`: what it makes runs."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from eventfold.cli.exits import Exit
from eventfold.cli.program import run


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def in_folder(folder: Path, *arguments: str) -> str:
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("PYTEST", "PYTHON"))}
    done = subprocess.run(
        [sys.executable, "-W", "error", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_new_project_runs_and_its_tests_pass(here: Path) -> None:
    assert run(["init", "my-bank_2"]) == Exit.OK
    folder = here / "my-bank_2"
    for balance in (70, 140):  # the file remembers
        out = in_folder(folder, "main.py")
        assert f"ann has {balance} after" in out
        assert f"balances: ann {balance}" in out
    assert "3 passed" in in_folder(folder, "-m", "pytest", "-q", "-p", "no:cacheprovider")
    assert "is at" not in in_folder(folder, "-m", "eventfold", "doctor", "--store", "sqlite:///my-bank_2.db")


def test_a_new_project_passes_the_type_checker(here: Path) -> None:
    assert run(["init", "bank"]) == Exit.OK
    in_folder(here / "bank", "-m", "mypy", "--strict", "--cache-dir", os.devnull, ".")


def test_nothing_is_overwritten(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "bank").mkdir()
    (here / "bank" / "domain.py").write_text("mine")
    assert run(["init", "bank"]) == Exit.USAGE
    assert "is there already, and nothing is overwritten" in capsys.readouterr().err
    assert [each.name for each in (here / "bank").iterdir()] == ["domain.py"]
    assert (here / "bank" / "domain.py").read_text() == "mine"


@pytest.mark.parametrize("name", ["", ".", "..", "../up", "/abs", "Bank", "1st", "a b", "a/b", "a" * 51, "bänk", "a\n"])
def test_a_name_that_is_no_name_makes_nothing(name: str, here: Path) -> None:
    assert run(["init", name]) == Exit.USAGE
    assert list(here.iterdir()) == []


def test_the_folder_is_made_where_it_is_asked_for(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["init", "bank", "--dir", "nowhere"]) == Exit.USAGE
    assert "make it first" in capsys.readouterr().err
    (here / "projects").mkdir()
    assert run(["init", "bank", "--dir", "projects", "--json"]) == Exit.OK
    made = json.loads(capsys.readouterr().out)
    assert made["folder"] == "projects/bank"
    assert made["files"] == sorted(each.name for each in (here / "projects" / "bank").iterdir())
    assert "domain.py" in made["files"]
