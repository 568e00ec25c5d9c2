"""Every command of the command line on a store behind a `postgresql:` URL."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import asyncpg
import pytest

from eventfold.cli.exits import Exit
from eventfold.cli.program import run
from tests.acceptance.world import Added, Noted, application, record, summing, sums, tapes
from tests.pgbouncer import PgBouncer
from tests.postgres import PostgresServer, start_postgres

Json = Callable[..., Any]

COMMANDS = [
    ["streams"],
    ["stream", "tape-a"],
    ["tail", "--after", "0", "--limit", "1"],
    ["event", "--position", "1"],
    ["sql", "select count(*) from events"],
    ["stats"],
    ["processors", "ls"],
    ["processors", "lag"],
    ["processors", "pause", "sums"],
    ["doctor"],
    ["doctor", "--deep"],
    ["store", "status"],
]
SECRET = "s3cr3t"


async def filled(url: str) -> None:
    async with application(summing()).open(url) as running:
        await running.execute(tapes, "a", record(Added(1), Added(2), Noted("x")))
        await running.execute(tapes, "b", record(Added(3)))
        await running.wait_for("sums", await running.head())


@pytest.fixture
def empty(postgres: PostgresServer, postgres_schema: str) -> Iterator[str]:
    """A URL behind which there is no store yet."""
    rows = f"{postgres_schema}_rows"
    postgres.execute(f"CREATE SCHEMA {rows}")
    yield f"{postgres.url}?schema={postgres_schema}&options=-csearch_path%3D{rows}"
    postgres.execute(f"DROP SCHEMA {rows} CASCADE")


@pytest.fixture
def store(empty: str) -> str:
    asyncio.run(filled(empty))
    return empty


@pytest.fixture
def answer(store: str, capsys: pytest.CaptureFixture[str]) -> Json:
    return asking(store, capsys)


def asking(store: str, capsys: pytest.CaptureFixture[str]) -> Json:
    def ask(*arguments: str, code: Exit = Exit.OK) -> Any:
        assert run([*arguments, "--json", "--store", store]) == code
        out = capsys.readouterr().out
        assert out.replace("\n", "").isprintable()
        return json.loads(out)

    return ask


@asynccontextmanager
async def stranger(url: str) -> AsyncIterator[asyncpg.Connection]:
    connection: asyncpg.Connection = await asyncpg.connect(url.partition("?")[0])
    try:
        yield connection
    finally:
        await connection.close()


# ------------------------------------------------------------------------ all of them


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_missing_store_is_refused_and_nothing_is_made(
    command: list[str], empty: str, postgres_schema: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*command, "--store", empty]) == Exit.STORE_UNREACHABLE
    assert f"schema {postgres_schema} is no store of Eventfold yet" in capsys.readouterr().err

    async def made() -> int:
        async with stranger(empty) as connection:
            return int(
                await connection.fetchval("SELECT count(*) FROM pg_namespace WHERE nspname = $1", postgres_schema)
            )

    assert asyncio.run(made()) == 0


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_each_command_serves_people(command: list[str], store: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*command, "--store", store]) == Exit.OK
    assert capsys.readouterr().out


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_server_that_is_not_there_is_one_sentence(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*command, "--store", f"postgresql://ann:{SECRET}@127.0.0.1:1/db"]) == Exit.STORE_UNREACHABLE
    err = capsys.readouterr().err
    assert "127.0.0.1:1/db cannot be reached" in err
    assert err.count("\n") == 1
    assert SECRET not in err


def test_sec22_a_wrong_password_is_one_sentence_without_it(capsys: pytest.CaptureFixture[str]) -> None:
    with start_postgres(password=quote("righ/t#?@")) as server:
        url = server.url.replace(quote("righ/t#?@"), SECRET)
        assert SECRET in url
        for command in COMMANDS:
            assert run([*command, "--store", url]) == Exit.STORE_UNREACHABLE
            err = capsys.readouterr().err
            assert "password authentication failed" in err
            assert SECRET not in err


def test_sec22_the_right_password_is_not_shown_either(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with start_postgres(password=SECRET) as server:
        assert SECRET in server.url
        asyncio.run(filled(server.url))
        for command in COMMANDS:  # the paused processor is a finding, whose command names the store
            assert run([*command, "--store", server.url]) in {Exit.OK, Exit.FINDINGS}
        monkeypatch.setattr("eventfold.adapters.postgres.examine.latest_version", lambda: 99)
        assert run(["doctor", "--store", server.url]) == Exit.FINDINGS
    out, err = capsys.readouterr()
    assert "eventfold processors resume sums --store 'postgresql://postgres:***@" in out
    assert "eventfold store migrate --store 'postgresql://postgres:***@" in out
    assert SECRET not in out + err


# ---------------------------------------------------------------------- what they answer


def test_a_server_answers_as_a_file_does(answer: Json, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    url = f"sqlite:///{tmp_path}/tapes.db"
    asyncio.run(filled(url))
    of_file = asking(url, capsys)
    changing = {"recorded_at", "occurred_at", "event_id", "updated_at", "size", "wal_size"}
    changing |= {"first_recorded_at", "last_recorded_at", "last_at", "lag_seconds"}

    def still(told: Any) -> Any:
        match told:
            case dict():
                return {name: still(value) for name, value in told.items() if name not in changing}
            case list():
                return [still(each) for each in told]
            case _:
                return told

    for command in (
        ["streams"],
        ["stream", "tape-a"],
        ["event", "--position", "3"],
        ["stats"],
        ["processors", "ls"],
        ["processors", "pause", "sums"],
        ["processors", "resume", "sums"],
        ["store", "status"],
        ["store", "migrate"],
        ["sql", "select tape, sum from sums order by tape"],
        ["sql", "select type, count(*) as many from events group by type order by type"],
        ["processors", "reset", "sums"],
    ):
        assert still(answer(*command)) == still(of_file(*command)), command


def test_an_event_is_found_by_its_id(answer: Json) -> None:
    event = answer("event", "--position", "3")
    assert answer("event", event["event_id"]) == event
    assert answer("stats")["size"] > 0


def test_i7_a_reset_processor_fills_its_tables_anew(answer: Json, store: str) -> None:
    assert answer("processors", "reset", "sums")["position"] == 0

    async def again() -> Any:
        async with application(summing()).open(store) as running:
            await running.wait_for("sums", await running.head())
            return await running.query(sums)

    assert asyncio.run(again()) == [("a", 3), ("b", 3)]


async def test_i1_a_pause_from_the_command_line_reaches_a_running_processor(store: str) -> None:
    async with application(summing()).open(store) as running:
        assert await asyncio.to_thread(run, ["processors", "pause", "sums", "--store", store]) == Exit.OK
        async with asyncio.timeout(30):
            while not running.status()["sums"].paused:  # noqa: ASYNC110 - another process is to be seen
                await asyncio.sleep(0.01)
        outcome = await running.execute(tapes, "b", record(Added(1)))
        assert await asyncio.to_thread(run, ["processors", "resume", "sums", "--store", store]) == Exit.OK
        await running.wait_for("sums", outcome.position, timeout=30)


def test_c9_migrate_makes_a_store_where_none_is(empty: str, capsys: pytest.CaptureFixture[str]) -> None:
    ask = asking(empty, capsys)
    assert ask("store", "migrate")["before"] == 0
    told = ask("store", "migrate")
    assert told["before"] == told["after"] > 0
    assert ask("stats")["last_recorded_at"] is None
    assert ask("processors", "ls") == []


def test_tables_that_are_behind_are_found_by_status_and_doctor(
    answer: Json, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("survey", "examine"):
        monkeypatch.setattr(f"eventfold.adapters.postgres.{module}.latest_version", lambda: 99)
    assert answer("store", "status", code=Exit.FINDINGS)["needed"] == 99
    (finding,) = answer("doctor", code=Exit.FINDINGS)["findings"]
    assert finding["command"] == f"eventfold store migrate --store '{store}'"


def test_c10_each_category_has_a_view_of_its_own(
    answer: Json, store: str, postgres: PostgresServer, postgres_schema: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert answer("store", "views") == [{"category": "tape", "view": "tape_events", "made": True}]
    assert answer("store", "views", "tape", "none.yet") == [
        {"category": "tape", "view": "tape_events", "made": False},
        {"category": "none.yet", "view": "none.yet_events", "made": True},
    ]
    assert answer("sql", "select version, type, data from tape_events where id = 'a' order by version")[2] == {
        "version": 3,
        "type": "Noted",
        "data": '{"text":"x"}',
    }
    postgres.execute(f"CREATE TABLE {postgres_schema}.other_events (n int)")
    for refused in ("other", "x" * 60, "no'category", "1st"):
        assert run(["store", "views", "fine", refused, "--store", store]) == Exit.USAGE
        assert capsys.readouterr().err
    assert answer("sql", "select count(*) as many from pg_class where relname = 'fine_events'") == [{"many": 0}]


# ----------------------------------------------------------------------------- doctor


def test_a_healthy_store_has_no_findings(answer: Json, postgres_schema: str) -> None:
    told = answer("doctor", "--deep")
    facts = told["facts"]
    assert told["findings"] == []
    assert (facts["store_schema"], facts["integrity"], facts["head"]) == (postgres_schema, "ok", 4)
    assert (facts["fsync"], facts["synchronous_commit"], facts["sequence_cache"]) == ("on", "on", 1)
    assert (facts["pooler"], facts["prepared_transactions"], facts["readers_held_back_by"]) == ("no", 0, 0)
    assert "survives kill -9, a crash of the system and a power cut" in facts["acknowledgement"]
    assert [row["name"] for row in told["processors"]] == ["sums"]


def test_c12_a_role_of_few_rights_runs_the_application_and_cannot_change_the_log(
    store: str, postgres: PostgresServer, postgres_schema: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The rights of `eventfold store roles`, and no more."""
    role, rows = f"{postgres_schema}_role", f"{postgres_schema}_rows"
    parts = [f"{postgres_schema}_{part}" for part in ("owner", "writer", "reader", "projector")]
    try:
        assert run(["store", "roles", "--apply", "--tables", rows, "--store", store]) == Exit.OK
        capsys.readouterr()
        postgres.execute(f"CREATE ROLE {role} LOGIN IN ROLE {parts[1]}, {parts[3]}")
        postgres.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {rows} TO {role}")
        worker = store.replace("postgres@", f"{role}@")

        async def work() -> None:
            async with application(summing()).open(worker) as running:
                outcome = await running.execute(tapes, "c", record(Added(5), Added(6)))
                await running.wait_for("sums", outcome.position)
                assert await running.query(sums) == [("a", 3), ("b", 3), ("c", 11)]

        asyncio.run(work())
        told = asking(worker, capsys)("doctor")
        assert (told["facts"]["append_only"], told["facts"]["role"], told["findings"]) == (True, role, [])
    finally:
        for each in (role, *parts):
            postgres.execute(f"DROP OWNED BY {each} CASCADE")
            postgres.execute(f"DROP ROLE {each}")


