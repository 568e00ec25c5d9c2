"""Read models speak SQLAlchemy Core; both dialects understand it, and on SQLite every value comes back equal."""

from __future__ import annotations

import enum
import gc
import itertools
import warnings
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import apsw
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Computed,
    Date,
    DateTime,
    Double,
    Enum,
    Float,
    Identity,
    Index,
    Integer,
    Interval,
    LargeBinary,
    MetaData,
    Numeric,
    PickleType,
    SmallInteger,
    String,
    Table,
    Text,
    Time,
    Unicode,
    UnicodeText,
    UniqueConstraint,
    Uuid,
    bindparam,
    case,
    cast,
    delete,
    exists,
    func,
    insert,
    literal,
    select,
    text,
    tuple_,
    union_all,
    update,
    values,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeEngine

from eventfold.adapters.sql import (
    SUPPORTED_TYPES,
    StatementRebuilt,
    Statements,
    check_table,
    ddl_create,
    ddl_drop,
    postgres_dialect,
    sqlite_dialect,
    upsert,
)
from eventfold.errors import InvalidInput, UnsupportedStatement


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


class Store:
    """The least a store does with compiled statements."""

    def __init__(self, *tables: Table) -> None:
        self.connection = apsw.Connection(":memory:")
        self.statements = Statements(sqlite_dialect())
        for table in tables:
            for ddl in ddl_create(table, sqlite_dialect()):
                self.connection.execute(ddl)

    def run(self, statement: Any, row: dict[str, Any] | None = None) -> list[tuple[Any, ...]]:
        row = row or {}
        compiled = self.statements.find(statement, row)
        rows = list(self.connection.execute(compiled.sql, compiled.bind(row)))
        return [tuple(each) for each in rows] if compiled.row is None else [compiled.row(each) for each in rows]


def table_of(kind: TypeEngine[Any], name: str = "t") -> Table:
    return Table(name, MetaData(), Column("id", Integer, primary_key=True), Column("value", kind))


stock = Table(
    "stock",
    MetaData(),
    Column("isbn", String, primary_key=True),
    Column("left", Integer, nullable=False),
    Column("title", String),
)
take = upsert(
    stock,
    key=["isbn"],
    insert={"isbn": bindparam("isbn_"), "left": 10 - bindparam("n")},
    set={"left": stock.c.left - bindparam("n")},
)


@pytest.fixture
def store() -> Store:
    return Store(stock)


# --------------------------------------------------------------------------------------------- types

NOON = datetime(2024, 2, 29, 12, 0, 0, 1, tzinfo=timezone(timedelta(hours=5, minutes=30)))
VALUES: dict[type[TypeEngine[Any]], tuple[TypeEngine[Any], list[Any], st.SearchStrategy[Any]]] = {
    Integer: (Integer(), [0, -1, 2**31 - 1], st.integers(-(2**63), 2**63 - 1)),
    BigInteger: (BigInteger(), [2**63 - 1, -(2**63)], st.integers(-(2**63), 2**63 - 1)),
    SmallInteger: (SmallInteger(), [7], st.integers(-(2**15), 2**15 - 1)),
    String: (String(), ["", "ä'\"; drop", "007"], st.text()),
    Text: (Text(), ["1.50", "\N{SNOWMAN}"], st.text()),
    Unicode: (Unicode(), ["x"], st.text()),
    UnicodeText: (UnicodeText(), ["x"], st.text()),
    Boolean: (Boolean(), [True, False], st.booleans()),
    Numeric: (
        Numeric(40, 4),
        [Decimal("12345678901234567890.1200"), Decimal("3.10"), Decimal("1E+5"), Decimal("-0.0")],
        st.decimals(allow_nan=False, allow_infinity=False),
    ),
    Float: (Float(), [0.1, float("inf")], st.floats(allow_nan=False)),
    Double: (Double(), [1e300], st.floats(allow_nan=False)),
    DateTime: (
        DateTime(),
        [NOON, NOON.astimezone(UTC), datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999999, UTC)],
        st.datetimes(
            timezones=st.sampled_from([UTC, timezone(timedelta(hours=-11)), NOON.tzinfo]),
            min_value=datetime(2, 1, 1),  # noqa: DTZ001
            max_value=datetime(9998, 1, 1),  # noqa: DTZ001
        ),
    ),
    Date: (Date(), [date(1, 1, 1), date(2024, 2, 29)], st.dates()),
    Time: (Time(), [time(0), time(23, 59, 59, 999999)], st.times()),
    Uuid: (Uuid(), [UUID(int=0), UUID(int=2**128 - 1)], st.uuids()),
    LargeBinary: (LargeBinary(), [b"", b"a\0b\xff"], st.binary()),
    JSON: (
        JSON(),
        [{"a": [1, 2.5, None, {"b": "\0ä"}]}, [], "text", 1, True],
        st.recursive(
            st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        ),
    ),
    Enum: (Enum(Colour), [Colour.RED, Colour.BLUE], st.sampled_from(Colour)),
}
WORDS = Enum("red", "blue", name="words")


