"""G1-G6, FM-16, G-17: rows filled anew beside the live ones, switched in one transaction, and as they once were."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from sqlalchemy import Column, Integer, MetaData, String, Table, bindparam, func, insert, select

from eventfold import Park, Projector, Reactor, Recorded, Running, View, upsert
from eventfold.bootstrap.projections import Rebuilt
from eventfold.errors import CheckpointAheadOfLog, Fenced, HandlerFailed, InvalidInput, ProcessorStopped, ProcessorTaken
from eventfold.ports.checkpoint_store import Move
from eventfold.ports.generations import NEXT, OLD
from eventfold.processing import rebuild as rebuilding
from tests.acceptance.world import (
    Added,
    File,
    Noted,
    Place,
    add,
    added,
    application,
    record,
    seeing,
    seen_t,
    stored,
    summing,
    sums,
    sums_t,
    tapes,
)
from tests.postgres import PostgresServer
from tests.waiting import until


async def fill(running: Running, number: int = 60) -> None:
    for n in range(number):
        command = record(Added(n), Noted("x")) if n % 3 else record(Added(-n))
        await running.execute(tapes, f"t{n % 7}", command)
    await running.settled()


async def folded(running: Running) -> list[tuple[str, int]]:
    """What the rows have to be: fold(log)."""
    totals: dict[str, int] = {}
    for event in await stored(running):
        if event.type == "Added":
            recorded = running._serializer.decode(event)
            totals[event.id] = totals.get(event.id, 0) + recorded.event.n
    return sorted(totals.items())


async def rows_of(running: Running) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in await running.query(sums)]


async def _is_folded(running: Running) -> bool:
    return await rows_of(running) == await folded(running)


async def caught_up(running: Running) -> None:
    """Which a copy that runs is soon: it sees within a second that it was sent back."""
    await until(lambda: _is_folded(running))


def doubling(version: int = 2) -> Projector:
    """The same rows as newer code would have them."""
    projector = Projector("sums", tables=[sums_t], version=version)

    @projector.on(Added)
    def doubled(recorded: Recorded[Added], view: View) -> None:
        view.write(add, {"tape_": recorded.id, "n": 2 * recorded.event.n})

    return projector


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits that end at once."""
    monkeypatch.setattr(rebuilding, "_PATIENCE", 0.3)


# ------------------------------------------------------------------------ the same rows


async def test_g17_rebuilt_rows_are_the_live_ones_and_the_fold_of_the_log(place: Place) -> None:
    async with place.open(application(summing(), seeing())) as running:
        await fill(running)
        before = await rows_of(running)
        rebuilt = await running.projections.rebuild("sums", verify=True)
        assert rebuilt.switched
        assert rebuilt.same
        ((table, live, new),) = [(each.table, each.live, each.rebuilt) for each in rebuilt.compared]
        assert (table, live.rows) == ("sums", 7)
        assert live == new
        assert await rows_of(running) == before == await folded(running)
        await running.execute(tapes, "t1", record(Added(1000)))
        await running.settled()
        assert await rows_of(running) == await folded(running), "the copy that runs goes on with the new rows"


async def test_g4_a_corrupted_row_is_right_again_from_streams_merged_in_the_order_of_the_log(place: Place) -> None:
    async with place.open(application(seeing(), summing())) as running:
        await fill(running)
        right = await rows_of(running)
        async with running._stores.rows.transaction() as transaction:
            shape = running._stores.rows.bind(sums_t.update().values(sum=-17), None)
            await transaction.commit([(shape[0], [shape[1]])], None)
        assert {total for _, total in await rows_of(running)} == {-17}
        order = select(seen_t.c.position, seen_t.c.tape).order_by(seen_t.c.position)
        before = await running.query(order)
        await running.projections.rebuild("sums")
        await running.projections.rebuild("seen")
        assert await rows_of(running) == right
        assert await running.query(order) == before, "several streams, in the order of the log"


