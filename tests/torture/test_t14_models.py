"""
T-14: the appender epoch, the boundaries and the checkpoints of the Postgres store, every order of their steps, without
a server; and each mistake that somebody could make in them is found.
"""

from __future__ import annotations

from typing import Literal

import pytest

from tests.protocol.boundary_model import Boundary, Kind, Rules
from tests.protocol.checkpoint_model import Habits, Projector
from tests.protocol.epoch_model import Epoch, Scheme, World
from tests.protocol.search import explore
from tests.torture.workload import FULL, report

A, B = (0,), (1,)
"""A transaction with one append: to stream 0, to stream 1."""

SMALL = {
    "3 writers, 2 readers": World((A, A, B)),
    "3 writers of a stream, 2 readers": World((A, A, A)),
    "2 events in an append": World((A, A), events=2),
    "2 appends in a transaction": World(((0, 1), A)),
    "2 appends in opposite orders": World(((0, 1), (1, 0))),
    "savepoints": World(((0, 1), A), savepoints=True),
    "written elsewhere before": World((A, A), early=True),
    "the server is killed": World((A, A, B), readers=1, crash=True),
}
LARGE = {
    "3 writers, 2 events": World((A, A, B), events=2),
    "3 writers of a stream, 2 events": World((A, A, A), events=2),
    "3 writers, 2 appends in one": World(((0, 1), A, B)),
    "3 writers, 2 appends in two": World(((0, 1), (0, 1), A)),
    "3 writers, savepoints": World(((0, 1), A, B), savepoints=True),
    "3 writers, written elsewhere before": World((A, A, B), early=True),
    "3 writers, the server is killed": World((A, A, B), crash=True),
    "3 writers, the server is killed, 2 appends in one": World(((0, 1), A, B), readers=1, crash=True),
    "2 writers, 2 events in 2 appends, savepoints": World(((0, 1), (0, 1)), events=2, savepoints=True),
    "2 writers, everything at once": World(
        ((0, 1), (0, 1)), readers=1, events=2, savepoints=True, crash=True, early=True
    ),
}
WORLDS = SMALL | (LARGE if FULL else {})


@pytest.mark.parametrize("name", WORLDS)
def test_t14_g08_g09_no_order_of_steps_skips_an_event_or_turns_two_round(name: str) -> None:
    found = explore(Epoch(WORLDS[name]))
    assert not found.broken, "\n".join((found.broken, *found.story))
    assert found.complete
    report("T-14", store="postgres", model="epoch", world=name, states=found.states, skipped=0, out_of_order=0)


def test_t14_a_lock_for_each_append_is_as_right_as_one_for_the_transaction() -> None:
    found = explore(Epoch(World(((0, 1), A), savepoints=True), Scheme(once="append")))
    assert not found.broken, "\n".join((found.broken, *found.story))


@pytest.mark.parametrize(
    ("scheme", "world", "broken"),
    [
        pytest.param(Scheme(lock="never"), World((A, B)), "skipped", id="no lock"),
        pytest.param(
            Scheme(reader="locks, sequence, page"), World((A, A, B), readers=1), "skipped", id="locks listed first"
        ),
        pytest.param(Scheme(cache=2), World(((0, 1), A), readers=1, savepoints=True), "skipped", id="sequence cache 2"),
        pytest.param(Scheme(lock="after drawing"), World((A, A, B), readers=1), "skipped", id="lock after drawing"),
        pytest.param(
            Scheme(reader="page at the time of the sequence"), World((A, B)), "skipped", id="bound and page at once"
        ),
        pytest.param(
            Scheme(once="client"),
            World(((0, 1), A), readers=1, savepoints=True),
            "skipped",
            id="remembered across a savepoint",
        ),
        pytest.param(
            Scheme(sequence="unlocked"), World((A, A, B), readers=1), "skipped", id="sequence read while it is logged"
        ),
        pytest.param(
            Scheme(lock="never", order="xid and position"),
            World((A, A), readers=0, early=True),
            "order broken",
            id="xid and position",
        ),
        pytest.param(
            Scheme(cursor="bound"), World((A, B), crash=True), "skipped", id="cursor at the bound, and a crash"
        ),
        pytest.param(Scheme(below="less than"), World((A, B)), "stuck", id="one too few"),
        pytest.param(Scheme(version="after drawing"), World((A, A)), "order broken", id="version read after drawing"),
        pytest.param(Scheme(locks_end="before visible"), World((A, B)), "skipped", id="unlocked before visible"),
        pytest.param(
            Scheme(commit="asynchronous"), World((A, B), crash=True), "skipped", id="asynchronous commit, and a crash"
        ),
    ],
)
def test_t14_the_model_finds(scheme: Scheme, world: World, broken: str) -> None:
    found = explore(Epoch(world, scheme))
    assert found.broken.partition(":")[0] == broken, found
    assert found.story


