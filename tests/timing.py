"""An application with time-outs, and a clock that a file puts forward and back, also for processes that run."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from eventfold import Emit, Eventfold, ProcessManager, Schedule, Send
from eventfold.domain.process import Action
from tests.acceptance.test_fm18_managers import Full, Late, Put, Rung, Watch, evolve, of_tape, outs
from tests.acceptance.world import Added, Noted, tapes


class Jumping:
    """The clock of the machine, and as many seconds as the file says."""

    def __init__(self, offset: Path) -> None:
        self._offset = offset

    def now(self) -> datetime:
        text = self._offset.read_text() if self._offset.exists() else ""
        return datetime.now(UTC) + timedelta(seconds=float(text or 0))


def jumping(offset: Path) -> Jumping:
    return Jumping(offset)


def _react(watch: Watch, seen: Added | Noted | Late | Full) -> Sequence[Action]:
    """Each addition comes back after as many milliseconds, and then has two effects."""
    match seen:
        case Added(n):
            return [Schedule("late", Late(n), after=timedelta(milliseconds=n))]
        case Late(n):
            return [Send(outs, watch.tape, Put(n, 10**9)), Emit(Rung(n), ("bell", watch.tape))]
        case _:
            return []


def jumping_application(offset: Path) -> Eventfold:
    manager = ProcessManager(
        "watch",
        initial=Watch,
        key=of_tape,
        evolve=evolve,
        react=_react,
        inputs=[Added, Late],
        emits=[Rung],
        concurrency=16,
    )
    return Eventfold(deciders=[tapes, outs], processors=[manager], clock=jumping(offset))
