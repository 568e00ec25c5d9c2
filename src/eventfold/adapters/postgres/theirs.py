"""What is asked of a connection that is not ours, whatever its driver is."""

from __future__ import annotations

from typing import Any, Final, Protocol

from eventfold.adapters.postgres.open_unit import Line

__all__ = ["FAILED_ALREADY", "NO_TRANSACTION", "Theirs"]

NO_TRANSACTION: Final = (
    "the connection has no transaction, or it has ended: what is appended must be somebody's to commit. Begin one and "
    "join it, `{}`"
)
FAILED_ALREADY: Final = "the transaction of this connection has failed; roll it back, and join the next one"


class Theirs(Protocol):
    """A connection that is not ours, with its transaction."""

    @property
    def driver(self) -> Any:
        """The driver's own connection, once it has been entered."""
        ...

    async def entered(self) -> Line:
        """
        Its line, once its transaction has begun.

        Raises:
            InvalidInput: it is closed, or it has no transaction that could go on.
        """
        ...

    def refuse_if_over(self) -> None:
        """Raises InvalidInput when the transaction that was entered has ended."""
        ...
