"""An import is told chunk by chunk; what is told twice or by another is refused."""

import pytest

from eventfold.cli.demo.flights.progress import (
    ChunkImported,
    CompleteImport,
    Event,
    Import,
    ImportCompleted,
    ImportStarted,
    OtherImport,
    OutOfStep,
    RecordChunk,
    StartImport,
    decide,
    evolve,
)

STARTED: list[Event] = [ImportStarted(1, "abc")]
HALF: list[Event] = [*STARTED, ChunkImported(1_000, 990, 10)]
DONE: list[Event] = [*HALF, ChunkImported(500, 500, 0), ImportCompleted()]


def after(events: list[Event]) -> Import:
    state = Import()
    for event in events:
        state = evolve(state, event)
    return state


def test_an_import_adds_its_chunks_up() -> None:
    assert after(DONE) == Import(1, "abc", orders=1_500, events=1_490, rejected=10, completed=True)


def test_it_is_started_once_and_a_restart_is_nothing_new() -> None:
    assert decide(StartImport(1, "abc"), Import()) == STARTED
    assert decide(StartImport(1, "abc"), after(HALF)) == []
    assert decide(StartImport(1, "abc"), after(DONE)) == []


@pytest.mark.parametrize("command", [StartImport(2, "abc"), StartImport(1, "xyz")])
def test_one_store_holds_one_import(command: StartImport) -> None:
    with pytest.raises(OtherImport, match=r"the first 1 month\(s\) of another import"):
        decide(command, after(HALF))


def test_a_chunk_follows_the_last_one() -> None:
    assert decide(RecordChunk(1_000, 500, 500, 0), after(HALF)) == [ChunkImported(500, 500, 0)]
    with pytest.raises(OutOfStep, match="another process imports as well"):
        decide(RecordChunk(0, 1_000, 990, 10), after(HALF))


def test_it_is_completed_once() -> None:
    assert decide(CompleteImport(), after(HALF)) == [ImportCompleted()]
    assert decide(CompleteImport(), after(DONE)) == []
