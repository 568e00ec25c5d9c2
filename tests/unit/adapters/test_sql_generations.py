"""Statements and tables of another generation: as declared, under other names."""

import pytest
from sqlalchemy import (
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    bindparam,
    delete,
    exists,
    func,
    insert,
    select,
    union_all,
    update,
)
from sqlalchemy.dialects import postgresql

from eventfold.adapters.sql import ddl_create, postgres_dialect, sqlite_dialect, upsert
from eventfold.adapters.sql.generations import LONGEST_NAME, Copies, name_after, suffixed
from eventfold.errors import InvalidInput

metadata = MetaData()
stock = Table(
    "stock",
    metadata,
    Column("isbn", String, primary_key=True),
    Column("left", Integer, index=True),
    Column("stock", Integer),
    UniqueConstraint("left", "stock", name="uq_both"),
)
Index("ix_mine", stock.c.stock.desc(), unique=True, postgresql_where=stock.c.left > 0, sqlite_where=stock.c.left > 0)
lines = Table("lines", metadata, Column("isbn", ForeignKey("stock.isbn"), primary_key=True), Column("n", Integer))
shelf = Table("shelf", metadata, Column("isbn", String, primary_key=True))
ins = postgresql.insert(stock)

STATEMENTS = {
    "upsert": upsert(
        stock,
        key=["isbn"],
        insert={"isbn": bindparam("isbn_"), "left": 10 - bindparam("n")},
        set={"left": stock.c.left - bindparam("n")},
    ),
    "conflict with a condition": ins.values(isbn=bindparam("i")).on_conflict_do_update(
        index_elements=[stock.c.isbn], set_={"left": stock.c.left + ins.excluded.left}, where=stock.c.left > 0
    ),
    "do nothing": upsert(stock, key=["isbn"], insert={"isbn": bindparam("i")}, set={}),
    "update": update(stock).where(stock.c.isbn == bindparam("i")).values(left=stock.c.left - 1),
    "update from another": update(stock).values(
        left=select(func.sum(lines.c.n)).where(lines.c.isbn == stock.c.isbn).scalar_subquery()
    ),
    "delete": delete(stock).where(stock.c.isbn.in_(bindparam("several", expanding=True))),
    "plain insert": insert(stock),
    "insert from a select": insert(lines).from_select(["isbn", "n"], select(stock.c.isbn, stock.c.left)),
    "select": select(stock.c.stock, stock.c.left).order_by(stock.c.left.desc()).limit(1),
    "join by the foreign key": select(stock.c.left).join_from(lines, stock),
    "alias": select(stock.alias("a")),
    "exists": select(stock.c.left).where(exists().where(lines.c.isbn == stock.c.isbn)),
    "union": union_all(select(stock.c.isbn), select(lines.c.isbn)),
    "subquery": select(select(stock.c.left).subquery("s").c.left),
    "common table expression": select(select(stock.c.left).cte("s").c.left),
    "count": select(func.count()).select_from(stock),
}


@pytest.mark.parametrize("dialect", [sqlite_dialect(), postgres_dialect()], ids=lambda each: each.name)
@pytest.mark.parametrize("name", STATEMENTS)
def test_a_statement_means_the_copies_and_nothing_else_changes(name: str, dialect: object) -> None:
    copies = Copies([stock, lines], "__next")
    before = str(STATEMENTS[name].compile(dialect=dialect))  # type: ignore[arg-type] # one of the two
    after = str(copies.of(STATEMENTS[name]).compile(dialect=dialect))  # type: ignore[arg-type] # one of the two
    assert "stock__next" in after or "lines__next" in after
    assert after.replace("__next", "") == before, "columns of the same name are as they were, and so is all the rest"
    for table in ("stock", "lines"):
        for place in (f"INTO {table} ", f"UPDATE {table} ", f"FROM {table} ", f"FROM {table}\n", f" {table}."):
            assert place not in after


def test_a_table_that_is_not_the_projectors_stays_itself() -> None:
    copies = Copies([stock], "__next")
    both = select(stock.c.isbn, shelf.c.isbn).join_from(stock, shelf, stock.c.isbn == shelf.c.isbn)
    assert "JOIN shelf ON stock__next.isbn = shelf.isbn" in str(copies.of(both))


def test_the_copy_of_a_statement_is_made_once() -> None:
    copies = Copies([stock], "__next")
    assert copies.of(STATEMENTS["upsert"]) is copies.of(STATEMENTS["upsert"])


@pytest.mark.parametrize("dialect", [sqlite_dialect(), postgres_dialect()], ids=lambda each: each.name)
def test_indexes_and_constraints_have_names_of_their_own_and_the_same_meaning(dialect: object) -> None:
    copies = Copies([stock, lines], "__next")
    made = "\n".join(statement for table in copies.tables for statement in ddl_create(table, dialect))  # type: ignore[arg-type]
    assert "ix_stock_left__next ON stock__next" in made
    assert "UNIQUE INDEX IF NOT EXISTS ix_mine__next ON stock__next (stock DESC) WHERE " in made
    assert "uq_both" not in made
    assert 'UNIQUE ("left", stock)' in made
    assert "FOREIGN KEY(isbn) REFERENCES stock__next (isbn)" in made
    assert {index.name for index in stock.indexes} == {"ix_stock_left", "ix_mine"}, "the declared ones are untouched"
    assert next(iter(lines.c.isbn.foreign_keys)).column is stock.c.isbn


def test_a_foreign_key_to_a_table_of_somebody_else_goes_where_it_went() -> None:
    (copy,) = Copies([lines], "__next").tables
    assert "REFERENCES stock (isbn)" in ddl_create(copy, postgres_dialect())[0]


def test_a_long_name_of_an_index_is_shortened_and_found_again() -> None:
    long, other = "ix_" + "a" * 58 + "_x", "ix_" + "a" * 58 + "_y"
    assert len(suffixed(long, "__next")) <= LONGEST_NAME
    assert suffixed(long, "__next") != suffixed(other, "__next")
    assert name_after(suffixed(long, "__next"), "__next", "", [long, other]) == long
    assert name_after("stock__next_pkey", "__next", "", []) == "stock_pkey"
    assert name_after("stock_pkey", "", "__old", []) == "stock_pkey__old"


def test_a_table_whose_name_would_be_cut_off_is_refused() -> None:
    with pytest.raises(InvalidInput, match="longer than the 63 bytes"):
        Copies([Table("t" * 60, MetaData(), Column("a", Integer, primary_key=True))], "__next")