async def test_verification_finds_a_row_that_differs_and_does_not_switch(place: Place) -> None:
    async with place.open(application(summing())) as running:
        await fill(running)
        async with running._stores.rows.transaction() as transaction:
            shape = running._stores.rows.bind(sums_t.update().where(sums_t.c.tape == "t1").values(sum=-17), None)
            await transaction.commit([(shape[0], [shape[1]])], None)
        rebuilt = await running.projections.rebuild("sums", verify=True)
        assert not rebuilt.same
        assert not rebuilt.switched
        ((live, new),) = [(each.live, each.rebuilt) for each in rebuilt.compared]
        assert live.rows == new.rows
        assert live.hash != new.hash
        assert ("t1", -17) in await rows_of(running)
        assert (await running.projections.switch("sums")).switched
        assert await rows_of(running) == await folded(running)


async def test_verification_finds_a_missing_row(place: Place) -> None:
    async with place.open(application(seeing())) as running:
        await fill(running)
        async with running._stores.rows.transaction() as transaction:
            shape = running._stores.rows.bind(seen_t.delete().where(seen_t.c.position == 3), None)
            await transaction.commit([(shape[0], [shape[1]])], None)
        ((live, new),) = [
            (each.live, each.rebuilt) for each in (await running.projections.rebuild("seen", verify=True)).compared
        ]
        assert live.rows == new.rows - 1


async def test_rows_are_compared_at_one_position_while_writers_go_on(place: Place) -> None:
    async with place.open(application(summing())) as running, asyncio.TaskGroup() as tasks:
        await fill(running)
        writing = True

        async def write(name: str) -> None:
            while writing:
                await running.execute(tapes, name, record(Added(1)))

        for n in range(3):
            tasks.create_task(write(f"t{n}"))
        for _ in range(3):
            rebuilt = await running.projections.rebuild("sums", verify=True)
            assert rebuilt.same, rebuilt
            assert rebuilt.switched
        writing = False
        await asyncio.sleep(0)
    async with place.open(application(summing())) as running:
        await running.settled()
        assert await rows_of(running) == await folded(running)


async def test_several_tables_indexes_and_partitions(place: Place) -> None:
    md = MetaData()
    tape = Table("tape", md, Column("id", String, primary_key=True), Column("n", Integer, index=True))
    line = Table("line", md, Column("at", Integer, primary_key=True), Column("tape", String), Column("n", Integer))
    count = upsert(tape, key=["id"], insert={"id": bindparam("i"), "n": 1}, set={"n": tape.c.n + 1})
    put = insert(line)
    last = select(func.max(line.c.at)).where(line.c.tape == bindparam("i"))
    projector = Projector("lines", tables=[tape, line], partitions=3)

    @projector.on(Added)
    async def read(recorded: Recorded[Added], view: View) -> None:
        ((before,),) = await view.fetch(last, {"i": recorded.id})
        view.write(count, {"i": recorded.id})
        view.write(put, {"at": recorded.position, "tape": recorded.id, "n": before or 0})

    everything = [select(tape).order_by(tape.c.id), select(line).order_by(line.c.at)]
    async with place.open(application(projector)) as running:
        await fill(running)
        before = [await running.query(each) for each in everything]
        for _ in range(2):
            rebuilt = await running.projections.rebuild(projector, verify=True)
            assert rebuilt.switched
            assert [each.live.rows for each in rebuilt.compared] == [7, 60]
        assert [await running.query(each) for each in everything] == before
        await running.projections.roll_back(projector)
        await running.execute(tapes, "t1", record(Added(1)))

        async def has_come() -> bool:
            return len(await running.query(everything[1])) == 61

        await until(has_come)
        await running.projections.rebuild(projector, verify=True)
        await running.projections.drop_old(projector)
        assert len(await running.query(everything[1])) == 61
    async with place.open(application(projector)) as running:  # which makes what is missing, and there is nothing
        assert len(await running.query(everything[1])) == 61