def test_the_table_of_types_is_the_list_of_supported_types() -> None:
    assert set(VALUES) == set(SUPPORTED_TYPES)


@pytest.mark.parametrize("kind", VALUES, ids=lambda kind: kind.__name__)
def test_every_type_compiles_on_both_dialects(kind: type[TypeEngine[Any]]) -> None:
    table = table_of(VALUES[kind][0])
    check_table(table)
    for dialect in (sqlite_dialect(), postgres_dialect()):
        statements = Statements(dialect)
        written = statements.find(insert(table), {"id", "value"})
        read = statements.find(select(table).where(table.c.id == bindparam("wanted")), {"wanted"})
        assert written.bind({"id": 1, "value": None})[0] == 1
        assert read.columns == ("id", "value")


@pytest.mark.parametrize("kind", VALUES, ids=lambda kind: kind.__name__)
def test_every_value_comes_back_equal(kind: type[TypeEngine[Any]]) -> None:
    type_, examples, _ = VALUES[kind]
    table = table_of(type_)
    store = Store(table)
    for at, value in enumerate([*examples, None]):
        store.run(insert(table), {"id": at, "value": value})
        [(_, found)] = store.run(select(table).where(table.c.id == at))
        assert found == value
        assert type(found) is type(value)
        assert str(found) == str(value.astimezone(UTC) if isinstance(value, datetime) else value)


@pytest.mark.parametrize("kind", VALUES, ids=lambda kind: kind.__name__)
def test_any_value_comes_back_equal(kind: type[TypeEngine[Any]]) -> None:
    type_, _, anything = VALUES[kind]
    table = table_of(type_)
    store = Store(table)
    put = upsert(table, key=["id"], insert={"id": 1, "value": bindparam("v")}, set={"value": bindparam("v")})
    look = select(table.c.value)

    @given(anything | st.none())
    def check(value: Any) -> None:
        store.run(put, {"v": value})
        assert store.run(look) == [(value,)]
        if isinstance(value, Decimal):
            assert str(store.run(look)[0][0]) == str(value)
        if isinstance(value, datetime):
            assert store.run(look)[0][0].tzinfo is UTC

    check()


def test_an_enum_of_words_comes_back_and_other_words_are_refused() -> None:
    table = table_of(WORDS)
    store = Store(table)
    store.run(insert(table), {"id": 1, "value": "red"})
    assert store.run(select(table)) == [(1, "red")]
    with pytest.raises(InvalidInput, match=r"value.*green"):
        store.run(insert(table), {"id": 2, "value": "green"})


@pytest.mark.parametrize(
    ("kind", "value", "why"),
    [
        (DateTime(), datetime(2024, 1, 1), "no time zone"),  # noqa: DTZ001
        (DateTime(), "2024-01-01", "does not fit"),
        (DateTime(), datetime(1, 1, 1, tzinfo=NOON.tzinfo), "does not fit"),
        (Time(), time(1, tzinfo=UTC), "has a zone"),
        (Date(), datetime(2024, 1, 1, tzinfo=UTC), "more than a day"),
        (Numeric(), 0.1, "not exact"),
    ],
)
@pytest.mark.parametrize("dialect", [sqlite_dialect(), postgres_dialect()], ids=["sqlite", "postgres"])
def test_a_value_that_would_change_is_refused_and_named(
    kind: TypeEngine[Any], value: Any, why: str, dialect: Any
) -> None:
    table = table_of(kind)
    row = {"id": 1, "value": value}
    with pytest.raises(InvalidInput, match=rf"'value'.*{why}"):
        Statements(dialect).find(insert(table), row).bind(row)
    with pytest.raises(InvalidInput, match=why):  # a constant in the statement, too
        Statements(dialect).find(insert(table).values(id=1, value=value))


@pytest.mark.parametrize(
    ("kind", "value"), [(Float(), float("nan")), (Uuid(), "no uuid"), (Boolean(), 5), (JSON(), object())]
)
def test_a_value_of_the_wrong_kind_is_refused_on_sqlite(kind: TypeEngine[Any], value: Any) -> None:
    table = table_of(kind)
    row = {"id": 1, "value": value}
    with pytest.raises(InvalidInput, match="'value'"):
        Statements(sqlite_dialect()).find(insert(table), row).bind(row)


def test_a_text_in_a_column_of_numbers_is_refused_by_the_table() -> None:
    table = table_of(Integer())
    with pytest.raises(apsw.ConstraintError, match="TEXT value in INTEGER column"):
        Store(table).run(insert(table), {"id": 1, "value": "many"})


