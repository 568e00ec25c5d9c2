"""Generations of rows in the store's database: the names of tables are exchanged in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from eventfold.adapters.postgres.session import session
from eventfold.adapters.postgres.tables import IS_THERE
from eventfold.adapters.postgres.tables import PATIENCE as PATIENCE_AT_START
from eventfold.adapters.postgres.transient import again_if_transient
from eventfold.adapters.sql.generations import name_after
from eventfold.errors import Fenced, InvalidInput
from eventfold.ports.clock import Clock, micros_of
from eventfold.ports.failpoint import failpoint
from eventfold.ports.generations import Content, Generation, GenerationRecord, processor_of, table_suffix

if TYPE_CHECKING:
    from sqlalchemy import Table

    from eventfold.adapters.postgres.connection import Connection, Connections
    from eventfold.adapters.postgres.names import Names
    from eventfold.ports.leases import Lease

__all__ = ["PostgresGenerations", "adopt_within"]

ONE_AT_A_TIME: Final = "SELECT pg_advisory_xact_lock('{processors}'::regclass::oid::int, 0)"
# Whoever reads for long is waited for only so long, for everybody else who reads waits behind us.
PATIENCE: Final = "SET LOCAL lock_timeout = '500ms'"
RECORD: Final = """
SELECT p.code_version, p.active_generation,
       ARRAY(SELECT coalesce(c.position, 0) FROM generate_series(0, p.partitions - 1) AS g(partition)
               LEFT JOIN {checkpoints} AS c
                      ON c.processor = p.name AND c.generation = 0 AND c.partition = g.partition
              ORDER BY g.partition)
FROM {processors} AS p WHERE p.name = $1
"""
VERSION: Final = "SELECT code_version, partitions, paused, active_generation, start FROM {processors} WHERE name = $1"
# The row type of a table as text, hashed by the server: twice 64 bits, whose sums do not depend on any order.
CONTENT: Final = """
SELECT count(*), coalesce(sum(hashtextextended(t::text, 0)), 0)::text,
       coalesce(sum(hashtextextended(t::text, 1)), 0)::text FROM (SELECT {columns} FROM {table}) AS t
"""
EPOCHS: Final = """
SELECT partition, epoch FROM {checkpoints} WHERE processor = $1 AND generation = 0 ORDER BY partition FOR UPDATE
"""
HIGHEST: Final = """
SELECT coalesce(max(epoch), 0) FROM (
    SELECT epoch FROM {checkpoints} WHERE processor = ANY($1::text[])
    UNION ALL SELECT epoch FROM {leases} WHERE processor = ANY($1::text[])) AS of_all
"""
FORGET: Final = (
    "DELETE FROM {checkpoints} WHERE processor = $1",
    "DELETE FROM {parked} WHERE processor = $1",
    "DELETE FROM {processors} WHERE name = $1",
)
CALL: Final = (
    "UPDATE {checkpoints} SET processor = $1 WHERE processor = $2",
    "UPDATE {parked} SET processor = $1 WHERE processor = $2",
    "UPDATE {processors} SET name = $1 WHERE name = $2",
)
RAISE_EPOCHS: Final = "UPDATE {checkpoints} SET epoch = $1 WHERE processor = $2 AND generation = 0"
LIVE: Final = """
UPDATE {processors} SET paused = $1, active_generation = $2, start = $3, last_error = NULL, updated_at = $4
WHERE name = $5
"""
# The indexes of a table, also those behind its constraints, as names that can be put into a statement.
INDEXES: Final = """
SELECT c.relname::text, i.indexrelid::regclass::text FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid
WHERE i.indrelid = to_regclass($1::text)
"""
# Who may do what with the rows is the same afterwards.
RIGHTS: Final = """
SELECT format('GRANT %s ON %s TO %s', a.privilege_type, $2::text,
              CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END)
