"""`eventfold projections` and `eventfold at`, beside an application that runs, on stores that outlive a command."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from eventfold import Projector, Recorded, View
from eventfold.cli.exits import Exit
from eventfold.cli.program import run
from eventfold.cli.projections import bar
from eventfold.processing.rebuild import Progress
from tests.acceptance.world import Added, added, application, record, summing, sums, sums_t, tapes

Asks = Callable[..., Any]

app = application(summing())
newer = application(summing(version=2))


def failing() -> Any:
    projector = Projector("sums", tables=[sums_t], version=2)

    @projector.on(Added)
    def fail(recorded: Recorded[Added], view: View) -> None:
        if recorded.event.n == 7:
            raise RuntimeError("seven")
        added(recorded, view)

    return application(projector)


broken = failing()
HERE = "tests.integration.test_cli_projections"


@pytest.fixture
def ask(url: str, capsys: pytest.CaptureFixture[str]) -> Asks:
    """The command in a thread of its own, for the application goes on in this one."""

    async def asked(*arguments: str, code: Exit = Exit.OK, of: str = "app") -> tuple[str, str]:
        words = [*arguments, "--app", f"{HERE}:{of}", "--store", url]
        given = await asyncio.to_thread(run, words)
        out, err = capsys.readouterr()
        assert given == code, (out, err)
        return out, err

    return asked


async def test_rebuild_verify_switch_rollback_and_drop(url: str, ask: Asks) -> None:
    async with app.open(url) as running:
        for n in range(10):
            await running.execute(tapes, f"t{n % 3}", record(Added(n)))
        await running.settled()
        before = await running.query(sums)
        out, _ = await ask("projections", "rebuild", "sums", "--no-switch")
        assert out == "The new rows of sums wait at position 10; the live ones are as they were.\n"
        out, _ = await ask("projections", "verify", "sums")
        assert out.splitlines()[0] == "sums: 3 rows, the same."
        out, _ = await ask("projections", "switch", "sums", "--verify", "--json")
        told = json.loads(out)
        assert (told["what"], told["switched"], told["position"]) == ("rebuilt", True, 10)
        assert [(each["table"], each["same"], each["live"]["rows"]) for each in told["compared"]] == [("sums", True, 3)]
        out, _ = await ask("projections", "rollback", "sums")
        assert "has its old rows again" in out
        out, _ = await ask("projections", "drop-old", "sums", "--json")
        assert json.loads(out) == {"what": "dropped the old rows", "projector": "sums"}
        _, err = await ask("projections", "drop-old", "sums", code=Exit.USAGE)
        assert "has no old rows" in err
        _, err = await ask("projections", "drop-next", "sums", code=Exit.USAGE)
        assert "has no next rows" in err
        assert await running.query(sums) == before


async def test_rows_that_differ_are_a_finding(url: str, ask: Asks) -> None:
    async with app.open(url) as running:
        await running.execute(tapes, "t", record(Added(1)))
        await running.settled()
        shape, values = running._stores.rows.bind(sums_t.update().values(sum=-17), None)
        async with running._stores.rows.transaction() as transaction:
            await transaction.commit([(shape, [values])], None)
        out, _ = await ask("projections", "rebuild", "sums", "--verify", code=Exit.FINDINGS)
        assert out.splitlines() == [
            "sums: 1 rows, DIFFERENT: 1 live, 1 rebuilt.",
            "The new rows of sums wait at position 1; the live ones are as they were.",
        ]


async def test_newer_code_is_deployed_and_code_that_fails_is_not(url: str, ask: Asks) -> None:
    async with app.open(url) as running:
        for n in (1, 7, 3):
            await running.execute(tapes, "t", record(Added(n)))
        await running.settled()
        _, err = await ask("projections", "rebuild", "sums", code=Exit.FINDINGS, of="broken")
        assert "seven" in err
        assert "the live rows are as they were" in err
        out, _ = await ask("projections", "rebuild", "sums", of="newer")
        assert out == "sums goes on with the new rows, from position 3.\n"
        _, err = await ask("projections", "rebuild", "sums", code=Exit.USAGE)
        assert "version 2 has filled its tables" in err


async def test_rows_as_they_were(url: str, ask: Asks) -> None:
    async with app.open(url) as running:
        for n in (1, 7, 3):
            await running.execute(tapes, "t", record(Added(n)))
        out, _ = await ask("at", "sums", "--position", "2", "--json")
        assert json.loads(out) == [{"tape": "t", "sum": 8}]
        out, _ = await ask("at", "sums", "--time", "2000-01-01T00:00:00")
        assert "as of position 0" in out
        out, _ = await ask("at", "sums", "--time", "2999-01-01T00:00:00Z", "--table", "sums")
        assert "as of position 3" in out


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["at", "sums"], Exit.USAGE, "one of position= and time="),
        (["at", "sums", "--time", "soon"], Exit.USAGE, "--time soon: write 2026-11-01T12:00:00Z"),
        (["at", "sums", "--position", "1", "--table", "x"], Exit.USAGE, "--table x: sums has sums"),
        (["projections", "rebuild", "nobody"], Exit.USAGE, "no projector 'nobody'"),
    ],
)
async def test_what_is_refused(arguments: list[str], code: Exit, sentence: str, url: str, ask: Asks) -> None:
    async with app.open(url):
        _, err = await ask(*arguments, code=code)
        assert sentence in err


async def test_a_store_that_is_none_is_refused(url: str, ask: Asks) -> None:
    _, err = await ask("projections", "rebuild", "sums", code=Exit.STORE_UNREACHABLE)
    assert "is no store of Eventfold yet" in err
    _, err = await ask("projections", "rebuild", "sums", code=Exit.APP_CANNOT_LOAD, of="nothing")
    assert "cannot be loaded" in err


def test_the_bar() -> None:
    assert bar(Progress(500, 1000, 480, 250.0, 2.0)).endswith("]  50%  500 of 1,000  250 a second  2 s left")
    assert bar(Progress(0, 0, 0, 0.0, None)).startswith("[##############################] 100%")
