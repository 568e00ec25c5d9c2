"""Says when the event loop stood still: every processor and every request of the process waited meanwhile."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

__all__ = ["watch_the_loop"]

_LOOK: Final = 0.05
"""Seconds between two looks."""
_LONG: Final = 0.1
"""Seconds too late from which a look is worth a warning."""
_QUIET: Final = 10.0
"""Seconds after a warning without another one."""

_log = logging.getLogger("eventfold.loop")


async def watch_the_loop() -> None:
    """
    Look at the clock all the time, and warn when the loop was not there to look, at most every ten seconds.

    It sees everything that lasts longer than 150 ms: a `time.sleep` in a handler, a slow decision, a slow machine.
    """
    loop = asyncio.get_running_loop()
    quiet_until = loop.time()
    while True:
        due = loop.time() + _LOOK
        await asyncio.sleep(_LOOK)
        now = loop.time()
        if now - due > _LONG and now > quiet_until:
            quiet_until = now + _QUIET
            _log.warning(
                "the event loop stood still for %.2f s; do what takes long elsewhere, with asyncio.to_thread for one",
                now - due,
            )
