"""Rules that cross streams: the canonical examples, each with a race on every store and across two applications."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from eventfold import Boundary, Eventfold, Events, Projector, Query, Recorded, Running, View
from eventfold.errors import AppendInsideProjection, BoundaryConflict, DuplicateName, HandlerFailed, InvalidInput
from eventfold.testing import given
from tests.acceptance.world import Place, interposed, stored, tapes

RACERS = 24


# ------------------------------------------------------------------- a unique e-mail


@dataclass(frozen=True)
class UserRegistered:
    user: str
    email: str


@dataclass(frozen=True)
class Register:
    user: str
    email: str


class EmailTaken(Exception): ...


def decide_registration(command: Register, taken: bool) -> list[UserRegistered]:
    if taken:
        raise EmailTaken(command.email)
    return [UserRegistered(command.user, command.email)]


def evolve_taken(taken: bool, event: UserRegistered) -> bool:
    return True


def same_email(command: Register) -> Query:
    return Query.of(UserRegistered, tags=[f"email:{command.email}"])


registration = Boundary(
    "registration", initial=False, decide=decide_registration, evolve=evolve_taken, query=same_email
)

# ----------------------------------------------------------- a course with a capacity


@dataclass(frozen=True)
class CourseDefined:
    course: str
    capacity: int


@dataclass(frozen=True)
class Subscribed:
    course: str
    student: str


@dataclass(frozen=True)
class Define:
    course: str
    capacity: int


@dataclass(frozen=True)
class Subscribe:
    course: str
    student: str


class Full(Exception): ...


class Busy(Exception): ...


@dataclass(frozen=True)
class Places:
    capacity: int = 0
    taken: tuple[tuple[str, str], ...] = ()


def decide_course(command: Define | Subscribe, places: Places) -> list[CourseDefined | Subscribed]:
    match command:
        case Define(course, capacity):
            return [CourseDefined(course, capacity)]
        case Subscribe(course, student):
            if sum(each == course for each, _ in places.taken) >= places.capacity:
                raise Full(course)
            if sum(each == student for _, each in places.taken) >= 2:
                raise Busy(student)
            return [] if (course, student) in places.taken else [Subscribed(course, student)]


def evolve_course(places: Places, event: CourseDefined | Subscribed) -> Places:
    match event:
        case CourseDefined(_, capacity):
            return Places(capacity, places.taken)
        case Subscribed(course, student):
            return Places(places.capacity, (*places.taken, (course, student)))


def course_and_student(command: Define | Subscribe) -> Query:
    course = Query.of(CourseDefined, Subscribed, tags=[f"course:{command.course}"])
    if isinstance(command, Define):
        return course
    return course | Query.of(Subscribed, tags=[f"student:{command.student}"])


def stream_of_course(command: Define | Subscribe) -> tuple[str, str]:
    return "course", command.course


courses = Boundary(
    "courses",
    initial=Places(),
    decide=decide_course,
    evolve=evolve_course,
    query=course_and_student,
    stream=stream_of_course,
)

# ------------------------------------------------------- invoice numbers without gaps


@dataclass(frozen=True)
class Invoiced:
    number: int


@dataclass(frozen=True)
class Invoice:
    pass


def decide_invoice(command: Invoice, last: int) -> list[Invoiced]:
    return [Invoiced(last + 1)]


def evolve_invoice(last: int, event: Invoiced) -> int:
    return event.number


def all_invoices(command: Invoice) -> Query:
    return Query.of(Invoiced)


invoices = Boundary("invoice", initial=0, decide=decide_invoice, evolve=evolve_invoice, query=all_invoices)

# ------------------------------------------------------------------- a one-time token


@dataclass(frozen=True)
class TokenUsed:
    token: str


@dataclass(frozen=True)
class UseToken:
    token: str


class AlreadyUsed(Exception): ...


def decide_token(command: UseToken, used: bool) -> list[TokenUsed]:
    if used:
        raise AlreadyUsed(command.token)
    return [TokenUsed(command.token)]


def evolve_token(used: bool, event: TokenUsed) -> bool:
    return True


def same_token(command: UseToken) -> Query:
    return Query.of(tags=[f"token:{command.token}"])


tokens = Boundary("token", initial=False, decide=decide_token, evolve=evolve_token, query=same_token)


def application(*processors: Projector, **more: Any) -> Eventfold:
    events = Events()
    events.add(UserRegistered, name="user-registered", tags=lambda e: [f"email:{e.email}"])
    events.add(CourseDefined, tags=lambda e: [f"course:{e.course}"])
    events.add(Subscribed, tags=lambda e: [f"course:{e.course}", f"student:{e.student}"])
    events.add(TokenUsed, tags=lambda e: [f"token:{e.token}"])
    more.setdefault("attempts", 100)
    return Eventfold(
        deciders=[registration, courses, invoices, tokens, tapes], processors=processors, events=events, **more
    )


@asynccontextmanager
async def racing(place: Place, more: int) -> AsyncGenerator[list[Running]]:
    """Two applications on one store."""
    async with place.open(application()) as one, place.open(application()) as two:
        yield [one, two] * (more // 2)


async def raced(*racers: Any) -> list[Any]:
    async with asyncio.timeout(60):
        return await asyncio.gather(*racers, return_exceptions=True)


def kinds(outcomes: list[Any]) -> dict[str, int]:
    names = [type(each).__name__ for each in outcomes]
    return {name: names.count(name) for name in names}


async def test_one_email_is_registered_once_however_many_ask(place: Place) -> None:
    async with racing(place, RACERS) as running:
        outcomes = await raced(
            *(each.execute(registration, Register(str(n), "a@b.c")) for n, each in enumerate(running))
        )
        assert kinds(outcomes) == {"Outcome": 1, "EmailTaken": RACERS - 1}
        assert [each.tags for each in await stored(running[0])] == [("email:a@b.c",)]


async def test_different_emails_do_not_meet(place: Place) -> None:
    async with racing(place, RACERS) as running:
        outcomes = await raced(
            *(each.execute(registration, Register(str(n), f"{n}@b.c")) for n, each in enumerate(running))
        )
        assert kinds(outcomes) == {"Outcome": RACERS}
        assert len({each.id for each in await stored(running[0])}) == RACERS


async def test_a_course_is_never_overbooked(place: Place) -> None:
    async with racing(place, RACERS) as running:
        await running[0].execute(courses, Define("c", 5))
        outcomes = await raced(*(each.execute(courses, Subscribe("c", f"s{n}")) for n, each in enumerate(running)))
        assert kinds(outcomes) == {"Outcome": 5, "Full": RACERS - 5}
        assert [each.version for each in await stored(running[0], Query.of("Subscribed"))] == [2, 3, 4, 5, 6]


async def test_a_student_is_in_two_courses_at_most(place: Place) -> None:
    async with racing(place, 8) as running:
        for n in range(8):
            await running[0].execute(courses, Define(f"c{n}", 5))
        outcomes = await raced(*(each.execute(courses, Subscribe(f"c{n}", "ann")) for n, each in enumerate(running)))
        assert kinds(outcomes) == {"Outcome": 2, "Busy": 6}


async def test_invoice_numbers_have_no_gaps(place: Place) -> None:
    async with racing(place, RACERS) as running:
        outcomes = await raced(*(each.execute(invoices, Invoice()) for each in running))
        assert kinds(outcomes) == {"Outcome": RACERS}
        assert sorted(each.events[0].event.number for each in outcomes) == list(range(1, RACERS + 1))
        assert [each.data for each in await stored(running[0])] == [b'{"number":%d}' % n for n in range(1, RACERS + 1)]


async def test_a_token_is_used_once(place: Place) -> None:
    async with racing(place, RACERS) as running:
        outcomes = await raced(*(each.execute(tokens, UseToken("t")) for each in running))
        assert kinds(outcomes) == {"Outcome": 1, "AlreadyUsed": RACERS - 1}


async def test_an_outcome_says_where_its_events_are(place: Place) -> None:
    told: list[Any] = []
    async with place.open(application(on_recorded=told.extend)) as running:
        await running.execute(courses, Define("c", 5))
        async with running.context(correlation_id="req-1", metadata={"actor": "ann", "a": 1}):
            outcome = await running.execute(courses, Subscribe("c", "ann"), metadata={"a": 2})
        assert (outcome.version, outcome.position) == (2, 2)
        assert outcome.state == Places(5, (("c", "ann"),))
        (recorded,) = outcome.events
        assert (recorded.correlation_id, dict(recorded.metadata)) == ("req-1", {"actor": "ann", "a": 2})
        assert recorded.tags == ("course:c", "student:ann")
        nothing = await running.execute(courses, Subscribe("c", "ann"))
        assert (nothing.events, nothing.version, nothing.position) == ((), 0, 2)
    assert [each.event for each in told] == [CourseDefined("c", 5), Subscribed("c", "ann")]


async def test_a_conflict_is_bounded(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    async with place.open(application(attempts=3)) as running, place.open(application()) as other:
        store = interposed(running)
        store.before = lambda: other.execute(invoices, Invoice())
        with pytest.raises(BoundaryConflict):
            await running.execute(invoices, Invoice())
        assert store.appends == 3
        assert not len(running._boundaries._queues)
    assert [each for each in caplog.records if each.levelno >= logging.WARNING] == []


def unrestricted(command: Invoice) -> Query:
    return Query.of(categories=["invoice"])


async def test_a_boundary_without_type_or_tag_is_refused(place: Place) -> None:
    broad = Boundary("broad", initial=0, decide=decide_invoice, evolve=evolve_invoice, query=unrestricted)
    async with place.open(Eventfold(deciders=[broad])) as running:
        with pytest.raises(InvalidInput, match=r"names neither types nor tags.*Query\.of\("):
            await running.execute(broad, Invoice())
        assert await running.head() == 0


async def test_ids_are_for_aggregates(place: Place) -> None:
    async with place.open(application()) as running:
        execute: Any = running.execute
        for wrong in [(invoices, "id", Invoice()), (tapes, Invoice()), (invoices,)]:
            with pytest.raises(InvalidInput, match=r"execute\(boundary, command\)"):
                await execute(*wrong)


async def test_a_projector_executes_nothing(place: Place) -> None:
    projector = Projector("numbers")

    @projector.on(Invoiced)
    async def again(recorded: Recorded[Invoiced], view: View) -> None:
        await running.execute(invoices, Invoice())

    async with place.open(application(projector)) as running:
        outcome = await running.execute(invoices, Invoice())
        with pytest.raises(Exception) as stopped:
            await running.wait_for(projector, outcome.position)
        cause = stopped.value.__dict__["cause"]
        assert isinstance(cause.__cause__ if isinstance(cause, HandlerFailed) else cause, AppendInsideProjection)
        assert await running.head() == 1


def test_two_deciders_of_one_name_are_refused() -> None:
    other = Boundary("tape", initial=0, decide=decide_invoice, evolve=evolve_invoice, query=all_invoices)
    with pytest.raises(DuplicateName, match="tape"):
        Eventfold(deciders=[tapes, other])


def test_boundaries_are_decided_without_a_store() -> None:
    given(courses, CourseDefined("c", 1)).when(Subscribe("c", "ann")).then(Subscribed("c", "ann"))
    given(registration, UserRegistered("1", "a@b.c")).when(Register("2", "a@b.c")).then_rejects(EmailTaken)
