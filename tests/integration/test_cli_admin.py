"""`eventfold admin`, on every store that outlives a command."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from eventfold.cli.exits import Exit
from eventfold.cli.program import run
from tests.acceptance.world import Added, Noted, application, record, tapes
from tests.postgres import PostgresServer

Answers = Callable[..., Any]
WHO = ["--actor", "ops", "--reason", "a test"]


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/e.db"
    server: PostgresServer = request.getfixturevalue("postgres")
    return f"{server.url}?schema={request.getfixturevalue('postgres_schema')}"


@pytest.fixture
def ids(url: str) -> list[str]:
    """Of three events of the stream tape-a."""

    async def fill() -> list[str]:
        async with application().open(url) as running:
            outcome = await running.execute(tapes, "a", record(Added(1), Noted("secret"), Added(3)))
            return [str(each.event_id) for each in outcome.events]

    return asyncio.run(fill())


@pytest.fixture
def answer(url: str, capsys: pytest.CaptureFixture[str]) -> Answers:
    def ask(*arguments: str, code: Exit = Exit.OK) -> Any:
        given = run([*arguments, "--json", "--store", url])
        out, err = capsys.readouterr()
        assert given == code, err
        return json.loads(out) if out else err

    return ask


def test_c11_a_stream_is_deleted(ids: list[str], answer: Answers) -> None:
    mark = answer("admin", "delete", "tape-a", "--yes", *WHO)
    assert (mark["stream"], mark["state"], mark["pending"], mark["actor"]) == ("tape-a", "deleted", False, "ops")
    assert answer("stream", "tape-a") == answer("streams") == []
    assert "no stream tape-a" in answer("admin", "delete", "tape-a", "--yes", *WHO, code=Exit.FINDINGS)
    assert answer("admin", "sweep") == []
    assert [each["action"] for each in answer("admin", "audit")] == ["delete"]


def test_what_was_done_on_purpose_is_no_damage(ids: list[str], answer: Answers, url: str) -> None:
    async def fill() -> None:
        async with application().open(url) as running:
            for name in ("b", "c"):
                await running.execute(tapes, name, record(Added(1), Added(2)))

    asyncio.run(fill())
    answer("admin", "erase", ids[1], "--yes", *WHO)
    answer("admin", "delete", "tape-b", "--yes", *WHO)
    answer("admin", "truncate", "tape-c", "--before-version", "2", "--yes", *WHO)
    assert answer("doctor", "--deep")["findings"] == []
    assert answer("stats")["events"] == 5


def test_c12_events_are_found_replaced_and_erased(ids: list[str], answer: Answers, tmp_path: Path) -> None:
    first, second, third = ids
    assert answer("admin", "find", second)["data"] == {"text": "secret"}
    assert answer("admin", "replace", first, "--data", '{"n": 7}', "--yes", *WHO)["data"] == {"n": 7}
    (tmp_path / "payload.json").write_text('{"n": 8}')
    assert answer("admin", "replace", third, "--file", str(tmp_path / "payload.json"), "--yes", *WHO)["version"] == 3
    erased = answer("admin", "erase", second, "--yes", *WHO)
    assert (erased["data"], erased["version"]) == (None, 2)
    assert [each["data"] for each in answer("stream", "tape-a")] == [{"n": 7}, None, {"n": 8}]
    audit = answer("admin", "audit")
    assert [(each["action"], each["event_id"]) for each in audit] == [
        ("replace", first),
        ("replace", third),
        ("erase", second),
    ]
    assert answer("admin", "audit", "--after", str(audit[1]["number"])) == audit[2:]
    assert "no event" in answer("admin", "find", str(UUID(int=1)), code=Exit.FINDINGS)
    assert "no event" in answer("admin", "erase", str(UUID(int=1)), "--yes", *WHO, code=Exit.USAGE)


def test_c11_a_stream_is_truncated(ids: list[str], answer: Answers) -> None:
    mark = answer("admin", "truncate", "tape-a", "--before-version", "3", "--yes", *WHO)
    assert (mark["state"], mark["before_version"]) == ("truncated", 3)
    assert [each["version"] for each in answer("stream", "tape-a")] == [3]
    for version, code in (("2", Exit.FINDINGS), ("4", Exit.USAGE)):
        answer("admin", "truncate", "tape-a", "--before-version", version, "--yes", *WHO, code=code)


@pytest.mark.parametrize("payload", ["", "{", "\udcff"])
def test_what_is_no_json_is_no_payload(payload: str, ids: list[str], answer: Answers) -> None:
    assert "no JSON" in answer("admin", "replace", ids[0], "--data", payload, "--yes", *WHO, code=Exit.USAGE)
    assert "give the payload" in answer("admin", "replace", ids[0], "--yes", *WHO, code=Exit.USAGE)
    assert answer("admin", "audit") == []


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_nothing_is_done_unless_the_name_is_typed_once_more(
    ids: list[str], answer: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    acts = (
        (["delete", "tape-a"], "tape-a"),
        (["truncate", "tape-a", "--before-version", "2"], "tape-a"),
        (["replace", ids[0], "--data", "{}"], ids[0]),
        (["erase", ids[2]], ids[2]),
    )
    monkeypatch.setattr("sys.stdin", io.StringIO("tape-a\n"))
    for act, _ in acts:
        assert "say --yes" in answer("admin", *act, *WHO, code=Exit.USAGE)
    for act, _ in acts:
        monkeypatch.setattr("sys.stdin", Terminal("yes\n"))
        assert "nothing was done" in answer("admin", *act, *WHO, code=Exit.USAGE)
    assert answer("admin", "audit") == []
    for act, name in reversed(acts):
        monkeypatch.setattr("sys.stdin", Terminal(f"{name}\n"))
        answer("admin", *act, *WHO)
    assert len(answer("admin", "audit")) == 4


def test_an_act_needs_actor_and_reason(ids: list[str], answer: Answers) -> None:
    answer("admin", "delete", "tape-a", "--yes", "--actor", "ops", code=Exit.USAGE)
    assert "reason" in answer("admin", "delete", "tape-a", "--yes", "--actor", "ops", "--reason", " ", code=Exit.USAGE)
    assert len(answer("stream", "tape-a")) == 3


def test_people_are_told_in_sentences(ids: list[str], url: str, capsys: pytest.CaptureFixture[str]) -> None:
    run(["admin", "find", ids[0], "--store", url])
    run(["admin", "delete", "tape-a", "--yes", *WHO, "--store", url])
    run(["admin", "audit", "--store", url])
    run(["admin", "sweep", "--store", url])
    out = capsys.readouterr().out
    for words in ("tape-a is deleted.", "a test", "Nothing is left to remove.", ids[0]):
        assert words in out
