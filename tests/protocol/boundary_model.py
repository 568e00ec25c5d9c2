"""
Appends under a condition ("no other event of this tag") on the Postgres store as a model: every order of their steps.

A *narrow* append reads the bound, then its boundary (the events of the tag); takes ROW EXCLUSIVE on events and the
tag's lock exclusively; checks; enters the epoch; draws; inserts; commits. A *tagged* append takes the tag's lock
shared. A *foreign* append has no tag and takes no lock of a tag. A *broad* append, of the tag too, has every event for
its boundary and locks the table in SHARE ROW EXCLUSIVE mode: it waits for every inserting transaction, and needs no
lock of a tag.

The condition is a token, (bound, seen): where the bound was, and which matches were met above it.

What must never happen:

- *missed*: an append commits, and its boundary then holds an event that its decision had not read;
- *false conflict*: an append is refused although its decision had read all there is;
- *deadlock*: somebody waits, and nobody can go on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

Kind: TypeAlias = Literal["narrow", "tagged", "foreign", "broad"]
NONE = -1


@dataclass(frozen=True)
class Rules:
    """The defaults are ours, every other value is a mistake that somebody could make."""

    token: Literal["bound and seen", "highest seen", "bound alone"] = "bound and seen"
    bound: Literal["first", "after the matches"] = "first"
    check: Literal["after locking", "before locking"] = "after locking"
    condition: Literal["exclusive", "shared"] = "exclusive"
    tagged: Literal["locks", "does not lock"] = "locks"
    table: Literal["first", "when inserting"] = "first"
    """When a narrow append takes its lock of the table."""
    broad: Literal["at once", "upgrades"] = "at once"


class Doer(NamedTuple):
    step: int = 0
    bound: int = NONE
    matches: tuple[int, ...] = ()
    """What the decision has read."""
    table: int = 0
    """1: ROW EXCLUSIVE, 2: SHARE ROW EXCLUSIVE."""
    tag: int = 0
    """1: shared, 2: exclusive."""
    read: int = NONE
    lock: int = NONE
    """The value in its lock of the epoch."""
    row: int = 0
    ended: Literal["", "committed", "refused"] = ""


class State(NamedTuple):
    sequence: int
    doers: tuple[Doer, ...]


STEPS: dict[Kind, tuple[str, ...]] = {
    "narrow": ("looks", "bounds", "reads", "table", "tag", "checks", "looks", "enters", "draws", "commits"),
    "broad": ("looks", "bounds", "reads", "table", "checks", "looks", "enters", "draws", "commits"),
    "tagged": ("tag", "looks", "enters", "table", "draws", "commits"),
    "foreign": ("looks", "enters", "table", "draws", "commits"),
}


class Boundary:
    def __init__(self, kinds: tuple[Kind, ...], rules: Rules = Rules()) -> None:
        self._kinds = kinds
        self._rules = rules
        self._steps = [self._program(kind) for kind in kinds]
        self._alike = [[i for i, kind in enumerate(kinds) if kind == each] for each in dict.fromkeys(kinds)]

    def start(self) -> State:
        return State(0, (Doer(),) * len(self._kinds))

    def steps(self, state: State) -> Iterator[tuple[str, State, str]]:
        going = [i for i, doer in enumerate(state.doers) if not doer.ended]
        moved = False
        for i in going:
            doer, step = state.doers[i], self._steps[i][state.doers[i].step]
            for what, after, broken in self._does(state, i, step):
                moved = True
                sequence = max(state.sequence, after.row)
                doers = (*state.doers[:i], after._replace(step=doer.step + 1), *state.doers[i + 1 :])
                yield f"{self._kinds[i]} {what}", self._in_order(State(sequence, doers)), broken
        if going and not moved:
            yield "nobody can go on", state, f"deadlock: {', '.join(self._kinds[i] for i in going)}"

    def _program(self, kind: Kind) -> tuple[str, ...]:
        steps = list(STEPS[kind])
        if kind in {"narrow", "broad"}:
            if self._rules.bound == "after the matches":
                steps[:3] = ["reads", "looks", "bounds"]
            if self._rules.check == "before locking":
                steps.remove("checks")
                steps.insert(steps.index("table"), "checks")
        if kind == "narrow" and self._rules.table == "when inserting":
            steps.remove("table")
            steps.insert(steps.index("draws"), "table")
        if kind == "broad" and self._rules.broad == "upgrades":
            steps.insert(steps.index("table"), "weak table")
        if kind == "tagged" and self._rules.tagged == "does not lock":
            steps.remove("tag")
        return tuple(steps)

    def _in_order(self, state: State) -> State:
        """Those of one kind are exchangeable."""
        doers = list(state.doers)
        for alike in self._alike:
            for i, doer in zip(alike, sorted(state.doers[i] for i in alike), strict=True):
                doers[i] = doer
        return state._replace(doers=tuple(doers))

    def _does(self, state: State, i: int, step: str) -> Iterator[tuple[str, Doer, str]]:
        kind, doer = self._kinds[i], state.doers[i]
        if step == "bounds":
            held = [other.lock for other in state.doers if other.lock != NONE]
            yield "lists the locks", doer._replace(bound=min([doer.read, *held]), read=NONE), ""
        elif step == "reads":
            yield "reads its boundary", doer._replace(matches=self._matches(state, i)), ""
        elif step in {"table", "weak table"}:
            mode = 2 if kind == "broad" and step == "table" else 1
            if all(self._compatible(mode, other.table) for j, other in enumerate(state.doers) if j != i):
                yield f"locks the table ({mode})", doer._replace(table=mode), ""
        elif step == "tag":
            mode = 2 if kind == "narrow" and self._rules.condition == "exclusive" else 1
            if all(mode + other.tag < 3 or other.tag == 0 for j, other in enumerate(state.doers) if j != i):
                yield f"locks the tag ({mode})", doer._replace(tag=mode), ""
        elif step == "checks":
            yield self._checked(state, i)
        elif step == "looks":
            yield "reads the sequence", doer._replace(read=state.sequence), ""
        elif step == "enters":
            yield "enters the epoch", doer._replace(lock=doer.read, read=NONE), ""
        elif step == "draws":
            yield f"draws and inserts {state.sequence + 1}", doer._replace(row=state.sequence + 1), ""
        elif step == "commits":
            missed = set(self._matches(state, i)) - set(doer.matches) if kind in {"narrow", "broad"} else set()
            broken = f"missed: {sorted(missed)} was not read by the decision behind {doer.row}" if missed else ""
            yield "commits", Doer(row=doer.row, ended="committed"), broken
            yield "rolls back", Doer(ended="refused"), ""

    def _compatible(self, mine: int, theirs: int) -> bool:
        return mine == 0 or theirs == 0 or mine == theirs == 1

    def _matches(self, state: State, i: int) -> tuple[int, ...]:
        wanted = {"narrow", "tagged", "broad"} if self._kinds[i] == "narrow" else set(STEPS)
        kinds = zip(self._kinds, state.doers, strict=True)
        return tuple(sorted(doer.row for kind, doer in kinds if kind in wanted and doer.ended == "committed"))

    def _checked(self, state: State, i: int) -> tuple[str, Doer, str]:
        doer = state.doers[i]
        matches = self._matches(state, i)
        after, seen = doer.bound, tuple(p for p in doer.matches if p > doer.bound)
        if self._rules.token == "highest seen":
            after, seen = max(doer.matches, default=0), ()
        elif self._rules.token == "bound alone":
            seen = ()
        if not any(p > after and p not in seen for p in matches):
            return "finds its condition true", doer, ""
        broken = f"false conflict: the decision had read {matches}" if matches == doer.matches else ""
        return "is refused", Doer(ended="refused"), broken
