"""What an application wants to be asked and told when it is run by child processes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Literal, TypeAlias

import msgspec

__all__ = ["After", "Ended", "RunnerHooks"]

After: TypeAlias = Literal["restart", "leave", "shutdown"]
"""What becomes of a child that has ended: another in its place, none, or the end of the runner."""


class Ended(msgspec.Struct, frozen=True):
    """
    A child process that has ended.

    Args:
        processor: what it ran.
        number: which of the processor's processes it was, from 1.
        pid: the process that it was.
        exit_status: what it returned; None when a signal ended it.
        signal: the number of that signal; None when it returned.
        restarts: how many children there have been in its place before it.
        asked: it was asked to end. Then no other takes its place, whatever the hook answers.
    """

    processor: str
    number: int
    pid: int
    exit_status: int | None
    signal: int | None
    restarts: int
    asked: bool = False

    @property
    def well(self) -> bool:
        """It has succeeded."""
        return self.exit_status == 0


class RunnerHooks(msgspec.Struct, frozen=True, kw_only=True):
    """
    Functions of the application that `eventfold run` calls; plain ones, or `async def`.

    Args:
        after_start: called with the processor's name in each child, before it opens the store. When it fails, the child
            does, too.
        after_end: called in the parent for each child that has ended. None as an answer, or a hook that fails, means
            "restart", after a pause that grows from one failure to the next.
        on_critical: called in the child with the processor's name and whatever ends it: a processor that has stopped,
            a store that cannot be opened, a hook that failed. What ends a process from outside, `kill -9` or the
            system's hunger for memory, only `after_end` can tell.
    """

    after_start: Callable[[str], Awaitable[None] | None] | None = None
    after_end: Callable[[Ended], Awaitable[After | None] | After | None] | None = None
    on_critical: Callable[[str, BaseException], Awaitable[None] | None] | None = None
