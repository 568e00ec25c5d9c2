"""
Runners of one partition as a model: leases that run out, owners that die or sleep through it, take-overs that raise the
epoch, steps that name it, somebody who starts the processor over in between; and every order of their steps.

A lease says nothing about time here: it may run out at any moment, and its owner may go on as if it had not, a
*zombie*. So what holds here holds whatever the clocks say.

What must never happen:

- *zombie*: a step is stored of a runner that has been taken over, so that two could act under one epoch;
- *doubled*: the rows of an event were written twice;
- *lost*: an event at or below the checkpoint whose rows were not written;
- *stuck*: everybody dies, and a new runner that takes over cannot come to the end of the log.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

NONE = -1
"""There is no checkpoint: the processor has never run, or was started over."""
ENOUGH = 50
"""Steps in which one runner alone comes to the end from anywhere."""


@dataclass(frozen=True)
class Cast:
    """
    Args:
        lives: how often each runner may take the partition.
        overs: how often the processor may be started over.
    """

    runners: int = 2
    lives: int = 2
    events: int = 2
    overs: int = 1


@dataclass(frozen=True)
class Habits:
    """The defaults are ours; every other value is a mistake that somebody could make."""

    fence: Literal["position and epoch", "position", "the owner's clock"] = "position and epoch"
    """What a step is compared with. The owner's clock: with nothing, as long as he believes that he has the lease."""
    takeover: Literal["raises the epoch", "keeps the epoch"] = "raises the epoch"
    takes: Literal["in one transaction", "the lease, then the checkpoint"] = "in one transaction"
    checkpoint: Literal["with the rows", "after the rows", "before the rows"] = "with the rows"
    start_over: Literal["keeps the epoch", "lowers the epoch"] = "keeps the epoch"
    missing: Literal["is set by a take-over", "is anybody's", "is forgotten"] = "is set by a take-over"
    """What becomes of a checkpoint that is not there. Anybody's: whoever is at the beginning sets it out."""
    begins_anew: Literal["empties the tables", "leaves the rows"] = "empties the tables"
    reads: Literal["after it has taken over", "before it takes over"] = "after it has taken over"
    """Where it goes on from: the checkpoint as it is once nobody else can move it, or as it was."""


class Runner(NamedTuple):
    phase: Literal["off", "looked", "half taken", "taken", "idle", "read", "written", "half", "moved"] = "off"
    newest: bool = False
    """Nobody has taken over from it."""
    epoch: int = 0
    known: int = 0
    upto: int = 0
    lives: int = 0


class State(NamedTuple):
    position: int
    epoch: int
    lease: int
    """The epoch of the lease. It is the owner's as long as nobody has a higher one."""
    free: bool
    started_over: bool
    """And no runner has emptied the tables yet."""
    rows: tuple[int, ...]
    """For each event how often its rows were written."""
    overs: int
    runners: tuple[Runner, ...]


Did = tuple[str, Runner, State]


