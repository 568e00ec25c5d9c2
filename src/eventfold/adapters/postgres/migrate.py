"""Numbered migrations, applied in one transaction, safe when any number of processes start at once."""

from __future__ import annotations

import re
from functools import cache
from importlib import resources
from typing import Any, Final
from uuid import uuid4

import asyncpg

from eventfold.adapters.postgres.connection import Connection
from eventfold.adapters.postgres.names import Names
from eventfold.errors import NotAStore, StoreNotMigrated, StoreTooNew
from eventfold.ports.failpoint import failpoint

__all__ = ["bring_up_to_date", "found_version", "latest_version", "recognise"]

_FILE: Final = re.compile(r"(\d{4})_\w+\.sql")
ONE_AT_A_TIME: Final = "SELECT pg_advisory_xact_lock(hashtextextended('eventfold migrates ' || $1, 0))"
TABLES: Final = """
SELECT c.relname::text FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = $1 AND c.relkind IN ('r', 'v', 'p', 'm', 'f', 'S') ORDER BY 1
"""
SCHEMA_EXISTS: Final = "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)"
FINGERPRINT: Final = """
SELECT concat_ws('/', (SELECT system_identifier FROM pg_control_system()),
                      (SELECT timeline_id FROM pg_control_checkpoint()),
                      (SELECT oid FROM pg_database WHERE datname = current_database()))
"""
NOW: Final = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint"


@cache
def _migrations() -> dict[int, str]:
    folder = resources.files(__name__.rpartition(".")[0]) / "migrations"
    found = ((_FILE.fullmatch(file.name), file) for file in folder.iterdir())
    return dict(sorted((int(match[1]), file.read_text("utf-8")) for match, file in found if match))


def latest_version() -> int:
    return max(_migrations())


async def found_version(connection: Connection, names: Names, where: str, *, migrate: bool) -> int:
    """
    The version of the tables; 0 without any. Looks only.

    Raises:
        NotAStore: the schema has tables of our names that are not ours.
        StoreTooNew: a newer release has been here.
        StoreNotMigrated: something is missing and may not be made.
    """
    found, latest = await _recorded_version(connection, names, where), latest_version()
    if found > latest:
        raise StoreTooNew(_place(where, names), found, latest)
    if found < latest and not migrate:
        raise StoreNotMigrated(_place(where, names), found, latest)
    return found


async def bring_up_to_date(connection: Connection, names: Names, where: str) -> None:
    """Apply what is missing. Raises as `found_version` does."""
    if await found_version(connection, names, where, migrate=True) == latest_version():
        return
    async with connection.transaction():
        await connection.execute(ONE_AT_A_TIME, names.schema)
        found = await found_version(connection, names, where, migrate=True)  # another process may have been quicker
        if found == latest_version():
            return
        if not await connection.fetchval(SCHEMA_EXISTS, names.schema):
            await connection.execute(names.fill("CREATE SCHEMA {schema}"))
        for version, script in _migrations().items():
            if version > found:
                await connection.execute(names.fill(script))
        if found == 0:
            await _introduce(connection, names)
        await connection.execute(names.fill("UPDATE {store} SET schema_version = $1"), latest_version())
        failpoint("migrate.before_commit")


async def recognise(connection: Connection, names: Names) -> bool:
    """
    Whether this is the database the store was in before. A restored dump, a copy or a promoted standby is not.

    From then on it is another incarnation, so that checkpoints which are kept elsewhere can be judged.
    """
    fingerprint = await connection.fetchval(FINGERPRINT)
    known = await connection.fetchval(names.fill("SELECT fingerprint FROM {store} WHERE one = 1"))
    if known == fingerprint:
        return True
    async with connection.transaction():
        await connection.execute(ONE_AT_A_TIME, names.schema)
        known = await connection.fetchval(names.fill("SELECT fingerprint FROM {store} WHERE one = 1"))
        if known != fingerprint:
            head = await connection.fetchval(names.fill("SELECT coalesce(max(position), 0) FROM {events}"))
            incarnation = await _record_incarnation(connection, names, fingerprint, head)
            await connection.execute(
                names.fill("UPDATE {store} SET incarnation = $1, fingerprint = $2"), incarnation, fingerprint
            )
    return False


async def _recorded_version(connection: Connection, names: Names, where: str) -> int:
    found = [row[0] for row in await connection.fetch(TABLES, names.schema)]
    ours = [name for name in found if names.is_ours(name)]
    if not ours:
        return 0
    version: Any = None
    if "store" in ours and "events" in ours:
        try:
            version = await connection.fetchval(names.fill("SELECT schema_version FROM {store} WHERE one = 1"))
        except (asyncpg.UndefinedColumnError, asyncpg.UndefinedTableError):
            version = None
    if not isinstance(version, int):
        raise NotAStore(f"{where}: {names.plain(ours[0])} is not Eventfold's; choose another ?schema=")
    return version


async def _introduce(connection: Connection, names: Names) -> None:
    fingerprint = await connection.fetchval(FINGERPRINT)
    incarnation = await _record_incarnation(connection, names, fingerprint, 0)
    now = await connection.fetchval(NOW)
    await connection.execute(
        names.fill("INSERT INTO {store} VALUES (1, 0, $1, $2, $3, $4)"), uuid4(), incarnation, fingerprint, now
    )


async def _record_incarnation(connection: Connection, names: Names, fingerprint: str, head: int) -> Any:
    incarnation = uuid4()
    now = await connection.fetchval(NOW)
    await connection.execute(
        names.fill("INSERT INTO {incarnations} VALUES ($1, $2, $3, $4)"), incarnation, fingerprint, head, now
    )
    return incarnation


def _place(where: str, names: Names) -> str:
    return f"{where}, schema {names.schema}"
