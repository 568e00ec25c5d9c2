"""Error policies: how long to wait, and what becomes of an event after that."""

from typing import Any

import pytest

from eventfold import Park, Projector, Retry, Skip, Stop
from eventfold.errors import DecodeError, InvalidInput
from eventfold.processing.policy import Attempts, ErrorPolicy

ONE, TWO = b"1" * 16, b"2" * 16
FAILURE = ValueError("no such book")


def pauses(attempts: Attempts, event: bytes, times: int) -> list[Any]:
    return [attempts.failed(event, FAILURE) for _ in range(times)]


def test_i13_a_constant_pause_is_the_same_every_time() -> None:
    assert pauses(Attempts(Retry.constant(1.0)), ONE, 5) == [1.0] * 5


def test_i13_an_exponential_pause_doubles_up_to_its_cap() -> None:
    assert pauses(Attempts(Retry.exponential()), ONE, 8) == [1, 2, 4, 8, 16, 32, 64, 64]


def test_i13_another_event_starts_at_the_first_pause_again() -> None:
    attempts = Attempts(Retry.exponential())
    assert pauses(attempts, ONE, 3) == [1, 2, 4]
    assert pauses(attempts, TWO, 2) == [1, 2]
    assert attempts.count == 2
    assert pauses(attempts, ONE, 1) == [1]


def test_i13_what_is_no_events_fault_waits_for_the_first_pause_and_does_not_forget_the_event() -> None:
    attempts = Attempts(Retry.exponential())
    told = pauses(attempts, ONE, 3)
    told.append(attempts.hindered())
    told += pauses(attempts, ONE, 1)
    assert told == [1, 2, 4, 1, 2]
    assert attempts.count == 4


def test_i13_success_forgets_the_event() -> None:
    attempts = Attempts(Retry.exponential())
    pauses(attempts, ONE, 3)
    attempts.succeeded()
    assert attempts.count == 0
    assert pauses(attempts, ONE, 1) == [1]


@pytest.mark.parametrize("then", [Stop(), Park(), Skip()])
def test_fm17_after_the_last_attempt_comes_what_was_declared(then: Any) -> None:
    attempts = Attempts(Retry.exponential(attempts=3, then=then))
    assert pauses(attempts, ONE, 3) == [1, 2, then]


def test_fm17_what_cannot_be_decoded_is_not_tried_again() -> None:
    attempts = Attempts(Retry.constant(1.0, then=Park()))
    assert attempts.failed(ONE, DecodeError("Bought", "it is no JSON")) == Park()


@pytest.mark.parametrize("policy", [Stop(), Park(), Skip()])
def test_fm17_without_retry_the_policy_counts_at_once(policy: ErrorPolicy) -> None:
    attempts = Attempts(policy)
    assert attempts.failed(ONE, FAILURE) == policy
    assert attempts.hindered() is None


def test_i13_jitter_adds_a_part_of_the_pause_at_most() -> None:
    told = pauses(Attempts(Retry.constant(10.0, jitter=0.5)), ONE, 200)
    assert all(10.0 <= each <= 15.0 for each in told)
    assert len(set(told)) > 100


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Retry.constant(-1.0),
        lambda: Retry.exponential(2.0, cap=1.0),
        lambda: Retry.exponential(factor=0.5),
        lambda: Retry.exponential(jitter=2.0),
        lambda: Retry.constant(1.0, attempts=0),
        lambda: Park(most=0),
        lambda: Projector("stock", on_error="park"),  # type: ignore[arg-type] # what is to be refused
        lambda: Projector("stock", partitions=0),
        lambda: Projector("stock", transaction_size=0),
        lambda: Projector("stock", transaction_interval=-1.0),
    ],
)
def test_i13_a_policy_that_is_none_is_refused(wrong: Any) -> None:
    with pytest.raises(InvalidInput):
        wrong()
