"""
T-44: stores that every earlier release has made are opened, read, projected and appended to by this one; and the
release before works on the same store beside this one, until somebody says that none is left.

The earlier release is real: its own wheel, in a process of its own.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from base64 import b64decode
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from eventfold import Running
from eventfold.adapters.postgres import migrate as postgres_migrate
from eventfold.adapters.postgres.connection import Connections
from eventfold.adapters.postgres.names import Names as PostgresNames
from eventfold.adapters.sqlite import migrate as sqlite_migrate
from eventfold.adapters.sqlite.connection import open_reader
from eventfold.adapters.sqlite.names import Names as SqliteNames
from eventfold.adapters.system import system_clock
from eventfold.bootstrap.inspection import examination, migrate, schema_version
from eventfold.errors import ConcurrencyConflict, StoreNotMigrated
from eventfold.testing.faults import Fault, FaultInjected, Faults
from tests.postgres import PostgresServer, execute
from tests.upgrade import program

HERE = Path(__file__).resolve().parent
RELEASES = sorted((HERE / "releases").iterdir(), key=lambda folder: [int(part) for part in folder.name.split(".")])
LAST = RELEASES[-1]
"""Of which processes may be left while this one begins."""
DEADLINE = 60.0

Made = Callable[[Path], str]
"""A store as a release has left it; its URL."""


@pytest.fixture(params=RELEASES, ids=lambda folder: folder.name)
def release(request: pytest.FixtureRequest) -> Path:
    folder: Path = request.param
    return folder


@pytest.fixture
def file(tmp_path: Path) -> Made:
    def made(release: Path) -> str:
        shutil.copy(release / "store.db", tmp_path / "store.db")
        (tmp_path / "store.db").chmod(0o600)  # as a store makes it
        return f"sqlite:///{tmp_path / 'store.db'}"

    return made


@pytest.fixture
def database(postgres: PostgresServer, tmp_path: Path) -> Iterator[Made]:
    name = f"upgrade_{os.urandom(4).hex()}"

    def made(release: Path) -> str:
        postgres.execute(f"CREATE DATABASE {name}")
        url = urlsplit(postgres.url)._replace(path=f"/{name}").geturl()
        execute(url, (release / "store.sql").read_text(encoding="utf-8"))
        return url

    yield made
    postgres.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@pytest.fixture(params=["file", "database"])
def made(request: pytest.FixtureRequest) -> Made:
    maker: Made = request.getfixturevalue(request.param)
    return maker


def of(release: Path) -> list[dict[str, Any]]:
    """What the release has read of the store it made."""
    return [json.loads(line) for line in (release / "events.jsonl").read_text(encoding="utf-8").splitlines()]


def sums_of(events: list[dict[str, Any]]) -> dict[str, int]:
    sums: dict[str, int] = {}
    for event in events:
        if event["stream"][0] == "tape":
            sums[event["stream"][1]] = sums.get(event["stream"][1], 0) + json.loads(b64decode(event["data"]))["n"]
    return sums


class Refused(Exception):
    """The earlier release said no."""


class Earlier:
    """The application as a process of an earlier release."""

    def __init__(self, release: Path, url: str) -> None:
        (wheel,) = release.glob("*.whl")
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / "program.py"), url],
            env=os.environ | {"PYTHONPATH": str(wheel)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    async def ask(self, name: str, *arguments: Any) -> Any:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([name, *arguments]) + "\n")
        self._process.stdin.flush()
        return await self.answered()

    async def answered(self) -> Any:
        assert self._process.stdout is not None
        async with asyncio.timeout(DEADLINE):
            line = await asyncio.to_thread(self._process.stdout.readline)
        if not line:
            raise AssertionError(f"the earlier release is gone: {self._process.communicate()[1]}")
        said = json.loads(line)
        if "error" in said:
            raise Refused(f"{said['error']}: {said['text']}")
        return said["value"]

    async def end(self) -> None:
        try:
            _, errors = await asyncio.to_thread(self._process.communicate, "\n", DEADLINE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            await asyncio.to_thread(self._process.communicate)
            raise
        assert self._process.returncode == 0, errors


@asynccontextmanager
async def earlier(release: Path, url: str) -> AsyncIterator[Earlier]:
    """It has the store open when the block begins. Raises Refused."""
    child = Earlier(release, url)
    try:
        assert await child.answered() == "open"
        told = await child.ask("version")
        assert (told["version"], ".whl" in told["file"]) == (release.name, True)
        yield child
    finally:
        await child.end()


@asynccontextmanager
async def now(url: str, *, run: bool = True, migrate: bool = True) -> AsyncIterator[Running]:
    async with program.application().open(url, run=run, migrate=migrate) as running:
        yield running


# ------------------------------------------------------------------------------------- stores of earlier releases


async def test_t44_a_store_of_an_earlier_release_is_read_projected_and_appended_to(made: Made, release: Path) -> None:
    url, expected = made(release), of(release)
    assert len(expected) > 200
    sums = sums_of(expected)
    async with now(url) as running:
        assert await program.read(running) == expected
        assert await program.rows(running) == sums, "the projector goes on where the earlier release has stopped"
        assert await program.folded(running, *sums) == sums
        assert await program.execute(running, "t0", 100) == sums["t0"] + 100
        with pytest.raises(ConcurrencyConflict):
            await program.append(running, "t0", 1)
        assert await program.rows(running) == sums | {"t0": sums["t0"] + 100}
    async with now(url, migrate=False) as running:
        events = await program.read(running)
        assert events[:-1] == expected
        assert events[-1]["stream"] == ["tape", "t0"]
        assert events[-1]["version"] == sum(event["stream"] == ["tape", "t0"] for event in expected) + 1


async def test_t44_without_migrate_an_earlier_store_is_refused_and_stays_as_it_was(made: Made, release: Path) -> None:
    url = made(release)
    before = await schema_version(url)
    with pytest.raises(StoreNotMigrated, match=rf"version {before.found}, version {before.needed} is needed"):
        async with now(url, migrate=False):
            raise AssertionError("it was opened")
    assert await schema_version(url) == before
    assert before.found < before.needed


async def test_t44_the_examination_of_an_earlier_store_names_the_command(made: Made, release: Path) -> None:
    url = made(release)
    (finding,) = (await examination(url, deep=True)).findings
    assert finding.command.startswith("eventfold store migrate --store ")
    await migrate(url, clock=system_clock)
    examined = await examination(url, deep=True)
    assert [each.command for each in examined.findings if "roles" not in each.command] == []
    assert examined.facts["integrity"] == "ok"


async def test_t44_many_bring_an_earlier_store_up_to_date_at_once(made: Made, release: Path) -> None:
    url = made(release)

    async def one(tape: str) -> None:
        async with now(url, run=False) as running:
            await program.execute(running, tape, 1)

    await asyncio.gather(*(one(f"new-{n}") for n in range(6)))
    async with now(url, run=False) as running:
        assert len(await program.read(running)) == len(of(release)) + 6


async def test_t44_a_crash_within_the_migration_leaves_the_store_of_the_earlier_release(made: Made) -> None:
    url, expected = made(LAST), of(LAST)
    before = await schema_version(url)
    with Faults({"migrate.before_commit": Fault("raise")}), pytest.raises(FaultInjected):
        await migrate(url, clock=system_clock)
    assert await schema_version(url) == before
    async with earlier(LAST, url) as release:
        assert await release.ask("read") == expected
    async with now(url) as running:
        assert await program.read(running) == expected


# ------------------------------------------------------------------------------------------------ side by side


async def test_t44_the_release_before_and_this_one_append_side_by_side(made: Made) -> None:
    url, expected = made(LAST), of(LAST)
    sums = sums_of(expected)
    async with earlier(LAST, url) as before, now(url, run=False) as running:  # open before the migration, and after
        for turn in range(10):
            sums["t0"] = await before.ask("execute", "t0", turn)
            assert await program.execute(running, "t0", 1, 2) == sums["t0"] + 3
            assert await program.execute(running, f"mine-{turn}", 5) == 5
            assert await before.ask("execute", f"theirs-{turn}", 7, 8) == 15
            sums |= {"t0": sums["t0"] + 3, f"mine-{turn}": 5, f"theirs-{turn}": 15}
        seen = await program.read(running)
        assert await before.ask("read") == seen
        assert seen[: len(expected)] == expected
        assert len(seen) == len(expected) + 10 * 6
        assert await before.ask("rows") == sums, "its projector sees what the newer release appends"
        assert await program.folded(running, *sums) == sums
        versions = [event["version"] for event in seen if event["stream"] == ["tape", "t0"]]
        assert versions == list(range(1, len(versions) + 1))
        with pytest.raises(Refused, match="ConcurrencyConflict"):
            await before.ask("append", "t0", len(versions) - 1)
        with pytest.raises(ConcurrencyConflict):
            await program.append(running, "t0", len(versions) - 1)


async def test_t44_their_commands_on_one_stream_at_once_lose_nothing(made: Made) -> None:
    url, expected = made(LAST), of(LAST)
    async with now(url, run=False) as running, earlier(LAST, url) as before:  # after the migration
        sum_ = sums_of(expected)["t1"]

        async def theirs() -> None:
            for _ in range(30):
                await before.ask("execute", "t1", 1)

        async def ours() -> None:
            for _ in range(30):
                await program.execute(running, "t1", 1)

        await asyncio.gather(theirs(), ours())
        assert await program.folded(running, "t1") == {"t1": sum_ + 60} == await before.ask("folded", "t1")


async def test_t44_a_projector_may_go_back_to_the_release_before(made: Made) -> None:
    url, sums = made(LAST), sums_of(of(LAST))
    async with now(url) as running:
        await program.execute(running, "t2", 4)
        assert await program.rows(running) == sums | {"t2": sums["t2"] + 4}
    async with earlier(LAST, url) as before:
        await before.ask("execute", "t2", 5)
        assert await before.ask("rows") == sums | {"t2": sums["t2"] + 9}
    async with now(url) as running:
        assert await program.rows(running) == sums | {"t2": sums["t2"] + 9}


# ------------------------------------------------------------------------------------------------- the end of it


async def test_t44_once_it_is_finished_the_release_before_is_refused_with_the_remedy(made: Made) -> None:
    url = made(LAST)
    first = (await schema_version(url)).oldest
    found, before = await migrate(url, clock=system_clock)
    assert (found, before.found, before.oldest) == (first, before.needed, first)
    async with now(url, run=False) as running:  # others of this release may have it open
        with pytest.raises(StoreNotMigrated, match=r"`eventfold store migrate --finish`") as refused:
            await unfinished(url)
        assert (refused.value.found, refused.value.finish) == (first, True)
        _, after = await migrate(url, clock=system_clock, finish=True)
        assert after.oldest == after.found == after.needed
        await unfinished(url)
        await program.execute(running, "t0", 1)
    assert await migrate(url, clock=system_clock, finish=True) == (after.found, after)
    with pytest.raises(Refused, match=rf"StoreTooNew: .* schema version {after.oldest}, .* upgrade Eventfold"):
        async with earlier(LAST, url):
            raise AssertionError("it was opened")
    async with now(url, migrate=False) as running:
        assert await program.rows(running)


async def unfinished(url: str) -> None:
    """What needs the post step asks this first."""
    if url.startswith("sqlite"):
        path = url.removeprefix("sqlite:///")
        reader = open_reader(path, busy=5.0)
        try:
            sqlite_migrate.refuse_unfinished(reader, SqliteNames(), path, sqlite_migrate.latest_version())
        finally:
            reader.close()
        return
    connections = Connections(url)
    try:
        async with connections.use() as connection:
            await postgres_migrate.refuse_unfinished(
                connection, PostgresNames(), connections.where, postgres_migrate.latest_version()
            )
    finally:
        await connections.close()


async def test_t44_a_fresh_store_is_of_this_release_alone(
    tmp_path: Path, postgres: PostgresServer, postgres_schema: str
) -> None:
    for url in (f"sqlite:///{tmp_path / 'fresh.db'}", f"{postgres.url}?schema={postgres_schema}"):
        async with now(url, run=False):
            version = await schema_version(url)
        assert version.oldest == version.needed
        with pytest.raises(Refused, match="StoreTooNew"):
            async with earlier(LAST, url):
                raise AssertionError("it was opened")
