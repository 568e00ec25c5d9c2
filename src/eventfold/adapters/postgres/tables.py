"""The tables of a projector, made where they are missing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Final, TypeAlias

from eventfold.adapters.postgres.connection import Connection
from eventfold.adapters.sql import ddl_create, ddl_drop

if TYPE_CHECKING:
    from sqlalchemy import Dialect, Table

__all__ = ["Work", "empty_tables", "make_tables", "replace_tables"]

Work: TypeAlias = Callable[[Connection], Awaitable[None]]

PATIENCE: Final = "SET LOCAL lock_timeout = '30s'"
IS_THERE: Final = """
SELECT to_regclass(CASE WHEN $1::text IS NULL THEN quote_ident($2) ELSE quote_ident($1) || '.' || quote_ident($2) END)
       IS NOT NULL
"""


def make_tables(tables: Sequence[Table], dialect: Dialect) -> Work:
    """
    What makes the missing ones, within a transaction.

    What is there is not touched, so it needs no right to make tables, and waits for nobody who uses one.

    Raises:
        UnsupportedStatement: at once, for a column type outside the language of read models.
    """
    made: list[tuple[str | None, str, str]] = []
    for table in tables:
        names = [table.name, *sorted(str(index.name) for index in table.indexes)]
        made += [(table.schema, *each) for each in zip(names, ddl_create(table, dialect), strict=True)]

    async def work(connection: Connection) -> None:
        for schema, name, statement in made:
            if not await connection.fetchval(IS_THERE, schema, name):
                await connection.execute(statement)

    return work


def replace_tables(tables: Sequence[Table], dialect: Dialect) -> Work:
    """What drops them, the last one first, within a transaction. Somebody who reads for long is not waited for."""
    dropped = [statement for table in reversed(tables) for statement in ddl_drop(table, dialect)]

    async def work(connection: Connection) -> None:
        await connection.execute(PATIENCE)
        for statement in dropped:
            await connection.execute(statement)

    return work


def empty_tables(tables: Sequence[Table], dialect: Dialect) -> Work:
    """What empties those that are there, within a transaction. All at once, for they may refer to each other."""
    named = [(table.schema, table.name, dialect.identifier_preparer.format_table(table)) for table in tables]

    async def work(connection: Connection) -> None:
        await connection.execute(PATIENCE)
        there = [full for schema, name, full in named if await connection.fetchval(IS_THERE, schema, name)]
        if there:
            await connection.execute(f"TRUNCATE {', '.join(there)}")

    return work
