"""
Tables of another generation: as declared, under other names, and statements that mean them.

Handlers have statements for the declared names. Each is copied once, with the tables in it replaced (SQLAlchemy's own
traversal goes into upserts, subqueries and everything else), and compiled like any other.
"""

from __future__ import annotations

import zlib
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from sqlalchemy import Column, ForeignKeyConstraint, Index, MetaData, PrimaryKeyConstraint, Table, UniqueConstraint
from sqlalchemy.sql.elements import ClauseElement
from sqlalchemy.sql.visitors import replacement_traverse

from eventfold.errors import InvalidInput

if TYPE_CHECKING:
    from sqlalchemy.sql.selectable import SelectBase

    from eventfold.ports.checkpoint_store import Move
    from eventfold.ports.parking import Settled
    from eventfold.ports.read_model import Bound, Params, ReadModel, RowTransaction, Writes, Writing

__all__ = ["LONGEST_NAME", "Copies", "RenamedRows", "name_after", "suffixed"]

S = TypeVar("S", bound=ClauseElement)

LONGEST_NAME: Final = 63
"""Bytes of a name that Postgres keeps; it cuts off what is longer."""
_MOST: Final = 512
"""Copied statements that are remembered; the oldest goes first."""


def suffixed(name: str, suffix: str) -> str:
    """The name of an index in that generation; a long one is shortened, and a checksum keeps it apart."""
    if len((name + suffix).encode()) <= LONGEST_NAME:
        return name + suffix
    checksum = f"_{zlib.crc32(name.encode()):08x}{suffix}"
    return name.encode()[: LONGEST_NAME - len(checksum)].decode(errors="ignore") + checksum


def name_after(name: str, source: str, target: str, declared: Sequence[str]) -> str:
    """What an index is called once its table has moved from one suffix to another; "" is that of the live one."""
    known = {suffixed(each, source): each for each in declared}
    plain = known.get(name) or ("".join(name.rsplit(source, 1)) if source else name)
    return suffixed(plain, target) if target else plain


class Copies:
    """
    The tables of a projector under the names of a generation, and its statements for them.

    Args:
        suffix: what their names end with.

    Raises:
        InvalidInput: a name becomes too long.
    """

    def __init__(self, tables: Sequence[Table], suffix: str) -> None:
        self._columns: dict[Any, Table] = {}
        self._known: dict[int, tuple[Any, Any]] = {}
        metadata = MetaData()
        for table in tables:
            name = table.name + suffix
            if len(name.encode()) > LONGEST_NAME:
                raise InvalidInput(f"table {table.name!r}: {name!r} is longer than the {LONGEST_NAME} bytes of a name")
            self._columns[table] = table.to_metadata(metadata, name=name)
        for table, copy in self._columns.items():
            self._let_refer(table, copy, metadata)
            self._name_indexes(table, copy, suffix)
        self.tables: tuple[Table, ...] = tuple(self._columns.values())

    def _let_refer(self, table: Table, copy: Table, metadata: MetaData) -> None:
        """Foreign keys among the tables stay among the copies; those to other tables go where they went."""
        for constraint in [*copy.constraints]:
            if isinstance(constraint, ForeignKeyConstraint):
                copy.constraints.remove(constraint)
            elif isinstance(constraint, PrimaryKeyConstraint | UniqueConstraint):
                constraint.name = None  # on Postgres that is an index, which no other one may be called
        for column in copy.columns:
            column.foreign_keys.clear()
        for constraint in table.foreign_key_constraints:
            targets = [element.column for element in constraint.elements]
            into = constraint.referred_table
            referred = self._columns.get(into)
            if referred is None:
                referred = metadata.tables.get(into.fullname)
                referred = into.to_metadata(metadata) if referred is None else referred
            copy.append_constraint(
                ForeignKeyConstraint(
                    [copy.columns[key] for key in constraint.column_keys],
                    [referred.columns[target.key] for target in targets],
                    onupdate=constraint.onupdate,
                    ondelete=constraint.ondelete,
                    deferrable=constraint.deferrable,
                    initially=constraint.initially,
                )
            )

    def _name_indexes(self, table: Table, copy: Table, suffix: str) -> None:
        copy.indexes.clear()
        for index in table.indexes:
            parts = [self.of(cast("ClauseElement", each)) for each in index.expressions]
            options = {f"{dialect}_{name}": self._of_option(value) for dialect, name, value in _options(index)}
            Index(suffixed(str(index.name), suffix), *cast("Any", parts), unique=index.unique, **options)

    def _of_option(self, value: Any) -> Any:
        return self.of(value) if isinstance(value, ClauseElement) else value

    def of(self, element: S) -> S:
        """The same, meaning the tables of this generation."""
        known = self._known.get(id(element))  # holds the element, so its id is not given away
        if known is not None:
            return cast("S", known[1])
        copy: S = cast("Any", replacement_traverse)(element, {}, self._replaced)
        while len(self._known) >= _MOST:
            del self._known[next(iter(self._known))]
        self._known[id(element)] = (element, copy)
        return copy

    def _replaced(self, element: Any, **_: Any) -> Any:
        if _is(element, Table):
            return self._columns.get(element)
        if _is(element, Column):  # of a table, or of what is made of one: an alias, a subquery
            copy: Any = self._columns.get(element.table)
            return None if copy is None else copy.columns[element.key]
        return None


def _is(element: object, kind: type[object]) -> bool:
    """`isinstance`, which leaves the element what it is to type checkers: a table of anything."""
    return isinstance(element, kind)


def _options(index: Index) -> list[tuple[str, str, Any]]:
    return [
        (dialect, name, value)
        for dialect, of_dialect in index.dialect_options.items()
        for name, value in cast("Mapping[str, Any]", of_dialect).items()
        if value is not None and value != {} and value is not False
    ]


class RenamedRows:
    """A read model in which the declared tables are those of a generation. Everything else is the store's own."""

    def __init__(self, rows: ReadModel, copies: Copies) -> None:
        self._rows = rows
        self._copies = copies

    def __getattr__(self, name: str) -> Any:
        return getattr(self._rows, name)

    def bind(self, statement: Writing, row: Params | None) -> Bound:
        return self._rows.bind(cast("Any", self._copies.of(statement)), row)

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[RowTransaction]:
        async with self._rows.transaction() as transaction:
            yield _RenamedTransaction(transaction, self._copies)


class _RenamedTransaction:
    def __init__(self, transaction: RowTransaction, copies: Copies) -> None:
        self._copies = copies
        self._transaction = transaction

    async def fetch(self, writes: Writes, select: SelectBase, params: Params | None) -> list[tuple[Any, ...]]:
        return await self._transaction.fetch(writes, self._copies.of(select), params)

    async def run(self, writes: Writes) -> None:
        await self._transaction.run(writes)

    async def commit(self, writes: Writes, step: Move | Settled | None) -> None:
        await self._transaction.commit(writes, step)
