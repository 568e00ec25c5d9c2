"""The register of processors: listed, paused and sent back to the beginning by whoever has the store."""

from __future__ import annotations

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, bindparam, insert, select

from eventfold.adapters.system import uuid7
from eventfold.errors import InvalidInput, StoreClosed
from eventfold.ports.checkpoint_store import BEGINNING, Move
from eventfold.ports.processors import ProcessorRecord
from eventfold.ports.read_model import ReadModel
from eventfold.testing.conformance.material import Suite

__all__ = ["ProcessorRegisterConformance"]

NUMBERS = Table("numbers", MetaData(), Column("n", Integer, primary_key=True))
COUNT = insert(NUMBERS).values(n=bindparam("number"))


class ProcessorRegisterConformance(Suite):
    """Every promise of `ProcessorRegister`. The fixture `rows` gives an empty read model."""

    @pytest.fixture
    def rows(self) -> ReadModel:
        raise NotImplementedError("define a fixture `rows` that gives an empty read model")

    @staticmethod
    async def _at_five(rows: ReadModel, name: str = "numbers") -> None:
        await rows.prepare(name, version=2, tables=[NUMBERS])
        shape, values = rows.bind(COUNT, {"number": 5})
        async with rows.transaction() as transaction:
            await transaction.commit([(shape, [values])], Move(name, 0, 5, uuid7().bytes))

    @staticmethod
    async def _one(rows: ReadModel, name: str = "numbers") -> ProcessorRecord:
        return next(each for each in await rows.processors() if each.name == name)

    async def test_i7_a_processor_is_listed_from_its_first_preparation_at_position_0(self, rows: ReadModel) -> None:
        assert list(await rows.processors()) == []
        for name in ("zeta", "alpha"):
            await rows.prepare(name, version=3, tables=[])
        listed = await rows.processors()
        assert [each.name for each in listed] == ["alpha", "zeta"]
        found = [(each.kind, each.version, each.position, each.paused, each.error) for each in listed]
        assert found == [("projector", 3, 0, False, None)] * 2
        assert all(each.updated_at > 0 for each in listed)

    async def test_i7_position_and_error_are_listed_and_preparing_again_never_rewinds(self, rows: ReadModel) -> None:
        await self._at_five(rows)
        await rows.note_error("numbers", "HandlerFailed: ü")
        found = await self._one(rows)
        assert (found.position, found.error) == (5, "HandlerFailed: ü")
        assert (await rows.prepare("numbers", version=2, tables=[NUMBERS])).position == 5
        found = await self._one(rows)
        assert (found.position, found.error) == (5, None)

    async def test_i1_a_pause_lasts_until_it_is_taken_back(self, rows: ReadModel) -> None:
        await self._at_five(rows)
        assert not await rows.is_paused("numbers")
        for _ in range(2):  # saying it twice says it once
            await rows.pause("numbers", paused=True)
        assert await rows.is_paused("numbers")
        assert (await rows.prepare("numbers", version=2, tables=[NUMBERS])).position == 5
        found = await self._one(rows)
        assert (found.paused, found.position) == (True, 5)
        await rows.pause("numbers", paused=False)
        assert not await rows.is_paused("numbers")
        assert not (await self._one(rows)).paused

    async def test_i1_a_pause_is_of_one_processor(self, rows: ReadModel) -> None:
        for name in ("one", "two"):
            await rows.prepare(name, version=1, tables=[])
        await rows.pause("one", paused=True)
        assert [each.paused for each in await rows.processors()] == [True, False]
        assert not await rows.is_paused("two")
        assert not await rows.is_paused("never heard of")

    async def test_i7_starting_over_resets_to_0_and_the_next_preparation_empties_the_tables(
        self, rows: ReadModel
    ) -> None:
        await self._at_five(rows)
        await rows.prepare("other", version=1, tables=[])
        await rows.advance(Move("other", 0, 3, uuid7().bytes))
        await rows.note_error("numbers", "old")
        await rows.start_over("numbers")
        found = await self._one(rows)
        assert (found.position, found.version, found.error) == (0, 0, None)
        assert await rows.checkpoint("numbers") == BEGINNING
        assert len(await rows.query(select(NUMBERS))) == 1  # readers are served until then
        assert await rows.prepare("numbers", version=2, tables=[NUMBERS]) == BEGINNING
        assert await rows.query(select(NUMBERS)) == []
        assert ((await self._one(rows)).version, (await self._one(rows, "other")).position) == (2, 3)

    async def test_i7_an_unknown_processor_is_refused_with_the_known_ones(self, rows: ReadModel) -> None:
        await self._at_five(rows)
        for refused in (
            rows.pause("number", paused=True),
            rows.pause("number", paused=False),
            rows.start_over("number"),
        ):
            with pytest.raises(InvalidInput, match=r"'number'.*\['numbers'\]"):
                await refused
        assert [each.name for each in await rows.processors()] == ["numbers"]

    async def test_g04_the_register_is_refused_after_closing(self, rows: ReadModel) -> None:
        await self._at_five(rows)
        await rows.close()
        for late in (
            rows.processors(),
            rows.is_paused("numbers"),
            rows.pause("numbers", paused=True),
            rows.start_over("numbers"),
        ):
            with pytest.raises(StoreClosed):
                await late