FROM pg_class AS c CROSS JOIN LATERAL aclexplode(c.relacl) AS a
WHERE c.oid = to_regclass($1::text) AND a.grantee <> c.relowner
"""
SWITCH: Final = (("", "old"), ("next", ""))
ROLL_BACK: Final = (("", "away"), ("old", ""), ("away", "old"))


class PostgresGenerations:
    """The tables are locked for the length of the transaction, which only renames."""

    def __init__(self, connections: Connections, names: Names, clock: Clock) -> None:
        self._connections = connections
        self._names = names
        self._micros = micros_of(clock)

    async def record(self, projector: str, generation: Generation | None = None) -> GenerationRecord | None:
        name = projector if generation is None else processor_of(projector, generation)
        async with session(self._connections) as connection:
            row = await connection.fetchrow(self._names.fill(RECORD), name)
        return None if row is None else GenerationRecord(row[0], tuple(row[2]), row[1])

    async def present(self, tables: Sequence[Table]) -> Sequence[str]:
        async with session(self._connections) as connection:
            return [each.name for each in tables if await connection.fetchval(IS_THERE, each.schema, each.name)]

    async def content(self, table: Table) -> Content:
        columns = ", ".join(_quoted(name) for name in sorted(column.name for column in table.columns))
        statement = CONTENT.format(columns=columns, table=_full(table, table.name))
        async with session(self._connections, for_user=True) as connection:
            count, first, second = await connection.fetchrow(statement)
        mask = (1 << 64) - 1
        return Content(count, f"{int(first) & mask:016x}{int(second) & mask:016x}")

    async def switch(self, projector: str, tables: Sequence[Table], held: Sequence[Lease]) -> None:
        await self._exchange(projector, "next", tables, held)

    async def roll_back(self, projector: str, tables: Sequence[Table], held: Sequence[Lease]) -> None:
        await self._exchange(projector, "old", tables, held)

    async def _exchange(
        self, projector: str, source: Generation, tables: Sequence[Table], held: Sequence[Lease]
    ) -> None:
        async def work(connection: Connection) -> None:
            await connection.execute(PATIENCE)
            await connection.execute(self._names.fill(ONE_AT_A_TIME))
            await _lock(connection, tables)  # before the checkpoint: a copy that writes holds both in this order
            epochs = dict(await connection.fetch(self._names.fill(EPOCHS), projector))
            for each in held:
                if epochs.get(each.partition) != each.epoch:
                    raise Fenced(projector, each.checkpoint.position, each.checkpoint.position, each.epoch)
            await _exchange_within(connection, self._names, projector, source, tables, self._micros())
            failpoint("rebuild.before_switch")

        await again_if_transient(self._connections, work, for_user=True)
        failpoint("rebuild.after_switch")


async def adopt_within(
    connection: Connection,
    names: Names,
    projector: str,
    version: int,
    partitions: int,
    tables: Sequence[Table],
    now: int,
) -> bool:
    """Whether there was a generation that code of this version has filled: it is the live one now."""
    for source in ("next", "old"):
        found = await connection.fetchrow(names.fill(VERSION), processor_of(projector, source))
        if found is not None and tuple(found)[:2] == (version, partitions):
            await connection.execute(PATIENCE_AT_START)
            await _lock(connection, tables)
            await _exchange_within(connection, names, projector, source, tables, now)
            return True
    return False


async def _lock(connection: Connection, tables: Sequence[Table]) -> None:
    """All that may be renamed, at once, so that nobody is met half way."""
    names = [
        _full(table, table.name + suffix)
        for suffix in map(table_suffix, ("", "next", "old"))
        for table in tables
        if await connection.fetchval(IS_THERE, table.schema, table.name + suffix)
    ]
    if names:
        await connection.execute(f"LOCK TABLE {', '.join(names)} IN ACCESS EXCLUSIVE MODE")


async def _exchange_within(
    connection: Connection, names: Names, projector: str, source: Generation, tables: Sequence[Table], now: int
) -> None:
    live = await connection.fetchrow(names.fill(VERSION), projector)
    there = await connection.fetchrow(names.fill(VERSION), processor_of(projector, source))
    if live is None or there is None:
        raise InvalidInput(f"projector {projector!r} has no {source} generation of its rows on this store")
    _, _, paused, switches, start = live
    everybody = [projector, processor_of(projector, "next"), processor_of(projector, "old")]
    highest = await connection.fetchval(names.fill(HIGHEST), everybody)
    if source == "next":
        await _forget_old(connection, names, projector, tables)
    for table in tables:
        await _same_rights(connection, table, table.name + table_suffix(source))
    for before, after in SWITCH if source == "next" else ROLL_BACK:
        for table in tables:
            await _rename(connection, table, before, after)
        for statement in CALL:
            await connection.execute(
                names.fill(statement), processor_of(projector, after), processor_of(projector, before)
            )
    await connection.execute(names.fill(RAISE_EPOCHS), highest + 1, projector)
    await connection.execute(names.fill(LIVE), paused, switches + 1, start, now, projector)


async def _forget_old(connection: Connection, names: Names, projector: str, tables: Sequence[Table]) -> None:
    old = processor_of(projector, "old")
    known = await connection.fetchrow(names.fill(VERSION), old) is not None
    for table in reversed(tables):
        name = table.name + table_suffix("old")
        if await connection.fetchval(IS_THERE, table.schema, name):
            if not known:
                raise InvalidInput(
                    f"a table {name!r} is there that no rebuild has made; rename it, for the rows that are live "
                    "now are to be kept under that name"
                )
            await connection.execute(f"DROP TABLE {_full(table, name)}")
    for statement in FORGET:
        await connection.execute(names.fill(statement), old)


async def _same_rights(connection: Connection, table: Table, other: str) -> None:
    if not await connection.fetchval(IS_THERE, table.schema, table.name):
        return
    if not await connection.fetchval(IS_THERE, table.schema, other):
        return
    grants = await connection.fetch(RIGHTS, _full(table, table.name), _full(table, other))
    for (grant,) in grants:
        await connection.execute(grant)


async def _rename(connection: Connection, table: Table, before: str, after: str) -> None:
    source, target = map(table_suffix, (before, after))
    name = table.name + source
    if not await connection.fetchval(IS_THERE, table.schema, name):  # the other generation has none of that name
        return
    await connection.execute(f"ALTER TABLE {_full(table, name)} RENAME TO {_quoted(table.name + target)}")
    declared = [str(index.name) for index in table.indexes]
    for index, full in await connection.fetch(INDEXES, _full(table, table.name + target)):
        wanted = name_after(index, source, target, declared)
        await connection.execute(f"ALTER INDEX {full} RENAME TO {_quoted(wanted)}")


def _full(table: Table, name: str) -> str:
    return _quoted(name) if table.schema is None else f"{_quoted(table.schema)}.{_quoted(name)}"


def _quoted(name: str) -> str:
    doubled = name.replace('"', '""')
    return f'"{doubled}"'
