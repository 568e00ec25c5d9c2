"""One tree, drawn on its page; every text names its values."""

import inspect
import re
from typing import Any
from uuid import UUID

import pytest

from eventfold import Query, errors
from eventfold.errors import EventfoldError

ID = UUID(int=1)
CLASSES = {name: cls for name, cls in vars(errors).items() if isinstance(cls, type) and issubclass(cls, EventfoldError)}


def drawn() -> dict[str, str]:
    """Class and parent, as the docstring draws them; ` · ` puts brothers on one line."""
    text = inspect.cleandoc(errors.__doc__ or "")
    parents: dict[str, str] = {}
    path = ["EventfoldError"]
    for line in text.splitlines():
        match = re.match(r"^([│ ]*)[├└]── (.*)$", line)
        if match is None:
            continue
        depth = len(match[1]) // 4 + 1
        names = re.match(r"(?:\w+(?: · )?)+", match[2])
        assert names
        brothers = names[0].split(" · ")
        del path[depth:]
        parents |= dict.fromkeys(brothers, path[-1])
        path.append(brothers[-1])
    return parents


def test_the_drawing_is_the_tree() -> None:
    tree = {name: cls.__bases__[0].__name__ for name, cls in CLASSES.items() if cls is not EventfoldError}
    assert drawn() == tree
    assert sorted(CLASSES) == sorted(errors.__all__)


EVERY: list[tuple[EventfoldError, list[str]]] = [
    (errors.ConcurrencyConflict(("book", "1"), 3, 5), ["book-1", "version 3", "version 5", "decide anew"]),
    (errors.ConcurrencyConflict(("book", "1"), "no stream", 5), ["no stream", "version 5"]),
    (errors.ConcurrencyConflict(("book", "1"), 2, 0), ["version 2", "found no stream"]),
    (errors.BoundaryConflict(Query.of("X"), 7), ["7", "'X'", "decide anew"]),
    (errors.EventIdConflict(ID, "it is here"), [str(ID), "it is here", "new id"]),
    (errors.CommandIdConflict(ID, "it is here"), [str(ID), "it is here"]),
    (errors.AppendOutcomeUnknown([ID, ID], "gone"), ["gone", "2 event(s)", "same ids"]),
    (errors.TooLarge("tags", 12345, 100), ["tags", "12,345", "100", "split"]),
    (errors.InvalidStreamName("ca-t", "x" * 300, "no good"), ["'ca-t'", "xxx...", "no good"]),
    (errors.Unencodable("Bought", "it is NaN"), ["Bought", "it is NaN"]),
    (errors.CannotInferEvents("book", "no annotation"), ["'book'", "no annotation", "events=[A, B]"]),
    (errors.CannotLoad("shop:app", "no module"), ["'shop:app'", "no module"]),
    (errors.InsideEventLoop(), ["asyncio.to_thread", "within_loop=True"]),
    (errors.UnknownEvent("Bought", ("book", "1"), 3, 9), ["'Bought'", "book-1", "version 3", "position 9"]),
    (errors.UnknownEvent("Bought"), ["'Bought'"]),
    (
        errors.DecodeError("Bought", "bad", ("book", "1"), 3, 9),
        ["'Bought'", "bad", "book-1", "version 3", "position 9"],
    ),
    (
        errors.UpcastFailed("Bought", "Bought 1 → Bought 2", "KeyError: 'n'", ("book", "1"), 3, 9),
        ["'Bought'", "Bought 1 → Bought 2", "KeyError", "book-1", "position 9", "correct the upcaster"],
    ),
    (errors.DuplicateName("Bought", int, str, "rename"), ["'Bought'", "int", "str", "rename"]),
    (errors.StoreBusy(42, 5.04), ["42", "5.0 s", "?busy="]),
    (errors.StoreBusy(None, 5.0), ["another process"]),
    (errors.LockTimedOut("book-isbn-1", 5.0), ["book-isbn-1", "5 s", "timeout="]),
    (errors.EntityEnded("book-1", "closing"), ["book-1", "closing", "running.entity"]),
    (errors.MailboxFull("book-1", 3, 0.5), ["book-1", "3", "0.5 s", "mailbox="]),
    (errors.StoreClosed(), ["the store is closed", "app.open(url)"]),
    (errors.StoreUsedAfterFork(1, 2), ["process 1", "2", "spawning"]),
    (errors.StoreNotMigrated("x.db", 0, 3), ["x.db", "no tables", "3", "migrate=True"]),
    (errors.StoreNotMigrated("x.db", 2, 3), ["x.db", "version 2", "3"]),
    (errors.StoreNotMigrated("x.db", 1, 3, finish=True), ["x.db", "version 1", "store migrate --finish"]),
    (errors.NotPermitted("host/db", "ann", "denied", "ask"), ["host/db", "'ann'", "denied", "ask"]),
    (errors.NotPermitted("host/db", None, "denied", "ask"), ["the role of the URL", "denied"]),
    (errors.StoreTooNew("x.db", 4, 3), ["x.db", "4", "3", "upgrade"]),
    (errors.StreamTruncated(("book", "1"), 7), ["book-1", "below version 7", "half of a story", "read()"]),
    (errors.OutcomeGone(ID, ("book", "1")), [str(ID), "book-1", "not executed a second time", "new id"]),
    (errors.LogDiverged(9), ["position 9", "another server", "raising their version"]),
    (
        errors.HandlerFailed("event", "stock", ValueError("boom"), "Bought at position 3"),
        ["'stock'", "position 3", "ValueError: boom"],
    ),
    (errors.ProcessorStopped("stock", ValueError()), ["'stock'", "ValueError"]),
    (errors.ProcessorTaken("stock", "host:1:ab", 3.0), ["'stock'", "host:1:ab", "3.0 s"]),
    (errors.Fenced("stock", 3, 5, 1), ["'stock'", "epoch 1", "at 3", "at 5", "another copy"]),
    (errors.Fenced("stock", 3, None, 1), ["does not exist"]),
    (errors.CheckpointAheadOfLog("stock", 9, 7), ["'stock'", "position 9", "ends at 7", "raising its version"]),
    (errors.ActionUnknown("event", "mails", "welcome"), ["'mails'", "'welcome'", "unknown", "parked retry mails"]),
    (errors.AppendInsideProjection("stock"), ["'stock'", "use a reactor"]),
    (errors.WaitTimedOut("stock", 9, 7, 0.5), ["'stock'", "at 7", "at 9", "0.5 s"]),
]


