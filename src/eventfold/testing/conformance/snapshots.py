"""The suite of snapshots: the newest that the log knows of, for its own stream, and gone with what it was made of."""

from __future__ import annotations

import pytest

from eventfold.bootstrap.stores import Stores
from eventfold.domain.message import Stream
from eventfold.ports.event_store import Append
from eventfold.ports.snapshot_store import Snapshot
from eventfold.testing.conformance.material import Suite, events

__all__ = ["SnapshotStoreConformance"]

ANN, BOB = Stream("counter", "ann"), Stream("counter", "bob")
OURS, THEIRS = b"\x01" * 16, b"\x02" * 16


def at(version: int, data: bytes = b"42", *, stream: Stream = ANN, fingerprint: bytes = OURS) -> Snapshot:
    return Snapshot(stream, version, fingerprint, 0, data)


def seen(snapshot: Snapshot | None) -> tuple[int, bytes, bytes] | None:
    return None if snapshot is None else (snapshot.version, snapshot.data, snapshot.fingerprint)


class SnapshotStoreConformance(Suite):
    """Every promise of `SnapshotStore`. The fixture `stores` gives it with its log and its administration."""

    @pytest.fixture
    def stores(self) -> Stores:
        raise NotImplementedError("define a fixture `stores` that gives an open, empty store")

    async def test_h6_there_is_none_then_the_one_that_was_saved_for_that_stream_only(self, stores: Stores) -> None:
        await stores.events.append(Append(ANN, events(3)), Append(BOB, events(3)))
        assert await stores.snapshots.snapshot(ANN) is None
        assert await stores.snapshots.save(at(2, b"\x00\xff666"))
        found = await stores.snapshots.snapshot(ANN)
        assert seen(found) == (2, b"\x00\xff666", OURS)
        assert found is not None
        assert found.saved_at > 0
        assert await stores.snapshots.snapshot(BOB) is None

    async def test_h6_the_same_version_may_be_saved_twice_and_an_older_one_is_not_kept(self, stores: Stores) -> None:
        await stores.events.append(Append(ANN, events(3)))
        assert await stores.snapshots.save(at(2))
        assert await stores.snapshots.save(at(2, b"43"))
        assert not await stores.snapshots.save(at(1, b"41"))
        assert seen(await stores.snapshots.snapshot(ANN)) == (2, b"43", OURS)
        assert await stores.snapshots.save(at(3, b"44"))
        assert seen(await stores.snapshots.snapshot(ANN)) == (3, b"44", OURS)

    async def test_fm20_what_other_code_has_made_is_replaced_whatever_its_version(self, stores: Stores) -> None:
        await stores.events.append(Append(ANN, events(3)))
        await stores.snapshots.save(at(3, fingerprint=THEIRS))
        assert await stores.snapshots.save(at(1, b"41"))
        assert seen(await stores.snapshots.snapshot(ANN)) == (1, b"41", OURS)

    async def test_fm20_none_is_kept_of_a_version_that_the_stream_does_not_have(self, stores: Stores) -> None:
        await stores.events.append(Append(ANN, events(3)))
        assert not await stores.snapshots.save(at(4))
        assert not await stores.snapshots.save(at(1, stream=BOB))
        assert list(await stores.snapshots.snapshots()) == []

    async def test_h6_they_are_listed_and_dropped_by_stream_by_category_and_all(self, stores: Stores) -> None:
        other = Stream("account", "1")
        for stream in (BOB, ANN, other):
            await stores.events.append(Append(stream, events(1)))
            await stores.snapshots.save(at(1, stream=stream))
        assert [each.stream for each in await stores.snapshots.snapshots()] == [other, ANN, BOB]
        assert [each.stream for each in await stores.snapshots.snapshots("counter", limit=1)] == [ANN]
        assert await stores.snapshots.drop("counter", "ann") == 1
        assert await stores.snapshots.drop("nothing") == 0
        assert await stores.snapshots.drop("counter") == 1
        assert [each.stream for each in await stores.snapshots.snapshots()] == [other]
        assert await stores.snapshots.drop() == 1

    @pytest.mark.parametrize("act", ["delete", "truncate", "replace", "erase"])
    async def test_fm20_it_goes_with_the_events_that_it_was_made_of(self, stores: Stores, act: str) -> None:
        new = events(3)
        await stores.events.append(Append(ANN, new), Append(BOB, events(3)))
        for stream in (ANN, BOB):
            await stores.snapshots.save(at(2, stream=stream))
        admin = stores.administration
        match act:
            case "delete":
                await admin.delete(ANN, actor="ann", reason="asked")
            case "truncate":
                await admin.truncate(ANN, before_version=2, actor="ann", reason="asked")
            case "replace":
                await admin.replace(new[0].event_id, b"{}", actor="ann", reason="asked")
            case _:
                await admin.erase(new[0].event_id, actor="ann", reason="asked")
        assert await stores.snapshots.snapshot(ANN) is None
        assert await stores.snapshots.snapshot(BOB) is not None
        if act == "delete":
            assert not await stores.snapshots.save(at(2)), "who was under way comes too late"
