"""The URL of a server: what is ours in it, what is the driver's, and that no password is ever shown."""

from __future__ import annotations

import sys
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from eventfold import Eventfold
from eventfold.bootstrap.inspection import examination, schema_version, statistics
from eventfold.bootstrap.stores import backup
from eventfold.bootstrap.urls import PostgresOptions, postgres_address, redacted
from eventfold.cli.exits import Exit
from eventfold.cli.program import run
from eventfold.errors import InvalidInput, InvalidStoreUrl, UnsupportedByStore

SECRET = "s3cr3t"


def test_our_options_are_typed_and_the_driver_gets_its_own() -> None:
    address = postgres_address(
        "postgres://ann:pw@db.example:6432/shop?schema=shop&pool=3&lanes=1&poll=50ms&notify=off&synchronous_commit=any"
        "&direct=postgresql%3A%2F%2Fdb.example%2Fshop&sslmode=verify-full&sslrootcert=%2Fetc%2Fca.pem"
        "&options=-csearch_path%3Dapp&application_name=till"
    )
    options = address.options
    assert (options.schema, options.pool, options.lanes, options.notify) == ("shop", 3, 1, "off")
    assert (options.poll, options.synchronous_commit) == (timedelta(milliseconds=50), "any")
    assert options.direct == "postgresql://db.example/shop"
    parts = urlsplit(address.dsn)
    assert (parts.scheme, parts.netloc, parts.path) == ("postgresql", "ann:pw@db.example:6432", "/shop")
    assert parse_qs(parts.query) == {
        "sslmode": ["verify-full"],
        "sslrootcert": ["/etc/ca.pem"],
        "options": ["-csearch_path=app"],
        "application_name": ["till"],
    }


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://host/db",
        "postgresql:///db?host=%2Frun%2Fpostgresql",
        "postgresql://one,two:5433/db",
        "postgresql://[::1]:5432/db",
        "postgresql://host?dbname=db",
        "postgresql://?service=shop",
    ],
)
def test_every_way_to_name_a_database_is_understood(url: str) -> None:
    assert postgres_address(url).options == PostgresOptions()


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("postgresql:", "write postgresql://user:password@host/database"),
        ("postgresql://", "write postgresql://user:password@host/database"),
        ("postgresql://host", "name a database after the host"),
        ("postgresql://host/", "name a database after the host"),
        ("postgresql://host/db?nope=1", "has no option 'nope'; there are: schema, pool, lanes, direct, poll, notify"),
        ("postgresql://host/db?nope=1", "and of libpq: host, port, dbname, user, password"),
        ("postgresql://host/db?prefix=x", "has no option 'prefix'"),
        ("postgresql://host/db?pool=0", "pool=0: between 1 and 1000"),
        ("postgresql://host/db?pool=many", "Expected `int`"),
        ("postgresql://host/db?lanes=17", "lanes=17: between 1 and 16"),
        ("postgresql://host/db?poll=1", "'1' is no duration; write 200ms, 5s, 2m or 1h"),
        ("postgresql://host/db?poll=0s", "more than nothing"),
        ("postgresql://host/db?notify=maybe", "Invalid enum value 'maybe'"),
        ("postgresql://host/db?schema=a&schema=b", "an option is given twice"),
        ("postgresql://host/db?schema", r"write \?name=value&name=value"),
        ("postgresql://host/db?direct=host", "direct= is a URL of its own"),
        ("postgresql://[::1/db", "is no URL"),
    ],
)
async def test_an_address_that_is_none_says_what_is_wrong(url: str, why: str) -> None:
    with pytest.raises(InvalidStoreUrl, match=why):
        async with Eventfold().open(url):
            pass
    for look in (statistics, schema_version, examination):
        with pytest.raises(InvalidStoreUrl, match=why):
            await look(url)


