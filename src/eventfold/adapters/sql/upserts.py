"""Insert or change, in one statement that every store understands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, cast

from sqlalchemy import BindParameter, Index, Insert, PrimaryKeyConstraint, Table, UniqueConstraint
from sqlalchemy.dialects import postgresql
from sqlalchemy.sql.visitors import iterate

from eventfold.errors import InvalidInput

__all__ = ["upsert"]


def upsert(table: Table, *, key: Sequence[str], insert: Mapping[str, object], set: Mapping[str, object]) -> Insert:
    """
    Insert a row, or change the one that has the same key; with an empty `set`, leave that one alone.

    Build it once, at module level, with `bindparam` for what differs from row to row. `key` names the columns of the
    primary key or of a unique constraint.

    Raises:
        InvalidInput: an unknown column, a key that is not unique, or a parameter named like a column.
    """
    if isinstance(key, str):
        raise InvalidInput(f"upsert into {table.name!r}: key={key!r} is one text; pass a list, [{key!r}]")
    if not key or not insert:
        raise InvalidInput(f"upsert into {table.name!r}: key={list(key)}, insert={dict(insert)}: both need a column")
    columns = table.columns
    unknown = sorted({*key, *insert, *set} - {*columns.keys()})
    if unknown:
        raise InvalidInput(f"upsert into {table.name!r}: no columns {unknown}; the table has {list(columns.keys())}")
    if {*key} not in _unique(table):
        raise InvalidInput(
            f"upsert into {table.name!r}: key {list(key)} is no primary key or unique constraint; "
            f"unique are {[sorted(each) for each in _unique(table)]}"
        )
    reserved = sorted(name for name in _named_in((*insert.values(), *set.values())) if name in columns)
    if reserved:
        raise InvalidInput(
            f"upsert into {table.name!r}: parameters {reserved} have names that SQLAlchemy keeps for the columns; "
            f"append an underscore: bindparam({reserved[0] + '_'!r})"
        )
    statement = postgresql.insert(table).values(dict(insert))  # compiles on both dialects; sqlite.insert does not
    elements = [columns[name] for name in key]
    if not set:
        return statement.on_conflict_do_nothing(index_elements=elements)
    return statement.on_conflict_do_update(index_elements=elements, set_=dict(set))


def _unique(table: Table) -> list[AbstractSet[str]]:
    constraints = [each for each in table.constraints if isinstance(each, PrimaryKeyConstraint | UniqueConstraint)]
    indexes: list[Index] = [each for each in table.indexes if each.unique]
    found = [{column.key for column in each.columns} for each in (*constraints, *indexes)]
    return [each for each in found if each]


def _named_in(values: Iterable[object]) -> AbstractSet[str]:
    inside = (part for value in values if hasattr(value, "get_children") for part in iterate(cast("Any", value)))
    return {part.key for part in inside if isinstance(part, BindParameter) and not part.unique}
