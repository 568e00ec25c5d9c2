"""`eventfold parked`, with and without an application that runs, on every store that outlives a command."""

from __future__ import annotations

import asyncio
import getpass
import json
import stat
import sys
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from eventfold import Act, Eventfold, Park, Reactor, Recorded, Skip, system_clock
from eventfold.bootstrap.stores import open_stores
from eventfold.cli.exits import Exit
from eventfold.cli.program import run
from eventfold.domain.message import NewEvent, Stream
from eventfold.ports.actions import Action
from eventfold.ports.event_store import Append
from tests.acceptance.world import Added, Noted, application, record, stored, summing, sums, tapes
from tests.poison import poisoned
from tests.postgres import PostgresServer

Answers: TypeAlias = Callable[..., Coroutine[Any, Any, Any]]
WHO = ["--actor", "ops", "--reason", "a test"]


@pytest.fixture(autouse=True)
def looking_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eventfold.processing.worker.LOOK", 0.02)


@pytest.fixture
def answer(url: str, capsys: pytest.CaptureFixture[str]) -> Answers:
    """What a command says to a program, or on standard error; beside an application that goes on meanwhile."""

    async def ask(*arguments: str, code: Exit = Exit.OK) -> Any:
        given = await asyncio.to_thread(run, ["parked", *arguments, "--json", "--store", url])
        out, err = capsys.readouterr()
        assert given == code, err
        assert out.replace("\n", "").isprintable()
        return json.loads(out) if out else err

    return ask


@pytest.fixture
def told(url: str, capsys: pytest.CaptureFixture[str]) -> Answers:
    """What a command says to people."""

    async def ask(*arguments: str, code: Exit = Exit.OK) -> str:
        given = await asyncio.to_thread(run, ["parked", *arguments, "--store", url])
        out, err = capsys.readouterr()
        assert given == code, err
        assert (out + err).replace("\n", "").isprintable()
        return str(out + err)

    return ask


async def park(url: str) -> None:
    """Of the stream tape-a the event at 2 is parked, and 3 and 5 behind it; of tape-b the one at 6."""
    async with application(poisoned([2], on_error=Park())).open(url) as running:
        await running.execute(tapes, "a", record(Added(1), Added(2), Added(3)))
        await running.execute(tapes, "b", record(Added(10)))
        await running.execute(tapes, "a", record(Added(4)))
        await running.execute(tapes, "b", record(Added(2)))
        await running.settled()


async def handled(url: str) -> list[tuple[Any, ...]]:
    """Once a processor that can bear everything has done what is left and asked for."""
    async with application(summing()).open(url) as running:
        await running.settled()
        async with asyncio.timeout(30):
            while any(each.wish for each in await running._stores.parking.parked("sums")):  # noqa: ASYNC110 - see the store
                await asyncio.sleep(0.01)
        return await running.query(sums)


# ---------------------------------------------------------------------------- ls, show


async def test_g16_what_is_parked_is_listed(url: str, answer: Answers, told: Answers) -> None:
    await park(url)
    rows = await answer("ls")
    assert [(row["processor"], row["position"], row["stream"], row["state"]) for row in rows] == [
        ("sums", 2, "tape-a", "parked"),
        ("sums", 3, "tape-a", "behind"),
        ("sums", 5, "tape-a", "behind"),
        ("sums", 6, "tape-b", "parked"),
    ]
    assert (rows[0]["type"], rows[0]["attempts"], rows[0]["error"]) == ("Added", 1, "ValueError: 2 is poison")
    assert await answer("ls", "sums") == rows
    assert "there are ['sums']" in await answer("ls", "sum", code=Exit.USAGE)
    shown = await told("ls", "sums", "--limit", "2")
    assert "ValueError: 2 is poison" in shown
    assert "tape-b" not in shown
    assert "These are the first 2" in shown


async def test_what_was_resolved_or_skipped_is_listed_with_all(url: str, answer: Answers, told: Answers) -> None:
    assert await _prepared(url) == []
    assert await answer("ls") == []
    assert "Nothing is parked." in await told("ls")
    async with application(poisoned([2], on_error=Skip())).open(url) as running:
        await running.execute(tapes, "a", record(Added(1), Added(2)))
        await running.settled()
    assert await answer("ls") == []
    (row,) = await answer("ls", "--all")
    assert (row["position"], row["state"], row["attempts"]) == (2, "skipped", 1)