class Partition:
    def __init__(self, cast: Cast = Cast(), habits: Habits = Habits()) -> None:
        self._cast = cast
        self._habits = habits
        self._ends: dict[State, bool] = {}

    def start(self) -> State:
        cast = self._cast
        return State(
            NONE, 0, 0, True, False, (0,) * cast.events, cast.overs, (Runner(lives=cast.lives),) * cast.runners
        )

    def steps(self, state: State) -> Iterator[tuple[str, State, str]]:
        for i, runner in enumerate(state.runners):
            if runner in state.runners[:i]:
                continue  # one of two that are alike
            for name, after, changed in self._does(state, i, runner):
                yield self._seen(name, changed, i, after, runner)
        if not state.free:
            yield self._seen("the lease runs out", state._replace(free=True))
        if state.overs and not self._is_locked(state):
            yield self._seen("somebody starts it over", self._started_over(state))

    def _seen(
        self, name: str, state: State, i: int | None = None, after: Runner | None = None, before: Runner | None = None
    ) -> tuple[str, State, str]:
        runners = list(state.runners)
        if i is not None and after is not None:
            runners[i] = after
        moved = state._replace(runners=tuple(sorted(runners)))
        if before is not None and not before.newest and name.startswith("commits"):
            return name, moved, f"zombie: a step under epoch {before.epoch} is stored after a take-over"
        return name, moved, self._broken(moved)

    # ----------------------------------------------------------------------- a runner

    def _does(self, state: State, i: int, runner: Runner) -> Iterator[Did]:
        habits = self._habits
        if runner.phase == "off":
            if runner.lives and state.free:
                if habits.reads == "before it takes over":
                    yield "looks where it is", runner._replace(phase="looked", known=max(0, state.position)), state
                else:
                    yield from self._takes(state, i, runner)
            return
        yield "dies", Runner(lives=runner.lives), state
        if runner.newest and not state.free and runner.phase == "idle":
            yield "lets go", Runner(lives=runner.lives), state._replace(free=True)
        if not runner.newest and runner.phase in ("taken", "idle", "read"):
            yield "finds its lease lost", Runner(lives=runner.lives), state
        match runner.phase:
            case "looked":
                if state.free:
                    yield from self._takes(state, i, runner)
            case "half taken":
                if not self._is_locked(state, i):
                    yield (
                        "raises the epoch of the checkpoint",
                        runner._replace(phase="taken"),
                        self._raised(state, runner.epoch),
                    )
            case "taken":
                yield from self._prepares(state, i, runner)
            case "idle":
                for upto in range(runner.known + 1, min(runner.known + 2, self._cast.events) + 1):
                    yield f"reads up to {upto}", runner._replace(phase="read", upto=upto), state
            case "read":
                if habits.checkpoint == "before the rows":
                    yield from self._moves(state, i, runner)
                else:
                    yield "writes its rows", runner._replace(phase="written"), state
            case "written":
                if habits.checkpoint == "after the rows":
                    yield "commits its rows", runner._replace(phase="half"), self._with_rows(state, runner)
                else:
                    yield from self._moves(state, i, runner)
            case "half":
                if habits.checkpoint == "after the rows":
                    yield from self._moves(state, i, runner)
                else:
                    yield "commits its rows", self._on(runner), self._with_rows(state, runner)
            case "moved":
                committed = self._with_rows(state, runner)._replace(position=runner.upto)
                yield "commits", self._on(runner), committed
                yield "commits and gets no answer", Runner(lives=runner.lives), committed

    def _takes(self, state: State, i: int, runner: Runner) -> Iterator[Did]:
        """Waits for a step that is under way, or ends it: its rows are gone with it."""
        raised = self._habits.takeover == "raises the epoch"
        epoch = max(state.lease, state.epoch) + 1 if raised else max(1, state.lease)
        lives = runner.lives - 1
        others = tuple(each._replace(newest=False) for each in state.runners)
        taken = state._replace(lease=epoch, free=False, runners=others)
        known = runner.known if self._habits.reads == "before it takes over" else 0
        if self._habits.takes == "the lease, then the checkpoint":
            yield "takes the lease", Runner("half taken", True, epoch, known, lives=lives), taken
            return
        after = Runner("taken", True, epoch, known, lives=lives)
        if self._is_locked(state, i):
            rolled_back = tuple(Runner(lives=each.lives) if each.phase == "moved" else each for each in others)
            yield (
                "ends the step of the one before, and takes over",
                after,
                self._raised(taken._replace(runners=rolled_back), epoch),
            )
        else:
            yield "takes over", after, self._raised(taken, epoch)

    def _raised(self, state: State, epoch: int) -> State:
        if state.position == NONE and self._habits.missing == "is forgotten":
            return state
        return state._replace(position=max(0, state.position), epoch=epoch)

    def _prepares(self, state: State, i: int, runner: Runner) -> Iterator[Did]:
        """Who finds that it was started over empties the tables, and sends back whatever checkpoint there is."""
        if state.started_over and self._is_locked(state, i):
            return
        if state.started_over:
            empty = self._habits.begins_anew == "empties the tables"
            state = state._replace(
                started_over=False,
                position=min(0, state.position),
                rows=(0,) * self._cast.events if empty else state.rows,
            )
        known = runner.known if self._habits.reads == "before it takes over" else max(0, state.position)
        yield "prepares", runner._replace(phase="idle", known=known), state

    def _moves(self, state: State, i: int, runner: Runner) -> Iterator[Did]:
        """The row stays locked until the commit; who waits compares with what is committed then."""
        if self._is_locked(state, i):
            return
        if not self._may_move(state, runner):
            yield "is fenced", Runner(lives=runner.lives), state
        elif self._habits.checkpoint == "with the rows":
            yield "moves the checkpoint", runner._replace(phase="moved"), state
        else:
            done = self._on(runner) if runner.phase == "half" else runner._replace(phase="half")
            yield "commits the checkpoint", done, state._replace(position=runner.upto)

    def _may_move(self, state: State, runner: Runner) -> bool:
        if state.position == NONE:
            return self._habits.missing == "is anybody's" and runner.known == 0
        match self._habits.fence:
            case "position and epoch":
                return (state.position, state.epoch) == (runner.known, runner.epoch)
            case "position":
                return state.position == runner.known
            case "the owner's clock":
                return True

    # ----------------------------------------------------------------------- the store

    def _started_over(self, state: State) -> State:
        kept = state if self._habits.start_over == "keeps the epoch" else state._replace(lease=0, free=True)
        return kept._replace(position=NONE, epoch=0, started_over=True, overs=state.overs - 1)

    def _is_locked(self, state: State, i: int | None = None) -> bool:
        return any(each.phase == "moved" for number, each in enumerate(state.runners) if number != i)

    def _with_rows(self, state: State, runner: Runner) -> State:
        handled = range(runner.known + 1, runner.upto + 1)
        return state._replace(rows=tuple(n + (p in handled) for p, n in enumerate(state.rows, 1)))

    def _on(self, runner: Runner) -> Runner:
        return runner._replace(phase="idle", known=runner.upto, upto=0)

    # ----------------------------------------------------------------------- what is wrong

    def _broken(self, state: State) -> str:
        halves = [each for each in state.runners if each.phase == "half"]
        for position, times in enumerate(state.rows, 1):
            if times > 1:
                return f"doubled: the rows of {position} were written {times} times"
            unfinished = any(each.known < position <= each.upto for each in halves)
            if times == 0 and position <= state.position and not unfinished:
                return f"lost: the checkpoint is at {state.position}, the rows of {position} were never written"
        if not self._comes_to_an_end(state):
            return "stuck: a new runner cannot come to the end of the log"
        return ""

    def _comes_to_an_end(self, state: State) -> bool:
        """If all die now and the lease runs out; nothing of an open step is kept."""
        alone = state._replace(free=True, overs=0, runners=(Runner(lives=1),))
        if alone not in self._ends:
            self._ends[alone] = self._ended(alone)
        return self._ends[alone]

    def _ended(self, state: State) -> bool:
        for _ in range(ENOUGH):
            (runner,) = state.runners
            if runner.phase == "idle" and runner.known == self._cast.events:
                return state.position == self._cast.events
            for name, after, changed in self._does(state, 0, runner):
                if name not in ("dies", "lets go"):
                    state = changed._replace(runners=(after,))
                    break
            else:
                return False
        return False
