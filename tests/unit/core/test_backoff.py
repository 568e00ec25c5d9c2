"""Pauses before a child is started again."""

from datetime import timedelta

from eventfold.bootstrap.runner.backoff import Backoff, Restarts


def test_pauses_grow_to_the_cap() -> None:
    backoff = Backoff(Restarts(first=timedelta(seconds=1), cap=timedelta(seconds=10)))
    assert [backoff.pause(0.0) for _ in range(6)] == [1, 2, 4, 8, 10, 10]


def test_a_child_that_lived_well_for_a_while_begins_them_anew() -> None:
    backoff = Backoff(Restarts(first=timedelta(seconds=1), healthy=timedelta(seconds=60)))
    assert [backoff.pause(lived) for lived in (0.0, 59.0, 60.0, 0.0)] == [1, 2, 1, 2]


def test_a_first_pause_above_the_cap_is_the_cap() -> None:
    assert Backoff(Restarts(first=timedelta(seconds=9), cap=timedelta(seconds=3))).pause(0.0) == 3
