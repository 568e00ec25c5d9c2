"""The commands that look: streams, stream, tail and sql, on full, empty, missing and foreign stores."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apsw
import pytest

from eventfold import Aggregate, Eventfold, Events
from eventfold.cli.exits import Exit
from eventfold.cli.program import run
from eventfold.domain.message import NewEvent, Stream
from eventfold.ports.event_store import Append

HOSTILE = "[red]x[/red]\x1b[2J\u202e"


@dataclass(frozen=True)
class Bought:
    copies: int
    note: str = ""


@dataclass(frozen=True)
class Shop:
    sold: int = 0


def decide(command: Bought, state: Shop) -> list[Bought]:
    return [command]


def evolve(state: Shop, event: Bought) -> Shop:
    return Shop(state.sold + event.copies)


books = Aggregate("book", initial=Shop(), decide=decide, evolve=evolve)
pens = Aggregate("pen", initial=Shop(), decide=decide, evolve=evolve)
catalogue = Events()
catalogue.add(Bought, tags=lambda event: [f"copies:{event.copies}"])
shop = Eventfold(deciders=[books, pens], events=catalogue)

Json = Callable[..., Any]


async def filled(url: str) -> None:
    async with shop.open(url) as running:
        for copies in range(1, 4):
            await running.execute(books, "isbn-1", Bought(copies))
        await running.execute(pens, "blue", Bought(1), metadata={"actor": "ann"})
        await running.execute(books, HOSTILE, Bought(7, HOSTILE))
        raw = NewEvent(event_id=b"0" * 16, type=HOSTILE, data=b"\xff\x00", format=1)
        await running.sink.append(Append(Stream("raw", "1"), [raw]))


@pytest.fixture
def store(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path}/shop.db"
    asyncio.run(filled(url))
    return url


@pytest.fixture
def answer(store: str, capsys: pytest.CaptureFixture[str]) -> Json:
    """Run a command with --json and give what it printed."""

    def ask(*arguments: str, lines: bool = False) -> Any:
        assert run([*arguments, "--json", "--store", store]) == Exit.OK
        out = capsys.readouterr().out
        assert out.replace("\n", "").isprintable()
        return [json.loads(line) for line in out.splitlines()] if lines else json.loads(out)

    return ask


@pytest.fixture
def shown(store: str, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run a command for people and give what it printed."""

    def ask(*arguments: str) -> str:
        assert run([*arguments, "--store", store]) == Exit.OK
        out = capsys.readouterr().out
        assert out.replace("\n", "").isprintable()
        return out

    return ask


# ---------------------------------------------------------------------------- streams


def test_streams_come_in_the_order_of_category_and_id(answer: Json) -> None:
    assert [(each["category"], each["id"], each["version"]) for each in answer("streams")] == [
        ("book", HOSTILE, 1),
        ("book", "isbn-1", 3),
        ("pen", "blue", 1),
        ("raw", "1", 1),
    ]


def test_streams_of_one_category(answer: Json) -> None:
    (pen,) = answer("streams", "pen")
    assert pen["stream"] == "pen-blue"
    assert pen["position"] == 4
    assert pen["recorded_at"].endswith("Z")


def test_a_shortened_list_says_so(store: str, capsys: pytest.CaptureFixture[str]) -> None:
    run(["streams", "--limit", "2", "--store", store])
    captured = capsys.readouterr()
    assert "isbn-1" in captured.out
    assert "pen" not in captured.out
    assert captured.err == "These are the first 2; --limit shows more.\n"


# ----------------------------------------------------------------------------- stream


def test_a_streams_events_are_complete(answer: Json) -> None:
    (event,) = answer("stream", "pen-blue")
    recorded_at, event_id = event.pop("recorded_at"), event.pop("event_id")
    assert event == {
        "position": 4,
        "stream": "pen-blue",
        "category": "pen",
        "id": "blue",
        "version": 1,
        "type": "Bought",
        "schema_version": 1,
        "occurred_at": recorded_at,
        "tags": ["copies:1"],
        "correlation_id": None,
        "causation_id": None,
        "metadata": {"actor": "ann"},
        "data": {"copies": 1, "note": ""},
    }
    assert len(event_id) == 36


@pytest.mark.parametrize(
    ("options", "versions"),
    [
        ([], [1, 2, 3]),
        (["--after", "1"], [2, 3]),
        (["--limit", "2"], [1, 2]),
        (["--backwards"], [3, 2, 1]),
        (["--backwards", "--limit", "1"], [3]),
        (["--after", "3"], []),
    ],
)
def test_a_stream_can_be_cut(options: list[str], versions: list[int], answer: Json) -> None:
    assert [each["version"] for each in answer("stream", "book-isbn-1", *options)] == versions


def test_hostile_payloads_reach_the_terminal_escaped(shown: Callable[..., str], answer: Json) -> None:
    for out in (shown("streams"), shown("stream", f"book-{HOSTILE}"), shown("tail", "--after", "0", "--limit", "6")):
        assert "[red]x[/red]" in out
    (event,) = answer("stream", f"book-{HOSTILE}")
    assert (event["id"], event["data"]["note"]) == (HOSTILE, HOSTILE)