async def test_a_table_that_counts_its_rows_by_itself_is_rebuilt_again_and_again(place: Place) -> None:
    counted = Table("counted", MetaData(), Column("n", Integer, primary_key=True), Column("tape", String))
    count = insert(counted).values(tape=bindparam("t"))
    projector = Projector("counted", tables=[counted])

    @projector.on(Added)
    def put(recorded: Recorded[Added], view: View) -> None:
        view.write(count, {"t": recorded.id})

    async with place.open(application(projector)) as running:
        await fill(running, 5)
        for _ in range(3):
            assert (await running.projections.rebuild(projector, verify=True)).switched
        await running.execute(tapes, "t1", record(Added(1)))
        await running.settled()
        numbers = [n for n, _ in await running.query(select(counted).order_by(counted.c.n))]
        assert numbers[:5] == [1, 2, 3, 4, 5]
        assert len(numbers) == 6  # the last one is not always 6: a transaction that was fenced has used that up


async def test_indexes_have_their_names_again_and_are_those_of_the_live_table(file: File) -> None:
    tape = Table("tape", MetaData(), Column("id", Integer, primary_key=True), Column("n", Integer, index=True))
    projector = Projector("t", tables=[tape])

    @projector.on(Added)
    def put(recorded: Recorded[Added], view: View) -> None:
        view.write(insert_tape, {"id": recorded.position, "n": recorded.event.n})

    insert_tape = insert(tape)
    indexes = "SELECT name, tbl_name FROM sqlite_schema WHERE type = 'index' AND name LIKE 'ix%' ORDER BY name"
    async with file.open(application(projector)) as running:
        await fill(running, 5)
        await running.projections.rebuild("t")
        assert file.execute(indexes) == [("ix_tape_n", "tape"), ("ix_tape_n__old", "tape__old")]
        await running.projections.rebuild("t")
        await running.projections.roll_back("t")
        assert file.execute(indexes) == [("ix_tape_n", "tape"), ("ix_tape_n__old", "tape__old")]
        await running.projections.drop_old("t")
        assert file.execute(indexes) == [("ix_tape_n", "tape")]


# ---------------------------------------------------------------------- other code


async def test_g1_newer_code_fills_beside_what_older_code_serves_and_then_takes_over(place: Place) -> None:
    async with place.open(application(summing())) as old:
        await fill(old)
        before = await rows_of(old)
        async with place.open(application(doubling()), run=False) as new:
            filled = await new.projections.rebuild("sums", switch=False)
            assert not filled.switched
            assert await rows_of(old) == before
            await old.execute(tapes, "t1", record(Added(1)))
            await old.settled()
            assert await rows_of(old) == await folded(old), "the older code goes on"
            assert (await new.projections.switch("sums")).switched
        twice = [(tape, 2 * total) for tape, total in await folded(old)]
        assert await rows_of(old) == twice
        with pytest.raises(ProcessorStopped, match="version 2 has filled its tables"):
            await old.execute(tapes, "t1", record(Added(1)))
            await old.wait_for("sums", await old.head(), timeout=5)
        assert await rows_of(old) == twice, "older code has written nothing to them"
    async with place.open(application(doubling())) as new:
        await new.settled()
        assert await rows_of(new) == [(tape, 2 * total) for tape, total in await folded(new)]


async def test_fm55_a_start_with_newer_code_takes_what_is_filled_instead_of_emptying(place: Place) -> None:
    handled: list[int] = []
    newer = Projector("sums", tables=[sums_t], version=2)

    @newer.on(Added)
    def count(recorded: Recorded[Added], view: View) -> None:
        handled.append(recorded.position)
        added(recorded, view)

    async with place.open(application(summing())) as old:
        await fill(old)
        async with place.open(application(newer), run=False) as new:
            await new.projections.rebuild("sums", switch=False)
    handled.clear()
    async with place.open(application(newer)) as new:
        await new.execute(tapes, "t1", record(Added(5)))
        await new.settled()
        assert await rows_of(new) == await folded(new)
        assert handled == [await new.head()], "none of the others came again"
        assert await new._stores.generations.record("sums", OLD) is not None


