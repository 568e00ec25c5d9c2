"""What an action gives comes back from the ledger as it was, or is refused."""

import asyncio
import functools
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
import pytest

from eventfold.errors import InvalidInput, Unencodable
from eventfold.processing.results import Lost, result_of


class Response:
    """What a library gives, and JSON has no form for."""


@dataclass(frozen=True)
class Receipt:
    id: str
    at: datetime


class Answer(msgspec.Struct, frozen=True):
    parts: tuple[int, ...]


def a_moment() -> datetime:
    return datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)


async def receipt() -> Receipt:
    return Receipt("1", a_moment())


async def answer() -> Answer | None:
    return Answer((1, 2))


def plain() -> Decimal:
    return Decimal("1.10")


async def an_id() -> UUID:
    return UUID(int=7)


def promised() -> Awaitable[Receipt]:
    return receipt()


def promised_otherwise() -> Coroutine[Any, Any, Receipt]:
    return receipt()


async def nothing() -> None: ...


class Sender:
    async def send(self) -> Receipt:
        return await receipt()

    async def __call__(self) -> Receipt:
        return await receipt()


@pytest.mark.parametrize(
    "function",
    [
        receipt,
        answer,
        plain,
        an_id,
        promised,
        promised_otherwise,
        nothing,
        Sender().send,
        Sender(),
        functools.partial(functools.partial(receipt)),
    ],
)
async def test_i11_what_is_annotated_comes_back_equal(function: Callable[[], Any]) -> None:
    given = function()
    if isinstance(given, Coroutine):
        given = await given
    result = result_of(function)
    data, back = result.kept(given)
    assert back == given == result.known(data)
    assert type(back) is type(result.known(data)) is type(given)


async def test_i11_what_is_not_annotated_is_json_the_first_time_too() -> None:
    async def unsaid():  # type: ignore[no-untyped-def] # that is the point
        return {"at": a_moment(), "parts": (1, 2)}

    result = result_of(unsaid)
    data, back = result.kept(await unsaid())  # type: ignore[no-untyped-call] # as above
    assert back == {"at": "2026-01-02T03:04:05.000006Z", "parts": [1, 2]} == result.known(data)


def test_i11_an_annotation_that_cannot_be_read_says_nothing() -> None:
    def unreadable() -> "NoSuchClass": ...  # type: ignore[name-defined] # noqa: F821 - that is the point

    def anything() -> object: ...

    assert result_of(unreadable).kept((1,))[1] == [1]
    assert result_of(anything).kept((1,))[1] == [1]
    assert result_of(print).kept(None)[1] is None
    assert result_of(asyncio.to_thread).kept("x")[1] == "x"


def test_i11_what_cannot_be_kept_is_refused_before_it_is_done() -> None:
    async def responds() -> Response:
        raise AssertionError("it must not be called")

    async def perhaps_responds() -> Response | None:
        raise AssertionError("it must not be called")

    for function in (responds, perhaps_responds):
        with pytest.raises(InvalidInput, match=r"responds returns .*Response.*let it return what JSON can hold"):
            result_of(function)


@pytest.mark.parametrize("given", [Response(), float("nan"), {1: Response()}, "\ud800", 7])
def test_i11_what_turns_out_not_to_be_kept_is_refused_with_the_truth(given: object) -> None:
    async def number() -> float | str:
        return 1.0

    async def texts() -> dict[str, str]:
        return {}

    with pytest.raises(Unencodable, match="the action is done and is not repeated"):
        result_of(texts if given == 7 else number).kept(given)


def test_i11_a_result_that_is_not_known_is_nothing_or_lost() -> None:
    async def text() -> str:
        return ""

    assert result_of(nothing).known(None) is None
    assert result_of(answer).known(None) is None
    for function, data in ((text, None), (text, b"7"), (receipt, b"{}")):
        with pytest.raises(Lost):
            result_of(function).known(data)


def test_what_was_read_of_a_function_is_kept_as_long_as_the_function() -> None:
    assert result_of(receipt) is result_of(receipt)
    assert result_of(Sender().send) is result_of(Sender().send)
