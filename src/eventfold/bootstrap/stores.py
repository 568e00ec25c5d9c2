"""From a store's URL to the adapters behind it."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar
from urllib.parse import parse_qsl, unquote

import msgspec

from eventfold.errors import InvalidInput, InvalidStoreUrl, UnsupportedByStore
from eventfold.ports.clock import Clock
from eventfold.ports.event_store import EventStore
from eventfold.ports.read_model import ReadModel

if TYPE_CHECKING:
    from eventfold.adapters.sqlite.backup import Backup

__all__ = ["DEFAULT_URL", "SqliteOptions", "Stores", "backup", "open_stores", "sqlite_file"]

T = TypeVar("T", bound=msgspec.Struct)

DEFAULT_URL: Final = "sqlite:///eventfold.db"
_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")
_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_LONGEST: Final = 86_400.0
_SCHEMES: Final = "memory:, sqlite:///path"


class Stores(msgspec.Struct, frozen=True):
    """The log and the rows of one address."""

    events: EventStore
    rows: ReadModel


class Duration(timedelta):
    """A length of time with its unit: 200ms, 5s, 2m, 1h."""


class MemoryOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """None."""


class SqliteOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    synchronous: Literal["full", "normal"] = "full"
    busy: Duration = Duration(seconds=5)
    writer: Literal["auto", "thread"] = "auto"
    prefix: str = ""
    network: Literal["refuse", "allow"] = "refuse"


@asynccontextmanager
async def open_stores(url: str, *, clock: Clock, migrate: bool) -> AsyncGenerator[Stores]:
    """
    The stores behind the URL, open for this block.

    Raises:
        InvalidStoreUrl: an unknown kind of store, an unknown option, or a value that is none.
        StoreError: it cannot be opened, with the reason.
    """
    scheme, _, rest = url.partition(":")
    place, _, query = rest.partition("?")
    match scheme:
        case "memory":
            if place:
                raise InvalidStoreUrl(f"memory:{place}: a store in memory has no name; write memory:")
            _options(MemoryOptions, query, "memory:")
            stores = await _open_memory(clock)
        case "sqlite":
            options = _options(SqliteOptions, query, "sqlite:")
            stores = await _open_sqlite(_path(place), options, clock, migrate=migrate)
        case _:
            raise InvalidStoreUrl(f"{scheme!r} is no kind of store of this release; there are {_SCHEMES}")
    try:
        yield stores
    finally:
        await stores.events.close()
        await stores.rows.close()


async def backup(url: str, to: str) -> Backup:
    """
    Copy the store into a new file while it is in use: one moment of it, checked before it gets its name.

    Raises:
        InvalidStoreUrl: as `open_stores` does.
        InvalidInput: there is such a file already; it stays as it was.
        UnsupportedByStore: the store is no file.
        StoreError: the store cannot be read, or the copy not be written.
    """
    from eventfold.adapters.sqlite.backup import backup_sqlite

    path, options = sqlite_file(url)
    return await backup_sqlite(path, to, prefix=options.prefix, busy=options.busy.total_seconds())


def sqlite_file(url: str) -> tuple[str, SqliteOptions]:
    """
    The file behind the URL, and the options it is opened with.

    Raises:
        InvalidStoreUrl: as `open_stores` does.
        UnsupportedByStore: the store is no file.
    """
    scheme, _, rest = url.partition(":")
    place, _, query = rest.partition("?")
    if scheme == "memory":
        raise UnsupportedByStore("a store in memory ends with its process: no backup, nothing to look at; open a file")
    if scheme != "sqlite":
        raise InvalidStoreUrl(f"{scheme!r} is no kind of store of this release; there are {_SCHEMES}")
    return _path(place), _options(SqliteOptions, query, "sqlite:")


async def _open_memory(clock: Clock) -> Stores:
    from eventfold.adapters.memory import MemoryEventStore
    from eventfold.adapters.sqlite import open_sqlite_rows_in_memory

    return Stores(MemoryEventStore(clock), await open_sqlite_rows_in_memory(clock=clock))


async def _open_sqlite(path: str, options: SqliteOptions, clock: Clock, *, migrate: bool) -> Stores:
    from eventfold.adapters.sqlite import open_sqlite

    events, rows = await open_sqlite(
        path,
        clock=clock,
        migrate=migrate,
        synchronous=options.synchronous,
        busy=options.busy.total_seconds(),
        writer=options.writer,
        prefix=options.prefix,
        network=options.network,
    )
    return Stores(events, rows)


def _path(place: str) -> str:
    if not place.startswith("///") or len(place) == len("///"):
        raise InvalidStoreUrl(
            f"sqlite:{place}: name a file after three slashes, sqlite:///app.db; four make the path absolute, sqlite:////data/app.db"
        )
    path = unquote(place[len("///") :])
    if "\0" in path or path.startswith(":memory:"):
        raise InvalidStoreUrl(f"sqlite:{place}: that is no file; for a store in memory write memory:")
    return path


def _options(kind: type[T], query: str, scheme: str) -> T:
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=True) if query else []
    except ValueError as error:
        raise InvalidStoreUrl(f"{scheme} options {query!r}: write ?name=value&name=value") from error
    given = dict(pairs)
    if len(given) < len(pairs):
        raise InvalidStoreUrl(f"{scheme} options {query!r}: an option is given twice")
    known = msgspec.structs.fields(kind)
    unknown = sorted(given.keys() - {field.name for field in known})
    if unknown:
        names = ", ".join(field.name for field in known) or "none"
        raise InvalidStoreUrl(f"{scheme} has no option {unknown[0]!r}; there are: {names}")
    try:
        return msgspec.convert(given, kind, strict=False, dec_hook=_decode)
    except (msgspec.ValidationError, InvalidInput) as error:
        raise InvalidStoreUrl(f"{scheme} options {query!r}: {error}") from error


def _decode(kind: type[Any], value: Any) -> Any:
    if kind is Duration:
        match = _DURATION.fullmatch(value)
        if match is None:
            raise InvalidInput(f"{value!r} is no duration; write 200ms, 5s, 2m or 1h")
        seconds = float(match[1]) * _SECONDS[match[2]]
        if seconds > _LONGEST:
            raise InvalidInput(f"{value!r} is more than a day")
        return Duration(seconds=seconds)
    raise NotImplementedError(kind)  # msgspec's word for "not mine"