def test_values_that_asyncpg_gives_in_another_form_are_put_right() -> None:
    statements = Statements(postgres_dialect())
    moment = statements.find(select(table_of(DateTime()).c.value)).row
    total = statements.find(select(func.sum(table_of(BigInteger()).c.value))).row
    assert moment is not None
    assert total is not None
    last = datetime.max.replace(tzinfo=UTC)
    assert moment([last.replace(tzinfo=None)]) == (last,)
    assert repr(total([Decimal(5)])[0]) == "5"
    assert (moment([None]), total([None])) == ((None,), (None,))


def test_times_of_other_zones_compare_as_moments() -> None:
    table = table_of(DateTime())
    store = Store(table)
    moments = [NOON, NOON.astimezone(UTC) - timedelta(microseconds=1), NOON + timedelta(seconds=1)]
    for at, moment in enumerate(moments):
        store.run(insert(table), {"id": at, "value": moment})
    assert store.run(select(table.c.id).order_by(table.c.value)) == [(1,), (0,), (2,)]
    assert store.run(select(table.c.id).where(table.c.value == NOON.astimezone(UTC))) == [(0,)]
    assert store.run(select(func.max(table.c.value))) == [(moments[2].astimezone(UTC),)]


def test_the_clock_of_the_database_is_readable() -> None:
    table = table_of(DateTime())
    store = Store(table)
    store.run(insert(table).values(id=1, value=func.now()))
    [(found,)] = store.run(select(table.c.value).where(table.c.value <= func.now()))
    assert found.tzinfo is UTC
    assert abs(found - datetime.now(UTC)) < timedelta(minutes=1)


@pytest.mark.parametrize(
    "build",
    [
        lambda t: update(t).values(value=t.c.value + bindparam("n")),
        lambda t: select(t).where(t.c.value == bindparam("n")),
        lambda t: select(t).where(t.c.value.between(bindparam("n"), 3)),
        lambda t: select(func.sum(t.c.value)),
        lambda t: select(t).order_by(t.c.value.desc()),
    ],
)
def test_decimals_kept_as_text_are_not_calculated_with(build: Any) -> None:
    table = table_of(Numeric(10, 2))
    statement = build(table)
    with pytest.raises(UnsupportedStatement, match=r"t\.value: SQLite keeps exact decimals as text.*cents"):
        Statements(sqlite_dialect()).find(statement, {"n": Decimal(1)})
    names = {"n": Decimal(1)} if "n" in statement.compile().params else {}
    Statements(postgres_dialect()).find(statement, names)


def test_decimals_kept_as_text_may_be_null_counted_and_coalesced() -> None:
    table = table_of(Numeric(10, 2))
    store = Store(table)
    store.run(insert(table), {"id": 1, "value": None})
    assert store.run(select(func.coalesce(table.c.value, Decimal("1.10"))).where(table.c.value.is_(None))) == [
        (Decimal("1.10"),)
    ]
    assert store.run(select(func.count(table.c.value))) == [(0,)]


# -------------------------------------------------------------------------------------------- tables


def test_ddl_is_idempotent_and_brings_the_indexes() -> None:
    table = Table("t", MetaData(), Column("a", Integer), Column("b", Text, index=True), UniqueConstraint("a", "b"))
    Index("by_both", table.c.a, table.c.b, unique=True)
    created = ddl_create(table, sqlite_dialect())
    connection = apsw.Connection(":memory:")
    for ddl in created * 2:
        connection.execute(ddl)
    assert len(created) == 3
    assert all("IF NOT EXISTS" in ddl for ddl in created)
    for ddl in ddl_drop(table, sqlite_dialect()) * 2:
        connection.execute(ddl)
    assert connection.execute("select count(*) from sqlite_master").get == 0


def test_a_decimal_is_text_and_a_moment_has_a_zone() -> None:
    table = Table(
        "t", MetaData(), Column("price", Numeric(18, 4)), Column("at", DateTime), Column("colour", Enum(Colour))
    )
    [lite] = ddl_create(table, sqlite_dialect())
    [full] = ddl_create(table, postgres_dialect())
    assert "price TEXT" in lite
    assert lite.endswith("STRICT")
    assert "price NUMERIC(18, 4)" in full
    assert "at TIMESTAMP WITH TIME ZONE" in full
    assert "colour TEXT" in full


@pytest.mark.parametrize("with_rowid", [True, False])
def test_tables_are_strict_with_and_without_rowid(with_rowid: bool) -> None:
    table = Table("t", MetaData(), Column("id", BigInteger, primary_key=True), sqlite_with_rowid=with_rowid)
    Store(table).run(insert(table), {"id": 1})


def test_a_key_is_given_by_sqlite_when_it_is_left_out() -> None:
    table = Table("t", MetaData(), Column("id", BigInteger, primary_key=True), Column("x", Text))
    store = Store(table)
    assert store.run(insert(table).returning(table.c.id), {"x": "a"}) == [(1,)]
    assert store.run(insert(table), {"x": "b"}) == []


