"""Doing a whole transaction again when the server asks for it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from eventfold.adapters.postgres.connection import Connection, Connections
from eventfold.adapters.postgres.failures import TRANSIENT
from eventfold.adapters.postgres.session import in_transaction

__all__ = ["ATTEMPTS", "again_if_transient", "pause_before"]

T = TypeVar("T")

ATTEMPTS: Final = 5
_FIRST_PAUSE: Final = 0.01


async def again_if_transient(
    connections: Connections, work: Callable[[Connection], Awaitable[T]], *, for_user: bool = False
) -> T:
    """The work in a transaction, and once more from its beginning after a deadlock or a serialization failure."""
    async with connections.use(for_user=for_user) as connection:
        for attempt in range(1, ATTEMPTS):
            try:
                async with in_transaction(connection):
                    return await work(connection)
            except TRANSIENT:
                await pause_before(attempt)
        async with in_transaction(connection):
            return await work(connection)


async def pause_before(attempt: int) -> None:
    """Longer each time, and of a random length, so that two who met do not meet again."""
    await asyncio.sleep(random.uniform(0.5, 1.0) * _FIRST_PAUSE * 2**attempt)  # noqa: S311 - no secret
