"""An account with holds, seventeen ways to get it wrong, and which are found without a property written by hand."""

import itertools
import random
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, NewType

import msgspec
import pytest
from hypothesis import strategies as st

from eventfold import Aggregate
from eventfold.errors import CannotInferEvents, InvalidInput
from eventfold.testing import properties
from eventfold.testing.properties import PropertyBroken, check

LIMIT = 100


@dataclass(frozen=True)
class Deposited:
    amount: int


@dataclass(frozen=True)
class Withdrawn:
    amount: int


@dataclass(frozen=True)
class Held:
    reference: str
    amount: int


@dataclass(frozen=True)
class Released:
    reference: str


Event = Deposited | Withdrawn | Held | Released


@dataclass(frozen=True)
class Deposit:
    amount: int


@dataclass(frozen=True)
class Withdraw:
    amount: int


@dataclass(frozen=True)
class Hold:
    reference: str
    amount: int


@dataclass(frozen=True)
class Release:
    reference: str


Command = Deposit | Withdraw | Hold | Release


class Overdrawn(Exception): ...


class NotPositive(Exception): ...


class UnknownHold(KeyError): ...


@dataclass(frozen=True)
class Account:
    balance: int = 0
    holds: dict[str, int] = field(default_factory=dict[str, int])

    @property
    def available(self) -> int:
        return self.balance + LIMIT - sum(self.holds.values())


def decide(command: Command, account: Account) -> Sequence[Event]:
    match command:
        case Deposit(amount) | Withdraw(amount) | Hold(_, amount) if amount <= 0:
            raise NotPositive
        case Deposit(amount):
            return [Deposited(amount)]
        case Withdraw(amount) | Hold(_, amount) if amount > account.available:
            raise Overdrawn
        case Withdraw(amount):
            return [Withdrawn(amount)]
        case Hold(reference, amount):
            replaced = [Released(reference)] if reference in account.holds else []
            return [*replaced, Held(reference, amount)]
        case Release(reference):
            if reference not in account.holds:
                raise UnknownHold(reference)
            return [Released(reference)]


def evolve(account: Account, event: Event) -> Account:
    match event:
        case Deposited(amount):
            return replace(account, balance=account.balance + amount)
        case Withdrawn(amount):
            return replace(account, balance=account.balance - amount)
        case Held(reference, amount):
            return replace(account, holds=account.holds | {reference: amount})
        case Released(reference):
            return replace(account, holds={each: n for each, n in account.holds.items() if each != reference})


def within_its_limit(account: Account) -> bool:
    return account.available >= 0


def account(
    *, decide: Callable[[Any, Any], Any] = decide, evolve: Callable[[Any, Any], Any] = evolve
) -> Aggregate[Any, Any, Any]:
    return Aggregate("account", initial=Account(), decide=decide, evolve=evolve)


# -- planted bugs, each with the property that tells it


@dataclass(frozen=True)
class Stamped:
    at: datetime


@dataclass(frozen=True)
class Priced:
    amount: object


@dataclass(frozen=True)
class Refunded:
    amount: int


def off_by_one(command: Command, account: Account) -> Sequence[Event]:
    match command:
        case Withdraw(amount) if amount == account.available + 1:
            return [Withdrawn(amount)]
        case _:
            return decide(command, account)


def negative_deposits(command: Command, account: Account) -> Sequence[Event]:
    return [Deposited(command.amount)] if isinstance(command, Deposit) else decide(command, account)


def holds_are_not_counted(command: Command, account: Account) -> Sequence[Event]:
    match command:
        case Withdraw(amount) if 0 < amount <= account.balance + LIMIT:
            return [Withdrawn(amount)]
        case _:
            return decide(command, account)


def an_accident(command: Command, account: Account) -> Sequence[Event]:
    if isinstance(command, Release):
        assert account.holds[command.reference]
    return decide(command, account)


def a_forgotten_case(command: Command, account: Account) -> Sequence[Event] | None:
    return None if isinstance(command, Release) and not account.holds else decide(command, account)


def an_event_of_nobody(command: Command, account: Account) -> Sequence[Event | Refunded]:
    match command:
        case Release(reference) if reference in account.holds:
            return [Released(reference), Refunded(account.holds[reference])]
        case _:
            return decide(command, account)


def changes_its_state(command: Command, account: Account) -> Sequence[Event]:
    events = decide(command, account)
    if isinstance(command, Hold):
        account.holds[command.reference] = command.amount
    return events


def draws_lots(command: Command, account: Account) -> Sequence[Event]:
    match command:
        case Hold(reference, amount):
            return [
                event for event in decide(command, account) if random.random() < 0.5 or amount > 50 or not reference
            ]
        case _:
            return decide(command, account)


def reads_the_clock(command: Command, account: Account) -> Sequence[Event | Stamped]:
    return [*decide(command, account), Stamped(datetime.now(UTC))]


def stamps_without_a_zone(command: Command, account: Account) -> Sequence[Event | Stamped]:
    return [*decide(command, account), Stamped(datetime(2024, 1, 1))]  # noqa: DTZ001 # the bug