@pytest.mark.parametrize(
    "kind",
    [
        Interval(),
        PickleType(),
        postgresql.ARRAY(Integer),
        postgresql.JSONB(),
        JSON().with_variant(postgresql.JSONB(), "postgresql"),
        Uuid(as_uuid=False),
        Numeric(asdecimal=False),
        Float(asdecimal=True),
        Time(timezone=True),
        String(collation="de_DE"),
    ],
    ids=repr,
)
def test_another_type_is_refused_with_table_column_type_and_list(kind: TypeEngine[Any]) -> None:
    table = table_of(kind, "history")
    expected = rf"(?s)'history', column 'value', type {type(kind).__name__}.*supported are .*Numeric.*Enum"
    with pytest.raises(UnsupportedStatement, match=expected):
        check_table(table)
    with pytest.raises(UnsupportedStatement, match=expected):
        Statements(sqlite_dialect()).find(insert(table), {"id"})
    with pytest.raises(UnsupportedStatement, match=expected):
        Statements(sqlite_dialect()).find(select(table))


def test_what_a_server_makes_is_carried_only_in_the_stored_form() -> None:
    fine = Table(
        "t",
        MetaData(),
        Column("a", Integer, server_default="7"),
        Column("b", Integer, Computed("a * 2", persisted=True)),
        Column("c", Text),
    )
    check_table(fine)
    store = Store(fine)
    store.run(insert(fine), {"c": "x"})
    assert store.run(select(fine)) == [(7, 14, "x")]
    for column in (Column("a", DateTime, server_default=func.now()), Column("a", Numeric, server_default="1.0")):
        with pytest.raises(UnsupportedStatement, match="use default="):
            check_table(Table("t", MetaData(), column))
    for made in (Computed("a * 2"), Identity(start=5)):
        with pytest.raises(UnsupportedStatement, match=type(made).__name__):
            check_table(Table("t", MetaData(), Column("a", Integer), Column("b", Integer, made)))


def test_a_table_that_one_store_cannot_make_is_refused() -> None:
    number = Column("a", Integer)
    table = Table("t", MetaData(), number, CheckConstraint(cast(number, postgresql.INET).is_not(None)))
    ddl_create(table, postgres_dialect())
    with pytest.raises(UnsupportedStatement, match="table 't': sqlite cannot make it"):
        check_table(table)


def test_a_schema_is_refused_on_sqlite() -> None:
    table = Table("t", MetaData(), Column("a", Integer), schema="other")
    with pytest.raises(UnsupportedStatement, match=r"other\.t.*leave out schema="):
        ddl_create(table, sqlite_dialect())


HOSTILE = [
    'a"b',
    "a'b",
    "a; drop table x",
    "select",
    "a b",
    "a?b",
    "a$1b",
    "a%b",
    "a:b",
    "(a)",
    "a.b",
    "ä",
    "[a]",
    "a``b",
    "--",
    "a\\b",
    "1",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_quoted(name: str) -> None:
    table = Table(name, MetaData(), Column(name, Integer, primary_key=True), Column(name + "2", Text))
    check_table(table)
    store = Store(table)
    key, other = table.c
    store.run(insert(table), {key.key: 1, other.key: "x"})
    put = upsert(
        table, key=[name], insert={name: bindparam(name + "_"), other.key: "y"}, set={other.key: bindparam("v")}
    )
    store.run(put, {name + "_": 1, "v": "z"})
    store.run(update(table).where(key == bindparam(name + "_")), {name + "_": 1, other.key: "w"})
    assert store.run(select(table).where(key.in_([1, 2]), other == "w")) == [(1, "w")]
    assert "$1" in Statements(postgres_dialect()).find(put, {name + "_", "v"}).sql


@pytest.mark.parametrize("name", ["", "a\0b", "a\nb", "a\tb", "a%(x)s", "__[POSTCOMPILE_x]"])
def test_names_that_sqlalchemy_would_mistake_for_its_own_marks_are_refused(name: str) -> None:
    with pytest.raises(UnsupportedStatement, match="name"):
        check_table(Table(name, MetaData(), Column(name or "a", Integer)))


# -------------------------------------------------------------------------------------------- upsert


def test_an_upsert_inserts_and_then_changes(store: Store) -> None:
    for _ in range(3):
        store.run(take, {"isbn_": "x", "n": 2})
    assert store.run(select(stock.c.left)) == [(4,)]


def test_an_upsert_compiles_on_both_dialects() -> None:
    for dialect in (sqlite_dialect(), postgres_dialect()):
        compiled = Statements(dialect).find(take, {"isbn_", "n"})
        assert "ON CONFLICT (isbn) DO UPDATE SET" in compiled.sql
        assert "RETURNING" not in compiled.sql
        assert (compiled.table, compiled.columns, compiled.row) == ("stock", None, None)


def test_an_empty_set_leaves_the_row_alone(store: Store) -> None:
    once = upsert(stock, key=["isbn"], insert={"isbn": bindparam("i"), "left": bindparam("l")}, set={})
    store.run(once, {"i": "x", "l": 1})
    store.run(once, {"i": "x", "l": 2})
    assert store.run(select(stock.c.left)) == [(1,)]


def test_constants_of_upserts_with_one_shape_are_not_confused(store: Store) -> None:
    for number in range(5):
        store.run(
            upsert(stock, key=["isbn"], insert={"isbn": f"{number % 2}", "left": number}, set={"left": number * 10})
        )
    assert store.run(select(stock.c.isbn, stock.c.left).order_by(stock.c.isbn)) == [("0", 40), ("1", 30)]


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({"key": ["isbm"]}, r"no columns \['isbm'\]; the table has \['isbn'"),
        ({"set": {"lift": 1}}, r"no columns \['lift'\]"),
        ({"insert": {"lift": 1}}, r"no columns \['lift'\]"),
        ({"key": []}, "both need a column"),
        ({"insert": {}}, "both need a column"),
        ({"key": "isbn"}, r"pass a list, \['isbn'\]"),
        ({"key": ["title"]}, r"\['title'\] is no primary key.*unique are \[\['isbn'\]\]"),
        ({"set": {"left": bindparam("left")}}, r"append an underscore: bindparam\('left_'\)"),
        ({"set": {"left": stock.c.left + func.abs(bindparam("title"))}}, r"bindparam\('title_'\)"),
    ],
)
def test_an_upsert_that_cannot_work_says_why(arguments: dict[str, Any], why: str) -> None:
    fine: dict[str, Any] = {"key": ["isbn"], "insert": {"isbn": "x"}, "set": {"left": 1}}
    with pytest.raises(InvalidInput, match=why):
        upsert(stock, **(fine | arguments))