async def _prepared(url: str) -> list[tuple[Any, ...]]:
    async with application(summing()).open(url) as running:
        return await running.query(sums)


async def test_an_event_is_shown_with_all_that_is_known(
    url: str, answer: Answers, told: Answers, capsys: pytest.CaptureFixture[str]
) -> None:
    await park(url)
    found = await answer("show", "sums", "2")
    await asyncio.to_thread(run, ["event", "--position", "2", "--json", "--store", url])
    assert found["event"] == json.loads(capsys.readouterr().out)
    assert found["parked"] == (await answer("ls"))[0]
    assert (found["first"], [each["position"] for each in found["behind"]]) == (2, [3, 5])
    assert "It stands behind the event at 2" in await told("show", "sums", "5")
    assert found["actions"] == []
    shown = await told("show", "sums", "2")
    for words in ("2 is poison", "Behind it in its stream: 2", '{"n":2}'):
        assert words in shown
    for nothing in (("sums", "1"), ("sums", "99"), ("sum", "2")):
        assert "has parked nothing at position" in await answer("show", *nothing, code=Exit.FINDINGS)


async def test_hostile_errors_and_payloads_reach_the_terminal_escaped(url: str, told: Answers, answer: Answers) -> None:
    hostile = "[red]x[/red]\x1b[2J\u202e"
    reactor = Reactor("mails", start="beginning", on_error=Park())

    @reactor.on(Noted)
    async def note(recorded: Recorded[Noted], act: Act) -> None:
        raise ValueError(hostile)

    async with Eventfold(deciders=[tapes], processors=[reactor]).open(url) as running:
        await running.execute(tapes, hostile, record(Noted(hostile)))
        await running.settled()
    assert "[red]x[/red]" in await told("ls")
    await answer("edit", "mails", "1", "--data", json.dumps({"text": hostile + "!"}), *WHO)
    assert "[red]x[/red]" in await told("show", "mails", "1")
    assert (await answer("show", "mails", "1"))["parked"]["edited"] == {"text": hostile + "!"}


async def test_an_event_that_is_gone_is_shown_as_gone(url: str, answer: Answers, told: Answers) -> None:
    await park(url)
    async with open_stores(url, clock=system_clock, migrate=False) as stores:
        await stores.administration.delete(Stream("tape", "a"), actor="ops", reason="a test")
    assert (await answer("show", "sums", "2"))["event"] is None
    assert "The event is gone" in await told("show", "sums", "2")
    assert "an administrator has removed" in await answer("edit", "sums", "2", "--data", "{}", *WHO, code=Exit.USAGE)
    await answer("retry", "sums", "2")
    assert await handled(url) == [("a", 1), ("b", 10)]
    assert (await answer("show", "sums", "2"))["parked"]["resolution"] == "gone"


# ------------------------------------------------------------------------------- retry


async def test_fm17_what_is_asked_for_is_done_when_the_processor_runs(url: str, answer: Answers, told: Answers) -> None:
    await park(url)
    assert "it is handled when somebody runs sums; nobody does now" in await told("retry", "sums", "2")
    entry = (await answer("ls"))[0]
    assert (entry["state"], entry["wish"], entry["actor"]) == ("to be retried", "retry", getpass.getuser())
    assert await handled(url) == [("a", 10), ("b", 10)]
    assert [(row["position"], row["state"]) for row in await answer("ls", "--all")] == [
        (2, "retried"),
        (3, "retried"),
        (5, "retried"),
        (6, "parked"),
    ]


