"""Account, command, projection and rebuild by restart in 45 lines of code."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import account
from tests.acceptance.world import File

PROGRAM = Path(__file__).resolve().parents[2] / "examples" / "account.py"


def test_the_program_has_at_most_45_lines_of_code() -> None:
    text = PROGRAM.read_text(encoding="utf-8")
    code = [line for line in text.splitlines() if line.strip() and not line.strip().startswith("#")]
    assert len(code) <= 45
    assert ast.get_docstring(ast.parse(text))


def test_it_runs_and_prints_the_balances_twice(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, PROGRAM], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    row = "[Row(account='ann', cents=10050)]"
    assert done.stdout.splitlines() == [f"version 1: {row}", f"version 2: {row}"]


async def test_the_raised_version_fills_the_table_from_the_events(file: File) -> None:
    async with account.application(1).open(file.url) as running:
        await running.execute(account.accounts, "ann", account.Deposit(7))
        await running.settled()
    file.execute("UPDATE balances SET cents = 0")
    for version, cents in ((1, 0), (2, 7)):
        async with account.application(version).open(file.url) as running:
            await running.settled()
        assert file.execute("SELECT * FROM balances") == [("ann", cents)]


async def test_the_bookstore_runs_on_every_store(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    from bookstore.app import main

    await main(url)
    assert capsys.readouterr().out.splitlines() == [
        "8 left",
        "rejected: 11 wanted, 8 left",
        "[Row(isbn='isbn-1', left=8)]",
    ]
