"""An exhaustive search through the states of a model: every order in which its steps can happen."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from typing import Protocol, TypeVar

S = TypeVar("S", bound=Hashable)


class Model(Protocol[S]):
    def start(self) -> S: ...

    def steps(self, state: S) -> Iterator[tuple[str, S, str]]:
        """What may happen next: a name for it, the state it leads to, and what is broken by it, "" if nothing."""
        ...


@dataclass(frozen=True)
class Explored:
    """`complete`: every reachable state was visited. `broken`: the first fault, "" if none; `story`: how it happens."""

    states: int
    complete: bool
    broken: str = ""
    story: tuple[str, ...] = ()


def explore(model: Model[S], *, at_most: int | None = None) -> Explored:
    """Breadth first, so that the story of a fault is a shortest one. Ends at the first fault."""
    start = model.start()
    came_from: dict[S, S | None] = {start: None}
    waiting = deque([start])
    while waiting:
        state = waiting.popleft()
        for name, after, broken in model.steps(state):
            if broken:
                return Explored(
                    len(came_from), complete=False, broken=broken, story=(*told(model, came_from, state), name)
                )
            if after not in came_from:
                if at_most is not None and len(came_from) >= at_most:
                    return Explored(len(came_from), complete=False)
                came_from[after] = state
                waiting.append(after)
    return Explored(len(came_from), complete=True)


def told(model: Model[S], came_from: dict[S, S | None], state: S) -> Iterator[str]:
    path = [state]
    while (before := came_from[path[-1]]) is not None:
        path.append(before)
    path.reverse()
    for before, after in itertools.pairwise(path):
        yield next(name for name, found, _ in model.steps(before) if found == after)