async def test_t12_the_doctor_names_who_holds_readers_back(store: str, postgres_schema: str) -> None:
    async with stranger(store) as holder:
        await holder.execute("SET application_name = 'importer'")
        async with holder.transaction():
            await holder.execute(f"SELECT {postgres_schema}.enter()")
            told = await asyncio.to_thread(told_by_a_process, store)
            pid = await holder.fetchval("SELECT pg_backend_pid()")
        (finding,) = told["findings"]
        assert "importer" in finding["what"]
        assert "has held readers back for" in finding["what"]
        assert finding["command"] == f"psql -c 'SELECT pg_terminate_backend({pid})'"
        assert (await asyncio.to_thread(told_by_a_process, store))["findings"] == []


def told_by_a_process(store: str) -> Any:
    command = [sys.executable, "-m", "eventfold", "doctor", "--json", "--store", store]
    return json.loads(subprocess.run(command, check=False, capture_output=True, text=True).stdout)


def test_each_fault_of_a_server_is_a_finding_with_its_remedy(capsys: pytest.CaptureFixture[str]) -> None:
    settings = {
        "fsync": "off",
        "full_page_writes": "off",
        "synchronous_commit": "off",
        "max_prepared_transactions": "5",
    }
    with start_postgres(settings) as server:
        url = f"{server.url}?synchronous_commit=any"
        asyncio.run(filled(url))
        server.execute("ALTER SEQUENCE eventfold.events_position_seq CACHE 20")
        asyncio.run(prepare_a_transaction(server.url))
        findings = asking(url, capsys)("doctor", code=Exit.FINDINGS)["findings"]
        server.execute("ROLLBACK PREPARED 'it''s forgotten'")
    commands = [each["command"] for each in findings]
    assert commands == [
        """psql -c 'ALTER SEQUENCE "eventfold"."events_position_seq" CACHE 1'""",
        "psql -c 'ALTER SYSTEM SET fsync = on' -c 'SELECT pg_reload_conf()'",
        "psql -c 'ALTER SYSTEM SET full_page_writes = on' -c 'SELECT pg_reload_conf()'",
        "psql -c 'ALTER SYSTEM SET synchronous_commit = on' -c 'SELECT pg_reload_conf()'",
        """psql -c 'ROLLBACK PREPARED '"'"'it'"'"''"'"'s forgotten'"'"''""",
    ]
    assert "may destroy the database" in findings[1]["what"]
    assert "may take the last acknowledged events" in findings[3]["what"]


