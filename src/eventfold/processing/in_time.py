"""A function has its time from its first step on, and a timer only if it really waits: most never do."""

from __future__ import annotations

import asyncio
import types
from collections.abc import Awaitable, Coroutine, Generator
from typing import Any, cast

__all__ = ["begun", "within"]


async def within(seconds: float, pending: Awaitable[None]) -> None:
    """Raises TimeoutError for a function that takes longer, and what it raises."""
    left = begun(pending)
    if left is None:
        return
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            await left
    except TimeoutError as error:
        if limit.expired():
            raise TimeoutError(f"the function took longer than the {seconds:g} s of timeout=") from error
        raise


def begun(pending: Awaitable[None]) -> Awaitable[None] | None:
    """
    Go as far as it goes without waiting: what is left of it, to be awaited in the same task and before anything else.

    Raises what it raises.
    """
    if type(pending) is not types.CoroutineType:  # something of the user's own, of which we know no more than that
        return pending
    coroutine: Coroutine[object, None, None] = cast("Any", pending)
    try:
        waits_for = coroutine.send(None)
    except StopIteration:
        return None
    return _left(coroutine, waits_for)


@types.coroutine
def _left(pending: Coroutine[object, None, None], waits_for: object) -> Generator[object, None, None]:
    """Hands on what it waits for already. Each error that comes of the waiting, a cancellation too, is its own."""
    while True:
        try:
            yield waits_for
        except BaseException as error:
            try:
                waits_for = pending.throw(error)
            except StopIteration:
                return
        else:
            yield from pending
            return
