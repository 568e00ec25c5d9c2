"""
Statements compiled once and bound many times.

Building a statement costs 50 to 200 µs, compiling it as much again, binding one that is known about one. So a constant
statement is found by its identity, an equal one by SQLAlchemy's cache key, and only what depends on a value (the
length of a list) or has no key (several rows in one `values`) is compiled anew.
"""

from __future__ import annotations

import warnings
import weakref
from collections import namedtuple
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, MutableMapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from functools import lru_cache
from operator import itemgetter
from typing import Any, Final, NamedTuple, TypeAlias, TypeVar, cast

from sqlalchemy import (
    Column,
    CompoundSelect,
    Delete,
    Dialect,
    Insert,
    Select,
    Table,
    Update,
)
from sqlalchemy.exc import CompileError
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.visitors import iterate
from sqlalchemy.types import NullType

from eventfold.adapters.sql.engineless import (
    CacheKey,
    Processor,
    Statement,
    bind_processors,
    cache_key,
    result_columns,
    result_processor,
    takes_columns_from_names,
)
from eventfold.adapters.sql.tables import SUPPORTED_TYPES, check_types
from eventfold.errors import InvalidInput, UnsupportedStatement

__all__ = ["Compiled", "StatementRebuilt", "Statements"]

Params: TypeAlias = Mapping[str, Any]
Binder: TypeAlias = Callable[[Params], tuple[Any, ...]]
RowMaker: TypeAlias = Callable[[Sequence[Any]], tuple[Any, ...]]
K = TypeVar("K")
V = TypeVar("V")

_MOST: Final = 512
"""Statements, and shapes, remembered at a time; the oldest goes first."""
_PATIENCE: Final = 100


class StatementRebuilt(UserWarning):
    """The same statement is built again and again, which costs more than running it."""


# ------------------------------------------------------------------------- compiled


@dataclass(frozen=True, slots=True)
class Compiled:
    """
    A statement ready to run. Equal ones have the same SQL, so their rows may share an executemany.

    `bind` turns a mapping with exactly the names given to `find` into the values of one row.
    `columns` and `row`, which makes a named tuple, are None for a statement that returns no rows.
    """

    sql: str
    bind: Binder = field(compare=False, repr=False)
    columns: tuple[str, ...] | None = None
    row: RowMaker | None = field(default=None, compare=False, repr=False)
    table: str = ""
    """The table it writes; empty for a select."""
    alone: bool = True
    """It depends on no other table: neither reads one nor refers to one by a foreign key."""


class _Slot(NamedTuple):
    """Stands for the value of a parameter while its place among the values is looked for."""

    name: str


@dataclass(slots=True)
class _Shape:
    sql: SQLCompiler
    columns: tuple[str, ...] | None
    row: RowMaker | None
    rebuilt: int = 0
    latest: weakref.ref[Statement] | None = None


class Statements:
    """
    The statements known to one store, in its dialect. Memory is bounded. To be used by one thread at a time.
    """

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._known: dict[int, tuple[Statement, AbstractSet[str], Compiled]] = {}
        self._shapes: dict[Hashable, _Shape] = {}

    def find(self, statement: Statement, names: Collection[str] | Mapping[str, object] = ()) -> Compiled:
        """
        The statement compiled for rows with these names.

        Pass the row itself: a list for `IN` must be seen, since the SQL depends on its length.

        Raises:
            UnsupportedStatement: no insert, update, delete or select, or one that the dialect cannot express.
            InvalidInput: a name is missing, or there is one too many.
        """
        known = self._known.get(id(statement))  # holds the statement, so its id is not given away
        if known is not None and known[0] is statement and known[1] == _names_of(names):
            return known[2]
        return self._prepare(statement, names)

    def _prepare(self, statement: Statement, names: Collection[str]) -> Compiled:
        if not isinstance(cast("object", statement), _ACCEPTED):
            raise UnsupportedStatement(_refusal(statement))
        given = frozenset(names)
        key = cache_key(statement)
        shape = self._shape(statement, given, key)
        values, lists = _values(shape.sql, key, names)
        sql, places = _places(shape.sql, values)
        bind = _binder(places, _defaults(shape.sql), lists)
        table, alone = _written(statement)
        compiled = Compiled(sql, bind, shape.columns, shape.row, table, alone)
        if not lists:
            _remember(self._known, id(statement), (statement, given, compiled))
        return compiled

    def _shape(self, statement: Statement, given: AbstractSet[str], key: CacheKey | None) -> _Shape:
        columns = sorted(given) if takes_columns_from_names(statement) else []
        if key is None:
            return self._compile(statement, columns, None)
        place = (key.key, *columns)
        shape = self._shapes.get(place)
        if shape is None:
            shape = self._compile(statement, columns, key)
            _remember(self._shapes, place, shape)
        elif shape.latest is None or shape.latest() is not statement:
            shape.latest = weakref.ref(statement)
            shape.rebuilt += 1
            if shape.rebuilt == _PATIENCE + 1 and isinstance(statement, Insert | Update | Delete):
                warnings.warn(
                    f"built {_PATIENCE + 1} times, build it once at module level, with bindparam: {shape.sql.string}",
                    StatementRebuilt,
                    stacklevel=4,
                )
        return shape

    def _compile(self, statement: Statement, columns: list[str], key: CacheKey | None) -> _Shape:
        for part in iterate(statement):
            if isinstance(part, Table):
                check_types(cast("Table", part))
        if isinstance(statement, Insert | Update) and takes_columns_from_names(statement):
            _check_columns(statement, columns)
        try:
            # for_executemany: without it Postgres would add a RETURNING that nobody asked for.
            sql = statement.compile(dialect=self._dialect, column_keys=columns, cache_key=key, for_executemany=True)
        except CompileError as error:
            remedy = "; append an underscore to the parameter's name" if "bind" in str(error).lower() else ""
            raise UnsupportedStatement(f"{self._dialect.name} cannot express this: {error}{remedy}") from error
        assert isinstance(sql, SQLCompiler)
        if sql.literal_execute_params:
            raise UnsupportedStatement(
                f"a parameter with literal_execute is written into the SQL; bind it: {sql.string}"
            )
        return _Shape(sql, *_rows(sql, self._dialect))