def test_any_unique_constraint_is_a_key() -> None:
    table = Table(
        "t", MetaData(), Column("a", Integer), Column("b", Integer), Column("c", Integer), UniqueConstraint("a", "b")
    )
    Index("by_c", table.c.c, unique=True)
    upsert(table, key=["b", "a"], insert={"a": 1}, set={})
    upsert(table, key=["c"], insert={"c": 1}, set={})


# ------------------------------------------------------------------------------------- what is accepted


@pytest.mark.parametrize(
    ("statement", "name"),
    [
        (text("select 1"), "TextClause"),
        ("select 1", "str"),
        (text("select 1").columns(), "TextualSelect"),
        (stock, "Table"),
        (values(Column("a", Integer), name="v").data([(1,)]), "Values"),
        (select(stock).subquery(), "Subquery"),
        (None, "NoneType"),
    ],
)
def test_another_kind_of_statement_is_refused(statement: Any, name: str) -> None:
    with pytest.raises(
        UnsupportedStatement, match=rf"^{name} is no insert.*text\(\) is for `eventfold sql`; build a select"
    ):
        Statements(sqlite_dialect()).find(statement, ())


@pytest.mark.parametrize("names", [{"isbn_"}, {"isbn_", "n", "m"}, (), {"isbn_", "m"}, {"isbn_", "n", "left"}])
def test_missing_and_surplus_names_are_named(names: set[str], store: Store) -> None:
    store.statements.find(take, {"isbn_", "n"})
    with pytest.raises(InvalidInput) as raised:
        store.statements.find(take, names)
    missing, surplus = sorted({"isbn_", "n"} - {*names}), sorted({*names} - {"isbn_", "n"})
    assert f"missing: {missing}, surplus: {surplus}, wanted: ['isbn_', 'n']" in str(raised.value)


def test_a_name_that_is_no_column_is_surplus_for_a_bare_insert(store: Store) -> None:
    with pytest.raises(InvalidInput, match=r"surplus: \['lift'\], wanted: \['isbn', 'left'\]"):
        store.statements.find(insert(stock), {"isbn", "left", "lift"})


def test_a_row_without_a_name_is_refused_by_bind_too(store: Store) -> None:
    with pytest.raises(InvalidInput, match="'n' is missing"):
        store.statements.find(take, {"isbn_", "n"}).bind({"isbn_": "x"})


@pytest.mark.parametrize(
    "statement",
    [
        update(stock).values(left=5).where(stock.c.left == bindparam("left")),
        update(stock).where(stock.c.left == bindparam("left")),
    ],
)
def test_a_parameter_that_might_mean_a_column_is_refused_in_an_update(store: Store, statement: Any) -> None:
    with pytest.raises(InvalidInput, match=r"'left'.*append an underscore to the parameter's name"):
        store.statements.find(statement, {"left"})


