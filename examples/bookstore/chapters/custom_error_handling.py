"""Who hears of which error: the caller, if nothing was stored; `on_handler_error`, if it was."""

from bookstore.domain import Book, Bought, Buy, NotEnoughCopies, decide, evolve
from eventfold import (
    Aggregate,
    Eventfold,
    EventHandler,
    HandlerFailure,
    Handling,
    Pending,
    Recorded,
    TransactionalHandler,
    View,
)
from eventfold.errors import HandlerFailed

books = Aggregate("book", initial=Book(), decide=decide, evolve=evolve)


class NotForSale(Exception):
    """An error of our own, raised within the append."""


class PrinterJammed(Exception):
    """Another, raised after it."""


rules = TransactionalHandler("rules")
receipts = EventHandler("receipts")
counting = EventHandler("counting")
counted: list[str] = []


@rules.on(Bought)
def for_sale(pending: Pending[Bought], view: View) -> None:
    if pending.id == "isbn-rare":
        raise NotForSale(pending.id)


@receipts.on(Bought)
def receipt(recorded: Recorded[Bought], handling: Handling) -> None:
    raise PrinterJammed(recorded.id)


@counting.on(Bought)
def count(recorded: Recorded[Bought], handling: Handling) -> None:
    counted.append(recorded.id)


class Broken:
    """A bus without a broker."""

    async def publish(self, recorded: Recorded[Bought]) -> None:
        raise ConnectionError("no broker")


async def main(url: str) -> None:
    counted.clear()
    failures: list[HandlerFailure] = []
    app = Eventfold(
        deciders=[books],
        handlers=[rules, receipts, counting],
        buses=[Broken()],
        on_handler_error=failures.append,
    )
    async with app.open(url) as running:
        # The domain says no: its own exception, as `decide` raised it.
        try:
            await running.execute(books, "isbn-1", Buy(11))
        except NotEnoughCopies as rejection:
            assert str(rejection) == "11 wanted, 10 left"
        else:
            raise AssertionError("there are ten")

        # A transactional handler says no: HandlerFailed, which names the handler and holds the exception.
        try:
            await running.execute(books, "isbn-rare", Buy(1))
        except HandlerFailed as failed:
            assert failed.processor == "rules"
            assert isinstance(failed.cause, NotForSale)
        else:
            raise AssertionError("it is not for sale")
        assert (counted, failures) == ([], [])
        assert await running.head() == 0  # nothing is stored

        # A handler and a bus fail on an event that is stored: the command has succeeded, the next handler is called,
        # and we are told.
        outcome = await running.execute(books, "isbn-1", Buy(2))
        assert outcome.state == Book(left=8)
        assert counted == ["isbn-1"]

    told = {failure.processor: failure for failure in failures}
    assert {name: type(failure.error) for name, failure in told.items()} == {
        "receipts": PrinterJammed,
        "Broken": ConnectionError,
    }
    assert all(failure.event == outcome.events[0] for failure in failures)
