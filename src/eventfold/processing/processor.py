"""What every processor declares, and how it is doing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, Protocol

import msgspec

from eventfold.domain.query import Query
from eventfold.errors import ProcessingError
from eventfold.processing.policy import ErrorPolicy

if TYPE_CHECKING:
    from sqlalchemy import Table

__all__ = ["Processor", "ProcessorStatus"]


class Processor(Protocol):
    """A projector, a reactor: whatever follows the log under a name of its own."""

    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def query(self) -> Query: ...
    @property
    def version(self) -> int: ...
    @property
    def tables(self) -> Sequence[Table]: ...
    @property
    def partitions(self) -> int: ...
    @property
    def start(self) -> Literal["beginning", "now"]: ...
    @property
    def on_error(self) -> ErrorPolicy: ...


class ProcessorStatus(msgspec.Struct, frozen=True):
    """
    How a processor of this process is doing.

    Args:
        position: the last event it has finished; of several partitions here, that of the one furthest behind.
        lag: positions between that and the end of its query, as last seen.
        running: it moves. False before its start, while it is paused or stands by, and once it has stopped.
        error: why it has stopped, or while it runs: what it tries again after.
        paused: it was told to pause, and has; it keeps its place.
        lag_seconds: since the first event that it has not finished was recorded; 0.0 when there is none.
        partitions: of this process.
        standby: who runs it, when this process only stands by.
        rate: events a second, over the last ten seconds.
        stopped: it has failed, and `error` says why; nothing moves it here until it is started again.
        ignored: of a process manager, inputs that came to a process after its end, and time-outs that came too late.
    """

    name: str
    kind: str
    running: bool
    position: int
    lag: int
    error: ProcessingError | None
    paused: bool = False
    lag_seconds: float = 0.0
    partitions: tuple[int, ...] = (0,)
    standby: str | None = None
    rate: float = 0.0
    stopped: bool = False
    ignored: int = 0