@pytest.mark.parametrize(
    "statement", [insert(stock), update(stock), update(stock).where(stock.c.isbn == bindparam("i"))]
)
def test_a_statement_that_would_write_no_column_is_refused(store: Store, statement: Any) -> None:
    names = {"i"} & {*statement.compile().params}
    with pytest.raises(
        InvalidInput, match=rf"without values writes the columns that the row names, but \{sorted(names)} are none"
    ):
        store.statements.find(statement, names)


def test_parameters_may_be_set_by_the_statement_itself(store: Store) -> None:
    store.run(insert(stock).values([{"isbn": "a", "left": 1}, {"isbn": "b", "left": 2}]))
    asked = select(stock.c.isbn).where(stock.c.left == bindparam("n"))
    for number, isbn in ((1, "a"), (2, "b")):
        assert store.run(asked.params(n=number)) == [(isbn,)]
        assert store.run(asked.params(n=9), {"n": number}) == [(isbn,)]
    with pytest.raises(InvalidInput, match=r"missing: \['n'\]"):
        store.run(asked)


def test_a_parameter_with_a_default_may_be_left_out_or_given(store: Store) -> None:
    store.run(insert(stock).values([{"isbn": "a", "left": 1}, {"isbn": "b", "left": 2}]))
    # The two have one cache key and differ in what they ask for.
    asked = select(stock.c.isbn).where(stock.c.left == bindparam("n", type_=Integer))
    ready = select(stock.c.isbn).where(stock.c.left == bindparam("n", 2))
    for first, second in itertools.permutations([asked, ready]):
        store.statements = Statements(sqlite_dialect())
        for statement in (first, second):
            assert store.run(statement, {"n": 1}) == [("a",)]
        assert store.run(ready) == [("b",)]
        with pytest.raises(InvalidInput, match=r"missing: \['n'\]"):
            store.run(asked)


def test_a_value_computed_at_binding_is_refused(store: Store) -> None:
    with pytest.raises(UnsupportedStatement, match="callable_"):
        store.statements.find(select(stock).where(stock.c.left == bindparam("n", callable_=lambda: 1)))


def test_a_value_written_into_the_sql_is_refused(store: Store) -> None:
    with pytest.raises(UnsupportedStatement, match="literal_execute"):
        store.statements.find(select(stock).where(stock.c.left == bindparam("n", 1, literal_execute=True)))


def test_what_a_dialect_cannot_express_is_refused() -> None:
    statement = delete(stock).where(stock.c.isbn == select(stock.c.isbn).with_for_update().scalar_subquery())
    Statements(sqlite_dialect()).find(statement)
    with pytest.raises(UnsupportedStatement, match="sqlite cannot express this"):
        Statements(sqlite_dialect()).find(select(func.cast(stock.c.left, postgresql.INET())))


# ------------------------------------------------------------------------------------ what comes out


def test_defaults_of_columns_are_filled_in() -> None:
    count = itertools.count(1)
    table = Table(
        "t",
        MetaData(),
        Column("id", Integer, primary_key=True, default=lambda: next(count)),
        Column("colour", Enum(Colour), default=Colour.BLUE),
        Column("changed", Integer, default=0, onupdate=lambda: next(count) + 100),
        Column("x", Integer),
    )
    store = Store(table)
    add, change = insert(table), update(table).where(table.c.id == bindparam("id_"))
    store.run(add, {"x": 1})
    store.run(add, {"x": 2})
    store.run(add, {"x": 3, "colour": Colour.RED, "id": 9})
    store.run(change, {"id_": 2, "x": 5})
    assert store.run(select(table)) == [(1, Colour.BLUE, 0, 1), (2, Colour.BLUE, 103, 5), (9, Colour.RED, 0, 3)]


def test_defaults_are_filled_in_for_several_rows_and_for_an_upsert() -> None:
    count = itertools.count(1)
    table = Table(
        "t",
        MetaData(),
        Column("id", Integer, primary_key=True),
        Column("n", Integer, default=lambda: next(count)),
        Column("k", Integer, default=7),
    )
    store = Store(table)
    store.run(insert(table).values([{"id": 1}, {"id": 2}]))
    store.run(upsert(table, key=["id"], insert={"id": bindparam("i")}, set={"n": 0}), {"i": 3})
    assert store.run(select(table)) == [(1, 1, 7), (2, 2, 7), (3, 3, 7)]


def test_a_default_that_looks_at_its_row_is_refused() -> None:
    table = Table(
        "t",
        MetaData(),
        Column("a", Integer),
        Column("b", Integer, default=lambda context: context.get_current_parameters()["a"]),
    )
    with pytest.raises(InvalidInput, match="get_current_parameters"):
        Store(table).run(insert(table), {"a": 1})


def test_a_parameter_named_like_a_column_with_a_default_never_takes_its_place() -> None:
    table = Table("t", MetaData(), Column("id", Integer), Column("n", Integer, onupdate=lambda: 5))
    with pytest.raises(InvalidInput, match="reserved"):
        Statements(sqlite_dialect()).find(update(table).values(id=1).where(table.c.id == bindparam("n")), {"n"})


