"""A11: given, when, then; each passes rightly and fails rightly, without a store."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Column, Integer, MetaData, Numeric, String, Table, insert

from bookstore.app import books, stock, stock_t
from bookstore.domain import Book, Bought, Buy, NotEnoughCopies, Return, Returned
from eventfold import Aggregate, Events, Projector, Query, Recorded, View
from eventfold.errors import HandlerFailed, InvalidInput, InvalidStreamName
from eventfold.testing import given
from eventfold.testing.scenario import Decided


def fails(match: str) -> Any:
    return pytest.raises(AssertionError, match=match)


# -------------------------------------------------------------------------- deciders


def test_a11_expected_events_pass() -> None:
    given(books, Bought(3)).when(Buy(1)).then(Bought(1)).then_state(Book(6))
    given(books).when(Return(2)).then(Returned(2))
    given(books, Bought(3), Returned(1)).then_state(Book(8))


def test_a11_other_events_fail_and_both_are_shown() -> None:
    decided = given(books, Bought(3)).when(Buy(1))
    with fails(r"expected events\n  Bought\(copies=2\)\nbut it recorded\n  Bought\(copies=1\)"):
        decided.then(Bought(2))
    with fails(r"expected events\n  none\nbut it recorded\n  Bought\(copies=1\)"):
        decided.then()
    with fails("expected events"):
        decided.then(Bought(1), Bought(1))
    with fails("expected events"):
        given(books).when(Buy(1)).then(Returned(1))


def test_a11_the_same_events_in_another_order_fail() -> None:
    def decide(command: None, n: int) -> list[Bought | Returned]:
        return [Bought(1), Returned(2)]

    def evolve(n: int, event: Bought | Returned) -> int:
        return n

    both = Aggregate("both", initial=0, decide=decide, evolve=evolve)
    given(both).when(None).then(Bought(1), Returned(2))
    with fails(r"expected events\n  Returned\(copies=2\)\n  Bought"):
        given(both).when(None).then(Returned(2), Bought(1))


def test_a11_a_wrong_state_fails() -> None:
    with fails(r"expected state Book\(left=9\), but it is Book\(left=7\)"):
        given(books, Bought(3)).then_state(Book(9))
    with fails(r"expected state Book\(left=9\), but it is Book\(left=6\)"):
        given(books, Bought(3)).when(Buy(1)).then_state(Book(9))


def test_a11_an_expected_rejection_passes_by_class_and_text() -> None:
    given(books).when(Buy(11)).then_rejects(NotEnoughCopies)
    given(books).when(Buy(11)).then_rejects(Exception, match="^11 wanted, 10 left$")


def test_a11_no_rejection_another_one_and_another_text_fail() -> None:
    with fails(r"expected NotEnoughCopies, but it recorded Bought\(copies=1\)"):
        given(books).when(Buy(1)).then_rejects(NotEnoughCopies)
    with fails(r"expected KeyError, but it raised NotEnoughCopies\('11 wanted, 10 left'\)"):
        given(books).when(Buy(11)).then_rejects(KeyError)
    with fails("expected a text like '12', but it said '11 wanted, 10 left'"):
        given(books).when(Buy(11)).then_rejects(NotEnoughCopies, match="12")


def test_a11_a_rejection_where_events_or_a_state_are_expected_fails_with_its_cause() -> None:
    expectations: list[Callable[[Decided[Book, Bought | Returned]], object]] = [
        lambda decided: decided.then(Bought(1)),
        lambda decided: decided.then(),
        lambda decided: decided.then_state(Book(10)),
    ]
    for expect in expectations:
        with fails(r"but it raised NotEnoughCopies\('11 wanted, 10 left'\)") as failure:
            expect(given(books).when(Buy(11)))
        assert isinstance(failure.value.__cause__, NotEnoughCopies)


@dataclass
class Cart:
    items: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Put:
    item: str


def careless_decide(command: Put, cart: Cart) -> list[Put]:
    cart.items.append(command.item)
    return [command]


def good_evolve(cart: Cart, event: Put) -> Cart:
    return Cart([*cart.items, event.item])


def good_decide(command: Put, cart: Cart) -> list[Put]:
    return [command]


def careless_evolve(cart: Cart, event: Put) -> Cart:
    cart.items.append(event.item)
    return cart


def rejecting_decide(command: Put, cart: Cart) -> list[Put]:
    cart.items.append(command.item)
    raise KeyError(command.item)


def test_a11_a1_a_decision_that_changes_its_state_is_reported() -> None:
    for decide in (careless_decide, rejecting_decide):
        carts = Aggregate("cart", initial=Cart(), decide=decide, evolve=good_evolve)
        with fails(r"deciding on Put\(item='pen'\) changed the state it was given: .*\[\].* became .*'pen'"):
            given(carts).when(Put("pen"))


def test_a11_a1_an_evolution_that_changes_its_state_is_reported() -> None:
    carts = Aggregate("cart", initial=Cart(), decide=good_decide, evolve=careless_evolve)
    with fails(r"evolving on the history changed the state"):
        given(carts, Put("pen"))
    carts = Aggregate("cart", initial=Cart(), decide=good_decide, evolve=careless_evolve)
    with fails(r"evolving on Put\(item='pen'\) changed the state"):
        given(carts).when(Put("pen"))


def test_a11_a_state_without_equality_is_not_accused() -> None:
    class Opaque:
        pass

    def evolve(state: Opaque, event: Put) -> Opaque:
        return Opaque()

    things = Aggregate("thing", initial=Opaque(), decide=lambda command, _: [command], evolve=evolve)
    given(things, Put("pen")).when(Put("ink")).then(Put("ink"))


def test_a11_a_generator_may_decide() -> None:
    def decide(command: Put, cart: Cart) -> Any:
        yield command
        yield command

    carts = Aggregate("cart", initial=Cart(), decide=decide, evolve=good_evolve)
    given(carts).when(Put("pen")).then(Put("pen"), Put("pen")).then_state(Cart(["pen", "pen"]))


# ------------------------------------------------------------------------- projectors


async def test_a11_expected_rows_pass() -> None:
    scenario = given(stock, Bought(3), stream=("book", "isbn-1")).given(
        Returned(1), Bought(2), stream=("book", "isbn-2")
    )
    await scenario.then_rows(stock_t, [{"isbn": "isbn-2", "left": 9}, {"isbn": "isbn-1", "left": 7}])
    await scenario.then_rows(stock_t, [{"left": 7}, {"left": 9}])  # the other columns do not matter
    await given(stock).then_rows(stock_t, [])


async def test_a11_other_rows_fail_and_both_are_shown() -> None:
    scenario = given(stock, Bought(3), stream=("book", "isbn-1"))
    with fails(
        r"expected rows in 'stock'\n  \{'isbn': 'isbn-1', 'left': 8\}\nbut there are\n  \{'isbn': 'isbn-1', 'left': 7\}"
    ):
        await scenario.then_rows(stock_t, [{"isbn": "isbn-1", "left": 8}])
    for expected in ([], [{"left": 7}, {"left": 7}], [{"isbn": "isbn-2"}]):
        with fails("expected rows"):
            await scenario.then_rows(stock_t, expected)
    with fails(r"expected rows in 'stock'\n  \{'left': 1\}\nbut there are\n  none"):
        await given(stock).then_rows(stock_t, [{"left": 1}])
    with pytest.raises(InvalidInput, match=r"has no columns \['price'\]"):
        await scenario.then_rows(stock_t, [{"price": 1}])


async def test_a11_equal_values_may_look_different() -> None:
    prices_t = Table("prices", MetaData(), Column("item", Integer, primary_key=True), Column("price", Numeric(10, 2)))
    write = insert(prices_t)
    prices = Projector("prices", tables=[prices_t])

    @prices.on(Bought)
    def bought(recorded: Recorded[Bought], view: View) -> None:
        view.write(write, {"item": recorded.position, "price": Decimal(recorded.event.copies)})

    await given(prices, Bought(9), Bought(10)).then_rows(prices_t, [{"price": 9}, {"price": Decimal("10.00")}])


async def test_a11_async_handlers_and_batches_run_too() -> None:
    seen_t = Table("seen", MetaData(), Column("n", Integer, primary_key=True), Column("kind", String))
    write = insert(seen_t)
    projector = Projector("seen", tables=[seen_t])

    @projector.on_batch(Bought)
    async def batch(batch: Sequence[Recorded[Bought]], view: View) -> None:
        for recorded in batch:
            view.write(write, {"n": recorded.position, "kind": "batch"})

    @projector.on_any()
    async def every(recorded: Recorded[Any], view: View) -> None:
        rows = await view.fetch(seen_t.select())
        view.write(write, {"n": 100 * recorded.position, "kind": str(len(rows))})

    await given(projector, Bought(1), Returned(1)).then_rows(
        seen_t, [{"n": 1, "kind": "batch"}, {"n": 100, "kind": "1"}, {"n": 200, "kind": "2"}]
    )


async def test_a11_a_failing_handler_is_not_a_wrong_row() -> None:
    projector = Projector("stock", tables=[stock_t])

    @projector.on(Bought)
    def handler(recorded: Recorded[Bought], view: View) -> None:
        raise ZeroDivisionError("boom")

    with pytest.raises(HandlerFailed, match="Bought at position 1 .given-1, version 1.: ZeroDivisionError: boom"):
        await given(projector, Bought(1)).then_rows(stock_t, [])


async def test_a11_a_catalogue_gives_tags_and_names() -> None:
    events = Events()
    events.add(Bought, name="bought", tags=lambda event: ["large"] if event.copies > 5 else [])
    large_t = Table("large", MetaData(), Column("copies", Integer, primary_key=True))
    write = insert(large_t)
    projector = Projector("large", tables=[large_t], query=Query.of(Bought, tags=["large"]))

    @projector.on(Bought)
    def handler(recorded: Recorded[Bought], view: View) -> None:
        view.write(write, {"copies": recorded.event.copies})

    await given(projector, Bought(1), Bought(7), events=events).then_rows(large_t, [{"copies": 7}])


def test_a11_a_history_has_a_place() -> None:
    with pytest.raises(InvalidStreamName):
        given(stock, Bought(1), stream=("no category", "1"))
