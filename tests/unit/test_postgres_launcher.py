"""The servers that our tests start: they come up, break as asked, and leave nothing behind."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import pytest

from tests.keeper import clear_orphans, command_lines, running_on
from tests.postgres import PostgresServer, ServerDied, fresh_schema, start_postgres
from tests.processes import children_of, is_alive

KEEPS_A_SERVER = """
import time
from tests.postgres import start_postgres
with start_postgres() as server:
    print(server.folder, flush=True)
    time.sleep(600)
"""
DEADLINE = 30.0
FAST = {"fsync": "off"}  # what these tests ask about is not durability


async def ask(url: str, question: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(question)
    finally:
        await connection.close()


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    with start_postgres(FAST) as server:
        yield server


async def test_the_shared_server_is_durable(postgres: PostgresServer) -> None:
    assert await ask(postgres.url, "SHOW fsync") == "on"
    assert int(str(await ask(postgres.url, "SHOW server_version_num"))) // 10_000 == postgres.version


async def test_the_old_server_is_older(postgres: PostgresServer, postgres_old: PostgresServer) -> None:
    assert postgres_old.version < postgres.version
    assert int(str(await ask(postgres_old.url, "SHOW server_version_num"))) // 10_000 == postgres_old.version


async def test_a_schema_is_gone_after_its_test(postgres: PostgresServer) -> None:
    there = "SELECT count(*) FROM pg_namespace WHERE nspname = '{}'"
    with fresh_schema(postgres) as name:
        assert await ask(postgres.url, there.format(name)) == 0
        postgres.execute(f"CREATE SCHEMA {name}; CREATE TABLE {name}.t (i int)")
        assert await ask(postgres.url, there.format(name)) == 1
    assert await ask(postgres.url, there.format(name)) == 0


async def test_rows_survive_a_restart_and_kill_9(server: PostgresServer) -> None:
    server.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    port = server.port
    server.restart({"work_mem": "5MB"})
    assert await ask(server.url, "SHOW work_mem") == "5MB"
    server.kill()
    with pytest.raises(OSError):
        await asyncpg.connect(server.url)
    server.start()
    assert server.port == port
    assert await ask(server.url, "SELECT answer FROM kept") == 42
    assert "was not properly shut down" in server.log


async def test_kill_9_reaches_a_session_in_the_middle_of_its_work(server: PostgresServer) -> None:
    connection = await asyncpg.connect(server.url)
    backend = await connection.fetchval("SELECT pg_backend_pid()")
    server.kill()
    server.start()  # would refuse while a session of the former life is left
    assert await ask(server.url, f"SELECT count(*) FROM pg_stat_activity WHERE pid = {backend}") == 0
    connection.terminate()


async def test_a_standby_follows_and_takes_over(server: PostgresServer) -> None:
    server.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    with server.standby() as copy:
        assert await ask(copy.url, "SELECT pg_is_in_recovery()") is True
        server.kill()
        copy.promote()
        copy.execute("INSERT INTO kept VALUES (43)")
        assert await ask(copy.url, "SELECT max(answer) FROM kept") == 43


async def test_a_password_is_asked_for_where_one_is_set() -> None:
    with start_postgres(FAST, password="right") as server:
        assert await ask(server.url, "SELECT 1") == 1
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(server.url_of("postgres", password="wrong"))


def test_a_server_that_cannot_start_shows_its_log() -> None:
    with pytest.raises(ServerDied, match="shared_bufers"), start_postgres({"shared_bufers": "1MB"}):
        pass


def test_a_server_is_removed_after_its_block() -> None:
    with start_postgres(FAST) as server:
        assert running_on(server.folder)
    assert_gone(server.folder)


def test_a_server_is_removed_after_kill_9_of_the_tests() -> None:
    with child_with_a_server() as (child, folder):
        child.kill()
        child.wait()
        wait_until_gone(folder)


def test_a_server_is_removed_by_the_next_run_when_its_keeper_is_killed_too(place: Path) -> None:
    with child_with_a_server() as (child, folder):
        assert folder.parent == place
        keeper = keeper_of(child)
        os.kill(keeper, signal.SIGKILL)
    wait_until_dead(keeper)
    assert folder.exists()
    assert running_on(folder), "nobody was left to end it"
    clear_orphans()
    assert_gone(folder)


def test_a_server_that_is_in_use_is_no_orphan() -> None:
    with start_postgres(FAST) as server:
        clear_orphans()
        assert server.is_running
        assert server.folder.exists()


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for temporary folders that other runs of the tests do not clear."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name).resolve()
        place.chmod(0o711)  # a server that runs as somebody else has to get through
        monkeypatch.setenv("TMPDIR", str(place))
        monkeypatch.setattr(tempfile, "tempdir", str(place))
        yield place


@contextmanager
def child_with_a_server() -> Iterator[tuple[subprocess.Popen[str], Path]]:
    with subprocess.Popen([sys.executable, "-c", KEEPS_A_SERVER], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        try:
            folder = Path(child.stdout.readline().strip())
            assert folder.is_dir()
            yield child, folder
        finally:
            child.kill()


def keeper_of(child: subprocess.Popen[str]) -> int:
    children = children_of(child.pid)
    [keeper] = [process for process, command in command_lines() if process in children and "keeper.py" in command]
    return keeper


def wait_until_gone(folder: Path) -> None:
    deadline = time.monotonic() + DEADLINE
    while folder.exists() or running_on(folder) or folder.with_name(f"{folder.name}.lock").exists():
        assert time.monotonic() < deadline, f"{folder} is still there"
        time.sleep(0.01)


def wait_until_dead(process: int) -> None:
    """Until then it holds the lock."""
    deadline = time.monotonic() + DEADLINE
    while is_alive(process):
        assert time.monotonic() < deadline, f"process {process} survives kill -9"
        time.sleep(0.01)


def assert_gone(folder: Path) -> None:
    assert not folder.exists()
    assert not folder.with_name(f"{folder.name}.lock").exists()
    assert not running_on(folder)
