"""What stands around every command of an application: validation, authorisation, logs, figures."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias, TypeVar, cast
from uuid import UUID

import msgspec

from eventfold.commands.context import current_context
from eventfold.domain.aggregate import Aggregate
from eventfold.domain.boundary import Boundary
from eventfold.errors import InvalidInput

__all__ = ["CallNext", "Invocation", "Middleware", "Surrounded"]

T = TypeVar("T")


class Invocation(msgspec.Struct, frozen=True):
    """
    A command on its way to its decider.

    Args:
        decider: the aggregate or boundary.
        id: of the aggregate; None for a boundary.
        metadata: remarks for the events: those of the context around the command, and its own, which win.
    """

    decider: Aggregate[Any, Any, Any] | Boundary[Any, Any, Any]
    id: str | None
    command: Any
    command_id: UUID | None
    metadata: Mapping[str, Any]

    @classmethod
    def of(
        cls,
        decider: Aggregate[Any, Any, Any] | Boundary[Any, Any, Any],
        id: str | None,
        command: Any,
        command_id: UUID | None,
        metadata: Mapping[str, Any] | None,
    ) -> Invocation:
        return cls(decider, id, command, command_id, {**current_context().metadata, **(metadata or {})})


CallNext: TypeAlias = Callable[[Invocation], Awaitable[Any]]
Middleware: TypeAlias = Callable[[Invocation, CallNext], Awaitable[Any]]
"""
`async def authorise(invocation, call_next)`: raise, or return what `await call_next(invocation)` gave.

What comes back is an Outcome; within `join` and `transaction` a Staged.
"""


class Surrounded:
    """
    The middleware of an application, the first outermost.

    Raises:
        InvalidInput: one is no coroutine function.
    """

    def __init__(self, middleware: Sequence[Middleware]) -> None:
        for each in middleware:
            if not (inspect.iscoroutinefunction(each) or inspect.iscoroutinefunction(getattr(each, "__call__", None))):  # noqa: B004 - an object with an async __call__ is as good
                raise InvalidInput(f"middleware {each!r}: write `async def {_name(each)}(invocation, call_next)`")
        self._middleware: Final = tuple(middleware)

    def __bool__(self) -> bool:
        return bool(self._middleware)

    async def call(self, invocation: Invocation, execute: Callable[[Invocation], Awaitable[T]]) -> T:
        """
        Raises:
            what a middleware raises, untouched; what `execute` raises, if they let it through.
            InvalidInput: one returned nothing, or passed on what is no invocation.
        """

        async def last(passed_on: Invocation) -> T:
            if passed_on.decider is not invocation.decider or passed_on.id != invocation.id:
                raise InvalidInput("a middleware may pass on another command, but for the same decider and id")
            return await execute(passed_on)

        going_on: CallNext = last
        for each in reversed(self._middleware):
            going_on = _around(each, going_on)
        return cast("T", await going_on(invocation))


def _around(middleware: Middleware, inner: CallNext) -> CallNext:
    async def call(invocation: Invocation) -> Any:
        if not isinstance(cast("object", invocation), Invocation):
            raise InvalidInput(f"before {_name(middleware)}: call_next takes the invocation, not {invocation!r}")
        told = await middleware(invocation, inner)
        if told is None:
            raise InvalidInput(f"middleware {_name(middleware)} returned None: write `return await call_next(…)`")
        return told

    return call


def _name(middleware: object) -> str:
    return str(getattr(middleware, "__name__", type(middleware).__name__))