@pytest.mark.parametrize(
    ("error", "words"), EVERY, ids=lambda value: type(value).__name__ if isinstance(value, Exception) else ""
)
def test_a_text_names_its_values(error: EventfoldError, words: list[str]) -> None:
    for word in words:
        assert word in str(error)
    parameters = [
        name for name in inspect.signature(type(error).__init__).parameters if name not in {"self", "remedy", "what"}
    ]
    if type(error).__init__ is not Exception.__init__:
        assert [name for name in parameters if not hasattr(error, name)] == []


def test_every_error_with_values_was_looked_at() -> None:
    with_values = {name for name, cls in CLASSES.items() if "__init__" in vars(cls)} - {"ProcessingError"}
    assert with_values == {type(error).__name__ for error, _ in EVERY}


def test_only_what_may_succeed_again_is_retryable() -> None:
    assert {name for name, cls in CLASSES.items() if cls.retryable} == {
        "Conflict",
        "ConcurrencyConflict",
        "BoundaryConflict",
        "RetryTransaction",
        "AppendOutcomeUnknown",
        "StoreUnavailable",
        "StoreBusy",
        "LockTimedOut",
        "MailboxFull",
        "ProcessorTaken",
        "WaitTimedOut",
    }


def test_bad_input_is_a_value_error_too() -> None:
    assert issubclass(errors.InvalidInput, ValueError)


def test_a_stop_hands_on_the_event_of_its_cause() -> None:
    event: Any = object()
    failed = errors.HandlerFailed(event, "stock", ValueError("boom"), "here")
    assert errors.ProcessorStopped("stock", failed).event is event
    assert errors.ProcessorStopped("stock", ValueError()).event is None