async def prepare_a_transaction(url: str) -> None:
    async with stranger(url) as connection:
        await connection.execute("BEGIN; SELECT eventfold.enter(); PREPARE TRANSACTION 'it''s forgotten'")


def test_a_store_that_may_lose_events_is_refused_until_that_is_said(
    empty: str, postgres_schema: str, capsys: pytest.CaptureFixture[str]
) -> None:
    lax = empty.replace("options=", "options=-csynchronous_commit%3Doff%20")
    assert run(["store", "migrate", "--store", lax]) == Exit.STORE_UNREACHABLE
    assert "synchronous_commit is off" in capsys.readouterr().err
    assert run(["store", "migrate", "--store", f"{lax}&synchronous_commit=any"]) == Exit.OK


def test_a_deep_look_finds_what_contradicts_itself(
    answer: Json, postgres: PostgresServer, postgres_schema: str
) -> None:
    as_nobody_should = f"SET {postgres_schema}.administrator = '1';"
    postgres.execute(f"{as_nobody_should} DELETE FROM {postgres_schema}.events WHERE position = 2")
    postgres.execute(f"INSERT INTO {postgres_schema}.event_tags VALUES ('a:b', 3, 'Noted'), ('lost', 77, 'Noted')")
    postgres.execute(f"{as_nobody_should} UPDATE {postgres_schema}.events SET tags = '{{c:d}}' WHERE position = 4")
    assert answer("doctor")["findings"] == []
    told = answer("doctor", "--deep", code=Exit.FINDINGS)
    (finding,) = told["findings"]
    for part in ("gaps: tape-a", "without its event: a:b at 3", "lost at 77", "without its tag: c:d at 4"):
        assert part in finding["what"]


