"""G1, G2, trap 4: handlers are told once more, from rows that were cleared once."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import Column, Integer, MetaData, String, Table, bindparam, delete, select

from eventfold import (
    Eventfold,
    EventHandler,
    Handling,
    Pending,
    Query,
    Recorded,
    Stream,
    TransactionalHandler,
    View,
    upsert,
)
from eventfold.errors import HandlerFailed, InvalidInput, StoreError
from tests.acceptance.world import Added, Place, record, tapes

metadata = MetaData()


def table(name: str) -> Table:
    return Table(
        name,
        metadata,
        Column("tape", String, primary_key=True),
        Column("text", String, nullable=False),
        Column("events", Integer, nullable=False),
    )


inside_t, after_t = table("inside_view"), table("after_view")


def setting(of: Table) -> Any:
    return upsert(
        of,
        key=["tape"],
        insert={"tape": bindparam("tape_"), "text": bindparam("text_"), "events": 1},
        set={"text": bindparam("text_"), "events": of.c.events + 1},
    )


set_inside, set_after = setting(inside_t), setting(after_t)
clear_inside = delete(inside_t).where(inside_t.c.tape == bindparam("tape_"))
clear_after = delete(after_t).where(after_t.c.tape == bindparam("tape_"))


class Bus:
    def __init__(self) -> None:
        self.heard: list[int] = []

    async def publish(self, recorded: Recorded[Any]) -> None:
        self.heard.append(recorded.position)


class Code:
    """Handlers of one version, which their rows name."""

    def __init__(self, version: str) -> None:
        self.fails_on: int | None = None
        self.store_fails = False
        self.inside = TransactionalHandler("inside", tables=[inside_t])
        self.after = EventHandler("after", tables=[after_t], replayable=True)
        self.bus = Bus()

        @self.inside.on(Added)
        def inside(pending: Pending[Added], view: View) -> None:
            if pending.event.n == self.fails_on:
                raise RuntimeError("no")
            view.write(set_inside, {"tape_": pending.id, "text_": f"{pending.event.n}.{version}"})

        @self.inside.on_deleted("tape")
        async def cleared(stream: Stream, view: View) -> None:
            if self.store_fails:
                raise StoreError("the disk is gone")
            view.write(clear_inside, {"tape_": stream.id})

        @self.after.on(Added)
        def after(recorded: Recorded[Added], handling: Handling) -> None:
            handling.write(set_after, {"tape_": recorded.id, "text_": f"{recorded.event.n}.{version}"})

        @self.after.on_deleted("tape")
        def cleared_after(stream: Stream, handling: Handling) -> None:
            handling.write(clear_after, {"tape_": stream.id})

        self.handlers = (self.inside, self.after)
        self.app = Eventfold(deciders=[tapes], handlers=self.handlers, buses=[self.bus])


async def views(running: Any) -> list[dict[str, tuple[str, int]]]:
    found = [await running.query(select(each).order_by(each.c.tape)) for each in (inside_t, after_t)]
    return [{tape: (text, events) for tape, text, events in rows} for rows in found]


async def written_by_v1(place: Place, tapes_: Sequence[str] = ("a", "b")) -> None:
    async with place.open(Code("v1").app) as running:
        for n in (1, 2, 3):
            for tape in tapes_:
                await running.execute(tapes, tape, record(Added(n)))
        assert await views(running) == [dict.fromkeys(tapes_, ("3.v1", 3))] * 2


@pytest.mark.parametrize("at_once", [False, True])
async def test_g1_g2_trap4_views_of_version_one_become_those_of_version_two(place: Place, at_once: bool) -> None:
    await written_by_v1(place)
    code, listening = Code("v2"), Bus()
    async with place.open(code.app) as running:
        count = await running.replay(tapes, handlers=code.handlers, buses=[listening], at_once=at_once)
        assert await views(running) == [{"a": ("3.v2", 3), "b": ("3.v2", 3)}] * 2, "cleared once, then every event"
        stored = [each.position async for each in running.source.read_all(Query.all())]
        assert sorted(listening.heard) == stored
        assert count == len(stored) == 6
        assert not at_once or listening.heard == stored
    assert code.bus.heard == [], "a bus that was not named hears nothing"


async def test_g1_the_one_aggregate_form_changes_the_rows_of_that_id_only(place: Place) -> None:
    await written_by_v1(place)
    code = Code("v2")
    async with place.open(code.app) as running:
        assert await running.replay(tapes, "a", handlers=code.handlers) == 3
        assert await views(running) == [{"a": ("3.v2", 3), "b": ("3.v1", 3)}] * 2


async def test_g1_of_an_aggregate_the_transactional_part_is_all_or_nothing(place: Place) -> None:
    await written_by_v1(place, ["a"])
    code = Code("v2")
    code.fails_on = 2
    async with place.open(code.app) as running:
        with pytest.raises(HandlerFailed, match="inside"):
            await running.replay(tapes, handlers=code.handlers)
        assert await views(running) == [{"a": ("3.v1", 3)}] * 2


async def test_g1_aggregates_before_the_one_that_fails_have_their_new_rows(place: Place) -> None:
    await written_by_v1(place)
    code = Code("v2")
    async with place.open(Code("v1").app) as running:
        await running.execute(tapes, "b", record(Added(99)))
    code.fails_on = 99
    async with place.open(code.app) as running:
        with pytest.raises(HandlerFailed, match="inside"):
            await running.replay(tapes, handlers=code.handlers)
        assert await views(running) == [{"a": ("3.v2", 3), "b": ("99.v1", 4)}] * 2


async def test_g2_an_error_of_the_database_is_returned_and_the_application_goes_on(place: Place) -> None:
    await written_by_v1(place)
    code = Code("v2")
    code.store_fails = True
    async with place.open(code.app) as running:
        with pytest.raises(StoreError, match="the disk is gone"):
            await running.replay(tapes, handlers=code.handlers, buses=[code.bus], at_once=True)
        assert await views(running) == [{"a": ("3.v1", 3), "b": ("3.v1", 3)}] * 2
        assert code.bus.heard == []
        code.store_fails = False
        await running.replay(tapes, handlers=code.handlers, at_once=True)
        assert (await views(running))[0] == {"a": ("3.v2", 3), "b": ("3.v2", 3)}


async def test_g1_a_command_that_comes_in_between_is_not_lost(place: Place) -> None:
    await written_by_v1(place, ["a"])
    code = Code("v2")
    async with place.open(code.app) as running:
        source, once = running._stores.events.read, [True]

        async def read(stream: Stream) -> Any:
            async for event in source(stream):
                yield event
            if once:
                once.clear()
                await running.execute(tapes, "a", record(Added(4)))

        replaying = running._stores.events
        running._stores.events.read = read  # type: ignore[method-assign,assignment] # a command between reading and writing
        try:
            assert await running.replay(tapes, "a", handlers=[code.inside]) == 4
        finally:
            del replaying.read
        assert (await views(running))[0] == {"a": ("4.v2", 4)}


async def test_g3_only_replayable_handlers_that_can_clear_are_accepted(place: Place) -> None:
    code, mailing, adding = Code("v1"), EventHandler("mailing"), TransactionalHandler("adding")

    @mailing.on(Added)
    def mail(recorded: Recorded[Added], handling: Handling) -> None: ...

    @adding.on(Added)
    def add(pending: Pending[Added], view: View) -> None: ...

    async with place.open(Eventfold(deciders=[tapes], handlers=[mailing, adding])) as running:
        with pytest.raises(InvalidInput, match="'mailing' is not replayable"):
            await running.replay(tapes, handlers=[mailing])
        with pytest.raises(InvalidInput, match="'adding' has no function that clears"):
            await running.replay(tapes, handlers=[adding])
        with pytest.raises(InvalidInput, match="none of this application's"):
            await running.replay(tapes, handlers=code.handlers)


async def test_g3_a_handler_that_executes_commands_fails_in_a_replay(place: Place) -> None:
    sending = EventHandler("sending", replayable=True)

    @sending.on(Added)
    async def send(recorded: Recorded[Added], handling: Handling) -> None:
        if recorded.event.n == 1:
            await handling.execute(tapes, recorded.id, record(Added(2)))

    @sending.on_deleted("tape")
    def cleared(stream: Stream, handling: Handling) -> None: ...

    async with place.open(Eventfold(deciders=[tapes], handlers=[sending])) as running:
        await running.execute(tapes, "a", record(Added(1)))
        with pytest.raises(HandlerFailed, match="acts on rows alone"):
            await running.replay(tapes, handlers=[sending])
        assert (await running.load(tapes, "a")).version == 2


async def test_a_replay_of_many_streams_lets_others_have_their_turns(place: Place) -> None:
    code, turns = Code("v1"), [0]

    async def others() -> None:
        while True:
            turns[0] += 1
            await asyncio.sleep(0)

    async with place.open(code.app) as running:
        for n in range(20):
            await running.execute(tapes, f"t{n}", record(Added(n)))
        turning = asyncio.create_task(others())
        await running.replay(tapes, handlers=code.handlers)
        turning.cancel()
    assert turns[0] >= 20
