"""Writes to the ledger go together, and what is known of an action gets there."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import pytest

from eventfold import Eventfold
from eventfold.errors import InvalidInput, StoreBusy, StoreError, StoreFull
from eventfold.ports.actions import Action, Actions, Intent, Status
from eventfold.processing.ledger import Ledger

EVENT = bytes(15) + b"\x01"
Strikes = Callable[[str, int], Awaitable[None]]


class Watched:
    """A ledger of the store, with a look at each call and a hand in it."""

    def __init__(self, actions: Actions) -> None:
        self.calls: list[tuple[str, int]] = []
        self.before: Strikes | None = None
        self.after: Strikes | None = None
        self._actions = actions

    async def intend(self, intents: Sequence[Intent]) -> Sequence[Action | None]:
        found: Sequence[Action | None] = await self._called("intend", intents, self._actions.intend)
        return found

    async def settle(self, outcomes: Sequence[tuple[Intent, bytes | None]]) -> None:
        await self._called("settle", outcomes, self._actions.settle)

    async def withdraw(self, intents: Sequence[Intent]) -> None:
        await self._called("withdraw", intents, self._actions.withdraw)

    async def doubt(self, intents: Sequence[Intent]) -> None:
        await self._called("doubt", intents, self._actions.doubt)

    async def actions(
        self, reactor: str, *, event_id: bytes | None = None, status: Status | None = None, limit: int = 1_000
    ) -> Sequence[Action]:
        return await self._actions.actions(reactor, event_id=event_id, status=status, limit=limit)

    async def _called(self, name: str, items: Sequence[Any], call: Callable[[Sequence[Any]], Awaitable[Any]]) -> Any:
        self.calls.append((name, len(items)))
        number = sum(each == name for each, _ in self.calls)
        if self.before is not None:
            await self.before(name, number)
        answer = await call(items)
        if self.after is not None:
            await self.after(name, number)
        return answer


@pytest.fixture
async def watched() -> AsyncIterator[Watched]:
    async with Eventfold().test() as running:
        yield Watched(running._stores.actions)


async def entries(watched: Watched) -> dict[str, tuple[str, bytes | None]]:
    return {each.key: (each.status, each.result) for each in await watched.actions("mails")}


async def test_what_one_turn_of_the_loop_asks_for_is_one_call(watched: Watched) -> None:
    ledger = Ledger(watched, "mails", 3)

    async def act(key: str) -> None:
        intent, found = await ledger.intend(EVENT, key)
        assert found is None
        assert intent == Intent("mails", EVENT, key, 3)
        await ledger.settle(intent, key.encode())

    await asyncio.gather(*(act(str(n)) for n in range(50)))
    await ledger.finish()
    assert watched.calls == [("intend", 50), ("settle", 50)]
    assert await entries(watched) == {str(n): ("done", str(n).encode()) for n in range(50)}


async def test_what_is_asked_for_during_a_call_waits_for_the_next_and_shares_it(watched: Watched) -> None:
    ledger = Ledger(watched, "mails", 0)
    entered, go_on = asyncio.Event(), asyncio.Event()

    async def hold(name: str, number: int) -> None:
        if number == 1:
            entered.set()
            await go_on.wait()

    watched.before = hold
    first = asyncio.create_task(ledger.intend(EVENT, "first"))
    await entered.wait()
    rest = [asyncio.create_task(ledger.intend(EVENT, str(n))) for n in range(9)]
    await asyncio.sleep(0)
    go_on.set()
    await asyncio.gather(first, *rest)
    assert watched.calls == [("intend", 1), ("intend", 9)]


async def test_it_tells_what_is_there_already(watched: Watched) -> None:
    ledger = Ledger(watched, "mails", 1)
    done, _ = await ledger.intend(EVENT, "done")
    await ledger.settle(done, b"1")
    await ledger.intend(EVENT, "left")
    doubted, _ = await ledger.intend(EVENT, "doubted")
    await ledger.doubt(doubted)
    struck, _ = await ledger.intend(EVENT, "struck")
    await ledger.withdraw(struck)

    again = Ledger(watched, "mails", 1)
    found = {key: (await again.intend(EVENT, key))[1] for key in ("done", "left", "doubted", "struck")}
    assert {key: each and each.status for key, each in found.items()} == {
        "done": "done",
        "left": "intended",
        "doubted": "unknown",
        "struck": None,
    }


async def test_who_is_cancelled_before_he_began_leaves_nothing(watched: Watched) -> None:
    """A restart in the midst of it must not leave things unknown that nobody has begun."""
    ledger = Ledger(watched, "mails", 1)
    entered, go_on = asyncio.Event(), asyncio.Event()

    async def hold(name: str, number: int) -> None:
        if name == "intend":
            entered.set()
            await go_on.wait()

    watched.after = hold
    tasks = [asyncio.create_task(ledger.intend(EVENT, key)) for key in "ab"]
    await entered.wait()
    assert set(await entries(watched)) == {"a", "b"}
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    assert all(task.cancelled() for task in tasks)
    go_on.set()
    await ledger.finish()
    assert await entries(watched) == {}


async def test_who_is_cancelled_before_he_began_leaves_alone_what_was_there(watched: Watched) -> None:
    before = Ledger(watched, "mails", 1)
    await before.intend(EVENT, "a")
    ledger = Ledger(watched, "mails", 2)
    task = asyncio.create_task(ledger.intend(EVENT, "a"))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    await ledger.finish()
    assert await entries(watched) == {"a": ("intended", None)}


async def test_what_is_done_is_entered_although_nobody_waits_for_it_any_more(watched: Watched) -> None:
    ledger = Ledger(watched, "mails", 1)
    intent, _ = await ledger.intend(EVENT, "a")
    task = asyncio.create_task(ledger.settle(intent, b"1"))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    await ledger.finish()
    assert await entries(watched) == {"a": ("done", b"1")}


@pytest.mark.parametrize("call", ["settle", "withdraw"])
async def test_what_is_known_is_entered_however_long_the_store_is_busy(
    watched: Watched, call: str, caplog: pytest.LogCaptureFixture
) -> None:
    ledger = Ledger(watched, "mails", 1)
    intent, _ = await ledger.intend(EVENT, "a")

    async def busy(name: str, number: int) -> None:
        if name == call and number < 4:
            raise StoreBusy(1, 5.0)

    watched.before = busy
    await (ledger.settle(intent, b"1") if call == "settle" else ledger.withdraw(intent))
    assert [name for name, _ in watched.calls] == ["intend", *4 * [call]]
    assert await entries(watched) == ({"a": ("done", b"1")} if call == "settle" else {})
    assert sum("is tried again" in each.getMessage() for each in caplog.records) == 3


async def test_the_end_does_not_wait_for_a_store_that_stays_away(
    watched: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    ledger = Ledger(watched, "mails", 1)
    intent, _ = await ledger.intend(EVENT, "a")

    refused = asyncio.Event()

    async def busy(name: str, number: int) -> None:
        refused.set()
        raise StoreBusy(1, 5.0)

    watched.before = busy
    task = asyncio.create_task(ledger.settle(intent, b"1"))
    await refused.wait()
    task.cancel()
    async with asyncio.timeout(5):
        await ledger.finish()
    assert await entries(watched) == {"a": ("intended", None)}
    assert "1 action(s) are done, which could not be entered; they will be found unknown" in caplog.text


async def test_what_the_store_will_never_do_is_told_at_once(watched: Watched) -> None:
    ledger = Ledger(watched, "mails", 1)
    intent, _ = await ledger.intend(EVENT, "a")

    async def full(name: str, number: int) -> None:
        raise StoreFull("no room")

    watched.before = full
    with pytest.raises(StoreFull):
        await ledger.settle(intent, None)
    for call in (ledger.doubt(intent), ledger.withdraw(intent), ledger.intend(EVENT, "b")):
        with pytest.raises(StoreError):
            await call


async def test_one_call_that_fails_fails_for_all_who_share_it(watched: Watched) -> None:
    ledger = Ledger(watched, "mails", 1)
    outcomes = await asyncio.gather(
        ledger.intend(EVENT, "a"), ledger.intend(EVENT, "a"), ledger.intend(EVENT, "b"), return_exceptions=True
    )
    assert [type(each) for each in outcomes] == 3 * [InvalidInput]


@pytest.mark.parametrize(("epoch", "is_ours"), [(2, True), (0, False)])
async def test_an_entry_that_got_no_answer_is_ours(watched: Watched, epoch: int, *, is_ours: bool) -> None:
    """Under an epoch nobody else has written it, and we had not begun. Without one nobody can say."""
    ledger = Ledger(watched, "mails", epoch)

    async def unanswered(name: str, number: int) -> None:
        if number == 1:
            raise StoreBusy(1, 5.0)

    watched.after = unanswered
    with pytest.raises(StoreBusy):
        await ledger.intend(EVENT, "a")
    _, found = await ledger.intend(EVENT, "a")
    assert (found is None) is is_ours
    _, found = await ledger.intend(EVENT, "a")
    assert found is not None
    assert found.status == "intended"


async def test_an_entry_of_somebody_else_is_never_ours(watched: Watched) -> None:
    ledger, other = Ledger(watched, "mails", 2), Ledger(watched, "mails", 1)

    async def refused(name: str, number: int) -> None:
        if number == 1:
            raise StoreBusy(1, 5.0)

    watched.before = refused
    with pytest.raises(StoreBusy):
        await ledger.intend(EVENT, "a")
    await other.intend(EVENT, "a")
    _, found = await ledger.intend(EVENT, "a")
    assert found is not None
    assert found.epoch == 1
