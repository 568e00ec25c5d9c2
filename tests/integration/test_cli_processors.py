"""`eventfold processors`, beside an application that runs, on every store that outlives a command."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from eventfold import Act, Eventfold, ManualClock, Park, Reactor, Recorded, Retry
from eventfold.bootstrap.stores import open_stores
from eventfold.cli.exits import Exit
from eventfold.cli.processors import time_in_words
from eventfold.cli.program import run
from eventfold.domain.message import from_micros
from eventfold.errors import ProcessorStopped
from tests.acceptance.world import Added, Noted, application, record, stored, summing, sums, tapes
from tests.poison import poisoned

Answers = Callable[..., Any]


@pytest.fixture
def answer(url: str, capsys: pytest.CaptureFixture[str]) -> Answers:
    def ask(*arguments: str, code: Exit = Exit.OK, lines: bool = False) -> Any:
        given = run([*arguments, "--json", "--store", url])
        out, err = capsys.readouterr()
        assert given == code, err
        if lines:
            return [json.loads(line) for line in out.splitlines()]
        return json.loads(out) if out else err

    return ask


async def fill(url: str, *, behind: bool = False) -> None:
    async with application(summing()).open(url) as running:
        await running.execute(tapes, "a", record(Added(1), Added(2)))
        await running.settled()
    if behind:
        async with application().open(url, run=False) as running:
            await running.execute(tapes, "a", record(Noted("not for sums"), Added(3), Added(4)))


async def test_g16_the_list_says_who_runs_a_processor_and_what_is_left(url: str, answer: Answers) -> None:
    async with application(summing()).open(url, lease=timedelta(seconds=20)) as running:
        await running.execute(tapes, "a", record(Added(1)))
        await running.settled()
        (row,) = await asyncio.to_thread(answer, "processors", "ls")
        (owner,) = row["owners"]
        assert (row["state"], row["lag"], row["partitions"], row["query"]) == ("running", 0, 1, [[[], ["Added"], []]])
        assert f":{os.getpid()}:" in owner["owner"]
        assert 0 < owner["seconds"] <= 20
        assert owner["epoch"] > 0
    (row,) = await asyncio.to_thread(answer, "processors", "ls")
    assert (row["state"], row["owners"]) == ("not running", [])


async def test_people_see_the_same(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    await fill(url, behind=True)
    async with application(summing()).open(url):
        assert await asyncio.to_thread(run, ["processors", "ls", "--store", url]) == Exit.OK
    out = capsys.readouterr().out
    assert f":{os.getpid()}:" in out
    for words in ("running", "run by", "behind", "parked", " s)"):
        assert words in out


async def test_g16_lag_counts_what_concerns_the_processor(url: str, answer: Answers) -> None:
    await fill(url, behind=True)
    (row,) = await asyncio.to_thread(answer, "processors", "lag", "sums")
    assert (row["name"], row["lag"], row["lag_exact"], row["state"]) == ("sums", 2, True, "not running")
    assert row["lag_seconds"] > 0


async def test_lag_is_a_finding_beyond_the_limit(
    url: str, answer: Answers, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    await fill(url, behind=True)
    async with application().open(url, run=False) as running:
        oldest = from_micros((await stored(running))[3].recorded_at)
    monkeypatch.setattr("eventfold.adapters.system.system_clock", ManualClock(oldest + timedelta(seconds=61)))
    for limit, code in (("62", Exit.OK), ("61", Exit.OK), ("60.5", Exit.FINDINGS), ("0", Exit.FINDINGS)):
        asked = ["processors", "lag", "--max-seconds", limit, "--store", url]
        assert await asyncio.to_thread(run, asked) == code
        out, err = capsys.readouterr()
        assert "61.0 s" in out
        assert ("sums is 61.0 s behind" in err) == (code == Exit.FINDINGS)
    assert await asyncio.to_thread(run, ["processors", "lag", "sum", "--store", url]) == Exit.USAGE
    assert "there are ['sums']" in capsys.readouterr().err


async def test_what_nobody_knows_is_beyond_every_limit(
    url: str, answer: Answers, capsys: pytest.CaptureFixture[str]
) -> None:
    await fill(url)
    async with open_stores(url, clock=ManualClock(), migrate=False) as stores:
        await stores.rows.prepare("old", version=1, tables=[])
    row = (await asyncio.to_thread(answer, "processors", "lag", "--max-seconds", "9e9", code=Exit.FINDINGS))[0]
    assert (row["name"], row["lag"], row["lag_exact"], row["lag_seconds"]) == ("old", None, False, None)
    assert await asyncio.to_thread(run, ["processors", "ls", "--store", url]) == Exit.OK
    assert "unknown" in capsys.readouterr().out


async def test_lag_is_watched_until_it_is_beyond_the_limit(
    url: str, answer: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(url)
    monkeypatch.setattr("eventfold.cli.processors.LOOK", 0.01)

    async def fall_behind() -> None:
        async with application().open(url, run=False) as running:
            await asyncio.sleep(0.3)
            await running.execute(tapes, "a", record(Added(3)))

    asked = asyncio.to_thread(
        answer, "processors", "lag", "--watch", "--max-seconds", "0", code=Exit.FINDINGS, lines=True
    )
    rows, _ = await asyncio.gather(asked, fall_behind())
    assert [row["lag"] for row in rows] == [0] * (len(rows) - 1) + [1]
    assert len(rows) > 1


# ------------------------------------------------------------------------------ reset


async def test_i10_a_processor_that_runs_starts_over_by_itself(url: str, answer: Answers) -> None:
    await fill(url)
    async with application(summing()).open(url) as running:
        await running.settled()
        (before,) = await asyncio.to_thread(answer, "processors", "ls")
        row = await asyncio.to_thread(answer, "processors", "reset", "sums")
        assert (row["position"], row["version"], row["lag"]) == (0, 0, 2)
        async with asyncio.timeout(30):
            while row["position"] != 2 or not row["owners"]:
                (row,) = await asyncio.to_thread(answer, "processors", "ls")
        assert (row["version"], row["state"], row["error"]) == (1, "running", None)
        assert row["owners"][0]["epoch"] > before["owners"][0]["epoch"]
        assert await running.query(sums) == [("a", 3)]
        outcome = await running.execute(tapes, "a", record(Added(4)))
        await running.wait_for("sums", outcome.position)
        assert await running.query(sums) == [("a", 7)]


async def test_people_are_told_when_it_starts_over(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    await fill(url)

    async def told(*arguments: str) -> str:
        assert await asyncio.to_thread(run, ["processors", *arguments, "sums", "--store", url]) == Exit.OK
        return capsys.readouterr().out

    assert "at its next start" in await told("reset")
    async with application(summing()).open(url):
        assert "within seconds, by who runs it" in await told("reset")
        await told("pause")
        assert "when it is resumed" in await told("reset")


def mails(sent: list[int]) -> Eventfold:
    reactor = Reactor("mails", start="beginning", on_error=Park())

    @reactor.on(Added)
    async def send(recorded: Recorded[Added], act: Act) -> None:
        sent.append(recorded.event.n)

    return Eventfold(deciders=[tapes], processors=[reactor])


async def test_i11_a_reactor_starts_over_only_when_side_effects_are_allowed(url: str, answer: Answers) -> None:
    sent: list[int] = []

    async def work(*numbers: int) -> None:
        async with mails(sent).open(url) as running:
            await running.execute(tapes, "a", record(*map(Added, numbers)))
            await running.settled()

    await work(1, 2)
    refused = await asyncio.to_thread(answer, "processors", "reset", "mails", code=Exit.USAGE)
    assert "--allow-side-effects" in refused
    await work(3)
    assert sent == [1, 2, 3]
    row = await asyncio.to_thread(answer, "processors", "reset", "mails", "--allow-side-effects")
    assert (row["kind"], row["position"]) == ("reactor", 0)
    await work(4)
    assert sent == [1, 2, 3, 1, 2, 3, 4]


# ----------------------------------------------------------------------------- doctor


async def test_the_doctor_finds_what_nobody_runs(url: str, answer: Answers, monkeypatch: pytest.MonkeyPatch) -> None:
    await fill(url, behind=True)
    async with application().open(url, run=False) as running:
        oldest = from_micros((await stored(running))[3].recorded_at)

    async def findings(seconds: int, code: Exit) -> list[dict[str, str]]:
        monkeypatch.setattr("eventfold.adapters.system.system_clock", ManualClock(oldest + timedelta(seconds=seconds)))
        found: list[dict[str, str]] = (await asyncio.to_thread(answer, "doctor", code=code))["findings"]
        return found

    assert await findings(59, Exit.OK) == []
    (finding,) = await findings(180, Exit.FINDINGS)
    assert "nobody runs processor 'sums', which is 3 min behind" in finding["what"]
    assert finding["command"].startswith("eventfold processors lag sums --store ")
    monkeypatch.undo()
    async with open_stores(url, clock=ManualClock(oldest), migrate=False) as stores:
        await stores.leases.take("sums", 0, "somebody", seconds=3_600)
    assert await findings(180, Exit.OK) == []


async def test_the_doctor_finds_what_is_parked_and_what_has_stopped(url: str, answer: Answers) -> None:
    async def findings() -> list[tuple[str, str]]:
        told = await asyncio.to_thread(answer, "doctor", code=Exit.FINDINGS)
        return [(each["what"], each["command"].partition(" --store ")[0]) for each in told["findings"]]

    async with application(poisoned([1], on_error=Park())).open(url) as running:
        await running.execute(tapes, "a", record(Added(1), Added(2)))
        await running.settled()
        assert await findings() == [("processor 'sums' has 2 parked events", "eventfold parked ls sums")]
    async with application(poisoned([3], on_error=Retry.constant(0.01))).open(url) as running:
        await running.execute(tapes, "b", record(Added(3)))
        async with asyncio.timeout(30):
            while running.status()["sums"].error is None:  # noqa: ASYNC110 - a moment that nobody rings for
                await asyncio.sleep(0.01)
        (what, command), _ = await findings()
        assert "processor 'sums' tries again at 2, after: " in what
        assert "3 is poison" in what
        assert command == "eventfold processors ls"
    async with application(poisoned([3])).open(url) as running:
        with pytest.raises(ProcessorStopped):
            await running.wait_for("sums", 3)
    (what, command), _ = await findings()
    assert "processor 'sums' has stopped at 2: " in what
    assert command == "eventfold processors ls"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(None, "unknown"), (0.0, "0 s"), (0.04, "0.0 s"), (59.96, "60.0 s"), (119.0, "119.0 s"), (120.0, "2 min")],
)
def test_times_are_short(seconds: float | None, words: str) -> None:
    assert time_in_words(seconds) == words
    assert time_in_words(7_200) == "2 h"
    assert time_in_words(86_400 * 3) == "3 d"
