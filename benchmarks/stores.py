"""The kinds of stores that are measured: where one lies, how it is filled once, how a run gets a copy of its own."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol
from urllib.parse import urlsplit

Store = Literal["sqlite", "postgres"]
SQLITE: Store = "sqlite"
POSTGRES: Store = "postgres"
ROOT = Path(__file__).resolve().parent.parent

# As its authors ship it, with syncs; but no checkpoint falls into one contestant's run and not into another's.
SETTINGS = {"wal_level": "replica", "max_wal_size": "8GB", "min_wal_size": "2GB", "checkpoint_timeout": "1h"}
SHOWN = ("server_version", "fsync", "synchronous_commit", "full_page_writes", "shared_buffers", "wal_sync_method")


@dataclass(frozen=True, slots=True)
class Seed:
    """A store that is filled before the rounds begin; every run works on a copy of its own, or only reads it."""

    streams: int
    events: int
    copied: bool = True
    tagged: bool = False

    @property
    def name(self) -> str:
        return f"{self.streams}x{self.events}{'_tagged' if self.tagged else ''}"


Fill = Callable[[str, str, Seed], None]
"""Fill the store of one contestant's kind at this place."""


class Places(Protocol):
    """Where stores are made. A place is a path or a URL: all that a contestant has to know."""

    def seeded(self, whose: str, seed: Seed, fill: Fill) -> str: ...
    def lent(self, seeds: Sequence[tuple[Seed, str]]) -> Any: ...
    def facts(self) -> Mapping[str, str]: ...


@contextmanager
def places(store: Store, folder: str | None, server: str | None) -> Iterator[Places]:
    """Places for the stores of one session; they are gone afterwards."""
    with ExitStack() as stack:
        if store == SQLITE:
            yield Files(Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="eventfold-bench-", dir=folder))))
            return
        databases = Databases(server or stack.enter_context(started(folder)))
        stack.callback(databases.drop_all)
        yield databases


@contextmanager
def started(folder: str | None) -> Iterator[str]:
    """A server of our own, the one of the tests: fsync is on."""
    if str(ROOT) not in sys.path:
        sys.path.append(str(ROOT))
    from tests.postgres import start_postgres

    tempfile.tempdir = folder or tempfile.tempdir
    with start_postgres(SETTINGS) as server:
        yield server.url


# ----------------------------------------------------------------------------------- SQLite


class Files:
    """Files in a folder."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def seeded(self, whose: str, seed: Seed, fill: Fill) -> str:
        path = self.home / f"seed-{whose}-{seed.name}.db"
        if not path.exists():
            unfinished = path.with_suffix(".unfinished")
            fill(whose, str(unfinished), seed)
            unfinished.rename(path)
        return str(path)

    @contextmanager
    def lent(self, seeds: Sequence[tuple[Seed, str]]) -> Iterator[list[str]]:
        with tempfile.TemporaryDirectory(dir=self.home) as folder:
            paths = []
            for number, (seed, filled) in enumerate(seeds):
                path = Path(folder) / f"store{number}.db"
                if seed.copied:
                    copy_to_disk(Path(filled), path)
                paths.append(str(path) if seed.copied else filled)
            yield paths or [str(Path(folder) / "store0.db")]

    def facts(self) -> Mapping[str, str]:
        return {}


def copy_to_disk(source: Path, target: Path) -> None:
    """On the disk when it returns, so that nobody's syncs have to carry it there."""
    shutil.copyfile(source, target)
    descriptor = os.open(target, os.O_RDWR)
    os.fsync(descriptor)
    os.close(descriptor)


# --------------------------------------------------------------------------------- Postgres


class Databases:
    """Databases of one server, which all contestants share."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.prefix = f"eventfold_bench_{os.getpid()}"
        self._made: list[str] = []
        self._number = 0
        # Copied as files, on the disk when that returns; before version 15 there is no other way, and no word for it.
        self._copying = " STRATEGY file_copy" if int(self.facts()["server_version"].split(".")[0]) >= 15 else ""

    def seeded(self, whose: str, seed: Seed, fill: Fill) -> str:
        name = f"{self.prefix}_seed_{whose}_{seed.name}"
        if name not in self._made:
            self._create(name)
            fill(whose, self.url_of(name), seed)
            self._execute("CHECKPOINT")
        return self.url_of(name)

    @contextmanager
    def lent(self, seeds: Sequence[tuple[Seed, str]]) -> Iterator[list[str]]:
        urls, copies = [], []
        for seed, filled in seeds:
            if not seed.copied:
                urls.append(filled)
                continue
            self._number += 1
            name = f"{self.prefix}_{self._number}"
            self._create(name, f' TEMPLATE "{urlsplit(filled).path[1:]}"{self._copying}')
            copies.append(name)
            urls.append(self.url_of(name))
        yield urls
        for name in copies:
            self._drop(name)

    def drop_all(self) -> None:
        for name in list(self._made):
            self._drop(name)

    def facts(self) -> Mapping[str, str]:
        return {name: str(asyncio.run(asked(self.url, f"SHOW {name}"))) for name in SHOWN}

    def url_of(self, database: str) -> str:
        return urlsplit(self.url)._replace(path=f"/{database}").geturl()

    def _create(self, name: str, how: str = "") -> None:
        self._execute(f'CREATE DATABASE "{name}"{how}')
        self._made.append(name)

    def _drop(self, name: str) -> None:
        self._execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        self._made.remove(name)

    def _execute(self, statement: str) -> None:
        asyncio.run(asked(self.url, statement))


async def asked(url: str, statement: str) -> Any:
    import asyncpg

    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()
