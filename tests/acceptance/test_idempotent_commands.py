"""Commands that carry an id: sent as often as you like, by whomever, they have one effect and one outcome."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select

from eventfold import (
    Boundary,
    Eventfold,
    EventHandler,
    Events,
    Outcome,
    Query,
    Recorded,
    Running,
    TransactionalHandler,
    View,
)
from eventfold.errors import (
    CommandIdConflict,
    InvalidInput,
    OutcomeGone,
    RetryTransaction,
    Unencodable,
)
from eventfold.testing.faults import FAILPOINTS, Fault, FaultInjected, Faults
from tests.acceptance.world import (
    Added,
    AddUnless,
    Noted,
    Place,
    Record,
    Tape,
    TapeFull,
    application,
    record,
    see,
    seen_t,
    stored,
    stream,
    tapes,
)

# ------------------------------------------------------- boundaries beside the tapes


@dataclass(frozen=True)
class Taken:
    name: str


@dataclass(frozen=True)
class Take:
    name: str
    times: int = 1


class NameTaken(Exception):
    """A rejection of the domain."""


def take(command: Take, taken: int) -> Sequence[Taken]:
    if command.times and taken:
        raise NameTaken(command.name)
    return [Taken(command.name)] * command.times


def count(taken: int, event: Taken) -> int:
    return taken + 1


names = Boundary(
    "name", initial=0, decide=take, evolve=count, query=lambda command: Query.of(Taken, tags=[f"name:{command.name}"])
)
events = Events()
events.add(Taken, tags=lambda event: [f"name:{event.name}"])


def note(command: Take, taken: int) -> Sequence[Noted]:
    """Never in its own way: no condition of its keeps the same command from being recorded twice."""
    return [Noted(command.name)] * command.times


notes = Boundary("note", initial=0, decide=note, evolve=count, query=lambda command: Query.of(Taken), events=[Noted])


def app(**more: Any) -> Eventfold:
    return Eventfold(deciders=[tapes, names, notes], events=events, **more)


async def as_often(call: Callable[[], Any], times: int = 6) -> list[Any]:
    return await asyncio.gather(*(call() for _ in range(times)))


# ---------------------------------------------------------------------------- again


async def test_fm10_the_same_command_again_has_one_effect_and_the_same_outcome(place: Place) -> None:
    key = uuid4()
    async with place.open(app()) as running:
        await running.execute(tapes, "t", record(Added(1)))
        first = await running.execute(
            tapes, "t", record(Added(2), Noted("two")), command_id=key, metadata={"by": "ann"}
        )
        await running.execute(tapes, "t", record(Added(4)))
        again = await running.execute(tapes, "t", record(Added(2), Noted("two")), command_id=key)
        assert again == first
        assert (again.state, again.version, [each.event for each in again.events]) == (
            Tape(3, ("two",)),
            3,
            [Added(2), Noted("two")],
        )
        assert again.events[0].metadata == {"by": "ann"}
        assert (await running.load(tapes, "t")).state.sum == 7
    async with place.open(app()) as running:
        assert await running.execute(tapes, "t", record(Added(2), Noted("two")), command_id=key) == first
        assert [each.version for each in await stream(running, "t")] == [1, 2, 3, 4]


async def test_fm10_nothing_to_do_is_an_outcome_too(place: Place) -> None:
    quiet, never = uuid4(), uuid4()
    async with place.open(app()) as running:
        await running.execute(tapes, "t", record(Added(8)))
        first = await running.execute(tapes, "t", AddUnless(5, limit=10, quietly=True), command_id=quiet)
        assert (first.events, first.version, first.state.sum) == ((), 1, 8)
        new = await running.execute(tapes, "new", record(), command_id=never)
        assert (new.events, new.version, new.position) == ((), 0, 0)
        await running.execute(tapes, "t", record(Added(-8)))  # now there would be something to do
        await running.execute(tapes, "new", record(Added(1)))
        assert await running.execute(tapes, "t", AddUnless(5, limit=10, quietly=True), command_id=quiet) == first
        assert await running.execute(tapes, "new", record(), command_id=never) == new
        assert (await running.load(tapes, "t")).version == 2


async def test_fm10_a_rejection_is_decided_again(place: Place) -> None:
    key = uuid4()
    async with place.open(app()) as running:
        await running.execute(tapes, "t", record(Added(8)))
        for _ in range(2):
            with pytest.raises(TapeFull):
                await running.execute(tapes, "t", AddUnless(5, limit=10), command_id=key)
        await running.execute(tapes, "t", record(Added(-8)))
        first = await running.execute(tapes, "t", AddUnless(5, limit=10), command_id=key)
        await running.execute(tapes, "t", record(Added(5)))
        assert await running.execute(tapes, "t", AddUnless(5, limit=10), command_id=key) == first
        assert (await running.load(tapes, "t")).state.sum == 10


@pytest.mark.parametrize("quietly", [True, False])
async def test_fm10_at_once_it_has_one_effect_and_everybody_the_same_outcome(place: Place, quietly: bool) -> None:
    """Each decision after the first would be a rejection, or nothing to do."""
    async with place.open(app()) as running, place.open(app()) as other:
        for turn in range(5):
            key, id = uuid4(), f"t{turn}"

            def send(here: Running, key: UUID = key, id: str = id) -> Any:
                return here.execute(tapes, id, AddUnless(6, limit=10, quietly=quietly), command_id=key)

            here, there = await asyncio.gather(as_often(lambda: send(running)), as_often(lambda: send(other)))
            outcomes: list[Outcome[Tape, Any, None]] = [*here, *there]
            assert all(each == outcomes[0] for each in outcomes), outcomes
            assert (outcomes[0].state.sum, outcomes[0].version, len(outcomes[0].events)) == (6, 1, 1)
            assert [each.version for each in await stream(running, id)] == [1]


async def test_fm10_ids_of_many_commands_at_once_do_not_meet(place: Place) -> None:
    async with place.open(app()) as running:
        keys = [uuid4() for _ in range(20)]
        sent = [(n, key) for n, key in enumerate(keys) for _ in range(3)]
        outcomes = await asyncio.gather(
            *(running.execute(tapes, f"t{n % 2}", record(Added(n)), command_id=key) for n, key in sent)
        )
        found: list[Any] = [one.event for each in outcomes for one in each.events]
        assert found == [Added(n) for n, _ in sent]
        log = [each.data for each in await stored(running)]
        assert len(log) == len(set(log)) == len(keys)


# ---------------------------------------------------------------------- other commands


async def test_fm10_another_command_under_a_known_id_is_refused(place: Place) -> None:
    key = uuid4()
    async with place.open(app()) as running:
        await running.execute(tapes, "t", record(Added(1)), command_id=key)
        for id, command in (("t", record(Added(2))), ("u", record(Added(1))), ("t", record(Noted("1")))):
            with pytest.raises(CommandIdConflict, match="another command on tape-t, accepted at position 1") as refused:
                await running.execute(tapes, id, command, command_id=key)
            assert refused.value.command_id == key
        with pytest.raises(CommandIdConflict):
            await running.execute(names, Take("t"), command_id=key)
        assert await running.head() == 1


async def test_fm10_what_was_rejected_takes_no_id(place: Place) -> None:
    key = uuid4()
    async with place.open(app()) as running:
        with pytest.raises(TapeFull):
            await running.execute(tapes, "t", AddUnless(5, limit=1), command_id=key)
        assert (await running.execute(tapes, "t", record(Added(2)), command_id=key)).version == 1


@pytest.mark.parametrize("wrong", ["a key", str(UUID(int=7)), 7, b"0123456789abcdef"])
async def test_fm10_an_id_is_a_uuid(place: Place, wrong: Any) -> None:
    async with place.open(app()) as running:
        with pytest.raises(InvalidInput, match="uuid5"):
            await running.execute(tapes, "t", record(Added(1)), command_id=wrong)
        with pytest.raises(InvalidInput, match="uuid5"):
            await running.execute(names, Take("t"), command_id=wrong)
        async with running.lock(tapes, "t") as tape:
            with pytest.raises(InvalidInput, match="uuid5"):
                await tape.execute(record(Added(1)), command_id=wrong)
        async with running.transaction() as unit:
            with pytest.raises(InvalidInput, match="uuid5"):
                await unit.execute(tapes, "t", record(Added(1)), command_id=wrong)
        assert await running.head() == 0


async def test_fm10_a_command_that_cannot_be_compared_is_refused(place: Place) -> None:
    async with place.open(app()) as running:
        with pytest.raises(Unencodable, match="without an id"):
            await running.execute(tapes, "t", Record((object(),)), command_id=uuid4())  # type: ignore[arg-type] # that is the point
        assert await running.head() == 0


# ------------------------------------------------------------------------- boundaries


async def test_fm10_a_boundary_has_one_effect_and_the_same_outcome(place: Place) -> None:
    key = uuid4()
    async with place.open(app()) as running, place.open(app()) as other:
        await running.execute(names, Take("ann"))
        first, *more = [
            *await as_often(lambda: running.execute(names, Take("bob"), command_id=key)),
            *await as_often(lambda: other.execute(names, Take("bob"), command_id=key)),
        ]
        assert all(each == first for each in more)
        assert (first.state, first.version, [each.event for each in first.events]) == (1, 1, [Taken("bob")])
        with pytest.raises(NameTaken):
            await running.execute(names, Take("bob"), command_id=uuid4())
        with pytest.raises(CommandIdConflict):
            await running.execute(names, Take("ann"), command_id=key)
        assert len(await stored(running)) == 2


async def test_fm10_a_boundary_that_is_in_nobodys_way_has_one_effect(place: Place) -> None:
    """Every attempt would open a stream of its own, and no condition fails: only the id says that it is the same."""
    async with place.open(app()) as running, place.open(app()) as other:
        for _ in range(5):
            key = uuid4()

            def send(here: Running, key: UUID = key) -> Any:
                return here.execute(notes, Take("bob", times=2), command_id=key)

            here, there = await asyncio.gather(as_often(lambda: send(running)), as_often(lambda: send(other)))
            assert all(each == here[0] for each in [*here, *there])
        assert len(await stored(running)) == 10


async def test_fm10_the_state_of_a_boundary_is_that_of_its_moment(place: Place) -> None:
    some, none = uuid4(), uuid4()
    async with place.open(app()) as running:
        first = await running.execute(names, Take("bob"), command_id=some)
        nothing = await running.execute(names, Take("bob", times=0), command_id=none)
        assert (nothing.events, nothing.version, nothing.state) == ((), 0, 1)
        await running.sink.append(*[_another_bob()])
        assert await running.execute(names, Take("bob"), command_id=some) == first
        assert await running.execute(names, Take("bob", times=0), command_id=none) == nothing
        assert (await running.execute(names, Take("bob", times=0), command_id=uuid4())).state == 2


def _another_bob() -> Any:
    from eventfold.domain.message import NewEvent, Stream
    from eventfold.ports.event_store import Append

    new = NewEvent(event_id=uuid4().bytes, type="Taken", data=b'{"name":"bob"}', tags=("name:bob",))
    return Append(Stream("name", "imported"), [new])


# --------------------------------------------------------------------------- handlers


async def test_fm10_nobody_is_told_again_of_a_repeated_command(place: Place) -> None:
    inside, after = TransactionalHandler("inside", tables=[seen_t]), EventHandler("after")
    told: list[str] = []
    published: list[str] = []

    @inside.on(Added)
    def see_it(pending: Any, view: View) -> None:
        view.write(see, {"position": pending.event.n, "type": pending.type, "tape": pending.id})

    @after.on(Added)
    async def tell(recorded: Recorded[Added], handling: Any) -> None:
        told.append(f"after {recorded.event.n}")
        await asyncio.sleep(0.01)  # so that the others come while it is told

    class Channel:
        name = "channel"

        async def publish(self, recorded: Recorded[Any]) -> None:
            published.append(f"bus {recorded.event.n}")

    recorded: list[Any] = []
    busy = app(handlers=[inside, after], buses=[Channel()], on_recorded=recorded.extend)
    async with place.open(busy) as running:
        key = uuid4()
        outcomes = await as_often(lambda: running.execute(tapes, "t", record(Added(3)), command_id=key))
        outcomes += await as_often(lambda: running.execute(tapes, "t", record(Added(3)), command_id=key))
        assert all(each == outcomes[0] for each in outcomes)
        assert [tuple(row) for row in await running.query(select(seen_t))] == [(3, "Added", "t")]
    assert (told, published, len(recorded)) == (["after 3"], ["bus 3"], 1)


async def test_fm10_a_handler_executes_a_command_once_for_an_event(place: Place) -> None:
    handler = EventHandler("follow_up")
    key = uuid4()

    @handler.on(Noted)
    async def follow_up(recorded: Recorded[Noted], handling: Any) -> None:
        await handling.execute(tapes, "sum", record(Added(1)), command_id=key)
        await handling.execute(tapes, "sum", record(Added(1)), command_id=key)

    async with place.open(app(handlers=[handler])) as running:
        for _ in range(2):
            await running.execute(tapes, "t", record(Noted("x")))
        (one,) = await stream(running, "sum")
        first, *_ = await stored(running)
        assert one.causation_id == str(UUID(bytes=first.event_id))


# ------------------------------------------------------------------------------ faults


@pytest.mark.parametrize("with_a_handler", [False, True])
@pytest.mark.parametrize("point", [each for each in FAILPOINTS if each.startswith(("append.", "unit."))])
async def test_t04_fm10_whatever_fails_around_the_commit_the_same_command_again_has_one_effect(
    place: Place, point: str, with_a_handler: bool
) -> None:
    """An error after the commit is none: the outcome is known."""
    inside = TransactionalHandler("inside", tables=[seen_t])

    @inside.on(Added)
    def see_it(pending: Any, view: View) -> None:
        view.write(see, {"position": pending.event.n, "type": pending.type, "tape": pending.id})

    async with place.open(app(handlers=[inside] * with_a_handler)) as running:
        for n, command in enumerate([record(Added(1)), record()]):
            key = uuid4()
            with Faults({point: Fault("raise")}) as faults:
                outcomes = [await _tried(running.execute(tapes, "t", command, command_id=key)) for _ in range(3)]
            told = [each for each in outcomes if each is not None]
            assert len(told) >= 2
            assert all(each == told[0] for each in told), faults.struck
            assert (told[0].version, len(told[0].events)) == (1, 1 - n)
            if point.endswith(("after_commit", "before_ack")):
                assert len(told) == 3, "it is stored, so it has not failed"
        assert [each.version for each in await stream(running, "t")] == [1]


async def _tried(executed: Awaitable[Outcome[Tape, Any, None]]) -> Outcome[Tape, Any, None] | None:
    try:
        return await executed
    except FaultInjected:
        return None


# ----------------------------------------------------------------------- gone meanwhile


async def test_fm10_an_outcome_whose_stream_was_deleted_is_gone_and_nothing_is_done_again(place: Place) -> None:
    some, none = uuid4(), uuid4()
    async with place.open(app()) as running:
        await running.execute(tapes, "t", record(Added(1)), command_id=some)
        await running.execute(tapes, "t", record(), command_id=none)
        await running.administration.delete(tapes, "t", actor="ops", reason="a request")
        for anew in (0, 1):
            for key, command in ((some, record(Added(1))), (none, record())):
                with pytest.raises(OutcomeGone, match="it was not executed a second time") as gone:
                    await running.execute(tapes, "t", command, command_id=key)
                assert (gone.value.command_id, str(gone.value.stream), gone.value.retryable) == (key, "tape-t", False)
            assert (await running.load(tapes, "t")).state.sum == 16 * anew
            await running.execute(tapes, "t", record(Added(16)))  # the stream begins anew


async def test_fm10_an_outcome_whose_stream_was_truncated_is_gone(place: Place) -> None:
    early, late = uuid4(), uuid4()
    async with place.open(app()) as running:
        await running.execute(tapes, "t", record(Added(1)), command_id=early)
        await running.execute(tapes, "t", record(Added(2)), command_id=late)
        await running.administration.truncate(tapes, "t", before_version=2, actor="ops", reason="a request")
        for key, n in ((early, 1), (late, 2)):
            with pytest.raises(OutcomeGone):
                await running.execute(tapes, "t", record(Added(n)), command_id=key)
        assert [each.version for each in await stream(running, "t")] == [2]


async def test_fm10_an_outcome_of_a_boundary_whose_stream_was_deleted_is_gone(place: Place) -> None:
    key = uuid4()
    async with place.open(app()) as running:
        first = await running.execute(names, Take("bob"), command_id=key)
        await running._stores.administration.delete(first.events[0].stream, actor="ops", reason="a request")
        with pytest.raises(OutcomeGone):
            await running.execute(names, Take("bob"), command_id=key)


# ------------------------------------------------------------ locks and transactions


async def test_fm10_under_a_lock_too(place: Place) -> None:
    key, none = uuid4(), uuid4()
    async with place.open(app()) as running:
        async with running.lock(tapes, "t") as tape:
            nothing = await tape.execute(record(), command_id=none)
            first = await tape.execute(record(Added(1)), command_id=key)
        assert await running.execute(tapes, "t", record(Added(1)), command_id=key) == first
        async with running.lock(tapes, "t") as tape:
            assert await tape.execute(record(), command_id=none) == nothing
            assert await tape.execute(record(Added(1)), command_id=key) == first
            with pytest.raises(CommandIdConflict):
                await tape.execute(record(Added(2)), command_id=key)
            assert (await tape.execute(record(Added(4)), command_id=uuid4())).version == 2, "the lock was still held"
        assert (await running.load(tapes, "t")).state.sum == 5


async def test_fm10_in_a_transaction_too(place: Place) -> None:
    keys = [uuid4() for _ in range(5)]
    async with place.open(app()) as running:
        await running.execute(tapes, "t", record(Added(1)))
        async with running.transaction() as unit:
            await unit.execute(tapes, "t", record(Noted("without an id")))
            staged = await unit.execute(tapes, "t", record(Added(2), Added(4)), command_id=keys[0])
            assert await unit.execute(tapes, "t", record(Added(2), Added(4)), command_id=keys[0]) == staged
            with pytest.raises(CommandIdConflict, match="of this transaction"):
                await unit.execute(tapes, "t", record(Added(2)), command_id=keys[0])
            nothing = await unit.execute(tapes, "t", record(), command_id=keys[1])
            other = await unit.execute(tapes, "u", record(), command_id=keys[2])
            nobody = await unit.execute(names, Take("ann", times=0), command_id=keys[4])
            taken = await unit.execute(names, Take("bob"), command_id=keys[3])
        assert [each.event for each in unit.recorded] == [Noted("without an id"), Added(2), Added(4), Taken("bob")]
        head = await running.head()

        again = await running.execute(tapes, "t", record(Added(2), Added(4)), command_id=keys[0])
        assert (again.state.sum, again.version, [each.version for each in again.events]) == (7, 4, [3, 4])
        assert again.position == again.events[-1].position
        again = await running.execute(tapes, "t", record(), command_id=keys[1])
        assert (again.version, again.position, again.events) == (4, unit.recorded[2].position, ())
        again = await running.execute(tapes, "u", record(), command_id=keys[2])
        assert (again.version, again.position) == (0, 0)
        named = await running.execute(names, Take("bob"), command_id=keys[3])
        assert (named.state, named.version, named.events[0].event) == (1, 1, Taken("bob"))

        async with running.transaction() as unit:
            assert await unit.execute(tapes, "t", record(Added(2), Added(4)), command_id=keys[0]) == staged
            assert await unit.execute(tapes, "t", record(), command_id=keys[1]) == nothing
            assert await unit.execute(tapes, "u", record(), command_id=keys[2]) == other
            assert await unit.execute(names, Take("bob"), command_id=keys[3]) == taken
            assert await unit.execute(names, Take("ann", times=0), command_id=keys[4]) == nobody
        assert (unit.recorded, await running.head()) == ([], head)


async def test_fm10_a_transaction_that_is_undone_has_accepted_nothing(place: Place) -> None:
    key = uuid4()
    async with place.open(app()) as running:
        with pytest.raises(ZeroDivisionError):
            async with running.transaction() as unit:
                await unit.execute(tapes, "t", record(Added(1)), command_id=key)
                raise ZeroDivisionError
        assert (await running.execute(tapes, "t", record(Added(1)), command_id=key)).version == 1


@pytest.mark.parametrize("url", ["postgres"], indirect=True)
async def test_fm10_a_transaction_whose_command_was_accepted_meanwhile_is_done_anew(place: Place) -> None:
    """Where there is one writer, nobody can come in between."""
    key = uuid4()
    async with place.open(app()) as running:
        with pytest.raises(RetryTransaction, match=f"the command {key} was accepted meanwhile"):
            async with running.transaction() as unit:
                await unit.execute(notes, Take("bob"), command_id=key)
                first = await running.execute(notes, Take("bob"), command_id=key)
        async with running.transaction() as unit:
            assert (await unit.execute(notes, Take("bob"), command_id=key)).events == (Noted("bob"),)
        assert unit.recorded == []
        assert [each.event_id for each in await stored(running)] == [each.stored.event_id for each in first.events]


async def test_without_an_id_nothing_is_looked_up_and_nothing_is_entered(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with place.open(application()) as running:
        monkeypatch.setattr(running._recorder, "once", None)
        monkeypatch.setattr(running._commands, "_once", None)
        await running.execute(tapes, "t", record(Added(1)))
        assert (await running.execute(tapes, "t", record())).version == 1
