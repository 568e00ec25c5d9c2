"""Named places where a test may strike: kill the process, raise, hang. One comparison with None in production."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["arm", "disarm", "failpoint"]

_strike: Callable[[str], None] | None = None


def failpoint(name: str) -> None:
    """Nothing, unless a test has armed this process."""
    if _strike is not None:
        _strike(name)


def arm(strike: Callable[[str], None]) -> None:
    """From now on `strike` is called with the name of every failpoint that is passed. For tests alone."""
    global _strike  # noqa: PLW0603 - one process, one hand on the trigger
    _strike = strike


def disarm() -> None:
    global _strike  # noqa: PLW0603 - as above
    _strike = None
