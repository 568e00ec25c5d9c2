"""The commands that care for a store: event, stats, processors, doctor and store."""

import asyncio
import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import apsw
import pytest

from eventfold import __version__
from eventfold.adapters.sqlite.migrate import latest_version
from eventfold.cli.exits import Exit
from eventfold.cli.program import run
from tests.acceptance.world import Added, Noted, application, record, summing, sums, tapes

Json = Callable[..., Any]

COMMANDS = [
    ["event", "--position", "1"],
    ["event", str(UUID(int=1))],
    ["stats"],
    ["processors", "ls"],
    ["processors", "lag"],
    ["processors", "pause", "sums"],
    ["processors", "resume", "sums"],
    ["processors", "reset", "sums"],
    ["doctor"],
    ["doctor", "--deep"],
    ["store", "status"],
    ["store", "views"],
    ["store", "backup", "copy.db"],
]


async def filled(url: str) -> None:
    async with application(summing()).open(url) as running:
        await running.execute(tapes, "a", record(Added(1), Added(2), Noted("x")))
        await running.execute(tapes, "b", record(Added(3)))
        await running.wait_for("sums", 4)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tapes.db"


@pytest.fixture
def store(path: Path) -> str:
    url = f"sqlite:///{path}"
    asyncio.run(filled(url))
    return url


@pytest.fixture
def answer(store: str, capsys: pytest.CaptureFixture[str]) -> Json:
    def ask(*arguments: str, code: Exit = Exit.OK) -> Any:
        assert run([*arguments, "--json", "--store", store]) == code
        out = capsys.readouterr().out
        assert out.replace("\n", "").isprintable()
        return json.loads(out)

    return ask


def change(path: Path, sql: str) -> None:
    connection = apsw.Connection(str(path))
    try:
        connection.execute(sql)
    finally:
        connection.close()


