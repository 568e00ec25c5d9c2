"""What comes live: everything of a category, once, in the order of the whole store."""

import asyncio

import pytest

from eventfold import Query
from eventfold.errors import InvalidInput
from tests.acceptance.world import Added, Noted, Place, application, record, tapes


async def test_h8_a_stream_by_type_opened_before_more_is_written_yields_all_once_and_in_order(place: Place) -> None:
    async with place.open(application()) as running, place.open(application()) as writing:
        for n in range(3):
            await writing.execute(tapes, f"t{n}", record(Noted("x"), Added(n)))
        found: list[tuple[int, str, int]] = []
        async with running.subscribe(Query.of(Added, categories=["tape"])) as batches, asyncio.timeout(20):
            async for batch in batches:
                found += [(each.position, each.id, each.version) for each in batch.events]
                if batch.caught_up and len(found) == 3:
                    for n in range(2):
                        await writing.execute(tapes, f"t{n}", record(Noted("y"), Added(10 + n)))
                if len(found) >= 5:
                    break
    assert [(id, version) for _, id, version in found] == [("t0", 2), ("t1", 2), ("t2", 2), ("t0", 4), ("t1", 4)]
    assert found == sorted(found)


async def test_h7_trap2_a_stream_by_id_yields_what_is_there_then_what_comes_and_skips_nothing(place: Place) -> None:
    async with place.open(application()) as running, place.open(application()) as writing:
        await writing.execute(tapes, "a", record(Added(1), Added(2), Added(3)))
        await writing.execute(tapes, "b", record(Added(9)))
        found: list[tuple[int, object]] = []
        async with running.follow(tapes, "a", after=1) as events, asyncio.timeout(20):
            await writing.execute(tapes, "a", record(Added(4)))  # neither read nor live, but between
            async for each in events:
                found.append((each.version, each.event))
                if each.version == 4:
                    await writing.execute(tapes, "b", record(Added(9)))
                    await writing.execute(tapes, "a", record(Added(5), Added(6)))
                if each.version == 6:
                    break
    assert found == [(n, Added(n)) for n in range(2, 7)]


async def test_h7_a_version_below_zero_is_refused(place: Place) -> None:
    async with place.open(application()) as running:
        with pytest.raises(InvalidInput, match="after=-1"):
            running.follow(tapes, "a", after=-1)
