"""
Two copies of one projector as a model: rows and checkpoint in one transaction, the checkpoint moved by compare-and-set,
and every order of the steps, with deaths, take-overs, paused copies that wake up, and commits whose answer is lost.

What must never happen: an event at or below the checkpoint whose rows were not written, *lost*, or an event whose rows
were written twice, *doubled*.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

EVENTS = 3
LIVES = 2
"""How often each copy may be started."""


@dataclass(frozen=True)
class Habits:
    """The defaults are ours. Others are mistakes, or half of ours, which is right while nothing else is wrong."""

    move: Literal["compare and set", "compare the position", "compare the epoch", "set"] = "compare and set"
    checkpoint: Literal["with the rows", "after the rows", "before the rows"] = "with the rows"
    reaches: Literal["what was handled", "what was read"] = "what was handled"
    after_an_error: Literal["reads the checkpoint", "skips the batch"] = "reads the checkpoint"


class Runner(NamedTuple):
    phase: Literal["off", "idle", "read", "written", "moved", "half"] = "off"
    known: int = 0
    epoch: int = 0
    upto: int = 0
    handled: int = 0
    lives: int = LIVES


class State(NamedTuple):
    position: int
    epoch: int
    rows: tuple[int, ...]
    """For each event how often its rows were written."""
    runners: tuple[Runner, ...]


class Projector:
    def __init__(self, habits: Habits = Habits()) -> None:
        self._habits = habits

    def start(self) -> State:
        return State(0, 0, (0,) * EVENTS, (Runner(), Runner()))

    def steps(self, state: State) -> Iterator[tuple[str, State, str]]:
        for i, runner in enumerate(state.runners):
            if i == 1 and runner == state.runners[0]:
                continue
            for name, after, changed in self._does(state, i, runner):
                runners = tuple(sorted((after, state.runners[1 - i])))
                moved = changed._replace(runners=runners)
                yield name, moved, self._broken(moved)

    def _does(self, state: State, i: int, runner: Runner) -> Iterator[tuple[str, Runner, State]]:
        if runner.phase == "off":
            if runner.lives and not self._is_locked(state, i):
                alive = Runner("idle", state.position, state.epoch + 1, lives=runner.lives - 1)
                yield "takes over", alive, state._replace(epoch=state.epoch + 1)
            return
        dead = Runner(lives=runner.lives)
        yield "dies", dead, state
        if runner.phase == "idle":
            for upto in range(runner.known + 1, min(runner.known + 2, EVENTS) + 1):
                yield f"reads up to {upto}", runner._replace(phase="read", upto=upto), state
        elif runner.phase == "read":
            yield "fails", self._failed(runner), state
            for handled in range(runner.known + 1, runner.upto + 1):
                ready = runner._replace(phase="written", handled=handled)
                if self._habits.checkpoint == "before the rows":
                    yield from self._moves(state, i, ready)
                else:
                    yield f"writes its rows up to {handled}", ready, state
        elif runner.phase == "written":
            if self._habits.checkpoint == "after the rows":
                yield "commits its rows", runner._replace(phase="half"), self._with_rows(state, runner)
            else:
                yield from self._moves(state, i, runner)
        elif runner.phase == "half":
            if self._habits.checkpoint == "after the rows":
                yield from self._moves(state, i, runner)
            else:
                yield "commits its rows", self._on(runner), self._with_rows(state, runner)
        elif runner.phase == "moved":
            committed = self._with_rows(state, runner)._replace(position=self._reached(runner))
            yield "commits", self._on(runner), committed
            yield "commits and gets no answer", self._failed(runner), committed

    def _moves(self, state: State, i: int, runner: Runner) -> Iterator[tuple[str, Runner, State]]:
        """The row stays locked until the commit; who waits compares with what is committed then."""
        if self._is_locked(state, i):
            return
        as_known = {
            "compare and set": state.position == runner.known and state.epoch == runner.epoch,
            "compare the position": state.position == runner.known,
            "compare the epoch": state.epoch == runner.epoch,
            "set": True,
        }[self._habits.move]
        if not as_known:
            yield "is fenced", Runner(lives=runner.lives), state
        elif self._habits.checkpoint == "with the rows":
            yield "moves the checkpoint", runner._replace(phase="moved"), state
        else:
            done = self._on(runner) if runner.phase == "half" else runner._replace(phase="half")
            yield "moves the checkpoint, commits", done, state._replace(position=self._reached(runner))

    def _is_locked(self, state: State, i: int) -> bool:
        return state.runners[1 - i].phase == "moved"

    def _reached(self, runner: Runner) -> int:
        return runner.upto if self._habits.reaches == "what was read" else runner.handled

    def _with_rows(self, state: State, runner: Runner) -> State:
        handled = range(runner.known + 1, runner.handled + 1)
        return state._replace(rows=tuple(n + (p in handled) for p, n in enumerate(state.rows, 1)))

    def _on(self, runner: Runner) -> Runner:
        return Runner("idle", self._reached(runner), runner.epoch, lives=runner.lives)

    def _failed(self, runner: Runner) -> Runner:
        """The transaction is gone, or nobody knows; the copy itself goes on."""
        if self._habits.after_an_error == "skips the batch":
            return Runner("idle", runner.upto, runner.epoch, lives=runner.lives)
        return Runner(lives=runner.lives)

    def _broken(self, state: State) -> str:
        for position, times in enumerate(state.rows, 1):
            if times > 1:
                return f"doubled: the rows of {position} were written {times} times"
            unfinished = any(r.phase == "half" and r.known < position <= r.handled for r in state.runners)
            if times == 0 and position <= state.position and not unfinished:
                return f"lost: the checkpoint is at {state.position}, the rows of {position} were never written"
        return ""
