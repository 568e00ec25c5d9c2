"""Process managers: what both checkers infer from evolve, and what they must refuse."""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import assert_type

from bookstore.app import books, stock
from bookstore.domain import Book, Bought, Buy, Return, Returned
from eventfold import Cancel, Complete, Emit, Eventfold, Park, ProcessManager, Recorded, Schedule, Send
from eventfold.testing.scenario import Answered, Managed, given


@dataclass(frozen=True)
class Overdue:
    isbn: str


@dataclass(frozen=True)
class Loan:
    isbn: str
    out: int = 0


def loan_key(recorded: Recorded[Bought]) -> str:
    return recorded.id


def evolve_loan(loan: Loan, seen: Bought | Overdue) -> Loan:
    return replace(loan, out=loan.out + seen.copies) if isinstance(seen, Bought) else loan


def react_loan(loan: Loan, seen: Bought | Overdue) -> list[Schedule | Send | Cancel | Complete | Emit]:
    if isinstance(seen, Bought):
        return [Schedule("due", Overdue(loan.isbn), after=timedelta(days=30))]
    return [
        Send(books, seen.isbn, Return(1), on_refused=Overdue(seen.isbn)),
        Cancel("due"),
        Emit(Returned(1), ("book", seen.isbn)),
        Complete(),
    ]


def react_otherwise(loan: Loan, seen: Returned) -> list[Complete]:
    return [Complete()]


def react_badly(loan: Loan, seen: Bought | Overdue) -> list[Bought]:
    return []


loans = ProcessManager(
    "loan",
    initial=lambda key: Loan(isbn=key),
    key=loan_key,
    evolve=evolve_loan,
    react=react_loan,
    emits=[Returned],
    stuck_after=timedelta(days=60),
    on_error=Park(),
)
assert_type(loans, ProcessManager[Loan, Bought | Overdue])
Eventfold(deciders=[books], processors=[stock, loans])

assert_type(given(loans, Bought(1)), Managed[Loan, Bought | Overdue])
assert_type(given(loans, Bought(1), key="isbn-1").when(Overdue("isbn-1")), Answered[Loan])
given(loans, Bought(1)).when(Overdue("isbn-1")).then(Send(books, "isbn-1", Return(1)))
given(loans, Buy(1))  # expect-error: a command is no input
given(loans).when(Book())  # expect-error: nor is a state
given(loans).when(Bought(1)).then(Bought(1))  # expect-error: an event is no action
given(loans).when(Bought(1)).then_state(Book())  # expect-error: it is a loan
Send(books, "isbn-1", Bought(1))  # expect-error: it is no command of books
Send(books, Return(1))  # expect-error: an aggregate has an id
Schedule("due", Overdue("isbn-1"), after=30)  # expect-error: a timedelta
ProcessManager("loan", initial=Loan, key=loan_key, evolve=evolve_loan, react=react_badly)  # expect-error: no actions
ProcessManager("loan", initial=Loan, key=loan_key, evolve=evolve_loan)  # expect-error: it does nothing
ProcessManager("loan", initial=Loan, key=len, evolve=evolve_loan, react=react_loan)  # expect-error: a key is a text
