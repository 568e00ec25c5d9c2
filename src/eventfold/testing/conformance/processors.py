"""The register of processors: listed, paused and sent back to the beginning by whoever has the store."""

from __future__ import annotations

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, bindparam, insert, select

from eventfold.adapters.system import uuid7
from eventfold.errors import Fenced, InvalidInput, StoreClosed
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

    async def test_i7_of_all_partitions_the_one_that_is_furthest_behind_is_told(self, rows: ReadModel) -> None:
        await rows.prepare("numbers", version=1, tables=[], partitions=3, query="[[[],[],[]]]")
        found = await self._one(rows)
        assert (found.partitions, found.positions, found.position) == (3, (0, 0, 0), 0)
        assert (found.start, found.query) == (0, "[[[],[],[]]]")
        for partition, position in ((2, 9), (0, 7)):
            await rows.advance(Move("numbers", 0, position, uuid7().bytes, partition=partition))
        found = await self._one(rows)
        assert (found.positions, found.position) == ((7, 0, 9), 0)
        await rows.advance(Move("numbers", 0, 4, uuid7().bytes, partition=1))
        found = await self._one(rows)
        assert (found.positions, found.position) == ((7, 4, 9), 4)

    async def test_i11_what_acts_on_the_world_starts_over_only_if_that_is_said(self, rows: ReadModel) -> None:
        await rows.prepare("mails", version=2, tables=[], kind="reactor", start=3)
        move = Move("mails", 0, 5, uuid7().bytes)
        await rows.advance(move)
        await rows.note_error("mails", "old")
        with pytest.raises(InvalidInput, match=r"'mails' is a reactor.*--allow-side-effects"):
            await rows.start_over("mails")
        found = await self._one(rows, "mails")
        assert (found.kind, found.version, found.position, found.error) == ("reactor", 2, 5, "old")
        assert (await rows.checkpoint("mails")).event_id == move.event_id
        await rows.start_over("mails", side_effects=True)
        found = await self._one(rows, "mails")
        assert (found.version, found.position, found.error, found.start) == (0, 0, None, 3)
        await self._at_five(rows)
        await rows.start_over("numbers", side_effects=True)  # one that has none may be told so too
        assert (await self._one(rows)).position == 0

    async def test_i7_starting_over_leads_all_partitions_back_and_fences_who_runs(self, rows: ReadModel) -> None:
        await rows.prepare("numbers", version=1, tables=[NUMBERS], partitions=2)
        for partition in range(2):
            await rows.advance(Move("numbers", 0, 5, uuid7().bytes, partition=partition))
        await rows.start_over("numbers")
        assert (await self._one(rows)).positions == (0, 0)
        for partition in range(2):
            with pytest.raises(Fenced):
                await rows.advance(Move("numbers", 5, 6, uuid7().bytes, partition=partition))
        await rows.prepare("numbers", version=1, tables=[NUMBERS], partitions=3)  # as after a new version

    async def test_i7_an_unknown_processor_is_refused_with_the_known_ones(self, rows: ReadModel) -> None:
        await self._at_five(rows)
        for refused in (
            rows.pause("number", paused=True),
            rows.pause("number", paused=False),
            rows.start_over("number"),
            rows.start_over("number", side_effects=True),
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
