"""Numbered migrations, applied in one transaction, safe when several processes start at once."""

from __future__ import annotations

import re
from functools import cache
from importlib import resources
from typing import Any, Final
from uuid import uuid4

import apsw

from eventfold.adapters.sqlite.connection import Connection
from eventfold.adapters.sqlite.names import Names
from eventfold.errors import NotAStore, StoreNotMigrated, StoreTooNew
from eventfold.ports.failpoint import failpoint

__all__ = ["bring_up_to_date", "found_version", "latest_version"]

NAMES: Final = r"""
SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\_%' ESCAPE '\'
"""
_FILE = re.compile(r"(\d{4})_\w+\.sql")


@cache
def _migrations() -> dict[int, str]:
    folder = resources.files(__name__.rpartition(".")[0]) / "migrations"
    found = ((_FILE.fullmatch(file.name), file) for file in folder.iterdir())
    return dict(sorted((int(match[1]), file.read_text("utf-8")) for match, file in found if match))


def latest_version() -> int:
    return max(_migrations())


def found_version(connection: Connection, names: Names, path: str, *, migrate: bool) -> int:
    """
    The version of the tables; 0 without any. Looks only, so a file that is none of ours stays as it is.

    Raises:
        NotAStore: the file has tables of our names that are not ours.
        StoreTooNew: a newer release has been here.
        StoreNotMigrated: something is missing and may not be made.
    """
    found, latest = _recorded_version(connection, names, path), latest_version()
    if found > latest:
        raise StoreTooNew(path, found, latest)
    if found < latest and not migrate:
        raise StoreNotMigrated(path, found, latest)
    return found


def bring_up_to_date(connection: Connection, names: Names, path: str, *, now: int) -> None:
    """Apply what is missing. Raises as `found_version` does."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        found = found_version(connection, names, path, migrate=True)  # another process may have been quicker
        for version, script in _migrations().items():
            if version > found:
                connection.execute(names.fill(script))
        if found == 0:
            _introduce(connection, names, now)
        connection.execute(names.fill("UPDATE {store} SET schema_version = ?"), (latest_version(),))
        failpoint("migrate.before_commit")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _recorded_version(connection: Connection, names: Names, path: str) -> int:
    rows = connection.execute(NAMES).fetchall()
    ours = sorted(name for (name,) in rows if names.is_ours(name))
    if not ours:
        return 0
    version: Any = None
    if names.plain("store") in ours and names.plain("events") in ours:
        try:
            version = connection.execute(names.fill("SELECT schema_version FROM {store} WHERE one = 1")).get
        except apsw.SQLError:
            version = None
    if not isinstance(version, int):
        raise NotAStore(f"{path} has a table {ours[0]!r} that is not Eventfold's; choose another ?prefix=")
    return version


def _introduce(connection: Connection, names: Names, now: int) -> None:
    incarnation = uuid4().bytes
    connection.execute(
        names.fill("INSERT INTO {store} VALUES (1, 0, ?, ?, 'sqlite', ?)"), (uuid4().bytes, incarnation, now)
    )
    connection.execute(names.fill("INSERT INTO {incarnations} VALUES (?, 'sqlite', 0, ?)"), (incarnation, now))
