"""Commands as a process manager keeps them, so that they can be sent by whoever goes on after a crash."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from eventfold.domain.aggregate import Aggregate, command_classes
from eventfold.domain.boundary import Boundary
from eventfold.domain.story import Kept
from eventfold.errors import CannotInferEvents, DecodeError, InvalidInput
from eventfold.ports.codec import Codec, Undecodable

__all__ = ["AnyDecider", "Orders"]

AnyDecider: TypeAlias = "Aggregate[Any, Any, Any] | Boundary[Any, Any, Any]"


class Orders:
    """
    Args:
        deciders: of the application; commands for others are refused.
        classes: of commands, beside those that can be read from the annotation of a `decide`.
        others: codecs of commands that were kept before.
    """

    def __init__(
        self,
        codec: Codec,
        deciders: Sequence[AnyDecider],
        classes: Sequence[type[Any]],
        *,
        others: Sequence[Codec] = (),
    ) -> None:
        self._codec = codec
        self._codecs = {each.format: each for each in (*others, codec)}
        self._deciders = {each.name: each for each in deciders}
        self._declared = {each.__name__: each for each in classes}
        self._known: dict[str, dict[str, type[Any]]] = {}
        self._encoders: dict[type[Any], Callable[[Any], bytes]] = {}
        self._decoders: dict[tuple[type[Any], int], Callable[[bytes | str], Any]] = {}

    def keep(self, decider: AnyDecider, command: object) -> Kept:
        """
        Raises:
            InvalidInput: the decider is none of the application's, or the class of the command cannot be found again.
            Unencodable: the command would not come back as it is.
        """
        if self._deciders.get(decider.name) is not decider:
            raise InvalidInput(f"{decider!r} is none of this application's; name it in Eventfold(deciders=[…])")
        cls = type(command)
        if self._classes(decider).get(cls.__name__) is not cls:
            raise InvalidInput(
                f"{cls.__name__} is not in the annotation of decide of {decider!r}, so such a command could not be "
                f"read again after a crash: annotate decide(command: … | {cls.__name__}, state), or give the manager "
                f"commands=[{cls.__name__}]"
            )
        encode = self._encoders.get(cls)
        if encode is None:
            encode = self._encoders[cls] = self._codec.encoder(cls)
        return Kept.of(cls.__name__, 1, self._codec.format, encode(command))

    def read(self, decider: str, kept: Kept) -> tuple[AnyDecider, object]:
        """
        Raises:
            DecodeError: the application has no such decider or class any more, or the command is no value of it.
        """
        of = self._deciders.get(decider)
        if of is None:
            raise DecodeError(kept.type, f"it was sent to {decider!r}, which is no decider of this application")
        cls = self._classes(of).get(kept.type)
        codec = self._codecs.get(kept.format)
        if cls is None or codec is None:
            raise DecodeError(kept.type, f"it was sent to {decider!r}, which has no such command in this application")
        decode = self._decoders.get((cls, kept.format))
        if decode is None:
            decode = self._decoders[cls, kept.format] = codec.decoder(cls)
        try:
            return of, decode(kept.data)
        except Undecodable as error:
            raise DecodeError(kept.type, str(error)) from error

    def _classes(self, decider: AnyDecider) -> dict[str, type[Any]]:
        known = self._known.get(decider.name)
        if known is None:
            try:
                inferred = command_classes(decider.name, decider.decide)
            except CannotInferEvents:  # then those that are declared must do, and whoever misses one says so
                inferred = ()
            known = self._known[decider.name] = {each.__name__: each for each in inferred} | self._declared
        return known
