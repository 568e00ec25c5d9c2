"""Rows that follow from events, and the transaction they share with their checkpoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from eventfold.errors import InvalidInput
from eventfold.ports.checkpoint_store import Checkpoint, CheckpointStore, Move
from eventfold.ports.parking import Settled
from eventfold.ports.processors import ProcessorRegister

if TYPE_CHECKING:
    from sqlalchemy import Delete, Insert, Table, Update
    from sqlalchemy.sql.selectable import SelectBase

    Writing: TypeAlias = Insert | Update | Delete

__all__ = [
    "Bound",
    "Params",
    "ReadModel",
    "RowTransaction",
    "Shape",
    "Writes",
    "keeps_its_place",
    "refuse_older_code",
    "refuse_other_kind",
    "refuse_other_partitions",
]

Params: TypeAlias = Mapping[str, Any]


class Shape(Protocol):
    """A statement compiled for the store: the same statement gives the same shape."""

    @property
    def sql(self) -> str: ...

    @property
    def table(self) -> str:
        """The table it writes."""
        ...

    @property
    def alone(self) -> bool:
        """It depends on no other table, so it may change places with statements that write others."""
        ...


Bound: TypeAlias = tuple[Shape, tuple[Any, ...]]
"""A shape and one row of values for it."""
Writes: TypeAlias = Sequence[tuple[Shape, Sequence[tuple[Any, ...]]]]
"""Rows to write, those of one shape together, in order."""


class RowTransaction(Protocol):
    """One transaction over rows and checkpoint. Left without `commit`, nothing of it remains."""

    async def fetch(self, writes: Writes, select: SelectBase, params: Params | None) -> list[tuple[Any, ...]]:
        """Run the writes, then the select, which sees them."""
        ...

    async def run(self, writes: Writes) -> None:
        """Run the writes, and go on."""
        ...

    async def commit(self, writes: Writes, step: Move | Settled | None) -> None:
        """
        Run the writes, move the checkpoint or settle a parked event, commit, all in one.

        Raises:
            Fenced: the checkpoint was not where the move starts, or is somebody else's; nothing remains.
        """
        ...


class ReadModel(CheckpointStore, ProcessorRegister, Protocol):
    """
    Tables in the language of SQLAlchemy Core, with the checkpoints of the processors that fill them.

    A processor's rows and its checkpoint commit together or not at all.
    """

    async def prepare(
        self,
        processor: str,
        *,
        version: int,
        tables: Sequence[Table],
        kind: str = "projector",
        partitions: int = 1,
        start: int = 0,
        query: str | None = None,
    ) -> Checkpoint:
        """
        Make the tables where they are missing, enter the processor in the register, and return the checkpoint of its
        first partition.

        A version above the recorded one makes them anew, forgets what was parked and starts from the beginning, in one
        transaction.

        Args:
            start: the position after which it follows the log; it counts at its very first preparation, and then for
                life.

        Raises:
            InvalidInput: the recorded version is higher: older code must not take over from newer. Or the recorded
                number of partitions is another one, under the same version; or the recorded kind.
            UnsupportedStatement: a column type outside the language of read models.
        """
        ...

    async def truncate(self, processor: str, tables: Sequence[Table]) -> None:
        """
        Empty the tables and send the processor back to the beginning, in one transaction.

        Raises:
            InvalidInput: there is no such processor.
        """
        ...

    async def drop(self, processor: str, tables: Sequence[Table]) -> None:
        """
        Drop the tables with all that the store knows of the processor, in one transaction.

        Raises:
            InvalidInput: there is no such processor.
        """
        ...

    async def make(self, tables: Sequence[Table]) -> None:
        """
        Make the tables where they are missing, for whoever writes them without a checkpoint.

        Raises:
            InvalidInput: the store's own tables are not for others.
            UnsupportedStatement: a column type outside the language of read models.
        """
        ...

    async def note_error(self, processor: str, error: str | None) -> None:
        """Keep the reason why a processor stopped where other processes can see it; None clears it."""
        ...

    def bind(self, statement: Writing, row: Params | None) -> Bound:
        """
        The statement compiled (once per shape) with one row of values.

        Raises:
            UnsupportedStatement: no insert, update or delete.
            InvalidInput: a parameter is missing or unknown.
        """
        ...

    def transaction(self) -> AbstractAsyncContextManager[RowTransaction]:
        """Waits for its turn to write and keeps it until the block ends."""
        ...

    async def query(self, select: SelectBase, params: Params | None = None) -> list[tuple[Any, ...]]:
        """Rows as named tuples, of what is committed."""
        ...

    async def query_text(self, sql: str) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
        """
        Column names and rows of one statement in the store's own SQL, for people at a terminal.

        Raises:
            InvalidInput: it is no single statement, is malformed or would change something.
        """
        ...

    async def close(self) -> None: ...


def refuse_other_partitions(processor: str, partitions: int, recorded: int) -> None:
    """Raises InvalidInput where the processor is divided in another way already."""
    if partitions != recorded:
        raise InvalidInput(
            f"processor {processor!r} has partitions={partitions} here, but has run with {recorded}, and which streams "
            "a partition has is fixed for life; raise version= to start over with the new number"
        )


def refuse_other_kind(processor: str, kind: str, recorded: str) -> None:
    """Raises InvalidInput where the name is that of something else."""
    if kind != recorded:
        raise InvalidInput(f"{processor!r} is a {kind} here, but the store knows a {recorded} of that name")


def keeps_its_place(kind: str) -> bool:
    """Whether newer code of it goes on where the older has stopped, because what it has decided stands."""
    return kind == "manager"


def refuse_older_code(processor: str, version: int, recorded: int | None, kind: str = "projector") -> None:
    """Raises InvalidInput where a higher version than that of the code has filled the tables, or has decided."""
    if recorded is not None and recorded > version and keeps_its_place(kind):
        raise InvalidInput(
            f"{kind} {processor!r} is version {version} here, but version {recorded} has decided in this store, and "
            "its processes cannot go back; deploy the newer code"
        )
    if recorded is not None and recorded > version:
        raise InvalidInput(
            f"projector {processor!r} is version {version} here, but version {recorded} has filled its tables; "
            "deploy the newer code, or raise version= above it to fill them anew"
        )
