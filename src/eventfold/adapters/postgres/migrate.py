"""Numbered migrations, applied in one transaction, safe when any number of processes start at once."""

from __future__ import annotations

from functools import cache
from typing import Any, Final
from uuid import uuid4

import asyncpg

from eventfold.adapters.postgres.connection import Connection
from eventfold.adapters.postgres.names import Names
from eventfold.errors import NotAStore
from eventfold.ports.failpoint import failpoint
from eventfold.ports.migrations import Applied, Migrations

__all__ = ["bring_up_to_date", "found_version", "latest_version", "oldest_version", "recognise", "refuse_unfinished"]

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


VERSION: Final = "SELECT schema_version FROM {store} WHERE one = 1"


@cache
def _migrations() -> Migrations:
    return Migrations.of(__name__.rpartition(".")[0])


def latest_version() -> int:
    return _migrations().latest


async def found_version(connection: Connection, names: Names, where: str, *, migrate: bool) -> int:
    """
    The version of the tables: the latest one when nothing has to be done, 0 without any. Looks only.

    Raises:
        NotAStore: the schema has tables of our names that are not ours.
        StoreTooNew: a newer release has been here, and no older one may use the store any more.
        StoreNotMigrated: something is missing and may not be made.
    """
    return _migrations().judge(await _applied(connection, names, where), _place(where, names), migrate=migrate)


async def oldest_version(connection: Connection, names: Names, where: str) -> int:
    """The newest migration that code must know to use this store. Raises NotAStore."""
    return (await _applied(connection, names, where)).oldest


async def refuse_unfinished(connection: Connection, names: Names, where: str, number: int) -> None:
    """
    Raises:
        StoreNotMigrated: code that does not know this migration may still use the store; with the command.
    """
    _migrations().refuse_unfinished(await _applied(connection, names, where), _place(where, names), number)


async def bring_up_to_date(connection: Connection, names: Names, where: str, *, finish: bool = False) -> None:
    """
    Apply what is missing. Raises as `found_version` does. Where nothing is missing it only reads, as any role may.

    Args:
        finish: no older release is left, so apply the post migrations too and refuse older releases from now on.
    """
    known = _migrations()
    applied = await _applied(connection, names, where)
    known.judge(applied, _place(where, names), migrate=True)
    if known.is_done(applied, finish=finish):
        return
    async with connection.transaction():
        await connection.execute(ONE_AT_A_TIME, names.schema)
        applied = await _applied(connection, names, where)  # another process may have been quicker
        known.judge(applied, _place(where, names), migrate=True)
        if known.is_done(applied, finish=finish):
            return
        if not await connection.fetchval(SCHEMA_EXISTS, names.schema):
            await connection.execute(names.fill("CREATE SCHEMA {schema}"))
        for each in known.pending(applied, finish=finish):
            await connection.execute(names.fill(each.script))
        if not applied.numbers:
            await _introduce(connection, names)
        now = await connection.fetchval(NOW)
        recorded = await _recorded(connection, names)
        for each in known.to_record(recorded, applied, finish=finish):
            await connection.execute(
                names.fill("INSERT INTO {store_migrations} VALUES ($1, $2, $3)"), each.number, each.name, now
            )
        oldest = known.oldest(applied, finish=finish)
        if oldest != applied.oldest:
            await connection.execute(names.fill("UPDATE {store} SET schema_version = $1"), oldest)
        failpoint("migrate.before_commit")


async def recognise(connection: Connection, names: Names) -> bool:
    """
    Whether this is the database the store was in before. A restored dump, a copy or a promoted standby is not.

    From then on it is another incarnation, so that checkpoints which are kept elsewhere can be judged.
    """
    fingerprint = await connection.fetchval(FINGERPRINT)
    known = await connection.fetchval(names.fill("SELECT fingerprint FROM {store} WHERE one = 1"))
    return known == fingerprint or bool(await connection.fetchval(names.fill("SELECT {recognise}()")))


async def _applied(connection: Connection, names: Names, where: str) -> Applied:
    found = [row[0] for row in await connection.fetch(TABLES, names.schema)]
    ours = [name for name in found if names.is_ours(name)]
    if not ours:
        return Applied.of(0, ())
    version: Any = None
    if "store" in ours and "events" in ours:
        try:
            version = await connection.fetchval(names.fill(VERSION))
        except (asyncpg.UndefinedColumnError, asyncpg.UndefinedTableError):
            version = None
    if not isinstance(version, int):
        raise NotAStore(f"{where}: {names.plain(ours[0])} is not Eventfold's; choose another ?schema=")
    return Applied.of(version, await _recorded(connection, names) if "store_migrations" in ours else None)


async def _recorded(connection: Connection, names: Names) -> frozenset[int]:
    return frozenset(row[0] for row in await connection.fetch(names.fill("SELECT number FROM {store_migrations}")))


async def _introduce(connection: Connection, names: Names) -> None:
    incarnation = uuid4()
    fingerprint = await connection.fetchval(FINGERPRINT)
    now = await connection.fetchval(NOW)
    await connection.execute(
        names.fill("INSERT INTO {incarnations} VALUES ($1, $2, 0, $3)"), incarnation, fingerprint, now
    )
    await connection.execute(
        names.fill("INSERT INTO {store} VALUES (1, 0, $1, $2, $3, $4)"), uuid4(), incarnation, fingerprint, now
    )


def _place(where: str, names: Names) -> str:
    return f"{where}, schema {names.schema}"