async def test_fm17_one_waits_for_what_comes_of_it(url: str, answer: Answers, told: Answers) -> None:
    await park(url)
    bad = {2}
    async with application(poisoned(bad, on_error=Park())).open(url) as running:
        began = time.monotonic()
        entry = await answer("retry", "sums", "2", "--wait", "30", code=Exit.FINDINGS)
        assert time.monotonic() - began < 25  # it does not wait once there is an answer
        assert (entry["attempts"], entry["wish"], entry["resolution"]) == (2, None, None)
        again = await told("retry", "sums", "2", "--wait", "30", code=Exit.FINDINGS)
        assert "The event at 2 has failed again (attempt 3): ValueError: 2 is poison" in again
        bad.clear()
        assert "The event at 2 is retried." in await told("retry", "sums", "2", "--wait", "30", *WHO)
        async with asyncio.timeout(30):
            while len(await answer("ls")) != 1:
                pass
        assert await running.query(sums) == [("a", 10), ("b", 10)]
        assert "is retried already" in await answer("retry", "sums", "2", code=Exit.USAGE)


async def test_a_wait_has_an_end_and_says_why_nothing_came_of_it(url: str, told: Answers, answer: Answers) -> None:
    await park(url)
    said = await told("retry", "sums", "2", "--wait", "0.2", code=Exit.FINDINGS)
    assert "The event at 2 is not resolved within 0.2 s: it is handled when somebody runs sums" in said
    async with open_stores(url, clock=system_clock, migrate=False) as stores:
        await stores.rows.pause("sums", paused=True)
    async with application(summing()).open(url):
        said = await told("retry", "sums", "2", "--wait", "0.2", code=Exit.FINDINGS)
        assert "it is handled when sums is resumed" in said
        entry = await answer("retry", "sums", "2", "--wait", "0.2", code=Exit.FINDINGS)
        assert entry["wish"] == "retry"


async def test_all_are_the_first_of_each_stream_without_those_to_be_dropped(url: str, answer: Answers) -> None:
    async with application(poisoned([2], on_error=Park())).open(url) as running:
        for name in ("a", "b", "c"):
            await running.execute(tapes, name, record(Added(2), Added(3)))
        await running.settled()
    await answer("drop", "sums", "3", *WHO)
    rows = await answer("retry", "sums", "--all", "--reason", "a new release")
    assert [(row["position"], row["state"], row["reason"]) for row in rows] == [
        (1, "to be retried", "a new release"),
        (5, "to be retried", "a new release"),
    ]
    assert await handled(url) == [("a", 5), ("b", 3), ("c", 5)]
    assert await answer("retry", "sums", "--all") == []


async def test_what_cannot_be_asked_for_is_refused(url: str, answer: Answers) -> None:
    await park(url)
    refused = (
        (["retry", "sums", "3"], "stands behind the one at 2"),
        (["retry", "sums", "1"], "has parked nothing at position 1"),
        (["retry", "sum", "2"], "there are ['sums']"),
        (["retry", "sums"], "--all"),
        (["retry", "sums", "2", "--all"], "--all"),
        (["retry", "sums", "--all", "--unknown", "done"], "one by one"),
        (["retry", "sums", "2", "--result", "1"], "--unknown"),
        (["retry", "sums", "2", "--unknown", "repeat"], "nothing of it is unknown"),
        (["drop", "sums", "1", *WHO], "has parked nothing at position 1"),
        (["drop", "sums", "2", "--actor", "ops"], "reason"),
        (["drop", "sums", "2", "--actor", "ops", "--reason", " "], "reason"),
        (["edit", "sums", "1", "--data", "{}", *WHO], "has parked nothing at position 1"),
        (["edit", "sums", "2", "--data", "{}"], "actor"),
        (["retry", "sums", "0"], "POSITION"),
    )
    before = await answer("ls", "--all")
    for arguments, words in refused:
        assert words in await answer(*arguments, code=Exit.USAGE), arguments
    assert await answer("ls", "--all") == before


# -------------------------------------------------------------------------------- drop


async def test_fm17_a_dropped_event_is_left_and_those_behind_follow(url: str, answer: Answers, told: Answers) -> None:
    await park(url)
    async with application(summing()).open(url) as running:
        entry = await answer("drop", "sums", "2", "--wait", "30", *WHO)
        assert (entry["resolution"], entry["actor"], entry["reason"]) == ("dropped", "ops", "a test")
        assert "The event at 6 is dropped." in await told("drop", "sums", "6", "--wait", "30", *WHO)
        async with asyncio.timeout(30):
            while await answer("ls"):
                pass
        assert await running.query(sums) == [("a", 8), ("b", 10)]