def test_returning_gives_rows(store: Store) -> None:
    add = insert(stock).values(isbn=bindparam("i"), left=1).returning(stock.c.isbn, (stock.c.left + 1).label("more"))
    [row] = store.run(add, {"i": "x"})
    assert row == ("x", 2)
    assert row._fields == ("isbn", "more")  # type: ignore[attr-defined]
    assert store.run(update(stock).values(left=5).returning(stock.c.left)) == [(5,)]
    assert store.run(delete(stock).returning(stock.c.isbn)) == [("x",)]
    assert Statements(postgres_dialect()).find(add, {"i"}).columns == ("isbn", "more")


def test_several_rows_in_one_statement_and_delete(store: Store) -> None:
    for size in (1, 3, 2):
        store.run(insert(stock).values([{"isbn": f"{size}-{at}", "left": at} for at in range(size)]))
    assert store.run(select(func.count()).select_from(stock)) == [(6,)]
    store.run(delete(stock).where(stock.c.left < bindparam("n")), {"n": 1})
    assert store.run(select(func.count()).select_from(stock)) == [(3,)]


def test_joins_aggregates_labels_and_unions(store: Store) -> None:
    store.run(insert(stock).values([{"isbn": "a", "left": 1}, {"isbn": "b", "left": 2}, {"isbn": "c", "left": 2}]))
    other = stock.alias("other")
    joined = (
        select(stock.c.left, func.count(other.c.isbn).label("how many"), func.sum(other.c.left))
        .join(other, stock.c.left == other.c.left)
        .where(exists().where(other.c.left > 0))
        .group_by(stock.c.left)
        .having(func.count() > bindparam("least"))
        .order_by(stock.c.left.desc())
        .limit(bindparam("limit"))
    )
    compiled = store.statements.find(joined, {"least", "limit"})
    assert compiled.columns == ("left", "how many", "sum_1")
    [row] = store.run(joined, {"least": 1, "limit": 9})
    assert row == (2, 4, 8)
    assert row._fields == ("left", "_1", "sum_1")  # type: ignore[attr-defined]
    both = union_all(select(stock.c.isbn).where(stock.c.left == 1), select(literal("z").label("isbn")))
    assert store.run(both.order_by("isbn")) == [("a",), ("z",)]
    label = case((stock.c.left > bindparam("n"), "many"), else_="few")
    assert store.run(select(label).order_by(stock.c.isbn), {"n": 1}) == [("few",), ("many",), ("many",)]


def test_columns_that_share_a_label_keep_their_places(store: Store) -> None:
    store.run(insert(stock), {"isbn": "a", "left": 1})
    other = stock.alias("other")
    [row] = store.run(
        select(stock.c.isbn, other.c.isbn, stock.c.left.label("isbn"), stock.c.title).select_from(
            stock.join(other, other.c.isbn == stock.c.isbn)
        )
    )
    assert row == ("a", "a", 1, None)
    assert len(set(row._fields)) == 4  # type: ignore[attr-defined]


def test_parts_of_json_can_be_read() -> None:
    table = table_of(JSON())
    store = Store(table)
    store.run(insert(table), {"id": 1, "value": {"a": {"b": 5}, "c": "x"}})
    asked = select(table.c.value["a"], table.c.value["c"].as_string(), table.c.value[("a", "b")].as_integer())
    assert store.run(asked) == [({"b": 5}, "x", 5)]
    Statements(postgres_dialect()).find(asked)


def test_a_result_that_no_store_carries_alike_is_refused() -> None:
    table = table_of(DateTime())
    with pytest.raises(UnsupportedStatement, match="Interval"):
        Statements(sqlite_dialect()).find(select(table.c.value - NOON))


# --------------------------------------------------------------------------------------- IN and caches


def test_a_literal_list_is_expanded(store: Store) -> None:
    store.run(insert(stock).values([{"isbn": f"{n}", "left": n} for n in range(5)]))
    for wanted in ([1], [1, 3], [], [0, 2, 4]):
        statement = (
            select(stock.c.left).where(stock.c.left.in_(wanted), stock.c.left >= bindparam("n")).order_by(stock.c.left)
        )
        for _ in range(2):
            assert store.run(statement, {"n": 0}) == [(n,) for n in wanted]
    pairs = select(stock.c.left).where(tuple_(stock.c.isbn, stock.c.left).in_([("1", 1), ("2", 9)]))
    assert store.run(pairs) == [(1,)]


