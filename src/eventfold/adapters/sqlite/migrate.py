"""Numbered migrations, applied in one transaction, safe when several processes start at once."""

from __future__ import annotations

from functools import cache
from typing import Any, Final
from uuid import uuid4

import apsw

from eventfold.adapters.sqlite.connection import Connection
from eventfold.adapters.sqlite.names import Names
from eventfold.errors import NotAStore
from eventfold.ports.failpoint import failpoint
from eventfold.ports.migrations import Applied, Migrations

__all__ = ["bring_up_to_date", "found_version", "latest_version", "oldest_version", "refuse_unfinished"]

NAMES: Final = r"""
SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\_%' ESCAPE '\'
"""
VERSION: Final = "SELECT schema_version FROM {store} WHERE one = 1"


@cache
def _migrations() -> Migrations:
    return Migrations.of(__name__.rpartition(".")[0])


def latest_version() -> int:
    return _migrations().latest


def found_version(connection: Connection, names: Names, path: str, *, migrate: bool) -> int:
    """
    The version of the tables: the latest one when nothing has to be done, 0 without any. Looks only, so a file that is
    none of ours stays as it is.

    Raises:
        NotAStore: the file has tables of our names that are not ours.
        StoreTooNew: a newer release has been here, and no older one may use the store any more.
        StoreNotMigrated: something is missing and may not be made.
    """
    return _migrations().judge(_applied(connection, names, path), path, migrate=migrate)


def oldest_version(connection: Connection, names: Names, path: str) -> int:
    """The newest migration that code must know to use this store. Raises NotAStore."""
    return _applied(connection, names, path).oldest


def refuse_unfinished(connection: Connection, names: Names, path: str, number: int) -> None:
    """
    Raises:
        StoreNotMigrated: code that does not know this migration may still use the store; with the command.
    """
    _migrations().refuse_unfinished(_applied(connection, names, path), path, number)


def bring_up_to_date(connection: Connection, names: Names, path: str, *, now: int, finish: bool = False) -> None:
    """
    Apply what is missing. Raises as `found_version` does.

    Args:
        finish: no older release is left, so apply the post migrations too and refuse older releases from now on.
    """
    known = _migrations()
    connection.execute("BEGIN IMMEDIATE")
    try:
        applied = _applied(connection, names, path)  # another process may have been quicker
        known.judge(applied, path, migrate=True)
        for each in known.pending(applied, finish=finish):
            connection.execute(names.fill(each.script))
        if not applied.numbers:
            _introduce(connection, names, now)
        recorded = _recorded(connection, names)
        for each in known.to_record(recorded, applied, finish=finish):
            connection.execute(
                names.fill("INSERT INTO {store_migrations} VALUES (?, ?, ?)"), (each.number, each.name, now)
            )
        oldest = known.oldest(applied, finish=finish)
        connection.execute(names.fill("UPDATE {store} SET schema_version = ?"), (oldest,))
        failpoint("migrate.before_commit")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _applied(connection: Connection, names: Names, path: str) -> Applied:
    rows = connection.execute(NAMES).fetchall()
    ours = sorted(name for (name,) in rows if names.is_ours(name))
    if not ours:
        return Applied.of(0, ())
    version: Any = None
    if names.plain("store") in ours and names.plain("events") in ours:
        try:
            version = connection.execute(names.fill(VERSION)).get
        except apsw.SQLError:
            version = None
    if not isinstance(version, int):
        raise NotAStore(f"{path} has a table {ours[0]!r} that is not Eventfold's; choose another ?prefix=")
    has_record = names.plain("store_migrations") in ours
    return Applied.of(version, _recorded(connection, names) if has_record else None)


def _recorded(connection: Connection, names: Names) -> frozenset[int]:
    rows = connection.execute(names.fill("SELECT number FROM {store_migrations}")).fetchall()
    return frozenset(number for (number,) in rows)


def _introduce(connection: Connection, names: Names, now: int) -> None:
    incarnation = uuid4().bytes
    connection.execute(
        names.fill("INSERT INTO {store} VALUES (1, 0, ?, ?, 'sqlite', ?)"), (uuid4().bytes, incarnation, now)
    )
    connection.execute(names.fill("INSERT INTO {incarnations} VALUES (?, 'sqlite', 0, ?)"), (incarnation, now))
