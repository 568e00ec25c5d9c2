"""The state of an aggregate: its stream read, decoded and folded."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any, Final, Generic, Protocol, TypeVar

import msgspec

from eventfold.domain.aggregate import Aggregate
from eventfold.domain.decider import fold
from eventfold.domain.message import NO_STREAM, Stream
from eventfold.ports.event_store import Fact
from eventfold.ports.subscription import PAGE
from eventfold.schema.serializer import Serializer

__all__ = ["UNKNOWN", "Loaded", "Loads", "load"]

UNKNOWN: Final = -1
"""The position of a state that was kept without it: the log knows it."""

S = TypeVar("S")
S_co = TypeVar("S_co", covariant=True)


class Loaded(msgspec.Struct, Generic[S_co], frozen=True):
    """An aggregate as it is: the state, the version of its stream (0: no stream), the position of its last event."""

    state: S_co
    version: int
    position: int


class Loads(Protocol):
    """What facts can be read from: the log, a transaction, a lock."""

    def load(self, stream: Stream, *, after: int = 0, upto: int | None = None) -> AsyncIterator[Sequence[Fact]]:
        """As `EventSource.load`."""
        ...


async def load(
    source: Loads,
    serializer: Serializer,
    aggregate: Aggregate[Any, S, Any],
    stream: Stream,
    known: Loaded[S] | None = None,
    *,
    upto: int | None = None,
) -> Loaded[S]:
    """
    The state as the source has it, going on from what is known.

    Raises:
        UnknownEvent, DecodeError, StoreError, and what `evolve` raises, with a note on the versions.
    """
    state, version, position = (
        (aggregate.initial, NO_STREAM, 0) if known is None else (known.state, known.version, known.position)
    )
    confirmed = version == NO_STREAM
    changed = False
    read = 0
    # the last event that is known is read once more: the stream may have been deleted, and begun anew
    async for facts in source.load(stream, after=version if confirmed else version - 1, upto=upto):
        read += len(facts)
        if not confirmed:
            confirmed, changed = True, facts[0][0] != version or position not in (facts[0][1], UNKNOWN)
            position = facts[0][1]
            facts = facts[1:]  # noqa: PLW2901 - the rest is as of any page
        elif version != NO_STREAM and facts[0][0] != version + 1:
            changed = True
        if changed or not facts:
            continue
        events = serializer.events(stream, facts)
        try:
            state = fold(aggregate, events, state)
        except Exception as error:
            error.add_note(f"raised by evolve while folding stream {stream}, versions {facts[0][0]} to {facts[-1][0]}")
            raise
        version, position = facts[-1][:2]
    if changed or not confirmed:
        return await load(source, serializer, aggregate, stream, upto=upto)
    loaded = Loaded(state, version, position)
    # pages are read one after the other, and the stream may have been deleted between two of them
    return loaded if read < PAGE or upto is not None else await load(source, serializer, aggregate, stream, loaded)
