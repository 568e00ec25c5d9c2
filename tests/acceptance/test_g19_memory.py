"""A reader holds a page of events, however far behind it is and however fast others write."""

import asyncio
import os
import tracemalloc
from typing import Any

import pytest

from eventfold import Projector, Recorded, Running, View
from eventfold.domain.message import NewEvent, Stream
from eventfold.ports.event_store import NEW, Append
from eventfold.ports.subscription import PAGE
from tests.acceptance.world import File, Noted, application, new_event

SIZE = 4_000
"""Bytes of an event; a page of them is what a subscription may hold, twice over when it is decoded."""
CEILING = 3 * PAGE * SIZE + 1_000_000
FEW_PAGES = 8 * PAGE * SIZE + 1_000_000
"""Of a projector, which gathers what it commits at once."""
BATCHES = 6
FASTER = 10


def page() -> list[NewEvent]:
    data = b'{"text":"' + b"x" * SIZE + b'"}'
    return [NewEvent(event_id=os.urandom(16), type="Noted", data=data) for _ in range(PAGE)]


async def test_g19_a_subscription_that_is_ten_times_too_slow_holds_a_page_or_two(file: File) -> None:
    async with file.open(application(), run=False) as running:
        await running.sink.append(Append(Stream("tape", "long"), page()))
        seen, most = 0, 0
        tracemalloc.start()
        try:
            async with running.subscribe() as batches:
                async for batch in batches:
                    seen += len(batch.events)
                    if seen >= BATCHES * PAGE:
                        break
                    for _ in range(FASTER):
                        await running.sink.append(Append(Stream("tape", "long"), page()))
                    await asyncio.sleep(0.01)  # it has its turn, should it want to read ahead
                    most = max(most, tracemalloc.get_traced_memory()[0])
        finally:
            tracemalloc.stop()
        behind = await running.head() - seen
    assert behind > (BATCHES - 2) * FASTER * PAGE - seen
    assert behind * SIZE > 5 * CEILING, "it must have had something to hold"
    assert most < CEILING


async def test_g19_a_projector_that_catches_up_holds_a_few_pages(file: File) -> None:
    most = 0
    projector = Projector("slow")

    @projector.on(Noted)
    def noted(recorded: Recorded[Noted], view: View) -> None:
        nonlocal most
        if recorded.position % PAGE == 0:
            most = max(most, tracemalloc.get_traced_memory()[0])

    app: Any = application(projector)
    async with file.open(app, run=False) as running:
        for _ in range(40):
            await running.sink.append(Append(Stream("tape", "long"), page()))
        projection = running._workers["slow"]
        await projection.begin()
        tracemalloc.start()
        try:
            await projection.catch_up()
        finally:
            tracemalloc.stop()
        assert projection.position == 40 * PAGE
    assert 40 * PAGE * SIZE > 4 * FEW_PAGES
    assert 0 < most < FEW_PAGES


async def test_g19_a_client_remembers_so_many_streams_and_no_event(file: File, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eventfold.adapters.sqlite.group._KNOWN_STREAMS", 1_000)

    async def appended(running: Running, part: int, parts: int = 12, together: int = 250) -> int:
        """Bytes that are in use after this many streams have got an event each."""
        for number in range(part * parts, (part + 1) * parts):
            streams = (Stream("tape", f"{number}-{each}") for each in range(together))
            await asyncio.gather(
                *(running.sink.append(Append(each, [new_event(os.urandom(16))], NEW)) for each in streams)
            )
        return tracemalloc.get_traced_memory()[0]

    async with file.open(application(), run=False) as running:
        tracemalloc.start()
        try:
            first, second, third = [await appended(running, part) for part in range(3)]
        finally:
            tracemalloc.stop()
    assert third - second < 250_000, (first, second, third)  # after 3,000 more; each remembered takes 190
