"""The one shape of a decision: `decide(command, state)` and `evolve(state, event)`, from an `initial` state."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import reduce
from typing import Protocol, TypeVar

__all__ = ["Decider", "fold"]

C_contra = TypeVar("C_contra", contravariant=True)
S = TypeVar("S")
E = TypeVar("E")
E_contra = TypeVar("E_contra", contravariant=True)


class Decider(Protocol[C_contra, S, E]):
    """
    Jérémie Chassaing's decider: pure, so the same events give the same state and no test needs a store.

    `decide` says no by raising an exception of the user's own; it never changes the state it was given.
    """

    @property
    def initial(self) -> S: ...

    def decide(self, command: C_contra, state: S, /) -> Sequence[E]: ...

    def evolve(self, state: S, event: E, /) -> S: ...


class _Evolves(Protocol[S, E_contra]):
    def evolve(self, state: S, event: E_contra, /) -> S: ...


def fold(decider: _Evolves[S, E], events: Iterable[E], state: S) -> S:
    """The state after `events`, seen from `state`."""
    return reduce(decider.evolve, events, state)
