"""The synchronous face says as much as the asynchronous one, and refuses as much."""

from typing import Any, assert_type

from sqlalchemy import select

from bookstore.app import app, books, stock_t
from bookstore.domain import Book, Bought, Buy, Returned
from eventfold import Loaded, Outcome, RecordedBatch, Staged, sync


class StockRow:
    def __init__(self, isbn: str, left: int) -> None: ...


with sync.open(app, "memory:") as running:
    assert_type(running, sync.Running)
    assert_type(running.execute(books, "isbn-1", Buy(3)), Outcome[Book, Bought | Returned, None])
    assert_type(running.load(books, "isbn-1"), Loaded[Book])
    assert_type(running.query(select(stock_t), into=StockRow), list[StockRow])
    assert_type(running.query(select(stock_t)), list[tuple[Any, ...]])
    with running.lock(books, "isbn-1") as book:
        assert_type(book.state, Book)
        assert_type(book.execute(Buy(1)), Outcome[Book, Bought | Returned, None])
    with running.transaction() as unit:
        assert_type(unit.execute(books, "isbn-1", Buy(1)), Staged[Book, Bought | Returned])
    with running.subscribe() as batches:
        for batch in batches:
            assert_type(batch, RecordedBatch)
    running.execute(books, "isbn-1", Bought(1))  # expect-error: synchronous, an event is no command
    running.execute(books, 7, Buy(1))  # expect-error: synchronous, an id that is no text
    left: str = running.load(books, "isbn-1").state.left  # expect-error: synchronous, a wrong field of the state
    with running.lock(books, "isbn-1") as other:
        other.execute("buy")  # expect-error: synchronous, a wrong command under a lock
