"""The suite of the ledger of effects: what was begun and what was done is never told otherwise."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta

import pytest

from eventfold.adapters.system import ManualClock, uuid7
from eventfold.errors import InvalidInput, StoreClosed
from eventfold.ports.actions import Actions, Intent, Status
from eventfold.ports.read_model import ReadModel
from eventfold.testing.conformance.material import Suite

__all__ = ["ActionsConformance"]

FIRST, SECOND = (uuid7().bytes for _ in range(2))


def intent(key: str, *, event_id: bytes = FIRST, reactor: str = "mails", epoch: int = 3) -> Intent:
    return Intent(reactor, event_id, key, epoch)


class ActionsConformance(Suite):
    """
    Every promise of `Actions`.

    The fixture `actions` gives an empty ledger, `other` the same one by another connection, `rows` the read model of
    the same store, which closes it.
    """

    @pytest.fixture
    def actions(self) -> Actions:
        raise NotImplementedError("define a fixture `actions` that gives an empty ledger")

    @pytest.fixture
    def other(self) -> Actions:
        raise NotImplementedError("define a fixture `other`: the ledger of the same store by another connection")

    @pytest.fixture
    def rows(self) -> ReadModel:
        raise NotImplementedError("define a fixture `rows`: the read model of the same store")

    @pytest.fixture
    def pass_time(self, clock: ManualClock) -> Callable[[float], Awaitable[None]]:
        async def pass_time(seconds: float) -> None:
            clock.advance(timedelta(seconds=seconds))

        return pass_time

    @staticmethod
    async def _told(actions: Actions, reactor: str = "mails") -> dict[str, tuple[Status, bytes | None]]:
        return {each.key: (each.status, each.result) for each in await actions.actions(reactor)}

    async def test_i11_what_is_new_is_entered_and_what_is_known_is_told(self, actions: Actions, other: Actions) -> None:
        assert list(await actions.intend([intent("mail"), intent("sms")])) == [None, None]
        again = await other.intend([intent("fax"), intent("mail", epoch=9), intent("sms", epoch=9)])
        assert again[0] is None
        assert again[1] is not None
        assert again[2] is not None
        assert [(each.key, each.status, each.result, each.epoch) for each in again if each] == [
            ("mail", "intended", None, 3),
            ("sms", "intended", None, 3),
        ], "what the ledger has stays"
        assert await self._told(actions) == dict.fromkeys(("fax", "mail", "sms"), ("intended", None))

    async def test_i11_reactors_events_and_keys_are_told_apart(self, actions: Actions) -> None:
        several = [
            intent("mail"),
            intent("Mail"),
            intent("mail", event_id=SECOND),
            intent("mail", reactor="texts"),
            intent("mail "),
            intent("'; --\n🦊"),
            intent("k" * 255),
        ]
        assert list(await actions.intend(several)) == [None] * 7
        await actions.settle([(several[0], b"1")])
        found = await actions.intend(several)
        assert [each.status for each in found if each] == ["done", *["intended"] * 6]
        assert [Intent(each.reactor, each.event_id, each.key, each.epoch) for each in found if each] == several

    async def test_i11_one_that_is_named_twice_is_refused_with_all_of_its_batch(self, actions: Actions) -> None:
        with pytest.raises(InvalidInput, match="'mail' is named twice"):
            await actions.intend([intent("sms"), intent("mail"), intent("mail", epoch=4)])
        assert await self._told(actions) == {}

    @pytest.mark.parametrize("key", ["", "k" * 256, "a\0b", "\ud800", 7, None])
    async def test_i11_what_is_no_key_is_refused_with_all_of_its_batch(self, actions: Actions, key: object) -> None:
        with pytest.raises(InvalidInput, match="a key"):
            await actions.intend([intent("sms"), intent(key)])  # type: ignore[arg-type] # as a caller might
        assert await self._told(actions) == {}

    async def test_i11_nothing_at_once_is_nothing(self, actions: Actions) -> None:
        assert list(await actions.intend([])) == []
        await actions.settle([])
        await actions.withdraw([])
        await actions.doubt([])
        assert await self._told(actions) == {}

    async def test_i11_what_is_done_stays_with_its_first_result(self, actions: Actions, other: Actions) -> None:
        both = [intent("mail"), intent("sms")]
        await actions.intend(both)
        await actions.settle([(both[0], b'{"id":7}'), (both[1], None)])
        done = {"mail": ("done", b'{"id":7}'), "sms": ("done", None)}
        assert await self._told(other) == done
        await other.settle([(intent("mail", epoch=8), b"8"), (both[1], b"9")])
        await other.withdraw(both)
        await other.doubt(both)
        assert await self._told(actions) == done
        again = await actions.intend(both)
        assert [each.result for each in again if each] == [b'{"id":7}', None]

    async def test_i11_what_was_not_done_is_struck_out_and_may_be_begun_again(self, actions: Actions) -> None:
        both = [intent("mail"), intent("sms")]
        await actions.intend(both)
        await actions.doubt([both[1]])
        await actions.withdraw([*both, intent("never begun")])
        assert await self._told(actions) == {}
        assert list(await actions.intend(both)) == [None, None]

    async def test_i11_g14_what_a_successor_has_taken_up_is_not_struck_out_by_a_zombie(
        self, actions: Actions, other: Actions
    ) -> None:
        await actions.intend([intent("mail", epoch=3)])
        await other.doubt([intent("mail", epoch=4)])
        await actions.withdraw([intent("mail", epoch=3)])
        assert await self._told(actions) == {"mail": ("unknown", None)}
        await other.withdraw([intent("mail", epoch=4)])
        assert await self._told(actions) == {}

    async def test_i11_what_is_in_doubt_stays_so_until_somebody_knows(self, actions: Actions) -> None:
        await actions.intend([intent("mail")])
        for _ in range(2):
            await actions.doubt([intent("mail")])
            assert await self._told(actions) == {"mail": ("unknown", None)}
        (known,) = await actions.intend([intent("mail", epoch=4)])
        assert known is not None
        assert known.status == "unknown"
        await actions.settle([(intent("mail"), b"1")])
        assert await self._told(actions) == {"mail": ("done", b"1")}

    async def test_i11_what_was_struck_out_meanwhile_is_not_lost(self, actions: Actions, other: Actions) -> None:
        """Two copies, of which one had not heard yet that it was taken over."""
        both = [intent("mail"), intent("sms")]
        await actions.intend(both)
        await other.withdraw(both)
        await actions.settle([(both[0], b"1")])
        await actions.doubt([both[1]])
        assert await self._told(actions) == {"mail": ("done", b"1"), "sms": ("unknown", None)}

    async def test_i11_of_those_who_begin_it_at_the_same_moment_one_does_it(
        self, actions: Actions, other: Actions
    ) -> None:
        keys = [f"k{number}" for number in range(20)]

        async def begun(ledger: Actions, epoch: int) -> list[bool]:
            order = keys if epoch % 2 else keys[::-1]
            found = await ledger.intend([intent(key, epoch=epoch) for key in order])
            told = dict(zip(order, found, strict=True))
            return [told[key] is None for key in keys]

        outcomes = await self.soon(asyncio.gather(*(begun((actions, other)[n % 2], n) for n in range(6))))
        assert [sum(each) for each in zip(*outcomes, strict=True)] == [1] * 20

    async def test_i11_the_latest_are_listed_first_of_one_event_or_one_status(
        self, actions: Actions, pass_time: Callable[[float], Awaitable[None]]
    ) -> None:
        made = [intent("a"), intent("b", event_id=SECOND), intent("c"), intent("d", reactor="texts")]
        for each in made:
            await actions.intend([each])
            await pass_time(0.01)
        listed = await actions.actions("mails")
        assert [each.key for each in listed] == ["c", "b", "a"]
        assert [each.at for each in listed] == sorted({each.at for each in listed}, reverse=True)
        assert {each.epoch for each in listed} == {3}
        await actions.settle([(made[0], b"1")])
        assert [each.key for each in await actions.actions("mails")] == ["a", "c", "b"], "by their last change"
        assert [each.key for each in await actions.actions("mails", event_id=SECOND)] == ["b"]
        assert [each.key for each in await actions.actions("mails", event_id=FIRST, status="done")] == ["a"]
        assert [each.key for each in await actions.actions("mails", status="intended")] == ["c", "b"]
        assert [each.key for each in await actions.actions("mails", limit=2)] == ["a", "c"]
        assert list(await actions.actions("mails", limit=0)) == []
        assert list(await actions.actions("nobody")) == []

    async def test_i11_a_large_batch_is_one_transaction(self, actions: Actions) -> None:
        several = [intent(f"k{number:04}") for number in range(1_000)]
        assert list(await actions.intend(several)) == [None] * 1_000
        await actions.settle([(each, b"%d" % number) for number, each in enumerate(several)])
        found = await actions.intend(several)
        assert [each.result for each in found if each] == [b"%d" % number for number in range(1_000)]

    async def test_g04_the_ledger_is_refused_after_closing(self, actions: Actions, rows: ReadModel) -> None:
        await rows.close()
        late: Sequence[Awaitable[object]] = (
            actions.intend([intent("mail")]),
            actions.settle([(intent("mail"), None)]),
            actions.withdraw([intent("mail")]),
            actions.doubt([intent("mail")]),
            actions.actions("mails"),
        )
        for each in late:
            with pytest.raises(StoreClosed):
                await each
