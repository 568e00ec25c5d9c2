"""
Two dialects of one language: what is written comes back equal, on either.

SQLite keeps decimals, dates and JSON as text, UUIDs as 16 bytes, in STRICT tables, so that a value of the wrong kind
is refused as Postgres refuses it. Text sorts as time does, because every time is UTC with all six digits.
What text cannot do, adding or comparing decimals, is refused when the statement is compiled.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, time
from decimal import Decimal
from math import isnan
from typing import Any, cast
from uuid import UUID

import msgspec
from sqlalchemy import ColumnElement, Dialect, Table, types
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.dialects.postgresql.base import PGTypeCompiler
from sqlalchemy.dialects.sqlite.base import SQLiteCompiler, SQLiteDDLCompiler, SQLiteDialect, SQLiteTypeCompiler
from sqlalchemy.sql import operators

from eventfold.adapters.sql.engineless import Processor, sorted_by
from eventfold.errors import InvalidInput, UnsupportedStatement

__all__ = ["postgres_dialect", "sqlite_dialect"]


def sqlite_dialect() -> Dialect:
    """Question marks for parameters, values as apsw takes and gives them."""
    return _made(_SQLite, "qmark")


def postgres_dialect() -> Dialect:
    """`$1` for parameters, native values as asyncpg takes and gives them."""
    return _made(_Postgres, "numeric_dollar")


def _made(dialect: Any, paramstyle: str) -> Dialect:
    made: Dialect = dialect(paramstyle=paramstyle, json_serializer=_to_json, json_deserializer=msgspec.json.decode)
    return made


# --------------------------------------------------------------------------- values
#
# A processor turns one value into what the driver takes, or back. Each passes None through.


def _kept(kind: type[Any], *, write: Processor | None = None, read: Processor | None = None) -> Any:
    """The type, with other processors; Postgres is told the type of each parameter."""

    def bind_processor(self: object, dialect: Dialect) -> Processor | None:
        return write

    def result_processor(self: object, dialect: Dialect, coltype: object) -> Processor | None:
        return read

    methods = {"bind_processor": bind_processor, "result_processor": result_processor}
    return type(kind.__name__, (kind,), {"render_bind_cast": True, **methods})


class _Words(types.Enum):
    """An enum that refuses a word of no meaning when it is written, not only when it is read."""

    def bind_processor(self, dialect: Dialect) -> Any:
        words: frozenset[str] = frozenset(self.enums)
        process: Processor | None = cast("Any", super()).bind_processor(dialect)

        def write(value: Any) -> Any:
            word = value if process is None else process(value)
            if word is not None and word not in words:
                raise InvalidInput(f"{value!r} is none of {sorted(words)}")
            return word

        return write


def _or_none(process: Processor) -> Processor:
    return lambda value: None if value is None else process(value)


def _exact(value: Decimal | int) -> Decimal | int:
    if isinstance(value, float):
        raise InvalidInput(f"{value!r} is a float, which is not exact; pass a Decimal")
    return value


def _utc(value: datetime) -> datetime:
    if value.tzinfo is UTC:
        return value
    if value.utcoffset() is None:
        raise InvalidInput(f"{value!r} has no time zone; give it one, as in datetime.now(UTC)")
    return value.astimezone(UTC)


def _day(value: date) -> date:
    if isinstance(value, datetime):
        raise InvalidInput(f"{value!r} is more than a day; pass its .date(), or keep a DateTime")
    return value


def _clock(value: time) -> time:
    if value.tzinfo is not None:
        raise InvalidInput(f"{value!r} has a zone, which means nothing without a day; keep a DateTime")
    return value


def _number(value: float) -> float:
    if isnan(value):
        raise InvalidInput("nan: SQLite would keep NULL instead; pass None if that is meant")
    return value


def _to_json(value: object) -> str:
    return msgspec.json.encode(value).decode()


# --------------------------------------------------------------------------- SQLite


class _SQLiteTypes(SQLiteTypeCompiler):
    """The words a STRICT table knows."""

    def _text(self, type_: object, **kw: object) -> Any:
        return "TEXT"

    def _integer(self, type_: object, **kw: object) -> Any:
        return "INTEGER"

    def _real(self, type_: object, **kw: object) -> Any:
        return "REAL"

    def _blob(self, type_: object, **kw: object) -> Any:
        return "BLOB"

    visit_string = visit_text = visit_unicode = visit_unicode_text = visit_enum = visit_JSON = _text  # noqa: N815
    visit_numeric = visit_datetime = visit_date = visit_time = _text
    visit_integer = visit_big_integer = visit_small_integer = visit_boolean = _integer
    visit_float = visit_double = _real
    visit_uuid = visit_large_binary = _blob


class _SQLiteTables(SQLiteDDLCompiler):
    def post_create_table(self, table: Table) -> Any:
        options: str = cast("Any", super()).post_create_table(table)
        return options if "STRICT" in options else f"{options}, STRICT" if options else " STRICT"


class _SQLiteStatements(SQLiteCompiler):
    """Refuses what decimals kept as text would answer wrongly."""

    def visit_binary(self, binary: Any, *args: Any, **kw: Any) -> Any:
        if binary.operator not in (operators.is_, operators.is_not):
            _refuse_decimals((binary.left, binary.right), "calculated with or compared")
        return cast("Any", super()).visit_binary(binary, *args, **kw)

    def visit_function(self, func: Any, *args: Any, **kw: Any) -> Any:
        if func.name.lower() in {"sum", "total", "avg", "min", "max", "abs", "round"}:
            _refuse_decimals(func.clauses, f"given to {func.name}()")
        return cast("Any", super()).visit_function(func, *args, **kw)

    def order_by_clause(self, select: Any, **kw: Any) -> Any:
        _refuse_decimals((getattr(by, "element", by) for by in sorted_by(select)), "sorted")
        return cast("Any", super()).order_by_clause(select, **kw)

    def visit_now_func(self, fn: Any, **kw: Any) -> Any:
        return "strftime('%Y-%m-%d %H:%M:%f000+00:00', 'now')"  # as a DateTime is kept

    visit_current_timestamp_func = visit_now_func


def _refuse_decimals(parts: Iterable[ColumnElement[Any]], what: str) -> None:
    for part in parts:
        if isinstance(getattr(part, "type", None), types.Numeric):
            raise UnsupportedStatement(
                f"{part}: SQLite keeps exact decimals as text, so they cannot be {what} in SQL; "
                "do it in Python, or keep whole units (cents) in a BigInteger"
            )


class _SQLite(SQLiteDialect):
    driver = "apsw"
    supports_statement_cache = True
    insert_returning = update_returning = delete_returning = True
    statement_compiler = _SQLiteStatements
    ddl_compiler = _SQLiteTables
    type_compiler_cls = _SQLiteTypes
    colspecs: Any = {  # noqa: RUF012  (SQLAlchemy's own shape)
        **SQLiteDialect.colspecs,
        types.Numeric: _kept(
            types.Numeric,
            write=lambda value: None if value is None else str(_exact(value)),
            read=lambda value: None if value is None else Decimal(str(value)),
        ),
        types.DateTime: _kept(
            types.DateTime,
            write=lambda value: None if value is None else _utc(value).isoformat(" ", "microseconds"),
            read=lambda value: None if value is None else datetime.fromisoformat(value),
        ),
        types.Date: _kept(
            types.Date,
            write=lambda value: None if value is None else _day(value).isoformat(),
            read=lambda value: None if value is None else date.fromisoformat(value),
        ),
        types.Time: _kept(
            types.Time,
            write=lambda value: None if value is None else _clock(value).isoformat("microseconds"),
            read=lambda value: None if value is None else time.fromisoformat(value),
        ),
        types.Uuid: _kept(
            types.Uuid,
            write=lambda value: None if value is None else value.bytes,
            read=lambda value: None if value is None else UUID(bytes=value),
        ),
        types.Float: _kept(types.Float, write=_or_none(_number)),
        types.Enum: _Words,
    }


# ------------------------------------------------------------------------- Postgres


def _whole(value: int | Decimal | None) -> int | None:
    return int(value) if isinstance(value, Decimal) else value  # sum() of a bigint is a numeric


class _PostgresTypes(PGTypeCompiler):
    def visit_datetime(self, type_: object, **kw: object) -> Any:
        return "TIMESTAMP WITH TIME ZONE"

    def visit_enum(self, type_: object, **kw: object) -> Any:
        return "TEXT"  # a type of its own would outlive the table and know only the first version's words


class _Postgres(PGDialect_asyncpg):
    supports_statement_cache = True
    supports_native_enum = False
    supports_native_json_deserialization = False  # asyncpg gives JSON as text
    type_compiler_cls = _PostgresTypes
    colspecs: Any = {  # noqa: RUF012  (as above)
        **PGDialect_asyncpg.colspecs,
        **{kind: _kept(kind, read=_whole) for kind in (types.Integer, types.BigInteger, types.SmallInteger)},
        types.Numeric: _kept(types.Numeric, write=_or_none(_exact)),
        types.Float: _kept(types.Float),
        types.DateTime: _kept(
            types.DateTime,
            write=_or_none(_utc),
            # asyncpg gives the first and the last moment without their zone
            read=lambda value: value if value is None or value.tzinfo else value.replace(tzinfo=UTC),
        ),
        types.Date: _kept(types.Date, write=_or_none(_day)),
        types.Time: _kept(types.Time, write=_or_none(_clock)),
        types.Enum: _Words,
    }
