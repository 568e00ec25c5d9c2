"""
What a store's URL says: which kind, where it is, and options with types.

A password is never shown: whatever quotes a URL of a server quotes it `redacted`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final, Literal, TypeVar
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

import msgspec

from eventfold.errors import InvalidInput, InvalidStoreUrl, UnsupportedByStore

__all__ = [
    "Duration",
    "MemoryOptions",
    "PostgresAddress",
    "PostgresOptions",
    "SqliteOptions",
    "duration",
    "is_postgres",
    "memory_options",
    "postgres_address",
    "redacted",
    "scheme_of",
    "sqlite_file",
    "unknown_scheme",
]

T = TypeVar("T", bound=msgspec.Struct)

_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")
_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_LONGEST: Final = 86_400.0
_SCHEMES: Final = "memory:, sqlite:///path, postgresql://user@host/database"
_POSTGRES: Final = ("postgresql", "postgres")
_LIBPQ: Final = (
    "host", "port", "dbname", "user", "password", "passfile", "service",
    "sslmode", "sslrootcert", "sslcert", "sslkey", "sslpassword", "sslcrl", "sslnegotiation",
    "ssl_min_protocol_version", "ssl_max_protocol_version",
    "krbsrvname", "gsslib", "application_name", "options",
)  # fmt: skip
"""What libpq knows and the driver understands too; it goes to the driver as it came."""
_SECRETS: Final = frozenset({"password", "sslpassword"})
_NAME: Final = re.compile(r"[a-z_]{1,32}")
_STARS: Final = "***"


class Duration(timedelta):
    """A length of time with its unit: 200ms, 5s, 2m, 1h."""


def duration(text: str) -> Duration:
    """Raises InvalidInput: no number with one of these units, or more than a day."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise InvalidInput(f"{text!r} is no duration; write 200ms, 5s, 2m or 1h")
    seconds = float(match[1]) * _SECONDS[match[2]]
    if seconds > _LONGEST:
        raise InvalidInput(f"{text!r} is more than a day")
    return Duration(seconds=seconds)


class MemoryOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """None."""


class SqliteOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    synchronous: Literal["full", "normal"] = "full"
    busy: Duration = Duration(seconds=5)
    writer: Literal["auto", "thread"] = "auto"
    prefix: str = ""
    network: Literal["refuse", "allow"] = "refuse"


class PostgresOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Eventfold's own; those of libpq are beside them in the URL."""

    schema: str = "eventfold"
    pool: int = 8
    lanes: int = 2
    direct: str | None = None
    poll: Duration = Duration(seconds=1)
    notify: Literal["on", "off"] = "on"
    synchronous_commit: Literal["require", "any"] = "require"


class PostgresAddress:
    """
    Where a server is and how to get in. No text form of it holds a password.

    `dsn` is for the driver alone.
    """

    def __init__(self, dsn: str, options: PostgresOptions) -> None:
        self.dsn = dsn
        self.options = options

    def __repr__(self) -> str:
        return f"PostgresAddress({redacted(self.dsn)!r})"


def scheme_of(url: str) -> str:
    return url.partition(":")[0]


def is_postgres(url: str) -> bool:
    return scheme_of(url) in _POSTGRES


def unknown_scheme(scheme: str) -> InvalidStoreUrl:
    return InvalidStoreUrl(f"{scheme!r} is no kind of store of this release; there are {_SCHEMES}")


def memory_options(url: str) -> MemoryOptions:
    """Raises InvalidStoreUrl: a name, or an option."""
    place, _, query = url.partition(":")[2].partition("?")
    if place:
        raise InvalidStoreUrl(f"memory:{place}: a store in memory has no name; write memory:")
    return _typed(MemoryOptions, _pairs(query, "memory:"), "memory:")


def sqlite_file(url: str) -> tuple[str, SqliteOptions]:
    """
    The file behind the URL, and the options it is opened with.

    Raises:
        InvalidStoreUrl: another kind of store, no path, an unknown option, or a value that is none.
        UnsupportedByStore: the store is no file.
    """
    scheme, _, rest = url.partition(":")
    place, _, query = rest.partition("?")
    if scheme == "memory":
        raise UnsupportedByStore("a store in memory ends with its process: no backup, nothing to look at; open a file")
    if scheme in _POSTGRES:
        raise UnsupportedByStore("a database on a server is no file; its own tools do that, pg_dump for a backup")
    if scheme != "sqlite":
        raise unknown_scheme(scheme)
    return _path(place), sqlite_options(query)


def sqlite_options(query: str) -> SqliteOptions:
    """Raises InvalidStoreUrl: an unknown option, or a value that is none."""
    return _typed(SqliteOptions, _pairs(query, "sqlite:"), "sqlite:")


