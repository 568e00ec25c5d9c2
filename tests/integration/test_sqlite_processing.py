"""Leases, parked events and the ledger in one file: through kill -9, between processes, with a clock put back."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import apsw
import pytest

from eventfold.adapters.sqlite import open_sqlite
from eventfold.adapters.sqlite.read_model import SqliteReadModel
from eventfold.adapters.system import ManualClock, system_clock, uuid7
from eventfold.bootstrap.stores import open_stores
from eventfold.domain.message import Stream
from eventfold.ports.actions import Intent
from eventfold.ports.checkpoint_store import BEGINNING, Checkpoint, Move
from eventfold.ports.leases import Lease, LeaseRecord
from eventfold.ports.parking import Aside
from eventfold.testing.faults import Fault, FaultInjected, Faults
from tests.integration.children import children

EVENT = uuid7().bytes
SECONDS = 30.0
STRUCK = """
from eventfold.ports.actions import Intent
from eventfold.ports.checkpoint_store import Move
from eventfold.ports.parking import Aside
from eventfold.testing.faults import Fault, Faults

async def main():
    store, rows, _ = await open_sqlite(path, clock=system_clock)
    lease = await rows.leases.take("stock", 1, "doomed", seconds=30.0)
    say("ready")
    await told()
    what, where = arguments
    with Faults({where: Fault("kill")}):
        match what:
            case "take":
                await rows.leases.take("stock", 0, "doomed", seconds=30.0)
            case "beat":
                await rows.leases.beat("stock", "doomed", [lease], seconds=3_000.0)
            case "intend":
                await rows.actions.intend([Intent("mails", bytes(16), f"k{number}", 1) for number in range(3)])
            case "park":
                event = uuid7().bytes
                aside = Aside(3, Stream("tape", "a"), event, "Added", False, 1, "no")
                move = Move("stock", 0, 3, event, lease.epoch, 1, (aside,))
                async with rows.transaction() as transaction:
                    await transaction.commit([], move)
    say("it was not struck")
"""
TAKING = """
async def main():
    owner, rounds = arguments[0], int(arguments[1])
    store, rows, _ = await open_sqlite(path, clock=system_clock)
    say("ready")
    await told()
    taken = 0
    while taken < rounds:
        lease = await rows.leases.take("stock", 0, owner, seconds=60.0)
        if not hasattr(lease, "checkpoint"):
            await asyncio.sleep(0.001)
            continue
        taken += 1
        at = lease.checkpoint.position
        from eventfold.ports.checkpoint_store import Move
        await rows.advance(Move("stock", at, at + 1, uuid7().bytes, lease.epoch))
        await rows.leases.release(lease)
    await store.close()
