"""A counter that never goes below zero: its state is an int, and a command may be several events."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Increase:
    by: int
    times: int = 1


@dataclass(frozen=True)
class Decrease:
    by: int


@dataclass(frozen=True)
class Changed:
    by: int


class Underflow(Exception):
    """A rejection of the domain."""


def count(command: Increase | Decrease, value: int) -> Sequence[Changed]:
    match command:
        case Increase(by, times):
            return [Changed(by)] * times
        case Decrease(by) if by > value:
            raise Underflow(f"{value} - {by}")
        case Decrease(by):
            return [Changed(-by)]


def changed(value: int, event: Changed) -> int:
    return value + event.by
