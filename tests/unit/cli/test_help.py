"""Help is quick, and shows how it is done."""

import json
import subprocess
import sys

import pytest

from eventfold import __version__
from eventfold.cli.exits import Exit
from eventfold.cli.program import run

COMMANDS = [[], ["demo"], ["demo", "flights"], ["streams"], ["stream"], ["tail"], ["sql"]]
COMMANDS += [["init"], ["event"], ["stats"], ["doctor"], ["run"]]
COMMANDS += [["processors"], *(["processors", each] for each in ("ls", "lag", "pause", "resume", "reset"))]
COMMANDS += [["parked"], *(["parked", each] for each in ("ls", "show", "retry", "edit", "drop"))]
COMMANDS += [["snapshots"], *(["snapshots", each] for each in ("ls", "drop"))]
COMMANDS += [["plan"], ["schema"], *(["schema", each] for each in ("lock", "check", "docs"))]
COMMANDS += [["store"], *(["store", each] for each in ("backup", "status", "migrate"))]

COMMANDS += [
    ["admin"],
    *(["admin", each] for each in ("delete", "truncate", "find", "replace", "erase", "audit", "sweep")),
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_has_help_with_examples(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*command, "--help"]) == Exit.OK
    out = capsys.readouterr().out
    examples = out.partition("Examples:")[2]
    assert " ".join(["  eventfold", *command]) in examples


def test_the_exit_codes_are_documented(capsys: pytest.CaptureFixture[str]) -> None:
    run(["--help"])
    out = " ".join(capsys.readouterr().out.split())
    for code in Exit:
        assert f"{code.value} " in out


def test_the_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == Exit.OK
    assert capsys.readouterr().out.strip() == __version__


def loaded_by(program: str) -> set[str]:
    code = f"import json, sys; {program}; print(json.dumps([name.partition('.')[0] for name in sys.modules]))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_importing_the_entry_point_loads_nothing_heavy() -> None:
    assert loaded_by("import eventfold.cli").isdisjoint({"sqlalchemy", "apsw", "cyclopts", "rich", "asyncio"})


def test_help_loads_no_database() -> None:
    assert loaded_by("from eventfold.cli.program import run; run(['--help'])").isdisjoint({"sqlalchemy", "apsw"})