async def test_rows_of_other_columns_can_be_rolled_back_once_newer_code_has_stopped(place: Place) -> None:
    other = Table("sums", MetaData(), Column("tape", String, primary_key=True), Column("events", Integer))
    counting = Projector("sums", tables=[other], version=2)
    count = upsert(
        other, key=["tape"], insert={"tape": bindparam("t"), "events": 1}, set={"events": other.c.events + 1}
    )

    @counting.on(Added)
    def counted(recorded: Recorded[Added], view: View) -> None:
        view.write(count, {"t": recorded.id})

    async with place.open(application(summing())) as old:
        await fill(old)
        before = await rows_of(old)
    async with place.open(application(counting), run=False) as new:
        await new.projections.rebuild("sums")
    async with place.open(application(counting)) as new:
        assert (await new.query(select(other).order_by(other.c.tape)))[0] == ("t0", 9)
        with pytest.raises(InvalidInput, match=r"are of version 1, and .* runs it with version 2; stop that first"):
            await new.projections.roll_back("sums")
    async with place.open(application(summing()), run=False) as old:
        await old.projections.roll_back("sums")
    async with place.open(application(summing())) as old:
        await old.settled()
        assert await rows_of(old) == before


async def test_verification_refuses_to_compare_what_is_meant_to_differ(place: Place) -> None:
    async with place.open(application(summing())) as old:
        await fill(old, 5)
    async with place.open(application(doubling()), run=False) as new:
        with pytest.raises(InvalidInput, match=r"of version 1, the rebuilt ones of 2: they are meant to differ"):
            await new.projections.rebuild("sums", verify=True)


async def test_older_code_rebuilds_nothing(place: Place) -> None:
    async with place.open(application(doubling())) as new:
        await fill(new, 5)
    async with place.open(application(summing()), run=False) as old:
        with pytest.raises(InvalidInput, match="version 2 has filled its tables"):
            await old.projections.rebuild("sums")


# ------------------------------------------------------------------ trouble on the way


async def test_a_function_that_raises_half_way_stops_the_rebuild_and_leaves_the_live_rows(place: Place) -> None:
    broken = True
    newer = Projector("sums", tables=[sums_t], version=2, transaction_size=4)
    handled: list[int] = []

    @newer.on(Added)
    def count(recorded: Recorded[Added], view: View) -> None:
        if broken and recorded.position > 40:
            raise RuntimeError("half way")
        handled.append(recorded.position)
        added(recorded, view)

    async with place.open(application(summing())) as old, place.open(application(newer), run=False) as new:
        await fill(old)
        before = await rows_of(old)
        with pytest.raises(HandlerFailed, match="half way"):
            await new.projections.rebuild("sums")
        assert await rows_of(old) == before
        await old.execute(tapes, "t1", record(Added(5)))
        await old.settled()
        assert await rows_of(old) == await folded(old), "the live one goes on"
        filled = await new._stores.generations.record("sums", NEXT)
        assert filled is not None
        assert 30 < filled.positions[0] <= 40
        broken = False
        handled.clear()
        assert (await new.projections.rebuild("sums")).switched
        assert handled[0] == filled.positions[0] + 1 or handled[0] > filled.positions[0], "it goes on where it was"
        assert min(handled) > filled.positions[0]
        assert await rows_of(new) == await folded(new)


async def test_a_rebuild_can_be_given_up(place: Place) -> None:
    async with place.open(application(summing())) as running:
        await fill(running, 5)
        await running.projections.rebuild("sums", switch=False)
        await running.projections.drop_next("sums")
        with pytest.raises(InvalidInput, match="no rebuilt rows of 'sums' are waiting"):
            await running.projections.switch("sums")
        with pytest.raises(InvalidInput, match="has no next rows"):
            await running.projections.drop_next("sums")
        assert (await running.projections.rebuild("sums", verify=True)).switched


async def test_of_two_rebuilds_the_second_is_refused(place: Place) -> None:
    async with place.open(application(summing())) as running:
        await fill(running, 5)
        started, go_on = asyncio.Event(), asyncio.Event()
        slow = Projector("sums", tables=[sums_t])

        @slow.on(Added)
        async def wait(recorded: Recorded[Added], view: View) -> None:
            added(recorded, view)
            started.set()
            await go_on.wait()

        async with place.open(application(slow), run=False) as other:
            first = asyncio.create_task(other.projections.rebuild("sums"))
            await asyncio.wait_for(started.wait(), 5)
            with pytest.raises(ProcessorTaken, match="sums:next"):
                await running.projections.rebuild("sums")
            with pytest.raises(InvalidInput, match="rebuilds 'sums'; end that first"):
                await running.projections.drop_next("sums")
            go_on.set()
            assert (await first).switched
        assert (await running.projections.rebuild("sums")).switched


