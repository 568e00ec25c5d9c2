"""
PgBouncer in transaction mode, in front of the server that all tests share.

The program is the one on PATH, else Debian's, unpacked into the environment. No prepared statement, no LISTEN and no
session setting survives a transaction here, as behind the poolers of most clouds.
"""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from tests.debian import NotUnpacked, Unpacked, unpacked
from tests.keeper import kept_folder
from tests.postgres import ATTEMPTS, DEADLINE, ExistingServer, PostgresServer, ServerDied
from tests.processes import free_port, give_away, start, unprivileged, within_reach
from tests.servers import require_server

PACKAGE = "pgbouncer"
OPTIONS: Mapping[str, str] = {
    "pool_mode": "transaction",
    "max_client_conn": "500",
    "default_pool_size": "10",  # few, so that neighbours in time do share a connection
}


class PgBouncer:
    """A pooler of our own on a loopback port."""

    def __init__(self, folder: Path, server: PostgresServer | ExistingServer, options: Mapping[str, str]) -> None:
        self.server = server
        self.folder = folder
        self.options = {**OPTIONS, **options}
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where the pooler answers for the database of the server."""
        database = urlsplit(self.server.url).path.removeprefix("/")
        return f"postgresql://anybody@127.0.0.1:{self.port}/{database}"

    @property
    def direct_url(self) -> str:
        """The same database past the pooler, for LISTEN."""
        return self.server.url

    @property
    def log(self) -> str:
        file = self.folder / "log"
        return file.read_text(encoding="utf-8", errors="replace") if file.exists() else ""

    def start(self) -> None:
        """Start, and wait until it listens.

        Raises:
            ServerDied: with the log.
        """
        program, environment = find_pgbouncer(self.folder)
        settings = self.folder / "pgbouncer.ini"
        settings.write_text(self.settings(), encoding="utf-8")
        give_away(settings)
        self.process = start(unprivileged(program, settings), self.folder / "log", environment)
        deadline = time.monotonic() + DEADLINE
        while not self.is_listening():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise ServerDied(f"PgBouncer did not come up:\n{self.log}")
            time.sleep(0.005)

    def stop(self) -> None:
        """Cut all connections at once."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def is_listening(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def settings(self) -> str:
        address = urlsplit(self.server.url)
        target = {"host": address.hostname, "port": address.port or 5432, "user": unquote(address.username or "")}
        if address.password:
            target["password"] = unquote(address.password)
        words = " ".join(f"{name}='{str(value).replace(chr(39), chr(39) * 2)}'" for name, value in target.items())
        lines = [
            "[databases]",
            f"* = {words}",
            "[pgbouncer]",
            "listen_addr = 127.0.0.1",
            f"listen_port = {self.port}",
            "unix_socket_dir =",
            "auth_type = any",  # who may connect is not what we test
            *(f"{name} = {value}" for name, value in self.options.items()),
        ]
        return "\n".join(lines) + "\n"


@contextmanager
def start_pgbouncer(
    server: PostgresServer | ExistingServer, options: Mapping[str, str] | None = None
) -> Iterator[PgBouncer]:
    """A pooler for one test. `options` are settings of the `[pgbouncer]` section."""
    try:
        _ = installed() or unpacked(PACKAGE)
    except NotUnpacked as missing:
        require_server("pgbouncer", f"not on PATH, and {missing}; apt-get install pgbouncer")
    with kept_folder() as folder:
        give_away(folder)
        pooler = PgBouncer(folder, server, options or {})
        for attempt in range(ATTEMPTS):
            try:
                pooler.start()
            except ServerDied as death:
                if attempt == ATTEMPTS - 1 or "in use" not in str(death):
                    raise
                pooler.port = free_port()
            else:
                break
        try:
            yield pooler
        finally:
            pooler.stop()


def find_pgbouncer(folder: Path) -> tuple[Path, Mapping[str, str]]:
    if found := installed():
        return found, {}
    package = Unpacked(within_reach(unpacked(PACKAGE).root, folder))
    return package.root / "usr" / "sbin" / "pgbouncer", package.environment


def installed() -> Path | None:
    found = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")  # Debian's place for it
    return Path(found) if found else None


@pytest.fixture(scope="session")
def pgbouncer(postgres: PostgresServer | ExistingServer) -> Iterator[PgBouncer]:
    """A pooler in transaction mode before the server of `postgres`."""
    with start_pgbouncer(postgres) as pooler:
        yield pooler
