"""The suite of read models: rows and the checkpoint of their processor commit together or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Protocol, cast
from uuid import UUID

import pytest
from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Float,
    ForeignKey,
    Index,
    Integer,
    Interval,
    LargeBinary,
    MetaData,
    Numeric,
    String,
    Table,
    Time,
    Uuid,
    bindparam,
    delete,
    func,
    insert,
    select,
    text,
    update,
)

from eventfold.adapters.system import uuid7
from eventfold.errors import EventfoldError, Fenced, InvalidInput, StoreClosed, UnsupportedStatement
from eventfold.ports.checkpoint_store import BEGINNING, Checkpoint, Move
from eventfold.ports.leases import Lease, Leases
from eventfold.ports.read_model import Params, ReadModel, RowTransaction, Writes
from eventfold.testing.conformance.material import Suite

if TYPE_CHECKING:
    from eventfold.ports.read_model import Writing

__all__ = ["ReadModelConformance"]

METADATA = MetaData()
STOCK = Table(
    "stock",
    METADATA,
    Column("isbn", String, primary_key=True),
    Column("left", Integer, nullable=False),
    CheckConstraint('"left" >= 0', name="enough"),
    Index("stock_left", "left"),
)
AUTHORS = Table("authors", METADATA, Column("name", String, primary_key=True))
BOOKS = Table(
    "books",
    METADATA,
    Column("isbn", String, primary_key=True),
    Column("author", String, ForeignKey("authors.name"), nullable=False),
)
KINDS = Table(
    "kinds",
    METADATA,
    Column("n", Integer, primary_key=True),
    Column("big", BigInteger),
    Column("yes", Boolean),
    Column("weight", Float),
    Column("name", String),
    Column("price", Numeric(20, 4)),
    Column("at", DateTime(timezone=True)),
    Column("day", Date),
    Column("opens", Time),
    Column("uuid", Uuid),
    Column("raw", LargeBinary),
    Column("json", JSON),
)
ADD = insert(STOCK).values(isbn=bindparam("isbn_"), left=bindparam("n"))
TAKE = update(STOCK).where(STOCK.c.isbn == bindparam("isbn_")).values(left=STOCK.c.left - bindparam("n"))
CLEAR = delete(STOCK)
ALL = select(STOCK).order_by(STOCK.c.isbn)


class _WithLeases(Protocol):
    @property
    def leases(self) -> Leases: ...


def step(previous: int, position: int, *, processor: str = "stock", epoch: int = 0, partition: int = 0) -> Move:
    return Move(processor, previous, position, uuid7().bytes, epoch, partition)


def writes(rows: ReadModel, *pairs: tuple[Writing, Params | None]) -> Writes:
    bound = [rows.bind(statement, row) for statement, row in pairs]
    return [(shape, [values]) for shape, values in bound]


def added(rows: ReadModel, *names: str, left: int = 10) -> Writes:
    return writes(rows, *((ADD, {"isbn_": name, "n": left}) for name in names))


class ReadModelConformance(Suite):
    """
    Every promise of `ReadModel` beyond those of its checkpoints, which have a suite of their own.

    The fixture `rows` gives an empty one, `leases` those of the same store: of themselves its attribute of this name.
    `own_tables` names tables of the store that no projector may have.
    """

    own_tables: Sequence[str] = ("events", "checkpoints", "Events")

    @pytest.fixture
    def rows(self) -> ReadModel:
        raise NotImplementedError("define a fixture `rows` that gives an empty read model")

    @pytest.fixture
    def leases(self, rows: ReadModel) -> Leases:
        return cast("_WithLeases", rows).leases

    @staticmethod
    async def _stock(rows: ReadModel, *names: str, version: int = 1) -> Checkpoint:
        """Version 1 of the projector, with these rows and its checkpoint at 5 if there are any."""
        checkpoint = await rows.prepare("stock", version=version, tables=[STOCK])
        if names:
            async with rows.transaction() as transaction:
                await transaction.commit(added(rows, *names), step(0, 5))
        return checkpoint

    @staticmethod
    async def _found(rows: ReadModel) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in await rows.query(ALL)]

    # ------------------------------------------------------------------------ set-up

    async def test_i7_preparing_makes_tables_and_finds_the_beginning(self, rows: ReadModel) -> None:
        assert await self._stock(rows) == BEGINNING
        assert await self._found(rows) == []

    async def test_i7_trap9_preparing_again_rewinds_nothing_and_keeps_the_rows(self, rows: ReadModel) -> None:
        await self._stock(rows, "a")
        for _ in range(2):
            checkpoint = await rows.prepare("stock", version=1, tables=[STOCK])
            assert checkpoint.position == 5
            assert checkpoint == await rows.checkpoint("stock")
        assert await self._found(rows) == [("a", 10)]

    async def test_g17_a_higher_version_empties_the_tables_and_starts_anew(self, rows: ReadModel) -> None:
        await self._stock(rows, "a")
        await rows.prepare("other", version=1, tables=[AUTHORS])
        assert await rows.prepare("stock", version=2, tables=[STOCK]) == BEGINNING
        assert await self._found(rows) == []
        assert await rows.checkpoint("stock") == BEGINNING
        async with rows.transaction() as transaction:
            await transaction.commit(added(rows, "b"), step(0, 3))
        assert (await rows.prepare("stock", version=2, tables=[STOCK])).position == 3

    async def test_g17_a_higher_version_may_change_the_columns(self, rows: ReadModel) -> None:
        await self._stock(rows, "a")
        wider = Table("stock", MetaData(), Column("isbn", String, primary_key=True), Column("title", String))
        await rows.prepare("stock", version=2, tables=[wider])
        async with rows.transaction() as transaction:
            row = {"isbn_": "a", "t": "Emma"}
            made = writes(rows, (insert(wider).values(isbn=bindparam("isbn_"), title=bindparam("t")), row))
            await transaction.commit(made, None)
        assert [tuple(row) for row in await rows.query(select(wider))] == [("a", "Emma")]

    async def test_g17_emptying_is_all_or_nothing(self, rows: ReadModel) -> None:
        await self._stock(rows, "a")
        with pytest.raises(EventfoldError):
            await rows.prepare("stock", version=2, tables=[STOCK, Table("x", MetaData(), Column("y", Interval))])
        assert await self._found(rows) == [("a", 10)]
        assert (await rows.prepare("stock", version=1, tables=[STOCK])).position == 5

    async def test_g17_a_lower_version_is_refused_and_changes_nothing(self, rows: ReadModel) -> None:
        await rows.prepare("stock", version=3, tables=[STOCK])
        async with rows.transaction() as transaction:
            await transaction.commit(added(rows, "a"), step(0, 5))
        with pytest.raises(InvalidInput):
            await rows.prepare("stock", version=2, tables=[STOCK])
        assert await self._found(rows) == [("a", 10)]
        assert (await rows.prepare("stock", version=3, tables=[STOCK])).position == 5

    async def test_i3_another_number_of_partitions_needs_another_version(self, rows: ReadModel) -> None:
        await rows.prepare("stock", version=1, tables=[STOCK], partitions=2)
        async with rows.transaction() as transaction:
            await transaction.commit(added(rows, "a"), step(0, 5, partition=1))
        for partitions in (1, 3):
            with pytest.raises(InvalidInput, match=rf"'stock' has partitions={partitions} here, but has run with 2"):
                await rows.prepare("stock", version=1, tables=[STOCK], partitions=partitions)
        assert await self._found(rows) == [("a", 10)]
        assert (await rows.checkpoint("stock", 1)).position == 5
        assert await rows.prepare("stock", version=1, tables=[STOCK], partitions=2) == BEGINNING
        assert await rows.prepare("stock", version=2, tables=[STOCK], partitions=3) == BEGINNING
        assert await self._found(rows) == []
        assert await rows.checkpoints() == {}
        (record,) = await rows.processors()
        assert (record.partitions, record.positions) == (3, (0, 0, 0))

    async def test_i4_a_name_is_of_one_kind_whatever_the_version(self, rows: ReadModel) -> None:
        await self._stock(rows, "a")
        for version in (1, 2):
            with pytest.raises(InvalidInput, match=r"'stock' is a reactor here, .* a projector of that name"):
                await rows.prepare("stock", version=version, tables=[], kind="reactor")
        await self._nothing_happened(rows)
        assert [(each.kind, each.version) for each in await rows.processors()] == [("projector", 1)]

    async def test_i11_the_start_counts_at_the_first_preparation_and_then_for_life(self, rows: ReadModel) -> None:
        async def starts() -> dict[str, int]:
            return {each.name: each.start for each in await rows.processors()}

        assert await rows.prepare("mails", version=1, tables=[], kind="reactor", start=7) == BEGINNING
        await rows.prepare("stock", version=1, tables=[])
        assert await starts() == {"mails": 7, "stock": 0}
        await rows.prepare("mails", version=1, tables=[], kind="reactor", start=9)
        await rows.prepare("mails", version=2, tables=[], kind="reactor", start=0)
        await rows.prepare("stock", version=1, tables=[], start=3)
        assert await starts() == {"mails": 7, "stock": 0}
        assert await rows.checkpoints() == {}

    async def test_i7_what_it_follows_is_kept_as_it_was_said_last(self, rows: ReadModel) -> None:
        async def follows() -> str | None:
            (record,) = await rows.processors()
            return record.query

        await rows.prepare("stock", version=1, tables=[])
        assert await follows() is None
        for said in ('[[["ä\'"],[],[]]]', "[[[],[],[]]]"):
            await rows.prepare("stock", version=1, tables=[], query=said)
            assert await follows() == said

    async def test_g17_fm11_older_code_that_stands_at_the_beginning_is_fenced_too(
        self, rows: ReadModel, leases: Leases
    ) -> None:
        """It has a partition in which nothing has happened yet, and would fill the tables of the newer version."""
        await rows.prepare("stock", version=1, tables=[STOCK], partitions=2)
        older = [await leases.take("stock", partition, "older", seconds=60) for partition in range(2)]
        await rows.prepare("stock", version=2, tables=[STOCK], partitions=2)
        for partition, lease in enumerate(older):
            assert isinstance(lease, Lease)
            late = step(0, 5, epoch=lease.epoch, partition=partition)
            async with rows.transaction() as transaction:
                with pytest.raises(Fenced):
                    await transaction.commit(added(rows, "a"), late)
        assert await self._found(rows) == []
        newer = await rows.checkpoint("stock", 1)
        await rows.advance(step(0, 5, epoch=newer.epoch, partition=1))

    async def test_i10_truncating_empties_the_tables_and_leads_back(self, rows: ReadModel) -> None:
        await self._library(rows, partitions=2)
        await self._stock(rows, "a")
        await rows.truncate("library", [AUTHORS, BOOKS])
        assert await rows.query(select(BOOKS)) == await rows.query(select(AUTHORS)) == []
        assert list(await rows.checkpoints()) == [("stock", 0)]
        record = next(each for each in await rows.processors() if each.name == "library")
        assert (record.version, record.position, record.partitions) == (1, 0, 2)
        for partition in range(2):
            with pytest.raises(Fenced):
                await rows.advance(step(5, 6, processor="library", partition=partition))
        await self._nothing_happened(rows)
        await rows.truncate("library", [])
        await self._library(rows, partitions=2)  # from the beginning, with the same keys

    async def test_i10_dropping_leaves_nothing_of_it(self, rows: ReadModel) -> None:
        await self._library(rows, partitions=2)
        await self._stock(rows, "a")
        await rows.drop("library", [AUTHORS, BOOKS])
        for table in (AUTHORS, BOOKS):
            with pytest.raises(InvalidInput):
                await rows.query(select(table))
        assert list(await rows.checkpoints()) == [("stock", 0)]
        assert [each.name for each in await rows.processors()] == ["stock"]
        await self._nothing_happened(rows)
        await rows.prepare("library", version=1, tables=[], partitions=3, kind="reactor")
        await rows.drop("library", [AUTHORS])  # a table that is not there
        await self._library(rows, partitions=1)  # as if it had never been

    async def test_i10_what_is_unknown_is_neither_emptied_nor_dropped(self, rows: ReadModel) -> None:
        await self._stock(rows, "a")
        for refused in (rows.truncate("stocks", [STOCK]), rows.drop("stocks", [STOCK])):
            with pytest.raises(InvalidInput, match=r"'stocks'.*\['stock'\]"):
                await refused
        for name in self.own_tables:
            table = Table(name, MetaData(), Column("position", Integer, primary_key=True))
            for refused in (rows.truncate("stock", [STOCK, table]), rows.drop("stock", [STOCK, table])):
                with pytest.raises(InvalidInput):
                    await refused
        await self._nothing_happened(rows)

    @staticmethod
    async def _library(rows: ReadModel, *, partitions: int) -> None:
        await rows.prepare("library", version=1, tables=[AUTHORS, BOOKS], partitions=partitions)
        add_author = insert(AUTHORS).values(name=bindparam("name_"))
        add_book = insert(BOOKS).values(isbn=bindparam("isbn_"), author=bindparam("author_"))
        made = writes(rows, (add_author, {"name_": "Ann"}), (add_book, {"isbn_": "1", "author_": "Ann"}))
        async with rows.transaction() as transaction:
            await transaction.commit(made, step(0, 5, processor="library"))
        for partition in range(1, partitions):
            await rows.advance(step(0, 5, processor="library", partition=partition))

    async def test_i10_tables_that_refer_to_each_other_are_made_and_emptied(self, rows: ReadModel) -> None:
        await rows.prepare("library", version=1, tables=[AUTHORS, BOOKS])
        add_author = insert(AUTHORS).values(name=bindparam("name_"))
        add_book = insert(BOOKS).values(isbn=bindparam("isbn_"), author=bindparam("author_"))
        async with rows.transaction() as transaction:
            made = writes(rows, (add_author, {"name_": "Ann"}), (add_book, {"isbn_": "1", "author_": "Ann"}))
            await transaction.commit(made, None)
        with pytest.raises(EventfoldError):
            async with rows.transaction() as transaction:
                await transaction.commit(writes(rows, (add_book, {"isbn_": "2", "author_": "Nobody"})), None)
        await rows.prepare("library", version=2, tables=[AUTHORS, BOOKS])
        assert await rows.query(select(BOOKS)) == await rows.query(select(AUTHORS)) == []

    async def test_e1_tables_are_made_without_a_processor_and_what_is_there_stays(self, rows: ReadModel) -> None:
        await rows.make([])
        await rows.make([STOCK, AUTHORS])
        async with rows.transaction() as transaction:
            await transaction.commit(added(rows, "a"), None)
        await rows.make([STOCK, AUTHORS, BOOKS])
        assert await self._found(rows) == [("a", 10)]
        assert await rows.query(select(BOOKS)) == await rows.query(select(AUTHORS)) == []
        assert await rows.checkpoints() == {}

    async def test_e1_tables_are_made_all_or_none(self, rows: ReadModel) -> None:
        with pytest.raises(UnsupportedStatement):
            await rows.make([STOCK, Table("x", MetaData(), Column("y", Interval))])
        with pytest.raises(EventfoldError):
            await self._found(rows)

    async def test_sec06_a_table_of_the_store_itself_is_refused(self, rows: ReadModel) -> None:
        for name in self.own_tables:
            table = Table(name, MetaData(), Column("position", Integer, primary_key=True))
            with pytest.raises(InvalidInput):
                await rows.prepare("intruder", version=1, tables=[table])
            with pytest.raises(InvalidInput):
                await rows.make([table])
            for statement in (delete(table), insert(table).values(position=1), update(table).values(position=1)):
                with pytest.raises(InvalidInput):
                    rows.bind(statement, None)

    # ------------------------------------------------------------- rows and checkpoint

    async def test_i2_g12_rows_and_checkpoint_commit_together(self, rows: ReadModel) -> None:
        await self._stock(rows)
        move = step(0, 7)
        async with rows.transaction() as transaction:
            await transaction.commit(added(rows, "a", "b"), move)
        assert await self._found(rows) == [("a", 10), ("b", 10)]
        assert await rows.checkpoint("stock") == Checkpoint(7, move.event_id)

    async def test_i2_g12_leaving_without_a_commit_leaves_nothing(self, rows: ReadModel) -> None:
        await self._stock(rows, "a")
        async with rows.transaction() as transaction:
            await transaction.fetch(added(rows, "b"), ALL, None)
        async with rows.transaction():
            pass
        await self._nothing_happened(rows)

    async def test_i2_g12_an_error_within_the_block_leaves_nothing(self, rows: ReadModel) -> None:
        await self._stock(rows, "a")
        with pytest.raises(LookupError):
            await self._fails_within(rows)
        await self._nothing_happened(rows)

    @staticmethod
    async def _fails_within(rows: ReadModel) -> None:
        async with rows.transaction() as transaction:
            await transaction.fetch(added(rows, "b"), ALL, None)
            raise LookupError

    async def test_i2_g12_a_failing_write_leaves_nothing_also_if_it_is_ignored(self, rows: ReadModel) -> None:
        await self._stock(rows, "a")
        for failing in (added(rows, "b", "a", "c"), added(rows, "b", left=-1)):
            async with rows.transaction() as transaction:
                with pytest.raises(EventfoldError):
                    await transaction.commit(failing, step(5, 6))
            await self._nothing_happened(rows)
            async with rows.transaction() as transaction:
                with pytest.raises(EventfoldError):
                    await transaction.fetch(failing, ALL, None)
                with pytest.raises(EventfoldError):
                    await transaction.commit(added(rows, "d"), step(5, 6))
            await self._nothing_happened(rows)

    async def test_i2_g12_fenced_leaves_no_rows_also_if_it_is_ignored(self, rows: ReadModel) -> None:
        await self._stock(rows, "a")
        async with rows.transaction() as transaction:
            with pytest.raises(Fenced) as fenced:
                await transaction.commit(added(rows, "b"), step(4, 6))
            with pytest.raises(EventfoldError):
                await transaction.commit(added(rows, "c"), None)
        assert (fenced.value.expected, fenced.value.actual) == (4, 5)
        await self._nothing_happened(rows)

    async def _nothing_happened(self, rows: ReadModel) -> None:
        assert await self._found(rows) == [("a", 10)]
        assert (await rows.checkpoint("stock")).position == 5

    async def test_g12_a_transaction_ends_with_its_commit(self, rows: ReadModel) -> None:
        await self._stock(rows)
        async with rows.transaction() as transaction:
            await transaction.commit(added(rows, "a"), step(0, 5))
            with pytest.raises(EventfoldError):
                await transaction.commit(added(rows, "b"), step(5, 6))
        with pytest.raises(EventfoldError):
            await transaction.fetch(added(rows, "c"), ALL, None)
        await self._nothing_happened(rows)

    async def test_g14_of_two_copies_of_a_processor_one_goes_on(self, rows: ReadModel) -> None:
        await self._stock(rows)

        async def copy(name: str) -> None:
            async with rows.transaction() as transaction:
                await transaction.commit(added(rows, name), step(0, 5))

        outcomes = await self.soon(asyncio.gather(*map(copy, "abcd"), return_exceptions=True))
        assert sorted(type(each).__name__ for each in outcomes) == ["Fenced", "Fenced", "Fenced", "NoneType"]
        assert len(await self._found(rows)) == 1

    async def test_g12_transactions_take_turns_also_when_some_give_up(self, rows: ReadModel) -> None:
        await self._stock(rows)
        order: list[int] = []

        async def one(number: int) -> None:
            async with rows.transaction() as transaction:
                await transaction.fetch([], ALL, None)
                await asyncio.sleep(0)
                await transaction.commit(added(rows, str(number)), None)
                order.append(number)

        tasks = [asyncio.ensure_future(one(number)) for number in range(9)]
        await asyncio.sleep(0)
        for number in (0, 3, 4, 8):
            tasks[number].cancel()
        await self.soon(asyncio.wait(tasks))
        assert {1, 2, 5, 6, 7} <= set(order)
        assert [name for name, _ in await self._found(rows)] == sorted(map(str, order))
        await self.soon(one(10))

    # ----------------------------------------------------------------------- reading

    async def test_g07_fetch_sees_its_own_writes_and_query_only_what_is_committed(self, rows: ReadModel) -> None:
        await self._stock(rows, "a")
        async with rows.transaction() as transaction:
            made = writes(rows, (TAKE, {"isbn_": "a", "n": 3}), (ADD, {"isbn_": "b", "n": 1}))
            seen = await transaction.fetch(made, ALL, None)
            assert [tuple(row) for row in seen] == [("a", 7), ("b", 1)]
            more = await transaction.fetch(writes(rows, (TAKE, {"isbn_": "a", "n": 1})), ALL, None)
            assert [tuple(row) for row in more] == [("a", 6), ("b", 1)]
            asking = asyncio.ensure_future(self._found(rows))
            await asyncio.sleep(0)
            await transaction.commit([], step(5, 6))
        assert await self.soon(asking) in ([("a", 10)], [("a", 6), ("b", 1)])
        assert await self._found(rows) == [("a", 6), ("b", 1)]

    async def test_i9_what_is_run_on_the_way_is_kept_with_the_rest_or_not_at_all(self, rows: ReadModel) -> None:
        await self._stock(rows, "a")
        async with rows.transaction() as transaction:
            await transaction.run(added(rows, "b"))
            await transaction.run(writes(rows, (TAKE, {"isbn_": "a", "n": 3})))
        await self._nothing_happened(rows)
        async with rows.transaction() as transaction:
            with pytest.raises(EventfoldError):
                await transaction.run(added(rows, "b", "a"))
            with pytest.raises(EventfoldError):
                await transaction.commit([], step(5, 6))
        await self._nothing_happened(rows)
        async with rows.transaction() as transaction:
            await transaction.run(added(rows, "b"))
            await transaction.run([])
            await transaction.commit(writes(rows, (TAKE, {"isbn_": "b", "n": 1})), step(5, 6))
        assert await self._found(rows) == [("a", 10), ("b", 9)]
        assert (await rows.checkpoint("stock")).position == 6

    async def test_c6_rows_are_named_tuples_and_parameters_are_bound(self, rows: ReadModel) -> None:
        await self._stock(rows, "a", "b'; --")
        counted = select(STOCK.c.left, func.count().label("many")).group_by(STOCK.c.left)
        wanted = counted.where(STOCK.c.isbn == bindparam("isbn_"))
        (row,) = await rows.query(wanted, {"isbn_": "b'; --"})
        assert (row[0], row[1]) == (10, 1)
        assert getattr(row, "_fields", None) == ("left", "many")

    async def test_c6_many_rows_of_one_shape_are_written_in_their_order(self, rows: ReadModel) -> None:
        await self._stock(rows)
        shape, _ = rows.bind(ADD, {"isbn_": "", "n": 0})
        values = [rows.bind(ADD, {"isbn_": f"{number:04}", "n": number})[1] for number in range(1_000)]
        async with rows.transaction() as transaction:
            await transaction.commit([(shape, values), *writes(rows, (TAKE, {"isbn_": "0007", "n": 7}))], step(0, 5))
        found = await self._found(rows)
        assert len(found) == 1_000
        assert found[7:9] == [("0007", 0), ("0008", 8)]

    async def test_fm25_values_of_every_supported_type_come_back_equal(self, rows: ReadModel) -> None:
        await rows.prepare("kinds", version=1, tables=[KINDS])
        values: dict[str, Any] = {
            "big": -(2**63),
            "yes": True,
            "weight": 0.1,
            "name": "Grüße 🦊 '\"\\",
            "price": Decimal("12345678901234.5678"),
            "at": datetime(2026, 1, 2, 3, 4, 5, 678_901, tzinfo=UTC),
            "day": date(2026, 1, 2),
            "opens": time(23, 59, 59, 999_999),
            "uuid": UUID(int=7),
            "raw": b"\0\xff",
            "json": {"a": [1, None, "ü"]},
        }
        async with rows.transaction() as transaction:
            full, empty = {"n": 1} | values, {"n": 2} | dict.fromkeys(values)
            await transaction.commit(writes(rows, (insert(KINDS), full), (insert(KINDS), empty)), None)
        found = [tuple(row) for row in await rows.query(select(KINDS).order_by(KINDS.c.n))]
        assert found == [(1, *values.values()), (2, *(None for _ in values))]

    # ---------------------------------------------------------------------- refusals

    async def test_what_cannot_be_bound_is_refused_at_once(self, rows: ReadModel) -> None:
        await self._stock(rows, "a")
        strange: list[Any] = [ALL, text("DELETE FROM stock"), "DELETE FROM stock", None]
        for statement in strange:
            with pytest.raises(UnsupportedStatement):
                rows.bind(statement, None)
        mistaken: list[Params | None] = [None, {}, {"isbn_": "b"}, {"isbn_": "b", "n": 1, "more": 2}]
        for row in mistaken:
            with pytest.raises(InvalidInput):
                rows.bind(ADD, row)
        await self._nothing_happened(rows)

    async def test_what_cannot_be_asked_is_refused(self, rows: ReadModel) -> None:
        await self._stock(rows, "a")
        strange: list[Any] = [CLEAR, text("SELECT 1"), "SELECT 1"]
        for statement in strange:
            with pytest.raises(UnsupportedStatement):
                await rows.query(statement)
        with pytest.raises(InvalidInput):
            await rows.query(ALL.where(STOCK.c.isbn == bindparam("isbn_")))
        unknown = Table("nowhere", MetaData(), Column("x", Integer))
        with pytest.raises(InvalidInput):
            await rows.query(select(unknown))
        await self._nothing_happened(rows)

    async def test_an_unsupported_column_type_is_refused_and_nothing_is_made(self, rows: ReadModel) -> None:
        strange = Table("strange", MetaData(), Column("lasts", Interval))
        with pytest.raises(UnsupportedStatement):
            await rows.prepare("strange", version=1, tables=[STOCK, strange])
        with pytest.raises(InvalidInput):
            await rows.query(ALL)

    async def test_an_error_is_noted_and_cleared(self, rows: ReadModel) -> None:
        await self._stock(rows)
        await rows.note_error("stock", "HandlerFailed: ä '\"")
        await rows.note_error("stock", None)
        await rows.note_error("never heard of", "x")

    async def test_g04_everything_is_refused_after_closing(self, rows: ReadModel) -> None:
        await self._stock(rows, "a")
        await rows.close()
        await rows.close()
        for late in (
            rows.query(ALL),
            rows.checkpoint("stock"),
            rows.checkpoints(),
            rows.advance(step(5, 6)),
            rows.reset("stock"),
            rows.prepare("stock", version=1, tables=[STOCK]),
            rows.truncate("stock", [STOCK]),
            rows.drop("stock", [STOCK]),
            rows.note_error("stock", "x"),
            self._late(rows),
        ):
            with pytest.raises(StoreClosed):
                await late

    @staticmethod
    async def _late(rows: ReadModel) -> RowTransaction:
        async with rows.transaction() as transaction:
            return transaction
