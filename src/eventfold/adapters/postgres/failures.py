"""What Postgres' errors, and the driver's, mean to our users."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Final

import asyncpg
from asyncpg.exceptions._base import (  # asyncpg has them too, in a way that type checkers do not follow
    ClientConfigurationError,
    InterfaceError,
    InternalClientError,
    PostgresError,
    TargetServerAttributeNotMatched,
)

from eventfold.errors import (
    EventfoldError,
    InvalidInput,
    NotPermitted,
    StoreError,
    StoreFull,
    StoreUnavailable,
    UnsupportedByStore,
    UnsupportedIsolation,
)

__all__ = [
    "FAILED",
    "LOST",
    "OUTRUN",
    "TRANSIENT",
    "ClientConfigurationError",
    "InterfaceError",
    "InternalClientError",
    "PostgresError",
    "speaking_our_errors",
    "translated",
]

LOST: Final[tuple[type[Exception], ...]] = (
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.IdleSessionTimeoutError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    InternalClientError,
    InterfaceError,
    OSError,  # and with it TimeoutError
    EOFError,
)
"""The connection is gone, or nobody can say in what state it is. What it was asked last may have been done or not."""

TRANSIENT: Final[tuple[type[Exception], ...]] = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError)
"""Nothing was done, and the same again may succeed."""

FAILED: Final[tuple[type[Exception], ...]] = (PostgresError, *LOST)
"""Whatever an attempt to connect may end in."""

OUTRUN: Final[tuple[type[Exception], ...]] = (asyncpg.UniqueViolationError, *TRANSIENT)
"""A rival was quicker. Nothing was done."""

_THE_USERS_FAULT: Final = ("0A", "21", "22", "23", "2B", "3F", "42", "44", "54", "P0")
"""Classes of errors that a statement of the user's own may lead to."""


@contextmanager
def speaking_our_errors(
    where: str, *, role: Callable[[], str | None] = lambda: None, for_user: bool = False
) -> Generator[None]:
    """
    Inside, an error of the driver leaves as one of ours.

    Args:
        role: as which we are there; asked when there is an error, for it takes a connection to know.
        for_user: the statement is the user's own.
    """
    try:
        yield
    except (PostgresError, InternalClientError, InterfaceError, OSError, EOFError) as error:
        raise translated(error, where, role=role(), for_user=for_user) from error


def translated(error: Exception, where: str, *, role: str | None = None, for_user: bool = False) -> EventfoldError:
    """What this error means. None of the sentences holds a password, or a value that was to be stored."""
    state = str(getattr(error, "sqlstate", ""))
    match error:
        case asyncpg.InvalidPasswordError() | asyncpg.InvalidAuthorizationSpecificationError():
            return StoreUnavailable(f"{where} does not let us in: {_said(error)}; check user and password in the URL")
        case asyncpg.InvalidCatalogNameError():
            return StoreUnavailable(f"{where}: {_said(error)}; create the database first, for example with createdb")
        case asyncpg.TooManyConnectionsError():
            return StoreUnavailable(f"{where} has no connection left; lower ?pool=, or raise max_connections")
        case asyncpg.DiskFullError():
            return StoreFull(
                f"{where}: no room left on the server's disk; nothing was stored. Free space and try again"
            )
        case asyncpg.OutOfMemoryError() | asyncpg.InsufficientResourcesError():
            return StoreUnavailable(f"{where} is out of resources: {_said(error)}; {_hint(error)}")
        case asyncpg.ReadOnlySQLTransactionError():
            return StoreUnavailable(f"{where} is read only, a standby perhaps; name the primary in the URL")
        case asyncpg.InsufficientPrivilegeError():
            return NotPermitted(
                where,
                role,
                _said(error),
                "`eventfold store roles` prints who needs which rights, and --apply grants them",
            )
        case asyncpg.ActiveSQLTransactionError():
            return UnsupportedIsolation(f"{where}: {_said(error)}; set default_transaction_isolation to it")
        case asyncpg.QueryCanceledError() | asyncpg.LockNotAvailableError():
            return StoreUnavailable(
                f"{where} gave up waiting: {_said(error)}; nothing was done. Look for who holds locks, or raise the "
                "role's statement_timeout or lock_timeout"
            )
        case asyncpg.DeadlockDetectedError() | asyncpg.SerializationError():
            return StoreUnavailable(f"{where}: {_said(error)}, again and again; nothing was done, try once more")
        case asyncpg.ProtocolViolationError() if "startup parameter" in str(error):
            return UnsupportedByStore(
                f"{where} is a pooler: {_said(error)}; name the server itself beside it, percent-encoded: "
                "?direct=postgresql%3A%2F%2Fserver%2Fdatabase"
            )
        case TargetServerAttributeNotMatched():
            return StoreUnavailable(f"{where} is a standby, which cannot write; name the primary in the URL")
        case ssl.SSLError():
            return StoreUnavailable(f"{where}: no encrypted connection ({error.reason}); check ?sslmode= in the URL")
        case _ if isinstance(error, LOST):
            return StoreUnavailable(f"{where} cannot be reached: {_said(error)}; see that the server runs there")
        case PostgresError():
            if for_user and state.startswith(_THE_USERS_FAULT):
                return InvalidInput(_said(error))
            if state.startswith("42"):
                return StoreError(f"{where}: the tables are not as they were: {_said(error)}")
            return StoreError(f"{where}: {type(error).__name__}: {_said(error)}")
        case _:
            return StoreError(f"{where}: {type(error).__name__}: {_said(error)}")


def _said(error: Exception) -> str:
    """The first line: details may quote values."""
    if isinstance(error, TimeoutError) and not str(error):
        return "no answer in time"
    return str(error).partition("\n")[0] or type(error).__name__


def _hint(error: Exception) -> str:
    return getattr(error, "hint", None) or "see the server's log"
