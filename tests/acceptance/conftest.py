import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from eventfold import system_clock
from eventfold.bootstrap.stores import open_stores
from tests.acceptance.world import File, Memory, Place, Server
from tests.postgres import PostgresServer


@pytest.fixture(autouse=True)
def planted(monkeypatch: pytest.MonkeyPatch) -> None:
    """As for the torture tests: run with EVENTFOLD_MUTANT=name, the tests named beside that bug must turn red."""
    if name := os.environ.get("EVENTFOLD_MUTANT"):
        from tests.torture import mutants  # imports all that can be planted in

        mutants.plant(name, monkeypatch.setattr)


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Every store of this release, with nothing in it."""
    match request.param:
        case "memory":
            return "memory:"
        case "sqlite":
            return f"sqlite:///{tmp_path}/store.db"
        case _:
            server: PostgresServer = request.getfixturevalue("postgres")
            schema: str = request.getfixturevalue("postgres_schema")
            return f"{server.url}?schema={schema}&options=-csearch_path%3D{schema}"


@pytest.fixture
async def place(url: str) -> AsyncIterator[Place]:
    """One store, for several applications at once or one after the other."""
    if url == "memory:":
        async with open_stores(url, clock=system_clock, migrate=True) as stores:
            yield Memory(stores)
    elif url.startswith("sqlite:"):
        yield File(url)
    else:
        yield Server(url)


@pytest.fixture
def file(tmp_path: Path) -> File:
    """For what can be seen or broken in a file only."""
    return File(f"sqlite:///{tmp_path}/store.db")
