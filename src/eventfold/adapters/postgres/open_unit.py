"""What a transaction that is open, on whatever connection, does with events and rows."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, Protocol
from uuid import UUID

from asyncpg.exceptions import InFailedSQLTransactionError

from eventfold.adapters.postgres.accepted import ACCEPT, ACCEPTED, entered, row_of
from eventfold.adapters.postgres.commit import Job
from eventfold.adapters.postgres.connection import Connection
from eventfold.adapters.postgres.event_store import LOAD, MARK, marked
from eventfold.adapters.postgres.failures import FAILED, LOST, translated
from eventfold.adapters.postgres.names import Names
from eventfold.adapters.postgres.pieces import Piece
from eventfold.adapters.postgres.row_transaction import AGAIN, Preparing
from eventfold.adapters.postgres.rows import conditions, explained, grouped, id_used_twice, wanted
from eventfold.domain.message import NO_STREAM, Stream
from eventfold.errors import ConcurrencyConflict, EventfoldError, InvalidInput, RetryTransaction, UnsupportedIsolation
from eventfold.ports.administration import refuse_half_a_story
from eventfold.ports.command_log import Accepted
from eventfold.ports.event_store import Append, Appended, Condition, Fact, checked, checked_condition
from eventfold.ports.read_model import Params, Writes
from eventfold.ports.subscription import PAGE
from eventfold.ports.unit import CommandTaken

if TYPE_CHECKING:
    from sqlalchemy.sql.selectable import SelectBase

__all__ = ["Line", "OpenUnit", "PooledLine", "Server"]

# With the types said: not every driver asks the server for them.
APPEND_ALL: Final = """
SELECT current_setting('transaction_isolation') = 'read committed',
       status, culprit, actual, heads, recorded, places, same
FROM {append_all}($1::text[], $2::text[], $3::bigint[], $4::integer[], $5::integer[], $6::uuid[], $7::text[],
                  $8::integer[], $9::smallint[], $10::text[], $11::text[], $12::text[], $13::bigint[], $14::bytea[],
                  $15::bytea[], $16::text[], $17::text[], $18::text[], $19::bigint, $20::bigint[])
"""
READ_COMMITTED: Final = "SELECT current_setting('transaction_isolation') = 'read committed'"
SAVEPOINT: Final = "SAVEPOINT eventfold_unit"
UNDO: Final = "ROLLBACK TO SAVEPOINT eventfold_unit"
RELEASE: Final = "RELEASE SAVEPOINT eventfold_unit"
_ANY: Final = -1
_UNENDING: Final = 2**62


class Line(Protocol):
    """A connection of some driver. Its errors are those of asyncpg."""

    async def fetch(self, sql: str, values: Sequence[Any]) -> Sequence[Any]: ...

    async def write(self, sql: str, rows: Sequence[tuple[Any, ...]]) -> None: ...


class PooledLine:
    """One of our own connections."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def fetch(self, sql: str, values: Sequence[Any]) -> Sequence[Any]:
        return await self._connection.fetch(sql, *values)

    async def write(self, sql: str, rows: Sequence[tuple[Any, ...]]) -> None:
        await self._connection.executemany(sql, rows)


class Server:
    """Where the store is, and what is said there. The same for all of its transactions."""

    def __init__(
        self, names: Names, preparing: Preparing, where: str, role: Callable[[], str | None] = lambda: None
    ) -> None:
        self.names = names
        self.prepared = preparing
        self.where = where
        self.role = role
        self.append_all: str = names.fill(APPEND_ALL)
        self.load: str = names.fill(LOAD)
        self.mark: str = names.fill(MARK)
        self.accept: str = names.fill(ACCEPT)
        self.accepted: str = names.fill(ACCEPTED)

    def translated(self, error: Exception, *, for_user: bool = False) -> EventfoldError:
        return translated(error, self.where, role=self.role(), for_user=for_user)


