"""FM-13: whatever fails, hangs back or is set aside, the checkpoint is never ahead of the work."""

import asyncio
import random
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from eventfold import Act, Eventfold, Park, Query, Reactor, Recorded, Retry, Running, Skip, Stop, system_clock
from eventfold.adapters.sqlite.actions import SqliteActions
from eventfold.bootstrap.stores import open_stores
from eventfold.domain.message import StoredEvent, Stream
from eventfold.errors import ProcessorStopped, StoreBusy, StoreUnavailable
from eventfold.ports.actions import Action, Intent
from eventfold.ports.checkpoint_store import Move
from eventfold.ports.parking import Aside
from eventfold.ports.telemetry import Telemetry
from eventfold.processing.place import Place
from eventfold.processing.policy import ErrorPolicy
from tests.acceptance.world import Added, Memory, record, tapes

POLICIES: dict[str, ErrorPolicy] = {
    "park": Park(),
    "skip": Skip(),
    "retry": Retry.constant(0.0),
    "then": Retry.constant(0.0, attempts=2, then=Park()),
}


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("policy", sorted(POLICIES))
async def test_fm13_g16_the_checkpoint_is_never_ahead_of_the_work(
    seed: int, policy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(seed * 100 + len(policy))
    streams, number = chance.randint(1, 8), chance.randint(1, 60)
    at_once, every = chance.choice([1, 2, 5, 16]), chance.choice([1, 3, 100])
    made = Reactor("mails", start="beginning", concurrency=at_once, position_every=every, on_error=POLICIES[policy])
    failing = {position: chance.choice([1, 2, 10**9]) for position in range(1, number + 1) if chance.random() < 0.2}
    if policy == "retry":
        failing = {position: min(times, 3) for position, times in failing.items()}
    busy = {position for position in range(1, number + 1) if chance.random() < 0.05}
    turns = {position: chance.randint(0, 6) for position in range(1, number + 1)}
    done: list[int] = []
    attempts: Counter[int] = Counter()
    under_way: defaultdict[Stream, int] = defaultdict(int)
    aside: dict[int, bool] = {}
    moves: list[int] = []
    wrong: list[str] = []
    most = 0
    original = Place.moved

    async def moved(place: Place, move: Move) -> None:
        aside.update({each.position: each.skipped for each in move.aside})
        handled = {*done, *aside}
        assert handled.issuperset(range(1, move.position + 1)), "the checkpoint is ahead"
        assert all(each.position <= move.position for each in move.aside)
        moves.append(move.position)
        await original(place, move)

    monkeypatch.setattr(Place, "moved", moved)

    @made.on(Added)
    async def added(recorded: Recorded[Added], act: Act) -> None:
        nonlocal most
        if under_way[recorded.stream]:
            wrong.append(f"two of one stream at once, {recorded!r}")
        under_way[recorded.stream] += 1
        most = max(most, sum(under_way.values()))
        try:
            for _ in range(turns[recorded.position]):
                await asyncio.sleep(0)
            if recorded.position in busy:
                busy.remove(recorded.position)
                raise StoreBusy(None, 0.0)
            attempts[recorded.position] += 1
            if attempts[recorded.position] != act.attempt:
                wrong.append(f"attempt {act.attempt}, in truth {attempts[recorded.position]}, {recorded!r}")
            if attempts[recorded.position] <= failing.get(recorded.position, 0):
                raise RuntimeError("no")
            done.append(recorded.position)
        finally:
            under_way[recorded.stream] -= 1

    app = Eventfold(deciders=[tapes], processors=[made])
    async with app.test() as running:
        for position in range(1, number + 1):
            await running.execute(tapes, f"s{chance.randrange(streams)}", record(Added(position)))
        await running.settled(timeout=30)
        stream_of = {each.position: each.stream async for each in running.source.read_all(Query.all())}
        parked = await running._stores.parking.parked("mails")
    assert wrong == []
    assert moves == sorted(set(moves))
    assert moves[-1] == number
    assert max(Counter(done).values(), default=1) == 1, "handled twice"
    assert sorted([*done, *aside]) == list(range(1, number + 1))
    assert most <= at_once
    never = {position for position, times in failing.items() if times > 10**6 or (policy in {"park", "skip"})}
    if policy == "then":
        never |= {position for position, times in failing.items() if times >= 2}
    skipped = {position for position, skipped in aside.items() if skipped}
    assert skipped == (never if policy == "skip" else set())
    blocked = {stream_of[position] for position in aside.keys() & never}
    assert {stream_of[position] for position in aside} == blocked
    first_parked: dict[Stream, int] = {}
    for position in sorted(position for position, skipped in aside.items() if not skipped):
        first_parked.setdefault(stream_of[position], position)
    for stream, first in first_parked.items():
        later = {position for position, of in stream_of.items() if of == stream and position >= first}
        assert later.isdisjoint(done), "overtaken"
    assert {each.position for each in parked} == {position for position, skipped in aside.items() if not skipped}
    for stream in set(stream_of.values()):
        own = [position for position in done if stream_of[position] == stream]
        assert own == sorted(own), "out of order"


async def test_a_lease_that_is_not_sure_begins_nothing() -> None:
    """Somebody may have taken over: then he acts, and must not find unknown what we have not begun."""
    sent: list[int] = []
    before: list[int] = []
    made = Reactor("mails", start="beginning")

    async def send(n: int) -> None:
        sent.append(n)

    opened: list[Running] = []

    @made.on(Added)
    async def added(recorded: Recorded[Added], act: Act) -> None:
        before.append(len(await opened[0]._stores.actions.actions("mails")))
        act._ledger.sure = lambda: len(before) > 2
        await act.once("mail", send, recorded.event.n)

    async with Eventfold(deciders=[tapes], processors=[made]).test() as running:
        opened.append(running)
        await running.execute(tapes, "t", record(Added(1)))
        await running.settled()
        (entry,) = await running._stores.actions.actions("mails")
    assert (sent, before, entry.status) == ([1], [0, 0, 0], "done")


async def test_what_stops_one_of_several_ends_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    made, cancelled = Reactor("mails", start="beginning", concurrency=4, on_error=Stop()), list[int]()

    class Gone(Exception):
        pass

    @made.on(Added)
    async def added(recorded: Recorded[Added], act: Act) -> None:
        if recorded.position > 1:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cancelled.append(recorded.position)
                raise

    async def advance(place: Place, *step: Any) -> None:
        raise Gone("somebody else")

    async with open_stores("memory:", clock=system_clock, migrate=True) as stores:
        place = Memory(stores)
        async with place.open(Eventfold(deciders=[tapes])) as running:
            for number in range(4):
                await running.execute(tapes, f"s{number}", record(Added(number)))
        monkeypatch.setattr(Place, "advance", advance)
        async with place.open(Eventfold(deciders=[tapes], processors=[made])) as running:
            with pytest.raises(ProcessorStopped, match="Gone: somebody else"):
                await running.settled()
    assert sorted(cancelled) == [2, 3, 4]


async def test_a_step_that_got_no_answer_and_was_taken_is_not_somebody_elses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else what is under way would be cancelled, and be unknown."""
    made, handled = Reactor("mails", start="beginning", concurrency=3, on_error=Stop()), list[int]()
    original, lost = Place.advance, list[int]()

    @made.on(Added)
    async def added(recorded: Recorded[Added], act: Act) -> None:
        await asyncio.sleep(0.001 * recorded.position)
        handled.append(recorded.position)

    async def advance(place: Place, last: StoredEvent, aside: Sequence[Aside] = ()) -> None:
        if len(lost) < 2:
            lost.append(last.position)
            if len(lost) == 1:
                await place.around.rows.advance(place.move(last, aside))
            raise StoreUnavailable("it went away")
        await original(place, last, aside)

    monkeypatch.setattr(Place, "advance", advance)
    async with Eventfold(deciders=[tapes], processors=[made]).test() as running:
        for number in range(6):
            await running.execute(tapes, f"s{number}", record(Added(number)))
        await running.settled()
        assert running.status()["mails"].error is None
        assert (await running._stores.rows.checkpoint("mails")).position == 6
    assert sorted(handled) == [1, 2, 3, 4, 5, 6]
    assert len(lost) == 2


class Spans(Telemetry):
    def __init__(self) -> None:
        self.ended: list[tuple[str, dict[str, Any], bool]] = []

    @contextmanager
    def span(
        self,
        name: str,
        /,
        *,
        continues: StoredEvent | None = None,
        links: Sequence[StoredEvent] = (),
        **attributes: str | int,
    ) -> Iterator[None]:
        well = False
        try:
            yield
            well = True
        finally:
            self.ended.append((name, attributes, well))


async def test_each_attempt_at_an_event_is_a_span() -> None:
    spans, made = Spans(), Reactor("mails", start="beginning", on_error=Retry.constant(0.0))

    @made.on(Added)
    async def added(recorded: Recorded[Added], act: Act) -> None:
        if act.attempt == 1:
            raise RuntimeError("once more")

    async with Eventfold(deciders=[tapes], processors=[made], telemetry=spans).test() as running:
        outcome = await running.execute(tapes, "t", record(Added(1)))
        await running.settled()
    told = {"processor": "mails", "event_id": str(outcome.events[0].event_id), "stream": "tape-t"}
    assert [each for each in spans.ended if each[0] == "reaction"] == [
        ("reaction", {**told, "attempt": 1}, False),
        ("reaction", {**told, "attempt": 2}, True),
    ]


async def test_what_is_done_in_one_moment_is_one_step_of_the_checkpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    made, moves, original = Reactor("mails", start="beginning", concurrency=16), list[int](), Place.moved

    async def moved(place: Place, move: Move) -> None:
        moves.append(move.position)
        await original(place, move)

    monkeypatch.setattr(Place, "moved", moved)

    @made.on(Added)
    async def added(recorded: Recorded[Added], act: Act) -> None:
        await act.once("mail", int, recorded.event.n)

    async with open_stores("memory:", clock=system_clock, migrate=True) as stores:
        place = Memory(stores)
        async with place.open(Eventfold(deciders=[tapes])) as running:
            for number in range(64):
                await running.execute(tapes, f"s{number}", record(Added(number)))
        async with place.open(Eventfold(deciders=[tapes], processors=[made])) as running:
            await running.settled()
    assert moves[-1] == 64
    assert len(moves) <= 8


@pytest.mark.parametrize("at_once", [1, 4])
async def test_something_awaited_that_was_cancelled_is_a_failure_like_any_other(at_once: int) -> None:
    made = Reactor("mails", start="beginning", concurrency=at_once, on_error=Park())
    calls: list[int] = []

    @made.on(Added)
    async def added(recorded: Recorded[Added], act: Act) -> None:
        calls.append(recorded.position)
        if recorded.position == 1:
            raise asyncio.CancelledError

    async with Eventfold(deciders=[tapes], processors=[made]).test() as running:
        for number in range(3):
            await running.execute(tapes, f"s{number}", record(Added(number)))
        await running.settled()
        (entry,) = await running._stores.parking.parked("mails")
    assert "something that its function has awaited was cancelled" in entry.error
    assert calls == [1, 2, 3]


async def test_g20_the_end_waits_until_what_is_known_is_in_the_ledger(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cancelled between the call and the entry of its result, or before the call."""
    made, sent = Reactor("mails", start="beginning", concurrency=2), list[int]()
    under_way = {"intend": asyncio.Event(), "settle": asyncio.Event()}
    intend, settle = SqliteActions.intend, SqliteActions.settle

    async def slow_intend(self: SqliteActions, intents: Sequence[Intent]) -> Sequence[Action | None]:
        found = await intend(self, intents)
        if any(each.key == "late" for each in intents):
            under_way["intend"].set()
            await asyncio.sleep(0.05)
        return found

    async def slow_settle(self: SqliteActions, outcomes: Sequence[tuple[Intent, bytes | None]]) -> None:
        under_way["settle"].set()
        await asyncio.sleep(0.05)
        await settle(self, outcomes)

    monkeypatch.setattr(SqliteActions, "intend", slow_intend)
    monkeypatch.setattr(SqliteActions, "settle", slow_settle)

    async def send(n: int) -> None:
        sent.append(n)

    @made.on(Added)
    async def added(recorded: Recorded[Added], act: Act) -> None:
        await act.once("late" if recorded.position == 2 else "mail", send, recorded.position)

    async with open_stores("memory:", clock=system_clock, migrate=True) as stores:
        place = Memory(stores)
        async with place.open(Eventfold(deciders=[tapes])) as running:
            for number in range(2):
                await running.execute(tapes, f"s{number}", record(Added(number)))
        made_late = Eventfold(deciders=[tapes], processors=[made])
        async with place.open(made_late), asyncio.timeout(10):
            await under_way["intend"].wait()
        assert sent == []
        assert await stores.actions.actions("mails") == []
        under_way["intend"].clear()
        monkeypatch.setattr(SqliteActions, "intend", intend)
        async with place.open(made_late), asyncio.timeout(10):
            await under_way["settle"].wait()
        assert {each.key: each.status for each in await stores.actions.actions("mails")} == {
            "mail": "done",
            "late": "done",
        }
    assert sorted(sent) == [1, 2]
