"""
Generations of a projector's rows: the live one, the next one that a rebuild fills beside it, and the old one.

Each has tables, a record, checkpoints, leases and parked events of its own, under a name of its own: those of the
live one are the declared names, so that nobody who reads or runs it knows of the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, Literal, Protocol, TypeAlias

import msgspec

from eventfold.ports.leases import Lease

if TYPE_CHECKING:
    from sqlalchemy import Table

__all__ = ["NEXT", "OLD", "Content", "Generation", "GenerationRecord", "Generations", "processor_of", "table_suffix"]

Generation: TypeAlias = Literal["next", "old"]
NEXT: Final[Generation] = "next"
OLD: Final[Generation] = "old"


def processor_of(projector: str, generation: str) -> str:
    """
    The name under which a generation has its checkpoints, "" being the live one. No processor is called that: it has a
    colon in it.
    """
    return f"{projector}:{generation}" if generation else projector


def table_suffix(generation: str) -> str:
    """What the names of its tables and indexes end with; of "", the live one, with nothing more."""
    return f"__{generation}" if generation else ""


class GenerationRecord(msgspec.Struct, frozen=True):
    """
    Args:
        version: of the code that has filled its rows.
        positions: of each partition, in order.
        switches: how many generations have been live before; counted for the live one.
    """

    version: int
    positions: tuple[int, ...]
    switches: int


class Content(msgspec.Struct, frozen=True):
    """What is in a table: how many rows, and a hash that does not depend on their order."""

    rows: int
    hash: str


class Generations(Protocol):
    """Which generations of a projector there are, what is in them, and which one is live."""

    async def record(self, projector: str, generation: Generation | None = None) -> GenerationRecord | None:
        """Of that generation, or of the live one; None where there is none."""
        ...

    async def present(self, tables: Sequence[Table]) -> Sequence[str]:
        """The names of those tables that are there."""
        ...

    async def content(self, table: Table) -> Content:
        """What is in the table at one moment. Memory stays bounded. Only hashes of one store compare."""
        ...

    async def switch(self, projector: str, tables: Sequence[Table], held: Sequence[Lease]) -> None:
        """
        Make the next generation the live one, and the live one the old one, in one transaction. An old one that was
        there is dropped.

        Whoever reads sees the rows of one generation or of the other. A copy that runs is fenced at its next step.

        Args:
            tables: as the code declares them, under their own names.
            held: the leases of the live partitions, so that nobody moves them meanwhile.

        Raises:
            InvalidInput: there is no next generation; or a table is there under the name of the old one that belongs to
                nobody.
            Fenced: a lease has been taken over; nothing has changed.
        """
        ...

    async def roll_back(self, projector: str, tables: Sequence[Table], held: Sequence[Lease]) -> None:
        """
        Let the live and the old generation change places, in one transaction. Once more leads forward again.

        Raises:
            InvalidInput: there is no old generation.
            Fenced: a lease has been taken over; nothing has changed.
        """
        ...
