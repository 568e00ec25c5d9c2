"""
Faults at named places: kill this process, stop it, hang, raise, at the k-th passing.

    with Faults({"append.before_commit": Fault("raise", at=2)}):
        ...                                     # in this process
    EVENTFOLD_FAILPOINTS="projection.after_apply=kill:3"    # in a child that calls arm_from_environment()

Production code never looks at the variable. The count of passings goes on.
"""

from __future__ import annotations

import os
import re
import signal
import threading
from collections import Counter
from collections.abc import Mapping
from typing import Final, Literal, Self, TypeAlias, get_args

import msgspec

from eventfold.ports.failpoint import arm, disarm

__all__ = ["FAILPOINTS", "VARIABLE", "Action", "Fault", "FaultInjected", "Faults", "arm_from_environment"]

Action: TypeAlias = Literal["kill", "stop", "hang", "raise"]
"""`stop` is SIGSTOP: the process stands still until it gets SIGCONT; `hang` holds one thread until `release`."""

VARIABLE: Final = "EVENTFOLD_FAILPOINTS"
FAILPOINTS: Final = (
    "append.before_begin",
    "append.after_insert",
    "append.before_commit",
    "append.after_commit_before_ack",
    "unit.before_commit",
    "unit.after_commit",
    "projection.after_apply",
    "projection.before_checkpoint",
    "projection.after_checkpoint_before_commit",
    "projection.after_commit",
    "lease.after_acquire",
    "lease.before_renew",
    "actions.after_intend",
    "actions.before_call",
    "actions.after_call",
    "actions.after_settle",
    "timers.after_record",
    "manager.after_append",
    "manager.after_actions",
    "manager.after_timers",
    "reaction.before_checkpoint",
    "rebuild.before_switch",
    "rebuild.after_switch",
    "migrate.before_commit",
    "administration.marked",
    "administration.before_removal",
    "administration.before_commit",
    "administration.removed",
)
"""Every place that can be struck, in the order in which an event passes them."""
_WRITTEN: Final = re.compile(r"(?P<name>[\w.]+)=(?P<action>\w+)(?::(?P<at>\d+))?")


class FaultInjected(Exception):
    """What `raise` raises. It is no error of Eventfold: nobody may mistake it for one it can explain."""

    def __init__(self, name: str, passing: int) -> None:
        self.name = name
        self.passing = passing
        super().__init__(f"{name}, passing {passing}")


class Fault(msgspec.Struct, frozen=True):
    """What happens at the passing number `at`, counted from 1, and at the next ones, if it happens more than once."""

    action: Action
    at: int = 1
    times: int = 1


class Faults:
    """Armed for a block. One at a time in a process."""

    def __init__(self, planned: Mapping[str, Fault]) -> None:
        """Raises ValueError for a name that no code passes, or a passing below 1."""
        unknown = sorted(planned.keys() - set(FAILPOINTS))
        if unknown:
            raise ValueError(f"there is no failpoint {unknown[0]!r}; there are {', '.join(FAILPOINTS)}")
        if any(fault.at < 1 for fault in planned.values()):
            raise ValueError("passings are counted from 1")
        self.passed: Counter[str] = Counter()
        """How often each place has been passed."""
        self.struck: list[str] = []
        self._planned = dict(planned)
        self._released = threading.Event()
        self._hung = threading.Event()
        self._counting = threading.Lock()

    def arm(self) -> None:
        arm(self._strike)

    def release(self) -> None:
        """Let go of what hangs, now and later."""
        self._released.set()

    def wait_until_hung(self, timeout: float) -> bool:
        """Block until a thread hangs; False when none does in time."""
        return self._hung.wait(timeout)

    def __enter__(self) -> Self:
        self.arm()
        return self

    def __exit__(self, *_: object) -> None:
        disarm()
        self.release()

    def _strike(self, name: str) -> None:
        with self._counting:
            self.passed[name] += 1
            passing = self.passed[name]
            fault = self._planned.get(name)
            if fault is None or not fault.at <= passing < fault.at + fault.times:
                return
            self.struck.append(name)
        match fault.action:
            case "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            case "stop":
                os.kill(os.getpid(), signal.SIGSTOP)
            case "hang":
                self._hung.set()
                self._released.wait()
            case "raise":
                raise FaultInjected(name, passing)


def arm_from_environment() -> Faults:
    """
    Arm what EVENTFOLD_FAILPOINTS says, `name=action:k`, several separated by commas. For the children of tests alone.

    Raises:
        ValueError: it says something else.
    """
    planned: dict[str, Fault] = {}
    for part in filter(None, (each.strip() for each in os.environ.get(VARIABLE, "").split(","))):
        match = _WRITTEN.fullmatch(part)
        action = next((each for each in get_args(Action) if match is not None and each == match["action"]), None)
        if match is None or action is None:
            raise ValueError(
                f"{VARIABLE}: {part!r}; write name=action:k with an action of {', '.join(get_args(Action))}"
            )
        planned[match["name"]] = Fault(action, int(match["at"] or 1))
    faults = Faults(planned)
    faults.arm()
    return faults
