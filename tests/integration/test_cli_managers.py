"""`eventfold managers`, beside an application that runs and without one, on every store that outlives a command."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any, TypeAlias

import pytest

from eventfold import Query
from eventfold.cli.exits import Exit
from eventfold.cli.program import run
from eventfold.ports.timers import Gone, Timer
from tests.acceptance.test_fm18_managers import HOUR, application, names, out, planned, soon, until, watching
from tests.acceptance.world import Added, Noted, Server, record, stored, tapes

Answers: TypeAlias = Callable[..., Coroutine[Any, Any, Any]]
WHO = ["--actor", "ops", "--reason", "a test"]


@pytest.fixture
def answer(url: str, capsys: pytest.CaptureFixture[str]) -> Answers:
    async def ask(*arguments: str, code: Exit = Exit.OK, as_json: bool = True) -> Any:
        words = ["managers", *arguments, *(["--json"] if as_json else []), "--store", url]
        given = await asyncio.to_thread(run, words)
        out, err = capsys.readouterr()
        assert given == code, err
        return json.loads(out) if out and as_json else out or err

    return ask


async def test_g18_processes_are_listed_and_shown_without_the_application(url: str, answer: Answers) -> None:
    async with Server(url).open(application(watching(after=HOUR))) as running:
        await running.execute(tapes, "b", record(Added(1)))
        await running.execute(tapes, "a", record(Added(1), Noted("ring")))
        await running.execute(tapes, "c", record(Added(1), Noted("end")))
        await running.settled()
    listed = await answer("ls")
    assert [(each["id"], each["state"], each["inputs"], each["last_input"]) for each in listed] == [
        ("a", "open", 2, "Noted"),
        ("b", "open", 1, "Added"),
    ]
    assert listed[0]["manager"] == "watch"
    assert listed[0]["version"] == 1
    assert listed[0]["next_timeout"] is not None
    assert [each["state"] for each in await answer("ls", "watch", "--all")] == ["open", "open", "completed"]
    assert len(await answer("ls", "--limit", "1")) == 1
    assert "no process manager" in await answer("ls", "nobody", code=Exit.USAGE)
    shown = await answer("show", "watch", "a")
    assert [each["key"] for each in shown["timeouts"]] == ["late"]
    assert [each["type"] for each in shown["story"]] == [
        f"eventfold:{each}" for each in ("Seen", "Scheduled", "Seen", "Emitted")
    ]
    assert "Scheduled" in await answer("show", "watch", "a", as_json=False)
    assert "has no process 'z'" in await answer("show", "watch", "z", code=Exit.USAGE)


async def test_g18_one_that_has_had_no_input_for_too_long_is_stuck(url: str, answer: Answers) -> None:
    manager = watching(after=HOUR, stuck_after=timedelta(seconds=0.3))
    async with Server(url).open(application(manager)) as running:
        await running.execute(tapes, "a", record(Added(1)))
        await running.execute(tapes, "end", record(Noted("end")))
        await running.settled()
        assert await answer("ls", "--stuck") == []
        await asyncio.sleep(0.5)
        (stuck,) = await answer("ls", "--stuck", code=Exit.FINDINGS)
        assert (stuck["id"], stuck["state"]) == ("a", "stuck")
        await running.execute(tapes, "a", record(Noted("x")))
        await running.settled()
        assert await answer("ls", "--stuck") == []


async def test_g18_one_that_is_cancelled_does_nothing_any_more(url: str, answer: Answers) -> None:
    async with Server(url).open(application(watching(after=HOUR))) as running:
        await running.execute(tapes, "a", record(Added(1)))
        await running.settled()
        assert (await answer("cancel", "watch", "a", *WHO))["state"] == "cancelled"
        await running.execute(tapes, "a", record(Added(2), Noted("ring")))
        await running.settled()
        assert list(await planned(running)) == []
        assert await names(running, "a") == ["Seen", "Scheduled", "Stopped"]
        assert running.status()["watch"].ignored == 2
    assert "is cancelled already" in await answer("cancel", "watch", "a", *WHO, code=Exit.CONFLICT)
    assert "is cancelled already" in await answer("nudge", "watch", "a", code=Exit.CONFLICT)


async def test_g18_a_nudge_does_what_was_left_undone_and_nothing_twice(url: str, answer: Answers) -> None:
    async with Server(url).open(application(watching(after=HOUR))) as running:
        await running.execute(tapes, "a", record(Noted("ring"), Added(1)))
        await running.settled()
        before = await planned(running)
        await running._stores.timers.keep([], [_gone(each) for each in before])  # as if somebody had lost them
        assert list(await planned(running)) == []
        await answer("nudge", "watch", "a", "--actor", "ops", "--reason", "lost rows")
        await running.settled()
        assert list(await planned(running)) == list(before)
        await answer("nudge", "watch", "a")
        await running.settled()
        assert len(await stored(running, Query.of("Rung"))) == 1
        assert await out(running) == []


async def test_g18_a_time_out_can_be_let_come_before_its_time_once(url: str, answer: Answers) -> None:
    async with Server(url).open(application(watching(after=HOUR))) as running:
        await running.execute(tapes, "a", record(Added(1)))
        await running.settled()
        assert "has no time-out 'x' planned; it has 'late'" in await answer(
            "nudge", "watch", "a", "--timer", "x", code=Exit.USAGE
        )
        await answer("nudge", "watch", "a", "--timer", "late")
        await until(running, 1)

        async def none_planned() -> bool:
            return not await planned(running)

        await soon(none_planned)
        assert len(await out(running)) == 1
        assert (await names(running, "a")).count("TimedOut") == 1


def _gone(timer: Timer) -> Gone:
    return Gone(timer.manager, timer.instance, timer.key, timer.schedule_position)
