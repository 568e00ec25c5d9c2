"""States that are kept beside the log, off the way of whoever waits for a command."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable, Coroutine
from random import random
from typing import Any, Final, TypeVar

import msgspec

from eventfold.commands.loading import UNKNOWN, Loaded, Loads, load
from eventfold.domain.aggregate import Aggregate
from eventfold.domain.message import Stream
from eventfold.errors import EventfoldError
from eventfold.ports.codec import Codec, Undecodable
from eventfold.ports.snapshot_store import Snapshot, SnapshotStore
from eventfold.schema.changes import shape_of
from eventfold.schema.registry import Events
from eventfold.schema.serializer import Serializer

__all__ = ["Snapshotter"]

S = TypeVar("S")

_log: Final = logging.getLogger("eventfold.commands")
_PATIENCE: Final = 5.0
"""Seconds that the end of an application waits for snapshots that are due."""


class _Kind(msgspec.Struct, frozen=True):
    """How states of one aggregate become bytes."""

    fingerprint: bytes
    encode: Callable[[Any], bytes]
    decode: Callable[[bytes | str], Any]


class Snapshotter:
    """
    Saves states that are due, and finds them again.

    Whatever is wrong with a snapshot, or with the store of them, is logged, and the events are read instead.
    """

    def __init__(
        self,
        store: SnapshotStore,
        source: Loads,
        serializer: Serializer,
        codec: Codec,
        catalogue: Events,
        chance: Callable[[], float] = random,
    ) -> None:
        self._store = store
        self._source = source
        self._serializer = serializer
        self._codec = codec
        self._catalogue = catalogue
        self._chance = chance
        self._doubted: dict[Stream, Aggregate[Any, Any, Any]] = {}
        self.forget: Callable[[Stream], None] | None = None
        """Called with a stream whose snapshot was wrong: a state that is kept warm may be, too."""
        self._kinds: dict[str, _Kind] = {}
        self._due: dict[Stream, tuple[Aggregate[Any, Any, Any], Loaded[Any]]] = {}
        self._saving: asyncio.Task[None] | None = None

    async def recall(self, aggregate: Aggregate[Any, S, Any], stream: Stream, upto: int | None) -> Loaded[S] | None:
        """The state as it was kept, not beyond `upto`; whoever goes on from it sees whether the stream agrees."""
        try:
            found = await self._store.snapshot(stream)
        except EventfoldError as error:
            _log.warning("the snapshot of %s cannot be read, its events are: %s", stream, error)
            return None
        if found is None or not self._is_ours(aggregate, found) or (upto is not None and found.version > upto):
            return None
        try:
            return Loaded(self._kind(aggregate).decode(found.data), found.version, UNKNOWN)
        except Undecodable as error:
            _log.warning("the snapshot of %s at version %d is ignored: %s", stream, found.version, error)
            return None

    def doubt(self, aggregate: Aggregate[Any, Any, Any], stream: Stream) -> None:
        """A state was loaded that began with a snapshot: verify one in so many, once the state has been taken."""
        if aggregate.snapshots is not None and self._chance() < aggregate.snapshots.verify:
            self._doubted[stream] = aggregate
            self._begin()

    async def verify(self, aggregate: Aggregate[Any, Any, Any], stream: Stream) -> bool:
        """
        Whether the snapshot of the stream, if it has one of ours, is the fold of its events. A wrong one is dropped.

        Raises what loading raises.
        """
        found = await self._store.snapshot(stream)
        if found is None or not self._is_ours(aggregate, found):
            return True
        folded = await load(self._source, self._serializer, aggregate, stream, upto=found.version)
        if folded.version == found.version and self._kind(aggregate).encode(folded.state) == found.data:
            return True
        await self._store.drop(*stream)
        if self.forget is not None:
            self.forget(stream)
        _log.error(
            "the snapshot of %s at version %d is not what its events fold to, and is dropped; if `evolve` has changed, "
            "raise Snapshots(version=…) of %r",
            stream,
            found.version,
            aggregate.name,
        )
        return False

    def consider(self, aggregate: Aggregate[Any, S, Any], stream: Stream, before: int, loaded: Loaded[S]) -> None:
        """The stream has come from the version `before` to this state: keep it, if it is due."""
        policy = aggregate.snapshots
        if policy is None or loaded.version <= before:
            return
        try:
            due = policy.due(loaded.state, before, loaded.version)
        except Exception:  # it is the user's code; the command has been accepted
            _log.exception("Snapshots(when=…) of %r failed; no snapshot of %s", aggregate.name, stream)
            return
        if due:
            self._due[stream] = (aggregate, loaded)  # the latest will do
            self._begin()

    def _begin(self) -> None:
        if self._saving is None or self._saving.done():
            self._saving = asyncio.create_task(self._work(), name="eventfold snapshots")

    async def settled(self) -> None:
        """Until all that are due have been saved."""
        if self._saving is not None:
            await asyncio.shield(self._saving)

    async def close(self) -> None:
        """Wait a little for those that are due; the others are not needed."""
        if self._saving is None:
            return
        await asyncio.wait([self._saving], timeout=_PATIENCE)
        self._saving.cancel()
        await asyncio.wait([self._saving])

    async def _work(self) -> None:
        while self._due or self._doubted:
            if self._due:
                stream = next(iter(self._due))
                aggregate, loaded = self._due.pop(stream)
                work: Coroutine[Any, Any, object] = self._save(aggregate, stream, loaded)
                failed = f"no snapshot of {stream} at version {loaded.version}"
            else:
                stream, aggregate = self._doubted.popitem()
                work = self.verify(aggregate, stream)
                failed = f"the snapshot of {stream} cannot be verified"
            try:
                await work
            except EventfoldError as error:
                _log.warning("%s: %s", failed, error)
            except Exception:  # of a driver, or of `evolve`; the next one is tried all the same
                _log.exception("%s", failed)

    async def _save(self, aggregate: Aggregate[Any, Any, Any], stream: Stream, loaded: Loaded[Any]) -> None:
        kind = self._kind(aggregate)
        data = kind.encode(loaded.state)
        await self._store.save(Snapshot(stream, loaded.version, kind.fingerprint, self._codec.format, data))

    def _is_ours(self, aggregate: Aggregate[Any, Any, Any], found: Snapshot) -> bool:
        """Or other code's, or of another codec."""
        return (found.fingerprint, found.format) == (self._kind(aggregate).fingerprint, self._codec.format)

    def _kind(self, aggregate: Aggregate[Any, Any, Any]) -> _Kind:
        kind = self._kinds.get(aggregate.name)
        if kind is None:
            assert aggregate.snapshots is not None, "who asks has looked"
            initial: object = aggregate.initial
            state = aggregate.snapshots.state or type(initial)
            kind = _Kind(self._fingerprint(aggregate, state), self._codec.encoder(state), self._codec.decoder(state))
            self._kinds[aggregate.name] = kind
        return kind

    def _fingerprint(self, aggregate: Aggregate[Any, Any, Any], state: type[Any]) -> bytes:
        """Of all that the state depends on: its own shape, how events are read, and what the user says of `evolve`."""
        assert aggregate.snapshots is not None, "as above"
        origins = self._catalogue.origins
        names = sorted({name for cls in aggregate.events for name in self._catalogue.names_of(cls)})
        events = [(name, origins[name].versions, origins[name].hook is not None) for name in names]
        what = [aggregate.name, aggregate.snapshots.version, shape_of(state), events]
        return hashlib.sha256(msgspec.json.encode(what, order="deterministic")).digest()[:16]