async def test_g3_what_acts_on_the_world_is_refused_before_anything_is_touched(place: Place) -> None:
    mails = Reactor("mails", start="now")

    @mails.on(Added)
    async def mail(recorded: Recorded[Added], act: Any) -> None: ...

    async with place.open(application(summing(), mails)) as running:  # type: ignore[arg-type] # it takes both
        await fill(running, 5)
        known = await running._stores.rows.processors()
        with pytest.raises(InvalidInput, match="is a reactor, which acts on the world"):
            await running.projections.rebuild("mails")
        assert await running._stores.generations.record("mails", NEXT) is None
        assert [each.name for each in await running._stores.rows.processors()] == [each.name for each in known]


async def test_what_is_unknown_or_has_never_run_is_refused(place: Place) -> None:
    async with place.open(application(summing()), run=False) as running:
        with pytest.raises(InvalidInput, match=r"no projector 'nobody' in this application; there are \['sums'\]"):
            await running.projections.rebuild("nobody")
        with pytest.raises(InvalidInput, match="has never started on this store, so there is nothing to rebuild"):
            await running.projections.rebuild("sums")
        with pytest.raises(InvalidInput, match="has no old rows"):
            await running.projections.roll_back("sums")
        with pytest.raises(InvalidInput, match="has no old rows"):
            await running.projections.drop_old("sums")


@pytest.mark.parametrize("suffix", ["next", "old"])
async def test_a_table_of_somebody_else_is_not_taken_for_ours(suffix: str, place: Place) -> None:
    theirs = Table(f"sums__{suffix}", MetaData(), Column("mine", Integer, primary_key=True))
    async with place.open(application(summing())) as running:
        await fill(running, 5)
        await running._stores.rows.make([theirs])
        with pytest.raises(InvalidInput, match=f"a table 'sums__{suffix}' is there that no rebuild has made"):
            await running.projections.rebuild("sums")
        assert await running.query(select(theirs)) == []
        await running.execute(tapes, "t1", record(Added(5)))
        await running.settled()
        assert await rows_of(running) == await folded(running), "all is as it was"


async def test_a_table_of_another_projector_is_not_taken_for_ours(place: Place) -> None:
    theirs = Projector("other", tables=[Table("sums__next", MetaData(), Column("mine", Integer, primary_key=True))])
    theirs.on(Added)(lambda recorded, view: None)
    async with place.open(application(summing(), theirs)) as running:
        await fill(running, 5)
        with pytest.raises(InvalidInput, match="needs the name 'sums__next', which 'other' has"):
            await running.projections.rebuild("sums")


async def test_a_rebuild_of_another_log_does_not_go_on(file: File) -> None:
    async with file.open(application(summing())) as running:
        await fill(running)
        await running.projections.rebuild("sums", switch=False)
    file.execute("UPDATE checkpoints SET event_id = randomblob(16) WHERE processor = 'sums:next'")
    async with file.open(application(summing())) as running:
        with pytest.raises(CheckpointAheadOfLog):
            await running.projections.rebuild("sums")


async def test_verification_does_not_wait_for_ever_for_a_live_one_that_stands(place: Place, short: None) -> None:
    async with place.open(application(summing())) as running:
        await fill(running, 5)
        await running.projections.rebuild("sums", switch=False)
        await running._stores.rows.reset("sums")
        await running._stores.rows.pause("sums", paused=True)
        await asyncio.sleep(0.6)
        with pytest.raises(InvalidInput, match="behind the rebuilt ones"):
            await running.projections.verify("sums")


async def test_what_is_parked_in_a_rebuild_belongs_to_it_until_the_switch(place: Place) -> None:
    newer = Projector("sums", tables=[sums_t], version=2, on_error=Park())

    @newer.on(Added)
    def count(recorded: Recorded[Added], view: View) -> None:
        if recorded.id == "t1":
            raise RuntimeError("bad")
        added(recorded, view)

    async with place.open(application(summing())) as old:
        await fill(old, 10)
        async with place.open(application(newer), run=False) as new:
            await new.projections.rebuild("sums", switch=False)
            counts = await new._stores.parking.counts()
            assert counts.get("sums", (0, 0)) == (0, 0)
            assert counts["sums:next"][0] == 2
            await new.projections.switch("sums")
            counts = await new._stores.parking.counts()
            assert counts["sums"][0] == 2
            assert "sums:next" not in counts
            assert "t1" not in dict(await rows_of(new))