def test_data_that_is_no_json_is_shown_in_base64(answer: Json, shown: Callable[..., str]) -> None:
    (event,) = answer("stream", "raw-1")
    assert event["data"] == {"format": 1, "base64": "/wA="}
    assert "/wA=" in shown("stream", "raw-1")


def test_an_unknown_stream_has_no_events(store: str, answer: Json, capsys: pytest.CaptureFixture[str]) -> None:
    assert answer("stream", "book-unknown") == []
    assert run(["stream", "book-unknown", "--store", store]) == Exit.OK
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "There are no such events in the stream book-unknown.\n"


# ------------------------------------------------------------------------------- tail


@pytest.mark.parametrize(
    ("options", "positions"),
    [
        (["--limit", "6"], [1, 2, 3, 4, 5, 6]),
        (["--category", "book", "--limit", "4"], [1, 2, 3, 5]),
        (["--category", "pen", "--category", "raw", "--limit", "2"], [4, 6]),
        (["--tag", "copies:1", "--limit", "2"], [1, 4]),
        (["--tag", "copies:1", "--category", "pen", "--limit", "1"], [4]),
        (["--type", "Bought", "--limit", "5"], [1, 2, 3, 4, 5]),
    ],
)
def test_tail_filters(options: list[str], positions: list[int], answer: Json) -> None:
    found = answer("tail", "--after", "0", *options, lines=True)
    assert [each["position"] for each in found] == positions


def test_tail_begins_after_a_position(answer: Json) -> None:
    assert [each["position"] for each in answer("tail", "--after", "4", "--limit", "2", lines=True)] == [5, 6]


# -------------------------------------------------------------------------------- sql


def test_sql_gives_objects_with_ids_as_text(answer: Json) -> None:
    (row,) = answer("sql", "select event_id, position, data, null as missing from events where position = 4")
    assert len(row.pop("event_id")) == 36
    assert row == {"position": 4, "data": '{"copies":1,"note":""}', "missing": None}


def test_columns_of_one_name_are_told_apart(answer: Json) -> None:
    assert answer("sql", "select 1 as a, 2 as a, x'ff' as a_2") == [{"a": 1, "a_2": 2, "a_2_2": "ff"}]


def test_sql_for_people_is_a_table(shown: Callable[..., str]) -> None:
    out = shown("sql", "select category, count(*) as n from events group by category")
    assert [line.split() for line in out.splitlines() if line.strip() and "─" not in line] == [
        ["category", "n"],
        ["book", "4"],
        ["pen", "1"],
        ["raw", "1"],
    ]


@pytest.mark.parametrize(
    "statement",
    [
        "delete from events",
        "update events set type = 'x'",
        "insert into events (type) values ('x')",
        "drop table events",
        "create table x (a)",
        "select 1; delete from events",
        "pragma journal_mode = delete",
        "vacuum",
        "selec",
        "select * from nope",
        "",
    ],
)
def test_sql_only_reads(statement: str, store: str, answer: Json, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["sql", statement, "--store", store]) == Exit.USAGE
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("eventfold: ")
    assert answer("sql", "select count(*) as n from events") == [{"n": 6}]


# ------------------------------------------------------------- stores that are not there

READING = [["streams"], ["stream", "book-1"], ["tail"], ["sql", "select 1"]]


@pytest.mark.parametrize("command", READING, ids=" ".join)
def test_looking_makes_no_store(command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*command, "--store", f"sqlite:///{tmp_path}/none.db"]) == Exit.STORE_UNREACHABLE
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "none.db" in captured.err
    assert captured.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", READING, ids=" ".join)
def test_a_file_that_is_no_store_stays_as_it_is(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "diary.txt"
    file.write_text("dear diary " * 500)
    assert run([*command, "--store", f"sqlite:///{file}"]) == Exit.STORE_UNREACHABLE
    assert "diary.txt" in capsys.readouterr().err
    assert file.read_text() == "dear diary " * 500
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("command", READING, ids=" ".join)
def test_a_database_of_somebody_else_stays_as_it_is(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "other.db"
    connection = apsw.Connection(str(file))
    connection.execute("CREATE TABLE notes (note TEXT)")
    connection.close()
    before = file.read_bytes()
    assert run([*command, "--store", f"sqlite:///{file}"]) == Exit.STORE_UNREACHABLE
    assert "other.db" in capsys.readouterr().err
    assert file.read_bytes() == before


def test_an_empty_store_is_no_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async def make() -> None:
        async with Eventfold().open(f"sqlite:///{tmp_path}/empty.db"):
            pass

    asyncio.run(make())
    for command in (["streams"], ["stream", "book-1"], ["sql", "select * from events"]):
        assert run([*command, "--json", "--store", f"sqlite:///{tmp_path}/empty.db"]) == Exit.OK
        assert json.loads(capsys.readouterr().out) == []


def test_the_store_may_come_from_the_environment(
    store: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVENTFOLD_STORE", store)
    assert run(["streams", "pen", "--json"]) == Exit.OK
    assert len(json.loads(capsys.readouterr().out)) == 1
