"""Rows of projectors filled anew without downtime, and as they were at a point in time."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar, cast

import msgspec

from eventfold.adapters.system import system_clock
from eventfold.bootstrap.stores import Stores, open_stores
from eventfold.domain.message import to_micros
from eventfold.errors import InvalidInput
from eventfold.ports.event_store import EventSource
from eventfold.ports.generations import NEXT, OLD, Generation, processor_of, table_suffix
from eventfold.ports.read_model import Params, ReadModel
from eventfold.processing.following import Follower
from eventfold.processing.place import Place
from eventfold.processing.process_manager import ProcessManager
from eventfold.processing.projection import Projection
from eventfold.processing.projector import Projector
from eventfold.processing.reactor import Reactor
from eventfold.processing.rebuild import Compared, OnProgress, Rebuild, holding, roll_back
from eventfold.processing.surroundings import Surroundings
from eventfold.processing.upto import UpTo

if TYPE_CHECKING:
    from sqlalchemy.sql.selectable import SelectBase

    from eventfold.adapters.sql.generations import Copies
    from eventfold.bootstrap.documents import Document, Documents
    from eventfold.errors import ProcessingError

__all__ = ["AsOf", "Projections", "Rebuilt"]

D = TypeVar("D")


class Rebuilt(msgspec.Struct, frozen=True):
    """
    What has become of a rebuild.

    Args:
        position: the last event in the new rows, of several partitions that of the one furthest behind.
        switched: they are the live ones now; else they wait beside them.
        compared: with the live ones, table by table, where that was asked for.
    """

    position: int
    switched: bool
    compared: tuple[Compared, ...] = ()

    @property
    def same(self) -> bool:
        """Nothing that was compared differs."""
        return all(each.same for each in self.compared)


class AsOf:
    """The rows of a projector as they were, in memory, for the length of a block."""

    def __init__(self, rows: ReadModel, position: int) -> None:
        self._rows = rows
        self.position = position
        """The last event in them."""

    async def query(self, select: SelectBase, params: Params | None = None) -> list[tuple[Any, ...]]:
        """As `running.query`."""
        return await self._rows.query(select, params)

    async def view(self, documents: Documents[D], key: str) -> Document[D] | None:
        """As `running.view`."""
        return await documents.read(self._rows.query, key)


class Projections:
    """What can be done with the rows of the application's projectors while everything goes on."""

    def __init__(
        self,
        stores: Stores,
        around: Surroundings,
        processors: Sequence[Projector | Reactor | ProcessManager[Any, Any]],
        owner: str,
    ) -> None:
        self._stores = stores
        self._around = around
        self._processors = tuple(processors)
        self._owner = owner

    # ------------------------------------------------------------------------ rebuilding

    async def rebuild(
        self,
        projector: Projector | str,
        *,
        switch: bool = True,
        verify: bool = False,
        on_progress: OnProgress | None = None,
    ) -> Rebuilt:
        """
        Fill the projector's rows anew beside the live ones, and then put them in their place in one transaction. The
        live ones go on meanwhile; whoever reads sees the rows of before or of after, all of one kind.

        What was live is kept as the old rows, for `roll_back`, until `drop_old` or the next rebuild. A rebuild that was
        killed, or stopped at an event, is gone on with by the next one of the same version.

        Args:
            switch: else leave them beside the live ones, for `verify` and `switch`.
            verify: compare them with the live ones at the same position first, and do not switch if they differ.
            on_progress: called a few times a second.

        Raises:
            InvalidInput: no projector of this application, one that has never run on this store, or is older than its
                rows; with `verify`, rows that cannot be compared.
            ProcessorTaken: somebody else rebuilds it.
            ProcessingError: an event could not be handled; the live rows are as they were.
            Fenced: the rebuild, or the live rows, were taken over meanwhile.
        """
        mine = self._mine(projector)
        rebuild = self._rebuild(mine)
        async with rebuild.at_work(on_progress):
            if verify:
                await rebuild.refuse_to_compare()
                await rebuild.catch_up(await rebuild.bounds())
            else:
                await rebuild.catch_up()
            return await self._finished(mine, rebuild, switch=switch, verify=verify)

    async def verify(self, projector: Projector | str) -> Rebuilt:
        """
        Compare rebuilt rows, which wait beside the live ones, with those, both at the same position.

        Raises:
            InvalidInput: nothing is waiting, or it cannot be compared. Else as `rebuild`.
        """
        mine = await self._waiting(projector)
        rebuild = self._rebuild(mine)
        async with rebuild.at_work():
            await rebuild.refuse_to_compare()
            return await self._finished(mine, rebuild, switch=False, verify=True)

    async def switch(self, projector: Projector | str, *, verify: bool = False) -> Rebuilt:
        """
        Put rebuilt rows, which wait beside the live ones, in their place, once they have caught up.

        Raises:
            InvalidInput: nothing is waiting. Else as `rebuild`.
        """
        return await self.rebuild(await self._waiting(projector), verify=verify)

    async def roll_back(self, projector: Projector | str) -> None:
        """
        Let the old rows be the live ones again, in one transaction; they catch up from where they were. Once more
        leads forward again.

        Raises:
            InvalidInput: there are none; or they are of another version, and somebody runs the projector.
        """
        await roll_back(self._mine(projector), self._around, self._stores.generations, self._owner)

    async def drop_old(self, projector: Projector | str) -> None:
        """Drop the old rows. Raises InvalidInput when there are none."""
        await self._drop(self._mine(projector), OLD)

    async def drop_next(self, projector: Projector | str) -> None:
        """
        Give a rebuild up: drop what it has filled.

        Raises:
            InvalidInput: there is none, or somebody is at it.
        """
        mine = self._mine(projector)
        at_it = [each for each in await self._stores.leases.leases(processor_of(mine.name, NEXT)) if each.left > 0]
        if at_it:
            raise InvalidInput(f"{at_it[0].owner} rebuilds {mine.name!r}; end that first")
        await self._drop(mine, NEXT)

    async def _finished(self, mine: Projector, rebuild: Rebuild, *, switch: bool, verify: bool) -> Rebuilt:
        compared: tuple[Compared, ...] = ()
        if not (switch or verify):
            return Rebuilt(min(rebuild.positions), switched=False)
        if verify:
            await rebuild.until_live_is_as_far()
        live = await self._stores.generations.record(mine.name)
        assert live is not None, "it has been looked for"
        async with holding(mine.name, len(live.positions), self._around, self._owner) as held:
            if verify:
                compared = await rebuild.verify(held)
            else:
                await rebuild.catch_up()
            switched = switch and all(each.same for each in compared)
            if switched:
                await rebuild.switch(held)
        return Rebuilt(min(rebuild.positions), switched, compared)

    async def _waiting(self, projector: Projector | str) -> Projector:
        mine = self._mine(projector)
        waiting = await self._stores.generations.record(mine.name, NEXT)
        if waiting is None:
            raise InvalidInput(
                f"no rebuilt rows of {mine.name!r} are waiting; `eventfold projections rebuild` fills them"
            )
        if waiting.version != mine.version:
            raise InvalidInput(
                f"the rebuilt rows of {mine.name!r} are of version {waiting.version}, "
                f"this code is version {mine.version}"
            )
        return mine

    async def _drop(self, mine: Projector, generation: Generation) -> None:
        if await self._stores.generations.record(mine.name, generation) is None:
            raise InvalidInput(f"projector {mine.name!r} has no {generation} rows on this store")
        tables = self._copies(mine, generation).tables
        await self._stores.rows.drop(processor_of(mine.name, generation), tables)

    def _rebuild(self, mine: Projector) -> Rebuild:
        from eventfold.adapters.sql.generations import RenamedRows

        copies = self._copies(mine, NEXT)
        rows = cast("ReadModel", RenamedRows(self._stores.rows, copies))
        beside = msgspec.structs.replace(self._around, rows=rows)
        return Rebuild(mine, self._around, beside, copies.tables, self._stores.generations, self._owner)

    def _copies(self, mine: Projector, generation: Generation) -> Copies:
        from eventfold.adapters.sql.generations import Copies

        copies = Copies(mine.tables, table_suffix(generation))
        taken = {table.name.casefold(): each.name for each in self._processors for table in each.tables}
        for table in copies.tables:
            if table.name.casefold() in taken:
                raise InvalidInput(
                    f"a rebuild of {mine.name!r} needs the name {table.name!r}, "
                    f"which {taken[table.name.casefold()]!r} has for a table of its own"
                )
        return copies

    def _mine(self, projector: object) -> Projector:
        name = getattr(projector, "name", projector)
        for each in self._processors:
            if each is projector or each.name == projector:
                if not isinstance(each, Projector):
                    raise InvalidInput(
                        f"{each.name!r} is a {each.kind}, which acts on the world: it cannot be done once more; only "
                        "projectors are rebuilt"
                    )
                return each
        known = [each.name for each in self._processors if isinstance(each, Projector)]
        raise InvalidInput(f"no projector {name!r} in this application; there are {known}")

    # ---------------------------------------------------------------------- points in time

    @asynccontextmanager
    async def at(
        self, projector: Projector | str, *, position: int | None = None, time: datetime | None = None
    ) -> AsyncGenerator[AsOf]:
        """
        The projector's rows as they were: filled in memory, from the log alone, up to there.

        Args:
            position: of the last event in them.
            time: events that were recorded later are not in them. With a zone.

        Raises:
            InvalidInput: neither, both, or a time without a zone.
            ProcessingError: an event could not be handled.
        """
        mine = self._mine(projector)
        if (position is None) == (time is None):
            raise InvalidInput("at: one of position= and time=")
        if time is not None and time.tzinfo is None:
            raise InvalidInput(f"time={time!r} has no zone; write datetime(…, tzinfo=UTC)")
        end = await self._around.source.head()
        upto = UpTo(
            self._around.source,
            end if position is None else min(position, end),
            None if time is None else to_micros(time),
        )
        async with open_stores("memory:", clock=system_clock, migrate=True) as stores:
            around = msgspec.structs.replace(
                self._around,
                source=cast("EventSource", upto),
                rows=stores.rows,
                parking=stores.parking,
                leases=stores.leases,
            )
            await stores.rows.prepare(mine.name, version=mine.version, tables=mine.tables)
            place = Place(mine.name, 0, 1, mine.on_error, around, _untold)
            query = around.catalogue.resolve(mine.query)
            await Follower(Projection(mine, around), place, query, around).catch_up()
            yield AsOf(stores.rows, place.checkpoint.position)


async def _untold(error: ProcessingError | None, *, leave_word: bool = True) -> None:
    """Whoever asks hears of it as it is raised."""
