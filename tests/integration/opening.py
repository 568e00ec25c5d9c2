"""A store in a file, open for a block."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from eventfold.adapters.sqlite import SqliteEventStore, open_sqlite
from eventfold.adapters.sqlite.read_model import SqliteReadModel
from eventfold.adapters.system import ManualClock


@asynccontextmanager
async def opened(path: Path, **options: Any) -> AsyncIterator[tuple[SqliteEventStore, SqliteReadModel]]:
    store, rows, _ = await open_sqlite(str(path), clock=ManualClock(), **options)
    try:
        yield store, rows
    finally:
        await store.close()
        await rows.close()