_ACCEPTED: Final = (Insert, Update, Delete, Select, CompoundSelect)


def _written(statement: Statement) -> tuple[str, bool]:
    """The table that is written, and whether no other one matters to that."""
    if not isinstance(statement, Insert | Update | Delete):
        return "", True
    target: Any = statement.table
    others: list[Any] = [part for part in iterate(statement) if isinstance(part, Table) and part is not target]
    return target.description, not others and not target.foreign_keys


def _check_columns(statement: Insert | Update, names: Collection[str]) -> None:
    """SQLAlchemy would set the first column to NULL rather than none."""
    columns = statement.table.columns
    filled = any((each.default if isinstance(statement, Insert) else each.onupdate) is not None for each in columns)
    if not filled and not {*names} & {*columns.keys()}:
        raise InvalidInput(
            f"{type(statement).__name__.lower()} without values writes the columns that the row names, "
            f"but {names} are none; the table has {columns.keys()}"
        )


def _refusal(statement: object) -> str:
    given = f"{type(statement).__name__} is no insert, update, delete or select"
    return f"{given}; text() is for `eventfold sql`; build a select()"


def _names_of(names: Collection[str] | Mapping[str, object]) -> AbstractSet[str]:
    kind: type = type(names)
    if kind is dict:  # as nearly always, and quicker to find out than whether it is a Mapping
        return cast("dict[str, object]", names).keys()
    return names.keys() if isinstance(names, Mapping) else frozenset(names)


def _remember(memory: dict[K, V], place: K, value: V) -> None:
    memory.pop(place, None)
    while len(memory) >= _MOST:
        del memory[next(iter(memory))]
    memory[place] = value


# ----------------------------------------------------------------------- parameters


def _values(
    sql: SQLCompiler, key: CacheKey | None, names: Collection[str]
) -> tuple[MutableMapping[str, Any], Mapping[str, list[Any]]]:
    """
    What each parameter of the SQL stands for, by the SQL's own names: a constant or a slot; and the lists among them.

    Statements with one cache key may still differ in their constants and in which of their parameters have defaults,
    so that is read from the statement at hand, not from the one that was compiled.
    """
    own = key.parameters if key else [each for each in sql.bind_names if each.required]
    named = {each.key: each for each in own if not each.unique}
    of_columns = {each.key for each in sql.bind_names if each.required} - named.keys()
    if any(each.callable for each in own):
        raise UnsupportedStatement(
            f"bindparam(callable_=...) would be called once for many rows; pass the value: {sql.string}"
        )
    already: Params = key.given if key else {}
    required = {name for name, each in named.items() if each.required and name not in already} | of_columns
    missing, surplus = sorted(required - {*names}), sorted({*names} - named.keys() - of_columns)
    if missing or surplus:
        wanted = sorted(named.keys() | of_columns)
        raise InvalidInput(f"parameters missing: {missing}, surplus: {surplus}, wanted: {wanted}: {sql.string}")
    expanding = {each.key for each in sql.post_compile_params}
    lists = {name: _list(name, names) for name in named.keys() & expanding & {*names}}
    defaults = {name: already.get(name, each.value) for name, each in named.items()}
    params = defaults | {name: _Slot(name) for name in names} | lists
    return sql.construct_params(params, key and key.parameters, escape_names=False), lists


def _list(name: str, names: Collection[str]) -> list[Any]:
    value: Any = cast("Params", names)[name] if isinstance(names, Mapping) else None
    if not isinstance(value, list | tuple | set | frozenset):
        raise InvalidInput(
            f"parameter {name!r} is a list for IN, and the SQL depends on its length: find() needs the row itself"
        )
    return list(cast("Iterable[Any]", value))


