"""Faults strike where and when they are told to, and production never looks at the variable."""

import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from eventfold.ports.failpoint import disarm, failpoint
from eventfold.testing.faults import FAILPOINTS, VARIABLE, Fault, FaultInjected, Faults, arm_from_environment

SRC = Path(__file__).resolve().parents[3] / "src" / "eventfold"
CHILD = """
from eventfold.ports.failpoint import failpoint
from eventfold.testing.faults import arm_from_environment
{armed}
for passing in range(1, 4):
    print(passing, flush=True)
    failpoint("append.before_commit")
"""


def run(fault: str, *, armed: bool = True) -> tuple[int, list[str]]:
    program = CHILD.format(armed="arm_from_environment()" if armed else "")
    done = subprocess.run(
        [sys.executable, "-c", program], env=os.environ | {VARIABLE: fault}, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout.split()


def test_a_fault_strikes_once_at_its_passing() -> None:
    with Faults({"append.before_commit": Fault("raise", at=2)}) as faults:
        failpoint("append.before_commit")
        with pytest.raises(FaultInjected, match=r"append\.before_commit, passing 2"):
            failpoint("append.before_commit")
        failpoint("append.before_commit")
        failpoint("append.after_insert")
    assert faults.passed == {"append.before_commit": 3, "append.after_insert": 1}
    assert faults.struck == ["append.before_commit"]
    failpoint("append.before_commit")
    assert faults.passed["append.before_commit"] == 3, "disarmed"


def test_a_thread_hangs_until_it_is_let_go() -> None:
    with Faults({"append.before_begin": Fault("hang")}) as faults:
        thread = threading.Thread(target=failpoint, args=["append.before_begin"])
        thread.start()
        assert faults.wait_until_hung(10)
        assert thread.is_alive()
        faults.release()
        thread.join(10)
        assert not thread.is_alive()


def test_a_child_kills_itself_at_the_passing_that_the_environment_names() -> None:
    assert run("append.before_commit=kill:2") == (-signal.SIGKILL, ["1", "2"])


def test_a_stopped_child_goes_on_when_it_is_told_to() -> None:
    program = CHILD.format(armed="arm_from_environment()")
    child = subprocess.Popen(
        [sys.executable, "-c", program],
        env=os.environ | {VARIABLE: "append.before_commit=stop"},
        stdout=subprocess.PIPE,
        text=True,
    )
    _, status = os.waitpid(child.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status)
    child.send_signal(signal.SIGCONT)
    said, _ = child.communicate(timeout=30)
    assert said.split() == ["1", "2", "3"]


def test_without_being_armed_a_process_does_not_look_at_the_variable() -> None:
    assert run("append.before_commit=kill:1", armed=False) == (0, ["1", "2", "3"])


def test_only_the_faults_module_knows_the_variable() -> None:
    named = [path.name for path in SRC.rglob("*.py") if VARIABLE in path.read_text(encoding="utf-8")]
    assert named == ["faults.py"]


@pytest.mark.parametrize("text", ["append.before_commit", "append.before_commit=explode", "nowhere=kill", "x=kill:0"])
def test_a_fault_that_cannot_be_is_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, text)
    with pytest.raises(ValueError, match="write name=action|no failpoint"):
        arm_from_environment()


def test_several_faults_in_one_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "append.before_commit=raise:1, append.after_insert=raise")
    faults = arm_from_environment()
    try:
        for name in ("append.before_commit", "append.after_insert"):
            with pytest.raises(FaultInjected):
                failpoint(name)
    finally:
        disarm()
    assert len(faults.struck) == 2


def test_a_passing_below_1_is_refused() -> None:
    with pytest.raises(ValueError, match="counted from 1"):
        Faults({"append.before_commit": Fault("kill", at=0)})


def test_every_failpoint_of_the_source_is_listed_and_every_listed_one_exists() -> None:
    text = "\n".join(path.read_text(encoding="utf-8") for path in SRC.rglob("*.py") if path.name != "faults.py")
    passed = set(re.findall(r'failpoint\("([^"]+)"\)', text))
    assert passed == set(FAILPOINTS)
