from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from eventfold import system_clock
from eventfold.bootstrap.stores import open_stores
from tests.acceptance.world import File, Memory, Place


@pytest.fixture(params=["memory", "sqlite"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Every store of this release that needs no server."""
    return "memory:" if request.param == "memory" else f"sqlite:///{tmp_path}/store.db"


@pytest.fixture
async def place(url: str) -> AsyncIterator[Place]:
    """One store, for several applications at once or one after the other."""
    if url == "memory:":
        async with open_stores(url, clock=system_clock, migrate=True) as stores:
            yield Memory(stores)
    else:
        yield File(url)


@pytest.fixture
def file(tmp_path: Path) -> File:
    """For what can be seen or broken in a file only."""
    return File(f"sqlite:///{tmp_path}/store.db")
