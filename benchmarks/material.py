"""What is stored: one class of event with six fields, about 200 bytes of JSON, and its aggregate. Needs no driver."""

from __future__ import annotations

import dataclasses
import os
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import msgspec

if os.environ.get("EVENTFOLD_BENCH_EVENTS") == "dataclass":

    @dataclasses.dataclass(frozen=True)
    class LinePlaced:
        """As in the README. Slower to make than a Struct, for the raw driver too."""

        order: UUID
        sku: str
        quantity: int
        price: Decimal
        placed_at: datetime
        note: str

else:

    class LinePlaced(msgspec.Struct, frozen=True):  # type: ignore[no-redef] # the quicker of the two: the harder test
        order: UUID
        sku: str
        quantity: int
        price: Decimal
        placed_at: datetime
        note: str


@dataclasses.dataclass(frozen=True)
class Place:
    """The command: decides on one line, or on that many."""

    number: int
    lines: int = 1


CATEGORY = "order"
TYPE = "LinePlaced"
_FIRST = datetime(2026, 1, 1, 8, 30, 0, 123456, tzinfo=UTC)
_NOTE = "leave it with the neighbour at number 7"


def line(number: int) -> LinePlaced:
    return LinePlaced(
        UUID(int=0x0192_0000_0000_7000_8000_0000_0000_0000 + number),
        f"SKU-{number % 9_000 + 1_000}-BLUE",
        number % 7 + 1,
        Decimal(number % 90_000 + 1_000) / 100,
        _FIRST + timedelta(seconds=number % 86_400),
        _NOTE,
    )


def decide(command: Place, total: int) -> list[LinePlaced]:
    return [line(command.number + each) for each in range(command.lines)]


def evolve(total: int, event: LinePlaced) -> int:
    return total + event.quantity


encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder(LinePlaced).decode

# Encoded once, for what only moves bytes.
BYTES: list[bytes] = [encode(line(number)) for number in range(64)]
TEXTS: list[str] = [each.decode() for each in BYTES]
