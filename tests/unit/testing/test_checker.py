"""Each letter of the checker finds a violation that was made up for it, and a sound history passes."""

from collections.abc import Sequence
from contextlib import suppress

import pytest

from eventfold.domain.message import StoredEvent, Stream
from eventfold.errors import AppendOutcomeUnknown, ConcurrencyConflict
from eventfold.ports.event_store import Append, Appended, AppendedStream, Condition
from eventfold.testing.checker import Projected, check, tally
from eventfold.testing.journal import (
    Acknowledged,
    Asked,
    Delivered,
    Journalled,
    Line,
    Place,
    Rejected,
    Subscribed,
    Unknown,
    decode,
    encode,
)
from tests.acceptance.world import new_event

A, B = Stream("tape", "a"), Stream("tape", "b")


def id_(n: int) -> bytes:
    return n.to_bytes(16, "big")


def stored(position: int, stream: Stream, version: int, n: int) -> StoredEvent:
    return StoredEvent(position, *stream, version, id_(n), "Added", 1, 0, None, None, None, None, 0, None, b"{}")


def asked(op: str, at: int, *events: tuple[Stream, Sequence[int]]) -> Asked:
    return Asked(op, at, tuple((stream, tuple(map(id_, ids))) for stream, ids in events))


LOG = [stored(1, A, 1, 1), stored(2, A, 2, 2), stored(3, B, 1, 3), stored(5, B, 2, 5)]
JOURNAL: list[Line] = [
    asked("one", 10, (A, [1, 2]), (B, [3])),
    Acknowledged("one", 20, (Place(A, 2, (1, 2)), Place(B, 1, (3,)))),
    asked("two", 30, (A, [4])),
    Rejected("two", 40, "conflict"),
    asked("three", 30, (B, [5])),  # killed: no answer, and it is there
    asked("four", 50, (B, [6])),
    Unknown("four", 60, "the disk failed"),
    Subscribed("live", 1),
    Delivered("live", ((2, id_(2)), (3, id_(3)))),
    Delivered("live", ((5, id_(5)),)),
]


def letters(log: Sequence[StoredEvent], journal: Sequence[Line] = JOURNAL, **more: object) -> set[str]:
    return {each.letter for each in check(log, journal, **more)}  # type: ignore[arg-type]  # passed on as it comes


def counted(position: int, id: bytes | None, rows: int) -> Projected:
    return Projected("count", position, id, rows, len)


def test_a_sound_history_has_no_violation() -> None:
    assert check(LOG, JOURNAL, projections=[counted(5, id_(5), 4), counted(0, None, 0)]) == []
    assert check([], []) == []


def test_the_journal_in_figures() -> None:
    assert tally(LOG, JOURNAL).__class__.__name__ == "Tally"
    figures = tally(LOG, JOURNAL)
    assert (figures.asked, figures.acknowledged, figures.rejected) == (4, 3, 1)
    assert (figures.unanswered, figures.unanswered_stored) == (2, 1)


def test_letter_a1_a_lost_acknowledged_event() -> None:
    assert "A1" in letters([stored(3, B, 1, 3)], JOURNAL[:2])
    assert letters([], [asked("x", 1, (A, [1])), Acknowledged("x", 2, (Place(A, 1, (1,)),))]) == {"A1"}


def test_letter_a1_a_moved_acknowledged_event() -> None:
    assert letters([LOG[0], LOG[1], stored(4, B, 1, 3)], JOURNAL[:2]) == {"A1"}
    journal: list[Line] = [asked("x", 1, (A, [1])), Acknowledged("x", 2, (Place(A, 2, (1,)),))]
    assert letters([stored(1, A, 1, 1)], journal) == {"A1"}


def test_letter_a2_an_event_id_that_is_stored_twice() -> None:
    assert "A2" in letters([*LOG, stored(6, B, 3, 3)])


def test_letter_a3_a_version_that_is_missing_or_doubled() -> None:
    assert "A3" in letters([*LOG[:3], stored(5, B, 3, 5)])
    assert "A3" in letters([*LOG[:3], stored(5, B, 1, 5)])


def test_letter_a4_half_of_an_append() -> None:
    journal = [asked("x", 1, (A, [1, 2]))]
    assert letters([stored(1, A, 1, 1)], journal) == {"A4"}
    assert letters([stored(1, A, 1, 1)], [asked("x", 1, (A, [1]), (B, [2]))]) == {"A4"}


def test_letter_a4_an_append_that_is_torn_apart_or_turned_round_or_elsewhere() -> None:
    journal = [asked("x", 1, (A, [1, 2])), asked("y", 1, (A, [3]))]
    assert letters([stored(1, A, 1, 1), stored(2, A, 2, 3), stored(3, A, 3, 2)], journal) == {"A4"}
    assert letters([stored(1, A, 1, 2), stored(2, A, 2, 1)], journal) == {"A4"}
    assert letters([stored(1, B, 1, 3)], journal) == {"A4"}


def test_letter_a5_a_rejected_event_that_is_there() -> None:
    assert letters([*LOG, stored(6, A, 3, 4)]) == {"A5"}


def test_letter_a5_is_silent_where_another_call_with_the_same_ids_was_not_rejected() -> None:
    rejected = Rejected("again", 40, "busy")
    assert letters([stored(1, A, 1, 1)], [asked("x", 1, (A, [1])), asked("again", 30, (A, [1])), rejected]) == set()