# -------------------------------------------------------------------------- PgBouncer


@pytest.fixture
def pooled(postgres: PostgresServer, pgbouncer: PgBouncer, postgres_schema: str) -> Iterator[str]:
    """A filled store of which both addresses are known; a pooler lets no search_path through."""
    database = f"{postgres_schema}_db"
    postgres.execute(f"CREATE DATABASE {database}")
    pooler, server = (urlsplit(url)._replace(path=f"/{database}").geturl() for url in (pgbouncer.url, postgres.url))
    url = f"{pooler}?direct={quote(server, safe='')}"
    asyncio.run(filled(url))
    yield url
    postgres.execute(f"DROP DATABASE {database} WITH (FORCE)")


def test_fm08_every_command_serves_through_a_pooler_again_and_again(
    pooled: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in [each for each in COMMANDS if "pause" not in each] * 2:
        assert run([*command, "--store", pooled]) == Exit.OK, command
    capsys.readouterr()
    told = asking(pooled, capsys)("doctor")
    assert (told["facts"]["pooler"], told["findings"]) == ("yes", [])
    assert run(["doctor", "--store", pooled.partition("?")[0]]) == Exit.STORE_UNREACHABLE
    assert "is a pooler" in (err := capsys.readouterr().err)
    assert "?direct=postgresql%3A%2F%2F" in err


def test_fm08_two_processes_share_the_sessions_of_a_pooler(pooled: str) -> None:
    """The driver counts its statements from one in each process, so names of theirs would meet in a session."""
    for sql, found in (
        ("select sum from sums order by sum", [{"sum": 3}, {"sum": 3}]),
        ("select sum from sums order by sum", [{"sum": 3}, {"sum": 3}]),
        ("select name from pg_prepared_statements", []),
    ):
        command = [sys.executable, "-m", "eventfold", "sql", sql, "--json", "--store", pooled]
        assert json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout) == found


# ------------------------------------------------------------------------------- demo


@pytest.mark.slow
def test_the_flights_of_january_come_to_the_same_figures_as_on_sqlite(
    empty: str, capsys: pytest.CaptureFixture[str]
) -> None:
    from eventfold.cli.demo.flights.data import flights
    from eventfold.cli.demo.flights.truth import truth

    demo = ["demo", "flights", "--json", "--store", empty]
    january = truth(flights())
    for _ in range(2):  # the second run only shows what the first has stored
        assert run(demo) == Exit.OK
        found = json.loads(capsys.readouterr().out)
        assert found == {"carriers": january.carriers, "events": january.events, "rejected": january.rejected}
