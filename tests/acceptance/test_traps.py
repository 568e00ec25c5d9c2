"""Traps of the systems before us, which must not catch us."""

from typing import Any

from eventfold import Projector, Query, Recorded, View
from eventfold.ports.subscription import PAGE
from tests.acceptance.world import Added, Noted, Place, application, positions, record, seeing, stored, summing, tapes


async def test_trap1_events_of_a_type_come_once_and_in_the_order_of_the_whole_store(place: Place) -> None:
    """A cursor over versions of three tapes would skip or repeat; ours is one position over all."""
    seen: list[tuple[int, str, int]] = []
    projector = Projector("order")

    @projector.on(Added)
    def handler(recorded: Recorded[Added], view: View) -> None:
        seen.append((recorded.position, recorded.id, recorded.version))

    async with place.open(application(projector)) as running:
        for n in range(30):
            await running.execute(tapes, f"t{n % 3}", record(*([Noted("x")] * (n % 4)), Added(n)))
            if n == 15:
                await running.settled()
        await running.settled()
        of_type = [e async for e in running.source.read_all(Query.of("Added"))]
        in_category = [e async for e in running.source.read_all(Query.of(categories=["tape"]))]
        everything = await stored(running)
    assert seen == [(each.position, each.id, each.version) for each in everything if each.type == "Added"]
    assert len(seen) == 30
    assert of_type == [each for each in everything if each.type == "Added"]
    assert in_category == everything


async def test_trap2_a_follower_loses_nothing_when_it_goes_from_pages_to_live(place: Place) -> None:
    """A cursor that adds instead of setting starts too far ahead after the first page."""
    async with place.open(application(seeing())) as running:
        for size in (PAGE, PAGE, 1, PAGE - 1):  # ends of pages, and just beside them
            await running.execute(tapes, "t", record(*(Added(1) for _ in range(size))))
            await running.settled()
        live: list[int] = []
        async with running.subscribe(after=2) as batches:
            async for batch in batches:
                live += [each.position for each in batch.events]
                if batch.caught_up:
                    if len(live) >= 3 * PAGE + 20:
                        break
                    await running.execute(tapes, "t", record(Added(1)))
        head = await running.head()
        assert live == list(range(3, head + 1))
        await running.settled()
        assert await running.query(positions) == [(n,) for n in range(1, head + 1)]


async def test_trap9_an_upper_bound_holds_when_no_event_of_the_query_lies_on_it(place: Place) -> None:
    async with place.open(application()) as running:
        await running.execute(tapes, "t", record(*(Added(n) if n % 2 else Noted("x") for n in range(21))))
        source = running.source

        async def upto(bound: int, query: Query) -> list[int]:
            return [each.position async for each in source.read_all(query, upto=bound)]

        assert await upto(20, Query.all()) == list(range(1, 21))
        assert await upto(25, Query.all()) == list(range(1, 22))
        assert await upto(7, Query.of("Added")) == [2, 4, 6]
        assert await upto(8, Query.of("Added")) == [2, 4, 6, 8]
        assert await upto(0, Query.all()) == []


async def test_trap9_i7_setting_up_never_rewinds_a_position(place: Place) -> None:
    handled: list[int] = []

    def counting() -> Projector:
        projector = Projector("counting")

        @projector.on_any()
        def handler(recorded: Recorded[Any], view: View) -> None:
            handled.append(recorded.position)

        return projector

    for n in range(1, 4):
        async with place.open(application(counting())) as running:
            assert running.status()["counting"].position == 2 * (n - 1)
            await running.execute(tapes, "t", record(Added(1), Noted("x")))
            await running.settled()
            await running._stores.rows.prepare("counting", version=1, tables=[])
            assert (await running._stores.rows.checkpoint("counting")).position == 2 * n
    assert handled == [1, 2, 3, 4, 5, 6]


async def test_trap10_a_page_without_anything_of_the_query_is_no_obstacle(place: Place) -> None:
    async with place.open(application(summing())) as running:
        for _ in range(4):
            await running.execute(tapes, "t", record(*(Noted("x") for _ in range(PAGE))))
        outcome = await running.execute(tapes, "t", record(Added(1)))
        await running.wait_for("sums", outcome.position)
        assert running.status()["sums"].position == outcome.position
        assert (await running.load(tapes, "t")).version == 4 * PAGE + 1
