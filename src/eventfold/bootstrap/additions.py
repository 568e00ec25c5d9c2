"""What may be added to an application that runs, and what may not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from eventfold.errors import DuplicateName, InvalidInput
from eventfold.ports.bus import Bus, name_of
from eventfold.processing.event_handler import EventHandler
from eventfold.processing.processor import Processor
from eventfold.processing.transactional_handler import TransactionalHandler
from eventfold.schema.registry import Events

if TYPE_CHECKING:
    from sqlalchemy import Table

__all__ = ["Additions"]


class Additions:
    """The handlers and buses that there are, by what they must not share."""

    def __init__(self, catalogue: Events, processors: Sequence[Processor]) -> None:
        self._catalogue = catalogue
        self._handlers: dict[str, EventHandler | TransactionalHandler] = {}
        self._buses: list[Bus] = []
        self._projected = {table.name.casefold(): each for each in processors for table in each.tables}
        self._tables: dict[str, Table] = {}

    def admit(self, addition: EventHandler | TransactionalHandler | Bus) -> None:
        """
        Take note of a handler or a bus.

        Raises:
            DuplicateName: a handler of that name or this very bus is there; a table is a projector's, or another one
                has its name.
            UnknownEvent: a handler is for a class that is not in the catalogue.
            InvalidInput: a handler without functions, or what is neither a handler nor a bus.
        """
        if isinstance(addition, EventHandler | TransactionalHandler):
            self._admit_handler(addition)
        else:
            self._admit_bus(addition)

    def refuse_unknown(self, handlers: Sequence[EventHandler | TransactionalHandler]) -> None:
        """Raises InvalidInput for a handler that the application does not have."""
        for each in handlers:
            if self._handlers.get(each.name) is not each:
                raise InvalidInput(f"{each!r} is none of this application's; name it in Eventfold(handlers=[…])")

    def _admit_handler(self, handler: EventHandler | TransactionalHandler) -> None:
        if handler.name in self._handlers:
            remedy = "handlers of one application need different names, and each is added once"
            raise DuplicateName(handler.name, self._handlers[handler.name], handler, remedy)
        functions = handler.handlers
        if not (functions.single or functions.catch_all or handler.deleted):
            raise InvalidInput(f"{handler.name!r} has no function; add one with @{handler.name}.on(SomeEvent)")
        for cls in functions.single:
            self._catalogue.of_class(cls)
        for table in handler.tables:
            self._refuse_taken(table, handler)
        self._tables |= {table.name.casefold(): table for table in handler.tables}
        self._handlers[handler.name] = handler

    def _refuse_taken(self, table: Table, handler: EventHandler | TransactionalHandler) -> None:
        name = table.name.casefold()
        if name in self._projected:
            remedy = "the rows of a projector are its own: it may drop and fill them anew at any time"
            raise DuplicateName(table.name, self._projected[name], handler, remedy)
        other = self._tables.get(name, table)
        if other is not table:
            raise DuplicateName(table.name, other, table, "handlers that share a table share one Table object")

    def _admit_bus(self, bus: object) -> None:
        if isinstance(bus, type) or not isinstance(bus, Bus):
            raise InvalidInput(f"{bus!r} is neither a handler nor a bus, which has `async def publish(recorded)`")
        backlog = getattr(bus, "backlog", 1)
        if not isinstance(backlog, int) or backlog < 1:
            raise InvalidInput(f"bus {name_of(bus)!r}: backlog={backlog!r}; at least one event must be able to wait")
        if any(each is bus for each in self._buses):
            raise DuplicateName(name_of(bus), bus, bus, "add each bus once")
        self._buses.append(bus)
