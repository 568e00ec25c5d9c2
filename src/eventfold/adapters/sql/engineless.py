# ruff: noqa: SLF001
# pyright: reportPrivateUsage=false
"""
What SQLAlchemy keeps private, behind types.

It has no public way to compile and bind a statement without an engine, so these functions lean on names that begin
with an underscore. Nothing else in Eventfold does. The minor version is pinned, and every function is under test.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias, cast

from sqlalchemy import BindParameter, CompoundSelect, Delete, Dialect, Insert, Select, Update
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.types import TypeEngine

__all__ = [
    "CacheKey",
    "Processor",
    "Statement",
    "bind_processors",
    "cache_key",
    "has_variants",
    "result_columns",
    "result_processor",
    "sorted_by",
    "takes_columns_from_names",
]

Statement: TypeAlias = Insert | Update | Delete | Select[Any] | CompoundSelect[Any]
Processor: TypeAlias = Callable[[Any], Any]


class CacheKey(NamedTuple):
    """Equal for statements with the same SQL, whatever the values of their parameters."""

    key: Hashable
    parameters: Sequence[BindParameter[Any]]
    given: Mapping[str, Any]
    """What the statement's own `params()` has set."""


def cache_key(statement: Statement) -> CacheKey | None:
    found = statement._generate_cache_key()
    return None if found is None else CacheKey(found[0], found[1], found[2] or {})


def takes_columns_from_names(statement: Statement) -> bool:
    """An insert or update without values of its own: the names of the row say which columns it writes."""
    if not isinstance(statement, Insert | Update):
        return False
    return not (statement._values or statement._multi_values or statement._select_names)


def bind_processors(sql: SQLCompiler) -> Mapping[str, Processor]:
    return cast("Mapping[str, Processor]", sql._bind_processors)


def result_columns(sql: SQLCompiler) -> list[tuple[str, TypeEngine[Any]]]:
    return [(each.keyname, each.type) for each in sql._result_columns]


def result_processor(kind: TypeEngine[Any], dialect: Dialect) -> Processor | None:
    return cast("Processor | None", kind._cached_result_processor(dialect, None))


def has_variants(kind: TypeEngine[Any]) -> bool:
    return bool(kind._variant_mapping)


def sorted_by(select: Select[Any] | CompoundSelect[Any]) -> Sequence[Any]:
    return select._order_by_clauses
