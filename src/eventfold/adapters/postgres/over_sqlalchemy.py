"""
Connections and sessions of SQLAlchemy: the driver's connection below them, once their transaction has begun.

Their own transaction says when that is over, for afterwards the driver's connection is somebody else's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession
from sqlalchemy.orm import Session

from eventfold.adapters.postgres.open_unit import Line
from eventfold.adapters.postgres.theirs import NO_TRANSACTION, Theirs
from eventfold.errors import InvalidInput

__all__ = ["OverSqlalchemy"]


class OverSqlalchemy:
    """
    Args:
        driver: joins the connection below.
    """

    def __init__(
        self, given: Connection | Session | AsyncConnection | AsyncSession, driver: Callable[[Any], Theirs]
    ) -> None:
        self._given = given
        self._driver = driver
        self._below: Theirs | None = None
        self._owner: Connection | Session | None = None
        self._transaction: object = None

    @property
    def driver(self) -> Any:
        return None if self._below is None else self._below.driver

    async def entered(self) -> Line:
        try:
            below = await (
                self._of_async(self._given)
                if isinstance(self._given, (AsyncConnection, AsyncSession))
                else self._of_sync(self._given)
            )
        except SQLAlchemyError as error:
            raise InvalidInput(f"SQLAlchemy says: {str(error).partition(chr(10))[0]}") from error
        self._below = self._driver(below)
        return await self._below.entered()

    async def _of_async(self, given: AsyncConnection | AsyncSession) -> Any:
        connection = await given.connection() if isinstance(given, AsyncSession) else given
        below = (await connection.get_raw_connection()).driver_connection
        if not _has_begun(connection, below):
            await connection.execute(text("SELECT 1"))
        self._remember(given.sync_session if isinstance(given, AsyncSession) else connection.sync_connection)
        return below

    async def _of_sync(self, given: Connection | Session) -> Any:
        if (given.get_bind() if isinstance(given, Session) else given).dialect.is_async:
            raise InvalidInput("this belongs to an AsyncSession or AsyncConnection; pass that one")

        def begin() -> Any:
            connection = given.connection() if isinstance(given, Session) else given
            below = connection.connection.driver_connection
            if not _has_begun(connection, below):
                connection.execute(text("SELECT 1"))
            return below

        below = await asyncio.to_thread(begin)
        self._remember(given)
        return below

    def _remember(self, owner: Connection | Session | None) -> None:
        self._owner = owner
        self._transaction = None if owner is None else owner.get_transaction()

    def refuse_if_over(self) -> None:
        now = None if self._owner is None else self._owner.get_transaction()
        if now is None or now is not self._transaction or not now.is_active or self._below is None:
            raise InvalidInput(NO_TRANSACTION.format("async with session.begin():"))
        self._below.refuse_if_over()


def _has_begun(connection: Connection | AsyncConnection, below: Any) -> bool:
    """For itself, and for the driver. SQLAlchemy begins both with its first statement."""
    if not connection.in_transaction():
        return False
    return not hasattr(below, "is_in_transaction") or bool(below.is_in_transaction())
