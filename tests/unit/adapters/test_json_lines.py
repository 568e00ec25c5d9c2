"""Logs for machines: what happened where, and never what was in it."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any
from uuid import UUID

import pytest

from eventfold.adapters.json_lines import JsonLines
from eventfold.domain.message import StoredEvent, Stream
from eventfold.ports.telemetry import Telemetry

SECRET = "canary-5f3a"


def formatted(
    name: str, message: str, *args: object, error: BaseException | None = None, **extra: Any
) -> dict[str, Any]:
    info = None if error is None else (type(error), error, error.__traceback__)
    record = logging.getLogger(name).makeRecord(
        name, logging.ERROR, "file", 1, message, args, info, extra=extra or None
    )
    line = JsonLines().format(record)
    assert "\n" not in line
    told: dict[str, Any] = json.loads(line)
    return told


def raised(error: BaseException) -> BaseException:
    try:
        raise error
    except BaseException:
        caught = sys.exc_info()[1]
    assert caught is not None
    return caught


def test_a_record_is_an_object_on_a_line() -> None:
    told = formatted("eventfold.processing", "processor %r: %d of %s\nin %.1f s", "stock", 3, Stream("a", "b"), 0.25)
    assert told.pop("time").endswith("+00:00")
    assert told == {
        "level": "ERROR",
        "logger": "eventfold.processing",
        "message": "processor 'stock': 3 of a-b\nin 0.2 s",
    }


def test_what_is_known_is_beside_the_message() -> None:
    told = formatted("eventfold.processing", "no", eventfold={"processor": "stock", "position": 3})
    assert (told["processor"], told["position"]) == ("stock", 3)


def test_of_an_error_its_class_its_causes_and_its_places() -> None:
    try:
        try:
            raise KeyError(SECRET)
        except KeyError as error:
            raise ValueError(f"no {SECRET}") from error
    except ValueError as error:
        error.add_note(SECRET)
        told = formatted("eventfold.commands", "%r failed: %s", "good", error, error=error)
    assert told["message"] == "'good' failed: ValueError"
    assert told["error"]["type"] == "builtins.ValueError"
    assert told["error"]["cause"]["type"] == "builtins.KeyError"
    assert told["error"]["at"][0].endswith("test_of_an_error_its_class_its_causes_and_its_places")
    assert SECRET not in json.dumps(told)


@pytest.mark.parametrize(
    "argument", [ValueError(SECRET), {"a": SECRET}, [SECRET], (SECRET,), SECRET.encode(), object], ids=repr
)
def test_an_argument_that_may_hold_anything_is_named(argument: object) -> None:
    assert SECRET not in json.dumps(formatted("eventfold.x", "%s %r", argument, argument))
    assert SECRET not in json.dumps(formatted("eventfold.x", "%(a)s", {"a": argument}))


def test_an_id_is_no_secret() -> None:
    id = UUID(int=7)
    assert formatted("eventfold.x", "event %s", id)["message"] == f"event {id}"


def test_of_others_the_message_is_theirs_and_the_text_of_an_error_is_not() -> None:
    told = formatted("theirs", "%s", {"a": 1}, error=raised(ValueError(SECRET)))
    assert told["message"] == "{'a': 1}"
    assert SECRET not in json.dumps(told)
    assert formatted("eventfoldish", "%s", [1])["message"] == "[1]"


def test_of_a_group_each_is_told() -> None:
    group = ExceptionGroup(SECRET, [ValueError(SECRET), KeyError(SECRET)])
    told = formatted("eventfold.x", "no", error=raised(group))["error"]
    assert [each["type"] for each in told["of"]] == ["builtins.ValueError", "builtins.KeyError"]
    assert SECRET not in json.dumps(told)


class Carrying(Telemetry):
    def span(
        self, name: str, /, *, continues: StoredEvent | None = None, links: Any = (), **attributes: str | int
    ) -> AbstractContextManager[None]:
        return nullcontext()

    def carried(self) -> Mapping[str, str]:
        return {"traceparent": "00-11-22-01"}


def test_within_a_trace_it_says_which() -> None:
    record = logging.getLogger("eventfold.x").makeRecord("eventfold.x", logging.INFO, "file", 1, "yes", (), None)
    told = json.loads(JsonLines(Carrying()).format(record))
    assert (told["trace_id"], told["span_id"]) == ("11", "22")
