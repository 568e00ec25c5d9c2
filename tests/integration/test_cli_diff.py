"""`eventfold diff`: rows, documents and states between two points of the log."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from eventfold.cli.exits import Exit
from eventfold.cli.program import run
from tests.acceptance.test_k12_documents import totals
from tests.acceptance.world import Added, Noted, application, record, summing, tapes

Asks = Callable[..., Any]
app = application(summing(), totals())
HERE = "tests.integration.test_cli_diff"


@pytest.fixture
async def ask(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Asks:
    """Asks about a log of five events in two streams."""
    monkeypatch.delenv("COLUMNS", raising=False)
    url = f"sqlite:///{tmp_path}/e.db"
    async with app.open(url) as running:
        await running.execute(tapes, "a", record(Added(1)))
        await running.execute(tapes, "b", record(Added(5)))
        await running.execute(tapes, "a", record(Added(2), Noted("two")))
        await running.execute(tapes, "c", record(Added(9)))

    async def asked(*arguments: str, code: Exit = Exit.OK) -> tuple[str, str]:
        given = await asyncio.to_thread(run, ["diff", *arguments, "--app", f"{HERE}:app", "--store", url])
        out, err = capsys.readouterr()
        assert given == code, (out, err)
        return out, err

    return asked


async def test_rows_between_two_positions(ask: Asks) -> None:
    out, _ = await ask("sums", "--from", "2", "--json")
    assert json.loads(out) == {
        "projector": "sums",
        "table": "sums",
        "from": 2,
        "to": 5,
        "changes": [
            {"key": "a", "change": "changed", "fields": {"sum": {"before": 1, "after": 3}}},
            {
                "key": "c",
                "change": "added",
                "fields": {"tape": {"before": None, "after": "c"}, "sum": {"before": None, "after": 9}},
            },
        ],
    }
    out, _ = await ask("sums", "--from", "5", "--to", "2", "--row", "c")
    assert [line.split() for line in out.splitlines() if "removed" in line] == [
        ["c", "removed", "tape", "c"],
        ["c", "removed", "sum", "9"],
    ]
    out, _ = await ask("sums", "--from", "2999-01-01T00:00:00Z")
    assert "no difference" in out
    out, _ = await ask("sums", "--from", "2000-01-01T00:00:00Z", "--to", "1", "--json")
    assert [each["key"] for each in json.loads(out)["changes"]] == ["a"]


async def test_a_document_field_by_field(ask: Asks) -> None:
    out, _ = await ask("totals", "--from", "2", "--row", "a", "--json")
    (change,) = json.loads(out)["changes"]
    assert change["fields"] == {
        "version": {"before": 1, "after": 3},
        "position": {"before": 1, "after": 4},
        "document.sum": {"before": 1, "after": 3},
        "document.notes": {"before": [], "after": ["two"]},
        "document.last": {"before": 1, "after": 3},
    }


async def test_the_state_of_an_aggregate_between_two_versions(ask: Asks) -> None:
    out, _ = await ask("tape-a", "--from", "1", "--json")
    found = json.loads(out)
    assert (found["from"], found["to"], [each["version"] for each in found["events"]]) == (1, 3, [2, 3])
    assert found["changes"][0]["fields"] == {
        "sum": {"before": 1, "after": 3},
        "notes": {"before": [], "after": ["two"]},
    }
    out, _ = await ask("tape-a", "--from", "0", "--to", "1")
    assert ["changed", "sum", "0", "1"] in [line.split() for line in out.splitlines()]
    out, _ = await ask("tape-nobody", "--from", "2000-01-01T00:00:00")
    assert "no difference" in out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["sums", "--from", "soon"], "--from/--to soon: write 2026-11-01T12:00:00Z"),
        (["sums", "--from", "1", "--table", "x"], "--table x: sums has sums"),
        (["nobody-1", "--from", "1"], "neither a projector nor a stream"),
        (["nobody", "--from", "1", "--row", "a"], "no projector 'nobody'"),
    ],
)
async def test_what_is_refused(arguments: list[str], sentence: str, ask: Asks) -> None:
    _, err = await ask(*arguments, code=Exit.USAGE)
    assert sentence in err
