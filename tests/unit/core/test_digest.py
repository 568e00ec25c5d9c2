"""Of a command that carries an id: equal commands have equal digests, everywhere and for ever."""

from __future__ import annotations

import subprocess
import sys
from collections import OrderedDict, namedtuple
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

import attrs
import msgspec
import pydantic
import pytest

from eventfold.commands.digest import DEEPEST, digest
from eventfold.errors import Unencodable


class Size(Enum):
    SMALL = 1
    LARGE = 2


@dataclass(frozen=True)
class Line:
    isbn: str
    count: int = 1


@dataclass(frozen=True)
class Other:
    isbn: str
    count: int = 1


class Struct(msgspec.Struct, frozen=True):
    value: Any


@attrs.frozen
class Attrs:
    value: Any


class Model(pydantic.BaseModel):
    value: Any


Named = namedtuple("Named", ["value"])  # noqa: PYI024 - the plainest there is


@dataclass(frozen=True)
class Order:
    lines: tuple[Line | Other, ...]
    at: Any = None
    trace: str = field(default="", compare=False)


def of(command: object) -> bytes:
    return digest("order", "7", command)


def test_a_digest_is_the_same_in_every_release() -> None:
    """Who repeats a command after an upgrade must not be told that it is another one."""
    at = datetime(2026, 1, 2, 3, 4, 5, 6, UTC)
    assert of(Order((Line("é", 2), Other("b")), at)).hex() == (
        "073039ad5c17d82af712cbbb6fe1ea74a5ad0888cab36e81eb86511b86401e4b"
    )


def test_a_digest_is_the_same_in_every_process() -> None:
    script = "from eventfold.commands.digest import digest; print(digest('a', None, {'x', 'y', 'z', ('p', 1)}).hex())"
    here = digest("a", None, {"x", "y", "z", ("p", 1)}).hex()
    for seed in ("1", "2", "3"):
        done = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": seed}
        )
        assert done.stdout.strip() == here


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Line("a"), Line("a", 1)),
        (Order((Line("a"),)), Order([Line("a")])),  # type: ignore[arg-type] # as from JSON
        (Order((), trace="x"), Order((), trace="y")),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        ({"a": 1, "b": 2}, OrderedDict(b=2, a=1)),
        ({3, 1, 2}, frozenset({1, 2, 3})),
    ],
    ids=repr,
)
def test_equal_commands_have_equal_digests(one: object, other: object) -> None:
    assert of(one) == of(other)


DIFFERENT = [
    None, True, False, 0, 1, -1, 2**70, 1.0, 0.1, float("nan"), "", "1", "None", "int 1", b"", b"1",
    Decimal(1), Decimal("1.0"), Size.SMALL, Size.LARGE, UUID(int=1),
    date(2026, 1, 1), datetime(2026, 1, 1), datetime(2026, 1, 1, tzinfo=UTC), time(1), timedelta(1),  # noqa: DTZ001 - commands are not stored
    (), ("a",), ("a", "b"), (("a",), "b"), ("a", ("b",)), {}, {"a": 1}, {"a": "1"}, {1: "a"}, set(), {"a"}, {"a", "b"},
    Line("a"), Line("b"), Line("a", 2), Other("a"), Struct("a"), Struct(1), Attrs("a"), Named("a"),
    Model(value="a"), Model(value="b"),
    Order((Line("a"),)), Order((Other("a"),)), Order((Line("a"), Line("b"))), Order((Line("b"), Line("a"))),
    "mapping", "set", "sequence", ("sequence",), ["Line", ["isbn", "str a"]],
]  # fmt: skip


def test_different_commands_have_different_digests() -> None:
    seen: dict[bytes, object] = {}
    for command in DIFFERENT:
        assert seen.setdefault(of(command), command) is command, (command, seen[of(command)])


def test_who_decides_on_what_counts_too() -> None:
    found = {digest(decider, id, "c") for decider in ("a", "b") for id in ("1", "2", None, "None")}
    assert len(found) == 8


class Plain:
    """Nobody knows what is in it."""


def nested(levels: int) -> Any:
    value: Any = ()
    for _ in range(levels):
        value = (value,)
    return value


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (Plain(), "it holds <"),
        (Struct(Plain()), "it holds <"),
        (Line(print), "built-in function print"),  # type: ignore[arg-type] # that is the point
        ((each for each in "abc"), "generator"),
        (nested(DEEPEST + 2), "nested deeper"),
        (Line("\ud800"), "no valid Unicode"),
    ],
    ids=lambda each: type(each).__name__,
)
def test_what_cannot_be_compared_is_refused(command: object, why: str) -> None:
    with pytest.raises(Unencodable, match=why):
        of(command)


def test_a_command_that_holds_itself_is_refused() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(Unencodable, match="nested deeper"):
        of(endless)