# ------------------------------------------------------------------------ all of them


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_missing_store_is_refused_and_nothing_is_made(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run([*command, "--store", "sqlite:///none.db"]) == Exit.STORE_UNREACHABLE
    assert "none.db is no store of Eventfold yet" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_foreign_database_is_refused_and_stays_as_it_is(
    command: list[str], path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(path.parent)
    change(path, "CREATE TABLE mine (n)")
    before = path.read_bytes()
    assert run([*command, "--store", f"sqlite:///{path}"]) == Exit.STORE_UNREACHABLE
    assert "is no store of Eventfold yet" in capsys.readouterr().err
    assert path.read_bytes() == before
    assert [each.name for each in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("command", COMMANDS[2:-1], ids=" ".join)
def test_people_get_text_that_cannot_steer_the_terminal(
    command: list[str], store: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*command, "--store", store]) in {Exit.OK, Exit.FINDINGS}
    out = capsys.readouterr().out
    assert out
    assert out.replace("\n", "").isprintable()


# ----------------------------------------------------------------------------- event


def test_an_event_is_found_by_its_place_and_by_its_id(answer: Json) -> None:
    event = answer("event", "--position", "3")
    assert (event["stream"], event["version"], event["type"], event["data"]) == ("tape-a", 3, "Noted", {"text": "x"})
    assert answer("event", event["event_id"]) == event
    assert answer("event", event["event_id"].replace("-", "").upper()) == event


@pytest.mark.parametrize("which", [["--position", "5"], [str(UUID(int=7))]], ids=" ".join)
def test_an_event_that_is_not_there_is_a_finding(
    which: list[str], store: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["event", *which, "--store", store]) == Exit.FINDINGS
    assert "there is no event" in capsys.readouterr().err


@pytest.mark.parametrize(
    "which", [[], [str(UUID(int=7)), "--position", "1"], ["no-uuid"], ["--position", "0"]], ids=" ".join
)
def test_an_event_is_named_in_one_way(which: list[str], store: str) -> None:
    assert run(["event", *which, "--store", store]) == Exit.USAGE


# ----------------------------------------------------------------------------- stats


def test_stats_count_everything_there_is(answer: Json, path: Path) -> None:
    found = answer("stats")
    assert (found["events"], found["streams"], found["tags"]) == (4, 2, 0)
    assert found["categories"] == {"tape": {"streams": 2, "events": 4}}
    assert found["types"] == {"Added": 3, "Noted": 1}
    assert (found["first_position"], found["last_position"]) == (1, 4)
    assert found["first_recorded_at"] <= found["last_recorded_at"]
    assert (found["size"], found["wal_size"]) == (path.stat().st_size, 0)


def test_stats_of_an_empty_store_under_a_prefix(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    url = f"sqlite:///{path}?prefix=shop_"
    assert run(["store", "migrate", "--store", url]) == Exit.OK
    capsys.readouterr()
    assert run(["stats", "--json", "--store", url]) == Exit.OK
    found = json.loads(capsys.readouterr().out)
    assert (found["events"], found["types"], found["last_position"], found["last_recorded_at"]) == (0, {}, 0, None)


def test_memory_has_no_statistics(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["stats", "--store", "memory:"]) == Exit.STORE_UNREACHABLE
    assert "open a file" in capsys.readouterr().err


# ------------------------------------------------------------------------- processors


def test_i7_processors_are_listed_with_position_and_lag(answer: Json, path: Path) -> None:
    (row,) = answer("processors", "ls")
    assert row.pop("updated_at").endswith("Z")
    assert row == {
        "name": "sums",
        "kind": "projector",
        "version": 1,
        "partitions": 1,
        "start": 0,
        "query": [[[], ["Added"], []]],
        "position": 4,
        "positions": [4],
        "lag": 0,
        "lag_exact": True,
        "lag_seconds": 0,
        "parked": 0,
        "skipped": 0,
        "state": "not running",
        "paused": False,
        "owners": [],
        "error": None,
    }
    change(path, "UPDATE processors SET last_error = 'boom'; UPDATE checkpoints SET position = 1")
    (row,) = answer("processors", "ls")
    assert (row["lag"], row["state"], row["error"]) == (2, "stopped", "boom")  # what it does not follow does not count


def test_i1_i7_pause_resume_and_reset_answer_with_the_processor(answer: Json, store: str) -> None:
    assert answer("processors", "pause", "sums")["paused"] is True
    assert answer("processors", "resume", "sums")["paused"] is False
    row = answer("processors", "reset", "sums")
    assert (row["position"], row["version"], row["lag"]) == (0, 0, 3)

    async def again() -> Any:
        async with application(summing()).open(store) as running:
            await running.wait_for("sums", 4)
            return await running.query(sums)

    assert asyncio.run(again()) == [("a", 3), ("b", 3)]


@pytest.mark.parametrize("what", ["pause", "resume", "reset"])
def test_an_unknown_processor_is_refused_by_name(what: str, store: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["processors", what, "sum", "--store", store]) == Exit.USAGE
    assert "no processor 'sum' has ever started on this store; there are ['sums']" in capsys.readouterr().err


async def test_i1_a_pause_from_the_command_line_reaches_a_running_processor(store: str) -> None:
    async with application(summing()).open(store) as running:
        assert await asyncio.to_thread(run, ["processors", "pause", "sums", "--store", store]) == Exit.OK
        async with asyncio.timeout(30):
            while not running.status()["sums"].paused:  # noqa: ASYNC110 - another process is to be seen
                await asyncio.sleep(0.01)
        outcome = await running.execute(tapes, "b", record(Added(1)))
        assert await asyncio.to_thread(run, ["processors", "resume", "sums", "--store", store]) == Exit.OK
        await running.wait_for("sums", outcome.position, timeout=30)


# ---------------------------------------------------------------------------- doctor


def test_a_healthy_store_has_no_findings(answer: Json, path: Path) -> None:
    told = answer("doctor", "--deep")
    facts = told["facts"]
    assert told["findings"] == []
    assert (facts["eventfold"], facts["schema"], facts["permissions"]) == (__version__, latest_version(), "0600")
    assert (facts["integrity"], facts["head"], facts["file"]) == ("ok", 4, str(path))
    assert "survives kill -9, a crash of the system and a power cut" in facts["acknowledgement"]
    assert [row["name"] for row in told["processors"]] == ["sums"]


def test_the_doctor_says_what_an_acknowledgement_is_worth(store: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["doctor", "--store", f"{store}?synchronous=normal"]) == Exit.OK
    out = capsys.readouterr().out
    assert "a power cut may take the last ones" in out
    assert "Nothing is wrong." in out


def test_each_finding_comes_with_a_command(answer: Json, path: Path, store: str) -> None:
    path.chmod(0o644)
    change(path, "UPDATE processors SET last_error = 'HandlerFailed: boom', paused = 1")
    change(path, "UPDATE checkpoints SET position = 9")
    findings = answer("doctor", code=Exit.FINDINGS)["findings"]
    assert [each["command"] for each in findings] == [
        f"chmod go= {path} {path}-lock",
        f"eventfold processors reset sums --store {store}",
        f"eventfold processors ls --store {store}",
        f"eventfold processors resume sums --store {store}",
    ]
    assert "HandlerFailed: boom" in findings[2]["what"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o644  # it looks, it does not mend


def test_a_lock_that_is_held_for_long_is_a_finding_that_names_the_holder(path: Path, store: str) -> None:
    from eventfold.adapters.sqlite.examine import examine
    from eventfold.adapters.sqlite.lock import FileLock

    lock = FileLock(str(path), busy=0)
    lock.take()
    try:
        found = examine(str(path), url=store, prefix="", busy=0, synchronous="full")
    finally:
        lock.release()
        lock.close()
    (finding,) = found.findings
    assert "has held the lock" in finding.what
    assert finding.command.startswith("ps -o pid,stat,etime,args -p ")
    assert examine(str(path), url=store, prefix="", busy=0, synchronous="full").findings == []


def test_a_damaged_file_is_a_deep_finding(path: Path, answer: Json) -> None:
    other = 'CREATE INDEX "events_category" ON "events" (category, id)'
    change(
        path, f"PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = '{other}' WHERE name = 'events_category'"
    )
    (finding,) = answer("doctor", "--deep", code=Exit.FINDINGS)["findings"]
    assert "damaged" in finding["what"]
    assert ".recover" in finding["command"]


# ----------------------------------------------------------------------------- store


def test_a_backup_is_a_store_with_the_same_events(
    answer: Json, store: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "copy.db"
    made = answer("store", "backup", str(copy))
    assert made == {"path": str(copy), "events": 4, "head": 4, "size": copy.stat().st_size}
    assert run(["store", "backup", str(copy), "--store", store]) == Exit.USAGE
    assert "is there already" in capsys.readouterr().err
    assert run(["stream", "tape-b", "--store", f"sqlite:///{copy}"]) == Exit.OK


def test_the_status_names_both_versions_and_migrate_brings_them_together(
    path: Path, answer: Json, store: str, capsys: pytest.CaptureFixture[str]
) -> None:
    now = latest_version()
    assert answer("store", "status") == {"found": now, "needed": now, "oldest": now}
    assert answer("store", "migrate") == {"before": now, "after": now, "oldest": now}
    change(path, "UPDATE store SET schema_version = 99")
    assert run(["store", "status", "--store", store]) == Exit.STORE_UNREACHABLE
    assert "99" in capsys.readouterr().err


def test_migrate_makes_a_store_where_none_is(path: Path, answer: Json) -> None:
    path.unlink()
    now = latest_version()
    assert answer("store", "migrate") == {"before": 0, "after": now, "oldest": now}
    assert answer("stats")["events"] == 0


def test_tables_that_are_behind_are_found_by_status_and_doctor(
    path: Path, answer: Json, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("survey", "examine"):
        monkeypatch.setattr(f"eventfold.adapters.sqlite.{module}.latest_version", lambda: 99)
    now = latest_version()
    assert answer("store", "status", code=Exit.FINDINGS) == {"found": now, "needed": 99, "oldest": now}
    (finding,) = answer("doctor", code=Exit.FINDINGS)["findings"]
    assert finding["command"] == f"eventfold store migrate --store {store}"


def test_a_network_file_system_is_a_finding(answer: Json, store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    mounts = "server:/export / nfs4 rw 0 0"
    for module in ("adapters.sqlite", "adapters.sqlite.examine"):
        monkeypatch.setattr(f"eventfold.{module}.mount_table", lambda: mounts)
    told = answer("doctor", code=Exit.FINDINGS)
    (finding,) = told["findings"]
    assert "a network file system (nfs4)" in finding["what"]
    assert finding["command"] == f"eventfold store backup /a/local/disk/tapes.db --store {store}"
    assert told["facts"]["file_system"] == "nfs4"
