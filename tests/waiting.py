"""For what rings no bell: looked at every few milliseconds, for as long as patience lasts."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

PATIENCE = 30.0
"""Seconds for what should come soon; long, for the machine may be busy with other tests."""


async def until(happened: Callable[[], Any | Awaitable[Any]], *, patience: float = PATIENCE) -> None:
    """Raises TimeoutError when it has not happened within `patience` seconds."""
    async with asyncio.timeout(patience):
        while True:
            answer = happened()
            if isinstance(answer, Awaitable):
                answer = await answer
            if answer:
                return
            await asyncio.sleep(0.005)
