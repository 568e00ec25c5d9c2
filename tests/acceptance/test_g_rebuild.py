"""G: read models from nothing."""

import pytest
from sqlalchemy import Column, Integer, MetaData, String, Table, insert, select

from eventfold import Projector, Recorded, View
from eventfold.errors import InvalidInput
from tests.acceptance.world import (
    Added,
    File,
    Noted,
    Place,
    Record,
    added,
    application,
    positions,
    record,
    seeing,
    stored,
    summing,
    sums,
    sums_t,
    tapes,
)


def some() -> list[tuple[str, Record]]:
    return [(f"t{n % 7}", record(Added(n), Noted("x")) if n % 3 else record(Added(-n))) for n in range(60)]


async def test_g5_a_view_from_zero_is_the_identical_view(file: File) -> None:
    async with file.open(application(summing(), seeing())) as running:
        for tape, command in some():
            await running.execute(tapes, tape, command)
        await running.settled()
    before = {name: file.execute(f"SELECT * FROM {name} ORDER BY 1") for name in ("sums", "seen")}
    assert len(before["seen"]) > 60
    file.execute("DROP TABLE sums")
    file.execute("DROP TABLE seen")
    file.execute("DELETE FROM checkpoints")
    async with file.open(application(summing(), seeing())) as running:
        await running.settled()
    assert {name: file.execute(f"SELECT * FROM {name} ORDER BY 1") for name in ("sums", "seen")} == before


async def test_g5_raising_the_version_empties_the_tables_and_fills_them_anew(place: Place) -> None:
    async with place.open(application(summing(), seeing())) as running:
        for tape, command in some():
            await running.execute(tapes, tape, command)
        await running.settled()
        before = await running.query(sums)
    raised = Projector("sums", tables=summing().tables, version=2)
    handled: list[int] = []

    @raised.on(Added)
    def doubled(recorded: Recorded[Added], view: View) -> None:
        from tests.acceptance.world import add

        handled.append(recorded.position)
        view.write(add, {"tape_": recorded.id, "n": 2 * recorded.event.n})

    async with place.open(application(raised, seeing())) as running:
        await running.settled()
        assert await running.query(sums) == [(tape, 2 * total) for tape, total in before]
        assert handled == [each.position for each in await stored(running) if each.type == "Added"]
        assert (
            len(await running.query(positions)) == await running.head()
        )  # the other one went on, it did not start over


async def test_g5_a_raised_version_may_have_other_columns(place: Place) -> None:
    async with place.open(application(summing())) as running:
        await running.execute(tapes, "t", record(Added(3)))
        await running.settled()
    other = Table("sums", MetaData(), Column("tape", String, primary_key=True), Column("events", Integer))
    counting = Projector("sums", tables=[other], version=2)
    write = insert(other)

    @counting.on(Added)
    def counted(recorded: Recorded[Added], view: View) -> None:
        view.write(write, {"tape": recorded.id, "events": 1})

    async with place.open(application(counting)) as running:
        await running.settled()
        assert await running.query(select(other)) == [("t", 1)]


async def test_g5_the_same_version_does_not_fill_anew(place: Place) -> None:
    handled: list[int] = []

    def counting() -> Projector:
        projector = Projector("sums", tables=[sums_t], version=2)

        @projector.on(Added)
        def count(recorded: Recorded[Added], view: View) -> None:
            handled.append(recorded.position)
            added(recorded, view)

        return projector

    async with place.open(application(counting())) as running:
        await running.execute(tapes, "t", record(Added(3)))
        await running.settled()
    for _ in range(2):
        async with place.open(application(counting())) as running:
            await running.settled()
            assert await running.query(sums) == [("t", 3)]
    assert handled == [1], "the rows are the same after filling them anew"


async def test_g5_older_code_does_not_take_over_from_newer(place: Place) -> None:
    async with place.open(application(summing(version=2))) as running:
        await running.execute(tapes, "t", record(Added(3)))
        await running.settled()
    with pytest.raises(InvalidInput, match="projector 'sums' is version 1 here, but version 2 has filled its tables"):
        async with place.open(application(summing(version=1))):
            pass
    async with place.open(application(summing(version=1)), run=False) as running:  # which only looks
        assert await running.query(sums) == [("t", 3)]
