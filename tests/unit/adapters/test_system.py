"""Time and ids: exact, in order, and held still in tests."""

from datetime import UTC, datetime, timedelta
from threading import Thread
from uuid import RFC_4122, UUID

import pytest

from eventfold.adapters import system
from eventfold.adapters.system import ManualClock, system_clock, uuid7
from eventfold.domain.message import from_micros, to_micros


def test_b1_ids_are_version_7_and_sort_as_they_were_made() -> None:
    ids = [uuid7() for _ in range(10_000)]
    assert {(each.version, each.variant) for each in ids} == {(7, RFC_4122)}
    assert ids == sorted(set(ids))
    assert str(ids[0]) == str(ids[0]).lower()


def test_b1_ids_carry_the_moment_and_do_not_step_back_with_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    make = type(uuid7)()
    moments = iter([5_000, 5_000, 4_000, 5_001, 6_000])
    monkeypatch.setattr(system, "time_ns", lambda: next(moments) * 1_000_000)
    ids = [make() for _ in range(5)]
    assert ids == sorted(ids)
    assert [each.int >> 80 for each in ids] == [5_000, 5_000, 5_000, 5_001, 6_000]


def test_b1_ids_of_several_threads_are_all_different() -> None:
    made: list[UUID] = []
    threads = [Thread(target=lambda: made.extend(uuid7() for _ in range(2_000))) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(set(made)) == 8_000


def test_the_manual_clock_stands_still_until_it_is_told_otherwise() -> None:
    clock = ManualClock()
    before = clock.now()
    assert clock.now() == before
    assert clock.advance(timedelta(microseconds=1)) == clock.now() == before + timedelta(microseconds=1)
    assert clock.now().tzinfo is not None


def test_b1_times_are_exact_to_the_microsecond_in_both_directions() -> None:
    assert system_clock.now().tzinfo is UTC
    for moment in (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC), system_clock.now()):
        assert from_micros(to_micros(moment)) == moment
    with pytest.raises(ValueError, match="time zone"):
        to_micros(datetime(2026, 1, 1))  # noqa: DTZ001 - that it is naive is the point
