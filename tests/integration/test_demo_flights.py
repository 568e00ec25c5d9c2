"""The demo on real flights: exact agreement with the rows, resumed after kill -9."""

import csv
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import apsw
import pytest

from eventfold.cli.demo.flights.data import flights
from eventfold.cli.demo.flights.source import table
from eventfold.cli.demo.flights.truth import Truth, truth
from eventfold.cli.exits import Exit
from eventfold.cli.program import run

DEMO = [sys.executable, "-m", "eventfold", "demo", "flights"]
FIGURES = "flights, cancelled, diverted, departures, departure_delay, arrivals, arrival_delay"
JANUARY = truth(flights())


def spoken(found: Truth) -> dict[str, object]:
    return {"carriers": found.carriers, "events": found.events, "rejected": found.rejected}


@pytest.fixture(scope="module")
def january(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A store that holds the whole of January."""
    url = f"sqlite:///{tmp_path_factory.mktemp('january')}/flights.db"
    assert subprocess.run([*DEMO, "--store", url], check=False, stdout=subprocess.DEVNULL).returncode == 0
    return url


@pytest.mark.slow
def test_january_agrees_with_the_rows_and_a_second_run_only_shows_it(
    january: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["demo", "flights", "--json", "--store", january]) == Exit.OK
    captured = capsys.readouterr()
    assert json.loads(captured.out) == spoken(JANUARY)
    assert "holds the complete import" in captured.err


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "keys", "rows"),
    [
        ("carriers", ["carrier"], JANUARY.carriers),
        ("routes", ["origin", "dest"], JANUARY.routes),
        ("days", ["day"], JANUARY.days),
        ("aircraft", ["tailnum"], JANUARY.aircraft),
    ],
)
def test_every_table_agrees_with_the_rows(
    name: str, keys: list[str], rows: list[dict[str, Any]], january: str, capsys: pytest.CaptureFixture[str]
) -> None:
    select = f"select * from {name} order by {', '.join(keys)}"
    assert run(["sql", select, "--json", "--store", january]) == Exit.OK
    found = json.loads(capsys.readouterr().out)
    assert len(found) == len(rows)
    for row, expected in zip(found, rows, strict=True):
        for key in (*keys, "flights", "cancelled", "diverted"):
            assert row[key] == expected[key]
        assert row["departures"] == row["flights"] - row["cancelled"]
        assert row["arrivals"] == row["departures"] - row["diverted"]


@pytest.mark.slow
def test_january_in_memory_agrees_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["demo", "flights", "--json", "--store", "memory:"]) == Exit.OK
    assert json.loads(capsys.readouterr().out) == spoken(JANUARY)


@pytest.mark.slow
def test_the_commands_to_try_next_work(january: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["demo", "flights", "--store", january]) == Exit.OK
    out = capfd.readouterr().out
    assert f"Database: {january.removeprefix('sqlite:///')}" in out
    suggested = out.partition("Try next:\n")[2].splitlines()
    assert len(suggested) == 3
    for line in suggested:  # as they stand: by name where the shell finds us, by path where it does not
        done = subprocess.run(line, shell=True, capture_output=True, text=True, timeout=60, check=True)
        assert len(done.stdout.splitlines()) >= 5


# ------------------------------------------------------------------------------ kill -9


@pytest.fixture(scope="module")
def three_days(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first days of January, with rows doubled and rows without a plan, so that many orders are rejected."""
    file = tmp_path_factory.mktemp("data") / "flights.csv"
    with table(None) as source, file.open("w", newline="") as target:
        reader = csv.DictReader(source)
        writer = csv.DictWriter(target, reader.fieldnames or ())
        writer.writeheader()
        for number, row in enumerate(row for row in reader if int(row["day"]) <= 3):
            writer.writerow(row)
            if number % 5 == 0:
                writer.writerow({**row, "arr_delay": "7"})
            if number % 7 == 0:
                writer.writerow({**row, "flight": "9999", "dep_time": "NA", "dep_delay": "NA"})
    return file


def head(file: Path) -> int:
    """How many events the demo has stored so far, as another process sees it."""
    if not file.exists():
        return 0
    connection = apsw.Connection(str(file), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        return int(connection.execute("SELECT coalesce(max(position), 0) FROM events").get)
    except apsw.Error:  # it is being made
        return 0
    finally:
        connection.close()


def killed_once_past(position: int, command: list[str], file: Path) -> int:
    """Run the command and kill it without warning; return how far it had come."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 120
        while head(file) < position and process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.002)
        process.kill()
        process.wait()
        assert process.returncode == -signal.SIGKILL
    return head(file)


def test_kill_9_in_the_middle_and_a_restart_come_to_the_same(three_days: Path, tmp_path: Path) -> None:
    expected = truth(flights(three_days))
    assert expected.rejected > 1_000
    file = tmp_path / "flights.db"
    command = [*DEMO, "--json", "--data", str(three_days), "--store", f"sqlite:///{file}"]
    before = 0
    for position in (1, 1_300, 2_900, 5_555):
        reached = killed_once_past(max(position, before + 1), command, file)
        assert before < reached < expected.events
        before = reached
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == spoken(expected)
    command[-1] = f"sqlite:///{tmp_path}/once.db"
    unkilled = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == unkilled.stdout


def test_another_import_is_refused(three_days: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "flights.db"
    killed_once_past(10, [*DEMO, "--data", str(three_days), "--store", f"sqlite:///{file}"], file)
    assert run(["demo", "flights", "--store", f"sqlite:///{file}"]) == Exit.USAGE
    assert "another import; one store holds one import; choose another --store" in capsys.readouterr().err


def test_an_interrupt_ends_the_demo_without_a_traceback(three_days: Path, tmp_path: Path) -> None:
    file = tmp_path / "flights.db"
    command = [*DEMO, "--data", str(three_days), "--store", f"sqlite:///{file}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        while head(file) < 10 and process.poll() is None:
            time.sleep(0.002)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert out == ""
    assert "Traceback" not in err
    assert err.endswith("eventfold: interrupted\n")


def test_a_file_that_holds_no_flights_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "diary.csv"
    file.write_text("dear,diary\n1,2\n")
    store = tmp_path / "flights.db"
    assert run(["demo", "flights", "--data", str(file), "--store", f"sqlite:///{store}"]) == Exit.USAGE
    assert "diary.csv, line 1: expected a column" in capsys.readouterr().err
