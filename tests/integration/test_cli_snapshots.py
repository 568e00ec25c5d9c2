"""`eventfold snapshots` on a store that is there."""

import asyncio
import json
from pathlib import Path

import pytest

from eventfold.adapters.system import system_clock
from eventfold.bootstrap.stores import open_stores
from eventfold.cli.exits import Exit
from eventfold.cli.program import run
from eventfold.domain.message import Stream
from eventfold.ports.event_store import Append
from eventfold.ports.snapshot_store import Snapshot
from eventfold.testing.conformance.material import events


@pytest.fixture
def url(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path}/e.db"
    asyncio.run(filled(url))
    return url


async def filled(url: str) -> None:
    async with open_stores(url, clock=system_clock, migrate=True) as stores:
        for stream in (Stream("book", "1"), Stream("book", "2"), Stream("loan", "1")):
            await stores.events.append(Append(stream, events(2)))
            assert await stores.snapshots.save(Snapshot(stream, 2, b"?" * 16, 0, b"123"))


def rows(url: str, capsys: pytest.CaptureFixture[str], *arguments: str) -> list[tuple[str, str, int, int]]:
    assert run(["snapshots", "ls", *arguments, "--json", "--store", url]) == Exit.OK
    return [
        (each["category"], each["id"], each["version"], each["bytes"]) for each in json.loads(capsys.readouterr().out)
    ]


def test_ls_lists_them_and_drop_drops_them(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert rows(url, capsys) == [("book", "1", 2, 3), ("book", "2", 2, 3), ("loan", "1", 2, 3)]
    assert rows(url, capsys, "book", "--limit", "1") == [("book", "1", 2, 3)]
    assert run(["snapshots", "drop", "book", "1", "--store", url]) == Exit.OK
    assert run(["snapshots", "drop", "book", "--json", "--store", url]) == Exit.OK
    assert capsys.readouterr().out == '1 dropped.\n{"dropped":1}\n'
    assert rows(url, capsys) == [("loan", "1", 2, 3)]
    assert run(["snapshots", "drop", "--all", "--store", url]) == Exit.OK
    capsys.readouterr()
    assert run(["snapshots", "ls", "--store", url]) == Exit.OK
    assert capsys.readouterr().err == "There are no snapshots.\n"


@pytest.mark.parametrize("arguments", [[], ["book", "--all"]])
def test_drop_wants_to_know_which(url: str, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["snapshots", "drop", *arguments, "--store", url]) == Exit.USAGE
    assert "name a category, or say --all" in capsys.readouterr().err
    assert len(rows(url, capsys)) == 3