async def test_a_pause_outlives_the_switch(place: Place) -> None:
    async with place.open(application(summing())) as running:
        await fill(running, 5)
        await running._stores.rows.pause("sums", paused=True)
        await running.projections.rebuild("sums")
        assert await running._stores.rows.is_paused("sums")
        await running._stores.rows.pause("sums", paused=False)
        await running.execute(tapes, "t1", record(Added(5)))
        await running.settled()
        assert await rows_of(running) == await folded(running)


async def test_the_register_shows_the_live_one_alone(place: Place) -> None:
    async with place.open(application(summing())) as running:
        await fill(running, 5)
        await running.projections.rebuild("sums")
        await running.projections.rebuild("sums", switch=False)
        assert [each.name for each in await running._stores.rows.processors()] == ["sums"]
        live = await running._stores.generations.record("sums")
        assert live is not None
        assert live.switches == 1


async def test_progress_is_told(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rebuilding, "_LOOK", 0.001)
    slow = Projector("sums", tables=[sums_t], transaction_size=2)

    @slow.on(Added)
    async def wait(recorded: Recorded[Added], view: View) -> None:
        await asyncio.sleep(0.002)
        added(recorded, view)

    told: list[rebuilding.Progress] = []
    async with place.open(application(slow)) as running:
        await fill(running, 20)
        await running.projections.rebuild("sums", on_progress=told.append)
    assert told[-1].events <= 20
    assert any(0 < each.position < each.end and each.seconds_left for each in told)
    assert [each.position for each in told] == sorted(each.position for each in told)


async def test_rows_that_were_taken_over_meanwhile_are_not_switched(place: Place) -> None:
    async with place.open(application(summing())) as running:
        await fill(running, 5)
        await running.projections.rebuild("sums", switch=False)
        around = running.projections._around
        async with rebuilding.holding("sums", 1, around, "here:1:a") as held:
            taken = await around.leases.take("sums", 0, "here:2:b", seconds=5, dead="here:1:a")
            with pytest.raises(Fenced):
                await running._stores.generations.switch("sums", [sums_t], held)
            with pytest.raises(InvalidInput, match="has no old generation"):
                await running._stores.generations.roll_back("sums", [sums_t], [taken])  # type: ignore[list-item]
        assert (await running.projections.switch("sums")).switched


async def test_fm16_a_copy_that_slept_through_the_switch_stores_nothing(place: Place) -> None:
    async with place.open(application(summing())) as running:
        await fill(running, 5)
        slept = await running._stores.rows.checkpoint("sums")
    async with place.open(application(summing()), run=False) as running:
        await running.projections.rebuild("sums")
        rows = running._stores.rows
        assert (await rows.checkpoint("sums")).position == slept.position, "so the place alone would not keep it out"
        step = Move("sums", slept.position, slept.position + 1, bytes(16), slept.epoch)
        shape, values = rows.bind(sums_t.update().values(sum=-17), None)
        with pytest.raises(Fenced):
            async with rows.transaction() as transaction:
                await transaction.commit([(shape, [values])], step)
        assert await rows_of(running) == await folded(running)