class OpenUnit:
    """
    A unit, between somebody's BEGIN and COMMIT.

    An append that is refused is undone within the database, so the transaction goes on. Any other error of the server
    ends the transaction, as Postgres does it: then whatever is asked gets that error again.

    Args:
        line: asked before each statement; may begin the transaction, or raise when it is over.
        read_committed: each statement sees what is committed by then. None: it is the caller's to say, and asked.
        appended: called after each append.
    """

    def __init__(
        self,
        server: Server,
        line: Callable[[], Awaitable[Line]],
        *,
        read_committed: bool | None = True,
        appended: Callable[[], None] = lambda: None,
    ) -> None:
        self._server = server
        self._line = line
        self._read_committed = read_committed
        self._told = appended
        self.appends: list[Job] = []
        """What has been appended."""
        self.wrote: bool = False
        self.failure: Exception | None = None
        """The error of the driver that has ended the transaction."""
        self.over: bool = False
        """Whoever has kept it must not use what comes after it."""

    @property
    def ids(self) -> list[UUID]:
        return [id for job in self.appends for id in job.ids]

    async def load(self, stream: Stream, *, after: int = 0, upto: int | None = None) -> AsyncIterator[Sequence[Fact]]:
        stream = Stream.of(*stream)
        after, last = max(-1, min(after, _UNENDING)), _UNENDING if upto is None else min(upto, _UNENDING)
        piece = Piece(4 * PAGE)
        while True:
            size = piece.size
            rows = await self._ask(self._server.load, (*stream, after, last, size))
            if rows and rows[0][0] > max(after, NO_STREAM) + 1:
                mark = marked(await self._ask(self._server.mark, stream))
                refuse_half_a_story(stream, after, rows[0][0], mark)
            for start in range(0, len(rows), PAGE):
                yield list(map(tuple, rows[start : start + PAGE]))
            if len(rows) < size:
                return
            piece.learn(rows)
            after = rows[-1][0]

    async def append(self, *appends: Append, condition: Condition | None = None) -> Appended:
        events = checked(appends)
        checked_condition(condition)
        if twice := id_used_twice(appends):
            raise twice
        if condition is not None and not await self._sees_what_is_committed():
            raise UnsupportedIsolation(
                f"{self._server.where}: an append on a condition has to see what others have committed meanwhile; "
                "begin the transaction at READ COMMITTED, or append with an expected version"
            )
        job = Job(appends, condition, events)
        (row,) = await self._ask(self._server.append_all, (*grouped(job.appends), *conditions(condition)))
        read_committed, *answer = row
        outcome = explained(job.appends, condition, answer)
        if outcome is None:
            raise self._again("others were quicker again and again")
        if isinstance(outcome, ConcurrencyConflict) and not read_committed and _may_be_old(outcome, job):
            raise self._again("the stream is further than this transaction can see")
        if isinstance(outcome, Exception):
            raise outcome
        self.appends.append(job)
        self._told()
        places = {each.stream: each for each in outcome.streams}
        return Appended(tuple(places[append.stream] for append in appends))

    async def accept(self, accepted: Accepted) -> None:
        self.wrote = True
        if not await self._ask(self._server.accept, row_of(accepted)):
            raise CommandTaken

    async def accepted(self, command_id: bytes) -> Accepted | None:
        rows = await self._ask(self._server.accepted, (UUID(bytes=command_id),))
        return entered(command_id, rows[0]) if rows else None

    async def _sees_what_is_committed(self) -> bool:
        if self._read_committed is not None:
            return self._read_committed
        ((committed,),) = await self._ask(READ_COMMITTED, ())
        return bool(committed)

    async def fetch(self, writes: Writes, select: SelectBase, params: Params | None) -> list[tuple[Any, ...]]:
        sql, values, make = self._server.prepared(select, params)
        await self.run(writes)
        return [make(row) for row in await self._ask(sql, values, for_user=True)]

    async def run(self, writes: Writes) -> None:
        with self._speaking_our_errors(for_user=True):
            for shape, rows in writes:
                self.wrote = True
                await (await self._line()).write(shape.sql, rows)

    @asynccontextmanager
    async def whole(self) -> AsyncGenerator[None]:
        """Below a savepoint: when the block raises, nothing of it remains, and the transaction is as it was before."""
        await self._say(SAVEPOINT)
        before = len(self.appends)
        try:
            yield
        except BaseException:
            self.failure = None
            del self.appends[before:]
            with suppress(RetryTransaction):  # then all of the transaction is gone
                await self._say(UNDO)
            raise
        finally:
            if self.failure is None:
                await self._say(RELEASE)

    async def _say(self, sql: str) -> None:
        with self._speaking_our_errors(for_user=False):
            await (await self._line()).write(sql, [()])

    async def stored(self, jobs: Sequence[Job]) -> bool:
        """
        Whether these appends, of another transaction, are committed. It waits for that transaction if it is under way.

        It may append them: roll back afterwards.
        """
        for job in jobs:
            streams, ids, _, *fields = grouped(job.appends)
            values = (streams, ids, [_ANY] * len(job.appends), *fields, *conditions(None))
            (answer,) = await self._ask(self._server.append_all, values)
            if answer[1] != "known":
                return False
        return True

    def told(self, error: Exception) -> EventfoldError:
        """What the user is told when doing it again has not helped either."""
        if self.failure is not None:
            return self._server.translated(self.failure, for_user=True)
        return error if isinstance(error, EventfoldError) else self._server.translated(error)

    async def _ask(self, sql: str, values: Sequence[Any], *, for_user: bool = False) -> Sequence[Any]:
        with self._speaking_our_errors(for_user=for_user):
            return await (await self._line()).fetch(sql, values)

    @contextmanager
    def _speaking_our_errors(self, *, for_user: bool) -> Generator[None]:
        if self.over:
            raise InvalidInput("this unit of work is over; do everything within the work that is given it")
        if self.failure is not None:
            raise self._in_our_words(self.failure, for_user=for_user) from self.failure
        try:
            yield
        except FAILED as error:
            self.failure = error
            raise self._in_our_words(error, for_user=for_user) from error

    def _in_our_words(self, error: Exception, *, for_user: bool) -> EventfoldError:
        if isinstance(error, (*AGAIN, *LOST, InFailedSQLTransactionError)):
            return self._again(str(error).partition("\n")[0] or type(error).__name__)
        return self._server.translated(error, for_user=for_user)

    def _again(self, why: str) -> RetryTransaction:
        return RetryTransaction(f"{self._server.where}: {why}; roll the transaction back and do all of it once more")


def _may_be_old(conflict: ConcurrencyConflict, job: Job) -> bool:
    """An expectation above what an old snapshot shows may hold in truth."""
    append = next(each for each in job.appends if each.stream == conflict.stream)
    return wanted(append.expect) > conflict.actual or wanted(append.expect) < _ANY
