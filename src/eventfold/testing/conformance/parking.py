"""The suite of parked events: set aside with the step of the checkpoint, looked after by people, settled in order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, cast

import msgspec
import pytest
from sqlalchemy import Column, Integer, MetaData, Table, bindparam, insert, select

from eventfold.adapters.system import ManualClock, uuid7
from eventfold.domain.message import Stream, to_micros
from eventfold.errors import EventfoldError, Fenced, InvalidInput, StoreClosed
from eventfold.ports.checkpoint_store import Move
from eventfold.ports.leases import Lease, Leases
from eventfold.ports.parking import Aside, Parked, ParkingLot, Settled
from eventfold.ports.read_model import ReadModel, Writes
from eventfold.testing.conformance.material import ANN, BOB, Suite

__all__ = ["ParkingLotConformance"]

DONE = Table("done", MetaData(), Column("n", Integer, primary_key=True))
MARK = insert(DONE).values(n=bindparam("number"))


class _WithBooks(Protocol):
    @property
    def parking(self) -> ParkingLot: ...
    @property
    def leases(self) -> Leases: ...


def aside(
    position: int,
    stream: Stream = ANN,
    *,
    behind: bool = False,
    attempts: int = 1,
    error: str = "HandlerFailed: no",
    skipped: bool = False,
) -> Aside:
    return Aside(position, stream, uuid7().bytes, "Happened", behind, 0 if behind else attempts, error, skipped)


def move(
    previous: int, position: int, *left: Aside, processor: str = "mails", partition: int = 0, epoch: int = 0
) -> Move:
    return Move(processor, previous, position, uuid7().bytes, epoch, partition, left)


def marked(rows: ReadModel, *numbers: int) -> Writes:
    return [(shape, [values]) for shape, values in (rows.bind(MARK, {"number": number}) for number in numbers)]


class ParkingLotConformance(Suite):
    """
    Every promise of `ParkingLot`, of `Move.aside` and of `Settled`.

    The fixture `rows` gives an empty read model. `parking` and `leases` are those of the same store: of themselves its
    attributes of these names.
    """

    @pytest.fixture
    def rows(self) -> ReadModel:
        raise NotImplementedError("define a fixture `rows` that gives an empty read model")

    @pytest.fixture
    def parking(self, rows: ReadModel) -> ParkingLot:
        return cast("_WithBooks", rows).parking

    @pytest.fixture
    def leases(self, rows: ReadModel) -> Leases:
        return cast("_WithBooks", rows).leases

    @staticmethod
    async def _line(rows: ReadModel) -> None:
        """Of the processor `mails`: ann's events at 3, 5 and 8, two of them behind the first, and bob's at 6."""
        await rows.prepare("mails", version=1, tables=[DONE])
        left = (aside(3), aside(5, behind=True), aside(6, BOB, attempts=4), aside(8, behind=True))
        await rows.advance(move(0, 9, *left))

    @staticmethod
    async def _settle(rows: ReadModel, position: int, *numbers: int, epoch: int = 0, partition: int = 0) -> None:
        async with rows.transaction() as transaction:
            await transaction.commit(marked(rows, *numbers), Settled("mails", partition, position, "retried", epoch))

    @staticmethod
    async def _done(rows: ReadModel) -> list[int]:
        return [number for (number,) in await rows.query(select(DONE).order_by(DONE.c.n))]

    @staticmethod
    async def _open(parking: ParkingLot, processor: str | None = None) -> list[int]:
        return [each.position for each in await parking.parked(processor)]

    @staticmethod
    async def _one(parking: ParkingLot, position: int) -> Parked:
        return next(each for each in await parking.parked("mails", resolved=True) if each.position == position)

    # -------------------------------------------------------------------- set aside

    async def test_fm17_what_is_set_aside_is_listed_with_all_that_is_known_of_it(
        self, rows: ReadModel, parking: ParkingLot, clock: ManualClock
    ) -> None:
        assert list(await parking.parked()) == []
        await rows.prepare("mails", version=1, tables=[])
        first, second = aside(3, attempts=7, error="HandlerFailed: ä '\""), aside(5, behind=True)
        await rows.advance(move(0, 9, first, second))
        at = to_micros(clock.now())
        assert list(await parking.parked("mails")) == [
            Parked("mails", 0, 3, ANN, first.event_id, "Happened", False, 7, "HandlerFailed: ä '\"", at),
            Parked("mails", 0, 5, ANN, second.event_id, "Happened", True, 0, "HandlerFailed: no", at),
        ]
        assert (await rows.checkpoint("mails")).position == 9

    async def test_fm17_rows_step_and_parked_events_are_kept_together(
        self, rows: ReadModel, parking: ParkingLot
    ) -> None:
        await rows.prepare("mails", version=1, tables=[DONE])
        async with rows.transaction() as transaction:
            await transaction.commit(marked(rows, 1, 2), move(0, 4, aside(3)))
        assert (await self._done(rows), await self._open(parking)) == ([1, 2], [3])
        assert (await rows.checkpoint("mails")).position == 4

    async def test_fm17_or_not_at_all(self, rows: ReadModel, parking: ParkingLot) -> None:
        await rows.prepare("mails", version=1, tables=[DONE])
        async with rows.transaction() as transaction:
            await transaction.commit(marked(rows, 1), move(0, 4))
        refused = (
            (marked(rows, 2), move(3, 6, aside(5))),  # from elsewhere
            (marked(rows, 2), move(4, 6, aside(5), epoch=1)),
            (marked(rows, 2, 1), move(4, 6, aside(5))),  # a row that is there
        )
        for made, step in refused:
            async with rows.transaction() as transaction:
                with pytest.raises(EventfoldError):
                    await transaction.commit(made, step)
        for step in (move(3, 6, aside(5)), move(4, 6, aside(5), epoch=1)):
            with pytest.raises(Fenced):
                await rows.advance(step)
        assert (await self._done(rows), await self._open(parking)) == ([1], [])
        assert (await rows.checkpoint("mails")).position == 4

    async def test_g16_skipped_ones_are_counted_and_listed_but_nobody_waits_for_them(
        self, rows: ReadModel, parking: ParkingLot, clock: ManualClock
    ) -> None:
        await rows.prepare("mails", version=1, tables=[])
        await rows.advance(move(0, 9, aside(3, skipped=True), aside(4, skipped=True), aside(6, BOB)))
        assert await self._open(parking) == [6]
        (third, fourth, _) = await parking.parked(resolved=True)
        assert {(each.resolution, each.resolved_at) for each in (third, fourth)} == {
            ("skipped", to_micros(clock.now()))
        }
        assert await parking.counts() == {"mails": (1, 2)}
        assert await parking.open_streams("mails", 0) == {BOB}
        with pytest.raises(InvalidInput):
            await parking.ask("mails", 3, "retry", actor="eve")

    async def test_fm17_an_error_that_no_text_can_hold_is_kept_in_other_words(
        self, rows: ReadModel, parking: ParkingLot
    ) -> None:
        await rows.prepare("mails", version=1, tables=[])
        await rows.advance(move(0, 9, aside(3, error="said \ud800 and \0, ü")))
        await parking.failed_again("mails", 3, "again \ud800 and \0, ü")
        assert (await self._one(parking, 3)).error.startswith("again ")

    async def test_fm17_many_are_set_aside_in_one_step(self, rows: ReadModel, parking: ParkingLot) -> None:
        await rows.prepare("mails", version=1, tables=[])
        left = [aside(number, Stream("account", str(number % 40))) for number in range(1, 2_001)]
        await rows.advance(move(0, 2_000, *left))
        assert await parking.counts() == {"mails": (2_000, 0)}
        assert len(await parking.parked()) == 1_000
        assert len(await parking.open_streams("mails", 0)) == 40

    # ----------------------------------------------------------------------- listed

    async def test_g16_they_are_listed_by_processor_and_position(self, rows: ReadModel, parking: ParkingLot) -> None:
        for name in ("zeta", "alpha"):
            await rows.prepare(name, version=1, tables=[])
            await rows.advance(move(0, 9, aside(7), aside(2, BOB), aside(5, behind=True), processor=name))
        found = [(each.processor, each.position) for each in await parking.parked()]
        assert found == [(name, position) for name in ("alpha", "zeta") for position in (2, 5, 7)]
        assert await self._open(parking, "zeta") == [2, 5, 7]
        assert [each.position for each in await parking.parked("zeta", after=2)] == [5, 7]
        assert [each.position for each in await parking.parked("zeta", limit=2)] == [2, 5]
        assert list(await parking.parked("beta")) == list(await parking.parked("alpha", after=7)) == []
        assert await parking.counts() == {"alpha": (3, 0), "zeta": (3, 0)}

    async def test_g16_open_streams_are_those_of_one_partition(self, rows: ReadModel, parking: ParkingLot) -> None:
        await rows.prepare("mails", version=1, tables=[], partitions=2)
        await rows.advance(move(0, 9, aside(3), aside(5, behind=True)))
        await rows.advance(move(0, 9, aside(4, BOB), partition=1))
        assert await parking.open_streams("mails", 0) == {ANN}
        assert await parking.open_streams("mails", 1) == {BOB}
        assert await parking.open_streams("other", 0) == frozenset()
        assert [each.partition for each in await parking.parked()] == [0, 1, 0]

    # ----------------------------------------------------------------------- wishes

    async def test_fm17_who_asks_for_one_gets_its_stream_in_order(self, rows: ReadModel, parking: ParkingLot) -> None:
        await self._line(rows)
        assert list(await parking.wished("mails", 0)) == []
        await parking.ask("mails", 3, "retry", actor="eve", reason="the server is up again")
        found = await parking.wished("mails", 0)
        assert [(each.position, each.behind, each.wish) for each in found] == [
            (3, False, "retry"),
            (5, True, None),
            (8, True, None),
        ]
        assert (found[0].actor, found[0].reason) == ("eve", "the server is up again")
        assert found[0] == await self._one(parking, 3)
        assert [each.position for each in await parking.wished("mails", 0, limit=2)] == [3, 5]
        assert list(await parking.wished("mails", 1)) == list(await parking.wished("other", 0)) == []

    async def test_fm17_a_later_wish_replaces_an_earlier_one(self, rows: ReadModel, parking: ParkingLot) -> None:
        await self._line(rows)
        await parking.ask("mails", 6, "retry", actor="eve", reason="a try")
        await parking.ask("mails", 6, "drop", actor="bob")
        found = await self._one(parking, 6)
        assert (found.wish, found.actor, found.reason) == ("drop", "bob", None)

    async def test_fm17_what_stands_behind_may_be_dropped_but_not_retried(
        self, rows: ReadModel, parking: ParkingLot
    ) -> None:
        await self._line(rows)
        for position in (5, 8):
            with pytest.raises(InvalidInput, match=rf"position {position} .* at 3 "):
                await parking.ask("mails", position, "retry", actor="eve")
        assert list(await parking.wished("mails", 0)) == []
        await parking.ask("mails", 5, "drop", actor="eve", reason="never mind")
        assert [each.wish for each in await parking.wished("mails", 0)] == [None, "drop", None]

    async def test_fm17_a_wish_for_nothing_is_refused(self, rows: ReadModel, parking: ParkingLot) -> None:
        await self._line(rows)
        await self._settle(rows, 6)
        for processor, position in (("mails", 4), ("mails", -1), ("mails", 2**70), ("other", 3), ("mails", 6)):
            for refused in (
                parking.ask(processor, position, "retry", actor="eve"),
                parking.ask(processor, position, "drop", actor="eve"),
                parking.edit(processor, position, b"{}", actor="eve", reason="why not"),
            ):
                with pytest.raises(InvalidInput):
                    await refused
        for actor, reason in (("", None), ("a\0b", None), ("eve", ""), ("eve", "x" * 300)):
            with pytest.raises(InvalidInput):
                await parking.ask("mails", 3, "retry", actor=actor, reason=reason)
        assert list(await parking.wished("mails", 0)) == []
        assert (await self._one(parking, 6)).resolution == "retried"

    async def test_fm17_an_edit_is_for_the_processor_alone(self, rows: ReadModel, parking: ParkingLot) -> None:
        await self._line(rows)
        await parking.edit("mails", 3, b'{"n":7}', actor="eve", reason="a typo")
        await parking.edit("mails", 5, b"\0\xff", actor="eve", reason="not JSON")
        assert [each.edited for each in await parking.parked("mails")] == [b'{"n":7}', b"\0\xff", None, None]
        assert list(await parking.wished("mails", 0)) == []  # nobody has asked for it yet
        for actor, reason in (("", "x"), ("eve", "")):
            with pytest.raises(InvalidInput):
                await parking.edit("mails", 3, b"{}", actor=actor, reason=reason)
        assert (await self._one(parking, 3)).edited == b'{"n":7}'

    # ---------------------------------------------------------------------- settled

    async def test_fm17_rows_of_a_retry_are_kept_with_its_end(
        self, rows: ReadModel, parking: ParkingLot, clock: ManualClock
    ) -> None:
        await self._line(rows)
        await parking.ask("mails", 6, "retry", actor="eve", reason="a try")
        await self._settle(rows, 6, 60)
        assert await self._done(rows) == [60]
        assert await self._open(parking) == [3, 5, 8]
        found = await self._one(parking, 6)
        assert (found.resolution, found.resolved_at) == ("retried", to_micros(clock.now()))
        assert (found.wish, found.actor, found.reason) == (None, "eve", "a try")
        assert await parking.open_streams("mails", 0) == {ANN}
        assert list(await parking.wished("mails", 0)) == []
        assert (await rows.checkpoint("mails")).position == 9

    async def test_fm17_an_error_on_the_way_leaves_it_open(self, rows: ReadModel, parking: ParkingLot) -> None:
        await self._line(rows)
        await parking.ask("mails", 6, "retry", actor="eve")
        async with rows.transaction() as transaction:
            with pytest.raises(EventfoldError):
                await transaction.commit(marked(rows, 1, 1), Settled("mails", 0, 6, "retried"))
        assert await self._done(rows) == []
        assert (await self._one(parking, 6)).wish == "retry"

    async def test_g14_fm11_only_the_owner_of_the_partition_settles(
        self, rows: ReadModel, parking: ParkingLot, leases: Leases
    ) -> None:
        await self._line(rows)
        mine = await leases.take("mails", 0, "me", seconds=60)
        assert isinstance(mine, Lease)
        for epoch in (0, mine.epoch - 1, mine.epoch + 1):
            with pytest.raises(Fenced):
                await self._settle(rows, 6, 1, epoch=epoch)
        assert (await self._done(rows), await self._open(parking)) == ([], [3, 5, 6, 8])
        await self._settle(rows, 6, 60, epoch=mine.epoch)
        theirs = await leases.take("mails", 0, "you", seconds=60, dead="me")
        assert isinstance(theirs, Lease)
        with pytest.raises(Fenced):
            await self._settle(rows, 3, 30, epoch=mine.epoch)
        assert (await self._done(rows), await self._open(parking)) == ([60], [3, 5, 8])
        await self._settle(rows, 3, 30, epoch=theirs.epoch)
        assert (await self._done(rows), await self._open(parking)) == ([30, 60], [5, 8])

    async def test_g14_it_is_the_epoch_of_its_own_partition(
        self, rows: ReadModel, parking: ParkingLot, leases: Leases
    ) -> None:
        await rows.prepare("mails", version=1, tables=[DONE], partitions=2)
        await rows.advance(move(0, 9, aside(3)))
        other = await leases.take("mails", 1, "me", seconds=60)
        assert isinstance(other, Lease)
        for partition, epoch in ((0, other.epoch), (1, other.epoch), (1, 0)):
            with pytest.raises(Fenced):
                await self._settle(rows, 3, 1, epoch=epoch, partition=partition)
        assert (await self._done(rows), await self._open(parking)) == ([], [3])
        await self._settle(rows, 3, 30)
        assert (await self._done(rows), await self._open(parking)) == ([30], [])

    async def test_fm17_what_is_settled_is_not_settled_again(self, rows: ReadModel, parking: ParkingLot) -> None:
        await self._line(rows)
        await self._settle(rows, 6, 60)
        before = await self._one(parking, 6)
        for position in (6, 4):  # and what was never parked
            async with rows.transaction() as transaction:
                with pytest.raises(Fenced):
                    await transaction.commit(marked(rows, 61), Settled("mails", 0, position, "dropped"))
        assert await self._done(rows) == [60]
        assert await self._one(parking, 6) == before

    @pytest.mark.parametrize("resolution", ["retried", "dropped", "gone"])
    async def test_fm17_the_wish_goes_on_to_those_behind(
        self, rows: ReadModel, parking: ParkingLot, resolution: str
    ) -> None:
        await self._line(rows)
        await parking.ask("mails", 3, "retry", actor="eve", reason="a try")
        end = msgspec.convert({"processor": "mails", "partition": 0, "position": 3, "resolution": resolution}, Settled)
        async with rows.transaction() as transaction:
            await transaction.commit([], end)
        assert [(each.position, each.behind, each.wish) for each in await parking.wished("mails", 0)] == [
            (5, False, "retry"),
            (8, True, None),
        ]
        following = await self._one(parking, 5)
        assert (following.actor, following.reason) == ("eve", "a try")
        assert (await self._one(parking, 3)).resolution == resolution
        assert (await self._one(parking, 6)).wish is None
        await self._settle(rows, 5)
        await self._settle(rows, 8)
        assert await self._open(parking) == [6]

    async def test_fm17_what_somebody_else_has_asked_for_stays_his_wish(
        self, rows: ReadModel, parking: ParkingLot
    ) -> None:
        await self._line(rows)
        await parking.ask("mails", 5, "drop", actor="bob", reason="never mind")
        await parking.ask("mails", 3, "retry", actor="eve")
        await self._settle(rows, 3)
        found = await self._one(parking, 5)
        assert (found.behind, found.wish, found.actor, found.reason) == (False, "drop", "bob", "never mind")

    async def test_fm17_dropping_one_from_the_middle_asks_for_nothing_else(
        self, rows: ReadModel, parking: ParkingLot
    ) -> None:
        await self._line(rows)
        await parking.ask("mails", 5, "drop", actor="eve")
        async with rows.transaction() as transaction:
            await transaction.commit([], Settled("mails", 0, 5, "dropped"))
        assert [(each.position, each.behind, each.wish) for each in await parking.parked()] == [
            (3, False, None),
            (6, False, None),
            (8, True, None),
        ]

    async def test_fm17_one_more_failure_is_counted_and_stands_behind_nobody(
        self, rows: ReadModel, parking: ParkingLot
    ) -> None:
        await self._line(rows)
        await parking.ask("mails", 3, "retry", actor="eve")
        await self._settle(rows, 3)
        await parking.failed_again("mails", 5, "HandlerFailed: still no")
        await parking.failed_again("mails", 6, "HandlerFailed: never")
        await parking.failed_again("mails", 3, "it is settled")
        await parking.failed_again("mails", 4, "it is not there")
        found = [(each.position, each.behind, each.wish, each.attempts, each.error) for each in await parking.parked()]
        assert found == [
            (5, False, None, 1, "HandlerFailed: still no"),
            (6, False, None, 5, "HandlerFailed: never"),
            (8, True, None, 0, "HandlerFailed: no"),
        ]
        assert list(await parking.wished("mails", 0)) == []
        await parking.ask("mails", 5, "retry", actor="eve")  # it is the first of its stream now

    # --------------------------------------------------------------------- forgotten

    @pytest.mark.parametrize("how", ["reset", "start over", "new version", "truncate", "drop"])
    async def test_i10_who_begins_anew_has_parked_nothing(self, rows: ReadModel, parking: ParkingLot, how: str) -> None:
        await self._line(rows)
        await self._settle(rows, 6)
        await parking.edit("mails", 3, b"{}", actor="eve", reason="a typo")
        await parking.ask("mails", 3, "retry", actor="eve")
        await rows.prepare("other", version=1, tables=[])
        await rows.advance(move(0, 9, aside(3), processor="other"))
        match how:
            case "reset":
                await rows.reset("mails")
            case "start over":
                await rows.start_over("mails")
            case "new version":
                await rows.prepare("mails", version=2, tables=[DONE])
            case "truncate":
                await rows.truncate("mails", [DONE])
            case _:
                await rows.drop("mails", [DONE])
        found: Sequence[Parked] = await parking.parked(resolved=True)
        assert [(each.processor, each.position) for each in found] == [("other", 3)]
        assert await parking.open_streams("mails", 0) == frozenset()
        await rows.prepare("mails", version=3, tables=[DONE])
        again = aside(3)
        await rows.advance(move(0, 4, again))
        parked = await self._one(parking, 3)
        assert (parked.event_id, parked.wish, parked.edited, parked.actor) == (again.event_id, None, None, None)
        assert await self._open(parking, "mails") == [3]

    async def test_g04_the_lot_is_refused_after_closing(self, rows: ReadModel, parking: ParkingLot) -> None:
        await self._line(rows)
        await rows.close()
        for late in (
            parking.parked(),
            parking.open_streams("mails", 0),
            parking.wished("mails", 0),
            parking.counts(),
            parking.ask("mails", 3, "retry", actor="eve"),
            parking.edit("mails", 3, b"{}", actor="eve", reason="a typo"),
            parking.failed_again("mails", 3, "x"),
        ):
            with pytest.raises(StoreClosed):
                await late