@pytest.mark.parametrize("kind", [list, tuple, set, frozenset])
def test_a_bound_list_is_expanded_each_time(store: Store, kind: Any) -> None:
    store.run(insert(stock).values([{"isbn": f"{n}", "left": n} for n in range(5)]))
    statement = select(stock.c.left).where(stock.c.left.in_(bindparam("wanted", expanding=True))).order_by(stock.c.left)
    for wanted in ([1], [1, 3], [], [0, 2, 4]):
        assert store.run(statement, {"wanted": kind(wanted)}) == [(n,) for n in wanted]
    assert Statements(postgres_dialect()).find(statement, {"wanted": [1, 2]}).sql.count("$") == 2


def test_a_bound_list_of_decorated_values_is_processed() -> None:
    table = table_of(Uuid())
    store = Store(table)
    ids = [UUID(int=n) for n in range(3)]
    for at, each in enumerate(ids):
        store.run(insert(table), {"id": at, "value": each})
    statement = select(table.c.value).where(table.c.value.in_(bindparam("wanted")), table.c.id >= bindparam("n"))
    assert store.run(statement, {"wanted": ids[1:], "n": 0}) == [(each,) for each in ids[1:]]


def test_a_bound_list_must_be_seen(store: Store) -> None:
    statement = select(stock).where(stock.c.left.in_(bindparam("wanted")))
    for row in ({"wanted"}, {"wanted": 5}, {"wanted": "ab"}, {"wanted": None}):
        with pytest.raises(InvalidInput, match="'wanted' is a list for IN"):
            store.statements.find(statement, row)
    with pytest.raises(InvalidInput, match="another list"):
        store.statements.find(statement, {"wanted": [1]}).bind({"wanted": [2]})


def test_a_constant_statement_is_compiled_once(store: Store) -> None:
    first = store.statements.find(take, {"isbn_", "n"})
    assert store.statements.find(take, {"n": 1, "isbn_": "x"}) is first
    other = update(stock).values(left=bindparam("n"))
    assert (
        store.statements.find(other, {"n"}).sql
        == store.statements.find(update(stock).values(left=bindparam("n")), {"n"}).sql
    )
    rows = insert(stock).values([{"isbn": "a", "left": 1}])
    assert store.statements.find(rows) is store.statements.find(rows)


def test_equal_sql_makes_equal_statements(store: Store) -> None:
    ones, twos = (store.statements.find(update(stock).values(left=n)) for n in (1, 2))
    assert ones == twos
    assert hash(ones) == hash(twos)
    assert (ones.bind({}), twos.bind({})) == ((1,), (2,))


def test_a_bare_statement_follows_the_names(store: Store) -> None:
    bare = insert(stock)
    for names in ({"isbn", "left"}, {"isbn", "left", "title"}, {"isbn", "left"}):
        compiled = store.statements.find(bare, names)
        assert len(compiled.bind(dict.fromkeys(names))) == len(names)


def test_memory_is_bounded_and_forgotten_shapes_come_back(store: Store) -> None:
    columns = [Column(f"c{at}", Integer) for at in range(1000)]
    wide = Table("wide", MetaData(), *columns)
    statements = [update(wide).values({column: bindparam("v")}) for column in wide.c]
    for _ in range(2):
        for at, statement in enumerate(statements):
            assert f"c{at}=" in store.statements.find(statement, {"v"}).sql
    assert len(store.statements._known) <= 512
    assert len(store.statements._shapes) <= 512


def test_an_identity_used_again_never_brings_the_wrong_sql(store: Store) -> None:
    wide = Table("wide", MetaData(), *(Column(f"c{at}", Integer) for at in range(40)))
    identities = []
    for at in itertools.chain.from_iterable(itertools.repeat(range(40), 40)):
        statement = update(wide).values({f"c{at}": bindparam("v")}).where(wide.c.c0 == at)
        identities.append(id(statement))
        with warnings.catch_warnings(action="ignore"):
            compiled = store.statements.find(statement, {"v"})
        assert f"SET c{at}=?" in compiled.sql
        assert compiled.bind({"v": 9}) == (9, at)
        del statement
        gc.collect(0)
    assert len(set(identities)) < len(identities)  # they were used again


def test_a_statement_built_again_and_again_is_told_once(store: Store) -> None:
    def build() -> Any:
        return update(stock).values(left=stock.c.left - 1).where(stock.c.isbn == "x")

    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for _ in range(101):
            store.statements.find(build())
        assert told == []
        for _ in range(200):
            store.statements.find(build())
    [warning] = told
    assert warning.category is StatementRebuilt
    assert "build it once at module level" in str(warning.message)
    assert "UPDATE stock" in str(warning.message)


def test_a_constant_statement_is_not_told_however_often_it_was_forgotten() -> None:
    statements = Statements(sqlite_dialect())
    with warnings.catch_warnings(action="error"):
        for _ in range(300):
            statements.find(take, {"isbn_", "n"})
            statements._known.clear()


@pytest.fixture(autouse=True)
def _tables_are_left_alone() -> Iterator[None]:
    yield
    assert stock.columns.keys() == ["isbn", "left", "title"]
