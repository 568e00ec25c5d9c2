"""A store on a server with the tables of projectors beside it, and whoever opens it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import Any
from urllib.parse import urlsplit

import asyncpg

from eventfold.adapters.postgres.connection import Connections
from eventfold.adapters.postgres.migrate import bring_up_to_date
from eventfold.adapters.postgres.names import Names
from eventfold.adapters.postgres.read_model import PostgresReadModel
from eventfold.adapters.system import system_clock
from eventfold.ports.clock import Clock
from tests.postgres import PostgresServer

__all__ = ["Place", "place_on"]


class Place:
    """A fresh schema for our tables and one for the projectors'."""

    def __init__(self, server: PostgresServer, schema: str, stack: AsyncExitStack) -> None:
        self.server = server
        self.schema = schema
        self.names = Names(schema)
        self.url = f"{server.url}?options=-csearch_path%3D{schema}_rows"
        self._stack = stack

    async def open(self, *, url: str | None = None, most: int = 4, clock: Clock = system_clock) -> PostgresReadModel:
        connections = Connections(url or self.url, most=most)
        self._stack.push_async_callback(connections.close)
        return PostgresReadModel(connections, self.names, clock)

    async def stranger(self) -> Any:
        """Somebody with a connection of his own, who knows the server and not us."""
        connection: Any = await asyncpg.connect(self.url)
        self._stack.push_async_callback(connection.close)
        return connection

    @contextmanager
    def keeper(self, rights: str) -> Iterator[str]:
        """The store's address for a role that has these rights: `SELECT, UPDATE ON {parked}`."""
        login, parts = f"{self.schema}_keeper", urlsplit(self.url)
        self.server.execute(f"CREATE ROLE {login} LOGIN PASSWORD 'secret'")
        try:
            self.server.execute(f"GRANT USAGE ON SCHEMA {self.schema} TO {login}")
            self.server.execute(self.names.fill(f"GRANT {rights} TO {login}"))
            yield parts._replace(netloc=f"{login}:secret@{parts.netloc.rpartition('@')[2]}").geturl()
        finally:
            self.server.execute(f"DROP OWNED BY {login}")
            self.server.execute(f"DROP ROLE {login}")


@asynccontextmanager
async def place_on(server: PostgresServer, schema: str) -> AsyncIterator[Place]:
    async with AsyncExitStack() as stack:
        place = Place(server, schema, stack)
        await (await place.stranger()).execute(f'CREATE SCHEMA "{schema}_rows"')
        connections = Connections(place.url, most=1)
        async with connections.use() as connection:
            await bring_up_to_date(connection, place.names, connections.where)
        await connections.close()
        yield place
    server.execute(f'DROP SCHEMA "{schema}_rows" CASCADE')