def takes_a_tuple_for_a_list(command: Command, account: Account) -> Sequence[Event | Priced]:
    return [*decide(command, account), Priced((1, "EUR"))]


def evolves_stamps(account: Account, event: Event | Stamped | Priced) -> Account:
    return account if isinstance(event, Stamped | Priced) else evolve(account, event)


def evolve_fails(account: Account, event: Event) -> Account:
    match event:
        case Held(reference, amount) if account.holds:
            known = account.holds[reference]  # KeyError for the second reference
            return replace(account, holds=account.holds | {reference: amount + known - known})
        case _:
            return evolve(account, event)


def evolve_forgets(account: Account, event: Event) -> Account | None:
    return None if isinstance(event, Released) else evolve(account, event)


evolve_forgets.__annotations__["return"] = Account  # what a user writes who has no type checker


def evolve_in_place(account: Account, event: Event) -> Account:
    if isinstance(event, Held):
        account.holds[event.reference] = event.amount
        return account
    return evolve(account, event)


counted = itertools.count()


def evolve_with_a_memory(account: Account, event: Event) -> Account:
    return replace(account, balance=next(counted)) if isinstance(event, Withdrawn) else evolve(account, event)


def evolve_adds_withdrawals(account: Account, event: Event) -> Account:
    return evolve(account, Deposited(event.amount) if isinstance(event, Withdrawn) else event)


def evolve_releases_all(account: Account, event: Event) -> Account:
    return replace(account, holds={}) if isinstance(event, Released) else evolve(account, event)


FOUND = {
    "off by one": (account(decide=off_by_one), "invariant within_its_limit"),
    "negative deposits": (account(decide=negative_deposits), "invariant within_its_limit"),
    "holds are not counted": (account(decide=holds_are_not_counted), "invariant within_its_limit"),
    "an accident": (account(decide=an_accident), "a rejection is no accident"),
    "a forgotten case": (account(decide=a_forgotten_case), "decide gives a list of events"),
    "an event of nobody": (account(decide=an_event_of_nobody), "decide gives events that evolve knows"),
    "decide changes its state": (account(decide=changes_its_state), "decide changes nothing"),
    "decide draws lots": (account(decide=draws_lots), "decide is deterministic"),
    "decide reads the clock": (account(decide=reads_the_clock, evolve=evolves_stamps), "decide is deterministic"),
    "a time without a zone": (
        account(decide=stamps_without_a_zone, evolve=evolves_stamps),
        "events come back from the store",
    ),
    "a tuple for a list": (
        account(decide=takes_a_tuple_for_a_list, evolve=evolves_stamps),
        "events come back from the store",
    ),
    "evolve fails": (account(evolve=evolve_fails), "evolve accepts what decide gave"),
    "evolve forgets a case": (account(evolve=evolve_forgets), "evolve gives a state"),
    "evolve in place": (account(evolve=evolve_in_place), "evolve changes nothing"),
    "evolve with a memory": (account(evolve=evolve_with_a_memory), "the fold is deterministic"),
}
MISSED = {
    # Consistent and wrong: only somebody who knows what the words mean can tell.
    "evolve adds withdrawals": account(evolve=evolve_adds_withdrawals),
    "evolve releases all": account(evolve=evolve_releases_all),
}


def test_the_honest_domain_passes_and_every_event_and_rejection_was_tried() -> None:
    seen = check(account(), invariants=[within_its_limit])
    assert set(seen.events) == {"Deposited", "Withdrawn", "Held", "Released"}
    assert set(seen.rejections) == {"NotPositive", "Overdrawn", "UnknownHold"}
    assert seen.histories == 200


@pytest.mark.parametrize("bug", FOUND)
def test_a_planted_bug_is_found_and_named(bug: str) -> None:
    decider, property = FOUND[bug]
    with pytest.raises(PropertyBroken) as failure:
        check(
            decider, invariants=[within_its_limit], examples=1000, length=10
        )  # 200 find "off by one" in most runs only
    assert failure.value.property == property
    assert str(failure.value).startswith(f"{property}: ")


def test_at_least_eight_of_ten_need_no_property_written_by_hand() -> None:
    assert len(FOUND) / (len(FOUND) + len(MISSED)) >= 0.8


@pytest.mark.parametrize("bug", MISSED)
def test_what_is_consistent_and_wrong_needs_a_relation(bug: str) -> None:
    check(MISSED[bug], invariants=[within_its_limit], examples=50)

    def nothing_but_this_is_released(account: Account, command: Command, events: Sequence[Event]) -> None:
        after = account
        for event in events:
            after = MISSED[bug].evolve(after, event)
        if isinstance(command, Withdraw):
            assert after.available == account.available - command.amount
        if isinstance(command, Release):
            assert after.available == account.available + account.holds[command.reference]

    with pytest.raises(PropertyBroken, match="relation nothing_but_this_is_released"):
        check(MISSED[bug], relations=[nothing_but_this_is_released])


# -- the report


