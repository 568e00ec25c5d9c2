"""One view of two kinds of aggregates: what a customer has on loan, from books and from films, in one row."""

from dataclasses import dataclass

from sqlalchemy import Column, Integer, MetaData, String, Table, bindparam, select

from eventfold import Aggregate, Eventfold, EventHandler, Recorded, View, upsert


@dataclass(frozen=True)
class BookLent:
    customer: str
    days: int


@dataclass(frozen=True)
class FilmLent:
    customer: str
    days: int


@dataclass(frozen=True)
class Lend:
    customer: str
    days: int


def lend_book(command: Lend, lent: int) -> list[BookLent]:
    return [BookLent(command.customer, command.days)]


def lend_film(command: Lend, lent: int) -> list[FilmLent]:
    return [FilmLent(command.customer, command.days)]


def book_lent(lent: int, event: BookLent) -> int:
    return lent + 1


def film_lent(lent: int, event: FilmLent) -> int:
    return lent + 1


books = Aggregate("book", initial=0, decide=lend_book, evolve=book_lent)
films = Aggregate("film", initial=0, decide=lend_film, evolve=film_lent)

loans_t = Table(
    "loans",
    MetaData(),
    Column("customer", String, primary_key=True),
    Column("book", String),
    Column("film", String),
    Column("days", Integer, nullable=False),
)


def lending(column: str) -> dict[str, object]:
    return {column: bindparam("id_"), "days": loans_t.c.days + bindparam("n")}


lend_a_book, lend_a_film = (
    upsert(
        loans_t,
        key=["customer"],
        insert={"customer": bindparam("customer_"), column: bindparam("id_"), "days": bindparam("n")},
        set=lending(column),
    )
    for column in ("book", "film")
)

# One handler for both; it is told which by the class of the event.
loans = EventHandler("loans", tables=[loans_t])


@loans.on(BookLent, FilmLent)
def lent(recorded: Recorded[BookLent | FilmLent], view: View) -> None:
    event = recorded.event
    statement = lend_a_book if isinstance(event, BookLent) else lend_a_film
    view.write(statement, {"customer_": event.customer, "id_": recorded.id, "n": event.days})


app = Eventfold(deciders=[books, films], handlers=[loans])


async def main(url: str) -> None:
    async with app.open(url) as running:
        await running.execute(books, "isbn-1", Lend("ann", days=5))
        await running.execute(films, "ean-1", Lend("ann", days=7))
        assert await running.query(select(loans_t)) == [("ann", "isbn-1", "ean-1", 12)]