class _Place(NamedTuple):
    name: str
    value: Any
    process: Processor | None


def _places(sql: SQLCompiler, values: MutableMapping[str, Any]) -> tuple[str, list[_Place]]:
    """The finished SQL, and what goes to each place, in order."""
    process = bind_processors(sql)
    if not sql.post_compile_params:
        return sql.string, [_Place(name, values[name], process.get(name)) for name in sql.positiontup or ()]
    done = sql.construct_expanded_state(values, escape_names=False)
    process = {**process, **done.processors}
    return done.statement, [_Place(name, done.parameters[name], process.get(name)) for name in done.positiontup or ()]


def _binder(places: Sequence[_Place], defaults: Mapping[str, Any], lists: Mapping[str, list[Any]]) -> Binder:
    row: list[Any] = [None] * len(places)
    fills: list[tuple[int, str, Processor | None]] = []
    calls: list[tuple[int, Callable[[Any], Any], Processor | None]] = []
    for at, (name, value, process) in enumerate(places):
        default = defaults.get(name)
        if isinstance(value, _Slot):
            fills.append((at, value.name, process))
        elif default is not None and default.is_callable:
            calls.append((at, default.arg, process))
        else:
            constant = value if default is None else default.arg
            row[at] = constant if process is None else _processed(name, constant, process)
    if len(fills) == len(places) > 1 and not any(process for _, _, process in fills):
        return itemgetter(*(name for _, name, _ in fills))

    # A generated function is 0.1 µs quicker; running the statement takes ten times that, and this can be read.
    def bind(params: Params) -> tuple[Any, ...]:
        values = row.copy()
        try:
            for at, name, process in fills:
                values[at] = params[name] if process is None else process(params[name])
        except _WRONG as error:
            raise _explained(fills, params) from error
        return tuple(values)

    def bind_all(params: Params) -> tuple[Any, ...]:
        for name, expected in lists.items():
            if list(params[name]) != expected:
                raise InvalidInput(f"parameter {name!r} is another list than find() has seen; call find() for each")
        values = list(bind(params))
        for at, call, process in calls:
            values[at] = call(_NO_CONTEXT) if process is None else process(call(_NO_CONTEXT))
        return tuple(values)

    return bind_all if calls or lists else bind


_WRONG: Final = (TypeError, ValueError, AttributeError, LookupError, ArithmeticError)


def _processed(name: str, value: Any, process: Processor) -> Any:
    try:
        return process(value)
    except _WRONG as error:
        reason = str(error) if isinstance(error, InvalidInput) else f"{value!r} does not fit: {error}"
        raise InvalidInput(f"parameter {name!r}: {reason}") from error


def _explained(fills: Iterable[tuple[int, str, Processor | None]], params: Params) -> InvalidInput:
    try:
        for _, name, process in fills:
            if name not in params:
                return InvalidInput(f"parameter {name!r} is missing; call find() with the names of the row")
            if process is not None:
                _processed(name, params[name], process)
    except InvalidInput as error:
        return error
    raise AssertionError("unreachable: one of the parameters did not fit a moment ago")


class _NoContext:
    """What SQLAlchemy would give to a default that looks at its row; here a row is bound without one."""

    def __getattr__(self, name: str) -> object:
        raise InvalidInput(
            f"a column default asks for {name}; only defaults that look at nothing are carried, pass the value"
        )


_NO_CONTEXT: Final = _NoContext()


def _defaults(sql: SQLCompiler) -> dict[str, Any]:
    inserted: Iterable[Column[Any]] = sql.insert_prefetch
    updated: Iterable[Column[Any]] = sql.update_prefetch
    return {each.key: each.default for each in inserted} | {each.key: each.onupdate for each in updated}


# ----------------------------------------------------------------------------- rows


def _rows(sql: SQLCompiler, dialect: Dialect) -> tuple[tuple[str, ...] | None, RowMaker | None]:
    found = result_columns(sql)
    if not found:
        return None, None
    columns = tuple(name for name, _ in found)
    for name, kind in found:
        if not isinstance(kind, (*SUPPORTED_TYPES, NullType)):
            supported = ", ".join(each.__name__ for each in SUPPORTED_TYPES)
            raise UnsupportedStatement(f"result column {name!r} is {kind!r}; supported are {supported}: {sql.string}")
    make = _row_class(columns)
    processors = [result_processor(kind, dialect) for _, kind in found]
    if not any(processors):
        return columns, make

    def row(values: Sequence[Any]) -> tuple[Any, ...]:
        return make([v if process is None else process(v) for process, v in zip(processors, values, strict=True)])

    return columns, row


@lru_cache(maxsize=_MOST)
def _row_class(columns: tuple[str, ...]) -> RowMaker:
    """A named tuple; a name that Python cannot spell, or that comes twice, becomes `_` and its place."""
    row: Any = cast("Any", namedtuple)("Row", columns, rename=True)  # noqa: PYI024  (its fields are known only now)
    return cast("RowMaker", row._make)
