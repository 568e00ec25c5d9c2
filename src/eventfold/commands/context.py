"""What commands of one conversation have in common, carried along the call by a context variable."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any, Final

import msgspec

from eventfold.errors import AppendInsideProjection, InvalidInput

__all__ = [
    "Context",
    "context",
    "current_context",
    "no_appends_beside",
    "no_appends_inside",
    "refuse_beside_transaction",
    "refuse_inside_projection",
]

_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})
_LONGEST_ID: Final = 255


class Context(msgspec.Struct, frozen=True):
    """The conversation (correlation), what led here (causation), and remarks for the metadata of events."""

    correlation_id: str | None = None
    causation_id: str | None = None
    metadata: Mapping[str, Any] = _NOTHING


_NOTHING_CARRIED: Final = Context()
_current: ContextVar[Context] = ContextVar("eventfold_context", default=_NOTHING_CARRIED)
_lent: ContextVar[object] = ContextVar("eventfold_lent", default=None)
_projecting: ContextVar[tuple[str, bool] | None] = ContextVar("eventfold_projecting", default=None)


def current_context() -> Context:
    return _current.get()


@contextmanager
def context(
    correlation_id: str | None = None, causation_id: str | None = None, metadata: Mapping[str, Any] = _NOTHING
) -> Generator[Context]:
    """
    Inside, commands carry this. What is not given comes from outside; of the same key in metadata the inner wins.

    Raises:
        InvalidInput: an id that is not 1 to 255 bytes of text.
    """
    for name, value in (("correlation_id", correlation_id), ("causation_id", causation_id)):
        if value is not None:
            _check(name, value)
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


def _check(name: str, value: object) -> None:
    if not isinstance(value, str):
        raise InvalidInput(f"{name}={value!r}: it is stored as text, write {name}=str(…)")
    size = len(value.encode(errors="replace"))
    if not 1 <= size <= _LONGEST_ID or "\0" in value or not value.isprintable():
        raise InvalidInput(f"{name}={value[:80]!r}: 1 to {_LONGEST_ID} bytes of printable text")


@contextmanager
def no_appends_inside(processor: str, *, transactional: bool = False) -> Generator[None]:
    """Marks the handlers of a projector, which may be replayed at any time, and transactional ones."""
    token = _projecting.set((processor, transactional))
    try:
        yield
    finally:
        _projecting.reset(token)


def refuse_inside_projection() -> None:
    """Raises AppendInsideProjection where a projector or a transactional handler is at work."""
    inside = _projecting.get()
    if inside is not None:
        processor, transactional = inside
        raise AppendInsideProjection(processor, transactional=transactional)


@contextmanager
def no_appends_beside(store: object) -> Generator[None]:
    """Marks a block that has the one writer of this store: whatever it appends otherwise would wait for itself."""
    token = _lent.set(store)
    try:
        yield
    finally:
        _lent.reset(token)


def refuse_beside_transaction(store: object) -> None:
    """Raises InvalidInput where a transaction has the one writer of this store."""
    if _lent.get() is store:
        raise InvalidInput(
            "within `async with running.transaction() as unit` execute through the unit, `await unit.execute(…)`: this "
            "store has one writer, and the block has it; or execute after the block"
        )
