"""Opening a file, and what SQLite's errors mean to our users."""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, Literal, Protocol, TypeVar, cast

import apsw

from eventfold.errors import (
    EventfoldError,
    InvalidInput,
    NotAStore,
    StoreBusy,
    StoreError,
    StoreFull,
    StoreUnavailable,
)

__all__ = [
    "IN_MEMORY",
    "Connection",
    "Synchronous",
    "in_transaction",
    "make_durable",
    "open_copy",
    "open_reader",
    "open_writer",
    "speaking_our_errors",
    "translated",
]

T = TypeVar("T")

Synchronous = Literal["full", "normal"]
IN_MEMORY: Final = ":memory:"

_READ_WRITE: Final = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE
_OWNER_ONLY: Final = stat.S_IRUSR | stat.S_IWUSR
_MOMENT: Final = 0.005


class Rows(Protocol):
    """What a statement gave."""

    @property
    def get(self) -> Any: ...
    def fetchone(self) -> tuple[Any, ...] | None: ...
    def fetchall(self) -> list[tuple[Any, ...]]: ...
    def get_description(self) -> tuple[tuple[str, str | None], ...]: ...


class Connection(Protocol):
    """The part of `apsw.Connection` that is used here; its own types are not readable by every checker."""

    @property
    def in_transaction(self) -> bool: ...
    def execute(self, statements: str, bindings: Sequence[Any] = (), /) -> Rows: ...
    def executemany(self, statements: str, bindings: Iterable[Sequence[Any]], /) -> Rows: ...
    def changes(self) -> int: ...
    def last_insert_rowid(self) -> int: ...
    def set_busy_timeout(self, milliseconds: int, /) -> None: ...
    def interrupt(self) -> None: ...
    def close(self) -> None: ...


def open_writer(path: str, *, busy: float, create: bool) -> Connection:
    """
    The connection that writes. A file it makes belongs to its owner alone; one that is there is not changed yet.

    Raises:
        NotAStore: the path is a folder or a file of another kind.
        StoreUnavailable: it cannot be opened.
    """
    if path != IN_MEMORY:
        _claim(path, create=create)
    with speaking_our_errors(path, busy):
        connection = cast("Connection", apsw.Connection(path, flags=_READ_WRITE))
        connection.set_busy_timeout(int(busy * 1000))
        connection.execute("PRAGMA foreign_keys = ON")
        return connection


def make_durable(connection: Connection, path: str, *, synchronous: Synchronous, busy: float) -> None:
    """Write ahead, and wait for the disk. Raises StoreUnavailable where the file system cannot do it."""
    with speaking_our_errors(path, busy):
        mode = _written_ahead(connection, time.monotonic() + busy)
        if mode != "wal" and path != IN_MEMORY:
            raise StoreUnavailable(
                f"{path}: the file system gives no write-ahead log (mode {mode!r}); use a local disk"
            )
        connection.execute("PRAGMA synchronous = FULL" if synchronous == "full" else "PRAGMA synchronous = NORMAL")


def _written_ahead(connection: Connection, deadline: float) -> str:
    """SQLite does not wait when two processes change the mode of a new file at once, so we do."""
    while True:
        try:
            return str(connection.execute("PRAGMA journal_mode = WAL").get)
        except apsw.BusyError:
            if time.monotonic() > deadline:
                raise
            time.sleep(_MOMENT)


def open_reader(path: str, *, busy: float) -> Connection:
    """A connection that cannot write."""
    with speaking_our_errors(path, busy):
        connection = cast("Connection", apsw.Connection(path, flags=apsw.SQLITE_OPEN_READONLY))
        connection.set_busy_timeout(int(busy * 1000))
        connection.execute("PRAGMA query_only = ON")
        return connection


def open_copy(path: str, *, busy: float) -> Connection:
    """A file that nobody else knows of yet, for writing."""
    with speaking_our_errors(path, busy):
        return cast("Connection", apsw.Connection(path, flags=apsw.SQLITE_OPEN_READWRITE))


def _claim(path: str, *, create: bool) -> None:
    """
    Make the file with our permissions before SQLite makes it with the umask's.

    One that is there is not opened: closing it again would drop the locks that other connections of this process hold.
    """
    file = Path(path)
    try:
        if file.is_dir():
            raise NotAStore(f"{path} is a folder; name a file in it, for example sqlite:///{path}/eventfold.db")
        if not file.parent.is_dir():
            raise StoreUnavailable(f"{path}: there is no folder {file.parent}; make it first")
        if file.is_symlink():
            raise StoreUnavailable(f"{path} is a symbolic link, its log would lie elsewhere; name {file.resolve()}")
        if create and not file.exists():
            with suppress(FileExistsError):  # another process was quicker
                os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, _OWNER_ONLY))
        if not os.access(path, os.R_OK | os.W_OK):
            raise PermissionError(errno.EACCES, "no permission" if file.exists() else "there is no such file")
    except OSError as error:
        remedy = "see that the file and its folder belong to this user, on a disk that is mounted for writing"
        raise StoreUnavailable(f"{path} cannot be opened for writing: {error.strerror}; {remedy}") from error


@contextmanager
def speaking_our_errors(path: str, busy: float = 0.0, *, for_user: bool = False) -> Generator[None]:
    """Inside, an error of SQLite leaves as one of ours. `for_user`: the statement is the user's own."""
    try:
        yield
    except apsw.Error as error:
        raise translated(error, path, busy, for_user=for_user) from error
    except UnicodeDecodeError as error:
        damage = f"{path} holds a text that is no UTF-8 ({error.reason} at byte {error.start} of it)"
        raise StoreUnavailable(
            f"{damage}; restore a backup, or salvage it with `.recover`"
        ) from None  # it quotes the text


def translated(error: apsw.Error, path: str, busy: float = 0.0, *, for_user: bool = False) -> EventfoldError:
    """What this error of SQLite means."""
    match error:
        case apsw.BusyError() | apsw.LockedError():
            return StoreBusy(None, busy)
        case apsw.FullError():
            return StoreFull(f"{path}: no room left; nothing was stored. Free space and append again")
        case apsw.NotADBError():
            return NotAStore(f"{path} is no SQLite database; nothing in it was touched")
        case apsw.CorruptError():
            return StoreUnavailable(f"{path} is damaged ({error}); restore a backup, or salvage it with `.recover`")
        case apsw.ReadOnlyError() | apsw.PermissionsError() | apsw.AuthError():
            return StoreUnavailable(f"{path} cannot be written: {error}; see that it belongs to this user")
        case apsw.SQLError() | apsw.TooBigError() | apsw.MismatchError() | apsw.RangeError() | apsw.ConstraintError():
            return (
                InvalidInput(str(error))
                if for_user
                else StoreError(f"{path}: the tables are not as they were: {error}")
            )
        case apsw.IOError() | apsw.CantOpenError():
            return StoreUnavailable(f"{path}: the disk does not answer ({error}); see that it is mounted and sound")
        case _:
            return StoreError(f"{path}: {type(error).__name__}: {error}")


def in_transaction(connection: Connection, function: Callable[[Connection], T]) -> T:
    """All of it, or nothing."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        result = function(connection)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return result
