"""Tables of read models: which ones every store can carry, and the statements that make and drop them."""

from __future__ import annotations

import re
from typing import Any, Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Dialect,
    Double,
    Enum,
    Float,
    Integer,
    LargeBinary,
    Numeric,
    SmallInteger,
    String,
    Table,
    Text,
    Time,
    Unicode,
    UnicodeText,
    Uuid,
)
from sqlalchemy.exc import CompileError
from sqlalchemy.schema import CreateIndex, CreateTable, DropTable, ExecutableDDLElement
from sqlalchemy.types import TypeEngine

from eventfold.adapters.sql.dialects import postgres_dialect, sqlite_dialect
from eventfold.adapters.sql.engineless import has_variants
from eventfold.errors import UnsupportedStatement

__all__ = ["SUPPORTED_TYPES", "check_table", "check_types", "ddl_create", "ddl_drop"]

_PLAIN: Final[tuple[type[TypeEngine[Any]], ...]] = (
    Integer, BigInteger, SmallInteger, Boolean, Float, Double, String, Text, Unicode, UnicodeText,
)  # fmt: skip
SUPPORTED_TYPES: Final[tuple[type[TypeEngine[Any]], ...]] = (
    *_PLAIN, Numeric, DateTime, Date, Time, Uuid, LargeBinary, JSON, Enum,
)  # fmt: skip


def ddl_create(table: Table, dialect: Dialect) -> list[str]:
    """
    The table and its indexes, each only if it does not exist.

    Raises:
        UnsupportedStatement: the table cannot be carried.
    """
    check_types(table)
    if table.schema is not None and dialect.name == "sqlite":
        raise UnsupportedStatement(
            f"table {table.fullname!r}: SQLite has no schemas, on Postgres the URL chooses one; leave out schema="
        )
    indexes = sorted(table.indexes, key=lambda index: str(index.name))
    made: list[ExecutableDDLElement] = [CreateTable(table, if_not_exists=True)]
    made += [CreateIndex(index, if_not_exists=True) for index in indexes]
    return [_text(each, table, dialect) for each in made]


def ddl_drop(table: Table, dialect: Dialect) -> list[str]:
    """The table goes if it exists, and its indexes with it."""
    return [_text(DropTable(table, if_exists=True), table, dialect)]


def check_table(table: Table) -> None:
    """
    Whether SQLite and Postgres can both carry the table.

    Raises:
        UnsupportedStatement: they cannot; it names the table, the column, its type and what is supported.
    """
    for dialect in (sqlite_dialect(), postgres_dialect()):
        ddl_create(table, dialect)


def check_types(table: Table) -> None:
    _check_name(table, table.name)
    for column in table.columns:
        _check_name(table, column.name)
        fault = _fault(column)
        if fault is not None:
            raise UnsupportedStatement(
                f"table {table.name!r}, column {column.name!r}, type {column.type!r}: {fault}; "
                f"supported are {', '.join(kind.__name__ for kind in SUPPORTED_TYPES)}"
            )


def _fault(column: Column[Any]) -> str | None:
    kind = column.type
    if type(kind) not in SUPPORTED_TYPES:
        return "read models cannot carry it"
    if has_variants(kind):
        return "with_variant() is not carried"
    match kind:
        case Uuid() if not kind.as_uuid:
            return "as_uuid=False is not carried"
        case Numeric() if not kind.asdecimal:
            return "asdecimal=False is what Float is for"
        case Float() if kind.asdecimal:
            return "asdecimal=True is what Numeric is for"
        case Time() if kind.timezone:
            return "a zone means nothing without a day, use DateTime"
        case String() if kind.collation is not None:
            return "collations differ between stores"
        case _:
            pass
    if column.identity is not None:
        return "Identity is not carried, an Integer primary key counts by itself"
    if column.computed is not None and not column.computed.persisted:
        return "Computed needs persisted=True, which every Postgres knows"
    if (column.server_default is not None or column.computed is not None) and type(kind) not in _PLAIN:
        return "a value made by the server would not have the stored form, use default="
    return None


# SQLAlchemy finds its own marks by searching the finished SQL, quoted names included.
_CONFUSING: Final = re.compile(r"^$|[^\S ]|\0|%\(|\[POSTCOMPILE_")


def _check_name(table: Table, name: str) -> None:
    if _CONFUSING.search(name):
        raise UnsupportedStatement(
            f"table {table.name!r}, name {name!r}: a name must not be empty, nor hold line breaks, tabs, NUL, "
            "'%(' or '[POSTCOMPILE_'"
        )


def _text(element: ExecutableDDLElement, table: Table, dialect: Dialect) -> str:
    try:
        return str(element.compile(dialect=dialect)).strip()
    except CompileError as error:
        raise UnsupportedStatement(f"table {table.name!r}: {dialect.name} cannot make it: {error}") from error
