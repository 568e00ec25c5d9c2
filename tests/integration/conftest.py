from pathlib import Path

import pytest

from tests.postgres import PostgresServer


@pytest.fixture(autouse=True)
def no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """pytest-xdist may run its workers with a width, at which tables are folded."""
    monkeypatch.delenv("COLUMNS", raising=False)


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A store of its own, for commands that go to a file and to a server."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/e.db"
    server: PostgresServer = request.getfixturevalue("postgres")
    schema = request.getfixturevalue("postgres_schema")
    return f"{server.url}?schema={schema}&options=-csearch_path%3D{schema}"
