"""One statement on somebody else's database, wherever a URL says that it is."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

from eventfold.bootstrap.stores import driver_is_there
from eventfold.bootstrap.urls import is_postgres, scheme_of, unknown_scheme
from eventfold.errors import InvalidStoreUrl

__all__ = ["reading"]


def reading(
    url: str, *, sqlite: str | None, postgres: str
) -> AbstractAsyncContextManager[AsyncIterator[Sequence[tuple[Any, ...]]]]:
    """
    The rows of the statement for this kind of database, piece by piece, all of one moment.

    Args:
        url: `sqlite:///path` or `postgresql://…`, without options of ours.
        sqlite: None where such a store is never in a file.

    Raises:
        InvalidStoreUrl, UnsupportedByStore: no such kind of database, or its driver is missing.
    """
    if is_postgres(url):
        driver_is_there()
        from eventfold.adapters.postgres.foreign import reading_database

        return reading_database(url, postgres)
    if scheme_of(url) != "sqlite":
        raise unknown_scheme(scheme_of(url))
    path = url.removeprefix("sqlite:///")
    if sqlite is None or path == url or not path:
        raise InvalidStoreUrl(
            f"{url}: "
            + ("such a store is in Postgres: postgresql://…" if sqlite is None else "write sqlite:///path/of/the.db")
        )
    from eventfold.adapters.sqlite.foreign import reading_file

    return reading_file(path, sqlite)
