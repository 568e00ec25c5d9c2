"""A bookshop with ten copies of every book. Plain Python: no base class, no clock, no event loop."""

from dataclasses import dataclass


# Events. These names are stored; changing one needs an upcaster.
@dataclass(frozen=True)
class Bought:
    copies: int


@dataclass(frozen=True)
class Returned:
    copies: int


# Commands.
@dataclass(frozen=True)
class Buy:
    copies: int


@dataclass(frozen=True)
class Return:
    copies: int


class NotEnoughCopies(Exception):
    """The shop has fewer copies than somebody wants to buy."""


@dataclass(frozen=True)
class Book:
    left: int = 10


def decide(command: Buy | Return, book: Book) -> list[Bought | Returned]:
    match command:
        case Buy(copies) if copies > book.left:
            raise NotEnoughCopies(f"{copies} wanted, {book.left} left")
        case Buy(copies):
            return [Bought(copies)]
        case Return(copies):
            return [Returned(copies)]


def evolve(book: Book, event: Bought | Returned) -> Book:
    match event:
        case Bought(copies):
            return Book(book.left - copies)
        case Returned(copies):
            return Book(book.left + copies)
