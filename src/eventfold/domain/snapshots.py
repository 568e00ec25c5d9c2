"""When the state of a long stream is kept, so that loading it reads its end only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from eventfold.errors import InvalidInput

__all__ = ["Snapshots"]


class Snapshots(msgspec.Struct, frozen=True):
    """
    A policy for `Aggregate(…, snapshots=Snapshots(every=100))`.

    Args:
        every: keep the state whenever the stream has come to, or past, a multiple of so many events.
        when: `when(state, before, version)` says whether to keep it; the stream has come from `before` to `version`.
        state: the class of the state, where the initial one does not show it.
        version: of `evolve`. Raise it when the same events give another state: older snapshots are ignored then.
        verify: of loads that begin with a snapshot, the share whose snapshot is compared with its events afterwards.

    Raises:
        InvalidInput: neither `every` nor `when`, a number below 1, or no share.
    """

    every: int | None = None
    when: Callable[[Any, int, int], bool] | None = None
    state: type[Any] | None = None
    version: int = 1
    verify: float = 0.001

    def __post_init__(self) -> None:
        if self.every is None and self.when is None:
            raise InvalidInput("Snapshots(): say when, with every=100 or when=function")
        if (self.every is not None and self.every < 1) or self.version < 1:
            raise InvalidInput(f"Snapshots(every={self.every}, version={self.version}): both are at least 1")
        if not 0.0 <= self.verify <= 1.0:
            raise InvalidInput(f"Snapshots(verify={self.verify}): a share from 0 to 1")

    def due(self, state: object, before: int, version: int) -> bool:
        """Whether the state is kept after the stream has come from one version to the other."""
        if self.every is not None and version // self.every > before // self.every:
            return True
        return self.when is not None and bool(self.when(state, before, version))
