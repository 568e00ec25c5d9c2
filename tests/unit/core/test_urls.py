"""Every address of a store that is none, and every option."""

import os
from datetime import timedelta
from pathlib import Path

import pytest

from eventfold import Eventfold
from eventfold.bootstrap.urls import sqlite_options
from eventfold.errors import InvalidInput, InvalidStoreUrl, NotAStore, StoreNotMigrated, StoreUnavailable


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("", "'' is no kind of store"),
        ("bookstore.db", "is no kind of store of this release; there are memory:, sqlite:///path, postgresql://"),
        ("SQLITE:///x.db", "is no kind of store"),
        ("mysql://localhost/x", "'mysql' is no kind of store of this release"),
        ("memory:x", "a store in memory has no name"),
        ("memory://", "a store in memory has no name"),
        ("memory:?busy=5s", "memory: has no option 'busy'; there are: none"),
        ("sqlite:x.db", "name a file after three slashes"),
        ("sqlite://x.db", "name a file after three slashes"),
        ("sqlite:///", "name a file after three slashes"),
        ("sqlite:", "name a file after three slashes"),
        ("sqlite:///:memory:", "for a store in memory write memory:"),
        ("sqlite:///a%00b", "that is no file"),
        ("sqlite:///x.db?nope=1", "has no option 'nope'; there are: synchronous, busy, writer, prefix"),
        ("sqlite:///x.db?busy", r"write \?name=value&name=value"),
        ("sqlite:///x.db?busy=1s&busy=2s", "an option is given twice"),
        ("sqlite:///x.db?busy=5", "'5' is no duration; write 200ms, 5s, 2m or 1h"),
        ("sqlite:///x.db?busy=-5s", "is no duration"),
        ("sqlite:///x.db?busy=5 s", "is no duration"),
        ("sqlite:///x.db?busy=", "is no duration"),
        ("sqlite:///x.db?busy=600h", "more than a day"),
        ("sqlite:///x.db?busy=99999999999999999h", "more than a day"),
        ("sqlite:///x.db?synchronous=off", "Invalid enum value 'off'"),
        ("sqlite:///x.db?writer=process", "Invalid enum value 'process'"),
    ],
)
async def test_an_address_that_is_none_says_what_is_wrong(
    url: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidStoreUrl, match=why):
        async with Eventfold().open(url):
            pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("prefix", ["1x", "a-b", "x" * 33, '"; drop table events; --'])
async def test_a_prefix_that_is_no_name_is_refused(prefix: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="prefix"):
        async with Eventfold().open(f"sqlite:///{tmp_path}/x.db?prefix={prefix}"):
            pass


async def test_a_folder_is_no_store_and_a_missing_one_holds_none(tmp_path: Path) -> None:
    with pytest.raises(NotAStore, match="is a folder; name a file in it"):
        async with Eventfold().open(f"sqlite:///{tmp_path}"):
            pass
    with pytest.raises(StoreUnavailable, match="there is no folder"):
        async with Eventfold().open(f"sqlite:///{tmp_path}/missing/x.db"):
            pass
    with pytest.raises((StoreNotMigrated, StoreUnavailable)):
        async with Eventfold().open(f"sqlite:///{tmp_path}/x.db", migrate=False):
            pass


async def test_every_option_can_be_given(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/a%20b.db?synchronous=normal&busy=200ms&writer=thread&prefix=shop_"
    async with Eventfold().open(url) as running:
        assert await running.head() == 0
    assert "a b.db" in os.listdir(tmp_path)  # noqa: PTH208 - a path's own method would block just as well


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("200ms", timedelta(milliseconds=200)),
        ("1.5s", timedelta(seconds=1.5)),
        ("2m", timedelta(minutes=2)),
        ("1h", timedelta(hours=1)),
    ],
)
def test_durations_carry_their_unit(text: str, length: timedelta) -> None:
    assert sqlite_options(f"busy={text}").busy == length
