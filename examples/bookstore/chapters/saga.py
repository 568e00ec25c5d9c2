"""A handler that answers: an order is placed, a parcel is packed, the order is told, on the same aggregate."""

from dataclasses import dataclass

from eventfold import Aggregate, Eventfold, EventHandler, Handling, Recorded


@dataclass(frozen=True)
class Placed:
    isbn: str


@dataclass(frozen=True)
class Sent:
    parcel: str


@dataclass(frozen=True)
class Place:
    isbn: str


@dataclass(frozen=True)
class Send:
    parcel: str


@dataclass(frozen=True)
class Order:
    isbn: str | None = None
    parcel: str | None = None


def decide(command: Place | Send, order: Order) -> list[Placed | Sent]:
    match command:
        case Place(isbn):
            return [Placed(isbn)]
        case Send(parcel):
            return [Sent(parcel)] if order.parcel is None else []  # told twice is as told once


def evolve(order: Order, event: Placed | Sent) -> Order:
    match event:
        case Placed(isbn):
            return Order(isbn=isbn)
        case Sent(parcel):
            return Order(order.isbn, parcel)


orders = Aggregate("order", initial=Order(), decide=decide, evolve=evolve)

packed: list[str] = []
shipping = EventHandler("shipping")


@shipping.on(Placed)
async def pack_and_send(recorded: Recorded[Placed], handling: Handling) -> None:
    """A side effect, then a command. The conflict queue of the order is free by now, so nothing waits for itself."""
    packed.append(recorded.event.isbn)
    await handling.execute(orders, recorded.id, Send(f"parcel of {recorded.event.isbn}"))


app = Eventfold(deciders=[orders], handlers=[shipping])


async def main(url: str) -> None:
    packed.clear()
    async with app.open(url) as running:
        async with running.context(correlation_id="cart-7"):
            outcome = await running.execute(orders, "order-1", Place("isbn-1"))

        # The command returns when the handler has answered. Its own outcome is what *it* recorded.
        assert [each.event for each in outcome.events] == [Placed("isbn-1")]
        assert packed == ["isbn-1"]
        loaded = await running.load(orders, "order-1")
        assert (loaded.state, loaded.version) == (Order("isbn-1", "parcel of isbn-1"), 2)

        # The answer belongs to the same conversation, and names the event that led to it.
        placed, sent = [event async for event in running.source.read(orders.stream("order-1"))]
        assert (placed.correlation_id, sent.correlation_id) == ("cart-7", "cart-7")
        assert sent.causation_id == str(outcome.events[0].event_id)