"""


@asynccontextmanager
async def opened(path: Path, clock: ManualClock | None = None) -> AsyncIterator[SqliteReadModel]:
    store, rows, _ = await open_sqlite(str(path), clock=clock or system_clock, synchronous="normal")
    try:
        yield rows
    finally:
        await store.close()
        await rows.close()


async def struck(path: Path, what: str, where: str) -> None:
    """A process is killed at this place."""
    async with opened(path):
        pass
    async with children(STRUCK, (path, what, where)) as (child,):
        child.tell()
        assert await asyncio.to_thread(child.process.wait, 60) == -signal.SIGKILL


async def test_fm11_i8_who_is_killed_when_he_has_just_taken_it_has_it_until_it_runs_out(tmp_path: Path) -> None:
    path = tmp_path / "e.db"
    await struck(path, "take", "lease.after_acquire")
    async with opened(path) as rows:
        found = await rows.leases.take("stock", 0, "heir", seconds=SECONDS)
        assert isinstance(found, LeaseRecord)
        assert (found.owner, found.epoch) == ("doomed", 1)
        assert await rows.checkpoint("stock") == Checkpoint(0, None, 1), "both rows, or none"
        heir = await rows.leases.take("stock", 0, "heir", seconds=SECONDS, dead="doomed")
        assert isinstance(heir, Lease)
        assert heir.epoch == 2


async def test_fm11_who_is_killed_before_he_beats_has_prolonged_nothing(tmp_path: Path) -> None:
    path = tmp_path / "e.db"
    await struck(path, "beat", "lease.before_renew")
    async with opened(path) as rows:
        (listed,) = await rows.leases.leases()
        assert listed.left <= 30.0
        assert (await rows.leases.beat("stock", "heir", [], seconds=SECONDS)).members == ("heir",)


async def test_i11_who_is_killed_after_he_has_said_so_leaves_it_visibly_unknown(tmp_path: Path) -> None:
    path = tmp_path / "e.db"
    await struck(path, "intend", "actions.after_intend")
    async with opened(path) as rows:
        entries = await rows.actions.actions("mails")
        assert [(each.key, each.status) for each in entries] == [(f"k{n}", "intended") for n in (2, 1, 0)]
        known = await rows.actions.intend([Intent("mails", bytes(16), "k1", 2)])
        assert [each.status for each in known if each] == ["intended"]


@pytest.mark.parametrize(
    ("where", "kept"), [("projection.after_checkpoint_before_commit", False), ("projection.after_commit", True)]
)
async def test_fm17_g12_who_is_killed_has_parked_it_with_his_step_or_not_at_all(
    where: str, kept: bool, tmp_path: Path
) -> None:
    path = tmp_path / "e.db"
    await struck(path, "park", where)
    async with opened(path) as rows:
        assert [each.position for each in await rows.parking.parked()] == ([3] if kept else [])
        assert (await rows.checkpoint("stock", 1)).position == (3 if kept else 0)


async def test_i8_fm11_processes_take_turns_and_no_step_is_lost_or_doubled(tmp_path: Path) -> None:
    path = tmp_path / "e.db"
    each, owners = 25, ("a", "b", "c")
    async with opened(path):
        pass
    async with children(TAKING, *((path, owner, each) for owner in owners)) as started:
        for child in started:
            child.tell()
        for child in started:
            await child.ended()
    async with opened(path) as rows:
        found = await rows.checkpoint("stock")
        assert (found.position, found.epoch) == (75, 75)


async def test_fm24_a_clock_that_is_put_back_keeps_nobody_out_for_as_long(tmp_path: Path) -> None:
    clock = ManualClock()
    async with opened(tmp_path / "e.db", clock) as rows:
        mine = await rows.leases.take("stock", 0, "a", seconds=10.0)
        assert isinstance(mine, Lease)
        clock.advance(timedelta(seconds=-1))  # as time servers do; he is alive, and nobody takes it from him
        assert isinstance(await rows.leases.take("stock", 0, "b", seconds=10.0), LeaseRecord)
        clock.advance(timedelta(hours=-1))  # and he is gone
        theirs = await rows.leases.take("stock", 0, "b", seconds=10.0)
        assert isinstance(theirs, Lease)
        assert theirs.epoch == mine.epoch + 1
        assert (await rows.leases.beat("stock", "a", [mine], seconds=10.0)).kept == frozenset()
        clock.advance(timedelta(hours=1))
        assert isinstance(await rows.leases.take("stock", 0, "c", seconds=10.0), Lease)


async def test_fm24_whoever_beats_after_the_clock_was_put_back_has_it_as_long_as_ever(tmp_path: Path) -> None:
    clock = ManualClock()
    async with opened(tmp_path / "e.db", clock) as rows:
        mine = await rows.leases.take("stock", 0, "a", seconds=10.0)
        assert isinstance(mine, Lease)
        clock.advance(timedelta(hours=-1))
        assert (await rows.leases.beat("stock", "a", [mine], seconds=10.0)).kept == {0}
        found = await rows.leases.take("stock", 0, "b", seconds=10.0)
        assert isinstance(found, LeaseRecord)
        assert found.left == 10.0


async def test_i8_who_took_it_and_was_not_told_takes_it_again(tmp_path: Path) -> None:
    async with opened(tmp_path / "e.db") as rows:
        with Faults({"lease.after_acquire": Fault("raise")}), pytest.raises(FaultInjected):
            await rows.leases.take("stock", 0, "a", seconds=SECONDS)
        again = await rows.leases.take("stock", 0, "a", seconds=SECONDS)
        assert isinstance(again, Lease)
        assert again.epoch == 2


async def test_fm11_a_half_written_takeover_is_no_takeover(tmp_path: Path) -> None:
    """The epoch of the checkpoint cannot be raised, so the lease is not taken either."""
    path = tmp_path / "e.db"
    async with opened(path) as rows:
        by_hand = apsw.Connection(str(path))
        by_hand.execute(
            "CREATE TRIGGER no BEFORE INSERT ON checkpoints BEGIN SELECT RAISE(ABORT, 'the disk is full, say'); END"
        )
        with pytest.raises(Exception, match="the disk is full, say"):
            await rows.leases.take("stock", 0, "a", seconds=SECONDS)
        assert list(await rows.leases.leases()) == []
        by_hand.execute("DROP TRIGGER no")
        by_hand.close()
        assert isinstance(await rows.leases.take("stock", 0, "b", seconds=SECONDS), Lease)


async def test_i11_a_half_written_batch_is_no_batch(tmp_path: Path) -> None:
    path = tmp_path / "e.db"
    async with opened(path) as rows:
        by_hand = apsw.Connection(str(path))
        by_hand.execute(
            "CREATE TRIGGER no BEFORE INSERT ON actions WHEN NEW.key = 'bad' BEGIN SELECT RAISE(ABORT, 'no room'); END"
        )
        by_hand.close()
        with pytest.raises(Exception, match="no room"):
            await rows.actions.intend([Intent("mails", EVENT, "good"), Intent("mails", EVENT, "bad")])
        assert list(await rows.actions.actions("mails")) == []


@pytest.mark.parametrize("store", ["memory:", "sqlite"])
async def test_fm17_the_audit_tells_of_an_edit_among_the_acts_of_administrators(store: str, tmp_path: Path) -> None:
    url = store if store == "memory:" else f"sqlite:///{tmp_path}/e.db"
    async with open_stores(url, clock=ManualClock(), migrate=True) as stores:
        aside = Aside(3, Stream("tape", "a"), EVENT, "Added", behind=False, attempts=1, error="no")
        await stores.rows.advance(Move("stock", 0, 3, EVENT, aside=(aside,)))
        await stores.parking.edit("stock", 3, b"{}", actor="eve", reason="a typo")
        (entry,) = [each async for each in stores.administration.audit()]
        assert (entry.number, entry.action, entry.actor, entry.reason) == (1, "edit-parked", "eve", "a typo")
        assert (entry.category, entry.id, entry.event_id) == ("tape", "a", EVENT)
        with pytest.raises(Exception, match="parked nothing"):
            await stores.parking.edit("stock", 4, b"{}", actor="eve", reason="a typo")
        assert len([each async for each in stores.administration.audit()]) == 1


async def test_fm17_what_is_set_aside_once_more_is_as_for_the_first_time(tmp_path: Path) -> None:
    """Somebody has taken the checkpoint away by hand, so the event comes again."""
    path = tmp_path / "e.db"
    async with opened(path) as rows:
        aside = Aside(3, Stream("tape", "a"), EVENT, "Added", behind=False, attempts=1, error="no")
        await rows.advance(Move("stock", 0, 9, EVENT, aside=(aside,)))
        await rows.parking.edit("stock", 3, b"{}", actor="eve", reason="a typo")
        await rows.parking.ask("stock", 3, "drop", actor="eve")
        by_hand = apsw.Connection(str(path))
        by_hand.execute("DELETE FROM checkpoints")
        by_hand.close()
        await rows.advance(Move("stock", 0, 9, EVENT, aside=(aside,)))
        (found,) = await rows.parking.parked()
        assert (found.attempts, found.wish, found.edited, found.actor) == (1, None, None, None)


async def test_a_processor_of_the_release_before_goes_on(tmp_path: Path) -> None:
    """It knows neither partitions nor epochs, and what it has written is read as ever."""
    path = tmp_path / "e.db"
    async with opened(path) as rows:
        by_hand = apsw.Connection(str(path))
        by_hand.execute(
            "INSERT INTO processors (name, kind, code_version, updated_at) VALUES ('old', 'projector', 1, 5)"
        )
        by_hand.execute(
            "INSERT INTO checkpoints (processor, position, event_id, epoch, updated_at) VALUES ('old', 7, ?, 0, 9)",
            (EVENT,),
        )
        by_hand.close()
        (record,) = await rows.processors()
        assert (record.partitions, record.start, record.query, record.position) == (1, 0, None, 7)
        assert (record.positions, record.updated_at) == ((7,), 9)
        assert await rows.prepare("old", version=1, tables=[]) == Checkpoint(7, EVENT)
        assert await rows.checkpoint("old", 1) == BEGINNING