def test_letter_a6_an_unknown_event_that_is_there_twice() -> None:
    assert {"A2", "A6"} <= letters([*LOG, stored(6, B, 3, 5)])


def test_letter_a6_an_event_that_nobody_asked_for() -> None:
    assert letters([*LOG, stored(6, B, 3, 9)], JOURNAL[:7]) == {"A6"}


def test_letter_a7_an_append_that_stands_before_one_that_was_acknowledged_before_it_began() -> None:
    first, then = asked("x", 1, (A, [1])), asked("y", 30, (B, [2]))
    log = [stored(1, B, 1, 2), stored(2, A, 1, 1)]
    acks: list[Line] = [Acknowledged("x", 20, (Place(A, 1, (2,)),)), Acknowledged("y", 40, (Place(B, 1, (1,)),))]
    assert letters(log, [first, acks[0], then, acks[1]]) == {"A7"}
    assert letters(log, [first, acks[0], then]) == {"A7"}, "even if it was never answered"
    assert letters(log, [first, asked("y", 19, (B, [2])), *acks]) == set(), "together, so either may be first"


def test_letter_a7_is_silent_for_a_repetition() -> None:
    first: list[Line] = [asked("x", 1, (A, [1])), Acknowledged("x", 2, (Place(A, 1, (1,)),))]
    second: list[Line] = [asked("y", 3, (B, [2])), Acknowledged("y", 4, (Place(B, 1, (2,)),))]
    again: list[Line] = [asked("z", 5, (A, [1])), Acknowledged("z", 6, (Place(A, 1, (1,)),))]
    assert letters([stored(1, A, 1, 1), stored(2, B, 1, 2)], [*first, *second, *again]) == set()


@pytest.mark.parametrize(
    "seen",
    [[2, 5], [2, 3, 3], [3, 2], [3], [2, 3, 5, 6], [1, 2]],
    ids=["skipped", "doubled", "out of order", "late", "invented", "too early"],
)
def test_letter_a8_a_subscription_that_did_not_see_the_log(seen: list[int]) -> None:
    journal = [*JOURNAL[:7], Subscribed("live", 1), Delivered("live", tuple((n, id_(n)) for n in seen))]
    assert letters(LOG, journal) == {"A8"}


def test_letter_a8_each_life_of_a_subscription_for_itself() -> None:
    one, other = Delivered("live", ((1, id_(1)), (2, id_(2)))), Delivered("live", ((2, id_(2)), (3, id_(3))))
    assert letters(LOG, [*JOURNAL[:7], Subscribed("live", 0), one, Subscribed("live", 1), other]) == set()
    assert letters(LOG, [*JOURNAL[:7], Subscribed("live", 0), one, other]) == {"A8"}


def test_letter_a8_positions_that_do_not_grow() -> None:
    assert "A8" in letters([LOG[0], LOG[1], LOG[3], LOG[2]], [])


def test_letter_a9_rows_that_are_not_the_fold() -> None:
    assert letters(LOG, projections=[counted(3, id_(3), 4)]) == {"A9"}
    assert letters(LOG, projections=[counted(3, id_(3), 2)]) == {"A9"}


def test_letter_a9_a_checkpoint_of_another_log() -> None:
    assert letters(LOG, projections=[counted(4, id_(4), 3)]) == {"A9"}
    assert letters(LOG, projections=[counted(3, id_(9), 3)]) == {"A9"}


def test_letter_a10_a_projection_that_stays_behind() -> None:
    assert letters(LOG, projections=[counted(3, id_(3), 3)]) == set()
    assert letters(LOG, projections=[counted(3, id_(3), 3)], quiet=True) == {"A10"}


def test_letter_a11_a_storage_that_finds_a_fault_in_itself() -> None:
    assert letters(LOG, integrity="row 3 missing from index") == {"A11"}


# ------------------------------------------------------------------------- the journal


class Answering:
    def __init__(self, answer: Appended | BaseException) -> None:
        self.answer = answer

    async def append(self, *appends: Append, condition: Condition | None = None) -> Appended:
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer


async def told(answer: Appended | BaseException) -> list[Line]:
    lines: list[Line] = []
    sink = Journalled(Answering(answer), lambda line: lines.append(decode(encode(line))), "w")
    with suppress(Exception):
        await sink.append(Append(A, [new_event(id_(1))]))
    return lines


async def test_the_journal_notes_the_question_before_and_the_answer_after() -> None:
    lines = await told(Appended((AppendedStream(A, 1, (7,), 0),)))
    assert isinstance(lines[0], Asked)
    assert isinstance(lines[1], Acknowledged)
    assert lines[0].events == ((A, (id_(1),)),)
    assert lines[1].places == (Place(A, 1, (7,)),)
    assert lines[0].at <= lines[1].at


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ConcurrencyConflict(A, 1, 2), Rejected),
        (AppendOutcomeUnknown([], "the disk failed"), Unknown),
        (RuntimeError("a bug"), Unknown),
    ],
)
async def test_an_error_that_promises_nothing_counts_as_unknown(error: Exception, kind: type[Line]) -> None:
    assert [type(line) for line in await told(error)] == [Asked, kind]
