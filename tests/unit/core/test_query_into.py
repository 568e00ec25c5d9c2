"""Rows as objects of the user's classes."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec
import pytest
from sqlalchemy import select

from bookstore.app import app, books, stock_t
from bookstore.domain import Buy
from eventfold.errors import InvalidInput, UnsupportedStatement


@dataclass
class StockRow:
    isbn: str
    left: int


class StockStruct(msgspec.Struct):
    isbn: str
    left: int


class StockTuple(NamedTuple):
    isbn: str
    left: int


@pytest.mark.parametrize("into", [StockRow, StockStruct, StockTuple, dict])
async def test_rows_become_objects_by_the_names_of_their_columns(into: Any) -> None:
    async with app.test() as running:
        await running.execute(books, "isbn-1", Buy(3))
        await running.settled()
        assert await running.query(select(stock_t.c.left, stock_t.c.isbn), into=into) == [into(isbn="isbn-1", left=7)]
        (row,) = await running.query(select(stock_t))
        assert (row.isbn, row.left) == row == ("isbn-1", 7)  # type: ignore[attr-defined]  # a named tuple
        assert await running.query(select(stock_t).where(stock_t.c.isbn == "none"), into=into) == []


async def test_a_class_that_does_not_take_the_columns_is_named() -> None:
    async with app.test() as running:
        await running.execute(books, "isbn-1", Buy(3))
        await running.settled()
        with pytest.raises(InvalidInput, match="StockRow does not take the columns isbn: .*left"):
            await running.query(select(stock_t.c.isbn), into=StockRow)


async def test_what_is_no_select_is_refused() -> None:
    async with app.test() as running:
        for statement in (stock_t.insert().values(isbn="1", left=1), stock_t.delete(), "SELECT 1", None):
            with pytest.raises(UnsupportedStatement):
                await running.query(statement)  # type: ignore[call-overload]  # on purpose