# -------------------------------------------------------------------------------- edit


async def test_fm17_the_processor_gets_edited_data_and_the_log_stays(
    url: str, answer: Answers, told: Answers, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await park(url)
    assert (await answer("edit", "sums", "2", "--data", '{"n": 20}', *WHO))["edited"] == {"n": 20}
    (tmp_path / "data.json").write_text('{"n": 30}')
    said = await told("edit", "sums", "2", "--file", str(tmp_path / "data.json"), *WHO)
    assert '-  "n": 2\n' in said
    assert '+  "n": 30\n' in said
    assert "eventfold parked retry sums 2" in said
    shown = await told("show", "sums", "2")
    assert '+  "n": 30\n' in shown
    await answer("retry", "sums", "2")
    assert await handled(url) == [("a", 1 + 30 + 3 + 4), ("b", 10)]
    async with application().open(url, run=False) as running:
        assert (await stored(running))[1].data == b'{"n":2}'
    assert await asyncio.to_thread(run, ["admin", "audit", "--json", "--store", url]) == Exit.OK
    assert [(each["actor"], each["reason"]) for each in json.loads(capsys.readouterr().out)] == [("ops", "a test")] * 2
    assert "is retried already" in await answer("edit", "sums", "2", "--data", "{}", *WHO, code=Exit.USAGE)


@pytest.mark.parametrize("payload", ["", "{", "{'n': 1}", "\udcff"])
async def test_what_is_no_json_is_no_data(payload: str, url: str, answer: Answers, tmp_path: Path) -> None:
    await park(url)
    assert "no JSON" in await answer("edit", "sums", "2", "--data", payload, *WHO, code=Exit.USAGE)
    (tmp_path / "payload").write_bytes(payload.encode("utf-8", "surrogateescape"))
    assert "no JSON" in await answer("edit", "sums", "2", "--file", str(tmp_path / "payload"), *WHO, code=Exit.USAGE)
    assert (await answer("show", "sums", "2"))["parked"]["edited"] is None


async def test_data_in_another_format_is_not_edited(url: str, answer: Answers) -> None:
    async with application(summing()).open(url) as running:
        await running.settled()
        raw = NewEvent(event_id=b"1" * 16, type="Added", data=b"\xff\x00", format=1)
        await running.sink.append(Append(Stream("tape", "a"), [raw]))
    async with application(poisoned([2], on_error=Park())).open(url) as running:
        await running.settled()
    refused = await answer("edit", "sums", "1", "--data", '{"n": 1}', *WHO, code=Exit.USAGE)
    assert "has format 1, not JSON" in refused
    assert (await answer("show", "sums", "1"))["parked"]["edited"] is None


def editor(folder: Path, code: str) -> str:
    """A program that edits the file that is its argument."""
    (folder / "editor.py").write_text(f"import sys; from pathlib import Path; path = Path(sys.argv[1]); {code}")
    return f"{sys.executable} '{folder}/editor.py'"


async def test_without_data_an_editor_is_opened(
    url: str, answer: Answers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await park(url)
    seen = tmp_path / "seen"
    code = f"Path({str(seen)!r}).write_text(f'{{path.parent.stat().st_mode:o}} {{path}} ' + path.read_text()); "
    code += "path.write_text(path.read_text().replace('2', '12345678901234567890.10'))"
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", editor(tmp_path, code))
    await answer("edit", "sums", "2", *WHO)
    mode, path, *text = seen.read_text().split(maxsplit=2)
    assert stat.S_IMODE(int(mode, 8)) == 0o700
    assert json.loads(text[0]) == {"n": 2}
    assert not Path(path).parent.exists()
    async with open_stores(url, clock=system_clock, migrate=False) as stores:
        assert (await stores.parking.parked("sums"))[0].edited == b'{"n":12345678901234567890.10}'


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("pass", "nothing was changed"),
        ("path.write_text('{')", "no JSON"),
        ("sys.exit(3)", "has ended with 3"),
        ("path.unlink()", "has left nothing"),
        (None, "EDITOR names no editor"),
        ("/no/such/editor", "No such file"),
    ],
)
async def test_an_editor_that_gives_nothing_changes_nothing(
    code: str | None, words: str, url: str, answer: Answers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await park(url)
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.delenv("EDITOR", raising=False)
    if code is not None:
        monkeypatch.setenv("EDITOR", code if code.startswith("/") else editor(tmp_path, code))
    assert words in await answer("edit", "sums", "2", *WHO, code=Exit.USAGE)
    assert (await answer("show", "sums", "2"))["parked"]["edited"] is None


# --------------------------------------------------------------------- what is unknown


class Mails:
    """Sends a mail for each number, and does not know whether that has worked as long as `timing_out`."""

    def __init__(self) -> None:
        self.sent: list[int] = []
        self.ids: list[str] = []
        self.timing_out = True
        self.reactor = Reactor("mails", start="beginning", on_error=Park())
        self.reactor.on(Added)(self.handle)

    async def handle(self, recorded: Recorded[Added], act: Act) -> None:
        self.ids.append(await act.once("mail", self.send, recorded.event.n))

    async def send(self, n: int) -> str:
        self.sent.append(n)
        if self.timing_out:
            raise TimeoutError("no answer")
        return f"id-{n}"

    @property
    def app(self) -> Eventfold:
        return Eventfold(deciders=[tapes], processors=[self.reactor])


@pytest.fixture
async def mails(url: str) -> Mails:
    """The event at 1 is parked, and nobody knows whether its mail was sent; 2 is behind it."""
    mails = Mails()
    async with mails.app.open(url) as running:
        await running.execute(tapes, "a", record(Added(7), Added(8)))
        await running.settled()
        assert mails.sent == [7]
    mails.timing_out = False
    return mails


async def ledger(url: str) -> list[Action]:
    async with open_stores(url, clock=system_clock, migrate=False) as stores:
        return list(await stores.actions.actions("mails"))


async def test_fm15_what_nobody_knows_is_shown_and_a_mere_retry_is_warned_of(
    url: str, mails: Mails, answer: Answers, told: Answers
) -> None:
    (action,) = (await answer("show", "mails", "1"))["actions"]
    assert (action["key"], action["status"], action["result"]) == ("mail", "intended", None)
    shown = await told("show", "mails", "1")
    assert "eventfold parked retry mails 1 --unknown" in shown
    async with mails.app.open(url):
        said = await told("retry", "mails", "1", "--wait", "30", code=Exit.FINDINGS)
    assert "Whether mail was done is unknown" in said
    assert "has failed again (attempt 2): ActionUnknown" in said
    assert mails.sent == [7]
    assert (await ledger(url))[0].status == "unknown"


async def test_fm15_what_was_not_done_is_repeated(url: str, mails: Mails, answer: Answers) -> None:
    async with mails.app.open(url) as running:
        entry = await answer("retry", "mails", "1", "--unknown", "repeat", "--wait", "30")
        assert entry["resolution"] == "retried"
        async with asyncio.timeout(30):
            while await answer("ls"):
                pass
        await running.settled()
    assert (mails.sent, mails.ids) == ([7, 7, 8], ["id-7", "id-8"])


async def test_fm15_what_was_done_after_all_is_not_done_again(url: str, mails: Mails, answer: Answers) -> None:
    async with mails.app.open(url):
        entry = await answer("retry", "mails", "1", "--unknown", "done", "--result", '"id-x"', "--wait", "30")
        assert entry["resolution"] == "retried"
        async with asyncio.timeout(30):
            while await answer("ls"):
                pass
    assert (mails.sent, mails.ids) == ([7, 8], ["id-x", "id-8"])


async def test_fm15_the_ledger_stays_as_it_was_when_the_event_cannot_be_retried(
    url: str, mails: Mails, answer: Answers
) -> None:
    before = await ledger(url)
    for arguments, words in (
        (["2", "--unknown", "repeat"], "stands behind the one at 1"),
        (["1", "--unknown", "done", "--key", "letter"], "no 'letter' is unknown"),
        (["1", "--unknown", "repeat", "--result", "1"], "--result"),
        (["1", "--unknown", "done", "--result", "{"], "no JSON"),
    ):
        assert words in await answer("retry", "mails", *arguments, code=Exit.USAGE)
    await answer("retry", "mails", "1")
    said = await answer("retry", "mails", "1", "--unknown", "repeat", code=Exit.USAGE)
    assert "is asked for already" in said
    assert await ledger(url) == before


async def test_fm15_what_is_known_to_be_done_stays_done(url: str, answer: Answers) -> None:
    """Of two actions of one event the first is done, and stays out of what is repeated."""
    sent: list[str] = []
    failing = [True]
    reactor = Reactor("mails", start="beginning", on_error=Park())

    @reactor.on(Added)
    async def handle(recorded: Recorded[Added], act: Act) -> None:
        await act.once("one", lambda: sent.append("one"))
        await act.once("two", two)

    async def two() -> None:
        sent.append("two")
        if failing:
            raise TimeoutError

    app = Eventfold(deciders=[tapes], processors=[reactor])
    async with app.open(url) as running:
        await running.execute(tapes, "a", record(Added(1)))
        await running.settled()
        failing.clear()
        await answer("retry", "mails", "1", "--unknown", "repeat", "--wait", "30")
    assert sent == ["one", "two", "two"]


# ------------------------------------------------------------------------------- roles


async def test_sec14_each_role_may_do_what_its_rights_say(
    postgres: PostgresServer, postgres_schema: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A reader looks, but not into the ledger; a projector asks; the owner alone edits, for he keeps the audit."""
    rows = f"{postgres_schema}_rows"
    postgres.execute(f"CREATE SCHEMA {rows}")
    url = f"{postgres.url}?schema={postgres_schema}&options=-csearch_path%3D{rows}"
    parts = [f"{postgres_schema}_{part}" for part in ("owner", "writer", "reader", "projector")]
    logins = {part: f"{postgres_schema}_{part}_login" for part in ("reader", "projector")}

    async def ask(role: str, *arguments: str, code: Exit = Exit.OK) -> str:
        of_role = url.replace("postgres@", f"{logins[role]}@")
        given = await asyncio.to_thread(run, [*arguments, "--store", of_role])
        out, err = capsys.readouterr()
        assert given == code, err
        return str(out + err)

    try:
        mails = Mails()
        async with mails.app.open(url) as running:
            await running.execute(tapes, "a", record(Added(7), Added(8)))
            await running.settled()
        assert await asyncio.to_thread(run, ["store", "roles", "--apply", "--tables", rows, "--store", url]) == Exit.OK
        capsys.readouterr()
        for part, login in logins.items():
            postgres.execute(f"CREATE ROLE {login} LOGIN IN ROLE {postgres_schema}_{part}")
        shown = await ask("reader", "parked", "show", "mails", "1")
        assert "TimeoutError: no answer" in shown
        assert "The ledger is not shown" in shown
        assert "mails" in await ask("reader", "parked", "ls") + await ask("reader", "processors", "ls")
        await ask("reader", "processors", "lag", "--max-seconds", "60")
        assert "permission denied" in await ask("reader", "parked", "retry", "mails", "1", code=Exit.STORE_UNREACHABLE)
        await ask("reader", "parked", "drop", "mails", "1", *WHO, code=Exit.STORE_UNREACHABLE)
        edit = ("parked", "edit", "mails", "1", "--data", "{}", *WHO)
        await ask("projector", *edit, code=Exit.STORE_UNREACHABLE)
        assert "mail" in await ask("projector", "parked", "show", "mails", "1")
        await ask("projector", "parked", "retry", "mails", "1", "--unknown", "repeat")
        assert await asyncio.to_thread(run, [*edit, "--store", url]) == Exit.OK
    finally:
        for each in (*logins.values(), *parts):
            postgres.execute(f"DROP OWNED BY {each} CASCADE")
            postgres.execute(f"DROP ROLE {each}")
        postgres.execute(f"DROP SCHEMA {rows} CASCADE")