@pytest.mark.parametrize("schema", ["1x", "a-b", "x" * 33, '"; drop schema eventfold; --', "pg_toast", "Shop", ""])
async def test_sec06_a_schema_that_is_no_name_is_refused(schema: str) -> None:
    with pytest.raises(InvalidInput, match="schema"):
        async with Eventfold().open(f"postgresql://127.0.0.1:1/db?schema={schema}"):
            pass


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (f"postgresql://ann:{SECRET}@host/db", "postgresql://ann:***@host/db"),
        (f"postgres://ann:{SECRET}@host/db?schema=x", "postgres://ann:***@host/db?schema=x"),
        (f"postgresql://:{SECRET}@host/db", "postgresql://:***@host/db"),
        (f"postgresql://ann:a@{SECRET}@host/db", "postgresql://ann:***@host/db"),
        (f"postgresql://ann:a/{SECRET}@host/db", "postgresql://ann:***@host/db"),
        (f"postgresql://ann:a#{SECRET}@host/db", "postgresql://ann:***@host/db"),
        (f"postgresql://ann:a?{SECRET}@host/db", "postgresql://***@host/db"),
        (f"postgresql://ann:{SECRET}@b?{SECRET}@host/db", "postgresql://***@host/db"),
        (f"postgresql://host/db?password={SECRET}&pool=2", "postgresql://host/db?password=***&pool=2"),
        (f"postgresql://host/db?sslpassword={SECRET}", "postgresql://host/db?sslpassword=***"),
        (
            f"postgresql://host/db?direct=postgresql%3A%2F%2Fann%3A{SECRET}%40host%2Fdb",
            "postgresql://host/db?direct=postgresql%3A%2F%2Fann%3A***%40host%2Fdb",
        ),
        (f"postgresql://host/db?direct=postgresql://ann:{SECRET}@host/db", "postgresql://***@host/db"),
        (f"postgresql://ann:{SECRET}/db", "postgresql://ann:***/db"),
        (f"postgresql://ann:{SECRET}", "postgresql://ann:***"),
        ("postgresql://one:5432,two:5433/db", "postgresql://one:5432,two:5433/db"),
        ("postgresql://[::1]:5432/db", "postgresql://[::1]:5432/db"),
        ("sqlite:///a:b@c.db", "sqlite:///a:b@c.db"),
    ],
)
def test_sec22_a_password_is_never_shown(url: str, shown: str) -> None:
    assert redacted(url) == shown
    assert SECRET not in shown


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://ann:{SECRET}@127.0.0.1:1/db",
        f"postgresql://ann:{SECRET}@127.0.0.1:1/db?nope=1",
        f"postgresql://ann:{SECRET}@127.0.0.1:1/db?poll=x",
        f"postgresql://ann:{SECRET}@127.0.0.1:1/",
        f"postgresql://ann:{SECRET}#@127.0.0.1:1/db",
        f"postgresql://ann:{SECRET}/@127.0.0.1:1/db",
        f"postgresql://ann:{SECRET}?@127.0.0.1:1/db",
        f"postgresql://ann:{SECRET}@127.0.0.1:x{SECRET}/db",
        f"postgresql://ann:{SECRET}/db",
        f"postgresql://ann:{SECRET}",
        f"postgresql://127.0.0.1:1/db?password={SECRET}&poll=x",
        f"postgresql://127.0.0.1:1/db?{SECRET}=x",
        f"postgresql://127.0.0.1:1/db?{SECRET}",
        f"postgresql://127.0.0.1:1/db?direct=http://ann:{SECRET}@h",
        f"postgresql://127.0.0.1:1/db?direct=postgresql%3A%2F%2Fann%3A{SECRET}%40h%2Fdb&poll=x",
    ],
)
@pytest.mark.parametrize("command", [["stats"], ["doctor"], ["tail"], ["store", "backup", "x.db"], ["store", "status"]])
def test_sec22_no_command_shows_it_whatever_is_wrong(
    url: str, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*command, "--store", url]) != Exit.OK
    out, err = capsys.readouterr()
    assert err
    assert SECRET not in out + err


def test_sec22_an_address_in_a_log_shows_none() -> None:
    address = postgres_address(f"postgresql://ann:{SECRET}@host/db")
    assert repr(address) == str(address) == "PostgresAddress('postgresql://ann:***@host/db')"


async def test_a_server_is_no_file() -> None:
    with pytest.raises(UnsupportedByStore, match="is no file; its own tools do that, pg_dump for a backup"):
        await backup(f"postgresql://ann:{SECRET}@host/db", "copy.db")


async def test_without_the_driver_the_command_that_installs_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "asyncpg", None)
    for look in (statistics, schema_version, examination):
        with pytest.raises(UnsupportedByStore, match=r"pip install 'eventfold\[postgres\]'"):
            await look("postgresql://host/db")
    with pytest.raises(UnsupportedByStore, match=r"pip install 'eventfold\[postgres\]'"):
        async with Eventfold().open("postgresql://host/db"):
            pass