async def test_fm16_rows_are_never_behind_those_they_replace(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    async with place.open(application(summing())) as running:
        await fill(running, 5)
        finished = running.projections._finished

        async def meanwhile(*arguments: Any, **options: Any) -> Rebuilt:
            """It has come near the end, and something happens, which the live rows have at once."""
            await running.execute(tapes, "t1", record(Added(1000)))
            await running.settled()
            return await finished(*arguments, **options)

        monkeypatch.setattr(running.projections, "_finished", meanwhile)
        rebuilt = await running.projections.rebuild("sums")
        assert await rows_of(running) == await folded(running)
        assert rebuilt.position == await running.head()


async def test_tables_of_several_pages_are_compared_to_the_end(place: Place) -> None:
    async with place.open(application(seeing())) as running:
        for _ in range(5):
            await running.execute(tapes, "t", record(*[Added(1)] * 500))
        await running.settled()
        shape, values = running._stores.rows.bind(
            seen_t.update().where(seen_t.c.position == 2_400).values(tape="x"), None
        )
        async with running._stores.rows.transaction() as transaction:
            await transaction.commit([(shape, [values])], None)
        ((live, new),) = [
            (each.live, each.rebuilt) for each in (await running.projections.rebuild("seen", verify=True)).compared
        ]
        assert live.rows == new.rows == 2_500
        assert live.hash != new.hash


async def test_rights_on_the_live_rows_are_those_on_the_new_ones(
    postgres: PostgresServer, postgres_schema: str
) -> None:
    url = f"{postgres.url}?schema={postgres_schema}&options=-csearch_path%3D{postgres_schema}"
    role = f"{postgres_schema}_looks"
    granted = (
        "SELECT grantee, privilege_type FROM information_schema.role_table_grants "
        f"WHERE table_schema = '{postgres_schema}' AND table_name = 'sums' AND grantee = '{role}'"
    )
    postgres.execute(f'CREATE ROLE "{role}"')
    try:
        async with application(summing()).open(url) as running:
            await fill(running, 5)
            postgres.execute(f'GRANT SELECT ON {postgres_schema}.sums TO "{role}"')
            await running.projections.rebuild("sums")
            assert await asyncpg_fetch(postgres.url, granted) == [(role, "SELECT")]
    finally:
        postgres.execute(f'DROP OWNED BY "{role}"; DROP ROLE "{role}"')


async def asyncpg_fetch(url: str, statement: str) -> list[tuple[Any, ...]]:
    connection = await asyncpg.connect(url)
    try:
        return [tuple(row) for row in await connection.fetch(statement)]
    finally:
        await connection.close()


# -------------------------------------------------------------------------- and back


async def test_rolled_back_rows_catch_up_from_where_they_were(place: Place) -> None:
    async with place.open(application(summing())) as running:
        await fill(running)
        await running.projections.rebuild("sums")
        await running.execute(tapes, "new", record(Added(5)))
        await running.settled()
        await running.projections.roll_back("sums")
        await caught_up(running)
        await running.projections.roll_back("sums")
        await caught_up(running)  # and forward again
        await running.projections.drop_old("sums")
        with pytest.raises(InvalidInput, match="has no old rows"):
            await running.projections.roll_back("sums")


# --------------------------------------------------------------------- points in time


async def test_g6_rows_as_they_were_at_a_position(place: Place) -> None:
    async with place.open(application(summing(), seeing())) as running:
        await fill(running)
        for position in (0, 1, 37, 60, 10_000):
            async with running.projections.at("sums", position=position) as then:
                totals: dict[str, int] = {}
                for event in await stored(running):
                    if event.type == "Added" and event.position <= position:
                        totals[event.id] = totals.get(event.id, 0) + running._serializer.decode(event).event.n
                assert [tuple(row) for row in await then.query(sums)] == sorted(totals.items())
        async with running.projections.at("seen", position=20) as then:
            assert [row[0] for row in await then.query(select(seen_t.c.position).order_by(seen_t.c.position))] == list(
                range(1, 21)
            )
            await running.execute(tapes, "t1", record(Added(5)))
            assert len(await then.query(select(seen_t))) == 20, "later events have no influence"


async def test_g6_rows_as_they_were_at_a_time(place: Place) -> None:
    async with place.open(application(seeing())) as running:
        await fill(running, 10)
        events = await stored(running)
        at = events[7].recorded_at
        expected = [each.position for each in events if each.recorded_at <= at]
        time = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at)
        async with running.projections.at("seen", time=time) as then:
            assert sorted(row[0] for row in await then.query(select(seen_t.c.position))) == expected
        with pytest.raises(InvalidInput, match="has no zone"):
            async with running.projections.at("seen", time=time.replace(tzinfo=None)):
                pass
        with pytest.raises(InvalidInput, match="one of position= and time="):
            async with running.projections.at("seen"):
                pass