CAST: dict[str, tuple[Kind, ...]] = {
    "two narrow, two others": ("narrow", "narrow", "tagged", "foreign"),
    "narrow, two others": ("narrow", "tagged", "tagged"),
    "narrow and broad": ("narrow", "broad", "tagged", "foreign"),
    "two narrow and a broad one": ("narrow", "narrow", "broad"),
    "two broad": ("broad", "broad", "tagged"),
}
LARGE_CAST: dict[str, tuple[Kind, ...]] = {
    "three narrow, two others": ("narrow", "narrow", "narrow", "tagged", "foreign"),
    "all": ("narrow", "narrow", "broad", "tagged", "foreign"),
}
CASTS = CAST | (LARGE_CAST if FULL else {})


@pytest.mark.parametrize("name", CASTS)
def test_t14_a_boundary_misses_nothing_and_refuses_nobody_without_reason(name: str) -> None:
    found = explore(Boundary(CASTS[name]))
    assert not found.broken, "\n".join((found.broken, *found.story))
    assert found.complete
    report("T-14", store="postgres", model="boundary", world=name, states=found.states)


@pytest.mark.parametrize(
    ("rules", "kinds", "broken"),
    [
        pytest.param(
            Rules(token="highest seen"), ("narrow", "tagged", "tagged"), "missed", id="after the highest seen"
        ),
        pytest.param(Rules(token="bound alone"), ("narrow", "tagged", "foreign"), "false conflict", id="bound alone"),
        pytest.param(Rules(bound="after the matches"), ("narrow", "tagged"), "missed", id="bound after the matches"),
        pytest.param(Rules(check="before locking"), ("narrow", "tagged"), "missed", id="check before locking"),
        pytest.param(Rules(condition="shared"), ("narrow", "narrow"), "missed", id="a shared lock for a condition"),
        pytest.param(Rules(tagged="does not lock"), ("narrow", "tagged"), "missed", id="no lock for a tag"),
        pytest.param(Rules(table="when inserting"), ("narrow", "broad"), "missed", id="table locked when inserting"),
        pytest.param(Rules(broad="upgrades"), ("broad", "broad"), "deadlock", id="a lock that is upgraded"),
    ],
)
def test_t14_the_model_of_boundaries_finds(rules: Rules, kinds: tuple[Kind, ...], broken: str) -> None:
    found = explore(Boundary(kinds, rules))
    assert found.broken.partition(":")[0] == broken, found
    assert found.story


@pytest.mark.parametrize("move", ["compare and set", "compare the position", "compare the epoch"])
def test_t14_g12_fm11_fm12_fm13_two_copies_of_a_projector_lose_and_double_nothing(
    move: Literal["compare and set", "compare the position", "compare the epoch"],
) -> None:
    found = explore(Projector(Habits(move=move)))
    assert not found.broken, "\n".join((found.broken, *found.story))
    assert found.complete
    report("T-14", store="postgres", model="checkpoint", world=move, states=found.states, lost=0, duplicated=0)


def test_t14_a_copy_that_skips_a_batch_after_an_error_is_stopped_by_the_position() -> None:
    found = explore(Projector(Habits(after_an_error="skips the batch")))
    assert not found.broken, "\n".join((found.broken, *found.story))


@pytest.mark.parametrize(
    ("habits", "broken"),
    [
        pytest.param(Habits(move="set"), "doubled", id="no compare"),
        pytest.param(Habits(checkpoint="after the rows"), "doubled", id="checkpoint after the rows"),
        pytest.param(Habits(checkpoint="before the rows"), "lost", id="checkpoint before the rows"),
        pytest.param(Habits(reaches="what was read"), "lost", id="ahead of the work"),
        pytest.param(
            Habits(move="compare the epoch", after_an_error="skips the batch"), "lost", id="skips, and no position"
        ),
    ],
)
def test_t14_the_model_of_checkpoints_finds(habits: Habits, broken: str) -> None:
    found = explore(Projector(habits))
    assert found.broken.partition(":")[0] == broken, found
