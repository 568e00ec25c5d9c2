"""Generations of rows in the store's file: the names of tables are exchanged in one transaction."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from eventfold.adapters.sql.generations import name_after
from eventfold.adapters.sqlite.bookkeeping import Bookkeeping
from eventfold.errors import Fenced, InvalidInput
from eventfold.ports.failpoint import failpoint
from eventfold.ports.generations import Content, Generation, GenerationRecord, processor_of, table_suffix

if TYPE_CHECKING:
    from sqlalchemy import Table

    from eventfold.adapters.sqlite.connection import Connection
    from eventfold.adapters.sqlite.names import Names
    from eventfold.ports.leases import Lease

__all__ = ["SqliteGenerations", "adopt_within"]

RECORD: Final = """
SELECT p.code_version, p.partitions, p.active_generation, c.partition, c.position
FROM {processors} AS p
LEFT JOIN {checkpoints} AS c ON c.processor = p.name AND c.generation = 0 AND c.partition < p.partitions
WHERE p.name = ?
"""
VERSION: Final = "SELECT code_version, partitions, paused, active_generation, start FROM {processors} WHERE name = ?"
TABLE: Final = "SELECT true FROM sqlite_schema WHERE type = 'table' AND name = ? COLLATE NOCASE"
INDEXES: Final = """
SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND tbl_name = ? COLLATE NOCASE AND sql IS NOT NULL
"""
EPOCH: Final = "SELECT epoch FROM {checkpoints} WHERE processor = ? AND generation = 0 AND partition = ?"
HIGHEST: Final = """
SELECT max(epoch) FROM (SELECT epoch, processor FROM {checkpoints} UNION ALL SELECT epoch, processor FROM {leases})
WHERE processor IN (?, ?, ?)
"""
FORGET: Final = (
    "DELETE FROM {checkpoints} WHERE processor = ?",
    "DELETE FROM {parked} WHERE processor = ?",
    "DELETE FROM {processors} WHERE name = ?",
)
CALL: Final = (
    "UPDATE {checkpoints} SET processor = ? WHERE processor = ?",
    "UPDATE {parked} SET processor = ? WHERE processor = ?",
    "UPDATE {processors} SET name = ? WHERE name = ?",
)
RAISE_EPOCHS: Final = "UPDATE {checkpoints} SET epoch = ? WHERE processor = ? AND generation = 0"
LIVE: Final = """
UPDATE {processors} SET paused = ?, active_generation = ?, start = ?, last_error = NULL, updated_at = ? WHERE name = ?
"""
SWITCH: Final = (("", "old"), ("next", ""))
ROLL_BACK: Final = (("", "away"), ("old", ""), ("away", "old"))
_PAGE: Final = 1_000
_BYTES: Final = 16
_BEFORE_THE_FIRST: Final = -(1 << 63)


class SqliteGenerations(Bookkeeping):
    """
    A table is renamed where it stands. SQLite cannot rename an index: those are made anew, within the transaction.
    """

    async def record(self, projector: str, generation: Generation | None = None) -> GenerationRecord | None:
        name = projector if generation is None else processor_of(projector, generation)
        rows = await self._read(lambda connection: connection.execute(self._fill(RECORD), (name,)).fetchall())
        if not rows:
            return None
        version, partitions, switches, *_ = rows[0]
        reached = {partition: position for *_, partition, position in rows if partition is not None}
        return GenerationRecord(version, tuple(reached.get(each, 0) for each in range(partitions)), switches)

    async def present(self, tables: Sequence[Table]) -> Sequence[str]:
        return await self._read(
            lambda connection: [table.name for table in tables if _is_there(connection, table.name)]
        )

    async def content(self, table: Table) -> Content:
        names = ", ".join(map(_quoted, sorted(column.name for column in table.columns)))
        page = f"SELECT _rowid_, {names} FROM {_quoted(table.name)} WHERE _rowid_ > ? ORDER BY _rowid_ LIMIT ?"  # noqa: S608 - quoted
        after, count, total = _BEFORE_THE_FIRST, 0, 0
        while rows := await self._page(page, after):
            for _, *values in rows:
                total += int.from_bytes(hashlib.blake2b(repr(values).encode(), digest_size=_BYTES).digest())
            count += len(rows)
            after = rows[-1][0]
            await asyncio.sleep(0)  # others have the loop in between
        return Content(count, f"{total % (1 << 8 * _BYTES):0{2 * _BYTES}x}")

    async def _page(self, statement: str, after: int) -> list[tuple[Any, ...]]:
        return await self._read(lambda connection: connection.execute(statement, (after, _PAGE)).fetchall())

    async def switch(self, projector: str, tables: Sequence[Table], held: Sequence[Lease]) -> None:
        await self._exchange(projector, "next", tables, held)

    async def roll_back(self, projector: str, tables: Sequence[Table], held: Sequence[Lease]) -> None:
        await self._exchange(projector, "old", tables, held)

    async def _exchange(
        self, projector: str, source: Generation, tables: Sequence[Table], held: Sequence[Lease]
    ) -> None:
        def work(connection: Connection) -> None:
            for each in held:
                epoch = connection.execute(self._fill(EPOCH), (projector, each.partition)).get
                if epoch != each.epoch:
                    raise Fenced(projector, each.checkpoint.position, each.checkpoint.position, each.epoch)
            _exchange_within(connection, self._names, projector, source, tables, self._micros())
            failpoint("rebuild.before_switch")

        await self._transact(work, for_user=True)
        failpoint("rebuild.after_switch")


def adopt_within(
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
        found = connection.execute(names.fill(VERSION), (processor_of(projector, source),)).fetchone()
        if found is not None and found[:2] == (version, partitions):
            _exchange_within(connection, names, projector, source, tables, now)
            return True
    return False


def _exchange_within(
    connection: Connection, names: Names, projector: str, source: Generation, tables: Sequence[Table], now: int
) -> None:
    live = connection.execute(names.fill(VERSION), (projector,)).fetchone()
    if live is None or connection.execute(names.fill(VERSION), (processor_of(projector, source),)).fetchone() is None:
        raise InvalidInput(f"projector {projector!r} has no {source} generation of its rows on this store")
    _, _, paused, switches, start = live
    everybody = (projector, processor_of(projector, "next"), processor_of(projector, "old"))
    highest = connection.execute(names.fill(HIGHEST), everybody).get or 0
    if source == "next":
        _forget_old(connection, names, projector, tables)
    for before, after in SWITCH if source == "next" else ROLL_BACK:
        for table in tables:
            _rename(connection, table, before, after)
        for statement in CALL:
            connection.execute(names.fill(statement), (processor_of(projector, after), processor_of(projector, before)))
    connection.execute(names.fill(RAISE_EPOCHS), (highest + 1, projector))
    connection.execute(names.fill(LIVE), (paused, switches + 1, start, now, projector))


def _forget_old(connection: Connection, names: Names, projector: str, tables: Sequence[Table]) -> None:
    old = processor_of(projector, "old")
    known = connection.execute(names.fill(VERSION), (old,)).fetchone() is not None
    for table in reversed(tables):
        name = table.name + table_suffix("old")
        if _is_there(connection, name):
            if not known:
                raise InvalidInput(
                    f"a table {name!r} is there that no rebuild has made; rename it, for the rows that are live "
                    "now are to be kept under that name"
                )
            connection.execute(f"DROP TABLE {_quoted(name)}")
    for statement in FORGET:
        connection.execute(names.fill(statement), (old,))


def _rename(connection: Connection, table: Table, before: str, after: str) -> None:
    source, target = map(table_suffix, (before, after))
    name = table.name + source
    if not _is_there(connection, name):  # the other generation has none of that name
        return
    connection.execute(f"ALTER TABLE {_quoted(name)} RENAME TO {_quoted(table.name + target)}")
    declared = [str(index.name) for index in table.indexes]
    for index, statement in connection.execute(INDEXES, (table.name + target,)).fetchall():
        connection.execute(f"DROP INDEX {_quoted(index)}")
        connection.execute(_named(statement, index, name_after(index, source, target, declared)))


def _named(statement: str, before: str, after: str) -> str:
    """The statement that has made an index, with another name for it."""
    name = "|".join(re.escape(each) for each in (_quoted(before), f"[{before}]", f"`{before}`", before))
    return re.sub(f"^(CREATE (?:UNIQUE )?INDEX )(?:{name})(?= )", lambda found: found[1] + _quoted(after), statement)


def _is_there(connection: Connection, table: str) -> bool:
    return bool(connection.execute(TABLE, (table,)).get)


def _quoted(name: str) -> str:
    doubled = name.replace('"', '""')
    return f'"{doubled}"'