def test_the_report_shows_the_shortest_history_and_how_to_see_it_again() -> None:
    with pytest.raises(PropertyBroken) as failure:
        check(account(evolve=evolve_fails))
    broken = failure.value
    assert broken.history == (Held("a", 1),)
    assert broken.command == Hold("b", 1)
    assert broken.state == Account(holds={"a": 1})
    assert isinstance(broken.__cause__, KeyError)
    assert str(broken).splitlines() == [
        "evolve accepts what decide gave: KeyError('b') on Held(reference='b', amount=1)",
        "  history  Hold(reference='a', amount=1) -> Held(reference='a', amount=1)",
        "  state    Account(balance=0, holds={'a': 1})",
        "  command  Hold(reference='b', amount=1)",
        "  decided  [Held(reference='b', amount=1)]",
        "  again    given(decider, Held(reference='a', amount=1)).when(Hold(reference='b', amount=1))",
    ]
    assert broken.__notes__ == ["  seed     0"]


def test_the_same_seed_gives_the_same_histories_and_none_draws_one() -> None:
    commands = st.builds(Deposit, st.integers(1, 10_000))
    assert check(account(), commands=commands, seed=7) == check(account(), commands=commands, seed=7)
    with pytest.raises(PropertyBroken) as failure:
        check(account(decide=a_forgotten_case), seed=None)
    assert failure.value.__notes__[0].startswith("  seed ")


def test_a_domain_that_refuses_everything_has_not_been_tested() -> None:
    with pytest.raises(PropertyBroken, match="something is decided: no event came of"):
        check(account(), commands=st.just(Withdraw(LIMIT + 1)))


def test_when_time_is_up_no_new_history_is_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(properties, "monotonic", itertools.count().__next__)  # a second for each look at the clock
    assert check(account(), seconds=30).histories == 31


# -- other domains


class Counter:
    """A mutable state with an identity of its own, in a decider that is a class."""

    def __init__(self, value: int = 0) -> None:
        self.value = value


class Increased(msgspec.Struct, frozen=True):
    by: int


Steps = NewType("Steps", int)


class Order: ...


class Increase(msgspec.Struct, frozen=True):
    by: Steps
    notes: list[str] | None = None

    def __post_init__(self) -> None:
        if self.by < 0:
            raise ValueError("not backwards")


@dataclass(frozen=True)
class IncreaseMany(Order):
    steps: tuple[Increase, ...]
    then: "IncreaseMany | None"


class Counting:
    initial = Counter()

    def decide(self, command: Increase | Order, state: Counter) -> list[Increased]:
        if isinstance(command, Order):
            assert isinstance(command, IncreaseMany)
            return [Increased(each.by) for each in command.steps]
        if command.by > 1000:
            raise ValueError("too many at once")
        return [Increased(command.by)]

    def evolve(self, state: Counter, event: Increased) -> Counter:
        return Counter(state.value + event.by)


class CountingInPlace(Counting):
    def evolve(self, state: Counter, event: Increased) -> Counter:
        state.value += event.by
        return state


def test_an_error_of_python_is_a_rejection_where_the_user_says_so() -> None:
    with pytest.raises(PropertyBroken, match="a rejection is no accident: ValueError"):
        check(Counting())
    assert check(Counting(), rejections=[ValueError], examples=50).rejections["ValueError"] > 0


def test_a_state_without_equality_is_compared_by_what_it_holds() -> None:
    with pytest.raises(PropertyBroken, match="evolve changes nothing"):
        check(CountingInPlace(), rejections=[ValueError])
    assert CountingInPlace.initial.value == 0


class Unannotated(Counting):
    def decide(self, command: Any, state: Counter) -> list[Increased]:
        return [Increased(command.by)]

    def evolve(self, state: Counter, event: Any) -> Counter:
        return Counter(state.value + event.by)


def test_what_no_annotation_says_can_be_passed() -> None:
    commands = st.builds(Increase, st.integers(0, 3).map(Steps))
    with pytest.raises(InvalidInput, match="pass commands="):
        check(Unannotated(), events=[Increased])
    with pytest.raises(CannotInferEvents, match="pass events="):
        check(Unannotated(), commands=commands)
    check(Unannotated(), commands=commands, events=[Increased])


class Lazy(Counting):
    def decide(self, command: Increase, state: Counter) -> Any:  # type: ignore[override] # a generator, the bug
        def events() -> Iterator[Increased]:
            yield Increased(command.by)

        return events()


def test_a_generator_is_no_list() -> None:
    with pytest.raises(PropertyBroken, match="decide gives a list of events"):
        check(Lazy())


def test_invariants_may_assert() -> None:
    def is_small(state: Counter) -> None:
        assert state.value < 5, "too large"

    with pytest.raises(PropertyBroken, match="invariant is_small: AssertionError"):
        check(Counting(), invariants=[is_small], rejections=[ValueError])


def test_the_test_kit_alone_does_not_load_hypothesis() -> None:
    program = "import sys, eventfold.testing; sys.exit('hypothesis' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
