"""The end of an upgrade: what had to wait until no older release uses the schema."""

from __future__ import annotations

from eventfold.adapters.postgres.connection import Connections
from eventfold.adapters.postgres.migrate import bring_up_to_date
from eventfold.adapters.postgres.names import Names

__all__ = ["finish"]


async def finish(dsn: str, *, schema: str, direct: str | None) -> None:
    """
    Apply the post migrations, and refuse older releases from now on. Others of this release may have the store open.

    Raises:
        NotAStore, StoreTooNew: this is no store, or none of this release.
        NotPermitted: the role of the URL does not own the tables.
        StoreUnavailable: it cannot be reached.
    """
    connections = Connections(direct or dsn, most=1)  # past a pooler: all that is asked here is asked of one session
    try:
        async with connections.use() as connection:
            await bring_up_to_date(connection, Names(schema), connections.where, finish=True)
    finally:
        await connections.close()
