"""
T-14: runners of one partition, every order of their steps: crashes, leases that run out under an owner who goes on,
take-overs, and somebody who starts the processor over in between. Each mistake that somebody could make is found.
"""

from __future__ import annotations

import pytest

from tests.protocol.lease_model import Cast, Habits, Partition
from tests.protocol.search import explore
from tests.torture.workload import FULL, report

SMALL = {
    "2 runners": Cast(),
    "2 runners, never started over": Cast(lives=3, events=3, overs=0),
}
LARGE = {
    "2 runners, 3 events, started over twice": Cast(lives=3, events=3, overs=2),
    "3 runners": Cast(runners=3, lives=2, events=2, overs=1),
}
CASTS = SMALL | (LARGE if FULL else {})


@pytest.mark.parametrize("name", CASTS)
def test_t14_g12_fm13_whoever_is_taken_over_stores_nothing_and_no_event_is_lost_or_doubled(name: str) -> None:
    found = explore(Partition(CASTS[name]))
    assert not found.broken, "\n".join((found.broken, *found.story))
    assert found.complete
    report("T-14", store="postgres", model="leases", world=name, states=found.states, lost=0, duplicated=0)


@pytest.mark.parametrize(
    ("habits", "cast", "broken"),
    [
        pytest.param(Habits(fence="position"), Cast(), "zombie", id="checkpoint without epoch"),
        pytest.param(Habits(takeover="keeps the epoch"), Cast(), "zombie", id="epoch not raised at takeover"),
        pytest.param(Habits(takes="the lease, then the checkpoint"), Cast(), "zombie", id="two transactions"),
        pytest.param(Habits(checkpoint="after the rows"), Cast(runners=1), "doubled", id="checkpoint after the rows"),
        pytest.param(Habits(checkpoint="before the rows"), Cast(runners=1), "lost", id="checkpoint before the rows"),
        pytest.param(Habits(checkpoint="after the rows"), Cast(), "zombie", id="rows without a fence"),
        pytest.param(Habits(start_over="lowers the epoch"), Cast(), "zombie", id="start_over lowers the epoch"),
        pytest.param(Habits(fence="the owner's clock"), Cast(), "zombie", id="expiry by the owner's clock only"),
        pytest.param(Habits(missing="is anybody's"), Cast(), "zombie", id="a missing checkpoint is anybody's"),
        pytest.param(Habits(missing="is forgotten"), Cast(), "stuck", id="a take-over sets nothing out"),
        pytest.param(Habits(begins_anew="leaves the rows"), Cast(), "doubled", id="started over and not emptied"),
    ],
)
def test_t14_the_model_of_leases_finds(habits: Habits, cast: Cast, broken: str) -> None:
    found = explore(Partition(cast, habits))
    assert found.broken.partition(":")[0] == broken, found
    assert found.story


def test_t14_where_it_goes_on_from_may_be_read_before_it_takes_over_for_the_position_is_compared() -> None:
    """It costs the fresh owner a lease, and nothing else."""
    found = explore(Partition(Cast(lives=2, overs=0), Habits(reads="before it takes over")))
    assert not found.broken, "\n".join((found.broken, *found.story))
