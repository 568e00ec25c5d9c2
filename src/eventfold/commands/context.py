"""What commands of one conversation have in common, carried along the call by a context variable."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any, Final

import msgspec

from eventfold.errors import AppendInsideProjection

__all__ = ["Context", "context", "current_context", "no_appends_inside", "refuse_inside_projection"]

_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


class Context(msgspec.Struct, frozen=True):
    """The conversation (correlation), what led here (causation), and remarks for the metadata of events."""

    correlation_id: str | None = None
    causation_id: str | None = None
    metadata: Mapping[str, Any] = _NOTHING


_NOTHING_CARRIED: Final = Context()
_current: ContextVar[Context] = ContextVar("eventfold_context", default=_NOTHING_CARRIED)
_projecting: ContextVar[str | None] = ContextVar("eventfold_projecting", default=None)


def current_context() -> Context:
    return _current.get()


@contextmanager
def context(
    correlation_id: str | None = None, causation_id: str | None = None, metadata: Mapping[str, Any] = _NOTHING
) -> Generator[Context]:
    """Inside, commands carry this. What is not given comes from outside; of the same key in metadata the inner wins."""
    outer = _current.get()
    inner = Context(
        outer.correlation_id if correlation_id is None else correlation_id,
        outer.causation_id if causation_id is None else causation_id,
        {**outer.metadata, **metadata},
    )
    token = _current.set(inner)
    try:
        yield inner
    finally:
        _current.reset(token)


@contextmanager
def no_appends_inside(processor: str) -> Generator[None]:
    """Marks the handlers of a projector, which may be replayed at any time."""
    token = _projecting.set(processor)
    try:
        yield
    finally:
        _projecting.reset(token)


def refuse_inside_projection() -> None:
    """Raises AppendInsideProjection where a projector is at work."""
    processor = _projecting.get()
    if processor is not None:
        raise AppendInsideProjection(processor)