def postgres_address(url: str) -> PostgresAddress:
    """
    The server behind the URL, and the options the store is opened with.

    Raises:
        InvalidStoreUrl: no database is named, an unknown option, or a value that is none. Its text shows no password.
    """
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise InvalidStoreUrl(f"{redacted(url)} is no URL: {error}") from None
    if parts.fragment or "@" in parts.path or _NO_PORT.match(url) or not (parts.netloc or parts.path or parts.query):
        raise InvalidStoreUrl(
            f"{redacted(url)}: write postgresql://user:password@host/database; "
            "in a password %23 stands for #, %2F for /, %3F for ?, %40 for @, %25 for %"
        )
    given = _pairs(parts.query, "postgresql:", secret=True)
    own = [field.name for field in msgspec.structs.fields(PostgresOptions)]
    unknown = sorted(given.keys() - {*own, *_LIBPQ})
    if unknown:
        name = repr(unknown[0]) if _NAME.fullmatch(unknown[0]) else "of that name"
        raise InvalidStoreUrl(
            f"postgresql: has no option {name}; there are: {', '.join(own)}; and of libpq: {', '.join(_LIBPQ)}"
        )
    if parts.path in {"", "/"} and not given.keys() & {"dbname", "service"}:
        raise InvalidStoreUrl(f"{redacted(url)}: name a database after the host: postgresql://host/database")
    options = _typed(PostgresOptions, {name: given[name] for name in own if name in given}, "postgresql:")
    _check(options)
    passed_on = urlencode({name: value for name, value in given.items() if name in _LIBPQ}, quote_via=quote)
    return PostgresAddress(parts._replace(scheme="postgresql", query=passed_on).geturl(), options)


def _check(options: PostgresOptions) -> None:
    if not 1 <= options.lanes <= 16:
        raise InvalidStoreUrl(f"postgresql: lanes={options.lanes}: between 1 and 16")
    if not 1 <= options.pool <= 1_000:
        raise InvalidStoreUrl(f"postgresql: pool={options.pool}: between 1 and 1000 connections")
    if options.poll <= timedelta(0):
        raise InvalidStoreUrl("postgresql: poll=0s: more than nothing, as in 1s")
    if options.direct is not None and not is_postgres(options.direct):
        raise InvalidStoreUrl(
            "postgresql: direct= is a URL of its own, past the pooler, percent-encoded: "
            "direct=postgresql%3A%2F%2Fhost%2Fdatabase"
        )


_NO_PORT: Final = re.compile(r"^([a-z]+://(?:[^/?#@]*@)?[^:/?#@\[]+):(?!\d*(?:[/,?#]|$))[^/?#@]*(?=[/?#]|$)")
"""What stands in its place may be a password whose host was forgotten."""
_BEFORE_HOST: Final = re.compile(r"^([a-z]+://[^:/?#@]*):.*@", re.DOTALL)


def redacted(url: str) -> str:
    """The URL with `***` for each password in it, also where it is written wrongly."""
    if not is_postgres(url):
        return url
    place, mark, query = url.partition("?")
    if "@" in query:  # written wrongly: whatever precedes the last one may be part of a password
        return f"{scheme_of(url)}://{_STARS}@" + query.rpartition("@")[2]
    place = _NO_PORT.sub(rf"\1:{_STARS}", _BEFORE_HOST.sub(rf"\1:{_STARS}@", place))
    return place + mark + "&".join(map(_without_secret, query.split("&")))


def _without_secret(pair: str) -> str:
    name, equals, value = pair.partition("=")
    if name in _SECRETS:
        return name + equals + _STARS
    if name == "direct":
        return name + equals + quote(redacted(unquote(value)), safe="*")
    return pair


# -------------------------------------------------------------------------- options


def _path(place: str) -> str:
    if not place.startswith("///") or len(place) == len("///"):
        raise InvalidStoreUrl(
            f"sqlite:{place}: name a file after three slashes, sqlite:///app.db; four make the path absolute, sqlite:////data/app.db"
        )
    path = unquote(place[len("///") :])
    if "\0" in path or path.startswith(":memory:"):
        raise InvalidStoreUrl(f"sqlite:{place}: that is no file; for a store in memory write memory:")
    return path


def _pairs(query: str, scheme: str, *, secret: bool = False) -> Mapping[str, str]:
    shown = "" if secret else f" {query!r}"
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=True) if query else []
    except ValueError:
        raise InvalidStoreUrl(f"{scheme} options{shown}: write ?name=value&name=value") from None  # it quotes the text
    given = dict(pairs)
    if len(given) < len(pairs):
        raise InvalidStoreUrl(f"{scheme} options{shown}: an option is given twice")
    return given


def _typed(kind: type[T], given: Mapping[str, str], scheme: str) -> T:
    known: Sequence[str] = [field.name for field in msgspec.structs.fields(kind)]
    unknown = sorted(given.keys() - {*known})
    if unknown:
        raise InvalidStoreUrl(f"{scheme} has no option {unknown[0]!r}; there are: {', '.join(known) or 'none'}")
    try:
        return msgspec.convert(given, kind, strict=False, dec_hook=_decode)
    except (msgspec.ValidationError, InvalidInput) as error:
        shown = "&".join(f"{name}={value}" for name, value in given.items() if name != "direct")
        raise InvalidStoreUrl(f"{scheme} options {shown!r}: {error}") from error


def _decode(kind: type[Any], value: Any) -> Any:
    if kind is Duration:
        return duration(value)
    raise NotImplementedError(kind)  # msgspec's word for "not mine"
